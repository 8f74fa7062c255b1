import pickle

import numpy as np
import pytest
import yaml

from ellav.data.codes import CodesWriter
from ellav.data.dataset import STATISTICS, Dataset, Tokens
from ellav.data.kaldi import read_table, write_table
from ellav.data.outputs import write_text
from ellav.errors import UserError

STATS = dict.fromkeys(STATISTICS, 1) | {
    "frame_rate": 50.0,
    "codebooks": 2,
    "codebook_size": 16,
    "most_phone": 30,
    "most_silence": 90,
}
ROWS = {
    "a1": ("sp AA B sp", [0, 2, 3, 1], "anna"),
    "a2": ("sp B sp", [2, 2, 0], "anna"),
    "b1": ("AA", [4], "bob"),
}


@pytest.fixture
def folder(tmp_path):
    write_text(tmp_path / "tokens.txt", "sp\nAA\nB\n")
    write_text(tmp_path / "stats.yaml", yaml.safe_dump(STATS))
    with CodesWriter(tmp_path) as writer:
        for utterance, (_, durations, _) in ROWS.items():
            writer.write(utterance, codes_of(sum(durations)))
    write_table(tmp_path / "phones", {u: phones for u, (phones, _, _) in ROWS.items()})
    words = {u: [-1 if p == "sp" else 0 for p in phones.split()] for u, (phones, _, _) in ROWS.items()}
    write_table(tmp_path / "word_of_phone", words)
    write_table(tmp_path / "durations", {u: durations for u, (_, durations, _) in ROWS.items()})
    write_table(tmp_path / "utt2num_frames", {u: sum(durations) for u, (_, durations, _) in ROWS.items()})
    write_table(tmp_path / "utt2spk", {u: speaker for u, (_, _, speaker) in ROWS.items()})
    write_table(tmp_path / "text", {u: f"TEXT {u}" for u in ROWS})
    return tmp_path


def codes_of(frames):
    return np.arange(frames * 2).reshape(frames, 2) % 16


def test_utterances_come_back_as_written(folder):
    dataset = Dataset(folder, Tokens.read(folder))
    assert len(dataset) == 3 and dataset.ids == ["a1", "a2", "b1"]
    assert dataset.speakers == ["anna", "anna", "bob"] and dataset.lengths.tolist() == [6, 4, 4]
    for i, (phones, durations, speaker) in enumerate(ROWS.values()):
        utterance = dataset[i]
        assert (utterance.id, utterance.speaker, utterance.language) == (dataset.ids[i], speaker, "und")
        assert dataset.tokens.decode(utterance.phones) == phones.split()
        assert utterance.durations.tolist() == durations
        np.testing.assert_array_equal(utterance.codes, codes_of(sum(durations)))
        assert dataset.text(i) == f"TEXT {utterance.id}"
    assert dataset[-1].id == "b1"
    with pytest.raises(IndexError):
        dataset[3]


def test_languages_are_read_where_the_set_has_them(folder):
    write_table(folder / "utt2lang", dict.fromkeys(ROWS, "eng"))
    assert Dataset(folder, Tokens.read(folder))[1].language == "eng"


def test_only_the_last_utterances_are_kept(folder):
    dataset = Dataset(folder, Tokens.read(folder), keep=2)
    first = dataset[0]
    assert dataset[0] is first
    dataset[1], dataset[2]
    assert dataset[0] is not first


def test_a_dataset_goes_to_worker_processes(folder):
    dataset = Dataset(folder, Tokens.read(folder))
    dataset[0]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(dataset))[1].codes, dataset[1].codes)


def test_shards_are_read_as_the_whole_was(folder, tmp_path):
    whole = Dataset(folder, Tokens.read(folder))
    for name in ("phones", "word_of_phone", "durations", "codes.scp", "utt2spk", "text", "utt2num_frames"):
        rows = read_table(folder / name)
        for shard, ids in {"0": ["a1"], "1": ["a2", "b1"]}.items():
            place = tmp_path / "cut" / "shards" / shard
            place.mkdir(parents=True, exist_ok=True)
            write_table(place / name, {id: rows[id] for id in ids})
    cut = Dataset(tmp_path / "cut", whole.tokens)
    assert cut.ids == whole.ids and cut.speakers == whole.speakers and (cut.lengths == whole.lengths).all()
    for one, other in zip(whole, cut, strict=True):
        assert (one.id, one.speaker) == (other.id, other.speaker)
        np.testing.assert_array_equal(one.codes, other.codes)
        np.testing.assert_array_equal(one.durations, other.durations)
    write_table(tmp_path / "cut/shards/1/durations", {"a2": "2 3 0", "b1": "4"})
    with pytest.raises(UserError, match=r"shards/1: utterance 'a2': durations sum to 5, .* stages 4 and 5"):
        Dataset(tmp_path / "cut", whole.tokens)[1]


def test_a_table_that_is_replaced_while_it_is_read_is_noticed(folder):
    dataset = Dataset(folder, Tokens.read(folder))
    dataset[0]
    write_table(folder / "phones", {"a1": "sp AA B sp", "a2": "sp AA sp", "b1": "B"})
    write_table(folder / "text", {u: f"OTHER {u}" for u in ROWS})
    assert dataset.tokens.decode(dataset[1].phones) == ["sp", "B", "sp"]  # what was opened stays
    with pytest.raises(UserError, match=r"text: changed since the set was opened; begin again"):
        dataset.text(1)
    assert Dataset(folder, dataset.tokens).text(1) == "OTHER a2"


def test_bounds_come_from_the_statistics(folder):
    tokens = Tokens.read(folder)
    least, most = tokens.bounds(tokens.encode(["sp", "AA", "B"]))
    assert least.tolist() == [0, 1, 1] and most.tolist() == [90, 30, 30]


def break_durations(folder):
    table = read_table(folder / "durations")
    write_table(folder / "durations", table | {"a2": "2 3 0"})


def break_phone(folder):
    write_table(folder / "phones", read_table(folder / "phones") | {"a2": "sp ZZ sp"})


def break_number(folder):
    write_table(folder / "word_of_phone", read_table(folder / "word_of_phone") | {"a2": "-1 x -1"})


def break_length(folder):
    write_table(folder / "word_of_phone", read_table(folder / "word_of_phone") | {"a2": "-1 0"})


def break_codes(folder):
    other = folder / "other"
    other.mkdir()
    with CodesWriter(other) as writer:
        writer.write("a2", np.full((4, 2), 16))
    write_table(folder / "codes.scp", read_table(folder / "codes.scp") | read_table(other / "codes.scp"))


@pytest.mark.parametrize("harm", [break_durations, break_phone, break_number, break_length, break_codes])
def test_what_does_not_fit_together_is_refused_by_name(folder, harm):
    harm(folder)
    dataset = Dataset(folder, Tokens.read(folder))
    assert dataset[0].id == "a1"
    with pytest.raises(UserError, match="a2"):
        dataset[1]


def test_tables_of_other_utterances_are_refused(folder):
    write_table(folder / "phones", {"a1": "sp", "a3": "sp", "b1": "sp"})
    with pytest.raises(UserError, match=r"phones:2.*'a3'"):
        Dataset(folder, Tokens.read(folder))[1]
    write_table(folder / "phones", {"a1": "sp"})
    with pytest.raises(UserError, match="same utterances"):
        Dataset(folder, Tokens.read(folder))


def test_missing_stages_are_named(folder, tmp_path):
    with pytest.raises(UserError, match="stage 5"):
        Tokens.read(tmp_path / "nowhere")
    with pytest.raises(UserError, match="stage 5"):
        Dataset(tmp_path / "nowhere", Tokens.read(folder))
    (folder / "stats.yaml").write_text("frame_rate: 50\n")
    with pytest.raises(UserError, match="codebooks"):
        Tokens.read(folder)
