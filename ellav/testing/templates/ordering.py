"""An ordering: all phones, then all codes. Change it into yours."""

import numpy as np

from ellav.plugins.orderings import orderings
from ellav.types import NONE, DecodingScript, Restored, State, TokenSequence, Vocabulary


@orderings.register("new_plugin")
class NewPlugin:
    """phones BOS c1 c2 ... cT EOS"""

    contract = 1
    streams = 1  # ids per row
    codebooks = 1  # the first one stands in the rows, the NAR model makes the others
    combine = "sum"
    positions = "token"
    needs_durations = False
    lookahead = 0

    def bind(self, phones, codebook_size):
        """Lay out the ids, and say which of them may be sampled."""
        self.vocabulary = Vocabulary({"phones": len(phones), "bos": 1, "eos": 1, "codes": codebook_size})
        self.bos, self.eos = self.vocabulary.id("bos"), self.vocabulary.id("eos")
        self.first_code = self.vocabulary.start("codes")
        self.states = (State(self.vocabulary.mask("codes", "eos")[None], trigger=self.eos),)

    def arrange(self, utterance):
        """The rows to learn: here one id each."""
        head = self._head(utterance.phones)
        codes = utterance.codes[:, 0] + self.first_code
        ids = np.concatenate([head, codes, [self.eos]]).astype(np.int32)
        none = np.full(len(ids), NONE, np.int32)
        frames, targets = none.copy(), none.copy()
        frames[len(head) : -1] = np.arange(utterance.frames)  # which frame stands in which row
        targets[len(head) - 1 : -1] = ids[len(head) :]  # loss on codes and EOS
        positions = self._positions(head, len(ids))
        return TokenSequence(ids[:, None], targets[:, None], positions, frames[:, None], len(head))

    def restore(self, ids):
        """The way back, from the rows alone."""
        ids = ids[:, 0]
        text = int(np.flatnonzero(ids == self.bos)[0])
        codes = ids[ids >= self.first_code] - self.first_code
        return Restored(ids[:text], codes[:, None].astype(np.int16), None, None)

    def script(self, request):
        """How to decode: the prefix is given, then one segment is sampled until EOS."""
        head, given = self._head(request.phones), len(request.codes)
        prefix = np.concatenate([head, request.codes[:, 0] + self.first_code]).astype(np.int32)
        least = given + int(request.least[len(request.durations) :].sum())
        return DecodingScript(
            prefix=prefix[:, None],
            text_len=len(head),
            positions=self._positions(head, len(prefix)),
            next_position=given,
            count=given,
            forced=np.zeros((0, 1), np.int32),
            offset=np.zeros(3, np.int64),
            hold=np.full((1, 1), NONE, np.int32),
            state=np.zeros(1, np.int32),
            least=np.array([least], np.int32),
            most=np.array([max(least, given + request.max_frames)], np.int32),
        )

    def _head(self, phones):
        return np.append(phones, self.bos)

    def _positions(self, head, rows):
        return np.concatenate([np.arange(len(head)), np.arange(rows - len(head))]).astype(np.int32)
