"""What all contract checks share: laws that carry their advice, and the search for a small example."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ellav.errors import one_line

Group = tuple[Sequence[Callable], Sequence[tuple]]
"""Laws, and the arguments to try each of them with, small ones first."""


class ContractError(AssertionError):
    """A law that a plugin breaks.

    law: what must hold. found: what was found instead. advice: one sentence on what to do.
    example: the input it was found with, empty where none matters.
    """

    def __init__(self, law: str, found: str, advice: str, example: str = ""):
        super().__init__(law, found, advice, example)
        self.law, self.found, self.advice, self.example = law, found, advice, example

    def __str__(self) -> str:
        with_what = f" (with {self.example})" if self.example else ""
        return f"{self.law}: {self.found}{with_what}. {self.advice}"


class _FoundError(AssertionError):
    """What a law found; the law's name and advice are put around it."""


def demand(holds: bool, found: str) -> None:
    """To be called inside a law: breaks it with `found` unless `holds`."""
    if not holds:
        raise _FoundError(found)


def law(statement: str, advice: str, show: Callable[..., str] | None = None) -> Callable[[Callable], Callable]:
    """Decorator of a function that `demand`s. What the plugin itself raises breaks the law too.

    statement: what must hold, in a few words. advice: one sentence by which the plugin's author
    can mend it. show: from the function's arguments to the example that a person reads.
    """

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def checked(*arguments):
            try:
                return function(*arguments)
            except ContractError:
                raise
            except Exception as error:
                example = show(*arguments) if show else ""
                raise ContractError(statement, _told(error), advice, example) from error

        checked.statement, checked.advice = statement, advice
        return checked

    return decorate


def broken_laws(groups: Iterable[Group]) -> list[ContractError]:
    """Of the first group in which a law breaks, every broken law with its first failing case.

    The groups build on one another, so the later ones are not tried then.
    """
    for laws, cases in groups:
        errors = [error for one in laws for error in _first(one, cases)]
        if errors:
            return errors
    return []


def keep_laws(groups: Iterable[Group]) -> None:
    """Raises the ContractError of the first broken law."""
    for error in broken_laws(groups):
        raise error


def has(plugin, **kinds: tuple[Callable[[object], bool], str]) -> None:
    """To be called inside a law: attribute -> (whether a value will do, what is wanted)."""
    for name, (fits, wanted) in kinds.items():
        demand(hasattr(plugin, name), f"{name} is missing; it must be {wanted}")
        value = getattr(plugin, name)
        demand(bool(fits(value)), f"{name} is {value!r}; it must be {wanted}")


METHOD = (callable, "a method")
"""What `has` takes for methods."""


def is_count(value, least: int = 1) -> bool:
    """Whether it is a whole number, at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


SAMPLE_RATE = (is_count, "the Hz of the audio that it takes, a positive integer")
"""What `has` takes for the rate at which a plugin listens."""


def _first(one: Callable, cases: Sequence[tuple]) -> Iterator[ContractError]:
    for case in cases:
        try:
            one(*case)
        except ContractError as error:
            yield error
            return


def _told(error: Exception) -> str:
    if isinstance(error, _FoundError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    reason = one_line(error, 300)
    return f"{type(error).__name__}: {reason} ({Path(frame.filename).name}:{frame.lineno}, in {frame.name})"
