"""Bad input to data folders and to stages 1 to 5: each case ends in one clear line, or is set aside with a reason."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from ellav.bin.format_wavs import format_one
from ellav.bin.main import main
from ellav.data.audio import clipped_share
from ellav.data.codes import CodesWriter
from ellav.data.dataset import Dataset, Tokens
from ellav.data.kaldi import DataFolder, read_table, write_table
from ellav.data.rejected import attempt
from ellav.errors import UserError
from ellav.plugins.aligners import AlignmentError, aligners
from ellav.plugins.text import text
from ellav.plugins.text.english import spoken

RATE = 16000
TONE = (0.3 * np.sin(np.arange(RATE) * 2 * np.pi * 440 / RATE)).astype(np.float32)  # 1 s


def refused(capsys, *argv) -> str:
    """What a command says that must end with status 1 and one line."""
    capsys.readouterr()
    assert main([str(word) for word in argv]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "Traceback" not in said[0]
    return said[0]


# Recordings: what each case writes, and what becomes of it in stage 2 and in `data check --audio`.


def write(samples=TONE, rate=RATE, **options):
    return lambda path: sf.write(path, samples, rate, **options)


def cut(suffix, keep, **options):
    """A file that ends too early: its first `keep` bytes."""

    def make(path):
        whole = path.with_suffix(suffix)
        sf.write(whole, np.tile(TONE, 4), RATE, **options)
        path.write_bytes(whole.read_bytes()[:keep])

    return make


def streamed(path):
    """A WAV as programs write it into a pipe: they cannot know how long it gets."""
    sf.write(path, TONE, RATE)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)


def announcing(frames, kept=None):
    """A FLAC whose header announces so many frames: 0, "unknown", is what `flac` and ffmpeg write into a pipe."""

    def make(path):
        sf.write(path, TONE, RATE, format="FLAC")
        content = bytearray(path.read_bytes())
        content[21:26] = (content[21] & 0xF0 | frames >> 32).to_bytes(1, "big") + (frames & 0xFFFFFFFF).to_bytes(
            4, "big"
        )
        path.write_bytes(content[:kept])

    return make


AUDIO = {
    "good": (write(), 1.0),
    "piped-flac": (announcing(0), 1.0),
    "raw.flac": (write(format="FLAC"), 1.0),
    "stereo": (write(np.stack([TONE, 0.5 * TONE], 1)), 1.0),
    "slow": (write(TONE[::2], 8000), 1.0),
    "deep": (write(subtype="PCM_24"), 1.0),
    "float": (write(subtype="FLOAT"), 1.0),
    "compressed": (write(format="MP3"), 1.0),  # though the file is called .wav
    "streamed": (streamed, 1.0),
    "touched": (write(np.where(np.arange(RATE) // 4 == 99, 1, TONE)), 1.0),  # 4 samples at full scale
    "in a folder/with spaces": (write(), 1.0),
    "missing": (lambda path: None, "no such file"),
    "void": (lambda path: path.write_bytes(b""), "empty file"),
    "header": (write(TONE[:0]), "empty"),
    "cut": (cut(".whole", 6000, format="WAV"), "truncated, 0.19 s are there"),
    "cut-flac": (cut(".flac", 6000), ("truncated", "not readable")),
    "cut-piped-flac": (announcing(0, 6000), "not readable"),
    "vast-flac": (announcing((1 << 36) - 1), "truncated, 1.00 s are there"),
    "m4a": (lambda path: path.write_bytes(b"\0\0\0\x1cftypM4A " + bytes(3000)), "convert it: ffmpeg -i "),
    "letter": (lambda path: path.write_text("Dear Sir"), "not readable"),
    "folder": (lambda path: path.mkdir(), ("not a file", "not readable")),
    "zeros": (write(0 * TONE), "silent, nothing but zeros"),
    "quiet": (write(TONE / 1000), "silent, peaks at -70 dB"),
    "opposite": (write(np.stack([TONE, -TONE], 1)), "silent"),
    "clipped": (write(np.clip(5 * TONE, -1, 1)), "flat at full scale"),
    "integers": (write(TONE * 32768, subtype="FLOAT"), "flat at full scale"),
    "nan": (write(np.where(TONE > 0.29, np.nan, TONE), subtype="FLOAT"), "not numbers"),
    "infinite": (write(np.where(TONE > 0.29, np.inf, TONE), subtype="FLOAT"), "not numbers"),
    "slowest": (write(TONE, 100), "sample rate 100 Hz is too low"),
    "pipe": (None, "commands run only with --allow-pipes true"),
}  # fmt: skip


@pytest.fixture(scope="module")
def formatted(tmp_path_factory):
    """A folder with every recording of AUDIO: (stage 2's folder, what it said, what `data check --audio` said)."""
    import contextlib
    import io

    here = tmp_path_factory.mktemp("a folder")
    wavs = {}
    for name, (make, _) in AUDIO.items():
        path = here / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        wavs[f"s-{name.replace('/', ' ').split()[0]}"] = str(path)
        if make:
            make(path)
    wavs["s-pipe"] = f"touch '{here}/was run' |"
    data = here / "data"
    data.mkdir()
    DataFolder(wavs, dict.fromkeys(wavs, "Hello."), dict.fromkeys(wavs, "s")).write(data)
    said = {}
    for what, command in {
        "format": ["format-wavs", "--data", data, "--out", here / "raw", "--max-rejected", "0.9"],
        "check": ["data", "check", data, "--audio", "--show", "99"],
    }.items():
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            status = main([str(word) for word in command])
        said[what] = status, out.getvalue(), err.getvalue()
    assert not (here / "was run").exists()
    return here, said


@pytest.mark.parametrize("name", AUDIO)
def test_recordings_are_used_or_set_aside_with_the_reason(formatted, name):
    here, said = formatted
    expected = AUDIO[name][1]
    utterance = f"s-{name.replace('/', ' ').split()[0]}"
    checked = [line for line in said["check"][1].splitlines() if repr(utterance) in line and "wav.scp:" in line]
    rejected = read_table(here / "raw/rejected")
    if isinstance(expected, float):
        assert utterance not in rejected and not checked
        wav, rate = sf.read(here / f"raw/wav/{utterance}.flac")
        assert rate == RATE and wav.ndim == 1 and len(wav) / rate == pytest.approx(expected, abs=0.1)
        assert 0.1 < np.abs(wav).max() <= 1
    else:
        reasons = expected if isinstance(expected, tuple) else (expected,)
        if name in ("missing", "void"):
            reasons = (*reasons, "not readable")  # as libsndfile says it in stage 2
        assert any(reason in rejected[utterance] for reason in reasons)
        assert not (here / f"raw/wav/{utterance}.flac").exists()
        assert checked and any(reason in line for line in checked for reason in reasons)


def test_what_is_used_with_a_doubt_is_counted_in_one_line_each(formatted):
    here, said = formatted
    status, _, err = said["format"]
    assert status == 0 and len(err.splitlines()) == 3
    assert "1 of 11 utterances are clipped, most 's-touched': 0.03%" in err
    assert "1 of 11 utterances were recorded below 16000 Hz, the first 's-slow' at 8000 Hz" in err
    assert f"{here}/raw/rejected: 19 of 30 utterances set aside" in err
    status, out, err = said["check"]
    assert status == 1 and len(err.splitlines()) == 1
    assert "data: 12 16000 Hz, 1 8000 Hz, 12 mono, 1 stereo" in out and "11.00 s" not in out and "longest" in out


def test_clipping_is_flat_at_full_scale_and_not_one_high_sample():
    peaks = TONE / np.abs(TONE).max()
    assert clipped_share(np.where(np.arange(RATE) == 99, 1, TONE)[:, None]) == 0
    assert clipped_share(np.clip(2 * peaks, -1, 1)[:, None]) == pytest.approx(2 / 3, abs=0.03)
    both = np.stack([np.clip(2 * peaks, -1, 1), TONE], 1)
    assert clipped_share(both) == pytest.approx(1 / 3, abs=0.02)


def test_the_count_of_clipped_utterances_survives_an_interruption(tmp_path):
    from ellav.bin.format_wavs import Cut

    sf.write(tmp_path / "x.wav", np.where(np.arange(RATE) // 8 == 99, 1, TONE), RATE)
    once = Cut("x", str(tmp_path / "x.wav"), 0.0, None, tmp_path / "x.flac")
    made = format_one(RATE, False, 0.01, once)
    (tmp_path / "x.wav").unlink()
    again = format_one(RATE, False, 0.01, once)
    assert again == made and made.clipped == pytest.approx(8 / RATE)


# Tables of a data folder.


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """./data with the utterances s-a to s-e."""
    monkeypatch.chdir(tmp_path)
    sf.write("tone.wav", TONE, RATE)
    (tmp_path / "data").mkdir()
    ids = [f"s-{letter}" for letter in "abcde"]
    data = DataFolder(dict.fromkeys(ids, "tone.wav"), {u: f"Text of {u}." for u in ids}, dict.fromkeys(ids, "s"))
    data.write(tmp_path / "data")
    return tmp_path / "data"


def lines(name, change):
    """A harm done to the lines of a table."""

    def harm(folder):
        old = (folder / name).read_text(encoding="utf-8").splitlines()
        (folder / name).write_bytes("".join(f"{line}\n" for line in change(old)).encode())

    return harm


def content(name, change):
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def swap(rows):
    return [rows[1], rows[0], *rows[2:]]


TABLES = {
    # what is done to it; what `data check` says; what stage 2 or 3 says, or None where it goes on; utterances left
    "text without wav": (lines("wav.scp", lambda r: r[1:]), "in text but not in wav.scp: 1", "'s-a' is only in", 4),
    "wav without text": (lines("text", lambda r: r[:-1]), "wav.scp:5: 's-e'", "'s-e' is only in wav.scp", 4),
    "no speaker": (lines("utt2spk", lambda r: r[1:]), "in wav.scp but not in utt2spk: 1", "'s-a' is only in", 4),
    "no table": (lambda folder: (folder / "utt2spk").unlink(), "utt2spk: no such file", "utt2spk: no such file", 0),
    "out of order": (lines("text", swap), "text:2: 's-a'", "text:2: 's-a' is out of order", 5),
    "twice the same": (lines("text", lambda r: [r[0], *r]), "text:2: 's-a' stands in line 1 too", "stands twice", 5),
    "twice otherwise": (lines("text", lambda r: [r[0] + "!", *r]), "different values: 1", "stands twice", 4),
    "CRLF": (content("text", lambda b: b.replace(b"\n", b"\r\n")), "CR LF: 5", None, 5),
    "byte order mark": (content("text", lambda b: b"\xef\xbb\xbf" + b), "text:1: 's-a'", "text:1: begins with a by", 5),
    "tab": (content("wav.scp", lambda b: b.replace(b"a ", b"a\t")), "wav.scp:1: 's-a'", "wav.scp:1: a tab", 5),
    "spaces at the end": (content("text", lambda b: b.replace(b".", b".  ")), "white space at an end", None, 5),
    "not normal form": (content("text", lambda b: b.replace(b"Text", b"Cafe\xcc\x81")), "not in normal form", None, 5),
    "Latin-1": (content("text", lambda b: b.replace(b"Text", b"T\xe9xt", 1)), "text:1: 's-a': byte 6", "not UTF-8", 4),
    "empty transcript": (lines("text", lambda r: ["s-a", *r[1:]]), "text:1: 's-a' has an empty tr", None, 4),
    "file gone": (lines("wav.scp", lambda r: ["s-a no/where.wav", *r[1:]]), "no/where.wav: no such file", None, 4),
    "command": (lines("wav.scp", lambda r: ["s-a touch ran |", *r[1:]]), "only with --allow-pipes true", None, 4),
    "another speaker": (lines("utt2spk", lambda r: ["s-a t", *r[1:]]), "begin with its speaker 't'", None, 5),
    "false spk2utt": (lines("spk2utt", lambda r: ["s s-a"]), "spk2utt: does not follow", None, 5),
    "recordings unknown": (
        lambda folder: write_table(folder / "segments", {f"s-{u}": "x 0 1" for u in "abcde"}),
        "recording 'x' is not in wav.scp", "names 'x', which is not in wav.scp", 0,
    ),
    "nothing to cut": (
        lambda folder: write_table(folder / "segments", {f"s-{u}": f"s-a {u == 'b'} {0.5}" for u in "abcde"}),
        "is not `recording start end`", "is not `recording start end`", 0,
    ),
}  # fmt: skip
NOT_MENDED = ("another speaker",)


@pytest.mark.parametrize("case", TABLES)
def test_tables_are_checked_refused_and_mended(folder, capsys, case):
    harm, checked, refusal, left = TABLES[case]
    assert main(["data", "check", "data"]) == 0
    harm(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    assert main(["data", "check", "data"]) == 1
    said = capsys.readouterr()
    assert checked in said.out and "data/" in said.out
    assert len(said.err.splitlines()) == 1 and "ellav data fix" in said.err
    stage = ["format-wavs", "--data", "data", "--out", "raw", "--max-rejected", "0.3"]
    if refusal:
        assert refusal in refused(capsys, *stage)
        assert not Path("raw").exists()
    else:
        assert main(stage) == 0
    assert not Path("ran").exists()
    mend = ["data", "fix", "data", "--out", "mended"]
    if not left:
        assert "no utterance has" in refused(capsys, *mend)
        return
    capsys.readouterr()
    assert main(mend) == 0
    said = capsys.readouterr().out
    assert ("not mended:" in said) == (case in NOT_MENDED) and ("mended: " in said)
    assert f"{left} of " in said and len(DataFolder.read("mended").wavs) == left
    dropped = read_table("mended/dropped")
    assert bool(dropped) == ("dropped" in said) and all(dropped.values())
    assert len(dropped) == 5 - left
    assert main(["data", "check", "mended"]) == (case in NOT_MENDED)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_faults_are_listed_by_kind_some_of_each(folder, capsys):
    for name in ("out of order", "CRLF", "no speaker", "file gone"):
        TABLES[name][0](folder)
    shutil.copytree(folder, "more")
    capsys.readouterr()
    assert main(["data", "check", "data", "more", "nowhere", "--show", "2"]) == 1
    said = capsys.readouterr()
    for expected in ("lines that end in CR LF: 5", "  data/text:1: 's-b'", "  and 3 more", "no/where.wav",
                     "in wav.scp but not in utt2spk: 1", "  more/wav.scp:1:", "nowhere: no such folder"):  # fmt: skip
        assert expected in said.out, expected
    assert said.out.count("data/text:") == 3  # two of five ends of lines, one out of order
    assert "data: 9 faults; more: 9 faults; nowhere: 1 faults" in said.err


def test_further_tables_are_mended_too_and_go_on_to_stage_2(folder):
    (folder / "utt2lang").write_bytes(b"s-b en\r\ns-a en\r\ns-x en\r\n")
    (folder / "spk2gender").write_bytes(b"s f\n")
    lines("text", lambda rows: rows[1:])(folder)
    assert main(["data", "fix", "data", "--out", "mended"]) == 0
    assert read_table("mended/utt2lang") == {"s-b": "en"} and read_table("mended/spk2gender") == {"s": "f"}
    assert main(["format-wavs", "--data", "mended", "--out", "raw"]) == 0
    assert read_table("raw/utt2lang") == {"s-b": "en"}


def test_quotes_become_ascii_where_that_is_asked_for(folder):
    write_table(folder / "text", dict.fromkeys(read_table(folder / "text"), "“It’s” ‘so’."))
    assert main(["data", "fix", "data", "--out", "same"]) == 0
    assert read_table("same/text")["s-a"] == "“It’s” ‘so’."
    assert main(["data", "fix", "data", "--out", "ascii", "--ascii-quotes", "true"]) == 0
    assert read_table("ascii/text")["s-a"] == "\"It's\" 'so'."


def test_segments_are_mended_with_the_recordings_that_they_use(folder):
    write_table(folder / "wav.scp", {"one": "tone.wav", "two": "gone.wav", "unused": "tone.wav"})
    write_table(folder / "segments", {"s-a": "one 0 0.5", "s-b": "two 0 1", "s-c": "one 0.5 -1", "s-d": "one 1 0"})
    assert main(["data", "check", "data"]) == 1
    assert main(["data", "fix", "data", "--out", "mended"]) == 0
    assert sorted(read_table("mended/segments")) == ["s-a", "s-c"]
    assert list(read_table("mended/wav.scp")) == ["one"]
    assert list(read_table("mended/dropped")) == ["s-b", "s-d", "s-e"]
    assert main(["data", "check", "mended"]) == 0
    assert main(["format-wavs", "--data", "mended", "--out", "raw"]) == 0


def test_fix_replaces_no_folder_that_it_has_not_made(folder, capsys):
    Path("mine").mkdir()
    Path("mine/thesis").write_text("x")
    assert "not made by `ellav data fix`" in refused(capsys, "data", "fix", "data", "--out", "mine")
    assert "not made by" in refused(capsys, "data", "fix", "data", "--out", "data")
    assert Path("mine/thesis").exists()


def test_commands_are_no_fault_where_they_may_run(folder):
    TABLES["command"][0](folder)
    assert main(["data", "check", "data", "--allow-pipes", "true"]) == 0
    assert not Path("ran").exists()


# Text.

SPOKEN = [
    ("See https://www.a.com/b-c?x=1.", "see w w w dot A dot com slash b dash c question mark x equals one ,"),
    ("Go to example.com, now.", "go to example dot com , now ,"),
    ("joe.b@mail.org", "joe dot b at mail dot org"),
    ("“Quoted” ‘text’, it’s «fine»", "quoted text , it's fine"),
    ("don`t", "don't"),
    ("cafe\u0301 nai\u0308ve ﬁne Ｆｕｌｌ", "cafe naive fine full"),
    ("soft\u00adhyphen zero\u200bwidth\ufeff", "softhyphen zerowidth"),
    ("Hello 😀👍🏽! 🎉 Bye ❤️", "hello , bye"),
    ("1️⃣ step", "one step"),
    ("5°C, 20 °F, ±5 or −3", "five degrees celsius , twenty degrees fahrenheit , plus or minus five or minus three"),
    ("10\u202f000 and x² and 10⁶", "ten thousand and x squared and ten to the power of six"),
    ("$5bn, 5 €, ₹7 and 50¢", "five billion dollars , five euros , seven rupees and fifty cents"),
    ("2021-03-04 or 31/12/1999", "march fourth twenty twenty one or december thirty first nineteen ninety nine"),
    ("a 16:9 screen, 10-20 men", "a sixteen to nine screen , ten to twenty men"),
    ("v3.5.2 at 192.168.0.1", "v three point five point two at one nine two dot one six eight dot zero dot one"),
    ("call (555) 123-4567", "call five five five , one two three , four five six seven"),
    ("the US, AI and 3 APIs", "the U S , A I and three A P I's"),
    ("C#, C++, #1, #tag, 3*4", "C sharp , C plus plus , number one , hashtag tag , three times four"),
    ("π < 4 & α", "pi is less than four and alpha"),
    ("§ 5 © 2020 *bold* _so_ Acme™", "section five copyright twenty twenty bold so acme"),
    ("R&amp;B", "R and B"),
    ("60 km/h at 7 a.m.", "sixty kilometers per hour at seven A M"),
    ("Mr. McDonald, Ph.D.", "mister mcdonald , P H D"),
    ("5'10\" and/or {so}", "five foot ten and or , so ,"),
    ("ARABIC ٣", "arabic three"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "said"), SPOKEN)
def test_what_can_be_said_is_said(written, said):
    assert " ".join(spoken(written)) == said


UNSPEAKABLE = [
    ("", "no English word"),
    ("…?!", "no English word"),
    ("😀", "no English word"),
    ("日本 is Japan", "'日' (CJK UNIFIED IDEOGRAPH-65E5)"),
    ("She said привет.", "'п' (CYRILLIC SMALL LETTER PE)"),
    ("I ❤️ you", "'❤' (HEAVY BLACK HEART)"),
    ("A → B", "'→' (RIGHTWARDS ARROW)"),
    ("a word λόγος", "(GREEK SMALL LETTER LAMDA)"),
    ("broken \ufffd character", "(REPLACEMENT CHARACTER)"),
    ("null \x00 byte", "(U+0000)"),
    ("some <b>bold</b> text", "holds markup, '<b>'"),
    ("5 ₽", "(RUBLE SIGN)"),
    ("supercalifragilisticexpialidociously", "too long to guess"),
]


@pytest.mark.parametrize(("written", "reason"), UNSPEAKABLE)
def test_what_cannot_be_said_is_named(written, reason):
    with pytest.raises(UserError) as caught:
        text.create("g2p_en")(written)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_words_of_no_dictionary_are_guessed():
    phones = text.create("g2p_en")("The blorptastic zorblax.")
    assert phones.words == ["THE", "BLORPTASTIC", "ZORBLAX"]
    assert {0, 1, 2} <= set(phones.word_of_phone)


def test_bad_transcripts_are_checked_and_set_aside(folder, capsys):
    table = dict(read_table(folder / "text"))
    table |= {"s-b": "I ❤ you", "s-c": "日本"}
    write_table(folder / "text", table)
    capsys.readouterr()
    assert main(["data", "check", "data", "--text", "g2p_en"]) == 1
    said = capsys.readouterr().out
    assert "text that g2p_en cannot speak: 2" in said and "data/text:2: 's-b'" in said and "HEAVY BLACK HEART" in said
    command = ["phones", "--data", "data", "--out", "phones"]
    assert "2 of 5 utterances set aside, the first 's-b'" in refused(capsys, *command)
    assert main([*command, "--max-rejected", "0.4"]) == 0
    assert list(read_table("phones/rejected")) == ["s-b", "s-c"]
    assert list(read_table("phones/phones")) == ["s-a", "s-d", "s-e"]


# Alignments and codes.


def test_an_utterance_shorter_than_its_phones_is_named():
    said = text.create("g2p_en")("A long sentence for a very short sound.")
    with pytest.raises(AlignmentError, match=r"0\.50 s of audio are too short for 27 phones"):
        aligners.create("pocketsphinx").align(TONE[: RATE // 2], said)


def test_tables_that_do_not_belong_together_are_named(folder, capsys):
    assert main(["phones", "--data", "data", "--out", "phones"]) == 0
    owners = Path("phones/word_of_phone")
    owners.write_text(owners.read_text().replace("-1 0", "-1 x", 1))
    command = ["align", "--data", "data", "--phones", "phones", "--out", "align"]
    assert "'s-a' differs between phones, words and word_of_phone; rerun stage 3" in refused(capsys, *command)
    lines("wav.scp", lambda rows: rows[1:])(folder)
    assert "phones: made from an older data; rerun stage 3" in refused(capsys, *command)


FRAGILE = """
import numpy as np
from ellav.plugins.aligners import Alignment, aligners
from ellav.plugins.codecs import codecs
from ellav.plugins.text import Phones, text


@text.register("fragile")
class Text:
    phone_set = "plain"

    def __call__(self, sentence):
        return {"Text of s-a.": Phones(["sp", "A"], [-1, 0], ["A"])}[sentence] if "s-e" in sentence else Phones(
            ["sp", "A", "sp"], [-1, 0, -1], ["A"]
        )


@aligners.register("fragile")
class Aligner:
    phone_sets = ("any",)
    sample_rate = 16000

    def align(self, wav, phones):
        ends = np.linspace(0, len(wav) / 16000, len(phones.phones) + 1)[1:]
        return Alignment(ends[: 1 // (len(wav) - 8000) or len(ends)], 0.0)


@codecs.register("fragile")
class Codec:
    trainable = False
    sample_rate, frame_rate, codebooks, size = 16000, 50.0, 1, 4

    def frames(self, samples):
        return samples // 320

    def encode(self, wavs):
        if len(wavs[0]) == 8000:
            raise RuntimeError("a tensor\\nof another size")
        return [np.zeros((len(wav) // 320, 1), np.int16) for wav in wavs]

    def save(self, folder):
        pass

    load = save
"""


def test_what_is_raised_over_one_utterance_sets_that_one_aside(folder, capsys):
    """By a front end, an aligner, a codec; beyond --max-rejected the stage ends in one line that says where."""
    Path("fragile.py").write_text(FRAGILE)
    sf.write("half.wav", TONE[:8000], RATE)
    lines("wav.scp", lambda rows: [*rows[:3], "s-d half.wav", rows[4]])(folder)
    more = ["--plugin", "fragile.py"]
    assert main(["format-wavs", "--data", "data", "--out", "raw"]) == 0
    assert main(["fit-codec", "--data", "raw", "--out", "codec", "--codec", "fragile", "--plugin", "fragile.py"]) == 0
    stages = {
        "phones": (["--data", "raw", "--text", "fragile", "--nj", "2"], "s-e", "__call__: KeyError: 'Text of s-e.'"),
        "align": (["--data", "raw", "--phones", "phones", "--aligner", "fragile"], "s-d", "align: ZeroDivisionError"),
        "encode": (["--data", "raw", "--codec", "codec"], "s-d", "encode: RuntimeError: a tensor of another size"),
    }
    for stage, (options, utterance, reason) in stages.items():
        command = [stage, *options, "--out", stage, *more]
        said = refused(capsys, *command)
        assert f"set aside, the first '{utterance}': " in said and "fragile.py:" in said and reason in said
        assert main([*command, "--max-rejected", "0.3"]) == 0
        assert list(read_table(f"{stage}/rejected")) == [utterance]
    Path("raw/wav/s-a.flac").write_bytes(b"was a recording")
    assert main(["align", *stages["align"][0], "--out", "again", *more, "--max-rejected", "0.5"]) == 0
    assert (
        list(read_table("again/rejected")) == ["s-a", "s-d"] and "not readable" in read_table("again/rejected")["s-a"]
    )


def test_what_concerns_all_utterances_is_not_set_aside():
    def raising(error):
        def work():
            raise error

        return work

    import errno

    for error in (MemoryError(), ModuleNotFoundError("no soxr"), OSError(errno.ENOSPC, "full"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            attempt(raising(error))
    assert attempt(raising(OSError(errno.EIO, "worn out"))).reason.startswith("OSError: [Errno 5] worn out (")


@pytest.fixture
def tokenised(tmp_path):
    """A set of one utterance, as stage 5 leaves it: (its folder, token list)."""
    made = tmp_path / "set"
    made.mkdir()
    with CodesWriter(made) as writer:
        writer.write("u", np.zeros((4, 2), int))
    for name, value in {"phones": "sp AA1", "word_of_phone": "-1 0", "durations": "1 3", "utt2spk": "s", "text": "a",
                        "utt2num_frames": "4"}.items():  # fmt: skip
        write_table(made / name, {"u": value})
    return made, Tokens(["sp", "AA1"], {"codebook_size": 8, "codebooks": 2})


CODES = {
    "as they were": (lambda folder: None, None),
    "a pickle": (content("codes.ark", lambda b: b"u PKL" + b[5:]), "not an NPY entry but a pickle; nothing was loaded"),
    "a command": (content("codes.scp", lambda b: b"u touch ran |\n"), "run only with --allow-pipes true"),
    "durations that do not add up": (
        content("durations", lambda b: b"u 1 9\n"), "'u': durations sum to 10, the codes have 4 frames",
    ),
    "durations that are no numbers": (content("durations", lambda b: b"u 1 x\n"), "utterance 'u': invalid literal"),
    "a phone of another list": (content("phones", lambda b: b"u sp ZZ\n"), "utterance 'u': phone 'ZZ' is not in"),
    "a torn table": (content("phones", lambda b: b[:-1]), "its last line is torn"),
}  # fmt: skip


@pytest.mark.parametrize("case", CODES)
def test_codes_and_durations_that_do_not_fit_are_refused(tokenised, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    folder, tokens = tokenised
    harm, reason = CODES[case]
    harm(folder)
    if reason is None:
        assert len(Dataset(folder, tokens)[0].codes) == 4
        return
    with pytest.raises(UserError) as caught:
        Dataset(folder, tokens)[0]
    assert reason in str(caught.value) and "\n" not in str(caught.value)
    assert not Path("ran").exists()


# Configuration files and options.

YAML = {
    "unknown key": ("jobs: 3\n", (), "c.yaml: unknown option 'jobs'; accepted: "),
    "unknown nested key": ("text_conf: {strss: true}\n", (), "unknown option 'strss' (did you mean 'stress'?)"),
    "ill-typed nested value": ("text_conf:\n  stress: loud\n", (), "option 'stress' must be true | false, not 'loud'"),
    "not a mapping": ("text_conf: 3\n", (), "option 'text_conf' must be `name: value` lines, not 3"),
    "word for a number": ("nj: many\n", (), "c.yaml: option 'nj' must be int, not 'many'"),
    "list for a number": ("nj: [1, 2]\n", (), "c.yaml: option 'nj' must be int, not [1, 2]"),
    "part of a number": ("nj: 1.5\n", (), "c.yaml: option 'nj' must be int, not 1.5"),
    "nothing for a number": ("nj:\n", (), "c.yaml: option 'nj' must be int, not None"),
    "number for a switch": ("debug: 3\n", (), "c.yaml: option 'debug' must be true or false"),
    "number as a key": ("1: 2\n", (), "c.yaml: 1 is no name of an option"),
    "number as a nested key": ("text_conf: {1: 2}\n", (), "unknown option '1'"),
    "does not parse": ("nj: [1,\n", (), "c.yaml: not readable as YAML: "),
    "Python tag": ("nj: !!python/object/apply:os.mkdir [ran]\n", (), "c.yaml: not readable as YAML: "),
    "not UTF-8": (b"text: \xff\n", (), "c.yaml: not UTF-8: byte 7, in line 1, is 0xff"),
    "a list": ("- nj\n", (), "expected 'key: value' lines, found a list"),
    "unknown key of an option": ("", ("--text_conf", "strss=true"), "text g2p_en: unknown option 'strss'"),
    "ill-typed value of an option": ("", ("--text_conf", "stress=3"), "option 'stress' must be true | false, not 3"),
    "option without value": ("", ("--text_conf", "stress"), "option 'stress' is not of the form key=value"),
    "option that does not parse": ("", ("--text_conf", "stress=[1"), "'stress=[1': its value is not readable as YAML"),
    "option with a Python tag": ("", ("--text_conf", "stress=!!python/name:os.mkdir"), "is not readable as YAML"),
    "unknown plugin file": ("plugins: no/where.py\n", (), "no/where.py: no such file"),
}  # fmt: skip


@pytest.mark.parametrize("case", YAML)
def test_configurations_are_refused_in_one_line(folder, capsys, case):
    written, options, reason = YAML[case]
    Path("c.yaml").write_bytes(written if isinstance(written, bytes) else written.encode())
    said = refused(capsys, "phones", "--data", "data", "--out", "phones", "--config", "c.yaml", *options)
    assert reason in said
    assert not Path("phones").exists() and not Path("ran").exists()


def test_a_configuration_is_read_as_the_command_line_would_be(folder):
    Path("c.yaml").write_text("nj: 1\nmax_rejected: 1e-2\ntext_conf: {stress: false}\nout: phones\ndata: data\n")
    assert main(["phones", "--config", "c.yaml"]) == 0
    assert read_table("phones/phones")["s-a"] == "sp T EH K S T AH V EH S AH sp"


def test_a_configuration_that_is_no_file_is_named(folder, capsys):
    assert "none.yaml: no such file" in refused(capsys, "phones", "--config", "none.yaml")
    assert "data: is a" in refused(capsys, "phones", "--config", "data")
