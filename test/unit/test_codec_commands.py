"""Stages 4 and 5 on a small folder of machine-made sounds."""

import json

import numpy as np
import pytest
import soundfile as sf
import yaml

from ellav.bin import encode, fit_codec, tokens
from ellav.data.codes import CodesReader, CodesWriter
from ellav.data.dataset import Dataset, Tokens
from ellav.data.kaldi import DataFolder, read_table, write_table
from ellav.errors import UserError
from ellav.plugins.codecs import load_codec
from ellav.plugins.codecs.rvq_mel import RVQMel
from ellav.testing.codec import sound
from ellav.testing.templates import write_plugin

RATE = 16000
PHONES = ["sp", "HH", "AY1", "sp"]


def make_set(root, name, count, seed):
    """Stages 2 and 3 as they would have left a set: raw/, align/."""
    rng = np.random.default_rng(seed)
    for part in ("raw", "align"):
        (root / part / name).mkdir(parents=True)
    wavs, ends = {}, {}
    for i in range(count):
        utterance = f"{name}-{i:02d}"
        wav = sound(rng, RATE, 0.6 + 0.1 * (i % 5))
        wavs[utterance] = str(root / "raw" / name / f"{utterance}.wav")
        sf.write(wavs[utterance], wav, RATE)
        seconds = len(wav) / RATE
        ends[utterance] = [f"{share * seconds:.4f}" for share in (0.1, 0.4, 0.8, 1)]
    texts = dict.fromkeys(wavs, "Hi.")
    DataFolder(wavs, texts, {u: f"speaker{i % 2}" for i, u in enumerate(wavs)}).write(root / "raw" / name)
    align = root / "align" / name
    write_table(align / "ends", ends)
    write_table(align / "phones", dict.fromkeys(wavs, PHONES))
    write_table(align / "word_of_phone", {utterance: [-1, 0, 0, -1] for utterance in wavs})
    write_table(align / "pauses", dict.fromkeys(wavs, ""))


def run_fit(root, *more):
    options = ["--codec_conf", "size=16", "codebooks=2", "mel_bins=20", "training_frames=500", *more]
    fit_codec.main(["--data", f"{root}/raw/train", "--out", f"{root}/codec", *options])


def run_encode(root, name, *more):
    encode.main(["--data", f"{root}/raw/{name}", "--codec", f"{root}/codec", "--out", f"{root}/codes/{name}", *more])


def run_tokens(root, *more):
    folders = [word for part in ("raw", "align", "codes") for word in (f"--{part}", f"{root}/{part}")]
    tokens.main(["--sets", "train", "test", *folders, "--codec", f"{root}/codec", "--out", f"{root}/tokens", *more])


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "with a space"
    make_set(folder, "train", 20, 0)
    make_set(folder, "test", 4, 1)
    return folder


@pytest.fixture
def coded(root):
    run_fit(root)
    for name in ("train", "test"):
        run_encode(root, name)
    return root


def test_codes_are_those_of_the_saved_codec(coded):
    described = yaml.safe_load((coded / "codec" / "codec.yaml").read_text())
    assert described["name"] == "rvq_mel" and described["conf"]["size"] == 16
    assert (described["sample_rate"], described["frame_rate"], described["codebooks"]) == (RATE, 50.0, 2)
    codec = load_codec(coded / "codec")
    places = read_table(coded / "codes" / "test" / "codes.scp")
    frames = read_table(coded / "codes" / "test" / "utt2num_frames")
    assert list(places) == [f"test-{i:02d}" for i in range(4)]
    for utterance, place in places.items():
        wav, _ = sf.read(coded / "raw" / "test" / f"{utterance}.wav", dtype="float32")
        codes = CodesReader().read(place)
        np.testing.assert_array_equal(codes, codec.encode([wav])[0])
        assert len(codes) == int(frames[utterance])


def test_two_processes_write_what_one_writes(coded):
    before = (coded / "codes" / "train" / "codes.ark").read_bytes()
    (coded / "codes" / "train" / "done.json").unlink()
    run_encode(coded, "train", "--nj", "2")
    assert (coded / "codes" / "train" / "codes.ark").read_bytes() == before


def test_batches_are_the_same_codes(coded, monkeypatch):
    """By a stand-in for a GPU, in windows of six; a file that is none is found in its batch."""
    make_set(coded, "more", 20, 2)
    (coded / "raw/more/more-07.wav").write_bytes(b"no sound")
    run_encode(coded, "more", "--max-rejected", "0.1")
    folder, reader = coded / "codes/more", CodesReader()
    frames = read_table(folder / "utt2num_frames")
    codes = {utterance: reader.read(place) for utterance, place in read_table(folder / "codes.scp").items()}
    monkeypatch.setattr(encode, "WINDOW", 6)
    taken = []
    together = RVQMel._encode_together
    monkeypatch.setattr(RVQMel, "_encode_together", lambda self, wavs: taken.append(len(wavs)) or together(self, wavs))
    run_encode(coded, "more", "--device", "cpu:0", "--max-rejected", "0.1")
    assert taken == [6, 5, 6, 2]
    assert read_table(folder / "utt2num_frames") == frames and len(codes) == 19
    for utterance, place in read_table(folder / "codes.scp").items():
        np.testing.assert_array_equal(CodesReader().read(place), codes[utterance])
    assert list(read_table(folder / "rejected")) == ["more-07"]


def test_an_interrupted_batch_is_made_again_whole(coded, monkeypatch):
    """So that its codes do not depend on where it was interrupted."""
    monkeypatch.setattr(encode, "WINDOW", 8)
    taken, write = [], CodesWriter.write

    def failing(writer, utterance, codes):
        if utterance == "train-11":
            raise KeyboardInterrupt
        write(writer, utterance, codes)

    monkeypatch.setattr(CodesWriter, "write", failing)
    with pytest.raises(KeyboardInterrupt):
        run_encode(coded, "train", "--device", "cpu:0")
    monkeypatch.setattr(CodesWriter, "write", write)
    together = RVQMel._encode_together
    monkeypatch.setattr(RVQMel, "_encode_together", lambda self, wavs: taken.append(len(wavs)) or together(self, wavs))
    run_encode(coded, "train", "--device", "cpu:0")
    assert taken == [8, 4]
    assert len(read_table(coded / "codes/train/codes.scp")) == 20


def test_a_device_that_is_none(coded, monkeypatch):
    with pytest.raises(UserError, match="device 'cuda:7'"):
        run_encode(coded, "train", "--device", "cuda:7")
    monkeypatch.delattr(RVQMel, "to")
    with pytest.raises(UserError, match="codec rvq_mel computes on a CPU only: leave --device"):
        run_encode(coded, "train", "--device", "cpu:0")


def test_an_interrupted_encode_keeps_its_codes(coded, monkeypatch):
    before = (coded / "codes" / "train" / "codes.ark").read_bytes()
    (coded / "codes" / "train" / "done.json").unlink()
    done = []
    real = encode.encode_one

    def failing(codec, path):
        if len(done) == 7:
            raise KeyboardInterrupt
        done.append(path)
        return real(codec, path)

    monkeypatch.setattr(encode, "encode_one", failing)
    with pytest.raises(KeyboardInterrupt):
        run_encode(coded, "train")
    again = []
    monkeypatch.setattr(encode, "encode_one", lambda codec, path: again.append(path) or real(codec, path))
    run_encode(coded, "train")
    assert len(again) == 20 - 7 and not set(again) & set(done)
    assert (coded / "codes" / "train" / "codes.ark").read_bytes() == before


def test_bad_waveforms_are_set_aside_up_to_a_share(coded):
    (coded / "raw" / "test" / "test-02.wav").write_bytes(b"no wav")
    write_table(coded / "raw" / "test" / "extra", {"changes": "the folder's hash"})
    with pytest.raises(UserError, match=r"1 of 4 utterances.*test-02"):
        run_encode(coded, "test")
    run_encode(coded, "test", "--max-rejected", "0.3")
    assert list(read_table(coded / "codes" / "test" / "rejected")) == ["test-02"]
    assert list(read_table(coded / "codes" / "test" / "codes.scp")) == ["test-00", "test-01", "test-03"]
    run_tokens(coded)
    assert Dataset(coded / "tokens" / "test", Tokens.read(coded / "tokens" / "list")).ids == [
        "test-00",
        "test-01",
        "test-03",
    ]


def test_tokens_are_read_as_utterances(coded):
    run_tokens(coded)
    listed = Tokens.read(coded / "tokens" / "list")
    assert listed.phones == ["sp", "AY1", "HH"]
    dataset = Dataset(coded / "tokens" / "train", listed)
    assert len(dataset) == 20
    ends = read_table(coded / "align" / "train" / "ends")
    for i in range(20):
        utterance = dataset[i]
        assert listed.decode(utterance.phones) == PHONES and utterance.word_of_phone.tolist() == [-1, 0, 0, -1]
        wanted = np.array(ends[utterance.id].split(), float) * 50
        assert np.abs(np.cumsum(utterance.durations) - wanted)[:-1].max() <= 0.5
        assert utterance.durations.sum() == len(utterance.codes)
        assert (utterance.speaker, dataset.text(i)) == (f"speaker{i % 2}", "Hi.")
    durations = np.array([dataset[i].durations for i in range(20)])
    assert listed.stats["most_phone"] == int(np.ceil(2 * np.percentile(durations[:, 1:3], 99)))
    assert listed.stats["most_silence"] == int(np.ceil(2 * np.percentile(durations[:, [0, 3]], 99)))
    assert listed.stats["max_frames"] == dataset.lengths.max()
    assert listed.stats["mean_frames"] == pytest.approx(dataset.lengths.mean(), abs=0.01)
    assert listed.stats["frames_per_phone"] == pytest.approx(durations.mean(), abs=1e-3)
    assert (listed.stats["frame_rate"], listed.stats["codebooks"], listed.stats["codebook_size"]) == (50.0, 2, 16)


def test_long_silence_at_the_ends_is_cut_off_and_the_codes_are_those_of_the_rest(coded):
    run_tokens(coded)
    listed = Tokens.read(coded / "tokens" / "list")
    opened = Dataset(coded / "tokens" / "test", listed)
    whole = list(opened)
    run_tokens(coded, "--edge-silence", "0.04")
    cut = Dataset(coded / "tokens" / "test", Tokens.read(coded / "tokens" / "list"))
    assert cut.tokens.stats["edge_silence"] == 0.04
    for before, after in zip(whole, cut, strict=True):
        first, last = np.maximum(before.durations[[0, 3]] - 2, 0)
        assert first > 0 and last > 0
        np.testing.assert_array_equal(after.codes, before.codes[first : len(before.codes) - last])
        np.testing.assert_array_equal(after.durations[1:3], before.durations[1:3])
        assert after.durations[[0, 3]].tolist() == [2, 2]
    with pytest.raises(UserError, match="changed since the set was opened"):
        opened.text(0)


def change(path, **rows):
    write_table(path, read_table(path) | {key.replace("_", "-"): value for key, value in rows.items()})


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda r: change(r / "align" / "test" / "ends", test_01="0.1 0.2 0.3 9.0"), "after its codes"),
        (lambda r: change(r / "align" / "test" / "ends", test_01="0.1 0.3 0.2 0.7"), "non-decreasing"),
        (lambda r: change(r / "align" / "test" / "phones", test_01="sp ZH AY1 sp"), "'ZH' is not in the training"),
    ],
)
def test_what_training_cannot_read_is_set_aside_with_its_reason(coded, harm, reason):
    harm(coded)
    with pytest.raises(UserError, match="1 of 4 utterances"):
        run_tokens(coded)
    run_tokens(coded, "--max-rejected", "0.25")
    assert reason in read_table(coded / "tokens" / "test" / "rejected")["test-01"]


def test_training_utterances_with_an_endless_phone_are_set_aside(tmp_path):
    """Many utterances of the usual kind, and one in which a phone lasts almost all the time."""
    rows = [tokens.Row(PHONES, np.array([2, 10, 10, 2]), 24, slice(0, 24))] * 2000
    odd = tokens.Row(PHONES, np.array([2, 10, 380, 2]), 394, slice(0, 394))
    folder = tmp_path
    tokens.write_list(
        folder, lambda: [*rows, odd], {"frame_rate": 50.0, "codebooks": 2, "size": 16}, {"edge_silence": 0.25}
    )
    listed = Tokens.read(folder)
    assert listed.stats["most_phone"] == 20 and listed.stats["max_frames"] == 24
    assert listed.stats["edge_silence"] == 0.25
    named = [("usual", rows[0]), ("odd", odd)]
    kept = dict(tokens.fitting(iter(named), listed, training=True))
    assert kept["usual"] is rows[0] and "'AY1' lasts 380 frames, more than 20" in kept["odd"].reason
    assert dict(tokens.fitting(iter(named), listed, training=False))["odd"] is odd


def test_unequal_numbers_of_phones_and_times_name_the_utterance(coded):
    change(coded / "align" / "test" / "ends", test_01="0.1 0.2 0.3")
    with pytest.raises(UserError, match=r"align/test/ends: 'test-01'.*3 times for 4 phones"):
        run_tokens(coded)


def test_stages_are_cheap_to_repeat_and_refuse_stale_inputs(coded, capsys):
    run_tokens(coded)
    capsys.readouterr()
    run_fit(coded)
    run_encode(coded, "train")
    assert capsys.readouterr().out.count("up to date") == 2
    key = json.loads((coded / "codec" / "done.json").read_text())["key"]
    run_fit(coded, "codebooks=1")
    assert json.loads((coded / "codec" / "done.json").read_text())["key"] != key
    with pytest.raises(UserError, match=r"codes/train: made from an older .*codec; rerun stage 4"):
        run_tokens(coded)


def test_another_file_of_a_codec_from_outside_makes_it_anew(root, tmp_path, capsys):
    write_plugin("codecs", "changing_codec", tmp_path / "plugin")
    path = tmp_path / "plugin/changing_codec.py"
    options = ["--data", f"{root}/raw/train", "--out", f"{root}/codec"]
    options += ["--plugin", str(path), "--codec", "changing_codec"]
    fit_codec.main(options)
    capsys.readouterr()
    fit_codec.main(options)
    assert "up to date" in capsys.readouterr().out
    path.write_text(path.read_text() + "# changed\n")
    with pytest.warns(UserWarning, match="codec: the code of codec 'changing_codec' has changed since training"):
        load_codec(root / "codec")
    fit_codec.main(options)
    assert "up to date" not in capsys.readouterr().out
    load_codec(root / "codec")


def test_a_table_that_holds_no_numbers_is_named(coded):
    change(coded / "codes" / "test" / "utt2num_frames", test_01="many")
    with pytest.raises(UserError, match=r"codes/test/utt2num_frames: 'test-01': 'many'; rerun stage 4"):
        run_tokens(coded)
    change(coded / "align" / "test" / "ends", test_01="0.1 x 0.3 0.4")
    change(coded / "codes" / "test" / "utt2num_frames", test_01="30")
    with pytest.raises(UserError, match=r"align/test/ends: 'test-01': .*'x'; rerun stage 3"):
        run_tokens(coded)


def test_missing_stages_are_named(root):
    with pytest.raises(UserError, match=r"codec\.yaml.*stage 4"):
        run_encode(root, "train")
    run_fit(root)
    with pytest.raises(UserError, match=r"codes/train.*stage 4"):
        run_tokens(root)
    with pytest.raises(UserError, match=r"nowhere.*stage 2"):
        fit_codec.main(["--data", f"{root}/nowhere", "--out", f"{root}/other"])


def test_options_that_cannot_be_are_refused(root):
    with pytest.raises(UserError, match=r"accepted: .*codebooks"):
        run_fit(root, "books=3")
    with pytest.raises(UserError, match="--hours"):
        run_fit(root, "--hours", "0")
    with pytest.raises(UserError, match="--train-set dev is not among"):
        run_tokens(root, "--train-set", "dev")
