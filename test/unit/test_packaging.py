"""One version everywhere, and the Dockerfile, which is not built here, takes the steps that are tested elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

import ellav

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def instructions():
    """(keyword, rest) of the Dockerfile, continued lines put together."""
    lines = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.M).replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]


def test_one_version_is_told_everywhere():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == ellav.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[Unreleased\]$", changes, re.M) and ellav.__version__ in changes


def test_commands_of_the_changelog_exist():
    from ellav.bin.main import COMMANDS

    named = set(re.findall(r"`ellav ([a-z-]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))
    assert {"synth", "export"} <= named <= set(COMMANDS)


def test_an_image_is_set_up_as_debian_is_in_the_test_of_releases():
    """test/debian.sh runs the same steps in a root of its own."""
    installed = re.search(r"--include=(\S+)", (ROOT / "test/debian.sh").read_text(encoding="utf-8"))[1].split(",")
    runs = [rest for keyword, rest in instructions() if keyword == "RUN"]
    apt = next(rest for rest in runs if "apt-get install" in rest)
    assert set(installed) <= set(apt.split())
    setup = next(rest for rest in runs if "setup_env.sh" in rest)
    offered = subprocess.run([ROOT / "tools/setup_env.sh", "--help"], capture_output=True, text=True, check=True).stdout
    for option in re.findall(r"--[a-z]+", setup):
        assert option in offered
    arguments = dict(rest.split("=") for keyword, rest in instructions() if keyword == "ARG")
    assert arguments["TORCH"] == "cpu" and "--torch cuda" in offered and "ELLAV_TORCH_INDEX" in offered
    assert arguments["BASE"].startswith("debian:12")


def test_an_image_does_not_run_as_root_and_begins_with_the_command():
    keywords = [keyword for keyword, _ in instructions()]
    assert dict(instructions())["ENTRYPOINT"] == '["ellav"]'
    user = keywords.index("USER")
    assert instructions()[user][1] != "0" and "RUN" in keywords[user:] and "COPY" in keywords[user:]
    for line in re.findall(r"^#     docker run .* ellav (\w+)", DOCKERFILE, re.M):
        from ellav.bin.main import COMMANDS

        assert line in COMMANDS


def test_hadolint_finds_no_fault():
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_what_git_leaves_out_stays_out_of_an_image():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split():
        plain = line.strip("/")
        assert plain in ignored or f"**/{plain}" in ignored, line
