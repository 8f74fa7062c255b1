"""Codes in windows: their samples are those of the same windows where all codes are known beforehand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ellav.infer.codec_windows import CodecWindows
from ellav.plugins.codecs import codecs
from ellav.testing import ContractError
from ellav.testing.codec import windows_sound


class Smooth:
    """A frame's samples depend on the two frames before it and the one after."""

    name, trainable, codebooks, size = "smooth", False, 3, 16
    sample_rate, frame_rate, stream_context = 500, 50.0, (2, 1)

    def decode(self, codes):
        share = np.array([1, 0.1, 0.01], np.float32)
        return [self._one(one.astype(np.float32) @ share[: one.shape[1]]) for one in codes]

    def _one(self, level):
        around = np.pad(level, (2, 1))
        mixed = sum(w * around[i : i + len(level)] for i, w in enumerate(np.array([0.1, 0.2, 0.5, 0.2], np.float32)))
        return (mixed[:, None] * np.arange(1, 11, dtype=np.float32)).ravel()


class Whole(Smooth):
    """Samples depend on all that is decoded with them, and a frame is no whole number of them."""

    sample_rate, frame_rate = 1000, 30.0
    stream_context = None

    def decode(self, codes):
        return [self._whole(one) for one in codes]

    def _whole(self, codes):
        samples = round(len(codes) * self.sample_rate / self.frame_rate)
        frame = (np.arange(samples) * self.frame_rate / self.sample_rate).astype(int)
        level = codes.astype(np.float32).sum(axis=1)
        return level[frame] * np.float32(1 + 0.1 * len(codes)) + np.arange(samples, dtype=np.float32)


def mel_codec(name):
    small = {"sample_rate": 2000, "codebooks": 3, "size": 16, "subframes": 1, "mel_bins": 8}
    small["griffin_lim_iterations"] = 2
    if name == "rvq_conv":
        made = codecs.create(name, {**small, "width": 8, "blocks": 1, "dimensions": 4, "phone_loss": 0})
        (quantiser,) = made.network.quantiser.parts
        quantiser.uses.fill_(1)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            quantiser.entries.normal_()
        return made
    made = codecs.create(name, {**small, "kmeans_iterations": 1, "training_frames": 50})
    made.fit([np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32)])
    return made


CODECS = {"smooth": Smooth(), "whole": Whole(), "rvq_mel": mel_codec("rvq_mel"), "rvq_conv": mel_codec("rvq_conv")}


def joined_windows(codec, codes, sizes):
    """What windows of these sizes make of codes (T, Q) that are all known: each decoded with its context, all added up
    with weights that rise from 0 and fall to 0 where two of them meet."""
    context, shape = getattr(codec, "stream_context", None), CodecWindows(codec)
    before, after, fade = (*context, 0) if context else (shape.before, shape.after, shape.fade)

    def at(frame):
        return round(frame * codec.sample_rate / codec.frame_rate)

    windows, end = [], 0  # from which frame to which one each speaks, and how many are known by then
    for number, known in enumerate(np.cumsum(sizes).tolist(), 1):
        start, end = end, len(codes) if number == len(sizes) else known - after
        if end > start and (end - start >= fade or number == len(sizes)):
            windows.append((start, end, known))
        else:
            end = start
    total = np.zeros(at(len(codes)), np.float32)
    for number, (start, end, known) in enumerate(windows, 1):
        begin, reach = max(0, start - before), end if number == len(windows) else end + fade
        wav = codec.decode([codes[begin:known]])[0]
        wav = np.pad(wav, (0, 1), "edge")[at(start) - at(begin) : at(reach) - at(begin)]
        if number > 1:
            rise = np.arange(1, at(start + fade) - at(start) + 1, dtype=np.float32)
            rise = (rise / np.float32(len(rise) + 1))[: len(wav)]
            total[at(start) : at(start) + len(rise)] *= 1 - rise
            wav[: len(rise)] *= rise
        total[at(start) : at(reach)] += wav
    return total


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(CODECS)), st.lists(st.integers(0, 30), max_size=6), st.integers(0, 2**32 - 1))
def test_samples_of_windows_are_those_of_all_codes_in_the_same_windows(name, sizes, seed):
    codec, windows = CODECS[name], CodecWindows(CODECS[name])
    codes = np.random.default_rng(seed).integers(0, 16, (sum(sizes), 3)).astype(np.int16)
    ends = np.cumsum(sizes, dtype=int)[:-1]
    parts = np.split(codes, ends)
    pieces = [windows.push(part, number + 1 == len(parts)) for number, part in enumerate(parts)]
    assert all(piece.dtype == np.float32 and piece.ndim == 1 for piece in pieces)
    made = np.concatenate(pieces)
    assert len(made) == round(len(codes) * codec.sample_rate / codec.frame_rate)
    if name == "smooth" and len(codes):
        np.testing.assert_allclose(made, codec.decode([codes])[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(made, joined_windows(codec, codes, [len(part) for part in parts]))


def test_a_codec_that_can_be_streamed_is_told_from_one_that_only_says_so():
    codes = np.random.default_rng(0).integers(0, 16, (23, 3)).astype(np.int16)
    codec = Smooth()
    for context, found in (((2, 1), None), ((3, 5), None), ((1, 1), "sound otherwise"), (2, "not two numbers")):
        codec.stream_context = context
        if found is None:
            windows_sound(codec, [codes, codes[:1], codes[:0]])
        else:
            with pytest.raises(ContractError, match=found):
                windows_sound(codec, [codes])
    codec.stream_context, codec.sample_rate = (2, 1), 510
    with pytest.raises(ContractError, match=r"a frame has 10\.200 samples"):
        windows_sound(codec, [codes])


def test_a_window_alone_is_decoded_as_it_is():
    for codec in CODECS.values():
        codes = np.random.default_rng(0).integers(0, 16, (40, 3)).astype(np.int16)
        np.testing.assert_array_equal(CodecWindows(codec).push(codes, True), codec.decode([codes])[0])
