"""What `ellav plugins new` writes: the smallest plugin of each family that works, to be changed.

Each module here is such a plugin; its names `new_plugin` and `NewPlugin` are replaced.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path

from ellav.errors import UserError
from ellav.plugins.registry import registry
from ellav.testing.checks import HOMES, NEEDS_TWO

TEST = '''"""`{name}` keeps the contract of {family}. Run it with pytest."""

from pathlib import Path

from ellav.plugins.registry import load_plugin, registry
from ellav.testing import check_{home}

load_plugin(str(Path(__file__).with_name("{name}.py")))


def test_it_keeps_the_contract():
    create = registry("{family}").create
    check_{home}({made})
'''

README = """# {name}: a plugin of {family} for ellav

`{name}.py` works as it stands; change it step by step, and check after each step:

    ellav plugins show {family} {name} --plugin {name}.py
    ellav plugins check {family} {name} --plugin {name}.py
    pytest test_{name}.py

Use it in a recipe, without installing anything:

    {use}

or install it as a package whose `pyproject.toml` names it (then `--plugin` is not needed):

    [project.entry-points."ellav.{family}"]
    {name} = "{name}:{cls}"

The contract of the family stands in ellav's `docs/plugins.md` and `ellav/plugins/{family}/__init__.py`.
"""

USES = {
    "text": "./run.sh --plugin {name}.py --text {name} --aligner trained",
    "scorers": './run.sh --stage 9 --plugin {name}.py --scorers "wer {name}"',
    "transcribers": './run.sh --stage 9 --plugin {name}.py --score-args "--transcriber {name} --lm-order 0"',
    "watermarks": 'ellav synth --plugin {name}.py --watermark {name} --text "Good morning." --out marked.wav',
}


def write_plugin(family: str, name: str, folder: Path) -> None:
    """Write NAME.py, test_NAME.py and README.md. Raises UserError where a name is taken."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"{name!r} is no name for a plugin: lower-case letters, digits and `_`, a letter first")
    if keyword.iskeyword(name) or importlib.util.find_spec(name):
        raise UserError(f"{name!r} is a word or a module of Python, which {name}.py would hide; take another name")
    if name in registry(family).names():
        raise UserError(f"{family}: there is a plugin named {name!r} already; take another name")
    cls = "".join(part.capitalize() for part in name.split("_"))
    home = HOMES[family]
    made = ", ".join([f'create("{name}")'] * (2 if family in NEEDS_TWO else 1))
    use = USES.get(family, f"./run.sh --plugin {{name}}.py --{home} {{name}}").format(name=name)
    code = (Path(__file__).with_name(f"{home}.py")).read_text(encoding="utf-8")
    files = {
        f"{name}.py": code.replace("new_plugin", name).replace("NewPlugin", cls),
        f"test_{name}.py": TEST.format(name=name, family=family, home=home, made=made),
        "README.md": README.format(name=name, family=family, cls=cls, use=use),
    }
    taken = [folder / file for file in files if (folder / file).exists()]
    if taken:
        raise UserError(f"{taken[0]}: is there already; give another --out")
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_text(content, encoding="utf-8")
    print(f"{folder}: {', '.join(files)}\nellav plugins check {family} {name} --plugin {folder / name}.py")
