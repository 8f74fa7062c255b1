"""Miniature corpora in the layouts of LibriSpeech, LibriTTS, Libri-Light and Libriheavy, of machine-made speech."""

from __future__ import annotations

import gzip
import importlib
import json
import sys
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf

LOCAL = Path(__file__).resolve().parents[2] / "egs/mini/tts1/local"
VOICES = {"19": "awb", "26": "kal16", "84": "slt", "777": "rms"}
"""Reader -> voice of flite."""
RATE = 16000
PAUSE = 0.7  # s between sentences of a book


class Sentence(NamedTuple):
    """What a reader said. wav: (samples,) at RATE."""

    reader: str
    text: str
    wav: np.ndarray


def speak(count: int) -> list[Sentence]:
    """`count` sentences of each reader."""
    sys.path.insert(0, str(LOCAL))
    try:
        corpus, grammar = importlib.import_module("corpus"), importlib.import_module("grammar")
    finally:
        sys.path.remove(str(LOCAL))
    flite, texts = corpus.find_flite(), grammar.sentences(3)
    made = []
    for reader, voice in VOICES.items():
        for text in islice(texts, count):
            wav, rate = corpus.speak(flite, voice, text)
            assert rate == RATE
            made.append(Sentence(reader, text, (0.6 * wav / np.abs(wav).max()).astype(np.float32)))
    return made


def capitals(text: str) -> str:
    """As LibriSpeech writes it."""
    return "".join(c for c in text.upper() if c.isalpha() or c == " ")


def librispeech(root: Path, sentences: list[Sentence], subsets: dict[str, list[str]]) -> None:
    """SUBSET/READER/CHAPTER with a .trans.txt each. subsets: name -> readers."""
    for reader in VOICES:
        subset = next(name for name, readers in subsets.items() if reader in readers)
        folder = root / subset / reader / "1001"
        folder.mkdir(parents=True)
        lines = []
        for number, said in enumerate(one for one in sentences if one.reader == reader):
            id = f"{reader}-1001-{number:04d}"
            sf.write(folder / f"{id}.flac", said.wav, RATE)
            lines.append(f"{id} {capitals(said.text)}\n")
        (folder / f"{reader}-1001.trans.txt").write_text("".join(lines))


def libritts(root: Path, sentences: list[Sentence], subsets: dict[str, list[str]]) -> None:
    """SUBSET/READER/CHAPTER with two texts beside each .wav."""
    for reader in VOICES:
        subset = next(name for name, readers in subsets.items() if reader in readers)
        folder = root / subset / reader / "1001"
        folder.mkdir(parents=True)
        for number, said in enumerate(one for one in sentences if one.reader == reader):
            id = f"{reader}_1001_{number:06d}_000000"
            sf.write(folder / f"{id}.wav", said.wav, RATE)
            (folder / f"{id}.normalized.txt").write_text(said.text)
            (folder / f"{id}.original.txt").write_text(f"“{said.text}”")
        (folder / f"{reader}_1001.trans.tsv").write_text("")


def librilight(root: Path, sentences: list[Sentence], subset: str = "small") -> None:
    """SUBSET/READER/BOOK/*.flac, one for each reader with all that it says, and a .json beside it."""
    for reader in VOICES:
        folder = root / subset / reader / "a_tale_1234_librivox_64kb_mp3"
        folder.mkdir(parents=True)
        parts, activity, at = [], [], 0.5
        parts.append(np.zeros(round(0.5 * RATE), np.float32))
        for said in (one for one in sentences if one.reader == reader):
            parts += [said.wav, np.zeros(round(PAUSE * RATE), np.float32)]
            seconds = len(said.wav) / RATE
            activity.append([round(at, 3), round(at + seconds, 3)])
            at += seconds + PAUSE
        rng = np.random.default_rng(int(reader))
        wav = np.concatenate(parts)
        sf.write(folder / "01_tale_64kb.flac", wav + rng.normal(0, 1e-3, len(wav)).astype(np.float32), RATE)
        about = {"speaker": reader, "book_meta": {"id": "1234", "title": "A Tale"}, "snr": 20.1}
        (folder / "01_tale_64kb.json").write_text(json.dumps({**about, "voice_activity": activity}))


def libriheavy(folder: Path, root: Path, sentences: list[Sentence], subset: str = "small") -> None:
    """The manifest of what `librilight` wrote under `root`: two sentences a cut."""
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / f"libriheavy_cuts_{subset}.jsonl.gz", "wt", encoding="utf-8") as out:
        for path in sorted(root.glob(f"{subset}/*/*/*.json")):
            reader = path.parts[-3]
            activity = json.loads(path.read_text())["voice_activity"]
            texts = [one.text for one in sentences if one.reader == reader]
            recording = str(path.relative_to(root).with_suffix(""))
            for number in range(0, len(texts) - 1, 2):
                start, end = activity[number][0] - 0.1, activity[number + 1][1] + 0.1
                out.write(
                    json.dumps(cut(recording, number // 2, start, end, " ".join(texts[number : number + 2]))) + "\n"
                )


def aishell(root: Path, texts: list[str], subset: str = "train") -> None:
    """data_aishell/wav/SUBSET/READER beside one transcript with spaces between words; flite speaks its pinyin.

    What is heard does not matter to the stages; that characters, files and layout fit does. texts: in characters.
    """
    sys.path.insert(0, str(LOCAL))
    try:
        corpus = importlib.import_module("corpus")
    finally:
        sys.path.remove(str(LOCAL))
    flite, lines = corpus.find_flite(), []
    for reader, voice in (("S0002", "awb"), ("S0003", "kal16")):
        folder = root / "data_aishell/wav" / subset / reader
        folder.mkdir(parents=True)
        for number, text in enumerate(texts):
            id = f"BAC009{reader}W{number:04d}"
            wav, rate = corpus.speak(flite, voice, " ".join(syllables(text)))
            sf.write(folder / f"{id}.wav", 0.6 * wav / np.abs(wav).max(), rate)
            lines.append(f"{id} {' '.join([text[:2], text[2:]])}\n")
    (root / "data_aishell/transcript").mkdir()
    (root / "data_aishell/transcript/aishell_transcript_v0.8.txt").write_text("".join(lines), encoding="utf-8")


def syllables(text: str) -> list[str]:
    """Pinyin without tones."""
    from pypinyin import lazy_pinyin

    return lazy_pinyin(text)


def cut(recording: str, number: int, start: float, end: float, text: str) -> dict:
    """A line of Libriheavy's manifests."""
    id, reader = f"{recording}_{number}", recording.split("/")[1]
    times = {"start": round(start, 3), "duration": round(end - start, 3), "channel": 0}
    supervision = {"id": id, "recording_id": recording, **times, "start": 0, "language": "English", "speaker": reader}
    supervision["custom"] = {"texts": [text, capitals(text)], "pre_texts": ["", ""], "begin_byte": 0, "end_byte": 9}
    sources = [{"type": "file", "channels": [0], "source": f"download/librilight/{recording}.flac"}]
    held = {"id": recording, "sources": sources, "sampling_rate": RATE, "num_samples": 0, "duration": 0.0}
    return {"id": id, **times, "supervisions": [supervision], "recording": held, "type": "MonoCut"}
