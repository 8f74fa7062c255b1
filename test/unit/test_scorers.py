"""Scorers on speech whose voice and words are known: flite's."""

import subprocess

import numpy as np
import pytest
import soundfile

from ellav.data.language_model import write_language_model
from ellav.errors import UserError
from ellav.plugins.scorers import Scored, scorers
from ellav.plugins.transcribers import transcribers

TEXTS = [
    "the old king sold a heavy carpet to the sailor",
    "every morning the young queen painted a wooden ladder",
    "a tall doctor carried the yellow basket over the bridge",
    "the farmer found a silver button under the table",
    "my brother opened the window and watched the river",
    "seven children followed the music into the garden",
]
VOICES = ("slt", "rms", "awb")


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """(voice, number of the text) -> (samples,) float32 at 16 kHz."""
    folder = tmp_path_factory.mktemp("flite")
    made = {}
    for voice in VOICES:
        for number, text in enumerate(TEXTS):
            path = folder / f"{voice}{number}.wav"
            subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
            made[voice, number] = soundfile.read(path, dtype="float32")[0]
    return made


@pytest.fixture(scope="module")
def wer(tmp_path_factory):
    lm = write_language_model(tmp_path_factory.mktemp("lm"), [text.split() for text in TEXTS], {}, 2)
    return scorers.create("wer", {"transcriber_conf": {"lm": str(lm)}})


@pytest.fixture(scope="module")
def similarity(speech):
    scorer = scorers.create("similarity", {})
    recordings = [Scored(f"{v}-{n}", v, "", wav, 16000) for (v, n), wav in speech.items()]
    scorer.enrolled = scorer.enroll(recordings)
    return scorer


def scored(wav, text="", speaker="slt", id="x", rate=16000, **more):
    return Scored(id, speaker, text, wav, rate, **more)


def test_wer_of_clear_speech_is_low_and_the_controls_are_high(speech, wer):
    right, wrong, silent = [], [], []
    for (_, number), wav in speech.items():
        right.append(wer.score(scored(wav, TEXTS[number]))["wer"])
        wrong.append(wer.score(scored(wav, TEXTS[(number + 1) % len(TEXTS)]))["wer"])
        silent.append(wer.score(scored(np.zeros_like(wav), TEXTS[number]))["wer"])

    def rate(pairs):
        return sum(n for n, _ in pairs) / sum(d for _, d in pairs)

    assert rate(right) <= 8
    assert rate(wrong) >= 80
    assert rate(silent) >= 80


def test_wer_counts_substitutions_deletions_insertions_over_words():
    @transcribers.register("dictated")
    class Dictated:
        sample_rate = 16000

        def __init__(self, words: str):
            self.words = words

        def transcribe(self, wav):
            return self.words

    scorer = scorers.create("wer", {"transcriber": "dictated", "transcriber_conf": {"words": "THE OLD KING SANG LOUD"}})
    wav = np.zeros(16000, np.float32)
    made = scorer.score(scored(wav, "an old king sang"))  # one substituted, one inserted
    assert made == {"wer": (200.0, 4.0), "heard": "THE OLD KING SANG LOUD"}
    assert scorer.score(scored(wav, "the very old king sang loud today"))["wer"] == (200.0, 7.0)
    assert "wer" not in scorer.score(scored(wav, ""))


def test_wer_takes_other_sample_rates_and_empty_speech(speech, wer):
    import soxr

    wav = soxr.resample(speech["rms", 1], 16000, 24000)
    assert wer.score(scored(wav, TEXTS[1], rate=24000))["wer"][0] <= 200
    empty = np.zeros(0, np.float32)
    assert wer.score(scored(empty, TEXTS[1], rate=24000))["wer"] == (900.0, 9.0)


def test_every_voice_ranks_first_for_itself_without_its_own_recording(speech, similarity):
    for (voice, number), wav in speech.items():
        made = similarity.score(scored(wav, speaker=voice, id=f"{voice}-{number}"))
        assert made["own_first"] == (100.0, 1.0) and made["nearest"] == voice


def test_another_voice_does_not_rank_first(speech, similarity):
    made = similarity.score(scored(speech["awb", 0], speaker="slt"))
    assert made["own_first"] == (0.0, 1.0)
    silent = similarity.score(scored(np.zeros(16000, np.float32), prompt=speech["slt", 0]))
    assert silent["own_first"] == (0.0, 1.0) and silent["similarity"] == (0.0, 1.0)


def test_similarity_is_higher_to_the_own_voice(speech, similarity):
    own = similarity.score(scored(speech["slt", 0], prompt=speech["slt", 1]))["similarity"][0]
    other = similarity.score(scored(speech["slt", 0], prompt=speech["awb", 1]))["similarity"][0]
    assert own > 0.75 and own > other + 0.1


def test_what_a_continuation_was_given_is_not_compared(speech, similarity):
    given = speech["slt", 0]
    made = similarity.score(
        scored(np.concatenate([given, speech["awb", 1]]), speaker="awb", prompt=given, given=len(given))
    )
    alone = similarity.score(scored(speech["awb", 1], speaker="awb", prompt=given))
    assert made["similarity"][0] == pytest.approx(alone["similarity"][0], abs=1e-4)
    assert made["nearest"] == "awb"


def test_speakers_with_few_recordings_are_not_enrolled(speech, similarity):
    few = scorers.create("similarity", {"least": 6})
    few.enrolled = similarity.enrolled
    assert "own_first" in few.score(scored(speech["slt", 0], id="new"))
    assert "own_first" not in few.score(scored(speech["slt", 0], id="slt-0"))  # 5 are left without itself
    assert "own_first" not in scorers.create("similarity", {}).score(scored(speech["slt", 0]))


def test_stability_arithmetic():
    scorer = scorers.create("stability", {})
    facts = {"hit_bound": True, "cuts": 3, "phones": 40, "frames": 90, "target_frames": 100}
    made = scorer.score(scored(np.zeros(1, np.float32), facts=facts))
    assert made == {"inf": (100.0, 1.0), "cut": (300.0, 40.0), "duration_ratio": (90.0, 100.0)}
    assert scorer.score(scored(np.zeros(1, np.float32))) == {}
    assert set(made) == set(scorer.metrics)


def test_rtf_arithmetic():
    scorer = scorers.create("rtf", {})
    made = scorer.score(scored(np.zeros(1, np.float32), facts={"seconds": 0.5, "audio_seconds": 4.0}))
    assert made == {"rtf": (0.5, 4.0)}
    assert scorer.score(scored(np.zeros(1, np.float32))) == {}


@pytest.mark.parametrize("name", ["wer", "similarity", "stability", "rtf"])
def test_unknown_options_are_refused_in_one_line(name):
    with pytest.raises(UserError, match="unknown option 'nonsense'"):
        scorers.create(name, {"nonsense": 1})
