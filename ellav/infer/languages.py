"""The languages that a model speaks: which one is meant, and what a text in it says."""

from __future__ import annotations

from collections.abc import Sequence

from ellav.errors import UserError, did_you_mean
from ellav.plugins.text import Phones, TextFrontEnd


class Languages:
    """text: the model's front end. learned: those for which its AR model has a token, none where it has no tokens."""

    def __init__(self, text: TextFrontEnd, learned: Sequence[str] = ()):
        self.text = text
        self.known = tuple(one for one in getattr(text, "languages", ()) if not learned or one in learned)

    def named(self, language: str | None) -> str:
        """The language that is meant: the first one where none is named, empty where the model has only one.

        Raises UserError for one that the model has not learned.
        """
        if not isinstance(language, (str, type(None))):
            raise UserError(f"language={language!r} is no name of a language")
        if not self.known:
            if language:
                raise UserError(f"language {language!r}: this model's texts are of one language; leave it out")
            return ""
        if language and language not in self.known:
            raise UserError(
                f"language {language!r} has not been learned by this model{did_you_mean(language, self.known)};"
                f" it speaks {', '.join(self.known)}"
            )
        return language or self.known[0]

    def read(self, text: str, language: str | None = None) -> Phones:
        """The phones of a text in a language. Raises UserError as `named` and the front end do."""
        named = self.named(language)
        return self.text.in_language(text, named) if named else self.text(text)
