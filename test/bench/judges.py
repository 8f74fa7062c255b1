"""What the judges of stage 9 make of people: word error rates and speed of transcribers, similarity of voices.

    OMP_NUM_THREADS=1 python test/bench/judges.py --librispeech DIR --out docs/judges.md

DIR is a subset of LibriSpeech in the corpus's own layout: READER/CHAPTER/*.{flac,mp3} with *.trans.txt.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from ellav.data.audio import read_wav
from ellav.data.outputs import write_text
from ellav.errors import UserError
from ellav.plugins.scorers import Scored, scorers
from ellav.plugins.transcribers import transcribers
from ellav.score.results import bootstrap, cpu_name, environment, figure, markdown
from ellav.score.scoring import other_readers

RATE = 16000
PIECE = 28.0  # s
LISTENERS = {
    "whisper base": ("whisper", {}),
    "pocketsphinx": ("pocketsphinx", {}),
    "whisper base, int8": ("whisper", {"compute": "int8"}),
}
COMMAND = "OMP_NUM_THREADS=1 python test/bench/judges.py --librispeech DIR"
NORMALIZERS = ("whisper", "basic")
FIRST = ("84", "777", "2412", "2902")
"""Readers that nothing here is ever trained on; they come first."""


def utterances(folder: Path, readers: int, each: int) -> list[Scored]:
    """The same number of utterances of each reader, evenly over what the reader has read."""
    found = sorted((p for p in folder.iterdir() if p.name.isdigit()), key=lambda p: (p.name not in FIRST, p.name))
    chosen = []
    for reader in found[:readers]:
        lines = [line for path in sorted(reader.glob("*/*.trans.txt")) for line in path.read_text().splitlines()]
        for place in np.linspace(0, len(lines) - 1, min(each, len(lines))).round().astype(int):
            id, _, text = lines[place].partition(" ")
            (path,) = (p for p in reader.glob(f"*/{id}.*"))
            chosen.append(Scored(id, reader.name, text, read_wav(str(path), RATE), RATE))
    if not chosen:
        raise UserError(f"--librispeech {folder}: no READER/CHAPTER/*.trans.txt in it")
    return chosen


def measure_listener(name: str, conf: dict, spoken: list[Scored]) -> dict[str, dict]:
    """Word error rates by both normalizers, and speed by the time that the processor took."""
    listener = transcribers.create(name, conf)
    listener.transcribe(spoken[0].wav)
    took, heard = _timed(listener, [one.wav for one in spoken])
    made = {}
    for normalizer in NORMALIZERS:
        scorer = scorers.create("wer", {"normalizer": normalizer})
        pairs = []
        for one, words in zip(spoken, heard, strict=True):
            scorer._last = (one.wav, words)  # what was heard, counted twice
            pairs.append(scorer.score(one)["wer"])
        made[f"WER, %, normalizer {normalizer}"] = bootstrap(pairs)
    made["times real time, utterances"] = _speed([one.wav for one in spoken], took)
    long = pieces([one.wav for one in spoken])
    made[f"times real time, pieces of {PIECE:g} s"] = _speed(long, _timed(listener, long)[0])
    return made


def pieces(wavs: list[np.ndarray]) -> list[np.ndarray]:
    """Three pieces of PIECE seconds."""
    samples = round(PIECE * RATE)
    joined = np.resize(np.concatenate(wavs), 3 * samples)
    return [joined[i * samples : (i + 1) * samples] for i in range(3)]


def measure_voices(spoken: list[Scored]) -> dict[str, dict]:
    """Cosines of each utterance to another one of its reader, and to what another reader said."""
    embed = scorers.create("similarity").embed
    voices = {one.id: embed(one.wav, RATE) for one in spoken}
    ids = [one.id for one in spoken]
    of_reader = defaultdict(list)
    for one in spoken:
        of_reader[one.speaker].append(one.id)
    prompts = {id: group[(group.index(id) + 1) % len(group)] for group in of_reader.values() for id in group}
    shuffled = [ids[i] for i in np.random.default_rng(0).permutation(len(ids))]
    strangers = other_readers(shuffled, {one.id: one.speaker for one in spoken})
    return {
        "own reader": bootstrap([(float(voices[id] @ voices[prompts[id]]), 1.0) for id in ids]),
        "control: another reader": bootstrap([(float(voices[strangers[id]] @ voices[prompts[id]]), 1.0) for id in ids]),
    }


def _timed(listener, wavs: list[np.ndarray]) -> tuple[list[float], list[str]]:
    took, heard = [], []
    for wav in wavs:
        begun = time.process_time()
        heard.append(listener.transcribe(wav))
        took.append(time.process_time() - begun)
    return took, heard


def _speed(wavs: list[np.ndarray], took: list[float]) -> dict:
    return bootstrap([(len(wav) / RATE, spent) for wav, spent in zip(wavs, took, strict=True)])


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--librispeech", type=Path, required=True, metavar="DIR", help="a subset, for example dev-clean")
    made.add_argument("--readers", type=int, default=10)
    made.add_argument("--each", type=int, default=4, help="utterances of a reader")
    made.add_argument("--out", type=Path, required=True, help="Markdown file")
    options = made.parse_args()
    torch.set_num_threads(1)
    try:
        spoken = utterances(options.librispeech, options.readers, options.each)
        heard = {}
        for label, (name, conf) in LISTENERS.items():
            heard[label] = measure_listener(name, conf, spoken)
            print(label, {key: figure(value) for key, value in heard[label].items()}, flush=True)
        write_text(options.out, render(options, spoken, heard, measure_voices(spoken)))
    except UserError as error:
        sys.exit(f"judges.py: {error}")


def render(options: argparse.Namespace, spoken: list[Scored], heard: dict, voices: dict) -> str:
    """The Markdown text."""
    where = environment(Path(__file__).parent)
    seconds = sum(len(one.wav) for one in spoken) / RATE
    readers = len({one.speaker for one in spoken})
    names = list(next(iter(heard.values())))
    words = [[name, *(figure(row[name]) for row in heard.values())] for name in names]
    return f"""# The judges, on people

What `ellav score` and its transcribers make of recordings of people. LibriSpeech {options.librispeech.name} as MP3 of
about 30 kbit/s, {len(spoken)} utterances of {readers} readers, {seconds:.0f} s, with the corpus's own transcripts.
LibriSpeech © 2014 Vassil Panayotov, CC BY 4.0.

- {where["date"]}, commit {where["git"]}
- {cpu_name()}, one thread; other processes were running
- {", ".join(f"{name} {version}" for name, version in where["versions"].items())}
- `{COMMAND} --readers {options.readers} --each {options.each} --out docs/judges.md`

Values with their 95 % intervals by bootstrap over utterances.

## Words

{markdown(["", *heard], words)}
Speed is audio by processor time. Whisper hears windows of 30 s, and a short utterance costs as much as a long one but
for its words: hence two figures. pocketsphinx has its own model of ordinary English here.

- `--transcriber whisper` (extra `whisper`): `--transcriber_conf model=base` or another size takes the weights from the
  Hugging Face hub, `model=FOLDER` from a folder in faster-whisper's format. Without `model` it is what
  `tools/installers/install_whisper.sh` made, and no network. `language=` is `en` unless said otherwise.
- `--scorer_conf wer.normalizer=whisper` makes words alike by OpenAI's rules for English before they are counted, as
  published figures have it; `basic`, the default, compares them in upper case. The line below each table says which.

## Phones, in any language

`--scorers "phone_error ..."` needs no outside model: in stage 9 a small network (convolutions, CTC) learns from at most
30 minutes of the training set's recordings which phones stage 3 found in them, tones included, and then listens to
everything: the row *recorded* is its own error. It knows these speakers and sentences of this kind, not the language.
Rates of two corpora do not compare. Of eSpeak's Spanish (stage 1 of `egs/mini_es` with `--hours 0.25`) it learned 14
minutes in 75 s of processor time (20 passes, one thread), and mistook 6.4 % of the phones of 40 recordings of speakers
that it knew and 9.8 % of 8 of others; told another sentence's phones it found 86 % wrong (2026-11-29).

## Voices

{markdown(["", "similarity"], [[label, figure(value)] for label, value in voices.items()])}
Cosines between embeddings by resemblyzer: to another utterance of the reader, and of what another reader said to the
same. This is the row *control: another reader* of every table of results. `--scorer_conf similarity.model=` takes
`microsoft/wavlm-base-plus-sv` from the hub, or a folder with such a model (extra `wavlm`); it was run here with a model
of random weights only.
"""


if __name__ == "__main__":
    main()
