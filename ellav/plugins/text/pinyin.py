"""Mandarin as pinyin: initials, and finals with their tones."""

from __future__ import annotations

from ellav.plugins.text import Phones, text
from ellav.plugins.text.english import PAUSE
from ellav.plugins.text.mandarin import readings, words
from ellav.plugins.text.sentence import assemble

TONES = "12345"
NEAREST_TONE = {"1": "4523", "2": "3514", "3": "2514", "4": "1523", "5": "1423"}
"""Tone -> the others, those first that sound most like it."""
BEFORE_BUZZ = {"z": "ii", "c": "ii", "s": "ii", "zh": "iii", "ch": "iii", "sh": "iii", "r": "iii"}
"""The three vowels that pinyin writes as i: `i` in ji, `ii` in zi, `iii` in zhi."""


@text.register("pinyin")
class Pinyin:
    """Mandarin in Chinese characters to initials (`zh`) and finals with their tones (`ong1`, the neutral tone 5).

    Words are those of jieba's dictionary, readings those of pypinyin: the extra `mandarin`. Finals are written in full
    (`uei`, not `ui`), u umlaut as `v`; pinyin's i is three phones, `i`, `ii` behind z, c, s and `iii` behind zh, ch, sh
    and r.
    tones: write the tones. sandhi: tones as they change beside each other within a word; otherwise those of the
    dictionary, and the models learn the change.
    """

    version = "1"

    def __init__(self, tones: bool = True, sandhi: bool = False):
        self.tones, self.sandhi = tones, sandhi
        self.phone_set = "pinyin-tone" if tones else "pinyin"

    def __call__(self, text: str) -> Phones:
        """Phones with `sp` at both ends and at punctuation; words as written, numbers in characters.

        Raises UserError for letters of another script, for signs, and for characters without a reading.
        """
        found = words(text)
        syllables = iter(readings([word for word in found if word != PAUSE], self.sandhi))
        return assemble(
            text,
            [
                (word, () if word == PAUSE else [phone for one in next(syllables) for phone in self.phones_of(one)])
                for word in found
            ],
        )

    def phones_of(self, syllable: str) -> list[str]:
        """Initial and final of a syllable as `readings` writes it: `zhong1` is zh ong1, `n2` (嗯) itself."""
        from pypinyin.contrib.tone_convert import to_finals, to_initials

        base, tone = syllable.rstrip(TONES), syllable[-1] if syllable[-1] in TONES else ""
        initial, final = to_initials(base), to_finals(base, v_to_u=False)
        if final == "i":
            final = BEFORE_BUZZ.get(initial, final)
        if not final:  # hm, ng
            initial, final = "", base
        return [part for part in (initial, final + (tone if self.tones else "")) if part]

    def fallbacks(self, phone: str) -> list[str]:
        """The same final in another tone, the nearest first; initials have none."""
        base, tone = phone[:-1], phone[-1]
        return [base + other for other in NEAREST_TONE[tone]] if base and tone in NEAREST_TONE else []
