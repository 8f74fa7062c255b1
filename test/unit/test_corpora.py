"""Corpora in their makers' layouts: what is read, how it is divided, and what is left out with which words."""

import http.server
import random
import tarfile
import threading
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from ellav.bin.main import main
from ellav.data.corpora import Spoken, download
from ellav.data.corpora.folder import FolderWriter
from ellav.data.corpora.libriheavy import disagreement
from ellav.data.corpora.librilight import readable_seconds
from ellav.data.corpora.pairing import Listed, Pair, Protocol, drawn, list_line, previous, read_list, some
from ellav.data.corpora.pauses import Lengths, Span, cleaned, cut
from ellav.data.kaldi import DataFolder, read_table, write_table
from ellav.errors import UserError

RATE = 16000


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def reader(root, subset, name, seconds, text="SAID BY SOMEBODY WHO READS A BOOK ALOUD TO ALL", suffix=".flac"):
    """A chapter of LibriSpeech with utterances of these lengths."""
    folder = root / subset / name / "7"
    folder.mkdir(parents=True)
    for number, long in enumerate(seconds):
        sf.write(folder / f"{name}-7-{number:04d}{suffix}", noise(long, number), RATE)
    lines = [f"{name}-7-{number:04d} {text[: max(1, round(11 * long))]}\n" for number, long in enumerate(seconds)]
    (folder / f"{name}-7.trans.txt").write_text("".join(lines))
    return folder


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A folder of LibriSpeech: three readers to train on, two to test on."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "LibriSpeech"
    for name in ("10", "100", "9"):
        reader(root, "train-a", name, [2, 4.5, 5, 3, 2.5, 4.2, 3, 2])
    reader(root, "test-a", "7", [4, 10, 12, 2, 3.5])
    reader(root, "test-a", "8", [5, 1])
    return root


def make(*options):
    return main(["corpus", "librispeech", "--librispeech", ".", *options])


BASE = ("--train-subsets", "train-a", "--valid-readers", "9", "--test-subsets", "test-a")


def test_librispeech_is_read_in_its_own_layout(corpus, capsys):
    assert make(*BASE) == 0
    train, valid = DataFolder.read("data/train"), DataFolder.read("data/valid")
    assert set(train.speakers.values()) == {"10", "100"} and set(valid.speakers.values()) == {"9"}
    assert len(train.wavs) == 16 and train.text["10-7-0000"] == "SAID BY SOMEBODY WHO REA"[:22].strip()
    assert main(["data", "check", "data/train", "data/valid", "data/test_a"]) == 0
    capsys.readouterr()
    assert make(*BASE) == 0
    assert capsys.readouterr().out.count("up to date") == 3


def test_a_test_set_holds_targets_and_their_prompts(corpus):
    assert make(*BASE) == 0
    targets = set(read_table("data/test_a/targets"))
    prompts = {target: line.split() for target, line in read_table("data/test_a/utt2prompt").items()}
    assert targets == {"7-7-0000", "7-7-0001"} == set(prompts)  # 4 to 10 s, the bounds included
    for target, (prompt, start, end) in prompts.items():
        assert prompt != target and prompt in {"7-7-0000", "7-7-0001", "7-7-0002", "7-7-0004"}  # 3 s or more
        assert (start, end) == ("0.00", "3.00")
    assert set(DataFolder.read("data/test_a").wavs) == targets | {line[0] for line in prompts.values()}
    assert main(["format-wavs", "--data", "data/test_a", "--out", "raw"]) == 0
    assert set(read_table("raw/targets")) == targets and read_table("raw/utt2prompt").keys() == targets
    assert main(["data", "fix", "data/test_a", "--out", "fixed"]) == 0
    assert set(read_table("fixed/targets")) == targets
    dropped = read_table("data/test_a/dropped")
    assert list(dropped) == ["8-7-0000"] and "reader 8 has no other utterance of 3 s" in dropped["8-7-0000"]
    assert read_table("data/test_a/dropped_counts") == {"no-prompt": "1 5.0"}


def test_targets_and_prompts_that_are_not_there_are_faults(corpus, capsys):
    assert make(*BASE) == 0
    with open("data/test_a/targets", "a") as out:
        out.write("7-7-0009\n")
    prompts = read_table("data/test_a/utt2prompt")
    write_table("data/test_a/utt2prompt", prompts | {"7-7-0000": "7-7-0008 0.00 3.00"})
    assert main(["data", "check", "data/test_a"]) == 1
    said = capsys.readouterr().out
    assert "targets:3: '7-7-0009'" in said and "utt2prompt:1: '7-7-0000' is prompted by '7-7-0008'" in said


def test_the_pairing_of_valle2_is_the_utterance_before(corpus):
    reader(corpus, "test-b", "5", [4, 5, 2, 6])
    assert make(*BASE[:-1], "test-b", "--pairing", "previous") == 0
    assert read_table("data/test_b/utt2prompt") == {
        "5-7-0000": "5-7-0003",
        "5-7-0001": "5-7-0000",
        "5-7-0003": "5-7-0001",
    }


def test_a_list_that_was_written_can_be_read_and_brings_its_words(corpus):
    assert make(*BASE) == 0
    parts = [line.split("\t") for line in Path("data/test_a/prompts.lst").read_text().splitlines()]
    parts[0][5] = "Words, with punctuation!"
    Path("mine.lst").write_text("".join("\t".join(part) + "\n" for part in parts[:1]))
    assert make(*BASE, "--test-list", "mine.lst") == 0
    made = DataFolder.read("data/test_list")
    assert set(made.wavs) == {parts[0][0], parts[0][3]} and made.text[parts[0][3]] == "Words, with punctuation!"
    assert read_table("data/test_list/utt2prompt") == {parts[0][3]: parts[0][0]}
    assert list(read_table("data/test_list/targets")) == [parts[0][3]]
    assert make(*BASE, "--test-list", "mine.lst", "--prompt-seconds", "2") == 0  # as much as is asked for
    assert read_table("data/test_list/utt2prompt") == {parts[0][3]: f"{parts[0][0]} 0.00 2.00"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--valid-utterances", "-1"), "--valid-utterances must be 0 or more, not -1"),
        (("--most-targets", "-1"), "--most-targets must be 0 or more"),
        (("--hours", "nan"), "--hours must be 0 or more, not nan"),
        (("--least-rate", "nan"), "--least-rate must be 0 or more"),
        (("--nj", "0"), "--nj must be 1 or more"),
        (("--prompt-seconds", "0.01"), "--prompt-seconds is 1 to 60, or 0 for the whole prompt"),
        (("--prompt-seconds", "-1"), "--prompt-seconds is 1 to 60"),
        (("--least-seconds", "10", "--most-seconds", "5"), "--least-seconds 10 is above --most-seconds 5"),
        (("--seen-utterances", "1"), "--seen-utterances must be 2 or more"),
        (("--train-subsets", " "), "--train-subsets names none"),
        (("--train-subsets", "train-a train-a"), "subset 'train-a' is named twice"),
        (("--valid-readers", "random:x"), "write random:N with a whole number"),
        (("--held-out-readers", "10", "--valid-readers", "10"), "reader '10' is among --held-out-readers"),
    ],
)
def test_odd_numbers_and_names_are_told_before_anything_is_read(corpus, capsys, options, message):
    assert make(*BASE, *options) == 1
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1 and not Path("data").exists()


def test_a_reader_without_recordings_is_none_and_lines_of_transcripts_may_hold_tabs(corpus):
    (corpus / "train-a/4242/1").mkdir(parents=True)
    path = corpus / "train-a/10/7/10-7.trans.txt"
    first, second, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first.replace(" ", "\t", 1), second.split(" ")[0], *rest]) + "\n")
    assert make(*BASE) == 0
    made = DataFolder.read("data/train").text | DataFolder.read("data/valid").text
    assert made[first.split(" ")[0]] == first.partition(" ")[2]
    dropped = read_table("data/train/dropped") | read_table("data/valid/dropped")
    assert "10-7.trans.txt:2: " in dropped[second.split(" ")[0]] and "has no words" in dropped[second.split(" ")[0]]
    assert not any(speaker == "4242" for speaker in DataFolder.read("data/train").speakers.values())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("7-7-0000\t4\tA", "mine.lst:1: not `prompt, seconds, words, utterance, seconds, words`"),
        ("7-7-0000\tlong\tA\t7-7-0001\t10\tB", "mine.lst:1: not `prompt"),
        ("7-7-0000\t4\tA\t7-7-0099\t10\tB", "mine.lst:1: '7-7-0099' is not in the test subsets"),
        ("7-7-0000\t4\tA\t7-7-0001\t7\tB", "mine.lst:1: '7-7-0001' has 7 s there and 10.00 s in the corpus"),
        ("7-7-0000\t4\tA\t7-7-0001\t10\tB\n7-7-0000\t4\tC\t7-7-0002\t12\tB", "mine.lst:2: '7-7-0000' has other words"),
        ("7-7-0000\t4\tA\t7-7-0001\t10\tB\n7-7-0002\t12\tC\t7-7-0001\t10\tB", "mine.lst:2: '7-7-0001' is spoken twice"),
        ("7-7-0001\t10\tB\t7-7-0001\t10\tB", "mine.lst:1: '7-7-0001' would be spoken after itself"),
        ("7-7-0000\t4\t \t7-7-0001\t10\tB", "mine.lst:1: not `prompt"),
        ("", "mine.lst: no lines"),
    ],
)
def test_a_faulty_list_is_named_with_its_line(corpus, capsys, line, message):
    Path("mine.lst").write_text(line)
    assert make(*BASE, "--test-list", "mine.lst") == 1
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1


def test_readers_held_out_and_seen_are_tested_and_not_trained_on(corpus):
    options = ("--held-out-readers", "100", "--valid-readers", "", "--valid-utterances", "1", "--seen-utterances", "2")
    assert make("--train-subsets", "train-a", *options) == 0
    sets = {name: DataFolder.read(f"data/{name}") for name in ("train", "valid", "test_seen", "test_unseen")}
    assert set(sets["test_unseen"].speakers.values()) == {"100"}
    for name in ("train", "valid", "test_seen"):
        assert set(sets[name].speakers.values()) == {"10", "9"}
    assert [len(sets[name].wavs) for name in ("train", "valid", "test_seen")] == [10, 2, 4]
    ids = [id for name in ("train", "valid", "test_seen") for id in sets[name].wavs]
    assert len(ids) == len(set(ids)) == 16


def test_libritts_has_two_transcripts_beside_each_recording(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("14", "140"):
        folder = tmp_path / "LibriTTS/train-x" / name / "208"
        folder.mkdir(parents=True)
        for number in range(3):
            id = f"{name}_208_00000{number}_000000"
            sf.write(folder / f"{id}.wav", noise(1.5), 24000)
            (folder / f"{id}.normalized.txt").write_text("Mister Brown, said she.")
            (folder / f"{id}.original.txt").write_text("“Mr. Brown,” said she.\n")
    options = ("--train-subsets", "train-x", "--valid-readers", "140")
    assert make(*options) == 0
    assert DataFolder.read("data/train").text["14_208_000000_000000"] == "Mister Brown, said she."
    assert main(["data", "check", "data/train", "data/valid"]) == 0
    assert make(*options, "--libritts-text", "original") == 0
    assert DataFolder.read("data/train").text["14_208_000002_000000"] == "“Mr. Brown,” said she."


def test_what_is_wrong_with_an_utterance_is_said_and_costs_only_it(corpus, capsys):
    folder = corpus / "train-a/10/7"
    (folder / "10-7-0000.flac").write_text("no audio")
    (folder / "10-7-0001.flac").unlink()
    sf.write(folder / "10-7-0900.flac", noise(3), RATE)  # no transcript
    text = (folder / "10-7.trans.txt").read_text().splitlines()
    text[2] = "10-7-0002 " + 30 * "ANOTHER EDITION OF THE BOOK HAS OTHER WORDS "
    text[3] = "10-7-0003 NO"
    text += [text[4], "10-7-0005 OTHER WORDS"]  # the same again; another transcript
    (folder / "10-7.trans.txt").write_text("\n".join(text) + "\n")
    reader(corpus, "train-a", "11", [1.0])  # who says one word and no more
    (corpus / "train-a/11/7/11-7.trans.txt").write_text("11-7-0000 \n")
    assert make(*BASE) == 0
    dropped = read_table("data/train/dropped")
    reasons = {
        "10-7-0000": "audio: ",
        "10-7-0001": "no-audio: ",
        "10-7-0002": "speaking-rate: 216.0 letters a second, not 3 to 22",
        "10-7-0003": "speaking-rate: 0.7 letters a second",
        "10-7-0005": "no-transcript: ",
        "10-7-0900": "no-transcript: ",
        "11-7-0000": "no-transcript: ",
    }
    assert dropped.keys() == reasons.keys()
    assert "10-7.trans.txt:10: '10-7-0005' has other words here than before" in dropped["10-7-0005"]
    assert [id for id, reason in reasons.items() if not dropped[id].startswith(reason)] == []
    counts = {kind: int(line.split()[0]) for kind, line in read_table("data/train/dropped_counts").items()}
    assert counts == {"audio": 1, "no-audio": 1, "no-transcript": 3, "speaking-rate": 2}
    assert "left out: 1 by audio, 1 by no-audio, 3 by no-transcript, 2 by speaking-rate" in capsys.readouterr().out
    assert len(DataFolder.read("data/train").wavs) == 11


def test_bounds_leave_out_what_is_short_or_long(corpus):
    assert make(*BASE, "--least-seconds", "2.4", "--most-seconds", "4.6") == 0
    assert len(DataFolder.read("data/train").wavs) == 10
    assert read_table("data/train/dropped")["10-7-0000"] == "length: 2.00 s, not 2.4 to 4.6 s"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--librispeech", "nowhere", *BASE), "nowhere: no such folder"),
        (("--train-subsets", "train-b"), "no subset 'train-b' there; it holds LibriSpeech"),
        (("--librispeech", "LibriSpeech/test-a/7", "--train-subsets", "7"), "not a subset of LibriSpeech or LibriTTS"),
        (("--train-subsets", "train-a", "--valid-readers", "12"), "--valid-readers 12: no reader '12'"),
        (("--train-subsets", "train-a", "--valid-readers", "random:3"), "3 readers are there to choose from"),
        (("--train-subsets", "train-a", "--valid-readers", "9 10 100"), "no reader is left to train on"),
        (("--train-subsets", "train-a", "--test-subsets", "train-a"), "'train-a' is both trained on and tested"),
        ((*BASE, "--least-seconds", "30"), "data/train: 0 utterances, 0.00 h; left out: 16 by length"),
    ],
)
def test_what_cannot_be_done_is_one_line(corpus, capsys, options, message):
    assert make(*options) == 1
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1


def test_a_corpus_that_is_not_named_is_asked_for(capsys):
    assert main(["corpus", "librispeech"]) == 1
    assert "where is the corpus? Give --librispeech DIR" in capsys.readouterr().err
    assert main(["corpus", "librilight"]) == 1
    assert "where is the corpus? Give --librilight DIR" in capsys.readouterr().err


def test_a_sample_is_small_in_every_set(corpus):
    for number in range(3):
        reader(corpus, "train-a", f"2{number:02d}", [2] * 24)
        reader(corpus, "test-a", f"3{number:02d}", [5] * 3)
    assert make(*BASE[:3], "random:3", *BASE[4:], "--hours", "0.02") == 0
    train, test = DataFolder.read("data/train"), DataFolder.read("data/test_a")
    assert len(set(train.speakers.values())) == 2 and len(train.wavs) <= 36
    assert len(read_table("data/test_a/targets")) <= 4 and len(set(test.speakers.values())) == 2


def test_sorting_needs_no_memory_and_an_id_that_stands_twice_is_named(tmp_path):
    writer = FolderWriter(tmp_path)
    rng = random.Random(0)
    ids = [f"{rng.choice(['1', '10', '2'])}-{number}" for number in range(500)]
    for id in ids:
        writer.add(Spoken(id, id.partition("-")[0], "words", f"a  b/{id}.wav", 1.0))
    writer.close()
    made = DataFolder.read(tmp_path)
    assert list(made.wavs) == sorted(ids, key=str.encode) and made.wavs[ids[0]] == f"a  b/{ids[0]}.wav"
    assert main(["data", "check", str(tmp_path)]) == 1  # its recordings are not there, and that is all
    writer = FolderWriter(tmp_path)
    for wav in ("a.wav", "b.wav"):
        writer.add(Spoken("1-1", "1", wav, wav, 1.0))
    with pytest.raises(UserError, match="'1-1' stands twice"):
        writer.close()


def said(id, seconds, speaker="1"):
    return Spoken(id, speaker, "words", f"{id}.wav", seconds)


def test_another_seed_of_prompts_changes_nothing_else(corpus):
    assert make(*BASE) == 0
    before = {name: Path(f"data/{name}/done.json").read_bytes() for name in ("train", "valid")}
    targets = read_table("data/test_a/targets")
    drawn_before = read_table("data/test_a/utt2prompt")
    seeds = iter(range(1, 20))
    while read_table("data/test_a/utt2prompt") == drawn_before:
        assert make(*BASE, "--prompt-seed", str(next(seeds))) == 0
    assert read_table("data/test_a/targets") == targets
    assert {name: Path(f"data/{name}/done.json").read_bytes() for name in before} == before


@given(st.lists(st.floats(0.5, 15), min_size=0, max_size=9), st.integers(0, 3))
def test_pairs_are_of_one_reader_and_no_utterance_prompts_itself(seconds, seed):
    spoken = [said(f"1-{number}", long) for number, long in enumerate(seconds)]
    targets = [one for one in spoken if 4 <= one.seconds <= 10]
    protocol = Protocol(seed=seed)
    pairs = drawn(targets, spoken, protocol)
    assert all(pair.target.id != pair.prompt.id and pair.prompt.seconds >= 3 for pair in pairs)
    assert pairs == drawn(targets, spoken, protocol)
    others = sum(one.seconds >= 3 for one in spoken)
    assert len(pairs) == (len(targets) if others > 1 else 0)
    ring = previous(targets)
    assert [pair.target for pair in ring] == (targets if len(targets) > 1 else [])
    assert sorted(pair.prompt.id for pair in ring) == sorted(pair.target.id for pair in ring)
    assert some(targets, 3, seed) == some(targets, 3, seed) and len(some(targets, 3, seed)) == min(3, len(targets))


def test_a_line_of_a_list_is_read_as_f5_tts_publishes_it(tmp_path):
    line = "4992-41806-0009\t4.355\texclaimed Bill.\t4992-23283-0000\t6.645\tBut the more\n"
    (tmp_path / "a.lst").write_text(line)
    row = Listed("4992-41806-0009", 4.355, "exclaimed Bill.", "4992-23283-0000", 6.645, "But the more")
    assert read_list(tmp_path / "a.lst") == [row._replace(number=1)]
    pair = Pair(said(row.target, 6.645)._replace(text=row.target_words), said(row.prompt, 4.355)._replace(text=row[2]))
    assert list_line(pair) + "\n" == line


SPANS = st.lists(st.tuples(st.floats(0, 200), st.floats(0.1, 40)), max_size=20).map(
    lambda pairs: [[start, start + long] for start, long in pairs]
)


@given(SPANS, st.floats(1, 220))
def test_speech_is_in_order_apart_and_within_the_recording(activity, seconds):
    spans = cleaned(activity, seconds)
    ends = [0.0, *(edge for span in spans for edge in span), seconds]
    assert ends == sorted(ends) and all(span.seconds > 0 for span in spans)
    inside = [t for t in np.linspace(0, seconds, 50)[1:-1] if any(start < t < end for start, end in activity)]
    assert all(any(start <= t <= end for start, end in spans) for t in inside)
    assert cleaned(spans, seconds) == spans


@given(SPANS, st.floats(1, 6), st.floats(6, 25), st.floats(0.2, 3))
def test_pieces_hold_whole_stretches_each_once(activity, least, most, most_pause):
    seconds = 250.0
    lengths = Lengths(least, most, most_pause)
    speech = cleaned(activity, seconds)
    pieces = list(cut(speech, seconds, lengths))
    edges = [edge for piece, _ in pieces for edge in piece]
    assert edges == sorted(edges) and (not edges or (edges[0] >= 0 and edges[-1] <= seconds))
    owners = [[number for number, (p, _) in enumerate(pieces) if p.start <= s.start and s.end <= p.end] for s in speech]
    assert all(len(owner) == 1 for owner in owners)
    for number, (piece, wanted) in enumerate(pieces):
        inside = [span for span, owner in zip(speech, owners, strict=True) if owner == [number]]
        assert inside and wanted == (least <= piece.seconds <= most)
        assert wanted or piece.seconds < least or len(inside) == 1
        for one, after in pairwise(inside):
            assert after.start - one.end <= most_pause


def test_a_piece_ends_before_the_longest_pause_that_leaves_it_long_enough():
    speech = [Span(0.4, 3), Span(3.2, 8), Span(9.2, 12), Span(12.2, 19), Span(19.3, 25), Span(30, 31), Span(40, 70)]
    pieces = [(round(p.start, 2), round(p.end, 2), wanted) for p, wanted in cut(speech, 80, Lengths())]
    assert pieces == [(0.3, 8.1, True), (9.1, 25.1, True), (29.9, 31.1, False), (39.9, 70.1, False)]


@pytest.mark.parametrize("activity", [None, 3, "speech", [[1]], [[1, "x"]], [1, 2], [[1, 2, 3]]])
def test_voice_activity_that_is_none_is_told(activity):
    with pytest.raises(UserError, match="not pairs of seconds"):
        cleaned(activity, 10.0)


def test_how_much_of_a_cut_recording_can_be_read(tmp_path):
    sf.write(tmp_path / "whole.flac", noise(60), RATE)
    content = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(content[: len(content) // 2])
    (tmp_path / "stub.flac").write_bytes(content[:100])
    assert readable_seconds(tmp_path / "whole.flac") == 60
    assert 29 < readable_seconds(tmp_path / "cut.flac") <= 30
    for name in ("stub.flac", "none.flac"):
        with pytest.raises(UserError, match=f"{name}: n"):
            readable_seconds(tmp_path / name)


def test_book_and_recogniser_agree_whatever_the_case():
    assert disagreement("“Don't,” said Mr. Brown.", "DON'T SAID MR BROWN") == 0
    assert disagreement("one two three four", "ONE TWO FIVE FOUR") == pytest.approx(0.25)
    assert disagreement("another edition", "OTHER WORDS ALTOGETHER") == 1


class Served(http.server.SimpleHTTPRequestHandler):
    """Files, with ranges, as the makers' servers give them."""

    def do_GET(self):
        path = self.translate_path(self.path)
        if not Path(path).is_file():
            return self.send_error(404)
        content = Path(path).read_bytes()
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.server.asked.append(first)
        if first >= len(content):
            return self.send_error(416)
        self.send_response(206 if first else 200)
        self.end_headers()
        return self.wfile.write(content[first:])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path):
    (tmp_path / "served").mkdir()
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Served, directory=str(tmp_path / "served")))
    made.asked = []
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_nothing_is_fetched_unless_asked_and_then_it_says_what(corpus, tmp_path, server, monkeypatch, capsys):
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(download, "OPENSLR", address)
    monkeypatch.setattr(download, "LIBRISPEECH", {"test-z": ("test-z.tar.gz", 0.5)})
    reader(tmp_path / "made/LibriSpeech", "test-z", "77", [4, 5])
    with tarfile.open(tmp_path / "served/test-z.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "made/LibriSpeech", "LibriSpeech")
    options = (*BASE[:-1], "test-z")
    assert make(*options) == 1 and not server.asked
    whole = (tmp_path / "served/test-z.tar.gz").read_bytes()
    (tmp_path / "test-z.tar.gz.partial").write_bytes(whole[:1000])  # of an interrupted download
    capsys.readouterr()
    assert make(*options, "--download", "true") == 0
    assert f"downloading {address}test-z.tar.gz (0.5 GB) to ." in capsys.readouterr().err
    assert server.asked == [1000] and len(DataFolder.read("data/test_z").wavs) == 2
    assert make(*BASE[:-1], "test-y", "--download", "true") == 1
    assert "knows no subset 'test-y'" in capsys.readouterr().err
    monkeypatch.setattr(download, "LIBRISPEECH", {"test-y": ("test-y.tar.gz", 0.5)})
    assert make(*BASE[:-1], "test-y", "--download", "true") == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1].endswith("test-y.tar.gz: 404 Not Found") and len(said) == 2


def aishell(root, readers, texts, subset="train"):
    """AISHELL-1's layout: data_aishell/wav/SUBSET/READER and one transcript with spaces between words."""
    lines = []
    for name in readers:
        folder = root / "data_aishell/wav" / subset / name
        folder.mkdir(parents=True)
        for number, words in enumerate(texts):
            sf.write(folder / f"BAC009{name}W{number:04d}.wav", noise(2, number), RATE)
            lines.append(f"BAC009{name}W{number:04d} {words}\n" if words else "")
    path = root / "data_aishell/transcript/aishell_transcript_v0.8.txt"
    path.parent.mkdir(exist_ok=True)
    with open(path, "a", encoding="utf-8") as out:
        out.writelines(lines)
    return path


def test_aishell_is_read_in_its_own_layout(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    aishell(tmp_path, ["S0002", "S0003"], ["今天 天气 很 好", "想 听 Let It Go 吗", "调高 温度", "打开 灯", None])
    aishell(tmp_path, ["S0764"], ["再 调高 温度", "关 灯"], "test")
    options = [
        "--valid-readers",
        "S0003",
        "--test-subsets",
        "test",
        "--test-least-seconds",
        "1",
        "--prompt-seconds",
        "1",
    ]
    assert main(["corpus", "aishell", "--aishell", ".", *options]) == 0
    train, test = DataFolder.read("data/train"), DataFolder.read("data/test")
    assert train.text["S0002-BAC009S0002W0000"] == "今天天气很好" and len(train.wavs) == 4
    assert train.text["S0002-BAC009S0002W0001"] == "想听Let It Go吗"
    assert set(test.text.values()) == {"再调高温度", "关灯"} and set(test.speakers.values()) == {"S0764"}
    assert "no transcript of it" in Path("data/train/dropped").read_text()
    assert main(["data", "check", "data/train", "data/valid", "data/test"]) == 0


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (lambda root: None, ["--train-subsets", "dev"], "no subset 'dev' there; it holds train"),
        (lambda root: (root / "wav/S0002.tar.gz").write_text(""), ["--train-subsets", "dev"], "unpack them first"),
        (lambda root: next(root.glob("transcript/*")).unlink(), [], "aishell_transcript_v0.8.txt: no such file"),
        (
            lambda root: next(root.glob("transcript/*")).open("a").write("BAC009S0002W0000 别的\n"),
            [],
            "txt:3: 'BAC009S0002W0000' has other words here than before",
        ),
    ],
)
def test_what_is_wrong_with_aishell_is_one_line(tmp_path, monkeypatch, capsys, spoil, options, message):
    monkeypatch.chdir(tmp_path)
    aishell(tmp_path, ["S0002"], ["今天 天气 很 好"])
    aishell(tmp_path, ["S0003"], ["今天 天气 很 好"])
    spoil(tmp_path / "data_aishell")
    assert main(["corpus", "aishell", "--aishell", ".", "--valid-readers", "S0003", *options]) == 1
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1
