"""DNSMOS: quality of sound as predicted from the speech alone, by the models in speechmos (extra `dnsmos`)."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from ellav.errors import UserError
from ellav.plugins.scorers import Scored, scorers

_RATE = 16000
_WINDOW = 144_160  # samples that the models take
_SHORTEST = 0.1  # s; below it there is nothing to hear, and the scale's lowest mark is given


@scorers.register("dnsmos")
class DNSMOS:
    """Microsoft's predictors of opinion scores, P.808 and P.835, on a scale from 1 to 5.

    They hear noise and distortion; they do not rank how natural voices are. Windows of 9 s,
    every second; shorter speech is repeated until it fills one. What is shorter than 0.1 s
    gets 1, so that speech that came out empty does not raise the mean.
    """

    metrics: ClassVar[dict[str, str]] = {
        "dnsmos": "predicted opinion of the quality (DNSMOS P.808), 1 to 5",
        "dnsmos_ovrl": "predicted overall quality (DNSMOS P.835), 1 to 5",
    }
    reads_text = False

    def score(self, utterance: Scored) -> dict[str, tuple[float, float] | str]:
        """Both figures of the whole utterance, what a continuation was given included."""
        wav = utterance.wav
        if len(wav) < _SHORTEST * utterance.sample_rate:
            return dict.fromkeys(self.metrics, (1.0, 1.0))
        if utterance.sample_rate != _RATE:
            import soxr

            wav = soxr.resample(wav, utterance.sample_rate, _RATE)
        wav = np.clip(wav, -1, 1).astype(np.float32)
        if len(wav) < _WINDOW:
            wav = np.resize(wav, _WINDOW)  # repeats it; the package would fill seven windows with 4 s
        made = self._model(wav, _RATE, False)
        return {"dnsmos": (float(made["p808_mos"]), 1.0), "dnsmos_ovrl": (float(made["ovrl_mos"]), 1.0)}

    @cached_property
    def _model(self):
        try:
            import onnxruntime
            from speechmos import dnsmos
        except ModuleNotFoundError as error:
            raise UserError(
                f"scorer dnsmos: the package {error.name} is missing; install the extra: pip install 'ellav[dnsmos]'"
            ) from None
        options = onnxruntime.SessionOptions()
        # Its threads would wait for one another beside the other scoring processes.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        folder = Path(dnsmos.__file__).parent / "dnsmos_models"
        paths = [str(folder / name) for name in ("sig_bak_ovr.onnx", "model_v8.onnx")]
        model = dnsmos.DNSMOS(*paths)
        model.onnx_sess, model.p808_onnx_sess = (onnxruntime.InferenceSession(path, options) for path in paths)
        return model
