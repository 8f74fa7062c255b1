"""`ellav report`: the page, built from miniature but real files and looked at in a real browser."""

import json
import os
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ellav.bin.main import main
from ellav.data.codes import CodesWriter
from ellav.data.kaldi import DataFolder, write_table
from ellav.infer.textgrid import write_textgrid
from ellav.train.log import Log

RATE, FRAME = 16000, 160
TEXTS = {
    "ann-1": 'A <b>bold</b> line & "quotes"',
    "ann-2": "The second one is longer than the window, so that its spectrogram has to scroll",
    "bob-1": "Nothing came of this one",
}
SECONDS = {"ann-1": 0.8, "ann-2": 5.0, "bob-1": 0.6}
PHONES = ("sp", "DH", "AH0", "K", "AE1", "T", "sp")
PLUGIN = str(Path(__file__).with_name("samples_codec.py"))
ABOUT = "Machine-made: sums of sines & <nothing> else."


def voice(seconds, pitch):
    time = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 20))
    return (0.2 * wave * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))).astype(np.float32)


def experiment(folder, tag, ordering, ids, empty=()):
    """What stages 6 to 8 leave: logs of the real trainer's log, a decoded set."""
    exp = folder / "exp" / tag
    for model, names in (("ar", ("stream1",)), ("nar", tuple(f"codebook{j}" for j in range(2, 6)))):
        (exp / model).mkdir(parents=True)
        log = Log(exp / model, model, 0)
        for step in range(25, 1001, 25):
            figures = {"loss": 4.0 * np.exp(-step / 300) + 0.1, "trigger": 1 - np.exp(-step / 100)}
            figures |= {f"top10/{name}": 0.9 - 0.1 * i - np.exp(-step / 200) / 2 for i, name in enumerate(names)}
            log.scalars(step, step / 10, {f"train/{k}": float(v) for k, v in figures.items()})
            log.scalars(step, step / 10, {"train/tokens_per_second": 9000.0 + step})
            if step % 200 == 0:
                log.scalars(step, step / 10, {f"valid/{k}": float(v) * 0.98 for k, v in figures.items()})
        log.close()
        summary = {"steps": 1000, "seconds": 100.0, "parameters": 3_200_000, "tokens_per_second": 9500}
        (exp / model / "summary.json").write_text(json.dumps(summary))
    (exp / "ar/config.yaml").write_text(f"ordering: {{name: {ordering}, conf: {{}}}}\n")
    decode = exp / "decode/test"
    (decode / "wav").mkdir(parents=True)
    (decode / "textgrid").mkdir()
    facts = []
    for id in ids:
        wav = voice(0.0 if id in empty else SECONDS[id] + 0.1, 140)
        soundfile.write(decode / "wav" / f"{id}.wav", wav, RATE, subtype="PCM_16")
        frames = len(wav) // FRAME
        if ordering == "interleaved" and frames:
            durations = np.diff(np.linspace(0, frames, len(PHONES) + 1).astype(int))
            write_textgrid(
                decode / f"textgrid/{id}.TextGrid", list(PHONES), np.array([-1, 0, 0, 1, 1, 1, -1]), durations, 100.0
            )
        facts.append({"id": id, "cuts": 0, "phones": 7, "hit_bound": False, "prompt_frames": 50, "frames": frames})
        facts[-1] |= {"target_frames": 80, "seconds": 0.25, "audio_seconds": frames / 100}
    (decode / "facts.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in facts))
    (decode / "done.json").write_text(
        json.dumps(
            {
                "key": tag,
                "stage": "8 (decode)",
                "inputs": {},
                "options": {
                    "decoder": "nucleus",
                    "decoder_conf": {"p": 0.9},
                    "mode": "cross-sentence",
                    "which": "averaged",
                },
            }
        )
    )
    write_table(decode / "wav.scp", {id: f"exp/{tag}/decode/test/wav/{id}.wav" for id in ids})
    write_table(decode / "utt2spk", {id: id[:3] for id in ids})
    write_table(decode / "utt2prompt", {id: "ann-1" if id != "ann-1" else "ann-2" for id in ids})


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder like a recipe's after stage 8, with `exp/one` (interleaved) and `exp/two` (concat)."""
    folder = tmp_path_factory.mktemp("recipe")
    raw, phones, align, codes = (folder / "dump" / name / "test" for name in ("raw", "phones", "align", "codes"))
    for path in (raw / "wav", phones, align, codes, folder / "exp/codec"):
        path.mkdir(parents=True)
    recorded = {id: voice(seconds, 110 if id[0] == "a" else 190) for id, seconds in SECONDS.items()}
    with CodesWriter(codes) as writer:
        for id, wav in recorded.items():
            soundfile.write(raw / "wav" / f"{id}.wav", wav, RATE)
            writer.write(id, np.round(np.clip(wav[::2], -1, 1) * 127 + 128).astype(np.int16).reshape(-1, FRAME // 2))
    DataFolder({id: str(raw / "wav" / f"{id}.wav") for id in TEXTS}, TEXTS, {id: id[:3] for id in TEXTS}).write(raw)
    (folder / "dump/raw/train").symlink_to(raw)
    for folder_of_phones in (phones, align):
        write_table(folder_of_phones / "phones", {id: PHONES for id in TEXTS})
    write_table(phones / "words", {id: "THE CAT" for id in TEXTS})
    write_table(phones / "word_of_phone", {id: [-1, 0, 0, 1, 1, 1, -1] for id in TEXTS})
    times = {id: np.linspace(0, seconds, len(PHONES) + 1)[1:] for id, seconds in SECONDS.items()}
    write_table(align / "ends", {id: [f"{t:.4f}" for t in ends] for id, ends in times.items()})
    (folder / "exp/codec/codec.yaml").write_text(
        "{name: samples8, conf: {}, sample_rate: 16000, frame_rate: 100.0, codebooks: 80, size: 256}\n"
    )
    (folder / "about.txt").write_text(ABOUT + "\n")
    experiment(folder, "one", "interleaved", list(TEXTS), empty=("bob-1",))
    experiment(folder, "two", "concat", ["ann-1", "ann-2"])
    before = os.getcwd()
    os.chdir(folder)
    try:
        for tag in ("two", "one"):
            compare = ["--compare", "exp/two"] if tag == "one" else []
            scored = ["score", "--exp", f"exp/{tag}", "--sets", "test", "--plugin", PLUGIN, "--lm_order", "0"]
            assert main([*scored, "--scorers", "stability", "rtf", *compare]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def recipe(built, tmp_path, monkeypatch):
    """A copy that a test may spoil, as the working folder."""
    shutil.copytree(built, tmp_path / "tts1", symlinks=True, ignore=shutil.ignore_patterns("report.html"))
    monkeypatch.chdir(tmp_path / "tts1")
    return tmp_path / "tts1"


def report(*more):
    compare = ["--compare", "exp/two"]
    return main(["report", "--exp", "exp/one", *compare, "--about", "about.txt", "--plugin", PLUGIN, *more])


PROBE = """(async () => {
  const audio = [...document.querySelectorAll('audio')];
  await Promise.all(audio.map(a => a.readyState >= 1 || a.error || new Promise(done => {
    a.addEventListener('loadedmetadata', done); a.addEventListener('error', done);
  })));
  const images = [...document.images];
  await Promise.all(images.map(i => i.decode().catch(() => null)));
  const visible = e => e.getBoundingClientRect().width > 0 && e.getBoundingClientRect().height > 0;
  return {
    images: images.map(i => i.naturalWidth), shown: images.every(visible), alt: images.every(i => i.alt.length > 10),
    audio: audio.map(a => [a.getAttribute('aria-label'), a.duration, visible(a)]),
    inside: document.documentElement.scrollWidth <= window.innerWidth, width: window.innerWidth,
    text: document.body.innerText, headings: [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1]),
    rows: [...document.querySelectorAll('#results ~ .scroll tbody tr')].map(r => [...r.children].map(c => c.innerText)),
    curves: document.querySelectorAll('.chart').length, background: getComputedStyle(document.body).backgroundColor,
    strayTags: document.querySelectorAll('h4 b').length,
  };
})()"""


@pytest.fixture(scope="module")
def page(built):
    before = os.getcwd()
    os.chdir(built)
    try:
        assert report() == 0
    finally:
        os.chdir(before)
    return built / "exp/one/report.html"


@pytest.mark.parametrize("width", [1200, 400])
def test_the_page_in_a_browser(page, browser, width):
    browser.open(page.as_uri(), width)
    seen = browser.run(PROBE)
    assert seen["width"] == width and seen["inside"], "the page is wider than the window"
    # Two utterances are heard in four ways; the third was not decoded by `two` and came out empty in `one`.
    assert len(seen["images"]) == 2 * 4 + 2 and all(seen["images"]) and seen["shown"] and seen["alt"]
    players = {name: duration for name, duration, visible in seen["audio"] if visible}
    assert len(players) == len(seen["audio"]) == 2 * 5 + 3
    for name, duration in players.items():
        way, utterance = name.split(", ")
        longer = 0.1 if way in ("one", "two") else 0.0
        wanted = SECONDS[way.removeprefix("prompt ") if way.startswith("prompt") else utterance] + longer
        assert duration == pytest.approx(wanted, abs=0.08), name
    assert seen["curves"] == 2 * 2 * 3
    assert all(b - a <= 1 for a, b in pairwise(seen["headings"]))
    for id, text in TEXTS.items():
        assert text in seen["text"] and id in seen["text"]
    assert seen["strayTags"] == 0 and ABOUT in seen["text"] and "Decoding said nothing" in seen["text"]
    assert "interleaved" in seen["text"] and "nucleus (p=0.9), cross-sentence" in seen["text"]
    rows = {cells[0]: cells[1:] for cells in seen["rows"] if len(cells) > 2}
    assert {"recorded", "codec resynthesis", "one", "two"} >= rows.keys() >= {"one", "two"}
    assert rows["one"] != rows["two"]
    assert not browser.complaints()
    asked = browser.asked()
    assert page.as_uri() in asked and all(url.startswith(("file:", "data:")) for url in asked)


def test_a_click_in_a_spectrogram_plays_from_there(page, browser):
    browser.open(page.as_uri(), 1200)
    at = browser.run(
        """(() => {
        const image = document.querySelectorAll('.plot img')[5];
        image.scrollIntoView({block: 'center', behavior: 'instant'});
        const box = image.getBoundingClientRect();
        return [box.left + Number(image.parentElement.dataset.pixelsPerSecond), box.top + 40]; })()"""
    )
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1)
    played = browser.run(
        """(async () => {
        const speech = document.querySelectorAll('.plot img')[5].closest('.speech');
        const audio = speech.querySelector('audio');
        for (let i = 0; i < 200 && audio.currentTime < 1.1; i++) await new Promise(done => setTimeout(done, 50));
        audio.pause();
        return [audio.currentTime, audio.duration, speech.querySelector('.head').classList.contains('on')]; })()"""
    )
    assert 1.1 <= played[0] < played[1] and played[2]


def test_light_and_dark(page, browser):
    shades = {}
    for scheme in ("light", "dark"):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.open(page.as_uri(), 800)
        shades[scheme] = sum(map(int, re.findall(r"\d+", browser.run(PROBE)["background"])[:3]))
    browser.call("Emulation.setEmulatedMedia", features=[])
    assert shades["light"] > 600 > 150 > shades["dark"]


def test_it_is_made_again_only_where_something_changed(recipe, capsys):
    assert report() == 0
    before = (recipe / "exp/one/report.html").stat().st_mtime_ns
    assert report() == 0
    assert "up to date" in capsys.readouterr().out
    assert (recipe / "exp/one/report.html").stat().st_mtime_ns == before
    with (recipe / "exp/one/nar/losses.tsv").open("a") as log:
        log.write("1025\t102.5\ttrain/loss\t0.01\n")
    assert report() == 0
    assert "up to date" not in capsys.readouterr().out and not list((recipe / "exp/one").glob("*.tmp"))


def test_fewer_utterances_where_the_page_would_grow_too_large(recipe, capsys):
    assert report() == 0
    whole = (recipe / "exp/one/report.html").stat().st_size
    limit = (whole - 1000) / 1e6
    assert report("--max_megabytes", f"{limit}") == 0
    text = (recipe / "exp/one/report.html").read_text()
    assert len(text.encode()) < limit * 1e6
    assert "2 of 3 utterances" in text and "3 were asked for" in text
    assert "2 utterances of each test set" in capsys.readouterr().out
    assert report("--utterances", "1") == 0
    text = (recipe / "exp/one/report.html").read_text()
    assert "1 of 3 utterances" in text and "asked for" not in text


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda r: (r / "exp/one/results.json").unlink(), "run stage 9 (score)"),
        (lambda r: (r / "exp/two/results.json").unlink(), "exp/two/results.json: not there; run stage 9 (score)"),
        (lambda r: (r / "exp/one/ar/losses.tsv").unlink(), "run stage 6 (train AR) first"),
        (lambda r: (r / "exp/one/nar/losses.tsv").unlink(), "run stage 7 (train NAR) first"),
        (lambda r: (r / "exp/one/decode").rename(r / "gone"), "run stage 8 (decode) first"),
        (lambda r: (r / "exp/codec/codec.yaml").unlink(), "run stage 4 (codes) first"),
        (lambda r: (r / "dump/align/test/ends").unlink(), "run stage 3 (phones and alignment) first"),
        (lambda r: (r / "dump/align/test/ends").write_text("ann-2 1.0\n"), "lacks 'ann-1', which was decoded"),
        (lambda r: shutil.rmtree(r / "dump/codes"), "run stage 4 (codes) first"),
        (lambda r: (r / "dump/codes/test/codes.scp").unlink(), "rerun stage 9 (score)"),
        (lambda r: (r / "about.txt").unlink(), "about.txt: not a readable text file"),
        (
            lambda r: (r / "exp/one/decode/test/textgrid/ann-1.TextGrid").write_text("no grid"),
            "ann-1.TextGrid: not a TextGrid",
        ),
        (lambda r: (r / "exp/one/ar/losses.tsv").write_text("step\n25\tfast\n"), "losses.tsv:2: not `step seconds"),
    ],
)
def test_what_is_missing_is_named_with_its_stage(recipe, capsys, spoil, message):
    spoil(recipe)
    assert report() == 1
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert not (recipe / "exp/one/report.html").exists()
