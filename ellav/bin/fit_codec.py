"""`ellav fit-codec`: the codec of a recipe, trained where it is trainable."""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

from ellav.bin.options import add_choice, parse, parser
from ellav.config import read_yaml, yaml_text
from ellav.data.audio import read_wav
from ellav.data.kaldi import DataFolder
from ellav.data.outputs import fingerprint, naming, need, write_text, writing
from ellav.data.shards import RECORD, shard_folders, some_of
from ellav.data.speech import MOST, Speech
from ellav.errors import UserError
from ellav.models.device import choose_device
from ellav.plugins.codecs import codecs, learns_phones, load_codec
from ellav.plugins.registry import is_outside
from ellav.train.codec import HELD_OUT, STATE, train_codec


def main(argv: list[str]) -> None:
    """Write codec.yaml (name, options, what the codec is like) and the codec's weights."""
    made = parser("fit-codec", "Stage 4: the codec, trained where it is trainable.")
    made.add_argument("--data", type=Path, required=True, help="formatted data folder to learn from")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    add_choice(made, "codec", "rvq_mel", "codecs")
    made.add_argument(
        "--hours",
        type=float,
        default=1.0,
        help="learn from at most so much, whole utterances at random; a codec that learns by gradient reads pieces of"
        f" all speech instead, of {MOST} utterances at most",
    )
    made.add_argument(
        "--align", type=Path, help="the set's folder of stage 3, for a codec that learns which phones are spoken"
    )
    made.add_argument("--device", default=None, help="of such a codec: cpu or cuda; a GPU is used where there is one")
    made.add_argument("--seed", type=int, default=0, help="of the choice and of the training")
    made.add_argument(
        "--codec-from",
        type=Path,
        metavar="DIR",
        help="learn nothing: take the codec of this packed model, or in this folder, as it is",
    )
    made.add_argument(
        "--adapt",
        action="store_true",
        help="bend that codec to the speech of --data, so that models which know its codes need to learn little anew",
    )
    options = parse(made, argv)
    if options.hours <= 0:
        raise UserError(f"--hours {options.hours:g} is not above 0")
    need(options.data, "2 (format wavs)")
    if options.codec_from is not None:
        take(options)
        return
    if options.adapt:
        raise UserError("--adapt needs --codec-from DIR, whose codec it adapts")
    codec = codecs.create(options.codec, options.codec_conf)
    kept = codecs.described(options.codec, options.codec_conf)
    conf, plugin = kept["conf"], kept["record"]
    settings = {"codec": options.codec, "conf": conf}
    if is_outside(plugin["module"]):
        settings["plugin"] = plugin  # another file may make other codes
    by_gradient = hasattr(codec, "loss")
    if codec.trainable:
        settings |= {"seed": options.seed} if by_gradient else {"hours": options.hours, "seed": options.seed}
    named = [Path(value) for value in conf.values() if isinstance(value, str) and value]
    files = [path for path in named if path.is_file() or (path / "codec.yaml").is_file()]
    inputs = [*files, options.data] if codec.trainable else files
    align = None
    if learns_phones(codec):
        if options.align is None:
            raise UserError(
                f"codec {options.codec} learns which phones are spoken: give --align, the folder of stage 3"
            )
        align = need(options.align, "3 (phones and alignment)")
        inputs.append(align)
    with writing(options.out, "4 (codes)", settings, inputs) as folder:
        if folder is None:
            return
        started = time.monotonic()
        if by_gradient:
            speech = Speech(options.data, codec.sample_rate, HELD_OUT, options.seed, align)
            figures = train_codec(codec, speech, folder, options.seed, str(choose_device(options.device)))
            (folder / STATE).unlink(missing_ok=True)
            write_text(folder / "summary.json", json.dumps({"valid": figures}, indent=1) + "\n")
        elif codec.trainable:
            wavs = read_some(options.data, codec.sample_rate, options.hours, options.seed)
            hours = sum(map(len, wavs)) / codec.sample_rate / 3600
            print(f"{options.out}: learning from {len(wavs)} utterances, {hours:.2f} h", flush=True)
            codec.fit(wavs, options.seed)
        with naming(folder):
            codec.save(folder)
        described = {
            "name": options.codec,
            "conf": conf,
            "sample_rate": codec.sample_rate,
            "frame_rate": codec.frame_rate,
            "codebooks": codec.codebooks,
            "size": codec.size,
            "plugin": plugin,
        }
        if hasattr(codec, "codes_of"):
            maker = read_yaml(codec.codes_of / "codec.yaml")
            described["codes_of"] = {**maker, "fingerprint": fingerprint(codec.codes_of)}
        write_text(folder / "codec.yaml", yaml_text(described))
    print(
        f"{options.out}: {options.codec}, {codec.frame_rate:g} frames a second, {codec.codebooks} codebooks of "
        f"{codec.size}, {time.monotonic() - started:.0f} s"
    )


def take(options: argparse.Namespace) -> None:
    """Write the codec of a packed model, or in a folder, into --out, adapted where that is asked for.

    codec.yaml then says with whose codes the codec's own are the same (`fingerprint`), or whose they were before
    (`adapted_from`). Raises UserError where there is no codec, or none that can be adapted.
    """
    given, out = options.codec_from, options.out
    source = next((place for place in (given / "codec", given) if (place / "codec.yaml").is_file()), None)
    if source is None:
        raise UserError(f"--codec-from {given}: no packed model, and no folder with codec.yaml inside")
    codec, described = load_codec(source), read_yaml(source / "codec.yaml")
    if options.adapt and not hasattr(codec, "adapt"):
        raise UserError(f"--adapt: codec {described['name']} can only be taken as it is; leave --adapt out")
    maker = described.pop("fingerprint", None) or fingerprint(source)
    settings = {"taken": maker}
    inputs = sorted(path for path in source.iterdir() if path.is_file() and path.name != RECORD)
    if options.adapt:
        settings |= {"adapted": True, "hours": options.hours, "seed": options.seed}
        inputs.append(options.data)
    with writing(out, "4 (codes)", settings, inputs) as folder:
        if folder is None:
            return
        if options.adapt:
            codec.adapt(read_some(options.data, codec.sample_rate, options.hours, options.seed), options.seed)
        with naming(folder):
            codec.save(folder)
        whose = {"adapted_from": maker} if options.adapt else {"fingerprint": maker}
        write_text(folder / "codec.yaml", yaml_text({**described, **whose}))
    how = f"that of {source}, adapted to {options.data}" if options.adapt else f"as {source} has it"
    print(f"{out}: {described['name']}, {how}")


def read_some(folder: Path, sample_rate: int, hours: float, seed: int) -> list:
    """Waveforms of utterances in random order, until they last for `hours`.

    Of a set that is cut into shards MOST are drawn from, evenly over all.
    """
    shards, paths = shard_folders(folder), []
    for shard in shards:
        wavs = list(DataFolder.read(shard).wavs.values())
        paths += some_of(wavs, -(-MOST // len(shards))) if len(shards) > 1 else wavs
    random.Random(seed).shuffle(paths)
    wavs, samples = [], 0
    for path in paths:
        if samples >= hours * 3600 * sample_rate:
            break
        wavs.append(read_wav(path, sample_rate))
        samples += len(wavs[-1])
    return wavs
