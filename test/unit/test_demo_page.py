"""The page of `ellav demo` on a miniature model: asked by gradio's client, used in a real browser, watched."""

import contextlib
import io
import json
import re
import socket
import threading
import time

import httpx2
import numpy as np
import pytest
import soundfile
from bundles import packed_of_files, packed_of_languages

from ellav import Synthesizer
from ellav.bin.demo import settings
from ellav.data.audio import read_all
from ellav.infer.provenance import CONSENT

TEXT = "The old boat. Boat, the boat."
LOCAL = frozenset({"127.0.0.1", "localhost"})


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return packed_of_files(tmp_path_factory.mktemp("demo") / "model", "lexicon")


@pytest.fixture(scope="module")
def voice(packed):
    return Synthesizer(packed)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """As the command sets gradio up, before it is imported; the folder in which recordings lie."""
    place = tmp_path_factory.mktemp("recordings")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings(str(place)).items():
            patch.setenv(name, value)
        yield place


@contextlib.contextmanager
def served(voices, names):
    """A page on a free port of this machine; yields its address and its desk."""
    from ellav.demo.app import make_app, server_of
    from ellav.demo.asked import Limits
    from ellav.demo.desk import Desk

    desk = Desk(voices, names, Limits(text=200, seconds=5))
    listening = socket.create_server(("127.0.0.1", 0))
    server = server_of(make_app(desk, voices[0].marking.notice, LOCAL))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", desk
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
        listening.close()
        desk.close()


@pytest.fixture(scope="module")
def page(voice, quiet):
    with served([voice], ["mini"]) as (address, desk):
        yield address, desk


@pytest.fixture(scope="module")
def client(page):
    from gradio_client import Client

    with contextlib.redirect_stdout(io.StringIO()):
        return Client(page[0], verbose=False)


def filled(**changed):
    fields = {
        "text": TEXT,
        "voice": "voice",
        "recording": None,
        "transcript": "",
        "agreed": False,
        "rate": 1,
        "seed": 0,
        "language": None,
        "prompt_language": None,
    }
    return list((fields | changed).values())


def test_gradios_client_speaks_and_changes_a_word(client):
    line, speech, words = client.predict(*filled(), api_name="/speak")
    assert "s of speech" in line and speech.startswith("<audio") and "spectrogram" in speech
    assert [word for word, _ in words["choices"]] == ["The", "old", "boat", "Boat", "the", "boat"]
    _, other, words = client.predict(1, "boat", api_name="/replace_0")
    assert other != speech and [word for word, _ in words["choices"]][1] == "boat"
    line, *_ = client.predict(*filled(text="The unheard boat."), api_name="/speak")
    assert 'role="alert"' in line and "unheard" in line


@pytest.mark.parametrize(
    ("changed", "told", "logged"),
    [
        ({"rate": 5}, "greater than maximum", True),
        ({"rate": None}, '"error": null', True),
        ({"rate": "x"}, '"error": null', True),
        ({"voice": "nobody"}, "not in the list", True),
        ({"seed": "x"}, "is no seed", False),
        ({"seed": None}, "seed=None is no seed", False),
        ({"seed": 1.5}, "seed=1.5 is no seed", False),
        ({"seed": -1}, "seed=-1 is no seed", False),
        ({"text": None}, "there is no text", False),
    ],
)
def test_what_no_page_would_send_is_refused_in_a_line(page, caplog, capfd, changed, told, logged):
    called = f"{page[0]}/gradio_api/call"
    with caplog.at_level("WARNING", "ellav.demo"):
        asked = httpx2.post(f"{called}/speak", json={"data": filled(**changed)}, timeout=60)
        answer = httpx2.get(f"{called}/speak/{asked.json()['event_id']}", timeout=60).text
    assert told in answer and "Traceback" not in "".join(capfd.readouterr())
    lines = [record.getMessage() for record in caplog.records if record.name == "ellav.demo"]
    assert len(lines) == logged and all(line.startswith("a request was refused: ") for line in lines)
    assert not any("\n" in line for line in lines)


def test_a_function_that_is_not_there_is_not_found(page):
    answer = httpx2.post(f"{page[0]}/gradio_api/call/nothing", json={"data": []}, timeout=60)
    assert answer.status_code == 404 and "there is no such function" in answer.text


def test_a_stream_is_sent_as_it_is_made(client, page, voice):
    _, html, _ = client.predict(*filled(), api_name="/stream")
    (place,) = re.findall(r'src="(spoken/[^"]+)"', html)
    whole = np.concatenate(list(voice.stream(TEXT)))
    for _ in range(2):  # a browser may ask again
        with httpx2.stream("GET", f"{page[0]}/{place}", timeout=60) as answer:
            content = b"".join(answer.iter_raw())
        got = read_all(io.BytesIO(content))
        assert answer.headers["content-type"] == "audio/wav" and got.rate == 48_000
        assert len(got.wav) == 3 * len(whole) and np.abs(got.wav[::3, 0] - whole).mean() < 0.02 * np.abs(whole).max()
    assert httpx2.get(f"{page[0]}/spoken/none").status_code == 404


def test_a_stream_whose_listener_has_gone_is_ended(page, voice):
    from ellav.demo.desk import Stream

    address, desk = page
    ended = threading.Event()

    def begin():
        try:
            while True:
                yield np.zeros(16_000, np.float32)
        finally:
            ended.set()

    key = desk.streams.put(Stream(begin, 16_000))
    with httpx2.stream("GET", f"{address}/spoken/{key}", timeout=60) as answer:
        assert next(answer.iter_raw())
    assert ended.wait(20)
    assert desk.worker.do(lambda: "free") == "free"


def test_the_page_is_for_this_machine_and_this_host_alone(page):
    answer = httpx2.get(page[0])
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert httpx2.get(page[0], headers={"Host": "elsewhere.example"}).status_code == 403
    for path in ("/etc/passwd", "../../etc/passwd", __file__):
        assert httpx2.get(f"{page[0]}/gradio_api/file={path}").status_code in (403, 404)
    many = {"files": ("me.wav", b"0" * 11_000_000)}
    assert httpx2.post(f"{page[0]}/gradio_api/upload", files=many, timeout=60).status_code == 413


@pytest.fixture
def called(monkeypatch):
    """The names that are looked up and the addresses that are called meanwhile; those of others are not."""
    named = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def note(host):
        named.append(host.decode() if isinstance(host, bytes) else host)
        if named[-1] != "127.0.0.1":
            raise OSError("not in a test")

    def connecting(self, address):
        note(address[0])
        return connect(self, address)

    def looking_up(host, *rest, **more):
        note(host)
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", connecting)
    monkeypatch.setattr(socket, "getaddrinfo", looking_up)
    return named


@pytest.mark.parametrize("more", [{}, {"is_stream": True}])
@pytest.mark.parametrize("named", ["FILE", "http://speech.example/a.wav"])
def test_a_recording_is_what_was_sent_and_nothing_that_is_named(page, called, monkeypatch, tmp_path, named, more):
    """Neither a file of this machine nor an address, in whichever field."""
    address, desk = page
    monkeypatch.setattr(desk.voices[0], "transcribe", lambda given: "heard")
    soundfile.write(tmp_path / "secret.wav", np.ones(16_000) / 2, 16_000)
    path = str(tmp_path / "secret.wav") if named == "FILE" else named
    given = {"path": path, "url": path, "meta": {"_type": "gradio.FileData"}, **more}
    own = filled(voice="a recording", recording=given, transcript="The old boat.", agreed=True)
    for route, data in (("transcribe", [given]), ("speak", filled(text=given)), ("speak", own)):
        asked = httpx2.post(f"{address}/gradio_api/call/{route}", json={"data": data}, timeout=60)
        told = httpx2.get(f"{address}/gradio_api/call/{route}/{asked.json()['event_id']}", timeout=60).text
        assert ("event: error" in told or "alert" in told) and "heard" not in told and "s of speech" not in told
    assert set(called) == {"127.0.0.1"}


def test_nothing_but_this_machine_is_called(voice, quiet, called):
    """Neither a name is looked up nor an address called, from making the page to speaking."""
    with served([voice], ["mini"]) as (address, _):
        assert httpx2.get(address).status_code == 200
        asked = httpx2.post(f"{address}/gradio_api/call/speak", json={"data": filled()}, timeout=60)
        told = httpx2.get(f"{address}/gradio_api/call/speak/{asked.json()['event_id']}", timeout=60).text
        assert "s of speech" in told
    assert set(called) == {"127.0.0.1"}


def press(browser, selector):
    """A click, as a person makes it."""
    middle = (
        f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
        " e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});"
        " const r = e.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; })()"
    )
    while (at := browser.run(middle)) != browser.run(middle):  # what is still loaded moves it
        time.sleep(0.1)
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1)


def press_until(browser, selector, script, seconds=15):
    """Press, and again where nothing has come of it for so long: what is still loaded can move a button away.

    Returns the value of the expression `script`, which is then one that counts as true."""
    for _ in range(4):
        press(browser, selector)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := browser.run(script):
                return value
            time.sleep(0.1)
    raise AssertionError(f"{selector} was pressed, and never {script}")


def write(browser, selector, text):
    """Fill in a field."""
    press(browser, selector)
    browser.run(f"document.querySelector({json.dumps(selector)}).select()")
    browser.call("Input.insertText", text=text)


def choose(browser, selector, wanted):
    """Open a list of choices, and take the one that is called so."""
    option = f"[...document.querySelectorAll('[role=option]')].find(o => o.innerText.includes({json.dumps(wanted)}))"
    press_until(browser, selector, f"{option} !== undefined")
    browser.run(f"{option}.dispatchEvent(new MouseEvent('mousedown', {{bubbles: true}}))")


def part(number=0):
    """JavaScript for the part of a model, whose speech `.words` names and whose player's content `.sound` is."""
    return f"""(() => {{
        const at = document.querySelector('#part-{number}'), audio = at.querySelector('audio');
        return {{
            words: [...at.querySelectorAll('.ellav-words label')].map(label => label.innerText.trim()).join(' '),
            drawn: [...at.querySelectorAll('.plot .word')].map(word => word.textContent).join(' '),
            chosen: [...at.querySelectorAll('.ellav-words input')].findIndex(input => input.checked),
            sound: audio && audio.src, seconds: audio && audio.duration, at: audio && audio.currentTime,
            line: at.querySelector('.ellav-line').innerText.trim(),
            wrong: at.querySelector('.ellav-line .wrong')?.innerText,
            image: at.querySelector('.plot img')?.naturalWidth,
        }}; }})()"""


def opened(browser, address, width=1200):
    browser.open(address, width)
    browser.until("document.querySelector('#speak') !== null && document.querySelector('.ellav-line p') !== null")


def nothing_is_wrong(browser, address):
    """No complaints in the page, nothing asked of another host, and no wider than the window."""
    assert not browser.complaints()
    assert all(url.startswith((f"{address}/", "data:", "blob:")) for url in browser.asked())
    assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("width", [1200, 400])
def test_a_person_speaks_and_changes_words(page, browser, voice, width):
    address, _ = page
    opened(browser, address, width)
    assert CONSENT in browser.run("document.body.innerText")
    write(browser, "#text textarea", TEXT)
    press_until(browser, "#speak", f"{part()}.seconds > 0 && {part()}.image > 0")
    first = browser.run(part())
    assert first["words"] == first["drawn"] == "The old boat Boat the boat"
    assert first["seconds"] == pytest.approx(len(voice(TEXT).wav) / 16_000, abs=0.01) and "s of speech" in first["line"]
    press(browser, "#part-0 .plot .word[data-word='3']")
    browser.until(f"{part()}.chosen === 3")
    press(browser, ".ellav-again")
    again = browser.until(f"{part()}.sound !== {json.dumps(first['sound'])} && {part()}.sound")
    press(browser, ".ellav-stretch")
    assert "no word is chosen" in browser.until(f"{part()}.wrong")
    press(browser, ".ellav-words label:nth-of-type(2) input")
    write(browser, ".ellav-instead input, .ellav-instead textarea", "boat")
    press(browser, ".ellav-replace")
    replaced = f"{part()}.words === 'The boat boat Boat the boat' && {part()}.sound !== {json.dumps(again)}"
    before = browser.until(f"{replaced} && {part()}.seconds > 0 && {part()}")
    press(browser, ".ellav-words label:nth-of-type(2) input")
    press(browser, ".ellav-stretch")
    assert browser.until(f"{part()}.sound !== {json.dumps(before['sound'])} && {part()}.seconds") > before["seconds"]
    nothing_is_wrong(browser, address)


def test_a_person_listens_from_where_they_point(page, browser):
    opened(browser, page[0])
    write(browser, "#text textarea", " ".join([TEXT] * 3))
    press(browser, "#speak")
    seconds = browser.until(f"{part()}.image > 0 && {part()}.seconds")
    press(browser, "#part-0 .plot img")
    assert seconds > browser.until(f"{part()}.at > {seconds / 2} && {part()}.at") > seconds / 2
    assert browser.until("document.querySelector('.plot .head').classList.contains('on')")


def test_a_person_hears_a_stream(page, browser, voice):
    address, _ = page
    opened(browser, address)
    write(browser, "#text textarea", TEXT)
    press(browser, "#stream")
    seconds = browser.until(
        "document.querySelector('#part-0 audio')?.ended && document.querySelector('audio').duration"
    )
    assert seconds == pytest.approx(len(voice(TEXT).wav) / 16_000, abs=0.05)
    nothing_is_wrong(browser, address)


def test_a_person_speaks_into_the_microphone(page, browser, monkeypatch):
    address, desk = page
    monkeypatch.setattr(
        desk.voices[0], "transcribe", lambda given: f"The old boat of {len(given.wav) / given.rate:.2f}"
    )
    opened(browser, address)
    write(browser, "#text textarea", TEXT)
    choose(browser, "#voice input", "a recording")
    browser.until("document.querySelector('#recording button.record') !== null")
    pressed = time.monotonic()
    press_until(browser, "#recording button.record", "document.querySelector('#recording time.duration') !== null")
    browser.until("document.querySelector('#recording time.duration').innerText >= '0:02'")  # a microphone takes time
    press(browser, "#recording button.stop-button")
    heard = browser.until("document.querySelector('#transcript textarea').value")
    assert heard.startswith("The old boat of ") and 1 < float(heard.split()[-1]) < time.monotonic() - pressed
    assert "consent" in press_until(browser, "#speak", f"{part()}.wrong")
    write(browser, "#transcript textarea", "The old boat.")
    press(browser, "#agreed input")
    # The browser's beeps are perhaps too short for a voice.
    press_until(browser, "#speak", f"{part()}.line.includes('the recording')")
    nothing_is_wrong(browser, address)


def test_of_several_languages_one_is_chosen(tmp_path, quiet, browser):
    with served([Synthesizer(packed_of_languages(tmp_path / "model"))], ["two"]) as (address, _):
        opened(browser, address)
        shown = "document.querySelector('#language input').value"
        assert browser.run(shown) == "es" and browser.run("document.querySelector('#language').offsetHeight > 0")
        write(browser, "#text textarea", "La mañana.")
        press_until(browser, "#speak", f"{part()}.seconds > 0")
        said = browser.run(part())["words"]
        choose(browser, "#language input", "en")
        assert browser.run(shown) == "en"
        assert "ñ" in press_until(browser, "#speak", f"{part()}.wrong").casefold()
        assert browser.run(part())["words"] == said
        nothing_is_wrong(browser, address)


def test_two_models_are_heard_beside_each_other(packed, voice, browser, quiet):
    with served([voice, Synthesizer(packed, decoder="greedy")], ["one", "<other>"]) as (address, _):
        opened(browser, address)
        write(browser, "#text textarea", TEXT)
        press_until(browser, "#speak", f"{part(1)}.seconds > 0")
        one, other = browser.run(part(0)), browser.run(part(1))
        assert one["words"] == other["words"] and one["sound"] != other["sound"]
        assert "<other>" in browser.run("document.querySelector('#part-1').innerText")
        press(browser, "#part-1 .ellav-words input")
        press(browser, "#part-1 .ellav-stretch")
        browser.until(f"{part(1)}.sound !== {json.dumps(other['sound'])}")
        assert browser.run(part(0))["sound"] == one["sound"]
        nothing_is_wrong(browser, address)
