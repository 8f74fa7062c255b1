"""A tokenised set as the models see it: token list, statistics, and utterances read on demand."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ellav.config import read_yaml
from ellav.data.codes import FRAMES, CodesReader
from ellav.data.index import open_index
from ellav.data.index_shard import LENGTHS, SPEAKERS
from ellav.data.rows import Column, Rows
from ellav.errors import UserError, one_line
from ellav.types import SILENCE, Utterance

STATISTICS = (
    "frame_rate",
    "codebooks",
    "codebook_size",
    "most_phone",
    "most_silence",
    "mean_frames",
    "frames_per_phone",
    "max_frames",
)


MOST_PHONES, LONGEST_PHONE = 100_000, 100
"""Of a token list, and letters of a phone."""


class Tokens:
    """The token list and the statistics of the training set.

    phones: the symbols; a phone's id is its index. stats: at least the keys of STATISTICS.
    silence: the id of `sp`, or -1 where the list has none.
    """

    def __init__(self, phones: list[str], stats: dict):
        self.phones = list(phones)
        self.stats = dict(stats)
        self.id = {phone: i for i, phone in enumerate(self.phones)}
        self.silence = self.id.get(SILENCE, -1)

    @classmethod
    def read(cls, folder: Path | str) -> Tokens:
        """From `tokens.txt` and `stats.yaml`; raises UserError where they are not as written."""
        path = Path(folder) / "tokens.txt"
        if not path.exists():
            raise UserError(f"{path}: no such file; run stage 5 (tokens) first")
        try:
            with open(path, "rb") as stream:
                phones = stream.read(MOST_PHONES * LONGEST_PHONE).decode("utf-8").split()
        except (IsADirectoryError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: no list of phones: {one_line(error)}; rerun stage 5 (tokens)") from None
        check_phones(phones, str(path))
        stats = read_yaml(path.with_name("stats.yaml"))
        check_statistics(stats, str(path.with_name("stats.yaml")))
        return cls(phones, stats)

    def __len__(self) -> int:
        return len(self.phones)

    def encode(self, symbols: Iterable[str], where: str = "text") -> np.ndarray:
        """(N,) int32 ids; raises UserError naming `where` for a phone that is not in the list."""
        try:
            return np.array([self.id[symbol] for symbol in symbols], dtype=np.int32)
        except KeyError as error:
            raise UserError(
                f"{where}: phone {error.args[0]!r} is not in the token list ({' '.join(self.phones)})"
            ) from None

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The symbols of ids."""
        return [self.phones[i] for i in ids]

    def bounds(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) least and (N,) most frames that each phone may have, both int32."""
        silent = np.asarray(ids) == self.silence
        least = np.where(silent, 0, 1).astype(np.int32)
        most = np.where(silent, self.stats["most_silence"], self.stats["most_phone"]).astype(np.int32)
        return least, most


def check_phones(phones: list, where: str) -> None:
    """Raises UserError naming `where` unless this is a token list: symbols without spaces, each once."""
    if not 1 <= len(phones) <= MOST_PHONES:
        raise UserError(f"{where}: expected one phone a line, found {len(phones)} of at most {MOST_PHONES}")
    odd = next(
        (p for p in phones if not isinstance(p, str) or not 1 <= len(p) <= LONGEST_PHONE or p.split() != [p]), None
    )
    if odd is not None:
        raise UserError(f"{where}: {one_line(repr(odd), 100)} is no phone, which is a word in quotes")
    if len(set(phones)) != len(phones):
        seen: set[str] = set()
        twice = next(p for p in phones if p in seen or seen.add(p))
        raise UserError(f"{where}: expected one phone a line, each once; {twice!r} stands there twice")


def check_statistics(stats: dict, where: str) -> None:
    """Raises UserError naming `where`, and the figure, for one that is missing, no number or beyond what speech has."""
    missing = [key for key in STATISTICS if key not in stats]
    if missing:
        raise UserError(f"{where}: {missing[0]!r} is missing; rerun stage 5 (tokens)")
    rate = stats["frame_rate"]
    minute, hour = (seconds * rate if type(rate) in (int, float) else 0 for seconds in (60, 3600))
    bounds = {
        "frame_rate": (float, 1, 10_000),
        "codebooks": (int, 1, 64),
        "codebook_size": (int, 1, 32_768),  # codes are 16 bits
        "most_phone": (int, 1, minute),
        "most_silence": (int, 0, minute),
        "mean_frames": (float, 0, hour),
        "frames_per_phone": (float, 0.001, minute),
        "max_frames": (int, 1, hour),
    }
    # How silence was treated, which models made before it was do not tell.
    bounds |= {name: (float, 0, math.inf) for name in ("edge_silence", "least_pause") if name in stats}
    for name, (kind, least, most) in bounds.items():
        value = stats[name]
        if type(value) not in (int, kind) or not least <= value <= most:
            number = "a whole number" if kind is int else "a number"
            raise UserError(
                f"{where}: {name} should be {number} from {least:g} to {most:g}, found {one_line(repr(value), 100)};"
                " rerun stage 5 (tokens)"
            )


class Dataset:
    """The utterances of one set, in the order of its shards and of their ids; `dataset[i]` reads one.

    Opening it maps the set's index (`ellav.data.index`) and reads no table; phones, durations and codes are read from
    the files when an utterance is asked for. So the size of a set costs no memory of a process's own.
    ids, speakers: sequences of str that read the tables. lengths: (U,) int32 frames. by_speaker: the utterances of
    each speaker. keep: how many of the last utterances stay in memory.
    """

    def __init__(self, folder: Path | str, tokens: Tokens, allow_pipes: bool = False, keep: int = 512):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise UserError(f"{self.folder}: no such folder; run stage 5 (tokens) first")
        self.tokens = tokens
        self._index = open_index(self.folder)
        self._rows = Rows(self._index)
        self.ids, self.speakers = Column(self._rows, LENGTHS, key=True), Column(self._rows, SPEAKERS)
        self.lengths, self.by_speaker = self._index.lengths, self._index.by_speaker
        self._reader = CodesReader(allow_pipes)
        self._keep = keep
        self._kept: OrderedDict[int, Utterance] = OrderedDict()

    def __getstate__(self) -> tuple:
        return self.folder, self.tokens, self._reader.allow_pipes, self._keep

    def __setstate__(self, state: tuple) -> None:
        self.__init__(*state)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Utterance:
        """Raises UserError naming the utterance where its tables and codes do not fit together."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        utterance = self._read(range(len(self))[index])
        self._kept[index] = utterance
        if len(self._kept) > self._keep:
            self._kept.popitem(last=False)
        return utterance

    def text(self, index: int) -> str:
        """What is said, as the data folder has it."""
        return self._value("text", index)

    def pauses(self, index: int) -> np.ndarray:
        """(n,) indices of the phones that are no part of the text: pauses that the aligner found in the recording."""
        return np.array(self._optional("pauses", index, "").split(), dtype=np.int64)

    def cut_off(self, index: int) -> int:
        """Frames at the beginning of the recording that are no part of the utterance: silence, see stage 5."""
        frames = FRAMES.search(self._value("codes.scp", index))
        return int(frames[1]) if frames else 0

    def _value(self, table: str, index: int) -> str:
        return self._rows.value(table, index, self.ids[index])

    def _read(self, index: int) -> Utterance:
        utterance, speaker = self._rows.row(SPEAKERS, index)
        folder = self._index.folders[self._index.shard(index)[0]]
        where = f"{folder}: utterance {utterance!r}"
        values = [
            self._rows.value(name, index, utterance) for name in ("phones", "word_of_phone", "durations", "codes.scp")
        ]
        try:
            phones = self.tokens.encode(values[0].split(), where)
            words, durations = (np.array(value.split(), dtype=np.int32) for value in values[1:3])
        except ValueError as error:
            raise UserError(f"{where}: {error}; rerun stage 5 (tokens)") from None
        codes = self._reader.read(values[3])
        if not len(phones) == len(words) == len(durations):
            raise UserError(f"{where}: phones, word_of_phone and durations differ in length; rerun stage 5 (tokens)")
        if durations.sum() != len(codes) or len(codes) != self.lengths[index]:
            raise UserError(
                f"{where}: durations sum to {durations.sum()}, the codes have {len(codes)} frames, utt2num_frames says"
                f" {self.lengths[index]}; rerun stages 4 and 5"
            )
        size, books = self.tokens.stats["codebook_size"], self.tokens.stats["codebooks"]
        if codes.shape[1] != books or (len(codes) and (codes.min() < 0 or codes.max() >= size)):
            raise UserError(f"{where}: codes are not (T, {books}) integers below {size}; rerun stages 4 and 5")
        language = self._rows.value("utt2lang", index, utterance) if "utt2lang" in self._index.tables else "und"
        return Utterance(utterance, speaker, language, phones, words, durations, codes)

    def _optional(self, table: str, index: int, missing: str) -> str:
        return self._value(table, index) if table in self._index.tables else missing
