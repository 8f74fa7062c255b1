"""English words that are written alike and said differently: which reading a sentence asks for.

Three steps decide: the words around that name a sense (`SENSES`), the part of speech in its sentence
(`parts_of_speech.guess`), and the commonest reading where neither tells. On 307 sentences of the Wikipedia
homograph data (https://github.com/google-research-datasets/WikipediaHomographData), none seen before, 272
were read rightly so, and 276 with the tagger of gruut, a conditional random field, in the place of `guess`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ellav.plugins.text.abbreviations import TITLES
from ellav.plugins.text.parts_of_speech import guess

Pronunciation = tuple[str, ...]

OWN = """
bass: NOUN B EY1 S
bow: NOUN B OW1 | VERB B AW1
bows: NOUN B OW1 Z | VERB B AW1 Z
close: ADJECTIVE K L OW1 S | VERB K L OW1 Z
combats: NOUN K AA1 M B AE0 T S | VERB K AH0 M B AE1 T S
content: NOUN K AA1 N T EH0 N T | ADJECTIVE K AH0 N T EH1 N T | VERB K AH0 N T EH1 N T
curate: VERB K Y UH1 R EY0 T | NOUN K Y UH1 R AH0 T
dove: NOUN D AH1 V | VERB D OW1 V
interchange: NOUN IH1 N T ER0 CH EY2 N JH | VERB IH2 N T ER0 CH EY1 N JH
interchanges: NOUN IH1 N T ER0 CH EY2 N JH IH0 Z | VERB IH2 N T ER0 CH EY1 N JH IH0 Z
invalid: ADJECTIVE IH2 N V AE1 L AH0 D | NOUN IH1 N V AH0 L AH0 D
lead: NOUN L IY1 D
learned: VERB L ER1 N D | ADJECTIVE L ER1 N IH0 D
live: VERB L IH1 V | ADJECTIVE L AY1 V | NOUN L AY1 V
lives: VERB L IH1 V Z | NOUN L AY1 V Z
minute: NOUN M IH1 N AH0 T | ADJECTIVE M AY0 N UW1 T
polish: VERB P AA1 L IH0 SH
prefixes: NOUN P R IY1 F IH0 K S IH0 Z
project: NOUN P R AA1 JH EH0 K T | VERB P R AH0 JH EH1 K T
projects: NOUN P R AA1 JH EH0 K T S | VERB P R AH0 JH EH1 K T S
read: VERB R IY1 D | PAST R EH1 D
row: NOUN R OW1
sow: VERB S OW1 | NOUN S AW1
sows: VERB S OW1 Z | NOUN S AW1 Z
tear: VERB T EH1 R | NOUN T IH1 R
tears: NOUN T IH1 R Z | VERB T EH1 R Z
upset: ADJECTIVE AH0 P S EH1 T | NOUN AH1 P S EH2 T
used: VERB Y UW1 Z D
wind: NOUN W IH1 N D | VERB W AY1 N D
winds: NOUN W IH1 N D Z | VERB W AY1 N D Z
wound: NOUN W UW1 N D | INFINITIVE W UW1 N D | VERB W AW1 N D
"""
"""What g2p-en's list lacks or has wrongly. The first reading is the commonest, for parts of speech that have none."""

SWAPPED = """
analyses articulate blessed exploit exploits fragment imprint misconduct misuse mouth object precipitate predicate
rebel segment subcontract torment
"""
"""Rows of g2p-en's list whose two readings stand in each other's place."""

ONE_READING = """
baths certificate certificates closer closes collect collects counterbalance counterbalances crabbed crooked cursed
diagnoses dogged entrance entrances envelope envelopes introvert introverts inverse jagged mandate mouths pontificate
pontificates presage presages process processes processing quadruple quadruples ragged recapped recapping refresh
relaying undertaking undertakings unused
"""
"""Words of g2p-en's list that people say in one way: the dictionary's."""

SENSES = [
    ("lead", r"\b(of|with|from|containing|contains) _ ?([.,;!?]|and\b|are\b|is\b|$)", "L EH1 D"),
    ("lead", r"_ (acid|batter|bullet|crystal|glass|mine\b|ore|paint|pencil|pipe|plate|poison|sheet|shot|weight)",
     "L EH1 D"),
    ("lead", r"\b(alloy|arsenic|cadmium|copper|mercury|metal|tin|zinc)s?\b", "L EH1 D"),
    ("bass", r"\b(caught|catch|cook|eat|fish|fried|fry|grilled|hook|lake|largemouth|pond|river|striped)", "B AE1 S"),
    ("row", r"\b(a|an|the)( \w+)? _ (about|between|over|with)\b", "R AW1"),
    ("row", r"\b(awful|blazing|furious|heated|terrible) _\b", "R AW1"),
    ("bow", r"\b(deep|final|graceful|little|low|polite|slight|made a|makes a|take a|took a) _\b", "B AW1"),
    ("bow", r"_ of (acknowledg|farewell|greeting|respect|thanks|welcome)", "B AW1"),
    ("bow", r"_ of (a|her|his|our|the) (boat|ferry|ship|vessel)|\bstern\b", "B AW1"),
    ("tear", r"_ (duct|gas|stain)|\b(cheek|crie|cry|eye|face|shed|single|wept)", "T IH1 R"),
    ("tear", r"\b(a|the|this)( \w+)? _ (in|of|through|to)\b|\bwear and _", "T EH1 R"),
    ("minute", r"_ (amount|change|crack|creature|detail|difference|dose|fraction|particle|quantit|trace|variation)",
     "M AY0 N UW1 T"),
    ("minute", r"\b(are|is|so|too|very|was|were) _ ?([.,;!?]|and\b|but\b|compared\b|$)", "M AY0 N UW1 T"),
    ("live", r"_ (action|album|ammunition|animal|audience|band|bait|broadcast|concert|coverage|event|footage|music"
     r"|performance|recording|show|stream|television|wire)", "L AY1 V"),
    ("live", r"\b(aired|broadcast|go|goes|going|played|performed|recorded|shown|streamed|went) _\b", "L AY1 V"),
    ("wound", r"(?<!\bthe )(?<!\ba )_ (around|down|up)\b", "W AW1 N D"),
    ("wound", r"\b(arm|bullet|chest|flesh|gunshot|head|knife|leg|shoulder|stab) _", "W UW1 N D"),
    ("content", r"\b(feel|feels|felt|not|perfectly|quite|very) _|_ with\b", "K AH0 N T EH1 N T"),
    ("moderate", r"\b(light|low|mild|slight|small|weak) to _", "M AA1 D ER0 AH0 T"),
    ("close", r"\b(a|the) _ of\b", "K L OW1 Z"),
    ("close", r"_ to (?!\w+ing\b)", "K L OW1 S"),
    ("present", r"(?<!\bto )_ (among|during|in|on|within)\b", "P R EH1 Z AH0 N T"),
    ("invalid", r"\b(an|any|no|that|the|this) _ (?!(and|at|for|from|in|is|of|on|to|was|who|with)\b)[a-z]",
     "IH2 N V AE1 L AH0 D"),
    ("used", r"\b(are|be|been|being|is|was|were) (\w+ly )?_ to (?!\w+ing\b|an?\b|h[ei][rms]\b|it\b|my\b|th|us\b|you)\w",
     "Y UW1 Z D"),
    ("used", r"_ to\b", "Y UW1 S T"),
]  # fmt: skip
"""Word, what stands around it (`_`) in its sentence, and how it is then said. The first that fits counts."""

POLISH = ("P", "OW1", "L", "IH0", "SH")
"""Of Poland; only the capital tells."""


def readings(text: str, tokens: Sequence[str]) -> dict[int, Pronunciation]:
    """Pronunciation of each homograph in `tokens`, by its place there.

    text: the text as it was written, whose capitals and full stops tell much. tokens: its lower-case
    words. A word that does not stand as often in `text` as in `tokens` (one that only
    normalisation wrote) gets its commonest reading.
    """
    places: dict[str, list[int]] = {}
    for place, token in enumerate(tokens):
        if token in _known():
            places.setdefault(token, []).append(place)
    if not places:
        return {}
    written: dict[str, list[Pronunciation]] = {word: [] for word in places}
    for sentence in sentences(text):
        for place, word in enumerate(sentence):
            if word.lower() in places and sentence[place + 1 : place + 2] != ["'s"]:
                written[word.lower()].append(_reading(sentence, place))
    return {
        place: found[count] if len(found) == len(places[word]) else commonest(word)
        for word, found in written.items()
        for count, place in enumerate(places[word])
    }


def commonest(word: str) -> Pronunciation | None:
    """How a lower-case homograph is said where nothing around it tells; None for other words."""
    return next(iter(_known()[word].values())) if word in _known() else None


def sentences(text: str) -> list[list[str]]:
    """The sentences of `text` as words and punctuation, clitics apart (`did n't`, `Anna 's`)."""
    text = text.replace("’", "'")
    if not re.search("[a-z]", text):
        text = text.lower()  # capitals tell nothing there
    found: list[list[str]] = [[]]
    words = re.findall(r"[A-Za-z]+(?=n't\b)|n't\b|'[a-z]{1,2}\b|[A-Za-z]+|\d[\d.,:]*\d|\d|[^\s\w]", text)
    for place, word in enumerate(words):
        found[-1].append(word)
        following = words[place + 1] if place + 1 < len(words) else ""
        if word in "!?" or (word == "." and not following[:1].islower() and not _abbreviated(words[place - 1])):
            found.append([])
    return [sentence for sentence in found if sentence]


def _abbreviated(word: str) -> bool:
    return word.lower() in TITLES or (len(word) == 1 and word.isalpha() and word != "I")


def _reading(sentence: list[str], place: int) -> Pronunciation:
    word = sentence[place].lower()
    lower = [one.lower() for one in sentence]
    if word == "polish":
        named = sentence[place][0].isupper() and (place > 0 or guess(sentence, place) not in ("INFINITIVE", "VERB"))
        return POLISH if named else commonest(word)
    around = " ".join([*lower[:place], "_", *lower[place + 1 :]])
    for sensed, pattern, phones in SENSES:
        if sensed == word and re.search(pattern, around):
            return tuple(phones.split())
    known, part = _known()[word], guess(sentence, place)
    if part in ("INFINITIVE", "PAST") and part not in known:
        part = "VERB"
    return known.get(part) or commonest(word)


@cache
def _known() -> dict[str, dict[str, Pronunciation]]:
    """Word -> class of words -> pronunciation, the commonest first: the list that g2p-en carries, mended."""
    folder = find_spec("g2p_en").submodule_search_locations[0]  # importing it takes seconds
    found: dict[str, dict[str, Pronunciation]] = {}
    for line in (Path(folder) / "homographs.en").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        word, first, second, tag = line.lower().strip().split("|")
        named, other = tuple(first.upper().split()), tuple(second.upper().split())
        if word in SWAPPED.split():
            named, other = other, named
        kind = {"v": "VERB", "n": "NOUN", "adj": "ADJECTIVE"}.get(tag)
        if kind and word not in ONE_READING.split():
            found[word] = {"": other, kind: named}
    for line in OWN.strip().splitlines():
        word, _, rest = line.partition(": ")
        found[word] = {kind: tuple(phones) for kind, *phones in map(str.split, rest.split("|"))}
    return found
