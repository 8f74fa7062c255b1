"""AISHELL-1 (openslr.org/33): wav/SUBSET/READER with recordings, and one file with the transcripts of all of them.

Lines of transcript/aishell_transcript_v0.8.txt are `id words`. The corpus parts words by spaces, which are left out:
the text front end cuts Mandarin into words itself. Any ending of `AUDIO` will do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ellav.data.corpora import AUDIO, Dropped, Spoken
from ellav.data.corpora.librispeech import measured
from ellav.errors import UserError
from ellav.text_files import read_text

TRANSCRIPT = Path("transcript/aishell_transcript_v0.8.txt")
MOST_BYTES = 100_000_000
BETWEEN_CHARACTERS = re.compile(r"(?<=[^\x00-\x7f])\s+|\s+(?=[^\x00-\x7f])")
"""Spaces beside a Chinese character; those between Latin words stay."""


def corpus_root(folder: Path, subsets: Iterable[str]) -> Path:
    """The folder that holds wav/SUBSET and the transcript: `folder`, or data_aishell in it.

    Raises UserError where one of them is missing, or a reader's archive is not unpacked yet.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name data_aishell, or the one that holds it")
    root = next((one for one in (folder, folder / "data_aishell") if (one / TRANSCRIPT).is_file()), None)
    if root is None:
        raise UserError(f"{folder / TRANSCRIPT}: no such file; name data_aishell, or the folder that holds it")
    for subset in subsets:
        if not (root / "wav" / subset).is_dir():
            packed = sorted((root / "wav").glob("*.tar.gz"))
            if packed:
                raise UserError(
                    f"{root / 'wav'}: no subset {subset!r} there, but {len(packed)} archives as {packed[0].name};"
                    f" unpack them first: (cd {root / 'wav'} && for a in *.tar.gz; do tar xzf $a; done)"
                )
            there = ", ".join(sorted(path.name for path in (root / "wav").glob("*/"))) or "nothing"
            raise UserError(f"{root / 'wav'}: no subset {subset!r} there; it holds {there}")
    return root


def readers_of(root: Path, subsets: Iterable[str]) -> dict[str, list[Path]]:
    """Reader -> the folders wav/SUBSET/READER. Raises UserError for a subset without any."""
    readers: dict[str, list[Path]] = {}
    for subset in subsets:
        folders = [folder for folder in sorted((root / "wav" / subset).glob("*/")) if any(folder.iterdir())]
        if not folders:
            raise UserError(f"{root / 'wav' / subset}: no readers' folders in it")
        for folder in folders:
            readers.setdefault(folder.name, []).append(folder)
    return readers


def transcripts(root: Path) -> dict[str, str]:
    """Id -> words. Raises UserError naming the line for an id with two different ones."""
    path = root / TRANSCRIPT
    texts: dict[str, str] = {}
    for number, line in enumerate(read_text(path, MOST_BYTES).split("\n"), 1):
        id, words = (*line.split(maxsplit=1), "", "")[:2]
        words = BETWEEN_CHARACTERS.sub("", words.strip())
        if id and texts.setdefault(id, words) != words:
            raise UserError(f"{path}:{number}: {id!r} has other words here than before; keep one line")
    return texts


def read_reader(folders: Sequence[Path], texts: Mapping[str, str]) -> list[Spoken | Dropped]:
    """The utterances of a reader, and what is wrong with the others. texts: id -> words.

    The corpus's ids begin with `BAC009` and the reader; here the reader stands in front (`S0002-BAC009S0002W0122`).
    """
    found: list[Spoken | Dropped] = []
    for folder in folders:
        names = sorted(os.listdir(folder))
        recordings: dict[str, str] = {}
        for suffix in reversed(AUDIO):
            recordings |= {name[: -len(suffix)]: name for name in names if name.lower().endswith(suffix)}
        for stem in sorted(recordings, key=str.encode):
            id, path = f"{folder.name}-{stem}", folder / recordings[stem]
            if not texts.get(stem):
                found.append(Dropped(id, "no-transcript", f"{path}: no transcript of it in {TRANSCRIPT}"))
            else:
                found.append(measured(id, folder.name, texts[stem], path))
    return found
