"""Audio while training: what the model under training says, for a person to listen to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ellav.data.dataset import Dataset, Tokens
from ellav.infer.engine import Engine
from ellav.infer.pipeline import Pipeline
from ellav.infer.requests import cross_sentence
from ellav.models.nar import NARInput
from ellav.plugins.codecs import Codec
from ellav.plugins.decoders import Decoder
from ellav.plugins.orderings import Ordering


def sampler(
    kind: Literal["ar", "nar"],
    ordering: Ordering,
    valid: Dataset,
    tokens: Tokens,
    codec: Codec,
    decoder: Decoder,
    count: int = 2,
) -> Callable:
    """A function (model, step, board) that writes `count` utterances to a TensorBoard writer.

    The AR model speaks validation sentences after another utterance of the speaker, from
    its own codebooks alone; the NAR model completes the recorded first codebooks after a
    second of prompt. The recordings, through the codec, are written once beside them.
    """
    by_speaker: dict[str, list[int]] = {}
    for index, speaker in enumerate(valid.speakers):
        by_speaker.setdefault(speaker, []).append(index)
    pairs = [(members[-1], members[0]) for members in by_speaker.values() if len(members) > 1][:count]
    heard: list[bool] = []

    def on_sample(model, step: int, board) -> None:
        if board is None:
            return
        targets = [valid[target] for _, target in pairs]
        if kind == "ar":
            requests = [
                cross_sentence(t.id, valid[prompt], t.phones, t.word_of_phone, tokens)
                for (prompt, _), t in zip(pairs, targets, strict=True)
            ]
            speeches = Pipeline(Engine(model, ordering, decoder, graphs=False), None, codec).speak(requests)
            wavs = [speech.wav for speech in speeches]
        else:
            second = round(codec.frame_rate)
            items = [NARInput(t.phones, t.durations, t.codes[:, : model.known], t.codes[:second]) for t in targets]
            wavs = codec.decode(model.generate(items))
        for target, wav in zip(targets, wavs, strict=True):
            board.add_audio(f"sample/{target.id}", wav[None], step, codec.sample_rate)
        if not heard:
            heard.append(True)
            for target, wav in zip(targets, codec.decode([t.codes for t in targets]), strict=True):
                board.add_audio(f"recorded/{target.id}", wav[None], step, codec.sample_rate)

    return on_sample
