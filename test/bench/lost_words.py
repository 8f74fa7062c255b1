"""Which of codec, NAR model and AR model loses words and voice of a decoded test set.

    cd egs/librispeech/tts1
    python ../../../test/bench/lost_words.py --exp exp/interleaved --set test_unseen --limit 30

Stages 1 to 8 must have run, with an ordering that keeps durations. Rows: the recording's own codes, all of them and
codebook 1 alone; codebook 1 of the recording, completed by the NAR model after the prompt; what the AR model made of
codebook 1, alone and completed. words: heard otherwise than they should be, %, by Whisper base. similarity: cosine to
the recording, by resemblyzer. --nar-temperature: what the NAR model completes is also spoken as the mean of what it may
be (`ellav decode --nar_temperature`).
"""

from __future__ import annotations

import argparse
import json
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import kaldiio
import numpy as np
import torch
from praatio import textgrid

from ellav.data.audio import read_wav, resample
from ellav.data.dataset import Dataset, Tokens
from ellav.data.joins import cut
from ellav.data.kaldi import read_table
from ellav.models.nar import Mixing, NARInput, NARModel
from ellav.models.trained import load_pair
from ellav.plugins.codecs import load_codec
from ellav.plugins.scorers import Scored, scorers
from ellav.score.results import markdown
from ellav.types import Utterance

RATE = 16000


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--exp", type=Path, required=True, help="folder of ar, nar and decode")
    made.add_argument("--set", required=True, help="test set")
    made.add_argument("--dump", type=Path, default=Path("dump"), help="folder of raw and tokens")
    made.add_argument("--codec", type=Path, default=Path("exp/codec"))
    made.add_argument("--limit", type=int, default=30, help="utterances, at random")
    made.add_argument("--codebooks", type=int, nargs="+", help="how many of a completed frame are decoded; all")
    made.add_argument("--nar-temperature", type=float, nargs="*", default=[], help="temperatures to try")
    options = made.parse_args()
    torch.set_num_threads(1)
    nar = load_pair(options.exp / "ar", options.exp / "nar")[1].model.eval()
    codec = load_codec(options.codec)
    sentences = read_sentences(options, Tokens.read(options.dump / "tokens/list"), codec.frame_rate)
    true, spoken = [one.target.codes for one in sentences], [one.codes for one in sentences]
    of_recording = [
        nar_input(nar, one.prompt, one.target.phones, one.target.durations, one.target.codes) for one in sentences
    ]
    of_model = [nar_input(nar, one.prompt, one.phones, one.durations, one.codes) for one in sentences]
    judge = Judge([one.text for one in sentences], [one.recorded for one in sentences])
    rows = []

    def tell(name: str, count: str, wavs: list[np.ndarray]) -> None:
        rows.append([name, count, *judge([resample(wav, codec.sample_rate, RATE) for wav in wavs])])
        print(" | ".join(rows[-1]), flush=True)

    for name, codes, items in (
        ("codes of the recording", true, of_recording),
        ("codebook 1 of the AR model", spoken, of_model),
    ):
        for count in [1] if codes is spoken else [1, codec.codebooks]:
            tell(name, str(count), codec.decode([some[:, :count] for some in codes]))
        made = [one.codes[len(item.prompt) :] for item, one in zip(items, nar.complete(items), strict=True)]
        for count in options.codebooks or [nar.codebooks]:
            tell("codebook 1 of it, then the NAR model", str(count), codec.decode([some[:, :count] for some in made]))
        for temperature in options.nar_temperature:
            mixing = Mixing(torch.from_numpy(codec.vectors()), temperature)
            mixed = [
                one.vectors[len(item.prompt) :] for item, one in zip(items, nar.complete(items, mixing), strict=True)
            ]
            tell(f"the same, temperature {temperature:g}", str(nar.codebooks), codec.decode_vectors(mixed))
    print(markdown(["speech", "codebooks", "words", "similarity"], rows))


class Sentence(NamedTuple):
    """One of a decoded test set. target, text, recorded: the recording, its words and samples at 16 kHz. prompt: what
    was in front. codes (T, C) of what the AR model made, phones (N,) and durations (N,) of these."""

    target: Utterance
    text: str
    recorded: np.ndarray
    prompt: Utterance
    codes: np.ndarray
    phones: np.ndarray
    durations: np.ndarray


def read_sentences(options: argparse.Namespace, tokens: Tokens, frame_rate: float) -> list[Sentence]:
    """`limit` at random of the `set` that was decoded in `exp`, with what `dump` has of it."""
    data = Dataset(options.dump / "tokens" / options.set, tokens)
    index = {utterance: i for i, utterance in enumerate(data.ids)}
    decoded = options.exp / "decode" / options.set
    facts = [json.loads(line) for line in (decoded / "facts.jsonl").open()]
    facts = [facts[i] for i in np.random.default_rng(0).permutation(len(facts))[: options.limit]]
    codes = kaldiio.load_scp(str(decoded / "codes.scp"))
    wavs = read_table(options.dump / "raw" / options.set / "wav.scp")
    made = []
    for fact in facts:
        name, target = fact["id"], index[fact["id"]]
        prompt = cut(data[index[fact["prompt"]]], fact["prompt_frames"])
        times = read_times(decoded / "textgrid" / f"{name}.TextGrid", tokens, frame_rate)
        recorded = read_wav(wavs[name], RATE)
        made.append(Sentence(data[target], data.text(target), recorded, prompt, np.asarray(codes[name]), *times))
    return made


def nar_input(
    nar: NARModel, prompt: Utterance, phones: np.ndarray, durations: np.ndarray, codes: np.ndarray
) -> NARInput:
    """What the NAR model completes after the prompt: phones (N,) of these durations (N,), codes (T, C or more)."""
    return NARInput(
        np.concatenate([prompt.phones, phones]),
        np.concatenate([prompt.durations, durations]),
        np.concatenate([some[:, : nar.known] for some in (prompt.codes, codes)]),
        prompt.codes,
    )


def read_times(path: Path, tokens: Tokens, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Phones (N,) and durations (N,) in frames of the speech that `ellav decode` made."""
    tier = textgrid.openTextgrid(str(path), includeEmptyIntervals=False).getTier("phones")
    ends = np.round([interval.end * rate for interval in tier.entries]).astype(np.int32)
    return tokens.encode(interval.label for interval in tier.entries), np.diff(ends, prepend=0).astype(np.int32)


class Judge:
    """texts: what is said; recorded: (samples,) at 16 kHz each."""

    def __init__(self, texts: list[str], recorded: list[np.ndarray]):
        self.texts = texts
        self.embed = scorers.create("similarity").embed
        self.voices = [self.embed(wav, RATE) for wav in recorded]

    def __call__(self, wavs: list[np.ndarray]) -> tuple[str, str]:
        cosines = [self.embed(wav, RATE) @ voice for wav, voice in zip(wavs, self.voices, strict=True)]
        return self.words(wavs), f"{np.mean(cosines):.3f}"

    @cached_property
    def wer(self):
        """Whisper, which is loaded where words are asked for."""
        return scorers.create("wer", {"transcriber": "whisper", "normalizer": "whisper"})

    def words(self, wavs: list[np.ndarray]) -> str:
        """Heard otherwise than they should be, %, of as many of the first texts as there are sounds."""
        scored = [Scored("", "", text, wav, RATE) for text, wav in zip(self.texts, wavs, strict=False)]
        errors, words = np.sum([self.wer.score(one)["wer"] for one in scored], axis=0)
        return f"{errors / words:.1f}"


if __name__ == "__main__":
    main()
