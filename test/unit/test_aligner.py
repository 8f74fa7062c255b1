"""pocketsphinx against the times at which flite itself placed the phones."""

import importlib
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from ellav.plugins.aligners import AlignmentError, aligners
from ellav.plugins.text import Phones
from ellav.plugins.text.g2p_en import G2pEn
from ellav.types import SILENCE

LOCAL = Path(__file__).parents[2] / "egs/mini/tts1/local"
SAME = {"AX": "AH", "IX": "IH", "AXR": "ER"}


@pytest.fixture(scope="module")
def corpus():
    sys.path.insert(0, str(LOCAL))
    try:
        yield importlib.import_module("corpus")
    finally:
        sys.path.remove(str(LOCAL))


@pytest.fixture(scope="module")
def recordings(corpus, tmp_path_factory):
    """[(wav, phones, [(phone, start, end)] as flite placed them, silence left out)]."""
    grammar = importlib.import_module("grammar")
    flite, speak, file = corpus.find_flite(), G2pEn(), tmp_path_factory.mktemp("flite") / "x.wav"
    made = []
    for number, sentence in enumerate(itertools.islice(grammar.sentences(99), 16)):
        voice = ("slt", "rms", "awb", "kal16")[number % 4]
        command = [flite, "-voice", voice, "-psdur", "-t", sentence, "-o", str(file)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        placed, start = [], 0.0
        for item in printed:
            phone, _, end = item.partition(":")
            placed.append((SAME.get(phone.upper(), phone.upper()), start, float(end)))
            start = float(end)
        made.append((sf.read(file, dtype="float32")[0], speak(sentence), [p for p in placed if p[0] != "PAU"]))
    return made


@pytest.fixture(scope="module")
def aligner():
    return aligners.create("pocketsphinx")


def test_boundaries_are_where_flite_put_them(recordings, aligner):
    errors = []
    for wav, phones, placed in recordings:
        ends = aligner.align(wav, phones).ends
        mine = [
            (phone.rstrip("012"), start, end)
            for phone, start, end in zip(phones.phones, [0.0, *ends], ends, strict=False)
            if phone != SILENCE
        ]
        assert len(mine) == len(placed)
        errors += [abs(ours[i] - theirs[i]) for ours, theirs in zip(mine, placed, strict=True) for i in (1, 2)]
    assert len(errors) > 1000
    assert np.median(errors) <= 0.015
    assert np.mean(np.array(errors) <= 0.050) >= 0.95


def test_ends_cover_the_utterance_and_silence_is_where_we_have_it(recordings, aligner):
    for wav, phones, placed in recordings:
        alignment = aligner.align(wav, phones)
        lengths = np.diff([0.0, *alignment.ends])
        assert alignment.ends.shape == (len(phones.phones),) and alignment.ends[-1] == len(wav) / 16000
        assert (lengths >= 0).all() and alignment.score < 0
        assert all(length > 0.02 for phone, length in zip(phones.phones, lengths, strict=True) if phone != SILENCE)
        assert alignment.ends[0] == pytest.approx(placed[0][1], abs=0.06)  # leading silence


def test_silence_that_the_text_lacks_goes_to_the_phone_before(recordings, aligner):
    wav, phones, _ = recordings[0]
    pause = np.zeros(8000, np.float32)
    cut = int(16000 * aligner.align(wav, phones).ends[phones.word_of_phone.index(2) - 1])
    longer = np.concatenate([wav[:cut], pause, wav[cut:]])
    before, after = (np.diff([0.0, *aligner.align(x, phones).ends]) for x in (wav, longer))
    grown = int(np.argmax(after - before))
    assert phones.word_of_phone[grown] == 1 and phones.word_of_phone[grown + 1] == 2
    assert (after - before)[grown] == pytest.approx(0.5, abs=0.1)


def test_a_result_does_not_depend_on_what_was_aligned_before(recordings, aligner):
    fresh = aligners.create("pocketsphinx", {"most_words": 5})
    for wav, phones, _ in recordings[:3]:
        assert (fresh.align(wav, phones).ends == aligner.align(wav, phones).ends).all()


def test_a_homograph_may_stand_in_both_readings(aligner, corpus):
    phones = G2pEn()("They record the record.")
    readings = [[p for p, word in zip(phones.phones, phones.word_of_phone, strict=True) if word == w] for w in (1, 3)]
    assert readings[0][:2] == ["R", "IH0"] and readings[1][:2] == ["R", "EH1"]
    wav, rate = corpus.speak(corpus.find_flite(), "rms", "They record the record.")
    assert rate == aligner.sample_rate
    lengths = np.diff([0.0, *aligner.align(wav.astype(np.float32), phones).ends])
    spans = [lengths[[i for i, word in enumerate(phones.word_of_phone) if word == w]].sum() for w in (1, 3)]
    assert all(0.2 < span < 0.6 for span in spans)


@pytest.mark.parametrize(
    ("wav", "reason"),
    [
        (np.zeros(0, np.float32), "too short"),
        (np.zeros(64000, np.float32), "does not fit"),
        (np.full(64000, np.nan, np.float32), "not numbers"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(recordings, aligner, wav, reason):
    with pytest.raises(AlignmentError, match=reason):
        aligner.align(wav, recordings[0][1])


def test_another_sentence_is_refused_or_scores_far_lower(recordings, aligner):
    own = [aligner.align(wav, phones).score for wav, phones, _ in recordings]
    for (wav, *_), (_, phones, _) in itertools.pairwise(recordings):
        try:
            assert aligner.align(wav, phones).score < min(own)
        except AlignmentError as error:
            assert str(error)


def test_foreign_phones_are_refused(aligner):
    with pytest.raises(AlignmentError, match="'œ'"):
        aligner.align(np.zeros(64000, np.float32), Phones(["sp", "œ", "sp"], [-1, 0, -1], ["OEUF"]))


def test_a_pause_between_words_is_told(recordings, aligner):
    found = []
    for wav, phones, placed in recordings[:6]:
        spoken = [place for place, phone in enumerate(phones.phones) if phone != SILENCE]
        owners = [phones.word_of_phone[place] for place in spoken]
        neighbours = [spoken[i + 1] == spoken[i] + 1 for i in range(len(spoken) - 1)]
        middle = next(
            i for i in range(len(spoken) // 2, len(spoken) - 1) if owners[i] != owners[i + 1] and neighbours[i]
        )
        at = round(placed[middle][2] * 16000)
        hush = np.random.default_rng(0).normal(0, 1e-4, 6400).astype(np.float32)  # 0.4 s
        made = aligner.align(np.concatenate([wav[:at], hush, wav[at:]]), phones)
        found.append(made.pauses[spoken[middle]])
        made.pauses[spoken[middle]] = 0
        assert made.pauses.max() < 0.1
    assert np.median(found) == pytest.approx(0.4, abs=0.08) and min(found) > 0.1
