"""What only a GPU can show: that it computes what a CPU does, with and without graphs, and trains without waiting.

`test/bench/gpu.sh` runs these; by their name they are no part of the suite, which has no GPU.
"""

import numpy as np
import pytest
import torch
from test_engine import fake_ordering, fake_script, tiny
from test_models import ar, sequences
from test_models import packed as whole_of
from test_training import described, trainer

from ellav.infer.engine import Engine
from ellav.models import gpu_attention
from ellav.models.transformer import packed_attention
from ellav.plugins.decoders import decoders

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
CUDA = torch.device("cuda")
BFLOAT16 = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)


def near(made, right, dtype):
    bound = 1e-4 if dtype == torch.float32 else 0.05
    assert torch.isfinite(made).all()
    assert (made.float() - right.float()).norm() <= bound * right.float().norm()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("changes", [{}, {"kv_heads": 2}, {"attention": "full"}, {"positions": "sinusoidal"}])
def test_cached_steps_equal_the_whole(changes, dtype):
    model = ar(width=128, **changes)  # heads of 32
    parts, texts = sequences([9, 14, 12], 1), [3, 6, 2]
    whole = [model.logits(hidden).detach() for hidden in whole_of(model, parts, texts)]
    cached = model.to(CUDA).cached(dtype)
    cache, at = cached.cache(4, 20), torch.tensor([7, 7, 7], device=CUDA)
    begun = torch.cat([part[:7] for part in parts]).to(CUDA)
    hidden = cached.prefill(begun, torch.arange(7, device=CUDA).repeat(3), [7] * 3, texts, cache, [0, 1, 2])
    near(cached.logits(hidden).cpu(), torch.stack([w[6] for w in whole]), dtype)
    ids = torch.stack([part[7:9] for part in parts]).to(CUDA)
    hidden = cached.step(ids, at[:, None] + torch.arange(2, device=CUDA), cache, at, 9)
    near(cached.logits(hidden.flatten(0, 1)).cpu(), torch.cat([w[7:9] for w in whole]), dtype)


@pytest.mark.skipif(not BFLOAT16, reason="no bfloat16")
def test_the_kernel_is_there():
    assert gpu_attention.takes(CUDA, torch.bfloat16, 64)
    assert gpu_attention.reads_caches(CUDA, torch.bfloat16, 64), "this torch decodes with masks"


@pytest.mark.skipif(not BFLOAT16, reason="no bfloat16")
@pytest.mark.parametrize("groups", [4, 1])
@pytest.mark.parametrize(("causal", "texts"), [(True, None), (True, [3, 1, 0, 50]), (False, None)])
def test_packed_sequences_in_one_kernel(causal, texts, groups):
    lengths = [70, 1, 4, 120]
    q, k, v = (torch.randn(200, heads, 32, requires_grad=True) for heads in (4, groups, groups))
    given = [t.detach().to(CUDA, torch.bfloat16).requires_grad_() for t in (q, k, v)]
    made = gpu_attention.Packing(lengths, 200, causal, texts, CUDA)(*given)[:195]
    right = packed_attention(q, k, v, lengths, causal, texts)[:195]
    near(made.cpu(), right, torch.bfloat16)
    weight = torch.randn_like(right)
    backward = torch.autograd.grad((made * weight.to(CUDA)).sum(), given)
    for a, b in zip(backward, torch.autograd.grad((right * weight).sum(), (q, k, v)), strict=True):
        near(a.cpu(), b, torch.bfloat16)


@pytest.mark.parametrize(("streams", "width", "decoder"), [(1, 1, "nucleus"), (1, 2, "ras"), (3, 2, "topk")])
def test_graphs_slots_and_the_cpu_agree(streams, width, decoder):
    """In float32: what a CPU decodes, whatever is decoded beside it, captured or not."""
    rng = np.random.default_rng(streams)
    ordering = fake_ordering(streams, "token")
    scripts, names = [fake_script(ordering, rng) for _ in range(40)], [f"u{i}" for i in range(40)]
    model, made = tiny(ordering), {}
    for place, batch, graphs in (("cpu", 8, False), ("cuda", 8, False), ("cuda", 8, True), ("cuda", 1, True)):
        engine = Engine(model.to(place), ordering, decoders.create(decoder), batch, width, graphs=graphs)
        made[place, batch, graphs] = [one.ids for one in engine.decode(names, scripts)]
    first, *others = made.values()
    for other in others:
        same = [np.array_equal(a, b) for a, b in zip(first, other, strict=True)]
        assert sum(same) >= 39  # sums in another order may tip one choice


@pytest.mark.skipif(not BFLOAT16, reason="no bfloat16")
def test_captured_steps_are_the_steps_in_bfloat16():
    rng = np.random.default_rng(0)
    ordering = fake_ordering(1, "token")
    model = tiny(ordering, width=128, heads=2).to(CUDA, torch.bfloat16)
    scripts, names = [fake_script(ordering, rng) for _ in range(40)], [f"u{i}" for i in range(40)]
    for script in scripts:
        object.__setattr__(script, "most", script.most + 200)  # longer than one reach of a cache
    plain, captured = (
        Engine(model, ordering, decoders.create("nucleus"), 16, graphs=graphs) for graphs in (False, True)
    )
    pairs = zip(plain.decode(names, scripts), captured.decode(names, scripts), strict=True)
    assert sum(np.array_equal(a.ids, b.ids) for a, b in pairs) >= 38


@pytest.mark.parametrize("kind", ["ar", "nar"])
def test_training_waits_for_nothing_between_logs(tmp_path, kind):
    one = trainer(tmp_path, described(kind, width=64, dropout=0.1), dtype="auto", average=1.0)
    assert one.device.type == "cuda" and not one.waits
    stream = one.train.stream()
    taken = one.steps(stream)
    for _ in range(3):
        next(taken)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            next(taken)
    finally:
        torch.cuda.set_sync_debug_mode("default")
        stream.close()


@pytest.mark.parametrize("kind", ["ar", "nar"])
def test_training_learns(tmp_path, kind):
    one = trainer(tmp_path, described(kind, width=64), dtype="auto", max_steps=100, lr=1e-2, log_every=10)
    figures = one.run()["valid"]
    assert figures["last"]["loss"] < 2.0, figures
