"""`rvq_conv`: a small convolutional codec over log-mel spectra, spoken again by Griffin-Lim.

It learns in about an hour on two cores of a CPU, from as much speech as there is, and needs no network. Its
quantiser is learned with the convolutions around it, so it loses far less than the k-means of `rvq_mel`. It has no
length of its own: any number of frames is coded at once, each from about half a second around it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from ellav.errors import UserError
from ellav.plugins.codecs import UNKNOWN, CodecTraining, codecs
from ellav.plugins.codecs.batches import GPU_SECONDS, encode_in_batches
from ellav.plugins.codecs.code_vectors import code_vectors
from ellav.plugins.codecs.given_codes import checked_codes
from ellav.plugins.codecs.graphs import mel_graph
from ellav.plugins.codecs.mel import MelGrid, check
from ellav.plugins.codecs.rvq_conv_net import Network, ResidualVQ, SplitRVQ
from ellav.weights import read_weights

WEIGHTS = "rvq_conv.safetensors"
_LOUDNESS = 0.46
"""The power of a magnitude with which loudness grows: 0.23 of intensity (Zwicker), as in PESQ (ITU-T P.862)."""


@codecs.register("rvq_conv")
class RVQConv:
    """Residual vector quantisation of what a convolutional encoder makes of a log-mel spectrum.

    sample_rate: Hz. frame_rate: codes per second. codebooks, size: how many codebooks of how many entries.
    dimensions: of the vectors that are quantised. width, blocks: of the convolutions; blocks on each of two time
    scales in encoder and decoder. subframes: spectra that one code frame describes. mel_bins, window_ms: resolution
    in frequency and time. floor_db: level below full scale under which spectra are cut off.

    Training: frames_seen, codec frames read in all; batch, pieces of `seconds` a step; lr, the learning rate at its
    peak; muon_lr, that of the matrices inside the network, which Muon learns (0: AdamW learns them too); commitment,
    weight of that loss; loudness, share of the spectra's loss in which each point counts by how loud it is (0 to 1).

    phone_loss: codebook 1 stands beside the residual quantiser of the others and also learns to tell which phone is
    spoken, by one linear map (weight of that cross-entropy; after Mimi, arXiv 2410.00037, and PAST, arXiv 2505.14470).
    What is said is then the AR model's matter, how it sounds the NAR model's. 0: codebook 1 is as the others, and no
    alignment is needed. first_size: entries of such a codebook 1, half of `size` if left out; the fewer, the easier
    to foretell.

    griffin_lim_iterations, momentum: of decoding; more iterations are slower and slightly better.
    """

    trainable = True

    def __init__(
        self,
        sample_rate: int = 16000,
        frame_rate: float = 50.0,
        codebooks: int = 8,
        size: int = 1024,
        dimensions: int = 64,
        width: int = 256,
        blocks: int = 3,
        subframes: int = 2,
        mel_bins: int = 80,
        window_ms: float = 32.0,
        floor_db: float = -100.0,
        frames_seen: int = 5_000_000,
        batch: int = 8,
        seconds: float = 2.0,
        lr: float = 1.5e-3,
        muon_lr: float = 0.02,
        commitment: float = 0.25,
        phone_loss: float = 0.1,
        first_size: int | None = None,
        loudness: float = 0.7,
        griffin_lim_iterations: int = 40,
        momentum: float = 0.99,
    ):
        for name, value, least, most in (
            ("codebooks", codebooks, 1 if phone_loss == 0 else 2, 64),
            ("size", size, 2, 32_768),
            ("dimensions", dimensions, 1, 1024),
            ("width", width, 8, 4096),
            ("blocks", blocks, 1, 32),
            ("subframes", subframes, 1, 16),
            ("frames_seen", frames_seen, 1, 10**12),
            ("batch", batch, 1, 10_000),
            ("seconds", seconds, 0.2, 60),
            ("lr", lr, 1e-9, 1),
            ("muon_lr", muon_lr, 0, 1),
            ("commitment", commitment, 0, 100),
            ("phone_loss", phone_loss, 0, 100),
            ("loudness", loudness, 0, 1),
            ("first_size", first_size or 2, 2, size if phone_loss else 32_768),
        ):
            check(name, value, least, most)
        self.mel = MelGrid(
            sample_rate, frame_rate, subframes, mel_bins, window_ms, floor_db, griffin_lim_iterations, momentum
        )
        self.sample_rate, self.frame_rate, self.codebooks, self.size = sample_rate, frame_rate, codebooks, size
        first_size = first_size or max(2, size // 2)
        self.first_size = first_size if phone_loss else size
        self.training = CodecTraining(frames_seen, batch, seconds, lr, muon_lr)
        self.device = "cpu"
        self.loudness = loudness
        self.commitment, self.phone_loss, self.learns_phones = commitment, phone_loss, phone_loss > 0
        with torch.random.fork_rng():
            torch.manual_seed(0)
            if phone_loss:
                parts = [ResidualVQ(1, first_size, dimensions), ResidualVQ(codebooks - 1, size, dimensions)]
            else:
                parts = [ResidualVQ(codebooks, size, dimensions)]
            self.network = Network(mel_bins, subframes, width, blocks, SplitRVQ(parts)).eval()

    def frames(self, samples: int) -> int:
        """ceil(samples * frame_rate / sample_rate): frame t covers the time from t to t + 1 frames."""
        return self.mel.frames(samples)

    def begin(self, wavs: list[np.ndarray]) -> None:
        """Take mean and spread of each mel bin."""
        mels = torch.cat([self.mel.analyse(wav) for wav in wavs])
        self.network.mean.copy_(mels.mean(dim=0))
        self.network.spread.copy_(mels.std(dim=0).clamp(min=1e-3))

    def expect_phones(self, count: int) -> None:
        """A map from codebook 1 to so many phones, for the training alone: `save` leaves it out."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.network.phone = torch.nn.Linear(self.network.quantiser.widths[0], count)

    def loss(
        self, wavs: torch.Tensor, rng: torch.Generator, phones: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """(B, samples), phones (B, T) or None -> distance of the normal spectra, commitment loss, that of the phones.

        Half of the pieces are coded with a random number of codebooks, so that the first ones alone are worth something
        (SoundStream, arXiv 2107.03312)."""
        x = self._normal(wavs)  # (B, T * subframes, mel_bins)
        z = self.network.encode(x)  # (B, T, D)
        some = torch.randint(1, self.codebooks + 1, (len(z),), generator=rng, device=z.device)
        whole = torch.rand(len(z), generator=rng, device=z.device) < 0.5
        levels = torch.where(whole, self.codebooks, some).repeat_interleave(z.shape[1])
        with torch.autocast(z.device.type, enabled=False):
            coded, commitment = self.network.quantiser.learn(z.float().flatten(0, 1), levels, rng)
        made = self.network.normal(self.network.decode(coded.view(z.shape)))
        error = self._distance(made, x)
        loss, parts = error + self.commitment * commitment, {"spectrum": error, "commitment": commitment}
        if self.learns_phones:
            parts["phone"] = self._phone_loss(coded, phones)
            loss = loss + self.phone_loss * parts["phone"]
        return loss, {name: part.detach() for name, part in parts.items()}

    def measure(self, wavs: torch.Tensor, phones: torch.Tensor | None = None) -> dict[str, float]:
        """(B, samples), phones (B, T) or None -> L1 of the normal spectra from the first 1, 2, 4, ... codebooks, and
        the loss of the phones."""
        x = self._normal(wavs)
        z = self.network.encode(x)
        codes = self.network.quantiser.encode(z.flatten(0, 1))
        figures = {}
        for count in sorted({*(2**i for i in range(7) if 2**i < self.codebooks), self.codebooks}):
            made = self.network.decode(self.network.quantiser.decode(codes[:, :count]).view(z.shape))
            figures[f"spectrum_{count}"] = float((self.network.normal(made) - x).abs().mean())
        if self.learns_phones:
            figures["phone"] = float(self._phone_loss(self.network.quantiser.decode(codes[:, :1]), phones))
        return figures

    def to(self, device: str) -> None:
        """Where it computes, cpu or cuda; sound is made on the CPU."""
        self.device = device
        self.network.to(device)

    @torch.inference_mode()
    def encode(self, wavs: list[np.ndarray]) -> list[np.ndarray]:
        """(samples,) float32 in [-1, 1] each -> codes (T, Q) int16 each, T = frames(samples)."""
        self._check()
        most = 0 if self.device == "cpu" else GPU_SECONDS * self.frame_rate
        return encode_in_batches(wavs, self.frames, self.codebooks, most, self._encode_together)

    def _encode_together(self, wavs: list[np.ndarray]) -> list[np.ndarray]:
        device = self._there
        mels = [self.network.normal(self.mel.analyse(wav, str(device))) for wav in wavs]  # (T * subframes, mel_bins)
        lengths = torch.tensor([self.frames(len(wav)) for wav in wavs])
        spoken = (torch.arange(int(lengths.max())) < lengths[:, None]).to(device) if len(wavs) > 1 else None
        z = self.network.encode(pad_sequence(mels, batch_first=True), spoken)  # (B, T, D)
        codes = self.network.quantiser.encode(z.flatten(0, 1)).view(*z.shape[:2], -1)
        return list(codes.cpu().numpy())

    @property
    def _there(self) -> torch.device:
        """Where the network is; while it is trained its trainer decides that."""
        return self.network.mean.device

    def decode(self, codes: list[np.ndarray]) -> list[np.ndarray]:
        """Codes (T, q), q <= Q, each -> (round(T * sample_rate / frame_rate),) float32 each.

        Raises ValueError for codes beyond the codebooks.
        """
        self._check()
        return [self.mel.speak(self.spectrum(one), len(one)) for one in codes]

    @torch.inference_mode()
    def decode_vectors(self, frames: list[np.ndarray]) -> list[np.ndarray]:
        """Sums of vectors (T, D) each -> what `decode` makes of codes with these sums."""
        self._check()
        given = (torch.from_numpy(z).to(self._there) for z in frames)
        return [self.mel.speak(self.network.decode(z[None])[0].cpu(), len(z)) for z in given]

    @torch.inference_mode()
    def spectrum(self, codes: np.ndarray) -> torch.Tensor:
        """(T * subframes, mel_bins) log magnitudes that codes (T, q) stand for."""
        codes = checked_codes(codes, self.codebooks, self.size)  # (T, q)
        if not len(codes):
            return torch.zeros(0, self.mel.mel_bins)
        return self.network.decode(self.network.quantiser.decode(codes.to(self._there))[None])[0].cpu()

    def vectors(self) -> np.ndarray:
        """(Q, size, D): the entries, zeros beyond those of a smaller codebook 1."""
        self._check()
        return code_vectors(
            lambda codes: self.network.quantiser.decode(codes.to(self._there)), self.codebooks, self.size
        )

    def graph(self) -> torch.nn.Module:
        """What decodes, for export."""
        return mel_graph(self.mel, self.vectors(), lambda z: self.network.decode(z[None])[0], self.network)

    def save(self, folder: Path) -> None:
        """Write the network into an existing folder, its weights rounded to 16 bits here too, so that what is loaded
        makes the same codes."""
        from safetensors.torch import save_file

        self._check()
        self.network.half().float()
        weights = {name: weight.half().cpu().contiguous() for name, weight in self._kept().items()}
        save_file(weights, str(Path(folder) / WEIGHTS))

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; raises UserError naming the file where it does not fit."""
        wanted = {name: tuple(weight.shape) for name, weight in self._kept().items()}
        weights = read_weights(Path(folder) / WEIGHTS, wanted, "rerun stage 4 (codes)", types=("F16", "F32"))
        self.network.load_state_dict(weights, strict=False)  # all that is wanted is there

    def _kept(self) -> dict[str, torch.Tensor]:
        """The weights by name, without those of the training alone."""
        weights = self.network.state_dict()
        return {name: weight for name, weight in weights.items() if not name.startswith("phone.")}

    def _normal(self, wavs: torch.Tensor) -> torch.Tensor:
        """(B, samples) -> (B, T * subframes, mel_bins) with mean 0 and spread 1."""
        with torch.autocast("cpu", enabled=False):
            mels = torch.stack([self.mel.analyse(wav) for wav in wavs.cpu()])
        return self.network.normal(mels.to(wavs.device))

    def _distance(self, made: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """L1 distance of normal spectra (B, T * subframes, mel_bins), a share of it by the loudness of each point of x,
        which is 1 on the average of a piece."""
        error = (made - x).abs()
        loud = ((x * self.network.spread + self.network.mean) * _LOUDNESS).exp()
        return (error * (1 - self.loudness + self.loudness * loud / loud.mean(dim=(1, 2), keepdim=True))).mean()

    def _phone_loss(self, coded: torch.Tensor, phones: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of what codebook 1's part of (B * T, D) tells, over the frames whose phone (B, T) is known."""
        logits, wanted = self.network.phone(coded[:, : self.network.quantiser.widths[0]]), phones.flatten()
        loss = F.cross_entropy(logits, wanted, ignore_index=UNKNOWN, reduction="sum")
        return loss / (wanted != UNKNOWN).sum().clamp(min=1)

    def _check(self) -> None:
        if not self.network.quantiser.trained():
            raise UserError("codec rvq_conv: not trained yet; train or load it (`ellav fit-codec`)")
