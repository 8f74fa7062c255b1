"""Mandarin in characters: numbers as they are said, words, and the pinyin of each character."""

from __future__ import annotations

import re
import unicodedata
import warnings
from functools import cache

from ellav.errors import UserError
from ellav.plugins.text.english import PAUSE
from ellav.plugins.text.scripts import HAN, first_foreign, script_of
from ellav.plugins.text.sentence import cut, refuse_signs
from ellav.plugins.text.written import prepare

DIGITS = "零一二三四五六七八九"
PLACES = ("", "十", "百", "千")
MYRIADS = ("", "万", "亿", "万亿")
NUMBER = re.compile(
    r"(?P<minus>(?<![\w.])[-−])?(?P<whole>\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.(?P<part>\d+))?(?P<percent>\s?[%％])?"
    r"(?P<year>\s?年)?"
)
MOST_DIGITS = 8
"""Longer numbers without commas, and those that begin with 0, are read digit by digit, as those of telephones."""


def in_characters(text: str) -> str:
    """Numbers as a speaker says them: `13` 十三, `3.5` 三点五, `60%` 百分之六十, `-5` 负五, `2024年` 二零二四年."""
    return NUMBER.sub(_number, text)


def words(text: str) -> list[str]:
    """The words of `text`, as jieba's dictionary has them, with `PAUSE` where punctuation stands.

    Raises UserError where there is a letter that is no Chinese character, and for signs that are said.
    """
    tokens = cut(in_characters(prepare(text)).replace("·", " "))  # between the parts of a foreign name
    refuse_signs(text, tokens)
    found = []
    for token in tokens:
        if token == PAUSE:
            found.append(token)
            continue
        foreign = first_foreign(token, {HAN})
        if foreign is None:  # numbers of other kinds: ½, ②
            foreign = next(((c, unicodedata.name(c, "")) for c in token if script_of(c) != HAN and c != "〇"), None)
        if foreign is not None:
            raise UserError(
                f"text {text!r}: {foreign[0]!r} ({foreign[1]}) is not read in Mandarin; write it in Chinese characters"
                " or remove it"
            )
        found += _jieba().lcut(token, HMM=False)
    return found


def readings(clause: list[str], sandhi: bool = False) -> list[list[str]]:
    """The pinyin of each character of each word, the tone behind it (`hao3`), the neutral one 5, `ü` as `v`.

    Of a character with several the one that it has in its word. sandhi: tones as they change beside each other in a
    word (你好 `ni2 hao3`). Raises UserError for a character without any.
    """
    pypinyin = _pypinyin()
    made = []
    for word in clause:
        found = pypinyin.lazy_pinyin(
            word,
            style=pypinyin.Style.TONE3,
            neutral_tone_with_five=True,
            tone_sandhi=sandhi,
            errors=lambda rest: [f"?{char}" for char in rest],
        )
        unknown = next((syllable[1] for syllable in found if syllable[0] == "?"), None)
        if unknown is not None:
            raise UserError(f"{unknown!r} in {word!r} has no pinyin; write it in other characters or remove it")
        made.append(found)
    return made


def _number(match: re.Match) -> str:
    whole = match["whole"].replace(",", "")
    if match["year"] and len(whole) == 4 and not match["part"] and not match["minus"]:
        return "".join(DIGITS[int(digit)] for digit in whole) + "年"
    digit_by_digit = len(match["whole"]) > MOST_DIGITS and "," not in match["whole"]
    if digit_by_digit or len(whole) > 16 or (whole[0] == "0" and len(whole) > 1):
        said = "".join(DIGITS[int(digit)] for digit in whole)
    else:
        said = _whole(whole)
    if match["part"]:
        said += "点" + "".join(DIGITS[int(digit)] for digit in match["part"])
    if match["percent"]:
        said = "百分之" + said
    return ("负" if match["minus"] else "") + said + ("年" if match["year"] else "")


def _whole(digits: str) -> str:
    if not int(digits):
        return DIGITS[0]
    groups = [digits[max(0, end - 4) : end] for end in range(len(digits), 0, -4)]
    said = ""
    for place in reversed(range(len(groups))):
        value = int(groups[place])
        if not value:
            continue
        if said and value < 1000:
            said += DIGITS[0]
        said += _below_myriad(value) + MYRIADS[place]
    return said[1:] if said.startswith("一十") else said


def _below_myriad(value: int) -> str:
    said, gap = "", False
    for place in reversed(range(4)):
        digit = value // 10**place % 10
        if digit:
            said += (DIGITS[0] if gap and said else "") + DIGITS[digit] + PLACES[place]
        gap = not digit
    return said


@cache
def _jieba():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources, which warns that it will go
        try:
            import jieba
        except ModuleNotFoundError as error:
            raise _missing(error) from None
    made = jieba.Tokenizer()
    # Its own way keeps the dictionary in the folder of all temporary files and reads whatever lies there by marshal.
    made.FREQ, made.total = made.gen_pfdict(made.get_dict_file())
    made.initialized = True
    return made


@cache
def _pypinyin():
    try:
        import pypinyin
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    return pypinyin


def _missing(error: ModuleNotFoundError) -> UserError:
    return UserError(f"Mandarin: the package {error.name} is missing; install the extra: pip install 'ellav[mandarin]'")
