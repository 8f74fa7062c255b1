"""A recipe of a few minutes' work in a folder of its own, run stage by stage, and what came of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

EGS = Path(__file__).resolve().parents[2] / "egs"
LINKS = ("run.sh", "tts.sh", "path.sh", "cmd.sh", "db.sh", "utils", "local")
TRAINING = """
model_conf: {layers: 1, width: 32, heads: 2, ffn: 64}
train_conf: {max_steps: 60, batch_tokens: 1500, max_frames: 500, warmup: 1, valid_every: 3, valid_batches: 1,
             save_every: 4, log_every: 1, dtype: float32}
nar_conf: {text: auto}
"""
OPTIONS = [
    *("--nj", "2", "--test_sets", "test_unseen", "--local-data-opts", "--hours 0.02", "--max-rejected", "0.5"),
    *("--codec_conf", "codebooks=2", "size=64", "--train-config", "tiny.yaml", "--inference-args", "--batch 1"),
]
MADE = {
    1: ["data"],
    2: ["dump/raw"],
    3: ["dump/phones", "dump/align"],
    4: ["exp/codec", "dump/codes"],
    5: ["dump/tokens"],
    6: ["exp/interleaved/ar"],
    7: ["exp/interleaved/nar"],
    8: ["exp/interleaved/decode"],
    9: ["exp/interleaved/scores", "exp/interleaved/results.json", "exp/interleaved/RESULTS.md", "exp/scores", "exp/lm"],
    10: ["exp/interleaved/packed"],
}
"""What each stage makes."""
SETS = ("test_seen", "test_unseen", "valid", "train")
FOLDERS = [
    *("data", "dump", "dump/raw", "dump/phones", "dump/align", "dump/codes", "dump/tokens", "exp", "exp/interleaved"),
    *("exp/interleaved/decode", "exp/interleaved/scores", "exp/scores", "exp/scores/test_unseen"),
]
"""Where stages put their folders."""


def lay_out(root: Path, recipe: str = "mini") -> None:
    """The scripts of a recipe, linked."""
    root.mkdir(parents=True)
    for name in LINKS:
        (root / name).symlink_to(EGS / recipe / "tts1" / name)
    (root / "tiny.yaml").write_text(TRAINING)


def clear(root: Path, stage: int) -> None:
    """Undo a stage."""
    for name in MADE[stage]:
        for path in (root / name).parent.glob(Path(name).name + "*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def start(root: Path, stage: int, *more: str, limit: int = 0, options=OPTIONS, **settings) -> subprocess.Popen:
    """One stage in a process group of its own; what it says goes to root/../said.

    limit: KiB that a file may hold, 0 for any number. options: of run.sh, for the corpus; `more` wins. settings:
    environment variables.
    """
    environment = {**os.environ, "ELLAV_VENV": sys.prefix, "OMP_NUM_THREADS": "1", **settings}
    limited = ["bash", "-c", f'ulimit -f {limit}; exec "$@"', "limited"] if limit else []
    command = [*limited, root / "run.sh", *options, "--stage", str(stage), "--stop-stage", str(stage), *more]
    with open(root.parent / "said", "w") as said:
        to = {"stdin": subprocess.DEVNULL, "stdout": said, "stderr": said}
        return subprocess.Popen(command, cwd=root, env=environment, start_new_session=True, **to)


def said(root: Path) -> str:
    """What the last run said."""
    return (root.parent / "said").read_text()


def run(root: Path, stage: int, *more: str, seconds: int = 300, **settings) -> None:
    """One stage to its end, which may take so many seconds."""
    assert start(root, stage, *more, **settings).wait(timeout=seconds) == 0, said(root)[-3000:]


def begun(root: Path) -> dict[str, int]:
    """The folders that are or were in the making: name -> a number that changes when the making begins anew."""
    found = {}
    for folder in FOLDERS:
        if (root / folder).is_dir():
            locks = [entry for entry in os.scandir(root / folder) if entry.name.endswith(".lock")]
            for lock in locks:
                with contextlib.suppress(FileNotFoundError):
                    found[f"{folder}/{lock.name.removesuffix('.lock')}"] = lock.stat().st_mtime_ns
    for name in (*MADE[6], *MADE[7]):
        found.pop(name, None)  # it is locked long before its work begins
        with contextlib.suppress(FileNotFoundError):
            found[name] = (root / name / "losses.tsv").stat().st_ino
    return found


def watch(root: Path, stage: int, **settings) -> dict[str, float]:
    """Run a stage to its end; seconds that each of its folders was in the making."""
    before = begun(root)
    process = start(root, stage, **settings)
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    while process.poll() is None:
        now = time.monotonic()
        for name, mark in begun(root).items():
            if before.get(name) != mark:
                first.setdefault(name, now)
                last[name] = now
        time.sleep(0.003)
    assert process.returncode == 0, said(root)[-3000:]
    return {name: max(last[name] - first[name], 0.02) for name in first}


def wait_for(root: Path, process: subprocess.Popen, name: str, before: dict[str, int]) -> bool:
    """Wait until `name` is being made by `process`; False if it ended before that. before: `begun` before it."""
    while process.poll() is None:
        if begun(root).get(name, before.get(name)) != before.get(name):
            return True
        time.sleep(0.002)
    return False


def kill(process: subprocess.Popen) -> None:
    """The process and all that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
