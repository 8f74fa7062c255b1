"""Whether the reading that is chosen among several is the one that is best understood (`--best-of`).

    python test/bench/best_of.py --sentences 40 --readings 4
    python test/bench/best_of.py --model libri --texts test/bench/sentences.txt --sentences 100

Sentences, each after a built-in prompt in turn, several readings of each. words: heard otherwise than they should
be, %, with the interval in which 95 % of the figures of resampled sentences are: of the first readings, of those that
`--best-of` takes, of those chosen by the aligner's score and by each confidence alone, of all, and of the best and the
worst of each sentence as the judge hears them. The sentences are of the mini's grammar, and the judge pocketsphinx,
which knows its words and which of them follow one another; with --texts they are the lines of that file, and the judge
is Whisper base.
"""

from __future__ import annotations

import argparse
import sys
from itertools import cycle, islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from judged import interval, listener, sentences

from ellav.infer.readings import ranked, was_forced
from ellav.infer.synthesis import Synthesis
from ellav.infer.synthesizer import Synthesizer
from ellav.plugins.scorers import Scored, scorers
from ellav.score.results import markdown

CHOSEN_BY = {
    "aligner": "alignment_score",
    "AR model": "ar_confidence",
    "NAR model": "nar_confidence",
    "both": "confidence",
}


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", type=Path, default="mini", help="a packed model, or the name of one")
    made.add_argument("--texts", type=Path, help="a file with a sentence in each line")
    made.add_argument("--sentences", type=int, default=40)
    made.add_argument("--readings", type=int, default=4)
    made.add_argument("--seed", type=int, default=100, help="of the sentences; the mini's own have 0")
    made.add_argument("--threads", type=int, default=1)
    options = made.parse_args()
    torch.set_num_threads(options.threads)
    voice = Synthesizer(options.model, watermark=None)
    texts = options.texts.read_text(encoding="utf-8").splitlines() if options.texts else sentences(options.seed)
    whisper = {"transcriber": "whisper", "normalizer": "whisper"}
    judge = scorers.create("wer", whisper) if options.texts else listener(voice)
    errors, words, facts = [], [], []
    chosen = islice(zip(texts, cycle(voice.prompts), strict=False), options.sentences)
    for number, (sentence, prompt) in enumerate(chosen, start=1):
        readings = [voice(sentence, prompt, seed=seed, best_of=1) for seed in range(options.readings)]
        said = sentence if options.texts else " ".join(readings[0].words)
        scores = [judge.score(Scored("", "", said, one.wav, one.sample_rate))["wer"] for one in readings]
        errors.append([wrong for wrong, _ in scores])
        words.append(scores[0][1])
        facts.append([one.facts | {"alignment_score": found(voice, one)} for one in readings])
        print(f"{number}: {sentence} {errors[-1]}", file=sys.stderr, flush=True)
    print(markdown(["readings", "words"], table(np.array(errors, float), np.array(words, float), facts)))
    forced = np.mean([[was_forced(one) for one in of_sentence] for of_sentence in facts])
    print(f"{100 * forced:.0f} % of the readings were ended by force somewhere")


def found(voice: Synthesizer, reading: Synthesis) -> float | None:
    """How well the aligner finds the phones in a reading, None where it does not."""
    scores = [voice.judge(part.speech) for part in reading.parts]
    return None if None in scores else float(np.mean(scores))


def table(errors: np.ndarray, words: np.ndarray, facts: list[list[dict]]) -> list[list[str]]:
    """errors: (sentences, readings) words heard otherwise, times 100. words: (sentences,). facts: of each reading."""
    picked = {"first": np.zeros(len(errors), int)}
    made = [[SimpleNamespace(facts=one, number=i) for i, one in enumerate(of_sentence)] for of_sentence in facts]
    picked["--best-of"] = np.array([ranked(some)[0].number for some in made])
    for name, key in CHOSEN_BY.items():
        ranks = [[(not was_forced(one), -np.inf if one[key] is None else one[key]) for one in some] for some in facts]
        picked[name] = np.array([max(range(len(some)), key=some.__getitem__) for some in ranks])
    rows = {name: errors[np.arange(len(errors)), at] for name, at in picked.items()}
    rows |= {"all": errors.mean(axis=1), "best heard": errors.min(axis=1), "worst heard": errors.max(axis=1)}
    return [[name, interval(wrong, words)] for name, wrong in rows.items()]


if __name__ == "__main__":
    main()
