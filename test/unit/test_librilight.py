"""Libri-Light cut at its pauses, with Libriheavy's transcripts or a transcriber's, and what is wrong with either."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from tracing import peak_into

from ellav.bin.main import main
from ellav.data.audio import read_recording
from ellav.data.corpora.librilight import Recording, pieces
from ellav.data.corpora.pauses import Lengths
from ellav.data.kaldi import DataFolder, read_table

RATE = 16000
BOOK = "a_tale_librivox"
WORDS = "She said that the boat was green and went away at once."
HEARING = '''
"""Hears words by the length of what it is given, and counts how often it is asked."""
from pathlib import Path

from ellav.plugins.transcribers import transcribers


@transcribers.register("counting")
class Counting:
    sample_rate = 16000

    def __init__(self, count: Path, confidence: float = 0.9):
        self.count, self.confidence = count, confidence

    def transcribe(self, wav):
        with open(self.count, "a") as out:
            out.write(f"{len(wav) / 16000:.2f}\\n")
        return " ".join(["BOAT"] * round(2.5 * len(wav) / 16000))

    def transcribe_scored(self, wav):
        sure = self.confidence if len(wav) < 10 * 16000 else 0.2
        return self.transcribe(wav), sure
'''


def recording(root, reader, speech, file="01_tale", seconds=60, subset="small", **about):
    """A file of noise with a json beside it."""
    folder = root / subset / reader / BOOK
    folder.mkdir(parents=True, exist_ok=True)
    wav = np.random.default_rng(int(reader)).normal(0, 0.1, seconds * RATE).astype(np.float32)
    sf.write(folder / f"{file}.flac", wav, RATE)
    content = {"speaker": reader, "book_meta": {"id": "1"}, "snr": 9.1, "voice_activity": speech, **about}
    (folder / f"{file}.json").write_text(json.dumps(content))
    return folder / f"{file}.flac"


@pytest.fixture(scope="session")  # a name is registered once a process, and a module may be entered twice
def hearing(tmp_path_factory):
    """A transcriber that counts what it hears."""
    path = tmp_path_factory.mktemp("plugins") / "hearing.py"
    path.write_text(HEARING)
    return str(path)


@pytest.fixture
def asr(hearing):
    """A function that recognises the corpus by that transcriber."""
    parts = ("--transcripts", "asr", "--plugin", hearing, "--transcriber", "counting", "--transcriber_conf")
    return lambda *options: main(["corpus", "librilight", *BASE, *parts, "count=heard", *options])


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Three readers with a minute each."""
    monkeypatch.chdir(tmp_path)
    for reader in ("10", "100", "9"):
        recording(tmp_path / "light", reader, [[0.5, 6], [6.4, 9], [11.5, 17], [20, 25], [26, 30], [40, 41]])
    return tmp_path / "light"


BASE = ("--librilight", "light", "--valid-readers", "9", "--held-out-readers", "")


def heard():
    return Path("heard").read_text().split()


def test_pieces_between_pauses_are_recognised_once(corpus, asr):
    assert asr() == 0
    assert len(heard()) == 9
    segments = read_table("data/train/segments")
    name = f"10-{BOOK}-01_tale"
    assert [line for line in segments.values() if line.startswith(name + " ")] == [
        f"{name} 0.400 9.100",
        f"{name} 11.400 17.100",
        f"{name} 19.900 30.100",
    ]
    assert min(segments) == f"10-{BOOK}-01_tale-000000400"
    assert read_table("data/train/wav.scp").keys() == {f"{reader}-{BOOK}-01_tale" for reader in ("10", "100")}
    dropped = read_table("data/train/dropped")
    assert dropped[f"10-{BOOK}-01_tale-000039900"] == "length: 1.20 s between pauses, not 4 to 20 s"
    assert main(["data", "check", "data/train", "data/valid"]) == 0
    assert main(["format-wavs", "--data", "data/train", "--out", "raw"]) == 0
    samples = read_table("raw/utt2num_samples")
    assert samples[f"100-{BOOK}-01_tale-000011400"] == str(round(5.7 * RATE))
    assert DataFolder.read("raw").text.keys() == segments.keys()
    assert asr("--valid-readers", "100") == 0  # other sets of the same words: nothing is heard again
    assert set(read_table("data/valid/utt2spk").values()) == {"100"} and len(heard()) == 9


def test_confidence_is_a_filter_where_there_is_one(corpus, asr):
    assert asr("--least-confidence", "0.5") == 0
    assert read_table("data/train/dropped_counts") == {"confidence": "2 20.4", "length": "2 2.4"}
    assert read_table("data/train/dropped")[f"10-{BOOK}-01_tale-000019900"] == (
        "confidence: recognised with 0.20, below 0.5"
    )


def test_bad_recordings_cost_themselves_alone(corpus, asr, capsys):
    def spoil(reader, **about):
        return recording(corpus, reader, **{"speech": [[0, 5], [8, 14]], **about})

    spoil("20", voice_activity=None)
    spoil("21").with_suffix(".json").unlink()
    spoil("22").with_suffix(".json").write_text('{"voice_activity": [[1, ')
    spoil("23", speech=[[0, 5], [4, 10], [2, 3], [14, 20], [12, 15]])  # overlapping and out of order
    spoil("24", speech=[[0, 5], [8, 14], [50, 70], [80, 90]])  # beyond its end
    spoil("25", speech=[[1, 2]])  # a reader with 1 s
    whole = spoil("26", speech=[[start, start + 8] for start in range(0, 110, 10)], seconds=120)
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])  # cut short in the middle
    spoil("27", speech=[["a", 3]])
    spoil("28", speech=[[0, 5], [9, 7]])
    spoil("29", speech=[[float("nan"), 2]])
    (whole.parent / "02_alone.json").write_text("{}")
    assert asr() == 0
    assert len(capsys.readouterr().err.splitlines()) == 0
    dropped = read_table("data/train/dropped")
    name = f"{BOOK}-01_tale"
    for reader, reason in (
        ("20", "no voice_activity; pauses are not known"),
        ("21", "01_tale.json: not there; pauses are not known"),
        ("22", "01_tale.json: not readable"),
        ("27", "01_tale.json: its voice activity is not pairs of seconds"),
        ("28", "01_tale.json: its voice activity goes from 9 to 7 s"),
        ("29", "01_tale.json: its voice activity goes from nan to 2 s"),
    ):
        assert dropped[f"{reader}-{name}"].startswith("recording: ") and reason in dropped[f"{reader}-{name}"]
    assert "no recording beside it" in dropped[f"26-{BOOK}-02_alone"]
    assert "ends after 60.00 s, and its json goes on" in dropped[f"24-{name}"]
    assert re.search("beyond-the-end: .*: ends after (59|60)", dropped[f"26-{name}"])
    assert dropped[f"25-{name}-000000900"] == "length: 1.20 s between pauses, not 4 to 20 s"
    segments = read_table("data/train/segments")
    kept = {reader: [line.split()[1:] for line in segments.values() if line.startswith(f"{reader}-")] for reader in
            ("23", "24", "26")}  # fmt: skip
    assert kept["23"] == [["0.000", "10.100"], ["11.900", "20.100"]]
    assert kept["24"] == [["0.000", "5.100"], ["7.900", "14.100"], ["49.900", "60.000"]]
    assert 2 <= len(kept["26"]) <= 6 and float(kept["26"][-1][1]) <= 60
    assert main(["format-wavs", "--data", "data/train", "--out", "raw"]) == 0
    assert read_table("raw/rejected") == {}


def test_a_file_that_two_subsets_have_is_used_once(corpus, asr):
    recording(corpus, "10", [[0, 5]], subset="medium")
    assert asr("--subsets", "small medium") == 0
    dropped = read_table("data/train/dropped")[f"10-{BOOK}-01_tale"]
    assert dropped.startswith("twice: ") and "medium" in dropped


def test_readers_held_out_are_tested(corpus, asr):
    assert asr("--held-out-readers", "100") == 0
    assert set(read_table("data/train/utt2spk").values()) == {"10"}
    targets, prompts = read_table("data/test_unseen/targets"), read_table("data/test_unseen/utt2prompt")
    assert targets.keys() == prompts.keys() and set(read_table("data/test_unseen/utt2spk").values()) == {"100"}
    assert main(["data", "check", "data/test_unseen"]) == 0


def manifest(lines, subset="small"):
    with gzip.open(f"libriheavy_cuts_{subset}.jsonl.gz", "wt") as out:
        for line in lines:
            out.write((line if isinstance(line, str) else json.dumps(line)) + "\n")


def cut(reader, start, seconds, text=WORDS, asr=None, file="01_tale"):
    id = f"small/{reader}/{BOOK}/{file}"
    texts = [text, text.upper().strip(".") if asr is None else asr]
    supervision = {"recording_id": id, "start": 0, "duration": seconds, "custom": {"texts": texts}}
    return {
        "id": f"{id}_0",
        "start": start,
        "duration": seconds,
        "supervisions": [supervision],
        "recording": {"id": id},
    }


def heavy(*options):
    return main(["corpus", "librilight", *BASE, "--libriheavy", ".", *options])


def test_cuts_of_libriheavy_are_used_with_case_and_punctuation(corpus):
    manifest([cut(reader, start, 4.5) for start in (30, 1) for reader in ("100", "9", "10")])  # in no order
    assert heavy() == 0
    assert list(read_table("data/train/segments").values()) == [
        f"{reader}-{BOOK}-01_tale {start:.3f} {start + 4.5:.3f}" for reader in ("10", "100") for start in (1, 30)
    ]
    assert set(read_table("data/train/text").values()) == {WORDS}
    assert main(["data", "check", "data/train", "data/valid"]) == 0
    assert main(["format-wavs", "--data", "data/train", "--out", "raw"]) == 0


def test_bad_cuts_cost_themselves_alone(corpus, capsys):
    bad = [
        cut("10", 1, 5, file="02_gone"),
        cut("10", 58, 5),
        cut("10", 20, 5, text="Quite another edition of it, with other words in every place.", asr=WORDS.upper()),
        cut("10", 30, 5, text="No."),
        cut("10", 40, 5, text=""),
        cut("10", 50, 2),
        "{",
        {"id": "x"},
    ]
    manifest([cut("9", 1, 5), cut("10", 0, 5), *bad, cut("10", 6, 5)])
    assert heavy() == 0
    assert len(read_table("data/train/text")) == 2 and len(capsys.readouterr().err.splitlines()) == 0
    dropped = read_table("data/train/dropped")
    for id, reason in (
        (f"10-{BOOK}-02_gone-000001000", "02_gone.flac is not there"),
        (f"10-{BOOK}-01_tale-000058000", "ends at 63.00 s, and"),
        (
            f"10-{BOOK}-01_tale-000020000",
            "confidence: libriheavy_cuts_small.jsonl.gz:5: the book and what was heard differ",
        ),
        (f"10-{BOOK}-01_tale-000030000", "speaking-rate: 0.4 letters a second"),
        (f"10-{BOOK}-01_tale-000040000", "no words"),
        (f"10-{BOOK}-01_tale-000050000", "length: 2.00 s"),
        ("libriheavy_cuts_small.jsonl.gz:9", "manifest: not a cut of Libriheavy"),
        ("libriheavy_cuts_small.jsonl.gz:10", "manifest: not a cut of Libriheavy"),
    ):
        assert reason in dropped[id]
    assert len(dropped) == len(bad)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--librilight", "nowhere"), "nowhere: no such folder"),
        (("--librilight", "."), "no subset 'small' of Libri-Light there; it holds"),
        (("--librilight", "light/small", "--subsets", "10"), "light/small/10: not a subset of Libri-Light"),
        (("--libriheavy", "light"), "light/libriheavy_cuts_small.jsonl.gz: not there"),
        (("--transcripts", "asr", "--transcriber", "wisper"), "no plugin named 'wisper'"),
        ((), "damaged (Compressed file ended"),
        (("--test-subsets", "test-clean"), "where is the corpus? Give --librispeech DIR"),
    ],
)
def test_what_cannot_be_done_is_one_line(corpus, capsys, options, message):
    manifest([cut("9", 1, 5), *[cut("10", 6, 5, text=f"{n} {n * n}") for n in range(99)]])
    if "damaged" in message:
        path = Path("libriheavy_cuts_small.jsonl.gz")
        path.write_bytes(path.read_bytes()[:-100])
    if options[:1] == ("--librilight",) and options[1] == "light/small":
        (corpus / "small/10/extra").mkdir()
    status = heavy(*options)
    said = capsys.readouterr().err
    assert status == 1 and message in said and len(said.splitlines()) == 1


def test_a_sample_hears_a_minute_of_a_reader(corpus, asr):
    for number in range(3):
        recording(corpus, "10", [[start, start + 5] for start in range(0, 55, 6)], file=f"1{number}", seconds=60)
    assert asr("--hours", "0.01") == 0
    assert sum(map(float, heard())) < 3 * 40


def test_no_recording_is_in_memory_as_a_whole(corpus):
    path = recording(corpus, "30", [[start, start + 9] for start in range(0, 290, 10)], seconds=300)
    whole = 300 * RATE * 4  # bytes, as float32
    peaks = []
    with peak_into(peaks):
        found = list(pieces(Recording("30-x", "30", str(path)), Lengths()))
        _, span = found[14]
        read = read_recording(str(path), *span)
    assert len(found) == 15 and len(read.wav) == round(span.seconds * RATE) and peaks[0] < whole / 4
