"""`ellav report`: an experiment as one HTML page, with its tables, curves and speech."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ellav.bin.options import parse, parser
from ellav.config import read_yaml
from ellav.data.outputs import fingerprint, need, write_text
from ellav.errors import UserError
from ellav.plugins.codecs import load_codec
from ellav.score import page
from ellav.score.page.build import MODELS, build, key_in
from ellav.score.page.speech import Places
from ellav.score.tables import read_results
from ellav.text_files import read_text


def main(argv: list[str]) -> None:
    """Write EXP/report.html, unless it is there and nothing that it shows has changed."""
    made = parser("report", "One page of an experiment: its results, training curves and speech, in EXP/report.html.")
    made.add_argument("--exp", type=Path, required=True, help="the experiment, scored by stage 9")
    made.add_argument("--raw", type=Path, default=Path("dump/raw"), help="folder of stage 2")
    made.add_argument("--align", type=Path, default=Path("dump/align"), help="folder of stage 3")
    made.add_argument("--codes", type=Path, default=Path("dump/codes"), help="folder of stage 4")
    made.add_argument("--codec", type=Path, default=Path("exp/codec"), help="the codec of stage 4")
    made.add_argument("--cache", type=Path, default=Path("exp/scores"), help="scores that all experiments share")
    made.add_argument(
        "--compare", action="append", type=Path, default=[], help="experiment to show beside (repeatable)"
    )
    made.add_argument("--utterances", type=int, default=6, help="of each test set to listen to")
    made.add_argument("--max-megabytes", type=float, default=10.0, help="fewer utterances are shown to stay below it")
    made.add_argument("--about", type=Path, help="file that says what the corpus is, for the top of the page")
    options = parse(made, argv)
    if options.utterances < 0:
        raise UserError(f"--utterances must not be negative, not {options.utterances}")

    exps = (options.exp, *options.compare)
    results, *beside = [read_results(exp) for exp in exps]
    described = read_yaml(need(options.codec / "codec.yaml", "4 (codes)"))
    out = options.exp / "report.html"
    about = _text(options.about) if options.about else ""
    key = _key(options, about, results["sets"])
    if key_in(out) == key:
        print(f"{out}: up to date")
        return
    places = Places(exps, options.raw, options.align, options.codes, options.cache)
    text, shown = build(
        places,
        results,
        beside,
        load_codec(options.codec),
        described,
        options.utterances,
        round(options.max_megabytes * 1e6),
        about,
        key,
    )
    write_text(out, text)
    print(f"{out}: {len(text.encode()) / 1e6:.1f} MB, {shown} utterances of each test set")


def _text(path: Path) -> str:
    try:
        return " ".join(read_text(path).split())
    except OSError as error:
        raise UserError(f"--about {path}: not a readable text file ({error})") from None


def _key(options, about: str, sets: dict) -> str:
    """Of everything that the page is made from. Raises UserError where a stage is missing or stale."""
    paths = [options.codec, Path(page.__file__).parent]
    for name in sets:
        for folder, stage in (
            (options.raw, "2 (format wavs)"),
            (options.align, "3 (phones and alignment)"),
            (options.codes, "4 (codes)"),
            (options.exp / "decode", "8 (decode)"),
        ):
            paths.append(need(folder / name, stage))
        others = [options.exp / "scores" / name, *(options.cache / name / row for row in ("recorded", "resynthesis"))]
        others += [exp / kind / name for exp in options.compare for kind in ("decode", "scores")]
        paths += [path for path in others if path.exists()]
    for exp in (options.exp, *options.compare):
        paths.append(exp / "results.json")
        for model, stage in MODELS.items():
            logged = exp / model / "losses.tsv"
            if exp == options.exp:
                need(logged, stage)
            paths += [logged] if logged.exists() else []
    plain = [options.utterances, options.max_megabytes, about, options.compare]
    content = json.dumps([plain, [fingerprint(path) for path in paths]], default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
