"""Tables, data folders, and the stages that turn them into formatted waveforms and phones."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from ellav.bin import align
from ellav.bin.main import main
from ellav.data.kaldi import DataFolder, read_table, write_table
from ellav.data.outputs import read_record
from ellav.errors import UserError

WORD = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=8)
TONE = (0.3 * np.sin(np.arange(16000) * 2 * np.pi * 440 / 16000)).astype(np.float32)  # 1 s


@given(st.dictionaries(WORD, st.lists(WORD, max_size=4).map(" ".join), max_size=8))
def test_a_table_is_read_as_it_was_written(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("tables") / "text"
    write_table(path, table)
    assert read_table(path) == table
    assert [line.split(" ")[0].encode() for line in path.read_text().splitlines()] == sorted(map(str.encode, table))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"b x\na y\n", r"text:2: 'a' is out of order"),
        (b"a x\na y\n", r"text:2: 'a' stands twice"),
        (b"a \xff", "UTF-8"),
    ],
)
def test_a_faulty_table_is_named_by_file_and_line(tmp_path, content, message):
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / "text")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder of five waveforms of 1 s in different formats."""
    monkeypatch.chdir(tmp_path)
    stereo = np.stack([TONE, np.zeros_like(TONE)], axis=1)
    sf.write("plain.wav", TONE, 16000)
    sf.write("stereo.wav", stereo, 16000)
    sf.write("slow.wav", TONE[::2], 8000)
    sf.write("deep.wav", TONE, 16000, subtype="PCM_24")
    sf.write("float.wav", TONE, 16000, subtype="FLOAT")
    names = ["deep", "float", "plain", "slow", "stereo"]
    data = DataFolder(
        {f"s-{n}": f"{n}.wav" for n in names},
        {f"s-{n}": "Hello, world." for n in names},
        {f"s-{n}": "s" for n in names},
    )
    (tmp_path / "data").mkdir()
    data.write(tmp_path / "data")
    return data


def add(name: str, wav: str) -> None:
    """Another utterance in ./data."""
    data = DataFolder.read("data")
    for table, value in ((data.wavs, wav), (data.text, "More."), (data.speakers, "s")):
        table[name] = value
    data.write("data")


def test_format_wavs_makes_mono_at_one_rate(folder):
    assert main(["format-wavs", "--data", "data", "--out", "raw", "--sample-rate", "16000"]) == 0
    made = DataFolder.read("raw")
    assert made.text == folder.text and made.speakers == folder.speakers
    samples = {u: int(n) for u, n in read_table("raw/utt2num_samples").items()}
    for utterance, path in made.wavs.items():
        info = sf.info(path)
        assert (info.samplerate, info.channels, info.subtype, info.format) == (16000, 1, "PCM_16", "FLAC")
        wav = sf.read(path, dtype="float32")[0]
        assert len(wav) == samples[utterance] == 16000
        wanted = TONE / 2 if "stereo" in utterance else TONE
        assert np.abs(wav - wanted)[400:-400].max() < (0.01 if "slow" in utterance else 1e-4)
    assert read_record("raw")["stage"].startswith("2")
    assert read_table("raw/rejected") == {}


def test_copies_at_other_speeds_are_utterances_of_other_speakers(folder, capsys):
    write_table("data/utt2lang", {u: "en" for u in folder.wavs})
    command = ["format-wavs", "--data", "data", "--out", "raw", "--speed-perturb-factors"]
    assert main([*command, "1.25", "0.8", "1"]) == 0
    made, samples, languages = DataFolder.read("raw"), read_table("raw/utt2num_samples"), read_table("raw/utt2lang")
    assert made.text.keys() == languages.keys() == {f"{p}{u}" for p in ("", "sp0.8-", "sp1.25-") for u in folder.wavs}
    for utterance in folder.wavs:
        for speed, length in (("0.8", "20000"), ("1.25", "12800")):
            copy = f"sp{speed}-{utterance}"
            assert made.text[copy] == folder.text[utterance] and made.speakers[copy] == f"sp{speed}-s"
            assert samples[copy] == length and languages[copy] == "en"
            wav = sf.read(made.wavs[copy])[0]
            loudest = np.abs(np.fft.rfft(wav)).argmax() * 16000 / len(wav)
            assert abs(loudest - 440 * float(speed)) < 2  # Hz: the pitch goes along
    assert samples["s-plain"] == "16000" and main(["data", "check", "raw"]) == 0
    assert main([*command, "3"]) == 1 and "are 0.5 to 2" in capsys.readouterr().err


def test_copies_in_warped_voices_keep_their_time_and_not_their_pitch(folder, capsys):
    pulses = np.zeros(16000)
    pulses[::128] = 0.7  # 125 Hz, with formants of its own
    sf.write("plain.wav", np.convolve(pulses, np.hanning(24), "same"), 16000)
    command = ["format-wavs", "--data", "data", "--out", "raw", "--voice-warp-factors"]
    assert main([*command, "1.2x1.1", "1x1"]) == 0
    made, samples = DataFolder.read("raw"), read_table("raw/utt2num_samples")
    assert made.text.keys() == {f"{p}{u}" for p in ("", "vw1.2x1.1-") for u in folder.wavs}
    copy = "vw1.2x1.1-s-plain"
    assert samples[copy] == samples["s-plain"] == "16000" and made.speakers[copy] == "vw1.2x1.1-s"
    pitches = []
    for utterance in ("s-plain", copy):
        wav = sf.read(made.wavs[utterance])[0][4000:12000]
        match = np.correlate(wav, wav, "full")[len(wav) - 1 :]
        pitches.append(16000 / (80 + np.argmax(match[80:200])))
    assert pitches[0] == pytest.approx(125, rel=0.02) and pitches[1] == pytest.approx(150, rel=0.03)
    for wrong, message in (("1.2", "is not factors on F0 and formants"), ("1.2x3", "are 0.5 to 2")):
        assert main([*command, wrong]) == 1 and message in capsys.readouterr().err


def test_bad_recordings_are_set_aside_with_reasons(folder, capsys):
    sf.write("empty.wav", np.zeros(0), 16000)
    sf.write("nan.wav", np.full(16000, np.nan), 16000, subtype="FLOAT")
    sf.write("long.flac", np.tile(TONE, 4), 16000)
    with open("long.flac", "rb") as whole, open("cut.flac", "wb") as cut:
        cut.write(whole.read()[:6000])
    with open("text.wav", "w") as file:
        file.write("not audio")
    for name, wav in (("s-a", "empty.wav"), ("s-b", "nan.wav"), ("s-c", "cut.flac"), ("s-d", "text.wav"),
                      ("s-e", "nowhere.wav"), ("s-f", "touch pwned |")):  # fmt: skip
        add(name, wav)
    command = ["format-wavs", "--data", "data", "--out", "raw"]
    assert main(command) == 1
    assert "6 of 11 utterances set aside, the first 's-a'" in capsys.readouterr().err
    assert main([*command, "--max-rejected", "0.6"]) == 0
    rejected = read_table("raw/rejected")
    assert sorted(rejected) == ["s-a", "s-b", "s-c", "s-d", "s-e", "s-f"]
    assert "empty" in rejected["s-a"] and "not numbers" in rejected["s-b"] and "not readable" in rejected["s-d"]
    assert "cut.flac" in rejected["s-c"] and ("truncated" in rejected["s-c"] or "not readable" in rejected["s-c"])
    assert "not readable" in rejected["s-e"] and "command" in rejected["s-f"]
    assert set(DataFolder.read("raw").wavs) == set(folder.wavs)


def test_commands_run_only_when_they_may(folder):
    sf.write("said.wav", TONE, 16000)
    add("s-pipe", "cat said.wav |")
    add("s-wrong", "cat nowhere.wav |")
    assert (
        main(["format-wavs", "--data", "data", "--out", "raw", "--allow-pipes", "true", "--max-rejected", "0.5"]) == 0
    )
    assert list(read_table("raw/rejected")) == ["s-wrong"]
    assert read_table("raw/utt2num_samples")["s-pipe"] == "16000"


def test_segments_are_cut(folder, tmp_path):
    (tmp_path / "data/segments").write_text("s-one plain 0.25 0.75\ns-two plain 0.5 -1\n")
    (tmp_path / "data/wav.scp").write_text("plain plain.wav\n")
    (tmp_path / "data/text").write_text("s-one hello\ns-two world\n")
    (tmp_path / "data/utt2spk").write_text("s-one s\ns-two s\n")
    assert main(["format-wavs", "--data", "data", "--out", "raw"]) == 0
    assert read_table("raw/utt2num_samples") == {"s-one": "8000", "s-two": "8000"}
    wav = sf.read("raw/wav/s-one.flac", dtype="float32")[0]
    assert np.abs(wav - TONE[4000:12000]).max() < 1e-4
    (tmp_path / "data/segments").write_text("s-one other 0.25 0.75\n")
    assert main(["format-wavs", "--data", "data", "--out", "raw2"]) == 1


def test_phones_are_written_and_what_has_none_is_set_aside(folder, capsys):
    table = read_table("data/text") | {"s-plain": "..."}
    write_table("data/text", table)
    assert main(["phones", "--data", "data", "--out", "phones", "--max-rejected", "0.3"]) == 0
    phones, owners = read_table("phones/phones"), read_table("phones/word_of_phone")
    assert phones["s-slow"] == "sp HH AH0 L OW1 sp W ER1 L D sp"
    assert owners["s-slow"] == "-1 0 0 0 0 -1 1 1 1 1 -1"
    assert read_table("phones/words")["s-slow"] == "HELLO WORLD"
    assert list(read_table("phones/rejected")) == ["s-plain"] and "s-plain" not in phones
    assert main(["phones", "--data", "data", "--out", "phones", "--text", "nonesuch"]) == 1
    assert "known: " in capsys.readouterr().err


def test_align_refuses_audio_without_the_words_and_foreign_phone_sets(folder, capsys):
    assert main(["phones", "--data", "data", "--out", "phones"]) == 0
    assert main(["align", "--data", "data", "--phones", "phones", "--out", "align"]) == 1
    assert "5 of 5 utterances set aside" in capsys.readouterr().err
    record = read_record("phones")
    record["options"]["phone_set"] = "ipa"
    import json

    with open("phones/done.json", "w") as file:
        json.dump(record, file)
    assert main(["align", "--data", "data", "--phones", "phones", "--out", "align"]) == 1
    assert "accepts: arpabet-stress, arpabet" in capsys.readouterr().err


def test_data_check_reports_every_fault_at_once(folder, tmp_path, capsys):
    assert main(["data", "check", "--data", "data"]) == 0
    (tmp_path / "data/text").write_text("s-plain x\ns-deep \ns-deep z\n")
    (tmp_path / "plain.wav").unlink()
    capsys.readouterr()
    assert main(["data", "check", "--data", "data"]) == 1
    printed = capsys.readouterr()
    for fault in ("data/text:2: 's-deep'\n", "text:3: 's-deep' stands in line 2 too", "in wav.scp but not in text: 3",
                  "'s-deep' has an empty transcript", "plain.wav: no such file"):  # fmt: skip
        assert fault in printed.out
    assert "8 faults" in printed.err
    assert main(["data", "fix", "--data", "data", "--out", "fixed"]) == 1  # nothing whole is left
    (tmp_path / "data/text").write_text("s-slow x\ns-plain y\ns-deep z\n")
    assert main(["data", "fix", "--data", "data", "--out", "fixed"]) == 0
    assert list(DataFolder.read("fixed").wavs) == ["s-deep", "s-slow"]
    assert main(["data", "check", "--data", "fixed"]) == 0


def test_data_split_by_count_and_by_speaker(folder):
    split = ["data", "split", "--data", "data", "--held-out", "a", "--rest", "b"]
    assert main([*split, "--utterances", "2", "--seed", "3"]) == 0
    held, rest = DataFolder.read("a").wavs, DataFolder.read("b").wavs
    assert len(held) == 2 and held | rest == folder.wavs and not held.keys() & rest.keys()
    add("t-one", "plain.wav")
    speakers = read_table("data/utt2spk") | {"t-one": "t"}
    write_table("data/utt2spk", speakers)
    assert main([*split, "--speakers", "t"]) == 0
    assert list(DataFolder.read("a").wavs) == ["t-one"] and len(DataFolder.read("b").wavs) == 5
    assert main([*split, "--speakers", "nobody"]) == 1
    assert main([*split, "--utterances", "60"]) == 1


def test_copies_take_the_times_of_what_they_are_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prompts = Path(__file__).parents[2] / "ellav/pretrained/mini/prompts"
    said = {"kal1": "The lizard drifted merrily behind the apartment in March.", "slt1": "Quite another sentence."}
    Path("data").mkdir()
    DataFolder({id: str(prompts / f"{id}.flac") for id in said}, said, {id: id for id in said}).write("data")
    made = ["--speed-perturb-factors", "0.8", "--voice-warp-factors", "1.2x1.1"]
    assert main(["format-wavs", "--data", "data", "--out", "raw", *made]) == 0
    assert read_table("raw/utt2original") == {f"{p}-{id}": id for p in ("sp0.8", "vw1.2x1.1") for id in said}
    assert main(["phones", "--data", "raw", "--out", "phones"]) == 0
    singly, asked = align.aligned_singly, []
    monkeypatch.setattr(align, "aligned_singly", lambda lines, *rest: asked.append(set(lines)) or singly(lines, *rest))
    command = ["align", "--data", "raw", "--phones", "phones", "--out", "align", "--max-rejected", "0.6"]
    assert main([*command, "--least-score", "auto"]) == 0
    assert asked == [set(said)]
    samples, ends, pauses = (read_table(f) for f in ("raw/utt2num_samples", "align/ends", "align/pauses"))
    assert set(ends) == {"kal1", "sp0.8-kal1", "vw1.2x1.1-kal1"}
    times = {utterance: np.array(line.split(), float) for utterance, line in ends.items()}
    for copy, stretch in (("sp0.8-kal1", 1.25), ("vw1.2x1.1-kal1", 1)):
        np.testing.assert_allclose(times[copy], times["kal1"] * stretch, atol=2e-3)
        assert times[copy][-1] == pytest.approx(int(samples[copy]) / 16000, abs=1e-4)
        assert pauses[copy] == pauses["kal1"]
    assert read_table("align/rejected")["sp0.8-slt1"].startswith("a copy of slt1: fits its words badly")
    Path("raw/done.json").unlink()
    table = read_table("raw/text")  # a copy of other words has times of its own
    write_table("raw/text", table | {"vw1.2x1.1-kal1": table["kal1"] + " It did."})
    assert main(["phones", "--data", "raw", "--out", "phones"]) == 0 and main(command) == 0
    assert asked[1] == {*said, "vw1.2x1.1-kal1"}


def test_the_words_of_another_edition_are_set_aside_by_their_score(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    prompts = Path(__file__).parents[2] / "ellav/pretrained/mini/prompts"
    said = {
        "slt1": "Would Daniel enjoy the spicy garlic every evening, or the peanut?",
        "kal1": "The lizard drifted merrily behind the apartment in March.",
        "kal4": "The lawyer unwrapped the metal vase through the shadowy kitchen.",  # balcony
    }
    Path("raw").mkdir()
    DataFolder({id: str(prompts / f"{id}.flac") for id in said}, said, {id: id for id in said}).write("raw")
    assert main(["phones", "--data", "raw", "--out", "phones"]) == 0
    command = ["align", "--data", "raw", "--phones", "phones", "--max-rejected", "0.4"]
    assert main([*command, "--out", "all"]) == 0
    assert read_table("all/rejected") == {} and len(read_table("all/ends")) == 3
    assert main([*command, "--out", "good", "--least-score", "auto"]) == 0
    rejected = read_table("good/rejected")
    assert list(rejected) == ["kal4"] and rejected["kal4"].endswith("below -5")
    assert read_table("good/ends").keys() == {"slt1", "kal1"}
    assert main([*command, "--out", "fair", "--least-score", "-9"]) == 0 and read_table("fair/rejected") == {}
    assert main([*command, "--out", "none", "--least-score", "0"]) == 1
    assert "3 of 3 utterances set aside" in capsys.readouterr().err
    for wrong in ("high", "nan"):
        assert main([*command, "--out", "none", "--least-score", wrong]) == 1
        assert f"--least-score must be a number or auto, not '{wrong}'" in capsys.readouterr().err

    def refuse(*_):
        raise AssertionError("aligned again")

    monkeypatch.setattr("ellav.bin.align.aligning", lambda *_: refuse)  # another threshold aligns nothing again
    assert main([*command, "--out", "none", "--least-score", "-5"]) == 0  # nor after too many were set aside
    assert read_table("none/ends") == read_table("good/ends")
    assert main([*command, "--out", "good"]) == 0 and read_table("good/ends") == read_table("all/ends")
    write_table("raw/text", said | {"kal1": "The lizard drifted."})
    assert main(["phones", "--data", "raw", "--out", "phones"]) == 0
    with pytest.raises(AssertionError, match="aligned again"):  # other phones are
        main([*command, "--out", "good"])
