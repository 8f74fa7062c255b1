"""Alignments made elsewhere: MFA's TextGrids and Kaldi's ctm onto our phones."""

import math

import numpy as np
import pytest
from praatio import textgrid

from ellav.errors import UserError
from ellav.plugins.aligners import Alignment, AlignmentError, Recording, accepts, aligners
from ellav.plugins.text import Phones

# "the cat", a pause at a comma, "sat"
PHONES = Phones(
    ["sp", "DH", "AH0", "K", "AE1", "T", "sp", "S", "AE1", "T", "sp"],
    [-1, 0, 0, 1, 1, 1, -1, 2, 2, 2, -1],
    ["THE", "CAT", "SAT"],
)
SPOKEN = [
    ("sil", 0.0, 0.2), ("DH", 0.2, 0.25), ("AH0", 0.25, 0.3), ("K", 0.3, 0.4), ("AE1", 0.4, 0.5), ("T", 0.5, 0.6),
    ("sp", 0.6, 0.8), ("S", 0.8, 0.9), ("AE1", 0.9, 1.0), ("T", 1.0, 1.1), ("", 1.1, 1.3),
]  # fmt: skip
ENDS = [0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 0.9, 1.0, 1.1, 1.3]


def recording(phones=PHONES, speaker="anna", seconds=1.3):
    return Recording("x.flac", seconds, speaker, phones)


def write_grid(path, spoken, tier="phones", kind="long_textgrid", more=()):
    grid = textgrid.Textgrid()
    length = spoken[-1][2]
    for name, entries in [("words", [("cat", 0.0, length)]), *more, (tier, spoken)]:
        grid.addTier(textgrid.IntervalTier(name, [(a, b, label) for label, a, b in entries], 0, length))
    path.parent.mkdir(parents=True, exist_ok=True)
    grid.save(str(path), format=kind, includeBlankSpaces=True)


def imported(tmp_path, recordings, name="textgrid", **conf):
    aligner = aligners.create(name, {"folder": tmp_path, **conf} if name == "textgrid" else conf)
    assert accepts(aligner, "whatever") and not hasattr(aligner, "align")
    return list(aligner.align_set(recordings, tmp_path / "work", 1))


def one(tmp_path, spoken=SPOKEN, target=None, **conf):
    write_grid(tmp_path / "u.TextGrid", spoken)
    return imported(tmp_path, {"u": target or recording()}, **conf)[0]


@pytest.mark.parametrize("kind", ["long_textgrid", "short_textgrid"])
@pytest.mark.parametrize(
    "place", ["anna-1.TextGrid", "anna/anna-1.TextGrid", "anna/1.TextGrid", "deep/er/anna-1.textgrid"]
)
def test_textgrids_in_flat_and_nested_folders(tmp_path, kind, place):
    write_grid(tmp_path / place, SPOKEN, kind=kind)
    (made,) = imported(tmp_path, {"anna-1": recording()})
    assert isinstance(made, Alignment) and math.isnan(made.score)
    np.testing.assert_allclose(made.ends, ENDS)


HAND_WRITTEN = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 0.9
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "bert - phones"
        xmin = 0
        xmax = 0.9
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 0.9
            text = ""
    item [2]:
        class = "IntervalTier"
        name = "anna - phones"
        xmin = 0
        xmax = 0.9
        intervals: size = 4
        intervals [1]:
            xmin = 0.0
            xmax = 0.31
            text = "ɐ̯"
        intervals [2]:
            xmin = 0.31
            xmax = 0.52
            text = "spn"
        intervals [3]:
            xmin = 0.52
            xmax = 0.8
            text = "say ""t"""
        intervals [4]:
            xmin = 0.8
            xmax = 0.9
            text = ""
'''


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_tier_of_one_of_several_speakers_as_praat_writes_it(tmp_path, encoding):
    (tmp_path / "u.TextGrid").write_text(HAND_WRITTEN, encoding=encoding)
    phones = Phones(["sp", "ɐ̯", "t", "sp"], [-1, 0, 1, -1], ["er", "t"])
    (tmp_path / "map").write_text('"t" x\n')
    (made,) = imported(tmp_path, {"u": recording(phones, seconds=0.9)}, silences=["spn"])
    assert isinstance(made, AlignmentError) and "phone 3, 't' of 't'," in str(made) and "0.52 s" in str(made)
    (tmp_path / "u.TextGrid").write_text(HAND_WRITTEN.replace('say ""t""', "t"), encoding=encoding)
    (made,) = imported(tmp_path, {"u": recording(phones, seconds=0.9)}, silences="spn,nsn")  # as on the command line
    np.testing.assert_allclose(made.ends, [0, 0.52, 0.8, 0.9])


def test_silence_without_an_sp_of_ours_goes_to_the_phone_before(tmp_path):
    joined = Phones(
        [*PHONES.phones[:6], *PHONES.phones[7:]], [*PHONES.word_of_phone[:6], *PHONES.word_of_phone[7:]], PHONES.words
    )
    made = one(tmp_path, target=recording(joined))
    np.testing.assert_allclose(made.ends, [0.2, 0.25, 0.3, 0.4, 0.5, 0.8, 0.9, 1.0, 1.1, 1.3])


def test_an_sp_of_ours_without_silence_is_empty(tmp_path):
    tight = [(label, min(a, 0.6) if label != "sp" else a, b) for label, a, b in SPOKEN if a < 0.6]
    tight += [("S", 0.6, 0.9), ("AE1", 0.9, 1.0), ("T", 1.0, 1.3)]
    made = one(tmp_path, tight)
    np.testing.assert_allclose(made.ends, [0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.6, 0.9, 1.0, 1.3, 1.3])


def relabelled(table):
    return [(table.get(label, label), a, b) for label, a, b in SPOKEN]


def test_stress_and_other_silences_and_a_map(tmp_path):
    assert isinstance(one(tmp_path, relabelled({"AH0": "AH", "AE1": "AE"})), Alignment)
    odd = relabelled({"sp": "<breath>", "DH": "ð"})
    refused = one(tmp_path, odd)
    assert "phone 2, 'DH' of 'THE', is 'ð' at 0.20 s" in str(refused)
    (tmp_path / "map").write_text("ð DH\n", encoding="utf-8")
    refused = one(tmp_path, odd, phone_map=tmp_path / "map")
    assert "phone 8, 'S' of 'SAT', is '<breath>' at 0.60 s" in str(refused)
    made = one(tmp_path, odd, phone_map=tmp_path / "map", silences=["<breath>"])
    np.testing.assert_allclose(made.ends, ENDS)
    (tmp_path / "map").write_text("one two three\n")
    with pytest.raises(UserError, match=r"map:1: expected 'THEIRS OURS'"):
        one(tmp_path, phone_map=tmp_path / "map")


def test_variants_of_ipa(tmp_path):
    phones = Phones(["sp", "ˈiː", "tʃ", "sp"], [-1, 0, 0, -1], ["each"])
    made = one(tmp_path, [("i", 0, 0.5), ("t͡ʃ", 0.5, 1.0)], recording(phones, seconds=1.0))
    np.testing.assert_allclose(made.ends, [0, 0.5, 1.0, 1.0])
    tone = Phones(["sp", "a1", "sp"], [-1, 0, -1], ["a"])
    assert isinstance(one(tmp_path, [("a2", 0, 1.3)], recording(tone)), AlignmentError)


def test_a_piece_that_looks_like_silence_is_a_phone(tmp_path):
    phones = Phones(["sp", "▁ba", "sil", "sp"], [-1, 0, 0, -1], ["basil"])
    made = one(tmp_path, [("▁ba", 0, 0.5), ("sil", 0.5, 1.3)], recording(phones))
    np.testing.assert_allclose(made.ends, [0, 0.5, 1.3, 1.3])


@pytest.mark.parametrize(
    ("spoken", "reason"),
    [
        (SPOKEN[:5], "phone 6, 'T' of 'CAT', is missing"),
        ([*SPOKEN[:-1], ("Z", 1.1, 1.3)], "the alignment has 'Z' at 1.10 s"),
        (SPOKEN[:3] + SPOKEN[4:], "phone 4, 'K' of 'CAT', is 'AE1' at 0.40 s"),
        ([(label, 2 * a, 2 * b) for label, a, b in SPOKEN], "ends at 1.80 s, the audio at 1.30 s"),
        ([*SPOKEN[:3], ("spn", 0.3, 0.6), *SPOKEN[6:]], "has 'spn' from 0.30 to 0.60 s, at 'CAT': its aligner did not"),
        ([*SPOKEN[:3], ("SPN", 0.3, 0.31), ("K", 0.31, 0.4), *SPOKEN[4:]], "'SPN' from 0.30 to 0.31 s, at 'CAT'"),
        ([*SPOKEN[:-1], ("<unk>", 1.1, 1.3)], "'<unk>' from 1.10 to 1.30 s, after our last word: its aligner did not"),
    ],
)
def test_the_first_phone_that_differs_is_named(tmp_path, spoken, reason):
    made = one(tmp_path, spoken)
    assert isinstance(made, AlignmentError) and reason in str(made)


def test_files_that_are_missing_double_or_damaged(tmp_path):
    write_grid(tmp_path / "anna/u.TextGrid", SPOKEN)
    write_grid(tmp_path / "bert/u.TextGrid", SPOKEN)
    write_grid(tmp_path / "other.TextGrid", SPOKEN, tier="syllables")
    (tmp_path / "broken.TextGrid").write_text(HAND_WRITTEN[:120])
    (tmp_path / "empty.TextGrid").write_bytes(b"")
    target = {name: recording() for name in ("none", "u", "other", "broken", "empty")}
    target["u"] = recording(speaker="carl")
    reasons = list(map(str, imported(tmp_path, target)))
    assert reasons[0] == "there is no none.TextGrid"
    assert reasons[1].startswith("there are several TextGrids")
    assert "no tier 'phones' of 'anna'; its tiers: 'words', 'syllables'" in reasons[2]
    assert "no TextGrid that can be read" in reasons[3] and "no TextGrid that can be read" in reasons[4]
    assert isinstance(imported(tmp_path, {"u": recording()})[0], Alignment)


def overlapping(by, rounded=3):
    """SPOKEN, each phone ending so many seconds after the next one's start."""
    return [(label, a, round(b + by, rounded)) for label, a, b in SPOKEN[:-1]] + SPOKEN[-1:]


def save_raw(path, spoken):
    """A TextGrid as it is, where `write_grid`'s library would refuse an overlap."""
    head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1.3\n<exists>\n1\n"IntervalTier"\n"phones"\n'
    rows = "".join(f'{start}\n{end}\n"{label}"\n' for label, start, end in spoken)
    path.write_text(f"{head}0\n1.3\n{len(spoken)}\n{rows}")


@pytest.mark.parametrize("by", [0.0004, 0.004, 0.01])
@pytest.mark.parametrize("kind", ["textgrid", "ctm"])
def test_an_overlap_of_rounding_is_mended(tmp_path, kind, by):
    save_raw(tmp_path / "u.TextGrid", overlapping(by))
    (tmp_path / "ctm").write_text(
        "".join(f"u 1 {a} {b - a:.4f} {label or 'SIL'}\n" for label, a, b in overlapping(by, 4))
    )
    conf = {"file": tmp_path / "ctm"} if kind == "ctm" else {}
    (made,) = imported(tmp_path, {"u": recording()}, kind, **conf)
    np.testing.assert_allclose(
        made.ends, [*ENDS[:5], 0.6 + round(by, 3), *ENDS[6:9], 1.1 + round(by, 3), 1.3], atol=1e-3
    )
    assert (np.diff(made.ends) >= 0).all()


def test_a_larger_overlap_names_phones_and_times(tmp_path):
    save_raw(tmp_path / "u.TextGrid", overlapping(0.02))
    (made,) = imported(tmp_path, {"u": recording()})
    expected = "phone 3, 'AH0' of 'THE', starts at 0.250 s, before phone 2, 'DH' of 'THE', ends at 0.270 s"
    assert isinstance(made, AlignmentError) and str(made) == expected


def test_speaker_folders_that_are_links_are_followed_and_circles_end(tmp_path):
    write_grid(tmp_path / "store/0001/1.TextGrid", SPOKEN)
    write_grid(tmp_path / "store/0002/1.TextGrid", [*SPOKEN[:-1], ("Z", 1.1, 1.3)])
    grids = tmp_path / "grids"
    grids.mkdir()
    for speaker, place in (("anna", "0001"), ("bert", "0002")):
        (grids / speaker).symlink_to(tmp_path / "store" / place)
    (grids / "again").symlink_to(grids)
    (tmp_path / "store/0001/back").symlink_to(grids)
    (grids / "gone").symlink_to(tmp_path / "nowhere")
    anna, bert = imported(grids, {"anna-1": recording(), "bert-1": recording(speaker="bert")})
    np.testing.assert_allclose(anna.ends, ENDS)
    assert "the alignment has 'Z' at 1.10 s" in str(bert)


def test_a_file_in_latin_1_says_how_to_convert_it(tmp_path):
    (tmp_path / "u.TextGrid").write_bytes(HAND_WRITTEN.replace("ɐ̯", "é").encode("latin-1"))
    (made,) = imported(tmp_path, {"u": recording()})
    assert isinstance(made, AlignmentError) and "u.TextGrid: not UTF-8: byte " in str(made)
    assert str(made).endswith(f"with `iconv -f ISO-8859-1 -t UTF-8 {tmp_path / 'u.TextGrid'}`")
    (tmp_path / "ctm").write_bytes("u 1 0 0.1 AH\nu 1 0.1 0.1 é\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"ctm: not UTF-8: byte 26, in line 2, is 0xe9; .*iconv -f ISO-8859-1"):
        imported(tmp_path, {"u": recording()}, "ctm", file=tmp_path / "ctm")


POSITIONS = ["SIL", "DH_B", "AH0_E", "K_B", "AE1_I", "T_E", "SIL", "S_B", "AE1_I", "T_E", "SIL"]


def ctm(tmp_path, name="u", offset=0.0, channel="1", labels=POSITIONS):
    rows = [
        f"{name} {channel} {a + offset:.3f} {b - a:.3f} {label}{' 0.98' if label != 'SIL' else ''}\n"
        for label, (_, a, b) in zip(labels, SPOKEN, strict=True)
    ]
    return "".join(rows)


def test_ctm_with_positions_and_symbols(tmp_path):
    file, symbols = tmp_path / "ctm", tmp_path / "phones.txt"
    file.write_text(";; a comment\n" + ctm(tmp_path))
    (made,) = imported(tmp_path, {"u": recording()}, "ctm", file=file)
    np.testing.assert_allclose(made.ends, ENDS, atol=1e-6)
    number = {label: str(n + 1) for n, label in enumerate(dict.fromkeys(POSITIONS))}
    symbols.write_text("<eps> 0\n" + "".join(f"{label} {n}\n" for label, n in number.items()))
    file.write_text(ctm(tmp_path, labels=[number[label] for label in POSITIONS]))
    (made,) = imported(tmp_path, {"u": recording()}, "ctm", file=file, symbols=symbols)
    np.testing.assert_allclose(made.ends, ENDS, atol=1e-6)
    file.write_text("u 1 0 0.1 99\n")
    with pytest.raises(UserError, match=r"ctm:1: phone '99'"):
        imported(tmp_path, {"u": recording()}, "ctm", file=file, symbols=symbols)


def test_ctm_of_recordings_with_segments_and_channels(tmp_path):
    file, segments = tmp_path / "ctm", tmp_path / "segments"
    file.write_text(ctm(tmp_path, "rec", 10.0) + ctm(tmp_path, "rec", 3.0, "2") + ctm(tmp_path, "rec", 3.0))
    segments.write_text("a rec 3.0 4.3\nb rec 10.0 -1\n")
    target = {"a": recording(), "b": recording(), "c": recording()}
    made = imported(tmp_path, target, "ctm", file=file, segments=segments, channel=1)
    for alignment in made[:2]:
        np.testing.assert_allclose(alignment.ends, ENDS, atol=1e-6)
    assert "no line of 'c'" in str(made[2])
    made = imported(tmp_path, target, "ctm", file=file, segments=segments)
    assert isinstance(made[0], AlignmentError)  # both channels at once


@pytest.mark.parametrize("line", ["u 1 0.1 0.1", "u 1 x 0.1 AH", "u 1 -1 0.1 AH", "u 1 0 nan AH"])
def test_a_faulty_ctm_is_named_with_its_line(tmp_path, line):
    (tmp_path / "ctm").write_text(f"u 1 0 0.1 AH\n{line}\n")
    with pytest.raises(UserError, match=r"ctm:2: expected 'ID CHANNEL"):
        imported(tmp_path, {"u": recording()}, "ctm", file=tmp_path / "ctm")


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match="none: not readable"):
        imported(tmp_path, {"u": recording()}, "ctm", file=tmp_path / "none")
    assert "there is no u.TextGrid" in str(imported(tmp_path / "none", {"u": recording()})[0])
