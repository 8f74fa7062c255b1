"""`ellav synth`: speak a text in the voice of a prompt."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ellav import machine
from ellav.bin.options import add_model, parse, parser
from ellav.bin.synth_files import (
    BESIDE,
    FORMATS,
    check_files,
    check_ordering,
    check_stream,
    files_of,
    place,
    write_speech,
)
from ellav.bin.synth_prompts import check_prompt, list_prompts
from ellav.bin.synth_texts import SPOKEN, speak_tasks, tasks_of, tell
from ellav.bin.voice_options import add_voice, check_voice, voice_of
from ellav.errors import UserError, option_of
from ellav.infer.bundle import Bundle, read_bundle
from ellav.text_files import decoded

OUT = Path("speech.wav")


def main(argv: list[str]) -> None:
    """Parse options and speak."""
    began = time.perf_counter()
    formats = ", ".join(f"{ending} ({encoding})" for ending, encoding in FORMATS.items())
    made = parser("synth", "Speak a text in the voice of a prompt.")
    add_model(made)
    made.add_argument("--text", help="what to say; read from standard input if left out")
    made.add_argument("--prompt", help="recording of the voice, about 3 s, or NAME of a built-in prompt")
    made.add_argument(
        "--prompt-text", help="what the recording says (a built-in prompt knows it); `auto` recognises it"
    )
    made.add_argument(
        "--language", default="", help="of the text, for a model of several; the first of its `--text` if left out"
    )
    made.add_argument(
        "--prompt-language",
        default="",
        help="in which the recording speaks, --language if left out; a built-in prompt has its own",
    )
    made.add_argument("--list-prompts", action="store_true", help="list the model's built-in prompts and end")
    made.add_argument("--out", type=Path, help=f"file to write, {OUT} if left out: {formats}; a folder with --texts")
    made.add_argument(
        "--texts",
        type=Path,
        metavar="TSV",
        help="speak many texts: lines of an id, a tab and the text, perhaps a tab and a prompt (a built-in one, or a"
        " recording with its transcript beside it: me.wav, me.txt). Each goes into a file of its own in the folder"
        " --out; those that are there already are not made again",
    )
    made.add_argument("--format", choices=[ending[1:] for ending in FORMATS], help="of --texts (wav)")
    made.add_argument(
        "--stream",
        metavar="FILE",
        help="instead of --out: write samples as they are made, without a header, into a file or a named pipe, or - for"
        " standard output",
    )
    times = {"type": place, "nargs": "?", "const": BESIDE, "metavar": "FILE"}
    made.add_argument("--textgrid", **times, help="write the times of phones and words for Praat; FILE as for --srt")
    made.add_argument(
        "--srt", **times, help="write the times of words as subtitles, into a file called after the audio if left out"
    )
    made.add_argument(
        "--best-of",
        type=int,
        metavar="N",
        help="make N readings, with the seeds from --seed on, and keep the best: of the half in which the aligner finds"
        " the phones best the one of which the AR model is surest (1 to 100; as packed: of libri 4, of mini 1)",
    )
    made.add_argument(
        "--follow",
        type=float,
        metavar="SECONDS",
        help="of a long text: speak each part behind so much of the end of the part before, not after the prompt alone;"
        " 2 is a good number",
    )
    made.add_argument(
        "--rate", type=float, default=1.0, help="how much faster to speak than the model does by itself, 0.5 to 2"
    )
    made.add_argument(
        "--timing",
        type=Path,
        metavar="TEXTGRID",
        help="speak each phone as long as in this file, whose tier `phones` has the phones of the text",
    )
    made.add_argument("--seed", type=int, default=0, help="another seed gives another reading")
    add_voice(made, "auto", "--prompt-text auto")
    options = parse(made, argv)

    bundle = read_bundle(options.model)
    if options.list_prompts:
        list_prompts(bundle)
        return
    check_voice(options)
    check_numbers(options)
    if options.texts is not None:
        tasks, there = tasks_of(options, bundle)
        if not tasks:
            print(f"{options.out}: {'the text is' if there == 1 else f'all {there} texts are'} there already")
            return
    else:
        check_one(options, bundle)
    # What is streamed may begin before all of the text is there.
    as_it_comes = options.stream is not None and options.text is None and not nothing_comes()
    text = None if as_it_comes or options.texts is not None else read_text(options.text)
    limit_threads()

    voice = voice_of(options)
    ready = time.perf_counter()
    for option in ("textgrid", "srt", "timing"):
        if getattr(options, option) is not None:
            check_ordering(voice.pipeline.engine.ordering, f"--{option}")
    if options.rate != 1:
        check_ordering(voice.pipeline.engine.ordering, "--rate")
    if options.texts is not None:
        speak_tasks(voice, tasks, there, options, ready)
    elif options.stream is not None:
        from ellav.bin.synth_stream import stream, text_in_pieces

        stream(voice, text_in_pieces() if as_it_comes else text, options, ready)
    else:
        speak_one(voice, text, options, ready, ready - began)


def check_one(options: argparse.Namespace, bundle: Bundle) -> None:
    """Refuse, before anything heavy is loaded, what cannot be spoken from or written to."""
    check_prompt(bundle, options.prompt, options.prompt_text)
    if options.format is not None:
        raise UserError("--format is for --texts; the name of --out says what one text is written as")
    if options.stream is None:
        options.files = files_of(options.out or OUT, options.textgrid, options.srt)
        check_files(options.files, options.prompt)
        return
    names = ("out", "textgrid", "srt", "best_of", "follow", "timing")
    check_stream(options.stream, {option_of(name): getattr(options, name) for name in names}, options.prompt)


def check_numbers(options: argparse.Namespace) -> None:
    """Refuse numbers that are none, a TextGrid that cannot be read, and what cannot be asked for beside one."""
    from ellav.infer.asked import check_rate, check_readings, check_seed
    from ellav.infer.timing import read_timing

    check_seed(options.seed, "--seed")
    if options.best_of is not None:
        check_readings(options.best_of, "--best-of")
    check_rate(options.rate, "--rate")
    if options.timing is None:
        return
    for option, given in (("rate", options.rate != 1), ("texts", options.texts is not None)):
        if given:
            raise UserError(f"--timing and --{option} exclude each other: a TextGrid times the phones of one text")
    read_timing(options.timing)


def speak_one(voice, text: str, options: argparse.Namespace, ready: float, loading: float) -> None:
    """Speak a text into its files. ready: when the voice was loaded. loading: seconds that this took."""
    kept = {name: getattr(options, name) for name in (*SPOKEN, "timing", "prompt_language")}
    with at_work():
        speech = voice(text, options.prompt, options.prompt_text, options.seed, **kept)
    tell(speech.remarks)
    write_speech(options.files, speech)
    length, seconds = len(speech.wav) / speech.sample_rate, time.perf_counter() - ready
    parts = f" in {len(speech.chunks)} parts" if len(speech.chunks) > 1 else ""
    readings = options.best_of or voice.bundle.model["best_of"] or 1
    told = [f"{length:.2f} s of speech{parts} in {seconds:.2f} s (after {loading:.1f} s to load)"]
    if readings > 1:
        told.append(f"the best of {readings} readings")
    if speech.alignment_score is not None:
        told.append(f"alignment score {speech.alignment_score:.2f}")
    if speech.confidence is not None:
        told.append(f"confidence {speech.confidence:.3f}")
    told += [f"voice {speech.prompt or options.prompt}", f"model {voice.bundle.folder}"]
    print(f"{options.files.audio}: {', '.join(told)}")


def at_work() -> AbstractContextManager:
    """What shows on a terminal that speech is being made, of which nobody knows how long it takes."""
    from rich.console import Console

    console = Console(stderr=True)
    return console.status("speaking") if console.is_terminal else nullcontext()


def nothing_comes() -> bool:
    """Whether standard input is a terminal, or closed."""
    return sys.stdin is None or sys.stdin.isatty()


def read_text(given: str | None) -> str:
    """What to say, from the option or from standard input; raises UserError where it is empty."""
    if given is None and nothing_comes():
        raise UserError('nothing to say; give --text "..." or a file: ellav synth < speech.txt')
    # Python's own decoding lets through what is not UTF-8, as surrogates.
    text = decoded(sys.stdin.buffer.read(), "standard input", "FILE") if given is None else given
    if not text.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in text):
        text = decoded(os.fsencode(text), "--text", "FILE")
    if not text.strip():
        raise UserError("the text is empty; give at least one word with --text")
    return text


def limit_threads(granted: machine.Cores | None = None) -> None:
    """Before torch loads: as many threads as a cgroup's quota grants, which torch itself does not look at."""
    granted = granted or machine.cores()
    if granted.granted < granted.affinity:
        os.environ.setdefault("OMP_NUM_THREADS", str(granted.granted))
