"""`ellav bench decode|train|codec|stream`: how fast this machine is, beside a plain reference and the floor."""

from __future__ import annotations

from collections.abc import Iterator

from ellav.bin.bench_decode import main as decode
from ellav.bin.bench_options import ORDERING, PRESET, add_common, add_preset, check_counts, check_seconds
from ellav.bin.options import add_model, add_quantize, parse, parser
from ellav.bin.synth import limit_threads
from ellav.errors import UserError

SUMMARIES = {
    "decode": "the AR engine and the NAR model, of random weights or trained",
    "train": "steps of AR and NAR training, and the preparation of their batches",
    "codec": "encoding and decoding",
    "stream": "how soon a packed model is heard, and whether it keeps up",
}
TEXT = "The old sailor bought three green boats, and the queen bought four more. Then they sailed away."


def main(argv: list[str]) -> None:
    """Run `ellav bench WHAT ...`."""
    measures = {"decode": decode, "train": train, "codec": codec, "stream": stream}
    if argv and argv[0] in measures:
        return measures[argv[0]](argv[1:])
    if argv and argv[0] in ("-h", "--help"):
        print("usage: ellav bench WHAT [options]     (ellav bench WHAT --help shows them)\n")
        print("\n".join(f"  {name:<8}{summary}" for name, summary in SUMMARIES.items()))
        print("\nEach beside a plain reference in the same run, and beside its floor; see docs/performance.md.")
        return None
    raise UserError(f"expected one of {', '.join(measures)}, as in `ellav bench decode --preset mini`")


def train(argv: list[str]) -> None:
    """Measure steps of training."""
    made = parser(
        "bench train",
        "Measure training as `ellav train` does it, on generated utterances: steps of the AR and of the NAR model"
        " beside a textbook Transformer that learns from padded batches, and what arranges and collates batches alone."
        " docs/performance.md says what the columns mean.",
    )
    add_preset(made, train_conf=True)
    made.add_argument("--batch", type=int, help="most tokens of a batch; the preset's if left out")
    made.add_argument(
        "--dtype",
        default="auto",
        choices=["auto", "float32", "bfloat16"],
        help="that products are computed in; auto measures which is faster, as `ellav train` does",
    )
    made.add_argument("--steps", type=int, default=10, help="that count, after two to warm up")
    add_common(made, repeats=None)
    options = parse(made, argv)
    check_counts(options, "batch", "steps")
    limit_threads()

    import functools

    import torch

    from ellav.bench.presets import codes_of, random_model
    from ellav.bench.table import about, show
    from ellav.bench.train import build_batches, build_objective, train_rows
    from ellav.models.device import choose_device
    from ellav.models.limits import product_peak
    from ellav.plugins.orderings import orderings
    from ellav.train.precision import set_threads

    device, name = choose_device(options.device), options.preset or PRESET
    if device.index:
        raise UserError("training is measured on the first GPU; choose which that is by CUDA_VISIBLE_DEVICES")
    torch.manual_seed(0)
    train_conf = {**options.train_conf, "dtype": options.dtype}
    train_conf |= {"batch_tokens": options.batch} if options.batch else {}
    chosen = (name, options.ordering or ORDERING, options.ordering_conf, options.model_conf, train_conf)
    codes, ordering = codes_of(name), orderings.create(*chosen[1:3])
    kinds = ["ar", "nar"] if ordering.codebooks < codes.codebooks else ["ar"]
    set_threads(device, 0)  # as the trainer does

    @functools.cache
    def peak(dtype: str) -> float:
        return product_peak(device, getattr(torch, dtype))

    def rows() -> Iterator[dict]:
        for kind in kinds:
            made = random_model(kind, *chosen)
            objective = build_objective(made, codes.frame_rate)
            batches = build_batches(objective, made.config, codes)
            yield from train_rows(objective, batches, made.config, codes.frame_rate, device, options.steps, peak)

    columns = ("batch", "steps_per_second", "tokens_per_second", "real_time_factor", "model_flops_utilisation")
    columns += ("dtype", "peak_memory_mib", "peak_gpu_memory_mib")
    more = {"preset": name, "ordering": ordering.name, "frame_rate": codes.frame_rate, "steps": options.steps}
    show(about("train", device, **more), f"{name}: {options.steps} steps", rows(), columns, options.json)


def codec(argv: list[str]) -> None:
    """Measure a codec."""
    made = parser("bench codec", "Measure encoding and decoding of machine-made sounds.")
    made.add_argument(
        "--codec",
        default="rvq_mel",
        metavar="DIR_OR_NAME",
        help="folder that `ellav fit-codec` wrote, or one of `ellav plugins list` codecs, which then learns next to"
        " nothing",
    )
    made.add_argument(
        "--codec-conf",
        action="append",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="options of a codec by its name; where it computes is among them",
    )
    made.add_argument("--batch", type=int, default=1, help="sounds that are given at once")
    made.add_argument("--seconds", type=float, default=10.0, help="of each sound")
    add_common(made, device=False)
    options = parse(made, argv)
    check_counts(options, "batch", "repeats")
    check_seconds(options, "seconds")
    limit_threads()

    import torch

    from ellav.bench.codec import codec_rows, ready_codec
    from ellav.bench.table import about, show

    speaking = ready_codec(options.codec, options.codec_conf)
    facts = {name: getattr(speaking, name) for name in ("sample_rate", "frame_rate", "codebooks", "size")}
    said = "{}: {frame_rate:g} frames a second, {codebooks} codebooks of {size}".format(options.codec, **facts)
    head = about("codec", torch.device("cpu"), codec=options.codec, **facts, speech_seconds=options.seconds)
    columns = ("batch", "speech_seconds_per_second", "real_time_factor", "peak_memory_mib")
    rows = codec_rows(speaking, options.batch, options.seconds, options.repeats)
    show(head, said, rows, columns, options.json)


def stream(argv: list[str]) -> None:
    """Measure a stream."""
    made = parser(
        "bench stream",
        "Measure how soon a packed model is heard and whether it keeps up, beside the same text spoken in one piece."
        " The model and its default prompt are ready beforehand.",
    )
    add_model(made)
    made.add_argument("--text", default=TEXT, help="what is said")
    add_quantize(made)
    add_common(made)
    options = parse(made, argv)
    check_counts(options, "repeats")
    limit_threads()

    from ellav.bench.stream import stream_rows
    from ellav.bench.table import about, show
    from ellav.infer.synthesizer import Synthesizer

    voice = Synthesizer(options.model, device=options.device, quantize=options.quantize)
    model = str(voice.bundle.folder)
    head = about("stream", voice.pipeline.engine.device, model=model, text=options.text, quantize=options.quantize)
    columns = ("first_audio_ms", "real_time_factor", "peak_memory_mib", "peak_gpu_memory_mib")
    show(head, model, stream_rows(voice, options.text, options.repeats), columns, options.json)
