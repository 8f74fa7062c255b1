"""Libri-Light (arXiv 1912.07875): SUBSET/READER/BOOK/*.flac, up to hours long, with a .json beside each.

The json has, among others, `voice_activity`: [[start, end], ...] in seconds. There are no transcripts: they come
from Libriheavy (`libriheavy.py`) or from a transcriber.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ellav.data.corpora import AUDIO, Dropped, has_folders_of_files
from ellav.data.corpora.pauses import Lengths, Span, cleaned, cut
from ellav.errors import UserError, one_line

SUBSETS = ("small", "medium", "large", "duplicate")


class Recording(NamedTuple):
    """A long recording. id: READER-BOOK-FILE."""

    id: str
    reader: str
    wav: str


def corpus_root(folder: Path, subsets: Iterable[str]) -> Path:
    """`folder`, if it holds the subsets. Raises UserError naming what is missing and what is there."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name the one that holds Libri-Light's small, medium or large")
    for subset in subsets:
        if not (folder / subset).is_dir():
            there = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir())[:12]) or "nothing"
            raise UserError(f"{folder}: no subset {subset!r} of Libri-Light there; it holds {there}")
    return folder


def readers_of(root: Path, subsets: Iterable[str]) -> dict[str, list[Path]]:
    """Reader -> the folders READER of the subsets. Raises UserError for a subset without READER/BOOK."""
    readers: dict[str, list[Path]] = {}
    for subset in subsets:
        folders = [folder for folder in sorted((root / subset).iterdir()) if has_folders_of_files(folder)]
        if not folders:
            raise UserError(f"{root / subset}: not a subset of Libri-Light: no READER/BOOK in it")
        for folder in folders:
            readers.setdefault(folder.name, []).append(folder)
    return readers


def recordings_of(folders: Iterable[Path]) -> Iterator[Recording | Dropped]:
    """The recordings of one reader; a file that another subset has too is left out."""
    seen = set()
    for folder in folders:
        for book in sorted(path for path in folder.iterdir() if path.is_dir()):
            names = sorted(os.listdir(book))
            heard = {Path(name).stem for name in names if Path(name).suffix.lower() in AUDIO}
            for name in names:
                if Path(name).suffix == ".json" and Path(name).stem not in heard:
                    id = recording_id(folder.name, book.name, Path(name).stem)
                    yield Dropped(id, "no-audio", f"{book / name}: no recording beside it")
                if Path(name).suffix.lower() in AUDIO:
                    id = recording_id(folder.name, book.name, Path(name).stem)
                    if id in seen:
                        yield Dropped(id, "twice", f"{book / name}: in another subset too")
                    else:
                        seen.add(id)
                        yield Recording(id, folder.name, str(book / name))


def recording_id(reader: str, book: str, file: str) -> str:
    """Names a recording in tables."""
    return re.sub(r"\s+", "_", f"{reader}-{book}-{file}")


def piece_id(recording: str, span: Span) -> str:
    """Names a piece of a recording, by its beginning in milliseconds."""
    return f"{recording}-{round(span.start * 1000):09d}"


def pieces(recording: Recording, lengths: Lengths) -> Iterator[tuple[str, Span] | Dropped]:
    """The pieces of a recording with their ids, cut at its pauses, and what is not used of it. Reads no audio."""
    about = Path(recording.wav).with_suffix(".json")
    try:
        activity = voice_activity(about)
        seconds = readable_seconds(recording.wav)
    except UserError as error:
        yield Dropped(recording.id, "recording", str(error))
        return
    try:
        speech = cleaned(activity, seconds)
    except UserError as error:
        yield Dropped(recording.id, "recording", f"{about}: {error}")
        return
    lost = sum(span.seconds for span in cleaned(activity, float("inf"))) - sum(span.seconds for span in speech)
    if lost > 0.1:
        reason = f"{recording.wav}: ends after {seconds:.2f} s, and its json goes on"
        yield Dropped(recording.id, "beyond-the-end", reason, lost)
    for span, wanted in cut(speech, seconds, lengths):
        id = piece_id(recording.id, span)
        if wanted:
            yield id, span
        else:
            bound = f"between pauses, not {lengths.least:g} to {lengths.most:g} s"
            yield Dropped(id, "length", f"{span.seconds:.2f} s {bound}", span.seconds)


def voice_activity(path: Path) -> object:
    """The value of that name in a json. Raises UserError naming the file where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not there; pauses are not known") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable ({one_line(error)})") from None
    if not isinstance(content, dict) or not content.get("voice_activity"):
        raise UserError(f"{path}: no voice_activity; pauses are not known")
    return content["voice_activity"]


def readable_seconds(path: Path | str) -> float:
    """How long a recording is; of one that is cut short, how much can be read. Decodes moments of it only.

    Raises UserError where nothing can be read.
    """
    import soundfile as sf

    try:
        with sf.SoundFile(str(path)) as file:
            rate, frames = file.samplerate, file.frames
    except (sf.LibsndfileError, OSError) as error:
        raise UserError(f"{path}: not readable ({one_line(error)})") from None
    step = rate // 10
    low, high = 0, max(frames // step, 1)  # in steps: the end is readable up to `low`, and not up to `high` + 1
    if _reads(path, frames - step, step):
        return frames / rate
    while low < high - 1:
        middle = (low + high) // 2
        if _reads(path, (middle - 1) * step, step):
            low = middle
        else:
            high = middle
    if not low:
        raise UserError(f"{path}: nothing of it is readable")
    return low * step / rate


def _reads(path: Path | str, first: int, count: int) -> bool:
    """Whether `count` samples can be had from sample `first` on."""
    import soundfile as sf

    try:
        with sf.SoundFile(str(path)) as file:
            file.seek(max(first, 0))
            return len(file.read(count)) == count
    except sf.LibsndfileError:
        return False


def sampled(recordings: Sequence[Recording], seconds: float) -> list[Recording]:
    """The first recordings, for a sample of `seconds` in all: one for each minute, since each gives a part."""
    return list(recordings[: max(1, int(min(seconds, 1e9) // 60))])
