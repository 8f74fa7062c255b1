"""How much nearer to their readers' voices a decoded test set is for what the NAR model misses of the prompts.

    cd egs/librispeech/tts1
    python ../../../test/bench/voice_match.py --exp exp/interleaved --set test_unseen --limit 60

Stages 1 to 8 must have run, with an ordering that keeps durations. What the AR model made of codebook 1 is completed
and spoken with each --share (`ellav decode --match-voice`). *oracle*: the mean of what is told is moved to that of the
recording's own codes, which nobody has who speaks another text: what any such shift could do at best. similarity:
cosine to the recording. own first: its reader is the nearest of those with at least five recordings, and of all, %.
words: heard otherwise than they should be, %, by Whisper base, of the first --words sentences.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from lost_words import RATE, Judge, Sentence, nar_input, read_sentences

from ellav.data.audio import read_wav, resample
from ellav.data.dataset import Tokens
from ellav.infer.voice_match import VoiceMatch
from ellav.models.nar import Mixing
from ellav.models.trained import load_pair
from ellav.plugins.codecs import load_codec
from ellav.plugins.codecs.code_vectors import sums_of_vectors
from ellav.plugins.scorers import Scored, scorers
from ellav.score.results import markdown
from ellav.score.training_set import recordings_of


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--exp", type=Path, required=True, help="folder of ar, nar and decode")
    made.add_argument("--set", default="test_unseen", help="test set")
    made.add_argument("--dump", type=Path, default=Path("dump"), help="folder of raw and tokens")
    made.add_argument("--codec", type=Path, default=Path("exp/codec"))
    made.add_argument("--limit", type=int, default=60, help="utterances, at random")
    made.add_argument("--words", type=int, default=24, help="of them those that Whisper hears")
    made.add_argument("--share", type=float, nargs="+", default=[0.0, 0.5, 1.0, 1.5])
    made.add_argument("--nar-temperature", type=float, default=0.25)
    options = made.parse_args()
    torch.set_num_threads(1)
    tokens = Tokens.read(options.dump / "tokens/list")
    codec, nar = load_codec(options.codec), load_pair(options.exp / "ar", options.exp / "nar")[1].model.eval()
    mixing = Mixing(torch.from_numpy(codec.vectors()), options.nar_temperature)
    sentences = read_sentences(options, tokens, codec.frame_rate)
    items = [nar_input(nar, one.prompt, one.phones, one.durations, one.codes) for one in sentences]
    told = [
        done.vectors[len(item.prompt) :] for item, done in zip(items, nar.complete(items, mixing), strict=True)
    ]  # (T, D) each
    missed = VoiceMatch(nar, mixing, 1.0, tokens.silence, None).missed([one.prompt for one in sentences])

    judge = Listener(options.dump / "raw", sentences, options.words)
    rows = [["recorded", *judge(judge.recorded)]]

    def tell(name: str, vectors: list[np.ndarray]) -> None:
        wavs = [resample(wav, codec.sample_rate, RATE) for wav in codec.decode_vectors(vectors)]
        rows.append([name, *judge(wavs)])
        print(" | ".join(rows[-1]), flush=True)

    for share in options.share:
        tell(f"{share:g}", [some + share * one for some, one in zip(told, missed, strict=True)])
    spoken = [np.repeat(item.phones, item.durations)[len(item.prompt) :] != tokens.silence for item in items]
    shifts = []
    for one, some, loud in zip(sentences, told, spoken, strict=True):
        own = sums_of_vectors(mixing.vectors, torch.from_numpy(one.target.codes.astype(np.int64))).numpy()
        sounding = np.repeat(one.target.phones, one.target.durations) != tokens.silence
        shifts.append(own[sounding].mean(axis=0) - some[loud].mean(axis=0))
    tell("oracle", [some + shift for some, shift in zip(told, shifts, strict=True)])
    print(markdown(["share", "similarity", "own first", "of all", "words"], rows))


class Listener:
    """Similarity, own reader first and words of speech that should be the targets'."""

    def __init__(self, raw: Path, sentences: list[Sentence], words: int):
        self.targets, self.count = [one.target for one in sentences], words
        self.recorded = [one.recorded for one in sentences]
        self.judge = Judge([one.text for one in sentences], self.recorded)
        sets = [raw / one for one in ("train", "test_seen", "test_unseen") if (raw / one).is_dir()]
        enrolled = scorers.create("similarity").enroll(
            Scored(one.id, one.speaker, "", read_wav(one.place, RATE), RATE) for one in recordings_of(sets, 10)
        )
        self.names = sorted(set(enrolled["speakers"]))
        of = [enrolled["speakers"] == one for one in self.names]
        self.sums = np.stack([enrolled["embeddings"][some].sum(axis=0) for some in of])
        self.counts = np.array([some.sum() for some in of])
        self.own = dict(zip(enrolled["ids"], enrolled["embeddings"], strict=True))

    def __call__(self, wavs: list[np.ndarray]) -> list[str]:
        voices = [self.judge.embed(wav, RATE) for wav in wavs]
        near = np.mean([one @ other for one, other in zip(voices, self.judge.voices, strict=True)])
        firsts = [
            100 * np.mean([self._is_first(t, one, least) for t, one in zip(self.targets, voices, strict=True)])
            for least in (5, 1)
        ]
        heard = self.judge.words(wavs[: self.count]) if self.count else "–"
        return [f"{near:.3f}", *(f"{first:.0f}" for first in firsts), heard]

    def _is_first(self, target, voice: np.ndarray, least: int) -> bool:
        """Whether the target's reader is nearest, the recording itself left out of what he is known by."""
        sums, counts, who = self.sums.copy(), self.counts.copy(), self.names.index(target.speaker)
        if target.id in self.own:
            sums[who] -= self.own[target.id]
            counts[who] -= 1
        kept = np.flatnonzero(counts >= least)
        means = sums[kept] / np.linalg.norm(sums[kept], axis=1, keepdims=True)
        return self.names[kept[int((means @ voice).argmax())]] == target.speaker


if __name__ == "__main__":
    main()
