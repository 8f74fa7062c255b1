"""Sets cut into shards: the cut, what reads them, and stages that work on each."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import kaldiio
import numpy as np
import pytest
from hypothesis import given, settings
from test_codec_commands import make_set, run_encode, run_fit, run_tokens

from ellav.bin import format_wavs
from ellav.bin.fit_aligner import recordings_of
from ellav.bin.main import main
from ellav.data.audio import read_all
from ellav.data.checks import file_problem
from ellav.data.codes import CodesReader
from ellav.data.dataset import Dataset, Tokens
from ellav.data.kaldi import DataFolder, read_table, write_table
from ellav.data.outputs import fingerprint, need, read_record
from ellav.data.shards import parts_of, shard_folders, shard_name, some_of, tables_of
from ellav.data.sounds import as_file, kept_in, read_sound, sound_entry
from ellav.data.speech import Piece, Speech
from ellav.data.splitting import cut
from ellav.errors import UserError

WORD = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=5)


def data_folder(folder, utterances, **more):
    """A data folder of utterances without sound. more: further tables."""
    folder.mkdir(parents=True, exist_ok=True)
    DataFolder(*({u: f"{what}-{u}" for u in utterances} for what in ("wav", "text", "speaker"))).write(folder)
    for name, table in more.items():
        write_table(folder / name, table)
    return folder


@settings(max_examples=40)
@given(st.sets(WORD, min_size=1, max_size=12), st.integers(1, 14), st.data())
def test_a_cut_folder_is_the_whole_in_neighbouring_pieces(tmp_path_factory, utterances, count, data):
    root = tmp_path_factory.mktemp("cut")
    some = data.draw(st.sets(st.sampled_from(sorted(utterances))))
    data_folder(root / "data", utterances, utt2lang={u: "en" for u in some}, targets=dict.fromkeys(some, ""))
    made = cut(root / "data", root / "out", count)
    shards = shard_folders(root / "out")
    assert made == len(shards) == min(count, len(utterances))
    pieces = [list(read_table(shard / "text")) for shard in shards]
    assert [utterance for piece in pieces for utterance in piece] == sorted(utterances, key=str.encode)
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1
    for name in ("wav.scp", "text", "utt2spk", "utt2lang", "targets"):
        assert read_table(root / "out" / name) == read_table(root / "data" / name)
        for shard, piece in zip(shards, pieces, strict=True):
            assert read_table(shard / name).keys() <= set(piece)


def test_segments_take_their_recordings_along(tmp_path):
    data_folder(tmp_path / "data", "abcd")
    write_table(tmp_path / "data/segments", {"a": "two 0 1", "b": "one 0 1", "c": "one 1 2", "d": "one 2 3"})
    write_table(tmp_path / "data/wav.scp", {"one": "1.flac", "two": "2.flac", "unused": "3.flac"})
    cut(tmp_path / "data", tmp_path / "out", 2)
    wavs = [read_table(shard / "wav.scp") for shard in shard_folders(tmp_path / "out")]
    assert wavs == [{"one": "1.flac", "two": "2.flac"}, {"one": "1.flac"}]


def test_what_cannot_be_cut(tmp_path, capsys):
    data = data_folder(tmp_path / "data", "abc")
    (data / "text").write_text("a x\nc x\nb x\n")
    command = ["data", "shards", "--data", str(data), "--out", str(tmp_path / "out"), "--count"]
    assert main([*command, "2"]) == 1 and "data/text:3: 'b' is out of order" in capsys.readouterr().err
    (data / "text").write_text("\n")
    assert main([*command, "2"]) == 1 and "data/text: no utterances" in capsys.readouterr().err
    assert main([*command, "0"]) == 1 and "--count 0 is no number of shards" in capsys.readouterr().err
    (data / "text").unlink()
    assert main([*command, "2"]) == 1 and "data/text: no such file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_shards_know_what_they_were_cut_from(tmp_path):
    data = data_folder(tmp_path / "data", "abcd")
    cut(data, tmp_path / "out", 2)
    first, second = shard_folders(tmp_path / "out")
    keys = [fingerprint(first), fingerprint(second)]
    text = read_table(data / "text")
    write_table(data / "text", text | {"d": "other"})
    with pytest.raises(UserError, match=r"made from an older .*data/text; rerun stage 2 \(format wavs\)"):
        fingerprint(first)
    cut(data, tmp_path / "out", 2)
    assert fingerprint(first) == keys[0] and fingerprint(second) != keys[1]  # what was made of the first stays good
    os.utime(data / "text")
    cut(data, tmp_path / "out", 2)
    assert fingerprint(first) == keys[0]


def test_missing_shards_are_named(tmp_path):
    cut(data_folder(tmp_path / "data", "abc"), tmp_path / "out", 3)
    assert [shard.name for shard in shard_folders(tmp_path / "out")] == ["0001-of-0003", "0002-of-0003", "0003-of-0003"]
    (tmp_path / "out/shards/0002-of-0003.partial").mkdir()  # as one that is in the making
    assert len(shard_folders(tmp_path / "out")) == 3
    shutil.rmtree(tmp_path / "out/shards/0002-of-0003")
    for read in (lambda: read_table(tmp_path / "out/text"), lambda: need(tmp_path / "out/text", "2 (format wavs)")):
        with pytest.raises(UserError, match="out/shards: 1 of 3 shards are missing, 0002-of-0003 first"):
            read()
    (tmp_path / "out/shards" / shard_name(1, 2)).mkdir()
    with pytest.raises(UserError, match="0001-of-0002"):
        shard_folders(tmp_path / "out")


def test_names_sort_as_numbers_and_some_are_even():
    for count in (1, 9999, 10_000, 123_456):
        names = [shard_name(number, count) for number in sorted({1, 2, 10, min(count, 9999), count})]
        assert names == sorted(names)
    assert some_of(range(10), 4) == [0, 2, 5, 7] and some_of("abc", 5) == ["a", "b", "c"] and some_of([], 2) == []


def test_tables_of_a_set(tmp_path):
    cut(data_folder(tmp_path / "data", "abcd", utt2lang={"c": "en"}), tmp_path / "out", 2)
    assert tables_of(tmp_path / "data/text") == [tmp_path / "data/text"]
    assert tables_of(tmp_path / "data/none") == tables_of(tmp_path / "out/none") == []
    assert len(tables_of(tmp_path / "out/utt2lang")) == 2
    write_table(tmp_path / "out/shards/0002-of-0002/text", {"a": "again"})
    with pytest.raises(UserError, match="'a' stands in another shard, too"):
        read_table(tmp_path / "out/text")


def test_what_another_cut_left_goes(tmp_path):
    cut(data_folder(tmp_path / "data", "abcd"), tmp_path / "two", 2)
    out = tmp_path / "out"
    (out / "wav").mkdir(parents=True)
    for name in ("done.json", "text", "shards/0001-of-0003/text", "shards/0001-of-0003.partial/text",
                 "shards/0001-of-0002/text", "shards/0002-of-0002.lock/x"):  # fmt: skip
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).touch()
    assert parts_of(tmp_path / "two", out) == [Path("shards/0001-of-0002"), Path("shards/0002-of-0002")]
    assert sorted(path.name for path in out.rglob("*") if path.is_dir()) == [
        "0001-of-0002", "0002-of-0002.lock", "shards"
    ]  # fmt: skip
    (out / "mine").touch()  # nothing that a stage has made
    assert parts_of(tmp_path / "two", out, 2) == [Path("shards/0002-of-0002")] and (out / "mine").exists()
    with pytest.raises(UserError, match="two: has no shard 3, but 2"):
        parts_of(tmp_path / "two", out, 3)
    assert parts_of(tmp_path / "data", out, 1) == [Path(".")] and (out / "mine").exists()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Stages 4 and 5 of one set, whole and of three shards."""
    root = tmp_path_factory.mktemp("both")
    for name in ("whole", "shards"):
        for number, (part, count) in enumerate({"train": 20, "test": 4}.items()):
            make_set(root / name, part, count, number)
    for part in ("raw", "align"):
        folder = root / "shards" / part / "train"
        folder.rename(folder.with_name("uncut"))
        into_shards(folder.with_name("uncut"), folder, 3)
    for name in ("whole", "shards"):
        run_fit(root / name)
        for part in ("train", "test"):
            run_encode(root / name, part)
        run_tokens(root / name)
    return root


def into_shards(folder, out, count):
    """What a stage has made, as it would have made it in shards."""
    tables = {path.name: read_table(path) for path in folder.iterdir() if path.suffix != ".wav"}
    utterances = list(next(table for name, table in tables.items() if not name.startswith("spk2")))
    for number in range(count):
        shard = out / "shards" / shard_name(number + 1, count)
        shard.mkdir(parents=True)
        mine = utterances[number * len(utterances) // count : (number + 1) * len(utterances) // count]
        for name, table in tables.items():
            if not name.startswith("spk2"):
                write_table(shard / name, {u: table[u].replace(f"/{out.name}/", f"/{folder.name}/") for u in mine})


def test_stages_4_and_5_over_shards_make_the_same(both):
    assert (both / "whole/tokens/list/stats.yaml").read_bytes() == (both / "shards/tokens/list/stats.yaml").read_bytes()
    assert (both / "whole/tokens/list/tokens.txt").read_bytes() == (both / "shards/tokens/list/tokens.txt").read_bytes()
    assert len(shard_folders(both / "shards/codes/train")) == len(shard_folders(both / "shards/tokens/train")) == 3
    for name in ("train", "test"):
        one, other = (
            Dataset(both / n / "tokens" / name, Tokens.read(both / n / "tokens/list")) for n in ("whole", "shards")
        )
        assert list(one.ids) == list(other.ids) and len(one) == len(other) > 0
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a.codes, b.codes)
            np.testing.assert_array_equal(a.durations, b.durations)
    places = read_table(both / "shards/codes/train/codes.scp")
    assert len(places) == 20 and "/codes/train/shards/0001-of-0003/codes.ark:" in next(iter(places.values()))
    assert all(len(CodesReader().read(place)) for place in places.values())


def test_a_shard_by_itself_is_what_it_is_among_all(both, tmp_path):
    """And nothing of the others is touched."""
    shutil.copytree(both / "shards", tmp_path / "shards")
    root = tmp_path / "shards"
    kept = {path: path.read_bytes() for path in (root / "codes/train/shards/0002-of-0003").iterdir()}
    shutil.rmtree(root / "codes/train/shards/0002-of-0003")
    with pytest.raises(UserError, match="1 of 3 shards are missing, 0002-of-0003 first"):
        run_tokens(root)
    run_encode(root, "train", "--shard", "2")
    made = {path: path.read_bytes() for path in (root / "codes/train/shards/0002-of-0003").iterdir()}
    assert {path.name for path in made} == {path.name for path in kept}
    ark = root / "codes/train/shards/0002-of-0003/codes.ark"
    assert made[ark] == kept[ark]
    with pytest.raises(UserError, match="has no shard 4, but 3"):
        run_encode(root, "train", "--shard", "4")


def test_arrays_of_jobs_make_the_token_list_first(both, tmp_path):
    """As tts.sh calls the command: the list, each shard, then what is left, which is the index."""
    root = tmp_path / "shards"
    shutil.copytree(both / "shards", root)
    before = {path.relative_to(root): path.read_bytes() for path in files(root / "tokens")}
    shutil.rmtree(root / "tokens")
    folders = [word for part in ("raw", "align", "codes") for word in (f"--{part}", f"{root}/{part}")]
    command = ["tokens", *folders, "--codec", f"{root}/codec", "--out", f"{root}/tokens", "--sets"]
    assert main([*command, "train", "--list_only"]) == 0
    assert [path.name for path in (root / "tokens").iterdir()] == ["list"]
    for number in ("3", "1", "2"):
        assert main([*command, "train", "--shard", number]) == 0
    made = [shard.stat().st_mtime_ns for shard in shard_folders(root / "tokens/train")]
    assert main([*command, "train", "test"]) == 0
    assert made == [shard.stat().st_mtime_ns for shard in shard_folders(root / "tokens/train")]
    after = {path.relative_to(root): path.read_bytes() for path in files(root / "tokens")}
    assert after.keys() == before.keys()
    assert {n: b for n, b in after.items() if n.suffix != ".scp"} == {
        n: b for n, b in before.items() if n.suffix != ".scp"
    }


def files(folder):
    """Without those that hold paths and times of change."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json"]


def test_stages_2_and_3_over_shards(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prompts = Path(__file__).parents[2] / "ellav/pretrained/mini/prompts"
    said = {"kal1": "The lizard drifted merrily behind the apartment in March.", "slt1": "Quite another sentence."}
    Path("data").mkdir()
    DataFolder({id: str(prompts / f"{id}.flac") for id in said}, said, {id: id for id in said}).write("data")
    assert main(["data", "shards", "--data", "data", "--out", "split", "--count", "2"]) == 0
    for source, name in (("data", "whole"), ("split", "shards")):
        assert main(["format-wavs", "--data", source, "--out", f"{name}/raw", "--speed-perturb-factors", "0.8"]) == 0
        assert main(["phones", "--data", f"{name}/raw", "--out", f"{name}/phones"]) == 0
        folders = ["--data", f"{name}/raw", "--phones", f"{name}/phones", "--out", f"{name}/align"]
        assert main(["align", *folders]) == 0
    for name in ("raw/utt2num_samples", "raw/utt2original", "phones/phones", "align/ends", "align/phones"):
        assert read_table(f"shards/{name}") == read_table(f"whole/{name}") != {}
    assert [read_table(s / "text").keys() for s in shard_folders(Path("shards/raw"))] == [
        {"kal1", "sp0.8-kal1"}, {"slt1", "sp0.8-slt1"}
    ]  # fmt: skip
    for utterance, place in read_table("shards/raw/wav.scp").items():
        assert place.startswith("shards/raw/shards/000") and "-of-0002/wav.ark:" in place
        assert read_sound(place) == Path(f"whole/raw/wav/{utterance}.flac").read_bytes()
        rate, wav = kaldiio.load_mat(place)
        assert rate == 16000 and np.array_equal(wav.astype(np.float32), read_all(place).wav[:, 0])
    assert not list(Path("shards").rglob("*.flac"))
    for utterance, recording in recordings_of(Path("shards/raw"), Path("shards/phones"), Path("sounds")).items():
        assert recording.wav.read_bytes() == Path(f"whole/raw/wav/{utterance}.flac").read_bytes()
        assert recording.speaker == utterance and recording.phones.words
    assert len(list(Path("sounds").iterdir())) == 4
    one, other = (Speech(Path(f"{n}/raw"), 16000, align=Path(f"{n}/align")) for n in ("whole", "shards"))
    assert one.phones == other.phones
    for utterance in ("kal1", "sp0.8-slt1"):
        piece = Piece(np.zeros(16000), utterance, 0.5)
        assert (
            np.array_equal(one.phones_in(piece, 50), other.phones_in(piece, 50)) and len(one.phones_in(piece, 50)) == 50
        )
    write_table("data/text", said | {"slt1": "Quite another phrase."})
    first = read_record("shards/raw/shards/0001-of-0002")
    assert main(["phones", "--data", "shards/raw", "--out", "shards/phones"]) == 1
    assert main(["data", "shards", "--data", "data", "--out", "split", "--count", "2"]) == 0
    assert main(["format-wavs", "--data", "split", "--out", "shards/raw", "--speed-perturb-factors", "0.8"]) == 0
    assert read_record("shards/raw/shards/0001-of-0002") == first
    assert read_table("shards/raw/text")["slt1"] == "Quite another phrase."
    assert main(["format-wavs", "--data", "data", "--out", "shards/raw"]) == 0  # and back to a set that is not cut
    assert not Path("shards/raw/shards").exists() and len(read_table("shards/raw/text")) == 2


def test_a_format_of_shards_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prompts = Path(__file__).parents[2] / "ellav/pretrained/mini/prompts"
    wavs = {id: str(prompts / f"{id}.flac") for id in ("kal1", "kal4", "slt1")}
    Path("data").mkdir()
    DataFolder(wavs, dict.fromkeys(wavs, "Hello."), {id: id for id in wavs}).write("data")
    assert main(["data", "shards", "--data", "data", "--out", "split", "--count", "2"]) == 0
    command = ["format-wavs", "--data", "split", "--out", "raw"]
    assert main(command) == 0
    shard = Path("raw/shards/0002-of-0002")
    before = {path.name: path.read_bytes() for path in shard.iterdir()}
    assert before["wav.scp"].count(b"\n") == 2
    shutil.rmtree(shard)
    made, one = [], format_wavs.format_one

    def until_the_second(*given):
        made.append(given[-1].utterance)
        if len(made) == 2:
            raise KeyboardInterrupt
        return one(*given)

    monkeypatch.setattr(format_wavs, "format_one", until_the_second)
    assert main(command) == 130
    made[:] = ["none"] * 3
    assert main(command) == 0 and made[3:] == ["slt1"]
    assert {path.name: path.read_bytes() for path in shard.iterdir()} == before


def test_sounds_of_an_ark_for_programs_that_read_files(tmp_path):
    content = (Path(__file__).parents[2] / "ellav/pretrained/mini/prompts/kal1.flac").read_bytes()
    (tmp_path / "wav.ark").write_bytes(b"one " + sound_entry(content))
    place = f"{tmp_path}/wav.ark:4"
    made = as_file(place, tmp_path / "files", "one")
    assert made == tmp_path / "files/one.flac" and made.read_bytes() == content
    assert as_file("any.wav", tmp_path / "files", "one") == Path("any.wav")
    assert kept_in(Path(place)) == tmp_path and kept_in("any.wav") == Path("any.wav")
    for offset, message in ((3, "no audio stands there"), (9, "no audio stands there")):
        with pytest.raises(UserError, match=f"wav.ark:{offset}: {message}"):
            read_sound(f"{tmp_path}/wav.ark:{offset}")
    (tmp_path / "wav.ark").write_bytes((tmp_path / "wav.ark").read_bytes()[:-9])
    with pytest.raises(UserError, match=f"{len(content)} bytes announced, {len(content) - 9} there; rerun stage 2"):
        read_all(place)
    with pytest.raises(UserError, match=r"none.ark:4: not readable \(no such file\)"):
        read_all(f"{tmp_path}/none.ark:4")
    assert file_problem(place, False) is None
    assert file_problem(f"{tmp_path}/none.ark:4", False) == f"{tmp_path}/none.ark:4: no such file"


def test_cores_of_a_job():
    """As many processes as Slurm gave the job, or as this process may use."""
    code = "from ellav.data.parallel import cores; print(cores())"
    for given_, wanted in (("3", "3"), ("", str(len(os.sched_getaffinity(0))))):
        environment = {**os.environ, "SLURM_CPUS_PER_TASK": given_}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == wanted
