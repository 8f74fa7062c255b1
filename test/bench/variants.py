"""What it costs the mini's voice to be spoken in other ways: weights of 8 bits, windows of a stream, text that comes
word by word, where the model speaks inside an unfinished sentence.

    python test/bench/variants.py --sentences 200

The same sentences of the mini's grammar, each after a built-in prompt in turn, with the same seeds. words: heard
otherwise than they should be, %, with the interval in which 95 % of the figures of resampled sentences are, by
pocketsphinx, which knows the grammar's words. similarity: cosine to the prompt's voice (resemblyzer). Above the table:
of how many codes the NAR model with weights of 8 bits chooses the same as with its own, codebook by codebook, after the
same codes of codebook 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from judged import interval, listener, prompt_wav, sentences

from ellav.infer.pipeline import nar_input
from ellav.infer.requests import cross_sentence
from ellav.infer.synthesizer import Synthesizer
from ellav.plugins.scorers import Scored, scorers
from ellav.score.results import markdown


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", type=Path, default="mini", help="a packed model, or the name of one")
    made.add_argument("--sentences", type=int, default=200)
    made.add_argument("--seed", type=int, default=100, help="of the sentences; the mini's own have 0")
    made.add_argument("--threads", type=int, default=1)
    options = made.parse_args()
    torch.set_num_threads(options.threads)
    voice, rounded = Synthesizer(options.model), Synthesizer(options.model, quantize="int8")
    ways: dict[str, Callable[[str, str], np.ndarray]] = {
        "as it is": lambda text, prompt: voice(text, prompt).wav,
        "int8": lambda text, prompt: rounded(text, prompt).wav,
        "stream": lambda text, prompt: np.concatenate(list(voice.stream(text, prompt))),
    }
    if voice.grows:
        ways["word by word"] = lambda text, prompt: np.concatenate(list(voice.stream(pieces(text), prompt)))
    judge, voices = listener(voice), scorers.create("similarity")
    errors = {way: [] for way in ways}
    likeness = {way: [] for way in ways}
    words, agreeing = [], []
    chosen = islice(zip(sentences(options.seed), cycle(voice.prompts), strict=False), options.sentences)
    for number, (text, prompt) in enumerate(chosen, start=1):
        said = " ".join(voice.text(text).words)
        for way, speak in ways.items():
            given = {"prompt": prompt_wav(voice, prompt), "sample_rate": voice.codec.sample_rate}
            scored = Scored("", "", said, speak(text, prompt), **given)
            wrong, count = judge.score(scored)["wer"]
            errors[way].append(wrong)
            likeness[way].append(voices.score(scored)["similarity"][0])
        words.append(count)
        agreeing.append(agreement(voice, rounded, text, prompt))
        print(f"{number}: {text} {[errors[way][-1] for way in ways]}", file=sys.stderr, flush=True)
    same = (f"{100 * share:.1f} %" for share in np.mean(agreeing, axis=0))
    print(f"the same codes with weights of 8 bits, codebook {voice.pipeline.nar.known + 1} on: {', '.join(same)}\n")
    counted = np.array(words, float)
    rows = [[way, interval(np.array(errors[way], float), counted), f"{np.mean(likeness[way]):.3f}"] for way in ways]
    print(markdown(["spoken", "words", "similarity"], rows))


def pieces(text: str) -> Iterator[str]:
    """A text as it is typed, a word at a time."""
    return (f"{word} " for word in text.split())


def agreement(voice: Synthesizer, rounded: Synthesizer, text: str, prompt: str) -> np.ndarray:
    """(levels,) shares of frames of which both NAR models choose the same code, after the same codebook 1."""
    heard, said = voice.hear(prompt).prompt, voice.text(text)
    phones = voice.tokens.encode(said.phones, text)
    request = cross_sentence(text, heard, phones, np.array(said.word_of_phone, np.int32), voice.tokens)
    (reading,) = voice.pipeline.read([request])
    known = voice.pipeline.nar.known
    item = nar_input(reading.request, reading.durations, reading.codes[:, :known], voice.pipeline.nar_prompt)
    one, other = (speaker.pipeline.nar.generate([item])[0][len(item.prompt) :] for speaker in (voice, rounded))
    return (one[:, known:] == other[:, known:]).mean(axis=0)


if __name__ == "__main__":
    main()
