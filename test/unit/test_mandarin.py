"""Mandarin: numbers, words and tones of the front ends pinyin and espeak; and texts in another script."""

import builtins

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ellav.errors import UserError
from ellav.plugins.text import mandarin, text
from ellav.plugins.text.scripts import first_foreign, scripts_of
from ellav.testing.text import check_text

SENTENCES = ("你好,世界。", "今天天气很好!", "设定二十九度", "熊猫和花儿", "银行的行长走了。", "3.5公里外,2024年")


@pytest.mark.parametrize("name", ["pinyin", "espeak"])
def test_the_contract_is_kept(name):
    check_text(text.create(name, {"language": "cmn"} if name == "espeak" else {}), SENTENCES, cases=24)


@pytest.mark.parametrize(
    ("written", "phones"),
    [
        ("设定二十九度", "sp sh e4 d ing4 er4 sh iii2 j iou3 d u4 sp"),
        ("资自, 知是, 鸡", "sp z ii1 z ii4 sp zh iii1 sh iii4 sp j i1 sp"),
        ("绿女 略 去 云", "sp l v4 n v3 l ve4 q v4 vn2 sp"),
        ("嗯,好的。", "sp n2 sp h ao3 d e5 sp"),
        ("安娜·李", "sp an1 n a4 l i3 sp"),
        ("银行 行走", "sp in2 h ang2 x ing2 z ou3 sp"),
    ],
)
def test_pinyin_parts_syllables(written, phones):
    assert " ".join(text.create("pinyin")(written).phones) == phones


def test_options_of_pinyin():
    assert text.create("pinyin", {"tones": False})("你好").phones == ["sp", "n", "i", "h", "ao", "sp"]
    assert text.create("pinyin", {"sandhi": True})("你好").phones == ["sp", "n", "i2", "h", "ao3", "sp"]
    speak = text.create("pinyin")
    assert speak.fallbacks("ing4")[:2] == ["ing1", "ing5"] and speak.fallbacks("zh") == []
    assert speak("今天去公园").words == ["今天", "去", "公园"]


NUMBERS = {
    "0 10 12 20 105 110": "零 十 十二 二十 一百零五 一百一十",
    "1,234 10000 10010 100000": "一千二百三十四 一万 一万零一十 十万",
    "1,005,000,000": "十亿零五百万",
    "-5 3.14 60% 2024年": "负五 三点一四 百分之六十 二零二四年",
    "13800138000 007": "一三八零零一三八零零零 零零七",
}


@pytest.mark.parametrize("written", NUMBERS)
def test_numbers_are_said(written):
    assert mandarin.in_characters(written) == NUMBERS[written]


@given(st.integers(0, 10**8 - 1))
def test_every_number_can_be_read_back(number):
    said = mandarin.in_characters(str(number))
    total = group = digit = 0
    for char in said:
        if char in mandarin.DIGITS:
            digit = mandarin.DIGITS.index(char)
        elif char in mandarin.PLACES[1:]:
            group += (digit or 1) * 10 ** mandarin.PLACES.index(char)
            digit = 0
        else:
            total, group, digit = (total + group + digit) * 10_000, 0, 0
    assert total + group + digit == number


def test_espeak_keeps_tones_apart():
    speak = text.create("espeak", {"language": "cmn"})
    said = speak("妈 麻 马 骂 吗").phones
    assert said == ["sp", "m", "ɑ55", "m", "ɑ35", "m", "ɑ214", "m", "ɑ51", "m", "ɑ11", "sp"]
    assert speak("设定").phones == ["sp", "ʂ", "ɤ51", "t", "i51", "ŋ", "sp"]
    assert speak.fallbacks("ɑ51") == ["ɑ55", "ɑ11", "ɑ35", "ɑ214"] and speak.fallbacks("ŋ") == []


def test_pinyin_stands_in_for_characters_that_espeak_reads_in_english():
    speak = text.create("espeak", {"language": "cmn"})
    assert speak("熊猫").phones == ["sp", "ɕ", "ioŋ35", "m", "ɑu55", "sp"]
    assert speak("花儿").phones == ["sp", "x", "w", "ɑ55", "ɚ35", "sp"]
    with pytest.raises(UserError, match="'呣' in '呣': eSpeak NG does not read it"):
        speak("呣")


@settings(max_examples=40)
@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1, max_size=6))
def test_all_characters_are_read_in_mandarin_or_refused(written):
    for name, conf in (("pinyin", {}), ("espeak", {"language": "cmn"})):
        try:
            phones = text.create(name, conf)(written)
        except UserError as error:
            assert "no pinyin" in str(error) or "does not read it" in str(error)
        else:
            assert "".join(phones.words) == written
            assert sum(phone[-1] in "12345" for phone in phones.phones) == len(written)


FOREIGN = [
    ("pinyin", {}, "我用iPhone手机", "'iPhone' (Latin letters) is not read in Mandarin"),
    ("pinyin", {}, "你好 мир", "'мир' (Cyrillic letters) is not read in Mandarin"),
    ("pinyin", {}, "½杯", "'½' (VULGAR FRACTION ONE HALF) is not read in Mandarin"),
    ("pinyin", {}, "5 ℃", "DEGREE SIGN"),
    ("pinyin", {}, "兙", "'兙' in '兙' has no pinyin"),
    ("espeak", {"language": "cmn"}, "你好 world", "'world' (Latin letters) is not read in Mandarin"),
    ("espeak", {"language": "es"}, "Hola мир.", "'мир' (Cyrillic letters) is not in letters of 'es'"),
    ("espeak", {"language": "es"}, "Hola, 世界", "'世界' (Chinese characters) is not in letters of 'es'"),
    ("espeak", {"language": "ru"}, "привет hello", "'hello' (Latin letters) is not in letters of 'ru'"),
    ("espeak", {"language": "ja"}, "ラーメン Καλά", "'Καλά' (Greek letters) is not in letters of 'ja'"),
]


@pytest.mark.parametrize(("name", "conf", "written", "message"), FOREIGN)
def test_a_text_in_another_script_is_named(name, conf, written, message):
    with pytest.raises(UserError) as error:
        text.create(name, conf)(written)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_scripts_of_languages():
    assert scripts_of("es-419") == scripts_of("en_us") == {"LATIN"} and scripts_of("ru") == {"CYRILLIC"}
    assert scripts_of("cmn-latn-pinyin") == {"LATIN", "CJK"} and scripts_of("fa-latn") == {"LATIN"}
    assert first_foreign("ラーメン-3 ª·", scripts_of("ja")) is None
    assert first_foreign("ab вг", {"LATIN"}) == ("вг", "Cyrillic letters")


def test_without_the_extra_it_is_named(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name in ("jieba", "pypinyin"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for load in (mandarin._jieba, mandarin._pypinyin):
        with pytest.raises(UserError, match=r"is missing.*ellav\[mandarin\]"):
            load.__wrapped__()
