"""The laws of aligners that take a whole set: those that align it at once, and those that learn from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ellav.errors import UserError
from ellav.plugins.aligners import Aligner, Alignment, AlignmentError, Recording, SetAligner, accepts, aligners
from ellav.plugins.text import Phones, text
from ellav.testing.aligner import ENDS, PHONE_SETS, aligner_laws, demand_ends, spoken_for
from ellav.testing.contract import Group, demand, has, keep_laws, law
from ellav.testing.learning import learns
from ellav.testing.sounds import sound

RATE = 16000  # Hz of machine-made sounds to learn from


def check_set_aligner(aligner: SetAligner, recordings: dict[str, Recording]) -> None:
    """Align `recordings`, none of which may be refused. Raises ContractError with the first that is."""
    keep_laws(set_aligner_laws(aligner, recordings))


def set_aligner_laws(aligner: SetAligner, recordings: dict[str, Recording]) -> Iterator[Group]:
    """The laws in groups that build on one another."""
    yield [attributes], [(aligner,)]
    made: list[Alignment | AlignmentError] = []
    yield [one_result_each], [(aligner, recordings, made)]
    yield [aligns, ends_cover_the_sound], [(*each, one) for each, one in zip(recordings.items(), made, strict=True)]
    yield [repeatable], [(aligner, recordings, made)]


def laws_on_data(
    name: str, conf: dict, data: Path | None, front_end: str | None, cases: int = 4, seed: int = 0
) -> Iterator[Group]:
    """The laws of the registered aligner `name`, whatever its kind, tried on a data folder's recordings.

    data: without it, machine-made sounds. front_end: the text plugin that makes the phones,
    the first that fits if None. Raises UserError where there are no recordings and it needs them.
    """
    aligner = aligners.create(name, conf)
    recordings = read_recordings(aligner, data, front_end) if data else {}
    if hasattr(aligner, "align_set"):
        if not recordings:
            raise UserError(f"aligner {name} works on whole sets: name one with --data FOLDER")
        yield from set_aligner_laws(aligner, recordings)
        return
    with TemporaryDirectory() as folder:
        if hasattr(aligner, "fit"):
            learned: dict[str, str] = {}
            corpus = recordings or _machine_made(aligner, Path(folder), seed)
            yield [learns], [(aligners, name, conf, corpus, Path(folder), learned)]
            aligner = aligners.create(name, conf | learned)
        yield from aligner_laws(aligner, _read(aligner, recordings), cases, seed)


def read_recordings(aligner, folder: Path, front_end: str | None, most: int = 20) -> dict[str, Recording]:
    """The first recordings of a data folder that `front_end` can speak, from short to long. Raises UserError."""
    import soundfile as sf

    from ellav.data.kaldi import read_table

    speak = text.create(front_end) if front_end else _that_fits(aligner, folder)
    if not accepts(aligner, speak.phone_set):
        accepted = ", ".join(aligner.phone_sets)
        raise UserError(f"--text {front_end}: its phones are {speak.phone_set!r}, the aligner accepts: {accepted}")
    wavs, texts, speakers = (read_table(folder / name) for name in ("wav.scp", "text", "utt2spk"))
    found, refused = {}, ""
    for utterance in [one for one in wavs if one in texts and one in speakers][:most]:
        try:
            seconds = sf.info(wavs[utterance]).duration
            found[utterance] = Recording(Path(wavs[utterance]), seconds, speakers[utterance], speak(texts[utterance]))
        except (sf.LibsndfileError, OSError) as error:
            raise UserError(f"{folder}/wav.scp: {wavs[utterance]}: {error}; relative names count from here") from None
        except UserError as error:
            refused = f"; text {speak.name}: {error}"
    if not found:
        raise UserError(f"--data {folder}: no utterance has audio, speaker and a text that can be spoken{refused}")
    return dict(sorted(found.items(), key=lambda pair: pair[1].seconds))


def _that_fits(aligner, folder: Path):
    for name in text.names():
        try:
            speak = text.create(name)
        except (UserError, ImportError):
            continue  # it has options that it needs
        if accepts(aligner, speak.phone_set):
            return speak
    raise UserError(
        f"--data {folder}: no text plugin makes phones of {', '.join(aligner.phone_sets)}; name one: --text"
    )


def _machine_made(aligner: Aligner, folder: Path, seed: int) -> dict[str, Recording]:
    import soundfile as sf

    rng, phones, made = np.random.default_rng(seed), spoken_for(aligner), {}
    for number in range(6):
        path = folder / f"sound{number}.wav"
        sf.write(path, sound(rng, RATE, 4.0), RATE)
        made[path.stem] = Recording(path, 4.0, "machine", phones)
    return made


def _read(aligner: Aligner, recordings: dict[str, Recording]) -> list[tuple[np.ndarray, Phones]]:
    from ellav.data.audio import read_wav

    return [(read_wav(one.wav, aligner.sample_rate), one.phones) for one in recordings.values()]


def _show_set(_aligner, recordings: dict[str, Recording], *_more) -> str:
    return f"{len(recordings)} recordings"


def _show_one(utterance: str, recording: Recording, _result) -> str:
    return f"{utterance}: {recording.seconds:.2f} s, phones = {' '.join(recording.phones.phones)}"


@law("the attributes of the contract are there", "Set it in the class body or in `__init__`.")
def attributes(aligner: SetAligner) -> None:
    """The alphabets."""
    has(aligner, phone_sets=PHONE_SETS)


@law(
    "each recording gets an alignment or a reason, in order",
    "Yield one Alignment or AlignmentError for each recording, in the order of `recordings`; raise UserError for what "
    "concerns the whole set.",
    _show_set,
)
def one_result_each(aligner: SetAligner, recordings: dict[str, Recording], made: list) -> None:
    """Number and kind of the results, which are put into `made`."""
    made[:] = _align_set(aligner, recordings)
    demand(len(made) == len(recordings), f"{len(made)} results for {len(recordings)} recordings")
    other = next((one for one in made if not isinstance(one, (Alignment, AlignmentError))), None)
    demand(other is None, f"a {type(other).__name__} comes back")


@law("recordings are aligned", "See why it refuses a recording of just these phones.", _show_one)
def aligns(_utterance: str, _recording: Recording, made: Alignment | AlignmentError) -> None:
    """None is refused."""
    demand(isinstance(made, Alignment), f"it is refused: {made}")


@law("the ends cover the sound", ENDS, _show_one)
def ends_cover_the_sound(_utterance: str, recording: Recording, made: Alignment | AlignmentError) -> None:
    """Shape, order and last value of `ends`; a finite score, or none."""
    if isinstance(made, Alignment):
        demand_ends(made, recording.phones, recording.seconds)


@law("the same set is aligned in the same way", "Seed what is random.", _show_set)
def repeatable(aligner: SetAligner, recordings: dict[str, Recording], made: list) -> None:
    """The same again, in another folder."""
    for utterance, one, again in zip(recordings, made, _align_set(aligner, recordings), strict=True):
        demand(type(one) is type(again), f"{utterance} is aligned one time and refused the other")
        demand(np.array_equal(one.ends, again.ends), f"the second time the ends of {utterance} are others")


def _align_set(aligner: SetAligner, recordings: dict[str, Recording]) -> list:
    with TemporaryDirectory() as folder:
        return list(aligner.align_set(recordings, Path(folder), 1))
