"""`ellav pack`: one folder of safetensors, YAML and token list that `ellav synth` speaks with."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from ellav.bin.options import add_choice, parse, parser
from ellav.data.dataset import Tokens
from ellav.data.outputs import RECORD, naming, write_text, writing
from ellav.errors import UserError
from ellav.models.trained import load_pair
from ellav.plugins.aligners import aligners
from ellav.plugins.codecs import load_codec
from ellav.plugins.decoders import decoders
from ellav.plugins.text import text
from ellav.version import __version__


def main(argv: list[str]) -> None:
    """Parse options and pack."""
    made = parser("pack", "Stage 10: gather all that synthesis needs into one folder.")
    made.add_argument("--ar", type=Path, required=True, help="folder of the trained AR model")
    made.add_argument("--nar", type=Path, required=True, help="folder of the trained NAR model")
    made.add_argument("--codec", type=Path, required=True, help="folder of the codec")
    made.add_argument("--tokens", type=Path, required=True, help="folder of the token list")
    made.add_argument("--out", type=Path, required=True, help="output folder")
    made.add_argument("--which", default="averaged", choices=["averaged", "best", "last"], help="checkpoint to pack")
    add_choice(made, "text", "g2p_en", "text")
    add_choice(made, "aligner", "pocketsphinx", "aligners")
    add_choice(made, "decoder", "nucleus", "decoders")
    options = parse(made, argv)

    front_end = text.create(options.text, options.text_conf)
    aligner = aligners.create(options.aligner, options.aligner_conf)
    if front_end.phone_set not in aligner.phone_sets:
        raise UserError(
            f"aligner {options.aligner} takes phones of {', '.join(aligner.phone_sets)}, "
            f"text {options.text} makes {front_end.phone_set}: a prompt could not be aligned"
        )
    decoders.create(options.decoder, options.decoder_conf)
    tokens = Tokens.read(options.tokens)
    load_codec(options.codec)
    pair = load_pair(options.ar, options.nar, options.which)
    for path, trained in zip((options.ar, options.nar), pair, strict=True):
        trained.check_fits(tokens, path, options.tokens, options.codec)
    weights = f"{options.which}.safetensors"
    model = {
        "ellav": __version__,
        "which": options.which,
        "text": {"name": options.text, "conf": options.text_conf},
        "aligner": {"name": options.aligner, "conf": options.aligner_conf},
        "decoder": {"name": options.decoder, "conf": options.decoder_conf},
    }
    inputs = [options.ar / weights, options.nar / weights, options.codec, options.tokens]
    with writing(options.out, "10 (pack)", model, inputs) as folder:
        if folder is None:
            return
        for name, source, files in (
            ("ar", options.ar, ["config.yaml", weights]),
            ("nar", options.nar, ["config.yaml", weights]),
            ("list", options.tokens, ["tokens.txt", "stats.yaml"]),
            ("codec", options.codec, sorted(p.name for p in options.codec.iterdir() if p.name != RECORD)),
        ):
            (folder / name).mkdir(exist_ok=True)
            for file in files:
                with naming(folder / name / file):
                    shutil.copyfile(source / file, folder / name / file)
        write_text(folder / "model.yaml", yaml.safe_dump(model, sort_keys=False))
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        print(f"{options.out}: {size / 2**20:.1f} MiB")
