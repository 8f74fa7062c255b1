"""A packed model's folder: where the default one lies, and what `model.yaml` says. Nothing heavy is imported.

The folder may be a stranger's. What is checked here, before any of it is used: that it is made of plain
files and leads to no other, that names are names, and that texts can be printed.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ellav.config import read_yaml
from ellav.errors import UNPRINTABLE, UserError, one_line
from ellav.plugins.registry import check_described
from ellav.plugins.text import LANGUAGE
from ellav.version import __version__

PRETRAINED = Path(__file__).parents[1] / "pretrained" / "libri"
"""The model that comes with the package, where it does."""

MOST = {"nar_temperature": 10, "match_voice": 2}
"""What a packed model says of how codes become sound, and the most of each: a number from 0 on."""

FORMAT = 1
"""The number that `model.yaml` has as its `format`: raised where an older ellav could no longer read a new model."""

PROMPTS = "prompts"
"""The folder of the built-in prompts inside a packed model."""

LONGEST_PROMPT, LONGEST_TEXT = 60.0, 2000
"""Seconds of a built-in prompt, and characters of what it says. Models bear a few seconds."""

_PARTS = ("text", "aligner", "decoder")
_MOST_FILES, _MOST_PROMPTS = 10_000, 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class BuiltIn:
    """A prompt that a packed model carries: its name, its recording, what it says, and in which language: empty where
    the model has only one, or it is the first."""

    name: str
    wav: Path
    text: str
    language: str = ""


@dataclass(frozen=True)
class Bundle:
    """A packed model. model: the content of model.yaml. prompts: by name, the default first."""

    folder: Path
    model: dict
    prompts: dict[str, BuiltIn]

    def prompt(self, name: str | None) -> BuiltIn:
        """The built-in prompt `name`, or the default one for None; raises UserError that lists them."""
        if not self.prompts:
            raise UserError(f"{self.folder}: this model has no prompt of its own; give a recording and what it says")
        if name is not None and name not in self.prompts:
            raise UserError(f"{name}: no such file, and no prompt of the model; it has {', '.join(self.prompts)}")
        chosen = next(iter(self.prompts.values())) if name is None else self.prompts[name]
        prompt_seconds(chosen)
        return chosen


def read_bundle(folder: Path | str | None = None) -> Bundle:
    """The packed model in `folder`, or the one that comes with ellav.

    folder: may also be the name of a model that comes with ellav, such as mini, where no file here is called so. Raises
    UserError where there is none, and how to get one.
    """
    if folder is None and not (PRETRAINED / "model.yaml").exists():
        raise UserError(
            "no pretrained model came with this copy of ellav (ellav/pretrained/libri is empty);"
            " train one with egs/mini/tts1/run.sh and name it with --model egs/mini/tts1/exp/interleaved/packed"
        )
    if not isinstance(folder, (str, os.PathLike, type(None))):
        raise UserError(f"a {type(folder).__name__} is no packed model; give the name of its folder")
    folder = PRETRAINED if folder is None else _folder_of(Path(folder))
    if not (folder / "model.yaml").exists():
        raise UserError(
            f"{folder}: not a packed model (no model.yaml); make one with `ellav pack`, or name one that comes with"
            f" ellav: {', '.join(names_of_pretrained()) or 'none in this copy'}"
        )
    check_files(folder)
    where = folder / "model.yaml"
    model = read_yaml(where)
    number = model.get("format", FORMAT)  # models packed before it was told have the first one
    if type(number) is not int or not 1 <= number <= FORMAT:
        raise UserError(
            f"{where}: format {one_line(repr(number), 40)}, this ellav ({__version__}) reads 1 to {FORMAT}; update"
            " ellav, or pack the model again with this one"
        )
    missing = [key for key in ("which", *_PARTS) if key not in model]
    if missing:
        raise UserError(f"{where}: {missing[0]!r} is missing; pack the model again with `ellav pack`")
    model["which"] = _of_each(model["which"], where)
    for name, most in MOST.items():
        value = model.setdefault(name, 0.0)
        if type(value) not in (int, float) or not 0 <= value <= most:
            raise UserError(f"{where}: {name} should be a number from 0 to {most}, found {one_line(repr(value))}")
    if model.setdefault("best_of", None) is not None:
        from ellav.infer.asked import check_readings  # which brings numpy

        check_readings(model["best_of"], f"{where}: best_of")
    for part in _PARTS:
        check_described(model[part], f"{where}: {part}")
    return Bundle(folder, model, _prompts(folder, model.get("prompts") or []))


def names_of_pretrained(where: Path | None = None) -> list[str]:
    """The models that came with this copy of ellav, or those that lie in the folder `where`."""
    return sorted(path.parent.name for path in (where or PRETRAINED.parent).glob("*/model.yaml"))


def _folder_of(given: Path) -> Path:
    """What is meant by a folder, or by the name of a model that comes with ellav."""
    return PRETRAINED.with_name(given.name) if not given.exists() and str(given) in names_of_pretrained() else given


def _of_each(which: object, where: Path) -> dict[str, str]:
    """The weights of the AR and of the NAR model; one name is that of both."""
    names = {"ar": which, "nar": which} if isinstance(which, str) else which
    if not isinstance(names, dict) or names.keys() != {"ar", "nar"}:
        raise UserError(f"{where}: which should name the weights, for example averaged, found {which!r}")
    for name in names.values():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UserError(f"{where}: which should name the weights, for example averaged, found {name!r}")
    return names


def check_files(folder: Path) -> None:
    """Raises UserError for what is no plain file, for links that lead out of the folder, and for far too many files.

    So no file that a name in the folder comes to can be another one of this machine, or one
    that never ends (a device, a named pipe).
    """
    root, count = folder.resolve(), 0
    for place, folders, files in os.walk(folder):
        for path in (Path(place) / name for name in (*folders, *files)):
            count += 1
            if count > _MOST_FILES:
                raise UserError(f"{folder}: more than {_MOST_FILES} files; a packed model has a few dozen")
            try:
                inside = path.resolve(strict=True).is_relative_to(root)
            except (OSError, RuntimeError):  # leads nowhere, or in a circle
                inside = False
            if not inside:
                raise UserError(
                    f"{path}: a link that leads out of the model's folder; copy the model with what its links stand"
                    " for (cp -rL), if you trust them"
                )
            if not (path.is_file() or path.is_dir()):
                raise UserError(f"{path}: neither a file nor a folder; remove it")


def prompt_seconds(prompt: BuiltIn) -> float:
    """How long a built-in prompt lasts. Raises UserError where it is unreadable or longer than LONGEST_PROMPT."""
    import soundfile

    try:
        about = soundfile.info(str(prompt.wav))
    except (soundfile.LibsndfileError, OSError) as error:
        raise UserError(f"{prompt.wav}: cannot be read: {one_line(error, 200)}; take another prompt") from None
    if not 0 < about.frames * about.channels <= LONGEST_PROMPT * about.samplerate:
        raise UserError(
            f"{prompt.wav}: {about.duration:.1f} s of {about.channels} channels; a built-in prompt has one, of at most"
            f" {LONGEST_PROMPT:g} s; take another prompt"
        )
    return about.duration


def check_name(name: str) -> str:
    """`name`, if it can name a prompt; raises UserError otherwise. It becomes the name of a file."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"prompt {one_line(repr(name), 100)}: a name has letters, digits, '.', '_' and '-' only, at most 100"
        )
    return name


def check_text(text: object, what: str) -> str:
    """`text`, if it can be what prompt `what` says, and be printed; raises UserError otherwise."""
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_TEXT:
        raise UserError(f"prompt {what!r}: its text should be 1 to {LONGEST_TEXT} characters")
    odd = UNPRINTABLE.search(text)
    if odd:
        raise UserError(f"prompt {what!r}: its text has the control character {odd[0]!r}; it must be one plain line")
    return text


def _prompts(folder: Path, listed) -> dict[str, BuiltIn]:
    where = folder / "model.yaml"
    if not isinstance(listed, list) or not all(
        isinstance(one, dict) and {"name", "text"} <= set(one) for one in listed
    ):
        raise UserError(f"{where}: prompts must be a list of name and text; pack the model again")
    if len(listed) > _MOST_PROMPTS:
        raise UserError(f"{where}: {len(listed)} prompts are more than {_MOST_PROMPTS}; pack the model with fewer")
    found = {}
    for one in listed:
        name = check_name(str(one["name"]))
        wav = folder / PROMPTS / f"{name}.flac"
        if name in found or not wav.is_file():
            what = "stands there twice" if name in found else f"has no {wav}"
            raise UserError(f"{where}: prompt {name!r} {what}; pack the model again")
        language = one.get("language", "")
        if not isinstance(language, str) or (language and not LANGUAGE.fullmatch(language)):
            raise UserError(f"{where}: prompt {name!r}: {one_line(repr(language), 100)} is no name of a language")
        found[name] = BuiltIn(name, wav, check_text(one["text"], name), language)
    return found
