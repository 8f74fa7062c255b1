"""How the parts fare on human speech: codecs, alignment, and a packed model that is given human prompts.

    cd egs/mini/tts1
    python ../../../test/bench/human_speech.py --data DIR --codec exp/codec --model exp/interleaved/packed \
        --lm exp/lm/lm.arpa --own-prompts dump/raw/test_seen --out human_speech.md

DIR holds one recording of each of many readers, READER-ANYTHING.flac. It needs no transcripts: where
text is needed, it is what pocketsphinx recognises, errors included. What is left out of --codec,
--model is not measured. Half of the readers train a codec like --codec; the others are measured on.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ellav.config import read_yaml
from ellav.data.audio import read_wav, resample
from ellav.data.kaldi import DataFolder
from ellav.data.outputs import write_text
from ellav.errors import UserError
from ellav.infer.synthesizer import Synthesizer
from ellav.plugins.aligners import AlignmentError, aligners
from ellav.plugins.codecs import codecs, load_codec
from ellav.plugins.scorers import Scored, scorers
from ellav.plugins.text import text as front_ends
from ellav.plugins.transcribers import transcribers
from ellav.score.results import bootstrap, cpu_name, environment, figure, markdown
from ellav.types import SILENCE

RATE = 16000
PROMPT_SECONDS = 4.0
SENTENCES = (
    "The gentle doctor carried the silver lantern into the garden.",
    "On Monday, the queen borrowed the purple umbrella.",
    "The hungry kitten jumped quickly behind the wooden table.",
)


@dataclass
class Rows:
    """Label -> figure -> (numerator, denominator) of each recording, as scorers give them."""

    pairs: dict[str, dict[str, list]] = field(default_factory=dict)

    def add(self, label: str, figures: dict) -> None:
        row = self.pairs.setdefault(label, {})
        for name, value in figures.items():
            row.setdefault(name, []).append(value if isinstance(value, tuple) else (float(value), 1.0))

    def summary(self) -> dict[str, dict[str, dict]]:
        return {label: {name: bootstrap(found) for name, found in row.items()} for label, row in self.pairs.items()}


class Judge:
    """Voice and quality of speech at 16 kHz. enrolled: reader -> samples that stand for the reader."""

    def __init__(self, enrolled: dict[str, np.ndarray]):
        self.embed = scorers.create("similarity").embed
        self.quality = scorers.create("dnsmos")
        self.names = list(enrolled)
        self.voices = np.stack([self.embed(wav, RATE) for wav in enrolled.values()])

    def __call__(self, reader: str, wav: np.ndarray, like: np.ndarray) -> dict:
        """Cosine to the voice of `like`, rank of the reader among all, DNSMOS."""
        voice = self.embed(wav, RATE)
        cosines = self.voices @ voice
        rank = int(np.count_nonzero(cosines >= cosines[self.names.index(reader)]))
        quality = self.quality.score(Scored("", reader, "", wav, RATE))
        return {
            "similarity": float(voice @ self.embed(like, RATE)),
            "own reader first, %": 100.0 * (rank == 1),
            "rank of the reader": rank,
            **quality,
        }


def half(wav: np.ndarray, which: int) -> np.ndarray:
    """The first (0) or second (1) half of the samples."""
    middle = len(wav) // 2
    return wav[:middle] if which == 0 else wav[middle:]


def through(codec, wav: np.ndarray) -> np.ndarray:
    """The samples encoded and decoded, as many as there were."""
    spoken = codec.decode(codec.encode([resample(wav, RATE, codec.sample_rate)]))[0]
    spoken = resample(spoken, codec.sample_rate, RATE)[: len(wav)]
    return np.pad(spoken, (0, len(wav) - len(spoken)))


def measure_resynthesis(judge: Judge, tested: dict[str, np.ndarray], spoken: dict[str, dict]) -> Rows:
    """spoken: codec's label -> reader -> resynthesized samples."""
    from pesq import pesq
    from pystoi import stoi

    rows = Rows()
    for reader, wav in tested.items():
        rows.add("recorded", judge(reader, half(wav, 1), half(wav, 1)))
        for label, resynthesized in spoken.items():
            made = resynthesized[reader]
            rows.add(label, judge(reader, half(made, 1), half(wav, 1)))
            rows.add(label, {"STOI": stoi(wav, made, RATE), "PESQ (wide band)": pesq(RATE, wav, made, "wb")})
    return rows


def measure_alignment(tested: dict[str, np.ndarray], spoken: dict[str, dict], texts: dict[str, str]) -> Rows:
    """Alignment of recognised text, and how far boundaries move when resynthesized speech is aligned."""
    front_end, aligner = front_ends.create("g2p_en"), aligners.create("pocketsphinx")
    said = {reader: front_end(text) for reader, text in texts.items() if text}
    rows = Rows()
    readers = list(said)
    for reader, other in zip(readers, [*readers[1:], readers[0]], strict=True):
        recorded = align(aligner, tested[reader], said[reader])
        rows.add("recorded", {"aligned, %": 100.0 * (recorded is not None)})
        control = align(aligner, tested[reader], said[other])
        rows.add("control: another's text", {"aligned, %": 100.0 * (control is not None)})
        if control is not None:
            rows.add("control: another's text", {"score": control.score})
        if recorded is None:
            continue
        speech = np.array([phone != SILENCE for phone in said[reader].phones])
        seconds = np.diff(recorded.ends, prepend=0.0)[speech]
        rows.add("recorded", {"score": recorded.score, "phone, ms": (1000 * seconds.sum(), len(seconds))})
        rows.add("recorded", {"phones of 30 ms, %": (100.0 * (seconds < 0.035).sum(), len(seconds))})
        rows.add("recorded", {"phones over 300 ms, %": (100.0 * (seconds > 0.3).sum(), len(seconds))})
        for label, resynthesized in spoken.items():
            again = align(aligner, resynthesized[reader], said[reader])
            rows.add(label, {"aligned, %": 100.0 * (again is not None)})
            if again is None:
                continue
            moved = np.abs(again.ends - recorded.ends)[:-1]
            rows.add(label, {"score": again.score, "boundary moved, ms": (1000 * moved.sum(), len(moved))})
            for most in (20, 50):
                near = 100.0 * (moved <= most / 1000 + 1e-6).sum()
                rows.add(label, {f"boundaries within {most} ms, %": (near, len(moved))})
    return rows


def align(aligner, wav: np.ndarray, said):
    """The alignment, or None where there is none."""
    try:
        return aligner.align(wav, said)
    except AlignmentError:
        return None


def prompt_of(wav: np.ndarray, voice: Synthesizer, transcriber) -> tuple[np.ndarray, str] | None:
    """The beginning up to the last recognised word that ends within PROMPT_SECONDS, and its words."""
    head = wav[: round(1.5 * PROMPT_SECONDS * RATE)]
    heard = transcriber.transcribe(head)
    said = voice.text(heard) if heard else None
    alignment = align(voice.prompt.aligner, head, said) if said else None
    if alignment is None:
        return None
    words = np.array(said.word_of_phone)
    ended = [i for i in range(len(said.words)) if alignment.ends[words == i].max() <= PROMPT_SECONDS]
    if not ended:
        return None
    end = alignment.ends[words == ended[-1]].max()
    return head[: round((end + 0.05) * RATE)], " ".join(said.words[: ended[-1] + 1])


def measure_synthesis(judge: Judge, voice: Synthesizer, prompts: dict[str, tuple], lm: Path | None, label: str) -> Rows:
    """Every sentence after every prompt. prompts: reader -> (samples, words), or None where there is none."""
    listener = scorers.create("wer", {"transcriber_conf": {"lm": str(lm)} if lm else {}})
    rows = Rows()
    for number, (reader, prompt) in enumerate(prompts.items()):
        for sentence in SENTENCES:
            try:
                made = None if prompt is None else voice(sentence, *prompt, seed=number, prompt_rate=RATE)
            except UserError as error:
                print(f"{reader}: {error}")
                made = None
            rows.add(label, {"spoken, %": 100.0 * (made is not None)})
            if made is None:
                continue
            wav = resample(made.wav, made.sample_rate, RATE)
            words = " ".join(voice.text(sentence).words)
            rows.add(label, {"WER, %": listener.score(Scored("", reader, words, wav, RATE))["wer"]})
            figures = judge(reader, wav, prompt[0])
            rows.add(label, figures)
            facts = made.facts
            rows.add(label, {"phones cut, %": (100.0 * facts["cuts"], facts["phones"])})
    return rows


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data", type=Path, required=True, help="folder of READER-*.flac")
    made.add_argument("--codec", type=Path, help="codec folder, trained on other speech")
    made.add_argument("--model", type=Path, help="packed model")
    made.add_argument("--lm", type=Path, help="language model of the packed model's corpus, for its words")
    made.add_argument("--own-prompts", type=Path, help="data folder of the model's corpus, for comparison")
    made.add_argument("--limit", type=int, default=30, help="readers that are measured on")
    made.add_argument("--out", type=Path, required=True, help="Markdown file to write")
    made.add_argument("--json", type=Path, help="write the figures here too")
    options = made.parse_args()
    torch.set_num_threads(1)
    began = time.monotonic()
    sections: dict[str, dict] = {}

    def passed(what: str, title: str = "", rows: Rows | None = None) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)
        if rows is None:
            return
        sections.setdefault(title, {}).update(rows.summary())
        write_text(options.out, render(options, sections, len(wavs), len(tested)))
        if options.json:
            write_text(options.json, json.dumps(sections, indent=1) + "\n")

    paths = {path.name.split("-")[0]: path for path in sorted(options.data.glob("*.flac"))}
    if len(paths) < 4:
        raise SystemExit(f"{options.data}: {len(paths)} readers; give a folder of READER-*.flac with at least 4")
    wavs = {reader: read_wav(path, RATE) for reader, path in paths.items()}
    order = np.random.default_rng(0).permutation(list(wavs))
    training, tested = order[: len(order) // 2], order[len(order) // 2 :][: options.limit]
    tested = {str(reader): wavs[reader] for reader in tested}
    passed(f"{len(wavs)} readers read")
    judge = Judge({reader: half(wav, 0) for reader, wav in wavs.items()})
    passed("voices enrolled")

    coders = {}
    if options.codec:
        described = read_yaml(options.codec / "codec.yaml")
        coders[f"`{described['name']}` of --codec"] = load_codec(options.codec)
        if coders[f"`{described['name']}` of --codec"].trainable:
            trained = codecs.create(described["name"], described["conf"])
            trained.fit([resample(wavs[reader], RATE, trained.sample_rate) for reader in training])
            coders[f"`{described['name']}` trained on {len(training)} other readers"] = trained
            passed("codec trained on half of the readers")
    spoken = {label: {reader: through(codec, wav) for reader, wav in tested.items()} for label, codec in coders.items()}
    passed("resynthesis measured", "Codec resynthesis", measure_resynthesis(judge, tested, spoken))
    transcriber = transcribers.create("pocketsphinx")
    texts = {reader: transcriber.transcribe(wav) for reader, wav in tested.items()}
    passed("recognised")
    passed("aligned", "Alignment", measure_alignment(tested, spoken, texts))
    if not options.model:
        return
    voice = Synthesizer(options.model, device="cpu", watermark=None)
    prompts = {reader: prompt_of(wav, voice, transcriber) for reader, wav in tested.items()}
    rows = measure_synthesis(judge, voice, prompts, options.lm, "human prompts")
    passed("spoken after human prompts", "Synthesis", rows)
    if options.own_prompts:
        own = first_of_each_speaker(options.own_prompts)
        judge = Judge({speaker: wav for speaker, (wav, _) in own.items()})
        rows = measure_synthesis(judge, voice, own, options.lm, "prompts of the model's own corpus")
        passed("spoken after its own prompts", "Synthesis", rows)


def first_of_each_speaker(folder: Path) -> dict[str, tuple[np.ndarray, str]]:
    """Speaker -> samples and text of the speaker's first utterance."""
    data = DataFolder.read(folder)
    found: dict[str, tuple[np.ndarray, str]] = {}
    for utterance, path in data.wavs.items():
        if data.speakers[utterance] not in found:
            found[data.speakers[utterance]] = (read_wav(path, RATE), data.text[utterance])
    return found


NOTES = {
    "Codec resynthesis": "Second halves of the recordings are judged. *similarity*: cosine to the recording's own "
    "embedding (resemblyzer). *rank*: of the reader among all {readers}, each enrolled by the first half of the "
    "recording. STOI and PESQ: whole recordings against the originals.",
    "Alignment": "By pocketsphinx, of the words that pocketsphinx recognised with its model of ordinary English: there "
    "are no transcripts. *boundary moved*: between the alignment of the recording and that of the resynthesis. "
    "*score*: log-likelihood of a frame.",
    "Synthesis": "{sentences} sentences after each prompt, which is the beginning of a recording up to {seconds:g} s "
    "with the words that were recognised in it. Words are counted by pocketsphinx with the language model of the "
    "model's own corpus. *similarity*: to the prompt.",
}


def render(options: argparse.Namespace, sections: dict, readers: int, tested: int) -> str:
    """The Markdown text."""
    where = environment(Path(__file__).parent)
    words = ["DIR" if word == str(options.data) else Path(word).name if word[0] == "/" else word for word in sys.argv]
    root = Path(__file__).resolve().parents[2]
    folder = Path.cwd().relative_to(root) if Path.cwd().is_relative_to(root) else Path.cwd().name
    parts = [
        "# On human speech\n\n"
        f"LibriSpeech train-clean-100, one recording of each of {readers} readers; measured on {tested} of them, "
        "who are not in the training of any codec or model here. LibriSpeech © 2014 Vassil Panayotov, CC BY 4.0.\n\n"
        f"- {where['date']}, commit {where['git']}\n- {cpu_name()}, one thread\n"
        f"- `cd {folder} && python {shlex.join(words)}`, `DIR` being the folder of the recordings\n\n"
        "Values with their 95 % intervals by bootstrap.\n"
    ]
    for title, rows in sections.items():
        names = list(dict.fromkeys(name for row in rows.values() for name in row))
        table = [[name, *(figure(row.get(name)) for row in rows.values())] for name in names]
        note = NOTES[title].format(readers=readers, sentences=len(SENTENCES), seconds=PROMPT_SECONDS)
        parts.append(f"\n## {title}\n\n{note}\n\n{markdown(['', *rows], table)}")
    return "".join(parts)


if __name__ == "__main__":
    main()
