"""The codec contract, for built-in codecs and for plugin authors alike."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

from ellav.errors import UserError
from ellav.plugins.codecs import Codec
from ellav.testing.ordering import ContractError


def check_codec(codec: Codec, fresh: Codec, seconds: float = 20.0, seed: int = 0) -> None:
    """Try what every codec promises on machine-made sounds.

    codec: a codec that is ready, or a trainable one, which is fitted here. fresh: another
    instance with the same options, which learns all it needs from `codec`'s saved files.
    seconds: of sound to fit on. Raises ContractError with the first promise broken.
    """
    check_attributes(codec)
    rng = np.random.default_rng(seed)
    if codec.trainable:
        sounds = [sound(rng, codec.sample_rate, 2.0) for _ in range(max(1, round(seconds / 2)))]
        kept = [wav.copy() for wav in sounds]
        codec.fit(sounds, seed)
        fresh.fit(sounds, seed)
        wav = sound(rng, codec.sample_rate, 1.0)
        _demand(np.array_equal(codec.encode([wav])[0], fresh.encode([wav])[0]), "fitting twice with one seed differs")
        _demand(all(map(np.array_equal, sounds, kept)), "fit changes its waveforms")
    hop = codec.sample_rate / codec.frame_rate
    lengths = [1, int(hop) - 1, int(hop), int(hop) + 1, round(7.5 * hop), int(rng.integers(1, 3 * codec.sample_rate))]
    wavs = [sound(rng, codec.sample_rate, length / codec.sample_rate)[:length] for length in lengths]
    wavs.append(np.zeros(codec.sample_rate // 2, np.float32))
    codes = check_encoding(codec, wavs)
    check_decoding(codec, codes)
    check_files(codec, fresh, wavs, codes)


def sound(rng: np.random.Generator, sample_rate: int, seconds: float) -> np.ndarray:
    """(samples,) float32: syllables of harmonics with moving resonances, noise and pauses."""
    samples = max(1, round(seconds * sample_rate))
    time = np.arange(samples) / sample_rate
    pitch = rng.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(1, 3) * time))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    resonance = rng.uniform(300, 2500) * (1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.5, 4) * time))
    voice = np.zeros(samples)
    for harmonic in range(1, 20):
        voice += np.sin(harmonic * phase) * np.exp(-(((harmonic * pitch - resonance) / 600) ** 2)) / harmonic**0.5
    syllables = np.clip(np.sin(2 * np.pi * rng.uniform(2, 5) * time + rng.uniform(0, 6)), 0, 1)
    return (0.2 * syllables * voice + 0.01 * (1 - syllables) * rng.standard_normal(samples)).astype(np.float32)


def check_attributes(codec: Codec) -> None:
    """The facts that everything else is computed from."""
    for name in ("sample_rate", "codebooks", "size"):
        value = getattr(codec, name)
        _demand(isinstance(value, int) and value >= 1, f"{name} is {value!r}, not a positive integer")
    _demand(codec.size <= 32_768, f"size {codec.size} does not fit in int16")
    _demand(0 < codec.frame_rate <= codec.sample_rate, f"frame_rate is {codec.frame_rate!r}")
    _demand(codec.frames(0) == 0, "frames(0) is not 0")
    steps = [codec.frames(samples) for samples in range(0, codec.sample_rate, 97)]
    _demand(all(a <= b for a, b in pairwise(steps)), "frames decreases as samples grow")


def check_encoding(codec: Codec, wavs: list[np.ndarray]) -> list[np.ndarray]:
    """Shapes, range and time of codes; no waveform's codes depend on its neighbours."""
    kept = [wav.copy() for wav in wavs]
    codes = codec.encode(wavs)
    _demand(len(codes) == len(wavs), f"{len(wavs)} waveforms, {len(codes)} codes")
    _demand(all(map(np.array_equal, wavs, kept)), "encode changes its waveforms")
    for wav, some in zip(wavs, codes, strict=True):
        what = f"codes of {len(wav)} samples"
        _demand(some.dtype == np.int16, f"{what} are {some.dtype}, not int16")
        expected = (codec.frames(len(wav)), codec.codebooks)
        _demand(some.shape == expected, f"{what} have shape {some.shape}, not {expected} (frames, codebooks)")
        _demand(not some.size or (some.min() >= 0 and some.max() < codec.size), f"{what} leave 0..{codec.size - 1}")
        drift = len(some) - len(wav) * codec.frame_rate / codec.sample_rate
        _demand(abs(drift) <= 2, f"{what} are {drift:.1f} frames longer than the sound")
        _demand(np.array_equal(codec.encode([wav])[0], some), f"{what} depend on the other waveforms of the call")
    return codes


def check_decoding(codec: Codec, codes: list[np.ndarray]) -> None:
    """Length and kind of waveforms, from all codebooks and from the first ones alone."""
    for count in range(1, codec.codebooks + 1):
        some = [code[:, :count] for code in codes]
        wavs = codec.decode(some)
        for code, wav in zip(some, wavs, strict=True):
            what = f"the waveform of {code.shape} codes"
            _demand(wav.ndim == 1 and wav.dtype == np.float32, f"{what} is {wav.ndim}-dimensional {wav.dtype}")
            _demand(bool(np.isfinite(wav).all()), f"{what} holds values that are not finite")
            off = len(wav) * codec.frame_rate / codec.sample_rate - len(code)
            _demand(abs(off) <= 1, f"{what} is {off:.2f} frames longer than the codes")
            alone = codec.decode([code])[0]
            same = alone.shape == wav.shape and np.allclose(alone, wav, atol=1e-3)
            _demand(same, f"{what} depends on the other codes of the call")


def check_files(codec: Codec, fresh: Codec, wavs: list[np.ndarray], codes: list[np.ndarray]) -> None:
    """What is saved gives the same codes and sound; what is missing is named."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        codec.save(folder)
        written = [path for path in folder.iterdir() if path.is_file()]
        fresh.load(folder)
        same = all(map(np.array_equal, fresh.encode(wavs), codes))
        _demand(same, "a loaded codec gives other codes than the one that was saved")
        for path in written:
            path.unlink()
            try:
                fresh.load(folder)
            except UserError as error:
                _demand(str(folder) in str(error), f"the error for a missing file does not name it: {error}")
            else:
                raise ContractError(f"loading goes well without {path.name}")


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise ContractError(message)
