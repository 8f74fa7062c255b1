"""The voices of the copies that `ellav format-wavs` makes."""

from __future__ import annotations

from typing import NamedTuple

from ellav.errors import UserError


class Voice(NamedTuple):
    """How a copy differs. speed: factor on time, and on pitch and formants with it. pitch, tract: factors on F0 and
    on the formants alone."""

    speed: float = 1.0
    pitch: float = 1.0
    tract: float = 1.0

    @property
    def prefix(self) -> str:
        """What ids of the copy begin with: `sp0.9-`, `vw1.2x1.08-`."""
        if self.speed != 1:
            return f"sp{self.speed:g}-"
        return f"vw{self.pitch:g}x{self.tract:g}-"


def voices_of(speeds: list[float], warps: list[str]) -> list[Voice]:
    """The voices of copies, each once; those that change nothing are none."""
    voices = {Voice(speed=speed) for speed in speeds}
    for warp_factors in warps:
        try:
            pitch, tract = map(float, warp_factors.split("x"))
        except ValueError:
            raise UserError(
                f"--voice-warp-factors: {warp_factors!r} is not factors on F0 and formants, as 1.2x1.08"
            ) from None
        voices.add(Voice(pitch=pitch, tract=tract))
    if not all(0.5 <= factor <= 2 for voice in voices for factor in voice):
        raise UserError("--speed-perturb-factors and --voice-warp-factors are 0.5 to 2; usual are 0.9 and 1.1")
    return sorted(voices - {Voice()})
