"""The laws of the aligner contract: times that cover the audio, or a reason why there are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from ellav.errors import UserError
from ellav.plugins.aligners import Aligner, Alignment, AlignmentError, accepts
from ellav.plugins.text import Phones, text
from ellav.testing.contract import METHOD, SAMPLE_RATE, Group, demand, has, keep_laws, law
from ellav.testing.sounds import sounds
from ellav.testing.text import SENTENCES
from ellav.types import SILENCE

Recording = tuple[np.ndarray, Phones]
"""(samples,) float32 at the aligner's rate, and the phones said in it."""

ENDS = (
    "Return one time in seconds for each phone, `sp` included, as float64: none below 0 or below the one before, the "
    "last the length of the audio. `pauses`, where given: seconds of silence within each phone, at its end; 0 for `sp`."
)
PHONE_SETS = (
    lambda value: isinstance(value, tuple) and value and all(isinstance(name, str) for name in value),
    "a tuple of the `phone_set`s that it accepts",
)


def check_aligner(aligner: Aligner, recordings: Sequence[Recording] = (), cases: int = 4, seed: int = 0) -> None:
    """Align machine-made sounds, which need not fit, and `recordings`, which must.

    Raises ContractError with the smallest counter-example.
    """
    keep_laws(aligner_laws(aligner, recordings, cases, seed))


def aligner_laws(
    aligner: Aligner, recordings: Sequence[Recording] = (), cases: int = 4, seed: int = 0
) -> Iterator[Group]:
    """The laws in groups that build on one another; sounds go from short to long."""
    yield [attributes], [(aligner,)]
    said = [phones for _, phones in recordings] or [spoken_for(aligner)]
    wavs = sounds(aligner.sample_rate, cases, seed)
    pairs = [(aligner, wav, said[i % len(said)]) for i, wav in enumerate(wavs)]
    pairs += [(aligner, np.full(aligner.sample_rate, np.nan, np.float32), said[0])]
    foreign = Phones([SILENCE, "no such phone", SILENCE], [-1, 0, -1], ["FOREIGN"])
    true = [(aligner, wav, phones) for wav, phones in recordings]
    yield [refuses_in_words], [*pairs, (aligner, wavs[-1], foreign), *true]
    yield [aligns], true
    yield [ends_cover_the_sound, repeatable, sound_kept], [*pairs, *true]


def spoken_for(aligner: Aligner) -> Phones:
    """A sentence by a text front end whose phones it accepts; letters where there is none."""
    for name in text.names():
        try:
            front_end = text.create(name)
            if accepts(aligner, front_end.phone_set):
                return next(made for sentence in SENTENCES if (made := _made(front_end, sentence)))
        except (UserError, ImportError, StopIteration):
            continue
    return Phones([SILENCE, *"hello", SILENCE], [-1, 0, 0, 0, 0, 0, -1], ["hello"])


def _made(front_end, sentence: str) -> Phones | None:
    try:
        return front_end(sentence)
    except UserError:
        return None


def _show(_aligner: Aligner, wav: np.ndarray, phones: Phones) -> str:
    rate = _aligner.sample_rate
    kind = "NaN" if np.isnan(wav).any() else "silence" if not wav.any() else "sound"
    return f"{len(wav) / rate:.2f} s of {kind}, phones = {' '.join(phones.phones)}"


def _align(aligner: Aligner, wav: np.ndarray, phones: Phones) -> Alignment | None:
    try:
        return aligner.align(wav.copy(), phones)
    except AlignmentError:
        return None


@law("the attributes of the contract are there", "Set it in the class body or in `__init__`.")
def attributes(aligner: Aligner) -> None:
    """The rate and the alphabets."""
    has(aligner, sample_rate=SAMPLE_RATE, phone_sets=PHONE_SETS, align=METHOD)


@law(
    "what does not fit is refused with an AlignmentError",
    "Raise ellav.plugins.aligners.AlignmentError that says why, for unknown phones, too short or senseless audio.",
    _show,
)
def refuses_in_words(aligner: Aligner, wav: np.ndarray, phones: Phones) -> None:
    """An Alignment or an AlignmentError, nothing else."""
    made = _align(aligner, wav, phones)
    demand(made is None or isinstance(made, Alignment), f"a {type(made).__name__} comes back")


@law("recordings are aligned", "See why it refuses a recording of just these phones.", _show)
def aligns(aligner: Aligner, wav: np.ndarray, phones: Phones) -> None:
    """Recordings with their own phones are not refused."""
    aligner.align(wav.copy(), phones)


@law("the ends cover the sound", ENDS, _show)
def ends_cover_the_sound(aligner: Aligner, wav: np.ndarray, phones: Phones) -> None:
    """Shape, order and last value of `ends`; a finite score, or none."""
    made = _align(aligner, wav, phones)
    if made is not None:
        demand_ends(made, phones, len(wav) / aligner.sample_rate)


def demand_ends(made: Alignment, phones: Phones, seconds: float) -> None:
    """To be called inside a law: an alignment of these phones to audio of this length."""
    ends, wanted = np.asarray(made.ends), (len(phones.phones),)
    demand(ends.shape == wanted and ends.dtype == np.float64, f"`ends` is {ends.dtype} of shape {ends.shape}")
    demand(bool(np.isfinite(ends).all()), f"`ends` holds {ends[~np.isfinite(ends)][:1]}")
    demand(bool(ends[0] >= 0 and (np.diff(ends) >= 0).all()), f"`ends` is {np.round(ends, 3).tolist()}")
    demand(abs(ends[-1] - seconds) < 1e-3, f"the last end is {ends[-1]:.3f} s, the audio has {seconds:.3f} s")
    if made.pauses is not None:
        pauses, silent = np.asarray(made.pauses), np.array([phone == SILENCE for phone in phones.phones])
        demand(pauses.shape == wanted, f"`pauses` is of shape {pauses.shape}")
        lasting = np.diff(ends, prepend=0)
        demand(bool(((pauses >= 0) & (pauses <= lasting + 1e-6)).all()), "a pause is longer than the phone it ends")
        demand(not pauses[silent].any(), "an `sp` has a pause of its own: it is one")
    demand(isinstance(made.score, float) and not np.isinf(made.score), f"`score` is {made.score!r}, not a number")


@law(
    "a result does not depend on what was aligned before",
    "Reset adaptation and history at the beginning of `align`.",
    _show,
)
def repeatable(aligner: Aligner, wav: np.ndarray, phones: Phones) -> None:
    """The same again, with another sound in between."""
    first = _align(aligner, wav, phones)
    _align(aligner, np.concatenate([wav[::-1], wav]), phones)
    again = _align(aligner, wav, phones)
    demand((first is None) == (again is None), "it is aligned one time and refused the other")
    if first is not None and again is not None:
        demand(np.array_equal(first.ends, again.ends), "the second time the ends are others")


@law("the sound is not changed", "Work on a copy of the samples.", _show)
def sound_kept(aligner: Aligner, wav: np.ndarray, phones: Phones) -> None:
    """No operation in place."""
    given = wav.copy()
    with suppress(AlignmentError):
        aligner.align(given, phones)
    demand(np.array_equal(given, wav, equal_nan=True), "its samples are changed")
