"""`ellav fit-aligner`: the aligner of a recipe, trained where it is trainable."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from ellav.bin.align import read_phones
from ellav.bin.options import add_choice, parse, parser
from ellav.config import yaml_text
from ellav.data.audio import seconds_of
from ellav.data.kaldi import read_table
from ellav.data.option_files import file_hashes, named_files
from ellav.data.outputs import need, write_text, writing
from ellav.data.shards import WHOLE, parts_of, some_of
from ellav.data.sounds import as_file
from ellav.errors import UserError
from ellav.plugins.aligners import Recording, aligners

MOST = 10_000
"""Utterances that are learned from where a set is cut into shards: no aligner needs more."""


def main(argv: list[str]) -> None:
    """Write aligner.yaml, to be given as --config to `align` and `pack`, and what was learned."""
    made = parser("fit-aligner", "Stage 3: the aligner, trained where it is trainable.")
    made.add_argument("--data", type=Path, required=True, help="formatted data folder to learn from")
    made.add_argument("--phones", type=Path, required=True, help="folder made by phones")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    add_choice(made, "aligner", "pocketsphinx", "aligners")
    add_choice(made, "prompt_aligner", None, "aligners (then it is this one, for `pack`)")
    options = parse(made, argv)
    need(options.data, "2 (format wavs)")
    need(options.phones, "3 (phones)")
    option = "prompt_aligner" if options.prompt_aligner else "aligner"
    name, conf = getattr(options, option), getattr(options, f"{option}_conf")
    aligner = aligners.create(name, conf)
    learns = hasattr(aligner, "fit")
    files = named_files(aligners.get(name), conf, f"aligner {name}")
    settings = {option: aligners.record(name), f"{option}_conf": conf, "files": file_hashes(files)}
    inputs = [options.data, options.phones] if learns else []
    with writing(options.out, "3 (alignment)", settings, inputs) as folder:
        if folder is None:
            return
        conf, began, learned = dict(conf), time.monotonic(), ""
        if learns:
            recordings = recordings_of(options.data, options.phones, folder / "sounds")
            print(f"{options.out}: {name} learns from {options.data}, {len(recordings)} utterances", flush=True)
            fitted = aligner.fit(recordings, folder)
            shutil.rmtree(folder / "sounds", ignore_errors=True)
            conf |= {key: str(options.out / Path(path).relative_to(folder)) for key, path in fitted.items()}
            learned = f", {time.monotonic() - began:.0f} s"
        content = yaml_text({option: name, f"{option}_conf": conf})
        write_text(folder / "aligner.yaml", content)
    print(f"{options.out}: {name}{learned}")


def recordings_of(data: Path, phones: Path, sounds: Path) -> dict[str, Recording]:
    """The utterances of a data folder that have phones; of one that is cut into shards, MOST of them, evenly over all.

    sounds: folder for what has no file of its own. Raises UserError where there are none.
    """
    parts, found = parts_of(data, phones), {}
    for part in parts:
        wavs, speakers = (read_table(data / part / name) for name in ("wav.scp", "utt2spk"))
        ready = list(read_phones(phones / part).items())
        for utterance, spoken in ready if part == WHOLE else some_of(ready, -(-MOST // len(parts))):
            try:
                seconds = seconds_of(wavs[utterance])
            except UserError as error:
                raise UserError(f"{error}; rerun stage 2") from None
            wav = as_file(wavs[utterance], sounds, utterance)
            found[utterance] = Recording(wav, seconds, speakers[utterance], spoken)
    if not found:
        raise UserError(f"{phones}/phones: no utterances")
    return found
