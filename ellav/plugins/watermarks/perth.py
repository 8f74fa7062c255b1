"""Resemble AI's PerTh watermark, a network of theirs (extra `perth`)."""

from __future__ import annotations

import contextlib
import io
import warnings
from functools import cached_property

import numpy as np

from ellav.errors import UserError
from ellav.plugins.torchaudio_import import import_torchaudio
from ellav.plugins.watermarks import watermarks

_SHORTEST = 0.1  # s; the network's frames last 64 ms


@watermarks.register("perth")
class Perth:
    """PerTh of Resemble AI: a network changes magnitudes below 2 kHz, another one tells such speech.

    Both come with the package `resemble-perth`. The score is what the second one says, from 0 to 1. It needs the whole
    of a speech, so streams cannot have it, and about as much time as a small model of speech does.

    device: cpu or cuda.
    """

    contract = 1
    threshold = 0.5

    def __init__(self, device: str = "cpu"):
        self.device = device

    def mark(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """(samples,) float32 -> the same number of samples; what is shorter than 0.1 s is left as it is.

        Raises UserError where the package is missing.
        """
        import torch

        wav, net = np.array(wav, np.float32), self._net
        if len(wav) < _SHORTEST * sample_rate:
            return wav
        with torch.no_grad():
            theirs = _resampled(wav, sample_rate, net.perth_net.hp.sample_rate)
            marked = net.apply_watermark(theirs, net.perth_net.hp.sample_rate)
        # Only what the network changes is added: at another rate than its own the speech stays what it was.
        count = min(len(theirs), len(marked))
        change = _resampled(marked[:count] - theirs[:count], net.perth_net.hp.sample_rate, sample_rate)[: len(wav)]
        wav[: len(change)] += change
        return wav

    def detect(self, wav: np.ndarray, sample_rate: int) -> float:
        """0 to 1; 0 for what is shorter than 0.1 s and for audio without any sound.

        Raises UserError where the package is missing.
        """
        import torch

        net = self._net
        if len(wav) < _SHORTEST * sample_rate or not np.any(wav):
            return 0.0
        rate = net.perth_net.hp.sample_rate
        with torch.no_grad():
            said = net.get_watermark(_resampled(wav, sample_rate, rate), rate, round=False)
        return float(np.nan_to_num(np.ravel(said)[0]))

    @cached_property
    def _net(self):
        try:
            import_torchaudio()
            # It prints which weights it has loaded, and warns of how it finds them.
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                from perth.perth_net.perth_net_implicit.perth_watermarker import PerthImplicitWatermarker

                return PerthImplicitWatermarker(device=self.device)
        except ModuleNotFoundError as error:
            raise UserError(
                f"watermark perth: the package {error.name} is missing; install the extra: pip install 'ellav[perth]'"
            ) from None


def _resampled(wav: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    import soxr

    return soxr.resample(np.asarray(wav, np.float32), rate, sample_rate)
