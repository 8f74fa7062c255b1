"""What trained codecs make of recordings: sound, voice and words after the first 1, 2, 4, ... codebooks, and speed.

    python test/bench/codec_table.py --data dump/raw/test exp/codec exp/another_codec [FOLDER:CODEBOOKS ...]

DATA is a folder of stage 2 whose readers no codec has learned from. Prints a row for each codec and number of
codebooks:

words: what Whisper base hears otherwise than in the recording, %. PESQ (wide band) and STOI against the recording,
DNSMOS (P.835, overall). similarity: cosine to the recording's own embedding by resemblyzer. own first: share of second
halves whose own reader ranks first among all readers, each known by the first half of a recording. x: seconds of speech
a second of decoding, encoding, with one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from pesq import pesq
from pystoi import stoi

from ellav.data.audio import read_wav, resample
from ellav.data.kaldi import DataFolder
from ellav.plugins.codecs import Codec, load_codec
from ellav.plugins.scorers import Scored, scorers
from ellav.score.results import markdown

RATE = 16000
HEADER = [
    "codec",
    "codebooks",
    "bits/s",
    "words",
    "PESQ",
    "STOI",
    "DNSMOS",
    "similarity",
    "own first",
    "decoding x",
    "encoding x",
]


class Judge:
    """Compares speech with the recordings that it was made of."""

    def __init__(self, recorded: dict[str, np.ndarray], speakers: dict[str, str]):
        self.recorded, self.speakers = recorded, speakers
        self.wer = scorers.create("wer", {"transcriber": "whisper", "normalizer": "whisper"})
        self.embed, self.quality = scorers.create("similarity").embed, scorers.create("dnsmos")
        self.heard = {name: self._listen(name, wav, "")["heard"] for name, wav in recorded.items()}
        self.voices = {name: self.embed(wav, RATE) for name, wav in recorded.items()}
        halves = {name: self.embed(wav[: len(wav) // 2], RATE) for name, wav in recorded.items()}
        self.names = sorted(set(speakers.values()))
        means = [np.mean([halves[u] for u in halves if speakers[u] == name], axis=0) for name in self.names]
        self.readers = np.stack([mean / np.linalg.norm(mean) for mean in means])

    def __call__(self, made: dict[str, np.ndarray]) -> list[str]:
        """Speech at 16 kHz by utterance -> the cells from words to own first."""
        listened = [self._listen(name, wav, self.heard[name]) for name, wav in made.items()]
        errors, words = np.sum([found["wer"] for found in listened if "wer" in found], axis=0)
        figures = {name: [] for name in ("pesq", "stoi", "dnsmos", "similarity", "first")}
        for utterance, wav in made.items():
            recorded = self.recorded[utterance]
            wav = np.pad(wav, (0, max(0, len(recorded) - len(wav))))[: len(recorded)]
            figures["pesq"].append(pesq(RATE, recorded, wav, "wb"))
            figures["stoi"].append(stoi(recorded, wav, RATE))
            scored = Scored(utterance, self.speakers[utterance], "", wav, RATE)
            figures["dnsmos"].append(self.quality.score(scored)["dnsmos_ovrl"][0])
            figures["similarity"].append(self.embed(wav, RATE) @ self.voices[utterance])
            cosines = self.readers @ self.embed(wav[len(wav) // 2 :], RATE)
            figures["first"].append(100.0 * (self.names[int(cosines.argmax())] == self.speakers[utterance]))
        mean = {name: np.mean(values) for name, values in figures.items()}
        return [
            f"{errors / words:.1f}",
            f"{mean['pesq']:.2f}",
            f"{mean['stoi']:.3f}",
            f"{mean['dnsmos']:.2f}",
            f"{mean['similarity']:.3f}",
            f"{mean['first']:.0f}",
        ]

    def _listen(self, utterance: str, wav: np.ndarray, text: str) -> dict:
        return self.wer.score(Scored(utterance, self.speakers[utterance], text, wav, RATE))


def counts(codec: Codec) -> list[int]:
    return sorted({*(2**i for i in range(7) if 2**i < codec.codebooks), codec.codebooks})


def measure(judge: Judge, folder: Path, wanted: list[int]) -> list[list[str]]:
    """The rows of one codec."""
    codec, rows = load_codec(folder), []
    given = {name: resample(wav, RATE, codec.sample_rate) for name, wav in judge.recorded.items()}
    seconds = sum(map(len, given.values())) / codec.sample_rate
    codec.decode(codec.encode([next(iter(given.values()))]))  # what is made at first use
    begun = time.monotonic()
    codes = {name: codec.encode([wav])[0] for name, wav in given.items()}
    encoding = f"{seconds / (time.monotonic() - begun):.0f}"
    for count in wanted or counts(codec):
        begun = time.monotonic()
        spoken = {name: codec.decode([some[:, :count]])[0] for name, some in codes.items()}
        decoding = f"{seconds / (time.monotonic() - begun):.0f}"
        first = getattr(codec, "first_size", codec.size)
        bits = f"{(np.log2(first) + (count - 1) * np.log2(codec.size)) * codec.frame_rate:.0f}"
        cells = judge({name: resample(wav, codec.sample_rate, RATE) for name, wav in spoken.items()})
        rows.append([folder.name, str(count), bits, *cells, decoding, encoding])
        print(" | ".join(rows[-1]), flush=True)
    return rows


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "codecs", nargs="+", help="folders of `ellav fit-codec`; with :1,8 behind it only so many codebooks"
    )
    made.add_argument("--data", type=Path, required=True, help="folder of stage 2 to judge by")
    made.add_argument("--limit", type=int, help="only so many utterances, evenly over the set")
    options = made.parse_args()
    torch.set_num_threads(1)
    data = DataFolder.read(options.data)
    names = list(data.wavs)
    if options.limit:
        names = [names[i] for i in np.linspace(0, len(names) - 1, min(options.limit, len(names))).round().astype(int)]
    judge = Judge({u: read_wav(data.wavs[u], RATE) for u in names}, {u: data.speakers[u] for u in names})
    rows = [["recorded", "", "", *judge(judge.recorded), "", ""]]
    print(" | ".join(rows[0]), flush=True)
    for given in options.codecs:
        folder, _, wanted = given.partition(":")
        rows += measure(judge, Path(folder), [int(count) for count in wanted.split(",")] if wanted else [])
    print(markdown(HEADER, rows))


if __name__ == "__main__":
    main()
