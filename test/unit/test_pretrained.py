"""The models that come with ellav: small enough, whole, and able to speak."""

import numpy as np
import pytest

from ellav import Synthesizer
from ellav.data.dataset import Tokens
from ellav.infer.bundle import PRETRAINED, names_of_pretrained, read_bundle

VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
ATTRIBUTION = ("LibriSpeech", "CC BY 4.0", "Vassil Panayotov")


def test_mini_and_libri_come_with_ellav():
    assert names_of_pretrained() == ["libri", "mini"]
    assert PRETRAINED.name == "libri"  # what speaks where no model is named


@pytest.mark.parametrize("name", ["libri", "mini"])
def test_a_model_is_small(name):
    folder = PRETRAINED.with_name(name)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 25e6


def test_libri_knows_every_phone_of_english():
    stressed = {vowel + stress for vowel in VOWELS.split() for stress in "012"}
    tokens = Tokens.read(PRETRAINED.with_name("libri") / "list")
    assert set(tokens.phones) == {"sp", *stressed, *CONSONANTS.split()}


def test_libri_names_its_data_and_speaks_after_each_of_its_prompts():
    bundle = read_bundle("libri")
    card = (bundle.folder / "README.md").read_text(encoding="utf-8")
    assert all(word in card for word in ATTRIBUTION)
    assert {name.split("-")[0] for name in bundle.prompts} == {"84", "777", "2412", "2902"}  # never trained on
    voice = Synthesizer("libri")
    for name in bundle.prompts:
        speech = voice("A cold wind blew.", prompt=name)
        assert np.isfinite(speech.wav).all() and 0.5 < len(speech.wav) / speech.sample_rate < 5
