"""`ellav score` on a miniature experiment whose figures are known beforehand."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from ellav.bin.main import main
from ellav.data.codes import CodesWriter
from ellav.data.kaldi import DataFolder, read_table, write_table
from ellav.plugins.scorers import scorers
from ellav.score.page.build import _results
from ellav.score.scoring import other_readers
from ellav.score.tables import read_results, render

SENTENCES = [
    "THE OLD KING SOLD A HEAVY CARPET TO THE SAILOR",
    "EVERY MORNING THE YOUNG QUEEN PAINTED A WOODEN LADDER",
    "A TALL DOCTOR CARRIED THE YELLOW BASKET OVER THE BRIDGE",
    "THE FARMER FOUND A SILVER BUTTON UNDER THE TABLE",
    "SEVEN CHILDREN FOLLOWED THE MUSIC INTO THE GARDEN",
]
VOICES = ("awb", "slt")

CODEC = '''
import numpy as np
from ellav.plugins.codecs import codecs

@codecs.register("samples")
class Samples:
    """The high and the low byte of every sample, 160 samples a frame."""

    trainable = False
    sample_rate, frame_rate, codebooks, size = 16000, 100.0, 320, 256

    def frames(self, samples):
        return samples // 160

    def decode(self, codes):
        pcm = [(c[:, 0::2].astype(int) * 256 + c[:, 1::2] - 32768).reshape(-1) for c in codes]
        return [wav.astype(np.float32) / 32768 for wav in pcm]

    def load(self, folder):
        pass

    def save(self, folder):
        pass
'''


def encode(wav):
    frames = len(wav) // 160
    pcm = (np.round(wav[: frames * 160] * 32768).astype(int) + 32768).reshape(frames, 160)
    return np.stack([pcm // 256, pcm % 256], axis=2).reshape(frames, 320).astype(np.int16)


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """{utterance: path}: every voice says every sentence."""
    folder = tmp_path_factory.mktemp("flite")
    made = {}
    for voice in VOICES:
        for number, text in enumerate(SENTENCES):
            made[f"{voice}-{number}"] = path = folder / f"{voice}-{number}.wav"
            subprocess.run(["flite", "-voice", voice, "-t", text.lower(), "-o", str(path)], check=True)
    return made


@pytest.fixture
def experiment(tmp_path, speech, monkeypatch):
    """What stages 2 to 8 would leave. The synthesized speech is the recorded, but for two utterances:
    `slt-0` came out empty, and `slt-1` was spoken in the other voice."""
    monkeypatch.chdir(tmp_path)
    texts = {utterance: SENTENCES[int(utterance[-1])] for utterance in speech}
    speakers = {utterance: utterance[:3] for utterance in speech}
    for name in ("train", "test"):
        folder = tmp_path / "dump/raw" / name
        folder.mkdir(parents=True)
        data = DataFolder({u: str(p) for u, p in speech.items()}, texts, speakers)
        if name == "train":  # other recordings than the tested ones, as far as names go
            data = DataFolder(*({f"{u}t": v for u, v in t.items()} for t in (data.wavs, texts, speakers)))
        data.write(folder)
        phones = tmp_path / "dump/phones" / name
        phones.mkdir(parents=True)
        write_table(phones / "words", data.text)
        write_table(phones / "phones", {u: "sp" for u in data.text})
        write_table(phones / "word_of_phone", {u: "-1" for u in data.text})
    codes = tmp_path / "dump/codes/test"
    codes.mkdir(parents=True)
    with CodesWriter(codes) as writer:
        for utterance, path in speech.items():
            writer.write(utterance, encode(soundfile.read(path)[0]))
    codec = tmp_path / "exp/codec"
    codec.mkdir(parents=True)
    (codec / "codec.yaml").write_text(
        "{name: samples, conf: {}, sample_rate: 16000, frame_rate: 100.0, codebooks: 320, size: 256}\n"
    )
    decode = tmp_path / "exp/one/decode/test"
    (decode / "wav").mkdir(parents=True)
    facts = []
    for utterance, path in speech.items():
        source = {"slt-1": speech["awb-1"]}.get(utterance, path)
        wav = soundfile.read(source)[0]
        if utterance == "slt-0":
            wav = wav[:0]
        soundfile.write(decode / "wav" / f"{utterance}.wav", wav, 16000)
        facts.append({"id": utterance, "cuts": 1, "phones": 20, "hit_bound": utterance == "slt-0", "prompt_frames": 9})
        facts[-1] |= {"frames": 90, "target_frames": 100, "seconds": 0.25, "audio_seconds": 0.5}
    (decode / "facts.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in facts))
    write_table(decode / "wav.scp", {u: f"exp/one/decode/test/wav/{u}.wav" for u in speech})
    write_table(decode / "utt2spk", speakers)
    write_table(decode / "utt2prompt", {u: f"{u[:4]}{(int(u[-1]) + 1) % len(SENTENCES)}" for u in speech})
    return tmp_path


@pytest.fixture(scope="session")
def plugin(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugin") / "codec.py"
    path.write_text(CODEC)
    return ["--plugin", str(path)]


SCORER = """
from ellav.plugins.scorers import scorers

@scorers.register("counts_words_too")
class Clash:
    metrics = {"wer": "mine too"}
    reads_text = False

    def score(self, utterance):
        return {"wer": (1.0, 1.0)}
"""

TRANSCRIBER = """
from ellav.plugins.transcribers import transcribers

@transcribers.register("hears_the")
class HearsThe:
    sample_rate = 16000

    def transcribe(self, wav):
        return "THE"
"""


FILE_TRANSCRIBER = """
from pathlib import Path
from ellav.plugins.transcribers import transcribers

@transcribers.register("hears_a_file")
class HearsAFile:
    sample_rate = 16000

    def __init__(self, model: Path | str):
        self.words = Path(model).read_text().upper()

    def transcribe(self, wav):
        return self.words
"""


PROMPT_SCORER = """
from ellav.plugins.scorers import scorers

@scorers.register("louder")
class Louder:
    metrics = {"louder": "peak / peak of the prompt"}
    reads_text = False
    reads_prompt = True

    def score(self, utterance):
        return {"louder": (float(max(abs(utterance.wav), default=0)), float(max(abs(utterance.prompt))))}
"""


@pytest.fixture(scope="module")
def louder(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugin") / "louder.py"
    path.write_text(PROMPT_SCORER)
    return ("--scorers", "louder", "--plugin", str(path))


@pytest.fixture
def score(plugin):
    return lambda *more, exp="exp/one": main(["score", "--exp", exp, "--sets", "test", *plugin, *more])


def test_all_rows_and_their_figures(experiment, score):
    (experiment / "exp/one/ar").mkdir()
    (experiment / "exp/one/ar/summary.json").write_text('{"tokens_per_second": 12345.6, "steps": 7}')
    assert score("--nj", "2") == 0
    results = json.loads((experiment / "exp/one/results.json").read_text())
    rows = results["sets"]["test"]
    assert set(rows) == {"recorded", "resynthesis", "synthesized", "shuffled", "silence", "other_reader"}
    words = sum(len(s.split()) for s in SENTENCES) * 2
    lost = len(SENTENCES[0].split())
    value = {row: figures["wer"]["value"] for row, figures in rows.items() if "wer" in figures}
    assert value["recorded"] <= 8 and value["resynthesis"] == value["recorded"]
    assert 100 * lost / words <= value["synthesized"] <= 100 * lost / words + 8
    assert value["shuffled"] >= 80 and value["silence"] >= 80
    assert rows["recorded"]["own_first"]["value"] == 100
    assert rows["synthesized"]["own_first"]["value"] == 80  # the empty one and the other voice
    assert rows["synthesized"]["inf"]["value"] == 10 and rows["synthesized"]["cut"]["value"] == 5
    assert rows["synthesized"]["duration_ratio"]["value"] == pytest.approx(0.9)
    assert rows["synthesized"]["rtf"]["value"] == pytest.approx(0.5)
    assert set(rows["other_reader"]) == {"similarity", "own_first"}
    assert rows["other_reader"]["similarity"]["value"] < rows["recorded"]["similarity"]["value"] - 0.2
    assert rows["other_reader"]["own_first"]["value"] == 0
    assert "inf" not in rows["recorded"] and "similarity" not in rows["shuffled"]
    for figures in rows.values():
        assert all(f["low"] <= f["value"] <= f["high"] for f in figures.values())
    table = (experiment / "exp/one/RESULTS.md").read_text()
    assert (
        "by resemblyzer" in table and "as heard by pocketsphinx (lm=lm.arpa); " in table and "normalizer basic" in table
    )
    assert "| control: another reader" in table and "- control: another reader: a recording of another" in table
    assert "12,346" in table and "control: silence" in table and results["environment"]["cpu"] in table


ONCE = """
from ellav.plugins.scorers import scorers

@scorers.register("fails_once")
class FailsOnce:
    metrics = {"length": "in s"}
    reads_text = False

    def score(self, utterance):
        return {"length": [len(utterance.wav) / utterance.sample_rate, {"awb-2": 0}.get(utterance.id, 1) ** -1]}
"""


def test_what_cannot_be_scored_is_set_aside_and_tried_again(experiment, score, capsys):
    (experiment / "once.py").write_text(ONCE)
    command = ["--scorers", "fails_once", "--plugin", "once.py"]
    assert score(*command) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "1 of 10 utterances set aside, the first 'awb-2'" in said[0] and "once.py:10" in said[0]
    assert score(*command, "--max-rejected", "0.1") == 0
    rows = json.loads((experiment / "exp/one/results.json").read_text())["sets"]["test"]
    assert {figures["length"]["utterances"] for figures in rows.values()} == {9}
    assert list(read_table(experiment / "exp/one/scores/test/rejected")) == ["awb-2"]


def test_what_does_not_depend_on_the_experiment_is_kept(experiment, score, capsys):
    assert score("--scorers", "wer", "stability") == 0
    (experiment / "exp/one").rename(experiment / "exp/two")
    scp = experiment / "exp/two/decode/test/wav.scp"
    scp.write_text(scp.read_text().replace("exp/one", "exp/two"))
    (experiment / "exp/one").mkdir()
    results = experiment / "exp/two/results.json"
    (experiment / "exp/one/results.json").write_text(results.read_text())
    capsys.readouterr()
    assert score("--scorers", "wer", "stability", "--compare", "exp/one", exp="exp/two") == 0
    said = capsys.readouterr().out
    assert "exp/scores/test/recorded: up to date" in said and "exp/scores/test/resynthesis: up to date" in said
    table = (experiment / "exp/two/RESULTS.md").read_text()
    assert "**two**" in table and "**one**" in table


@pytest.fixture
def continued(experiment, speech):
    """The recordings again, as continuations of their own first second."""
    decode = experiment / "exp/one/decode_continuation/test"
    decode.mkdir(parents=True)
    write_table(decode / "wav.scp", {u: str(path) for u, path in speech.items()})
    write_table(decode / "utt2spk", {u: u[:3] for u in speech})
    write_table(decode / "utt2prompt", {u: u for u in speech})
    facts = [{"id": u, "cuts": 2, "phones": 10, "prompt_frames": 100} for u in speech]
    (decode / "facts.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in facts))
    return experiment


def test_a_continuation_has_its_own_table(continued, score, speech):
    assert score("--mode", "continuation") == 0
    results = json.loads((continued / "exp/one/results.json").read_text())
    assert results["sets"]["test"]["synthesized"]["cut"]["value"] == 5  # cross-sentence stays beside it
    rows = results["continuation"]["sets"]["test"]
    assert results["continuation"]["utterances"] == {"test": len(speech)}
    assert rows["synthesized"]["cut"]["value"] == 20
    assert rows["synthesized"]["wer"]["value"] == rows["recorded"]["wer"]["value"] <= 8  # the whole utterance's words
    embed = scorers.create("similarity").embed
    wavs = [soundfile.read(path, dtype="float32")[0] for path in speech.values()]
    expected = np.mean([embed(wav[16000:], 16000) @ embed(wav[:16000], 16000) for wav in wavs])
    for row in ("recorded", "resynthesis", "synthesized"):
        assert rows[row]["similarity"]["value"] == pytest.approx(expected, abs=0.02)
    table = (continued / "exp/one/RESULTS.md").read_text()
    assert "## test: 10 utterances" in table and "## test, continuation: 10 utterances" in table


def test_a_table_of_older_models_is_left_out(continued, score, capsys):
    model = continued / "exp/one/ar.safetensors"
    model.write_text("new")
    record = {"key": "k", "stage": "8 (decode)", "options": {}, "inputs": {str(model): "the older one's"}}
    (continued / "exp/one/decode_continuation/test/done.json").write_text(json.dumps(record))
    assert score("--scorers", "stability") == 0
    assert "decode_continuation: left out of the tables" in capsys.readouterr().out
    assert "continuation" not in json.loads((continued / "exp/one/results.json").read_text())
    assert score("--scorers", "stability", "--mode", "continuation") == 1
    assert "rerun stage 8 (decode)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda d: (d / "exp/one/decode/test/wav.scp").unlink(), "run stage 8 (decode) first"),
        (lambda d: (d / "exp/one/decode/test/facts.jsonl").write_text("{}\n"), "facts.jsonl:1: not a JSON record"),
        (lambda d: (d / "exp/one/decode/test/facts.jsonl").write_text(""), "'awb-0' has no facts.jsonl"),
        (lambda d: (d / "dump/phones/test/words").write_text("awb-0 A\n"), "'awb-1' has no words"),
        (lambda d: (d / "exp/codec/codec.yaml").unlink(), "run stage 4 (codes) first"),
        (lambda d: (d / "dump/codes/test/codes.scp").unlink(), "run stage 4 (codes) first"),
    ],
)
def test_missing_files_are_named(experiment, score, capsys, spoil, message):
    spoil(experiment)
    assert score("--scorers", "wer", "stability") == 1
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1


def test_one_column_has_one_scorer(experiment, score, capsys, tmp_path):
    (tmp_path / "clash.py").write_text(SCORER)
    assert score("--scorers", "wer", "counts_words_too", "--plugin", str(tmp_path / "clash.py")) == 1
    assert "--scorers: wer and counts_words_too both have a metric 'wer'" in capsys.readouterr().err


def test_another_file_of_a_codec_resynthesizes_anew(experiment, score, capsys, plugin):
    options = ("--scorers", "rtf", "stability")
    assert score(*options) == 0
    path = Path(plugin[1])
    before = path.read_text()
    path.write_text(before + "# changed\n")
    capsys.readouterr()
    assert score(*options) == 0
    path.write_text(before)
    out = capsys.readouterr().out
    assert "recorded: up to date" in out and "resynthesis: up to date" not in out


def test_another_file_of_a_transcriber_hears_anew(experiment, score, capsys, tmp_path):
    path = tmp_path / "hears.py"
    path.write_text(TRANSCRIBER)
    options = ("--scorers", "wer", "--transcriber", "hears_the", "--plugin", str(path))
    assert score(*options) == 0
    capsys.readouterr()
    assert score(*options) == 0
    assert "recorded: up to date" in capsys.readouterr().out
    path.write_text(path.read_text() + "# changed\n")
    assert score(*options) == 0
    assert "recorded: up to date" not in capsys.readouterr().out


def test_a_changed_file_that_an_option_names_hears_anew(experiment, score, capsys, tmp_path):
    (tmp_path / "hears.py").write_text(FILE_TRANSCRIBER)
    (tmp_path / "model").write_text("one")
    options = ("--scorers", "wer", "--transcriber", "hears_a_file", "--plugin", str(tmp_path / "hears.py"))
    options += ("--transcriber_conf", "model=model", "--scorer_conf", "wer.normalizer=whisper")
    assert score(*options) == 0
    capsys.readouterr()
    assert score(*options) == 0
    assert "recorded: up to date" in capsys.readouterr().out
    (tmp_path / "model").write_text("two")
    assert score(*options) == 0
    assert "recorded: up to date" not in capsys.readouterr().out
    results = json.loads((experiment / "exp/one/results.json").read_text())
    assert results["metrics"]["wer"].endswith(
        "heard by hears_a_file (model=model); words made alike by normalizer whisper"
    )
    assert "other_reader" not in results["sets"]["test"]  # no scorer here compares with prompts


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_another_reader_is_another_one(speakers):
    ids = [f"u{i}" for i in range(len(speakers))]
    known = dict(zip(ids, speakers, strict=True))
    found = other_readers(ids, known)
    assert list(found) == (ids if len(set(speakers)) > 1 else [])
    assert all(known[id] != known[other] for id, other in found.items())


def test_the_other_reader_is_judged_by_the_prompt(experiment, score, louder, speech):
    assert score(*louder) == 0
    results = json.loads((experiment / "exp/one/results.json").read_text())
    assert set(results["sets"]["test"]) == {"recorded", "resynthesis", "synthesized", "other_reader"}
    peak = {u: max(abs(soundfile.read(path)[0])) for u, path in speech.items()}
    prompts = read_table(experiment / "exp/one/decode/test/utt2prompt")
    lines = (experiment / "exp/scores/test/recorded/scores.jsonl").read_text().splitlines()
    found = [one for one in map(json.loads, lines) if one["row"] == "other_reader"]
    assert [one["id"] for one in found] == list(speech)
    page = _results(results, [])  # report.html's
    assert '<tr class="control"><th scope="row">control: another reader</th>' in page
    assert "<li>control: another reader: a recording of another speaker of the set" in page
    for one in found:
        strangers = [peak[u] for u in speech if u[:3] != one["id"][:3]]
        above, below = one["louder"]
        assert below == pytest.approx(peak[prompts[one["id"]]], abs=1e-4)
        assert min(abs(above - p) for p in strangers) < 1e-4 < abs(above - peak[one["id"]])


def test_a_set_of_one_speaker_has_no_other_reader(experiment, score, louder):
    decode = experiment / "exp/one/decode/test"
    for name in ("wav.scp", "utt2spk", "utt2prompt"):
        lines = (decode / name).read_text().splitlines(keepends=True)
        (decode / name).write_text("".join(line for line in lines if line.startswith("slt")))
    assert score(*louder) == 0
    rows = json.loads((experiment / "exp/one/results.json").read_text())["sets"]["test"]
    assert set(rows) == {"recorded", "resynthesis", "synthesized"}
    assert "another reader" not in (experiment / "exp/one/RESULTS.md").read_text()


def test_results_from_before_the_control_read_as_they_were(experiment, score, louder):
    assert score(*louder) == 0
    assert "another reader" in (experiment / "exp/one/RESULTS.md").read_text()
    results = json.loads((experiment / "exp/one/results.json").read_text())
    del results["sets"]["test"]["other_reader"]
    (experiment / "exp/older").mkdir()
    (experiment / "exp/older/results.json").write_text(json.dumps(results | {"tag": "older"}))
    table = render(read_results(experiment / "exp/older"), [])
    assert "- `louder`: peak" in table and "another reader" not in table
    assert score(*louder, "--compare", "exp/older") == 0
    assert "| **older**" in (experiment / "exp/one/RESULTS.md").read_text()


@pytest.mark.parametrize(
    "options, message",
    [
        (("--scorers", "beauty"), "no plugin named 'beauty'"),
        (("--scorers", "rtf", "--scorer_conf", "wer.x=1"), "write NAME.KEY=VALUE"),
        (("--scorers", "similarity", "--scorer_conf", "similarity.x=1"), "unknown option 'x'"),
        (("--scorers", "wer", "--transcriber_conf", "volume=11"), "unknown option 'volume'"),
        (("--scorers", "wer", "--scorer_conf", "wer.normalizer=none"), "must be basic | whisper"),
        (("--scorers", "rtf", "--compare", "exp/none"), "run stage 9 (score) of that experiment first"),
    ],
)
def test_wrong_options_are_refused_in_one_line(experiment, score, capsys, options, message):
    assert score(*options) == 1
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
