"""Real-time factor of decoding."""

from __future__ import annotations

from typing import ClassVar

from ellav.plugins.scorers import Scored, scorers


@scorers.register("rtf")
class RealTimeFactor:
    """Seconds spent for each second of speech; of a batch, every utterance has its share."""

    metrics: ClassVar[dict[str, str]] = {"rtf": "seconds of decoding / seconds of speech"}
    reads_text = False

    def score(self, utterance: Scored) -> dict[str, tuple[float, float] | str]:
        """Reads seconds and audio_seconds of the facts."""
        facts = utterance.facts
        if "seconds" not in facts or not facts.get("audio_seconds"):
            return {}
        return {"rtf": (float(facts["seconds"]), float(facts["audio_seconds"]))}
