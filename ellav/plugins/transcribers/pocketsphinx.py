"""Recognition by pocketsphinx, whose English acoustic model comes with its package."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np

from ellav.errors import UserError
from ellav.plugins.transcribers import transcribers

_CONTROLS = {"<s>", "</s>", "<unk>", "<UNK>"}


@transcribers.register("pocketsphinx")
class PocketSphinx:
    """English speech at 16 kHz. What it hears depends on nothing that it heard before.

    lm: an ARPA file in lower case; then only its words are recognised, and a `lexicon.txt`
    beside it (lines `word PH PH ...`) gives the pronunciations that pocketsphinx's dictionary
    lacks. Without it: pocketsphinx's own model of ordinary English. lm_weight: weight
    of the language model against the acoustic one. insertion_penalty: factor for each word.
    """

    sample_rate = 16000
    version = "1"

    def __init__(self, lm: Path | None = None, lm_weight: float = 6.5, insertion_penalty: float = 0.65):
        from pocketsphinx import Decoder

        options = {"lw": lm_weight, "wip": insertion_penalty, "cmn": "batch", "loglevel": "FATAL", "dither": False}
        if lm is None:
            self._decoder = Decoder(**options)
            return
        with tempfile.TemporaryDirectory() as folder:
            dictionary = Path(folder) / "words.dict"
            dictionary.write_text(_dictionary(lm), encoding="utf-8")
            try:
                self._decoder = Decoder(lm=str(lm), dict=str(dictionary), **options)
            except (RuntimeError, ValueError) as error:
                raise UserError(f"{lm}: pocketsphinx does not load it: {error}") from None

    def transcribe(self, wav: np.ndarray) -> str:
        """(samples,) float32 -> upper-case words separated by single spaces, maybe none."""
        pcm = np.clip(np.round(np.asarray(wav) * 32767), -32768, 32767).astype("<i2")
        # Shorter than any word (a few samples make no frame), or nothing at all, of which it would
        # hear now one word and now none: all frames are alike, and its ties fall by what came before.
        if len(pcm) < self.sample_rate // 10 or not pcm.any():
            return ""
        self._decoder.reinit_feat()  # else its noise tracking carries over from what it heard before
        self._decoder.start_utt()
        self._decoder.process_raw(pcm.tobytes(), no_search=False, full_utt=True)
        self._decoder.end_utt()
        heard = self._decoder.hyp()
        return re.sub(r"\(\d+\)", "", heard.hypstr).upper() if heard else ""


def _dictionary(lm: Path) -> str:
    """Lines of pocketsphinx's dictionary for the words of `lm`, with the lexicon's for the rest."""
    from pocketsphinx import get_model_path

    words = _words(lm)
    lines = []
    found = set()
    known_phones = set()
    with open(get_model_path("en-us/cmudict-en-us.dict"), encoding="utf-8") as stream:
        for line in stream:
            spelling, *phones = line.split()
            known_phones.update(phones)
            word = spelling.partition("(")[0]
            if word in words:
                found.add(word)
                lines.append(line if line.endswith("\n") else line + "\n")
    for word, phones in _lexicon(lm.with_name("lexicon.txt")).items():
        if word not in words or word in found:
            continue
        phones = [phone.rstrip("012") for phone in phones]
        odd = [phone for phone in phones if phone not in known_phones]
        if odd or not phones:
            raise UserError(f"{lm.with_name('lexicon.txt')}: {word!r} has no ARPAbet pronunciation: {' '.join(phones)}")
        found.add(word)
        lines.append(f"{word} {' '.join(phones)}\n")
    missing = sorted(words - found)
    if missing:
        raise UserError(
            f"{lm}: no pronunciation of {missing[0]!r} ({len(missing)} such words); add lines to lexicon.txt beside it"
        )
    return "".join(sorted(lines))


def _words(lm: Path) -> set[str]:
    """The single words of an ARPA file."""
    words = set()
    inside = False
    try:
        with open(lm, encoding="utf-8") as stream:
            for line in stream:
                if line.startswith("\\"):
                    if inside:
                        return words - _CONTROLS
                    inside = line.strip() == "\\1-grams:"
                elif inside and line.strip():
                    words.add(line.split()[1])
    except FileNotFoundError:
        raise UserError(f"{lm}: no such language model") from None
    except (UnicodeDecodeError, IndexError):
        pass
    raise UserError(f"{lm}: not a language model in ARPA format")


def _lexicon(path: Path) -> dict[str, list[str]]:
    if not path.exists():
        return {}
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return {word: phones for word, *phones in lines}
