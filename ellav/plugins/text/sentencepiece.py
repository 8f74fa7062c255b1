"""Pieces of words as phones, learned from the corpus with SentencePiece."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

from ellav.errors import UserError, one_line
from ellav.plugins.text import Phones, text
from ellav.plugins.text.english import PAUSE
from ellav.plugins.text.sentence import assemble, cut, is_sign, refuse_signs
from ellav.types import SILENCE

WORD_START = "▁"
MOST_BYTES = 100_000_000
"""Of a model, of which a hundredth is usual; the rest is not read, and then it is damaged."""


@text.register("sentencepiece")
class SentencePiece:
    """Each piece is a phone; the first piece of a word begins with `▁`.

    model: a SentencePiece model; `ellav fit-text` trains one where none is named. pieces:
    how many to learn, at most. kind: how to learn them. casefold: make no difference between upper and
    lower case.
    """

    phone_set = "sentencepiece"

    def __init__(
        self,
        model: Path | None = None,
        pieces: int = 200,
        kind: Literal["unigram", "bpe"] = "unigram",
        casefold: bool = True,
    ):
        self.model, self.pieces, self.kind, self.casefold = model, pieces, kind, casefold
        self._processor = None

    def __call__(self, text: str) -> Phones:
        """Phones with `sp` at both ends and at punctuation; words as written, or case-folded.

        Raises UserError where nothing can be spoken, a character is not in the model, or a sign is said.
        """
        tokens = self._cut(text)
        refuse_signs(text, tokens)
        return assemble(text, ((token, () if token == PAUSE else self.split(token)) for token in tokens))

    def split(self, word: str) -> list[str]:
        """The pieces of a word. Raises UserError naming the character that is in none."""
        processor = self._ready()
        pieces = processor.encode(word, out_type=str)
        for piece in pieces:
            if processor.piece_to_id(piece) == processor.unk_id():
                raise UserError(f"{piece.strip(WORD_START)!r} of {word!r} is in no piece of {self.model}")
        found = []
        for piece in pieces:
            if piece == SILENCE:  # a piece that looks like our silence
                found += piece
            elif piece != WORD_START:
                found.append(piece)
        return found

    def fit(self, sentences: list[str], folder: Path) -> dict[str, Path]:
        """Learn from `sentences` and write folder/pieces.model. A model that was named is kept."""
        if self.model is not None:
            return {}
        import sentencepiece

        lines = []
        for sentence in sentences:
            words = [token for token in self._cut(sentence) if token != PAUSE and not is_sign(token)]
            lines.append(" ".join(words))
        written = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(line for line in lines if line),
                model_writer=written,
                vocab_size=self.pieces,
                model_type=self.kind,
                character_coverage=1.0,
                hard_vocab_limit=False,
                normalization_rule_name="identity",
                num_threads=1,  # several add up in another order each time
                bos_id=-1,
                eos_id=-1,
                minloglevel=2,
            )
        except RuntimeError as error:
            reason = one_line(error)
            raise UserError(
                f"text sentencepiece: {self.pieces} pieces cannot be learned from this text: {reason}"
            ) from None
        path = folder / "pieces.model"
        path.write_bytes(written.getvalue())
        return {"model": path}

    def _cut(self, text: str) -> list[str]:
        return cut(text, self.casefold)

    def _ready(self):
        if self._processor is None:
            import sentencepiece

            if self.model is None:
                raise UserError(
                    "text sentencepiece: no model; train one with `ellav fit-text` (stage 3), or name one with"
                    " --text-conf model=FILE"
                )
            try:
                with open(self.model, "rb") as stream:
                    content = stream.read(MOST_BYTES)
                if not content:  # its package takes that for no model at all, and says so at every word
                    raise RuntimeError("the file is empty")
                self._processor = sentencepiece.SentencePieceProcessor(model_proto=content)
            except (OSError, RuntimeError) as error:
                raise UserError(
                    f"{self.model}: no SentencePiece model that can be read: {one_line(error, 200)}"
                ) from None
        return self._processor
