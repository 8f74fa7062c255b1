"""`ellav score`: stage 9, the scores of an experiment and its RESULTS.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ellav import config
from ellav.bin.options import add_choice, parse, parser
from ellav.data.option_files import file_hashes
from ellav.data.outputs import fingerprint, need, writing
from ellav.errors import UserError
from ellav.plugins.codecs import code_of_codec
from ellav.plugins.scorers import scorers
from ellav.plugins.transcribers import transcribers
from ellav.score.results import environment, summarise
from ellav.score.scoring import (
    ROWS,
    STAGE,
    Item,
    Setup,
    Task,
    enroll,
    items_of,
    score_all,
)
from ellav.score.tables import read_results, write_results
from ellav.score.training_set import model_words, recordings_of, training_recordings

DECODED = {"cross-sentence": "decode", "continuation": "decode_continuation"}
"""Mode of stage 8 -> the folder of the experiment that it writes."""


def main(argv: list[str]) -> None:
    made = parser("score", "Score what was decoded, beside the recordings, the codec's resynthesis and controls")
    made.add_argument("--exp", type=Path, required=True, help="the experiment: decode/SET in it is scored")
    made.add_argument(
        "--mode",
        default="cross-sentence",
        choices=list(DECODED),
        help="what must have been decoded; what is there of the other mode is scored beside it",
    )
    made.add_argument("--sets", nargs="+", required=True, help="test sets")
    made.add_argument("--train-set", default="train", help="whose text and speakers are known")
    made.add_argument("--raw", type=Path, default=Path("dump/raw"), help="folder of stage 2")
    made.add_argument("--phones", type=Path, default=Path("dump/phones"), help="folder of stage 3")
    made.add_argument("--codes", type=Path, default=Path("dump/codes"), help="folder of stage 4")
    made.add_argument("--codec", type=Path, default=Path("exp/codec"), help="the codec of stage 4")
    made.add_argument("--cache", type=Path, default=Path("exp/scores"), help="scores that all experiments share")
    made.add_argument("--lm", type=Path, default=Path("exp/lm"), help="where the language model goes")
    made.add_argument("--lm-order", type=int, default=2, help="of its n-grams; 0: the transcriber's own model")
    made.add_argument("--scorers", nargs="+", default=["wer", "similarity", "stability", "rtf"], metavar="NAME")
    made.add_argument(
        "--scorer-conf", action="append", nargs="+", default=[], metavar="NAME.KEY=VALUE", help="options of a scorer"
    )
    add_choice(made, "transcriber", "pocketsphinx", "transcribers")
    made.add_argument("--recordings", type=int, default=10, help="recordings that stand for a speaker, at most")
    made.add_argument(
        "--compare", action="append", type=Path, default=[], help="experiment to show beside (repeatable)"
    )
    made.add_argument("--command-line", default="", help="the command to name in the report")
    made.add_argument("--nj", type=int, default=1, help="processes")
    made.add_argument("--max-rejected", type=float, default=0.05, help="largest share of utterances that may fail")
    options = parse(made, argv)

    codec = config.read_yaml(need(options.codec / "codec.yaml", "4 (codes)"))
    beside = [read_results(folder) for folder in options.compare]
    specs = scorer_options(options)
    lm = str(options.lm / "lm.arpa")
    inputs = [options.lm] if any(conf.get("transcriber_conf", {}).get("lm") == lm for conf in specs.values()) else []
    setup = Setup(specs, options.codec, codec["sample_rate"], enrolled_arrays(options, specs, codec["sample_rate"]))
    inputs += [options.cache / f"enrolled_{name}" for name in setup.enrolled]

    metrics = metrics_of(specs)
    key = [judge(name, conf) for name, conf in specs.items()]
    tables = {
        mode: score_mode(options, mode, codec["frame_rate"], setup, key, list(metrics), inputs)
        for mode in modes(options)
    }
    results = {
        "tag": options.exp.name,
        "environment": environment(Path(__file__).parent),
        "command": options.command_line or "ellav score " + " ".join(argv),
        "metrics": metrics,
        **tables.get("cross-sentence", {"utterances": {}, "sets": {}}),
        "summaries": summaries(options.exp, options.sets),
    }
    if "continuation" in tables:
        results["continuation"] = tables["continuation"]
    write_results(options.exp, results, beside)
    print(f"{options.exp}/RESULTS.md")


def metrics_of(specs: dict[str, dict]) -> dict[str, str]:
    """Metric -> its line. Raises UserError where two scorers would write into one column."""
    owner: dict[str, str] = {}
    found = {}
    for name, conf in specs.items():
        for metric, meaning in scorers.create(name, conf).metrics.items():
            if metric in owner:
                raise UserError(
                    f"--scorers: {owner[metric]} and {name} both have a metric {metric!r}; name one of them only"
                )
            owner[metric], found[metric] = name, meaning
    return found


def judge(name: str, conf: dict) -> list:
    """What a scorer's figures depend on: its code, options and files, and those of its transcriber if it has one."""
    made = [scorers.record(name), conf, local_files(scorers.get(name), conf)]
    if "transcriber" in conf:
        listener = conf["transcriber"]
        made += [transcribers.record(listener), local_files(transcribers.get(listener), conf["transcriber_conf"])]
    return made


def local_files(target: type, conf: dict) -> dict[str, str]:
    """Option -> hash of the file or folder that it names here; some may also name what lies elsewhere."""
    named = {option: Path(conf[option]) for option in config.paths(target) if conf.get(option) is not None}
    return file_hashes({option: path for option, path in named.items() if path.exists()})


def modes(options) -> list[str]:
    """The modes to score: the one asked for, and the other where stage 8 has run in it with the same models."""
    return [mode for mode in DECODED if mode == options.mode or is_current(options.exp / DECODED[mode], options.sets)]


def is_current(decoded: Path, sets: list[str]) -> bool:
    """Whether all sets lie there, decoded from inputs that have not changed since; prints what is stale."""
    places = [decoded / name for name in sets]
    if not all(place.exists() for place in places):
        return False
    try:
        for place in places:
            fingerprint(place)
    except UserError as error:
        print(f"{decoded}: left out of the tables: {error}")
        return False
    return True


def score_mode(
    options, mode: str, frame_rate: float, setup: Setup, key: list, metrics: list[str], inputs: list[Path]
) -> dict[str, dict]:
    """utterances: set -> how many. sets: set -> row -> metric -> figure."""
    tasks = {name: tasks_of(options, mode, name, frame_rate, key, inputs) for name in options.sets}
    everything = [task for of_set in tasks.values() for task in of_set]
    records = score_all(everything, setup, options.nj, options.plugin, options.max_rejected)
    sets = {}
    for name in tasks:
        rows = {row: summarise([r for r in records if (r["set"], r["row"]) == (name, row)], metrics) for row in ROWS}
        sets[name] = {row: figures for row, figures in rows.items() if figures}
    return {"utterances": {name: len(of_set[0].items) for name, of_set in tasks.items()}, "sets": sets}


def tasks_of(options, mode: str, name: str, frame_rate: float, key: list, inputs: list[Path]) -> list[Task]:
    """Recorded, resynthesized and synthesized speech of a test set."""
    decoded = options.exp / DECODED[mode]
    suffix = DECODED[mode].removeprefix("decode")
    cache = options.cache / (name + suffix)
    places = {
        "recorded": (cache / "recorded", [options.raw / name]),
        "resynthesis": (cache / "resynthesis", [options.codes / name, options.codec]),
        "synthesized": (options.exp / f"scores{suffix}" / name, [decoded / name]),
    }
    tasks = []
    for kind, (out, made_from) in places.items():
        items = items_of(kind, name, options.raw, options.phones, options.codes, decoded, frame_rate)
        about = {"scorers": key, "items": _plain(items)}
        if kind == "resynthesis":
            about["codec"] = code_of_codec(options.codec)
        tasks.append(Task(out, items, about, made_from + inputs))
    return tasks


def scorer_options(options) -> dict[str, dict]:
    """Scorer -> its options, checked; those that listen get the transcriber and the language model."""
    given: dict[str, dict] = {name: {} for name in options.scorers}
    for key, value in options.scorer_conf.items():
        name, dot, option = key.partition(".")
        if not dot or name not in given:
            raise UserError(f"--scorer-conf {key}: write NAME.KEY=VALUE with one of {', '.join(given)}")
        given[name][option] = value
    for name in given:
        cls = scorers.get(name)
        if "transcriber" in config.schema(cls):
            listening = {"transcriber": options.transcriber, "transcriber_conf": transcriber_options(options)}
            given[name] = {**listening, **given[name]}
        scorers.create(name, given[name])  # to refuse wrong options before anything is computed
    return given


def transcriber_options(options) -> dict:
    """Its own options, and a language model of the training text if it can use one."""
    chosen = dict(options.transcriber_conf)
    if options.lm_order > 0 and "lm" in config.schema(transcribers.get(options.transcriber)) and "lm" not in chosen:
        chosen["lm"] = str(language_model(options))
    return chosen


def language_model(options) -> Path:
    """Write the n-gram model of the training words, with our pronunciations, if it is not there yet."""
    phones = options.phones / options.train_set
    need(phones / "words", "3 (phones and alignment)")
    with writing(options.lm, STAGE, {"order": options.lm_order}, [phones]) as folder:
        if folder is not None:
            model_words(phones, folder, options.lm_order)
    return options.lm / "lm.arpa"


def enrolled_arrays(options, specs: dict[str, dict], sample_rate: int) -> dict:
    """Scorer -> arrays, for those that know the speakers' recordings or learn from the training set."""
    enrolling, learning = ([n for n in specs if hasattr(scorers.get(n), method)] for method in ("enroll", "learn"))
    if not enrolling and not learning:
        return {}
    folders = [options.raw / name for name in (options.train_set, *options.sets)]
    for folder in folders:
        need(folder / "wav.scp", "2 (format wavs)")
    setup, found = Setup(specs, options.codec, sample_rate), {}
    recordings = recordings_of(folders, options.recordings) if enrolling else []
    for name in enrolling:
        place = options.cache / f"enrolled_{name}"
        found[name] = enroll(place, name, setup, judge(name, specs[name]), recordings, folders)
    phones = options.phones / options.train_set
    for name in learning:
        place = options.cache / f"enrolled_{name}"
        learned_from = training_recordings(folders[0], phones)
        found[name] = enroll(place, name, setup, judge(name, specs[name]), learned_from, [folders[0], phones])
    return found


def summaries(exp: Path, sets: list[str]) -> dict[str, dict]:
    """What training and decoding recorded about themselves, where they did."""
    places = {"ar": exp / "ar", "nar": exp / "nar"}
    places |= {f"{folder} {name}": exp / folder / name for folder in DECODED.values() for name in sets}
    found = {}
    for label, folder in places.items():
        if (folder / "summary.json").exists():
            found[label] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return found


def _plain(items: list[Item]) -> list[dict]:
    """What the recorded scores depend on: not what this experiment's decoding took."""
    return [
        {key: value for key, value in asdict(item).items() if key not in ("facts", "other", "other_phones")}
        for item in items
    ]
