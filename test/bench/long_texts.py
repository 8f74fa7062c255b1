"""Whether the parts of a long text do better one behind the other than each after the prompt alone (`--follow`).

    python test/bench/long_texts.py --paragraphs 10 --sentences 6

Paragraphs of the mini's grammar, in as many parts as the model needs, after a built-in prompt in turn. first to last:
cosine between the voices of the first and of the last sentence; to prompt: between the last sentence's and the prompt's
(resemblyzer). pitch: how far the median pitch of a sentence lies from that of the sentence before, in semitones. words:
heard otherwise than they should be, %, with the interval in which 95 % of the figures of resampled paragraphs are, by
pocketsphinx, which knows the grammar's words. pauses: between sentences, mean and standard deviation in milliseconds,
what the models said and what was put in together.
"""

from __future__ import annotations

import argparse
import sys
from itertools import cycle, islice, pairwise
from pathlib import Path

import numpy as np
import pyworld
import torch
from judged import interval, listener, prompt_wav, sentences

from ellav.infer.synthesis import Synthesis
from ellav.infer.synthesizer import Synthesizer
from ellav.plugins.scorers import Scored, scorers
from ellav.score.results import markdown


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", type=Path, default="mini", help="a packed model, or the name of one")
    made.add_argument("--paragraphs", type=int, default=10)
    made.add_argument("--sentences", type=int, default=6, help="of a paragraph")
    made.add_argument("--follow", type=float, nargs="+", default=[1.0, 2.0], help="seconds, a row each")
    made.add_argument("--seed", type=int, default=200, help="of the sentences; the mini's own have 0")
    made.add_argument("--threads", type=int, default=1)
    options = made.parse_args()
    torch.set_num_threads(options.threads)
    voice = Synthesizer(options.model, watermark=None)
    judge, voices = listener(voice), scorers.create("similarity")
    texts = sentences(options.seed)
    paragraphs = [list(islice(texts, options.sentences)) for _ in range(options.paragraphs)]
    rows = []
    for follow in (None, *options.follow):
        measured = []
        for prompt, paragraph in zip(cycle(voice.prompts), paragraphs, strict=False):
            speech = voice(" ".join(paragraph), prompt, follow=follow)
            measured.append(measure(voice, speech, paragraph, prompt, judge, voices))
            print(follow, measured[-1], file=sys.stderr, flush=True)
        wrong, words, likeness, kept, jumps, pauses = zip(*measured, strict=True)
        silence = np.concatenate(pauses) * 1000
        rows.append(
            [
                "after the prompt" if follow is None else f"behind {follow:g} s",
                f"{np.mean(likeness):.3f}",
                f"{np.mean(kept):.3f}",
                f"{np.mean(np.concatenate(jumps)):.2f}",
                interval(np.array(wrong, float), np.array(words, float)),
                f"{silence.mean():.0f} ± {silence.std():.0f}",
            ]
        )
    print(markdown(["parts", "first to last", "to prompt", "pitch", "words", "pauses"], rows))


def measure(voice: Synthesizer, speech: Synthesis, paragraph: list[str], prompt: str, judge, voices):
    """Words heard otherwise (times 100) and words; cosines first to last and last to prompt; semitones between
    neighbours; seconds of each pause."""
    rate, spans = speech.sample_rate, sentence_spans(voice, speech, paragraph)
    pieces = [speech.wav[round(start * rate) : round(end * rate)] for start, end in spans]
    wrong = words = 0.0
    for text, piece in zip(paragraph, pieces, strict=True):
        scored = judge.score(Scored("", "", " ".join(voice.text(text).words), padded(piece, rate), rate))["wer"]
        wrong, words = wrong + scored[0], words + scored[1]
    first, last, given = (voices.embed(wav, rate) for wav in (pieces[0], pieces[-1], prompt_wav(voice, prompt)))
    heights = [12 * np.log2(pitch(piece, rate)) for piece in pieces]
    pauses = [after[0] - before[1] for before, after in pairwise(spans)]
    return wrong, words, float(first @ last), float(last @ given), np.abs(np.diff(heights)), np.array(pauses)


def sentence_spans(voice: Synthesizer, speech: Synthesis, paragraph: list[str]) -> list[tuple[float, float]]:
    """Seconds from the first phone of each sentence's first word to the last one of its last."""
    ends = np.cumsum(speech.durations) / speech.frame_rate
    starts = np.concatenate([[0.0], ends[:-1]])
    spans, word = [], 0
    for text in paragraph:
        count = len(voice.text(text).words)
        inside = np.flatnonzero((speech.word_of_phone >= word) & (speech.word_of_phone < word + count))
        spans.append((float(starts[inside[0]]), float(ends[inside[-1]])))
        word += count
    return spans


def padded(wav: np.ndarray, rate: int) -> np.ndarray:
    """A sentence with the silence around it that the judge waits for."""
    return np.pad(wav, rate // 5)


def pitch(wav: np.ndarray, rate: int) -> float:
    """Median of the voiced frames, Hz."""
    heights = pyworld.harvest(wav.astype(np.float64), rate)[0]
    return float(np.median(heights[heights > 0])) if (heights > 0).any() else 1.0


if __name__ == "__main__":
    main()
