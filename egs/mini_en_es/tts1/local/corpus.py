"""English and Spanish in one corpus: the sentences of egs/mini and egs/mini_es in voices of eSpeak NG; m3 is unseen.

A voice is another speaker in each language, since utterances of a speaker are joined in training. The sets
`test_en_es` and the like have the texts of test_seen in the second language, each after a prompt of the same voice in
the first.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import product
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "utils"))

import espeak_corpus  # noqa: E402
from espeak_corpus import Language, Speaker, grammar_of  # noqa: E402

from ellav.bin.run_command import run_command  # noqa: E402
from ellav.data.kaldi import DataFolder, read_table, write_table  # noqa: E402
from ellav.data.outputs import writing  # noqa: E402

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


def main(argv: list[str]) -> None:
    """Write all sets."""
    out = espeak_corpus.main(LANGUAGES, HERE, argv)
    seen = DataFolder.read(out / "test_seen")
    languages = read_table(out / "test_seen" / "utt2lang")
    for prompted, spoken in product(("en", "es"), repeat=2):
        name = out / f"test_{prompted}_{spoken}"
        with writing(name, "1 (data)", {}, [out / "test_seen"]) as folder:
            if folder is None:
                continue
            prompts = prompts_of(seen.speakers, languages, prompted, spoken)
            kept = [utterance for utterance in seen.text if languages[utterance] in (prompted, spoken)]
            tables = (
                {utterance: table[utterance] for utterance in kept} for table in (seen.wavs, seen.text, seen.speakers)
            )
            DataFolder(*tables).write(folder)
            write_table(folder / "utt2lang", {utterance: languages[utterance] for utterance in kept})
            write_table(folder / "utt2prompt", prompts)
            write_table(folder / "targets", dict.fromkeys(prompts, ""))
        print(f"{name}: {len(prompts)} texts")


def prompts_of(speakers: dict[str, str], languages: dict[str, str], prompted: str, spoken: str) -> dict[str, str]:
    """Utterance in the language `spoken` -> another one of the same voice in `prompted`, each taken in turn."""
    prompts = {}
    for speaker in sorted(set(speakers.values())):
        texts = [u for u in speakers if speakers[u] == speaker and languages[u] == spoken]
        others = [u for u in speakers if speakers[u] == prompted + speaker[2:]]
        prompts.update(zip(texts, [others[-1], *others[:-1]], strict=False))
    return prompts


if __name__ == "__main__":
    sys.exit(run_command("corpus.py", partial(main, sys.argv[1:])))
