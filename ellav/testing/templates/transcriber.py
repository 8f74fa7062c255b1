"""A transcriber: hears how often the sound swells. Change it into yours."""

import numpy as np

from ellav.plugins.transcribers import transcribers


@transcribers.register("new_plugin")
class NewPlugin:
    """One word for every burst of sound.

    word: what it hears. threshold: the level of a burst, of full scale.
    """

    contract = 1
    sample_rate = 16000

    def __init__(self, word: str = "la", threshold: float = 0.05):
        self.word = word
        self.threshold = threshold

    def transcribe(self, wav):
        """(samples,) float32 -> upper-case words separated by single spaces, maybe none."""
        block = self.sample_rate // 20
        parts = [wav[start : start + block] for start in range(0, len(wav), block)]
        loud = np.array([np.abs(part).max() > self.threshold for part in parts], bool)
        bursts = int((loud & ~np.append(False, loud[:-1])).sum()) if len(loud) else 0
        return " ".join([self.word.upper()] * bursts)
