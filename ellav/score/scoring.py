"""Stage 9: recorded, resynthesized and synthesized speech through the same scorers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from ellav.data.audio import read_wav
from ellav.data.codes import CodesReader
from ellav.data.journal import Journal
from ellav.data.kaldi import read_table
from ellav.data.outputs import naming, need, write_text, writing
from ellav.data.parallel import parallel_map
from ellav.data.rejected import Rejected, attempt, keep_good
from ellav.errors import UserError
from ellav.plugins.codecs import load_codec
from ellav.plugins.scorers import Scored, scorers

STAGE = "9 (score)"
ROWS = ("recorded", "resynthesis", "synthesized", "shuffled", "silence", "other_reader")
"""What stands in the tables; the last three are controls."""


@dataclass(frozen=True)
class Item:
    """One utterance as files: where its speech and its prompt lie, and what it should say.

    place: a waveform, or codes in an ark. other: another utterance's words, for the control. phones, other_phones: of
    the words and of those, separated by spaces.
    stranger: id and waveform of a recording of another speaker, for the control.
    span: the seconds of the prompt's recording that were given, None for all of it. given: seconds at
    the beginning of the speech that were given and not made, in a continuation.
    """

    set_name: str
    id: str
    speaker: str
    text: str
    place: str
    is_codes: bool = False
    other: str | None = None
    stranger: tuple[str, str] | None = None
    prompt: str | None = None
    span: tuple[float, float] | None = None
    given: float = 0.0
    facts: dict = field(default_factory=dict)
    phones: str = ""
    other_phones: str = ""


@dataclass(frozen=True)
class Setup:
    """What every process needs. specs: scorer name -> options. enrolled: scorer name -> arrays."""

    specs: dict[str, dict]
    codec: Path
    sample_rate: int
    enrolled: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)


def items_of(
    kind: str, set_name: str, raw: Path, phones: Path, codes: Path, decoded: Path, frame_rate: float
) -> list[Item]:
    """The utterances of a test set that were decoded, as `recorded`, `resynthesis` or `synthesized`.

    Their words are those of stage 3. Raises UserError where an earlier stage's file is missing.
    """
    wavs = read_table(need(raw / set_name / "wav.scp", "2 (format wavs)"))
    words = read_table(need(phones / set_name / "words", "3 (phones and alignment)"))
    symbols = read_table(need(phones / set_name / "phones", "3 (phones and alignment)"))
    spoken = read_table(need(decoded / set_name / "wav.scp", "8 (decode)"))
    speakers = read_table(decoded / set_name / "utt2spk")
    prompts = read_table(decoded / set_name / "utt2prompt")
    facts = read_facts(decoded / set_name / "facts.jsonl")
    places = {"recorded": wavs, "synthesized": spoken}.get(kind)
    if places is None:
        places = read_table(need(codes / set_name / "codes.scp", "4 (codes)"))
    ids = list(spoken)
    for table, name in ((words, "words"), (places, kind), (facts, "facts.jsonl"), (speakers, "utt2spk")):
        missing = [id for id in ids if id not in table]
        if missing:
            raise UserError(f"{decoded / set_name}: {missing[0]!r} has no {name} ({len(missing)} such); rerun stage 8")
    shuffled = np.random.default_rng(0).permutation(len(ids))
    other = {ids[a]: ids[b] for a, b in zip(shuffled, np.roll(shuffled, 1), strict=True)}
    strangers = other_readers([ids[i] for i in shuffled], speakers) if kind == "recorded" else {}
    items = []
    for id in ids:
        prompt = prompts.get(id)
        item = Item(set_name, id, speakers[id], words[id], places[id], kind == "resynthesis", prompt=wavs.get(prompt))
        item = replace(item, phones=symbols[id])
        span = facts[id].get("prompt_span")
        if prompt == id:  # a continuation; the recording may have silence before what was given
            given = facts[id]["prompt_frames"] / frame_rate
            span = span or [0.0, given]
            item = replace(item, given=given if kind == "synthesized" else span[1])
        if span:
            item = replace(item, span=(span[0], span[1]))
        if id in strangers and item.prompt is not None:
            item = replace(item, stranger=(strangers[id], wavs[strangers[id]]))
        if kind == "synthesized":
            item = replace(item, facts=facts[id])
            if len(ids) > 1:
                item = replace(item, other=words[other[id]], other_phones=symbols[other[id]])
        items.append(item)
    return items


def other_readers(ids: list[str], speakers: dict[str, str]) -> dict[str, str]:
    """Utterance -> the next one in `ids`, around its end, of another speaker; without those that have none."""
    found = {}
    for place, id in enumerate(ids):
        following = (other for other in ids[place:] + ids[:place] if speakers[other] != speakers[id])
        if (stranger := next(following, None)) is not None:
            found[id] = stranger
    return found


def read_facts(path: Path) -> dict[str, dict]:
    """Utterance -> what decoding recorded about it."""
    facts = {}
    for number, line in enumerate(need(path, "8 (decode)").read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = json.loads(line)
            facts[record["id"]] = record
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path}:{number}: not a JSON record with an id; rerun stage 8 (decode)") from None
    return facts


@dataclass(frozen=True)
class Task:
    """Items to score into the folder `out`. options and inputs: what the scores depend on."""

    out: Path
    items: list[Item]
    options: dict
    inputs: list[Path]


def score_all(
    tasks: list[Task], setup: Setup, jobs: int, plugins: list[str], most_rejected: float = 0.05
) -> list[dict]:
    """Records {set, id, row, metric: [numerator, denominator], ...} of all tasks, kept in their folders.

    Only what is not there yet is scored, all of it by the same processes. What cannot be scored is
    set aside, at most the share `most_rejected` of a task.
    """
    with ExitStack() as stack:
        folders = [stack.enter_context(writing(t.out, STAGE, t.options, t.inputs)) for t in tasks]
        todo = [(folder, task.items) for folder, task in zip(folders, tasks, strict=True) if folder]
        journals = {folder: stack.enter_context(Journal(folder / "scored.jsonl")) for folder, _ in todo}
        rejected: dict[tuple[Path, str], Rejected] = {}
        waiting = [(journals[f], item) for f, items in todo for item in items if item.id not in journals[f].found]
        if waiting:
            results = parallel_map(partial(_scorer, setup), [item for _, item in waiting], jobs, "score", plugins)
            for (journal, item), records in zip(waiting, results, strict=True):
                if isinstance(records, Rejected):
                    rejected[journal.path.parent, item.id] = records
                else:
                    journal.add(item.id, records)
        for folder, items in todo:
            found = journals[folder].found
            scored = [(item.id, rejected.get((folder, item.id)) or found[item.id]) for item in items]
            good = keep_good(scored, folder, most_rejected)
            records = [record for records in good.values() for record in records]
            lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
            write_text(folder / "scores.jsonl", "".join(lines))
    return [json.loads(line) for t in tasks for line in (t.out / "scores.jsonl").read_text("utf-8").splitlines()]


def _scorer(setup: Setup) -> Callable[[Item], list[dict] | Rejected]:
    """Made once in every process."""
    made = [scorers.create(name, options) for name, options in setup.specs.items()]
    for scorer in made:
        if scorer.name in setup.enrolled:
            scorer.enrolled = setup.enrolled[scorer.name]
    return partial(attempt, _Process(setup, made))


class _Process:
    def __init__(self, setup: Setup, made: list):
        self.setup, self.scorers = setup, made
        self.reader = CodesReader()
        self.codec = None

    def __call__(self, item: Item) -> list[dict]:
        wav = self._speech(item)
        rate = self.setup.sample_rate
        prompt = None if item.prompt is None else read_wav(item.prompt, rate)
        if prompt is not None and item.span is not None:
            start, end = (round(seconds * rate) for seconds in item.span)
            prompt = prompt[start:end]
        utterance = Scored(item.id, item.speaker, item.text, wav, rate, prompt, item.facts, round(item.given * rate))
        utterance = replace(utterance, phones=tuple(item.phones.split()))
        row = "resynthesis" if item.is_codes else "synthesized" if item.facts else "recorded"
        records = [self._record(item, row, utterance, self.scorers)]
        if item.stranger is not None:
            id, place = item.stranger
            # What ranks first is judged as for any recording: without this one in its own speaker's mean.
            stranger = replace(utterance, id=id, wav=read_wav(place, rate), given=0)
            comparing = [scorer for scorer in self.scorers if getattr(scorer, "reads_prompt", False)]
            records.append(self._record(item, "other_reader", stranger, comparing))
        if row == "synthesized":
            readers = [scorer for scorer in self.scorers if scorer.reads_text]
            if item.other is not None:
                said = replace(utterance, text=item.other, phones=tuple(item.other_phones.split()))
                records.append(self._record(item, "shuffled", said, readers))
            records.append(self._record(item, "silence", replace(utterance, wav=np.zeros_like(wav)), readers))
        return records

    def _speech(self, item: Item) -> np.ndarray:
        if not item.is_codes:
            # A decode may come out empty; that is no broken file but words that are missing.
            empty = item.facts and soundfile.info(item.place).frames == 0
            return np.zeros(0, np.float32) if empty else read_wav(item.place, self.setup.sample_rate)
        if self.codec is None:
            self.codec = load_codec(self.setup.codec)
        return self.codec.decode([self.reader.read(item.place)])[0]

    def _record(self, item: Item, row: str, utterance: Scored, judges: list) -> dict:
        record = {"set": item.set_name, "id": item.id, "row": row}
        for scorer in judges:
            record.update(scorer.score(utterance))
        return record


def enroll(
    out: Path, name: str, setup: Setup, about: list, recordings: list[Item], inputs: list[Path]
) -> dict[str, np.ndarray]:
    """What the scorer `name` makes of recordings, to know the speakers or to learn; kept in `out`.

    about: what it depends on itself.
    """
    options = {"scorer": about, "recordings": [r.id for r in recordings]}
    with writing(out, STAGE, options, inputs) as folder:
        if folder is not None:
            scorer = scorers.create(name, setup.specs[name])
            make = scorer.learn if hasattr(scorer, "learn") else scorer.enroll
            arrays = make(_recordings(recordings, setup.sample_rate))
            with naming(folder / "enrolled.npz"):
                np.savez(folder / "enrolled.npz", **arrays)
    with np.load(out / "enrolled.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def _recordings(items: list[Item], sample_rate: int) -> Iterator[Scored]:
    for item in items:
        wav = attempt(read_wav, item.place, sample_rate)
        if isinstance(wav, Rejected):
            print(f"{item.id}: stands for no speaker: {wav.reason}", file=sys.stderr)
        else:
            yield Scored(item.id, item.speaker, item.text, wav, sample_rate, phones=tuple(item.phones.split()))
