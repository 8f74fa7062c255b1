"""The codec contract, for built-in codecs and for plugin authors alike."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from ellav.errors import UserError
from ellav.plugins.codecs import Codec, learns_phones
from ellav.testing.contract import METHOD, Group, demand, has, is_count, keep_laws, law
from ellav.testing.sounds import sound

_PHONES = 3
"""That a codec is told of, where it learns phones."""

__all__ = ["check_codec", "codec_laws", "learn", "sound"]


def check_codec(codec: Codec, fresh: Codec, seconds: float = 20.0, seed: int = 0) -> None:
    """Try what every codec promises on machine-made sounds.

    codec: a codec that is ready, or a trainable one, which is fitted here. fresh: another
    instance with the same options, which learns all it needs from `codec`'s saved files.
    seconds: of sound to fit on. Raises ContractError with the first promise broken.
    """
    keep_laws(codec_laws(codec, fresh, seconds, seed))


def codec_laws(codec: Codec, fresh: Codec, seconds: float = 20.0, seed: int = 0) -> Iterator[Group]:
    """The laws in groups that build on one another; sounds go from short to long."""
    yield [attributes], [(codec,)]
    yield [frames_grow], [(codec,)]
    rng = np.random.default_rng(seed)
    if codec.trainable:
        sounds = [sound(rng, codec.sample_rate, 2.0) for _ in range(max(1, round(seconds / 2)))]
        yield [fits_alike], [(codec, fresh, sounds, seed)]
    hop = codec.sample_rate / codec.frame_rate
    lengths = [1, int(hop) - 1, int(hop), int(hop) + 1, round(7.5 * hop), int(rng.integers(1, 3 * codec.sample_rate))]
    wavs = [sound(rng, codec.sample_rate, length / codec.sample_rate)[:length] for length in lengths]
    wavs.append(np.zeros(codec.sample_rate // 2, np.float32))
    wavs.sort(key=len)
    yield [codes_fit], [(codec, [wav]) for wav in wavs]
    yield [codes_alone, sounds_kept], [(codec, wavs)]
    codes = codec.encode(wavs)
    first = [(codec, [code[:, :count] for code in codes]) for count in range(1, codec.codebooks + 1)]
    yield [sound_fits], [(codec, [code]) for _, some in first for code in some]
    yield [sound_alone], first
    yield [windows_sound], [(codec, [code]) for code in codes]
    yield [vectors_fit], [(codec,)]
    yield [sums_sound], first
    yield [graph_sounds], [(codec, [code]) for code in codes]
    yield [files_hold_everything], [(codec, fresh, wavs)]


def _show(_codec: Codec, *given) -> str:
    arrays = next(value for value in given if isinstance(value, Sequence))
    kind = "samples" if arrays[0].ndim == 1 else "codes"
    return f"{kind} of shape {', '.join(str(array.shape) for array in arrays[:8])}"


@law("the attributes of the contract are there", "Set it in the class body or in `__init__`.")
def attributes(codec: Codec) -> None:
    """The facts that everything else is computed from."""
    has(
        codec,
        trainable=(lambda value: isinstance(value, bool), "True or False"),
        sample_rate=(is_count, "a positive integer (Hz)"),
        codebooks=(is_count, "a positive integer"),
        size=(lambda value: is_count(value) and value <= 32_768, "a positive integer that fits in int16"),
        frame_rate=(lambda value: 0 < value <= codec.sample_rate, "frames per second, at most the sample rate"),
        **dict.fromkeys(("frames", "encode", "decode", "save", "load"), METHOD),
        **dict.fromkeys(_learning(codec), METHOD),
    )


def _learning(codec: Codec) -> tuple[str, ...]:
    """The methods by which it learns."""
    if getattr(codec, "trainable", False) is not True:
        return ()
    return ("begin", "loss", "measure") if hasattr(codec, "loss") else ("fit",)


def learn(codec: Codec, sounds: list[np.ndarray], seed: int) -> None:
    """Fit it, or a few steps of what `ellav fit-codec` does by gradient. sounds: (samples,) each, of one length."""
    if not hasattr(codec, "loss"):
        codec.fit(sounds, seed)
        return
    import torch

    told = []
    if learns_phones(codec):
        codec.expect_phones(_PHONES)
        rows = [np.arange(codec.frames(len(sound))) // 5 % (_PHONES + 1) - 1 for sound in sounds]  # UNKNOWN among them
        told.append(torch.from_numpy(np.stack(rows)))
    codec.begin(sounds)
    wavs, optimizer = torch.from_numpy(np.stack(sounds)), torch.optim.AdamW(codec.network.parameters(), lr=1e-3)
    codec.network.train()
    for step in range(3):
        loss, _ = codec.loss(wavs, torch.Generator().manual_seed(seed + step), *told)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    codec.network.eval()


@law(
    "frames counts what encode makes",
    "Return 0 frames for 0 samples, and never fewer for more samples.",
)
def frames_grow(codec: Codec) -> None:
    """No frames of nothing; never fewer as samples grow."""
    demand(codec.frames(0) == 0, f"frames(0) is {codec.frames(0)}")
    counts = [codec.frames(samples) for samples in range(0, codec.sample_rate, 97)]
    demand(all(a <= b for a, b in pairwise(counts)), "frames decreases as samples grow")


@law(
    "fitting is repeatable",
    "Draw random numbers from the `seed` that `fit` gets (`loss`: its `rng`), and work on copies of the waveforms.",
)
def fits_alike(codec: Codec, fresh: Codec, sounds: list[np.ndarray], seed: int) -> None:
    """Two instances fitted alike encode alike; the waveforms stay as they are."""
    kept = [wav.copy() for wav in sounds]
    learn(codec, sounds, seed)
    learn(fresh, sounds, seed)
    demand(all(map(np.array_equal, sounds, kept)), "fit changes its waveforms")
    same = np.array_equal(codec.encode(sounds[:1])[0], fresh.encode(sounds[:1])[0])
    demand(same, "fitting twice with one seed gives other codes")


@law(
    "codes have the shape, range and time of the sound",
    "Return int16 codes of shape (frames(samples), codebooks), each below `size`, at `frame_rate` frames a second.",
    _show,
)
def codes_fit(codec: Codec, wavs: list[np.ndarray]) -> None:
    """Shapes, range and time of codes."""
    codes = codec.encode([wav.copy() for wav in wavs])
    demand(len(codes) == len(wavs), f"{len(wavs)} waveforms, {len(codes)} codes")
    for wav, some in zip(wavs, codes, strict=True):
        demand(some.dtype == np.int16, f"the codes are {some.dtype}, not int16")
        expected = (codec.frames(len(wav)), codec.codebooks)
        demand(some.shape == expected, f"the codes have shape {some.shape}, not {expected} (frames, codebooks)")
        demand(not some.size or (some.min() >= 0 and some.max() < codec.size), f"the codes leave 0..{codec.size - 1}")
        drift = len(some) - len(wav) * codec.frame_rate / codec.sample_rate
        demand(abs(drift) <= 2, f"the codes are {drift:.1f} frames longer than the sound")


@law(
    "a waveform's codes do not depend on its neighbours",
    "Encode each waveform as if it were alone: mask the padding of a batch, or encode equal lengths together.",
    _show,
)
def codes_alone(codec: Codec, wavs: list[np.ndarray]) -> None:
    """Each waveform alone gives what it gives in the batch."""
    for wav, some in zip(wavs, codec.encode(wavs), strict=True):
        same = np.array_equal(codec.encode([wav])[0], some)
        demand(same, f"the codes of {len(wav)} samples depend on the other waveforms of the call")


@law("the waveforms are not changed", "Work on copies of the samples.", _show)
def sounds_kept(codec: Codec, wavs: list[np.ndarray]) -> None:
    """No operation in place."""
    given = [wav.copy() for wav in wavs]
    codec.encode(given)
    demand(all(map(np.array_equal, given, wavs)), "encode changes its waveforms")


@law(
    "a decoded waveform has the length of its codes",
    "Return one-dimensional float32 samples, as many as the codes' frames last, also from the first codebooks alone.",
    _show,
)
def sound_fits(codec: Codec, codes: list[np.ndarray]) -> None:
    """Length and kind of waveforms, from all codebooks and from the first ones alone."""
    for code, wav in zip(codes, codec.decode(codes), strict=True):
        demand(wav.ndim == 1 and wav.dtype == np.float32, f"the waveform is {wav.ndim}-dimensional {wav.dtype}")
        demand(bool(np.isfinite(wav).all()), "the waveform holds values that are not finite")
        off = len(wav) * codec.frame_rate / codec.sample_rate - len(code)
        demand(abs(off) <= 1, f"the waveform is {off:.2f} frames longer than the codes")


@law(
    "a decoded waveform does not depend on its neighbours",
    "Decode each sequence of codes as if it were alone.",
    _show,
)
def sound_alone(codec: Codec, codes: list[np.ndarray]) -> None:
    """Codes alone give what they give in the batch."""
    for code, wav in zip(codes, codec.decode(codes), strict=True):
        alone = codec.decode([code])[0]
        same = alone.shape == wav.shape and np.allclose(alone, wav, atol=1e-3)
        demand(same, f"the waveform of {code.shape} codes depends on the other codes of the call")


@law(
    "a window that is decoded with its context sounds as in the whole",
    "Count in `stream_context` all frames before and after a frame that its samples depend on, or leave it out where a "
    "frame depends on all others.",
    _show,
)
def windows_sound(codec: Codec, codes: list[np.ndarray]) -> None:
    """Where `stream_context` is declared: windows at the beginning, in the middle and at the end."""
    context = getattr(codec, "stream_context", None)
    if context is None:
        return
    pair = isinstance(context, (tuple, list)) and len(context) == 2 and all(is_count(part, 0) for part in context)
    demand(pair, f"stream_context is {context!r}, not two numbers of frames, before and after")
    hop, (before, after) = codec.sample_rate / codec.frame_rate, context
    demand(hop == int(hop), f"a frame has {hop:.3f} samples; a codec with stream_context has a whole number of them")
    for code in codes:
        whole = codec.decode([code])[0]
        for start, end in {(part * len(code) // 4, (part + 1) * len(code) // 4) for part in range(4)}:
            begin = max(0, start - before)
            wav = codec.decode([code[begin : end + after]])[0][int(hop) * (start - begin) : int(hop) * (end - begin)]
            right = whole[int(hop) * start : int(hop) * end]
            same = wav.shape == right.shape and np.allclose(wav, right, atol=1e-4)
            demand(
                same, f"frames {start} to {end} of {len(code)} sound otherwise with {before} before and {after} after"
            )


@law(
    "every code has its vector",
    "Return float32 of shape (codebooks, size, D) from `vectors`, or leave it out where codes stand for no vectors.",
)
def vectors_fit(codec: Codec) -> None:
    """Where `vectors` is declared: its kind and shape."""
    if not hasattr(codec, "vectors"):
        return
    made, wanted = np.asarray(codec.vectors()), (codec.codebooks, codec.size)
    fits = made.ndim == 3 and made.shape[:2] == wanted and made.dtype == np.float32
    demand(fits, f"vectors returns {made.dtype} of shape {made.shape}, not float32 of ({wanted[0]}, {wanted[1]}, D)")
    demand(bool(np.isfinite(made).all()), "vectors holds values that are not finite")


@law(
    "vectors that add up are decoded as their codes",
    "Decode the sums that `decode_vectors` gets as `decode` does those of its codes, or leave it out.",
    _show,
)
def sums_sound(codec: Codec, codes: list[np.ndarray]) -> None:
    """Where `decode_vectors` is declared: from all codebooks and from the first ones alone."""
    if not hasattr(codec, "decode_vectors"):
        return
    vectors = np.asarray(codec.vectors())
    added = [sum((vectors[q][code[:, q]] for q in range(code.shape[1])), np.float32(0)) for code in codes]
    for code, wav, other in zip(codes, codec.decode(codes), codec.decode_vectors(added), strict=True):
        same = wav.shape == other.shape and np.allclose(wav, other, atol=1e-3)
        demand(same, f"the waveform of {code.shape} codes is another one from the sums of their vectors")


@law(
    "what is exported decodes as it does",
    "Return a module from `graph` that makes of int64 codes what `decode` does, or leave it out.",
    _show,
)
def graph_sounds(codec: Codec, codes: list[np.ndarray]) -> None:
    """Where `graph` is declared."""
    if not hasattr(codec, "graph"):
        return
    import torch

    for code, wav in zip(codes, codec.decode(codes), strict=True):
        with torch.inference_mode():
            made = codec.graph()(torch.from_numpy(code.astype(np.int64))).numpy()
        same = made.shape == wav.shape and np.square(made - wav).mean() <= np.square(wav).mean() / 1e4 + 1e-8
        demand(bool(same), f"the waveform of {code.shape} codes is another one from `graph`")


@law(
    "what is saved is all there is to know",
    "Write everything that encoding needs in `save`, and raise a UserError that names the file in `load` where one "
    "is missing.",
    _show,
)
def files_hold_everything(codec: Codec, fresh: Codec, wavs: list[np.ndarray]) -> None:
    """What is saved gives the same codes; what is missing is named."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        codec.save(folder)
        written = [path for path in folder.iterdir() if path.is_file()]
        fresh.load(folder)
        same = all(map(np.array_equal, fresh.encode(wavs), codec.encode(wavs)))
        demand(same, "a loaded codec gives other codes than the one that was saved")
        for path in written:
            path.unlink()
            try:
                fresh.load(folder)
            except UserError as error:
                demand(str(folder) in str(error), f"the error for a missing file does not name it: {error}")
            else:
                demand(False, f"loading goes well without {path.name}")
