"""How far aligners' phone boundaries are from where flite itself put them, on the mini corpus's test sets.

Needs stages 1 to 3 of the mini recipe, or of another run of it (--recipe). Aligners that learn do so from
the training set first; --keep keeps what they learned, and is taken up the next time:

    python test/bench/aligner.py --recipe egs/mini/tts1 --keep learned

Both edges of every phone but silence count. Warped speakers have the timing of the voice they were made of.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ellav.bin.align import read_phones
from ellav.bin.fit_aligner import recordings_of
from ellav.data.audio import read_wav
from ellav.data.kaldi import DataFolder, read_table
from ellav.plugins.aligners import AlignmentError, aligners
from ellav.plugins.registry import load_plugin
from ellav.types import SILENCE

sys.path.insert(0, str(Path(__file__).parents[2] / "egs/mini/tts1/local"))
import corpus

SAME = {"AX": "AH", "IX": "IH", "AXR": "ER"}
"""flite's phones that the pronouncing dictionary writes otherwise."""


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--recipe", type=Path, default=Path("egs/mini/tts1"), help="its folder; stages 1 to 3 have run")
    made.add_argument("--aligners", nargs="+", default=["pocketsphinx", "trained"])
    made.add_argument("--plugin", action="append", default=[], help="import a plugin (repeatable)")
    made.add_argument("--minutes", type=float, default=30.0, help="of speech to learn from")
    made.add_argument("--keep", type=Path, help="folder to keep the learned models in")
    options = made.parse_args()
    for plugin in options.plugin:
        load_plugin(plugin)
    keep = options.keep and options.keep.absolute()
    os.chdir(options.recipe)
    with tempfile.TemporaryDirectory() as folder:
        spoken = [line for name in ("test_seen", "test_unseen") for line in placed(name)]
        print("| aligner | speakers | utterances | boundaries | median ms | mean ms | 95 % within ms | within 50 ms |")
        print("|---|---|---|---|---|---|---|---|")
        for name in options.aligners:
            measure(name, prepared(name, keep or Path(folder), options.minutes), spoken)


def prepared(name: str, folder: Path, minutes: float):
    """The aligner, with what it learned from the training set, if it learns, now or before."""
    if not hasattr(aligners.get(name), "fit"):
        return aligners.create(name)
    folder.mkdir(exist_ok=True)
    model = folder / f"{name}.safetensors"
    if not model.exists():
        recordings = recordings_of(Path("dump/raw/train"), Path("dump/phones/train"))
        began = time.process_time()
        aligners.create(name, {"minutes": minutes}).fit(recordings, folder)
        spent = time.process_time() - began
        print(f"\n`{name}`: learned from {minutes:g} minutes in {spent:.0f} s of processor time\n", flush=True)
    return aligners.create(name, {"model": str(model)})


def placed(name: str) -> list[tuple]:
    """(speaker, wav, phones, [(phone, start, end)] of flite) of each utterance, silence left out."""
    data, texts = DataFolder.read(f"dump/raw/{name}"), read_table(f"dump/raw/{name}/text")
    flite, found = corpus.find_flite(), []
    with tempfile.TemporaryDirectory() as folder:
        for utterance, phones in read_phones(Path(f"dump/phones/{name}")).items():
            speaker = data.speakers[utterance]
            voice = (corpus.SEEN | corpus.UNSEEN)[speaker].voice
            command = [flite, "-voice", voice, "-psdur", "-t", texts[utterance], "-o", f"{folder}/x.wav"]
            items = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            names, _, ends = zip(*(item.partition(":") for item in items), strict=True)
            names = [SAME.get(one.upper(), one.upper()) for one in names]
            ends = [float(end) for end in ends]
            times = zip(names, [0.0, *ends], ends, strict=False)
            found.append((speaker, read_wav(data.wavs[utterance], 16000), phones, [t for t in times if t[0] != "PAU"]))
    return found


def measure(name: str, aligner, spoken: list[tuple]) -> None:
    """Rows of the table: base voices that training has, the one it lacks, and speakers made of them."""
    errors: dict[str, list] = {"base, seen": [], "warped, seen": [], "base, unseen": [], "warped, unseen": []}
    scores, wrong, refused, seconds, spent, other = [], [], 0, 0.0, 0.0, 0
    for index, (speaker, wav, phones, theirs) in enumerate(spoken):
        began = time.process_time()
        try:
            made = aligner.align(wav, phones)
        except AlignmentError:
            refused += 1
            continue
        finally:
            spent += time.process_time() - began
            seconds += len(wav) / 16000
        scores.append(made.score)
        foreign = spoken[(index + 1) % len(spoken)][2]
        try:
            wrong.append(aligner.align(wav, foreign).score)
        except AlignmentError:
            wrong.append(-np.inf)
        places = [place for place, phone in enumerate(phones.phones) if phone != SILENCE]
        if len(places) != len(theirs):
            other += 1
            continue
        ours = [([0.0, *made.ends][place], made.ends[place]) for place in places]
        made_of = "base" if (corpus.SEEN | corpus.UNSEEN)[speaker][1:] == (1.0, 1.0) else "warped"
        kind = f"{made_of}, {'seen' if speaker in corpus.SEEN else 'unseen'}"
        errors[kind].append([1000 * abs(o[i] - t[i + 1]) for o, t in zip(ours, theirs, strict=True) for i in (0, 1)])
    errors["all"] = [row for rows in errors.values() for row in rows]
    for kind, rows in errors.items():
        every = np.concatenate(rows)
        within = 100 * np.mean(every <= 50)
        print(
            f"| `{name}` | {kind} | {len(rows)} | {len(every)} | {np.median(every):.1f} | {every.mean():.1f} |"
            f" {np.percentile(every, 95):.0f} | {within:.1f} % |",
            flush=True,
        )
    least = getattr(aligner, "least_score", -np.inf)
    print(
        f"\n`{name}`: {seconds / spent:.0f} times real time; refused {refused}, other pronunciation {other}; below"
        f" {least:.2f}: {np.mean(np.array(scores) < least):.1%} of true transcripts,"
        f" {np.mean(np.array(wrong) < least):.1%} of another sentence's\n"
    )


if __name__ == "__main__":
    main()
