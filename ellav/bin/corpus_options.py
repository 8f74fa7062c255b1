"""What the corpora of `ellav corpus` share: their options, and how readers are divided among the sets."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Collection
from pathlib import Path

from ellav.bin.options import parse_bool
from ellav.data.corpora.filters import Bounds
from ellav.data.corpora.librispeech import FORMS
from ellav.data.corpora.pairing import Protocol
from ellav.data.corpora.readers import RANDOM, choose, sample
from ellav.data.corpora.sets import Plan
from ellav.errors import UserError, option_of


def add_readers(made: argparse.ArgumentParser, held_out: str) -> None:
    """Options that say which readers are kept apart."""
    made.add_argument(
        "--valid-readers",
        default=f"{RANDOM}8",
        help=f"readers of the set valid, not trained on: names, or {RANDOM}N for N of them; may be empty",
    )
    made.add_argument(
        "--held-out-readers", default=held_out, help="readers never trained on, for test_unseen: the same way"
    )


def add_subsets(made: argparse.ArgumentParser, train: list[str]) -> None:
    """Options of a corpus with subsets to train on, and what of their readers is kept back."""
    made.add_argument("--train-subsets", nargs="+", default=train, help="subsets to train on")
    made.add_argument(
        "--seen-utterances",
        type=int,
        default=0,
        help="utterances of each reader to keep back from training for test_seen, where the reader has four times as"
        " many, in the subsets that hold --held-out-readers (in all, where there are none)",
    )
    made.add_argument(
        "--valid-utterances",
        type=int,
        default=0,
        help="utterances of each reader to keep back from training for valid, where the reader has four times as many",
    )


def add_librispeech(made: argparse.ArgumentParser) -> None:
    """Options of the test sets, which come from LibriSpeech whatever the training set."""
    made.add_argument("--librispeech", type=Path, help="folder that holds the subsets, or LibriSpeech/ in it")
    made.add_argument("--libritts-text", default="normalized", choices=FORMS, help="which transcripts of LibriTTS")
    made.add_argument(
        "--test-list",
        type=Path,
        help="make test_list of this file's pairs and words, with recordings of --test-subsets: lines `prompt, seconds,"
        " words, utterance, seconds, words` parted by tabs, as F5-TTS publishes for LibriSpeech-PC",
    )
    add_tests(made, "test-clean")


def add_tests(made: argparse.ArgumentParser, example: str) -> None:
    """Options of the test subsets of a corpus, and of the protocol. example: a subset's name."""
    made.add_argument("--test-subsets", nargs="*", default=[], help=f"subsets to test on, for example {example}")
    made.add_argument(
        "--pairing",
        default="random",
        choices=["random", "previous"],
        help="prompts: a random other utterance of the reader (VALL-E), or the whole one before (VALL-E 2)",
    )
    made.add_argument(
        "--prompt-seconds",
        type=float,
        help="how much of a prompt is heard, from its beginning; 0: all of it (3 of random prompts, all of others)",
    )
    made.add_argument("--prompt-seed", type=int, default=0, help="of random prompts; other runs may have others")
    made.add_argument("--test-least-seconds", type=float, default=4.0, help="of what tests speak")
    made.add_argument("--test-most-seconds", type=float, default=10.0, help="of what tests speak")
    made.add_argument("--most-targets", type=int, default=0, help="utterances of a reader to test, at most; 0: all")


def add_bounds(
    made: argparse.ArgumentParser, least: float, most: float, rates: tuple[float, float] = (3.0, 22.0)
) -> None:
    """Options of the filters. Test subsets and lists are not filtered. rates: letters a second, least and most."""
    made.add_argument("--least-seconds", type=float, default=least, help="of an utterance")
    made.add_argument("--most-seconds", type=float, default=most, help="of an utterance")
    made.add_argument("--least-rate", type=float, default=rates[0], help="letters a second; slower: words are missing")
    made.add_argument("--most-rate", type=float, default=rates[1], help="letters a second; faster: words too many")


def add_run(made: argparse.ArgumentParser) -> None:
    """Options of every corpus."""
    made.add_argument("--hours", type=float, help="a sample of at most so many hours of training speech")
    made.add_argument("--seed", type=int, default=0, help="of all that is drawn")
    made.add_argument("--nj", type=int, default=1, help="processes")
    made.add_argument("--out", type=Path, default=Path("data"), help="folder of the sets")
    made.add_argument(
        "--download",
        type=parse_bool,
        default=False,
        help="fetch what is missing into the corpus's folder, from where it is published; says what (true|false)",
    )


def words(values: list[str]) -> list[str]:
    """Names given as several words or as one string."""
    return " ".join(values).split()


def plan_of(
    options: argparse.Namespace, readers: Collection[str], held_out: set[str], seen: Collection[str] = ()
) -> Plan:
    """Which readers go where. Raises UserError where none is left to train on."""
    rest = set(readers) - held_out
    both = next((name for name in options.valid_readers.split() if name in held_out), None)
    if both is not None:
        raise UserError(
            f"--valid-readers {options.valid_readers}: reader {both!r} is among --held-out-readers; take another"
        )
    valid = choose(options.valid_readers, rest, options.seed, "--valid-readers")
    if not rest - valid:
        raise UserError("no reader is left to train on; keep fewer of them apart, or name more subsets")
    taken = sample(rest - valid, options.hours, options.seed)
    if options.hours:
        valid, held_out = (set(sorted(some)[: len(taken.readers)]) for some in (valid, held_out))
    bounds = Bounds(options.least_seconds, options.most_seconds, options.least_rate, options.most_rate)
    kept = set(seen) & taken.readers if options.seen_utterances else set()
    protocol = protocol_of(options)
    return Plan(
        taken.readers,
        valid,
        held_out,
        options.valid_utterances,
        kept,
        options.seen_utterances,
        bounds,
        protocol,
        taken.seconds,
    )


def check_numbers(options: argparse.Namespace) -> None:
    """Raises UserError for a number that is none, below what it counts, or contradicts another."""
    for name, least in (
        *((name, 0) for name in ("valid_utterances", "seen_utterances", "most_targets", "most_pause", "margin")),
        *((name, 0) for name in ("least_seconds", "test_least_seconds", "least_rate", "least_confidence")),
        *((name, 0) for name in ("most_seconds", "test_most_seconds", "most_rate", "most_disagreement")),
        ("hours", 0),
        ("nj", 1),
    ):
        value = getattr(options, name, None)
        most = math.inf if "most" in name else sys.float_info.max
        if value is not None and not least <= value <= most:
            raise UserError(f"{option_of(name)} must be {least} or more, not {value:g}")
    if getattr(options, "least_confidence", 0) > 1:
        raise UserError(f"--least-confidence is 0 to 1, not {options.least_confidence:g}")
    for least, most in (
        ("least_seconds", "most_seconds"),
        ("test_least_seconds", "test_most_seconds"),
        ("least_rate", "most_rate"),
    ):
        low, high = getattr(options, least), getattr(options, most)
        if low > high:
            raise UserError(f"{option_of(least)} {low:g} is above {option_of(most)} {high:g}: nothing is left")
    if options.prompt_seconds is not None and not (options.prompt_seconds == 0 or 1 <= options.prompt_seconds <= 60):
        raise UserError(f"--prompt-seconds is 1 to 60, or 0 for the whole prompt, not {options.prompt_seconds:g}")
    if getattr(options, "seen_utterances", 0) == 1:
        raise UserError("--seen-utterances must be 2 or more: one of a reader's prompts the other")


def prompt_seconds_of(options: argparse.Namespace) -> float:
    """How much of a prompt is heard; 0: all of it."""
    if options.prompt_seconds is not None:
        return options.prompt_seconds
    return 3.0 if options.pairing == "random" and getattr(options, "test_list", None) is None else 0.0


def protocol_of(options: argparse.Namespace) -> Protocol:
    """How tests are made; of a sample, two utterances of a reader."""
    most = options.most_targets or (2 if options.hours else 0)
    return Protocol(
        options.test_least_seconds,
        options.test_most_seconds,
        options.pairing,
        prompt_seconds_of(options),
        most,
        options.seed,
        options.prompt_seed,
    )


def settings_of(plan: Plan, settings: dict, options: argparse.Namespace) -> dict[str, dict]:
    """What the content of each set of a plan depends on."""
    of_all = settings | {"bounds": plan.bounds, "seed": options.seed, "hours": options.hours}
    kept = (plan.valid_utterances, plan.seen_utterances, plan.protocol.least, plan.protocol.most)
    seen = {"valid": sorted(plan.valid), "seen": sorted(plan.seen), "kept": kept}
    made = {
        "train": {"readers": sorted(plan.train), **seen},
        "valid": {"readers": sorted(plan.train | plan.valid), **seen},
        "test_unseen": {"readers": sorted(plan.held_out), "protocol": plan.protocol},
        "test_seen": {"protocol": plan.protocol, "readers": sorted(plan.train), **seen},
    }
    return {name: of_all | made[name] for name in plan.sets}
