"""What the README shows must work as it stands."""

import re
from pathlib import Path

from ellav.bin.main import COMMANDS
from ellav.plugins.registry import load_plugin

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_ordering_of_the_readme_keeps_the_contract(tmp_path):
    from ellav.plugins.orderings import orderings
    from ellav.testing import check_ordering

    block = next(b for b in re.findall(r"```python\n(.*?)```", README, re.S) if "@orderings" in b)
    assert len([line for line in block.splitlines() if line.strip()]) <= 12
    path = tmp_path / "local_only.py"
    path.write_text(block)
    load_plugin(str(path))
    check_ordering(orderings.create("local_only", {"local_advance": 3}), cases=30)


def test_commands_and_folders_of_the_readme_exist():
    named = set(re.findall(r"`ellav ([a-z-]+)", README))
    assert named and named <= set(COMMANDS)
    for path in re.findall(r"`(docs/\S+?|conf/\S+?|ellav/\S+?)`", README):
        assert (ROOT / path).exists(), path
