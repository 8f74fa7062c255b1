"""`ellav pack`: one folder of safetensors, YAML and token list that `ellav synth` speaks with."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from ellav.bin.options import add_choice, add_match_voice, add_nar_temperature, add_which, parse, parser
from ellav.config import read_yaml, yaml_text
from ellav.data.dataset import Tokens
from ellav.data.option_files import copy_files, file_hashes, named_files
from ellav.data.outputs import naming, need, write_text, writing
from ellav.data.sounds import kept_in
from ellav.errors import UserError
from ellav.infer.asked import check_readings
from ellav.infer.bundle import FORMAT, PROMPTS
from ellav.infer.languages import Languages
from ellav.infer.packing import choose, from_folder, from_options, store_weights, told
from ellav.infer.pipeline import speaks_vectors
from ellav.infer.prompts import PromptReader
from ellav.infer.synthesizer import longest_seen
from ellav.models.model_config import prompt_bounds
from ellav.models.trained import choose_weights, load_pair
from ellav.plugins.aligners import accepts, aligners
from ellav.plugins.codecs import Codec, load_codec
from ellav.plugins.decoders import decoders
from ellav.plugins.text import text
from ellav.score.card import card
from ellav.text_files import read_text
from ellav.version import __version__


def main(argv: list[str]) -> None:
    """Parse options and pack."""
    made = parser("pack", "Stage 10: gather all that synthesis needs into one folder.")
    made.add_argument("--ar", type=Path, required=True, help="folder of the trained AR model")
    made.add_argument("--nar", type=Path, required=True, help="folder of the trained NAR model")
    made.add_argument("--codec", type=Path, required=True, help="folder of the codec")
    made.add_argument("--tokens", type=Path, required=True, help="folder of the token list")
    made.add_argument("--out", type=Path, required=True, help="output folder")
    add_which(made)
    add_nar_temperature(made, 0.0)
    add_match_voice(made, 0.0)
    made.add_argument(
        "--best-of",
        type=int,
        metavar="N",
        help="readings of which the best is spoken where nobody says otherwise, see `ellav synth --help` (one)",
    )
    made.add_argument(
        "--dtype",
        default="float32",
        choices=["float32", "bfloat16", "int8"],
        help="how the weights of AR and NAR model are stored (int8: matrices, with a scale for each row); on a CPU they"
        " are computed with in float32",
    )
    made.add_argument(
        "--prompt",
        action="append",
        default=[],
        metavar="WAV",
        help="recording to build in (repeatable; first: default)",
    )
    made.add_argument(
        "--prompt-text", action="append", default=[], metavar="TEXT", help="what the recording says, one for each"
    )
    made.add_argument(
        "--prompt-language",
        action="append",
        default=[],
        metavar="LANGUAGE",
        help="in which it says it, one for each, for models of several languages; the first of --text if left out",
    )
    made.add_argument(
        "--prompts",
        nargs="+",
        metavar=("FOLDER", "UTTERANCE"),
        help="data folder to take prompts from: the utterances named, or one of each of its first speakers",
    )
    made.add_argument("--results", type=Path, help="results.json for the model card; the one beside --ar if left out")
    made.add_argument("--card", type=Path, help="Markdown to put in front of the model card: data, licence, what for")
    add_choice(made, "text", "g2p_en", "text")
    add_choice(made, "aligner", "pocketsphinx", "aligners")
    add_choice(made, "prompt_aligner", None, "aligners (that aligns prompts, where --aligner cannot)")
    add_choice(made, "decoder", "nucleus", "decoders")
    options = parse(made, argv)
    if options.best_of is not None:
        check_readings(options.best_of, "--best-of")

    front_end = text.create(options.text, options.text_conf)
    aligner_name, aligner_conf = options.aligner, options.aligner_conf
    if options.prompt_aligner:
        aligner_name, aligner_conf = options.prompt_aligner, options.prompt_aligner_conf
    aligner = aligners.get(aligner_name)
    if not hasattr(aligner, "align"):
        raise UserError(
            f"aligner {aligner_name} aligns whole sets only, and a packed model must align its prompts; name one that"
            f" takes phones of {front_end.phone_set} with --prompt-aligner"
        )
    aligner = aligners.create(aligner_name, aligner_conf)
    if not accepts(aligner, front_end.phone_set):
        raise UserError(
            f"aligner {aligner_name} takes phones of {', '.join(aligner.phone_sets)}, "
            f"text {options.text} makes {front_end.phone_set}: a prompt could not be aligned; name another one with"
            " --prompt-aligner"
        )
    decoders.create(options.decoder, options.decoder_conf)
    tokens = Tokens.read(options.tokens)
    codec = load_codec(options.codec)
    speaks_vectors(codec, options.nar_temperature, options.match_voice)
    which = {"ar": choose_weights(options.ar, options.which), "nar": choose_weights(options.nar, options.which)}
    trained = dict(zip(("ar", "nar"), load_pair(options.ar, options.nar, which), strict=True))
    for name, folder in (("ar", options.ar), ("nar", options.nar)):
        trained[name].check_fits(tokens, folder, options.tokens, options.codec)
    recordings = from_options(options.prompt, options.prompt_text, options.prompt_language)
    languages = Languages(front_end, trained["ar"].config.get("languages", ()))
    of_folder = from_folder(options.prompts) if options.prompts else []
    if not languages.known:  # whatever utt2lang calls the one that there is
        of_folder = [replace(one, language="") for one in of_folder]
    recordings += of_folder
    for one in recordings:
        languages.named(one.language)
    results = options.results or options.ar.parent / "results.json"
    if options.results is not None:
        need(results, "9 (score)")
    if options.card is not None and not options.card.is_file():
        raise UserError(f"--card {options.card}: no such file")

    weights = {kind: getattr(options, kind) / f"{name}.safetensors" for kind, name in which.items()}
    model = {
        "format": FORMAT,
        "ellav": __version__,
        "which": which,
        "dtype": options.dtype,
        "nar_temperature": options.nar_temperature,
        "match_voice": options.match_voice,
        "best_of": options.best_of,
        "text": text.described(options.text, options.text_conf),
        "aligner": aligners.described(aligner_name, aligner_conf),
        "decoder": decoders.described(options.decoder, options.decoder_conf),
    }
    settings = {**model, "prompts": [told(one) for one in recordings]}
    inputs = [*weights.values(), options.codec, options.tokens]
    bringing = {"text": text.get(options.text), "aligner": aligners.get(aligner_name)}
    named = {part: named_files(cls, model[part]["conf"], part) for part, cls in bringing.items()}
    if any(named.values()):
        settings["files"] = {part: file_hashes(files) for part, files in named.items()}
    inputs += [kept_in(one.wav) for one in recordings]
    inputs += [path for path in (results, options.card) if path is not None and path.exists()]
    with writing(options.out, "10 (pack)", settings, inputs) as folder:
        if folder is None:
            return
        for part, cls in bringing.items():
            conf = copy_files(cls, model[part]["conf"], part, folder, part)
            model = {**model, part: {**model[part], "conf": conf}}
        _copy(options, codec, weights, folder)
        _keep_fingerprint(folder / "codec" / "codec.yaml", trained["ar"].config["codec"])
        shortest, _ = prompt_bounds(trained["nar"].config)
        longest = longest_seen(trained["ar"].config) // 2
        read = PromptReader(languages, aligner, codec, tokens, shortest, longest)
        (folder / PROMPTS).mkdir(exist_ok=True)
        kept = choose(recordings, read, folder / PROMPTS)
        model["prompts"] = [told(one) for one in kept]
        write_text(folder / "model.yaml", yaml_text(model))
        introduction = read_text(options.card) if options.card else ""
        sizes = {name: sum(p.numel() for p in one.model.parameters()) for name, one in trained.items()}
        configs = {name: one.config for name, one in trained.items()}
        write_text(folder / "README.md", card(options.out.name, introduction, model, configs, sizes, kept, results))
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        print(f"{options.out}: {size / 1e6:.1f} MB, {len(kept)} prompts")


def _keep_fingerprint(path: Path, codec: dict) -> None:
    """Write into the packed codec.yaml of which codec's codes the models speak, so that others may begin with them.

    codec: as config.yaml of the AR model has it.
    """
    described = read_yaml(path)
    if "codes_of" not in described and codec.get("fingerprint"):
        write_text(path, yaml_text({**described, "fingerprint": codec["fingerprint"]}))


def _copy(options, codec: Codec, weights: dict[str, Path], folder: Path) -> None:
    """Models, token list and codec, without the records of the stages that made them."""
    for name, source in weights.items():
        (folder / name).mkdir(exist_ok=True)
        shutil.copyfile(source.with_name("config.yaml"), folder / name / "config.yaml")
        store_weights(source, folder / name / source.name, options.dtype)
    (folder / "codec").mkdir(exist_ok=True)
    with naming(folder / "codec"):
        codec.save(folder / "codec")  # what decoding needs, without what its training left beside it
    copied = [(options.tokens / name, folder / "list" / name) for name in ("tokens.txt", "stats.yaml")]
    for source, target in [*copied, (options.codec / "codec.yaml", folder / "codec" / "codec.yaml")]:
        target.parent.mkdir(exist_ok=True)
        with naming(target):
            shutil.copyfile(source, target)
