"""Texts as a model can speak them: their phones, cut into requests that fit behind a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np

from ellav.data.dataset import Tokens
from ellav.errors import UserError
from ellav.infer.asked import Request, check_rate
from ellav.infer.chunks import sentences, split
from ellav.infer.known_phones import with_known_phones
from ellav.infer.marked import Piece, between, plain_text, read_marked
from ellav.infer.ssml import is_ssml, read_ssml
from ellav.plugins.text import Phones, TextFrontEnd
from ellav.types import NONE


class TextReader:
    """Reads texts for one model. longest: frames that it has seen at once, prompt included. breaks: whether it can be
    told how long silence lasts; where it cannot, a text is cut at its breaks."""

    def __init__(self, text: TextFrontEnd, tokens: Tokens, longest: int, breaks: bool):
        self.text, self.tokens, self.longest = text, tokens, longest
        rate = tokens.stats["frame_rate"]
        self.longest_silence = tokens.stats["most_silence"] / rate if breaks else 0.0
        """Seconds that the model has heard, and so can be asked for."""

    def check(self, text: str) -> None:
        """Raises UserError where nothing can be spoken."""
        if not isinstance(text, str) or not text.strip():
            raise UserError("the text is empty; give at least one word, as a string")
        if is_ssml(text):
            pieces = self.pieces(text)
            self._known(read_marked(pieces, self._read).said, f"text {plain_text(pieces)!r}")
        else:
            self.phones(text)

    def phones(self, text: str, language: str = "") -> Phones:
        """The phones of a text, all of which the model has seen."""
        return self._known(self._read(text, language), f"text {text!r}")

    def requests(self, text: str, behind: int, rate: float = 1.0, language: str = "") -> list[Request]:
        """The parts in which a text, or SSML, is spoken behind so many frames. Raises UserError for what is wrong with
        it. rate: of all of it, times what SSML says of a part."""
        check_rate(rate)
        pieces = self.pieces(text)
        pieces = [piece._replace(rate=check_rate(piece.rate * rate)) for piece in pieces]
        plain = plain_text(pieces)
        if all(piece == Piece(piece.text, rate) for piece in pieces):
            chunks = split(plain.strip(), partial(self.size, language=language), self.most_phones(behind))
            return [
                Request(chunk.text, self.phones(chunk.text, language), rate, language=language, pause=chunk.pause)
                for chunk in chunks
            ]
        return self._marked(pieces, plain, behind, language)

    def sentences(self, pieces: Iterable[str]) -> Iterator[str]:
        """What can be spoken of a text that comes in pieces; raises UserError where there is nothing."""
        said = False
        for sentence in sentences(pieces):
            if self.size(sentence) or any(map(str.isalnum, sentence)):  # whose words cannot be spoken is refused later
                said = True
                yield sentence
        if not said:
            raise UserError("the text is empty; give at least one word")

    def size(self, text: str, language: str = "") -> int:
        """Phones of a part of the text, 0 where nothing in it can be spoken."""
        try:
            return len(self._read(text, language).phones)
        except UserError:
            return 0

    def most_phones(self, behind: int) -> int:
        """Phones of a part: what fits behind so many frames, and no more than the longest training utterance."""
        frames = min(self.longest - behind, self.tokens.stats["max_frames"])
        return max(1, int(frames / self.tokens.stats["frames_per_phone"]))

    def pieces(self, text: str) -> list[Piece]:
        """The pieces of a text, which is SSML where it begins with `<speak`; their phones are the model's."""
        if not is_ssml(text):
            return [Piece(text)]
        return read_ssml(text, getattr(self.text, "phone_set", ""), self.tokens)

    def _marked(self, pieces: list[Piece], plain: str, behind: int, language: str) -> list[Request]:
        """The parts of a text in which something is marked; cut where it is as a plain one, and at long breaks."""
        read = partial(self._read, language=language)
        chunks = split(plain.strip(), partial(self.size, language=language), self.most_phones(behind))
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

    def _read(self, text: str, language: str = "") -> Phones:
        if not language:
            return self.text(text)
        if not hasattr(self.text, "in_language"):
            raise UserError(f"language {language!r}: this model's texts are of one language; leave it out")
        return self.text.in_language(text, language)

    def _known(self, said: Phones, where: str) -> Phones:
        return with_known_phones(said, self.text, self.tokens, where)


def at_long_silences(request: Request, longest: float, frame_rate: float) -> list[Request]:
    """A request in as many as it takes for none to speak more than `longest` seconds of silence at a time.

    The rest of a longer one is due between them, before the first and after the last, and spoken by nobody. Where
    `longest` is 0 the model cannot be told how long silence lasts: it makes of it what it likes, and no less is due.
    """
    silent, most = np.array(request.said.word_of_phone) < 0, int(longest * frame_rate)
    long = np.flatnonzero(silent & (request.least > most))
    last = len(request.phones) - 1
    seconds = {int(place): request.least[place] / frame_rate for place in long}
    cuts = [0, *(int(place) for place in long if 0 < place < last), last]
    found = []
    for begin, end in pairwise(cuts):
        part = _part(request, begin, end + 1) if len(cuts) > 2 else request
        least, most_frames = part.least.copy(), part.most.copy()
        for place, here in ((begin, 0), (end, -1)):
            if place in seconds:
                inside = 0 < place < last
                least[here] = most_frames[here] = (most + (here < 0)) // 2 if inside else most
        if not longest:
            least[silent[begin : end + 1]] = most_frames[silent[begin : end + 1]] = NONE
        pause = seconds.get(end, request.pause if end == last else 0.0)
        lead = seconds.get(0, request.lead) if begin == 0 else 0.0
        found.append(replace(part, least=least, most=most_frames, lead=lead, pause=pause))
    return found


def _part(request: Request, begin: int, end: int) -> Request:
    """Phones `begin` up to `end`, whole words of them."""
    said = request.said
    owners = said.word_of_phone[begin:end]
    first = min(owner for owner in owners if owner >= 0)
    words = said.words[first : max(owners) + 1]
    own = Phones(said.phones[begin:end], [owner - first if owner >= 0 else owner for owner in owners], words)
    bounds = (row[begin:end] for row in (request.rate, request.least, request.most))
    return replace(request, **dict(zip(("rate", "least", "most"), bounds, strict=True)), text=" ".join(words), said=own)
