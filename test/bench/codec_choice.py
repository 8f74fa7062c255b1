"""What a codec's setting costs: word errors, speaker and speed of speech resynthesized from it.

Needs a recipe's stages 1 to 3. Prints a row for codebook 1 alone and one for all codebooks:

    python test/bench/codec_choice.py --recipe egs/mini/tts1 frame_rate=50,codebooks=4 frame_rate=75,codebooks=8

own first: share of utterances whose own speaker ranks first among all speakers' recordings.
similarity: cosine to the recording's own embedding. bits 1: conditional entropy of codebook 1
given the code before it, in bits a second: what the AR model has at least to learn about it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from ellav.bin.fit_codec import read_some
from ellav.config import parse_pairs
from ellav.data.audio import read_wav, resample
from ellav.data.kaldi import DataFolder, read_table
from ellav.data.language_model import write_language_model
from ellav.plugins.codecs import codecs
from ellav.plugins.scorers.similarity import Similarity
from ellav.plugins.transcribers.pocketsphinx import PocketSphinx

JUDGE_RATE = 16000


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("settings", nargs="+", metavar="KEY=VALUE,...", help="options of the codec")
    made.add_argument("--codec", default="rvq_mel")
    made.add_argument("--recipe", type=Path, default=Path("egs/mini/tts1"), help="its folder; stages 1 to 3 have run")
    made.add_argument("--sets", nargs="+", default=["test_seen"], help="what is resynthesized")
    made.add_argument("--hours", type=float, default=1.0, help="of training speech to fit on")
    made.add_argument("--nj", type=int, default=2, help="processes that recognise")
    options = made.parse_args()
    os.chdir(options.recipe)
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(Path(folder), options.sets, options.nj)
        print("| setting | decoded | WER % | own first % | similarity | bits 1 /s | fit s | encode x | decode x |")
        print("|---|---|---|---|---|---|---|---|---|")
        report("recorded", "", judge(judge.wavs), ("", "", "", ""))
        for setting in options.settings:
            measure(judge, options, setting)


def measure(judge: Judge, options: argparse.Namespace, setting: str) -> None:
    """Fit, encode, and judge what codebook 1 alone and all codebooks give."""
    codec = codecs.create(options.codec, parse_pairs(setting.split(",")))
    training = read_some(Path("dump/raw/train"), codec.sample_rate, options.hours, 0)
    recorded = [read_wav(path, codec.sample_rate) for path in judge.paths]
    seconds = sum(map(len, recorded)) / codec.sample_rate
    started = time.monotonic()
    codec.fit(training, 0)
    fitted = time.monotonic()
    codes = codec.encode(recorded)
    encoded = time.monotonic()
    speeds = (f"{fitted - started:.0f}", f"{seconds / (encoded - fitted):.0f}")
    for count in sorted({1, codec.codebooks}):
        begun = time.monotonic()
        spoken = codec.decode([some[:, :count] for some in codes])
        decoded = f"{seconds / (time.monotonic() - begun):.0f}"
        bits = f"{entropy([some[:, 0] for some in codec.encode(training)], codec.frame_rate):.0f}" if count == 1 else ""
        report(setting.replace(",", " "), count, judge(spoken, codec.sample_rate), (bits, *speeds, decoded))


def entropy(rows: list[np.ndarray], frame_rate: float) -> float:
    """Bits a second of a code given the one before: a tenth of the utterances under the others' counts.

    Pair counts are smoothed by the single counts, as an interpolated bigram model would.
    """
    size = max(int(row.max()) for row in rows) + 1
    held = max(1, len(rows) // 10)
    single, pairs = np.ones(size), np.zeros((size, size), np.float32)
    for row in rows[held:]:
        np.add.at(single, row, 1)
        np.add.at(pairs, (row[:-1], row[1:]), 1)
    single /= single.sum()
    kinds, total = (pairs > 0).sum(axis=1), pairs.sum(axis=1)
    bits, count = 0.0, 0
    for row in rows[:held]:
        before, after = row[:-1], row[1:]
        share = (pairs[before, after] + kinds[before] * single[after]) / np.maximum(total + kinds, 1)[before]
        bits -= np.log2(np.where(share > 0, share, single[after])).sum()
        count += len(after)
    return bits / count * frame_rate


class Judge:
    """Word errors and speaker rank of speech that should say and sound like the recordings."""

    def __init__(self, folder: Path, sets: list[str], jobs: int):
        self.paths, self.texts, self.speakers = [], [], []
        for name in sets:
            data, words = DataFolder.read(f"dump/raw/{name}"), read_table(f"dump/phones/{name}/words")
            for utterance in words:
                self.paths.append(data.wavs[utterance])
                self.texts.append(words[utterance].upper().split())
                self.speakers.append(data.speakers[utterance])
        self.wavs = [read_wav(path, JUDGE_RATE) for path in self.paths]
        lm = write_language_model(folder, *spoken("train"))
        self.pool = multiprocessing.get_context("spawn").Pool(jobs, _start, (lm,))
        self.embed = Similarity().embed
        training = DataFolder.read("dump/raw/train")
        self.names = sorted(set(training.speakers.values()))
        chosen = list(training.wavs)[:: max(1, len(training.wavs) // (10 * len(self.names)))]
        voices = np.stack([self.embed(read_wav(training.wavs[u], JUDGE_RATE), JUDGE_RATE) for u in chosen])
        owners = np.array([training.speakers[u] for u in chosen])
        centroids = np.stack([voices[owners == name].mean(axis=0) for name in self.names])
        self.centroids = centroids / np.linalg.norm(centroids, axis=1, keepdims=True)
        self.voices = np.stack([self.embed(wav, JUDGE_RATE) for wav in self.wavs])
        self.own = np.array([self.names.index(speaker) for speaker in self.speakers])

    def __call__(self, wavs: list[np.ndarray], rate: int = JUDGE_RATE) -> tuple[float, float, float]:
        """WER %, own speaker first %, mean cosine to the recording."""
        wavs = [resample(wav, rate, JUDGE_RATE) for wav in wavs]
        heard = self.pool.map(_hear, wavs, 4)
        errors = sum(map(distance, self.texts, heard))
        wer = 100 * errors / sum(map(len, self.texts))
        voices = np.stack([self.embed(wav, JUDGE_RATE) for wav in wavs])
        first = (voices @ self.centroids.T).argmax(axis=1) == self.own
        return wer, 100 * float(first.mean()), float((voices * self.voices).sum(axis=1).mean())


def spoken(name: str) -> tuple[list[list[str]], dict[str, list[str]]]:
    """The words of each text of a set, and how each word is pronounced."""
    words = read_table(f"dump/phones/{name}/words")
    phones, places = (read_table(f"dump/phones/{name}/{table}") for table in ("phones", "word_of_phone"))
    sentences, lexicon = [], {}
    for utterance, line in words.items():
        sentence = line.split()
        sentences.append(sentence)
        sounds: list[list[str]] = [[] for _ in sentence]
        for phone, place in zip(phones[utterance].split(), map(int, places[utterance].split()), strict=True):
            if place >= 0:
                sounds[place].append(phone)
        lexicon.update(zip(sentence, sounds, strict=True))
    return sentences, lexicon


def distance(wanted: list[str], heard: list[str]) -> int:
    """Fewest insertions, deletions and substitutions."""
    row = np.arange(len(heard) + 1)
    for i, word in enumerate(wanted, 1):
        above, row = row, np.empty_like(row)
        row[0] = i
        for j, other in enumerate(heard, 1):
            row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (word != other))
    return int(row[-1])


def report(setting: str, count, figures: tuple[float, float, float], rest: tuple) -> None:
    wer, first, cosine = figures
    print(f"| {setting} | {count} | {wer:.1f} | {first:.0f} | {cosine:.3f} | " + " | ".join(rest) + " |", flush=True)


def _start(lm: Path) -> None:
    global _transcriber
    _transcriber = PocketSphinx(lm)


def _hear(wav: np.ndarray) -> list[str]:
    return _transcriber.transcribe(wav).split()


_transcriber: PocketSphinx | None = None

if __name__ == "__main__":
    main()
