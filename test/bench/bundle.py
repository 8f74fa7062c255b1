"""What a packed model makes of ordinary sentences, in its built-in voices and in others: the figures of its card.

    python test/bench/bundle.py --model ellav/pretrained/libri
    python test/bench/bundle.py --model PACKED --prompts dump/raw/test_unseen --prompt-seconds 3 6
    python test/bench/bundle.py --model PACKED --prompts dump/raw/test --texts data/test/text

The sentences are those of test/bench/sentences.txt, or of a data folder's `text`, in turn for each voice. --prompts: a
folder of stage 2, of whose readers the first utterance of fitting length is the prompt. words: word error rate, %, as
Whisper base hears it, with its 95 % interval over sentences. similarity: cosine to the prompt, by resemblyzer; other:
to the next voice's prompt. DNSMOS: P.835, overall. real-time factor: seconds of work a second of speech, with one
thread, after loading.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from ellav import Synthesizer
from ellav.data.audio import read_wav, resample
from ellav.data.kaldi import DataFolder, read_table
from ellav.plugins.scorers import Scored, scorers
from ellav.score.results import markdown

RATE = 16000
SENTENCES = Path(__file__).with_name("sentences.txt")


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", type=Path, help="packed model; the one that comes with ellav")
    made.add_argument("--prompts", type=Path, help="folder of stage 2 with prompts, in place of the built-in ones")
    made.add_argument("--prompt-seconds", type=float, nargs=2, default=(3.0, 6.0), help="least and most of a prompt")
    made.add_argument("--texts", type=Path, help="`text` of a data folder, whose sentences are spoken")
    made.add_argument("--limit", type=int, default=100, help="sentences in all")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--best-of", type=int, help="readings of each sentence (as packed)")
    options = made.parse_args()
    torch.set_num_threads(1)
    voice = Synthesizer(options.model)
    prompts = chosen(options.prompts, *options.prompt_seconds) if options.prompts else built_in(voice)
    judge = Judge(prompts)
    texts = SENTENCES.read_text(encoding="utf-8").splitlines()
    if options.texts:
        texts = list(read_table(options.texts).values())
    texts = texts[: options.limit]
    found: dict[str, list[dict]] = {name: [] for name in prompts}
    for number, text in enumerate(texts):
        name = list(prompts)[number % len(prompts)]
        wav, said = prompts[name]
        begun = time.monotonic()
        speech = voice(text, prompt=wav, prompt_text=said, seed=options.seed + number * 100, best_of=options.best_of)
        seconds = time.monotonic() - begun
        found[name].append(judge(name, text, resample(speech.wav, speech.sample_rate, RATE)) | {"work": seconds})
        print(f"{number + 1} {name}: {found[name][-1]}", flush=True)
    rows = [row(name, some) for name, some in found.items() if some]
    rows.append(row("**all**", [one for some in found.values() for one in some]))
    header = ["prompt", "sentences", "words", "similarity", "other", "DNSMOS", "real-time factor"]
    print(markdown(header, rows))


def built_in(voice: Synthesizer) -> dict[str, tuple[str, str]]:
    """Name -> recording and what is said in it."""
    return {name: (str(one.wav), one.text) for name, one in voice.bundle.prompts.items()}


def chosen(folder: Path, least: float, most: float) -> dict[str, tuple[str, str]]:
    """Reader -> the first recording of a length between these seconds, and what is said in it."""
    data, samples, found = DataFolder.read(folder), read_table(folder / "utt2num_samples"), {}
    for utterance, wav in data.wavs.items():
        if least <= int(samples[utterance]) / RATE <= most:
            found.setdefault(data.speakers[utterance], (wav, data.text[utterance]))
    return found


class Judge:
    """Words, voice and quality of what is spoken after prompts."""

    def __init__(self, prompts: dict[str, tuple[str, str]]):
        self.wer = scorers.create("wer", {"transcriber": "whisper", "normalizer": "whisper"})
        self.embed, self.quality = scorers.create("similarity").embed, scorers.create("dnsmos")
        self.voices = {name: self.embed(read_wav(wav, RATE), RATE) for name, (wav, _) in prompts.items()}

    def __call__(self, name: str, text: str, wav: np.ndarray) -> dict:
        scored = Scored(name, name, text, wav, RATE)
        names = list(self.voices)
        other = names[(names.index(name) + 1) % len(names)]
        ours = self.embed(wav, RATE)
        return {
            "wer": self.wer.score(scored)["wer"],
            "similarity": round(float(ours @ self.voices[name]), 3),
            "other": round(float(ours @ self.voices[other]), 3),
            "dnsmos": round(float(self.quality.score(scored)["dnsmos_ovrl"][0]), 2),
            "seconds": len(wav) / RATE,
        }


def row(name: str, some: list[dict]) -> list[str]:
    """The cells of a table."""
    wer = np.array([one["wer"] for one in some], float)  # (n, 2): 100 times errors, words
    rng = np.random.default_rng(0)
    drawn = wer[rng.integers(0, len(wer), (1000, len(wer)))].sum(axis=1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    mean = {key: np.mean([one[key] for one in some]) for key in ("similarity", "other", "dnsmos")}
    return [
        name,
        str(len(some)),
        f"{wer[:, 0].sum() / wer[:, 1].sum():.1f} ({low:.1f} to {high:.1f})",
        f"{mean['similarity']:.3f}",
        f"{mean['other']:.3f}",
        f"{mean['dnsmos']:.2f}",
        f"{sum(one['work'] for one in some) / sum(one['seconds'] for one in some):.2f}",
    ]


if __name__ == "__main__":
    main()
