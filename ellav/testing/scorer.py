"""The laws of the scorer contract: which figures come back, of any speech and of none."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator

import numpy as np

from ellav.plugins.scorers import Scored, Scorer
from ellav.testing.contract import METHOD, Group, demand, has, keep_laws, law
from ellav.testing.sounds import show as show_sound
from ellav.testing.sounds import sound, sounds

RATE = 16000
FACTS = {
    "frames": 50, "target_frames": 55, "prompt_frames": 20, "phones": 12, "cuts": 1, "hit_bound": False,
    "steps": 70, "audio_seconds": 1.0, "seconds": 2.0,
}  # fmt: skip


def check_scorer(scorer: Scorer, fresh: Scorer, cases: int = 3, seed: int = 0) -> None:
    """Score machine-made sounds. fresh: another instance with the same options.

    Raises ContractError with the smallest counter-example.
    """
    keep_laws(scorer_laws(scorer, fresh, cases, seed))


def scorer_laws(scorer: Scorer, fresh: Scorer, cases: int = 3, seed: int = 0) -> Iterator[Group]:
    """The laws in groups that build on one another; sounds go from short to long."""
    yield [attributes], [(scorer,)]
    if hasattr(scorer, "enroll"):
        yield [enrolls], [(scorer, seed)]
        scorer.enrolled = fresh.enrolled = scorer.enroll(recordings(seed))
    if hasattr(scorer, "learn"):
        yield [learns], [(scorer, seed)]
        scorer.enrolled = fresh.enrolled = scorer.learn(recordings(seed))
    tried = [(scorer, utterance) for utterance in utterances(cases, seed)]
    yield [pairs_of_numbers], tried
    yield [repeatable, utterance_kept], tried
    yield [instances_agree], [(scorer, fresh, utterance) for _, utterance in tried]


def utterances(cases: int, seed: int) -> list[Scored]:
    """With and without words, prompt and facts; speech-like sounds, noise, silence and nothing."""
    made = []
    for number, wav in enumerate(sounds(RATE, cases, seed)):
        prompt = sound(np.random.default_rng(seed + number), RATE, 2.0) if number % 2 else None
        text = "" if number == 3 else "THE OLD KING SLEPT"
        facts = dict(FACTS) if number % 3 else {}
        phones = ("sp", "K", "IH", "NG", "sp") if text else ()
        made.append(Scored(f"u{number}", f"s{number % 2}", text, wav, RATE, prompt, facts, phones=phones))
    return made


def recordings(seed: int) -> list[Scored]:
    """Six recordings of each of two speakers."""
    rng = np.random.default_rng(seed)
    said = [("sp", "K", "IH", "NG", "sp"), ("sp", "S", "IH", "NG", "sp")]
    return [Scored(f"r{i}", f"s{i % 2}", "", sound(rng, RATE, 1.0), RATE, phones=said[i % 2]) for i in range(12)]


def _show(*arguments) -> str:
    utterance = arguments[-1]
    parts = [show_sound(None, utterance.wav), f"text {utterance.text!r}"]
    parts += ["no prompt"] * (utterance.prompt is None) + ["no facts"] * (not utterance.facts)
    return ", ".join(parts)


@law("the attributes of the contract are there", "Set it in the class body or in `__init__`.")
def attributes(scorer: Scorer) -> None:
    """What its figures are."""
    has(
        scorer,
        metrics=(
            lambda value: (
                isinstance(value, dict) and value and all(isinstance(s, str) and s for s in [*value, *value.values()])
            ),
            "a dict of metric name -> one line that says what it is and its unit",
        ),
        reads_text=(lambda value: isinstance(value, bool), "True or False"),
        score=METHOD,
    )


@law(
    "enroll returns plain arrays",
    "Return a dict of numpy arrays of numbers or strings: they are saved and set as `enrolled` in every process.",
)
def enrolls(scorer: Scorer, seed: int) -> None:
    """A dict of arrays without objects; also of no recordings."""
    for given in (recordings(seed), []):
        _plain_arrays(scorer.enroll(iter(given)), given)


@law(
    "learn returns plain arrays",
    "Return a dict of numpy arrays of numbers or strings: they are saved and set as `enrolled` in every process.",
)
def learns(scorer: Scorer, seed: int) -> None:
    """A dict of arrays without objects; also of no recordings."""
    for given in (recordings(seed), []):
        _plain_arrays(scorer.learn(iter(given)), given)


def _plain_arrays(arrays: dict[str, np.ndarray], given: list[Scored]) -> None:
    demand(isinstance(arrays, dict), f"of {len(given)} recordings a {type(arrays).__name__} comes back")
    for name, value in arrays.items():
        plain = isinstance(value, np.ndarray) and value.dtype.kind in "biufU"
        demand(plain, f"{name!r} of {len(given)} recordings is {getattr(value, 'dtype', type(value))}")


@law(
    "a metric is a pair of plain numbers, a remark a string",
    "Return `{metric: (float(numerator), float(denominator))}` for metrics of `metrics` that apply, leave out the "
    "others, and give a string under any other name.",
    _show,
)
def pairs_of_numbers(scorer: Scorer, utterance: Scored) -> None:
    """What `ellav score` can write and add up."""
    result = scorer.score(utterance)
    demand(isinstance(result, dict), f"a {type(result).__name__} comes back")
    for name, value in result.items():
        if name not in scorer.metrics:
            demand(isinstance(value, str), f"{name!r} is not in `metrics` and {value!r} is no string")
            continue
        plain = isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, (int, float)) for part in value)
        demand(plain, f"{name!r} is {value!r}")
        demand(all(math.isfinite(part) for part in value), f"{name!r} is {value!r}")
        demand(value[1] > 0, f"{name!r} has denominator {value[1]!r}; leave out what does not apply")
    json.dumps(result)


@law(
    "a score does not depend on what was scored before",
    "Keep nothing between calls that changes the result, and draw no random numbers.",
    _show,
)
def repeatable(scorer: Scorer, utterance: Scored) -> None:
    """The same again, with another utterance in between."""
    first = scorer.score(utterance)
    scorer.score(Scored("other", "s0", "OTHER WORDS", sound(np.random.default_rng(9), RATE, 1.0), RATE))
    again = scorer.score(utterance)
    demand(first == again, f"first {first}, the second time {again}")


@law("the utterance is not changed", "Work on copies of the samples and of the facts.", _show)
def utterance_kept(scorer: Scorer, utterance: Scored) -> None:
    """No operation in place."""
    given = copy.deepcopy(utterance)
    scorer.score(given)
    demand(np.array_equal(given.wav, utterance.wav), "its samples are changed")
    demand(given.facts == utterance.facts, "its facts are changed")


@law(
    "instances with the same options agree",
    "Keep in `enrolled` all that a score needs: each process makes an instance of its own.",
    _show,
)
def instances_agree(scorer: Scorer, fresh: Scorer, utterance: Scored) -> None:
    """Two instances, given the same `enrolled`, score alike."""
    mine, theirs = scorer.score(utterance), fresh.score(utterance)
    demand(mine == theirs, f"one gives {mine}, the other {theirs}")
