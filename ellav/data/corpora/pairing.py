"""Test sets by the papers' protocols: who speaks after which prompt, and the lists that say so.

VALL-E (arXiv 2301.02111, 6.1): utterances of 4 to 10 s, each after 3 s of a random other utterance of its reader.
VALL-E 2 (arXiv 2406.05370, 4.1): each after the whole utterance before it, the reader's first after the last.
Lists are the tab-separated lines that F5-TTS (arXiv 2410.06885) publishes for LibriSpeech-PC: prompt, its seconds,
its words, utterance, its seconds, its words.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ellav.data.corpora import Dropped, Spoken
from ellav.data.corpora.folder import FolderWriter
from ellav.errors import UserError
from ellav.text_files import read_text


class Protocol(NamedTuple):
    """How a test set is made of a reader's utterances.

    least, most: seconds of an utterance that is spoken. pairing: `random` or `previous`. prompt_seconds: how much
    of the prompt is heard, from its beginning; 0 for all. most_targets: of a reader, drawn with `seed`; 0 for all.
    prompt_seed: of the random prompts, so that another run may have others for the same utterances.
    """

    least: float = 4.0
    most: float = 10.0
    pairing: str = "random"
    prompt_seconds: float = 3.0
    most_targets: int = 0
    seed: int = 0
    prompt_seed: int = 0


class Pair(NamedTuple):
    """An utterance, and the one that prompts it."""

    target: Spoken
    prompt: Spoken


def write_reader(writer: FolderWriter, spoken: Sequence[Spoken], protocol: Protocol) -> None:
    """Add the utterances of one reader to a test set: those to be spoken, and their prompts.

    Left out is what has no prompt: a reader's only utterance, or all others shorter than a prompt.
    """
    spoken = sorted(spoken, key=lambda one: one.id.encode())
    targets = [one for one in spoken if protocol.least <= one.seconds <= protocol.most]
    if protocol.most_targets:
        targets = some(targets, protocol.most_targets, protocol.seed)
    pairs = previous(targets) if protocol.pairing == "previous" else drawn(targets, spoken, protocol)
    paired = {pair.target.id for pair in pairs}
    for one in targets:
        if one.id not in paired:
            long = f" of {protocol.prompt_seconds:g} s" if protocol.prompt_seconds else ""
            reason = f"reader {one.speaker} has no other utterance{long} to prompt it with"
            writer.drop(Dropped(one.id, "no-prompt", reason, one.seconds))
    write_pairs(writer, pairs, protocol.prompt_seconds)


def write_pairs(writer: FolderWriter, pairs: Sequence[Pair], prompt_seconds: float = 0) -> None:
    """Add both of each pair to the set, each once; `targets`, `utt2prompt` and `prompts.lst` say which is which."""
    for one in {one.id: one for pair in pairs for one in pair}.values():
        writer.add(one)
    for target, prompt in pairs:
        writer.row("targets", target.id)
        part = f" 0.00 {prompt_seconds:.2f}" if prompt_seconds else ""
        writer.row("utt2prompt", target.id, prompt.id + part)
        writer.line("prompts.lst", list_line(Pair(target, prompt)))


def some(spoken: Sequence[Spoken], count: int, seed: int) -> list[Spoken]:
    """At most `count` of them, in their order; the same for the same seed."""
    if len(spoken) <= count:
        return list(spoken)
    chosen = random.Random(f"{seed} {spoken[0].speaker}").sample(range(len(spoken)), count)
    return [spoken[index] for index in sorted(chosen)]


def previous(targets: Sequence[Spoken]) -> list[Pair]:
    """Each of a reader's utterances after the one before it, the first after the last."""
    if len(targets) < 2:
        return []
    return [Pair(target, targets[index - 1]) for index, target in enumerate(targets)]


def drawn(targets: Sequence[Spoken], spoken: Sequence[Spoken], protocol: Protocol) -> list[Pair]:
    """Each after a random other utterance of the reader that is long enough; each draw depends on the ids alone."""
    long_enough = [one for one in spoken if one.seconds >= protocol.prompt_seconds]
    pairs = []
    for target in targets:
        others = [one for one in long_enough if one.id != target.id]
        if others:
            pairs.append(Pair(target, random.Random(f"{protocol.prompt_seed} {target.id}").choice(others)))
    return pairs


class Listed(NamedTuple):
    """A line of a list: ids, seconds and words of a prompt and of what is spoken after it; number: of the line."""

    prompt: str
    prompt_seconds: float
    prompt_words: str
    target: str
    target_seconds: float
    target_words: str
    number: int = 0


def list_line(pair: Pair) -> str:
    """A line of a list, without the end of the line."""
    sides = (pair.prompt, pair.target)
    return "\t".join(f"{one.id}\t{one.seconds:.6g}\t{' '.join(one.text.split())}" for one in sides)


def read_list(path: Path) -> list[Listed]:
    """The lines of a list. Raises UserError naming file and line for what is none, or contradicts a line before."""
    rows: list[Listed] = []
    words: dict[str, str] = {}
    targets: set[str] = set()
    try:
        lines = read_text(path).split("\n")
    except OSError as error:
        raise UserError(f"{path}: not readable: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        parts = line.split("\t")
        try:
            prompt, prompt_seconds, prompt_words, target, seconds, said = parts
            row = Listed(prompt, float(prompt_seconds), prompt_words, target, float(seconds), said, number)
        except ValueError:
            row = None
        if row is None or not all(part.strip() for part in parts):
            raise UserError(f"{where}: not `prompt, seconds, words, utterance, seconds, words`, parted by tabs")
        if row.prompt == row.target:
            raise UserError(f"{where}: {row.target!r} would be spoken after itself; name another utterance")
        if row.target in targets:
            raise UserError(f"{where}: {row.target!r} is spoken twice; a test set speaks an utterance once")
        for id, said in ((row.prompt, row.prompt_words), (row.target, row.target_words)):
            if words.setdefault(id, said) != said:
                raise UserError(f"{where}: {id!r} has other words here than in a line before")
        targets.add(row.target)
        rows.append(row)
    if not rows:
        raise UserError(f"{path}: no lines")
    return rows


def pairs_of(rows: Iterable[Listed], found: dict[str, Spoken], path: Path) -> list[Pair]:
    """The pairs of a list with the corpus's recordings (`found`) and the list's words.

    Raises UserError naming the line for an utterance that the corpus does not have, or not of this length, and for a
    prompt of another reader.
    """
    pairs = []
    for row in rows:
        sides, where = [], f"{path}:{row.number}"
        for id, seconds, words in ((row.target, row.target_seconds, row.target_words), row[:3]):
            if id not in found:
                raise UserError(f"{where}: {id!r} is not in the test subsets; name with --test-subsets where it is")
            if abs(found[id].seconds - seconds) > 0.2:
                raise UserError(
                    f"{where}: {id!r} has {seconds:g} s there and {found[id].seconds:.2f} s in the corpus; it is a list"
                    " of another one"
                )
            sides.append(found[id]._replace(text=words))
        if sides[0].speaker != sides[1].speaker:
            raise UserError(f"{where}: {row.prompt!r} is of another reader than {row.target!r}; name one of the same")
        pairs.append(Pair(*sides))
    return pairs
