"""A packed model of two languages: which one a text and a prompt are read in, in Python, `ellav synth` and serve."""

import io
import shutil

import numpy as np
import pytest
import yaml
from bundles import packed_of_languages
from fastapi.testclient import TestClient

from ellav import Request, Synthesizer
from ellav.bin.main import main
from ellav.errors import UserError
from ellav.infer.languages import Languages
from ellav.models.languages import LANGUAGES
from ellav.plugins.text.by_language import ByLanguage
from ellav.serve.app import make_app
from ellav.serve.guard import Rules
from ellav.serve.speaker import Speaker
from ellav.serve.voices import Limits, Voices

ENGLISH, SPANISH = "The boat.", "La mañana."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return packed_of_languages(tmp_path_factory.mktemp("languages") / "model")


@pytest.fixture(scope="module")
def voice(folder):
    return Synthesizer(folder)


def test_the_first_language_is_that_of_the_front_end(voice):
    """And not the first that the AR model has a token for: those are sorted."""
    assert voice.languages.known == ("es", "en")
    (asked,) = voice.requests(SPANISH)
    assert asked.language == "es" and "ɲ" in asked.phones


def test_a_text_is_read_and_said_in_the_language_that_is_named(voice):
    (asked,) = voice.requests(ENGLISH, language="en")
    assert asked.language == "en" and "t" in asked.phones and "h" in asked.phones
    assert voice(ENGLISH, language="en").symbols == asked.phones
    ordering = voice.pipeline.engine.ordering
    rows = {}
    for language in ("en", "es"):
        made = voice._decoding(0, Request("x", asked.said, language=language), voice.hear().prompt, 0)
        rows[language] = ordering.script(made).prefix[0, 0] - ordering.vocabulary.start(LANGUAGES)
    assert rows == {"en": 0, "es": 1}


def test_requests_made_by_hand_are_of_the_first_language(voice):
    (asked,) = voice.requests(SPANISH)
    made = voice(Request(SPANISH, asked.said))
    assert made.parts[0].request.language == "es"
    assert np.array_equal(made.wav, voice(SPANISH).wav)


def test_prompts_are_read_in_their_own_language(voice, folder):
    assert [(one.name, one.language) for one in voice.prompts.values()] == [("en", "en"), ("es", "es")]
    assert voice.hear("en").prompt.language == "en" and voice.hear("es").prompt.language == "es"
    recording = folder.parent / "en.wav"
    heard = voice.hear(recording, "The old boat.", prompt_language="en")
    assert heard.prompt.language == "en"
    assert np.array_equal(heard.prompt.phones, voice.hear("en").prompt.phones)
    # A recording speaks as the text does, where nobody says.
    english = voice(ENGLISH, recording, "The old boat.", language="en")
    assert np.array_equal(english.wav, voice(ENGLISH, heard, language="en").wav)
    crossed = voice(SPANISH, recording, "The old boat.", language="es", prompt_language="en")
    assert np.array_equal(crossed.wav, voice(SPANISH, heard, language="es").wav)


def test_a_stream_says_what_a_call_says(voice):
    whole = voice.requests(ENGLISH, "es", language="en")[0]
    pieces = np.concatenate(list(voice.stream(ENGLISH, "es", language="en")))
    assert len(pieces) and whole.language == "en"
    in_pieces = np.concatenate(list(voice.stream(iter(["The ", "boat."]), "es", language="en")))
    assert np.array_equal(pieces, in_pieces)


@pytest.mark.parametrize("speak", [lambda v, **o: v("A.", **o), lambda v, **o: v.stream("A.", **o)])
def test_a_language_that_was_not_learned_is_one_line(voice, speak):
    with pytest.raises(UserError, match=r"language 'de' has not been learned by this model.*; it speaks es, en"):
        speak(voice, language="de")
    with pytest.raises(UserError, match="language 'fr' has not been learned"):
        voice.prompt(np.ones(1), "x", 16000, "fr")


def test_a_front_end_for_a_language_that_no_training_had_is_no_language_of_the_model():
    front_end = ByLanguage({"en": {"text": "characters"}, "de": {"text": "characters"}})
    assert Languages(front_end, ["en", "es"]).known == ("en",)
    assert Languages(front_end).known == ("en", "de")  # without tokens, the front end alone decides


def test_without_tokens_the_phones_alone_tell(tmp_path):
    voice = Synthesizer(packed_of_languages(tmp_path / "model", learned=False))
    assert voice.requests(ENGLISH, language="en")[0].language == "en"
    assert voice(ENGLISH, "es", language="en").symbols


def test_synth_names_both_languages(folder, tmp_path, capsys):
    packed, recording = f"--model={folder}", f"--prompt={folder.parent / 'en.wav'}"
    out = tmp_path / "out.wav"
    said = ["--prompt_text=The old boat.", f"--out={out}"]
    asked = [f"--text={SPANISH}", "--language=es", "--prompt_language=en"]
    assert main(["synth", packed, recording, *said, *asked]) == 0 and out.exists()
    assert main(["synth", packed, "--list_prompts"]) == 0
    assert "en  en  1.2 s  The old boat.  (default)" in capsys.readouterr().out
    assert main(["synth", packed, "--text=Hallo.", "--language=de", f"--out={out}"]) == 1
    assert "language 'de' has not been learned by this model" in capsys.readouterr().err
    texts = tmp_path / "texts.tsv"
    texts.write_text(f"one\t{ENGLISH}\n")
    assert main(["synth", packed, f"--texts={texts}", f"--out={tmp_path / 'many'}", "--language=en"]) == 0


def test_a_prompt_of_no_such_language_is_refused_when_packing(tmp_path, capsys, folder):
    root = folder.parent
    made = [f"--{o}={root / d}" for o, d in (("ar", "ar"), ("nar", "nar"), ("codec", "codec"), ("tokens", "list"))]
    made += [
        "--text=es: espeak, en: characters",
        "--aligner=trained",
        f"--aligner_conf=model={root}/aligner.safetensors",
    ]
    made += [f"--prompt={root / 'en.wav'}", "--prompt_text=The old boat.", f"--out={tmp_path / 'packed'}"]
    assert main(["pack", *made, "--prompt_language=de"]) == 1
    assert "language 'de' has not been learned" in capsys.readouterr().err
    assert main(["pack", *made, "--prompt_language=en", "--prompt_language=es"]) == 1
    assert "1 --prompt and 2 --prompt-language: give one for each, or none" in capsys.readouterr().err


def test_a_strangers_language_of_a_prompt_is_a_name(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    model = yaml.safe_load((copy / "model.yaml").read_text())
    model["prompts"][0]["language"] = "en\x1b[0m"
    (copy / "model.yaml").write_text(yaml.safe_dump(model))
    with pytest.raises(UserError, match="is no name of a language"):
        Synthesizer(copy)


def test_serve_speaks_and_hears_in_the_language_that_is_named(folder):
    voice = Synthesizer(folder)
    app = make_app(Speaker(voice, 2, 4, 60.0), Voices(voice.prompts, Limits()), Rules(hosts=None))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        asked = {"input": SPANISH, "voice": "en", "language": "es", "response_format": "wav"}
        made = client.post("/v1/audio/speech", json=asked)
        assert made.status_code == 200, made.text
        other = client.post("/v1/audio/speech", json={**asked, "input": ENGLISH, "language": "en"})
        assert other.status_code == 200 and other.content != made.content
        wrong = client.post("/v1/audio/speech", json={**asked, "language": "de"})
        assert wrong.status_code == 400 and wrong.json()["error"]["param"] == "language"
        content = (folder.parent / "en.wav").read_bytes()
        form = {"name": "mine", "text": "The old boat.", "language": "en"}
        brought = client.post("/v1/voices", data=form, files={"file": io.BytesIO(content)})
        assert brought.status_code == 201, brought.text
        wrong = client.post(
            "/v1/voices", data={**form, "name": "x", "language": "de"}, files={"file": io.BytesIO(content)}
        )
        assert wrong.status_code == 400 and wrong.json()["error"]["param"] == "language"
