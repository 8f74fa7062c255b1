"""What is installed beside ellav: the packages that it names, and the programs that some parts call."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

EXTRAS = {
    "train": "training (stages 6 and 7)",
    "text": "English text to phones (stage 3, synthesis)",
    "align": "aligning phones (stage 3, prompts of your own), TextGrids",
    "codec": "training and measuring codecs",
    "score": "scoring (stage 9)",
    "whisper": "the transcriber whisper; normalizer=whisper of the scorer wer",
    "wavlm": "speaker similarity by WavLM (stage 9)",
    "transformers": "the codecs EnCodec, DAC, Mimi and X-Codec of Hugging Face (stage 4)",
    "corpus": "the mini recipe's speakers (stage 1)",
    "encodec": "the codec encodec",
    "dnsmos": "the scorer dnsmos",
    "quality": "test/bench/human_speech.py (PESQ, STOI)",
    "perth": "the watermark perth",
    "sentencepiece": "the text front end sentencepiece",
    "espeak": "the text front end espeak",
    "mandarin": "the text front end pinyin, and espeak in Mandarin",
    "nemo": "normalizer=nemo of the text front ends g2p_en and espeak",
    "serve": "ellav serve",
    "demo": "ellav demo",
    "ssml": "texts in SSML",
    "export": "ellav export, and programs that speak with what it wrote",
    "dev": "the tests",
}
"""What each extra of setup.cfg is for."""

PROGRAMS = {
    "flite": ("the mini recipe's corpus (stage 1)", "tools/installers/install_flite.sh"),
    "espeak-ng": ("text of other languages than English", "Debian: apt-get install espeak-ng"),
    "mfa": ("aligning with the Montreal Forced Aligner", "tools/installers/install_mfa.sh"),
    "chromium": ("the tests that look at pages in a browser", "Debian: apt-get install chromium"),
    "shellcheck": ("the tests of shell scripts", "tools/setup_env.sh"),
    "git": ("naming the version in results", "Debian: apt-get install git"),
    "g++": ("setting up: pyworld and webrtcvad are compiled", "Debian: apt-get install g++"),
}
"""Program -> what it is needed for, and how to get it. Nothing that is packed needs them to speak."""

NAMES = {"espeak-ng": ("espeak-ng", "espeak"), "chromium": ("chromium", "chromium-browser", "google-chrome")}
"""Other names under which a program may be found."""

IMPORTS = {"pyyaml": "yaml"}
"""Core packages whose module has another name."""


CORE = "core"
"""What is no extra."""


@dataclass(frozen=True)
class Item:
    """One finding. state: "ok", "note" (worth knowing), "missing" (not needed by the core) or "broken".

    advice: what it is needed for and how to get or mend it, where it is not ok.
    """

    section: str
    name: str
    value: str
    state: str = "ok"
    advice: str = ""


def requirements() -> list[str] | None:
    """The requirements of the installed package, as its metadata has them; None where it is not installed."""
    try:
        return metadata.requires("ellav") or []
    except metadata.PackageNotFoundError:
        return None


def dependencies(required: list[str] | None) -> list[Item]:
    """Every package that ellav names: its version and extra; those of the core must import too."""
    if required is None:
        advice = "ellav runs from a folder but is not installed: run tools/setup_env.sh, or pip install -e ."
        return [Item("Packages", "ellav", "not installed", "note", advice)]
    groups: dict[str, list[str]] = {}
    for line in required:
        extra, requirement = _of_extra(line)
        groups.setdefault(extra, []).append(requirement)
    items = []
    for extra, wanted in groups.items():
        for requirement in wanted:
            name = _name(requirement)
            try:
                found = metadata.version(name)
            except metadata.PackageNotFoundError:
                found = None
            items.append(_package(extra, requirement, name, found))
    return items


def extra_of(module: str) -> str | None:
    """The first extra that brings the package which `module` belongs to; None where none is called like it."""
    wanted = module.partition(".")[0].lower()
    for extra, requirement in map(_of_extra, requirements() or ()):
        if extra != CORE and _name(requirement).lower().replace("-", "_") == wanted:
            return extra
    return None


def _of_extra(line: str) -> tuple[str, str]:
    """Of a line of requirements: the extra or CORE, and the requirement without it."""
    extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
    return extra[1] if extra else CORE, line.partition(";")[0].strip()


def _name(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0]


def _package(extra: str, requirement: str, name: str, found: str | None) -> Item:
    label = f"{name} [{extra}]"
    if extra == CORE:
        get = f"run tools/setup_env.sh, or pip install '{requirement}'"
        if found is None:
            return Item("Packages", label, "missing", "broken", get)
        try:
            importlib.import_module(IMPORTS.get(name.lower(), name))
        except Exception as error:  # a broken installation may fail in any way
            return Item("Packages", label, f"{found}, does not import: {error}", "broken", get)
        return Item("Packages", label, found)
    if found is None:
        use = EXTRAS.get(extra, f"what the extra {extra} is for")
        return Item("Packages", label, "missing", "missing", f"for {use}; pip install 'ellav[{extra}]'")
    return Item("Packages", label, found)


def programs(checkout: Path | None) -> list[Item]:
    """Other programs that some parts call."""
    items = []
    beside = [Path(sys.executable).parent]
    beside += [checkout / "tools" / name / "bin" for name in PROGRAMS] if checkout else []
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, beside)])
    for name, (use, get) in PROGRAMS.items():
        found = next(filter(None, (shutil.which(n, path=path) for n in NAMES.get(name, (name,)))), None)
        state, advice = ("ok", "") if found else ("missing", f"for {use}; {get}")
        items.append(Item("Programs", name, found or "missing", state, advice))
    return items
