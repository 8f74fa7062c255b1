"""What a program has to know to speak with exported graphs: the content of model.json."""

from __future__ import annotations

import numpy as np

from ellav import config
from ellav.infer.synthesizer import Synthesizer
from ellav.models.model_config import read_model_config
from ellav.plugins.decoders import decoders
from ellav.plugins.orderings import orderings
from ellav.plugins.registry import Registry
from ellav.version import __version__

FORMAT = 1
"""Raised when a program that reads model.json would no longer read it rightly."""


def description(voice: Synthesizer, exported: bool) -> dict:
    """Plain values, see docs/export.md. exported: whether the codec is."""
    engine, tokens, codec = voice.pipeline.engine, voice.tokens, voice.codec
    ordering, model, nar = engine.ordering, engine.model, voice.pipeline.nar
    options, vocabulary = model.options, ordering.vocabulary
    least, most = tokens.bounds(np.arange(len(tokens)))
    trained = read_model_config(voice.bundle.folder / "ar" / "config.yaml")
    return {
        "format": FORMAT,
        "ellav": __version__,
        "sample_rate": codec.sample_rate,
        "frame_rate": codec.frame_rate,
        "text": voice.bundle.model["text"]["name"],
        "phones": tokens.phones,
        "least": least.tolist(),
        "most": most.tolist(),
        "languages": list(getattr(ordering, "languages", ())),
        "vocabulary": {name: [vocabulary.start(name), size] for name, size in vocabulary.sizes.items()},
        "ordering": {
            **_choice(orderings, trained["ordering"]),
            "streams": ordering.streams,
            "codebooks": ordering.codebooks,
            "positions": ordering.positions,
        },
        "sampled": model.sampled.tolist(),
        "states": [
            {
                "allowed": [np.flatnonzero(stream).tolist() for stream in state.allowed],
                "trigger": int(state.trigger),
                "own_row": state.own_row,
            }
            for state in ordering.states
        ],
        "decoder": _choice(decoders, voice.bundle.model["decoder"]),
        "ar": {
            "file": "ar.onnx",
            "depth": None if model.depth is None else "depth.onnx",
            "cache": [options.layers, 2, options.groups, options.width // options.heads],
            "text_attention": options.text_attention,
            "longest": voice.longest,
        },
        "nar": {
            "file": "nar.onnx",
            "known": nar.known,
            "codebooks": nar.codebooks,
            "text": nar.options.text,
            "longest_prompt": voice.pipeline.nar_prompt,
        },
        "codec": {"name": codec.name, "file": "codec.onnx" if exported else None},
        "prompts": [prompt(voice, name) for name in voice.prompts],
    }


def prompt(voice: Synthesizer, name: str) -> dict:
    """A built-in prompt as the models read it."""
    heard = voice.hear(name).prompt
    return {
        "name": name,
        "text": voice.prompts[name].text,
        "phones": voice.tokens.decode(heard.phones),
        "durations": heard.durations.tolist(),
        "codes": heard.codes.tolist(),
    }


def _choice(registry: Registry, chosen: dict) -> dict:
    """A plugin's name and all its options, those that were left out as well."""
    name = chosen["name"]
    return {"name": name, "conf": config.completed(registry.get(name), chosen["conf"], f"{registry.family} {name}")}
