"""The law of text front ends and aligners that learn from the training set."""

from __future__ import annotations

from pathlib import Path

from ellav.plugins.registry import Registry
from ellav.testing.contract import demand, law


@law(
    "what it learned can be given to it as options",
    "Write what was learned into `folder` and return {option of `__init__`, a Path: its file}; return {} where these "
    "options were given.",
    lambda _known, _name, _conf, corpus, *_more: f"{len(corpus)} utterances to learn from",
)
def learns(known: Registry, name: str, conf: dict, corpus, folder: Path, learned: dict[str, str]) -> None:
    """`fit` writes files that a new instance takes, and learns nothing then. learned: gets these options."""
    made = known.create(name, conf).fit(corpus, folder)
    demand(isinstance(made, dict), f"`fit` returns a {type(made).__name__}, not a dict")
    for option, path in made.items():
        inside = Path(path).exists() and folder in Path(path).parents
        demand(inside, f"{option} is {str(path)!r}, which is no file in the folder")
        learned[option] = str(path)
    again = known.create(name, conf | learned).fit(corpus, folder)
    demand(again == {}, f"given {', '.join(learned) or 'no more options'}, `fit` learns again")
