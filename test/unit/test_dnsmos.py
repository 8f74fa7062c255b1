"""The scorer `dnsmos` on flite's speech."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from ellav.plugins.scorers import Scored, scorers


@pytest.fixture(scope="module")
def scorer():
    return scorers.create("dnsmos")


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    path = tmp_path_factory.mktemp("flite") / "a.wav"
    subprocess.run(["flite", "-voice", "slt", "-t", "the old king sold a heavy carpet", "-o", str(path)], check=True)
    return soundfile.read(path, dtype="float32")[0]


def figures(scorer, wav, rate=16000):
    made = scorer.score(Scored("a", "s", "", wav, rate))
    assert set(made) == set(scorer.metrics) and all(below == 1 for _, below in made.values())
    return {name: above for name, (above, _) in made.items()}


def test_noise_lowers_it(scorer, speech):
    noise = np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32)
    loudness = np.sqrt((speech**2).mean())
    made = [figures(scorer, speech + share * loudness * noise) for share in (0, 0.1, 1)]
    for name in scorer.metrics:
        clean, noisy, drowned = (one[name] for one in made)
        assert 5 >= clean > noisy > drowned >= 1
    assert made[0]["dnsmos"] > 3


@pytest.mark.parametrize("samples", [0, 1, 1500])
def test_what_is_too_short_to_hear_gets_the_lowest_mark(scorer, samples):
    assert set(figures(scorer, np.full(samples, 0.1, np.float32)).values()) == {1.0}


def test_silence_short_and_long_speech_have_figures(scorer, speech):
    for wav in (np.zeros(16000, np.float32), speech[:1600], np.tile(speech, 6), 3 * speech):
        made = figures(scorer, wav)
        assert all(0.5 < value < 5 for value in made.values()), made
    assert figures(scorer, np.zeros(16000, np.float32))["dnsmos_ovrl"] < figures(scorer, speech)["dnsmos_ovrl"]


def test_the_rate_does_not_matter(scorer, speech):
    import soxr

    one, other = figures(scorer, speech), figures(scorer, soxr.resample(speech, 16000, 24000), 24000)
    assert one["dnsmos"] == pytest.approx(other["dnsmos"], abs=0.15)


def test_it_works_in_one_thread(scorer):
    for session in (scorer._model.onnx_sess, scorer._model.p808_onnx_sess):
        assert session.get_session_options().intra_op_num_threads == 1


def test_without_the_package_it_names_the_extra():
    code = (
        "import sys; sys.modules['speechmos'] = None\n"
        "import numpy as np\n"
        "from ellav.plugins.scorers import Scored, scorers\n"
        "scorers.create('dnsmos').score(Scored('a', 's', '', np.zeros(16000, np.float32), 16000))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "pip install 'ellav[dnsmos]'" in done.stderr.splitlines()[-1]
