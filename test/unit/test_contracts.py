"""The built-in plugins keep the contracts of their families, and wrong ones are caught."""

import subprocess

import numpy as np
import pytest
import soundfile as sf
import torch

from ellav.plugins.aligners import Alignment, AlignmentError, aligners
from ellav.plugins.decoders import decoders
from ellav.plugins.decoders.nucleus import Nucleus
from ellav.plugins.scorers import scorers
from ellav.plugins.scorers.stability import Stability
from ellav.plugins.text import Phones, text
from ellav.plugins.text.g2p_en import G2pEn
from ellav.plugins.transcribers import transcribers
from ellav.plugins.watermarks import watermarks
from ellav.plugins.watermarks.spread_spectrum import SpreadSpectrum
from ellav.testing import (
    ContractError,
    check_aligner,
    check_decoder,
    check_scorer,
    check_text,
    check_transcriber,
    check_watermark,
)


@pytest.mark.parametrize("name", ["greedy", "topk", "nucleus", "ras"])
def test_decoders(name):
    check_decoder(decoders.create(name))


@pytest.mark.parametrize("options", [{}, {"stress": False}], ids=str)
def test_text(options):
    check_text(text.create("g2p_en", options))


@pytest.mark.parametrize("name", ["stability", "rtf", "wer", "similarity"])
def test_scorers(name):
    cases = 1 if name in ("wer", "similarity") else 6
    check_scorer(scorers.create(name), scorers.create(name), cases=cases)


def test_aligner(tmp_path):
    line = "The old king sold a carpet."
    path = tmp_path / "x.wav"
    subprocess.run(["flite", "-voice", "rms", "-t", line, "-o", str(path)], check=True)
    recording = (sf.read(path, dtype="float32")[0], G2pEn()(line))
    check_aligner(aligners.create("pocketsphinx"), [recording], cases=1)


@pytest.mark.parametrize("options", [{}, {"key": "mine", "strength": -12.0}], ids=str)
def test_watermark(options):
    check_watermark(watermarks.create("spread_spectrum", options), watermarks.create("spread_spectrum", options))


def test_transcriber():
    check_transcriber(transcribers.create("pocketsphinx"), cases=1)


class Forbidden(Nucleus):
    def __call__(self, logits, uniforms, history, codes):
        return logits.nan_to_num(neginf=9.0).argmax(dim=-1)


class Lucky(Nucleus):
    def __call__(self, logits, uniforms, history, codes):
        return torch.multinomial(logits.softmax(-1), 1)[:, 0]


class Sociable(Nucleus):
    def __call__(self, logits, uniforms, history, codes):
        return (logits - logits.roll(1, 0).nan_to_num(neginf=0)).argmax(dim=-1)


class Meddling(Nucleus):
    def __call__(self, logits, uniforms, history, codes):
        return logits.div_(2).argmax(dim=-1)


class Several(Nucleus):
    def __call__(self, logits, uniforms, history, codes):
        return logits.argmax(dim=-1, keepdim=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Forbidden, "only allowed ids are chosen: row 0 chooses"),
        (Lucky, "follows from the arguments.*not with torch's"),
        (Sociable, "does not depend on its neighbours.*last dimension"),
        (Meddling, "arguments are not changed: `logits` is changed"),
        (Several, r"one id a row.*\(1, 1\)"),
    ],
)
def test_wrong_decoders(wrong, message):
    with pytest.raises(ContractError, match=message):
        check_decoder(wrong())


def said(change):
    """g2p_en with its phones changed."""

    class Wrong(G2pEn):
        def __call__(self, sentence):
            made = super().__call__(sentence)
            return Phones(*change(list(made.phones), list(made.word_of_phone), list(made.words)))

    return Wrong()


class Crashing(G2pEn):
    def __call__(self, sentence):
        return super().__call__(sentence) if len(sentence) > 3 else {}[sentence]


class Mute(G2pEn):
    def __call__(self, sentence):
        return super().__call__("...")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (said(lambda p, o, w: (p[1:], o[1:], w)), "silence stands at both ends.*the first phone is"),
        (said(lambda p, o, w: ([*p, "sp"], [*o, -1], w)), "never twice in a row"),
        (said(lambda p, o, w: (p, o[1:], w)), "entries in word_of_phone"),
        (said(lambda p, o, w: (p, [max(0, x) for x in o], w)), "phone 'sp' is said to be of word 0"),
        (said(lambda p, o, w: (p, o, [*w, "MORE"])), "every word has its phones"),
        (said(lambda p, o, w: (p, o, [f"{x} {x}" for x in w])), "strings without blanks"),
        (Crashing(), "refused with a UserError: KeyError"),
        (Mute(), "it speaks something: all are refused, the first because: text '...' has no English word"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,  # the same in every process
)
def test_wrong_text(wrong, message):
    with pytest.raises(ContractError, match=message):
        check_text(wrong)


class Even:
    phone_sets = ("arpabet",)
    sample_rate = 16000
    last = 0.0

    def align(self, wav, phones):
        if not len(wav) or not np.isfinite(wav).all():
            raise AlignmentError("nothing to align")
        ends = len(wav) / 16000 * np.arange(1, len(phones.phones) + 1) / len(phones.phones)
        return Alignment(ends, 0.0)


class Short(Even):
    def align(self, wav, phones):
        made = super().align(wav, phones)
        return Alignment(made.ends - 0.01, 0.0)


class Backwards(Even):
    def align(self, wav, phones):
        made = super().align(wav, phones)
        return Alignment(np.append(made.ends[:-1][::-1], made.ends[-1]), 0.0)


class Pausing(Even):
    def align(self, wav, phones):
        made = super().align(wav, phones)
        return Alignment(made.ends, 0.0, made.ends)


class Remembering(Even):
    def align(self, wav, phones):
        made = super().align(wav, phones)
        self.last, shift = len(wav) % 97 / 1e4, self.last
        return Alignment(np.append(made.ends[:-1] * (1 - shift), made.ends[-1]), 0.0)


class Careless(Even):
    def align(self, wav, phones):
        return Alignment(np.full(len(phones.phones), len(wav) / 16000) / (wav.max() * 0 + 1), float(wav[0]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Short, "the ends cover the sound: "),
        (Backwards, r"the ends cover the sound: `ends` is \["),
        (Pausing, "the ends cover the sound: a pause is longer than the phone"),
        (Remembering, "does not depend on what was aligned before"),
        (Careless, "refused with an AlignmentError: ValueError"),
    ],
)
def test_wrong_aligners(wrong, message):
    check_aligner(Even())
    with pytest.raises(ContractError, match=message):
        check_aligner(wrong())


class NoPair(Stability):
    def score(self, utterance):
        return {"inf": 0.5}


class FromNumpy(Stability):
    def score(self, utterance):
        return {"inf": (np.float32(1), 1.0)}


class Undeclared(Stability):
    def score(self, utterance):
        return {"other": (1.0, 1.0)}


class Counting(Stability):
    calls = 0

    def score(self, utterance):
        self.calls += 1
        return {"inf": (float(self.calls), 1.0)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (NoPair, "'inf' is 0.5"),
        (FromNumpy, "a pair of plain numbers"),
        (Undeclared, "'other' is not in `metrics`"),
        (Counting, "does not depend on what was scored before"),
    ],
)
def test_wrong_scorers(wrong, message):
    with pytest.raises(ContractError, match=message):
        check_scorer(wrong(), wrong())


class Lower:
    sample_rate = 16000

    def transcribe(self, wav):
        return "hello "


class Adapting:
    sample_rate = 16000
    calls = 0

    def transcribe(self, wav):
        self.calls += 1
        return " ".join(["LA"] * self.calls)


class Sizes:
    sample_rate = 16000

    def transcribe(self, wav):
        return f"LEVEL {wav.max():.1f}"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Lower, "in upper case.*'hello ' comes back"),
        (Adapting, "depend on what was heard before"),
        (Sizes, "ValueError.*no samples"),
    ],
)
def test_wrong_transcribers(wrong, message):
    with pytest.raises(ContractError, match=message):
        check_transcriber(wrong())


class Doubled(SpreadSpectrum):
    def mark(self, wav, sample_rate):
        return super().mark(wav, sample_rate).astype(np.float64)


class Faint(SpreadSpectrum):
    def __init__(self):
        super().__init__(strength=-50.0)


class Loud(SpreadSpectrum):
    def __init__(self):
        super().__init__(strength=0.0)


class Eager(SpreadSpectrum):
    threshold = 2.0


class Private(SpreadSpectrum):
    def __init__(self):
        super().__init__(key=str(id(self)))


class Counting(SpreadSpectrum):
    def mark(self, wav, sample_rate):
        self.gain *= 1.1
        return super().mark(wav, sample_rate)


class Overwriting(SpreadSpectrum):
    def mark(self, wav, sample_rate):
        wav[:] = super().mark(wav, sample_rate)
        return wav


class Forgetful(SpreadSpectrum):
    def begin(self, sample_rate):
        marker = super().begin(sample_rate)
        marker.finish = lambda: np.zeros(0, np.float32)
        return marker

    def mark(self, wav, sample_rate):
        return SpreadSpectrum().mark(wav, sample_rate)


class Nowhere(SpreadSpectrum):
    def detect(self, wav, sample_rate):
        return float("nan") if not np.any(wav) else super().detect(wav, sample_rate)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Doubled, "float32, all of them numbers: .*float64"),
        (Nowhere, "the score is a finite number: nan"),
        (Counting, "neither mark nor score depends"),
        (Overwriting, "is not changed"),
        (Faint, "marked it scores .*below the threshold, 6.5"),
        (Eager, "unmarked it scores .*not below the threshold, 2"),
        (Private, "marked it scores"),
        (Loud, "10 dB below the speech: it lies"),
        (Forgetful, "sample for sample.*they have 0 samples"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_wrong_watermarks(wrong, message):
    with pytest.raises(ContractError, match=message):
        check_watermark(wrong(), wrong(), cases=1)
