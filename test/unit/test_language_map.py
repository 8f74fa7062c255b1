"""Several languages in one corpus: a front end for each, named by utt2lang."""

import pytest

from ellav.bin.main import main
from ellav.data.kaldi import read_table, write_table
from ellav.errors import UserError
from ellav.plugins.text import text
from ellav.plugins.text.by_language import choice_of
from ellav.testing.text import check_text

MAP = "en: g2p_en, es: espeak"
TEXT = {"a-1": "Good morning.", "b-1": "Buenos días, niña."}


def front_end(given=MAP, **conf):
    return text.create(*choice_of(given, conf))


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    write_table("data/text", TEXT)
    write_table("data/wav.scp", {utterance: "x.wav" for utterance in TEXT})
    write_table("data/utt2spk", {utterance: utterance[0] for utterance in TEXT})
    write_table("data/utt2lang", {"a-1": "en", "b-1": "es"})
    return tmp_path / "data"


def test_each_language_has_its_front_end():
    both = front_end()
    assert both.languages == ("en", "es") and both.phone_set == "arpabet-stress+ipa-stress"
    assert both.in_language("no", "en") == text.create("g2p_en")("no") == both("no")
    assert both.in_language("no", "es") == text.create("espeak", {"language": "es"})("no")
    assert both.fallbacks("AH0")[:1] == text.create("g2p_en").fallbacks("AH0")[:1] and "ˈa" in both.fallbacks("a")
    with pytest.raises(UserError, match=r"language 'fr' has no front end.*; there are en, es"):
        both.in_language("oui", "fr")
    check_text(both, cases=12)


def test_options_go_to_the_language_that_they_name():
    both = front_end("en-us: espeak, zh: espeak", **{"en_us.stress": False, "zh.language": "cmn"})
    assert not set("ˈˌ") & set("".join(both("Good morning.").phones))
    assert "x" in both.in_language("好", "zh").phones


@pytest.mark.parametrize(
    ("given", "conf", "message"),
    [
        ("en: g2p_en, en: espeak", {}, "'en' stands there twice"),
        ("en: {a: b}", {}, "write language: front end"),
        ("en: g2p_en, es: spanish", {}, "spanish"),
        ("en: g2p_en, xx: espeak", {}, "language 'xx': text espeak: eSpeak NG has no language 'xx'"),
        ("en: g2p_en, de: lexicon", {}, "lexicon cannot be the one of 'de': it has a file"),
        (MAP, {"fr.stress": False}, "--text-conf fr.stress: write LANGUAGE.KEY=VALUE with one of en, es"),
        (MAP, {"es.stres": False}, "stress"),
    ],
)
def test_a_map_that_is_none_is_one_line(given, conf, message):
    with pytest.raises(UserError) as error:
        front_end(given, **conf)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_stage_3_reads_each_utterance_in_its_language(data, capsys):
    assert main(["fit-text", "--data", "data", "--out", "text", "--text", MAP, "--text-conf", "es.stress=false"]) == 0
    assert main(["phones", "--data", "data", "--out", "phones", "--config", "text/text.yaml"]) == 0, capsys.readouterr()
    phones = read_table("phones/phones")
    assert phones["a-1"] == " ".join(text.create("g2p_en")(TEXT["a-1"]).phones)
    plain = text.create("espeak", {"language": "es", "stress": False})
    assert phones["b-1"] == " ".join(plain(TEXT["b-1"]).phones) and "ɲ" in phones["b-1"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"a-1": "en", "b-1": "fr"},
            "data/utt2lang:2: 'b-1' is in 'fr', for which --text names no front end; it names en",
        ),
        ({"a-1": "en"}, "data/utt2lang: 'b-1' has no language there; add a line `b-1 LANGUAGE`"),
        (None, "data/utt2lang: no such file; --text names a front end for each language"),
    ],
)
def test_a_faulty_utt2lang_is_one_line(data, capsys, table, message):
    (data / "utt2lang").unlink()
    if table is not None:
        write_table(data / "utt2lang", table)
    assert main(["phones", "--data", "data", "--out", "phones", "--text", MAP]) == 1
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1


def test_a_text_in_the_other_language_is_set_aside_where_it_cannot_be_read(data, capsys):
    write_table(data / "utt2lang", {"a-1": "es", "b-1": "en"})
    write_table(data / "text", {"a-1": "Hola мир.", "b-1": "Good morning."})
    assert main(["phones", "--data", "data", "--out", "phones", "--text", MAP, "--max-rejected", "0.5"]) == 0
    assert "'мир' (Cyrillic letters)" in read_table("phones/rejected")["a-1"]
