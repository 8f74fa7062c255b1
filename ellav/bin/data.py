"""`ellav data check|fix|split`: look after Kaldi-style data folders."""

from __future__ import annotations

import random
from pathlib import Path

from ellav.bin.options import parse, parser
from ellav.data.kaldi import DataFolder, invert, write_table
from ellav.data.outputs import writing
from ellav.errors import UserError

TABLES = ("wav.scp", "text", "utt2spk")


def main(argv: list[str]) -> None:
    """Run `ellav data ACTION ...`."""
    actions = {"check": check, "fix": fix, "split": split}
    if argv and argv[0] in actions:
        return actions[argv[0]](argv[1:])
    if argv and argv[0] in ("-h", "--help"):
        print("usage: ellav data check|fix|split [options]     (ellav data check --help shows them)")
        return None
    raise UserError(f"expected one of {', '.join(actions)}, as in `ellav data check --data data/train`")


def check(argv: list[str]) -> None:
    """Print every fault of a folder; raises UserError where there is one."""
    made = parser("data check", "Report all faults of a data folder at once.")
    made.add_argument("--data", type=Path, required=True)
    options = parse(made, argv)
    found = faults(options.data)
    for fault in found:
        print(fault)
    if found:
        raise UserError(f"{options.data}: {len(found)} faults (above); mend them, or run `ellav data fix`")
    print(f"{options.data}: {len(DataFolder.read(options.data).wavs)} utterances, no fault found")


def fix(argv: list[str]) -> None:
    """Write a folder with the utterances that have audio, text and speaker, in order."""
    made = parser("data fix", "Sort the tables and keep the utterances that have audio, text and speaker.")
    made.add_argument("--data", type=Path, required=True)
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    options = parse(made, argv)
    wavs, text, speakers = (_lines(options.data / name, []) for name in TABLES)
    whole = [u for u in wavs if wavs[u] and text.get(u) and speakers.get(u) and _missing(wavs[u]) is None]
    if not whole:
        raise UserError(f"{options.data}: no utterance has audio, text and speaker")
    _write(options.out, "data fix", {}, options.data, DataFolder(wavs, text, speakers), whole)
    print(f"{options.out}: {len(whole)} of {len(wavs.keys() | text.keys() | speakers.keys())} utterances kept")


def split(argv: list[str]) -> None:
    """Write two folders: utterances held out (at random, or of some speakers), and the rest."""
    made = parser("data split", "Hold out utterances at random, or all utterances of some speakers.")
    made.add_argument("--data", type=Path, required=True)
    made.add_argument("--held-out", type=Path, required=True, help="folder to write")
    made.add_argument("--rest", type=Path, required=True, help="folder to write")
    made.add_argument("--utterances", type=int, default=None, help="how many to hold out")
    made.add_argument("--speakers", nargs="+", default=[], help="speakers to hold out")
    made.add_argument("--seed", type=int, default=0)
    options = parse(made, argv)
    data = DataFolder.read(options.data)
    unknown = set(options.speakers) - set(data.speakers.values())
    if unknown:
        raise UserError(f"{options.data}: no speaker {min(unknown)!r} there")
    pool = [u for u in data.wavs if not options.speakers or data.speakers[u] in options.speakers]
    if not options.speakers and options.utterances is None:
        raise UserError("give --utterances N, --speakers NAMES, or both (N utterances of those speakers)")
    count = len(pool) if options.utterances is None else options.utterances
    if not 0 < count <= len(pool) or count == len(data.wavs):
        raise UserError(f"{options.data}: cannot hold out {count} of {len(pool)} utterances ({len(data.wavs)} in all)")
    held = set(random.Random(options.seed).sample(pool, count))
    rest = [u for u in data.wavs if u not in held and not (options.speakers and u in pool)]
    settings = {"utterances": options.utterances, "speakers": sorted(options.speakers), "seed": options.seed}
    for out, chosen in ((options.held_out, sorted(held)), (options.rest, rest)):
        if not chosen:
            raise UserError(f"{out}: nothing would be left for it")
        _write(out, "data split", {**settings, "out": out.name}, options.data, data, chosen)
        print(f"{out}: {len(chosen)} utterances")


def faults(folder: Path) -> list[str]:
    """Everything wrong with a data folder, one line each, with file and line where known."""
    if not folder.is_dir():
        return [f"{folder}: no such folder"]
    found: list[str] = []
    tables = {name: _lines(folder / name, found) for name in TABLES}
    wavs, _, speakers = tables.values()
    for name, table in tables.items():
        for other in TABLES:
            lacking = sorted(tables[other].keys() - table.keys())
            if lacking and (name == "wav.scp" or other == "wav.scp"):
                more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
                found.append(f"{folder}/{name}: lacks {lacking[0]!r}{more}, which {other} has")
        found += [f"{folder}/{name}: {u!r} has no value" for u, value in table.items() if not value]
    for utterance, wav in wavs.items():
        problem = _missing(wav) if wav else None
        if problem:
            found.append(f"{folder}/wav.scp: {utterance!r}: {problem}")
    for utterance, speaker in speakers.items():
        if not utterance.startswith(speaker):
            found.append(f"{folder}/utt2spk: {utterance!r} does not begin with its speaker {speaker!r}")
    if (folder / "spk2utt").exists() and not any("utt2spk" in fault for fault in found):
        listed = {speaker: line.split() for speaker, line in _lines(folder / "spk2utt", found).items()}
        if listed != invert(speakers):
            found.append(f"{folder}/spk2utt: does not follow from utt2spk; delete it or run `ellav data fix`")
    return found


def _lines(path: Path, found: list[str]) -> dict[str, str]:
    """The first value of each key; what is wrong is appended to `found`."""
    try:
        content = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        found.append(f"{path}: no such file")
        return {}
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        found.append(f"{path}:{line}: not UTF-8")
        content = path.read_bytes().decode("utf-8", errors="ignore")
    table: dict[str, str] = {}
    previous = ""
    for number, line in enumerate(content.split("\n"), 1):
        key, _, value = line.strip().partition(" ")
        if not key:
            continue
        if key in table:
            found.append(f"{path}:{number}: {key!r} stands twice")
            continue
        if key.encode() < previous.encode():
            found.append(f"{path}:{number}: {key!r} is out of order; sort with `LC_ALL=C sort`")
        table[key] = value.strip()
        previous = key
    return table


def _missing(wav: str) -> str | None:
    if wav.endswith("|"):
        return "is a command; write its output to a file first"
    if not Path(wav).is_file():
        return f"{wav}: no such file"
    return f"{wav}: empty file" if Path(wav).stat().st_size == 0 else None


def _write(out: Path, stage: str, settings: dict, source: Path, data: DataFolder, chosen: list[str]) -> None:
    with writing(out, stage, settings, [source]) as folder:
        if folder is None:
            return
        tables = ({u: table[u] for u in chosen} for table in (data.wavs, data.text, data.speakers))
        kept = DataFolder(*tables)
        kept.write(folder)
        in_order = {u: kept.speakers[u] for u in sorted(kept.speakers, key=str.encode)}
        write_table(folder / "spk2utt", invert(in_order))
