"""Texts as a model can speak them: their phones, cut into requests that fit behind a prompt."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ellav.data.dataset import Tokens
from ellav.errors import UserError
from ellav.infer.asked import Request, check_rate
from ellav.infer.chunks import sentences, split
from ellav.infer.known_phones import with_known_phones
from ellav.infer.languages import Languages
from ellav.infer.marked import Piece, between, plain_text, read_marked
from ellav.infer.silences import at_long_silences
from ellav.infer.ssml import is_ssml, read_ssml
from ellav.infer.timing import with_timing
from ellav.plugins.text import Phones
from ellav.types import NONE

SLOWLY = 4
"""A part can be asked to last so many times as long as the longest sequence of the training."""


class TextReader:
    """Reads texts for one model. longest: frames that it has seen at once, prompt included. breaks: whether it can be
    told how long silence lasts; where it cannot, a text is cut at its breaks."""

    def __init__(self, languages: Languages, tokens: Tokens, longest: int, breaks: bool):
        self.languages, self.text = languages, languages.text
        self.tokens, self.longest = tokens, longest
        rate = tokens.stats["frame_rate"]
        self.longest_silence = tokens.stats["most_silence"] / rate if breaks else 0.0
        """Seconds that the model has heard, and so can be asked for."""

    def check(self, text: str, language: str = "") -> None:
        """Raises UserError where nothing can be spoken. language: of the text, empty where none is named."""
        if not isinstance(text, str) or not text.strip():
            raise UserError("the text is empty; give at least one word, as a string")
        if is_ssml(text):
            pieces = self.pieces(text)
            read = partial(self.languages.read, language=language)
            self._known(read_marked(pieces, read).said, f"text {plain_text(pieces)!r}")
        else:
            self.phones(text, language)

    def phones(self, text: str, language: str = "") -> Phones:
        """The phones of a text, all of which the model has seen."""
        return self._known(self.languages.read(text, language), f"text {text!r}")

    def asked(
        self,
        text: str | Request | Sequence[Request],
        behind: int,
        rate: float = 1.0,
        timing: os.PathLike | str | None = None,
        language: str = "",
    ) -> list[Request]:
        """What a text, or requests, ask for behind so many frames; the rest as for `Synthesizer.requests`."""
        if isinstance(text, str):
            made = self.requests(text, behind, rate, language)
            if timing is None:
                return made
            made = with_timing(made, timing, self.tokens.stats["frame_rate"], self.longest_silence)
            self._check_lasting(made)
            return made
        given = [text] if isinstance(text, Request) else list(text) if isinstance(text, Sequence) else []
        if not given or not all(isinstance(one, Request) for one in given):
            raise UserError("the text is empty; give at least one word, as a string, or requests")
        if rate != 1 or timing is not None:
            raise UserError("requests say themselves how long phones last; leave out rate and timing")
        self._check_lasting(given)
        most = self.most_phones(behind)
        for one in given:
            if len(one.phones) > most and len(one.said.words) > 1:
                raise UserError(
                    f"request {one.text!r}: {len(one.phones)} phones are more than fit behind the prompt ({most})"
                )
        return [replace(one, language=self.languages.named(one.language)) for one in given]

    def requests(self, text: str, behind: int, rate: float = 1.0, language: str = "") -> list[Request]:
        """The parts in which a text, or SSML, is spoken behind so many frames. Raises UserError for what is wrong with
        it. rate: of all of it, times what SSML says of a part."""
        check_rate(rate)
        language = self.languages.named(language)
        pieces = self.pieces(text)
        pieces = [piece._replace(rate=check_rate(piece.rate * rate)) for piece in pieces]
        plain = plain_text(pieces)
        if all(piece == Piece(piece.text, rate) for piece in pieces):
            most = self.most_phones(behind, rate)
            chunks = split(plain.strip(), partial(self.size, language=language), most)
            return [
                Request(chunk.text, self.phones(chunk.text, language), rate, language=language, pause=chunk.pause)
                for chunk in chunks
            ]
        return self._marked(pieces, plain, behind, language)

    def sentences(self, pieces: Iterable[str], language: str = "") -> Iterator[str]:
        """What can be spoken of a text that comes in pieces; raises UserError where there is nothing."""
        said = False
        for sentence in sentences(pieces):
            if self.size(sentence, language) or any(
                map(str.isalnum, sentence)
            ):  # whose words cannot be spoken is refused later
                said = True
                yield sentence
        if not said:
            raise UserError("the text is empty; give at least one word")

    def size(self, text: str, language: str = "") -> int:
        """Phones of a part of the text, 0 where nothing in it can be spoken."""
        try:
            return len(self.languages.read(text, language).phones)
        except UserError:
            return 0

    def most_phones(self, behind: int, rate: float = 1.0) -> int:
        """Phones of a part: what fits behind so many frames, and no more than the longest training utterance.

        rate: at which they are spoken: slow ones take more room.
        """
        frames = min((self.longest - behind) * min(1.0, rate), self.tokens.stats["max_frames"])
        return max(1, int(frames / self.tokens.stats["frames_per_phone"]))

    def pieces(self, text: str) -> list[Piece]:
        """The pieces of a text, which is SSML where it begins with `<speak`; their phones are the model's."""
        if not is_ssml(text):
            return [Piece(text)]
        return read_ssml(text, getattr(self.text, "phone_set", ""), self.tokens)

    def _marked(self, pieces: list[Piece], plain: str, behind: int, language: str) -> list[Request]:
        """The parts of a text in which something is marked; cut where it is as a plain one, and at long breaks."""
        read = partial(self.languages.read, language=language)
        most = self.most_phones(behind, min(piece.rate for piece in pieces))
        chunks = split(plain.strip(), partial(self.size, language=language), most)
        starts, place = [], 0
        for chunk in chunks:
            place = plain.index(chunk.text, place)
            starts.append(place)
            place += len(chunk.text)
        found = []
        for chunk, start, end in zip(chunks, [0, *starts[1:]], [*starts[1:], len(plain)], strict=True):
            marked = read_marked(between(pieces, start, end), read)
            said = self._known(marked.said, f"text {chunk.text!r}")
            silence = np.where(np.isnan(marked.silence), NONE, marked.silence * self.tokens.stats["frame_rate"])
            frames = np.floor(silence + 0.5).astype(np.int32)
            request = Request(chunk.text, said, marked.rate, frames, frames, language, pause=chunk.pause)
            found += at_long_silences(request, self.longest_silence, self.tokens.stats["frame_rate"])
        return found

    def _check_lasting(self, asked: Sequence[Request]) -> None:
        """Raises UserError where phones are to last far longer than the model has ever spoken."""
        for one in asked:
            frames, rate = int(np.maximum(one.least, 0).sum(dtype=np.int64)), self.tokens.stats["frame_rate"]
            if frames > SLOWLY * self.longest:
                raise UserError(
                    f"request {one.text!r}: its phones are to last {frames / rate:.0f} s in all; this model has spoken"
                    f" {self.longest / rate:.0f} s at once, and can be asked for {SLOWLY * self.longest / rate:.0f}"
                )

    def _known(self, said: Phones, where: str) -> Phones:
        return with_known_phones(said, self.text, self.tokens, where)
