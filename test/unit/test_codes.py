import io
import os
import pickle

import kaldiio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellav.data.codes import CodesReader, CodesWriter, of_frames
from ellav.data.kaldi import read_table
from ellav.errors import UserError


def random_codes(frames, books=4, seed=0):
    return np.random.default_rng(seed).integers(0, 1024, (frames, books)).astype(np.int16)


def npy_entry(array, allow_pickle=False):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    content = stream.getvalue()
    width = (len(content).bit_length() + 7) // 8
    return b"NPY" + bytes([width]) + len(content).to_bytes(width, "little") + content


@pytest.fixture
def folder(tmp_path):
    with CodesWriter(tmp_path) as writer:
        for i, frames in enumerate((5, 0, 40_000)):  # the last one is longer than one read
            writer.write(f"utt{i}", random_codes(frames, seed=i))
    return tmp_path


def test_what_is_written_is_read_by_us_and_by_kaldiio(folder):
    places, reader = read_table(folder / "codes.scp"), CodesReader()
    assert list(places) == ["utt0", "utt1", "utt2"]
    for i, frames in enumerate((5, 0, 40_000)):
        codes = reader.read(places[f"utt{i}"])
        assert codes.dtype == np.int16
        np.testing.assert_array_equal(codes, random_codes(frames, seed=i))
        np.testing.assert_array_equal(kaldiio.load_mat(places[f"utt{i}"]), codes)


def test_the_scp_names_the_final_folder_and_is_sorted(tmp_path):
    with CodesWriter(tmp_path, final="dump/codes/train") as writer:
        writer.write("b", random_codes(2))
        writer.write("a", random_codes(3))
    places = read_table(tmp_path / "codes.scp")
    assert list(places) == ["a", "b"]
    assert all(place.startswith("dump/codes/train/codes.ark:") for place in places.values())


@given(cut=st.integers(0, 2000))
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("codes")
    with pytest.raises(KeyboardInterrupt), CodesWriter(folder) as writer:
        for i in range(4):
            writer.write(f"utt{i}", random_codes(40 + i, seed=i))
        raise KeyboardInterrupt
    ark = folder / "codes.ark"
    os.truncate(ark, min(cut, ark.stat().st_size))
    with CodesWriter(folder) as writer:
        assert list(writer.written) == [f"utt{i}" for i in range(len(writer.written))]
        for i in range(len(writer.written), 6):
            writer.write(f"utt{i}", random_codes(40 + i, seed=i))
    for i in range(6):
        read = CodesReader().read(read_table(folder / "codes.scp")[f"utt{i}"])
        np.testing.assert_array_equal(read, random_codes(40 + i, seed=i))


def test_codes_that_do_not_fit_are_refused(tmp_path):
    with CodesWriter(tmp_path) as writer:
        for wrong in (np.zeros(3, int), np.full((2, 2), 40_000), np.full((2, 2), 0.5)):
            with pytest.raises(ValueError, match="'utt'"):
                writer.write("utt", wrong)


class Marker:
    """Unpickling this makes a folder, which shows that code was run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_pickles_are_never_loaded(tmp_path):
    marker = str(tmp_path / "pickle_was_run")
    evil = np.array([[Marker(marker)]], dtype=object)
    entries = {
        "PKL entry": b"PKL" + pickle.dumps(Marker(marker)),
        "object array in an NPY entry": npy_entry(evil, allow_pickle=True),
        "pickle where the .npy file should be": b"NPY\x01\xff" + pickle.dumps(Marker(marker)).ljust(255, b"."),
        "pickle alone": pickle.dumps(Marker(marker)),
    }
    for entry in entries.values():
        ark = tmp_path / "evil.ark"
        ark.write_bytes(b"utt " + entry)
        with pytest.raises(UserError, match=r"evil\.ark:4.*nothing was loaded"):
            CodesReader().read(f"{ark}:4")
        assert not os.path.exists(marker)


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"NP",
        b"NPY",
        b"NPY\x08" + b"\xff" * 8,  # announces 2**64 - 1 bytes
        npy_entry(np.zeros((3, 4), np.float32)),
        npy_entry(np.zeros(3, np.int16)),
        npy_entry(np.full((3, 4), 1 << 20)),
        npy_entry(np.zeros((300, 4), np.int16))[:-1],
        npy_entry(np.zeros((3, 4), np.int16)).replace(b"(3, 4)", b"(9, 4)"),
        npy_entry(np.zeros((3, 4), np.int16)).replace(b"(3, 4)", b"(3,-4)"),
        npy_entry(np.zeros((3, 4), np.int16)).replace(b"'<i2'", b"'|V2'"),
        b"AUDIO" + bytes(40),
        b"RIFF" + bytes(40),
    ],
)
def test_what_are_no_codes_is_refused_naming_the_place(tmp_path, entry):
    ark = tmp_path / "odd.ark"
    ark.write_bytes(entry)
    with pytest.raises(UserError, match=r"odd\.ark:0"):
        CodesReader().read(f"{ark}:0")


def test_commands_run_only_when_allowed(tmp_path):
    (tmp_path / "entry").write_bytes(npy_entry(random_codes(7)))
    command = f"touch {tmp_path}/was_run; cat {tmp_path}/entry |"
    for place in (command, f"| {command[:-1]}"):
        with pytest.raises(UserError, match="--allow-pipes"):
            CodesReader().read(place)
        assert not (tmp_path / "was_run").exists()
    np.testing.assert_array_equal(CodesReader(allow_pipes=True).read(command), random_codes(7))
    with pytest.raises(UserError, match="status 3"):
        CodesReader(allow_pipes=True).read("exit 3 |")


def test_reading_one_entry_reads_little_of_the_file(folder, monkeypatch):
    sizes = []
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: sizes.append(size) or real(fd, size, at))
    CodesReader().read(read_table(folder / "codes.scp")["utt0"])
    assert sum(sizes) < 20_000 < (folder / "codes.ark").stat().st_size


def test_a_reader_survives_pickling(folder):
    reader = CodesReader()
    place = read_table(folder / "codes.scp")["utt0"]
    reader.read(place)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reader)).read(place), random_codes(5))


def test_a_missing_file_is_named():
    with pytest.raises(UserError, match=r"nowhere/codes\.ark: no such file"):
        CodesReader().read("nowhere/codes.ark:5")


def test_some_frames_of_an_entry_are_what_kaldiio_reads_too(tmp_path):
    codes = np.arange(20, dtype=np.int16).reshape(10, 2)
    with CodesWriter(tmp_path) as writer:
        writer.write("utt", codes)
    place = of_frames(read_table(tmp_path / "codes.scp")["utt"], slice(3, 7))
    assert place.endswith("[3:6]")
    np.testing.assert_array_equal(CodesReader().read(place), codes[3:7])
    np.testing.assert_array_equal(kaldiio.load_mat(place), codes[3:7])
    with pytest.raises(UserError, match=r"\[3:10\]: the entry has 10 frames"):
        CodesReader().read(place.replace("6]", "10]"))
