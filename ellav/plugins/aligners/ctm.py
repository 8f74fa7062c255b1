"""Imports phone alignments in NIST's CTM format, as Kaldi writes them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from ellav.errors import UserError
from ellav.plugins.aligners import ANY, Alignment, AlignmentError, Recording, aligners
from ellav.plugins.aligners.intervals import Interval, Matching
from ellav.text_files import read_text

POSITION = re.compile(r"(.+)_[BIES]")


@aligners.register("ctm")
class CTM:
    """Reads lines `ID CHANNEL START SECONDS PHONE [CONFIDENCE]` (`ali-to-phones --ctm-output`).

    symbols: Kaldi's phones.txt, where phones are written as numbers. Position suffixes (`AH0_B`) are taken
    off. segments: Kaldi's table `UTTERANCE RECORDING START END`, where the ids are of
    recordings. channel: read only this one. silences, phone_map: as of `textgrid`.
    """

    phone_sets = (ANY,)

    def __init__(
        self,
        file: Path,
        symbols: Path | None = None,
        segments: Path | None = None,
        channel: str | int | None = None,
        silences: list[str] | None = None,
        phone_map: Path | None = None,
    ):
        self.file, self.symbols, self.segments = file, symbols, segments
        self.channel = None if channel is None else str(channel)
        self.matching = Matching(silences or (), phone_map)

    def align_set(
        self, recordings: dict[str, Recording], folder: Path, jobs: int
    ) -> Iterator[Alignment | AlignmentError]:
        """Yields for each recording, in order, its alignment, or why it has none."""
        found = read_ctm(self.file, read_symbols(self.symbols) if self.symbols else None, self.channel)
        segments = read_segments(self.segments) if self.segments else {}
        for utterance, recording in recordings.items():
            source, start, end = segments.get(utterance, (utterance, 0.0, math.inf))
            try:
                if source not in found:
                    raise AlignmentError(f"{self.file} has no line of {source!r}")
                # A phone belongs to the segment that its middle lies in.
                own = [i for i in found[source] if start <= (i.start + i.end) / 2 < end]
                moved = [Interval(max(i.start - start, 0.0), i.end - start, i.label) for i in own]
                yield self.matching.align(moved, recording.phones, recording.seconds)
            except AlignmentError as error:
                yield error


def read_ctm(path: Path, symbols: dict[str, str] | None, channel: str | None) -> dict[str, list[Interval]]:
    """Id -> intervals in the order of time. Raises UserError naming file and line."""
    found: dict[str, list[Interval]] = {}
    for number, fields in _lines(path):
        if fields[0].startswith(";;"):
            continue
        try:
            name, its_channel, start, length, label = fields[:5]
            start, length = float(start), float(length)
            if not (math.isfinite(start) and math.isfinite(length)) or start < 0 or length < 0:
                raise ValueError
        except ValueError:
            line = " ".join(fields)
            raise UserError(f"{path}:{number}: expected 'ID CHANNEL START SECONDS PHONE', found {line!r}") from None
        if channel is not None and its_channel != channel:
            continue
        if symbols is not None and label not in symbols:
            raise UserError(f"{path}:{number}: phone {label!r} is not among the numbers of the symbol table")
        label = symbols[label] if symbols is not None else label
        position = POSITION.fullmatch(label)
        label = position[1] if position else label
        found.setdefault(name, []).append(Interval(start, start + length, label))
    for intervals in found.values():
        intervals.sort(key=lambda interval: interval.start)
    return found


def read_symbols(path: Path) -> dict[str, str]:
    """Number -> symbol, from lines `SYMBOL NUMBER`."""
    found = {}
    for number, fields in _lines(path):
        if len(fields) != 2 or not fields[1].isdigit():
            raise UserError(f"{path}:{number}: expected 'SYMBOL NUMBER', found {' '.join(fields)!r}")
        found[fields[1]] = fields[0]
    return found


def read_segments(path: Path) -> dict[str, tuple[str, float, float]]:
    """Utterance -> its recording, start and end in seconds."""
    found = {}
    for number, fields in _lines(path):
        try:
            utterance, recording, start, end = fields
            found[utterance] = (recording, float(start), float(end) if float(end) >= 0 else math.inf)
        except ValueError:
            line = " ".join(fields)
            raise UserError(f"{path}:{number}: expected 'UTTERANCE RECORDING START END', found {line!r}") from None
    return found


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        lines = read_text(path).split("\n")
    except OSError as error:
        raise UserError(f"{path}: not readable: {error}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, line.split()
