"""EnCodec with random weights: the contract, the package's own codes, batches, files and messages."""

import subprocess
import sys
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from random_encodec import write_weights

from ellav.bin.main import main
from ellav.data.kaldi import DataFolder
from ellav.errors import UserError
from ellav.plugins.codecs import codecs, load_codec
from ellav.plugins.codecs.batches import batches
from ellav.plugins.codecs.encodec import HOP, WEIGHTS, import_encodec
from ellav.testing import check_codec
from ellav.testing.codec import sound


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("encodec") / "random.th"
    write_weights(path, codebooks=8)
    return str(path)


@pytest.fixture(scope="module")
def codec(weights):
    return codecs.create("encodec", {"bandwidth": 3, "weights": weights})


@pytest.fixture(scope="module")
def wavs():
    rng = np.random.default_rng(3)
    return [sound(rng, 24000, seconds) for seconds in (0.9, 0.05, 1.3, 0.004, 0.5, 1.25)]


def test_the_contract_holds(weights):
    options = {"bandwidth": 1.5, "weights": weights}
    check_codec(codecs.create("encodec", options), codecs.create("encodec", {"bandwidth": 1.5}))


@pytest.mark.parametrize(("bandwidth", "codebooks"), [(1.5, 2), (3, 4), (6.0, 8), (12, 16), (24, 32)])
def test_a_bandwidth_is_a_number_of_codebooks(bandwidth, codebooks):
    assert codecs.create("encodec", {"bandwidth": bandwidth}).codebooks == codebooks


def test_codes_and_sound_are_the_packages_own_and_codes_are_spread(codec, weights, wavs):
    model = import_encodec().EncodecModel.encodec_model_24khz(pretrained=False)
    model.quantizer.vq.layers = model.quantizer.vq.layers[:8]
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.eval().set_target_bandwidth(3.0)
    coded, spoken = codec.encode(wavs), codec.decode(codec.encode(wavs))
    with torch.no_grad():
        for wav, codes, sound_of_codes in zip(wavs, coded, spoken, strict=True):
            whole = np.pad(wav, (0, -len(wav) % HOP))  # of the last frame, what the package does not make up itself
            frame = model.encode(torch.from_numpy(np.pad(whole, (0, max(0, 7 * HOP - len(whole)))))[None, None])
            frame = [(frame[0][0][..., : len(codes)], frame[0][1])]
            assert np.array_equal(frame[0][0][0].T.numpy(), codes)
            assert np.allclose(model.decode(frame)[0, 0].numpy(), sound_of_codes, atol=1e-4)
    assert all(len(np.unique(np.concatenate(coded)[:, book])) > 40 for book in range(4))


def test_padding_does_not_reach_an_utterance(codec, wavs):
    codes = codec.encode(wavs)
    together = codec.decode(codes)
    for one, wav in zip(codes, together, strict=True):
        assert len(wav) == len(one) * HOP
        assert np.allclose(codec.decode([one])[0], wav, atol=1e-5)
    assert np.abs(together[0]).max() > 1e-3


def test_batches_hold_everything_once_and_no_more_than_they_may():
    lengths = [5, 0, 100, 7, 30, 30, 2]
    made = list(batches(lengths, 60))
    assert sorted(i for group in made for i in group) == [0, 2, 3, 4, 5, 6]
    for group in made:
        assert len(group) == 1 or len(group) * max(lengths[i] for i in group) <= 60
    assert made[0] == [2] and list(batches([], 60)) == []


def test_codes_beyond_the_codebooks_are_refused(codec):
    for codes in (np.full((3, 4), 1024), np.full((3, 4), -1), np.zeros((3, 5), int), np.zeros(3, int)):
        with pytest.raises(ValueError, match="codes"):
            codec.decode([codes])


def test_a_folder_needs_nothing_else(codec, weights, wavs, tmp_path):
    """What fit-codec writes loads where the weights it was made from are gone."""
    moved = tmp_path / "w.th"
    moved.write_bytes(Path(weights).read_bytes())
    (tmp_path / "data").mkdir()
    DataFolder({"a": "a.wav"}, {"a": "A"}, {"a": "a"}).write(tmp_path / "data")
    command = ["fit-codec", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "codec"), "--codec", "encodec"]
    assert main([*command, "--codec_conf", "bandwidth=3", f"weights={moved}"]) == 0
    moved.unlink()
    loaded = load_codec(tmp_path / "codec")
    assert all(map(np.array_equal, loaded.encode(wavs), codec.encode(wavs)))
    size = (tmp_path / "codec" / WEIGHTS).stat().st_size
    assert size < 64 * 2**20  # only the codebooks in use, nothing of training


def test_other_weights_in_the_same_file_make_another_codec(weights, tmp_path, capsys):
    moved = tmp_path / "w.th"
    (tmp_path / "data").mkdir()
    DataFolder({"a": "a.wav"}, {"a": "A"}, {"a": "a"}).write(tmp_path / "data")
    command = ["fit-codec", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "codec"), "--codec", "encodec"]
    command += ["--codec_conf", "bandwidth=1.5", f"weights={moved}"]
    tensors = torch.load(weights, weights_only=True)
    torch.save(tensors, moved)
    assert main(command) == 0 and main(command) == 0
    assert "up to date" in capsys.readouterr().out
    name = "quantizer.vq.layers.0._codebook.embed"
    torch.save(tensors | {name: tensors[name] + 1}, moved)
    assert main(command) == 0
    assert "up to date" not in capsys.readouterr().out
    assert torch.equal(load_codec(tmp_path / "codec")._model.state_dict()[name], tensors[name] + 1)


def spoil_name(tensors):
    del tensors["decoder.model.0.conv.conv.bias"]


def spoil_shape(tensors):
    tensors["decoder.model.0.conv.conv.bias"] = torch.zeros(3)


def spoil_value(tensors):
    tensors["decoder.model.0.conv.conv.bias"][1] = torch.nan


def empty_codebook(tensors):
    tensors["quantizer.vq.layers.1._codebook.embed"].zero_()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_name, "conv.bias should be (512,), found nothing"),
        (spoil_shape, "conv.bias should be (512,), found (3,)"),
        (spoil_value, "not numbers"),
        (empty_codebook, "layers.1._codebook.embed is an empty codebook"),
    ],
)
def test_weights_that_do_not_fit_are_named(weights, tmp_path, spoil, message):
    tensors = torch.load(weights, weights_only=True)
    spoil(tensors)
    path = tmp_path / "spoilt.th"
    torch.save(tensors, path)
    with pytest.raises(UserError) as caught:
        codecs.create("encodec", {"bandwidth": 1.5, "weights": str(path)}).encode([])
    assert str(path) in str(caught.value) and message in str(caught.value)


class Trap:
    def __reduce__(self):
        return (print, ("unpickled",))


@pytest.mark.parametrize("kind", ["pickle", "absent", "truncated", "list", "text.safetensors"])
def test_files_that_hold_no_weights_are_refused_and_run_nothing(weights, tmp_path, capsys, kind):
    path = tmp_path / kind
    if kind == "pickle":
        torch.save({"a": Trap()}, path)
    elif kind == "truncated":
        path.write_bytes(Path(weights).read_bytes()[:5000])
    elif kind == "list":
        torch.save([1, 2], path)
    elif kind == "text.safetensors":
        path.write_text("hello")
    with pytest.raises(UserError) as caught:
        codecs.create("encodec", {"weights": str(path)}).encode([])
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert "unpickled" not in capsys.readouterr().out


def test_without_a_network_it_says_what_to_fetch(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("Network is unreachable")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(UserError) as caught:
        codecs.create("encodec").encode([])
    for part in ("Network is unreachable", "encodec_24khz-d7cc33bc.th", "https://", "--codec-conf weights=PATH"):
        assert part in str(caught.value)


def test_without_the_package_it_names_the_extra():
    code = (
        "import sys; sys.modules['encodec'] = None\n"
        "from ellav.plugins.codecs import codecs\n"
        "codecs.create('encodec', {'weights': 'x'}).encode([])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "pip install 'ellav[encodec]'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("options", [{"bandwidth": 2}, {"batch_seconds": 0}])
def test_wrong_options_are_refused(options):
    with pytest.raises(UserError, match=next(iter(options))):
        codecs.create("encodec", options)
