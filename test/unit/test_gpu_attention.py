"""Attention as a GPU does it, up to the kernel, which is replaced by plain products; and shapes, without numbers."""

import numpy as np
import pytest
import torch
from plain_varlen import varlen
from test_engine import fake_ordering, fake_script, tiny
from test_models import ar, nar, sequences

from ellav.infer.engine import Engine
from ellav.models import cached, gpu_attention
from ellav.models.cached import KVCache
from ellav.models.device import sent
from ellav.models.transformer import packed_attention
from ellav.plugins.decoders import decoders

META = torch.device("meta")


@pytest.fixture
def kernel(monkeypatch):
    """As if this were a GPU; returns how often the kernel was called."""
    calls = []

    def counted(*given, **named):
        calls.append(len(given[0]))
        return varlen(*given, **named)

    monkeypatch.setattr(gpu_attention, "kernel", lambda: counted)
    monkeypatch.setattr(gpu_attention, "takes", lambda *_: True)
    monkeypatch.setattr(cached, "reads_caches", lambda *_: True)
    return calls


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("groups", [4, 2, 1])
@pytest.mark.parametrize(("causal", "texts"), [(True, None), (True, [3, 1, 0, 5]), (True, [0] * 4), (False, None)])
def test_packed_sequences_in_one_kernel(kernel, causal, texts, groups, padding):
    lengths = [7, 1, 4, 12]
    q, k, v = (torch.randn(24 + padding, h, 8, dtype=torch.float64, requires_grad=True) for h in (4, groups, groups))
    packing = gpu_attention.Packing(lengths, 24 + padding, causal, texts, torch.device("cpu"))
    made, right = packing(q, k, v)[:24], packed_attention(q, k, v, lengths, causal, texts)[:24]
    torch.testing.assert_close(made, right, atol=1e-6, rtol=1e-5)
    weight = torch.randn_like(right)
    for a, b in zip(*(torch.autograd.grad((o * weight).sum(), (q, k, v)) for o in (made, right)), strict=True):
        assert torch.isfinite(a).all()
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)
    assert len(kernel) == (2 if texts and any(texts) else 1)


@pytest.mark.parametrize(("causal", "texts"), [(True, None), (True, [3, 1, 0, 5]), (False, None)])
def test_a_row_sees_the_same_rows(kernel, causal, texts):
    """Where nothing is likelier than anything else, a row is the mean of what it sees."""
    lengths, none = [7, 1, 4, 12], torch.zeros(24, 1, 24)
    seen = torch.eye(24)[:, None]
    packing = gpu_attention.Packing(lengths, 24, causal, texts, torch.device("cpu"))
    made, right = packing(none, none, seen)[:, 0] > 0, packed_attention(none, none, seen, lengths, causal, texts) > 0
    assert torch.equal(made, right[:, 0])
    begin = np.repeat(np.cumsum(lengths) - lengths, lengths)
    for row in range(24):
        text = dict(zip(np.cumsum(lengths) - lengths, texts or [0] * 4, strict=True))[begin[row]]
        last = 24 if not causal else max(row + 1, begin[row] + text if row < begin[row] + text else 0)
        wanted = [begin[row] == begin[other] and other < last for other in range(24)]
        assert made[row].tolist() == wanted


@pytest.mark.parametrize("attention", ["causal", "full"])
@pytest.mark.parametrize("changes", [{}, {"kv_heads": 2, "qk_norm": True}, {"positions": "sinusoidal"}])
def test_models_learn_alike(attention, changes, request):
    model = ar(attention=attention, **changes)
    parts, texts = sequences([7, 1, 12], 1), [3, 1, 5]
    positions = torch.cat([torch.arange(len(p)) for p in parts])

    def gradients():
        model.zero_grad()
        loss = model.logits(model(torch.cat(parts), positions, [7, 1, 12], texts)).square().sum()
        loss.backward()
        return [loss.detach(), *(p.grad.clone() for p in model.parameters())]

    plain = gradients()
    calls = request.getfixturevalue("kernel")
    for a, b in zip(plain, gradients(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-4)
    assert len(calls) == (4 if attention == "full" else 2)  # two layers


@pytest.mark.parametrize(("streams", "width", "changes"), [(1, 1, {}), (1, 2, {"kv_heads": 1}), (3, 2, {})])
def test_the_engine_decodes_alike(streams, width, changes, request):
    rng = np.random.default_rng(streams)
    ordering = fake_ordering(streams, "token")
    model = tiny(ordering, **changes)
    scripts, names = [fake_script(ordering, rng) for _ in range(9)], [f"u{i}" for i in range(9)]
    plain = Engine(model, ordering, decoders.create("nucleus"), 4, width).decode(names, scripts, confidence=True)
    calls = request.getfixturevalue("kernel")
    engine = Engine(model, ordering, decoders.create("nucleus"), 4, width)
    for one, other in zip(plain, engine.decode(names, scripts, confidence=True), strict=True):
        assert np.array_equal(one.ids, other.ids) and other.confidence == pytest.approx(one.confidence, rel=1e-4)
    assert len(calls) == 2 * engine.forwards


def test_a_kernel_is_tried_before_it_is_trusted_with_a_cache(monkeypatch):
    tried = gpu_attention.reads_caches.__wrapped__
    monkeypatch.setattr(gpu_attention, "takes", lambda *_: True)

    def refusing(*_, **__):
        raise RuntimeError("block_table is not supported")

    def wrong(query, key, value, *_, **__):
        return value[0, : len(query)]

    for kernel, able in ((varlen, True), (refusing, False), (wrong, False)):
        monkeypatch.setattr(gpu_attention, "kernel", lambda kernel=kernel: kernel)
        assert tried(torch.device("cpu"), torch.bfloat16, 64) == able


def test_lengths_of_a_cache_that_changes_seldom():
    cache = KVCache((1, 2, 3, 2, 600, 8), torch.float32, torch.device("cpu"), seldom=True)
    cache.entries.normal_()
    before = cache.entries
    assert cache.length == 1024
    cache.grow(1024)
    assert cache.entries is before
    cache.grow(1025)
    assert cache.length == 2048 and torch.equal(cache.entries[..., :1024, :], before)
    flat = cache.entries[0].reshape(-1, 8)
    for row, kind, head in ((0, 0, 1), (2, 1, 0)):
        assert torch.equal(flat[cache.owners[row, 0, kind, head] + 7], cache.entries[0, kind, row, head, 7])


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("changes", [{}, {"kv_heads": 2}, {"positions": "sinusoidal", "attention": "full"}])
def test_shapes_of_decoding_without_numbers(changes, fused, monkeypatch):
    monkeypatch.setattr(gpu_attention, "takes", lambda *_: fused)
    monkeypatch.setattr(cached, "reads_caches", lambda *_: fused)
    model = ar(**changes).to(META)
    network = model.cached(torch.bfloat16)
    cache = network.cache(4, 30)
    assert cache.entries.dtype == torch.bfloat16 and cache.length == (512 if fused else 30)
    given = torch.empty(11, 1, dtype=torch.long, device=META), torch.empty(11, dtype=torch.long, device=META)
    assert network.prefill(*given, [4, 7], [2, 3], cache, [0, 2]).shape == (2, 32)
    for width, level in ((1, False), (2, False), (1, True)):
        ids = torch.empty(3, width, 1, dtype=torch.long, device=META)
        at = torch.empty(3, dtype=torch.long, device=META)
        hidden = network.step(ids, ids[..., 0], cache, at, 16, level)
        assert hidden.shape == (3, width, 32) and network.logits(hidden[:, 0]).shape == (3, 1, 40)


@pytest.mark.parametrize("text", ["causal", "full"])
def test_shapes_of_training_without_numbers(text, monkeypatch):
    """By the kernel's own description of itself, backwards too."""
    monkeypatch.setattr(gpu_attention, "takes", lambda *_: True)
    for dtype in (torch.bfloat16, torch.float32):  # weights of either
        model = ar(attention=text).to(META, dtype)
        ids = torch.empty(20, 1, dtype=torch.long, device=META)
        model.logits(model(ids, ids[:, 0], [7, 1, 12], [3, 1, 5])).sum().backward()
        assert all(p.grad.shape == p.shape for p in model.parameters())
        other = nar("prefix").to(META, dtype)
        ids = torch.empty(20, 6, dtype=torch.long, device=META)
        other.logits(other(ids, ids[:, 0], [8, 12], ids[:, 0]), 1).sum().backward()


def test_frequencies_keep_their_digits():
    model, exact = ar(), ar().transformer.frequencies.clone()
    rounded = model.to(torch.bfloat16)
    assert rounded.table.dtype == torch.bfloat16 and torch.equal(rounded.transformer.frequencies, exact)
    assert rounded.to(META).transformer.frequencies.is_meta


@pytest.mark.parametrize("text", ["prefix", "aligned"])
def test_a_nar_model_of_bfloat16_is_near(text):
    model = nar(text)
    ids, levels = torch.randint(0, 40, (400, 6)), torch.zeros(400, dtype=torch.long)
    with torch.inference_mode():
        exact = model.logits(model(ids, torch.arange(400), [400], levels), 1)
        near = model.to(torch.bfloat16).logits(model(ids, torch.arange(400), [400], levels), 1).float()
    assert (exact - near).norm() < 0.05 * exact.norm()


def test_a_cpu_takes_no_kernel_of_a_gpu():
    cpu = torch.device("cpu")
    assert sent(torch.ones(2), "cpu").sum() == 2
    assert not gpu_attention.takes(cpu, torch.bfloat16, 64) and not gpu_attention.reads_caches(cpu, torch.float32, 64)
    assert gpu_attention.kernel() is not None
