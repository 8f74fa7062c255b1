"""What a training configuration comes to for one of the two models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from ellav.errors import UserError
from ellav.models.options import ModelOptions
from ellav.plugins.orderings import Ordering
from ellav.train.config import TrainConfig
from ellav.types import Utterance


def split_conf(kind: str, model_conf: dict, train_conf: dict, own: dict) -> tuple[dict, dict]:
    """model_conf and train_conf with `own`, the ar_conf or nar_conf of the model, dealt out on top of them.

    kind: ar or nar. Raises UserError for an option that belongs to neither.
    """
    model_conf, train_conf = dict(model_conf), dict(train_conf)
    of_model, of_train = ({field.name for field in fields(kept)} for kept in (ModelOptions, TrainConfig))
    for name, value in own.items():
        key = name.replace("-", "_")
        if key in of_model:
            model_conf[key] = value
        elif key in of_train:
            train_conf[key] = value
        else:
            known = ", ".join(sorted(of_model | of_train))
            raise UserError(f"{kind}_conf: unknown option {name!r}; accepted: {known}")
    return model_conf, train_conf


def reads_durations(ordering: Ordering, utterances: Sequence[Utterance], few: int = 50) -> bool:
    """Whether decoded rows will tell how long most phones last, as those of the first utterances do.

    A NAR model that adds phones to their own frames is of use only then.
    """
    phones = certain = 0
    for number in range(min(few, len(utterances))):
        restored = ordering.restore(ordering.arrange(utterances[number]).ids)
        if restored.durations is None:
            return False
        phones += len(restored.certain)
        certain += int(restored.certain.sum())
    return 2 * certain > phones
