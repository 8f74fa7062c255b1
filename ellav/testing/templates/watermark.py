"""A watermark: each sample a little louder or softer, by a list that both sides know. Change it into yours."""

import numpy as np

from ellav.plugins.watermarks import watermarks


@watermarks.register("new_plugin")
class NewPlugin:
    """Random signs, as loud as the speech at each sample; found where the speech begins as it was marked.

    key: number that the signs are drawn from. level: of what is added, a share of the speech.
    """

    contract = 1
    threshold = 5.0

    def __init__(self, key: int = 0, level: float = 0.1):
        self.key = key
        self.level = level

    def mark(self, wav, sample_rate):
        """(samples,) float32 -> the same number of samples, float32."""
        return (wav + self.level * self._signs(len(wav)) * np.abs(wav)).astype(np.float32)

    def detect(self, wav, sample_rate):
        """(samples,) float32 -> the correlation with the signs, in standard deviations of what chance gives."""
        wav = wav.astype(np.float64)
        deviation = np.sqrt(np.sum(wav**4))
        return float(np.sum(self._signs(len(wav)) * np.abs(wav) * wav) / deviation) if deviation > 0 else 0.0

    def _signs(self, count):
        return np.random.default_rng(self.key).choice([-1.0, 1.0], count)
