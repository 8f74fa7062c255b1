"""`ellav decode`: synthesize a test set, each utterance after a prompt or after its own beginning."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from rich.progress import track

from ellav.bin.options import add_choice, parse, parse_bool, parser
from ellav.data.audio import write_wav
from ellav.data.codes import CodesWriter
from ellav.data.dataset import Dataset, Tokens
from ellav.data.journal import Journal
from ellav.data.kaldi import invert, read_table, write_table
from ellav.data.outputs import need, write_text, writing
from ellav.errors import UserError
from ellav.infer.engine import Engine
from ellav.infer.pipeline import Pipeline
from ellav.infer.requests import continuation, cross_sentence
from ellav.infer.speed import measure_decoding
from ellav.infer.textgrid import write_textgrid
from ellav.models.model_config import read_model_config
from ellav.models.trained import STAGES, WEIGHTS, choose_weights, load_pair
from ellav.plugins.codecs import code_of_codec, load_codec
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
    made.add_argument("--raw", type=Path, help="data folder of the set; its utt2prompt, if any, chooses the prompts")
    made.add_argument(
        "--which",
        default="auto",
        choices=["auto", *WEIGHTS],
        help="weights to use; auto: those with the lowest validation loss",
    )
    made.add_argument(
        "--mode",
        default="cross-sentence",
        choices=["cross-sentence", "continuation"],
        help="speak after the speaker's previous utterance, or continue the utterance's own beginning",
    )
    made.add_argument("--prompt_seconds", type=float, default=3.0, help="length of the beginning in continuation")
    made.add_argument(
        "--least_seconds", type=float, default=4.0, help="continuation leaves shorter utterances out, as the papers do"
    )
    made.add_argument("--seed", type=int, default=0, help="of sampling")
    made.add_argument("--batch", type=int, default=32, help="utterances decoded together")
    made.add_argument("--limit", type=int, help="decode only the first so many utterances")
    made.add_argument("--measure", type=parse_bool, default=True, help="measure decoding speed afterwards (true|false)")
    made.add_argument("--device", default=None, help="cpu or cuda; a GPU is used where there is one")
    add_choice(made, "decoder", "nucleus", "decoders")
    options = parse(made, argv)

    which = {"ar": choose_weights(options.ar, options.which), "nar": choose_weights(options.nar, options.which)}
    checkpoints = [getattr(options, kind) / f"{name}.safetensors" for kind, name in which.items()]
    for path, stage in zip(checkpoints, STAGES.values(), strict=True):
        need(path, stage)
    decoder = decoders.create(options.decoder, options.decoder_conf)
    plain = ("mode", "prompt_seconds", "seed", "limit", "decoder", "decoder_conf")
    kept = {name: getattr(options, name) for name in plain}
    kept["which"] = which["ar"] if which["ar"] == which["nar"] else f"{which['ar']} (AR) and {which['nar']} (NAR)"
    if options.mode == "continuation":
        kept["least_seconds"] = options.least_seconds
    kept["plugin"] = decoders.record(options.decoder)
    kept["ordering"] = orderings.record(
        read_model_config(need(options.ar / "config.yaml", STAGES["ar"]))["ordering"]["name"]
    )
    need(options.codec / "codec.yaml", "4 (codes)")
    kept["codec"] = code_of_codec(options.codec)
    inputs = [*checkpoints, options.codec, options.data, options.tokens]
    if options.raw and (options.raw / "utt2prompt").exists():
        inputs.append(options.raw / "utt2prompt")
    with writing(options.out, "8 (decode)", kept, inputs) as folder:
        if folder is not None:
            _decode(options, which, decoder, folder)


def _decode(options, which: dict[str, str], decoder, folder: Path) -> None:
    import torch

    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    tokens = Tokens.read(options.tokens)
    dataset = Dataset(options.data, tokens)
    codec = load_codec(options.codec)
    ar, nar = load_pair(options.ar, options.nar, which)
    for path, trained in ((options.ar, ar), (options.nar, nar)):
        trained.check_fits(tokens, path, options.tokens, options.codec)
        if not (path / "summary.json").exists():
            print(f"{path}: its training did not come to its end; decoding what it knows so far", file=sys.stderr)
    pipeline = Pipeline(Engine(ar.model.to(device), ar.ordering, decoder, options.batch), nar.model.to(device), codec)
    whole = options.mode == "continuation"
    requests, prompts = requests_of(dataset, tokens, options, codec.frame_rate)
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
            facts = {**speech.facts, "prompt": prompts[speech.id], "target_frames": int(recorded)}
            journal.add(speech.id, facts)
        done = [request.id for request in requests]
        facts = [journal.found[utterance] for utterance in done]
        write_text(folder / "facts.jsonl", "".join(json.dumps(fact) + "\n" for fact in facts))
        write_table(folder / "wav.scp", {u: str(options.out / "wav" / f"{u}.wav") for u in done})
        write_table(folder / "text", {u: dataset.text(index[u]) for u in done})
        write_table(folder / "utt2spk", {u: dataset.speakers[index[u]] for u in done})
        write_table(folder / "utt2prompt", {u: prompts[u] for u in done})
        seconds = sum(fact["seconds"] for fact in facts)
        audio = sum(fact["audio_seconds"] for fact in facts)
        summary = {"utterances": len(done), "audio_seconds": round(audio, 1), "seconds": round(seconds, 1)}
        if options.measure:
            scripts = [ar.ordering.script(request) for request in requests[: options.batch]]
            summary |= measure_decoding(pipeline.engine, scripts)
        write_text(folder / "summary.json", json.dumps(summary, indent=1) + "\n")
    print(f"{options.out}: {len(done)} utterances, {audio:.0f} s of speech in {seconds:.0f} s")


def requests_of(dataset: Dataset, tokens: Tokens, options, frame_rate: float) -> tuple[list[DecodingRequest], dict]:
    """What to decode, and the utterance each one is prompted by."""
    limit = len(dataset) if options.limit is None else options.limit
    if options.mode == "continuation":
        requests = list(islice(_continuations(dataset, tokens, options, frame_rate), limit))
        if len(requests) < min(limit, len(dataset)):
            print(f"{options.data}: {len(requests)} of {len(dataset)} utterances are long enough to be continued")
        return requests, {request.id: request.id for request in requests}
    chosen = range(min(limit, len(dataset)))
    requests, prompts = [], {}
    table = prompt_table(dataset, options.raw)
    index = {utterance: i for i, utterance in enumerate(dataset.ids)}
    for i, prompt in _with_prompts(dataset, chosen, table):
        target = dataset[i]
        # Where the recording pauses is no part of the text.
        phones, words = (np.delete(row, dataset.pauses(i)) for row in (target.phones, target.word_of_phone))
        requests.append(cross_sentence(target.id, dataset[index[prompt]], phones, words, tokens))
        prompts[target.id] = prompt
    return requests, prompts


def _continuations(dataset: Dataset, tokens: Tokens, options, frame_rate: float) -> Iterator[DecodingRequest]:
    """The utterances of at least `least_seconds` that say something after their prompt."""
    frames = round(options.prompt_seconds * frame_rate)
    least = max(options.least_seconds * frame_rate, frames + 1)
    for i in np.flatnonzero(np.asarray(dataset.lengths) >= least):
        request = continuation(dataset[int(i)], frames, tokens, dataset.pauses(int(i)))
        if request is not None:
            yield request


def prompt_table(dataset: Dataset, raw: Path | None) -> dict[str, str]:
    """Utterance -> its prompt: `utt2prompt` where the set has one, otherwise the speaker's
    utterance before it, and the last one for the first (VALL-E 2, section 4.1)."""
    if raw is not None and (raw / "utt2prompt").exists():
        table = read_table(raw / "utt2prompt")
        unknown = [prompt for prompt in table.values() if prompt not in set(dataset.ids)]
        if unknown:
            raise UserError(f"{raw / 'utt2prompt'}: prompt {unknown[0]!r} is not in the set")
        return table
    table = {}
    for utterances in invert(dict(zip(dataset.ids, dataset.speakers, strict=True))).values():
        if len(utterances) > 1:
            table.update(zip(utterances, [utterances[-1], *utterances[:-1]], strict=True))
    return table


def _with_prompts(dataset: Dataset, chosen: range, table: dict[str, str]) -> Iterator[tuple[int, str]]:
    for i in chosen:
        if dataset.ids[i] in table:
            yield i, table[dataset.ids[i]]
        else:
            print(f"{dataset.ids[i]}: left out, its speaker has no other utterance to prompt with")


def _in_groups(requests: list[DecodingRequest], done: Collection[str], size: int) -> Iterator[DecodingRequest]:
    """The requests without the groups of `size` that are done: a group is decoded as at first or not at all.

    So what an interrupted run left undone comes out bit for bit as it would have.
    """
    for start in range(0, len(requests), size):
        group = requests[start : start + size]
        if any(request.id not in done for request in group):
            yield from group
