"""`transformers`: EnCodec, DAC, Mimi and X-Codec as Hugging Face's package has them (extra `transformers`)."""

from __future__ import annotations

import json
import math
import types
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from ellav.errors import UserError, one_line
from ellav.plugins.codecs import codecs
from ellav.plugins.codecs.batches import GPU_SECONDS, encode_in_batches
from ellav.plugins.codecs.code_vectors import code_vectors
from ellav.plugins.codecs.given_codes import checked_codes
from ellav.plugins.torchaudio_import import import_torchaudio
from ellav.text_files import read_text
from ellav.weights import read_weights

CONFIG, WEIGHTS = "config.json", "model.safetensors"
KINDS = {"encodec": "EncodecModel", "dac": "DacModel", "mimi": "MimiModel", "xcodec": "XcodecModel"}
_LEAST = 4  # frames; some of these networks take no shorter sound
_LEAST_CAUSAL = 8  # frames: within so many lies what layers mirror at the beginning
_LARGEST = 100_000  # of any number in a config: more is no size of a network, but a way to fill the memory
_LONGEST_CONFIG = 1_000_000  # bytes


class Facts(NamedTuple):
    """What a codec's configuration says: sample_rate, Hz; hop, samples a frame; how many codebooks of how many
    entries; bandwidths in kbit/s by the codebooks they stand for, where the model is asked for them; causal, whether
    its encoder looks back only."""

    kind: str
    sample_rate: int
    hop: int
    codebooks: int
    size: int
    bandwidths: dict[int, float]
    causal: bool = False


@codecs.register("transformers")
class TransformersCodec:
    """A pretrained codec: EnCodec (mono), DAC, Mimi or X-Codec.

    model: a folder with config.json and model.safetensors, or a name on the Hugging Face hub, for example
    facebook/encodec_24khz, descript/dac_16khz, kyutai/mimi, hf-audio/xcodec-librispeech. codebooks: the first so many
    are used. device: cpu, cuda, or auto, a GPU where there is one. `save` writes a copy of configuration and weights,
    so that neither hub nor folder is needed afterwards.
    """

    trainable = False

    def __init__(self, model: str = "facebook/encodec_24khz", codebooks: int = 8, device: str = "auto"):
        if codebooks < 1:
            raise ValueError(f"codebooks={codebooks} must be 1 or more")
        if device not in ("auto", "cpu") and not device.startswith("cuda"):
            raise ValueError(f"device={device!r} must be auto, cpu or cuda")
        self.model, self.codebooks = model, codebooks
        self.device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._folder: Path | None = None
        self._is_saved = False  # by `save`, with the names of tensors as they are now
        self._config: dict | None = None
        self._known: Facts | None = None
        self._network: nn.Module | None = None

    def to(self, device: str) -> None:
        """Where it computes, cpu or cuda."""
        self.device = device
        if self._network is not None:
            self._network.to(device)

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self._facts().sample_rate

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self._facts().sample_rate / self._facts().hop

    @property
    def size(self) -> int:
        """Entries of a codebook."""
        return self._facts().size

    def frames(self, samples: int) -> int:
        """ceil(samples / hop)."""
        return math.ceil(samples / self._facts().hop)

    @torch.inference_mode()
    def encode(self, wavs: list[np.ndarray]) -> list[np.ndarray]:
        """(samples,) float32 in [-1, 1] each -> codes (T, Q) int16 each, T = frames(samples).

        Each padded with silence to whole frames, and one by one on a CPU: what a code is depends on nothing beside its
        utterance. A GPU takes several at once where the network looks back only.
        """
        self._ready()
        together = self.device != "cpu" and self._facts().causal
        most = GPU_SECONDS * self.frame_rate if together else 0
        return encode_in_batches(wavs, self.frames, self.codebooks, most, self._encode_together)

    def _encode_together(self, wavs: list[np.ndarray]) -> list[np.ndarray]:
        facts, network = self._facts(), self._ready()
        least = _LEAST_CAUSAL if facts.causal else _LEAST
        longest = max(least, *(self.frames(len(wav)) for wav in wavs))
        padded = torch.zeros(len(wavs), 1, longest * facts.hop)
        for row, wav in zip(padded, wavs, strict=True):
            row[0, : len(wav)] = torch.from_numpy(np.asarray(wav, np.float32))
        codes = _encode(network, facts, padded.to(self.device), self.codebooks)  # (B, Q or more, longest)
        return list(codes[:, : self.codebooks].transpose(1, 2).cpu().numpy())

    @torch.inference_mode()
    def decode(self, codes: list[np.ndarray]) -> list[np.ndarray]:
        """Codes (T, q), q <= Q, each -> (T * hop,) float32 each. Raises ValueError for codes beyond the codebooks."""
        facts, network = self._facts(), self._ready()
        wavs = []
        for one in codes:
            given = checked_codes(one, self.codebooks, facts.size)  # (T, q)
            if not len(given):
                wavs.append(np.zeros(0, np.float32))
                continue
            more = max(0, _LEAST - len(given))
            padded = torch.cat([given, given[-1:].expand(more, -1)]).T[None].to(self.device)  # (1, q, T)
            wav = _decode(network, facts, padded).flatten().float().cpu().numpy()
            samples = len(given) * facts.hop
            wavs.append(np.pad(wav[:samples], (0, max(0, samples - len(wav)))).astype(np.float32))
        return wavs

    def vectors(self) -> np.ndarray:
        """(Q, size, D): the entries, projected as the network does."""
        facts, network = self._facts(), self._ready()

        def decode(codes: torch.Tensor) -> torch.Tensor:
            return _quantised(network, facts, codes.T[None].to(self.device))[0].T

        return code_vectors(decode, self.codebooks, facts.size)

    def save(self, folder: Path) -> None:
        """Write configuration and weights into an existing folder."""
        from safetensors.torch import save_file

        network = self._ready()
        (Path(folder) / CONFIG).write_text(json.dumps(self._config, indent=1) + "\n", encoding="utf-8")
        tensors = {name: tensor.cpu().clone().contiguous() for name, tensor in network.state_dict().items()}
        save_file(tensors, str(Path(folder) / WEIGHTS), metadata={"format": "pt"})

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; raises UserError naming the file where it does not fit."""
        self._folder, self._is_saved = Path(folder), True
        self._config = self._known = self._network = None
        self._ready()

    def _facts(self) -> Facts:
        if self._known is None:
            self._config = _read_config(self._found())
            facts = facts_of(self._config, str(self._folder))
            if self.codebooks > facts.codebooks:
                raise UserError(
                    f"codec transformers: {self.model} has {facts.codebooks} codebooks, not {self.codebooks}"
                )
            self._known = facts
        return self._known

    def _found(self) -> Path:
        """The folder with configuration and weights; fetched where `model` is a name on the hub."""
        if self._folder is None:
            given = Path(self.model).expanduser()
            self._folder = given if given.is_dir() else _from_hub(self.model)
        return self._folder

    @torch.inference_mode(False)  # what is made inside could not be moved
    def _ready(self) -> nn.Module:
        if self._network is None:
            facts = self._facts()
            network = _saved(self._folder, facts, self._config) if self._is_saved else _pretrained(self._folder, facts)
            self._network = network.eval().requires_grad_(False).to(self.device)
        return self._network


def facts_of(config: dict, where: str) -> Facts:
    """What config.json says of a codec. Raises UserError for a kind that is not in `KINDS`, or of several channels."""
    kind = config.get("model_type")
    if kind not in KINDS:
        raise UserError(f"{where}: a model of kind {kind!r}; codec transformers takes {', '.join(KINDS)}")
    made = _configuration(config, kind, where)
    if kind == "encodec":
        if made.audio_channels != 1 or made.normalize or made.chunk_length_s:
            raise UserError(f"{where}: an EnCodec of {made.audio_channels} channels; take facebook/encodec_24khz")
        bandwidths = _bandwidths(made)
        causal = made.use_causal_conv and made.norm_type != "time_group_norm"
        return Facts(kind, made.sampling_rate, made.hop_length, max(bandwidths), made.codebook_size, bandwidths, causal)
    if kind == "dac":
        return Facts(kind, made.sampling_rate, made.hop_length, made.n_codebooks, made.codebook_size, {})
    if kind == "mimi":
        hop = round(made.sampling_rate / made.frame_rate)
        return Facts(kind, made.sampling_rate, hop, made.num_quantizers, made.codebook_size, {}, made.use_causal_conv)
    bandwidths = _bandwidths(made)
    return Facts(kind, made.sample_rate, made.hop_length, max(bandwidths), made.codebook_size, bandwidths)


def _bandwidths(made) -> dict[int, float]:
    """Codebooks -> the bandwidth in kbit/s that stands for so many."""
    bits = math.log2(made.codebook_size) * made.frame_rate / 1000  # kbit/s of one codebook
    return {max(1, int(width / bits + 1e-6)): width for width in made.target_bandwidths}


def _encode(network: nn.Module, facts: Facts, samples: torch.Tensor, codebooks: int) -> torch.Tensor:
    """(B, 1, samples) -> codes (B, Q or more, T)."""
    if facts.bandwidths:
        enough = min(count for count in facts.bandwidths if count >= codebooks)
        codes = network.encode(samples, bandwidth=facts.bandwidths[enough]).audio_codes
        return codes[0] if facts.kind == "encodec" else codes
    if facts.kind == "dac":
        return network.encode(samples, n_quantizers=codebooks).audio_codes
    return network.encode(samples, num_quantizers=codebooks).audio_codes


def _decode(network: nn.Module, facts: Facts, codes: torch.Tensor) -> torch.Tensor:
    """(1, q, T) -> samples, of any shape."""
    if facts.kind == "encodec":
        return network.decode(codes[None], [None]).audio_values
    if facts.kind == "dac":
        return network.decode(audio_codes=codes).audio_values
    return network.decode(codes).audio_values


def _quantised(network: nn.Module, facts: Facts, codes: torch.Tensor) -> torch.Tensor:
    """(1, q, T) -> the vectors (1, D, T) that the decoder is given."""
    if facts.kind == "dac":
        return network.quantizer.from_codes(codes)[0]
    if facts.kind == "mimi":
        return network.quantizer.decode(codes)
    return network.quantizer.decode(codes.transpose(0, 1))


def _read_config(folder: Path) -> dict:
    path = folder / CONFIG
    try:
        config = json.loads(read_text(path, _LONGEST_CONFIG))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror.lower()}; {_REMEDY}") from None
    except ValueError as error:
        raise UserError(f"{path}: not readable as JSON ({one_line(error, 100)}); {_REMEDY}") from None
    if not isinstance(config, dict) or not _is_bearable(config):
        raise UserError(f"{path}: no configuration of a codec; {_REMEDY}")
    return config


_REMEDY = (
    "give a folder with config.json and model.safetensors of a codec (--codec-conf model=FOLDER), or rerun stage 4"
)


def _is_bearable(value) -> bool:
    """Whether no number in it is beyond all sense."""
    if isinstance(value, dict):
        return all(map(_is_bearable, value.values()))
    if isinstance(value, list):
        return len(value) < 1000 and all(map(_is_bearable, value))
    return not isinstance(value, (int, float)) or abs(value) <= _LARGEST


def _configuration(config: dict, kind: str, where: str):
    package = import_transformers()
    name = KINDS[kind].replace("Model", "Config")
    try:
        return getattr(package, name).from_dict(config)
    except Exception as error:  # the package raises many kinds for values that are none of its own
        raise UserError(f"{where}: not a configuration of {kind} ({one_line(error, 150)}); {_REMEDY}") from None


def _pretrained(folder: Path, facts: Facts) -> nn.Module:
    """The network of a folder as the hub has it, whichever names its tensors have had over the years."""
    build = getattr(import_transformers(), KINDS[facts.kind])
    try:
        network, about = build.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # the package raises many kinds for a damaged file or one that does not fit
        raise UserError(f"{folder}: does not load ({one_line(error, 150)}); {_REMEDY}") from None
    odd = sorted([*about["missing_keys"], *(str(key) for key in about["mismatched_keys"])])
    if odd:
        raise UserError(
            f"{folder / WEIGHTS}: {len(odd)} tensors of {facts.kind} are not there, first {odd[0]}; {_REMEDY}"
        )
    return network.float()


def _saved(folder: Path, facts: Facts, config: dict) -> nn.Module:
    """The network that `save` wrote, perhaps a stranger's: its file is compared with what is wanted before memory is
    taken for either."""
    made = _configuration(config, facts.kind, str(folder))
    build = getattr(import_transformers(), KINDS[facts.kind])
    try:
        with torch.device("meta"):
            wanted = {name: tuple(tensor.shape) for name, tensor in build(made).state_dict().items()}
        tensors = read_weights(folder / WEIGHTS, wanted, _REMEDY, largest=1e30)  # they count uses of entries too
        network = build(made)
        network.load_state_dict(tensors)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{folder}: its configuration makes no {facts.kind} ({one_line(error, 150)}); {_REMEDY}"
        ) from None
    return network


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    if name.count("/") != 1 or name.startswith(("/", ".", "~")):
        raise UserError(f"codec transformers: no folder {name}, and no name on the hub; for example {_EXAMPLE}")
    try:
        return Path(snapshot_download(name, allow_patterns=[CONFIG, WEIGHTS]))
    except Exception as error:  # the hub's client raises many kinds: no network, no such model, a full disk
        raise UserError(
            f"codec transformers: no folder {name} here, and the Hugging Face hub gives none: {one_line(error, 150)}. "
            "Fetch config.json and model.safetensors where there is a network: --codec-conf model=FOLDER"
        ) from None


_EXAMPLE = "facebook/encodec_24khz"


def import_transformers() -> types.ModuleType:
    """The package; raises UserError that names the extra where it is not installed."""
    try:
        import_torchaudio()
        import transformers
        from transformers.utils import logging
    except ModuleNotFoundError as error:
        raise UserError(
            f"codec transformers: the package {error.name} is missing; install the extra: "
            "pip install 'ellav[transformers]'"
        ) from None
    logging.disable_progress_bar()  # of weights, which load in a second
    return transformers
