"""`istft`: the codes of another codec, spoken by a network."""

import shutil

import numpy as np
import pytest
import soundfile as sf
import torch

from ellav.bin.main import main
from ellav.config import read_yaml
from ellav.data.kaldi import DataFolder, write_table
from ellav.data.outputs import read_record
from ellav.errors import UserError
from ellav.plugins.codecs import codecs, load_codec
from ellav.plugins.codecs.istft import WEIGHTS
from ellav.plugins.codecs.istft_net import (
    Judges,
    adversarial_losses,
    overlap_add,
    spectra_of,
    spectral_distance,
)
from ellav.testing import check_codec
from ellav.testing.codec import sound

RATE = 4000
SMALL = {"width": 16, "blocks": 2, "seconds": 0.5, "batch": 4}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """raw/ as stage 2 leaves it and mel/, a codec that is ready."""
    made, rng = tmp_path_factory.mktemp("istft"), np.random.default_rng(0)
    (made / "raw").mkdir()
    names = [f"u{i:02}" for i in range(40)]
    wavs = {name: sound(rng, RATE, 0.8) for name in names}
    for name, wav in wavs.items():
        sf.write(made / f"raw/{name}.flac", wav, RATE)
    write_table(made / "raw/utt2num_samples", {name: len(wav) for name, wav in wavs.items()})
    paths = {name: f"{made}/raw/{name}.flac" for name in names}
    DataFolder(paths, dict.fromkeys(names, "Hi."), dict.fromkeys(names, "s")).write(made / "raw")
    conf = ["sample_rate=4000", "codebooks=3", "size=16", "mel_bins=12", "kmeans_iterations=2"]
    command = ["fit-codec", "--data", f"{made}/raw", "--out", f"{made}/mel", "--codec", "rvq_mel"]
    assert main([*command, "--codec_conf", *conf]) == 0
    return made


def fit(root, out, *conf):
    small = [f"{name}={value}" for name, value in SMALL.items()]
    command = ["fit-codec", "--data", f"{root}/raw", "--out", str(out), "--codec", "istft", "--codec_conf"]
    return main([*command, f"codec={root}/mel", *small, *conf])


@pytest.mark.parametrize("options", [{}, {"adversarial": 0.1}, {"spectra": 1}])
def test_it_keeps_the_contract(root, options):
    """Windows that are spoken with their context among it."""
    made = [codecs.create("istft", {"codec": f"{root}/mel", **SMALL, **options}) for _ in range(2)]
    check_codec(*made)


def test_it_is_trained_moved_and_loaded_with_the_codec_that_makes_the_codes(root, tmp_path):
    assert fit(root, tmp_path / "codec", "frames_seen=2000") == 0
    assert f"{root}/mel" in read_record(tmp_path / "codec")["inputs"]
    maker = read_yaml(tmp_path / "codec" / "codec.yaml")["codes_of"]
    assert maker["name"] == "rvq_mel" and maker["fingerprint"] == read_record(root / "mel")["key"]
    shutil.move(tmp_path / "codec", tmp_path / "moved")
    codec, coder = load_codec(tmp_path / "moved"), load_codec(root / "mel")
    wav = sound(np.random.default_rng(1), RATE, 0.7)
    (codes,) = codec.encode([wav])
    assert np.array_equal(codes, coder.encode([wav])[0]) and np.array_equal(codec.vectors(), coder.vectors())
    codec.save(tmp_path)
    again = load_codec(tmp_path / "moved")
    assert np.array_equal(codec.decode([codes])[0], again.decode([codes])[0])


def test_it_learns(root):
    codec = codecs.create("istft", {"codec": f"{root}/mel", **SMALL, "adversarial": 0.05})
    wavs = torch.from_numpy(np.stack([sound(np.random.default_rng(i), RATE, 0.5) for i in range(4)]))
    codec.begin(list(wavs.numpy()))
    optimizer = torch.optim.AdamW(codec.network.parameters(), lr=3e-3)
    with torch.inference_mode():
        before = codec.measure(wavs)
    for step in range(60):
        loss, parts = codec.loss(wavs, torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        after = codec.measure(wavs)
    assert after.keys() == {"spectrum_1", "spectrum_2", "spectrum_3"}
    assert after["spectrum_3"] < 0.7 * before["spectrum_3"] and after["spectrum_3"] < after["spectrum_1"]
    assert parts["judging"] < 2  # what they begin with


def test_pieces_that_are_added_where_they_were_cut_are_the_whole():
    rng, hop = torch.Generator().manual_seed(0), 10
    window = torch.hann_window(4 * hop)
    wav = torch.randn(3, 200, generator=rng)
    padded = torch.nn.functional.pad(wav, (15, 15))
    pieces = padded.unfold(1, 4 * hop, hop) * window  # the middle of number k at (k + 1/2) hops
    assert pieces.shape[1] == 20
    torch.testing.assert_close(overlap_add(pieces * window, window, hop)[:, 10:-10], wav[:, 10:-10])


def test_a_full_scale_sine_has_magnitude_one_and_silence_no_endless_distance():
    sine = torch.sin(2 * torch.pi * 0.125 * torch.arange(4096))[None]
    for length in (256, 512):
        assert float(spectra_of(sine, length)[0, 8].abs().max()) == pytest.approx(1, abs=1e-3)
    silence = torch.zeros(1, 4096, requires_grad=True)
    distance = spectral_distance(silence, sine)
    distance.backward()
    assert 0 < float(distance.detach()) < 12 and bool(silence.grad.isfinite().all())


def test_judges_and_speaker_each_learn_from_their_own_loss():
    judges = Judges(4)
    made, recorded = (torch.randn(2, 2000, requires_grad=True) for _ in range(2))
    judging, convincing = adversarial_losses(judges, made, recorded)
    judging.backward()
    assert made.grad is None and all(w.grad.abs().sum() > 0 for w in judges.parameters() if w.ndim > 1)
    judges.zero_grad()
    convincing.backward()
    assert made.grad.abs().sum() > 0 and all(weight.grad is None for weight in judges.parameters())


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({}, "speaks the codes of another codec: --codec-conf codec=FOLDER"),
        ({"codec": "nowhere"}, "nowhere/codec.yaml"),
        ({"codec": "mel", "spectra": 3}, "26.6667 samples a spectrum at 4000 Hz; choose spectra"),
    ],
)
def test_what_cannot_be_spoken_is_one_line(root, conf, message, monkeypatch):
    monkeypatch.chdir(root)
    with pytest.raises(UserError, match=message) as caught:
        codec = codecs.create("istft", conf)
        codec.begin([np.zeros(RATE, np.float32)])
    assert "\n" not in str(caught.value)


def test_a_file_of_another_size_is_named(root, tmp_path):
    assert fit(root, tmp_path / "codec", "frames_seen=100") == 0
    assert fit(root, tmp_path / "other", "frames_seen=100", "width=24") == 0
    shutil.copyfile(tmp_path / "other" / WEIGHTS, tmp_path / "codec" / WEIGHTS)
    with pytest.raises(UserError, match=f"codec/{WEIGHTS}: does not fit"):
        load_codec(tmp_path / "codec")
