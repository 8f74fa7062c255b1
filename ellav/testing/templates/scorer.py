"""A scorer: how loud the speech is. Change it into yours."""

import numpy as np

from ellav.plugins.scorers import scorers


@scorers.register("new_plugin")
class NewPlugin:
    """The level of everything that is not silent.

    floor: in dB below full scale; what is quieter counts as silent.
    """

    contract = 1
    metrics = {"loudness": "mean level, dB below full scale"}  # noqa: RUF012
    reads_text = False

    def __init__(self, floor: float = -60.0):
        self.floor = floor

    def score(self, utterance):
        """Metric -> (numerator, denominator); a metric that does not apply is left out."""
        if not len(utterance.wav):
            return {}
        level = 10 * np.log10(np.mean(np.square(utterance.wav, dtype=np.float64)) + 1e-12)
        return {"loudness": (float(level), 1.0)} if level > self.floor else {}
