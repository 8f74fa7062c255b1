import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from ellav.errors import UserError
from ellav.plugins.codecs import codecs, load_codec
from ellav.plugins.codecs.mel import invert_mel, mel_bank
from ellav.plugins.codecs.rvq_mel import WEIGHTS, RVQMel, kmeans, nearest
from ellav.testing import ContractError, check_codec
from ellav.testing.codec import sound

SMALL = {"size": 32, "codebooks": 3, "mel_bins": 40, "training_frames": 2000, "griffin_lim_iterations": 8}


def sounds(count, seconds=1.5, sample_rate=16000, seed=0):
    rng = np.random.default_rng(seed)
    return [sound(rng, sample_rate, seconds) for _ in range(count)]


@pytest.fixture(scope="module")
def fitted():
    codec = codecs.create("rvq_mel", SMALL)
    codec.fit(sounds(12))
    return codec


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"frame_rate": 75.0, "subframes": 1},
        {"frame_rate": 12.5, "subframes": 4, "codebooks": 1},
        {"frame_rate": 44.1, "sample_rate": 22050, "size": 7},
    ],
)
def test_the_contract_holds_at_any_rate(options):
    options = SMALL | options
    check_codec(codecs.create("rvq_mel", options), codecs.create("rvq_mel", options))


@settings(max_examples=40)
@given(samples=st.integers(0, 6000), rate=st.sampled_from([12.5, 40.0, 50.0, 75.0, 86.1328125]))
def test_frames_are_those_of_encode_and_cover_the_sound(samples, rate):
    codec = RVQMel(frame_rate=rate, mel_bins=8, size=2, codebooks=1, training_frames=2)
    codec.mean, codec.entries = torch.zeros(16), torch.zeros(1, 2, 16)
    frames = codec.frames(samples)
    assert codec.encode([np.ones(samples, np.float32)])[0].shape == (frames, 1)
    assert (frames - 1) / rate < samples / 16000 + 1e-6 and frames / rate >= samples / 16000 - 1e-6
    assert len(codec.decode([np.zeros((frames, 1), np.int16)])[0]) == round(frames * 16000 / rate)


@pytest.mark.parametrize(("rate", "subframes"), [(40.0, 1), (50.0, 2), (75.0, 1)])
def test_a_frame_describes_its_own_time(rate, subframes):
    """A click in the middle of a frame, or of its part, is loudest there."""
    codec = RVQMel(frame_rate=rate, subframes=subframes, window_ms=20)
    for part in (0, 5, 17, 40):
        wav = np.zeros(32_000, np.float32)
        wav[round((part + 0.5) * 16000 / (rate * subframes))] = 1
        assert int(codec.mel.analyse(wav).sum(dim=1).argmax()) == part


def test_time_is_kept_through_decode(fitted):
    """A tone that starts at 0.5 s starts there again, within half a window."""
    codec = RVQMel(size=32, codebooks=2, training_frames=2000)
    time = np.arange(16000) / 16000
    wav = (0.3 * np.sin(2 * np.pi * 440 * time) * (time >= 0.5)).astype(np.float32)
    codec.fit([wav])
    spoken = codec.decode(codec.encode([wav]))[0]
    energy = np.convolve(spoken**2, np.ones(160), "same")
    start = np.flatnonzero(energy > 0.5 * np.median(energy[9000:15000]))[0] / 16000
    assert abs(start - 0.5) < 0.016
    assert 0.5 < np.sqrt((spoken[9000:15000] ** 2).mean() / (wav[9000:15000] ** 2).mean()) < 1.5


def test_every_codebook_brings_the_spectrum_nearer(fitted):
    wav = sounds(1, 3.0, seed=9)[0]
    codes = fitted.encode([wav])[0]
    target = fitted.mel.analyse(wav)
    errors = [float((fitted.spectrum(codes[:, :q]) - target).square().mean()) for q in (1, 2, 3)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[0] < float(target.var())


def test_the_waveform_has_the_spectrum_of_its_codes(fitted):
    """Griffin-Lim and the mel inversion lose less than coding with one codebook does."""
    wav = sounds(1, 3.0, seed=9)[0]
    codes = fitted.encode([wav])[0]
    meant = fitted.spectrum(codes)
    spoken = fitted.mel.analyse(fitted.decode([codes])[0])
    loud = meant > meant.max() - 6  # what is 50 dB down is masked by windows and phases
    lost = (spoken - meant)[loud].square().mean()
    assert lost < (fitted.spectrum(codes[:, :1]) - fitted.mel.analyse(wav))[loud].square().mean()


def test_any_seed_is_reproducible_and_seeds_differ():
    wavs = sounds(8)
    made = {}
    for seed in (0, 1):
        codec = codecs.create("rvq_mel", SMALL)
        codec.fit(wavs, seed)
        made[seed] = codec.entries
    again = codecs.create("rvq_mel", SMALL)
    again.fit(wavs, 1)
    assert torch.equal(made[1], again.entries) and not torch.equal(made[0], made[1])


def test_kmeans_finds_separate_groups_and_fills_dead_entries():
    rng = torch.Generator().manual_seed(0)
    centres = torch.randn(8, 5, generator=rng) * 20
    vectors = (centres.repeat_interleave(50, 0) + 0.1 * torch.randn(400, 5, generator=rng)).contiguous()
    book = kmeans(vectors, 24, 10, rng)
    assert (vectors - book[nearest(vectors, book)]).square().mean() < 0.02
    assert nearest(vectors, book).unique().numel() >= 20


def test_mel_inversion_returns_magnitudes_with_that_mel_spectrum():
    bank = mel_bank(16000, 512, 80)
    assert (bank.sum(dim=1) - 1).abs().max() < 1e-5 and (bank > 0).any(dim=1).all()
    magnitudes = torch.rand(20, 257, generator=torch.Generator().manual_seed(0)) ** 4
    found = invert_mel(magnitudes @ bank.T, bank, torch.linalg.pinv(bank))
    assert (found >= 0).all()
    error = (found @ bank.T - magnitudes @ bank.T).norm() / (magnitudes @ bank.T).norm()
    assert error < 0.05


def test_too_little_speech_is_refused():
    with pytest.raises(UserError, match="75 frames of speech cannot fill 1024"):
        codecs.create("rvq_mel").fit(sounds(1))


def test_use_before_fit_is_refused(tmp_path):
    codec = codecs.create("rvq_mel")
    for use in (lambda: codec.encode(sounds(1)), lambda: codec.decode([]), lambda: codec.save(tmp_path)):
        with pytest.raises(UserError, match="fit"):
            use()


@pytest.mark.parametrize("option", ["frame_rate=0", "codebooks=0", "size=40000", "mel_bins=0", "training_frames=3"])
def test_impossible_options_are_refused(option):
    name, value = option.split("=")
    with pytest.raises(UserError, match=name):
        codecs.create("rvq_mel", {name: float(value) if name == "frame_rate" else int(value)})


@pytest.mark.parametrize("codes", [[[32]], [[-1]], [[0] * 4], [0]])
def test_codes_beyond_the_codebooks_are_refused(fitted, codes):
    with pytest.raises(ValueError, match="codes"):
        fitted.decode([np.array(codes)])


def harm_shape(weights):
    weights["entries"] = weights["entries"][:, 1:].contiguous()


def harm_value(weights):
    weights["mean"][3] = float("nan")


def harm_name(weights):
    weights["means"] = weights.pop("mean")


@pytest.mark.parametrize("harm", [harm_shape, harm_value, harm_name, None])
def test_weights_that_do_not_fit_are_refused_by_name(fitted, tmp_path, harm):
    fitted.save(tmp_path)
    path = tmp_path / WEIGHTS
    if harm is None:
        path.write_bytes(path.read_bytes()[:100])
    else:
        weights = load_file(path)
        harm(weights)
        save_file(weights, path)
    with pytest.raises(UserError, match=WEIGHTS):
        codecs.create("rvq_mel", SMALL).load(tmp_path)


def test_a_folder_without_codec_is_refused(tmp_path):
    (tmp_path / "codec.yaml").write_text("conf: {}\n")
    with pytest.raises(UserError, match=r"codec\.yaml"):
        load_codec(tmp_path)


class Neighbourly(RVQMel):
    """Wrong: its codes depend on what else is in the call."""

    def encode(self, wavs):
        return [np.roll(codes, int(len(wavs) > 1), axis=1) for codes in super().encode(wavs)]


class Short(RVQMel):
    """Wrong: it drops a frame."""

    def encode(self, wavs):
        return [codes[:-1] for codes in super().encode(wavs)]


class Forgetful(RVQMel):
    """Wrong: it saves nothing of what it learned."""

    def load(self, folder):
        super().load(folder)
        self.entries = torch.zeros_like(self.entries)


class Restless(RVQMel):
    """Wrong: its training has no seed."""

    fits = 0

    def fit(self, wavs, seed=0):
        Restless.fits += 1
        super().fit(wavs, Restless.fits)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(Neighbourly, "other waveforms"), (Short, "shape"), (Forgetful, "loaded"), (Restless, "one seed")],
)
def test_the_contract_check_finds_broken_codecs(wrong, message):
    with pytest.raises(ContractError, match=message):
        check_codec(wrong(**SMALL), wrong(**SMALL))
