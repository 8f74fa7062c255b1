"""Text and alignment from a corpus to a packed model that needs no file of the corpus."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
import yaml

from ellav.bin import align, encode, fit_codec, fit_text, pack, phones, tokens
from ellav.data.dataset import Dataset, Tokens
from ellav.data.kaldi import DataFolder, read_table
from ellav.errors import UserError
from ellav.infer.synthesizer import Synthesizer
from ellav.infer.textgrid import write_textgrid
from ellav.models.ar import ARModel
from ellav.models.nar import NARModel
from ellav.models.options import ModelOptions
from ellav.plugins.orderings import orderings
from ellav.plugins.text import text
from ellav.testing.codec import sound
from ellav.train.checkpoint import describe_model, save_config, save_weights

RATE = 16000
SENTENCES = ["Съешь ещё, этих булок.", "Этих ещё съешь.", "Булок, булок ещё!", "Ещё этих."]
EVEN = '''
import numpy as np
from ellav.plugins.aligners import ANY, Alignment, aligners

@aligners.register("even")
class Even:
    """Every phone lasts as long as the others."""
    phone_sets, sample_rate = (ANY,), 16000

    def align(self, wav, phones):
        count = len(phones.phones)
        return Alignment(np.arange(1, count + 1) / count * len(wav) / 16000, 0.0)
'''


@pytest.fixture
def root(tmp_path, monkeypatch):
    """What stage 2 leaves, in a folder that is then worked in."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    raw = tmp_path / "raw/train"
    raw.mkdir(parents=True)
    wavs, texts, speakers = {}, {}, {}
    for number in range(12):
        utterance = f"s{number // 6}-{number:02d}"
        wavs[utterance], texts[utterance] = f"raw/train/{utterance}.flac", SENTENCES[number % 4]
        speakers[utterance] = f"s{number // 6}"
        sf.write(wavs[utterance], sound(rng, RATE, 1.5), RATE)
    DataFolder(wavs, texts, speakers).write(raw)
    (tmp_path / "even.py").write_text(EVEN)
    return tmp_path


def fit(*conf):
    fit_text.main(["--data", "raw/train", "--out", "exp/text", *conf])


def speak():
    phones.main(["--data", "raw/train", "--out", "phones/train", "--config", "exp/text/text.yaml"])


def import_grids(*more):
    folders = ["--data", "raw/train", "--phones", "phones/train", "--out", "align/train"]
    align.main([*folders, "--aligner", "textgrid", "--aligner_conf", "folder=grids", *more])


def write_grids():
    """TextGrids of our phones, of equal length, as another program would have made them."""
    spoken, owners, words = (read_table(f"phones/train/{name}") for name in ("phones", "word_of_phone", "words"))
    for utterance, line in spoken.items():
        labels = line.split()
        owner = np.array(owners[utterance].split(), int)
        path = f"grids/{utterance.split('-')[0]}/{utterance}.TextGrid"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        durations = np.ones(len(labels), int)
        write_textgrid(path, labels, owner, durations, len(labels) / 1.5, words[utterance].split())


def prepare():
    """Stages 3 to 5."""
    fit("--text", "sentencepiece", "--text_conf", "pieces=24")
    speak()
    write_grids()
    import_grids()
    fit_codec.main(["--data", "raw/train", "--out", "codec", "--codec_conf", "size=16", "codebooks=2", "mel_bins=20"])
    encode.main(["--data", "raw/train", "--codec", "codec", "--out", "codes/train"])
    make_tokens()


def make_tokens():
    folders = [word for part in ("raw", "align", "codes") for word in (f"--{part}", part)]
    tokens.main(["--sets", "train", *folders, "--codec", "codec", "--out", "tokens"])


def test_phones_and_their_times_reach_the_token_list(root, capsys):
    prepare()
    ends = read_table("align/train/ends")
    assert len(ends) == 12 and not (root / "align/train/work").exists()
    times = np.array(ends["s0-00"].split(), float)
    np.testing.assert_allclose(np.diff(times), 1.5 / len(times), atol=1e-3)
    known = Tokens.read("tokens/list").phones
    assert known[0] == "sp" and "▁" in "".join(known)
    capsys.readouterr()
    fit("--text", "sentencepiece", "--text_conf", "pieces=24")
    speak()
    import_grids()
    assert capsys.readouterr().out.count("up to date") == 3


def test_pauses_become_phones_and_are_told_apart_from_the_text(root):
    prepare()
    pausing = (
        EVEN.replace('"even"', '"pausing"')
        .replace("* len(wav) / 16000, 0.0)", "* len(wav) / 16000, 0.0, pauses)")
        .replace("        return", "        pauses = np.zeros(count)\n        pauses[1] = 0.06\n        return")
    )
    (root / "pausing.py").write_text(pausing)
    folders = ["--data", "raw/train", "--phones", "phones/train", "--out", "align/train"]
    align.main([*folders, "--plugin", "pausing.py", "--aligner", "pausing", "--least_pause", "0.05"])
    make_tokens()
    written, aligned = read_table("phones/train/phones"), read_table("tokens/train/phones")
    words, ends = read_table("tokens/train/word_of_phone"), read_table("align/train/ends")
    tokenised = Dataset("tokens/train", Tokens.read("tokens/list"))
    assert tokenised.tokens.stats["least_pause"] == 0.05
    for number, utterance in enumerate(tokenised.ids):
        before, after = written[utterance].split(), aligned[utterance].split()
        assert after == [*before[:2], "sp", *before[2:]] and words[utterance].split()[2] == "-1"
        assert tokenised.pauses(number).tolist() == [2]
        times = np.array(ends[utterance].split(), float)
        assert times[2] - times[1] == pytest.approx(0.06, abs=1e-3)
        assert np.delete(tokenised[number].phones, 2).tolist() == tokenised.tokens.encode(before).tolist()


def test_what_was_made_with_another_model_is_refused(root):
    prepare()
    fit("--text", "sentencepiece", "--text_conf", "kind=bpe", "pieces=24")
    with pytest.raises(UserError, match=r"phones/train: made from an older .*pieces.model; rerun stage 3"):
        make_tokens()


def test_textgrids_that_changed_are_read_again(root, capsys):
    prepare()
    path = root / "grids/s0/s0-00.TextGrid"
    path.write_text(path.read_text(encoding="utf-8").replace('"sp"', '"noise"', 1), encoding="utf-8")
    import_grids("--max_rejected", "0.1")
    assert "1 of 12 utterances set aside, the first 's0-00': phone 2, " in capsys.readouterr().err
    shutil.rmtree("grids/s1")
    with pytest.raises(UserError, match="7 of 12 utterances set aside"):
        import_grids()


def test_files_that_are_not_there_are_named(root):
    with pytest.raises(UserError, match=r"text lexicon: option lexicon: none.txt is not there|none.txt: no lexicon"):
        fit("--text", "lexicon", "--text_conf", "lexicon=none.txt")
    fit("--text", "characters")
    speak()
    with pytest.raises(UserError, match="aligner textgrid: option folder: none is not there"):
        import_grids("--aligner_conf", "folder=none")


def untrained(which, known):
    """A model's folder as training would have left it."""
    torch.manual_seed(0)
    ordering = orderings.create("interleaved")
    ordering.bind(tuple(known.phones), known.stats["codebook_size"])
    options = ModelOptions(layers=1, width=16, heads=2, ffn=16)
    model = ARModel.of(ordering, options)
    if which == "nar":
        model = NARModel(options, len(known.phones), known.stats["codebooks"], 1, known.stats["codebook_size"])
    Path(which).mkdir()
    save_weights(dict(model.state_dict()), Path(which) / "averaged.safetensors")
    save_config(describe_model(which, options, "interleaved", {}, known.phones, known.stats, {}), Path(which))


def packing(*more):
    folders = ["--ar", "ar", "--nar", "nar", "--codec", "codec", "--tokens", "tokens/list", "--out", "packed"]
    pack.main([*folders, "--config", "exp/text/text.yaml", "--aligner", "textgrid", *more])


def test_a_packed_model_carries_its_files_and_an_aligner_for_prompts(root, capsys):
    prepare()
    for which in ("ar", "nar"):
        untrained(which, Tokens.read("tokens/list"))
    with pytest.raises(UserError, match=r"textgrid aligns whole sets only.*sentencepiece with --prompt-aligner"):
        packing("--aligner_conf", "folder=grids")
    with pytest.raises(UserError, match="aligner pocketsphinx takes phones of arpabet-stress, arpabet"):
        packing("--prompt_aligner", "pocketsphinx")
    packing("--prompt_aligner", "even", "--plugin", "even.py")
    made = yaml.safe_load((root / "packed/model.yaml").read_text())
    assert made["text"]["name"] == "sentencepiece" and made["text"]["record"]["sha256"]
    assert made["text"]["conf"] == {"pieces": 24, "kind": "unigram", "casefold": True, "model": "text/model.model"}
    capsys.readouterr()
    packing("--prompt_aligner", "even", "--plugin", "even.py")
    assert "up to date" in capsys.readouterr().out

    shutil.move("packed", "elsewhere")
    shutil.rmtree("exp")
    voice = Synthesizer(root / "elsewhere", device="cpu")
    said = text.create("sentencepiece", {"model": root / "elsewhere/text/model.model"})(SENTENCES[0])
    speech = voice(SENTENCES[0], "raw/train/s0-01.flac", SENTENCES[1])
    both = speech.symbols, said.phones
    spoken, wanted = ([phone for phone in one if phone != "sp"] for one in both)  # maybe in parts
    assert spoken == wanted and len(speech.wav) > 0

    made["text"]["conf"]["model"] = "../codec/rvq_mel.safetensors"
    (root / "elsewhere/model.yaml").write_text(yaml.safe_dump(made))
    with pytest.raises(UserError, match="is not inside the folder"):
        Synthesizer(root / "elsewhere", device="cpu")
