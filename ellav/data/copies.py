"""Copies of utterances, at another speed or in another voice, as `ellav format-wavs` makes them."""

from __future__ import annotations

from pathlib import Path

from ellav.data.kaldi import read_table

COPIES = "utt2original"
"""The table of a data folder that says of which utterance another one is a copy: all of it, evenly slower or faster."""


def stretched_copies(folder: Path) -> dict[str, tuple[str, float]]:
    """Each copy in a data folder with the utterance that it is of and the factor on its times.

    Only copies of recordings that are there too.
    """
    if not (folder / COPIES).exists():
        return {}
    original, samples = read_table(folder / COPIES), read_table(folder / "utt2num_samples")
    return {
        copy: (own, int(samples[copy]) / int(samples[own]))
        for copy, own in original.items()
        if copy in samples and own in samples and own not in original
    }
