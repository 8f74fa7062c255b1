"""One uninterrupted run of a small recipe, for all tests that interrupt or spoil a copy of it."""

import fcntl
import json
import os
import shutil
from types import SimpleNamespace

import pytest
import small


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
