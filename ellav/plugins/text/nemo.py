"""NVIDIA's grammars for text normalisation (nemo_text_processing), as an alternative to ours."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path

from ellav.errors import UserError, one_line
from ellav.plugins.text.written import prepare

_log = logging.getLogger(__name__)

LANGUAGES = {"en": "en", "de": "de", "es": "es", "fr": "fr", "it": "it", "pt": "pt", "hi": "hi", "vi": "vi", "hu": "hu",
             "sv": "sv", "ar": "ar", "hy": "hy", "ja": "ja", "ko": "ko", "cmn": "zh", "zh": "zh"}  # fmt: skip
"""What eSpeak calls a language, without its region -> what NeMo calls it."""


class Nemo:
    """Text in `language` (as eSpeak names it, `en-us`) to text in words, by NeMo's grammars.

    They are built once (a minute or two) and kept in `folder_of_grammars`. Raises UserError where the package is not
    installed or does not know the language.
    """

    def __init__(self, language: str):
        known = LANGUAGES.get(language.partition("-")[0].lower())
        if known is None:
            raise UserError(
                f"normalizer nemo: no grammars for language {language!r}; it knows {', '.join(sorted(LANGUAGES))};"
                " leave the option out for the others"
            )
        self._grammars = _load(known)

    def __call__(self, text: str) -> str:
        """`text` with numbers, dates and the like in words; what NeMo does not know stays as it is written.

        Raises UserError where the grammars fail.
        """
        text = prepare(text)
        try:
            return self._grammars.normalize(text, punct_post_process=True)
        except Exception as error:  # pynini and the package raise what they like
            raise UserError(f"normalizer nemo: {text!r} cannot be normalized: {one_line(error, 200)}") from None


def folder_of_grammars(language: str) -> Path:
    """Where the grammars of a language (as NeMo names it) are kept, by the package's version."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "ellav" / f"nemo_text_processing-{metadata.version('nemo_text_processing')}" / language


@cache
def _load(language: str):
    try:
        from nemo_text_processing.text_normalization.normalize import Normalizer
    except ModuleNotFoundError as error:
        raise UserError(
            f"normalizer nemo: {error.name} is not installed; install the extra nemo (pip install 'ellav[nemo]'), or"
            " leave the option out"
        ) from None
    # It reports every sign that its detokenizer skips, and sets its own level again with each text.
    logging.getLogger("NeMo-text-processing").disabled = True
    folder = folder_of_grammars(language)
    if not folder.exists():
        _log.warning("normalizer nemo: building the grammars of %r once, a minute or two, into %s", language, folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f"{language}.", dir=folder.parent))
        try:
            made = Normalizer(input_case="cased", lang=language, cache_dir=str(beside))
            if not folder.exists():  # another process may have been faster
                os.replace(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return made
    return Normalizer(input_case="cased", lang=language, cache_dir=str(folder))
