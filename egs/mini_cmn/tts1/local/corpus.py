"""The Mandarin corpus: sentences of grammar.py in voices of eSpeak NG, as they are and warped; m3 is unseen."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "utils"))

import grammar  # noqa: E402
from espeak_corpus import SEEN, UNSEEN, Language, run  # noqa: E402

from ellav.bin.run_command import run_command  # noqa: E402

MANDARIN = Language("cmn", "zh", SEEN, UNSEEN, grammar, least=8)  # vowels with tones are many

if __name__ == "__main__":
    sys.exit(run_command("corpus.py", run([MANDARIN], HERE, sys.argv[1:])))
