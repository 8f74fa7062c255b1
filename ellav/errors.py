"""The one exception that means: the user can mend this, and here is how."""

from __future__ import annotations

import codecs
import difflib
import shlex
from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """Wrong input, options or files. Its message is one line a person can act on.

    Commands print the message and exit with status 1, without a traceback.
    """


def one_line(message: object, most: int | None = None) -> str:
    """The text of an exception or a warning on one line, cut after `most` characters."""
    return " ".join(str(message).split())[:most]


def decoded(content: bytes, where: object, file: Path | str | None = None) -> str:
    """Text of a person's: a byte order mark is dropped, lines end in newlines. Raises UserError where it is not UTF-8.

    where: what the message calls it. file: what is to be converted, if that is not `where`.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at, probably = len(content) - len(error.object) + error.start, probable_encoding(content)
        line = content.count(b"\n", 0, at) + 1
        raise UserError(
            f"{where}: not UTF-8: byte {at + 1}, in line {line}, is 0x{content[at]:02x}; convert it first, probably"
            f" with `iconv -f {probably} -t UTF-8 {shlex.quote(str(file or where))}`"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: Path | str) -> str:
    """`decoded` of a file; raises OSError too."""
    return decoded(Path(path).read_bytes(), path)


def probable_encoding(content: bytes) -> str:
    """What a text that is not UTF-8 is most often."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    return "WINDOWS-1252" if any(0x80 <= byte < 0xA0 for byte in content) else "ISO-8859-1"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` where a known name is close, otherwise nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
