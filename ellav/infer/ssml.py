"""SSML, the part of it that ellav understands: how fast words are spoken, breaks, phones, and letters one by one.

A text is SSML where its first tag is `<speak`. It may come from a stranger: no document type, and so no entity of its
own, is taken, and nothing is read that it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from ellav.data.dataset import Tokens
from ellav.errors import UserError, did_you_mean, one_line
from ellav.infer.asked import FASTEST, SLOWEST
from ellav.infer.chunks import strings
from ellav.infer.marked import Piece
from ellav.plugins.text.given_phones import given_phones

TAGS = {
    "speak": {"version", "lang", "schemaLocation"},
    "prosody": {"rate"},
    "break": {"time"},
    "phoneme": {"alphabet", "ph"},
    "say-as": {"interpret-as"},
}
"""What is understood: tags, and the attributes of each. What stands with `<speak>` is not looked at."""

RATES = {"x-slow": 0.6, "slow": 0.8, "medium": 1.0, "default": 1.0, "fast": 1.25, "x-fast": 1.6}
LONGEST_BREAK = 30.0  # s
LEVELS = 30  # tags inside one another
BREAK = 0.4
"""Seconds of a break that does not say how long it is."""


_BEFORE = re.compile(r"\s*(?:(?:<\?xml[^>]*\?>|<!--.*?-->|<!DOCTYPE[^<>\[]*(?:\[[^\]]*\]\s*)?>)\s*)*", re.DOTALL)
"""What may stand before the first tag; a document type, too, so that it is refused as what it is."""


def is_ssml(text: object) -> bool:
    """Whether a text is to be read as SSML."""
    return isinstance(text, str) and re.match(r"<speak[\s>/]", _at_first_tag(text)) is not None


def told_apart(pieces: Iterable[str]) -> tuple[bool, Iterator[str]]:
    """Whether a text that comes in pieces is SSML, which is asked of as few of them as tell; and the whole of it, in
    pieces. Raises UserError where one is no string."""
    pieces, begun = strings(pieces), ""
    for piece in pieces:
        begun += piece
        if not _may_become_ssml(begun):
            break
    return is_ssml(begun), chain([begun], pieces)


def _may_become_ssml(begun: str) -> bool:
    """Whether what comes next decides if a text is SSML."""
    rest = _at_first_tag(begun)
    if any(one.startswith(rest) for one in ("<speak", "<?xml", "<!--", "<!DOCTYPE")):
        return True
    return rest.startswith(("<!--", "<!DOCTYPE")) or (rest.startswith("<?xml") and ">" not in rest)


def _at_first_tag(text: str) -> str:
    return text[_BEFORE.match(text).end() :]


def read_ssml(text: str, phone_set: str, tokens: Tokens) -> list[Piece]:
    """The pieces of a text in SSML. phone_set: of the model's front end; tokens: its phones.

    Raises UserError, in one line, for what is no XML or has a document type; for tags and attributes that are not
    understood, all of which it names; and for values that are none.
    """
    try:
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import ParseError, fromstring
    except ImportError:
        raise UserError("SSML needs defusedxml; pip install 'ellav[ssml]'") from None
    try:
        root = fromstring(text.strip(), forbid_dtd=True)
    except DefusedXmlException:
        raise UserError("SSML: it has a document type, which is not read; leave out <!DOCTYPE ...>") from None
    except (ParseError, ValueError) as error:
        raise UserError(
            f"SSML: {one_line(error)}; every tag is closed, and & and < are written &amp; and &lt;"
        ) from None
    _check_known(root)
    return list(_pieces(root, 1.0, phone_set, tokens))


def _check_known(root) -> None:
    """Raises UserError that names all tags and attributes which are not understood."""
    tags, attributes = {}, {}
    for element in root.iter():
        tag = _name(element.tag)
        if tag not in TAGS:
            tags[tag] = None
        else:
            for name in map(_name, element.attrib):
                if name not in TAGS[tag]:
                    attributes[f"<{tag} {one_line(name, 50)}>"] = None
    wrong = [*(f"<{one_line(tag, 50)}>" for tag in tags), *attributes]
    if wrong:
        close = did_you_mean(next(iter(tags)), TAGS) if len(wrong) == len(tags) == 1 else ""
        known = ", ".join(f"<{' '.join([tag, *sorted(of)])}>" for tag, of in TAGS.items() if tag != "speak")
        raise UserError(f"SSML: {', '.join(wrong)} not understood{close}; there are {known}")


def _pieces(element, rate: float, phone_set: str, tokens: Tokens, level: int = 0) -> Iterator[Piece]:
    """The pieces inside an element. rate: of what stands around it."""
    if level > LEVELS:
        raise UserError(f"SSML: more than {LEVELS} tags inside one another")
    tag = _name(element.tag)
    if tag == "break":
        yield Piece("", rate, silence=_seconds(element.get("time")))
    elif tag in ("phoneme", "say-as"):
        if len(element):
            raise UserError(f"SSML: <{tag}> holds text alone, no <{one_line(_name(element[0].tag), 50)}>")
        yield _given(tag, element, rate, phone_set, tokens)
    else:
        rate *= _rate(element.get("rate")) if tag == "prosody" else 1.0
        if not SLOWEST <= rate <= FASTEST:
            raise UserError(f"SSML: a rate of {rate:g} in all; it can be from {SLOWEST:g} to {FASTEST:g}")
        yield Piece(element.text or "", rate)
        for child in element:
            yield from _pieces(child, rate, phone_set, tokens, level + 1)
            yield Piece(child.tail or "", rate)


def _given(tag: str, element, rate: float, phone_set: str, tokens: Tokens) -> Piece:
    """What says itself how it is read."""
    text = element.text or ""
    if tag == "say-as":
        kind = element.get("interpret-as")
        if kind != "characters":
            raise UserError(f"SSML: <say-as interpret-as={kind!r}> not understood; there is 'characters'")
        if not any(map(str.isalnum, text)):
            raise UserError("SSML: <say-as> holds no letter and no digit")
        return Piece(text, rate, spelled=True)
    where = f"SSML: <phoneme> {one_line(text, 50)!r}"
    phones = given_phones(element.get("ph") or "", element.get("alphabet") or "ipa", phone_set, tokens.phones, where)
    return Piece(text, rate, phones)


def _rate(given: str | None) -> float:
    """`0.8`, `80%`, `-20%` or a name."""
    value = (given or "").strip()
    if value in RATES:
        return RATES[value]
    match = re.fullmatch(r"([+-]?)(\d{1,4}(?:\.\d{1,6})?)(%?)", value, re.ASCII)
    if match is None or (match[1] and not match[3]):
        raise UserError(
            f"SSML: <prosody rate={one_line(repr(given), 50)}> is no rate; write 0.8, 80%, -20%, or one of"
            f" {', '.join(RATES)}"
        )
    number = float(match[2]) / (100 if match[3] else 1)
    return {"+": 1 + number, "-": 1 - number, "": number}[match[1]]


def _seconds(given: str | None) -> float:
    """`500ms` or `0.5s`."""
    if given is None:
        return BREAK
    match = re.fullmatch(r"\+?(\d{0,6}(?:\.\d{1,6})?)(ms|s)", given.strip(), re.ASCII)
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1) if match and match[1] else -1
    if not 0 <= seconds <= LONGEST_BREAK:
        raise UserError(
            f"SSML: <break time={one_line(repr(given), 50)}> is no time; write 500ms or 0.5s, up to {LONGEST_BREAK:g}s"
        )
    return seconds


def _name(tag: str) -> str:
    """A tag or an attribute without its namespace."""
    return tag.rpartition("}")[2]
