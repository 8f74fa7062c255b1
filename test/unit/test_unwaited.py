"""Training as on a GPU: loss and gradient norm stay on the device until they are told, batches come one ahead."""

import numpy as np
import pytest
import torch
from tape import SEEN_BY_THE_HOST, Unseen, unasked
from test_training import described, losses, trainer

from ellav.data.batching import Place
from ellav.errors import UserError
from ellav.train.prefetch import ahead, one_ahead


@pytest.mark.parametrize("changes", [{}, {"optimizer": "muon", "accumulate": 2}, {"dtype": "bfloat16"}])
@pytest.mark.parametrize("kind", ["ar", "nar"])
def test_a_step_between_logs_asks_the_device_nothing(tmp_path, kind, changes):
    one = trainer(tmp_path, described(kind, dropout=0.1), average=1.0, **changes)
    one.waits = False
    one._settle_dtype()
    stream = one.train.stream()
    one._train_step(stream, False, False)  # optimizers begin
    with Unseen(count=True) as noted, unasked():
        for _ in range(3):
            read, *_ = one._train_step(stream, False, False)
            assert read == []
    stream.close()
    assert not set(noted.seen) & set(SEEN_BY_THE_HOST), noted.seen
    assert len(one._read()) == 4


@pytest.mark.parametrize("kind", ["ar", "nar"])
def test_what_is_read_late_is_what_is_read_at_once(tmp_path, kind):
    options = {"max_steps": 11, "log_every": 3, "valid_every": 4, "save_every": 5, "patience": 2}
    for name, waits in (("now", True), ("late", False)):
        one = trainer(tmp_path / name, described(kind, dropout=0.1), **options)
        one.waits = waits
        one.run()
        assert not one.unread
    assert losses(tmp_path / "late") == losses(tmp_path / "now")
    assert (tmp_path / "late/last.safetensors").read_bytes() == (tmp_path / "now/last.safetensors").read_bytes()


def test_the_first_bad_step_is_named_though_it_is_read_late(tmp_path):
    one = trainer(tmp_path, log_every=6, valid_every=50, save_every=50)
    one.waits = False
    step, held = one._train_step, []

    def spoilt(stream, *given):
        batch, place = next(stream)
        held.append(batch.names)
        if one.step == 2:
            with torch.no_grad():
                one.objective.model.table[0] = float("nan")
        return step(iter([(batch, place)]), *given)

    one._train_step = spoilt
    with pytest.raises(UserError, match="step 3: loss is nan; the batch held ") as refused:
        one.run()
    assert len(held) == 6 and f"the batch held {' '.join(held[2])}. " in str(refused.value)
    assert not (tmp_path / "state.pt").exists()


def test_batches_come_one_ahead_and_in_order():
    happened = []

    def begin(batch):
        happened.append(("begin", batch))
        return batch + 100

    def ready(copy):
        happened.append(("ready", copy - 100))
        return copy

    stream = ((number, Place(0, number)) for number in range(3))
    drawn = one_ahead(stream, begin, ready)
    assert next(drawn) == (100, Place(0, 0)) and happened == [("begin", 0), ("begin", 1), ("ready", 0)]
    assert list(drawn) == [(101, Place(0, 1)), (102, Place(0, 2))]
    assert [number for what, number in happened if what == "ready"] == [0, 1, 2]
    same = iter([])
    assert ahead(same, torch.device("cpu")) is same and list(one_ahead(iter([]), begin, ready)) == []


def test_a_batch_moves_whole(tmp_path):
    for kind in ("ar", "nar"):
        one = trainer(tmp_path / kind, described(kind))
        batch = one.objective.collate([one.objective.arrange(u, np.random.default_rng(0)) for u in one.train.data[:3]])
        moved = batch.to(torch.device("meta"))
        assert all(tensor.is_meta for tensor in moved.tensors.values())
        assert (moved.names, moved.lengths, moved.per_book) == (batch.names, batch.lengths, batch.per_book)
        assert kind == "ar" or sum(batch.per_book) == len(batch.tensors["rows"])
