"""A language token in front of the text: an ordering around another one, for models of several languages.

VALL-E X (arXiv 2303.03926) tells its models the language of what they speak, so that a reader of one language speaks
another without an accent of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ellav.errors import did_you_mean
from ellav.plugins.orderings import Ordering
from ellav.types import NONE, DecodingRequest, DecodingScript, Restored, State, TokenSequence, Utterance, Vocabulary

LANGUAGES = "languages"
"""The range of the vocabulary that holds the tokens."""


class LanguageFirst:
    """The rows of `ordering`, which is bound already, behind one row with the token of the utterance's language.

    The row is never predicted. It stands at position 0 and the text behind it one later; what follows the text keeps
    its positions. All else is the inner ordering's.
    """

    def __init__(self, ordering: Ordering, languages: Sequence[str]):
        self.inner, self.languages = ordering, tuple(languages)
        self.vocabulary = Vocabulary({**ordering.vocabulary.sizes, LANGUAGES: len(languages)})
        more = ((0, 0), (0, len(languages)))
        self.states = tuple(State(np.pad(s.allowed, more), s.trigger, s.own_row) for s in ordering.states)
        if hasattr(ordering, "restore_begun"):
            self.restore_begun = self._restore_begun

    def __getattr__(self, name: str):
        if name in ("inner", "restore_begun"):  # not set yet, or not there
            raise AttributeError(name)
        return getattr(self.inner, name)

    def bind(self, phones: tuple[str, ...], codebook_size: int) -> None:
        """Bind the inner ordering anew."""
        self.inner.bind(phones, codebook_size)
        self.__init__(self.inner, self.languages)

    def arrange(self, utterance: Utterance) -> TokenSequence:
        """Token rows of a whole utterance. Raises ValueError for a language that is not among these."""
        rows = self.inner.arrange(utterance)
        nothing = np.full((1, self.streams), NONE, np.int32)
        return TokenSequence(
            np.concatenate([self._row(utterance.language), rows.ids]),
            np.concatenate([nothing, rows.targets]),
            _later(rows.positions, rows.prefix_len),
            np.concatenate([nothing, rows.frames]),
            rows.prefix_len + 1,
        )

    def restore(self, ids: np.ndarray) -> Restored:
        """Read phones, codes and durations back from complete rows (L, S)."""
        return self.inner.restore(ids[1:])

    def script(self, request: DecodingRequest) -> DecodingScript:
        """How to decode `request`; without a language, in the first. Raises ValueError for one that was not learned."""
        return self._behind(self._row(request.language or self.languages[0]), self.inner.script(request))

    def _restore_begun(self, ids: np.ndarray) -> Restored:
        return self.inner.restore_begun(ids[1:])

    def _row(self, language: str) -> np.ndarray:
        """(1, S): the token in the first stream."""
        if language not in self.languages:
            known = ", ".join(self.languages)
            raise ValueError(
                f"language {language!r} has not been learned{did_you_mean(language, self.languages)}; there are {known}"
            )
        row = np.full((1, self.streams), NONE, np.int32)
        row[0, 0] = self.vocabulary.start(LANGUAGES) + self.languages.index(language)
        return row

    def _behind(self, row: np.ndarray, script: DecodingScript) -> DecodingScript:
        return replace(
            script,
            prefix=np.concatenate([row, script.prefix]),
            text_len=script.text_len + 1,
            positions=_later(script.positions, script.text_len),
            next=None if script.next is None else self._next(row, script.next),
        )

    def _next(self, row: np.ndarray, following: Callable) -> Callable[[np.ndarray], DecodingScript | None]:
        def made(rows: np.ndarray) -> DecodingScript | None:
            script = following(rows[1:])
            return None if script is None else self._behind(row, script)

        return made


def _later(positions: np.ndarray, text_len: int) -> np.ndarray:
    """(L,) -> (L + 1,): a row at position 0 before a text of `text_len` rows, which stands one later."""
    text, rest = positions[:text_len] + 1, positions[text_len:]
    return np.concatenate([[0], text, rest]).astype(positions.dtype)
