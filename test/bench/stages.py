"""Stages 2 to 5 on sets of several sizes: seconds of the processor and largest memory of each command, one process.

    python test/bench/stages.py --utterances 1000 10000 --json figures.json

The set says a few sentences over and over, in recordings that flite makes (tools/installers/install_flite.sh): what a
stage does with an utterance is what it would do with another, and tables, archives and dictionaries have their full
size. Memory is the largest resident size of the command, torch and all else that it loads included.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile

SENTENCES = {
    "short": ("Good.", "Yes.", "Now go.", "No more.", "Well done.", "Not yet.", "Come in.", "Who knows?"),
    "long": (
        "The old sailor bought three green boats, and nobody in the harbour ever asked him where the money came from.",
        "It was late in the evening when the two brothers reached the village, tired, hungry and without a word.",
        "She opened the letter, read the first lines, and put it back into the drawer under the window of the kitchen.",
        "There are many reasons why people read books aloud, and most of them have little to do with the books at all.",
    ),
}
VOICES = ("slt", "rms")
COMMAND = [sys.executable, "-m", "ellav.bin.main"]


def main(argv: list[str] | None = None) -> list[dict]:
    """Measure each size, print a table; returns its rows."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--utterances", type=int, nargs="+", default=[1000, 10_000], help="sizes of the sets")
    made.add_argument("--per-shard", type=int, default=100_000, help="utterances of a shard, at most")
    made.add_argument("--speech", choices=SENTENCES, default="short", help="how long the recordings are")
    made.add_argument("--codec", default="rvq_mel", help="codec of stage 4, with its options: NAME KEY=VALUE ...")
    made.add_argument("--codec-conf", nargs="*", default=[], help="its options")
    made.add_argument(
        "--but",
        nargs="*",
        default=[],
        help="commands to leave out, and those that need them; without format-wavs what needs text reads stage 1's",
    )
    made.add_argument("--folder", type=Path, help="where to work; a temporary folder if left out")
    made.add_argument("--json", type=Path, help="write the figures there too")
    options = made.parse_args(argv)
    rows = []
    print("| utterances | shards | command | processor s | seconds | utterances/s | x real time | MB | makes MB |")
    print("|---" * 9 + "|")
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
    """The commands of stages 2 to 5 on a set of `count` utterances, each printed as it ends."""
    seconds = generate(root, count, SENTENCES[options.speech])
    shards = -(-count // options.per_shard)
    rows = []
    for name, words in commands(root, count, shards, options):
        if name.split()[0] in options.but:
            continue
        before = size_of(root)
        status, took = run(words, root)
        if status:
            raise SystemExit(f"{name}: {(root / 'said').read_text()[-500:]}")
        row = {
            "utterances": count,
            "shards": shards,
            "command": name,
            **took,
            "made_mb": (size_of(root) - before) / 1e6,
        }
        rows.append(row)
        speed, times = count / took["processor"], seconds / took["processor"]
        figures = f"{took['processor']:.1f} | {took['seconds']:.1f} | {speed:.0f} | {times:.0f} | {took['mb']:.0f}"
        print(f"| {count:,} | {shards} | {name} | {figures} | {row['made_mb']:.1f} |", flush=True)
    print(f"| {count:,} | {shards} | {seconds / 3600:.3f} h of speech | | | | | | |", flush=True)
    return rows


def commands(root: Path, count: int, shards: int, options: argparse.Namespace) -> list[tuple[str, list[str]]]:
    """What tts.sh runs for one set, the training set."""
    data, dump, exp = root / "data/train", root / "dump", root / "exp"
    halves = ["--held-out", dump / "held_out", "--rest", dump / "rest", "--utterances", min(100, count // 2)]
    made = [
        ("data check", ["data", "check", "--data", data]),
        ("data split", ["data", "split", "--data", data, *halves]),
    ]
    if shards > 1:
        cut = dump / "split/train"
        made.append(("data shards", ["data", "shards", "--data", data, "--out", cut, "--count", shards]))
        data = cut
    raw = data if "format-wavs" in options.but else dump / "raw/train"
    phones, align = dump / "phones/train", dump / "align/train"
    codec, codes, bad = exp / "codec", dump / "codes/train", ["--max_rejected", "0.5"]
    conf = ["--codec_conf", *options.codec_conf] if options.codec_conf else []
    parts = ["--raw", dump / "raw", "--align", dump / "align", "--codes", dump / "codes", "--codec", codec]
    return [
        *made,
        ("format-wavs", ["format-wavs", "--data", data, "--out", raw, *bad]),
        ("fit-text", ["fit-text", "--data", raw, "--out", exp / "text"]),
        ("phones", ["phones", "--data", raw, "--out", phones, "--config", exp / "text/text.yaml", *bad]),
        ("fit-aligner", ["fit-aligner", "--data", raw, "--phones", phones, "--out", exp / "aligner"]),
        (
            "align",
            [
                "align",
                "--data",
                raw,
                "--phones",
                phones,
                "--out",
                align,
                "--config",
                exp / "aligner/aligner.yaml",
                *bad,
            ],
        ),
        (
            "fit-codec",
            ["fit-codec", "--data", raw, "--align", align, "--out", codec, "--codec", options.codec, *conf],
        ),
        ("encode", ["encode", "--data", raw, "--codec", codec, "--out", codes, *bad]),
        ("tokens", ["tokens", "--sets", "train", *parts, "--out", dump / "tokens", *bad]),
    ]


def generate(root: Path, count: int, sentences: tuple[str, ...]) -> float:
    """A data folder of `count` utterances; returns the seconds that they last together."""
    folder = root / "data/train"
    folder.mkdir(parents=True)
    recordings = []
    for voice in VOICES:
        for number, sentence in enumerate(sentences):
            wav = root / f"{voice}{number}.wav"
            subprocess.run(["flite", "-voice", voice, "-t", sentence, "-o", wav], check=True)
            recordings.append((wav, sentence, soundfile.info(str(wav)).duration))
    seconds = 0.0
    with (
        open(folder / "wav.scp", "w") as wavs,
        open(folder / "text", "w") as texts,
        open(folder / "utt2spk", "w") as who,
    ):
        for number in range(count):
            wav, sentence, lasts = recordings[number % len(recordings)]
            speaker = f"{number // 2000:06d}"
            wavs.write(f"{speaker}-{number:09d} {wav}\n")
            texts.write(f"{speaker}-{number:09d} {sentence}\n")
            who.write(f"{speaker}-{number:09d} {speaker}\n")
            seconds += lasts
    return seconds


def run(words: list, root: Path) -> tuple[int, dict]:
    """A command of ellav by itself: its exit status; what it took."""
    began = time.monotonic()
    with open(root / "said", "w") as said:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen([*COMMAND, *map(str, words)], stdout=said, stderr=said, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    processor = used.ru_utime + used.ru_stime
    return status, {
        "processor": processor,
        "seconds": time.monotonic() - began,
        "mb": used.ru_maxrss / 1024,
    }


def size_of(root: Path) -> int:
    """Bytes of all that the stages have made."""
    return sum(path.stat().st_size for name in ("dump", "exp") for path in (root / name).rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
