"""The speech of a test set's utterances: recorded, through the codec, and as synthesized."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from ellav.data.audio import read_wav
from ellav.data.codes import CodesReader
from ellav.data.kaldi import read_table
from ellav.data.outputs import need
from ellav.errors import UserError
from ellav.plugins.codecs import Codec
from ellav.score.page.pictures import Phone
from ellav.score.scoring import read_facts

DECODE = "8 (decode)"


@dataclass(frozen=True)
class Places:
    """Folders of the stages. exps: the experiment first, then those to compare it with."""

    exps: tuple[Path, ...]
    raw: Path
    align: Path
    codes: Path
    cache: Path


@dataclass(frozen=True)
class Speech:
    """One way an utterance sounds.

    wav: (samples,) float32, empty where decoding said nothing. phones: None where nothing
    says when they end. figures: metric -> this utterance's value. remarks: what scorers
    had to say, such as what was heard.
    """

    label: str
    wav: np.ndarray
    phones: list[Phone] | None
    figures: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """An utterance in all the ways it was said. prompt: what it was spoken after.

    begun: how many seconds of the recording were given, in continuation.
    """

    id: str
    speaker: str
    text: str
    prompt: Speech | None
    begun: float | None
    speeches: list[Speech]


class TestSet:
    """What the stages left of a test set; `example` gathers one utterance of it.

    Raises UserError that names the stage to run where something is missing.
    """

    __test__ = False  # no test of pytest's

    def __init__(self, name: str, places: Places, codec: Codec):
        self.name, self.places, self.codec = name, places, codec
        self.decoded = [exp / "decode" / name for exp in places.exps]
        spoken = need(self.decoded[0] / "wav.scp", DECODE)
        self.wavs = read_table(need(places.raw / name / "wav.scp", "2 (format wavs)"))
        self.text = read_table(places.raw / name / "text")
        self.speakers = read_table(places.raw / name / "utt2spk")
        self.phones = read_table(need(places.align / name / "phones", "3 (phones and alignment)"))
        self.ends = read_table(need(places.align / name / "ends", "3 (phones and alignment)"))
        self.codes = read_table(need(places.codes / name / "codes.scp", "4 (codes)"))
        self.spoken = [read_table(spoken)]
        self.spoken += [read_table(d / "wav.scp") if (d / "wav.scp").exists() else {} for d in self.decoded[1:]]
        self.prompts = read_table(need(self.decoded[0] / "utt2prompt", DECODE))
        self.facts = read_facts(self.decoded[0] / "facts.jsonl")
        self.scores = {
            row: _read_scores(places.cache / name / row / "scores.jsonl", row) for row in ("recorded", "resynthesis")
        }
        self.of_exps = [_read_scores(exp / "scores" / name / "scores.jsonl", "synthesized") for exp in places.exps]

    def choose(self, count: int) -> list[str]:
        """At most `count` decoded utterances, evenly over their list."""
        ids = list(self.spoken[0])
        places = np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(int)
        return [ids[i] for i in places]

    def example(self, id: str) -> Example:
        """One decoded utterance. Raises UserError naming it where a stage's table lacks it."""
        for table, folder, stage in (
            (self.wavs, self.places.raw, "2 (format wavs)"),
            (self.phones, self.places.align, "3 (phones and alignment)"),
            (self.ends, self.places.align, "3 (phones and alignment)"),
            (self.codes, self.places.codes, "4 (codes)"),
            (self.facts, self.decoded[0], DECODE),
        ):
            if id not in table:
                raise UserError(f"{folder / self.name}: lacks {id!r}, which was decoded; rerun stage {stage}")
        rate = self.codec.sample_rate
        recorded = read_wav(self.wavs[id], rate)
        through = self.codec.decode([CodesReader().read(self.codes[id])])[0]
        aligned = self._aligned(id)
        speeches = [
            Speech("recorded", recorded, aligned, *self.scores["recorded"].get(id, ({}, {}))),
            Speech("codec resynthesis", through, aligned, *self.scores["resynthesis"].get(id, ({}, {}))),
        ]
        exps = zip(self.places.exps, self.decoded, self.spoken, self.of_exps, strict=True)
        for exp, decoded, spoken, scores in exps:
            if id in spoken:
                phones = read_phones(decoded / "textgrid" / f"{id}.TextGrid")
                speeches.append(Speech(exp.name, _read(spoken[id], rate), phones, *scores.get(id, ({}, {}))))
        prompt = self.prompts.get(id)
        span = self.facts[id].get("prompt_span")
        begun = self.facts[id]["prompt_frames"] / self.codec.frame_rate if prompt == id else None
        heard = None
        if prompt in self.wavs and prompt != id:
            start, end = (0, None) if span is None else (round(seconds * rate) for seconds in span)
            heard = Speech(f"prompt {prompt}", read_wav(self.wavs[prompt], rate)[start:end], None)
        return Example(id, self.speakers.get(id, ""), self.text.get(id, ""), heard, begun, speeches)

    def _aligned(self, id: str) -> list[Phone]:
        names, ends = self.phones[id].split(), [float(end) for end in self.ends[id].split()]
        if len(names) != len(ends) or not ends:
            raise UserError(f"{self.places.align / self.name}: {id!r} has {len(ends)} ends for {len(names)} phones")
        return [Phone(n, s, e) for n, s, e in zip(names, [0.0, *ends[:-1]], ends, strict=True) if e > s]


def read_phones(path: Path) -> list[Phone] | None:
    """The tier `phones` of a TextGrid, or None where there is no such file."""
    from praatio import textgrid

    if not path.exists():
        return None
    try:
        tier = textgrid.openTextgrid(str(path), includeEmptyIntervals=False).getTier("phones")
    except Exception as error:  # praatio raises many kinds for what is no TextGrid
        raise UserError(f"{path}: not a TextGrid with a tier `phones` ({error}); rerun stage {DECODE}") from None
    return [Phone(entry.label, float(entry.start), float(entry.end)) for entry in tier.entries]


def _read(place: str, rate: int) -> np.ndarray:
    """As `read_wav`; a decode may come out empty."""
    try:
        if soundfile.info(place).frames == 0:
            return np.zeros(0, np.float32)
    except soundfile.LibsndfileError:
        pass  # read_wav says what is wrong
    return read_wav(place, rate)


def _read_scores(path: Path, row: str) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Utterance -> its figures and remarks, of what stage 9 wrote; nothing where it wrote nothing."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        record = json.loads(line)
        if record.get("row") == row:
            pairs = {name: value for name, value in record.items() if isinstance(value, list) and value[1]}
            figures = {name: f"{above / below:.3g}" for name, (above, below) in pairs.items()}
            known = ("set", "id", "row")
            remarks = {n: v for n, v in record.items() if isinstance(v, str) and n not in known}
            found[record["id"]] = (figures, remarks)
    return found
