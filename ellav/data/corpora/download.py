"""Fetching a corpus from where its makers publish it, when asked to and not otherwise."""

from __future__ import annotations

import shutil
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from ellav.errors import UserError, one_line

OPENSLR = "https://www.openslr.org/resources/"
LIBRISPEECH = {  # GB, as openslr.org/12 and /31 say
    "train-clean-100": ("12/train-clean-100.tar.gz", 6.3),
    "train-clean-360": ("12/train-clean-360.tar.gz", 23.0),
    "train-other-500": ("12/train-other-500.tar.gz", 30.0),
    "dev-clean": ("12/dev-clean.tar.gz", 0.34),
    "dev-other": ("12/dev-other.tar.gz", 0.31),
    "test-clean": ("12/test-clean.tar.gz", 0.35),
    "test-other": ("12/test-other.tar.gz", 0.33),
    "train-clean-5": ("31/train-clean-5.tar.gz", 0.33),
    "dev-clean-2": ("31/dev-clean-2.tar.gz", 0.13),
}
LIBRILIGHT = {  # GB, as Libri-Light's data_preparation/README.md says
    "small": ("https://dl.fbaipublicfiles.com/librilight/data/small.tar", 35.0),
    "medium": ("https://dl.fbaipublicfiles.com/librilight/data/medium.tar", 321.0),
    "large": ("https://dl.fbaipublicfiles.com/librilight/data/large.tar", 3050.0),
}
AISHELL = ("33/data_aishell.tgz", 15.0)
"""GB, as openslr.org/33 says."""
LIBRIHEAVY = "https://huggingface.co/datasets/pkufool/libriheavy/resolve/main/"


def fetch_librispeech(folder: Path, subsets: Sequence[str]) -> None:
    """The subsets that `folder`/LibriSpeech lacks, of LibriSpeech or mini_librispeech."""
    missing = [subset for subset in subsets if not (folder / "LibriSpeech" / subset).is_dir()]
    missing = [subset for subset in missing if not (folder / subset).is_dir()]
    for subset in missing:
        if subset not in LIBRISPEECH:
            raise UserError(f"--download knows no subset {subset!r} of LibriSpeech; it knows {', '.join(LIBRISPEECH)}")
    for subset in missing:
        name, size = LIBRISPEECH[subset]
        fetch(OPENSLR + name, folder, size)


def fetch_librilight(folder: Path, subsets: Sequence[str]) -> None:
    """The subsets that `folder` lacks."""
    for subset in subsets:
        if not (folder / subset).is_dir():
            if subset not in LIBRILIGHT:
                raise UserError(
                    f"--download knows no subset {subset!r} of Libri-Light; it knows {', '.join(LIBRILIGHT)}"
                )
            fetch(*LIBRILIGHT[subset][:1], folder, LIBRILIGHT[subset][1])


def fetch_aishell(folder: Path) -> None:
    """AISHELL-1, where `folder`/data_aishell is missing, with the archive of each reader unpacked."""
    root = folder if (folder / "wav").is_dir() else folder / "data_aishell"
    if not root.is_dir():
        fetch(OPENSLR + AISHELL[0], folder, AISHELL[1])
    for archive in sorted((root / "wav").glob("*.tar.gz")):
        _unpack(archive, root / "wav")


def fetch_libriheavy(folder: Path, subsets: Sequence[str]) -> None:
    """The manifests that `folder` lacks."""
    for subset in subsets:
        name = f"libriheavy_cuts_{subset}.jsonl.gz"
        if not (folder / name).exists():
            fetch(LIBRIHEAVY + name, folder, None)


def fetch(url: str, folder: Path, gigabytes: float | None) -> None:
    """Download `url` into `folder`, and unpack it there where it is a tar archive.

    An interrupted download goes on where it stopped. Raises UserError naming the address where it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / url.rpartition("/")[2]
    size = "" if gigabytes is None else f" ({gigabytes:g} GB)"
    print(f"downloading {url}{size} to {folder}", file=sys.stderr, flush=True)
    partial = path.with_name(path.name + ".partial")
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request) as answer, open(partial, "ab" if answer.status == 206 else "wb") as out:
            shutil.copyfileobj(answer, out, 1 << 20)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:  # 416: nothing is left to fetch
            raise UserError(f"{url}: {error.code} {error.reason}") from None
    except (urllib.error.URLError, OSError) as error:
        reason = one_line(getattr(error, "reason", error))
        raise UserError(f"{url}: {reason}; the same command goes on where it stopped") from None
    partial.rename(path)
    if ".tar" in path.name or path.suffix == ".tgz":
        _unpack(path, folder)


def _unpack(path: Path, folder: Path) -> None:
    try:
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"{path}: does not unpack ({one_line(error)}); remove it and run again") from None
    path.unlink()
