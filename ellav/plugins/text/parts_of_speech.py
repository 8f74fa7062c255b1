"""The part of speech of English words: guessed from the words around, or from a tagger. Names of the Penn Treebank."""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from ellav.errors import UserError

Tagger = Callable[[Sequence[str]], list[str]]
"""Words and punctuation of one sentence to a part of speech for each."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


AUXILIARIES = _words("""will would can could may might must shall should do does did n't not 'll 'd let please cannot
    wo ca better""")  # fmt: skip
PLURAL_SUBJECTS = _words("i you we they who people men women children police these those both many few others")
SINGULAR_SUBJECTS = _words("""he she it nobody everybody somebody everyone someone anyone nothing everything something
    which that one""")  # fmt: skip
BE = _words("is are was were be been being am 're 'm looks seems feels felt seemed looked became become stay stayed")
HAVE = {"have", "has", "had", "having", "'ve"}
DETERMINERS = _words("""a an the this that these those my your his her its our their some any no every each another
    either neither whose what which""")  # fmt: skip
OBJECTS = _words("me you him her it us them himself herself themselves myself yourself that")
PREPOSITIONS = _words("""of in on at for with by from into about under over without between as like against during
    through than per via toward towards within""")  # fmt: skip
NUMERALS = _words("""one two three four five six seven eight nine ten twelve twenty thirty fifty hundred hundreds
    thousand many several few more most all both much enough first second third last next""")  # fmt: skip
ADJECTIVES = _words("""bad best better big black blue bright brown clean clear cold common cool dark dead deep different
    dry early easy fair false fast fine free fresh full good gray great green hard high hot huge key kind large late
    left little long loose low main major new nice old open other own past plain poor possible public pure quick quiet
    rare raw real red rich right same serious sharp short simple single slight slow small soft sole special strange
    strong sweet tall thick thin tight true warm weak well white whole wide wild world wrong
    young""")  # fmt: skip
ADJECTIVE = re.compile(r"\w{2,}(able|al|ant|ary|ed|en|ent|est|ful|ible|ic|ing|ish|ive|less|ous)")
NOT_PLURAL = re.compile(r"\w*(ss|us|is|'s)|its|as|was|has|does|always|perhaps|yes|news|ones")
NOT_SUBJECTS = PREPOSITIONS | NUMERALS | ADJECTIVES | {"and", "or", "but", "nor", "to", "'s"}
GIVEN_TO = _words("due thanks according addicted subject exposed access close next used contrast response similar")
"""Before a `to` that nouns follow."""
PAST_TIMES = _words("yesterday ago once earlier last previously")
PRESENT_TIMES = _words("every always often usually sometimes each now today daily tomorrow whenever")
PAST_VERBS = _words("""was were had did said went came sat took got saw found stood lay made gave told knew thought left
    began felt kept held brought ran wrote heard written""")  # fmt: skip
PASTS = {"read", "wound", "dove"}
"""Homographs that are the past of a verb."""
SINGULAR_COPULAS = {"it", "that", "he", "she", "there", "what", "who", "here"}


def guess(sentence: Sequence[str], place: int) -> str | None:
    """A part of speech for the word at `place`, or None where nothing near it tells: `certain`, else `likely`."""
    return certain(sentence, place) or likely(sentence, place)


def certain(sentence: Sequence[str], place: int) -> str | None:
    """What the nearest word before that is no adverb says of the word at `place`; of `read` the whole sentence.

    sentence: words and punctuation as written, clitics apart.
    """
    words = [word.lower() for word in sentence]
    part = _after_function_word(words, place)
    return _tense(words, place, part or likely(sentence, place)) if words[place] == "read" else part


def likely(sentence: Sequence[str], place: int) -> str | None:
    """A part of speech from the subject that seems to stand before: its number fits the ending of a verb."""
    words = [word.lower() for word in sentence]
    word, ends_in_s, after = words[place], words[place].endswith("s"), _after(words, place)
    at = _nearest(words, place)
    if at < 0:
        return None
    if _plural(words[at]):
        return "NNS" if ends_in_s or sentence[place][0].isupper() else "VBP"
    if after in BE or after in AUXILIARIES - {"not"}:
        return "NN"
    subject = _named(sentence, at) or any(one in DETERMINERS for one in words[max(at - 3, 0) : at])
    if subject and ends_in_s:
        return "VBZ" if after[:1].isalpha() and after != "of" else None
    if subject and word in PASTS and after[:1].isalpha():
        return "VBD"
    return None


def _after_function_word(words: list[str], place: int) -> str | None:
    word, ends_in_s, after = words[place], words[place].endswith("s"), _after(words, place)
    at = _nearest(words, place)
    before = words[at] if at >= 0 else ""
    earlier = words[at - 1] if at >= 1 else ""
    begins = (not before[:1].isalpha() and before != "'s") or before in ("and", "or", "but")
    takes_object = after in DETERMINERS or after in OBJECTS
    if before == "to":
        return "NN" if earlier in GIVEN_TO else "VB"
    if before in AUXILIARIES:
        return "VB"
    if before in HAVE:
        return "VBN" if word in PASTS else "NN"
    if before in BE or (before == "'s" and earlier in SINGULAR_COPULAS):
        return "VBN" if word in PASTS else "JJ"
    if before in PLURAL_SUBJECTS and not ends_in_s:
        return "VBP"
    if before in SINGULAR_SUBJECTS and (ends_in_s or before in ("he", "she")):
        return "VBZ" if ends_in_s else "VBD"
    if before in ("that", "which") and (word == "read" or takes_object):
        return "VBP"
    if begins:
        return "VB" if takes_object else None
    if before in DETERMINERS or before in PREPOSITIONS or before == "'s" or _adjective(before) or before in NUMERALS:
        return "NNS" if ends_in_s else "NN"
    return None


def _tense(words: list[str], place: int, part: str | None) -> str | None:
    """Of `read`, whose past only the rest of the sentence tells where its subject does not."""
    if part in ("VB", "VBD", "VBN") and not (part == "VB" and place > 0 and words[place - 1] in ("and", "or", "but")):
        return part
    if part == "NN":
        return part  # a good read
    others = [word for at, word in enumerate(words) if at != place]
    if PAST_TIMES & set(others):
        return "VBD"
    if place == 0 or PRESENT_TIMES & set(others):
        return "VBP"
    return "VBD" if any(word in PAST_VERBS or re.fullmatch(r"\w{2,}[^e]ed", word) for word in others) else "VBP"


def _nearest(words: list[str], place: int) -> int:
    """Where the nearest word before stands that is no adverb; -1 at the beginning."""
    at = place - 1
    while at >= 0 and _adverb(words[at]):
        at -= 1
    return at


def _after(words: list[str], place: int) -> str:
    return words[place + 1] if place + 1 < len(words) else ""


def _adverb(word: str) -> bool:
    return word in (
        "never",
        "often",
        "always",
        "also",
        "just",
        "still",
        "even",
        "ever",
        "only",
        "soon",
        "all",
        "not",
    ) or (
        len(word) > 4 and word.endswith("ly") and word not in ("family", "only", "early", "friendly", "daily", "supply")
    )


def _adjective(word: str) -> bool:
    return word in ADJECTIVES or bool(ADJECTIVE.fullmatch(word))


def _plural(word: str) -> bool:
    return len(word) > 3 and word.endswith("s") and not NOT_PLURAL.fullmatch(word)


def _named(sentence: Sequence[str], place: int) -> bool:
    return sentence[place][:1].isupper() and sentence[place].lower() not in NOT_SUBJECTS


@cache
def crf_tagger() -> Tagger:
    """The tagger of gruut's English data, a conditional random field trained on the English Web Treebank.

    https://github.com/rhasspy/gruut (MIT). Raises UserError where it is not installed.
    """
    try:
        import gruut_lang_en
        import pycrfsuite
    except ImportError as error:
        raise UserError(
            f"homographs=tagger: the package {error.name} is missing; install the extra: pip install 'ellav[tagger]'"
        ) from None
    model = pycrfsuite.Tagger()
    model.open(str(Path(gruut_lang_en.__file__).parent / "pos" / "model.crf"))
    return lambda words: model.tag([_features(words, place) for place in range(len(words))])


def _features(words: Sequence[str], place: int) -> dict[str, str | float]:
    """What that model was trained to see of a word: its form and that of two words on either side."""
    found: dict[str, str | float] = {}
    for offset in range(-2, 3):
        if 0 <= place + offset < len(words):
            word, side = words[place + offset], f"{offset:+d}:" if offset else ""
            found |= {
                f"{side}bias": 1.0,
                f"{side}word": base64.b64encode(word.encode()).decode(),
                f"{side}len(word)": float(len(word)),
                f"{side}word.ispunctuation": float(word in string.punctuation),
                f"{side}word.isdigit()": float(word.isdigit()),
            }
            for length in (2, 3):
                found |= {f"{side}word[:{length}]": word[:length], f"{side}word[-{length}:]": word[-length:]}
    if place == 0:
        found["BOS"] = 1.0
    if place == len(words) - 1:
        found["EOS"] = 1.0
    return found
