"""`ellav fit-text`: the text front end of a recipe, trained where it is trainable."""

from __future__ import annotations

from pathlib import Path

from ellav.bin.options import add_choice, parse, parser
from ellav.config import yaml_text
from ellav.data.kaldi import some_rows
from ellav.data.option_files import file_hashes, named_files
from ellav.data.outputs import need, write_text, writing
from ellav.errors import UserError
from ellav.plugins.text import text

MOST = 100_000
"""Sentences that a front end learns from, evenly over the set: its memory does not grow with more."""


def main(argv: list[str]) -> None:
    """Write text.yaml, to be given as --config to `phones` and `pack`, and what was learned."""
    made = parser("fit-text", "Stage 3: the text front end, trained where it is trainable.")
    made.add_argument("--data", type=Path, required=True, help="formatted data folder, its `text` is learned from")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    add_choice(made, "text", "g2p_en", "text")
    options = parse(made, argv)
    need(options.data, "2 (format wavs)")
    front_end = text.create(options.text, options.text_conf)
    learns = hasattr(front_end, "fit")
    files = named_files(text.get(options.text), options.text_conf, f"text {options.text}")
    settings = {"text": text.record(options.text), "text_conf": options.text_conf, "files": file_hashes(files)}
    with writing(options.out, "3 (phones)", settings, [options.data] if learns else []) as folder:
        if folder is None:
            return
        conf = dict(options.text_conf)
        if learns:
            sentences = [said for _, said in some_rows(options.data / "text", MOST)]
            if not sentences:
                raise UserError(f"{options.data}/text: no utterances")
            fitted = front_end.fit(sentences, folder)
            conf |= {name: str(options.out / Path(path).relative_to(folder)) for name, path in fitted.items()}
        content = yaml_text({"text": options.text, "text_conf": conf})
        write_text(folder / "text.yaml", content)
    print(f"{options.out}: {options.text}" + (f", {len(sentences)} sentences" if learns else ""))
