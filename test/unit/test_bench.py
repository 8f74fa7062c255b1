"""`ellav bench`: what it prints, its floors counted by hand, and the textbook beside the models."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from ellav import machine
from ellav.bench import floors
from ellav.bench.codec import ready_codec
from ellav.bench.decode import held_back
from ellav.bench.presets import PRESETS, read_preset
from ellav.bench.reference import Reference
from ellav.bench.speech import Codes, GeneratedSpeech, generated, request_of
from ellav.bin.main import main
from ellav.config import yaml_text
from ellav.data.codes import CodesWriter
from ellav.data.kaldi import write_table
from ellav.infer.bundle import PRETRAINED
from ellav.infer.engine import Engine
from ellav.models import limits
from ellav.models.ar import ARModel
from ellav.models.nar import NARModel
from ellav.models.options import ModelOptions
from ellav.plugins.decoders import decoders
from ellav.plugins.orderings import orderings
from ellav.testing.ordering import PHONES

SMALL = ModelOptions(layers=2, width=32, heads=4, ffn=48)
CODES = Codes(50.0, 3, 16)
COMMON = {"name", "batch", "seconds", "steps_per_second", "tokens_per_second", "real_time_factor", "floor_seconds"}
COMMON |= {"times_floor", "peak_memory_mib"}
SHORT = ["--preset", "smoke", "--prompt-seconds", "0.2", "--seconds", "0.3", "--repeats", "1", "--device", "cpu"]


@pytest.fixture(autouse=True)
def little(monkeypatch):
    """Limits of the machine from little memory and small products: nothing here depends on them."""
    monkeypatch.setattr(limits, "READ_BYTES", 2**16)
    monkeypatch.setattr(limits, "LARGEST", 64)
    monkeypatch.setattr(limits, "SMALLEST", 32)


def measured(capsys, *argv) -> dict:
    """What `ellav bench ... --json` prints: one object and nothing else."""
    assert main(["bench", *argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_decoding_stands_beside_its_reference_and_its_floor(capsys):
    found = measured(capsys, "decode", *SHORT, "--batch", "1", "2", "--quantize", "int8")
    assert {"bench", "preset", "parameters", "dtype", "device", "processor", "threads", "versions"} <= set(found)
    assert found["bench"] == "decode" and found["preset"] == "smoke" and found["reading_gb_per_s"] > 0
    names = ["AR engine", "AR engine, int8", "AR reference", "NAR model", "NAR model, int8", "NAR reference"]
    assert [(row["batch"], row["name"]) for row in found["rows"]] == [(b, name) for b in (1, 2) for name in names]
    for row in found["rows"]:
        assert set(row) == COMMON
        assert all(row[name] > 0 for name in COMMON - {"name", "floor_seconds", "times_floor"})
        assert (row["floor_seconds"] is None) == (row["name"] == "NAR model, int8")  # its products have no peak
        assert row["floor_seconds"] is None or row["times_floor"] > 0


def test_the_table_is_aligned_and_says_what_was_measured(capsys):
    assert main(["bench", "decode", *SHORT, "--batch", "1", "--model-conf", "width=48", "layers=2"]) == 0
    head, *table = capsys.readouterr().out.splitlines()
    assert "smoke" in head and "cpu" in head and "float32" in head and "GB/s" in head
    assert "steps/s" in table[0] and "times floor" in table[0]
    assert [line[:20].strip() for line in table[1:]] == ["AR engine", "AR reference", "NAR model", "NAR reference"]
    assert len({len(line) for line in table}) == 1


@pytest.mark.parametrize("ordering", ["interleaved", "concat", "grouped", "word_block"])
def test_any_model_decodes_the_same_length(ordering):
    made = orderings.create(ordering)
    made.bind(PHONES, CODES.size)
    rng = np.random.default_rng(0)
    request = request_of(*(generated(rng, name, 40, len(PHONES), CODES) for name in "ab"))
    script = held_back(made, request)
    steps = set()
    for seed in range(3):
        torch.manual_seed(seed)
        (decoded,) = Engine(ARModel.of(made, SMALL), made, decoders.create("nucleus")).decode(["a"], [script])
        assert 78 <= len(made.restore(decoded.ids).codes) <= 80  # random weights may fill groups up before the end
        steps.add(decoded.steps)
    assert len(steps) == 1


def test_a_trained_model_decodes_the_scripts_of_a_set(capsys, tmp_path):
    said = {"a1": ("sp HH AH0 sp", [2, 3, 4, 1]), "a2": ("sp B AE1 D", [2, 2, 4, 3])}
    with CodesWriter(tmp_path) as writer:
        for utterance, (_, durations) in said.items():
            writer.write(utterance, np.zeros((sum(durations), 4), np.int16))
    write_table(tmp_path / "phones", {u: phones for u, (phones, _) in said.items()})
    write_table(tmp_path / "word_of_phone", {u: [-1, 0, 0, 0] for u in said})
    write_table(tmp_path / "durations", {u: durations for u, (_, durations) in said.items()})
    write_table(tmp_path / "utt2num_frames", {u: sum(durations) for u, (_, durations) in said.items()})
    write_table(tmp_path / "utt2spk", dict.fromkeys(said, "anna"))
    write_table(tmp_path / "text", dict.fromkeys(said, "SAID"))
    mini = PRETRAINED.with_name("mini")
    places = ["--ar", str(mini / "ar"), "--data", str(tmp_path), "--tokens", str(mini / "list")]
    found = measured(capsys, "decode", *places, "--batch", "2", "--repeats", "1", "--device", "cpu")
    assert found["ordering"] == "interleaved" and found["parameters"]["ar"] > 10**6
    assert [row["name"] for row in found["rows"]] == ["AR engine", "AR reference"]
    assert all(row["times_floor"] > 0 and row["real_time_factor"] > 0 for row in found["rows"])


def test_training_stands_beside_its_reference_and_its_floor(capsys):
    found = measured(capsys, "train", "--preset", "smoke", "--steps", "2", "--device", "cpu", "--dtype", "float32")
    assert found["bench"] == "train" and found["preset"] == "smoke" and found["steps"] == 2
    names = [f"{kind} {what}" for kind in ("AR", "NAR") for what in ("training", "reference", "data")]
    assert [row["name"] for row in found["rows"]] == names
    for row in found["rows"]:
        assert row["tokens_per_second"] > 0 and row["real_time_factor"] > 0 and row["batch"] == 4000
        if row["name"].endswith("data"):
            assert set(row) == COMMON and row["floor_seconds"] is None
        else:
            assert set(row) == COMMON | {"dtype", "parameters", "model_flops_utilisation", "product_gflop_per_s"}
            assert row["floor_seconds"] > 0 and row["parameters"] > 0 and row["dtype"] == "float32"
            assert row["model_flops_utilisation"] == pytest.approx(1 / row["times_floor"], rel=1e-2)


def test_a_codec_by_name_and_from_its_folder(capsys, tmp_path):
    conf = {"codebooks": 2, "size": 16, "griffin_lim_iterations": 2, "kmeans_iterations": 1}
    codec = ready_codec("rvq_mel", conf)
    codec.save(tmp_path)
    (tmp_path / "codec.yaml").write_text(yaml_text({"name": "rvq_mel", "conf": conf}))
    named = ["rvq_mel", "--codec-conf", *(f"{name}={value}" for name, value in conf.items())]
    for place in (named, [str(tmp_path)]):
        found = measured(capsys, "codec", "--codec", *place, "--seconds", "0.5", "--batch", "2", "--repeats", "1")
        assert (found["codebooks"], found["size"], found["frame_rate"]) == (2, 16, 50)
        assert [row["name"] for row in found["rows"]] == ["encode", "decode"]
        for row in found["rows"]:
            assert row["speech_seconds_per_second"] > 0 and row["batch"] == 2 and row["peak_memory_mib"] > 0


def test_a_stream_stands_beside_the_whole(capsys):
    found = measured(capsys, "stream", "--text", "Good.", "--repeats", "1", "--device", "cpu")
    streamed, whole = found["rows"]
    assert (streamed["name"], whole["name"]) == ("stream", "whole")
    assert 0 < streamed["first_audio_ms"] <= 1000 * streamed["seconds"] and streamed["real_time_factor"] > 0
    assert whole["first_audio_ms"] > 0 and whole["speech_seconds"] > 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "expected one of decode, train, codec, stream"),
        (["--ar", "exp/ar"], "as in `ellav bench decode --preset mini`"),
        (["decode", "--preset", "minni"], "no preset 'minni' (did you mean 'mini'?)"),
        (["decode", "--preset", "none.yaml"], "none.yaml: no such file"),
        (["decode", "--preset", "mini", "--ar", "x"], "--preset is of random weights"),
        (["decode", "--ar", "x", "--data", "y"], "--ar needs --data and --tokens"),
        (["decode", "--data", "y"], "--data is of a trained model: give --ar too"),
        (["decode", "--batch", "1", "0"], "--batch must be 1 or more, not 0"),
        (["decode", "--seconds", "0"], "--seconds must be above 0 and at most 3600, not 0"),
        (["decode", "--repeats", "0"], "--repeats must be 1 or more"),
        (["decode", "--device", "tpu"], "device 'tpu'"),
        (["decode", "--model-conf", "depth=2"], "unknown option 'depth'"),
        (["train", "--steps", "0"], "--steps must be 1 or more"),
        (["train", "--preset", "smoke", "--batch", "100"], "more than batch_tokens=100"),
        (["train", "--preset", "smoke", "--train-conf", "rate=1"], "train_conf: unknown option 'rate'"),
        (["train", "--device", "cuda:1"], "device 'cuda:1'"),
        (["codec", "--codec", "nocodec"], "no plugin named 'nocodec'"),
        (["codec", "--codec", "."], "no codec.yaml there"),
        (["stream", "--model", "nowhere"], "nowhere"),
    ],
)
def test_wrong_options_end_in_one_line(argv, said, capsys):
    assert main(["bench", *argv]) == 1
    shown = capsys.readouterr()
    assert said in shown.err and shown.err.count("\n") == 1 and not shown.out


def test_help_is_there_for_all_and_for_each(capsys):
    assert main(["bench", "--help"]) == 0
    shown = capsys.readouterr().out
    for name in ("decode", "train", "codec", "stream"):
        assert f"  {name}  " in shown
        with pytest.raises(SystemExit, match="0"):
            main(["bench", name, "--help"])
        assert "--json" in capsys.readouterr().out


def test_every_preset_of_the_recipes_comes_with_the_package():
    assert {path.stem for path in PRESETS.glob("*.yaml")} >= {"mini", "paper", "smoke"}
    assert read_preset("paper")["model_conf"]["width"] == 1024
    assert read_preset(str(PRESETS / "mini.yaml")) == read_preset("mini")


def test_generated_speech_is_of_one_kind():
    speech = GeneratedSpeech(5, CODES, 70, (0.5, 2.0), 80)
    again = GeneratedSpeech(5, CODES, 70, (0.5, 2.0), 80)
    assert len(speech) == len(speech.ids) == len(speech.speakers) == len(speech.lengths) == 5
    for number, length in enumerate(speech.lengths):
        one = speech[number]
        assert one.frames == length == one.durations.sum() and 25 <= length <= 80
        assert (one.durations > 0).all() and one.phones.max() < 70 and one.codes.max() < CODES.size
        assert one.codes.shape[1] == CODES.codebooks and np.array_equal(one.codes, again[number].codes)


# Floors, by the definitions that docs/performance.md gives.


def test_weights_of_the_blocks_are_those_of_the_model():
    for kv_heads in (None, 1, 2):
        options = replace(SMALL, kv_heads=kv_heads)
        model = NARModel(options, 5, 4, 1, 16)
        matrices = [p for n, p in model.named_parameters() if ".blocks." in n and p.ndim == 2 and "by_level" not in n]
        assert floors.block_weights(options) == sum(p.numel() for p in matrices)


def test_bytes_of_decoding_by_hand():
    weights = floors.block_weights(SMALL) + 10
    entries = 2 * 2 * 32  # of a row, in 2 layers
    assert floors.decoding_bytes(SMALL, 10, 4, 2, 7, []) == 7 * 4 * weights
    two = floors.decoding_bytes(SMALL, 10, 1, 4, 3, [(5, 3), (8, 1)])
    # A row sees itself and all before it: 6 + 7 + 8 entries of the first sequence, 9 of the second.
    assert two == 3 * weights + 4 * entries * (6 + 7 + 8 + 9)
    grouped = replace(SMALL, kv_heads=1)
    assert floors.decoding_bytes(grouped, 0, 0, 4, 3, [(5, 3)]) == 4 * entries // 4 * (6 + 7 + 8)


def test_operations_by_hand():
    weights = floors.block_weights(SMALL)
    assert floors.operations(SMALL, [1], 0, 99, causal=True) == 2 * weights + 4 * 2 * 32
    assert floors.operations(SMALL, [3, 2], 4, 10, causal=False) == 2 * (5 * weights + 40) + 4 * 2 * 32 * (9 + 4)
    assert floors.operations(SMALL, [3, 2], 4, 10, causal=True) == 2 * (5 * weights + 40) + 4 * 2 * 32 * (6 + 3)


def test_limits_of_the_machine_are_positive():
    cpu = torch.device("cpu")
    assert limits.reading_bandwidth(cpu) > 0 and limits.product_peak(cpu, torch.float32) > 0


def test_memory_is_what_was_held_at_most():
    machine.forget_peak_memory()
    held = np.ones(2**23)
    assert machine.peak_memory() >= held.nbytes


# The textbook.


def test_the_reference_computes_with_its_cache_what_it_computes_without():
    torch.manual_seed(0)
    model = Reference(SMALL, 50).eval()
    ids, cache = torch.randint(50, (3, 9)), model.cache(3, 9)
    with torch.inference_mode():
        whole = model.head(model(ids, causal=True))
        step = model.head(model(ids[:, :5], causal=True, cache=cache))
        torch.testing.assert_close(step, whole[:, :5], atol=1e-5, rtol=1e-5)
        for n in range(5, 9):
            step = model.head(model(ids[:, n : n + 1], causal=True, cache=cache, start=n))
            torch.testing.assert_close(step[:, 0], whole[:, n], atol=1e-5, rtol=1e-5)
    assert model.generate(ids, 4).shape == (3, 13)


def test_the_reference_learns_and_padding_does_not_matter():
    torch.manual_seed(0)
    model = Reference(SMALL, 50)
    ids = torch.randint(50, (2, 6))
    for causal in (True, False):
        short = model.loss(ids[:1, :4], [4], causal)
        padded = model.loss(ids, [4, 6], causal)
        alone = model.loss(ids[1:], [6], causal)
        torch.testing.assert_close(padded, short + alone)
        padded.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
