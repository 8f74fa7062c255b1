"""A keyed noise under the speech, found again by correlation; numpy alone, as fast as a few Fourier transforms."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np

from ellav.plugins.watermarks import watermarks

LOWEST, HIGHEST = 400, 6000
"""Hz between which the noise lies."""

_TOP = 0.46  # of the sample rate: what is above is lost where audio is resampled
_FRAME = 0.016  # s in which the noise follows the speech: shorter than what is heard as an echo before a sound
_LISTENED = 0.064  # s of a frame of the detector: long enough to tell the harmonics of a voice apart
_LAGS = 32000  # places of the second at which the noise may begin, 31 us apart: a fifth of its shortest wave
_BLOCK = 5  # s; longer audio is also searched in windows of two blocks
_AT_ONCE = 1 << 16  # samples that are computed on at once, whatever the length
_LEAST = 1e-12  # power below which there is nothing but the arithmetic's own noise


@watermarks.register("spread_spectrum")
class SpreadSpectrum:
    """Noise from 400 Hz to 6 kHz that follows the speech's spectrum, told by its key.

    The noise is one second long, with a phase of its own at each whole number of Hz, and is repeated. It is so the same
    at each sample rate, and each second of a recording can be laid upon the others. Frames of 16 ms give it, at each
    frequency, the level of the speech there and in the frames before and after, whichever is lowest, lowered by
    `strength`: where nothing is said nothing is added.

    The detector makes all frequencies and moments of a recording alike loud, those apart that do not rise above its own
    noise. It lays the seconds upon each other and correlates them with the noise at each place where it may begin, so
    cutting does no harm. The score is the highest correlation, measured in standard deviations of all of them; of audio
    longer than 10 s windows of 10 s are tried too, and the score is lowered by what the best of several tries is worth.
    Played faster or slower, even by a fraction of a percent, the mark is not found.

    key: what the noise is made from. It is published and no secret: who knows it can take the mark out or put it into
    recordings of people. strength: level of the noise below the speech, dB.
    """

    contract = 1
    threshold = 6.5

    def __init__(self, key: str = "ellav", strength: float = -16.0):
        if not -60 <= strength <= 0:
            raise ValueError(f"strength={strength:g} dB is not between -60 and 0")
        self.key = key
        self.gain = 10 ** (strength / 20)
        hashed = hashlib.shake_256(f"ellav {key}".encode()).digest(4 * (HIGHEST - LOWEST + 1))
        self._phases = np.frombuffer(hashed, "<u4") * (2 * np.pi / 2**32)

    def mark(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """(samples,) float32 -> the same number of samples with the noise under them."""
        marker = self.begin(sample_rate)
        made = [marker.push(wav[first : first + _AT_ONCE]) for first in range(0, len(wav), _AT_ONCE)]
        return np.concatenate([*made, marker.finish()])

    def begin(self, sample_rate: int) -> SpreadSpectrumMarker:
        """A marker of speech that comes in pieces; it holds back three half frames, 24 ms."""
        return SpreadSpectrumMarker(self.noise(sample_rate), _frame(_FRAME, sample_rate), self.gain)

    def noise(self, sample_rate: int) -> np.ndarray:
        """(sample_rate,) float32: the second of noise, with a power of 1 in its band for each sample."""
        lines = self._lines(sample_rate)
        spectrum = np.zeros(sample_rate // 2 + 1, np.complex128)
        spectrum[LOWEST : LOWEST + len(lines)] = lines
        # A frame's spectrum has the same mean power at each frequency of the band as noise of variance 1 everywhere.
        return (np.fft.irfft(spectrum, sample_rate) * np.sqrt(sample_rate)).astype(np.float32)

    def detect(self, wav: np.ndarray, sample_rate: int) -> float:
        """The highest correlation in standard deviations, see above; 0 for audio without any sound."""
        lines = self._lines(sample_rate).conj()
        length = _BLOCK * sample_rate
        blocks = []
        for first in range(0, max(1, len(wav)), length):
            even = _evened(wav[first : first + length], sample_rate)
            second = np.pad(even, (0, -len(even) % sample_rate)).reshape(-1, sample_rate).sum(axis=0)
            blocks.append(np.fft.rfft(second)[LOWEST : LOWEST + len(lines)] * lines)
        windows = [sum(blocks)]
        if len(blocks) > 2:
            windows += [one + other for one, other in pairwise(blocks)]
        best = max(map(_peak, windows))
        # The best of n tries is as high by chance as one try sqrt(2 ln n) deviations and more up the normal tail.
        return float(np.sqrt(max(0.0, best**2 - 2 * np.log(len(windows)))))

    def _lines(self, sample_rate: int) -> np.ndarray:
        """(Hz,) complex: the noise's spectrum from LOWEST up, as far as the sample rate goes."""
        return np.exp(1j * self._phases[: max(0, int(_TOP * sample_rate) - LOWEST + 1)])


class SpreadSpectrumMarker:
    """Adds the noise to one speech, piece by piece.

    Samples are settled in blocks of half a frame. A block lies in two frames; how loud the noise is in them depends on
    the frames around them, so two more blocks on either side count.
    """

    def __init__(self, noise: np.ndarray, frame: int, gain: float):
        """noise: a second of it, a sample at a time. frame: samples."""
        rate = len(noise)
        self._noise = np.concatenate([noise, noise[:frame]])
        self._rate, self._half, self._gain = rate, frame // 2, gain
        self._window = _window(frame)
        last = min(HIGHEST, int(_TOP * rate)) * frame // rate
        self._band = slice(LOWEST * frame // rate, last + 1)
        self._known = np.zeros(2 * self._half, np.float32)  # from two blocks before the next one on
        self._block = 0
        self._left = 0  # samples that were given and have not come back

    def push(self, piece: np.ndarray) -> np.ndarray:
        """(samples,) float32 -> marked samples, as many blocks as are settled."""
        marked = self._settled(piece)
        self._left += len(piece) - len(marked)
        return marked

    def finish(self) -> np.ndarray:
        """What is left, as if silence followed."""
        return self._settled(np.zeros(4 * self._half, np.float32))[: self._left]

    def _settled(self, piece: np.ndarray) -> np.ndarray:
        half = self._half
        self._known = np.concatenate([self._known, np.asarray(piece, np.float32)])
        count = len(self._known) // half - 4
        if count <= 0:
            return np.zeros(0, np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(self._known[: (count + 4) * half], 2 * half)[::half]
        power = self._power(frames)
        level = np.minimum(np.minimum(power[:-2], power[1:-1]), power[2:])
        starts = (np.arange(self._block - 1, self._block + count) * half) % self._rate
        noise = np.lib.stride_tricks.sliding_window_view(self._noise, 2 * half)[starts]
        spectra = np.fft.rfft(noise * self._window, axis=1)
        added = np.zeros_like(spectra)
        added[:, self._band] = spectra[:, self._band] * np.sqrt(level) * np.float32(self._gain)
        waves = np.fft.irfft(added, 2 * half, axis=1).astype(np.float32) * self._window
        marked = self._known[2 * half : (count + 2) * half] + (waves[:-1, half:] + waves[1:, :half]).reshape(-1)
        self._known = self._known[count * half :]
        self._block += count
        return marked

    def _power(self, frames: np.ndarray) -> np.ndarray:
        """(frames, samples) -> (frames, bins of the band): mean power a sample, over three neighbouring bins."""
        spectra = np.fft.rfft(frames * self._window, axis=1)
        first, last = self._band.start, self._band.stop
        power = (spectra.real**2 + spectra.imag**2)[:, first - 1 : last + 1]
        # The window's squares sum up to half a frame.
        return (power[:, :-2] + power[:, 1:-1] + power[:, 2:]) / np.float32(3 * self._half)


def _frame(seconds: float, sample_rate: int) -> int:
    """About so many seconds in samples, a number that is quickly transformed."""
    return 32 * max(1, round(seconds * sample_rate / 32))


def _window(frame: int) -> np.ndarray:
    """Its squares, half a frame apart, sum up to 1."""
    return np.sin(np.pi * (np.arange(frame) + 0.5) / frame).astype(np.float32)


def _evened(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """(samples,) -> as many, all frequencies at all moments alike loud, but for what is hardly above the noise.

    The mark lies under the speech: where a frequency is no louder than at its quietest moments, it is not heard.
    """
    frame = _frame(_LISTENED, sample_rate)
    half, window = frame // 2, _window(frame)
    padded = np.pad(np.asarray(wav, np.float32), (half, half + -len(wav) % half))
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame)[::half]
    spectra = np.fft.rfft(frames * window, axis=1)
    power = np.pad(spectra.real**2 + spectra.imag**2, ((0, 0), (1, 1)), mode="edge")
    power = (power[:, :-2] + power[:, 1:-1] + power[:, 2:]) / np.float32(3)
    floor = np.convolve(np.percentile(power, 10, axis=0), np.full(9, 1 / 9), "same").astype(np.float32)
    above = np.sqrt(np.maximum(power - floor, 0)) / np.maximum(power, np.float32(_LEAST))
    waves = np.fft.irfft(above * spectra, frame, axis=1) * window
    return (waves[:-1, half:] + waves[1:, :half]).reshape(-1)[: len(wav)]


def _peak(spectrum: np.ndarray) -> float:
    """The highest of all correlations, in standard deviations; 0 where there is nothing."""
    placed = np.zeros(_LAGS // 2 + 1, np.complex128)
    placed[LOWEST : LOWEST + len(spectrum)] = spectrum
    correlations = np.fft.irfft(placed, _LAGS)
    deviation = correlations.std()
    return float(np.abs(correlations).max() / deviation) if deviation > 0 else 0.0
