"""A text front end: English letters to ARPAbet by rule, without a dictionary."""

import re

from ellav.errors import UserError
from ellav.plugins.text import Phones, text
from ellav.types import SILENCE

RULES = """
tion SH+AH+N  igh AY  th DH  sh SH  ch CH  ck K  ng NG  ph F  wh W  qu K+W  ee IY  ea IY  oo UW
ou AW  ow OW  ai EY  ay EY  oy OY  ar AA+R  or AO+R  er ER  ir ER  ur ER  a AE  b B  c K  d D  e EH
f F  g G  h HH  i IH  j JH  k K  l L  m M  n N  o AA  p P  r R  s S  t T  u AH  v V  w W  x K+S
y IY  z Z
"""
SOUNDS = dict(re.findall(r"(\S+) (\S+)", RULES))
LONGEST = re.compile("|".join(sorted(SOUNDS, key=len, reverse=True)))
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@text.register("by_rule")
class ByRule:
    """The longest rule first; a silent e at the end of a word; digits one by one."""

    contract = 1
    phone_set = "arpabet"

    def __call__(self, sentence):
        """Phones of one sentence, with silence at both ends and at punctuation."""
        phones, owners, words = [SILENCE], [-1], []
        spelled = re.sub(r"[0-9]", lambda digit: f" {DIGITS[int(digit[0])]} ", sentence.lower())
        for token in re.findall(r"[a-z']*[a-z]|[.,;:!?]", spelled + " ."):
            if token in ".,;:!?":
                if phones[-1] != SILENCE:
                    phones.append(SILENCE)
                    owners.append(-1)
                continue
            parts = LONGEST.findall(re.sub(r"(?<=[a-z]{2})e$", "", token))
            said = "+".join(SOUNDS[part] for part in parts).split("+")
            phones += said
            owners += [len(words)] * len(said)
            words.append(token.upper())
        if not words:
            raise UserError(f"text {sentence!r} has no English letter in it")
        return Phones(phones, owners, words)
