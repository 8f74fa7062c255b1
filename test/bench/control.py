"""What becomes of a rate, of durations and of an edit that are asked for (`docs/synthesis.md`, "How fast, and how").

    python test/bench/control.py rates --sentences 24
    python test/bench/control.py timing --sentences 24
    python test/bench/control.py edits --sentences 24

Sentences of the mini's grammar, each after a built-in prompt in turn. words: heard otherwise than they should be, %,
with the interval in which 95 % of the figures of resampled sentences are, by pocketsphinx, which knows the grammar's
words. Times "as heard" are those of pocketsphinx, which aligns the sound with its phones.

rates: got: all frames without a rate by all with it; as heard: the same from the first phone's beginning to the last
one's end, as aligned; stretched: words of the speech without a rate, which WORLD has stretched to it, to tell what a
rate does to the judge. timing: each sentence with the durations of another voice. off: how far ends of phones as heard
lie from what was asked for, against how far they do in speech whose durations nobody asked for. edits: the middle word
of each sentence again, slower, or another one. jump: of the spectrum between 25 ms before and behind a place, in dB,
averaged over the two ends of the word; beside it the same places of the speech before the edit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pyworld
import torch
from judged import interval, listener, sentences

from ellav.data.audio import resample
from ellav.infer.synthesis import Synthesis
from ellav.infer.synthesizer import Synthesizer
from ellav.plugins.aligners import AlignmentError
from ellav.plugins.scorers import Scored, scorers
from ellav.plugins.text import Phones
from ellav.score.results import markdown

RATES = (0.6, 0.8, 1.0, 1.2, 1.4, 1.6)


class Judges:
    """Who hears words: pocketsphinx with the grammar's words, and if it is asked for Whisper."""

    def __init__(self, voice: Synthesizer, whisper: bool):
        self.each = {"words": listener(voice)}
        if whisper:
            self.each["Whisper"] = scorers.create("wer", {"transcriber": "whisper", "normalizer": "whisper"})

    def __call__(self, speech: Synthesis) -> list[tuple[float, float]]:
        """Words heard otherwise, times 100, and words, by each."""
        scored = Scored("", "", " ".join(speech.words), speech.wav, speech.sample_rate)
        return [judge.score(scored)["wer"] for judge in self.each.values()]


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("what", choices=["rates", "timing", "edits"])
    made.add_argument("--model", type=Path, default="mini", help="a packed model, or the name of one")
    made.add_argument("--sentences", type=int, default=24)
    made.add_argument("--rates", type=float, nargs="+", default=RATES)
    made.add_argument("--readings", type=int, nargs="+", default=[1, 8], help="of an edit, a row each")
    made.add_argument("--whisper", action="store_true", help="let Whisper listen too")
    made.add_argument("--seed", type=int, default=300, help="of the sentences; the mini's own have 0")
    made.add_argument("--threads", type=int, default=1)
    options = made.parse_args()
    torch.set_num_threads(options.threads)
    voice = Synthesizer(options.model, watermark=None)
    judges = Judges(voice, options.whisper)
    texts = list(islice(zip(sentences(options.seed), cycle(voice.prompts), strict=False), options.sentences))
    {"rates": rates, "timing": timing, "edits": edits}[options.what](voice, judges, texts, options)


def rates(voice: Synthesizer, judges: Judges, texts: list, options: argparse.Namespace) -> None:
    """A row for each rate."""
    rows, plain = [], None
    for rate in (1.0, *(rate for rate in options.rates if rate != 1)):
        made = [voice(text, prompt, rate=rate) for text, prompt in texts]
        frames = np.array([len(one.codes) for one in made], float)
        heard = np.array([span(voice, one) for one in made])
        plain = plain or (frames, heard, made)
        scores = np.array([judges(one) for one in made])  # (sentences, judges, 2)
        fits = ~np.isnan(plain[1] + heard)
        got, by_ear = plain[0].sum() / frames.sum(), plain[1][fits].sum() / heard[fits].sum()
        words = [interval(scores[:, j, 0], scores[:, j, 1]) for j in range(scores.shape[1])]
        by_world = np.array([judges(replace(one, wav=stretched(one, rate))) for one in plain[2]])
        words.append(interval(by_world[:, 0, 0], by_world[:, 0, 1]))
        rows.append((rate, [f"{rate:g}", f"{got:.3f}", f"{by_ear:.2f}", *words]))
        print(rows[-1], file=sys.stderr, flush=True)
    print(markdown(["asked", "got", "as heard", *judges.each, "stretched"], [row for _, row in sorted(rows)]))


def stretched(speech: Synthesis, rate: float) -> np.ndarray:
    """(samples,) of a speech at another rate, by WORLD."""
    wav = speech.wav.astype(np.float64)
    heights, times = pyworld.dio(wav, speech.sample_rate)
    heights = pyworld.stonemask(wav, heights, times, speech.sample_rate)
    parts = [find(wav, heights, times, speech.sample_rate) for find in (pyworld.cheaptrick, pyworld.d4c)]
    return pyworld.synthesize(heights, *parts, speech.sample_rate, 5.0 / rate).astype(np.float32)


def timing(voice: Synthesizer, judges: Judges, texts: list, _: argparse.Namespace) -> None:
    """A row for speech whose durations nobody asked for, and one for those of another voice."""
    prompts, rows = list(voice.prompts), []
    kinds = {"nobody asked for": [], "of another voice": []}
    for text, prompt in texts:
        other = prompts[(prompts.index(prompt) + len(prompts) // 2) % len(prompts)]
        kinds["nobody asked for"].append((voice(text, prompt), None))
        wanted = voice(text, other)
        asked = [part.request.lasting(part.speech.durations) for part in wanted.parts]
        kinds["of another voice"].append((voice(asked, prompt), wanted.durations))
    for name, made in kinds.items():
        speeches = [speech for speech, _ in made]
        same = np.mean([1.0 if d is None else np.array_equal(s.durations, d) for s, d in made])
        off = np.concatenate([off_by(voice, speech) for speech in speeches])
        scores = np.array([judges(one) for one in speeches])
        words = [interval(scores[:, j, 0], scores[:, j, 1]) for j in range(scores.shape[1])]
        rows.append([name, f"{100 * same:.0f}", f"{np.nanmedian(off):.0f}", f"{np.nanpercentile(off, 90):.0f}", *words])
    print(markdown(["durations", "kept, %", "off, median ms", "off, 90 % within ms", *judges.each], rows))


def edits(voice: Synthesizer, judges: Judges, texts: list, options: argparse.Namespace) -> None:
    """A row for speech as it was, and one for each kind of edit and number of readings."""
    before = [voice(text, prompt) for text, prompt in texts]
    rows = [edited_row("as it was", before, before, judges)]
    spoken = [speech.words[len(speech.words) // 2] for speech in before]
    others = [*spoken[1:], spoken[0]]
    changes = {
        "again": lambda number, word: {"again": True},
        "slower, 0.7": lambda number, word: {"rate": 0.7},
        "another word": lambda number, word: {"text": others[number].capitalize()},
    }
    for readings in options.readings:
        for name, change in changes.items():
            made = [
                speech.edit(len(speech.words) // 2, **change(number, spoken[number]), readings=readings)
                for number, speech in enumerate(before)
            ]
            rows.append(edited_row(f"{name}, of {readings}", made, before, judges))
            print(rows[-1], file=sys.stderr, flush=True)
    print(markdown(["the middle word", *judges.each, "jump, dB", "before, dB"], rows))


def edited_row(name: str, made: list[Synthesis], before: list[Synthesis], judges: Judges) -> list[str]:
    scores = np.array([judges(one) for one in made])
    words = [interval(scores[:, j, 0], scores[:, j, 1]) for j in range(scores.shape[1])]
    jumps = [[jump(one, seconds) for seconds in ends_of(one)] for one in made]
    were = [[jump(one, seconds) for seconds in ends_of(one)] for one in before]
    return [name, *words, f"{np.mean(jumps):.2f}", f"{np.mean(were):.2f}"]


def ends_of(speech: Synthesis) -> Iterator[float]:
    """Where the middle word begins and ends, in seconds."""
    inside = [one for one, owner in zip(speech.phones, speech.word_of_phone, strict=True)
              if owner == len(speech.words) // 2]  # fmt: skip
    yield inside[0].start
    yield inside[-1].end


def jump(speech: Synthesis, seconds: float) -> float:
    """Mean difference between the spectra of 25 ms before and behind a place, in dB; bands of 200 Hz."""
    rate, at = speech.sample_rate, round(seconds * speech.sample_rate)
    size = rate // 40
    padded = np.pad(speech.wav.astype(np.float64), size)
    window, bands = np.hanning(size), np.arange(0, rate // 2 - 200, 200)
    levels = []
    for start in (at, at + size):
        power = np.abs(np.fft.rfft(padded[start : start + size] * window, rate)) ** 2  # bins of 1 Hz
        levels.append(10 * np.log10([power[band : band + 200].mean() + 1e-6 for band in bands]))
    return float(np.abs(levels[0] - levels[1]).mean())


def aligned(voice: Synthesizer, speech: Synthesis) -> np.ndarray:
    """(N,) seconds at which phones end, as heard; NaN where the sound does not fit them at all."""
    aligner = voice.prompt.aligner
    said = Phones(speech.symbols, speech.word_of_phone.tolist(), speech.words)
    try:
        return aligner.align(resample(speech.wav, speech.sample_rate, aligner.sample_rate), said).ends
    except AlignmentError:
        return np.full(len(speech.symbols), np.nan)


def span(voice: Synthesizer, speech: Synthesis) -> float:
    """Seconds from the first phone's beginning to the last one's end, as heard."""
    ends = aligned(voice, speech)
    return float(ends[-2] - ends[0])


def off_by(voice: Synthesizer, speech: Synthesis) -> np.ndarray:
    """Milliseconds between the ends of phones as heard and as the model has them."""
    return 1000 * np.abs(aligned(voice, speech) - np.cumsum(speech.durations) / speech.frame_rate)[:-1]


if __name__ == "__main__":
    main()
