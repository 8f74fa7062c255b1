"""Text as people type it, before any language is known: characters of compatibility, and marks of layout."""

from __future__ import annotations

import re
import unicodedata

KEPT = frozenset("№™…´¨¯¸")
"""Characters that compatibility would make ambiguous: `No`, `TM`, or an accent upon a space."""

ITEM = re.compile(r"^[ \t]*(?:>[ \t]*)*(?:(?:[-+*•‣]|#{1,6})(?:[ \t]+\[[ xX]\])?[ \t]+|>[ \t]*)(?=\S)", re.M)
"""What begins a heading, an item of a list or a quotation in Markdown."""
RULE = re.compile(r"^[ \t]*(?:(?:[-*_=][ \t]*){3,}|```.*|~~~.*|\|?(?:[ \t]*:?-{3,}:?[ \t]*\|?)+)$", re.M)
LINK = re.compile(r"!?\[([^\[\]\n]+)\]\([^()\s]+(?:\s+\"[^\"\n]*\")?\)")
STRESSED = re.compile(r"(\*\*\*|\*\*|__|~~|``?)(?=\S)([^\n]*?\S)\1")


def prepare(text: str) -> str:
    """`text` without layout and in compatible characters: what every front end begins with."""
    return compatible(without_layout(text))


def compatible(text: str) -> str:
    """NFKC, where it leaves the meaning: `Ⅳ` is `IV`, `ﬁ` is `fi`, `Ａ` is `A`, `㎏` is `kg`.

    Raised characters and fractions stay (`10²` is not 102, `1½` not 11/2), as do `KEPT`.
    """
    if unicodedata.is_normalized("NFKC", text):
        return text
    return unicodedata.normalize("NFC", "".join(map(_folded, text)))


def _folded(char: str) -> str:
    kind, *codes = unicodedata.decomposition(char).split() or [""]
    if not kind.startswith("<") or kind in ("<super>", "<fraction>") or char in KEPT:
        return char
    return "".join(_folded(chr(int(code, 16))) for code in codes)


def without_layout(text: str) -> str:
    """`text` without what Markdown writes for the eye: headings, items, quotations, rules, links, emphasis.

    A line that was marked is a clause of its own, so a comma ends it and what stands before it.
    """
    text = LINK.sub(r"\1", text)
    text = STRESSED.sub(r"\2", text)
    lines, mark = [], False
    for line in RULE.sub("", text).split("\n"):
        plain = ITEM.sub("", line)
        marked = plain != line
        if (mark or marked) and lines and lines[-1][-1:].isalnum():
            lines[-1] += ","
        if plain.strip():
            lines.append(plain.rstrip())
            mark = marked
    return "\n".join(lines) if "\n" in text or lines != [text] else text
