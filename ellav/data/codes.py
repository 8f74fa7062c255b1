"""Codes on disk: int16 (T, Q) NPY entries in Kaldi ark files, with their offsets in scp files.

The files are those of kaldiio (`kaldiio.load_mat` reads them). Reading is our own, because an
ark may come from a stranger: an entry is only ever parsed as a plain integer array, so nothing
in it can be unpickled, and a command in an scp file (`cat x.ark |`) is not run unless asked for.
"""

from __future__ import annotations

import io
import re
import subprocess
from pathlib import Path

import kaldiio
import numpy as np

from ellav.data.arks import ArkWriter
from ellav.data.files import Files
from ellav.errors import UserError

_GUESS = 16384  # bytes read at once; most entries fit
FRAMES = re.compile(r"\[(\d+):(\d+)\]$")
"""Of a place in an scp file: the first and the last frame that are meant."""


class CodesWriter:
    """Writes `codes.ark` and `codes.scp` into `folder`, in the order of the calls.

    final: the folder's name once the stage is done; the scp file points there. What an
    interrupted run left in `folder` is kept: `written` holds its utterances and frames.
    """

    def __init__(self, folder: Path | str, final: Path | str | None = None):
        self._ark = ArkWriter(folder, "codes", final)
        self.written = {utterance: int(note) for utterance, note in self._ark.notes.items()}

    def __enter__(self) -> CodesWriter:
        return self

    def __exit__(self, kind, error, traceback) -> None:
        self._ark.__exit__(kind, error, traceback)

    def write(self, utterance: str, codes: np.ndarray) -> None:
        """codes: (T, Q), any integer type whose values fit in int16."""
        entry = np.ascontiguousarray(codes, dtype=np.int16)
        if entry.ndim != 2 or not np.array_equal(entry, codes):
            raise ValueError(f"codes of {utterance!r} are not (T, Q) integers below 32768")
        stream = io.BytesIO()
        kaldiio.save_ark(stream, {"": entry}, write_function="numpy")
        self._ark.write(utterance, stream.getvalue()[1:], str(len(entry)))  # without the empty key and its blank
        self.written[utterance] = len(entry)


def of_frames(place: str, frames: slice) -> str:
    """The place of some frames, start and stop given, of the whole entry at `place`."""
    return f"{place}[{frames.start}:{frames.stop - 1}]"


class CodesReader:
    """Reads entries by their place, `FILE:OFFSET` or `FILE:OFFSET[FIRST:LAST]` for some of its frames, both ends
    included as Kaldi has it. One or two reads of the file each.

    allow_pipes: also run commands (`cat x.ark |`). Safe to use after a fork and from threads;
    files stay open, up to a bound.
    """

    def __init__(self, allow_pipes: bool = False):
        self.allow_pipes = allow_pipes
        self._files = Files(_not_opened)

    def read(self, place: str) -> np.ndarray:
        """(T, Q) int16. Raises UserError naming the place for anything else that stands there."""
        if place.startswith("|") or place.endswith("|"):
            content = self._run(place)
            return _parse(lambda start, size: content[start : start + size], place)
        frames = FRAMES.search(place)
        if frames:
            whole = self.read(place[: frames.start()])
            first, last = map(int, frames.groups())
            if not first <= last < len(whole):
                raise UserError(f"{place}: the entry has {len(whole)} frames; run stages 4 and 5 again")
            return whole[first : last + 1]
        name, separator, offset = place.rpartition(":")
        if not separator or not offset.isdigit():
            name, offset = place, "0"
        base = int(offset)
        return _parse(lambda start, size: self._files.read(name, size, base + start), place)

    def _run(self, place: str) -> bytes:
        if not self.allow_pipes:
            raise UserError(f"{place!r} is a command; commands in scp files run only with --allow-pipes true")
        command = place.strip("|").strip()
        done = subprocess.run(command, shell=True, stdout=subprocess.PIPE)
        if done.returncode:
            raise UserError(f"{command!r} failed with status {done.returncode}")
        return done.stdout


def _not_opened(path: str, error: OSError) -> UserError:
    return UserError(f"{path}: {error.strerror.lower()}; run stage 4 (encode) again")


def _parse(read, place: str) -> np.ndarray:
    """The entry at the start of `read(start, size)`: `NPY`, a length, and a .npy file."""
    head = read(0, _GUESS)
    if head[:3] != b"NPY" or len(head) < 4:
        kind = "a pickle" if head[:3] == b"PKL" else repr(bytes(head[:8]))
        raise UserError(f"{place}: not an NPY entry but {kind}; nothing was loaded. Codes are int16 (T, Q) NPY entries")
    width = head[3]
    start = 4 + width
    size = int.from_bytes(head[4:start], "little")
    entry = head[start : start + size]
    try:
        if len(entry) < size:
            entry += read(start + len(entry), size - len(entry))
        if len(entry) != size:
            raise ValueError(f"{size} bytes announced, {len(entry)} there")
        return _array(entry)
    except (ValueError, MemoryError, OverflowError) as error:
        raise UserError(f"{place}: not an integer array (T, Q): {error}; nothing was loaded") from None


def _array(entry: bytes) -> np.ndarray:
    stream = io.BytesIO(entry)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"NPY version {version}")
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(stream)
    if dtype.hasobject or dtype.kind not in "iu" or len(shape) != 2 or fortran:
        raise ValueError(f"shape {shape} of {dtype}")
    if shape[0] * shape[1] * dtype.itemsize != len(entry) - stream.tell():
        raise ValueError(f"shape {shape} does not fit {len(entry) - stream.tell()} bytes")
    array = np.frombuffer(entry, dtype, offset=stream.tell()).reshape(shape)
    codes = array.astype(np.int16)
    if dtype != np.int16 and not np.array_equal(codes, array):
        raise ValueError("values beyond int16")
    return codes
