"""`ellav export`: the graphs compute what the models do, and a program without torch speaks with them."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from bundles import SAID, speak, trained_folders, write_prompt
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from test_docs import code_lines
from test_engine import tiny
from test_models import CASES, ar, options, stirred

from ellav import Synthesizer
from ellav.bin.main import main
from ellav.export import folder as export_folder
from ellav.export import parity
from ellav.export.networks import ARRows, NARLevel
from ellav.export.writing import PACKAGES, write_graph
from ellav.infer.engine import Engine
from ellav.models.nar import NARModel
from ellav.plugins.codecs import codecs
from ellav.plugins.codecs.graphs import PHASES, FromCodes, GriffinLim
from ellav.plugins.codecs.istft_net import Vocoder
from ellav.plugins.codecs.mel import griffin_lim
from ellav.plugins.codecs.rvq_mel import RVQMel
from ellav.plugins.decoders import decoders
from ellav.plugins.orderings import orderings
from ellav.testing.ordering import PHONES, random_utterance, request_at

EXAMPLE = Path(__file__).parents[2] / "docs/examples/speak_onnx.py"
WITHOUT_TORCH = """
import runpy, sys
sys.modules["torch"] = sys.modules["ellav"] = None  # so that importing them fails
made = runpy.run_path(sys.argv.pop(1))
import numpy as np
np.save("codes.npy", made["whole"][made["first"] :])
"""


@pytest.mark.parametrize(("streams", "combine", "positions", "attention"), CASES)
@pytest.mark.parametrize("changes", [{}, {"kv_heads": 2, "qk_norm": True}])
def test_rows_behind_a_cache_are_as_in_the_whole(streams, combine, positions, attention, changes):
    model = ar(streams, combine, positions, attention, **changes)
    network, o = ARRows(model), model.options
    ids = torch.randint(-1, 60, (11, streams), generator=torch.Generator().manual_seed(3))
    places = torch.cat([torch.arange(4), torch.arange(7)])
    with torch.inference_mode():
        whole = model.logits(model(ids, places, [11], [4]))
        cache = torch.zeros(0, o.layers, 2, o.groups, o.width // o.heads)
        for begin, end in ((0, 5), (5, 6), (6, 8), (8, 11)):
            numbers = torch.arange(begin, end)
            sees = torch.where((numbers < 4) & (attention == "full"), 4, numbers + 1)
            logits, entries = network(ids[begin:end], places[begin:end], sees, cache)
            torch.testing.assert_close(logits, whole[end - 1], atol=1e-4, rtol=1e-4)
            cache = torch.cat([cache, entries])


def test_the_codes_of_a_row_are_chosen_one_after_the_other(tmp_path):
    ordering = orderings.create("interleaved", {"codebooks": 3})
    ordering.bind(PHONES, 16)
    model = tiny(ordering)
    export_folder.write_ar(model, tmp_path / "ar.onnx")
    script = ordering.script(request_at(random_utterance(np.random.default_rng(0), 16, 3), 5))
    rows, furthest, _ = parity.ARGraph(tmp_path / "ar.onnx", model, ordering).decode(script)
    (decoded,) = Engine(model, ordering, decoders.create("greedy")).decode(["u"], [script])
    assert np.array_equal(rows, decoded.ids) and furthest < parity.LOGITS
    with torch.no_grad():
        model.depth.weight.zero_()
    (without,) = Engine(model, ordering, decoders.create("greedy")).decode(["u"], [script])
    assert not np.array_equal(rows, without.ids)


@pytest.mark.parametrize("changes", [{"text": "prefix"}, {"text": "aligned"}, {"text": "aligned", "place": False}])
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(sum), st.data())
@settings(max_examples=20, deadline=None)
def test_a_level_is_as_the_model_computes_it(changes, durations, data):
    model = stirred(NARModel(options(**changes), 7, 4, 1, 12))
    frames = sum(durations)
    prompt, codebook = data.draw(st.integers(0, frames - 1)), data.draw(st.integers(1, 3))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    phones, codes = rng.integers(7, size=len(durations)), rng.integers(12, size=(frames, 4))
    rows = model.rows(phones, np.array(durations), codes, prompt, codebook)
    with torch.inference_mode():
        ids, positions = torch.from_numpy(rows.ids), torch.from_numpy(rows.positions)
        hidden = model(ids, positions, [len(rows)], torch.tensor(codebook - 1))
        given_ = [torch.tensor(each) for each in (phones, durations, codes, prompt, codebook)]
        made = NARLevel(model)(*given_)
        torch.testing.assert_close(made, model.logits(hidden[rows.first :], codebook), atol=1e-4, rtol=1e-4)


def test_griffin_lim_in_products_is_as_with_fourier_transforms():
    generator = torch.Generator().manual_seed(0)
    window = torch.hann_window(64)
    speaks = GriffinLim(window, 16, 3, 0.99)
    magnitudes = torch.rand(40, 33, generator=generator)
    torch.testing.assert_close(speaks(magnitudes), griffin_lim(magnitudes, window, 16, 3, 0.99), atol=1e-3, rtol=1e-3)
    assert speaks(torch.rand(PHASES + 50, 33, generator=generator)).isfinite().all()


@pytest.mark.parametrize("rates", [(16000, 50.0), (16000, 75.0), (24000, 12.5)])
def test_what_is_exported_of_a_codec_decodes_as_it_does(rates):
    conf = {"codebooks": 2, "size": 8, "kmeans_iterations": 1, "griffin_lim_iterations": 2, "training_frames": 8}
    codec = codecs.create("rvq_mel", {**conf, "sample_rate": rates[0], "frame_rate": rates[1]})
    codec.fit([speak()])
    network = codec.graph()
    for frames in (1, 2, 31):
        codes = np.random.default_rng(0).integers(8, size=(frames, 2))
        wav = codec.decode([codes])[0]
        made = network(torch.from_numpy(codes)).numpy()
        assert made.shape == wav.shape
        np.testing.assert_allclose(made, wav, atol=1e-3 * np.abs(wav).max())


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Models with random weights, the NAR model with aligned text, packed with two prompts."""
    root = tmp_path_factory.mktemp("model")
    made = trained_folders(root)
    config = root / "nar/config.yaml"
    config.write_text(config.read_text().replace("text: prefix", "text: aligned"))
    for kind in ("ar", "nar"):
        path = root / kind / "averaged.safetensors"
        torch.manual_seed(4)
        save_file({name: w + 0.2 * torch.randn_like(w) for name, w in load_file(path).items()}, path)
    for voice in ("slt", "awb"):
        write_prompt(root / f"{voice}.wav", speak(voice=voice))
    prompts = [f"--prompt={root / 'slt.wav'}", f"--prompt={root / 'awb.wav'}", *(2 * [f"--prompt-text={SAID}"])]
    assert main(["pack", *made, *prompts, f"--out={root / 'packed'}"]) == 0
    return root / "packed"


@pytest.fixture(scope="module")
def exported(packed):
    out = packed.with_name("onnx")
    assert main(["export", f"--model={packed}", f"--out={out}"]) == 0
    return out


@pytest.fixture
def export(packed, exported, tmp_path, capsys, monkeypatch):
    """Runs `ellav export` with this model: (exit status, lines on stdout, lines on stderr). The graphs are those that
    were written before, since writing them takes long."""
    capsys.readouterr()
    monkeypatch.setattr(export_folder, "write_graph", lambda *given: shutil.copy(exported / given[-1].name, given[-1]))

    def run(out=tmp_path / "onnx", model=packed):
        status = main(["export", f"--model={model}", f"--out={out}"])
        shown = capsys.readouterr()
        return status, shown.out.splitlines(), shown.err.splitlines()

    return run


def test_what_is_written_is_described_and_compared(packed, exported, export):
    assert {p.name for p in exported.iterdir()} == {"ar.onnx", "nar.onnx", "codec.onnx", "model.json", "done.json"}
    assert export(exported) == (0, [f"{exported}: up to date"], [])
    model = json.loads((exported / "model.json").read_text())
    voice = Synthesizer(packed)
    ordering = voice.pipeline.engine.ordering
    assert model["phones"] == voice.tokens.phones and model["format"] == 1 and model["languages"] == []
    assert model["ordering"]["name"] == "interleaved" and model["ordering"]["conf"]["local_advance"] == 4
    assert model["vocabulary"]["codes"] == [ordering.first_code, 16]
    (state,) = model["states"]
    assert state["trigger"] == ordering.eop and state["own_row"]
    assert state["allowed"] == [np.flatnonzero(ordering.states[0].allowed[0]).tolist()]
    assert model["decoder"]["name"] == "nucleus" and model["decoder"]["conf"]["top_p"] == 0.8
    assert model["most"][model["phones"].index("sp")] == 10 and max(model["most"][1:]) == 6
    assert [prompt["name"] for prompt in model["prompts"]] == ["slt", "awb"]
    heard, first = voice.hear("slt").prompt, model["prompts"][0]
    assert np.array_equal(heard.codes, first["codes"]) and np.array_equal(heard.durations, first["durations"])
    assert voice.tokens.decode(heard.phones) == first["phones"] and first["text"] == SAID


def test_the_example_speaks_without_torch_what_torch_would(packed, exported, tmp_path):
    """So cold that the likeliest is always drawn: the codes of the engine, prompt, bounds, NAR prompt and all."""
    cold = shutil.copytree(exported, tmp_path / "cold")
    model = json.loads((cold / "model.json").read_text())
    model["decoder"]["conf"]["temperature"] = 1e-6
    (cold / "model.json").write_text(json.dumps(model))
    voice = Synthesizer(packed, "greedy", watermark=None)
    for text in ("Hello.", None):
        phones = voice.text(text).phones if text else []
        command = [sys.executable, "-c", WITHOUT_TORCH, EXAMPLE, cold, tmp_path / "out.wav", *phones]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert "without a watermark" in done.stdout
        speech = voice(text or SAID)
        assert np.array_equal(np.load(tmp_path / "codes.npy"), speech.codes)
        import soundfile

        assert soundfile.info(str(tmp_path / "out.wav")).frames == len(speech.wav)


def test_graphs_of_other_models_are_as_their_networks(tmp_path):
    """Streams, text that sees all of itself, shared keys, positions as waves; phones in front of the frames."""
    changes = {"positions": "sinusoidal", "kv_heads": 2, "qk_norm": True, "layers": 1}
    model, rng = ar(3, "concat", attention="full", **changes), np.random.default_rng(0)
    export_folder.write_ar(model, tmp_path / "ar.onnx")
    graph = parity.session(tmp_path / "ar.onnx")
    for rows, before in ((1, 6), (9, 0), (2, 1)):
        ids, numbers = rng.integers(-1, 60, size=(rows, 3)), before + np.arange(rows)
        cache = rng.normal(size=(before, 1, 2, 2, 8)).astype(np.float32)
        check(ARRows(model), graph, ids, numbers, np.maximum(numbers + 1, 3), cache)
    model = stirred(NARModel(options(text="prefix", **changes), 7, 4, 1, 12))
    export_folder.write_nar(model, tmp_path / "nar.onnx")
    graph = parity.session(tmp_path / "nar.onnx")
    for frames, prompt, codebook in ((8, 0, 1), (5, 3, 3), (1, 0, 2)):
        codes = rng.integers(12, size=(frames, 4))
        check(NARLevel(model), graph, np.array([1, 2]), np.array([0, 0]), codes, np.array(prompt), np.array(codebook))


@pytest.mark.parametrize("name", ["rvq_conv", "istft"])
def test_other_codecs_can_be_written(name, tmp_path):
    """A network of convolutions and a rate that does not divide; and an inverse Fourier transform."""
    if name == "rvq_conv":
        conf = {"codebooks": 2, "size": 8, "dimensions": 6, "width": 16, "blocks": 1, "griffin_lim_iterations": 2}
        codec = codecs.create(name, {**conf, "frame_rate": 75.0})
        for part in codec.network.quantiser.parts:
            part.entries.normal_()
            part.uses.fill_(1)
        network = codec.graph()
    else:
        vocoder = stirred(Vocoder(6, 16, 1, 2, 160))
        vectors = np.random.default_rng(0).normal(size=(2, 4, 6)).astype(np.float32)
        network = FromCodes(vectors, lambda z: vocoder(z[None])[0], vocoder)
    path = tmp_path / "codec.onnx"
    write_graph(network, {"codes": torch.zeros(7, 2, dtype=torch.int64)}, {"codes": "frames"}, ["samples"], path)
    graph = parity.session(path)
    for frames in (1, 2, 9):
        check(network, graph, np.random.default_rng(0).integers(4, size=(frames, 2)))


def check(network, session, *inputs):
    with torch.inference_mode():
        wanted = network(*(torch.from_numpy(np.asarray(each)) for each in inputs))
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    made = session.run(None, {place.name: each for place, each in zip(session.get_inputs(), inputs, strict=True)})
    for one, other in zip(made, wanted, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-4, rtol=1e-4)


def test_the_example_is_short_and_needs_little():
    source = EXAMPLE.read_text(encoding="utf-8")
    assert code_lines(source) <= 60
    imported = {a.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import) for a in node.names}
    assert imported - sys.stdlib_module_names == {"numpy", "onnxruntime", "soundfile"}


def test_the_example_tells_what_it_was_not_given(export, tmp_path):
    assert export()[0] == 0
    for arguments, said in (
        ((), "python speak_onnx.py FOLDER OUT.wav [PHONE ...]"),
        (("onnx", "out.wav", "sp", "no", "q", "sp"), "sp no q sp: not all among the phones of this model: "),
    ):
        done = subprocess.run([sys.executable, EXAMPLE, *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and said in done.stderr


def test_a_codec_that_cannot_be_exported_is_told(export, tmp_path, monkeypatch):
    monkeypatch.delattr(RVQMel, "graph")
    status, out, _ = export()
    assert status == 0 and any("codec rvq_mel cannot be exported" in line for line in out)
    assert not (tmp_path / "onnx/codec.onnx").exists()
    assert json.loads((tmp_path / "onnx/model.json").read_text())["codec"]["file"] is None


@pytest.mark.parametrize(("limit", "graph"), [("LOGITS", "ar.onnx"), ("SAMPLES", "codec.onnx")])
def test_nothing_is_written_that_computes_something_else(export, tmp_path, monkeypatch, limit, graph):
    monkeypatch.setattr(parity, limit, -1.0)
    status, _, err = export()
    assert status == 1 and len(err) == 1 and err[0].startswith(f"ellav export: {graph}: ")
    assert "nothing was exported" in err[0] and not (tmp_path / "onnx").exists()


def test_nor_that_chooses_other_codes(export, tmp_path, monkeypatch):
    monkeypatch.setattr(parity.NARGraph, "complete", lambda self, item: (np.zeros((len(item.codes), 2), int), 0.0))
    status, _, err = export()
    assert status == 1 and "nar.onnx: other codes come out" in err[0] and not (tmp_path / "onnx").exists()


def test_what_is_not_its_own_is_left_alone(export, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years")
    for out in (tmp_path / "mine", tmp_path / "mine/thesis.txt"):
        status, _, err = export(out)
        assert status == 1 and len(err) == 1 and "--out" in err[0]
    assert (tmp_path / "mine/thesis.txt").read_text() == "years"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_missing_package_is_named_with_the_extra(export, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    status, _, err = export()
    assert status == 1 and err == [
        f"ellav export: the package {package} is missing; install the extra: pip install 'ellav[export]'"
    ]
