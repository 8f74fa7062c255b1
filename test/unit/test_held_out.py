"""`ellav data split`: a folder of any size in two, a line at a time, as if all of it were held in memory."""

import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracing import peak_into

from ellav.bin.main import main
from ellav.data.checks import TABLES
from ellav.data.held_out import draw, pool_of, write_part
from ellav.data.kaldi import DataFolder, invert, read_table, write_table
from ellav.data.splitting import cut

WORD = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=4)
FOLDERS = st.dictionaries(WORD, st.tuples(WORD, st.sampled_from(["a", "é", "b c", "s"])), min_size=2, max_size=12)
"""Utterance -> text, speaker."""


def write(folder, rows):
    folder.mkdir(parents=True)
    said, speakers = ({key: row[place] for key, row in rows.items()} for place in (0, 1))
    DataFolder({key: f"{key}.wav" for key in rows}, said, speakers).write(folder)
    return folder


def reference(data, utterances, speakers, seed):
    """The utterances held out, and the others, with the whole folder in memory."""
    folder = DataFolder.read(data)
    pool = [key for key in folder.wavs if not speakers or folder.speakers[key] in speakers]
    held = set(random.Random(seed).sample(pool, utterances or len(pool)))
    return sorted(held), [key for key in folder.wavs if key not in held and not (speakers and key in pool)]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "done.json"}


@settings(max_examples=40)
@given(
    FOLDERS,
    st.integers(1, 12),
    st.sets(st.sampled_from(["a", "é", "b c"]), max_size=2),
    st.integers(0, 9),
    st.booleans(),
)
def test_it_is_what_a_whole_table_gives(tmp_path_factory, rows, count, speakers, seed, of_all):
    root = tmp_path_factory.mktemp("split")
    data = write(root / "data", rows)
    there = {speaker for _, speaker in rows.values()}
    utterances = None if of_all and speakers else count
    said = ["data", "split", "--data", data, "--held-out", root / "a", "--rest", root / "b", "--seed", seed]
    said += ["--utterances", utterances] if utterances else []
    said += ["--speakers", *sorted(speakers)] if speakers else []
    size = sum(not speakers or speaker in speakers for _, speaker in rows.values())
    good = speakers <= there and (utterances or size) <= size and (size if speakers else count) < len(rows)
    assert main(list(map(str, said))) == (0 if good else 1)
    if not good:
        assert not (root / "a").exists() and not (root / "b").exists()
        return
    folder = DataFolder.read(data)
    for out, kept in zip((root / "a", root / "b"), reference(data, utterances, speakers, seed), strict=True):
        want = root / f"want {out.name}"
        want.mkdir()
        DataFolder(*({key: t[key] for key in kept} for t in (folder.wavs, folder.text, folder.speakers))).write(want)
        write_table(want / "spk2utt", invert({key: folder.speakers[key] for key in sorted(kept, key=str.encode)}))
        assert content(out) == content(want)
    shutil.rmtree(root)


def test_a_set_in_shards_is_split_as_the_whole_one(tmp_path):
    rows = {f"s{number % 3}-{number:02}": ("x", f"s{number % 3}") for number in range(20)}
    whole = write(tmp_path / "whole", rows)
    cut(whole, tmp_path / "cut", 4)
    for name in ("whole", "cut"):
        pool = pool_of(tmp_path / name, ["s1", "s2"])
        for held in (True, False):
            (tmp_path / f"{name} {held}").mkdir()
            write_part(tmp_path / name, tmp_path / f"{name} {held}", pool, draw(pool, 5, 1), held)
    for held in (True, False):
        assert content(tmp_path / f"whole {held}") == content(tmp_path / f"cut {held}")
    first, second = (tmp_path / f"cut/shards/000{number}-of-0004/text" for number in (1, 2))
    second.write_text(first.read_text().splitlines(keepends=True)[0] + second.read_text())
    assert main(
        ["data", "split", "--data", str(tmp_path / "cut"), "--held-out", "a", "--rest", "b", "--utterances", "1"]
    )


@pytest.mark.parametrize(
    ("table", "content", "message"),
    [
        ("text", "s-1 a\ns-4 a\n", "data: utterance 's-2' is only in wav.scp (3 such in text)"),
        ("utt2spk", "s-0 s\ns-1 s\ns-2 s\ns-3 s\n", "data: utterance 's-0' is only in utt2spk (1 such in utt2spk)"),
        ("text", "s-1 a\ns-3 a\ns-2 a\n", "text:3: 's-2' is out of order"),
        ("text", "s-1 a\ns-1 a\ns-2 a\n", "text:2: 's-1' stands twice"),
    ],
)
def test_tables_that_do_not_fit_are_named_before_anything_is_written(
    tmp_path, monkeypatch, capsys, table, content, message
):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "data", {f"s-{number}": ("a", "s") for number in (1, 2, 3)})
    Path("data", table).write_text(content)
    split = ["data", "split", "--data", "data", "--held-out", "a", "--rest", "b", "--utterances", "1"]
    assert main(split) == 1 and message in capsys.readouterr().err
    assert not Path("a").exists() and not Path("a.partial").exists()


def test_memory_does_not_grow_with_the_folder(tmp_path):
    peaks = []
    for count in (2000, 8000):
        data = tmp_path / str(count)
        data.mkdir()
        for name in TABLES:  # speakers in turn: those of no speaker are neighbours
            lines = (f"{number:06} {'s' * (1 + number % 7) if name == 'utt2spk' else 'x'}\n" for number in range(count))
            (data / name).write_text("".join(lines))
        (tmp_path / f"{count} out").mkdir()
        with peak_into(peaks):
            pool = pool_of(data, [])
            write_part(data, tmp_path / f"{count} out", pool, draw(pool, 50, 0), held=False)
        assert len(read_table(tmp_path / f"{count} out/spk2utt")) == 7
    assert peaks[1] < 1.3 * peaks[0]
