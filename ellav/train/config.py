"""The options of training, as `train_conf` gives them, and the schedule they describe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ellav.models.model_config import NAR_PROMPT


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained; raises ValueError for what cannot be run.

    Length: training ends with whichever of max_steps, max_minutes and max_frames_seen is
    set and reached first; the learning rate follows the same measure. Count max_frames_seen,
    codec frames read: it gives the same model on any machine, and models with different
    orderings the same speech. max_minutes is for people in a hurry: time spent training, over
    all resumed parts. Another machine then makes another model, and a resumed run is not bit
    for bit an uninterrupted one, because the schedule follows the clock.
    patience: validations without a lower loss after which training ends early (None: never).

    Data: batch_tokens, the most tokens of a batch, on each process; accumulate, batches a
    step; max_frames, the longest join of utterances (0: twice the longest utterance).
    prompt_least, prompt_most: seconds of the prompt that a NAR model is given.

    code_vectors: embeddings of codes begin as what the codec's quantiser adds up for them, where the codec tells
    (`ellav.plugins.codecs.VectorCodec`), instead of at random.
    level_power: codebook l of a NAR model's 1, 2, ... is trained in proportion to l ** -level_power; 0: all alike, as
    VALL-E's; 1: the first ones, which carry the most, more often.
    soft_codes: over how many codes of like sound the target of a NAR model is spread (a perplexity; 1: the code alone),
    where the codec tells vectors; validation looks at the code alone.

    Steps: optimizer, learning rate `lr` at its peak after `warmup` steps, then falling
    linearly to final_lr * lr; or trapezoid: falling in the last `decay` share only.
    muon_lr: of the block matrices under `muon`, where `lr` is for the rest.
    beta1, beta2, weight_decay: of AdamW. clip: the largest gradient norm.
    average: share of the run, at its end, whose weights are averaged.

    dtype: auto measures float32 and bfloat16 autocast first. threads: 0 takes all cores,
    or OMP_NUM_THREADS where set. Every how many steps: valid_every (on valid_batches),
    save_every, log_every. sample_minutes: between audio samples.
    """

    max_steps: int | None = None
    max_minutes: float | None = None
    max_frames_seen: int | None = None
    patience: int | None = None
    seed: int = 0
    batch_tokens: int = 8000
    accumulate: int = 1
    max_frames: int = 0
    prompt_least: float = NAR_PROMPT[0]
    prompt_most: float = NAR_PROMPT[1]
    code_vectors: bool = True
    level_power: float = 0.0
    soft_codes: float = 1.0
    optimizer: Literal["adamw", "muon"] = "adamw"
    lr: float = 2e-3
    muon_lr: float = 0.02
    warmup: int = 100
    schedule: Literal["linear", "trapezoid"] = "linear"
    decay: float = 0.4
    final_lr: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.1
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = 0
    valid_every: int = 250
    valid_batches: int = 8
    save_every: int = 250
    log_every: int = 25
    sample_minutes: float = 5.0

    def __post_init__(self):
        if self.max_steps is None and self.max_minutes is None and self.max_frames_seen is None:
            raise ValueError("set max_steps, max_minutes or max_frames_seen, or training would not end")
        for name in ("batch_tokens", "accumulate", "valid_every", "save_every", "log_every", "lr", "clip"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be positive, not {self.patience}")
        if not 0 <= self.level_power <= 10:
            raise ValueError(f"level_power must be from 0 to 10, not {self.level_power}")
        if not self.soft_codes >= 1:
            raise ValueError(f"soft_codes must be at least 1, not {self.soft_codes}")
        if not 0 < self.prompt_least <= self.prompt_most:
            raise ValueError("0 < prompt_least <= prompt_most must hold")

    def length(self) -> list:
        """What `progress` is measured by."""
        return [self.max_steps, self.max_minutes, self.max_frames_seen]

    def progress(self, step: int, seconds: float, frames: int) -> float:
        """Share of the training that is done, from 0 to 1 and beyond."""
        shares = [0.0]
        if self.max_steps is not None:
            shares.append(step / max(1, self.max_steps))
        if self.max_minutes is not None:
            shares.append(seconds / (60 * self.max_minutes) if self.max_minutes > 0 else 1.0)
        if self.max_frames_seen is not None:
            shares.append(frames / max(1, self.max_frames_seen))
        return max(shares)

    def lr_scale(self, step: int, progress: float) -> float:
        """Learning rate of a step (counted from 0) as a share of its peak."""
        left = max(0.0, 1.0 - progress)
        falling = left if self.schedule == "linear" else min(1.0, left / self.decay)
        rising = min(1.0, (step + 1) / max(1, self.warmup))
        return rising * (self.final_lr + (1 - self.final_lr) * falling)
