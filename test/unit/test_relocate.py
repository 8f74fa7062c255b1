"""A clone that was moved or copied runs its own code, and an environment of somebody else's is left alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WHERE = 'python -c "import ellav; print(ellav.__file__)"'
ASK = f'. egs/TEMPLATE/tts1/path.sh && ellav && {WHERE} && . "$ELLAV_VENV/bin/activate" && ellav'


def write_scripts(venv, for_shell=False):
    """As pip writes them: for the kernel, or for the shell where the kernel would not take the interpreter's name."""
    python = venv / "bin/python"
    begin = f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n" if for_shell else f"#!{python}\n"
    for name in ("ellav", "pytest"):
        (venv / "bin" / name).write_text(begin + "import ellav; print(ellav.__file__)\n")
        (venv / "bin" / name).chmod(0o755)


def environment(venv, clone):
    """A virtual environment with what setup_env.sh leaves of ellav in it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    packages = next(venv.glob("lib/python3*/site-packages"))
    (packages / "__editable__.ellav-0.1.0.pth").write_text(f"{clone}\n")
    write_scripts(venv)


@pytest.fixture
def clone(tmp_path):
    """What path.sh needs of a clone, in a folder with signs that mean something to sed."""
    made = tmp_path / "a.b&c" / "clone"
    for name in ("egs/TEMPLATE/tts1/path.sh", "tools/relocate_env.sh"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, made / name)
    (made / "ellav").mkdir()
    (made / "ellav/__init__.py").touch()
    setup = made / "tools/setup_env.sh"
    setup.write_text("#!/bin/sh\necho setup_env.sh was called\n")
    setup.chmod(0o755)
    environment(made / "tools/venv", made)
    return made


def ask(clone, **more):
    """What code the environment of path.sh runs: (exit status, lines on stdout, stderr)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ELLAV", "VIRTUAL"))}
    command = ["bash", "-c", ASK]
    done = subprocess.run(command, cwd=clone, env={**kept, **more}, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.splitlines(), done.stderr


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("how", ["copied", "copied with links", "moved", "moved far"])
def test_a_clone_in_another_place_runs_its_own_code(clone, tmp_path, how):
    assert ask(clone) == (0, [f"{clone}/ellav/__init__.py"] * 3, "")
    other = tmp_path / "x|y\\1" / "clone 2" if how == "moved far" else tmp_path / "other"
    write_scripts(clone / "tools/venv", for_shell=how == "moved far")
    other.parent.mkdir(exist_ok=True)
    before = content(clone)
    if how.startswith("copied"):
        subprocess.run(["cp", "-al" if "links" in how else "-a", clone, other], check=True)
    else:
        clone.rename(other)
    status, lines, said = ask(other)
    assert status == 0 and lines == [f"{other}/ellav/__init__.py"] * 3
    assert said == (
        f"relocate_env.sh: this clone was moved or copied from {clone}; its environment runs its own code now\n"
    )
    assert str(other) in (other / "tools/venv/bin/pytest").read_text()
    assert str(clone).encode() not in b"".join(content(other / "tools/venv").values())
    assert ask(other) == (0, lines, "")
    if how.startswith("copied"):
        after = content(clone)
        assert {name: after[name] for name in before} == before
        assert ask(clone)[0] == 0


def test_one_that_was_stopped_in_mending_is_mended_by_the_next(clone, tmp_path):
    other = tmp_path / "other"
    clone.rename(other)
    (link,) = other.glob("tools/venv/lib/python3*/site-packages/*.pth")
    link.write_text(f"{other}\n")
    assert ask(other)[:2] == (0, [f"{other}/ellav/__init__.py"] * 3)


def test_an_environment_outside_is_left_as_it_is(clone, tmp_path):
    shared, other = tmp_path / "shared", tmp_path / "other"
    environment(shared, clone)
    assert ask(clone, ELLAV_VENV=str(shared)) == (0, [f"{clone}/ellav/__init__.py"] * 3, "")
    shutil.copytree(clone, other, symlinks=True)
    before = content(shared)
    status, lines, said = ask(other, ELLAV_VENV=str(shared))
    assert status == 1 and lines == [] and said.count("\n") == 1
    assert said.startswith(f"relocate_env.sh: {shared} runs the code of {clone}, not of {other}; unset ELLAV_VENV")
    assert content(shared) == before


def test_where_the_scripts_cannot_name_the_place_that_is_said(clone, tmp_path):
    other = tmp_path / "with spaces"
    clone.rename(other)
    status, lines, said = ask(other)
    assert status == 1 and lines == [] and said.count("\n") == 1 and "tools/setup_env.sh --force makes it anew" in said


def test_an_environment_without_its_python_is_made_anew(clone):
    (clone / "tools/venv/bin/python").unlink()
    assert ask(clone)[1][0] == "setup_env.sh was called"
