"""`ellav decode`: synthesize a test set, each utterance after a prompt or after its own beginning."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from rich.progress import track

from ellav.bin.options import (
    add_choice,
    add_dtype,
    add_match_voice,
    add_nar_temperature,
    add_quantize,
    add_which,
    parse,
    parse_bool,
    parser,
)
from ellav.data.audio import write_wav
from ellav.data.codes import CodesWriter
from ellav.data.dataset import Dataset, Tokens
from ellav.data.journal import Journal
from ellav.data.kaldi import write_table
from ellav.data.outputs import need, write_text, writing
from ellav.data.shards import tables_of
from ellav.errors import UserError
from ellav.infer.loading import load_voice
from ellav.infer.protocols import TABLES, add_options, requests_of
from ellav.infer.speed import measure_decoding
from ellav.infer.textgrid import write_textgrid
from ellav.models.device import choose_device
from ellav.models.model_config import read_model_config
from ellav.models.trained import STAGES, choose_weights
from ellav.plugins.codecs import code_of_codec
from ellav.plugins.decoders import decoders
from ellav.plugins.orderings import orderings
from ellav.types import DecodingRequest


def main(argv: list[str]) -> None:
    """Parse options and decode."""
    made = parser("decode", "Stage 8: synthesize a test set. Writes wavs, codes, TextGrids and facts.")
    for name, what in (
        ("ar", "folder of the trained AR model"),
        ("nar", "folder of the trained NAR model"),
        ("codec", "folder of the codec"),
        ("data", "tokenised test set"),
        ("tokens", "folder of the token list"),
        ("out", "output folder"),
    ):
        made.add_argument(f"--{name}", type=Path, required=True, help=what)
    add_which(made)
    add_options(made)
    made.add_argument("--seed", type=int, default=0, help="of sampling")
    made.add_argument("--batch", type=int, default=32, help="utterances decoded together")
    made.add_argument("--measure", type=parse_bool, default=True, help="measure decoding speed afterwards (true|false)")
    made.add_argument("--device", default=None, help="cpu or cuda; a GPU is used where there is one")
    add_dtype(made, "float32")
    add_quantize(made)
    add_nar_temperature(made, 0.0)
    add_match_voice(made, 0.0)
    add_choice(made, "decoder", "nucleus", "decoders")
    options = parse(made, argv)

    which = {"ar": choose_weights(options.ar, options.which), "nar": choose_weights(options.nar, options.which)}
    checkpoints = [getattr(options, kind) / f"{name}.safetensors" for kind, name in which.items()]
    for path, stage in zip(checkpoints, STAGES.values(), strict=True):
        need(path, stage)
    decoder = decoders.create(options.decoder, options.decoder_conf)
    plain = (
        "mode",
        "prompt_seconds",
        "least_seconds",
        "most_seconds",
        "seed",
        "limit",
        "quantize",
        "decoder",
        "decoder_conf",
    )
    kept = {name: getattr(options, name) for name in plain}
    kept["which"] = which["ar"] if which["ar"] == which["nar"] else f"{which['ar']} (AR) and {which['nar']} (NAR)"
    if options.dtype != "float32":
        kept["dtype"] = options.dtype
    if options.nar_temperature:
        kept["nar_temperature"] = options.nar_temperature
    if options.match_voice:
        kept["match_voice"] = options.match_voice
    kept["plugin"] = decoders.record(options.decoder)
    kept["ordering"] = orderings.record(
        read_model_config(need(options.ar / "config.yaml", STAGES["ar"]))["ordering"]["name"]
    )
    need(options.codec / "codec.yaml", "4 (codes)")
    kept["codec"] = code_of_codec(options.codec)
    inputs = [*checkpoints, options.codec, options.data, options.tokens]
    if options.raw:
        inputs += [part for name in TABLES for part in tables_of(options.raw / name)]
    with writing(options.out, "8 (decode)", kept, inputs) as folder:
        if folder is not None:
            _decode(options, which, decoder, folder)


def _decode(options, which: dict[str, str], decoder, folder: Path) -> None:

    device = choose_device(options.device)
    tokens = Tokens.read(options.tokens)
    dataset = Dataset(options.data, tokens)
    pipeline, ar, _ = load_voice(
        options.ar, options.nar, options.codec, tokens, decoder, which, device, options.quantize, options.batch,
        options.tokens, options.nar_temperature, options.dtype, options.match_voice,
    )  # fmt: skip
    codec = pipeline.codec
    for path in (options.ar, options.nar):
        if not (path / "summary.json").exists():
            print(f"{path}: its training did not come to its end; decoding what it knows so far", file=sys.stderr)
    whole = options.mode == "continuation"
    asked = requests_of(dataset, tokens, options)
    requests, of_id = [one.decode for one in asked], {one.decode.id: one for one in asked}
    if not requests:
        raise UserError(f"{options.data}: no utterance can be decoded in mode {options.mode}")

    (folder / "wav").mkdir(exist_ok=True)
    (folder / "textgrid").mkdir(exist_ok=True)
    index = {utterance: i for i, utterance in enumerate(dataset.ids)}
    with CodesWriter(folder, options.out) as codes, Journal(folder / "decoded.jsonl") as journal:
        finished = journal.found.keys() & codes.written.keys()
        waiting = list(_in_groups(requests, finished, pipeline.group))
        spoken = pipeline.speak(waiting, options.seed, whole)
        for speech in track(spoken, "decode", total=len(waiting), transient=True):
            if speech.id in finished:
                continue
            write_wav(folder / "wav" / f"{speech.id}.wav", speech.wav, codec.sample_rate)
            if speech.id not in codes.written:
                codes.write(speech.id, speech.codes)
            if speech.durations is not None:
                write_textgrid(
                    folder / "textgrid" / f"{speech.id}.TextGrid",
                    tokens.decode(speech.phones),
                    speech.word_of_phone,
                    speech.durations,
                    codec.frame_rate,
                )
            at = index[speech.id]
            recorded = dataset.lengths[at] - (speech.facts["prompt_frames"] if whole else 0)
            facts = {**speech.facts, "prompt": of_id[speech.id].prompt, "target_frames": int(recorded)}
            if of_id[speech.id].span is not None:
                facts["prompt_span"] = of_id[speech.id].span
            journal.add(speech.id, facts)
        done = [request.id for request in requests]
        facts = [journal.found[utterance] for utterance in done]
        write_text(folder / "facts.jsonl", "".join(json.dumps(fact) + "\n" for fact in facts))
        write_table(folder / "wav.scp", {u: str(options.out / "wav" / f"{u}.wav") for u in done})
        write_table(folder / "text", {u: dataset.text(index[u]) for u in done})
        write_table(folder / "utt2spk", {u: dataset.speakers[index[u]] for u in done})
        write_table(folder / "utt2prompt", {u: of_id[u].prompt for u in done})
        seconds = sum(fact["seconds"] for fact in facts)
        audio = sum(fact["audio_seconds"] for fact in facts)
        summary = {"utterances": len(done), "audio_seconds": round(audio, 1), "seconds": round(seconds, 1)}
        if options.measure:
            scripts = [ar.ordering.script(request) for request in requests[: options.batch]]
            summary |= measure_decoding(pipeline.engine, scripts)
        write_text(folder / "summary.json", json.dumps(summary, indent=1) + "\n")
    print(f"{options.out}: {len(done)} utterances, {audio:.0f} s of speech in {seconds:.0f} s")


def _in_groups(requests: list[DecodingRequest], done: Collection[str], size: int) -> Iterator[DecodingRequest]:
    """The requests without the groups of `size` that are done: a group is decoded as at first or not at all.

    So what an interrupted run left undone comes out bit for bit as it would have.
    """
    for start in range(0, len(requests), size):
        group = requests[start : start + size]
        if any(request.id not in done for request in group):
            yield from group
