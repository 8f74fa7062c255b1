"""Loads and speaks with packed models that were damaged at random: `python mutated_bundles.py BUNDLE COUNT SEED SHARE`.

Of the models that still load, one in SHARE speaks too. Prints how many of each kind ended how, as JSON:
{kind: {"ok": n, "refused": n, "FAULT ...": n}}, the slowest seconds (of this process's own time) and what was
refused with. A fault is any exception but UserError, more than 2 s, or more than 500 MB of memory.
"""

import copy
import json
import math
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path

import torch
import yaml

from ellav import Synthesizer
from ellav.bin.synth import list_prompts
from ellav.errors import UNPRINTABLE, UserError
from ellav.infer.bundle import read_bundle

SECONDS, WAITED, BYTES = 2.0, 60, 500_000_000
TEXT = "The boat."
UNREAD = ("README.md", "done.json")
VALUES = [
    None, True, -1, 0, 1, 2, 3, 7, 1000, 2**31, 10**9, 2**63, 10**18, 10**400, -(10**9), 0.5, 1e-320, 1e308,
    math.nan, math.inf, -math.inf, "", "x", "sp", "../../../etc/passwd", "/dev/zero", "..", "averaged", "last",
    "\x1b[31mred", "a" * 10_000, "<script>alert(1)</script>", "'\"`|", "é\u202e", [], {}, [1] * 10, ["a"] * 5000,
    {"a": 1}, {"name": "x", "conf": {}}, "mfa", "nucleus", "encodec", "lexicon", "espeak", "concat", "grouped",
    "greedy", "ras", "topk",
]  # fmt: skip
YAML = [
    "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)),
    "[" * 5000,
    "a: " + "{a: " * 5000,
    "which: !!python/object/apply:os.system [true]\n",
    "which: !!binary aGFsbG8=\n",
    "which: averaged\nwhich: last\n",
    "which: 2026-99-99\n",
    "? [a, b]\n: 1\n",
    "a: " + "9" * 5000,
    "a: " + "1, " * 400_000,
    "\ufeffwhich: \x00",
    "- " * 2000,
    "",
]


def main(bundle: Path, count: int, seed: int, share: int) -> dict:
    """See above. The bundle is whole again afterwards."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    made = random.Random(seed)
    whole = {
        path: path.read_bytes() for path in sorted(bundle.rglob("*")) if path.is_file() and path.name not in UNREAD
    }
    Synthesizer(bundle, device="cpu")(TEXT)  # what is loaded once is not counted
    limit_memory()
    signal.signal(signal.SIGALRM, too_long)
    ended: dict[str, dict[str, int]] = {}
    messages: dict[str, str] = {}
    slowest = 0.0
    for number in range(count):
        path = made.choice(list(whole))
        kind = harm(made, path, whole)
        began = time.process_time()
        how = outcome(bundle, number % share == 0, messages, f"{kind} {path.relative_to(bundle)} (number {number})")
        took = time.process_time() - began
        slowest = max(slowest, took)
        if took > SECONDS and not how.startswith("FAULT"):
            how = f"FAULT {path.relative_to(bundle)} (number {number}): {took:.1f} s"
        counts = ended.setdefault(kind, {})
        counts[how] = counts.get(how, 0) + 1
        restore(path, whole[path])
    return {"ended": ended, "slowest": round(slowest, 2), "messages": messages}


def outcome(bundle: Path, speak: bool, messages: dict[str, str], what: str) -> str:
    """`ok`, `refused` or a fault."""
    signal.alarm(WAITED)
    try:
        if speak:
            list_quietly(bundle)
        voice = Synthesizer(bundle, device="cpu")
        voice.prompt(bundle / "prompts/voice.flac", "The old boat.")
        if speak:
            made = voice(TEXT)
            assert len(made.wav) >= 0 and bool(torch.from_numpy(made.wav).isfinite().all()), "not finite"
        return "ok"
    except UserError as error:
        said = str(error)
        if UNPRINTABLE.search(said) or len(said) > 2000:
            return f"FAULT {what}: message {said[:100]!r}"
        messages.setdefault(said.replace(str(bundle), "")[:60], said)
        return "refused"
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        ours = [f for f in traceback.extract_tb(error.__traceback__) if "/ellav/" in f.filename][-1:]
        at = ", ".join(f"{Path(f.filename).name}:{f.lineno}" for f in (*ours, last))
        return f"FAULT {what}: {type(error).__name__} {str(error)[:200]} at {at}"
    finally:
        signal.alarm(0)


def list_quietly(bundle: Path) -> None:
    """What `--list-prompts` does, its lines thrown away."""
    kept, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115
    try:
        list_prompts(read_bundle(bundle))
    finally:
        sys.stdout.close()
        sys.stdout = kept


def limit_memory() -> None:
    """From here on this process gets BYTES more, then the system refuses."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            now = int(line.split()[1]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (now + BYTES, resource.RLIM_INFINITY))


def too_long(number, frame):
    raise TimeoutError(f"{WAITED} s")


def harm(made: random.Random, path: Path, whole: dict[Path, bytes]) -> str:
    """Damage one file; returns the kind of the damage."""
    kinds = ["bytes"] * 2 + ["file"]
    kinds += ["yaml"] * 6 + ["yaml text"] if path.suffix == ".yaml" else []
    kinds += ["header"] * 3 + ["numbers"] if path.suffix == ".safetensors" else []
    kinds += ["lines"] * 2 if path.suffix == ".txt" else []
    kind = made.choice(kinds)
    {
        "bytes": lambda: path.write_bytes(other_bytes(made, whole[path])),
        "file": lambda: another_file(made, path, whole),
        "yaml": lambda: path.write_text(other_yaml(made, whole[path]), encoding="utf-8"),
        "yaml text": lambda: path.write_text(made.choice(YAML) + made.choice(["", whole[path].decode()])),
        "header": lambda: path.write_bytes(other_header(made, whole[path])),
        "numbers": lambda: path.write_bytes(other_numbers(made, whole[path])),
        "lines": lambda: path.write_bytes(other_lines(made, whole[path])),
    }[kind]()
    return kind


def other_bytes(made: random.Random, content: bytes) -> bytes:
    """Some bytes flipped, cut off, put in or doubled."""
    place = made.randrange(len(content))
    how = made.randrange(5)
    if how == 0:
        changed = bytearray(content)
        for _ in range(made.choice([1, 1, 3, 30])):
            changed[made.randrange(len(changed))] ^= 1 << made.randrange(8)
        return bytes(changed)
    if how == 1:
        changed = bytearray(content)
        for _ in range(made.choice([1, 3])):  # near the beginning, where headers are
            changed[made.randrange(min(80, len(changed)))] = made.choice([0, 1, 0x7F, 0x80, 0xFF, made.randrange(256)])
        return bytes(changed)
    if how == 2:
        return content[:place]
    if how == 3:
        return content[:place] + made.randbytes(made.choice([1, 8, 1000])) + content[place:]
    return content[:place] + content[max(0, place - 500) :]


def other_yaml(made: random.Random, content: bytes) -> str:
    """A value replaced, a key taken away, put in or renamed."""
    tree = yaml.safe_load(content)
    change(made, tree)
    try:
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    except ValueError:  # more digits than Python writes
        return f"which: {'9' * 400}"


def change(made: random.Random, tree) -> None:
    """Change one place of nested dicts and lists."""
    places = []

    def walk(node):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            # Long lists are one place or two: their items are alike.
            if isinstance(node, dict) or key in (0, len(node) - 1):
                places.append((node, key))
                if isinstance(node[key], (dict, list)):
                    walk(node[key])

    walk(tree)
    node, key = made.choice(places)
    how, value = made.randrange(6), copy.deepcopy(made.choice(VALUES))
    if how == 0:
        del node[key]
    elif how == 1 and isinstance(node, dict):
        node[made.choice(["weights", "fallback", "command", "text", "name", "\x1b[2J", "x" * 5000])] = value
    elif how == 1:
        node.append(copy.deepcopy(node[key]))
    elif how == 2 and isinstance(node[key], (int, float)) and not isinstance(node[key], bool):
        node[key] = made.choice([-1, 2, 3, 0.1, 10, 100, 10**6]) * node[key]
    else:
        node[key] = value


def other_header(made: random.Random, content: bytes) -> bytes:
    """A safetensors file with another header, its length told rightly or not."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    for value in header.get("__metadata__", {}):
        if made.random() < 0.5:
            header["__metadata__"][value] = made.choice(
                ["", "[" * 100_000, "{}", '{"phones": 1, "least_score": "nan"}']
            )
    change(made, header)
    if made.random() < 0.3:
        name = made.choice([name for name in header if name != "__metadata__"])
        header[name] = {
            "dtype": made.choice(["F64", "I64", "BF16", "F8_E4M3", "BOOL", "F32"]),
            "shape": made.choice([[2**40, 2**20], [-1], [0], [2**63], [10**9] * 8]),
            "data_offsets": made.choice([[0, 2**62], [0, 0], [8, 4]]),
        }
    try:
        text = json.dumps(header).encode()
    except ValueError:
        text = b"{}"
    told = made.choice([len(text)] * 4 + [0, 7, 2**31, 2**63, len(text) + 1])
    return told.to_bytes(8, "little") + text + content[8 + length :]


def other_numbers(made: random.Random, content: bytes) -> bytes:
    """Weights that are NaN, infinite, huge, tiny or random."""
    length = int.from_bytes(content[:8], "little")
    start = 8 + length + 4 * made.randrange((len(content) - 8 - length) // 4)
    count = made.choice([4, 4000])
    size = len(content[start : start + count])
    word = made.choice(
        [b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0\0\x7f\x7f", b"\1\0\0\0", made.randbytes(4), b"\0\0\x74\x49"]
    )
    return content[:start] + (word * (size // 4 + 1))[:size] + content[start + size :]


def other_lines(made: random.Random, content: bytes) -> bytes:
    """Of a list or a lexicon: a line taken away, doubled, put in, or all of it many times."""
    lines = content.splitlines(keepends=True)
    place = made.randrange(len(lines))
    how = made.randrange(4)
    if how == 0:
        return b"".join(lines[:place] + lines[place + 1 :])
    if how == 1:
        return b"".join([*lines, lines[place]])
    if how == 2:
        odd = [
            b"\xff\xfe\n",
            b"\0\n",
            b"\x1b[2J AH0\n",
            b"x" * 100_000 + b"\n",
            b"sp sp\n",
            "\u2028\n".encode(),
            b"word\n",
        ]
        return b"".join([*lines[:place], made.choice(odd), *lines[place:]])
    return b"".join(f"p{n} ".encode() + line for n in range(3000) for line in lines)


def another_file(made: random.Random, path: Path, whole: dict[Path, bytes]) -> None:
    """No file, an empty one, a folder, a link, a pipe, or another file's content."""
    path.unlink()
    how = made.randrange(9)
    if how == 1:
        path.touch()
    elif how == 2:
        path.mkdir()
    elif how == 3:
        path.symlink_to("/etc/passwd")
    elif how == 4:
        path.symlink_to(made.choice([p for p in whole if p != path]))
    elif how == 5:
        path.symlink_to(path)
    elif how == 6:
        os.mkfifo(path)
    elif how == 7:
        path.symlink_to("/dev/zero")
    elif how == 8:
        path.write_bytes(made.choice(list(whole.values())))


def restore(path: Path, content: bytes) -> None:
    """The file as it was."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)
    path.write_bytes(content)


if __name__ == "__main__":
    folder, *numbers = sys.argv[1:]
    print(json.dumps(main(Path(folder), *map(int, numbers))))
