"""LibriSpeech, mini_librispeech and LibriTTS: SUBSET/READER/CHAPTER with recordings and transcripts.

LibriSpeech (openslr.org/12) has a READER-CHAPTER.trans.txt a chapter, lines `id WORDS`; LibriTTS (openslr.org/60)
an ID.normalized.txt and an ID.original.txt beside each recording. Any ending of `AUDIO` will do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ellav.data.corpora import AUDIO, Dropped, Spoken, has_folders_of_files
from ellav.errors import UserError, one_line
from ellav.text_files import read_text

FORMS = ("normalized", "original")
"""LibriTTS's two transcripts: numbers and titles in words, or as the book has them."""


def corpus_root(folder: Path, subsets: Iterable[str]) -> Path:
    """The folder that holds the subsets: `folder`, or LibriSpeech or LibriTTS in it.

    Raises UserError where a subset is missing, which names those that are there.
    """
    for root in (folder, folder / "LibriSpeech", folder / "LibriTTS"):
        if all((root / subset).is_dir() for subset in subsets):
            return root
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name the one that holds LibriSpeech's subsets (dev-clean, ...)")
    missing = next(subset for subset in subsets if not (folder / subset).is_dir())
    there = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir())[:12]) or "nothing"
    raise UserError(f"{folder}: no subset {missing!r} there; it holds {there}")


def readers_of(root: Path, subsets: Iterable[str]) -> dict[str, list[Path]]:
    """Reader -> the folders READER of the subsets. Raises UserError for a subset without READER/CHAPTER."""
    readers: dict[str, list[Path]] = {}
    for subset in subsets:
        folders = [folder for folder in sorted((root / subset).iterdir()) if has_folders_of_files(folder)]
        if not folders:
            raise UserError(f"{root / subset}: not a subset of LibriSpeech or LibriTTS: no READER/CHAPTER in it")
        for folder in folders:
            readers.setdefault(folder.name, []).append(folder)
    return readers


def read_reader(folders: Sequence[Path], form: str = "normalized") -> list[Spoken | Dropped]:
    """The utterances of a reader, and what is wrong with the others. folders: READER, of one subset or several."""
    return [
        one
        for folder in folders
        for chapter in sorted(folder.iterdir())
        if chapter.is_dir()
        for one in read_chapter(chapter, folder.name, form)
    ]


def read_chapter(folder: Path, reader: str, form: str) -> Iterator[Spoken | Dropped]:
    """The utterances of one chapter, in the order of their ids."""
    names = sorted(os.listdir(folder))
    recordings: dict[str, str] = {}
    for suffix in reversed(AUDIO):
        recordings |= {name[: -len(suffix)]: name for name in names if name.lower().endswith(suffix)}
    texts, faults = _transcripts(folder, names, form)
    for stem in sorted(recordings.keys() | texts.keys(), key=str.encode):
        id = stem if stem.startswith((f"{reader}-", f"{reader}_")) else f"{reader}-{stem}"
        if stem not in recordings:
            yield Dropped(id, "no-audio", f"{folder} has a transcript and no recording of it")
        elif stem in faults:
            yield Dropped(id, "no-transcript", faults[stem])
        elif not texts.get(stem, "").strip():
            yield Dropped(id, "no-transcript", f"{folder / recordings[stem]}: no transcript of it in {folder}")
        else:
            yield measured(id, reader, texts[stem], folder / recordings[stem])


def _transcripts(folder: Path, names: Sequence[str], form: str) -> tuple[dict[str, str], dict[str, str]]:
    """Id -> words, of whichever layout the chapter has; id -> reason, of those that have two transcripts."""
    ending = f".{form}.txt"
    texts = {name.removesuffix(ending): read_text(folder / name).strip() for name in names if name.endswith(ending)}
    faults = {}
    for name in names:
        if name.endswith(".trans.txt"):
            for number, line in enumerate(read_text(folder / name).split("\n"), 1):
                id, words = (*line.split(maxsplit=1), "", "")[:2]
                words = words.strip()
                if id and not words:
                    faults[id] = f"{folder / name}:{number}: {id!r} has no words"
                if id and texts.setdefault(id, words) != words:
                    faults[id] = f"{folder / name}:{number}: {id!r} has other words here than before; keep one line"
    return texts, faults


def measured(id: str, reader: str, text: str, wav: Path) -> Spoken | Dropped:
    """An utterance that is a file of its own, with its length; or why it cannot be read."""
    import soundfile as sf

    try:
        info = sf.info(str(wav))
    except (sf.LibsndfileError, OSError) as error:
        return Dropped(id, "audio", f"{wav}: not readable ({one_line(error)})")
    return Spoken(id, reader, text, str(wav), info.frames / info.samplerate)
