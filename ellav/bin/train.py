"""`ellav train ar|nar`: train a model on a tokenised set (stages 6 and 7)."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from ellav.bin.options import add_choice, parse, parser
from ellav.config import build, read_yaml
from ellav.data.outputs import fingerprint, locked, need
from ellav.errors import UserError
from ellav.train.lost import leaving_with_others

LENGTH = {"max_steps", "max_minutes", "max_frames_seen", "patience", "log_every", "sample_minutes", "threads", "dtype"}
"""Options that a resumed run may change."""
CAUSES = {
    "phones": "another token list (stage 5 has made it anew)",
    "stats": "other statistics (stage 5 has made them anew)",
    "codec": "another codec (stage 4 has made it anew)",
    "inputs": "other training data (stages 1 to 5 have made it anew)",
    "languages": "other languages (utt2lang of the training set), or another --ar-conf language",
    "init_from": "another --init-from, or one that has changed",
}
"""What a changed entry of config.yaml comes from, where its name does not say so."""


def main(argv: list[str]) -> None:
    """Parse options and train; the first process of several holds the folder."""
    options = parse(_parser(), argv)
    first, alone = int(os.environ.get("RANK", 0)) == 0, int(os.environ.get("WORLD_SIZE", 1)) == 1
    with locked(Path(options.out)) if first else nullcontext(), nullcontext() if alone else leaving_with_others():
        _train(options)


def _train(options) -> None:
    import torch
    from accelerate import Accelerator, DistributedDataParallelKwargs

    from ellav.data.batching import Batches, FirstBatches
    from ellav.data.dataset import Dataset, Tokens
    from ellav.infer.samples import sampler
    from ellav.models.code_embeddings import begin_with_vectors
    from ellav.models.inherit import begin_from
    from ellav.models.options import ModelOptions
    from ellav.models.trained import build_model, load_trained
    from ellav.plugins.codecs import load_codec
    from ellav.plugins.decoders import decoders
    from ellav.plugins.orderings import orderings
    from ellav.train import checkpoint
    from ellav.train.agreed import of_first
    from ellav.train.config import TrainConfig
    from ellav.train.objectives import ARObjective, NARObjective
    from ellav.train.resolve import reads_durations, split_conf
    from ellav.train.soft_codes import targets_of
    from ellav.train.trainer import Trainer

    own = options.ar_conf if options.kind == "ar" else options.nar_conf
    model_conf, train_conf = split_conf(options.kind, options.model_conf, options.train_conf, own)
    config = build(TrainConfig, train_conf, "train_conf")
    tokens = Tokens.read(need(options.tokens, "5 (token list and statistics)"))
    train, valid = (
        Dataset(need(path, "5 (token list and statistics)"), tokens) for path in (options.train, options.valid)
    )
    if model_conf.get("text") == "auto":
        ordering = orderings.create(options.ordering, options.ordering_conf)
        ordering.bind(tuple(tokens.phones), tokens.stats["codebook_size"])
        model_conf["text"] = "aligned" if reads_durations(ordering, train) else "prefix"
    model_options = build(ModelOptions, model_conf, "model_conf")
    codec = Path(need(options.codec, "4 (codes)"))
    described = checkpoint.describe_model(
        options.kind,
        model_options,
        options.ordering,
        options.ordering_conf,
        tokens.phones,
        tokens.stats,
        {"fingerprint": fingerprint(codec), **read_yaml(codec / "codec.yaml")},
    )
    described["train"] = train_conf
    if options.kind == "ar" and model_options.language == "auto":
        languages = languages_of(Path(options.train))
        described |= {"languages": languages} if len(languages) > 1 else {}
    source = source_of(options.init_from, options.kind) if options.init_from else None
    described["init_from"] = fingerprint(source.weights) if source else None
    folders = {"list": options.tokens, "train": options.train, "valid": options.valid}
    described["inputs"] = {name: fingerprint(Path(path)) for name, path in folders.items()}
    out = Path(options.out)
    # Without a GPU it would take each process under torchrun for the only one.
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available() and int(os.environ.get("WORLD_SIZE", 1)) > 1,
        # No buffer changes in training, and what soft_codes makes of a codec may be larger than the model.
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )
    resume = of_first(options.resume == "auto" and (out / checkpoint.STATE).exists())
    if resume:
        _same(read_yaml(out / "config.yaml"), described, out)

    torch.manual_seed(config.seed)
    model, ordering = build_model(described)
    speaking = load_codec(codec)
    if config.code_vectors and not resume and hasattr(speaking, "vectors"):
        begin_with_vectors(model, ordering, speaking.vectors())
    if source and not resume:
        given = load_trained(source.folder, source.which)
        taken, new = begin_from(model, ordering, described, given, options.init_from)
        print(f"{out}: begins with {options.init_from}: {', '.join(taken)}")
        print(f"{out}: new: {'; '.join(new) or 'nothing'}", flush=True)
    rate = tokens.stats["frame_rate"]
    if options.kind == "ar":
        objective = ARObjective(model, ordering)
    else:
        soft = targets_of(speaking, model.codebooks, config.soft_codes)
        bounds = (round(rate * config.prompt_least), round(rate * config.prompt_most))
        objective = NARObjective(model, bounds, config.level_power, soft)
    longest = config.max_frames or 2 * int(tokens.stats["max_frames"])

    def batches(data, seed: int, rank: int, world: int) -> Batches:
        return Batches(
            data,
            objective.arrange,
            objective.collate,
            config.batch_tokens,
            longest,
            seed,
            rank,
            world,
        )

    mine = batches(train, config.seed, accelerator.process_index, accelerator.num_processes)
    held_out = FirstBatches(batches(valid, 0, 0, 1), config.valid_batches)
    out.mkdir(parents=True, exist_ok=True)
    if accelerator.is_main_process:
        if not resume:  # a state of another run, beside this one's config.yaml, would be taken up later
            (out / checkpoint.STATE).unlink(missing_ok=True)
        for torn in out.glob("*.tmp"):
            torn.unlink()
        checkpoint.save_config(described, out)
    decoder = decoders.create(options.sample_decoder, options.sample_decoder_conf)
    on_sample = sampler(options.kind, ordering, valid, tokens, speaking, decoder)
    Trainer(objective, mine, held_out, config, out, on_sample, accelerator).run(resume)


def languages_of(folder: Path) -> list[str]:
    """The languages of a set of stage 5, of all its shards; none where it has no utt2lang."""
    from ellav.data.index import open_index

    index = open_index(folder)
    if "utt2lang" not in index.tables:
        return []
    found = set()
    for shard in index.folders:
        with open(shard / "utt2lang", encoding="utf-8") as lines:  # line by line: a set may have millions
            found |= {line.split()[1] for line in lines}
    return sorted(found)


class Source(NamedTuple):
    """A trained model to begin with: its folder, and which of its weights."""

    folder: Path
    which: str

    @property
    def weights(self) -> Path:
        """The file of these weights."""
        return self.folder / f"{self.which}.safetensors"


def source_of(given: Path, kind: str) -> Source:
    """The model of this kind in a packed model, or in a folder of an experiment.

    Raises UserError where there is none.
    """
    from ellav.infer.bundle import read_bundle
    from ellav.models.trained import choose_weights

    if not (given / kind / "config.yaml").exists():
        raise UserError(f"--init-from {given}: no packed model, and no folder with {kind}/config.yaml inside")
    packed = (given / "model.yaml").exists()
    return Source(given / kind, read_bundle(given).model["which"][kind] if packed else choose_weights(given / kind))


def _parser():
    made = parser("train", "Train the AR or the NAR model. Under torchrun it trains with all its processes.")
    made.add_argument("kind", choices=("ar", "nar"), help="which model")
    made.add_argument("--train", required=True, metavar="DIR", help="training set of stage 5")
    made.add_argument("--valid", required=True, metavar="DIR", help="validation set of stage 5")
    made.add_argument("--tokens", required=True, metavar="DIR", help="token list of stage 5")
    made.add_argument("--codec", required=True, metavar="DIR", help="codec that made the codes")
    made.add_argument("--out", required=True, metavar="DIR", help="folder of the trained model")
    made.add_argument(
        "--init-from",
        type=Path,
        metavar="DIR",
        help="a packed model, or a folder with ar/ and nar/ inside (exp/TAG), whose weights to begin with: taken by"
        " phone, code and control, so that new phones or another ordering do not matter; codes only if the codec is the"
        " same",
    )
    made.add_argument("--resume", choices=("auto", "never"), default="auto", help="go on from --out, if it is there")
    add_choice(made, "ordering", "interleaved", "orderings")
    add_choice(made, "sample_decoder", "nucleus", "decoders, for the audio samples")
    for name, what in (
        ("model", "size and kind of the model"),
        ("train", "how it is trained"),
        ("ar", "options of model_conf or train_conf for the AR model only"),
        ("nar", "the same for the NAR model"),
    ):
        made.add_argument(f"--{name}-conf", action="append", nargs="+", default=[], metavar="KEY=VALUE", help=what)
    return made


def _same(before: dict, now: dict, out: Path) -> None:
    """Refuse to go on with another configuration than the one that began."""
    from ellav.models.options import ModelOptions
    from ellav.train.config import TrainConfig

    differing = [k for k in now if k not in ("version", "model", "train", "inputs") and before.get(k) != now[k]]
    old, new = before.get("inputs", {}), now.get("inputs", {})
    differing += ["inputs"] if any(old[k] != new[k] for k in old.keys() & new.keys()) else []
    unset = {field.name: field.default for field in fields(TrainConfig)}  # config.yaml has what was given
    since = {"language": ModelOptions.language}  # which models made before it do not tell
    old, new = ({**since, **config.get("model", {}), **unset, **config.get("train", {})} for config in (before, now))
    options = _differing(old, new, LENGTH)
    if differing or options:
        what = CAUSES.get(differing[0], f"another {differing[0]}") if differing else options
        if differing[:1] == ["ordering"]:
            what = _another_ordering(before["ordering"], now["ordering"])
        stage, option = (6, "--train-args") if now["kind"] == "ar" else (7, "--nar-args")
        raise UserError(
            f"{out}: began with {what}; go back to what it was, or rerun stage {stage} from its beginning "
            f"({option} '--resume never') or beside it (another --tag)"
        )


def _differing(old: dict, new: dict, but: Collection[str] = ()) -> str:
    """The options that differ, but for some, each with both values; empty where none does."""
    names = [name for name in sorted({*old, *new} - set(but)) if old.get(name) != new.get(name)]
    return " and ".join(f"{name}={old.get(name)} (not {new.get(name)})" for name in names)


def _another_ordering(before: dict, now: dict) -> str:
    if before["name"] != now["name"]:
        return f"ordering {before['name']}, not {now['name']}"
    options = _differing(before["conf"], now["conf"])
    if options:
        return f"{options} of ordering {now['name']}"
    return f"other code of ordering {now['name']} than is there now"
