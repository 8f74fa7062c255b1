"""Ten minutes of one voice: flite's `rms`, which the model that comes with ellav has never heard, says sentences of
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

from corpus import SECONDS, Line, find_flite, recorder, sentences  # noqa: E402

from ellav.bin.run_command import run_command  # noqa: E402
from ellav.data.kaldi import DataFolder  # noqa: E402
from ellav.data.outputs import writing  # noqa: E402
from ellav.data.parallel import parallel_map  # noqa: E402
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
    find_flite()
    share = min(1.0, options.hours / 0.1)
    sizes = {name: max(2, round(count * share)) for name, count in HELD_OUT.items()}
    sizes["train"] = max(2, math.ceil(options.hours * 3600 / SECONDS))
    spoken = sentences(options.seed)
    inputs = [Path(os.path.relpath(path)) for path in (HERE / "voice.py", MINI / "corpus.py", MINI / "grammar.py")]
    for name, count in sizes.items():
        texts = {f"{VOICE}-{name}-{number:05d}": text for number, text in enumerate(islice(spoken, count))}
        out = options.out / name
        with writing(out, "1 (data)", {"hours": options.hours, "seed": options.seed}, inputs) as folder:
            if folder is None:
                continue
            (folder / "wav").mkdir(exist_ok=True)
            lines = [Line(name, VOICE, text, folder / "wav" / f"{name}.flac") for name, text in texts.items()]
            for _ in parallel_map(recorder, lines, options.nj, f"speaking {name}"):
                pass
            wavs = {utterance: str(out / "wav" / f"{utterance}.flac") for utterance in texts}
            DataFolder(wavs=wavs, text=texts, speakers=dict.fromkeys(texts, VOICE)).write(folder)
        print(f"{out}: {count} utterances")


if __name__ == "__main__":
    sys.exit(run_command("voice.py", partial(main, sys.argv[1:])))
