"""Kaldi-style tables and data folders: `key value...` lines, sorted by key in byte order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ellav.data.outputs import write_text
from ellav.data.shards import tables_of
from ellav.errors import UserError, one_line
from ellav.text_files import decoded

BYTE_ORDER_MARK = "\ufeff"


def read_table(path: Path | str) -> dict[str, str]:
    """Key -> rest of the line; of a set that is cut into shards, of all shards behind one another.

    Raises UserError naming file and line for what is wrong.
    """
    parts = tables_of(Path(path)) or [Path(path)]
    table = dict(table_rows(parts[0]))
    for part in parts[1:]:
        more = dict(table_rows(part))
        twice = next((key for key in more if key in table), None)
        if twice is not None:
            raise UserError(f"{part}: {twice!r} stands in another shard, too; rerun the stage that makes them")
        table |= more
    return table


def table_rows(path: Path) -> Iterator[tuple[str, str]]:
    """Key and rest of each line of one file, a line at a time. Raises UserError as `read_table` does."""
    number, previous = 0, ""
    try:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.startswith(BYTE_ORDER_MARK) and number == 1:
                    raise UserError(f"{path}:1: begins with a byte order mark; `ellav data fix` removes it")
                line = line.strip()
                if not line:
                    continue
                key, _, value = line.partition(" ")
                if "\t" in key:
                    raise UserError(f"{path}:{number}: a tab stands after the id; `ellav data fix` makes it a space")
                if key == previous:
                    raise UserError(f"{path}:{number}: {key!r} stands twice; remove one of the two lines")
                if key < previous:  # as their bytes compare in UTF-8
                    raise UserError(f"{path}:{number}: {key!r} is out of order; sort it with `LC_ALL=C sort`")
                yield key, value.strip()
                previous = key
    except UnicodeDecodeError:
        decoded(path.read_bytes(), path)  # says where
        raise
    except OSError as error:
        raise UserError(f"{path}: {error.strerror.lower().replace(' or directory', '')}") from None


def set_rows(path: Path | str) -> Iterator[tuple[str, str]]:
    """As `table_rows`; of a set that is cut into shards, the rows of all shards behind one another."""
    for part in tables_of(Path(path)) or [Path(path)]:
        yield from table_rows(part)


def some_rows(path: Path | str, most: int) -> Iterator[tuple[str, str]]:
    """At most so many of `set_rows`, evenly over all; the same places in tables of the same number of rows."""
    total = sum(1 for _ in set_rows(path))
    places = iter(range(total)) if total <= most else (number * total // most for number in range(most))
    wanted = next(places, None)
    for number, row in enumerate(set_rows(path)):
        if number == wanted:
            yield row
            wanted = next(places, None)


def write_table(path: Path | str, table: dict[str, object]) -> None:
    """Write `key value` lines in byte order; lists are joined by spaces, a value of several lines becomes one."""
    write_text(Path(path), "".join(table_line(key, table[key]) for key in sorted(table, key=str.encode)))


def table_line(key: str, value: object) -> str:
    """A line of a table, as `write_table` writes it."""
    if not isinstance(value, str) and isinstance(value, Iterable):
        value = " ".join(map(str, value))
    if "\n" in str(value) or "\r" in str(value):
        value = one_line(value)
    return f"{key} {value}".rstrip() + "\n"


@dataclass(frozen=True)
class DataFolder:
    """A set of utterances: wav.scp, text, utt2spk; spk2utt is derived."""

    wavs: dict[str, str]
    text: dict[str, str]
    speakers: dict[str, str]

    @classmethod
    def read(cls, folder: Path | str) -> DataFolder:
        """Raises UserError naming the first utterance that stands in only some files."""
        folder = Path(folder)
        made = cls(*(read_table(folder / name) for name in ("wav.scp", "text", "utt2spk")))
        for name, table in (("text", made.text), ("utt2spk", made.speakers)):
            odd = sorted(made.wavs.keys() ^ table.keys())
            if odd:
                where = "wav.scp" if odd[0] in made.wavs else name
                raise odd_utterance(folder, name, odd[0], where, len(odd))
        if not made.wavs:
            raise UserError(f"{folder}: no utterances")
        return made

    def write(self, folder: Path | str) -> None:
        """Write the three tables and spk2utt into an existing folder."""
        folder = Path(folder)
        write_table(folder / "wav.scp", self.wavs)
        write_table(folder / "text", self.text)
        write_table(folder / "utt2spk", self.speakers)
        write_table(folder / "spk2utt", invert(self.speakers))


def odd_utterance(folder: Path, table: str, utterance: str, where: str, count: int) -> UserError:
    """For an utterance that only `where` has, of wav.scp and `table`; `count`: how many such there are."""
    return UserError(
        f"{folder}: utterance {utterance!r} is only in {where} ({count} such in {table});"
        " `ellav data check` lists them, `ellav data fix` drops them"
    )


def invert(utt2spk: dict[str, str]) -> dict[str, list[str]]:
    """Speaker -> its utterances, in the table's order."""
    spk2utt: dict[str, list[str]] = {}
    for utterance, speaker in utt2spk.items():
        spk2utt.setdefault(speaker, []).append(utterance)
    return spk2utt
