"""The page of `ellav demo` on a miniature model: asked by gradio's client, used in a real browser, watched from outside."""

import contextlib
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx2
import numpy as np
import pytest
from bundles import packed_of_files

from ellav import Synthesizer
from ellav.bin.demo import settings
from ellav.bin.main import main
from ellav.data.audio import read_all
from ellav.infer.provenance import CONSENT, DEFAULT

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
    fields = {"text": TEXT, "voice": "voice", "recording": None, "transcript": "", "agreed": False, "rate": 1, "seed": 0}
    return list((fields | changed).values())


def test_gradios_client_speaks_and_changes_a_word(client):
    line, speech, words = client.predict(*filled(), api_name="/speak")
    assert "s of speech" in line and speech.startswith("<audio") and "spectrogram" in speech
    assert [word for word, _ in words["choices"]] == ["The", "old", "boat", "Boat", "the", "boat"]
    _, other, words = client.predict(1, "boat", api_name="/replace_0")
    assert other != speech and [word for word, _ in words["choices"]][1] == "boat"
    line, *_ = client.predict(*filled(text="The unheard boat."), api_name="/speak")
    assert 'role="alert"' in line and "unheard" in line


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


def test_a_client_cannot_have_another_address_asked(page, client):
    """A recording is what was sent, not an address or a path that somebody names."""
    for given in ({"path": "/etc/hostname"}, {"path": "http://192.0.2.1/a.wav", "url": "http://192.0.2.1/a.wav"}):
        recording = {**given, "meta": {"_type": "gradio.FileData"}}
        asked = httpx2.post(
            f"{page[0]}/gradio_api/call/transcribe", json={"data": [recording]}, timeout=60
        )
        told = httpx2.get(f"{page[0]}/gradio_api/call/transcribe/{asked.json()['event_id']}", timeout=60).text
        assert "event: error" in told


def test_nothing_but_this_machine_is_called(voice, quiet, monkeypatch):
    """Neither a name is looked up nor an address called, from importing gradio to speaking."""
    called = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def connecting(self, address):
        called.append(address[0])
        return connect(self, address)

    def looking_up(host, *rest, **more):
        called.append(host)
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", connecting)
    monkeypatch.setattr(socket, "getaddrinfo", looking_up)
    with served([voice], ["mini"]) as (address, desk):
        assert httpx2.get(address).status_code == 200
        time.sleep(1)
    assert {name.decode() if isinstance(name, bytes) else name for name in called} == {"127.0.0.1"}
