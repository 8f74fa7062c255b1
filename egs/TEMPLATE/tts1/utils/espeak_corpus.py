"""Corpora of machine-made speech in the languages of eSpeak NG: sentences of a grammar, voices and warps of them.

A recipe's local/corpus.py names the language, the speakers and the grammar, and calls `main`.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import math
import os
import random
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from ellav.data.audio import write_wav
from ellav.data.kaldi import DataFolder, write_table
from ellav.data.outputs import writing
from ellav.data.parallel import parallel_map
from ellav.data.warps import warp
from ellav.errors import UserError
from ellav.plugins.text import Phones, espeak, text

RATE_OF_SPEECH, PITCH = 1, 3
"""eSpeak NG's parameters: words a minute, and height of the voice from 0 to 100."""
RATE = 22050
"""Samples a second that eSpeak NG makes."""
WORDS_A_MINUTE = 120
SECONDS = 4.0
"""Mean length of a sentence as these speakers say it."""


class Speaker(NamedTuple):
    """variant: of eSpeak NG's voices (`f2`). height: 0 to 100. pitch, tract: factors on F0 and formants."""

    variant: str
    height: int = 50
    pitch: float = 1.0
    tract: float = 1.0


SEEN = {
    "klatta": Speaker("klatt"),
    "klattb": Speaker("klatt2", 60),
    "klattc": Speaker("klatt4", 40),
    "klattd": Speaker("klatt", 50, 1.5, 1.14),
    "fema": Speaker("f5", 60),
    "femb": Speaker("f2", 55),
    "femc": Speaker("f5", 60, 0.8, 1.06),
    "malea": Speaker("m1", 40),
    "maleb": Speaker("m1", 40, 1.4, 1.1),
    "malec": Speaker("Mario", 50),
}
UNSEEN = {"newa": Speaker("m3", 45), "newb": Speaker("m3", 45, 1.3, 1.12)}
"""Speakers of a recipe of one language: the same voices warped are others."""


class Language(NamedTuple):
    """One language of a corpus. name: of eSpeak NG. code: of utt2lang. Each seen speaker is trained on.

    least: training utterances of each, however few hours are asked for, so that all phones occur.
    """

    name: str
    code: str
    seen: dict[str, Speaker]
    unseen: dict[str, Speaker]
    grammar: ModuleType
    least: int = 2


class Line(NamedTuple):
    """One sentence to be spoken by a speaker of a language. `file`: where its recording goes."""

    language: str
    speaker: Speaker
    sentence: str
    file: Path


def plan(language: Language, hours: float, seed: int) -> dict[str, list[tuple[str, str, str]]]:
    """Set -> [(utterance, speaker, sentence)]; sentences do not repeat.

    Test and validation sentences do not depend on `hours`, unless it is below half an hour: then these sets shrink.
    """
    share = min(1.0, hours / 0.5)
    sizes = {  # in utterances of each speaker
        "test_seen": (language.seen, max(2, round(7 * share))),
        "test_unseen": (language.unseen, max(2, round(7 * share))),
        "valid": (language.seen, max(1, round(5 * share))),
        "train": (language.seen, max(language.least, math.ceil(hours * 3600 / SECONDS / len(language.seen)))),
    }
    spoken, chooser, made = sentences(language.grammar, seed), random.Random(seed), {}
    for name, (speakers, count) in sizes.items():
        turns = [speaker for speaker in speakers for _ in range(count)]
        chooser.shuffle(turns)
        made[name] = [
            (f"{speaker}-{name}-{number:05d}", speaker, sentence)
            for number, (speaker, sentence) in enumerate(zip(turns, islice(spoken, len(turns)), strict=True))
        ]
    return made


def sentences(grammar: ModuleType, seed: int) -> Iterator[str]:
    """An endless stream of different sentences, the same for the same seed.

    grammar: WORDS and PHRASES stand for one of their members, in which `_` is a space; SENTENCES are begun with;
    CONTRACTED is put for what stands side by side; GLUE stands between words, END at the end; LENGTH bounds letters.
    """
    chooser = random.Random(seed)
    choices = {name: words.split() for name, words in grammar.WORDS.items()} | grammar.PHRASES
    least, most = grammar.LENGTH
    said = set()
    while True:
        sentence = expand(chooser.choice(grammar.SENTENCES), choices, chooser).replace("_", " ")
        for apart, joined in grammar.CONTRACTED.items():
            sentence = sentence.replace(apart, joined)
        sentence = grammar.GLUE.join(sentence.split())
        if sentence not in said and least <= sum(map(str.isalpha, sentence)) <= most:
            said.add(sentence)
            yield sentence[0].upper() + sentence[1:] + grammar.END


def expand(template: str, choices: dict[str, list[str]], chooser: random.Random) -> str:
    """`template` with every name of `choices` replaced, again and again, by one of its choices."""

    def replace(match: re.Match) -> str:
        name = match.group()
        return expand(chooser.choice(choices[name]), choices, chooser) if name in choices else name

    return re.sub(r"[A-Z]+(?:_[A-Z]+)*(?![a-z])", replace, template)


def grammar_of(path: Path, **more) -> ModuleType:
    """The grammar in another recipe's folder, with what it lacks. more: GLUE, END, LENGTH, CONTRACTED."""
    spec = importlib.util.spec_from_file_location(f"grammar_of_{path.parts[-4]}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in more.items():
        setattr(module, name, value)
    return module


def speak(language: str, speaker: Speaker, sentence: str) -> np.ndarray:
    """(samples,) float32 at RATE. Raises UserError where eSpeak NG lacks the voice."""
    library = espeak.choose(f"{language}+{speaker.variant}")
    parts: list[np.ndarray] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def take(samples, count: int, _events) -> int:
        if samples and count:
            parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    library.espeak_SetSynthCallback(take)
    library.espeak_SetParameter(RATE_OF_SPEECH, WORDS_A_MINUTE, 0)
    library.espeak_SetParameter(PITCH, speaker.height, 0)
    said = sentence.encode()
    library.espeak_Synth(said, len(said) + 1, 0, 1, 0, espeak.UTF8, None, None)
    library.espeak_Synchronize()
    if not parts:
        raise UserError(f"eSpeak NG says nothing in {language} for {sentence!r}")
    return np.concatenate(parts).astype(np.float32) / 32768


def words_of(phones: Phones) -> str:
    """A sentence with spaces between the words of its front end and commas at pauses.

    eSpeak NG then reads each word as the front end did: Mandarin has no spaces, and it would join others.
    """
    parts, last = [], -1
    for owner in phones.word_of_phone[1:-1]:
        if owner < 0:
            parts[-1] += ","
        elif owner != last:
            parts.append(phones.words[owner])
            last = owner
    return " ".join(parts)


def recorder() -> Callable[[Line], None]:
    """A function that records a line, unless an interrupted run already did."""
    return record


def record(line: Line) -> None:
    """Write the recording of `line`, 16-bit FLAC at -3 dB or lower."""
    if line.file.exists():
        return
    phones = text.create("espeak", {"language": line.language})(line.sentence)
    wav = speak(line.language, line.speaker, words_of(phones))
    if (line.speaker.pitch, line.speaker.tract) != (1, 1):
        wav = warp(wav.astype(np.float64), RATE, line.speaker.pitch, line.speaker.tract)
    write_wav(line.file, wav * min(1.0, 0.7 / np.abs(wav).max()), RATE)


def main(languages: Iterable[Language], here: Path, argv: list[str]) -> Path:
    """Write the sets train, valid, test_seen and test_unseen of all languages together, and return the folder of them.

    here: the folder local/.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=1.5, help="hours of speech of each language in the training set")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the sets")
    options = parser.parse_args(argv)
    if not options.hours > 0:
        raise UserError(f"--hours must be above 0, not {options.hours}")
    languages = list(languages)
    plans = [plan(language, options.hours, options.seed) for language in languages]
    here = Path(os.path.relpath(here))  # the recipe may be moved
    grammars = [Path(os.path.relpath(language.grammar.__file__)) for language in languages]
    inputs = [*sorted({*here.glob("*.py"), *grammars}), Path(os.path.relpath(__file__))]
    for name in plans[0]:
        out = options.out / name
        with writing(out, "1 (data)", {"hours": options.hours, "seed": options.seed}, inputs) as folder:
            if folder is None:
                continue
            (folder / "wav").mkdir(exist_ok=True)
            lines, texts, speakers, codes = [], {}, {}, {}
            for language, made in zip(languages, plans, strict=True):
                voices = language.seen | language.unseen
                for utterance, speaker, sentence in made[name]:
                    file = folder / "wav" / f"{utterance}.flac"
                    lines.append(Line(language.name, voices[speaker], sentence, file))
                    texts[utterance], speakers[utterance], codes[utterance] = sentence, speaker, language.code
            for _ in parallel_map(recorder, lines, options.nj, f"speaking {name}"):
                pass
            wavs = {utterance: str(out / "wav" / f"{utterance}.flac") for utterance in texts}
            DataFolder(wavs=wavs, text=texts, speakers=speakers).write(folder)
            write_table(folder / "utt2lang", codes)
        print(f"{out}: {len(lines)} utterances")
    return options.out


def run(languages: Iterable[Language], here: Path, argv: list[str]) -> Callable[[], None]:
    """`main` with its arguments, for `run_command`."""
    return partial(main, languages, here, argv)
