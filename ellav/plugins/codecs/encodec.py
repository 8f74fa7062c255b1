"""`encodec`: the papers' neural codec (Défossez et al. 2022), by its authors' package (extra `encodec`)."""

from __future__ import annotations

import math
import pickle
import types
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ellav.errors import UserError
from ellav.plugins.codecs import codecs
from ellav.plugins.codecs.batches import GPU_SECONDS, batches, encode_in_batches
from ellav.plugins.codecs.code_vectors import code_vectors
from ellav.plugins.codecs.given_codes import checked_codes
from ellav.plugins.torchaudio_import import import_torchaudio
from ellav.weights import read_weights

WEIGHTS = "encodec.safetensors"
DOWNLOAD = "encodec_24khz-d7cc33bc.th"
HOP = 320  # samples a frame
LEAST = 7  # frames: the encoder's last layer and the decoder's first mirror so many
_TRAINING = ("inited", "cluster_size", "embed_avg")  # of a codebook, used in training only


@codecs.register("encodec")
class EnCodec:
    """The pretrained causal EnCodec of 24 kHz: 75 frames a second, codebooks of 1024.

    bandwidth: kbit/s, 1.5, 3, 6, 12 or 24, for 2, 4, 8, 16 or 32 codebooks. weights: file of
    the package's weights (.th), or of the same tensors as .safetensors; left out, they are
    downloaded once. batch_seconds: padded speech that is decoded at once, at most, unless one
    utterance is longer. `save` writes a copy of the weights, so that the file is not needed
    afterwards.
    """

    trainable = False
    sample_rate = 24000
    frame_rate = 75.0
    size = 1024

    def __init__(self, bandwidth: float = 6.0, weights: str | None = None, batch_seconds: float = 10.0):
        if bandwidth not in (1.5, 3, 6, 12, 24):
            raise ValueError(f"bandwidth={bandwidth:g} must be 1.5, 3, 6, 12 or 24 kbit/s")
        if batch_seconds <= 0:
            raise ValueError(f"batch_seconds={batch_seconds:g} is not above 0")
        self.bandwidth, self.weights, self.batch_seconds = bandwidth, weights, batch_seconds
        self.codebooks = round(bandwidth / 0.75)
        self.device = "cpu"
        self._model: nn.Module | None = None

    def frames(self, samples: int) -> int:
        """ceil(samples / 320)."""
        return math.ceil(samples / HOP)

    def to(self, device: str) -> None:
        """Compute on cpu or cuda; on the latter the encoder in half precision."""
        self.device = device
        if self._model is not None:
            self._model.to(device)

    @torch.inference_mode()
    def encode(self, wavs: list[np.ndarray]) -> list[np.ndarray]:
        """(samples,) float32 in [-1, 1] each -> codes (T, Q) int16 each, those that the package makes of it with
        silence up to a whole frame.

        On a CPU one by one: in a batch of several, sums are rounded otherwise, and a frame midway between two entries
        would change its code with its neighbours.
        """
        self._ready()
        most = 0 if self.device == "cpu" else GPU_SECONDS * self.frame_rate
        return encode_in_batches(wavs, self.frames, self.codebooks, most, self._encode_together)

    def _encode_together(self, wavs: list[np.ndarray]) -> list[np.ndarray]:
        """The encoder looks back only, so what pads an utterance at its end does not reach it, but for mirrors at the
        beginning of layers, which lie within LEAST frames."""
        model = self._ready()
        longest = max(LEAST, *(self.frames(len(wav)) for wav in wavs))
        padded = torch.zeros(len(wavs), 1, longest * HOP)
        for row, wav in zip(padded, wavs, strict=True):
            row[0, : len(wav)] = torch.from_numpy(np.asarray(wav, np.float32))
        with torch.autocast("cuda", torch.float16, enabled=self.device.startswith("cuda")):
            embedded = model.encoder(padded.to(self.device))  # (B, D, longest)
        codes = model.quantizer.encode(embedded.float(), model.frame_rate, model.bandwidth)  # (Q, B, longest)
        return list(codes.permute(1, 2, 0).cpu().numpy())

    @torch.inference_mode()
    def decode(self, codes: list[np.ndarray]) -> list[np.ndarray]:
        """Codes (T, q), q <= Q, each -> (320 T,) float32 each. Raises ValueError for codes beyond the codebooks.

        Batched by length. The decoder looks back only, so what pads an utterance at its end
        does not reach it.
        """
        model = self._ready()
        return self.decode_vectors([self._vectors(model, one).T.cpu().numpy() for one in codes])

    @torch.inference_mode()
    def decode_vectors(self, frames: list[np.ndarray]) -> list[np.ndarray]:
        """Sums of vectors (T, D) each -> what `decode` makes of codes with these sums."""
        model, lengths = self._ready(), [len(z) for z in frames]
        wavs = [np.zeros(0, np.float32)] * len(frames)
        for group in batches(lengths, self.batch_seconds * self.frame_rate):
            longest = max(LEAST, *(lengths[i] for i in group))
            padded = [F.pad(torch.from_numpy(frames[i]).T, (0, longest - lengths[i])) for i in group]
            made = model.decoder(torch.stack(padded).to(self.device)).cpu()  # (B, 1, longest * HOP)
            for i, wav in zip(group, made, strict=True):
                wavs[i] = wav[0, : lengths[i] * HOP].numpy().copy()
        return wavs

    def vectors(self) -> np.ndarray:
        """(Q, size, D): the entries."""
        model = self._ready()
        return code_vectors(lambda codes: self._vectors(model, codes.numpy()).T.cpu(), self.codebooks, self.size)

    def save(self, folder: Path) -> None:
        """Write the tensors in use into an existing folder."""
        from safetensors.torch import save_file

        tensors = {name: tensor.cpu().contiguous() for name, tensor in _tensors(self._ready()).items()}
        save_file(tensors, str(Path(folder) / WEIGHTS))

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; raises UserError naming the file where it does not fit."""
        path = Path(folder) / WEIGHTS
        model, remedy = _build(self.codebooks, self.bandwidth), "rerun stage 4 (codes)"
        wanted = {name: tuple(tensor.shape) for name, tensor in _tensors(model).items()}
        _fill(model, read_weights(path, wanted, remedy), path, remedy)
        self._model = model.to(self.device)

    @torch.inference_mode(False)  # what is made inside could not be moved
    def _ready(self) -> nn.Module:
        if self._model is None:
            model = _build(self.codebooks, self.bandwidth)
            if self.weights is None:
                tensors, source = _download()
            else:
                source = Path(self.weights).expanduser()
                tensors = read_tensors(source)
            _fill(model, tensors, source, f"give EnCodec's weights of 24 kHz ({DOWNLOAD})")
            self._model = model.to(self.device)
        return self._model

    def _vectors(self, model: nn.Module, codes: np.ndarray) -> torch.Tensor:
        """(D, T) that codes (T, q) stand for."""
        codes = checked_codes(codes, self.codebooks, self.size)  # (T, q)
        return model.quantizer.decode(codes.T[:, None].to(self.device))[0]


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Name -> tensor of a .safetensors file or of one by torch.save, from which nothing else is unpickled."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(str(path))
        read = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(f"{path}: holds something else than tensors; nothing was loaded") from None
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, EOFError) as error:
        raise UserError(f"{path}: not readable as weights ({str(error).splitlines()[0]})") from None
    if not isinstance(read, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in read.values()):
        raise UserError(f"{path}: holds something else than named tensors")
    return read


def _build(codebooks: int, bandwidth: float) -> nn.Module:
    """The package's model with its first codebooks, not yet filled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it uses the older weight_norm
        model = import_encodec().EncodecModel.encodec_model_24khz(pretrained=False)
    model.quantizer.vq.layers = model.quantizer.vq.layers[:codebooks]
    model.set_target_bandwidth(bandwidth)
    return model.eval().requires_grad_(False)


def _tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: t for name, t in model.state_dict().items() if name.rpartition(".")[2] not in _TRAINING}


def _fill(model: nn.Module, tensors: dict[str, torch.Tensor], source: Path | str, remedy: str) -> None:
    """Copy `tensors` into the model; raises UserError with the first that does not fit."""
    for name, place in _tensors(model).items():
        found = tensors.get(name)
        if found is None or found.shape != place.shape:
            what = "nothing" if found is None else tuple(found.shape)
            raise UserError(f"{source}: {name} should be {tuple(place.shape)}, found {what}; {remedy}")
        if not found.isfinite().all():
            raise UserError(f"{source}: {name} holds values that are not numbers; {remedy}")
        if name.endswith("_codebook.embed") and not found.any():
            raise UserError(f"{source}: {name} is an empty codebook, these weights were never trained; {remedy}")
        place.copy_(found)


def _download() -> tuple[dict[str, torch.Tensor], str]:
    """The package's weights and where they come from; torch's hub folder keeps them."""
    url = import_encodec().model.ROOT_URL + DOWNLOAD
    try:
        return torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True), url
    except (OSError, RuntimeError) as error:  # no network, or another file than expected
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"codec encodec: its weights cannot be downloaded ({reason}); fetch {url} where there is a network and "
            "give the file: --codec-conf weights=PATH"
        ) from None


def import_encodec() -> types.ModuleType:
    """The package; raises UserError that names the extra where it is not installed."""
    try:
        import_torchaudio()
        import encodec
    except ModuleNotFoundError as error:
        raise UserError(
            f"codec encodec: the package {error.name} is missing; install the extra: pip install 'ellav[encodec]'"
        ) from None
    return encodec
