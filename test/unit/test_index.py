"""The index of a set says what its tables say, however the set is cut into shards, and follows when they change."""

import errno
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ellav.data import index as indexing
from ellav.data.files import Files, most_open
from ellav.data.index import DESCRIPTION, INDEX, OPTIONAL, SHARDS, TABLES, open_index, write_index
from ellav.data.kaldi import write_table
from ellav.data.outputs import fingerprint
from ellav.data.rows import Column, Rows
from ellav.data.speakers import group_by_speaker
from ellav.errors import UserError
from ellav.testing.repeat import checksums

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=6)
VALUES = st.lists(WORDS, max_size=40).map(" ".join)


def write_set(folder: Path, rows: list[dict], shards: list[int] | None = None) -> None:
    """rows: table -> value, and "id". shards: where all but the first begin; None for tables without shards."""
    bounds = [0, *sorted(shards or []), len(rows)]
    for number, (begin, end) in enumerate(pairwise(bounds)):
        place = folder if shards is None else folder / SHARDS / f"{number:03}"
        place.mkdir(parents=True, exist_ok=True)
        for name in rows[0].keys() - {"id"}:
            write_table(place / name, {row["id"]: row[name] for row in rows[begin:end]})


def rows_of(count: int, speakers: int = 3, **more) -> list[dict]:
    rng = np.random.default_rng(count)
    return [
        {
            **{name: f"{name} of {i}" + " x" * int(rng.integers(9)) for name in TABLES},
            "id": f"u{i:04}",
            "utt2num_frames": str(rng.integers(1, 900)),
            "utt2spk": f"s{rng.integers(speakers)}",
            **more,
        }
        for i in range(count)
    ]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_the_index_says_what_the_tables_say(tmp_path_factory, data):
    """Any ids, values, speakers, optional tables and shards, empty ones among them."""
    folder = tmp_path_factory.mktemp("set")
    ids = sorted(data.draw(st.sets(WORDS, min_size=1, max_size=70)), key=str.encode)
    names = [*TABLES, *data.draw(st.sets(st.sampled_from(OPTIONAL)))]
    voices = data.draw(st.lists(WORDS, min_size=1, max_size=5))
    rows = [{"id": id, **{name: f"{name} {data.draw(VALUES)}".strip() for name in names}} for id in ids]
    for row in rows:
        row |= {"utt2num_frames": str(data.draw(st.integers(0, 10**6))), "utt2spk": data.draw(st.sampled_from(voices))}
    shards = data.draw(st.none() | st.lists(st.integers(0, len(ids)), max_size=4))
    write_set(folder, rows, shards)
    index = open_index(folder)
    read = Rows(index)
    assert index.lengths.tolist() == [int(row["utt2num_frames"]) for row in rows]
    assert sorted(index.tables) == sorted(names) and len(index.folders) == (1 if shards is None else len(shards) + 1)
    for name in names:
        assert list(read.all(name)) == [(row["id"], row[name]) for row in rows]
        for i in data.draw(st.permutations(range(len(ids))))[:20]:
            assert read.row(name, i) == (ids[i], rows[i][name])
            path, line, _, _ = index.place(name, i)
            assert Path(path).read_text().splitlines()[line].split(" ")[0] == ids[i]
    grouped = group_by_speaker([row["utt2spk"] for row in rows])
    assert index.by_speaker.order.tolist() == grouped.order.tolist()
    assert index.by_speaker.ends.tolist() == grouped.ends.tolist()
    own = [[rows[i]["utt2spk"] for i in some] for some in np.split(grouped.order, grouped.ends[:-1])]
    assert [set(names) for names in own] == [{name} for name in sorted({row["utt2spk"] for row in rows})]


def test_columns_are_sequences(tmp_path):
    write_set(tmp_path, rows_of(40), shards=[17])
    ids = Column(Rows(open_index(tmp_path)), "utt2num_frames", key=True)
    assert ids == [f"u{i:04}" for i in range(40)] and ids != ["u0000"] and ids != "u"
    assert ids[-1] == "u0039" and "u0020" in ids and ids.index("u0020") == 20
    with pytest.raises(IndexError):
        ids[40]


def test_shards_make_the_same_index_as_the_whole(tmp_path):
    rows = rows_of(100)
    for name, shards in (("whole", None), ("one", []), ("many", [16, 17, 60])):
        write_set(tmp_path / name, rows, shards)
    whole, *others = (open_index(tmp_path / name) for name in ("whole", "one", "many"))
    for other in others:
        assert (other.lengths == whole.lengths).all() and (other.by_speaker.order == whole.by_speaker.order).all()
        assert (other.by_speaker.ends == whole.by_speaker.ends).all()


def test_an_index_is_made_once_and_again_when_a_table_changes(tmp_path, monkeypatch):
    made = []
    real = indexing.write_index
    monkeypatch.setattr(indexing, "write_index", lambda *where: made.append(1) or real(*where))
    rows = rows_of(30)
    write_set(tmp_path, rows)
    open_index(tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / INDEX).iterdir()}
    open_index(tmp_path)
    assert len(made) == 1
    os.utime(tmp_path / "durations", (1, 1))  # as an editor that keeps its length
    open_index(tmp_path)
    assert len(made) == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / INDEX).iterdir() if path.suffix == ".npy"} == {
        name: content for name, content in before.items() if name.endswith(".npy")
    }
    (tmp_path / "index.tmp").mkdir()  # of a process that was killed
    write_set(tmp_path, rows_of(31))
    assert len(open_index(tmp_path).lengths) == 31
    write_table(tmp_path / "utt2lang", {f"u{i:04}": "eng" for i in range(31)})
    assert "utt2lang" in open_index(tmp_path).tables and len(made) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*TABLES, "utt2lang", INDEX])


def test_a_set_made_again_has_the_same_index(tmp_path):
    for name in "ab":
        write_set(tmp_path / name, rows_of(70), shards=[20])
        write_index(tmp_path / name)
        os.utime(tmp_path / name / INDEX / DESCRIPTION, (1, 1))
    assert checksums(tmp_path / "a") == checksums(tmp_path / "b")


def test_a_copied_set_is_indexed_at_its_new_place(tmp_path):
    write_set(tmp_path / "a", rows_of(5), shards=[2])
    open_index(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a" / SHARDS / "000" / "text").write_text("")
    index = open_index(tmp_path / "b")
    assert Rows(index).row("text", 0)[0] == "u0000" and index.folders[0].is_relative_to(tmp_path / "b")


@pytest.mark.parametrize("name", ["lengths.npy", "lines.npy", "by_speaker.npy", DESCRIPTION])
@pytest.mark.parametrize("harm", ["torn", "gone", "pickled", "other"])
def test_a_damaged_index_is_made_anew(tmp_path, name, harm):
    write_set(tmp_path, rows_of(50))
    write_index(tmp_path)
    path = tmp_path / INDEX / name
    if harm == "torn":
        os.truncate(path, path.stat().st_size // 2)
    elif harm == "gone":
        path.unlink()
    elif harm == "pickled":
        with open(path, "wb") as stream:
            np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    else:
        path.write_text(json.dumps({"version": 0}))
    assert Rows(open_index(tmp_path)).row("text", 49)[0] == "u0049"


def test_a_set_that_cannot_be_written_is_indexed_for_the_process_and_says_so(tmp_path, monkeypatch, capsys):
    write_set(tmp_path, rows_of(9))

    def refused(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system", "index.lock")

    monkeypatch.setattr(indexing, "locked", refused)
    index = open_index(tmp_path)
    assert Rows(index).row("text", 8)[0] == "u0008" and not (tmp_path / INDEX).exists()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "cannot be written" in said[0] and str(tmp_path) in said[0]


def test_processes_that_open_a_set_at_once_make_one_index(tmp_path):
    write_set(tmp_path, rows_of(2000))
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(open_index, [tmp_path] * 4))
    assert all((one.lengths == opened[0].lengths).all() for one in opened)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*TABLES, INDEX])


def swap(folder):
    lines = (folder / "durations").read_text().splitlines()
    (folder / "durations").write_text("\n".join([*lines[:1], lines[2], lines[1], *lines[3:]]) + "\n")


HARMS = {
    "another utterance": (
        lambda f: write_table(f / "phones", {f"u{i:04}": "a" for i in range(20) if i != 3} | {"u0002b": "a"}),
        r"phones:4: 'u0002b' stands where 'u0003' should; rerun stage 5",
    ),
    "out of order": (swap, r"durations:2: 'u0002' stands where 'u0001' should"),
    "one too few": (
        lambda f: write_table(f / "text", {f"u{i:04}": "a" for i in range(19)}),
        r"same utterances: 'u0019' is in utt2num_frames, and text ends before it; rerun stage 5",
    ),
    "one too many": (
        lambda f: write_table(f / "text", {f"u{i:04}": "a" for i in range(21)}),
        r"same utterances: 'u0020' is in text, and utt2num_frames ends before it",
    ),
    "no number": (
        lambda f: write_table(f / "utt2num_frames", {f"u{i:04}": "1" if i != 5 else "-1" for i in range(20)}),
        r"utt2num_frames:6: '-1' is no number of frames; rerun stage 5",
    ),
    "torn": (lambda f: os.truncate(f / "codes.scp", 50), r"codes.scp: its last line is torn; rerun stage 5"),
    "missing": (lambda f: (f / "utt2spk").unlink(), r"utt2spk: no such file; run stage 5"),
}


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("harm", HARMS)
def test_tables_that_do_not_fit_are_named_with_the_line(tmp_path, harm, sharded):
    write_set(tmp_path, rows_of(20), shards=[] if sharded else None)
    place = tmp_path / SHARDS / "000" if sharded else tmp_path
    HARMS[harm][0](place)
    with pytest.raises(UserError, match=HARMS[harm][1]) as caught:
        open_index(tmp_path)
    assert str(place) in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / INDEX).exists()


def test_shards_with_other_tables_are_refused(tmp_path):
    write_set(tmp_path, rows_of(20), shards=[10])
    write_table(tmp_path / SHARDS / "001" / "pauses", {f"u{i:04}": "" for i in range(10, 20)})
    with pytest.raises(UserError, match="only some of its shards have the table pauses"):
        open_index(tmp_path)
    shutil.rmtree(tmp_path / SHARDS / "000")
    shutil.rmtree(tmp_path / SHARDS / "001")
    with pytest.raises(UserError, match="no shards; rerun stage 5"):
        open_index(tmp_path)


def test_a_set_without_utterances_is_refused(tmp_path):
    write_set(tmp_path, rows_of(3), shards=[])
    for name in TABLES:
        (tmp_path / SHARDS / "000" / name).write_text("")
    with pytest.raises(UserError, match="no utterances"):
        open_index(tmp_path)


def test_the_fingerprint_of_a_set_without_a_record_covers_its_shards(tmp_path):
    write_set(tmp_path, rows_of(6), shards=[3])
    before = fingerprint(tmp_path)
    open_index(tmp_path)
    assert fingerprint(tmp_path) == before
    write_table(tmp_path / SHARDS / "001" / "text", {f"u{i:04}": "other" for i in range(3, 6)})
    assert fingerprint(tmp_path) != before


def test_only_so_many_files_stay_open(tmp_path):
    paths = [tmp_path / f"{i}" for i in range(6)]
    for path in paths:
        path.write_text(path.name * 4)
    files = Files(lambda path, error: UserError(path), most=3)
    before = len(os.listdir("/proc/self/fd"))
    for path in [*paths, *reversed(paths)]:
        assert files.read(path, 2, 1) == path.name.encode() * 2 and files.read(path, 9, 2) == path.name.encode() * 2
    assert len(os.listdir("/proc/self/fd")) == before + 3
    with pytest.raises(UserError, match="gone"):
        files.read(tmp_path / "gone", 1, 0)
    assert most_open() >= 8
