"""How differently a sentence is said from seed to seed, and what of a prompt's noise and room is in the speech.

    python test/bench/diversity.py seeds --seeds 20
    python test/bench/diversity.py kept --sentences 12

seeds: a few sentences, each after the default prompt with every seed. length: seconds, mean, and the standard deviation
over seeds in % of it. phones: standard deviation of a phone's duration over seeds, ms, mean over phones. pitch: of the
median F0 of the whole (WORLD), in semitones; words: the same of each word's F0 against that of the whole. All are
means over sentences. A row for each decoder.

kept: each sentence after a built-in prompt as it is, with white noise so many dB below its speech, and in a room: its
samples convolved with noise that decays by 60 dB in so many seconds, cut to the prompt's length. refused: prompts in
which the aligner does not find their words, left out. Of the others and of what is spoken after them: floor: level of
the quietest tenth of its 25 ms against the loudest tenth, dB. DNSMOS: P.835, overall. to clean: cosine to the prompt as
it was before noise and room; to given: to the one that was given. words: heard otherwise than they should be, by
Whisper, %.
"""

from __future__ import annotations

import argparse
import sys
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pyworld
import torch
from judged import interval, sentences
from scipy.signal import fftconvolve

from ellav.data.audio import read_wav
from ellav.errors import UserError
from ellav.infer.synthesizer import Synthesizer
from ellav.plugins.scorers import Scored, scorers
from ellav.score.results import markdown

DECODERS = {
    "nucleus, top_p 0.9": ("nucleus", {"top_p": 0.9}),
    "nucleus, top_p 1": ("nucleus", {"top_p": 1.0}),
    "greedy": ("greedy", {}),
}
PROMPTS = {"as it is": None, "noise, 20 dB": 20, "noise, 10 dB": 10, "room, 0.3 s": 0.3, "room, 0.8 s": 0.8}


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("what", choices=["seeds", "kept"])
    made.add_argument("--model", type=Path, default="mini", help="a packed model, or the name of one")
    made.add_argument("--sentences", type=int, default=6)
    made.add_argument("--seeds", type=int, default=20)
    made.add_argument("--threads", type=int, default=1)
    options = made.parse_args()
    torch.set_num_threads(options.threads)
    texts = list(islice(sentences(300), options.sentences))
    {"seeds": seeds, "kept": kept}[options.what](options, texts)


def seeds(options: argparse.Namespace, texts: list[str]) -> None:
    """A row for each decoder."""
    rows = []
    for name, (decoder, conf) in DECODERS.items():
        voice = Synthesizer(options.model, decoder, conf, watermark=None)
        each = [spread([voice(text, seed=seed) for seed in range(options.seeds)]) for text in texts]
        length, deviation, phones, pitch, words = np.nanmean(each, axis=0)
        rows.append([name, f"{length:.2f} ± {deviation:.1f} %", f"{phones:.1f}", f"{pitch:.2f}", f"{words:.2f}"])
        print(rows[-1], file=sys.stderr, flush=True)
    print(markdown(["decoder", "length", "phones", "pitch", "words"], rows))


def spread(said: list) -> list[float]:
    """Of one sentence: seconds, their deviation in %, that of phones in ms, that of pitch and words' in semitones."""
    seconds = np.array([len(one.codes) / one.frame_rate for one in said])
    durations = np.array([one.durations for one in said]) / said[0].frame_rate  # (seeds, N)
    pitch = [semitones(one.wav, one.sample_rate) for one in said]
    whole = np.array([np.nanmedian(contour) for contour in pitch])
    words = np.array([of_words(one, contour) for one, contour in zip(said, pitch, strict=True)]) - whole[:, None]
    spoken = said[0].word_of_phone >= 0
    return [
        seconds.mean(),
        100 * seconds.std() / seconds.mean(),
        1000 * durations[:, spoken].std(axis=0).mean(),
        whole.std(),
        np.nanmean(np.nanstd(words, axis=0)),
    ]


def semitones(wav: np.ndarray, rate: int) -> np.ndarray:
    """F0 every 5 ms, in semitones above 100 Hz, NaN where there is none."""
    f0, _ = pyworld.harvest(wav.astype(np.float64), rate)
    return 12 * np.log2(np.where(f0 > 0, f0, np.nan) / 100)


def of_words(said, contour: np.ndarray) -> list[float]:
    """The median of each word's F0."""
    ends = np.cumsum(said.durations) / said.frame_rate
    found = []
    for word in range(len(said.words)):
        own = np.flatnonzero(said.word_of_phone == word)
        first, last = (round(at / 0.005) for at in (ends[own[0] - 1] if own[0] else 0.0, ends[own[-1]]))
        voiced = contour[first:last]
        found.append(np.nanmedian(voiced) if np.isfinite(voiced).any() else np.nan)
    return found


def kept(options: argparse.Namespace, texts: list[str]) -> None:
    """Two rows for each kind of prompt: of the prompts, and of what is spoken after them."""
    voice = Synthesizer(options.model, watermark=None)
    rate = voice.codec.sample_rate
    embed, quality = scorers.create("similarity").embed, scorers.create("dnsmos")
    hears = scorers.create("wer", {"transcriber": "whisper", "normalizer": "whisper"})
    rows = []
    for name, how in PROMPTS.items():
        found, refused = {"prompt": [], "speech": []}, 0
        for number, (text, prompt) in enumerate(zip(texts, cycle(voice.prompts.values()), strict=False)):
            clean = read_wav(prompt.wav, rate)
            wav = spoiled(clean, rate, how, number)
            try:
                heard = voice.hear(wav, prompt.text, rate)
            except UserError:  # the aligner finds the words no more
                refused += 1
                continue
            speech = voice(text, heard, seed=number)
            for kind, sound, said in (("prompt", wav, prompt.text), ("speech", speech.wav, text)):
                scored = Scored(name, name, said, sound, rate)
                found[kind].append(
                    [
                        floor(sound, rate),
                        quality.score(scored)["dnsmos_ovrl"][0],
                        *(float(embed(sound, rate) @ embed(one, rate)) for one in (clean, wav)),
                        *hears.score(scored)["wer"],
                    ]
                )
        for kind, some in found.items():
            values = np.array(some, float)
            quiet, overall, *alike = np.nanmean(values[:, :4], axis=0)
            cells = [f"{quiet:.0f}", f"{overall:.2f}", *(f"{one:.3f}" for one in alike)]
            rows.append([name, kind, f"{refused} of {len(texts)}", *cells, interval(values[:, 4], values[:, 5])])
            print(rows[-1], file=sys.stderr, flush=True)
    print(markdown(["prompt", "of", "refused", "floor", "DNSMOS", "to clean", "to given", "words"], rows))


def spoiled(wav: np.ndarray, rate: int, how: float | None, seed: int) -> np.ndarray:
    """With noise so many dB below (10 or more), or in a room of so many seconds (less than 10)."""
    rng = np.random.default_rng(seed)
    if how is None:
        return wav
    if how >= 10:
        noise = rng.standard_normal(len(wav))
        made = wav + noise * np.sqrt(np.mean(wav**2)) * 10 ** (-how / 20)
    else:
        times = np.arange(round(how * rate)) / rate
        response = rng.standard_normal(len(times)) * 10 ** (-3 * times / how)
        response[0] = np.sqrt(np.sum(response[1:] ** 2))  # as much sound directly as from the walls
        made = fftconvolve(wav, response)[: len(wav)]
    return (made * np.abs(wav).max() / np.abs(made).max()).astype(np.float32)


def level(wav: np.ndarray) -> float:
    """dB of samples."""
    return 10 * np.log10(np.mean(wav.astype(np.float64) ** 2) + 1e-10)


def floor(wav: np.ndarray, rate: int) -> float:
    """The quietest tenth of 25 ms against the loudest, dB."""
    size = round(0.025 * rate)
    levels = np.sort([level(part) for part in wav[: len(wav) // size * size].reshape(-1, size)])
    tenth = max(1, len(levels) // 10)
    return float(levels[:tenth].mean() - levels[-tenth:].mean())


if __name__ == "__main__":
    main()
