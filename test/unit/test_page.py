"""The parts of report.html: audio, spectrograms, phones' names, curves."""

import io
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from ellav.score.page import build
from ellav.score.page.curves import Line, chart, charts, read_log, thin_out, ticks
from ellav.score.page.pictures import (
    PICTURE_HEIGHT,
    PIXELS_PER_SECOND,
    TOP_HERTZ,
    Phone,
    mp3,
    place_labels,
    plot,
    spectrogram,
)
from ellav.score.page.speech import Example, Speech

RATE = 16000


def test_an_audio_file_keeps_time_and_sound():
    random = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    wav = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20)) * np.repeat(random.random(20), RATE // 20)
    wav = (0.2 * wav).astype(np.float32)
    content = mp3(wav, RATE)
    back, rate = soundfile.read(io.BytesIO(content))
    assert rate == RATE and abs(len(back) - len(wav)) < 0.08 * RATE and len(content) < 10_000
    lags = np.correlate(back, wav, "full")
    assert abs(np.argmax(lags) - (len(wav) - 1)) < 0.01 * RATE
    assert lags.max() > 0.95 * np.linalg.norm(wav) * np.linalg.norm(back)


@pytest.mark.parametrize("rate", [16000, 24000])
@pytest.mark.parametrize("hertz", [500, 3000, 7000])
def test_a_tone_stands_at_its_height(hertz, rate):
    from PIL import Image

    tone = np.sin(2 * np.pi * hertz * np.arange(rate) / rate).astype(np.float32)
    picture = np.asarray(Image.open(io.BytesIO(spectrogram(tone, rate))).convert("L"), dtype=int)
    assert picture.shape == (PICTURE_HEIGHT, PIXELS_PER_SECOND)
    darkest = PICTURE_HEIGHT - 1 - picture[:, 20:-20].mean(axis=1).argmin()
    assert darkest == pytest.approx(hertz / TOP_HERTZ * PICTURE_HEIGHT, abs=2)


def test_labels_do_not_touch_and_ticks_are_round():
    spans = [(i * 10.0, i * 10.0 + 18) for i in range(9)]
    rows = place_labels(spans)
    for row in set(rows):
        mine = [span for span, at in zip(spans, rows, strict=True) if at == row]
        assert all(b[0] >= a[1] for a, b in pairwise(mine))
    assert ticks(0, 4.3, 5) == [0, 1, 2, 3, 4, 5] and ticks(7.0, 7.0, 4)[0] <= 7.0 <= ticks(7.0, 7.0, 4)[-1]
    assert ticks(0, 2412, 4) == [0, 1000, 2000, 3000]


def test_a_long_curve_is_thinned_and_a_log_is_read_as_far_as_it_is_written(tmp_path):
    points = np.stack([np.arange(10_000.0), np.arange(10_000.0) % 7], axis=1)
    thin = thin_out(points)
    assert len(thin) == 400 and (thin[0] == points[0]).all() and (thin[-1] == points[-1]).all()
    assert thin[1:-1, 1].mean() == pytest.approx(3, abs=0.05)
    path = tmp_path / "losses.tsv"
    path.write_text("step\tseconds\tname\tvalue\n25\t1.0\ttrain/loss\t2.5\n50\t2.0\ttrain/loss\tnan\n75\t3.0\ttra")
    assert {name: rows.tolist() for name, rows in read_log(path).items()} == {"train/loss": [[25.0, 2.5]]}
    assert "<svg" in chart("x", "Loss", "nats", [Line("", False, np.array([[25.0, 2.5]]))])


HOSTILE = (
    """</script></h4><script>alert(1)</script><img src=x onerror=alert(2)>" onload="alert(3)' onclick='alert(4) &"""
)


class Tags(HTMLParser):
    """The tags and attributes that a browser would see."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.shown = set(), set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {(name, value) for name, value in attrs}
        self.shown += " ".join(value or "" for _, value in attrs)

    def handle_data(self, data):
        self.shown += data


def test_names_and_texts_of_a_corpus_are_shown_and_never_run():
    rng = np.random.default_rng(0)
    wav = rng.normal(0, 0.1, RATE // 2).astype(np.float32)
    phones = [Phone(HOSTILE, 0.0, 0.2), Phone("a", 0.2, 0.5)]
    speech = Speech(HOSTILE, wav, phones, {HOSTILE: HOSTILE}, {HOSTILE: HOSTILE})
    example = Example(HOSTILE, HOSTILE[::-1] + HOSTILE, HOSTILE, Speech(HOSTILE, wav, None), 1.0, [speech, speech])
    log = {f"train/top10/{HOSTILE}": np.array([[1.0, 0.5], [2.0, 0.6]]), "train/loss": np.array([[1.0, 2.0]])}
    parts = {
        "article": build._article(example, SimpleNamespace(sample_rate=RATE), Path("exp")),
        "table": build._table([HOSTILE], [[HOSTILE, HOSTILE], [f"**{HOSTILE}**", f"1 ({HOSTILE})"]], HOSTILE, HOSTILE),
        "plot": plot(wav, RATE, phones, HOSTILE),
        "charts": charts(log, HOSTILE),
        "listen": build._listen(
            [SimpleNamespace(name=HOSTILE, spoken=[{"a": "b"}])], {HOSTILE: []}, {HOSTILE: ["a"]}, 10**6
        ),
        "head": build._head(HOSTILE, "key").replace((build.HERE / "page.css").read_text(), ""),
    }
    for name, part in parts.items():
        seen = Tags(part)
        assert "script" not in seen.tags, name
        assert not [a for a in seen.attributes if a[0].startswith("on")], name
        assert not [a for a in seen.attributes if a[0] == "src" and not a[1].startswith("data:")], name
        assert "alert(1)" in seen.shown, name
