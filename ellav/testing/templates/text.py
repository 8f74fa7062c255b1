"""A text front end: every letter is a phone. Change it into yours."""

import unicodedata

from ellav.errors import UserError
from ellav.plugins.text import Phones, text
from ellav.types import SILENCE


@text.register("new_plugin")
class NewPlugin:
    """Letters and digits as they are written, in lower case; silence at punctuation."""

    contract = 1
    phone_set = "new_plugin"  # aligners say which of these they accept

    def __call__(self, sentence):
        """Phones of one sentence."""
        phones, owners, words = [SILENCE], [-1], []
        for part in unicodedata.normalize("NFC", sentence).lower().split():
            letters = [letter for letter in part if letter.isalnum()]
            if letters:
                phones += letters
                owners += [len(words)] * len(letters)
                words.append("".join(letters))
            if not part[-1].isalnum() and phones[-1] != SILENCE:
                phones.append(SILENCE)
                owners.append(-1)
        if not words:
            raise UserError(f"text {sentence!r} has no letter in it")
        if phones[-1] != SILENCE:
            phones.append(SILENCE)
            owners.append(-1)
        return Phones(phones, owners, words)
