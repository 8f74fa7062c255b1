"""`rvq_conv` and the training of codecs by gradient."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ellav.bin.main import main
from ellav.data.kaldi import DataFolder, write_table
from ellav.data.speech import Speech
from ellav.errors import UserError
from ellav.plugins.codecs import codecs, load_codec
from ellav.plugins.codecs.rvq_conv import WEIGHTS
from ellav.plugins.codecs.rvq_conv_net import ResidualVQ
from ellav.testing import check_codec
from ellav.testing.codec import sound
from ellav.train import codec as training

RATE = 16000
SMALL = {"codebooks": 3, "size": 16, "dimensions": 8, "width": 16, "blocks": 1, "mel_bins": 20, "seconds": 0.5,
         "batch": 4, "griffin_lim_iterations": 2}  # fmt: skip


@pytest.fixture
def speech(tmp_path):
    """A folder as stage 2 leaves it: 40 sounds of 0.3 to 1.2 s."""
    rng, folder = np.random.default_rng(0), tmp_path / "raw"
    folder.mkdir()
    names = [f"u{i:02}" for i in range(40)]
    wavs = {name: sound(rng, RATE, 0.3 + 0.3 * (i % 4)) for i, name in enumerate(names)}
    for name, wav in wavs.items():
        sf.write(folder / f"{name}.flac", wav, RATE)
    write_table(folder / "utt2num_samples", {name: len(wav) for name, wav in wavs.items()})
    DataFolder({n: f"{folder}/{n}.flac" for n in names}, dict.fromkeys(names, "Hi."), dict.fromkeys(names, "s")).write(
        folder
    )
    return folder


def fit(speech, out, *more):
    conf = [f"{name}={value}" for name, value in SMALL.items()]
    return main(["fit-codec", "--data", str(speech), "--out", str(out), "--codec", "rvq_conv", "--codec_conf", *conf,
                 *more])  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"frame_rate": 75.0, "subframes": 1}, {"frame_rate": 12.5, "subframes": 4}])
def test_it_keeps_the_contract(options):
    check_codec(codecs.create("rvq_conv", SMALL | options), codecs.create("rvq_conv", SMALL | options))


def test_it_learns_and_more_codebooks_say_more(speech, tmp_path):
    assert fit(speech, tmp_path / "codec", "frames_seen=20000", "lr=0.005") == 0
    rows = [line.split("\t") for line in (tmp_path / "codec/losses.tsv").read_text().splitlines()[1:]]
    losses = [float(row[3]) for row in rows if row[2] == "train/spectrum"]
    assert losses[-1] < 0.7 * losses[0]
    valid = json.loads((tmp_path / "codec/summary.json").read_text())["valid"]
    assert list(valid) == ["spectrum_1", "spectrum_2", "spectrum_3"]
    assert valid["spectrum_3"] < valid["spectrum_2"] < valid["spectrum_1"]
    codec = load_codec(tmp_path / "codec")
    wav = sf.read(speech / "u03.flac", dtype="float32")[0]
    codes = codec.encode([wav])[0]
    errors = [float((codec.spectrum(codes[:, :q]) - codec.mel.analyse(wav)).abs().mean()) for q in (1, 3)]
    assert errors[1] < errors[0]
    assert not (tmp_path / "codec" / training.STATE).exists()


def test_an_interrupted_training_goes_on_as_if_nothing_had_been(speech, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_SAVE_EVERY", 5)
    assert fit(speech, tmp_path / "whole", "frames_seen=2000") == 0  # 20 steps

    begin, calls = training.torch.nn.utils.clip_grad_norm_, []

    def interrupted(*given):
        calls.append(given)
        if len(calls) == 13:
            raise KeyboardInterrupt
        return begin(*given)

    monkeypatch.setattr(training.torch.nn.utils, "clip_grad_norm_", interrupted)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        if fit(speech, tmp_path / "parts", "frames_seen=2000") != 0:
            raise SystemExit
    assert fit(speech, tmp_path / "parts", "frames_seen=2000") == 0
    assert len(calls) == 13 + 10
    assert (tmp_path / "whole" / WEIGHTS).read_bytes() == (tmp_path / "parts" / WEIGHTS).read_bytes()
    figures = [(tmp_path / name / "losses.tsv").read_text().splitlines()[-1].split("\t") for name in ("whole", "parts")]
    assert figures[0][0] == figures[1][0] and figures[0][2:] == figures[1][2:]


def test_pieces_are_of_the_utterances_and_those_held_out_are_not_read(speech):
    made = Speech(speech, RATE, held_out=4)
    assert len(set(made.held_out)) == 4
    rng, read = np.random.default_rng(0), []
    kept = {path: sf.read(path, dtype="float32")[0] for path in map(str, Path(speech).glob("*.flac"))}
    for _ in range(60):
        piece = made.piece(0.5, rng)
        assert piece.shape == (8000,) and piece.dtype == np.float32
        wanted = np.trim_zeros(piece)[:200]
        read += [path for path, wav in kept.items() if _holds(wav, wanted)]
    assert len(read) == 60 and not set(read) & set(made.held_out) and len(set(read)) > 20
    assert made.piece(0.5, np.random.default_rng(7)).tolist() == made.piece(0.5, np.random.default_rng(7)).tolist()


def _holds(wav, part):
    starts = np.flatnonzero(wav == part[0])
    return any(np.array_equal(wav[at : at + len(part)], part) for at in starts)


def test_a_folder_without_speech_is_one_line(speech, tmp_path, capsys):
    for name in ("wav.scp", "utt2num_samples", "text", "utt2spk"):
        path = speech / name
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:1]))
    assert fit(speech, tmp_path / "codec") == 1
    assert "1 utterances are too few to learn a codec from" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_the_training(speech, tmp_path, capsys):
    assert fit(speech, tmp_path / "codec", "frames_seen=20000", "lr=1", "commitment=100") in (0, 1)
    codec = codecs.create("rvq_conv", SMALL)
    codec.loss = lambda wavs, rng: (torch.tensor(torch.nan, requires_grad=True), {})
    with pytest.raises(UserError, match="the loss is nan in step 25; lower lr"):
        training.train_codec(codec, Speech(speech, RATE, training.HELD_OUT), tmp_path)


def test_before_training_it_says_so():
    codec = codecs.create("rvq_conv", SMALL)
    for act in (lambda: codec.encode([np.zeros(100, np.float32)]), lambda: codec.save(Path())):
        with pytest.raises(UserError, match="not trained yet"):
            act()


@settings(max_examples=25)
@given(st.integers(0, 2**20), st.integers(1, 3), st.integers(2, 9))
def test_the_quantiser_decodes_what_it_learns_and_passes_gradients_on(seed, codebooks, size):
    rng = torch.Generator().manual_seed(seed)
    quantiser, z = ResidualVQ(codebooks, size, 4), torch.randn(30, 4, generator=rng, requires_grad=True)
    levels = torch.randint(1, codebooks + 1, (30,), generator=rng)
    quantiser.learn(z, levels, rng)  # takes its entries from z
    kept = quantiser.entries.clone()
    made, lost = quantiser.learn(z, levels, rng)
    quantiser.entries.copy_(kept)
    codes = quantiser.encode(z.detach())
    for level in range(1, codebooks + 1):
        chosen = levels == level
        assert torch.allclose(made[chosen], quantiser.decode(codes[chosen, :level]), atol=1e-5)
    assert float(lost) >= 0
    made.sum().backward()
    assert torch.equal(z.grad, torch.ones(30, 4))


def test_entries_become_the_means_of_what_falls_to_them_and_dead_ones_are_drawn_anew():
    rng = torch.Generator().manual_seed(0)
    quantiser = ResidualVQ(1, 12, 2, momentum=0.5)
    centres = torch.tensor([[5.0, 0], [-5, 0], [0, 5], [0, -5]])
    for _ in range(40):
        z = centres[torch.randint(4, (64,), generator=rng)] + 0.1 * torch.randn(64, 2, generator=rng)
        quantiser.learn(z, torch.ones(64, dtype=torch.int64), rng)
    found = quantiser.entries[0][torch.cdist(centres, quantiser.entries[0]).argmin(dim=1)]
    assert (found - centres).norm(dim=1).max() < 0.3
