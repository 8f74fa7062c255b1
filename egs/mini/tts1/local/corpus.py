"""The mini corpus: speech that flite makes, with pseudo-speakers warped from its voices.

Machine-made, so that the whole recipe runs anywhere and no download is needed. Speakers
are flite voices as they are, and the same voices with another pitch and vocal tract (WORLD
vocoder: F0 scaled, spectral envelope stretched along frequency, same timing). All
speakers made from one voice, `rms`, are kept out of training.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf
from grammar import sentences

from ellav.bin.run_command import run_command
from ellav.data.audio import write_wav
from ellav.data.kaldi import DataFolder
from ellav.data.outputs import writing
from ellav.data.parallel import parallel_map
from ellav.data.warps import warp
from ellav.errors import UserError


class Speaker(NamedTuple):
    """voice: of flite. pitch: factor on F0. tract: factor on the formants' frequencies.

    Factors were chosen so that recordings stay as intelligible as the voice itself and
    every speaker is told from the others: the male voices bear a shorter tract, not a
    longer one; the female one bears the opposite.
    """

    voice: str
    pitch: float = 1.0
    tract: float = 1.0


SEEN = {
    "awb1": Speaker("awb"),
    "awb2": Speaker("awb", 0.80, 1.06),
    "awb3": Speaker("awb", 1.15, 1.09),
    "awb4": Speaker("awb", 1.40, 1.16),
    "kal1": Speaker("kal16"),
    "kal2": Speaker("kal16", 1.40, 1.05),
    "kal3": Speaker("kal16", 1.15, 1.16),
    "kal4": Speaker("kal16", 0.85, 1.08),
    "slt1": Speaker("slt"),
    "slt2": Speaker("slt", 0.80, 1.03),
    "slt3": Speaker("slt", 1.25, 1.03),
    "slt4": Speaker("slt", 0.70, 0.88),
}
UNSEEN = {
    "rms1": Speaker("rms"),
    "rms2": Speaker("rms", 1.20, 1.10),
    "rms3": Speaker("rms", 1.40, 1.20),
}
SECONDS = 4.0
"""Mean length of a sentence as these speakers say it."""


class Line(NamedTuple):
    """One sentence to be spoken. `file`: where its recording goes."""

    utterance: str
    speaker: str
    sentence: str
    file: Path


def plan(hours: float, seed: int) -> dict[str, list[tuple[str, str, str]]]:
    """Set -> [(utterance, speaker, sentence)]. No sentence stands twice in the corpus.

    The test and validation sentences do not depend on `hours`, unless it is below half
    an hour: then these sets shrink, to no less than two utterances of each speaker.
    """
    share = min(1.0, hours / 0.5)
    sizes = {  # in utterances of each speaker; test sets first, so that they stay as they are
        "test_seen": (SEEN, max(2, round(7 * share))),
        "test_unseen": (UNSEEN, max(2, round(7 * share))),
        "valid": (SEEN, max(1, round(5 * share))),
        "train": (SEEN, max(2, math.ceil(hours * 3600 / SECONDS / len(SEEN)))),
    }
    spoken = sentences(seed)
    chooser = random.Random(seed)
    made = {}
    for name, (speakers, count) in sizes.items():
        turns = [speaker for speaker in speakers for _ in range(count)]
        chooser.shuffle(turns)
        made[name] = [
            (f"{speaker}-{name}-{number:05d}", speaker, sentence)
            for number, (speaker, sentence) in enumerate(zip(turns, islice(spoken, len(turns)), strict=True))
        ]
    return made


def find_flite() -> str:
    """The flite program; raises UserError where there is none."""
    local = Path(__file__).resolve().parents[4] / "tools/flite/bin/flite"
    found = str(local) if local.exists() else shutil.which("flite")
    if found is None:
        raise UserError("flite is not there; run tools/installers/install_flite.sh")
    return found


def speak(flite: str, voice: str, sentence: str) -> tuple[np.ndarray, int]:
    """(samples,) float64 in [-1, 1] and the rate in Hz, from a flite voice."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        command = [flite, "-voice", voice, "-t", sentence, "-o", file.name]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"flite failed with voice {voice} on {sentence!r}: {done.stderr.strip()}")
        return sf.read(file.name)


def recorder() -> Callable[[Line], str]:
    """A function that records a line, unless an interrupted run already did."""
    return partial(record, find_flite())


def record(flite: str, line: Line) -> str:
    """Write the recording of `line`, 16-bit FLAC at -3 dB or lower; returns its utterance id."""
    if not line.file.exists():
        speaker = (SEEN | UNSEEN)[line.speaker]
        wav, rate = speak(flite, speaker.voice, line.sentence)
        if (speaker.pitch, speaker.tract) != (1, 1):
            wav = warp(wav, rate, speaker.pitch, speaker.tract)
        wav = wav * min(1.0, 0.7 / np.abs(wav).max())
        write_wav(line.file, wav, rate)
    return line.utterance


def main(argv: list[str]) -> None:
    """Write the sets as data folders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=2.5, help="hours of speech in the training set")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the sets")
    options = parser.parse_args(argv)
    if options.hours <= 0:
        raise UserError(f"--hours must be above 0, not {options.hours}")
    write_sets(plan(options.hours, options.seed), options, [])


def write_sets(sets: dict[str, list[tuple[str, str, str]]], options: argparse.Namespace, inputs: list[Path]) -> None:
    """Write sets of (utterance, speaker, sentence). options: hours, seed, nj, out. inputs: files that they depend on
    besides this folder's."""
    find_flite()
    here = Path(os.path.relpath(Path(__file__).parent))  # the recipe may be moved
    settings = {"hours": options.hours, "seed": options.seed}
    for name, lines in sets.items():
        out = options.out / name
        with writing(out, "1 (data)", settings, [*inputs, here / "corpus.py", here / "grammar.py"]) as folder:
            if folder is None:
                continue
            (folder / "wav").mkdir(exist_ok=True)
            items = [Line(*line, folder / "wav" / f"{line[0]}.flac") for line in lines]
            for _ in parallel_map(recorder, items, options.nj, f"speaking {name}"):
                pass
            DataFolder(
                wavs={utterance: str(out / "wav" / f"{utterance}.flac") for utterance, _, _ in lines},
                text={utterance: sentence for utterance, _, sentence in lines},
                speakers={utterance: speaker for utterance, speaker, _ in lines},
            ).write(folder)
        print(f"{out}: {len(lines)} utterances")


if __name__ == "__main__":
    sys.exit(run_command("corpus.py", partial(main, sys.argv[1:])))
