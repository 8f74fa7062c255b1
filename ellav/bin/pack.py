"""`ellav pack`: one folder of safetensors, YAML and token list that `ellav synth` speaks with."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from ellav.bin.options import add_choice, parse, parser
from ellav.data.carry import carry, digests, named_files
from ellav.data.dataset import Tokens
from ellav.data.outputs import RECORD, writing
from ellav.errors import UserError
from ellav.models.trained import load_trained
from ellav.plugins.aligners import accepts, aligners
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
    add_choice(made, "prompt_aligner", None, "aligners (that aligns prompts, where --aligner cannot)")
    add_choice(made, "decoder", "nucleus", "decoders")
    options = parse(made, argv)

    front_end = text.create(options.text, options.text_conf)
    aligner_name, aligner_conf = options.aligner, options.aligner_conf
    if options.prompt_aligner:
        aligner_name, aligner_conf = options.prompt_aligner, options.prompt_aligner_conf
    aligner = aligners.get(aligner_name)
    if not hasattr(aligner, "align"):
        raise UserError(
            f"aligner {aligner_name} aligns whole sets only, and a packed model must align its prompts; name one that"
            f" takes phones of {front_end.phone_set} with --prompt_aligner"
        )
    aligner = aligners.create(aligner_name, aligner_conf)
    if not accepts(aligner, front_end.phone_set):
        raise UserError(
            f"aligner {aligner_name} takes phones of {', '.join(aligner.phone_sets)}, "
            f"text {options.text} makes {front_end.phone_set}: a prompt could not be aligned; name another one with"
            " --prompt_aligner"
        )
    decoders.create(options.decoder, options.decoder_conf)
    tokens = Tokens.read(options.tokens)
    load_codec(options.codec)
    for path in (options.ar, options.nar):
        load_trained(path, options.which).check_fits(tokens, path)
    weights = f"{options.which}.safetensors"
    model = {
        "ellav": __version__,
        "which": options.which,
        "text": {"name": options.text, "conf": options.text_conf},
        "aligner": {"name": aligner_name, "conf": aligner_conf},
        "decoder": {"name": options.decoder, "conf": options.decoder_conf},
    }
    inputs = [options.ar / weights, options.nar / weights, options.codec, options.tokens]
    bringing = {"text": text.get(options.text), "aligner": aligners.get(aligner_name)}
    named = {part: named_files(cls, model[part]["conf"], part) for part, cls in bringing.items()}
    settings = (
        {**model, "files": {part: digests(files) for part, files in named.items()}} if any(named.values()) else model
    )
    with writing(options.out, "10 (pack)", settings, inputs) as folder:
        if folder is None:
            return
        for part, cls in bringing.items():
            conf = carry(cls, model[part]["conf"], part, folder, part)
            model = {**model, part: {**model[part], "conf": conf}}
        for name, source, files in (
            ("ar", options.ar, ["config.yaml", weights]),
            ("nar", options.nar, ["config.yaml", weights]),
            ("list", options.tokens, ["tokens.txt", "stats.yaml"]),
            ("codec", options.codec, sorted(p.name for p in options.codec.iterdir() if p.name != RECORD)),
        ):
            (folder / name).mkdir(exist_ok=True)
            for file in files:
                shutil.copyfile(source / file, folder / name / file)
        (folder / "model.yaml").write_text(yaml.safe_dump(model, sort_keys=False), encoding="utf-8")
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        print(f"{options.out}: {size / 2**20:.1f} MiB")
