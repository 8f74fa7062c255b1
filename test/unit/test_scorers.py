"""Scorers on speech whose voice and words are known: flite's."""

import subprocess

import numpy as np
import pytest
import soundfile
import torch

from ellav.data.language_model import write_language_model
from ellav.errors import UserError
from ellav.plugins.scorers import Scored, scorers
from ellav.plugins.torchaudio_import import import_torchaudio
from ellav.plugins.transcribers import transcribers
from ellav.testing import check_scorer

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
def dictated():
    @transcribers.register("dictated")
    class Dictated:
        sample_rate = 16000

        def __init__(self, words: str):
            self.words = words

        def transcribe(self, wav):
            return self.words

    return lambda words, **more: scorers.create(
        "wer", {"transcriber": "dictated", "transcriber_conf": {"words": words}, **more}
    )


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


def test_wer_counts_substitutions_deletions_insertions_over_words(dictated):
    scorer = dictated("THE OLD KING SANG LOUD")
    wav = np.zeros(16000, np.float32)
    made = scorer.score(scored(wav, "an old king sang"))  # one substituted, one inserted
    assert made == {"wer": (200.0, 4.0), "heard": "THE OLD KING SANG LOUD"}
    assert scorer.score(scored(wav, "the very old king sang loud today"))["wer"] == (200.0, 7.0)
    assert "wer" not in scorer.score(scored(wav, ""))


@pytest.mark.parametrize(
    "said, heard",
    [
        ("MISTER SMITH PAID TWENTY DOLLARS", "MR SMITH PAID $20"),
        ("MR. SMITH'S COLOUR", "MISTER SMITH'S COLOR"),
        ("well, it's nineteen twenty one", "WELL IT IS 1921"),
    ],
)
def test_by_whispers_normalizer_what_sounds_alike_agrees(dictated, said, heard):
    wav = np.zeros(16000, np.float32)
    basic = dictated(heard).score(scored(wav, said))
    made = dictated(heard, normalizer="whisper").score(scored(wav, said))
    assert basic["wer"][0] > 0 == made["wer"][0] and made["heard"] == heard


@pytest.mark.parametrize(
    ("normalizer", "said", "heard", "errors"),
    [
        ("characters", "设定 二十九 度", "设定29度", (0, 6)),
        ("characters", "她 去 公园", "他去公園。", (2, 4)),
        ("pinyin", "她 去 公园", "他去公園。", (0, 4)),
        ("pinyin", "妈妈 来 了", "麻马来了", (2, 4)),
        ("pinyin", "三 点 五", "3.5 LET IT", (2, 3)),
    ],
)
def test_mandarin_is_counted_by_the_character_or_the_syllable(dictated, normalizer, said, heard, errors):
    wrong, of = dictated(heard, normalizer=normalizer).score(scored(np.zeros(16000, np.float32), said))["wer"]
    assert (wrong / 100, of) == errors


def test_by_whispers_normalizer_errors_count_over_its_words(dictated):
    scorer = dictated("MR SMITH PAID $30 UM", normalizer="whisper")
    assert scorer.metrics == {"wer": "word error rate, %, as heard by dictated (words=MR SMITH PAID $30 UM); "
                              "words made alike by normalizer whisper"}  # fmt: skip
    wav = np.zeros(16000, np.float32)
    assert scorer.score(scored(wav, "mister smith paid twenty dollars"))["wer"] == (100.0, 4.0)
    assert "wer" not in scorer.score(scored(wav, "hmm, um"))  # no word is left
    with pytest.raises(
        UserError, match=r"option 'normalizer' must be basic \| whisper \| characters \| pinyin, not 'none'"
    ):
        dictated("X", normalizer="none")


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


@pytest.fixture(scope="module")
def wavlm(tmp_path_factory):
    """A folder with a WavLM of a few random weights, as save_pretrained leaves it."""
    import_torchaudio()
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForXVector

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("wavlm") / "tiny"
    shape = {"conv_dim": (8,) * 7, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    shape |= {"intermediate_size": 16, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    WavLMForXVector(WavLMConfig(**shape, tdnn_dim=(16,) * 5, xvector_output_dim=24)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


def test_similarity_by_a_wavlm_is_the_cosine_of_its_embeddings(speech, wavlm):
    from transformers import Wav2Vec2FeatureExtractor, WavLMForXVector

    scorer = scorers.create("similarity", {"model": str(wavlm)})
    model = WavLMForXVector.from_pretrained(wavlm).eval()
    features = Wav2Vec2FeatureExtractor.from_pretrained(wavlm)
    wavs = [speech["slt", 0], speech["awb", 1]]
    with torch.inference_mode():
        voices = [model(features(w, sampling_rate=16000, return_tensors="pt").input_values).embeddings[0] for w in wavs]
    expected = torch.nn.functional.cosine_similarity(*voices, dim=0).item()
    made = scorer.score(scored(wavs[0], prompt=wavs[1]))["similarity"]
    assert made == (pytest.approx(expected, abs=1e-5), 1.0) and abs(expected) < 0.9999
    assert scorer.metrics["similarity"].endswith("of its prompt, by tiny")
    assert scorers.create("similarity").metrics["similarity"].endswith("of its prompt, by resemblyzer")
    assert scorer.enroll([])["embeddings"].shape == (0, 24)


def test_similarity_by_a_wavlm_keeps_the_contract(wavlm):
    first, second = (scorers.create("similarity", {"model": str(wavlm)}) for _ in range(2))
    check_scorer(first, second, cases=1)
    for samples in (1, 50, 399, 7999):
        voice = first.embed(np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32), 16000)
        assert np.linalg.norm(voice) == pytest.approx(1, abs=1e-4)


def test_a_wavlm_without_a_head_for_speakers_is_refused(wavlm, tmp_path):
    from transformers import AutoFeatureExtractor, WavLMModel

    WavLMModel.from_pretrained(wavlm).save_pretrained(tmp_path)
    AutoFeatureExtractor.from_pretrained(wavlm).save_pretrained(tmp_path)
    scorer = scorers.create("similarity", {"model": str(tmp_path)})
    with pytest.raises(UserError, match=r"is no WavLM for telling speakers: it lacks [a-z]"):
        scorer.embed(np.ones(16000, np.float32), 16000)


@pytest.mark.parametrize(
    "model, message",
    [
        ("resemblizer", "no folder resemblizer; model is resemblyzer, the folder of a WavLM, or its name on the"),
        ("/nowhere/wavlm", "no folder /nowhere/wavlm"),
        ("microsoft/wavlm-base-plus-sv", "does not load, from a folder or from the Hugging Face hub"),  # offline here
    ],
)
def test_a_voice_model_that_is_not_there_is_named(model, message):
    scorer = scorers.create("similarity", {"model": model})
    with pytest.raises(UserError, match=message) as caught:
        scorer.embed(np.ones(16000, np.float32), 16000)
    assert "\n" not in str(caught.value)


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
