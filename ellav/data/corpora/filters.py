"""What of a corpus is fit to be trained on, told from lengths and words alone."""

from __future__ import annotations

from typing import NamedTuple

from ellav.data.corpora import Dropped, Spoken


class Bounds(NamedTuple):
    """Lengths in seconds, and speaking rates in letters a second.

    Letters, since words differ in length: of 1,923 utterances of LibriSpeech all lie between 3.5 and 18.2 letters
    a second, and those of 4 to 20 s between 3.6 and 17.6 (words: 0.7 to 5.3).
    """

    least_seconds: float
    most_seconds: float
    least_rate: float
    most_rate: float

    def check(self, spoken: Spoken) -> Dropped | None:
        """Why an utterance is not used, if it is not."""
        return self.check_length(spoken.id, spoken.seconds) or self.check_rate(spoken)

    def check_length(self, id: str, seconds: float) -> Dropped | None:
        """The same, of the length alone."""
        if self.least_seconds <= seconds <= self.most_seconds:
            return None
        bound = f"not {self.least_seconds:g} to {self.most_seconds:g} s"
        return Dropped(id, "length", f"{seconds:.2f} s, {bound}", seconds)

    def check_rate(self, spoken: Spoken) -> Dropped | None:
        """The same, of letters a second: where they are off, these are not the words, or not all of them."""
        rate = sum(map(str.isalnum, spoken.text)) / max(spoken.seconds, 1e-3)
        if self.least_rate <= rate <= self.most_rate:
            return None
        bound = f"not {self.least_rate:g} to {self.most_rate:g}"
        return Dropped(spoken.id, "speaking-rate", f"{rate:.1f} letters a second, {bound}", spoken.seconds)
