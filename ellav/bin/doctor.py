"""`ellav doctor`: what this machine has and lacks, what each thing is needed for, and how to get it."""

from __future__ import annotations

import json
import locale
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from ellav import machine
from ellav.bin.options import parse, parser
from ellav.errors import UserError
from ellav.infer.bundle import PRETRAINED, names_of_pretrained
from ellav.installed import Item, dependencies, programs, requirements
from ellav.version import __version__

VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "CUDA_VISIBLE_DEVICES",
    "PYTHONPATH",
    "PYTHONNOUSERSITE",
    "LC_ALL",
    "LANG",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "TORCH_HOME",
    "ELLAV_VENV",
)

ROOM = 5 * 10**9
"""Bytes that set-up and the mini recipe take, environment included."""


def main(argv: list[str]) -> None:
    """Print what was found; raises UserError where something that the core needs is broken."""
    made = parser("doctor", "Show what this machine has and lacks. Put what it prints into a bug report.")
    made.add_argument("--json", action="store_true", help="as one JSON object")
    options = parse(made, argv)
    found = examine()
    print(as_json(found) if options.json else as_text(found))
    broken = [item for item in found if item.state == "broken"]
    if broken:
        raise UserError(f"{broken[0].name}: {broken[0].value}; {broken[0].advice}")


def examine() -> list[Item]:
    """All findings of this machine."""
    driver = _ask_driver()  # asks beside what follows, which takes a second or two
    checkout = checkout_folder()
    items = [*versions(checkout), *dependencies(requirements()), *hardware(), *storage(checkout)]
    return [*items, *graphics(driver), *programs(checkout), pretrained(), *environment(os.environ)]


def as_text(items: list[Item]) -> str:
    """Sections of `name: value`, then everything that is not well once more, with its advice."""
    lines: list[str] = []
    for section in dict.fromkeys(item.section for item in items):
        members = [item for item in items if item.section == section]
        width = max(len(item.name) for item in members)
        lines += [f"{section}", *(f"  {item.name:<{width}}  {item.value}" for item in members), ""]
    for state, title in (
        ("broken", "Broken"),
        ("missing", "Missing, each for the use it names only"),
        ("note", "Notes"),
    ):
        members = [item for item in items if item.state == state]
        if members:
            lines += [title, *(f"  {item.name}: {item.advice}" for item in members), ""]
    if not any(item.state == "broken" for item in items):
        lines.append("What ellav needs in any case is there.")
    text = "\n".join(lines).rstrip()
    home = str(Path.home())
    return text if home == "/" else text.replace(home + "/", "~/")


def as_json(items: list[Item]) -> str:
    """{"ok": whether nothing is broken, "items": [{section, name, value, state, advice}, ...]}."""
    content = {"ok": all(item.state != "broken" for item in items), "items": [asdict(item) for item in items]}
    return json.dumps(content, indent=1, ensure_ascii=False)


def versions(checkout: Path | None) -> list[Item]:
    """ellav, Python and the system."""
    from ellav.score.results import git_commit

    libc = " ".join(platform.libc_ver()).strip()
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    advice = "" if fits else "the project is tested with Python 3.11 to 3.13"
    where = f"commit {git_commit(checkout)} in {checkout}" if checkout else f"in {Path(__file__).parents[1]}"
    return [
        Item("Versions", "ellav", f"{__version__}, {where}"),
        Item("Versions", "python", f"{platform.python_version()} ({sys.executable})", "ok" if fits else "note", advice),
        Item(
            "Versions", "system", f"{_system()}, {platform.system()} {platform.release()} {platform.machine()}, {libc}"
        ),
    ]


def checkout_folder() -> Path | None:
    """The folder of the project's checkout that this package is imported from, if it is one."""
    folder = Path(__file__).parents[2]
    return folder if (folder / "setup.cfg").exists() and (folder / "egs").is_dir() else None


def hardware(root: Path = machine.ROOT) -> list[Item]:
    """Processor, cores and memory as granted to this process."""
    name, flags = machine.processor(root)
    cores, memory = machine.cores(root), machine.memory(root)
    quota = "no quota" if cores.quota is None else f"a quota of {cores.quota:g}"
    said = f"{cores.granted} granted ({cores.machine} in the machine, affinity to {cores.affinity}, {quota})"
    limit = "no limit" if memory.limit is None else f"limited to {_size(memory.limit)}"
    items = [
        Item("Machine", "processor", name),
        Item("Machine", "flags", " ".join(flags) or "none of those that matter"),
        Item("Machine", "cores", said),
        Item("Machine", "memory", f"{_size(memory.machine)}, {limit}, {_size(memory.available)} available"),
    ]
    if platform.machine() == "x86_64" and "avx2" not in flags:
        items[1] = Item("Machine", "flags", items[1].value, "note", "no AVX2: training and synthesis are slow here")
    if 0 < min(memory.machine, memory.limit or memory.machine) < 4 * 10**9:
        items[3] = Item("Machine", "memory", items[3].value, "note", "training the mini recipe needs about 4 GB")
    return items


def storage(checkout: Path | None) -> list[Item]:
    """Free disk space, and whether the home and cache folders can be written."""
    items = []
    for name, folder in (("checkout", checkout), ("current folder", Path.cwd())):
        if folder is None:
            continue
        free = machine.disk(folder)
        few = free < ROOM
        advice = f"little room: set-up and the mini recipe take {_size(ROOM)}" if few else ""
        items.append(Item("Disk", name, f"{_size(free)} free at {folder}", "note" if few else "ok", advice))
    home = Path.home()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    for name, folder, use in (
        ("home", home, "packages keep settings there; set HOME to a folder of yours"),
        ("cache", cache, "matplotlib and numba keep caches there, weights are downloaded to it; set XDG_CACHE_HOME"),
    ):
        why = machine.writable(folder)
        value = f"{folder} is writable" if why is None else f"{folder} is not writable: {why}"
        items.append(Item("Disk", name, value, "ok" if why is None else "note", "" if why is None else use))
    return items


def graphics(driver: subprocess.Popen | None) -> list[Item]:
    """GPUs as the driver and as torch see them."""
    seen = []
    if driver is not None:
        try:
            seen = [line.strip() for line in driver.communicate(timeout=2)[0].splitlines() if line.strip()]
        except subprocess.TimeoutExpired:
            driver.kill()
    try:
        import torch

        built, count = torch.version.cuda, torch.cuda.device_count()
    except Exception:  # said under Packages already
        built, count = None, 0
    use = "decoding and training on a GPU"
    items = [Item("GPU", "driver", "; ".join(seen) or "no NVIDIA GPU found", "ok" if seen else "missing", f"for {use}")]
    if built and count:
        items.append(Item("GPU", "torch", f"CUDA {built}, {count} devices"))
    elif built:
        advice = "the driver does not work with it, or CUDA_VISIBLE_DEVICES hides the GPUs" if seen else f"for {use}"
        items.append(Item("GPU", "torch", f"CUDA {built}, no device", "note" if seen else "missing", advice))
    else:
        advice = f"for {use}; tools/setup_env.sh --torch cuda --force"
        items.append(Item("GPU", "torch", "built without CUDA", "note" if seen else "missing", advice))
    return items


def pretrained(folder: Path = PRETRAINED) -> Item:
    """Whether `ellav synth` can speak without a model of one's own, and the models beside the one that does so."""
    if (folder / "model.yaml").exists():
        names = sorted(names_of_pretrained(folder.parent), key=lambda name: name != folder.name)
        named = (f"{name} ({_size(_bytes(folder.with_name(name)))})" for name in names)
        return Item("Models", "pretrained", f"{', '.join(named)} in {folder.parent}")
    advice = "for `ellav synth` without --model; train one with egs/mini/tts1/run.sh, or take a complete checkout"
    return Item("Models", "pretrained", "missing", "missing", advice)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def environment(variables) -> list[Item]:
    """Environment variables that change what ellav does; those with addresses are only said to be set."""
    items = [Item("Environment", name, variables[name]) for name in VARIABLES if variables.get(name)]
    for name in ("ELLAV_TORCH_INDEX", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        if variables.get(name):
            items.append(Item("Environment", name, "is set"))
    threads, granted = variables.get("OMP_NUM_THREADS", ""), machine.cores().granted
    if threads.isdigit() and int(threads) > granted:
        advice = f"more threads than the {granted} cores granted make everything slower"
        items = [i if i.name != "OMP_NUM_THREADS" else Item(i.section, i.name, i.value, "note", advice) for i in items]
    if locale.getpreferredencoding(False).lower().replace("-", "") != "utf8":
        advice = "text from standard input is read in it; set PYTHONUTF8=1"
        items.append(Item("Environment", "encoding", locale.getpreferredencoding(False), "note", advice))
    return items or [Item("Environment", "variables", "none of those that matter is set")]


def _ask_driver() -> subprocess.Popen | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return platform.system()


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
