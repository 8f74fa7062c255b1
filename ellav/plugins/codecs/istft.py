"""`istft`: the codes of another codec, spoken by a network that makes the spectra of an inverse STFT.

It takes the place of what the other codec speaks with (Griffin-Lim, say), learns from the same speech, and leaves the
codes as they are: models trained on them stay good. It is several times as fast as Griffin-Lim, and a window of frames
is spoken as in the whole, which streaming asks for.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ellav.errors import UserError
from ellav.plugins.codecs import Codec, CodecTraining, codecs, load_codec
from ellav.plugins.codecs.code_vectors import sums_of_vectors
from ellav.plugins.codecs.given_codes import checked_codes
from ellav.plugins.codecs.graphs import FromCodes
from ellav.plugins.codecs.istft_net import Judges, Vocoder, adversarial_losses, spectral_distance
from ellav.plugins.codecs.mel import check
from ellav.weights import read_weights

WEIGHTS, CODER = "istft.safetensors", "coder"


@codecs.register("istft")
class ISTFT:
    """Speaks the codes of a codec that tells their vectors (`VectorCodec`).

    codec: folder of that codec, as `ellav fit-codec` made it; what is saved holds a copy. spectra: of the inverse STFT
    a code frame, of a whole and even number of samples each. width, blocks: of the convolutions before it.

    Training: frames_seen, codec frames read in all; batch, pieces of `seconds` a step; lr, the learning rate at its
    peak. adversarial: weight of what small judging networks, which learn beside it to tell made from recorded speech,
    say of it (0: there are none).
    """

    trainable = True

    def __init__(
        self,
        codec: str = "",
        width: int = 256,
        blocks: int = 6,
        spectra: int = 2,
        frames_seen: int = 4_000_000,
        batch: int = 24,
        seconds: float = 1.0,
        lr: float = 1e-3,
        adversarial: float = 0.0,
    ):
        for name, value, least, most in (
            ("width", width, 8, 4096),
            ("blocks", blocks, 1, 64),
            ("spectra", spectra, 1, 16),
            ("frames_seen", frames_seen, 1, 10**12),
            ("batch", batch, 1, 10_000),
            ("seconds", seconds, 0.2, 60),
            ("lr", lr, 1e-9, 1),
            ("adversarial", adversarial, 0, 100),
        ):
            check(name, value, least, most)
        self.codec, self.width, self.blocks, self.spectra = codec, width, blocks, spectra
        self.training = CodecTraining(frames_seen, batch, seconds, lr)
        self.adversarial = adversarial
        self._coder: Codec | None = None
        self._network: nn.ModuleDict | None = None
        self._vectors: torch.Tensor | None = None
        self._learned = False

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.coder.sample_rate

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.coder.frame_rate

    @property
    def codebooks(self) -> int:
        """Of the codec that makes the codes."""
        return self.coder.codebooks

    @property
    def size(self) -> int:
        """Entries of a codebook."""
        return self.coder.size

    @property
    def stream_context(self) -> tuple[int, int]:
        """Frames before and after a frame that its samples depend on."""
        context = self.network["vocoder"].context
        return context, context

    @property
    def codes_of(self) -> Path:
        """Folder of the codec that makes the codes: models trained with either speak with both."""
        return Path(self.codec)

    @property
    def coder(self) -> Codec:
        """The codec that makes the codes."""
        if self._coder is None:
            if not self.codec:
                raise UserError("codec istft: speaks the codes of another codec: --codec-conf codec=FOLDER")
            self._coder = _with_vectors(Path(self.codec))
        return self._coder

    @property
    def network(self) -> nn.ModuleDict:
        """What is learned: `vocoder`, and `judges` where they take part."""
        if self._network is None:
            hop = self.sample_rate / (self.frame_rate * self.spectra)
            if hop != int(hop) or hop % 2:
                raise UserError(
                    f"codec istft: {hop:g} samples a spectrum at {self.sample_rate} Hz; choose spectra so that they "
                    "are a whole and even number"
                )
            with torch.random.fork_rng():
                torch.manual_seed(0)
                made = {"vocoder": Vocoder(self.vector_table.shape[2], self.width, self.blocks, self.spectra, int(hop))}
                if self.adversarial:
                    made["judges"] = Judges()
            self._network = nn.ModuleDict(made).eval()
        return self._network

    @property
    def vector_table(self) -> torch.Tensor:
        """(Q, size, D)."""
        if self._vectors is None:
            self._vectors = torch.from_numpy(self.coder.vectors())
        return self._vectors

    def frames(self, samples: int) -> int:
        """As the codec that makes the codes counts them."""
        return self.coder.frames(samples)

    def to(self, device: str) -> None:
        """Where that codec computes its codes, cpu or cuda."""
        if not hasattr(self.coder, "to"):
            raise UserError(f"codec {self.coder.name} computes on a CPU only")
        self.coder.to(device)

    def encode(self, wavs: list[np.ndarray]) -> list[np.ndarray]:
        """(samples,) float32 in [-1, 1] each -> codes (T, Q) int16 each, by that codec."""
        return self.coder.encode(wavs)

    def vectors(self) -> np.ndarray:
        """(Q, size, D): those of that codec."""
        return self.vector_table.numpy()

    @torch.inference_mode()
    def decode(self, codes: list[np.ndarray]) -> list[np.ndarray]:
        """Codes (T, q), q <= Q, each -> (T * sample_rate / frame_rate,) float32 each.

        Raises ValueError for codes beyond the codebooks.
        """
        given = [checked_codes(one, self.codebooks, self.size) for one in codes]  # (T, q) each
        return self.decode_vectors([self._added(one).numpy() for one in given])

    @torch.inference_mode()
    def decode_vectors(self, frames: list[np.ndarray]) -> list[np.ndarray]:
        """Sums of vectors (T, D) each -> what `decode` makes of codes with these sums."""
        if not self._learned:
            raise UserError("codec istft: not trained yet; train or load it (`ellav fit-codec`)")
        vocoder = self.network["vocoder"]
        return [
            vocoder(torch.from_numpy(z)[None])[0].clamp(-1, 1).numpy() if len(z) else np.zeros(0, np.float32)
            for z in frames
        ]

    def graph(self) -> nn.Module:
        """What decodes, for export."""
        vocoder = self.network["vocoder"]
        return FromCodes(self.vectors(), lambda z: vocoder(z[None])[0].clamp(-1, 1), vocoder).eval()

    def begin(self, wavs: list[np.ndarray]) -> None:
        """Take mean and spread of the vectors."""
        z = torch.cat([self._added(torch.from_numpy(codes.astype(np.int64))) for codes in self.encode(wavs)])
        vocoder = self.network["vocoder"]
        vocoder.mean.copy_(z.mean(dim=0))
        vocoder.spread.copy_(z.std(dim=0).clamp(min=1e-3))
        self._learned = True

    def loss(self, wavs: torch.Tensor, rng: torch.Generator) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """(B, samples) -> the distance of spectra and, where judges take part, what they and the vocoder make of it.

        Half of the pieces are spoken from a random number of codebooks.
        """
        whole = torch.rand(len(wavs), generator=rng, device=wavs.device) < 0.5
        some = torch.randint(1, self.codebooks + 1, (len(wavs),), generator=rng, device=wavs.device)
        made, recorded = self._spoken(wavs, torch.where(whole, self.codebooks, some).tolist())
        distance = spectral_distance(made, recorded)
        loss, parts = distance, {"spectrum": distance}
        if "judges" in self.network:
            with torch.autocast(wavs.device.type, enabled=False):
                judging, convincing = adversarial_losses(self.network["judges"], made, recorded)
            loss = loss + judging + self.adversarial * convincing
            parts |= {"judging": judging, "convincing": convincing}
        return loss, {name: part.detach() for name, part in parts.items()}

    def measure(self, wavs: torch.Tensor) -> dict[str, float]:
        """(B, samples) -> distance of spectra from the first 1, 2, 4, ... codebooks."""
        figures = {}
        for count in sorted({*(2**i for i in range(7) if 2**i < self.codebooks), self.codebooks}):
            made, recorded = self._spoken(wavs, [count] * len(wavs))
            figures[f"spectrum_{count}"] = float(spectral_distance(made, recorded))
        return figures

    @torch.inference_mode()
    def save(self, folder: Path) -> None:
        """Write the network and the codec that makes the codes into an existing folder."""
        from safetensors.torch import save_file

        if not self._learned:
            raise UserError("codec istft: not trained yet; train or load it (`ellav fit-codec`)")
        (Path(folder) / CODER).mkdir(exist_ok=True)
        self.coder.save(Path(folder) / CODER)
        shutil.copyfile(Path(self.codec) / "codec.yaml", Path(folder) / CODER / "codec.yaml")
        kept = self.network["vocoder"].state_dict()
        weights = {name: weight.half().contiguous() for name, weight in kept.items()}
        for name, weight in kept.items():  # what is loaded speaks as this one does
            weight.copy_(weights[name])
        save_file(weights, str(Path(folder) / WEIGHTS))

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; raises UserError naming the file where it does not fit."""
        self.codec = str(Path(folder) / CODER)
        self._coder, self._network, self._vectors = _with_vectors(Path(self.codec)), None, None
        vocoder = self.network["vocoder"]
        wanted = {name: tuple(weight.shape) for name, weight in vocoder.state_dict().items()}
        vocoder.load_state_dict(
            read_weights(Path(folder) / WEIGHTS, wanted, "rerun stage 4 (codes)", types=("F16", "F32"))
        )
        self._learned = True

    def _added(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes (T, q) -> the sum (T, D) of their vectors."""
        return sums_of_vectors(self.vector_table, codes)

    def _spoken(self, wavs: torch.Tensor, codebooks: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, samples) -> what is spoken from the first so many codebooks of each, and the recorded samples of that."""
        coded = self.encode(list(wavs.cpu().numpy()))
        z = torch.stack(
            [
                self._added(torch.from_numpy(codes[:, :count].astype(np.int64)))
                for codes, count in zip(coded, codebooks, strict=True)
            ]
        )
        made = self.network["vocoder"](z.to(wavs.device))
        samples = min(made.shape[1], wavs.shape[1])
        return made[:, :samples], wavs[:, :samples]


def _with_vectors(folder: Path) -> Codec:
    codec = load_codec(folder)
    if not hasattr(codec, "vectors"):
        raise UserError(f"{folder}: codec {codec.name} does not tell the vectors of its codes, which istft speaks from")
    return codec
