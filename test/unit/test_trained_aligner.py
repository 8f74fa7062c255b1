"""The aligner that learns from the corpus: on sounds whose times are known, and from command to packed option."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import yaml
from safetensors.numpy import load_file, save_file

from ellav.bin import align, fit_aligner
from ellav.bin.options import add_choice, parse, parser
from ellav.data.kaldi import DataFolder, read_table, write_table
from ellav.data.option_files import copy_files, resolve_files
from ellav.data.outputs import read_record
from ellav.errors import UserError
from ellav.plugins.aligners import AlignmentError, Recording, accepts, aligners
from ellav.plugins.aligners.trained import choose
from ellav.plugins.text import Phones
from ellav.testing import check_aligner

RATE = 16000
SOUNDS = {"a": (300, 900), "e": (500, 2300), "i": (250, 3200), "o": (700, 1200), "s": None}
"""Phone -> its two resonances in Hz; None: hiss."""


def sound(rng, phone, samples, pitch):
    """(samples,) of one phone."""
    if SOUNDS[phone] is None:
        return np.diff(rng.standard_normal(samples + 1)) * 0.05
    hertz = pitch * np.arange(1, int(4000 / pitch))[:, None]
    level = sum(np.exp(-(((hertz - top) / 200) ** 2)) for top in SOUNDS[phone]) + 0.01
    waves = np.sin(2 * np.pi * hertz * np.arange(samples) / RATE + rng.uniform(0, 6, hertz.shape))
    return 0.05 * (level * waves).sum(axis=0)


def speak(rng, words, pauses=(), quiet=0.15):
    """Words said with random durations: (wav, phones, ends). pauses: words before which `sp` stands, with
    silence in the sound. quiet: seconds of silence at both ends."""
    pitch, parts, ends = rng.uniform(90, 200), [], []
    symbols, owners = [], []

    def add(symbol, owner, part):
        parts.append(part)
        symbols.append(symbol)
        owners.append(owner)
        ends.append(sum(map(len, parts)) / RATE)

    add("sp", -1, np.zeros(int(quiet * RATE)))
    for number, word in enumerate(words):
        if number in pauses:
            add("sp", -1, np.zeros(int(rng.uniform(0.1, 0.2) * RATE)))
        for phone in word:
            add(phone, number, sound(rng, phone, int(rng.uniform(0.06, 0.15) * RATE), pitch))
    add("sp", -1, np.zeros(int(quiet * RATE)))
    wav = np.concatenate(parts) + 1e-4 * rng.standard_normal(sum(map(len, parts)))
    return wav.astype(np.float32), Phones(symbols, owners, list(words)), np.array(ends)


def sentence(rng):
    """Four to six words of two or three phones, no phone twice in a row, perhaps a pause."""
    phones = [str(rng.choice(list(SOUNDS)))]
    while len(phones) < 15:
        following = str(rng.choice(list(SOUNDS)))
        if following != phones[-1]:
            phones.append(following)
    words, at = [], 0
    for length in rng.integers(2, 4, rng.integers(4, 6)):
        words.append("".join(phones[at : at + length]))
        at += length
    return speak(rng, words, {int(rng.integers(1, 4))} if rng.random() < 0.4 else set())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """(recordings, folder): 30 sentences to learn from, as files."""
    folder, rng, made = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0), {}
    for number in range(30):
        wav, phones, _ = sentence(rng)
        sf.write(folder / f"{number:02d}.wav", wav, RATE)
        made[f"{number:02d}"] = Recording(folder / f"{number:02d}.wav", len(wav) / RATE, "one", phones)
    return made, folder


@pytest.fixture(scope="module")
def model(corpus, tmp_path_factory):
    """A model that was learned from the corpus."""
    return aligners.create("trained").fit(corpus[0], tmp_path_factory.mktemp("model"))["model"]


@pytest.fixture(scope="module")
def aligner(model):
    return aligners.create("trained", {"model": str(model)})


@pytest.fixture(scope="module")
def spoken():
    """Twelve sentences that were not learned from."""
    rng = np.random.default_rng(1)
    return [sentence(rng) for _ in range(12)]


def test_boundaries_are_where_the_sounds_change(aligner, spoken):
    errors = np.concatenate([np.abs(aligner.align(wav, phones).ends - ends)[:-1] for wav, phones, ends in spoken])
    assert len(errors) > 100
    assert np.median(errors) <= 0.010 and np.mean(errors <= 0.030) >= 0.95


def test_it_keeps_the_contract(aligner, spoken):
    assert accepts(aligner, "whatever")
    check_aligner(aligner, [(wav, phones) for wav, phones, _ in spoken[:2]], cases=1)


def test_a_written_silence_may_last_no_time(aligner):
    wav, phones, ends = speak(np.random.default_rng(2), ["aso", "ise", "osa"])
    place = phones.word_of_phone.index(1)
    symbols, owners = list(phones.phones), list(phones.word_of_phone)
    symbols.insert(place, "sp")
    owners.insert(place, -1)
    found = aligner.align(wav, Phones(symbols, owners, phones.words)).ends
    assert found[place] == found[place - 1] == pytest.approx(ends[place - 1], abs=0.03)


def test_speech_may_begin_and_end_with_the_recording(aligner):
    wav, phones, ends = speak(np.random.default_rng(3), ["asi", "eso"], quiet=0.0)
    found = aligner.align(wav, phones).ends
    assert found[0] == 0 and found[-2] == found[-1] == len(wav) / RATE
    assert np.abs(found - ends).max() <= 0.03


def test_silence_that_the_text_lacks_goes_to_the_phone_before(aligner):
    wav, phones, ends = speak(np.random.default_rng(4), ["aso", "ise", "osa"], {1})
    place = phones.word_of_phone.index(1) - 1
    assert phones.phones[place] == "sp"
    without = Phones(
        *([x for i, x in enumerate(row) if i != place] for row in (phones.phones, phones.word_of_phone)), []
    )
    found = aligner.align(wav, without).ends
    assert found[place - 1] == pytest.approx(ends[place], abs=0.03)


def test_another_sentence_scores_lower(aligner, spoken):
    own = [aligner.align(wav, phones).score for wav, phones, _ in spoken]
    other = [aligner.align(spoken[i][0], spoken[i - 1][1]).score for i in range(len(spoken))]
    assert all(wrong < right for wrong, right in zip(other, own, strict=True))
    assert np.mean(np.array(other) < aligner.least_score) >= 0.9
    assert np.mean(np.array(own) >= aligner.least_score) >= 0.9  # new sentences of the same voice


@pytest.mark.parametrize(
    ("seconds", "value", "symbols", "reason"),
    [
        (0.0, 0.0, "ase", "0.00 s of audio are too short for 3 phones"),
        (0.04, 0.1, "ase", "0.04 s of audio are too short for 3 phones"),
        (1.0, np.nan, "ase", "not numbers"),
        (1.0, 0.1, "aze", "phone 'z' was not among those"),
        (1.0, 0.1, "", "no phones to align"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(aligner, seconds, value, symbols, reason):
    phones = Phones(["sp", *symbols, "sp"], [-1, *[0] * len(symbols), -1], ["WORD"])
    with pytest.raises(AlignmentError, match=reason):
        aligner.align(np.full(int(seconds * RATE), value, np.float32), phones)


def test_it_learns_the_same_each_time_and_sets_short_recordings_aside(corpus, model, tmp_path):
    recordings = dict(corpus[0])
    one = recordings["00"]
    sf.write(tmp_path / "short.wav", np.full(800, 0.1), RATE)
    again = aligners.create("trained").fit(recordings, tmp_path)["model"]
    assert again.read_bytes() == model.read_bytes()
    recordings["99"] = replace(one, wav=tmp_path / "short.wav", seconds=0.05)
    more = aligners.create("trained").fit(recordings, tmp_path)["model"]
    learned, known = load_file(more), load_file(model)
    assert {name: part.shape for name, part in learned.items()} == {name: part.shape for name, part in known.items()}
    with pytest.raises(UserError, match="none of 1 utterances is as long as its phones need"):
        aligners.create("trained").fit({"99": recordings["99"]}, tmp_path)


def test_how_much_it_learns_from_is_limited(corpus, tmp_path):
    recordings = dict(corpus[0])
    chosen = choose(recordings, 10.0)
    lengths = [recording.seconds for recording in chosen]
    assert sum(lengths[:-1]) < 10 <= sum(lengths) and chosen == choose(dict(reversed(recordings.items())), 10.0)
    assert chosen != list(recordings.values())[: len(chosen)]
    with pytest.raises(UserError, match="minutes must be above 0"):
        aligners.create("trained", {"minutes": 0})
    recordings["00"] = replace(recordings["00"], wav=Path("not there.wav"))
    with pytest.raises(UserError, match=r"not there.wav: not readable .*rerun stage 2"):
        aligners.create("trained").fit(recordings, tmp_path)


def test_a_model_that_is_none_is_named(aligner, model, spoken, tmp_path):
    wav, phones, _ = spoken[0]
    with pytest.raises(UserError, match="no model; train one with `ellav fit-aligner`"):
        aligners.create("trained").align(wav, phones)
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(model.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"damaged.safetensors: damaged .*make it with `ellav fit-aligner`"):
        aligners.create("trained", {"model": str(damaged)}).align(wav, phones)
    parts = load_file(model)
    about = {"trained": '{"phones": ["a"], "least_score": -1.0}'}
    save_file(parts, damaged, about)
    with pytest.raises(UserError, match=r"damaged.safetensors: does not fit .* weights should be \(4, 8\) F32, found"):
        aligners.create("trained", {"model": str(damaged)}).align(wav, phones)


def test_a_packed_model_carries_what_was_learned(aligner, model, spoken, tmp_path):
    kept = copy_files(aligners.get("trained"), {"model": str(model)}, "aligner", tmp_path, "aligner")
    assert kept == {"model": "aligner/model.safetensors"}
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "aligner", tmp_path / "elsewhere" / "aligner")
    found = resolve_files(aligners.get("trained"), kept, tmp_path / "elsewhere")
    wav, phones, _ = spoken[0]
    assert (aligners.create("trained", found).align(wav, phones).ends == aligner.align(wav, phones).ends).all()


@pytest.fixture
def root(corpus, tmp_path, monkeypatch):
    """What stage 2 and `ellav phones` leave, in a folder that is then worked in."""
    monkeypatch.chdir(tmp_path)
    raw, spoken = tmp_path / "raw/train", tmp_path / "phones/train"
    raw.mkdir(parents=True)
    spoken.mkdir(parents=True)
    wavs = {name: str(recording.wav) for name, recording in corpus[0].items()}
    DataFolder(wavs, dict.fromkeys(wavs, "text"), dict.fromkeys(wavs, "one")).write(raw)
    phones = {name: recording.phones for name, recording in corpus[0].items()}
    write_table(spoken / "phones", {name: one.phones for name, one in phones.items()})
    write_table(spoken / "words", {name: one.words for name, one in phones.items()})
    write_table(spoken / "word_of_phone", {name: list(map(str, one.word_of_phone)) for name, one in phones.items()})
    return tmp_path


FOLDERS = ["--data", "raw/train", "--phones", "phones/train", "--out"]


def test_the_command_fits_and_align_takes_what_it_wrote(root, aligner, capsys):
    fit_aligner.main([*FOLDERS, "exp/aligner", "--aligner", "trained"])
    written = yaml.safe_load((root / "exp/aligner/aligner.yaml").read_text())
    assert written == {"aligner": "trained", "aligner_conf": {"model": "exp/aligner/trained.safetensors"}}
    align.main([*FOLDERS, "align/train", "--config", "exp/aligner/aligner.yaml"])
    ends, scores = read_table("align/train/ends"), read_table("align/train/scores")
    assert len(ends) == len(scores) == 30
    for repeated in ("fit", "align"):
        capsys.readouterr()
        if repeated == "fit":
            fit_aligner.main([*FOLDERS, "exp/aligner", "--aligner", "trained"])
        else:
            align.main([*FOLDERS, "align/train", "--config", "exp/aligner/aligner.yaml"])
        assert "up to date" in capsys.readouterr().out
    fit_aligner.main([*FOLDERS, "exp/aligner", "--aligner", "trained", "--aligner_conf", "minutes=0.1"])
    align.main([*FOLDERS, "align/train", "--config", "exp/aligner/aligner.yaml"])
    assert read_table("align/train/ends") != ends  # another model, made again


STEADY = '''
import numpy as np
from ellav.plugins.aligners import ANY, Alignment, aligners

@aligners.register("steady")
class Steady:
    """Every phone lasts as long as the others, from a start on."""
    phone_sets, sample_rate = (ANY,), 16000

    def __init__(self, start: float = 0.0, name: str = ""):
        self.start = start

    def align(self, wav, phones):
        return Alignment(np.linspace(self.start, len(wav) / 16000, len(phones.phones)), 0.0)
'''


def test_others_are_only_noted_and_align_as_before(root, capsys):
    Path("steady.py").write_text(STEADY)
    conf = ["--aligner", "steady", "--aligner_conf", "start=0.01", "name='1e-3'", "--plugin", "steady.py"]
    align.main([*FOLDERS, "align/train", *conf])
    key = read_record(Path("align/train"))["key"]
    fit_aligner.main([*FOLDERS, "exp/aligner", *conf])
    assert sorted(path.name for path in Path("exp/aligner").iterdir()) == ["aligner.yaml", "done.json"]
    capsys.readouterr()
    align.main([*FOLDERS, "align/train", "--config", "exp/aligner/aligner.yaml", "--plugin", "steady.py"])
    assert "up to date" in capsys.readouterr().out and read_record(Path("align/train"))["key"] == key


def test_a_prompt_aligner_is_fitted_for_packing_alone(root):
    fit_aligner.main(
        [*FOLDERS, "exp/prompt_aligner", "--prompt_aligner", "trained", "--prompt_aligner_conf", "minutes=0.1"]
    )
    made = parser("pack", "")
    add_choice(made, "aligner", "pocketsphinx", "aligners")
    add_choice(made, "prompt_aligner", None, "aligners")
    Path("other.yaml").write_text("aligner: textgrid\naligner_conf: {folder: grids}\n")
    both = parse(made, ["--config", "other.yaml", "--config", "exp/prompt_aligner/aligner.yaml"])
    assert (both.aligner, both.prompt_aligner) == ("textgrid", "trained")
    assert both.aligner_conf == {"folder": "grids"}
    assert both.prompt_aligner_conf == {"minutes": 0.1, "model": "exp/prompt_aligner/trained.safetensors"}
