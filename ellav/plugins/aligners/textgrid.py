"""Imports Praat TextGrids, as the Montreal Forced Aligner writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ellav.plugins.aligners import ANY, Alignment, AlignmentError, Recording, aligners
from ellav.plugins.aligners.intervals import Interval, Matching


@aligners.register("textgrid")
class TextGrids:
    """Reads UTTERANCE.TextGrid anywhere in `folder`, its long or short form.

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
        for path in sorted(Path(self.folder).rglob("*")):
            if path.suffix.lower() == ".textgrid":
                files.setdefault(path.stem, []).append(path)
        for utterance, recording in recordings.items():
            try:
                path = find(files, utterance, recording.speaker)
                intervals = read_tier(path, self.tier, recording.speaker)
                yield self.matching.align(intervals, recording.phones, recording.seconds)
            except AlignmentError as error:
                yield error


def find(files: dict[str, list[Path]], utterance: str, speaker: str) -> Path:
    """The TextGrid of an utterance among `files` (by name without suffix). Raises AlignmentError."""
    own = [path for path in files.get(utterance, []) if path.parent.name == speaker] or files.get(utterance, [])
    if not own and utterance.startswith(speaker):
        short = utterance[len(speaker) :].lstrip("-_")
        own = [path for path in files.get(short, []) if path.parent.name == speaker]
    if not own:
        raise AlignmentError(f"there is no {utterance}.TextGrid")
    if len(own) > 1:
        raise AlignmentError(f"there are several TextGrids of it: {own[0]} and {own[1]}")
    return own[0]


def read_tier(path: Path, tier: str, speaker: str) -> list[Interval]:
    """The intervals of a tier, or of the speaker's. Raises AlignmentError naming the tiers there."""
    from praatio import textgrid

    try:
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True)
    except Exception as error:  # its parser trips over a damaged file in many ways
        raise AlignmentError(f"{path}: no TextGrid that can be read ({type(error).__name__}: {error})") from None
    names = [name for name in grid.tierNames if name in (tier, f"{speaker} - {tier}")]
    names = names or [name for name in grid.tierNames if name.endswith(f" - {tier}")]
    if len(names) != 1:
        there = ", ".join(map(repr, grid.tierNames))
        raise AlignmentError(f"{path}: no tier {tier!r} of {speaker!r}; its tiers: {there}")
    entries = grid.getTier(names[0]).entries
    if not all(hasattr(entry, "label") and hasattr(entry, "end") for entry in entries):
        raise AlignmentError(f"{path}: tier {names[0]!r} has points, not intervals")
    return [Interval(entry.start, entry.end, entry.label.strip()) for entry in entries]
