"""The walk of docs/porting.md is run from the page: its files, its commands in their order, what it says they print."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/porting.md").read_text(encoding="utf-8")
WALK = PAGE[PAGE.index("## German, from nothing") : PAGE.index("## What the walk passed over")]
FILE, PRINTED = re.compile(r"^(#!.*\n)?# (\S+)\n(.*)", re.DOTALL), "text"
OWN_LINES = 30
SHORT = '--nj 1 --ngpu 0 --local-data-opts "--hours 0.02" --score-args "--scorer_conf phone_error.passes=3"'
UNTRAINED = '--inference-args "--limit 2" --train-args "--ar_conf max_steps=2" --nar-args "--nar_conf max_steps=2"'


def steps():
    """("file", its path, its content), ("run", a command, what the page says it prints), in the page's order."""
    made, blocks = [], re.compile(r"^```(\w+)\n([\s\S]*?)^```$|^    (\S.*)$", re.MULTILINE)
    for language, body, command in blocks.findall(WALK):
        if command:
            made.append(["run", command, ""])
        elif language == PRINTED:
            made[-1][2] += body
        else:
            shebang, name, content = FILE.match(body).groups(default="")
            made.append(["file", name, shebang + content])
    return made


def test_the_reader_writes_few_lines():
    lines = [line for kind, _, body in steps() if kind == "file" for line in body.splitlines() if line.strip()]
    assert f"{len(lines)} lines of your own" in PAGE and len(lines) <= OWN_LINES


def test_the_walk_works_as_the_page_says(tmp_path):
    recipe = tmp_path / "egs/german/tts1"
    environment = {
        **os.environ,
        "ELLAV_VENV": sys.prefix,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    failed = []
    for kind, name, body in steps():
        if kind == "file":
            (recipe / name).write_text(body, encoding="utf-8")
            continue
        command = name.replace("egs/TEMPLATE", f"{ROOT}/egs/TEMPLATE").replace("../../../ellav", f"{ROOT}/ellav")
        if command.startswith("cd ") or command == ". ./path.sh":
            continue  # what a shell keeps: here each command has a shell of its own
        if command.startswith("./run.sh"):
            command += f" {SHORT}" + ("" if "--smoke" in command else f" {UNTRAINED}")
        where = recipe if recipe.exists() else tmp_path
        done = subprocess.run(
            ["bash", "-c", command], cwd=where, env=environment, capture_output=True, text=True, timeout=900
        )
        printed = done.stdout + done.stderr
        for line in body.splitlines():
            assert line in printed, f"{name}\n{printed[-3000:]}"
        if done.returncode:
            failed.append(name)
    wrong = WALK[WALK.index("### 5.") : WALK.index("### 6.")]
    assert failed == [line.strip() for line in re.findall(r"^    (\S.*)$", wrong, re.MULTILINE)], printed[-3000:]
    assert (recipe / "morgen.wav").exists() and (recipe / "exp/from_english/nar").exists()
