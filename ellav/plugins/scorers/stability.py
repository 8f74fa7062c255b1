"""Whether decoding went as it should: from what it recorded about itself."""

from __future__ import annotations

from typing import ClassVar

from ellav.plugins.scorers import Scored, scorers


@scorers.register("stability")
class Stability:
    """Endless decodes, phones cut by force, and how long the speech came out."""

    metrics: ClassVar[dict[str, str]] = {
        "inf": "decodes that ran into their bound, %",
        "cut": "phones ended by force, of all that were decoded, %",
        "duration_ratio": "frames synthesized / frames recorded",
    }
    reads_text = False

    def score(self, utterance: Scored) -> dict[str, tuple[float, float] | str]:
        """Reads hit_bound, cuts, phones, frames and target_frames of the facts."""
        facts = utterance.facts
        result: dict[str, tuple[float, float] | str] = {}
        if "hit_bound" in facts:
            result["inf"] = (100.0 * bool(facts["hit_bound"]), 1.0)
        if "cuts" in facts and facts.get("phones"):
            result["cut"] = (100.0 * facts["cuts"], float(facts["phones"]))
        if "frames" in facts and facts.get("target_frames"):
            result["duration_ratio"] = (float(facts["frames"]), float(facts["target_frames"]))
        return result
