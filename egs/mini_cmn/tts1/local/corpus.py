"""The Mandarin corpus: sentences of grammar.py in voices of eSpeak NG, as they are and warped; m3 is unseen."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "utils"))

import grammar  # noqa: E402
from espeak_corpus import Language, Speaker, run  # noqa: E402

from ellav.bin.run_command import run_command  # noqa: E402

SEEN = {
    "klatta": Speaker("klatt"),
    "klattb": Speaker("klatt2", 60),
    "klattc": Speaker("klatt4", 40),
    "klattd": Speaker("klatt", 50, 1.5, 1.14),
    "fema": Speaker("f5", 60),
    "femb": Speaker("f2", 55),
    "femc": Speaker("f5", 60, 0.8, 1.06),
    "malea": Speaker("m1", 40),
    "maleb": Speaker("m1", 40, 1.4, 1.1),
    "malec": Speaker("Mario", 50),
}
UNSEEN = {"newa": Speaker("m3", 45), "newb": Speaker("m3", 45, 1.3, 1.12)}
MANDARIN = Language("cmn", "zh", SEEN, UNSEEN, grammar, least=8)  # vowels with tones are many

if __name__ == "__main__":
    sys.exit(run_command("corpus.py", run([MANDARIN], HERE, sys.argv[1:])))
