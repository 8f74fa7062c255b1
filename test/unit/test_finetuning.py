"""What finetuning takes of a packed model besides its weights: the codec, as it is or adapted, and all phones."""

import numpy as np
import pytest
import soundfile as sf
from test_codec_commands import RATE, make_set, run_encode, run_fit, run_tokens

from ellav.bin import fit_codec
from ellav.config import read_yaml, yaml_text
from ellav.data.dataset import Tokens
from ellav.data.outputs import fingerprint
from ellav.errors import UserError
from ellav.plugins.codecs import load_codec
from ellav.plugins.codecs.rvq_mel import RVQMel


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """What another recipe left: codec/ and tokens/list/."""
    root = tmp_path_factory.mktemp("given")
    for name, count in (("train", 4), ("test", 2)):
        make_set(root, name, count, len(name))
        if name == "train":
            run_fit(root)
        run_encode(root, name)
    run_tokens(root)
    (root / "list").symlink_to(root / "tokens/list")
    return root


@pytest.fixture
def root(tmp_path):
    for name in ("train", "test"):
        make_set(tmp_path, name, 3, 77)
    return tmp_path


def take(root, source, *more):
    fit_codec.main(["--data", f"{root}/raw/train", "--out", f"{root}/codec", "--codec_from", str(source), *more])


@pytest.mark.parametrize("place", ["codec", "."])
def test_a_codec_is_taken_as_it_is(given, root, place, capsys):
    take(root, given / place)
    wav = sf.read(root / "raw/train/train-00.wav", dtype="float32")[0]
    theirs, ours = (load_codec(folder / "codec").encode([wav])[0] for folder in (given, root))
    assert np.array_equal(theirs, ours)
    described = read_yaml(root / "codec/codec.yaml")
    assert described.pop("fingerprint") == fingerprint(given / "codec")
    assert described == read_yaml(given / "codec/codec.yaml")
    capsys.readouterr()
    take(root, given / place)
    assert "up to date" in capsys.readouterr().out


def test_a_codec_that_was_taken_before_is_still_the_first_ones(given, root, tmp_path):
    """A packed model says in codec.yaml whose codes its models speak."""
    packed = tmp_path / "packed" / "codec"
    packed.mkdir(parents=True)
    load_codec(given / "codec").save(packed)
    described = read_yaml(given / "codec/codec.yaml") | {"fingerprint": "0123456789abcdef"}
    (packed / "codec.yaml").write_text(yaml_text(described))
    take(root, packed.parent)
    assert read_yaml(root / "codec/codec.yaml")["fingerprint"] == "0123456789abcdef"


def test_an_adapted_codec_is_truer_to_the_new_speech_and_says_whose_codes_it_had(given, root, capsys):
    take(root, given / "codec", "--adapt")
    wavs = [sf.read(root / f"raw/train/train-0{number}.wav", dtype="float32")[0] for number in range(3)]
    theirs, ours = load_codec(given / "codec"), load_codec(root / "codec")

    def error(codec):
        spectra = [codec.mel.analyse(wav).numpy() for wav in wavs]
        coded = [codec.spectrum(codes).numpy() for codes in codec.encode(wavs)]
        return np.mean([np.square(one - other).mean() for one, other in zip(spectra, coded, strict=True)])

    assert error(ours) < 0.9 * error(theirs)
    described = read_yaml(root / "codec/codec.yaml")
    assert described.pop("adapted_from") == fingerprint(given / "codec") and "fingerprint" not in described
    assert described == read_yaml(given / "codec/codec.yaml")
    capsys.readouterr()
    take(root, given / "codec", "--adapt")
    assert "up to date" in capsys.readouterr().out
    take(root, given / "codec")
    assert "up to date" not in capsys.readouterr().out


def test_entries_that_no_speech_is_near_to_stay(given, root):
    codec = load_codec(given / "codec")
    before, wav = codec.vectors().copy(), sf.read(root / "raw/train/train-00.wav", dtype="float32")[0]
    used = set(codec.encode([wav])[0][:, 0].tolist())
    codec.adapt([wav])
    moved = {
        number for number in range(codec.size) if not np.array_equal(before[0, number], codec.vectors()[0, number])
    }
    assert moved == used and 0 < len(used) < codec.size


def test_what_cannot_be_adapted_is_one_line(given, root, monkeypatch):
    with pytest.raises(UserError, match="--adapt needs --codec-from DIR"):
        fit_codec.main(["--data", f"{root}/raw/train", "--out", f"{root}/codec", "--adapt"])
    monkeypatch.delattr(RVQMel, "adapt")
    with pytest.raises(UserError, match="codec rvq_mel can only be taken as it is; leave --adapt out"):
        take(root, given / "codec", "--adapt")


def test_no_codec_is_one_line(root, tmp_path):
    with pytest.raises(UserError, match=r"no packed model, and no folder with codec.yaml inside"):
        take(root, tmp_path / "raw")
    assert sf.info(root / "raw/train/train-00.wav").samplerate == RATE


def test_all_phones_of_the_model_are_in_the_list(given, root, tmp_path):
    take(root, given / "codec")
    for name in ("train", "test"):
        run_encode(root, name)
    more = tmp_path / "more" / "list"
    more.mkdir(parents=True)
    stats = read_yaml(given / "list/stats.yaml")
    (more / "tokens.txt").write_text("sp\nAA0\nHH\n")
    (more / "stats.yaml").write_text(yaml_text(stats | {"most_phone": 999, "max_frames": 1, "frames_per_phone": 99.0}))
    run_tokens(root, "--phones_from", str(more.parent))
    tokens = Tokens.read(root / "tokens/list")
    assert tokens.phones == ["sp", "AA0", "AY1", "HH"]
    assert tokens.stats["most_phone"] == 999 and 1 < tokens.stats["max_frames"] < 999
    assert tokens.stats["frames_per_phone"] != 99.0
    with pytest.raises(UserError, match=r"tokens.txt: no such file"):
        run_tokens(root, "--phones_from", str(tmp_path))
