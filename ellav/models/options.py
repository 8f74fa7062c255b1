"""The options of both models, as `model_conf` of a training configuration gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ModelOptions:
    """Size and kind of a model; raises ValueError for what cannot be built.

    layers, width, heads, ffn: of the Transformer. kv_heads: heads of keys and values, each for as many heads of
    queries (grouped-query attention, arXiv 2305.13245): a cache of kv_heads / heads the size, which decoding in
    batches mostly waits for; None: every head has its own. dropout: on the input and on what each
    block adds. positions: absolute sinusoids added to the input, or rotary attention.
    qk_norm: normalise queries and keys of each head, which allows larger learning rates.
    text_attention (AR only): causal everywhere, or full among the rows of the text prefix.
    text (NAR only): phones stand before the frames, or are added to their own frames;
    auto takes the latter for orderings whose rows tell how long most phones last.
    place (NAR with aligned text only): tell each frame how far inside its phone it is.
    codebooks (NAR only): how many codebooks of the codec's a frame is given in all; None: every one. With few hours of
    speech the last ones are not learned: what is chosen of them is noise, and speech is clearer without.
    language (AR only): auto puts a token of the language in front of the text where the training set has several
    (`utt2lang`); off never does.
    """

    layers: int = 4
    width: int = 256
    heads: int = 4
    ffn: int = 1024
    kv_heads: int | None = None
    dropout: float = 0.0
    positions: Literal["sinusoidal", "rotary"] = "rotary"
    qk_norm: bool = False
    text_attention: Literal["causal", "full"] = "causal"
    text: Literal["prefix", "aligned", "auto"] = "prefix"
    place: bool = True
    codebooks: int | None = None
    language: Literal["auto", "off"] = "auto"

    def __post_init__(self):
        sizes = {"layers": 256, "width": 32_768, "heads": 1024, "ffn": 262_144}
        for name, most in sizes.items():
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be 1 to {most}, not {getattr(self, name)}")
        if self.codebooks is not None and self.codebooks < 1:
            raise ValueError(f"codebooks must be 1 or more, not {self.codebooks}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {self.dropout}")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(f"width {self.width} must be {self.heads} heads times an even number")
        if self.kv_heads is not None and (self.kv_heads < 1 or self.heads % self.kv_heads):
            raise ValueError(f"kv_heads {self.kv_heads} must divide heads {self.heads}")

    @property
    def groups(self) -> int:
        """Heads of keys and values."""
        return self.kv_heads or self.heads
