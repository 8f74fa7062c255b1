"""`normalizer=nemo`: up to the boundary of the package, which is not installed here; a stand-in takes its place."""

import sys
import types
from importlib import metadata
from pathlib import Path

import pytest

from ellav.errors import UserError
from ellav.plugins.text import nemo, text


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A stand-in for nemo_text_processing that writes down what it is asked."""
    made = []

    class Normalizer:
        def __init__(self, **options):
            made.append(self)
            self.options, self.texts = options, []
            Path(options["cache_dir"], "x.far").touch()

        def normalize(self, text, punct_post_process):
            assert punct_post_process is True
            self.texts.append(text)
            if "fails" in text:
                raise ValueError("no path\nin the lattice")
            return text.replace("5", "five")

    module = types.ModuleType("nemo_text_processing.text_normalization.normalize")
    module.Normalizer = Normalizer
    monkeypatch.setitem(sys.modules, "nemo_text_processing", types.ModuleType("nemo_text_processing"))
    monkeypatch.setitem(
        sys.modules, "nemo_text_processing.text_normalization", types.ModuleType("nemo_text_processing.x")
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "1.2.0" if name == "nemo_text_processing" else real(name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    nemo._load.cache_clear()
    yield made
    nemo._load.cache_clear()


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "nemo_text_processing", None)
    nemo._load.cache_clear()
    for name, options in (("g2p_en", {}), ("espeak", {"language": "de"})):
        with pytest.raises(UserError, match=r"nemo_text_processing.* is not installed; .*ellav\[nemo\]"):
            text.create(name, {"normalizer": "nemo", **options})


def test_grammars_are_built_once_with_a_message_and_kept(package, tmp_path, caplog):
    text.create("g2p_en", {"normalizer": "nemo"})
    folder = tmp_path / "cache/ellav/nemo_text_processing-1.2.0/en"
    assert "building the grammars of 'en' once" in caplog.text and str(folder) in caplog.text
    assert [path.name for path in folder.iterdir()] == ["x.far"]
    assert [path.name for path in folder.parent.iterdir()] == ["en"]  # nothing is left beside it
    assert package[0].options["lang"] == "en" and package[0].options["input_case"] == "cased"
    caplog.clear()
    text.create("espeak", {"language": "en-us", "normalizer": "nemo"})
    assert len(package) == 1  # the same grammars for both
    nemo._load.cache_clear()
    text.create("g2p_en", {"normalizer": "nemo"})
    assert package[1].options["cache_dir"] == str(folder) and not caplog.text


def test_what_fails_while_it_is_built_leaves_nothing(package, monkeypatch, tmp_path):
    module = sys.modules["nemo_text_processing.text_normalization.normalize"]

    def fail(**_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "Normalizer", fail)
    with pytest.raises(KeyboardInterrupt):
        text.create("g2p_en", {"normalizer": "nemo"})
    assert not list((tmp_path / "cache/ellav/nemo_text_processing-1.2.0").iterdir())


def test_it_gets_prepared_text_and_ours_says_what_it_leaves(package):
    front_end = text.create("g2p_en", {"normalizer": "nemo"})
    assert front_end("* Act Ⅳ, 5 or 7").words == ["ACT", "FOUR", "FIVE", "OR", "SEVEN"]
    assert package[0].texts == ["Act IV, 5 or 7"]
    with pytest.raises(UserError, match="'it fails' cannot be normalized: no path in the lattice"):
        front_end("it fails")


@pytest.mark.parametrize(("language", "known"), [("de", "de"), ("fr-be", "fr"), ("cmn", "zh"), ("pt-br", "pt")])
def test_espeak_names_the_language_as_nemo_does(package, language, known):
    front_end = text.create("espeak", {"language": language, "normalizer": "nemo"})
    assert front_end.nemo("5 a") == "five a" and package[0].options["lang"] == known


def test_a_language_that_it_does_not_know_is_refused(package):
    with pytest.raises(UserError, match=r"no grammars for language 'fi'; it knows ar, cmn, de"):
        text.create("espeak", {"language": "fi", "normalizer": "nemo"})
    with pytest.raises(UserError, match="normalizer"):
        text.create("g2p_en", {"normalizer": "fst"})
