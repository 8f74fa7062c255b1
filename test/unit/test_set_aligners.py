"""The checks of aligners that take whole sets: on recordings, by the command, and on wrong ones."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from praatio import textgrid

from ellav.bin.plugins import main
from ellav.data.kaldi import write_table
from ellav.errors import UserError
from ellav.plugins.aligners import Alignment, AlignmentError, Recording, aligners
from ellav.plugins.text import text
from ellav.testing import ContractError, check_set_aligner
from ellav.testing.contract import keep_laws
from ellav.testing.set_aligner import laws_on_data
from ellav.types import SILENCE

LINES = ("The old king sold a carpet.", "A cat sat.", "Open the window, please.", "Seven ships left the harbour.")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder of four sentences of one voice, with TextGrids of them in grids/."""
    folder = tmp_path_factory.mktemp("spoken")
    aligner, speak = aligners.create("pocketsphinx"), text.create("g2p_en")
    wavs, texts = {}, {}
    (folder / "grids").mkdir()
    for number, line in enumerate(LINES):
        name, path = f"slt-{number}", folder / f"{number}.wav"
        subprocess.run(["flite", "-voice", "slt", "-t", line, "-o", str(path)], check=True)
        wav, rate = sf.read(path, dtype="float32")
        assert rate == aligner.sample_rate
        phones = speak(line)
        ends = aligner.align(wav, phones).ends
        starts = [0.0, *ends[:-1]]
        entries = [(a, b, "" if p == SILENCE else p) for a, b, p in zip(starts, ends, phones.phones, strict=True)]
        grid = textgrid.Textgrid()
        grid.addTier(textgrid.IntervalTier("phones", [e for e in entries if e[0] < e[1]], 0, len(wav) / rate))
        grid.save(str(folder / f"grids/{name}.TextGrid"), format="long_textgrid", includeBlankSpaces=True)
        wavs[name], texts[name] = str(path), line
    write_table(folder / "wav.scp", wavs)
    write_table(folder / "text", texts)
    write_table(folder / "utt2spk", dict.fromkeys(wavs, "slt"))
    return folder


def check(capsys, *words):
    """What `ellav plugins check aligners ...` prints, or why it refuses."""
    try:
        main(["check", "aligners", *map(str, words)])
    except UserError as error:
        return capsys.readouterr().out + str(error)
    return capsys.readouterr().out


def test_imported_alignments_keep_the_contract(capsys, data):
    said = check(capsys, "textgrid", f"folder={data / 'grids'}", "--data", data, "--text", "g2p_en")
    assert said == "aligners textgrid keeps the contract\n"


def test_what_does_not_fit_is_shown(capsys, data):
    said = check(capsys, "textgrid", f"folder={data / 'grids'}", "tier=words", "--data", data, "--text", "g2p_en")
    assert "✗ recordings are aligned\n    found: it is refused: " in said and "no tier 'words'" in said
    assert "with:  slt-1: " in said and "phones = sp " in said
    assert "--data FOLDER" in check(capsys, "textgrid", f"folder={data}")
    said = check(capsys, "pocketsphinx", "--data", data, "--text", "characters")
    assert "--text characters: its phones are " in said and "the aligner accepts: " in said
    said = check(capsys, "textgrid", f"folder={data}", "--data", data / "grids")
    assert "wav.scp" in said


def test_one_that_learns_is_tried_on_what_it_learned(capsys, data):
    said = check(capsys, "trained", "--data", data, "--text", "characters", "--cases", "1")
    assert said == "aligners trained keeps the contract\n"
    assert "as far as machine-made sounds show" in check(capsys, "trained", "--cases", "1")


class Evenly:
    """Aligns a set; the wrong ones below are made of it."""

    phone_sets = ("any",)

    def align_set(self, recordings, folder, jobs):
        for recording in recordings.values():
            size = len(recording.phones.phones)
            yield Alignment(np.arange(1, size + 1) / size * recording.seconds, 0.0)


class Lossy(Evenly):
    def align_set(self, recordings, folder, jobs):
        yield from list(super().align_set(recordings, folder, jobs))[1:]


class Backwards(Evenly):
    def align_set(self, recordings, folder, jobs):
        yield from reversed(list(super().align_set(recordings, folder, jobs)))


class Bare(Evenly):
    def align_set(self, recordings, folder, jobs):
        yield from (made.ends for made in super().align_set(recordings, folder, jobs))


class Choosy(Evenly):
    def align_set(self, recordings, folder, jobs):
        *made, _ = super().align_set(recordings, folder, jobs)
        yield from [*made, AlignmentError("too long for me")]


class Moody(Evenly):
    times = 0

    def align_set(self, recordings, folder, jobs):
        self.times += 1
        for made in super().align_set(recordings, folder, jobs):
            made.ends[0] /= self.times
            yield made


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (Lossy, "3 results for 4 recordings"),
        (Backwards, "`ends` is float64 of shape|the last end is"),
        (Bare, "a ndarray comes back"),
        (Choosy, "it is refused: too long for me"),
        (Moody, "the second time the ends of slt-0 are others"),
    ],
)
def test_wrong_ones_are_caught(wrong, found):
    speak = text.create("g2p_en")
    recordings = {
        f"slt-{number}": Recording(Path("x.wav"), 1.0 + number, "slt", speak(line)) for number, line in enumerate(LINES)
    }
    check_set_aligner(Evenly(), recordings)
    with pytest.raises(ContractError, match=found):
        check_set_aligner(wrong(), recordings)


class Learner:
    """Learns nothing but where its file is."""

    name, phone_sets, sample_rate = "learner", ("any",), 16000

    def __init__(self, model: Path | None = None):
        self.model = model

    def align(self, wav, phones):
        raise AlignmentError("never")

    def fit(self, recordings, folder):
        if self.model is not None:
            return {}
        (folder / "model").write_text("learned")
        return {"model": folder / "model"}


class Forgetful(Learner):
    def fit(self, recordings, folder):
        return {"model": folder / "model"}


class Stubborn(Learner):
    def fit(self, recordings, folder):
        (folder / "model").write_text("learned")
        return {"model": folder / "model"}


class Foreign(Learner):
    def fit(self, recordings, folder):
        return {} if self.model else {"weights": Learner.fit(self, recordings, folder)["model"]}


@pytest.mark.parametrize(
    ("wrong", "found"),
    [(Forgetful, "which is no file in the folder"), (Stubborn, "`fit` learns again"), (Foreign, "weights")],
)
def test_learners_are_caught_too(wrong, found):
    for cls in (Learner, wrong):
        aligners.register(f"{cls.__name__.lower()}_of_a_test")(cls)
    keep_laws(laws_on_data("learner_of_a_test", {}, None, None, cases=1))
    with pytest.raises(ContractError, match=found):
        keep_laws(laws_on_data(f"{wrong.__name__.lower()}_of_a_test", {}, None, None, cases=1))
