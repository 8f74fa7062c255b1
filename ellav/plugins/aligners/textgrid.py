"""Imports Praat TextGrids, as the Montreal Forced Aligner writes them."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from pathlib import Path

from ellav.errors import UserError
from ellav.plugins.aligners import ANY, Alignment, AlignmentError, Recording, aligners
from ellav.plugins.aligners.intervals import Interval, Matching
from ellav.text_files import decoded


@aligners.register("textgrid")
class TextGrids:
    """Reads UTTERANCE.TextGrid anywhere in `folder` and the folders that links in it lead to, its long or short form.

    In a folder named as the speaker the file's name may lack the speaker's id in front. tier: the
    tier of phones; where several speakers share a file it is `SPEAKER - phones`. silences: labels that
    are no phones, beside the usual ones. phone_map: a file with lines `THEIRS OURS`. An
    utterance whose phones are not ours is set aside, with the first that differs.
    """

    phone_sets = (ANY,)

    def __init__(
        self, folder: Path, tier: str = "phones", silences: list[str] | None = None, phone_map: Path | None = None
    ):
        self.folder, self.tier = folder, tier
        self.matching = Matching(silences or (), phone_map)

    def align_set(
        self, recordings: dict[str, Recording], folder: Path, jobs: int
    ) -> Iterator[Alignment | AlignmentError]:
        """Yields for each recording, in order, its alignment, or why it has none."""
        files: dict[str, list[Path]] = {}
        for path in files_below(self.folder):
            if path.suffix.lower() == ".textgrid":
                files.setdefault(path.stem, []).append(path)
        for utterance, recording in recordings.items():
            try:
                path = find(files, utterance, recording.speaker)
                intervals = read_tier(path, self.tier, recording.speaker)
                yield self.matching.align(intervals, recording.phones, recording.seconds)
            except AlignmentError as error:
                yield error


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder, in order, symbolic links to folders followed.

    A folder comes once by each name that it has: links may lead in circles.
    """
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        new = []
        for name in sorted(folders):
            status = os.stat(os.path.join(place, name))
            if (key := (status.st_dev, status.st_ino, name)) not in seen:
                seen.add(key)
                new.append(name)
        folders[:] = new
        yield from (Path(place, name) for name in sorted(names))


def find(files: dict[str, list[Path]], utterance: str, speaker: str) -> Path:
    """The TextGrid of an utterance among `files` (by name without suffix). Raises AlignmentError."""
    own = [path for path in files.get(utterance, []) if path.parent.name == speaker] or files.get(utterance, [])
    if not own and utterance.startswith(speaker):
        short = utterance[len(speaker) :].lstrip("-_")
        own = [path for path in files.get(short, []) if path.parent.name == speaker]
    if not own:
        raise AlignmentError(f"there is no {utterance}.TextGrid")
    if len({path.resolve() for path in own}) > 1:
        raise AlignmentError(f"there are several TextGrids of it: {own[0]} and {own[1]}")
    return own[0]


def read_tier(path: Path, tier: str, speaker: str) -> list[Interval]:
    """The intervals of a tier, or of the speaker's. Raises AlignmentError naming the tiers there."""
    # Not its `openTextgrid`, which refuses a file for an overlap of a rounding error in any tier.
    from praatio.utilities.constants import INTERVAL_TIER
    from praatio.utilities.textgrid_io import parseTextgridStr

    try:
        content = path.read_bytes()
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16") if wide else decoded(content, path)
        tiers = parseTextgridStr(text, includeEmptyIntervals=True)["tiers"]
        own = [t for t in tiers if t["name"] in (tier, f"{speaker} - {tier}")]
        own = own or [t for t in tiers if t["name"].endswith(f" - {tier}")]
        entries = own[0]["entries"] if own and own[0]["class"] == INTERVAL_TIER else ()
        intervals = sorted(Interval(float(start), float(end), label.strip()) for start, end, label in entries)
    except UserError as error:
        raise AlignmentError(str(error)) from None
    except OSError as error:
        raise AlignmentError(f"{path}: not readable ({(error.strerror or str(error)).lower()})") from None
    except Exception:  # its parser trips over a damaged file in many ways, none of which says where
        raise AlignmentError(f"{path}: no TextGrid that can be read; is it one, and whole?") from None
    if len(own) != 1:
        there = ", ".join(repr(t["name"]) for t in tiers)
        whose = f" of {speaker!r}" if speaker else ""
        raise AlignmentError(f"{path}: no tier {tier!r}{whose}; its tiers: {there or 'none'}")
    if own[0]["class"] != INTERVAL_TIER:
        raise AlignmentError(f"{path}: tier {own[0]['name']!r} has points, not intervals")
    return intervals
