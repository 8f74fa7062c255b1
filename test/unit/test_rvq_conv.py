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
from ellav.data.speech import Piece, Speech
from ellav.errors import UserError
from ellav.plugins.codecs import UNKNOWN, CodecTraining, codecs, load_codec
from ellav.plugins.codecs.rvq_conv import WEIGHTS
from ellav.plugins.codecs.rvq_conv_net import ResidualVQ, SplitRVQ
from ellav.testing import check_codec
from ellav.testing.codec import sound
from ellav.train import codec as training
from ellav.train import optimizers

RATE = 16000
SMALL = {"codebooks": 3, "size": 16, "phone_loss": 0, "dimensions": 8, "width": 16, "blocks": 1, "mel_bins": 20,
         "seconds": 0.5, "batch": 4, "griffin_lim_iterations": 2}  # fmt: skip


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


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"phone_loss": 0.5, "first_size": 5},
        {"frame_rate": 75.0, "subframes": 1},
        {"frame_rate": 12.5, "subframes": 4},
    ],
)
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


@pytest.mark.parametrize("least", [4, 10_000])  # with Muon and without
def test_an_interrupted_training_goes_on_as_if_nothing_had_been(speech, tmp_path, monkeypatch, least):
    monkeypatch.setattr(training, "_SAVE_EVERY", 5)
    monkeypatch.setattr(optimizers, "INNER", least)
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


def test_every_weight_has_one_optimizer(monkeypatch):
    network = codecs.create("rvq_conv", SMALL).network
    for least, kinds in ((10_000, ["AdamW"]), (8, ["AdamW", "Muon"])):
        monkeypatch.setattr(optimizers, "INNER", least)
        for muon_lr in (0, 0.02):
            made = optimizers.codec_optimizers(network, CodecTraining(1, 1, 1.0, 1e-3, muon_lr), torch.float32)
            assert [type(one).__name__ for one in made] == (kinds if muon_lr else ["AdamW"])
            given = [p for one in made for group in one.param_groups for p in group["params"]]
            assert sorted(map(id, given)) == sorted(map(id, network.parameters()))
            assert [group["peak"] for one in made for group in one.param_groups] == [1e-3, 0.02][: len(made)]


def test_pieces_are_of_the_utterances_and_those_held_out_are_not_read(speech):
    made = Speech(speech, RATE, held_out=4)
    assert len(set(made.held_out)) == 4
    rng, read = np.random.default_rng(0), []
    kept = {path.stem: sf.read(path, dtype="float32")[0] for path in Path(speech).glob("*.flac")}
    for _ in range(60):
        piece = made.piece(0.5, rng).wav
        assert piece.shape == (8000,) and piece.dtype == np.float32
        wanted = np.trim_zeros(piece)[:200]
        read += [name for name, wav in kept.items() if _holds(wav, wanted)]
    assert len(read) == 60 and not set(read) & set(made.held_out) and len(set(read)) > 20
    twice = [made.piece(0.5, np.random.default_rng(7)).wav.tolist() for _ in range(2)]
    assert twice[0] == twice[1]


def test_a_silent_part_of_an_utterance_is_a_piece_too(speech):
    wav = sf.read(speech / "u03.flac")[0]
    wav[4000:] = 0
    sf.write(speech / "u03.flac", wav, RATE)
    made = Speech(speech, RATE)
    rng = np.random.default_rng(0)
    pieces = [piece for piece in (made.piece(0.2, rng) for _ in range(300)) if piece.utterance == "u03"]
    assert any(not piece.wav.any() for piece in pieces) and any(piece.wav.any() for piece in pieces)


def _holds(wav, part):
    starts = np.flatnonzero(wav == part[0])
    return any(np.array_equal(wav[at : at + len(part)], part) for at in starts)


@pytest.fixture
def tones(tmp_path):
    """A folder of stage 2 and its alignment: 30 utterances of a low, a high and a low tone; the last has no times."""
    rng, folder, align = np.random.default_rng(0), tmp_path / "raw", tmp_path / "align"
    folder.mkdir(), align.mkdir()
    names = [f"u{i:02}" for i in range(30)]
    ends = {name: np.cumsum([0.2 + 0.3 * rng.random(), 0.3, 0.2]) for name in names}
    for name in names:
        time = np.arange(int(ends[name][-1] * RATE)) / RATE
        low = np.searchsorted(ends[name], time, side="right") != 1
        noise = 0.01 * rng.standard_normal(len(time))
        sf.write(folder / f"{name}.flac", 0.3 * np.sin(2 * np.pi * np.where(low, 300, 2000) * time) + noise, RATE)
    write_table(folder / "utt2num_samples", {name: int(ends[name][-1] * RATE) for name in names})
    DataFolder({n: f"{folder}/{n}.flac" for n in names}, dict.fromkeys(names, "Hi."), dict.fromkeys(names, "s")).write(
        folder
    )
    write_table(align / "phones", {name: "LO HI LO" for name in names})
    write_table(align / "ends", {name: ends[name].tolist() for name in names[:-1]})
    (align / "done.json").write_text('{"key": "k", "inputs": {}}')
    return folder, align, ends


def test_frames_of_a_piece_have_the_phones_of_the_alignment(tones):
    folder, align, ends = tones
    speech, rng, seen = Speech(folder, RATE, align=align), np.random.default_rng(0), set()
    assert speech.phones == ["HI", "LO"]
    for _ in range(80):
        piece = speech.piece(0.4, rng)
        phones = speech.phones_in(piece, 50.0)
        assert phones.shape == (20,)
        times = piece.start + (np.arange(20) + 0.5) / 50
        told = [speech.phones.index(["LO", "HI", "LO"][i]) for i in np.searchsorted(ends[piece.utterance], times)]
        assert phones.tolist() == ([UNKNOWN] * 20 if piece.utterance == "u29" else told)
        seen |= {piece.utterance}
    assert "u29" in seen
    whole = speech.phones_in(Piece(np.zeros(3 * RATE, np.float32), "u00", 0.0), 50.0)
    assert (whole[: int(ends["u00"][-1] * 50)] != UNKNOWN).all() and (whole[-50:] == UNKNOWN).all()


def test_codebook_1_learns_the_phones(tones, tmp_path, capsys):
    folder, align, _ = tones
    given = ("phone_loss=1", "first_size=4", "frames_seen=8000", "lr=0.005")
    assert fit(folder, tmp_path / "codec", *given) == 1
    assert "learns which phones are spoken: give --align" in capsys.readouterr().err
    assert fit(folder, tmp_path / "codec", *given, "--align", str(align)) == 0
    assert json.loads((tmp_path / "codec/summary.json").read_text())["valid"]["phone"] < 0.3
    speech, codec, rng = Speech(folder, RATE, align=align), load_codec(tmp_path / "codec"), np.random.default_rng(1)
    counts = np.zeros((4, 2), int)
    for _ in range(30):
        piece = speech.piece(0.5, rng)
        phones = speech.phones_in(piece, 50.0)
        known = phones != UNKNOWN
        np.add.at(counts, (codec.encode([piece.wav])[0][:, 0][known], phones[known]), 1)
    assert counts.max(axis=1).sum() > 0.9 * counts.sum()


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


@pytest.mark.parametrize("loudness", [0, 0.7, 1])
def test_what_is_loud_counts_for_more(loudness):
    codec = codecs.create("rvq_conv", SMALL | {"loudness": loudness})
    codec.network.mean.fill_(-4.0), codec.network.spread.fill_(2.0)
    magnitudes = torch.full((1, 4, 20), 0.001)
    magnitudes[0, 1, 3] = 0.1
    x = codec.network.normal(magnitudes.log())
    quiet, loud = x.clone(), x.clone()
    quiet[0, 2, 5] += 0.5
    loud[0, 1, 3] -= 0.5
    weights = (magnitudes**2) ** 0.23
    weights = 1 - loudness + loudness * weights / weights.mean()
    for made, weight in ((quiet, weights[0, 2, 5]), (loud, weights[0, 1, 3])):
        assert torch.isclose(codec._distance(made, x), 0.5 * weight / 80)
    both = x + 0.5
    assert torch.isclose(codec._distance(both, x), torch.tensor(0.5))


def test_before_training_it_says_so():
    codec = codecs.create("rvq_conv", SMALL)
    for act in (lambda: codec.encode([np.zeros(100, np.float32)]), lambda: codec.save(Path())):
        with pytest.raises(UserError, match="not trained yet"):
            act()


@settings(max_examples=25)
@given(st.integers(0, 2**20), st.integers(1, 3), st.integers(2, 9), st.booleans())
def test_the_quantiser_decodes_what_it_learns_and_passes_gradients_on(seed, codebooks, size, split):
    rng = torch.Generator().manual_seed(seed)
    parts = [ResidualVQ(codebooks, size, 4)]
    if split:
        parts, codebooks = [ResidualVQ(1, 5, 3), *parts], codebooks + 1
    quantiser = SplitRVQ(parts)
    z = torch.randn(30, quantiser.dimensions, generator=rng, requires_grad=True)
    levels = torch.randint(1, codebooks + 1, (30,), generator=rng)
    quantiser.learn(z, levels, rng)  # takes its entries from z
    kept = {name: value.clone() for name, value in quantiser.state_dict().items()}
    made, lost = quantiser.learn(z, levels, rng)
    quantiser.load_state_dict(kept)
    codes = quantiser.encode(z.detach())
    assert codes.shape == (30, codebooks) and (codes[:, 0] < (5 if split else size)).all()
    for level in range(1, codebooks + 1):
        chosen = levels == level
        assert torch.allclose(made[chosen], quantiser.decode(codes[chosen, :level]), atol=1e-5)
    assert float(lost.detach()) >= 0
    made.sum().backward()
    wanted = torch.ones(30, quantiser.dimensions)
    if split:
        wanted[:, 3:] = (levels > 1)[:, None].float()  # what has no code says nothing
    assert torch.equal(z.grad, wanted)


def test_entries_become_the_means_of_what_falls_to_them_and_dead_ones_are_drawn_anew():
    rng = torch.Generator().manual_seed(0)
    quantiser = ResidualVQ(1, 12, 2, momentum=0.5)
    centres = torch.tensor([[5.0, 0], [-5, 0], [0, 5], [0, -5]])
    for _ in range(40):
        z = centres[torch.randint(4, (64,), generator=rng)] + 0.1 * torch.randn(64, 2, generator=rng)
        quantiser.learn(z, torch.ones(64, dtype=torch.int64), rng)
    found = quantiser.entries[0][torch.cdist(centres, quantiser.entries[0]).argmin(dim=1)]
    assert (found - centres).norm(dim=1).max() < 0.3
