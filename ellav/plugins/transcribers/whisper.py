"""Recognition by Whisper, as faster-whisper runs it (extra `whisper`): people's speech, many languages."""

from __future__ import annotations

import contextlib
import math
import re
import sys
from pathlib import Path
from typing import Literal

import numpy as np

from ellav.errors import UserError, did_you_mean, one_line
from ellav.plugins.transcribers import transcribers

INSTALLED = Path(__file__).resolve().parents[3] / "tools" / "whisper"
"""Where tools/installers/install_whisper.sh puts weights, in a checkout of the project."""

_FILES = ("model.bin", "config.json", "tokenizer.json")
_WINDOW = 30.0  # s that the model hears at once
_TOKENS_PER_SECOND, _FIRST_TOKENS, _MOST_TOKENS = 25, 10, 440
_QUIET = 1e-4  # as in the scorer similarity: nothing that a person would hear
_PARTS = re.compile(r"[-\u2010-\u2015\u2026\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f]+")
_EDGES = " \t\"'`*_~.,:;!?()[]{}<>\u2018\u201c\u201d\u00ab\u00bb\u00bf\u00a1\u266a"


@transcribers.register("whisper")
class Whisper:
    """Speech at 16 kHz in the language that is named. What it hears depends on nothing that it heard before.

    model: a folder with a model for faster-whisper; or a size (`base`, `small`, `large-v3`), or a
    name on the Hugging Face hub. A size is looked for in tools/whisper first, then in the hub's cache, and is
    fetched from the hub at last. Without it: what install_whisper.sh put into tools/whisper/base, and no
    network. language: a code such as `en`, or `auto`: what it takes each recording for. beam: hypotheses kept;
    1 is greedy. Never samples, so the same sound gives the same words. threads: of one instance. device:
    `cuda` needs NVIDIA's cuBLAS and cuDNN. compute: numbers to calculate with; `int8` is faster.
    """

    sample_rate = 16000
    version = "1"

    def __init__(
        self,
        model: Path | str | None = None,
        language: str = "en",
        beam: int = 1,
        threads: int = 1,
        device: Literal["cpu", "cuda"] = "cpu",
        compute: Literal["float32", "float16", "int8"] = "float32",
    ):
        for name, value in (("beam", beam), ("threads", threads)):
            if value < 1:
                raise UserError(f"transcribers whisper: option {name!r} must be 1 or more, not {value}")
        try:
            from faster_whisper import WhisperModel
        except ModuleNotFoundError as error:
            raise UserError(
                f"transcriber whisper: the package {error.name} is missing; "
                "install the extra: pip install 'ellav[whisper]'"
            ) from None
        folder = find_weights(None if model is None else str(model))
        try:
            self._model = WhisperModel(str(folder), device=device, compute_type=compute, cpu_threads=threads)
        except Exception as error:  # CTranslate2 and tokenizers raise many kinds for a file that is none of theirs
            raise UserError(f"transcriber whisper: {folder} does not load: {one_line(error)}") from None
        known = self._model.supported_languages
        if language not in (*known, "auto"):
            raise UserError(
                f"transcriber whisper: the model in {folder} has no language {language!r}"
                f"{did_you_mean(language, known)}; it has {', '.join(sorted(known))}, and auto"
            )
        self._language, self._beam = None if language == "auto" else language, beam

    def transcribe(self, wav: np.ndarray) -> str:
        """(samples,) float32 -> upper-case words separated by single spaces, maybe none.

        Words as the model writes them, numbers in digits and `MR` included, without punctuation around
        them; what belongs to a number (`$3.50`, `10:30`) stays.
        """
        return self.transcribe_scored(wav)[0]

    def transcribe_scored(self, wav: np.ndarray) -> tuple[str, float]:
        """The words, and how sure the model is of them: the geometric mean of its tokens' probabilities, 0 to 1."""
        wav = np.array(wav, dtype=np.float32)
        # Of silence, and of less than a word, it writes what is usual at the end of films.
        if len(wav) < self.sample_rate // 10 or not np.any(np.abs(wav) > _QUIET):
            return "", 0.0
        seconds = len(wav) / self.sample_rate
        segments, _ = self._model.transcribe(
            wav,
            language=self._language,
            beam_size=self._beam,
            temperature=0.0,  # the usual fallback draws random numbers
            condition_on_previous_text=False,
            without_timestamps=seconds <= _WINDOW,
            # More than anyone says in this time: a model that hears noise may repeat itself to its own bound.
            max_new_tokens=min(_MOST_TOKENS, _FIRST_TOKENS + round(_TOKENS_PER_SECOND * seconds)),
        )
        heard = list(segments)
        tokens = sum(len(segment.tokens) for segment in heard)
        if not tokens:
            return "", 0.0
        mean = sum(segment.avg_logprob * len(segment.tokens) for segment in heard) / tokens
        return words_of(" ".join(segment.text for segment in heard)), min(1.0, math.exp(mean))


def words_of(text: str) -> str:
    """A written sentence as upper-case words: without punctuation around them, parted at hyphens and dashes."""
    words = (word.strip(_EDGES) for word in _PARTS.sub(" ", text.replace("\u2019", "'")).upper().split())
    return " ".join(word for word in words if word)


def find_weights(model: str | None) -> Path:
    """The folder that an option `model` means; asks the hub only for a name, and only where nothing nearer is.

    Raises UserError that says where it was looked for and what to do.
    """
    if model is None:
        folder = INSTALLED / "base"
        if not folder.is_dir():
            raise UserError(
                "transcriber whisper: there are no weights yet; name a size to take them from the Hugging Face hub "
                "(--transcriber-conf model=base), or a folder, or run tools/installers/install_whisper.sh"
            )
        return _checked(folder)
    if Path(model).expanduser().is_dir():
        return _checked(Path(model).expanduser())
    if model.startswith(("/", ".", "~")):
        raise UserError(f"transcriber whisper: no folder {model}; name one with a model for faster-whisper, or a size")
    if (INSTALLED / model).is_dir():
        return _checked(INSTALLED / model)
    return _checked(_from_hub(model))


def _from_hub(name: str) -> Path:
    from faster_whisper import available_models
    from faster_whisper.utils import download_model

    sizes = available_models()
    if name not in sizes and name.count("/") != 1:
        raise UserError(
            f"transcriber whisper: {name!r} is neither a folder nor a size{did_you_mean(name, sizes)}; "
            f"sizes: {', '.join(sizes)}"
        )
    with contextlib.suppress(Exception):  # not in its cache
        kept = Path(download_model(name, local_files_only=True))
        if not _missing(kept):
            return kept
    print(f"transcriber whisper: fetching {name} from the Hugging Face hub", file=sys.stderr, flush=True)
    try:
        return Path(download_model(name))
    except Exception as error:  # the hub's client raises many kinds: no network, no such model, a full disk
        here = " For base, tools/installers/install_whisper.sh takes it from the Python index." * (name == "base")
        raise UserError(
            f"transcriber whisper: no folder {name} here, and the Hugging Face hub gives none: "
            f"{one_line(error, 200)}. Name a folder with a model for faster-whisper instead.{here}"
        ) from None


def _checked(folder: Path) -> Path:
    if missing := _missing(folder):
        raise UserError(
            f"transcriber whisper: {folder} has no {missing[0]}; a model for faster-whisper "
            f"(CTranslate2's format) has {', '.join(_FILES)}"
        )
    return folder


def _missing(folder: Path) -> list[str]:
    return [name for name in _FILES if not (folder / name).is_file()]
