"""One uninterrupted run of a small recipe, for all tests that interrupt or spoil a copy of it."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import small

SLURM = Path(__file__).parents[1] / "slurm.sh"


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """root: its folder, not to be changed. seconds: stage -> folder -> seconds in the making.

    HOME is no folder, so that nothing can be kept there. Made once for all test processes.
    """
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    root, seconds = base / "whole/egs/mini/tts1", base / "whole/seconds.json"
    with open(base / "whole.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not seconds.exists():
            shutil.rmtree(base / "whole", ignore_errors=True)
            small.lay_out(root)
            (base / "home").write_text("a file")
            took = {stage: small.watch(root, stage, HOME=str(base / "home")) for stage in small.MADE}
            seconds.write_text(json.dumps(took))
    took = {int(stage): work for stage, work in json.loads(seconds.read_text()).items()}
    return SimpleNamespace(root=root, seconds=took)


@pytest.fixture
def copy(whole, tmp_path):
    """A function (stage) -> folder of a copy in which this stage has not run yet."""

    def made(stage: int):
        root = tmp_path / "egs/mini/tts1"
        shutil.copytree(whole.root, root, symlinks=True)
        small.clear(root, stage)
        return root

    return made


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """Environment variables by which Slurm's programs find the one of these tests."""
    if os.environ.get("ELLAV_NO_SLURM") == "1":
        pytest.skip("ELLAV_NO_SLURM=1")
    if os.geteuid():
        pytest.skip("Slurm is started by root alone")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    assert shutil.which("slurmctld", path=path), (
        "no Slurm on PATH: run tools/installers/install_slurm.sh, or set ELLAV_NO_SLURM=1 to do without these tests"
    )
    folder = tmp_path_factory.mktemp("slurm")
    try:
        subprocess.run([SLURM, "start", folder], check=True)
        yield {**os.environ, "PATH": path, "SLURM_CONF": str(folder / "slurm.conf")}
    finally:
        subprocess.run([SLURM, "stop", folder], check=True)
