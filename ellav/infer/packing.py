"""What packing does with weights and with the recordings that become built-in prompts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from ellav.data.audio import read_wav, write_wav
from ellav.data.kaldi import DataFolder, invert, read_table
from ellav.data.outputs import naming
from ellav.errors import UserError
from ellav.infer.bundle import check_name, check_text
from ellav.infer.prompts import PromptReader, PromptWarning
from ellav.models.products import row_scales
from ellav.weights import SCALE

MOST_SPEAKERS = 12
"""Prompts that are taken from a data folder where none is named."""


@dataclass(frozen=True)
class Recording:
    """A recording that may become the built-in prompt `name`.

    needed: packing fails where it is no good prompt. seconds: 0 until it has been read. language: of what it says,
    empty where nobody says.
    """

    name: str
    wav: Path
    text: str
    needed: bool = True
    seconds: float = 0.0
    language: str = ""


def told(recording: Recording) -> dict[str, str]:
    """What `model.yaml` says of a prompt."""
    language = {"language": recording.language} if recording.language else {}
    return {"name": recording.name, "text": recording.text, **language}


def store_weights(source: Path, target: Path, dtype: str) -> None:
    """Copy safetensors as `dtype`: "float32", "bfloat16", or "int8", which rounds matrices to 8 bits a row and keeps
    all else as float32."""
    weights = load_file(source)
    if dtype == "int8":
        for name in [name for name, weight in weights.items() if weight.ndim == 2]:
            matrix = weights[name].float()
            scale = row_scales(matrix)
            weights[name], weights[name + SCALE] = (matrix / scale[:, None]).round().to(torch.int8), scale
    else:
        wanted = getattr(torch, dtype)
        weights = {name: w.to(wanted) if w.is_floating_point() else w for name, w in weights.items()}
    with naming(target):
        target.write_bytes(save({name: w.contiguous() for name, w in weights.items()}))


def from_options(wavs: list[str], texts: list[str], languages: list[str]) -> list[Recording]:
    """Recordings named by --prompt, --prompt-text and --prompt-language; called by their files' names."""
    if len(wavs) != len(texts):
        raise UserError(f"{len(wavs)} --prompt and {len(texts)} --prompt-text: give one text for each recording")
    if languages and len(languages) != len(wavs):
        raise UserError(f"{len(wavs)} --prompt and {len(languages)} --prompt-language: give one for each, or none")
    given = zip(wavs, texts, languages or [""] * len(wavs), strict=True)
    made = [Recording(check_name(Path(w).stem), Path(w), _line(t), language=spoken) for w, t, spoken in given]
    for one in made:
        if not one.wav.is_file():
            raise UserError(f"--prompt {one.wav}: no such file")
    return made


def from_folder(given: list[str]) -> list[Recording]:
    """Recordings of a data folder (first of `given`): the utterances named after it, all of them needed,
    or else every speaker's first utterances to choose one from. Called by their speaker where that is plain."""
    folder, *wanted = given
    data = DataFolder.read(folder)
    table = Path(folder) / "utt2lang"
    languages = read_table(table) if table.exists() else {}
    unknown = [utterance for utterance in wanted if utterance not in data.wavs]
    if unknown:
        raise UserError(f"--prompts {folder}: no utterance {unknown[0]!r} there")
    if wanted:
        owners = [data.speakers[utterance] for utterance in wanted]
        names = [o if owners.count(o) == 1 else u for u, o in zip(wanted, owners, strict=True)]
        chosen = list(zip(names, wanted, strict=True))
    else:
        first = list(invert(data.speakers).items())[:MOST_SPEAKERS]
        chosen = [(speaker, utterance) for speaker, utterances in first for utterance in utterances[:3]]
    return [
        Recording(
            check_name(name), Path(data.wavs[u]), _line(data.text[u]), bool(wanted), language=languages.get(u, "")
        )
        for name, u in chosen
    ]


def choose(recordings: list[Recording], read: PromptReader, folder: Path) -> list[Recording]:
    """Write FLAC files into `folder`: of recordings of one name the first that is a good prompt.

    Raises UserError where one that is needed cannot be used as a prompt, or is doubtful.
    """
    kept: dict[str, Recording] = {}
    for one in recordings:
        if one.name in kept:
            if one.needed:
                raise UserError(f"two prompts are called {one.name!r}; rename one of the files")
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", PromptWarning)
                check_text(one.text, one.name)
                read(one.wav, one.text, language=one.language)
        except (UserError, PromptWarning) as error:
            if one.needed:
                raise UserError(f"no good prompt: {error}") from None
            continue
        wav = read_wav(one.wav, read.codec.sample_rate)
        write_wav(folder / f"{one.name}.flac", wav, read.codec.sample_rate)
        kept[one.name] = replace(one, seconds=len(wav) / read.codec.sample_rate)
    return list(kept.values())


def _line(text: str) -> str:
    return " ".join(text.split())
