"""What eSpeak NG says in Mandarin, in IPA with all tones apart: its own IPA writes the first and the fourth alike."""

from __future__ import annotations

import re
from collections.abc import Callable

from ellav.errors import UserError
from ellav.plugins.text.mandarin import readings

# fmt: off
SOUNDS = {
    # initials and codas
    "p": "p", "ph": "pʰ", "m": "m", "f": "f", "t": "t", "th": "tʰ", "n": "n", "l": "l", "k": "k", "kh": "kʰ", "X": "x",
    "tS;": "tɕ", "tS;h": "tɕʰ", "S;": "ɕ", "ts.": "ʈʂ", "ts.h": "ʈʂʰ", "s.": "ʂ", "z.": "ʐ", "ts": "ts", "tsh": "tsʰ",
    "s": "s", "j": "j", "w": "w", "N": "ŋ",
    # vowels
    "A": "ɑ", "a": "a", "o": "o", "o-": "ɤ", "@": "ə", "@r": "ɚ", "ai": "ai", "ei": "ei", "Au": "ɑu", "ou": "ou",
    "i": "i", "i[": "ɹ̩", "i.": "ɻ̩", "iA": "iɑ", "iE": "iɛ", "io": "io", "iou": "iou", "u": "u", "ua": "ua", "uo": "uo",
    "uai": "uai", "uei": "uei", "u@": "uə", "y": "y", "yi": "yi", "yE": "yɛ", "y&": "yæ", "y@": "yə", "ong": "oŋ",
    "N-": "ŋ̍",
}
TONES = {"1": "55", "2": "35", "3": "214", "4": "51", "5": "11"}
UNKNOWN = {"jiong": ("tɕ", "ioŋ"), "qiong": ("tɕʰ", "ioŋ"), "xiong": ("ɕ", "ioŋ"), "er": ("ɚ",)}
# fmt: on
"""SOUNDS: eSpeak's name of a phone of Mandarin -> IPA. TONES: pinyin's number -> its levels as eSpeak has them.
UNKNOWN: syllables that eSpeak lacks, and says in English letters (熊, 花儿)."""
NEAREST = {"55": ("51", "35", "11", "214"), "35": ("214", "55", "11", "51"), "214": ("35", "11", "51", "55"),
           "51": ("55", "11", "35", "214"), "11": ("51", "55", "35", "214")}  # fmt: skip
"""Tone -> the others, those first that sound most like it."""
TONED = re.compile(r"(\D+?)(\d*)")


def in_ipa(word: str, write: Callable[[str], str]) -> list[str]:
    """The phones of a word in characters, its vowels with the levels of their tones behind them (`ɑ51`).

    write: eSpeak's names of the phones of some text, parted by `_`. A character that it does not read is given to it in
    pinyin. Raises UserError where that does not help.
    """
    found = _known(write(word))
    if found is not None:
        return found
    made = []
    for char, syllable in zip(word, readings([word])[0], strict=True):
        said = _known(write(char)) or _known(write(syllable))
        if said is None and syllable[:-1] in UNKNOWN:
            *initial, final = UNKNOWN[syllable[:-1]]
            said = [*initial, final + TONES[syllable[-1]]]
        if said is None:
            raise UserError(
                f"{char!r} in {word!r}: eSpeak NG does not read it; write it in other characters or remove it"
            )
        made += said
    return made


def other_tones(phone: str) -> list[str]:
    """The same vowel in the other tones, the nearest first."""
    base, tone = TONED.fullmatch(phone).groups()
    return [base + other for other in NEAREST.get(tone, ())]


def _known(written: str) -> list[str] | None:
    """The phones that eSpeak wrote, in IPA; None where one of them is none of Mandarin's."""
    phones = []
    for name in re.split(r"[_\s|',]+", written):
        if name:
            base, tone = re.fullmatch(r"(.+?)(\d*)", name).groups()
            if base not in SOUNDS:
                return None
            phones.append(SOUNDS[base] + tone)
    return phones or None
