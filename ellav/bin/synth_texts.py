"""`ellav synth --texts`: many texts, each into a file of its own, whatever was made of them before."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ellav.bin.synth_files import BESIDE, Files, check_times, files_of, write_speech
from ellav.bin.synth_prompts import check_prompt
from ellav.errors import UserError
from ellav.infer.bundle import Bundle
from ellav.plugins.faults import plugin_fault
from ellav.text_files import read_text

SPOKEN = ("best_of", "follow", "rate", "language")
"""The options that say how any text is spoken."""

_ID = re.compile(r"\w[\w.-]{0,99}")


class Line(NamedTuple):
    """A line of the file: its number, and the name of its prompt, None for that of all."""

    number: int
    id: str
    text: str
    prompt: str | None


class Task(NamedTuple):
    """A text that is to be spoken, where its line stands (`FILE:NUMBER`), and where its speech goes."""

    line: Line
    where: str
    files: Files


def read_lines(path: Path) -> list[Line]:
    """The texts of a file of `ID TAB text [TAB prompt]`. Raises UserError naming the line for what is wrong."""
    lines: dict[str, Line] = {}
    for number, row in enumerate(read_text(path).split("\n"), start=1):
        if not row.strip():
            continue
        where, fields = f"{path}:{number}", [field.strip() for field in row.split("\t")]
        if not 2 <= len(fields) <= 3:
            found = "no tab" if len(fields) == 1 else f"{len(fields)} columns"
            raise UserError(f"{where}: {found}; a line is an id, a tab and the text, perhaps a tab and a prompt")
        name, text, prompt = fields[0], fields[1], fields[2] if len(fields) == 3 else ""
        if not _ID.fullmatch(name):
            raise UserError(
                f"{where}: id {name[:100]!r} names no file; it has letters, digits, '.', '_' and '-' only, at most 100"
            )
        if name in lines:
            raise UserError(f"{where}: id {name!r} stands in line {lines[name].number} too; give each text its own")
        if not text:
            raise UserError(f"{where}: {name!r} has no text")
        lines[name] = Line(number, name, text, prompt or None)
    if not lines:
        raise UserError(f"{path}: holds no text")
    return list(lines.values())


def tasks_of(options: argparse.Namespace, bundle: Bundle) -> tuple[list[Task], int]:
    """What is still to be spoken, and how many texts are there already.

    Raises UserError where options do not go with one another, and for the first line that cannot be spoken.
    """
    for option in ("text", "stream"):
        if getattr(options, option) is not None:
            raise UserError(f"--texts and --{option} exclude each other")
    for option in ("textgrid", "srt"):
        if getattr(options, option) not in (None, BESIDE):
            raise UserError(f"--{option} names no file beside --texts: each is called after its audio")
    if options.out is None:
        raise UserError("--texts needs --out FOLDER, where the audio goes")
    if options.out.exists() and not options.out.is_dir():
        raise UserError(f"--out {options.out}: is a file; with --texts it names a folder")
    check_times(options.textgrid)
    if options.prompt is not None or options.prompt_text is not None:
        check_prompt(bundle, options.prompt, options.prompt_text)
    tasks = []
    for line in read_lines(options.texts):
        if line.prompt == options.prompt:  # whose words may be on the command line
            line = line._replace(prompt=None)
        files = files_of(options.out / f"{line.id}.{options.format or 'wav'}", options.textgrid, options.srt)
        tasks.append(Task(line, f"{options.texts}:{line.number}", files))
    check_prompts(tasks, options.prompt, bundle)
    waiting = [task for task in tasks if not task.files.all_there()]
    return waiting, len(tasks) - len(waiting)


def check_prompts(tasks: Sequence[Task], of_all: str | None, bundle: Bundle) -> None:
    """Refuse the first line whose prompt cannot be used, or that would be written over one.

    of_all: the prompt of lines that name none, checked already if it is given.
    """
    checked = {of_all} - {None}
    for line, where, _ in tasks:
        prompt = line.prompt or of_all
        if prompt not in checked:
            check_prompt(bundle, prompt, None, f"{where}: prompt")
            checked.add(prompt)
    recordings = {os.path.realpath(prompt): prompt for prompt in checked - {None} if os.path.exists(prompt)}
    for line, where, files in tasks:
        prompt = recordings.get(os.path.realpath(files.audio))
        if prompt is not None:
            raise UserError(f"{where}: {line.id!r} would be written over the prompt {prompt}; name another folder")


def speak_tasks(voice, tasks: Sequence[Task], there: int, options: argparse.Namespace, ready: float) -> None:
    """Speak one text after another. ready: when the voice was loaded, by `time.perf_counter`.

    A text that cannot be spoken is told in a line of stderr; UserError is raised for all of them at the end.
    """
    from rich.console import Console
    from rich.progress import track

    from ellav.data.outputs import locked

    options.out.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    bar = {"console": console, "transient": True, "disable": not console.is_terminal}
    heard, length, failed = {}, 0.0, 0
    with locked(options.out / "texts"):
        for line, where, files in track(tasks, "synth", **bar):
            try:
                prompt = hear(voice, line.prompt, options, heard)
                kept = {name: getattr(options, name) for name in SPOKEN}
                speech = voice(line.text, prompt, seed=options.seed, **kept)
                tell(speech.remarks, where)
                write_speech(files, speech)
                length += len(speech.wav) / speech.sample_rate
            except Exception as error:
                reason = str(error) if isinstance(error, UserError) else plugin_fault(error)
                if reason is None or options.debug:
                    raise
                tell([reason], f"{where}: {line.id!r}")
                failed += 1
    made, seconds = len(tasks) - failed, time.perf_counter() - ready
    before = f"; {there} were there already" if there else ""
    texts = "1 text" if made == 1 else f"{made} texts"
    print(f"{options.out}: {texts}, {length:.2f} s of speech in {seconds:.2f} s{before}")
    if failed:
        share = f"{failed} of {len(tasks)} texts were" if len(tasks) > 1 else "the text was"
        raise UserError(f"{share} not spoken, see above; the same command tries again")


def hear(voice, prompt: str | None, options: argparse.Namespace, heard: dict):
    """The prompt of a line, read once and then kept in `heard`, and so is what it was refused for."""
    if prompt not in heard:
        try:
            given = (options.prompt, options.prompt_text) if prompt is None else (prompt, None)
            made = voice.hear(*given, prompt_language=options.prompt_language or options.language)
            tell(made.remarks)
            heard[prompt] = made._replace(remarks=[])
        except UserError as error:
            heard[prompt] = error
    if isinstance(heard[prompt], UserError):
        raise heard[prompt]
    return heard[prompt]


def tell(remarks: Sequence[str], where: str | None = None) -> None:
    """Lines on stderr, each with what it is about."""
    for remark in remarks:
        print(f"ellav synth: {f'{where}: ' if where else ''}{remark}", file=sys.stderr)
