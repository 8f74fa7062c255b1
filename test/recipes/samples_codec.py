"""A codec plugin for tests that has nothing to learn."""

import numpy as np

from ellav.plugins.codecs import codecs


@codecs.register("samples8")
class Samples:
    """Every second sample in 8 bits, 160 samples a frame."""

    trainable = False
    sample_rate, frame_rate, codebooks, size = 16000, 100.0, 80, 256

    def decode(self, codes):
        return [np.repeat((c.reshape(-1) - 128) / 128, 2).astype(np.float32) for c in codes]

    def load(self, folder):
        pass
