"""Runs the Montreal Forced Aligner, a program in an environment of its own."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ellav.errors import UserError
from ellav.plugins.aligners import ANY, Alignment, AlignmentError, Recording, aligners
from ellav.plugins.aligners.intervals import Matching
from ellav.plugins.aligners.textgrid import find, read_tier
from ellav.types import SILENCE

INSTALLER = "tools/installers/install_mfa.sh"


@aligners.register("mfa")
class MFA:
    """Aligns our pronunciations with `mfa align` and an acoustic model that knows our phones.

    model: the acoustic model, a name that MFA knows (`english_us_arpa`) or a file. command: how the program
    is called, for example `micromamba run -n aligner mfa`. beam, retry_beam: its search. shard: it runs on this
    many utterances at once, whole speakers each time; what is done is not done again after an interruption.
    silences, phone_map: as of `textgrid`.
    """

    phone_sets = (ANY,)

    def __init__(
        self,
        model: str,
        command: str = "mfa",
        beam: int = 10,
        retry_beam: int = 40,
        shard: int = 5000,
        silences: list[str] | None = None,
        phone_map: Path | None = None,
    ):
        self.model, self.command = model, shlex.split(command)
        self.beam, self.retry_beam, self.shard = beam, retry_beam, shard
        self.matching = Matching(silences or (), phone_map)
        if not self.command or shard < 1:
            raise ValueError("command must name a program, and shard be at least 1")

    def align_set(
        self, recordings: dict[str, Recording], folder: Path, jobs: int
    ) -> Iterator[Alignment | AlignmentError]:
        """Yields for each recording, in order, its alignment, or why it has none.

        Raises UserError where the program is missing or fails, with the end of what it said.
        """
        if shutil.which(self.command[0]) is None:
            raise UserError(
                f"aligner mfa: there is no program {self.command[0]!r}; install it with {INSTALLER}, or say how it is"
                " called with --aligner-conf command="
            )
        names = {utterance: f"u{number:07d}" for number, utterance in enumerate(recordings)}
        files: dict[str, list[Path]] = {}
        shards = split(recordings, self.shard)
        for number, utterances in enumerate(shards):
            out = folder / f"shard{number:04d}"
            if not out.exists():
                print(f"aligner mfa: part {number + 1} of {len(shards)}, {len(utterances)} utterances", flush=True)
                self._run({names[u]: recordings[u] for u in utterances}, out, jobs)
            for path in sorted(out.rglob("*.TextGrid")):
                files.setdefault(path.stem, []).append(path)
        for utterance, recording in recordings.items():
            try:
                path = find(files, names[utterance], "")
                yield self.matching.align(read_tier(path, "phones", "s"), recording.phones, recording.seconds)
            except AlignmentError as error:
                yield error if names[utterance] in files else AlignmentError("mfa could not align it")

    def _run(self, recordings: dict[str, Recording], out: Path, jobs: int) -> None:
        work = out.with_suffix(".work")
        shutil.rmtree(work, ignore_errors=True)
        write_corpus(recordings, work)
        options = ["--output_format", "long_textgrid", "--clean", "--temporary_directory", work / "mfa"]
        search = ["--num_jobs", jobs, "--beam", self.beam, "--retry_beam", self.retry_beam]
        inputs = [work / "corpus", work / "dictionary.txt", self.model, work / "grids"]
        call = [str(part) for part in (*self.command, "align", *options, *search, *inputs)]
        # Its interpreter is another one, for which what ours is told would be wrong.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        log = out.with_suffix(".log")
        with open(log, "w", encoding="utf-8") as stream:
            code = subprocess.call(call, stdout=stream, stderr=subprocess.STDOUT, env=environment)
        if code != 0 or not (work / "grids").is_dir():
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = next((line.strip() for line in reversed(said) if line.strip()), "nothing said")
            raise UserError(f"aligner mfa: `mfa align` ended with {code}: {last}; all it said is in {log}")
        (work / "grids").rename(out)
        shutil.rmtree(work)


def split(recordings: dict[str, Recording], most: int) -> list[list[str]]:
    """Utterances in parts of about `most`, no speaker in two."""
    speakers: dict[str, list[str]] = {}
    for utterance, recording in recordings.items():
        speakers.setdefault(recording.speaker, []).append(utterance)
    parts: list[list[str]] = []
    for utterances in speakers.values():
        if not parts or len(parts[-1]) + len(utterances) > most:
            parts.append([])
        parts[-1] += utterances
    return parts


def write_corpus(recordings: dict[str, Recording], work: Path) -> None:
    """work/corpus/SPEAKER/UTTERANCE.{wav,lab} and work/dictionary.txt.

    A word is written as `w` and the number of its pronunciation, so that it has exactly this one
    and nothing in its spelling can be taken for a sign.
    """
    numbers: dict[tuple[str, ...], int] = {}
    speakers = {speaker: f"s{n:05d}" for n, speaker in enumerate(sorted({r.speaker for r in recordings.values()}))}
    for name, recording in recordings.items():
        folder = work / "corpus" / speakers[recording.speaker]
        folder.mkdir(parents=True, exist_ok=True)
        wav = Path(recording.wav).resolve()
        (folder / (name + wav.suffix)).symlink_to(wav)
        spoken: dict[int, list[str]] = {}
        for phone, word in zip(recording.phones.phones, recording.phones.word_of_phone, strict=True):
            if phone != SILENCE:
                spoken.setdefault(word, []).append(phone)
        said = [numbers.setdefault(tuple(phones), len(numbers)) for phones in spoken.values()]
        (folder / f"{name}.lab").write_text(" ".join(f"w{number}" for number in said) + "\n", encoding="utf-8")
    lines = [f"w{number}\t{' '.join(phones)}\n" for phones, number in numbers.items()]
    (work / "dictionary.txt").write_text("".join(lines), encoding="utf-8")
