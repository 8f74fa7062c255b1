"""Text in any script: the family's contract, and what each front end does with words."""

import builtins
import itertools
import unicodedata

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ellav.errors import UserError
from ellav.plugins.text import Phones, english, text
from ellav.plugins.text.sentence import cut, is_sign
from ellav.types import SILENCE

SENTENCES = {
    "en": "Well, well: it's 3.14 o’clock (or so)!",
    "de": "Der Straßenbahnfahrer ißt »Äpfel« – jeden Tag.",
    "fr": "L'été, où va-t-on ?",
    "cmn": "你好,世界。今天天气很好!",
    "ja": "こんにちは、ラーメンを食べます。",
    "hi": "नमस्ते दुनिया। कैसे हो?",
    "ar": "مرحبا، كيف حالك؟",
    "ru": "Съешь ещё этих булок; да выпей чаю.",
    "vi": "Tôi tên là Nguyễn, rất vui được gặp bạn.",
    "ko": "안녕하세요, 반갑습니다.",
    "th": "สวัสดีครับ ผมชื่อ",
    "he": "שלום, מה שלומך?",
    "el": "Καλημέρα, τι κάνεις;",
    "am": "ሰላም፡ እንዴት ነህ።",
}
letters = st.sampled_from("aZéßıİñøАяёهسשअकि्ตัวกี漢語한글ひラーﬁΣςሰʼ2٣Ⅳ")
signs = st.sampled_from(" \t\n.,:;!?'’\"-–—/()…。،؟।·\u200b\u200d\ufe0f\u0301\u20e3€😀_#\ufeff")
sentences = st.one_of(st.text(st.one_of(letters, letters, signs), max_size=40), st.text(max_size=30))


def check(phones: Phones):
    """The family's contract."""
    assert len(phones.phones) == len(phones.word_of_phone) >= 3
    assert phones.phones[0] == phones.phones[-1] == SILENCE
    assert all(phone and not any(c.isspace() for c in phone) for phone in phones.phones)
    assert all(
        (phone == SILENCE) == (word < 0) for phone, word in zip(phones.phones, phones.word_of_phone, strict=True)
    )
    assert all(a >= 0 or b >= 0 for a, b in itertools.pairwise(phones.word_of_phone))
    owners = [word for word in phones.word_of_phone if word >= 0]
    assert owners == sorted(owners) and set(owners) == set(range(len(phones.words)))
    assert all(word and not any(c.isspace() for c in word) for word in phones.words)


def spoken(front_end, sentence):
    try:
        phones = front_end(sentence)
    except UserError as error:
        assert str(error)
        return None
    check(phones)
    assert front_end(sentence) == phones
    return phones


@given(sentences, st.booleans(), st.booleans())
def test_characters_keep_the_contract(sentence, casefold, join_marks):
    phones = spoken(text.create("characters", {"casefold": casefold, "join_marks": join_marks}), sentence)
    tokens = cut(sentence, casefold)
    assert (phones is None) == (not tokens or any(map(is_sign, tokens)))
    if phones:
        units = "".join(phone for phone in phones.phones if phone != SILENCE)
        assert unicodedata.is_normalized("NFC", units) or not join_marks
        assert all(unicodedata.category(c)[0] in "LMN" or c == "'" for c in units)
        if join_marks:
            assert not any(unicodedata.category(phone[0])[0] == "M" for phone in phones.phones)


@given(sentences)
def test_composed_and_decomposed_text_are_the_same(sentence):
    speak = text.create("characters")
    made = [spoken(speak, unicodedata.normalize(form, sentence)) for form in ("NFC", "NFD")]
    assert made[0] == made[1]


@pytest.mark.parametrize("sentence", SENTENCES.values(), ids=SENTENCES)
def test_every_script_has_words_and_pauses(sentence):
    phones = text.create("characters")(sentence)
    check(phones)
    assert phones.phones.count(SILENCE) >= 3 or "สวัสดี" in sentence or "ሰላም" in sentence


CUT = [
    ("Well,well (he said) … no", "Well , well , he said , no"),
    ("self-made, word—word, a – b, x-", "self made , word , word , a , b , x"),
    ("it's ’tis the Hills’ 3.14 1,000 at 10:30.", "it's tis the Hills 3.14 1,000 at 10:30 ,"),
    ("U.S.A. and end.Start", "U.S.A , and end , Start"),
    ("col·legi l·l", "col·legi l·l"),
    ("a/b_c @home 5% €5 😀❤️ #x", "a b c @ home 5 % € 5 # x"),
    ("-5 °C, −5 or 10-5, F-16 x - 5", "-5 °C , -5 or 10 5 , F 16 x , 5"),
    ("2 + 2 = 4 & 1/2 a/b 3*4 *so*", "2 + 2 = 4 & 1 / 2 a b 3 * 4 so"),
    ("Ⅳ ﬁ Ｆ ㎏ ① 10² m² 1½", "IV fi F kg 1 10² m² 1½"),
    ("# Head\n* milk\n> so\n**b** _c_ [d](http://e.f)", "Head , milk , so , b c d"),
    ("می\u200cخواهم", "میخواهم"),
    ("\ufeffbom\u00adsoft a\u200bb", "bomsoft a b"),
    ("¿Qué? «oui» “yes”", "Qué , oui yes"),
    ("e\u0301te\u0301 1\ufe0f\u20e3", "été 1"),
]


@pytest.mark.parametrize(("written", "tokens"), CUT)
def test_words_and_pauses(written, tokens):
    assert " ".join(cut(written)) == tokens


def test_options_of_characters():
    assert text.create("characters")("Ça, IJ").phones == ["sp", "ç", "a", "sp", "i", "j", "sp"]
    assert text.create("characters", {"casefold": False})("Ça").phones == ["sp", "Ç", "a", "sp"]
    joined, apart = (text.create("characters", {"join_marks": j})("किताब") for j in (True, False))
    assert joined.phones == ["sp", "कि", "ता", "ब", "sp"] and joined.words == apart.words == ["किताब"]
    assert apart.phones == ["sp", "क", "ि", "त", "ा", "ब", "sp"]


@pytest.mark.parametrize("empty", ["", "...", "?! – 😀", "\u0301\ufe0f"])
def test_what_cannot_be_spoken_is_refused(empty):
    with pytest.raises(UserError, match="no word in it"):
        text.create("characters")(empty)


@pytest.mark.parametrize("language", SENTENCES)
def test_espeak_speaks_languages(language):
    phones = text.create("espeak", {"language": language})(SENTENCES[language])
    check(phones)
    # English is put into words first, Mandarin cut into them.
    if language == "cmn":
        assert phones.words == ["你好", "世界", "今天天气", "很", "好"]
    else:
        words = english.spoken(SENTENCES["en"]) if language == "en" else cut(SENTENCES[language])
        assert set(phones.words) <= set(words)


@settings(max_examples=60)
@given(sentences, st.sampled_from(["en-us", "de", "ru", "hi", "cmn"]), st.booleans(), st.booleans())
def test_espeak_keeps_the_contract(sentence, language, stress, length):
    front_end = text.create("espeak", {"language": language, "stress": stress, "length": length})
    phones = spoken(front_end, sentence)
    if phones:
        written = "".join(phones.phones)
        assert stress or not set("ˈˌ") & set(written)
        assert length or "ː" not in written
        assert not set("()_|") & set(written)


def test_words_keep_their_phones_where_espeak_joins_or_divides_them():
    options = {"language": "en-us", "stress": False, "normalizer": "espeak"}
    phones = text.create("espeak", options)("The end of the world has 42 cats.")
    assert phones.words == ["The", "end", "of", "the", "world", "has", "42", "cats"]
    own = ["".join(p for p, w in zip(phones.phones, phones.word_of_phone, strict=True) if w == n) for n in range(8)]
    assert own == ["ðɪ", "ɛnd", "ʌv", "ðə", "wɜːld", "hɐz", "fɔːɹɾituː", "kæts"]


def test_stress_and_length_are_options():
    kept = text.create("espeak", {"language": "en-us"})
    bare = text.create("espeak", {"language": "en-us", "stress": False, "length": False})
    assert kept("beat").phones == ["sp", "b", "ˈiː", "t", "sp"] and bare("beat").phones == ["sp", "b", "i", "t", "sp"]
    assert kept.phone_set != bare.phone_set


def test_espeak_says_which_phones_may_stand_in():
    fallbacks = text.create("espeak", {"language": "de"}).fallbacks
    assert fallbacks("ˈɛ") == ["ˌɛ", "ɛ", "ˈɛː", "ˌɛː", "ɛː"]
    assert fallbacks("ˌiː") == ["ˈiː", "iː", "ˌi", "ˈi", "i"]
    assert fallbacks("t") == ["ˌt", "ˈt", "tː", "ˌtː", "ˈtː"]


def test_two_languages_in_one_process_do_not_mix():
    german, english = (text.create("espeak", {"language": name}) for name in ("de", "en-us"))
    first = german("wir").phones
    assert english("wir").phones != first == german("wir").phones


def test_espeak_refuses_an_unknown_language():
    with pytest.raises(UserError, match=r"no language 'xx'.*--voices"):
        text.create("espeak", {"language": "xx"})


def test_espeak_absent_names_the_extra(monkeypatch):
    from ellav.plugins.text import espeak

    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "espeakng_loader":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setattr(espeak.ctypes.util, "find_library", lambda _name: None)
    with pytest.raises(UserError, match=r"ellav\[espeak\]"):
        espeak._library.__wrapped__()


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces")
    learner = text.create("sentencepiece", {"pieces": 220})
    return text.create("sentencepiece", learner.fit(list(SENTENCES.values()) * 4, folder))


@given(sentence=sentences)
def test_sentencepiece_keeps_the_contract(pieces, sentence):
    phones = spoken(pieces, sentence)
    if phones:
        for number, word in enumerate(phones.words):
            own = [p for p, w in zip(phones.phones, phones.word_of_phone, strict=True) if w == number]
            assert "".join(own).replace("▁", "") == word


@pytest.mark.parametrize("sentence", SENTENCES.values(), ids=SENTENCES)
def test_sentencepiece_speaks_what_it_learned_from(pieces, sentence):
    check(pieces(sentence))


def test_sentencepiece_names_what_it_has_never_seen(pieces):
    with pytest.raises(UserError, match=r"'җ' of 'җан' is in no piece of .*pieces.model"):
        pieces("җан")
    with pytest.raises(UserError, match="fit-text"):
        text.create("sentencepiece")("x")


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_sentencepiece_learns_the_same_twice_and_says_silence_apart(tmp_path, kind):
    lines = ["spa spa wasp lisp gasp spin crisp", "sp sp asp"] * 20
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        fitted = text.create("sentencepiece", {"pieces": 30, "kind": kind}).fit(lines, tmp_path / name)
        made.append(fitted["model"].read_bytes())
    assert made[0] == made[1]
    speak = text.create("sentencepiece", fitted)
    phones = speak("wasp lisp gasp crisp asp sp")
    check(phones)
    assert phones.phones.count(SILENCE) == 2


def test_sentencepiece_that_cannot_be_learned(tmp_path):
    with pytest.raises(UserError, match="3 pieces cannot be learned"):
        text.create("sentencepiece", {"pieces": 3}).fit(list(SENTENCES.values()), tmp_path)
    (tmp_path / "x.model").write_text("no model")
    with pytest.raises(UserError, match="no SentencePiece model"):
        text.create("sentencepiece", {"model": tmp_path / "x.model"})("x")


LEXICONS = {
    "kaldi": "CAT K AE T\nCAT K AH T\nRECORD R EH K ER D\n<UNK> SPN\n",
    "lexiconp": "CAT 1 K AE T\nCAT 0.5 K AH T\nRECORD 1.0 R EH K ER D\n",
    "mfa": "CAT\tK AE T\nRECORD\tR EH K ER D\n",
    "mfa_probabilities": "CAT\t0.99\t0.2\t1.5\t0.8\tK AE T\nCAT\t0.01\t0.2\t1.5\t0.8\tK AH T\nRECORD\tR EH K ER D\n",
    "cmu": ";;; comment\nCAT  K AE T\nCAT(1)  K AH T\nRECORD  R EH K ER D\n",
    "bom": "\ufeffCAT K AE T\r\nRECORD R EH K ER D\r\n",
}


def lexicon(tmp_path, content, **options):
    path = tmp_path / "lexicon.txt"
    path.write_text(content, encoding="utf-8", newline="")
    return text.create("lexicon", {"lexicon": path, **options})


@pytest.mark.parametrize("content", LEXICONS.values(), ids=LEXICONS)
def test_lexicons_of_many_kinds(tmp_path, content):
    phones = lexicon(tmp_path, content)("Cat, record!")
    check(phones)
    assert phones.phones == ["sp", "K", "AE", "T", "sp", "R", "EH", "K", "ER", "D", "sp"]
    assert phones.words == ["Cat", "record"]


def test_tones_written_as_numbers_are_phones(tmp_path):
    assert lexicon(tmp_path, "ma m a 1\nni n i 3\n")("ni ma").phones == ["sp", "n", "i", "3", "m", "a", "1", "sp"]


def test_case_tells_apart_only_what_the_lexicon_does(tmp_path):
    speak = lexicon(tmp_path, "Weg v e k\nweg v E k\nhaus h au s\n")
    assert speak("Weg weg HAUS").phones[1:-1] == ["v", "e", "k", "v", "E", "k", "h", "au", "s"]


def test_unknown_words_are_refused_or_spoken_by_another(tmp_path):
    with pytest.raises(UserError, match=r"'dog' is not in .*lexicon.txt.*fallback"):
        lexicon(tmp_path, LEXICONS["kaldi"])("cat dog")
    options = {"phone_set": "arpabet", "fallback": "g2p_en", "fallback_conf": {"stress": False}}
    phones = lexicon(tmp_path, LEXICONS["kaldi"], **options)("cat dog.")
    check(phones)
    assert phones.phones == ["sp", "K", "AE", "T", "D", "AO", "G", "sp"] and phones.words == ["cat", "dog"]
    with pytest.raises(UserError, match="'arpabet-stress'"):
        lexicon(tmp_path, LEXICONS["kaldi"], phone_set="arpabet", fallback="g2p_en")
    with pytest.raises(UserError, match="file of its own"):
        lexicon(tmp_path, LEXICONS["kaldi"], phone_set="sentencepiece", fallback="sentencepiece")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("CAT K\nDOG\n", r":2: 'DOG' has no phones"),
        ("A sp\n", r":1: 'sp' stands for silence"),
        ("\n", "no pronunciations"),
    ],
)
def test_a_faulty_lexicon_is_named_with_its_line(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        lexicon(tmp_path, content)
    with pytest.raises(UserError, match="no lexicon that can be read"):
        text.create("lexicon", {"lexicon": tmp_path / "none"})


words = st.text(letters.filter(lambda c: unicodedata.category(c)[0] == "L"), min_size=1, max_size=5)


@given(
    st.dictionaries(words, st.lists(st.sampled_from(["p", "t", "AH0", "ɛ̃", "1"]), min_size=1), min_size=1), sentences
)
def test_lexicon_keeps_the_contract(tmp_path_factory, entries, sentence):
    content = "".join(f"{word} 1.0 {' '.join(phones)}\n" for word, phones in entries.items())
    speak = lexicon(tmp_path_factory.mktemp("lexicon"), content)
    spoken(speak, sentence)
    known = [token for word in entries if len(found := cut(word)) == 1 for token in found if token in speak.words]
    assume(known)
    phones = speak(", ".join(known))
    check(phones)
    assert phones.words == known


@pytest.mark.parametrize(
    ("language", "written", "words"),
    [
        ("de", "-5 °C", "minus 5 Grad C"),
        ("de", "5 %", "5 Prozent"),
        ("de", "3,50 €", "3,50 Euro"),
        ("de", "€5", "5 Euro"),
        ("de", "2 + 2 = 4", "2 plus 2 gleich 4"),
        ("de", "a & b", "a und b"),
        ("it", "-5 °C", "meno 5 gradi C"),
        ("de", "7 - 2", "7 minus 2"),
        ("de", "5−3", "5 minus 3"),
        ("de", "-3--1", "minus 3 minus 1"),
        ("de", "es fiel auf -5 °C", "es fiel auf minus 5 Grad C"),
        ("pt", "7 - 2", "7 -2"),
        ("de", "7 - 2 ist 5", "7 minus 2 ist 5"),
        ("de", "3 - 5 = -2", "3 minus 5 gleich minus 2"),
        ("de", "2010 - 2015", "2010, 2015"),
        ("de", "um 10-12", "um 10 12"),
        ("de", "¶ 3", "Absatz 3"),
        ("fr", "5 %", "5 pour cent"),
    ],
)
def test_espeak_says_signs_in_its_language(language, written, words):
    front_end = text.create("espeak", {"language": language, "stress": False, "length": False})
    assert "".join(front_end(written).phones) == "".join(front_end(words).phones)


@pytest.mark.parametrize(
    ("language", "written", "sign"),
    [
        *(("fr", "-5 °C", "-"), ("ru", "3,50 €", "€"), ("de", "1/2", "/"), ("es", "5 - 3 = 2", "-")),
        # What eSpeak would say in English.
        *(("es", "5 − 3", "−"), ("es", "±3", "±"), ("es", "1½", "½"), ("es", "≈ 5", "≈"), ("es", "~5", "~")),
    ],
)
def test_espeak_names_a_sign_that_it_does_not_read(language, written, sign):
    with pytest.raises(UserError, match=f"no reading for '{sign}' in '{language}'"):
        text.create("espeak", {"language": language})(written)


def test_no_front_end_drops_a_sign_silently(tmp_path, pieces):
    for front_end in (text.create("characters"), pieces):
        for sentence, name in [("5 % a", "PERCENT"), ("-5 a", "HYPHEN"), ("a €", "EURO"), ("1/2 a", "SOLIDUS")]:
            with pytest.raises(UserError, match=f"{name}.*write it in words"):
                front_end(sentence)
    with pytest.raises(UserError, match="word '%' is not in"):
        lexicon(tmp_path, LEXICONS["kaldi"])("cat %")
    options = {"phone_set": "arpabet", "fallback": "g2p_en", "fallback_conf": {"stress": False}}
    phones = lexicon(tmp_path, LEXICONS["kaldi"], **options)("cat % -5").phones
    assert " ".join(phones) == "sp K AE T P ER S EH N T M AY N AH S F AY V sp"


def test_compatible_characters_and_layout_come_first_in_every_front_end(tmp_path, pieces):
    written, plain = "* Ｃａｔ Ⅳ, ﬁne\n# **Cat**", "Cat IV, fine, Cat"
    lines = "CAT K AE T\nIV F\nFINE F AY N\n"
    front_ends = [text.create("g2p_en"), text.create("espeak", {"language": "de"}), text.create("characters"), pieces]
    for front_end in [*front_ends, lexicon(tmp_path, lines)]:
        assert front_end(written) == front_end(plain)
    assert text.create("g2p_en")("Act Ⅳ").words == ["ACT", "FOUR"]
