"""English and Spanish in one corpus: the sentences of egs/mini and egs/mini_es in voices of eSpeak NG; m3 is unseen.

A voice is another speaker in each language, since utterances of a speaker are joined in training.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "utils"))

from espeak_corpus import Language, Speaker, grammar_of, run  # noqa: E402

from ellav.bin.run_command import run_command  # noqa: E402

VOICES = {
    "klatta": Speaker("klatt"),
    "klattb": Speaker("klatt2", 60),
    "klattc": Speaker("klatt", 50, 1.5, 1.14),
    "fema": Speaker("f5", 60),
    "femb": Speaker("f5", 60, 0.8, 1.06),
    "malea": Speaker("m1", 40),
}
UNSEEN = {"newa": Speaker("m3", 45)}
EGS = HERE.parents[2]
ENGLISH = grammar_of(EGS / "mini/tts1/local/grammar.py", GLUE=" ", END=".", LENGTH=(30, 56), CONTRACTED={})
SPANISH = grammar_of(EGS / "mini_es/tts1/local/grammar.py")
LANGUAGES = [
    Language(
        name, code, {f"{code}{k}": v for k, v in VOICES.items()}, {f"{code}{k}": v for k, v in UNSEEN.items()}, words
    )
    for name, code, words in (("en-us", "en", ENGLISH), ("es", "es", SPANISH))
]

if __name__ == "__main__":
    sys.exit(run_command("corpus.py", run(LANGUAGES, HERE, sys.argv[1:])))
