"""How many words are read otherwise where their sentence is still being written, for a front end's `words_ahead`.

    python test/bench/words_ahead.py test/unit/english_readings.tsv test/unit/homographs.tsv docs/*.md

Of each sentence the words that `ellav.infer.growing` gives out before its end, beside those of the whole sentence. A
.tsv file holds sentences in its first or last column, a .md file in its paragraphs, any other one a line.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from itertools import zip_longest
from pathlib import Path

from ellav.errors import UserError
from ellav.infer.growing import Sentence, words_of
from ellav.plugins.text import text


def main(argv: list[str] | None = None) -> dict[tuple[str, int], tuple[int, int, int]]:
    """Measure and print a table; returns file and words ahead -> words, words read otherwise, sentences with such."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("files", nargs="+", type=Path)
    made.add_argument("--text", default="g2p_en")
    made.add_argument("--most", type=int, default=3, help="words ahead")
    made.add_argument("--show", action="store_true", help="the sentences, but for those of 0 words ahead")
    options = made.parse_args(argv)
    front_end, figures = text.create(options.text), {}
    print("| | words ahead | words | read otherwise | in sentences |\n|---|---|---|---|---|")
    for file in options.files:
        sentences = [sentence for sentence in sentences_of(file) if readable(front_end, sentence)]
        for ahead in range(options.most + 1):
            counts = Counter()
            for sentence in sentences:
                words, wrong = compare(front_end, sentence, ahead)
                counts.update(words=words, wrong=len(wrong), sentences=bool(wrong))
                if wrong and ahead and options.show:
                    print(f"{ahead}: {' '.join(wrong)} in {sentence!r}")
            figures[file.name, ahead] = counts["words"], counts["wrong"], counts["sentences"]
            print(f"| {file.name} | {ahead} | " + " | ".join(map(str, figures[file.name, ahead])) + " |")
    return figures


def compare(front_end, sentence: str, ahead: int) -> tuple[int, list[str]]:
    """Words of a sentence, and those that are given out otherwise than they are read in the whole."""
    whole = words_of(front_end(sentence))
    given = Sentence(front_end, ahead).grow(sentence)
    pairs = zip_longest(given, whole[: len(given)])
    return len(whole), [told.word for told, right in pairs if told != right]


def readable(front_end, sentence: str) -> bool:
    try:
        return bool(front_end(sentence).words)
    except UserError:
        return False


def sentences_of(file: Path) -> list[str]:
    content = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        content = re.sub(r"```.*?```", "", content, flags=re.S)
        paragraphs = [p.replace("\n", " ") for p in re.split(r"\n\s*\n", content) if re.match(r"\s*[A-Z*`]", p)]
        return [s for p in paragraphs for s in re.split(r"(?<=[.!?:])\s+(?=[A-Z])", re.sub("[`*]", "", p))]
    rows = [line.split("\t") for line in content.splitlines() if line.strip() and not line.startswith((";;;", "# "))]
    longest = 0 if file.suffix != ".tsv" or len(rows[0][0].split()) > 1 else -1
    return [row[longest].replace("\\n", "\n") for row in rows]


if __name__ == "__main__":
    main()
