"""The part of speech of one English word, guessed from the words around it.

`INFINITIVE`, `VERB` (present), `PAST` (and participle), `NOUN` or `ADJECTIVE`. It is no tagger: it is asked of
words with two readings only, and where it says nothing the commonest reading stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence


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
NUMERAL = re.compile(
    r"\d.*|(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundreds?|thousands?|millions?|billions?"
    r"|(thir|four|fif|six|seven|eigh|nine)teen|(twen|thir|for|fif|six|seven|eigh|nine)ty"
    r"|many|several|few|more|most|all|both|much|enough|first|second|third|last|next)"
)
ADJECTIVES = _words("""bad best better big black blue bright brown certain clean clear cold common cool dark dead deep
    different dry early easy fair false fast fine free fresh full good gray great green hard high hot
    huge key kind large late left little long loose low main major new nice old open other own past
    plain poor possible public pure quick quiet rare raw real red rich right same serious sharp short
    simple single slight slow small soft sole special steep strange strong sweet tall thick thin tight
    true warm weak well white whole wide wild world wrong young""")  # fmt: skip
ADJECTIVE = re.compile(r"\w{2,}(able|al|ant|ary|ed|en|ent|est|ful|ible|ic|ing|ish|ive|less|ous)")
NOT_PLURAL = re.compile(r"\w*(ss|us|is|'s)|its|as|was|has|does|always|perhaps|yes|news|ones")
NOT_SUBJECTS = PREPOSITIONS | ADJECTIVES | {"and", "or", "but", "nor", "to", "'s"}
ADVERBS = _words("also always even ever just never not often only soon still")
NOT_ADVERBS = _words("ally belly bully curly daily early family friendly holy italy jelly lonely lovely supply ugly")
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
    """A part of speech for the word at `place`, or None where nothing near it tells.

    sentence: words and punctuation as written, clitics apart. The nearest word before that is no adverb
    tells the most; then whether the number of a subject there fits the ending of a verb. Of `read`
    the whole sentence tells the tense.
    """
    words = [word.lower() for word in sentence]
    part = _after_function_word(words, place) or _after_subject(sentence, words, place)
    return _tense(words, place, part) if words[place] == "read" else part


def _after_function_word(words: list[str], place: int) -> str | None:
    word, ends_in_s, after = words[place], _ends_in_s(words[place]), _after(words, place)
    at = _nearest(words, place)
    before = words[at] if at >= 0 else ""
    earlier = words[at - 1] if at >= 1 else ""
    begins = (not before[:1].isalnum() and before != "'s") or before in ("and", "or", "but")
    takes_object = after in DETERMINERS or after in OBJECTS
    if before == "to":
        return "NOUN" if earlier in GIVEN_TO else "INFINITIVE"
    if before in AUXILIARIES:
        return "INFINITIVE"
    if before in HAVE:
        return "PAST" if word in PASTS else "NOUN"
    if before in BE or (before == "'s" and earlier in SINGULAR_COPULAS):
        return "PAST" if word in PASTS else "ADJECTIVE"
    if before in PLURAL_SUBJECTS and not ends_in_s:
        return "VERB"
    if before in SINGULAR_SUBJECTS and (ends_in_s or before in ("he", "she")):
        return "VERB" if ends_in_s else "PAST"  # he wound
    if before in ("that", "which") and (word == "read" or takes_object):
        return "VERB"
    if before in ("and", "or") and at >= 2 and words[at - 2] in AUXILIARIES | {"to"}:
        return "INFINITIVE"  # to find and record
    if begins and takes_object:
        return "VERB" if before.isalpha() else "INFINITIVE"
    if begins:
        return None
    if NUMERAL.fullmatch(before):
        verb = not ends_in_s and (takes_object or earlier in PLURAL_SUBJECTS)  # the two resume their, they all live
        return "VERB" if verb else "NOUN"
    if before in DETERMINERS or before in PREPOSITIONS or before == "'s" or _adjective(before):
        return "NOUN"
    return None


def _after_subject(sentence: Sequence[str], words: list[str], place: int) -> str | None:
    word, ends_in_s, after = words[place], _ends_in_s(words[place]), _after(words, place)
    at = _nearest(words, place)
    if at < 0:
        return None
    if _plural(words[at]):
        return "NOUN" if ends_in_s or sentence[place][0].isupper() else "VERB"
    if after in BE or after in AUXILIARIES - {"not"}:
        return "NOUN"
    subject = _named(sentence, at) or any(one in DETERMINERS for one in words[max(at - 3, 0) : at])
    if subject and ends_in_s:
        return "VERB" if after[:1].isalpha() and after != "of" else None
    if subject and word in PASTS and after[:1].isalpha():
        return "PAST"
    return None


def _tense(words: list[str], place: int, part: str | None) -> str | None:
    """Of `read`, whose past only the rest of the sentence tells where its subject does not."""
    if part in ("INFINITIVE", "PAST", "NOUN"):
        return part
    others = [word for at, word in enumerate(words) if at != place]
    if PAST_TIMES & set(others):
        return "PAST"
    if place == 0 or PRESENT_TIMES & set(others):
        return "VERB"
    return "PAST" if any(word in PAST_VERBS or re.fullmatch(r"\w{2,}[^e]ed", word) for word in others) else "VERB"


def _nearest(words: list[str], place: int) -> int:
    """Where the nearest word before stands that is no adverb; -1 at the beginning."""
    at = place - 1
    while at >= 0 and _adverb(words[at]):
        at -= 1
    return at


def _after(words: list[str], place: int) -> str:
    return words[place + 1] if place + 1 < len(words) else ""


def _ends_in_s(word: str) -> bool:
    return word.endswith("s") and not word.endswith("ss")


def _adverb(word: str) -> bool:
    return word in ADVERBS or (len(word) > 4 and word.endswith("ly") and word not in NOT_ADVERBS)


def _adjective(word: str) -> bool:
    return word in ADJECTIVES or bool(ADJECTIVE.fullmatch(word))


def _plural(word: str) -> bool:
    return len(word) > 3 and word.endswith("s") and not NOT_PLURAL.fullmatch(word)


def _named(sentence: Sequence[str], place: int) -> bool:
    word = sentence[place].lower()
    return sentence[place][:1].isupper() and word not in NOT_SUBJECTS and not NUMERAL.fullmatch(word)
