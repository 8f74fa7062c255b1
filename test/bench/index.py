"""Opening, planning and reading a training set of many utterances: seconds and memory, for one process and for several.

    python test/bench/index.py --utterances 100000 1000000 14000000 --ranks 1 2 --json figures.json

The set is generated: ids, phones, durations and places as stage 5 writes them, in shards. Its utterances say one of a
thousand things, whose codes they share, so that the codes take 18 MB whatever the set's size; tables and index are
what they would be, but for `--phones`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from ellav.data.batching import Batches
from ellav.data.codes import CodesWriter
from ellav.data.dataset import STATISTICS, Dataset, Tokens
from ellav.data.index import INDEX, SHARDS, TABLES
from ellav.data.kaldi import read_table

FRAME_RATE, LEAST, MOST = 75, 600, 1700
CODEBOOKS, SIZE = 8, 1024
SAYINGS = 1000
SYMBOLS = [f"P{i:02}" for i in range(40)]


@dataclass
class Figures:
    """Of one step in one process. seconds: by the clock. processor: seconds of the processor. own, mapped: largest
    growth in MB of what is the process's own, and of files that it has mapped, whose pages all processes share."""

    seconds: float
    processor: float
    own: float
    mapped: float


def main(argv: list[str] | None = None) -> list[dict]:
    """Generate a set of each size, measure it, print a table, remove it; returns the table's rows."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--utterances", type=int, nargs="+", default=[100_000], help="sizes of the sets")
    made.add_argument("--ranks", type=int, nargs="+", default=[1, 2], help="numbers of processes that train")
    made.add_argument("--shard", type=int, default=100_000, help="utterances of a shard")
    made.add_argument("--phones", type=int, default=20, help="phones of an utterance: the length of its lines")
    made.add_argument("--batches", type=int, default=20, help="batches that are read; -1 reads an epoch")
    made.add_argument("--batch-tokens", type=int, default=100_000, help="frames of a batch")
    made.add_argument("--cold", action="store_true", help="open and read files that the system keeps nothing of")
    made.add_argument("--folder", type=Path, help="where to generate; a temporary folder if left out")
    made.add_argument("--json", type=Path, help="write the figures there too")
    options = made.parse_args(argv)
    rows = []
    print("| utterances | ranks | step | seconds | processor s | own MB | mapped MB | |\n" + "|---" * 8 + "|")
    for count in options.utterances:
        root = Path(tempfile.mkdtemp(prefix="ellav-bench-", dir=options.folder))
        try:
            rows += measure(root, count, options)
        finally:
            shutil.rmtree(root)
        if options.json:
            options.json.write_text(json.dumps({"options": vars(options), "rows": rows}, indent=1, default=str) + "\n")
    return rows


def measure(root: Path, count: int, options: argparse.Namespace) -> list[dict]:
    """All rows of the table for a set of `count` utterances, each printed as it comes."""
    began = time.perf_counter(), time.process_time()
    generate(root, count, options)
    took = Figures(time.perf_counter() - began[0], time.process_time() - began[1], 0, 0)
    tables = sum(path.stat().st_size for path in root.glob(f"{SHARDS}/*/*"))
    files = sum(1 for _ in root.glob(f"{SHARDS}/*/*"))
    note = f"{tables / 1e6:.0f} MB in {files} tables"
    rows = [row(count, 1, "generate", [took], note)]
    built = in_processes(build, root, 1, options)
    size = sum(path.stat().st_size for path in (root / INDEX).iterdir())
    rows.append(row(count, 1, "index", [one["build"] for one in built], f"{size / 1e6:.1f} MB"))
    for world in options.ranks:
        if options.cold:
            forget(root)
        told = in_processes(use, root, world, options)
        for step in ("open", "first plan", "all plans", "read"):
            rows.append(row(count, world, step, [one[step] for one in told], told[0]["note"].get(step, "")))
        node = {when: sum(one["proportional"][when] for one in told) for when in ("planned", "read")}
        rows[-1]["node_growth_mb"] = node
        told_of = ", ".join(f"{when} {size:.0f}" for when, size in node.items())
        print(f"| {count:,} | {world} | | | | | | MB on the node, shared pages once: {told_of} |", flush=True)
    return rows


def row(count: int, world: int, step: str, all: list[Figures], note: str) -> dict:
    """Print and return a row: the slowest process's seconds, the own memory of all, the largest that is mapped."""
    seconds, processor = (max(getattr(one, name) for one in all) for name in ("seconds", "processor"))
    own, mapped = sum(one.own for one in all), max(one.mapped for one in all)
    figures = f"{seconds:.2f} | {processor:.2f} | {own:.0f} | {mapped:.0f}"
    print(f"| {count:,} | {world} | {step} | {figures} | {note} |", flush=True)
    return {"utterances": count, "ranks": world, "step": step, "note": note, "processes": [asdict(one) for one in all]}


def generate(root: Path, count: int, options: argparse.Namespace) -> None:
    """The tables of a set, a shard at a time; speakers have some two thousand utterances each, some many more."""
    rng = np.random.default_rng(0)
    with CodesWriter(root) as writer:
        sayings = [say(rng, options.phones, writer, f"{i:04}") for i in range(SAYINGS)]
    places = list(read_table(root / "codes.scp").values())
    for saying, place in zip(sayings, places, strict=True):
        saying["codes.scp"] = place
    weights = rng.exponential(size=max(2, count // 2000))
    speaker_ends = np.cumsum(rng.multinomial(count, weights / weights.sum()))
    for number, begin in enumerate(range(0, count, options.shard)):
        ids = np.arange(begin, min(count, begin + options.shard))
        speakers = [f"s{i:06}" for i in np.searchsorted(speaker_ends, ids, side="right").tolist()]
        names = [f"{speaker}-{i:09}" for speaker, i in zip(speakers, ids.tolist(), strict=True)]
        said = [sayings[i] for i in rng.integers(0, SAYINGS, len(ids)).tolist()]
        folder = root / SHARDS / f"{number:05}"
        folder.mkdir(parents=True)
        for table in TABLES:
            values = speakers if table == "utt2spk" else [saying[table] for saying in said]
            lines = [f"{name} {value}\n" for name, value in zip(names, values, strict=True)]
            (folder / table).write_text("".join(lines), encoding="utf-8")


def say(rng: np.random.Generator, phones: int, writer: CodesWriter, name: str) -> dict[str, str]:
    """What an utterance has in the tables, but for its codes, which are written."""
    frames = int(rng.integers(LEAST, MOST + 1))
    durations = rng.multinomial(frames - phones, np.full(phones, 1 / phones)) + 1
    writer.write(name, rng.integers(0, SIZE, (frames, CODEBOOKS)))
    return {
        "utt2num_frames": str(frames),
        "phones": " ".join(rng.choice(SYMBOLS, phones)),
        "word_of_phone": " ".join(str(i // 4) for i in range(phones)),
        "durations": " ".join(map(str, durations)),
        "text": " ".join(["word"] * (phones // 4 + 1)),
    }


def in_processes(work: Callable, root: Path, world: int, options: argparse.Namespace) -> list[dict]:
    """What each of `world` processes, that begin each step together, tells."""
    context = multiprocessing.get_context("spawn")
    barrier, told = context.Barrier(world), context.SimpleQueue()
    running = [context.Process(target=work, args=(root, rank, world, options, barrier, told)) for rank in range(world)]
    for process in running:
        process.start()
    for process in running:
        process.join()
        if process.exitcode:
            sys.exit(f"a process ended with status {process.exitcode}")
    return [told.get() for _ in running]


def build(root: Path, rank: int, world: int, options: argparse.Namespace, barrier, told) -> None:
    """Opens a set that has no index yet."""
    with Watch() as watch:
        Dataset(root, tokens())
    told.put({"build": watch.figures})


def use(root: Path, rank: int, world: int, options: argparse.Namespace, barrier, told) -> None:
    """One process of a training: opens, plans, reads."""
    found: dict = {"note": {}}
    before = memory()["Pss"]
    barrier.wait()
    with Watch() as watch:
        data = Dataset(root, tokens())
    found["open"] = watch.figures
    batches = Batches(data, lambda u, rng: u.codes, len, options.batch_tokens, 2 * MOST, 0, rank, world)
    barrier.wait()
    with Watch() as watch:
        joins, mine = batches.epochs.plan(0, 0)
    found["first plan"] = watch.figures
    found["note"]["first plan"] = (
        f"1 of {batches.epochs.parts} parts, {len(joins):,} joins, {len(mine):,} of rank {rank}"
    )
    del joins, mine
    barrier.wait()
    with Watch() as watch:
        total = sum(len(batches.epochs.plan(1, part)[0]) for part in range(batches.epochs.parts))
    found["all plans"], found["note"]["all plans"] = watch.figures, f"{total:,} joins"
    barrier.wait()
    found["proportional"] = {"planned": memory()["Pss"] - before}
    barrier.wait()
    with Watch() as watch:
        read = sum(size for size, _ in islice(batches.epoch(), None if options.batches < 0 else options.batches))
    seconds = watch.figures.seconds
    found["read"], found["note"]["read"] = watch.figures, f"{read} joins, {read / seconds:.0f} a second, plan included"
    barrier.wait()
    found["proportional"]["read"] = memory()["Pss"] - before
    barrier.wait()
    told.put(found)


def tokens() -> Tokens:
    """Of the generated sets."""
    return Tokens(SYMBOLS, dict.fromkeys(STATISTICS, 1) | {"codebooks": CODEBOOKS, "codebook_size": SIZE})


def forget(root: Path) -> None:
    """Ask the system to keep nothing of the files in memory."""
    os.sync()
    for path in files_below(root):
        with open(path, "rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def files_below(root: Path) -> Iterator[Path]:
    """All of them."""
    return (path for path in root.rglob("*") if path.is_file())


def memory() -> dict[str, float]:
    """MB of this process: `Pss` has each shared page divided by those who share it."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    return {name.rstrip(":"): int(value) / 1024 for name, value, *_ in map(str.split, lines)}


class Watch:
    """Measures what happens inside a `with`; its `figures` are there afterwards. Looks every few milliseconds."""

    def __enter__(self) -> Watch:
        self._before, self._most = self._now(), [0.0, 0.0]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_) -> None:
        seconds, processor = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        self._ended.set()
        self._thread.join()
        self.figures = Figures(seconds, processor, *self._most)

    def _look(self) -> None:
        last = False
        while not last:
            last = self._ended.wait(0.004)
            growth = (now - before for now, before in zip(self._now(), self._before, strict=True))
            self._most = [max(pair) for pair in zip(self._most, growth, strict=True)]

    def _now(self) -> list[float]:
        """MB that are anonymous, and those of files."""
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return [int(status[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")]


if __name__ == "__main__":
    main()
