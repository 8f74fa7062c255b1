"""Where speech says that it was made: the mark in its samples, and the words in a file's header.

The command reads the default from here before the number of threads is known, so numpy is not imported yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ellav.errors import UserError
from ellav.infer.bundle import Bundle
from ellav.version import __version__

if TYPE_CHECKING:
    import numpy as np

DEFAULT = "spread_spectrum"
"""The watermark that speech gets unless said otherwise; `docs/responsible_use.md` has what it was chosen by."""

CONSENT = "Speak only in voices whose owners have agreed to it, and tell listeners that the speech is synthesized."
"""What whoever offers a voice to others shows them; see `Marking.notice`."""

_END = 1 << 16  # bytes of weights that tell one training from another, without reading all of a large model


class Marking:
    """Marks what is spoken at one sample rate; without a watermark it lets all through as it is."""

    def __init__(self, name: str | None, conf: dict | None, sample_rate: int):
        """name, conf: of the watermark, None for none."""
        from ellav.plugins.watermarks import watermarks

        if name is None and conf:
            raise UserError("watermark_conf without a watermark: name one, or leave it out")
        self.name = name
        self.sample_rate = sample_rate
        self._watermark = None if name is None else watermarks.create(name, conf)

    @property
    def notice(self) -> str:
        """CONSENT, and whether the speech is marked, in a line."""
        return f"{CONSENT} It carries {f'the watermark {self.name}' if self.name else 'no watermark'}."

    def whole(self, wav: np.ndarray) -> np.ndarray:
        """(samples,) float32 -> as many."""
        return wav if self._watermark is None else self._watermark.mark(wav, self.sample_rate)

    def check_streams(self) -> None:
        """Raises UserError where the watermark needs the whole of a speech."""
        if self._watermark is not None and not hasattr(self._watermark, "begin"):
            raise UserError(
                f"watermark {self.name}: needs the whole of a speech, so it cannot be streamed; take {DEFAULT}"
            )

    def pieces(self, wavs: Generator[np.ndarray, None, None]) -> Iterator[np.ndarray]:
        """Pieces of one speech, (samples,) float32 each, as they are settled. Closing them closes `wavs` too."""
        if self._watermark is None:
            yield from wavs
            return
        marker = self._watermark.begin(self.sample_rate)
        try:
            for wav in wavs:
                if len(marked := marker.push(wav)):
                    yield marked
        finally:
            wavs.close()
        if len(marked := marker.finish()):
            yield marked


def about(model: str, watermark: str | None, when: datetime | None = None) -> dict[str, str]:
    """What the header of a file says, by soundfile's names of such strings.

    model: its `model_name`. when: now, if left out; the day alone is told.
    """
    when = when or datetime.now(UTC)
    marked = f"watermark {watermark}" if watermark else "no watermark"
    return {
        "title": "synthesized speech",
        "software": f"ellav {__version__}",
        "date": when.strftime("%Y-%m-%d"),
        "comment": f"synthesized by ellav {__version__}; model {model}; {marked}",
    }


def model_name(bundle: Bundle) -> str:
    """A model's folder, `mini` for example, and a hash of model.yaml and of the ends of all weights.

    Folders are often called alike, and their whole paths are nobody's business.
    """
    digest = hashlib.sha256((bundle.folder / "model.yaml").read_bytes())
    for path in sorted(filter(Path.is_file, bundle.folder.glob("*/*.safetensors"))):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _END))
            digest.update(file.read())
    return f"{bundle.folder.resolve().name} {digest.hexdigest()[:12]}"
