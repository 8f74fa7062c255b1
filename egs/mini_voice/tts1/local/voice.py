"""Ten minutes of one voice: flite's `rms`, which the model mini has never heard, says sentences of
egs/mini's grammar."""

from __future__ import annotations

import argparse
import math
import os
import sys
from functools import partial
from itertools import islice
from pathlib import Path

HERE = Path(__file__).resolve().parent
MINI = HERE.parents[2] / "mini/tts1/local"
sys.path.insert(0, str(MINI))

from corpus import SECONDS, sentences, write_sets  # noqa: E402

from ellav.bin.run_command import run_command  # noqa: E402
from ellav.errors import UserError  # noqa: E402

VOICE = "rms1"
"""Of egs/mini's speakers that no training hears."""
HELD_OUT = {"test": 40, "valid": 10}
"""Utterances of the other sets; `--hours` below 0.1 shrinks them."""


def main(argv: list[str]) -> None:
    """Write the sets as data folders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=1 / 6, help="hours of speech in the training set")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    parser.add_argument("--seed", type=int, default=1, help="of the sentences; egs/mini has those of 0")
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the sets")
    options = parser.parse_args(argv)
    if options.hours <= 0:
        raise UserError(f"--hours must be above 0, not {options.hours}")
    share = min(1.0, options.hours / 0.1)
    sizes = {name: max(2, round(count * share)) for name, count in HELD_OUT.items()}
    sizes["train"] = max(2, math.ceil(options.hours * 3600 / SECONDS))
    spoken = sentences(options.seed)
    sets = {
        name: [
            (f"{VOICE}-{name}-{number:05d}", VOICE, sentence) for number, sentence in enumerate(islice(spoken, count))
        ]
        for name, count in sizes.items()
    }
    write_sets(sets, options, [Path(os.path.relpath(HERE / "voice.py"))])


if __name__ == "__main__":
    sys.exit(run_command("voice.py", partial(main, sys.argv[1:])))
