"""Models, trainer and engine know protocols, never a plugin: neither by import nor by name."""

import ast
from pathlib import Path

import pytest

from ellav.plugins.registry import FAMILIES, registry

ROOT = Path(__file__).parents[2] / "ellav"
FILES = sorted([*(ROOT / "models").glob("*.py"), *(ROOT / "train").glob("*.py"), ROOT / "infer/engine.py"])
MODULES = {module for family in FAMILIES for module in registry(family).builtin.values()}
NAMES = {name for family in FAMILIES for name in registry(family).builtin}


def named(source: str) -> set[str]:
    """Concrete plugins that a file imports, or names in a string that is no documentation."""
    tree = ast.parse(source)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None
    }
    # "sum" and "concat" are also the two ways to combine streams; the contract says so.
    words = {
        id(value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and getattr(node.left, "id", getattr(node.left, "attr", "")) == "combine"
        for value in node.comparators
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)} & MODULES
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | words:
            found |= {node.value} & NAMES
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_concrete_plugin_is_named(path):
    assert named(path.read_text(encoding="utf-8")) == set()


def test_what_would_be_found():
    assert len(FILES) > 10 and "interleaved" in NAMES
    assert named("from ellav.plugins.orderings import concat") == {"ellav.plugins.orderings.concat"}
    assert named("from ellav.plugins.orderings.concat import Concat") == {"ellav.plugins.orderings.concat"}
    assert named("import ellav.plugins.codecs.rvq_mel") == {"ellav.plugins.codecs.rvq_mel"}
    assert named("def f():\n    'interleaved'\n    return x == 'interleaved'") == {"interleaved"}
    assert named("self.combine == 'concat' and name == 'nucleus'") == {"nucleus"}
    assert named("'''concat'''\nfrom ellav.plugins.orderings import orderings") == set()
