"""Which of codec, NAR model and AR model loses words and voice of a decoded test set.

    cd egs/librispeech/tts1
    python ../../../test/bench/lost_words.py --exp exp/interleaved --set test_unseen --limit 30

Stages 1 to 8 must have run, with an ordering that keeps durations. Rows: the recording's own codes, all of them and
codebook 1 alone; codebook 1 of the recording, completed by the NAR model after the prompt; what the AR model made of
codebook 1, alone and completed. words: heard otherwise than they should be, %, by Whisper base. similarity: cosine to
the recording, by resemblyzer.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import kaldiio
import numpy as np
import torch

from ellav.data.audio import read_wav, resample
from ellav.data.dataset import Dataset, Tokens
from ellav.data.joins import cut
from ellav.data.kaldi import read_table
from ellav.models.nar import NARInput
from ellav.models.trained import load_pair
from ellav.plugins.codecs import load_codec
from ellav.plugins.scorers import Scored, scorers
from ellav.score.results import markdown

RATE = 16000


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--exp", type=Path, required=True, help="folder of ar, nar and decode")
    made.add_argument("--set", required=True, help="test set")
    made.add_argument("--dump", type=Path, default=Path("dump"), help="folder of raw and tokens")
    made.add_argument("--codec", type=Path, default=Path("exp/codec"))
    made.add_argument("--limit", type=int, default=30, help="utterances, at random")
    made.add_argument("--codebooks", type=int, nargs="+", help="how many of a completed frame are decoded; all")
    options = made.parse_args()
    torch.set_num_threads(1)
    tokens = Tokens.read(options.dump / "tokens/list")
    data = Dataset(options.dump / "tokens" / options.set, tokens)
    index = {utterance: i for i, utterance in enumerate(data.ids)}
    decoded = options.exp / "decode" / options.set
    facts = [json.loads(line) for line in (decoded / "facts.jsonl").open()]
    chosen = np.random.default_rng(0).permutation(len(facts))[: options.limit]
    facts = [facts[i] for i in sorted(chosen)]
    targets = [data[index[fact["id"]]] for fact in facts]
    true = [target.codes for target in targets]
    spoken = kaldiio.load_scp(str(decoded / "codes.scp"))
    spoken = [np.asarray(spoken[fact["id"]]) for fact in facts]

    nar = load_pair(options.exp / "ar", options.exp / "nar")[1].model.eval()
    completed = []
    for fact, target in zip(facts, targets, strict=True):
        prompt = cut(data[index[fact["prompt"]]], fact["prompt_frames"])
        phones, durations = (
            np.concatenate([getattr(prompt, name), getattr(target, name)]) for name in ("phones", "durations")
        )
        known = np.concatenate([prompt.codes, target.codes])[:, : nar.known]
        completed.append(nar.generate([NARInput(phones, durations, known, prompt.codes)])[0][len(prompt.codes) :])

    wavs = read_table(options.dump / "raw" / options.set / "wav.scp")
    judge = Judge(
        [data.text(index[fact["id"]]) for fact in facts], [read_wav(wavs[fact["id"]], RATE) for fact in facts]
    )
    codec = load_codec(options.codec)
    wanted = options.codebooks or [codec.codebooks]
    rows = []
    for name, codes, counts in (
        ("codes of the recording", true, [1, codec.codebooks]),
        ("codebook 1 of the recording, then the NAR model", completed, wanted),
        ("codebook 1 of the AR model", spoken, [1]),
        ("the same, then the NAR model", spoken, wanted),
    ):
        for count in counts:
            wavs = codec.decode([some[:, :count] for some in codes])
            rows.append([name, str(count), *judge([resample(wav, codec.sample_rate, RATE) for wav in wavs])])
            print(" | ".join(rows[-1]), flush=True)
    print(markdown(["speech", "codebooks", "words", "similarity"], rows))


class Judge:
    """texts: what is said; recorded: (samples,) at 16 kHz each."""

    def __init__(self, texts: list[str], recorded: list[np.ndarray]):
        self.texts, self.wer = texts, scorers.create("wer", {"transcriber": "whisper", "normalizer": "whisper"})
        self.embed = scorers.create("similarity").embed
        self.voices = [self.embed(wav, RATE) for wav in recorded]

    def __call__(self, wavs: list[np.ndarray]) -> tuple[str, str]:
        scored = [Scored("", "", text, wav, RATE) for text, wav in zip(self.texts, wavs, strict=True)]
        errors, words = np.sum([self.wer.score(one)["wer"] for one in scored], axis=0)
        cosines = [self.embed(wav, RATE) @ voice for wav, voice in zip(wavs, self.voices, strict=True)]
        return f"{errors / words:.1f}", f"{np.mean(cosines):.3f}"


if __name__ == "__main__":
    main()
