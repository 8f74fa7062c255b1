"""Text that people wrote: UTF-8, or one line that says how to make it so."""

from __future__ import annotations

import codecs
import shlex
from pathlib import Path

from ellav.errors import UserError


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


def read_text(path: Path | str, most_bytes: int | None = None) -> str:
    """`decoded` of a file; raises OSError too, and UserError for more than `most_bytes`."""
    with open(path, "rb") as stream:
        content = stream.read() if most_bytes is None else stream.read(most_bytes + 1)
    if most_bytes is not None and len(content) > most_bytes:
        raise UserError(f"{path}: larger than {most_bytes / 1e6:g} MB, which is more than any of its kind needs")
    return decoded(content, path)


def probable_encoding(content: bytes) -> str:
    """What a text that is not UTF-8 is most often."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    return "WINDOWS-1252" if any(0x80 <= byte < 0xA0 for byte in content) else "ISO-8859-1"
