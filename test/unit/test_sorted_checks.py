"""Data folders that are checked a line at a time: nothing is found otherwise than where all of it is in memory."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracing import peak_into

from ellav.data.checks import check_in_memory, check_side_by_side, folder_faults, table_names
from ellav.data.faults import Faults, UnsortedError, listing, rows_in_order, side_by_side
from ellav.data.repairs import mend_side_by_side, repair

IDS = st.sampled_from(["anna-1", "anna-2", "anna-3", "bob-1", "bob-2", "\u00e9mile-1", "e\u0301mile-1", "zoe"])
VALUES = st.sampled_from(
    ["", "a.wav", "gone.wav", "empty.wav", "anna", "bob", "x y", "x  y", "bob-1 0 1", "bob-1 2 1", "c |"]
)
LINES = st.lists(st.tuples(IDS, VALUES, st.sampled_from(["", "\r", " ", "\t"])), max_size=7)
TABLES = st.fixed_dictionaries(
    {"wav.scp": LINES, "text": LINES, "utt2spk": LINES},
    optional={"segments": LINES, "utt2lang": LINES, "spk2utt": LINES, "spk2gender": LINES},
)


@given(TABLES, st.booleans())
@settings(max_examples=200, deadline=None)
def test_side_by_side_finds_what_is_found_in_memory(tables, own_inverse):
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "data"
        folder.mkdir()
        (folder / "a.wav").write_text("sound")
        (folder / "empty.wav").touch()
        for name, lines in tables.items():
            lines = sorted(lines, key=lambda line: line[0].encode())
            if name == "wav.scp":
                lines = [
                    (key, str(folder / value) if value.endswith(".wav") else value, end) for key, value, end in lines
                ]
            (folder / name).write_text("".join(f"{key} {value}{end}\n" for key, value, end in lines), newline="")
        if own_inverse:
            speakers = {}
            for key, value, _ in sorted(tables["utt2spk"], key=lambda line: line[0].encode()):
                speakers.setdefault(value.strip(), []).append(key)
            lines = (f"{name} {' '.join(speakers[name])}\n" for name in sorted(speakers) if name)
            (folder / "spk2utt").write_text("".join(lines))
        for out in ("mended", "streamed"):
            (Path(root) / out).mkdir()
        repair(folder).write(Path(root) / "mended")
        try:
            mend_side_by_side(folder, Path(root) / "streamed")
        except UnsortedError:
            pass
        else:
            written = [
                {path.name: path.read_text() for path in (Path(root) / out).iterdir()} for out in ("mended", "streamed")
            ]
            assert written[0] == written[1]
        whole, streamed = Faults(), Faults()
        check_in_memory(folder, table_names(folder), False, whole)
        try:
            check_side_by_side(folder, table_names(folder), False, streamed)
        except UnsortedError:  # in normal form the ids stand in another order
            assert any("out of order" in kind for kind in whole.counts)
            return
        assert streamed.counts == whole.counts
        for kind, faults in whole.first.items():
            assert sorted(streamed.first[kind]) == sorted(faults)


def test_a_key_has_its_rows_of_all_tables(tmp_path):
    (tmp_path / "one").write_text("a 1\nb 2\nd 4\n")
    (tmp_path / "two").write_text("b 5\nc 6\n")
    found = Faults()
    rows = side_by_side({name: rows_in_order(tmp_path / name, found) for name in ("one", "two")})
    assert [(key, {name: row.value for name, row in some.items()}) for key, some in rows] == [
        ("a", {"one": "1"}),
        ("b", {"one": "2", "two": "5"}),
        ("c", {"two": "6"}),
        ("d", {"one": "4"}),
    ]


@pytest.mark.parametrize("faulty", [False, True])
def test_memory_does_not_grow_with_the_folder(tmp_path, faulty):
    (tmp_path / "a.wav").write_text("sound")
    peaks = []
    for count in (3000, 12_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for name, value in (("wav.scp", tmp_path / "a.wav"), ("text", "X Y"), ("utt2spk", "s1" if faulty else "s")):
            (folder / name).write_text("".join(f"s-{number:06} {value}\n" for number in range(count)))
        with peak_into(peaks):
            found = folder_faults(folder)
        assert len(found) == (count if faulty else 0)
    assert peaks[1] < 1.3 * peaks[0]
    assert len(listing(found, 5)) == (7 if faulty else 0)
