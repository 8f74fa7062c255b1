"""Codecs that take several utterances at once, as on a GPU: each has the codes that it has alone.

No GPU is here. A second name of the CPU stands in for one, `cpu:0`; that all is on the device shows `meta`, which
refuses to meet the CPU, until its codes are asked for.
"""

import numpy as np
import pytest
import torch
from random_encodec import write_weights
from test_transformers_codecs import ABOUT, create, folders  # noqa: F401

from ellav.plugins.codecs import codecs
from ellav.testing.codec import learn, sound

MEL = {"codebooks": 3, "size": 32, "mel_bins": 20, "kmeans_iterations": 2, "training_frames": 2000}
CONV = {"codebooks": 3, "size": 16, "dimensions": 8, "width": 16, "blocks": 2, "mel_bins": 20, "phone_loss": 0}


@pytest.fixture(scope="module")
def encodec_weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("encodec") / "random.th"
    write_weights(path, codebooks=4)
    return str(path)


@pytest.fixture(params=["rvq_mel", "rvq_conv", "encodec", "istft", "Encodec", "Mimi", "Dac", "Xcodec"])
def codec(request, encodec_weights, folders, tmp_path):  # noqa: F811
    """Each codec that takes a device, ready."""
    if request.param in ABOUT:
        return create(folders[request.param][0])
    if request.param == "encodec":
        return codecs.create("encodec", {"bandwidth": 3, "weights": encodec_weights})
    made = codecs.create(*{"rvq_conv": ("rvq_conv", CONV)}.get(request.param, ("rvq_mel", MEL)))
    rng = np.random.default_rng(0)
    learn(made, [sound(rng, made.sample_rate, 2.0) for _ in range(10)], 0)
    if request.param == "istft":
        from ellav.config import yaml_text

        made.save(tmp_path)
        (tmp_path / "codec.yaml").write_text(yaml_text({"name": "rvq_mel", "conf": MEL}))
        return codecs.create("istft", {"codec": str(tmp_path)})
    return made


def sounds(codec):
    """Of many lengths, in no order, one of nothing and one shorter than a frame."""
    rng = np.random.default_rng(1)
    lengths = (0.9, 0.05, 0, 1.3, 0.004, 0.5, 1.27, 0.08, 2.1)
    return [sound(rng, codec.sample_rate, s)[: round(s * codec.sample_rate)] for s in lengths]


def test_in_a_batch_each_has_the_codes_that_it_has_alone(codec):
    """But for sums that are rounded otherwise, which decide where entries lie close together, as random ones do."""
    wavs = sounds(codec)
    alone = codec.encode(wavs)
    assert all(np.array_equal(codes, codec.encode([wav])[0]) for wav, codes in zip(wavs, alone, strict=True))
    codec.to("cpu:0")
    together = codec.encode(wavs)
    assert [codes.shape for codes in together] == [codes.shape for codes in alone]
    differing = np.concatenate(together) != np.concatenate(alone)
    assert differing.mean() < 0.06 and len(np.unique(np.concatenate(alone))) > 3
    assert all(codes.dtype == np.int16 for codes in together)


def test_codes_differ_only_between_entries_that_are_as_near(encodec_weights):
    codec = codecs.create("encodec", {"bandwidth": 3, "weights": encodec_weights})
    wavs, vectors = sounds(codec), torch.from_numpy(codec.vectors())
    alone = codec.encode(wavs)
    codec.to("cpu:0")
    compared = 0
    for wav, one, other in zip(wavs, alone, codec.encode(wavs), strict=True):
        if not len(wav):
            continue
        padded = np.pad(wav, (0, max(7, len(one)) * 320 - len(wav)))
        with torch.inference_mode():
            left = codec._ready().encoder(torch.from_numpy(padded)[None, None])[0].T[: len(one)]  # (T, D)
        same = torch.ones(len(one), dtype=torch.bool)
        for book, entries in enumerate(vectors):
            codes = [torch.from_numpy(some[:, book].astype(int)) for some in (one, other)]
            near = [(left - entries[code]).square().sum(dim=1) for code in codes]
            size = left.square().sum(dim=1) + entries[codes[0]].square().sum(dim=1)
            assert ((near[0] - near[1]).abs() <= 1e-6 * size)[same].all()
            same &= codes[0] == codes[1]
            left = left - entries[codes[0]]
            compared += int(same.sum())
    assert compared > 1000


def test_a_batch_is_one_where_the_network_can(codec, monkeypatch):
    """The codecs that look ahead without knowing where an utterance ends keep to one by one."""
    taken = []
    maker = getattr(codec, "coder", codec)
    together = maker._encode_together
    monkeypatch.setattr(maker, "_encode_together", lambda wavs: taken.append(len(wavs)) or together(wavs))
    codec.to("cpu:0")
    codec.encode(sounds(codec))
    looks_ahead = getattr(codec, "model", "").split("/")[-1].startswith(("Dac", "Xcodec"))
    assert taken == ([1] * 8 if looks_ahead else [8])


def test_all_of_it_is_on_the_device(codec):
    if getattr(codec, "model", "").split("/")[-1].startswith(("Encodec", "Mimi")):
        codec.to("meta")
        assert all(tensor.is_meta for tensor in codec._ready().state_dict().values())
        return  # the package itself asks for numbers on the way
    codec.to("meta")
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        getattr(codec, "coder", codec)._encode_together(sounds(codec)[3:5])


def test_half_precision_is_for_gpus_only(encodec_weights, monkeypatch):
    asked = []
    codec = codecs.create("encodec", {"bandwidth": 3, "weights": encodec_weights})
    real = torch.autocast
    monkeypatch.setattr(
        torch,
        "autocast",
        lambda kind, dtype, enabled: asked.append((kind, dtype, enabled)) or real("cpu", enabled=False),
    )
    codec.encode(sounds(codec)[:1])
    codec._ready()
    codec.device = "cuda"
    with pytest.raises((RuntimeError, AssertionError)):  # no GPU is here
        codec.encode(sounds(codec)[:1])
    assert asked == [("cuda", torch.float16, False), ("cuda", torch.float16, True)]
