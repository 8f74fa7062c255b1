"""What cutting a data folder into shards takes: seconds of the processor, and memory.

python test/bench/cut.py --utterances 100000 1000000
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ellav.data.splitting import cut

TEXT = "and he said that there was nothing at all to be seen from the window of the house"


def main() -> None:
    """Each number of utterances in a process of its own, whose largest memory is its own."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--utterances", type=int, nargs="+", default=[100_000, 1_000_000])
    made.add_argument("--per-shard", type=int, default=100_000)
    made.add_argument("--folder", help="where the tables are written (a temporary folder)")
    options = made.parse_args()
    if options.folder:
        measure(Path(options.folder), options.utterances[0], options.per_shard)
        return
    for count in options.utterances:
        with tempfile.TemporaryDirectory() as folder:
            words = ["--utterances", str(count), "--per-shard", str(options.per_shard), "--folder", folder]
            subprocess.run([sys.executable, __file__, *words], check=True)


def measure(root: Path, count: int, per_shard: int) -> None:
    """Write the tables of so many utterances, cut them, and print what that took."""
    data = root / "data"
    data.mkdir()
    with (
        open(data / "wav.scp", "w") as wavs,
        open(data / "text", "w") as texts,
        open(data / "utt2spk", "w") as speakers,
    ):
        for number in range(count):
            speaker = f"{number // 2000:06d}"
            utterance = f"{speaker}-{number:09d}"
            wavs.write(f"{utterance} /corpus/large/{speaker}/a_book_of_some_name/{utterance}.flac\n")
            texts.write(f"{utterance} {TEXT}\n")
            speakers.write(f"{utterance} {speaker}\n")
    before, began = time.process_time(), time.monotonic()
    at_first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    shards = cut(data, root / "split", -(-count // per_shard))
    size = sum(path.stat().st_size for path in data.iterdir())
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at_first) / 1024
    print(
        f"{count} utterances, tables of {size / 1e6:.0f} MB, {shards} shards: {time.process_time() - before:.1f} s of"
        f" the processor ({time.monotonic() - began:.1f} s), {more:.0f} MB of memory"
    )


if __name__ == "__main__":
    main()
