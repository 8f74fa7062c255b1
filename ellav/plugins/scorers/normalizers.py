"""How what was said and what was heard are made comparable before errors are counted."""

from __future__ import annotations

from collections.abc import Callable

from ellav.errors import UserError
from ellav.plugins.text.mandarin import in_characters, readings
from ellav.plugins.text.scripts import HAN, script_of


def _basic() -> Callable[[str], str]:
    return lambda text: " ".join(text.upper().split())


def _whisper() -> Callable[[str], str]:
    try:
        from whisper_normalizer.english import EnglishTextNormalizer
    except ModuleNotFoundError as error:
        raise UserError(
            f"scorer wer, normalizer whisper: the package {error.name} is missing; "
            "install the extra: pip install 'ellav[whisper]'"
        ) from None
    normalize = EnglishTextNormalizer()
    return lambda text: " ".join(normalize(text).split())


def _characters() -> Callable[[str], str]:
    return lambda text: " ".join(_units(text))


def _pinyin() -> Callable[[str], str]:
    def normalize(text: str) -> str:
        said = []
        for unit in _units(text):
            try:
                said += readings([unit])[0] if script_of(unit[0]) == HAN else [unit]
            except UserError:  # a rare character is still one that was heard
                said.append(unit)
        return " ".join(said)

    return normalize


def _units(text: str) -> list[str]:
    """Chinese characters one by one, numbers among them; what stands between them as words, in upper case."""
    units, word = [], ""
    for char in [*in_characters(text).upper(), " "]:
        if script_of(char) == HAN or not char.isalnum():
            if word:
                units.append(word)
            word = ""
            if char.isalnum():
                units.append(char)
        else:
            word += char
    return units


NORMALIZERS = {"basic": _basic, "whisper": _whisper, "characters": _characters, "pinyin": _pinyin}
"""Name -> what makes a function from a text to the words that are counted."""
