"""Characters as phones: for any script, with nothing to install."""

from __future__ import annotations

import unicodedata

from ellav.plugins.text import Phones, text
from ellav.plugins.text.english import PAUSE
from ellav.plugins.text.sentence import assemble, cut, refuse_signs


@text.register("characters")
class Characters:
    """Each letter or digit is a phone, in Unicode's composed and compatible form (NFKC).

    casefold: make no difference between upper and lower case. join_marks: a letter and the
    combining marks that follow it are one phone (Devanagari `कि`); otherwise each mark is one.
    Numbers and abbreviations are not expanded: write them in words in the corpus. So are signs (`%`), which are
    refused.
    """

    phone_set = "characters"
    words_ahead = 0

    def __init__(self, casefold: bool = True, join_marks: bool = True):
        self.casefold = casefold
        self.join_marks = join_marks

    def __call__(self, text: str) -> Phones:
        """Phones with `sp` at both ends and at punctuation; words as written, or case-folded.

        Raises UserError where `text` has no letter and no digit, and for signs that are said.
        """
        tokens = cut(text, self.casefold)
        refuse_signs(text, tokens)
        return assemble(text, ((token, () if token == PAUSE else self.spell(token)) for token in tokens))

    def spell(self, word: str) -> list[str]:
        """The phones of a word: its letters, digits and apostrophes."""
        phones: list[str] = []
        for char in word:
            kind = unicodedata.category(char)[0]
            if kind == "M" and phones and self.join_marks:
                phones[-1] += char
            elif kind in "LMN" or char == "'":
                phones.append(char)
        return phones
