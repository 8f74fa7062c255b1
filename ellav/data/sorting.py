"""Tables of any size, sorted on disk."""

from __future__ import annotations

import os
import subprocess
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from ellav.data.kaldi import table_rows
from ellav.data.outputs import beside
from ellav.errors import UserError


def sort(path: Path, once: bool = False) -> None:
    """Sort a table of any size by its first column in byte order. once: lines that stand twice become one."""
    command = ["sort", "--buffer-size=256M", "--temporary-directory", path.parent, "--output", path, path]
    command += ["--unique"] if once else []
    done = subprocess.run(command, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{path}: not sorted: {done.stderr.strip()}")


def write_spk2utt(folder: Path) -> None:
    """Speaker -> its utterances, from the sorted `utt2spk` there; holds none of them in memory."""
    pairs = folder / "spk2utt.pairs"
    with open(pairs, "w", encoding="utf-8") as out:
        out.writelines(f"{speaker}\t{utterance}\n" for utterance, speaker in table_rows(folder / "utt2spk"))
    sort(pairs)
    with beside(folder / "spk2utt") as path, open(pairs, encoding="utf-8") as lines, open(path, "wb") as out:
        spoken = (line.rstrip("\n").rpartition("\t") for line in lines)
        for speaker, group in groupby(spoken, key=itemgetter(0)):
            out.write(speaker.encode())
            out.writelines(f" {utterance}".encode() for _, _, utterance in group)
            out.write(b"\n")
    pairs.unlink()
