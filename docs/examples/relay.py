"""An ordering without marks: the next phone itself says that a phone has ended."""

import numpy as np

from ellav.plugins.orderings import orderings
from ellav.types import NONE, DecodingScript, Restored, State, TokenSequence, Vocabulary


@orderings.register("relay")
class Relay:
    """phones BOS p1 c... p2 c... pN c... EOS: a phone hands over to the next by naming it."""

    contract = 1
    streams = codebooks = 1
    combine, positions = "sum", "token"
    needs_durations, lookahead = True, 0

    def bind(self, phones, codebook_size):
        """One state for each phone that may come next, and one for the end."""
        sizes = {"phones": len(phones), "bos": 1, "eos": 1, "codes": codebook_size}
        self.vocabulary = Vocabulary(sizes)
        self.bos, self.eos, self.first_code = map(self.vocabulary.start, ("bos", "eos", "codes"))
        codes, ids = self.vocabulary.mask("codes"), np.arange(self.vocabulary.size)
        followers = [*range(len(phones)), self.eos]
        self.states = tuple(State((codes | (ids == one))[None], trigger=one) for one in followers)

    def arrange(self, utterance):
        """Loss on everything after the first phone, which is known from the text."""
        head = self._head(utterance.phones)
        body = self._body(utterance.phones, utterance.codes, utterance.durations)
        ids = np.concatenate([head, body, [self.eos]])
        number, is_code = np.arange(len(ids)), ids >= self.first_code
        frames = np.where(is_code, np.cumsum(is_code) - 1, NONE)
        targets = np.append(np.where(number[1:] > len(head), ids[1:], NONE), NONE)
        ids, targets, frames = (x.astype(np.int32)[:, None] for x in (ids, targets, frames))
        return TokenSequence(ids, targets, _places(head, ids), frames, len(head))

    def restore(self, ids):
        """A phone has the codes that stand between it and the next."""
        body = ids[np.flatnonzero(ids[:, 0] == self.bos)[0] + 1 :, 0]
        names = np.flatnonzero(body < self.first_code)  # phones, and EOS at the end
        codes = (body[body >= self.first_code] - self.first_code).astype(np.int16)
        durations = (np.diff(names) - 1).astype(np.int32)
        return Restored(body[names[:-1]], codes[:, None], durations, np.ones(len(durations), bool))

    def script(self, request):
        """A segment for each phone that is still open or to come."""
        begun = len(request.durations)
        closed = begun - request.open
        durations = np.append(request.durations, [0] * (closed == begun)).astype(int)
        head, body = self._head(request.phones), request.phones[: closed + 1]
        prefix = np.concatenate([head, self._body(body, request.codes, durations)])[:, None]
        prefix, segments = prefix.astype(np.int32), len(request.phones) - closed
        most = request.most[closed:].astype(np.int32)
        most[0] = max(most[0], durations[-1])
        followers = np.append(request.phones[closed + 1 :], len(self.states) - 1)
        return DecodingScript(
            prefix=prefix,
            text_len=len(head),
            positions=_places(head, prefix),
            next_position=len(prefix) - len(head),
            count=int(durations[-1]),
            forced=np.zeros((0, 1), np.int32),
            offset=np.zeros(segments + 2, np.int64),
            hold=np.full((segments, 1), NONE, np.int32),
            state=followers.astype(np.int32),
            least=np.minimum(request.least[closed:], most).astype(np.int32),
            most=most,
        )

    def _head(self, phones):
        return np.append(phones, self.bos)

    def _body(self, phones, codes, durations):
        parts = np.split(codes[:, 0] + self.first_code, np.cumsum(durations)[:-1])
        return np.concatenate([np.append(*pair) for pair in zip(phones, parts, strict=True)])


def _places(head, rows):
    return np.append(np.arange(len(head)), np.arange(len(rows) - len(head))).astype(np.int32)
