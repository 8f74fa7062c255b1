"""Marks in speech: found again whatever is done to it, not found elsewhere, and put into all that is synthesized."""

import io
import subprocess
import sys
import types

import numpy as np
import pytest
import soundfile
from test_synth import folder, synth, voice  # noqa: F401

from ellav import Synthesizer
from ellav.bin.main import main
from ellav.data.audio import read_about, resample, write_wav
from ellav.errors import UserError
from ellav.infer.provenance import CONSENT, DEFAULT, Marking, about, model_name
from ellav.plugins.watermarks import watermarks
from ellav.testing import check_watermark
from ellav.testing.sounds import sound

RATE = 16000
TEXT = "The old sailor bought a boat."


@pytest.fixture(scope="module")
def mark():
    return watermarks.create("spread_spectrum")


def encoded(wav, format, subtype, level):
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", RATE, 1, subtype, format=format, compression_level=level) as out:
        out.write(wav)
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


CHANGES = {
    "16 bits": lambda wav: (np.round(wav * 32768) / 32768).astype(np.float32),
    "mp3": lambda wav: encoded(wav, "MP3", "MPEG_LAYER_III", 0.6),
    "opus": lambda wav: encoded(wav, "OGG", "OPUS", 0.93),
    "8 kHz": lambda wav: resample(resample(wav, RATE, 8000), 8000, RATE),
    "44.1 kHz": lambda wav: resample(resample(wav, RATE, 44100), 44100, RATE),
    "noise": lambda wav: (wav + 0.1 * wav.std() * np.random.default_rng(0).standard_normal(len(wav))).astype("f4"),
    "softer, upside down": lambda wav: -0.1 * wav,
}


@pytest.mark.parametrize("change", CHANGES)
def test_two_seconds_of_changed_speech_are_told(mark, change):
    for seed in range(3):
        wav = sound(np.random.default_rng(seed), RATE, 6.0)
        start = 12_345 + 777 * seed
        changed, plain = (CHANGES[change](one)[start : start + 2 * RATE] for one in (mark.mark(wav, RATE), wav))
        assert mark.detect(plain, RATE) < mark.threshold <= mark.detect(changed, RATE)


def test_a_mark_is_the_same_at_each_sample_rate(mark):
    wav = sound(np.random.default_rng(0), 24000, 4.0)
    for rate in (8000, 11025, 16000, 22050, 44100, 48000):
        there = mark.mark(resample(wav, 24000, rate), rate)
        assert mark.detect(there, rate) > 1.5 * mark.threshold
        assert mark.detect(resample(there, rate, RATE), RATE) > 1.5 * mark.threshold


def test_a_marked_part_of_long_audio_is_found_and_long_audio_alone_is_not(mark):
    rng = np.random.default_rng(0)
    plain = np.concatenate([sound(rng, RATE, 10.0) for _ in range(12)])
    marked = plain.copy()
    marked[61 * RATE + 5 : 71 * RATE + 5] = mark.mark(plain[61 * RATE + 5 : 71 * RATE + 5], RATE)
    assert mark.detect(plain, RATE) < mark.threshold <= mark.detect(marked, RATE)


def test_another_key_is_another_mark(mark):
    wav = sound(np.random.default_rng(0), RATE, 4.0)
    mine = watermarks.create("spread_spectrum", {"key": "mine"})
    assert mark.detect(mine.mark(wav, RATE), RATE) < mark.threshold <= mine.detect(mine.mark(wav, RATE), RATE)
    with pytest.raises(UserError, match="strength=3 dB is not between"):
        watermarks.create("spread_spectrum", {"strength": 3.0})


def test_the_noise_of_the_key_never_changes(mark):
    """Speech that is marked today must be told by every later version."""
    assert mark._phases[:3] == pytest.approx([2.33926, 0.16406, 4.52666], abs=1e-4)


def test_nothing_is_added_to_silence(mark):
    wav = np.concatenate([np.zeros(RATE), sound(np.random.default_rng(0), RATE, 1.0), np.zeros(RATE)]).astype("f4")
    made = mark.mark(wav, RATE)
    assert not made[: RATE - 256].any() and not made[2 * RATE + 256 :].any()


def test_all_that_is_spoken_is_marked_unless_asked_otherwise(voice, folder):  # noqa: F811
    plain = Synthesizer(folder / "packed", watermark=None)
    made, bare = voice(TEXT), plain(TEXT)
    assert np.array_equal(made.wav, watermarks.create(DEFAULT).mark(bare.wav, RATE)) and np.any(made.wav != bare.wav)
    assert np.array_equal(made.codes, bare.codes)
    assert made.about["comment"].endswith(f"; watermark {DEFAULT}") and bare.about["comment"].endswith("; no watermark")
    streamed, unmarked = (np.concatenate(list(one.stream(TEXT))) for one in (voice, plain))
    assert np.array_equal(streamed, watermarks.create(DEFAULT).mark(unmarked, RATE))


def test_a_closed_stream_ends_the_decoding(voice):  # noqa: F811
    ended = []

    def pieces():
        try:
            for _ in range(9):
                yield np.ones(RATE, np.float32)
        finally:
            ended.append(True)

    stream = voice.marking.pieces(pieces())
    next(stream)
    assert isinstance(stream, types.GeneratorType) and not ended
    stream.close()
    assert ended == [True]


def test_what_needs_the_whole_is_not_streamed():
    with pytest.raises(
        UserError, match="perth: needs the whole of a speech, so it cannot be streamed; take spread_spec"
    ):
        Marking("perth", None, RATE).check_streams()
    Marking(None, None, RATE).check_streams()
    with pytest.raises(UserError, match="watermark_conf without a watermark"):
        Marking(None, {"key": "a"}, RATE)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_the_header_says_what_made_the_file_and_detect_shows_it(synth, folder, tmp_path, ending, capsys):  # noqa: F811
    marked, plain = (tmp_path / f"{name}.{ending}" for name in ("marked", "plain"))
    assert synth(text=TEXT, out=marked)[0] == synth("--no-watermark", text=TEXT, out=plain)[0] == 0
    says = read_about(marked)
    assert says["title"] == "synthesized speech" and says["software"].startswith("ellav ")
    assert len(says["date"]) == 10 and says["comment"].endswith("; watermark spread_spectrum")
    assert " model packed " in says["comment"] and str(tmp_path.parent) not in says["comment"]
    capsys.readouterr()
    assert detect(marked) == 0 and detect(plain) == 1 and detect(marked, plain) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(f"{marked}: marked (spread_spectrum ") and says["comment"] in lines[0]
    assert lines[1].startswith(f"{plain}: not marked (spread_spectrum ") and "; no watermark" in lines[1]


def detect(*arguments):
    """The exit status of `ellav detect`."""
    try:
        return main(["detect", *map(str, arguments)])
    except SystemExit as ended:
        return ended.code


def test_what_cannot_be_read_is_told_and_the_others_are_examined(tmp_path, capsys):
    write_wav(tmp_path / "a.wav", sound(np.random.default_rng(0), 44100, 1.0), 44100)
    (tmp_path / "b.wav").write_bytes(b"no sound")
    assert detect(tmp_path / "b.wav", tmp_path / "a.wav", tmp_path / "c.wav") == 2
    shown = capsys.readouterr()
    assert shown.out.count("\n") == 1 and "a.wav: not marked" in shown.out and "; no metadata" in shown.out
    assert [line.split(": ")[2].split(" (")[0] for line in shown.err.splitlines()] == ["not readable"] * 2
    header = bytearray((tmp_path / "a.wav").read_bytes())
    header[24:28] = (2_000_000_000).to_bytes(4, "little")
    (tmp_path / "fast.wav").write_bytes(header)
    assert detect(tmp_path / "fast.wav") == 2
    assert "a sample rate of 2000000000 Hz is none of a recording" in capsys.readouterr().err
    assert detect("--watermark-conf", "key=other", tmp_path / "a.wav") == 1  # the file is not taken for another pair
    capsys.readouterr()
    assert detect(tmp_path / "a.wav", "--watermark=none") == 2
    assert "no plugin named 'none'" in capsys.readouterr().err


def test_a_header_cannot_steer_the_terminal(tmp_path, capsys):
    write_wav(tmp_path / "a.wav", np.ones(RATE, np.float32), RATE, about={"title": "a\x1b[2J\nmarked"})
    assert detect(tmp_path / "a.wav") == 1
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and shown.count("\n") == 1


def test_a_model_is_named_by_its_folder_and_what_is_in_it(voice, tmp_path):  # noqa: F811
    import shutil

    from ellav.infer.bundle import read_bundle

    same = read_bundle(shutil.copytree(voice.bundle.folder, tmp_path / "other"))
    name, digest = model_name(voice.bundle).split()
    assert (name, model_name(same)) == ("packed", f"other {digest}")
    weights = tmp_path / "other/ar/averaged.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert model_name(same) != f"other {digest}"
    assert about("m", None)["software"] == f"ellav {__import__('ellav').__version__}"
    assert voice.marking.notice == f"{CONSENT} It carries the watermark {DEFAULT}."


def test_perth_keeps_the_contract():
    check_watermark(watermarks.create("perth"), watermarks.create("perth"), cases=1)


def test_without_the_package_perth_names_the_extra():
    code = (
        "import sys; sys.modules['perth'] = None\nimport numpy as np\n"
        "from ellav.plugins.watermarks import watermarks\n"
        "watermarks.create('perth').mark(np.zeros(16000, np.float32), 16000)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "pip install 'ellav[perth]'" in done.stderr.splitlines()[-1]
