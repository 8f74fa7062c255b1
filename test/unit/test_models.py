import numpy as np
import pytest
import torch

from ellav.models.ar import ARModel, sampled_ids
from ellav.models.code_embeddings import OWN, begin_with_vectors
from ellav.models.cpu_attention import BlockAttention
from ellav.models.nar import Mixing, NARInput, NARModel
from ellav.models.options import ModelOptions
from ellav.models.products import product, quantised
from ellav.plugins.codecs.code_vectors import sums_of_vectors
from ellav.plugins.orderings import orderings

V, SAMPLED = 60, np.arange(20, 60)
CASES = [
    (streams, combine, positions, attention)
    for streams, combine in ((1, "sum"), (3, "sum"), (3, "concat"))
    for positions in ("rotary", "sinusoidal")
    for attention in ("causal", "full")
]


def options(**changes) -> ModelOptions:
    return ModelOptions(**{"layers": 2, "width": 32, "heads": 4, "ffn": 48, **changes})


def stirred(model):
    """Weights far from the start, where every block is the identity."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


def ar(streams=1, combine="sum", positions="rotary", attention="causal", **changes) -> ARModel:
    made = options(positions=positions, text_attention=attention, **changes)
    return stirred(ARModel(made, V, SAMPLED, streams, combine))


def sequences(lengths, streams):
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(-1, V, (n, streams), generator=generator) for n in lengths]


def packed(model, parts, texts):
    positions = torch.cat([torch.arange(len(p)) for p in parts])
    return model(torch.cat(parts), positions, [len(p) for p in parts], texts).split([len(p) for p in parts])


@pytest.mark.parametrize(("streams", "combine", "positions", "attention"), CASES)
@pytest.mark.parametrize("changes", [{}, {"qk_norm": True}, {"kv_heads": 2}, {"kv_heads": 1, "qk_norm": True}])
def test_packed_sequences_are_as_alone(streams, combine, positions, attention, changes):
    model = ar(streams, combine, positions, attention, **changes)
    parts, texts = sequences([7, 1, 12], streams), [3, 1, 5]
    for part, text, hidden in zip(parts, texts, packed(model, parts, texts), strict=True):
        alone = packed(model, [part], [text])[0]
        torch.testing.assert_close(hidden, alone, atol=1e-4, rtol=1e-4)
        assert model.logits(hidden).shape == (len(part), streams, len(SAMPLED))


@pytest.mark.parametrize(("streams", "combine", "positions", "attention"), CASES)
@pytest.mark.parametrize("changes", [{}, {"qk_norm": True}, {"kv_heads": 2}, {"kv_heads": 1, "qk_norm": True}])
def test_cached_steps_equal_the_whole(streams, combine, positions, attention, changes):
    """Packed prefixes, then steps of one and two rows, sequences at their own pace."""
    model = ar(streams, combine, positions, attention, **changes)
    parts, texts, prefixes = sequences([9, 14, 12], streams), [3, 6, 2], [4, 8, 5]
    whole = [model.logits(h) for h in packed(model, parts, texts)]
    cached, rows = model.cached(), [2, 0, 3]  # of the cache, in no order; row 1 is nobody's
    cache, start = cached.cache(4, 20), torch.zeros(4, dtype=torch.long)
    begun = torch.cat([part[:n] for part, n in zip(parts, prefixes, strict=True)])
    places = torch.cat([torch.arange(n) for n in prefixes])
    hidden = cached.prefill(begun, places, prefixes, texts, cache, rows)
    for logits, n, wanted in zip(cached.logits(hidden), prefixes, whole, strict=True):
        torch.testing.assert_close(logits, wanted[n - 1], atol=1e-4, rtol=1e-4)
    start[rows], turn = torch.tensor(prefixes), 0
    while any(start[row] < len(part) for row, part in zip(rows, parts, strict=True)):
        ids, real = torch.full((4, 2, streams), 7), [0] * 4  # the second column may be padding
        for row, part in zip(rows, parts, strict=True):
            real[row] = max(0, min(1 + (turn + row) % 2, len(part) - int(start[row])))
            ids[row, : real[row]] = part[start[row] : start[row] + real[row]]
        places = start[:, None] + torch.arange(2)
        hidden = cached.step(ids, places, cache, start, int(start.max()) + 2)
        for row, wanted in zip(rows, whole, strict=True):
            n = int(start[row])
            if real[row]:
                got = cached.logits(hidden[row, : real[row]])
                torch.testing.assert_close(got, wanted[n : n + real[row]], atol=1e-4, rtol=1e-4)
        start, turn = start + torch.tensor(real), turn + 1


@pytest.mark.parametrize("dtype", [None, torch.int8])
@torch.inference_mode()
def test_each_stream_knows_those_before_it_in_the_row(dtype):
    torch.manual_seed(0)
    model = stirred(ARModel(options(), V, SAMPLED, 3, "sum", depth=True))
    hidden, ids = torch.randn(5, 32), torch.randint(-1, V, (5, 3))
    whole, cached = model.logits(hidden, ids), model.cached(dtype)
    normal = (hidden - model.transformer.norm.bias) / model.transformer.norm.weight  # what `cached` gives out
    stepped = cached.logits(normal)
    for s in range(1, 3):
        torch.testing.assert_close(model.logits(hidden)[:, s] + model.after(ids[:, :s]), whole[:, s])
        stepped[:, s] += cached.after(ids[:, :s])
    assert (stepped - whole).norm() < (1e-4 if dtype is None else 0.1) * whole.norm()
    other = ids.clone()
    other[:, 1] = (ids[:, 1] + 2) % V
    changed = (model.logits(hidden, other) - whole).abs().amax(dim=(0, 2))
    assert changed[:2].max() < 1e-4 < changed[2]
    assert ar(3).cached().after(ids) is None


def test_a_single_sequence_needs_no_mask():
    model, ids = ar(), torch.randint(0, V, (9, 1))
    cached = model.cached()
    whole = model.logits(packed(model, [ids], [1])[0])
    cache = cached.cache(1, 4)
    cached.prefill(ids[:4], torch.arange(4), [4], [1], cache, [0])
    for n in range(4, 9):
        cache.grow(n + 1)
        at = torch.tensor([n])
        hidden = cached.step(ids[None, n : n + 1], at[None], cache, at, n + 1, level=True)
        torch.testing.assert_close(cached.logits(hidden[0]), whole[n : n + 1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("length", [1, 255, 256, 300, 700])
def test_block_attention_is_attention(causal, length):
    inputs = [torch.randn(2, length, 8, requires_grad=True) for _ in range(3)]
    ours = BlockAttention.apply(*inputs, causal)
    wanted = torch.nn.functional.scaled_dot_product_attention(*inputs, is_causal=causal)
    torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=1e-4)
    weight = torch.randn_like(ours)
    for a, b in zip(*(torch.autograd.grad((o * weight).sum(), inputs) for o in (ours, wanted)), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("dtype", "near"), [(torch.bfloat16, 0.05), (torch.int8, 0.1)])
def test_weights_of_fewer_bits_decode_nearly_alike(dtype, near):
    model, ids = ar(), torch.randint(0, V, (9, 1))
    cached = model.cached(dtype)
    whole = model.logits(packed(model, [ids], [1])[0])
    cache, at = cached.cache(1, 9), torch.tensor([8])
    begun = cached.logits(cached.prefill(ids[:8], torch.arange(8), [8], [1], cache, [0]))
    stepped = cached.logits(cached.step(ids[None, 8:], at[None], cache, at, 9)[0])
    assert begun.dtype == stepped.dtype == torch.float32 and cache.entries.dtype == torch.float32
    for made, right in ((begun, whole[7:8]), (stepped, whole[8:])):
        assert (made - right).norm() < near * right.norm()


def test_grouped_queries_are_heads_with_the_same_keys():
    torch.manual_seed(0)
    few, many = ar(kv_heads=2), ar()
    weights = few.state_dict()
    for name in [name for name in weights if name.endswith("qkv.weight")]:
        q, k, v = weights[name].unflatten(0, (8, 8)).split([4, 2, 2])  # heads of 8
        weights[name] = torch.cat([q, k.repeat_interleave(2, 0), v.repeat_interleave(2, 0)]).flatten(0, 1)
    many.load_state_dict(weights)
    parts = sequences([7, 12], 1)
    for a, b in zip(packed(few, parts, [3, 5]), packed(many, parts, [3, 5]), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    assert few.cached().cache(3, 10).entries.numel() * 2 == many.cached().cache(3, 10).entries.numel()


@pytest.mark.parametrize("steps", [127, 63])
def test_products_of_8_bits_are_near_and_each_row_s_own(steps, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: steps == 127)
    x, weight, bias = torch.randn(7, 64), torch.randn(50, 64), torch.randn(50)
    x[2] *= 1000
    x[3] = 0
    rounded = product(weight, bias, torch.int8)
    exact = product(weight, bias, torch.float32)
    assert rounded.steps == steps
    error = (rounded(x) - exact(x)).norm(dim=1) / exact(x).norm(dim=1)
    assert error.max() < 3 / steps
    assert torch.equal(rounded(x)[4:5], rounded(x[4:5]))
    torch.testing.assert_close(rounded(x, onto=exact(x)), rounded(x) - bias + exact(x))
    assert torch.equal(rounded(x)[3], bias)


def test_a_sequence_does_not_depend_on_its_neighbours():
    cached = ar().cached()
    ids, start = torch.randint(0, V, (3, 1, 1)), torch.tensor([0, 4, 2])
    together, alone = cached.cache(3, 8), cached.cache(1, 8)
    together.entries.normal_()
    alone.entries.copy_(together.entries[:, :, 1:2])
    rows = cached.step(ids, start[:, None], together, start, 8)
    torch.testing.assert_close(
        rows[1:2], cached.step(ids[1:2], start[1:2, None], alone, start[1:2], 8), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("attention", ["causal", "full"])
def test_no_gradient_flows_between_packed_sequences_or_back_in_time(attention):
    model = ar(attention=attention)
    parts, texts = sequences([6, 8], 1), [3, 4]
    x = model.embed(torch.cat(parts)).detach().requires_grad_()
    positions = torch.cat([torch.arange(6), torch.arange(8)])
    hidden = model.transformer(x, positions, [6, 8], True, texts if attention == "full" else None)
    hidden[6 + 1].sum().backward()
    touched = x.grad.abs().sum(-1) > 0
    assert not touched[:6].any()
    assert touched[6:].tolist() == [i < (4 if attention == "full" else 2) for i in range(8)]


def test_no_id_embeds_as_zero_and_stays_there():
    model = ARModel(options(), V, SAMPLED, 2, "sum")
    assert not model.embed(torch.full((1, 2), -1)).any()
    model.embed(torch.tensor([[3, -1]])).sum().backward()
    assert not model.table.grad[V].any() and model.table.grad[3].any()


@pytest.mark.parametrize("name", ["interleaved", "concat", "grouped", "word_block"])
def test_the_output_covers_what_can_be_sampled_and_closing_controls(name):
    ordering = orderings.create(name)
    ordering.bind(("a", "b", "sp"), 16)
    sampled = sampled_ids(ordering)
    vocabulary = ordering.vocabulary
    assert {state.trigger for state in ordering.states if state.trigger >= 0} <= set(sampled.tolist())
    assert all(vocabulary.id(name) in sampled for name, size in vocabulary.sizes.items() if size == 1)
    assert vocabulary.contains("codes", sampled).sum() == 16
    assert not vocabulary.contains("phones", sampled).any()
    model = ARModel.of(ordering, options())
    assert model.sampled[model.column[sampled]].tolist() == sampled.tolist()


def nar(text, **changes) -> NARModel:
    return stirred(NARModel(options(text=text, **changes), phones=9, codebooks=4, known=1, size=16))


def nar_items(lengths=(12, 7)):
    rng = np.random.default_rng(0)
    items = []
    for frames in lengths:
        codes = rng.integers(0, 16, (frames, 4)).astype(np.int16)
        durations = np.array([2, frames - 5, 0, 3], np.int32)
        items.append(NARInput(rng.integers(0, 9, 4).astype(np.int32), durations, codes[:, :1], codes[:3]))
    return items


@pytest.mark.parametrize("text", ["prefix", "aligned"])
@pytest.mark.parametrize("positions", ["rotary", "sinusoidal"])
def test_generate_keeps_what_is_known_and_no_item_sees_another(text, positions):
    model, items = nar(text, positions=positions), nar_items()
    together = model.generate(items)
    for item, codes in zip(items, together, strict=True):
        assert codes.shape == (len(item.codes), 4) and codes.dtype == np.int16
        assert (codes[:, :1] == item.codes).all() and (codes[:3] == item.prompt).all()
        assert (codes == model.generate([item])[0]).all()


@pytest.mark.parametrize("text", ["prefix", "aligned"])
def test_what_lies_between_codes_is_their_mean_and_at_low_temperature_the_likeliest(text):
    model, items = nar(text), nar_items()
    vectors = torch.randn(4, 16, 5, generator=torch.Generator().manual_seed(0))
    plain = model.generate(items)
    for temperature in (1e-4, 0.5):
        mixing = Mixing(vectors, temperature)
        together = model.complete(items, mixing)
        for item, codes, one in zip(items, plain, together, strict=True):
            assert np.array_equal(one.codes, codes)  # mixing changes what is spoken, not what comes next
            np.testing.assert_allclose(one.vectors, model.complete([item], mixing)[0].vectors, atol=1e-5)
            added = sums_of_vectors(vectors, torch.from_numpy(codes.astype(np.int64))).numpy()
            prompt = len(item.prompt)
            np.testing.assert_allclose(one.vectors[:prompt], added[:prompt], atol=1e-5)
            assert np.allclose(one.vectors, added, atol=1e-2) == (temperature < 0.1)
    # From the definition, for one frame of one item.
    item, frame, expected = items[0], 7, vectors[0][int(plain[0][7, 0])]
    for book in (1, 2, 3):
        rows = model.rows(item.phones, item.durations, plain[0], 3, book)
        hidden = model(
            torch.from_numpy(rows.ids), torch.from_numpy(rows.positions), [len(rows)], torch.tensor(book - 1)
        )
        chances = (model.logits(hidden[rows.first + frame], book) / 0.5).softmax(-1)
        expected = expected + chances @ vectors[book]
    np.testing.assert_allclose(together[0].vectors[frame], expected.detach().numpy(), atol=1e-4)


@pytest.mark.parametrize("text", ["prefix", "aligned"])
def test_a_nar_model_of_fewer_codebooks_is_that_of_a_codec_that_has_no_more(text):
    model, items = nar(text, codebooks=3), nar_items()
    small = stirred(NARModel(options(text=text), phones=9, codebooks=3, known=1, size=16))
    small.load_state_dict(model.state_dict())
    cut = [NARInput(item.phones, item.durations, item.codes, item.prompt[:, :3]) for item in items]
    for one, other in zip(model.generate(items), small.generate(cut), strict=True):
        assert one.shape[1] == 3 and np.array_equal(one, other)
    for wrong, message in ((5, "codebooks=5 of a codec that has 4"), (1, "nothing is left to predict")):
        with pytest.raises(ValueError, match=message):
            nar(text, codebooks=wrong)


@pytest.mark.parametrize("text", ["prefix", "aligned"])
def test_a_nar_model_of_8_bits_is_a_copy_near_it_and_no_item_sees_another(text):
    model, items = nar(text), nar_items((40, 31))
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    rounded = quantised(model)
    assert rounded.table is model.table and not any(isinstance(m, torch.nn.Linear) for m in rounded.modules())
    rows = model.rows(items[0].phones, items[0].durations, np.tile(items[0].codes, (1, 4)), 3, 1)
    given = torch.from_numpy(rows.ids), torch.from_numpy(rows.positions), [len(rows)], torch.tensor(0)
    with torch.inference_mode():
        exact, near = model(*given), rounded(*given)
    assert 0 < (exact - near).norm() < 0.1 * exact.norm()
    together = rounded.generate(items)
    for item, codes in zip(items, together, strict=True):
        assert (codes == rounded.generate([item])[0]).all()
    assert all(torch.equal(kept[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("text", ["prefix", "aligned"])
def test_a_level_sees_earlier_codebooks_and_the_whole_prompt_only(text):
    model, item = nar(text), nar_items()[0]
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 16, (12, 4))
    changed = codes.copy()
    changed[3:, 2:] = rng.integers(0, 16, (9, 2))
    a, b = (model.rows(item.phones, item.durations, c, 3, 2) for c in (codes, changed))
    assert (a.ids == b.ids).all()
    frames = a.ids[a.first :]
    assert (frames[:3, :4] >= 0).all() and (frames[3:, :2] >= 0).all() and (frames[3:, 2:4] == -1).all()
    assert len(a) == 12 + (4 if text == "prefix" else 0)


def test_levels_differ_and_tie_their_heads():
    model, item = nar("prefix"), nar_items()[0]
    rows = model.rows(item.phones, None, np.tile(item.codes, 4), 3, 1)
    ids, positions = torch.from_numpy(rows.ids), torch.from_numpy(rows.positions)
    first, second = (model(ids, positions, [len(rows)], torch.tensor(level)) for level in (0, 1))
    assert not torch.allclose(first, second)
    by_row = model(ids, positions, [len(rows)], torch.zeros(len(rows), dtype=torch.long))
    torch.testing.assert_close(first, by_row)
    model.logits(first, 2).sum().backward()
    assert model.table.grad[32:48].any(-1).all()


def test_aligned_text_follows_the_durations():
    model, item = nar("aligned"), nar_items()[0]
    rows = model.rows(item.phones, item.durations, np.zeros((12, 4), int), 0, 1)
    assert (rows.ids[:, 4] - 64 == np.repeat(item.phones, item.durations)).all()
    places = rows.ids[:, 5] - 64 - 9
    assert places[:2].tolist() == [0, 4] and places.min() == 0 and places.max() < 8


def test_options_that_cannot_be_built_are_refused():
    with pytest.raises(ValueError, match="heads"):
        ModelOptions(width=30, heads=4)
    with pytest.raises(ValueError, match="kv_heads"):
        ModelOptions(heads=4, kv_heads=3)


@pytest.mark.parametrize("kind", ["ar", "nar"])
def test_codes_begin_as_one_projection_of_their_vectors(kind):
    rng, size, width = np.random.default_rng(0), 50, 64
    vectors = rng.normal(size=(3, size, 12)).astype(np.float32) * np.array([4, 2, 1], np.float32)[:, None, None]
    vectors[0, 40:] = 0  # a smaller codebook
    ordering = orderings.create("interleaved")
    ordering.bind(("sp", "a", "b"), size)
    made = options(width=width)
    torch.manual_seed(0)
    model = ARModel.of(ordering, made) if kind == "ar" else NARModel(made, 3, 3, 1, size)
    before = model.table.detach().clone()
    begin_with_vectors(model, ordering, vectors)
    start = ordering.vocabulary.start("codes") if kind == "ar" else 0
    count = 1 if kind == "ar" else 3
    rows, drawn = (t[start : start + count * size].detach().view(count, size, width) for t in (model.table, before))
    others = torch.ones(len(before), dtype=torch.bool)
    others[start : start + count * size] = False
    assert torch.equal(model.table[others], before[others])
    centred = torch.from_numpy(vectors[:count] - vectors[:count].mean(axis=1, keepdims=True))
    centred[0] = torch.from_numpy(vectors[0] - vectors[0, :40].mean(axis=0))
    centred[0, 40:] = 0
    projected = rows - OWN**0.5 * drawn
    one = torch.linalg.lstsq(centred.flatten(0, 1), projected.flatten(0, 1)).solution  # (12, width), of all codebooks
    torch.testing.assert_close(centred @ one, projected, atol=1e-3, rtol=1e-3)
    size_of = rows[0].square().sum(1).mean().sqrt() / drawn[0].square().sum(1).mean().sqrt()
    assert 0.8 < size_of < 1.2  # as large as they were drawn
