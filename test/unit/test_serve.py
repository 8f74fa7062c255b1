"""`ellav serve` on a miniature model, asked over a socket: by OpenAI's own client and by plain requests."""

import base64
import contextlib
import io
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import numpy as np
import openai
import pytest
import soundfile
from bundles import SAID, packed_of_files, speak

from ellav import Synthesizer
from ellav.data.audio import read_about, read_all
from ellav.errors import UserError
from ellav.serve.app import make_app, server_of
from ellav.serve.guard import Rules
from ellav.serve.sounds import FORMATS, Encoder, encoded
from ellav.serve.speaker import PARTS, Speaker
from ellav.serve.voices import Limits, Voices, recording_of

TEXT = "The old boat. Boat, the boat."
LONG = " ".join(["The old boat, the boat.", "Boat, the old boat."] * 3)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return packed_of_files(tmp_path_factory.mktemp("serve") / "model", "lexicon")


@pytest.fixture(scope="module")
def alone(packed):
    """The voice as it speaks without a server."""
    return Synthesizer(packed)


@contextlib.contextmanager
def served(packed, rules=None, slots=4, queue=64, timeout=60.0, limits=None, most_text=4096):
    """A server on a free port of this machine; yields its address and its speaker."""
    voice = Synthesizer(packed)
    speaker = Speaker(voice, slots, queue, timeout)
    app = make_app(speaker, Voices(voice.prompts, limits or Limits()), rules or Rules(stalled=20), most_text)
    listening = socket.create_server(("127.0.0.1", 0))
    server = server_of(app, drain=10)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", speaker
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive() and not speaker.alive
        listening.close()


@pytest.fixture(scope="module")
def server(packed):
    with served(packed) as (address, speaker):
        yield address, speaker


@pytest.fixture
def client(server):
    """Plain requests."""
    with httpx2.Client(base_url=server[0], timeout=60) as made:
        yield made


def openai_client(address, key="none"):
    return openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0, timeout=60)


def say(client, **fields):
    return client.post("/v1/audio/speech", json={"input": TEXT, "response_format": "wav", **fields})


def problem(answer):
    """Message and field of an answer that is no success, of the shape that OpenAI's clients know."""
    told = answer.json()["error"]
    assert set(told) == {"message", "type", "param", "code"} and "\n" not in told["message"]
    assert "Traceback" not in answer.text and "/tmp" not in answer.text
    return told["message"], told["param"]


def samples(content):
    return soundfile.read(io.BytesIO(content), dtype="int16")


def pcm16(wav):
    return np.clip(np.round(wav * 32768), -32768, 32767).astype(np.int16)


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_openais_client_gets_what_a_call_says(server, alone):
    asked = openai_client(server[0]).audio.speech
    fields = {"model": "tts-1", "voice": "voice", "input": TEXT, "instructions": "Softly."}
    wanted = alone(TEXT).wav
    for format in ("wav", "flac"):
        made = asked.create(**fields, response_format=format)
        wav, rate = samples(made.content)
        assert rate == 16000 and made.response.headers["content-type"] == FORMATS[format].media
        np.testing.assert_array_equal(wav, pcm16(wanted))
    for format in ("opus", "mp3"):
        wav, rate = samples(asked.create(**fields, response_format=format).content)
        assert rate == 16000 and abs(len(wav) - len(wanted)) < 1200
    assert asked.create(**fields).response.headers["content-type"] == "audio/mpeg"
    pcm = asked.create(**fields, response_format="pcm").content
    assert len(pcm) == 2 * round(len(wanted) * 24000 / 16000)
    other = asked.create(**fields, response_format="wav", extra_body={"seed": 7}).content
    np.testing.assert_array_equal(samples(other)[0], pcm16(alone(TEXT, seed=7).wav))


def test_openais_client_hears_a_stream_as_it_is_made(server, alone):
    asked = openai_client(server[0]).audio.speech
    fields = {"model": "tts-1", "voice": "default", "input": TEXT, "stream_format": "audio"}
    wanted = pcm16(np.concatenate(list(alone.stream(TEXT))))
    for format in ("wav", "flac"):
        with asked.with_streaming_response.create(**fields, response_format=format) as answer:
            content = b"".join(answer.iter_bytes())
        got = read_all(io.BytesIO(content))
        assert got.rate == 16000
        np.testing.assert_array_equal(pcm16(got.wav[:, 0]), wanted)
    with asked.with_streaming_response.create(**fields, response_format="pcm") as answer:
        pieces = list(answer.iter_bytes())
    assert len(pieces) > 2 and sum(map(len, pieces)) == 2 * round(len(wanted) * 24000 / 16000)


def test_events_bring_the_same_audio(client, alone):
    answer = say(client, stream_format="sse")
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    assert [event["type"] for event in told[:-1]] == ["speech.audio.delta"] * (len(told) - 1)
    assert told[-1]["type"] == "speech.audio.done"
    content = b"".join(base64.b64decode(event["audio"]) for event in told[:-1])
    np.testing.assert_array_equal(samples(content)[0], pcm16(np.concatenate(list(alone.stream(TEXT)))))


def test_many_at_once_get_what_each_gets_alone(server, client, alone):
    """Texts of one and of many parts, streamed and whole, whatever stands beside them."""
    texts = [TEXT, LONG, "The old.", "Boat, boat, the old boat."]
    asked = [(text, seed, stream) for seed in range(2) for text in texts for stream in (None, "audio")]
    wanted = {}
    for text, seed, stream in asked:
        made = alone(text, seed=seed).wav if stream is None else np.concatenate(list(alone.stream(text, seed=seed)))
        wanted[text, seed, stream] = pcm16(made)
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda a: say(client, input=a[0], seed=a[1], stream_format=a[2]), asked))
    for one, answer in zip(asked, answers, strict=True):
        assert answer.status_code == 200, answer.text
        np.testing.assert_array_equal(samples(answer.content)[0], wanted[one])
    wait_until(lambda: server[1].running == 0)
    assert not server[1].shared.busy and not server[1].shared.ended


def test_a_text_of_many_parts_is_what_it_is_alone(client, alone):
    text = " ".join([LONG] * 3)
    wanted = alone(text)
    assert len(wanted.chunks) > PARTS
    np.testing.assert_array_equal(samples(say(client, input=text).content)[0], pcm16(wanted.wav))


@pytest.mark.parametrize(
    ("fields", "said", "param"),
    [
        ({"response_format": "aac"}, "response_format 'aac' is none of mp3, opus, flac, wav, pcm", "response_format"),
        ({"speed": 3}, "speed: Input should be less than or equal to 2", "speed"),
        ({"input": "<speak>the <audio/> boat</speak>"}, "SSML: <audio> not understood", None),
        ({"input": "<!DOCTYPE x><speak>boat</speak>"}, "", None),
        ({"speed": "fast"}, "speed: ", "speed"),
        ({"voice": "nobody"}, "no voice 'nobody'; there are voice", "voice"),
        ({"voice": {"id": "../../etc/passwd".replace("/", ".")}}, "no voice", "voice"),
        ({"input": ""}, "input: ", "input"),
        ({"input": "the old boat " * 400}, "4096 are spoken at most", "input"),
        ({"input": "zebra"}, "zebra", None),
        ({"input": "..."}, "", None),
        ({"input": None}, "input: ", "input"),
        ({"seed": -1}, "seed: ", "seed"),
        ({"stream_format": "smoke"}, "stream_format: ", "stream_format"),
        ({"stream_format": "audio", "input": "zebra"}, "zebra", None),
    ],
)
def test_what_cannot_be_spoken_is_told_in_one_line(client, fields, said, param):
    answer = say(client, **fields)
    assert answer.status_code == 400
    message, field = problem(answer)
    assert said in message and field == param


def test_no_path_of_a_client_is_opened(client, packed, alone):
    path = next((packed / "prompts").glob("*.flac"))
    for name in (str(path), f"../{path.name}", "/dev/zero", "voice.flac"):
        answer = say(client, voice=name)
        assert answer.status_code == 400 and "no voice" in answer.json()["error"]["message"]
        assert str(packed) not in answer.text.replace(name, "")


def test_odd_requests_are_refused_in_the_same_shape(client):
    for answer, status in (
        (client.post("/v1/audio/speech", content=b"{"), 400),
        (client.post("/v1/audio/speech", json=[1]), 400),
        (client.post("/v1/audio/speech", content=b"[" * 100_000, headers={"content-type": "application/json"}), 400),
        (
            client.post(
                "/v1/audio/speech", content=b'{"input": "\\ud800"}', headers={"content-type": "application/json"}
            ),
            400,
        ),
        (client.post("/v1/audio/speech", json={"input": "x" * 300_000}), 413),
        (client.get("/v1/audio/speech"), 405),
        (client.get("/v1/nothing"), 404),
        (client.delete("/v1/voices/nobody"), 404),
        (client.delete("/v1/voices/voice"), 400),
        (client.post("/v1/voices", json={}), 400),
    ):
        assert answer.status_code == status, answer.text
        problem(answer)


def bring(client, content, name="me", text="The old boat.", **more):
    return client.post("/v1/voices", data={"name": name, "text": text, **more}, files={"file": ("x", content)})


def recording(packed, format="FLAC"):
    wav, rate = soundfile.read(next((packed / "prompts").glob("*.flac")), dtype="float32")
    content = io.BytesIO()
    soundfile.write(content, wav[::-1].copy(), rate, format=format)
    return content.getvalue()


def test_a_voice_is_brought_listed_spoken_with_and_forgotten(client, packed, alone):
    content = recording(packed)
    answer = bring(client, content)
    assert answer.status_code == 201, answer.text
    assert answer.json()["id"] == "me" and answer.json()["seconds"] > 1 and not answer.json()["built_in"]
    assert [voice["id"] for voice in client.get("/v1/voices").json()["data"]] == ["voice", "me"]
    heard = alone.hear(io.BytesIO(content), "The old boat.")
    made = say(client, voice={"id": "me"})
    np.testing.assert_array_equal(samples(made.content)[0], pcm16(alone(TEXT, heard).wav))
    again = bring(client, content)
    assert again.status_code == 400 and "there already" in problem(again)[0]
    assert client.delete("/v1/voices/me").json() == {"id": "me", "object": "voice.deleted", "deleted": True}
    assert say(client, voice="me").status_code == 400


def test_recordings_that_are_none_are_refused(client, packed):
    good = recording(packed)
    zeros = io.BytesIO()
    soundfile.write(zeros, np.zeros(16000 * 1000, np.int16), 16000, format="FLAC")  # small, and 1000 s long
    assert len(zeros.getvalue()) < 1e6
    for answer, said in (
        (bring(client, b"no sound"), "the recording: not readable"),
        (bring(client, b""), "the recording: not readable"),
        (bring(client, zeros.getvalue()), "is longer than 30 s"),
        (bring(client, good[:5000] + b"\0" * 5000), ""),
        (bring(client, good, name="../me"), "a name has letters"),
        (bring(client, good, name="default"), "is the model's own; take another name"),
        (bring(client, good, text="zebra"), "zebra"),
        (bring(client, good, text=" "), "text is missing"),
        (client.post("/v1/voices", data={"name": "a", "text": "b", "file": "c"}, files={}), "send a form"),
        (client.post("/v1/voices", data={"name": "a"}, files={"file": b"c"}), "text is missing"),
        (client.post("/v1/voices", data={"name": "a", "text": "b"}, files={"other": b"c"}), "file is missing"),
        (client.post("/v1/voices", content=b"x", headers={"content-type": "multipart/form-data"}), "boundary"),
        (
            client.post("/v1/voices", content=b"x", headers={"content-type": "multipart/form-data; boundary=a"}),
            "multipart",
        ),
    ):
        assert answer.status_code == 400, answer.text
        assert said in problem(answer)[0]
    assert [voice["id"] for voice in client.get("/v1/voices").json()["data"]] == ["voice"]


def test_recordings_are_limited_and_never_on_disk(packed, monkeypatch):
    import tempfile

    def on_disk(self):
        raise AssertionError("a recording was written to disk")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", on_disk)
    rules = Rules(stalled=20, upload=3_000_000)
    with served(packed, rules, limits=Limits(1, 2.5)) as (address, _), httpx2.Client(base_url=address) as client:
        wav = np.tile(soundfile.read(io.BytesIO(recording(packed)))[0], 1)
        content = io.BytesIO()
        soundfile.write(content, np.stack([wav] * 16, axis=1), 16000, format="WAV", subtype="DOUBLE")
        assert len(content.getvalue()) > 2 << 20
        assert bring(client, content.getvalue()).status_code == 201
        full = bring(client, recording(packed), name="other")
        assert full.status_code == 400 and "1 voices are kept at most" in problem(full)[0]
        large = bring(client, b"x" * 4_000_000, name="large")
        assert large.status_code == 413 and "larger than" in problem(large)[0]
        almost = bring(client, b"x" * 3_100_000, name="large")
        assert almost.status_code == 413


def test_recordings_of_odd_rates_and_channels():
    content = io.BytesIO()
    soundfile.write(content, np.zeros((1000, 17)), 16000, format="WAV")
    with pytest.raises(UserError, match="17 channels"):
        recording_of(content.getvalue(), 10)
    content = io.BytesIO()
    soundfile.write(content, np.full((100, 2), 0.5), 3000, format="WAV")
    with pytest.raises(UserError, match="3000"):
        recording_of(content.getvalue(), 10)


def slow(monkeypatch, speaker, seconds=0.02):
    """Each step of the session takes so long."""
    step = speaker.shared.step
    monkeypatch.setattr(speaker.shared, "step", lambda: (time.sleep(seconds), step()))


def test_a_full_queue_is_told_with_when_to_come_again(packed, monkeypatch):
    with served(packed, slots=1, queue=1) as (address, speaker), httpx2.Client(base_url=address, timeout=60) as client:
        slow(monkeypatch, speaker)
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(say, client, input=LONG)
            wait_until(lambda: speaker.running == 1)
            second = pool.submit(say, client)
            wait_until(lambda: speaker.waiting == 1)
            refused = say(client)
            assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
            assert "try again in" in problem(refused)[0]
            with pytest.raises(openai.RateLimitError):
                openai_client(address).audio.speech.create(model="x", voice="voice", input=TEXT)
            assert client.get("/healthz").json() == {"status": "ok", "waiting": 1, "running": 1}
            assert first.result().status_code == second.result().status_code == 200


@pytest.mark.parametrize("stream", [None, "audio"])
def test_a_client_that_goes_away_ends_its_speech(packed, monkeypatch, stream):
    with served(packed, slots=1) as (address, speaker), httpx2.Client(base_url=address, timeout=60) as client:
        slow(monkeypatch, speaker)
        began = time.monotonic()
        with pytest.raises(httpx2.TimeoutException), httpx2.Client(base_url=address, timeout=0.5) as impatient:
            if stream is None:
                say(impatient, input=LONG)
            with impatient.stream(
                "POST", "/v1/audio/speech", json={"input": LONG, "response_format": "pcm", "stream_format": stream}
            ) as answer:
                next(answer.iter_raw())
                raise httpx2.ReadTimeout("away")
        wait_until(lambda: speaker.running == 0, 5)
        assert not speaker.shared.busy and not speaker.shared.ended
        assert time.monotonic() - began < 8
        assert say(client, input="The boat.").status_code == 200
        assert "ellav_ended_total{" in client.get("/metrics").text


def test_what_takes_too_long_is_ended_in_line_and_under_way(packed, monkeypatch):
    with served(packed, slots=1, timeout=1.0) as (address, speaker), httpx2.Client(base_url=address) as client:
        slow(monkeypatch, speaker)
        with ThreadPoolExecutor(2) as pool:
            for answer in pool.map(lambda _: say(client, input=LONG), range(2)):
                assert answer.status_code == 504 and "not done within 1 s" in problem(answer)[0]
        wait_until(lambda: speaker.running == speaker.waiting == 0, 5)
        assert not speaker.shared.busy


def test_a_fault_ends_one_answer_and_not_the_server(packed, monkeypatch, caplog):
    with served(packed) as (address, speaker), httpx2.Client(base_url=address, timeout=60) as client:
        step = speaker.shared.step

        def fails():
            monkeypatch.setattr(speaker.shared, "step", step)
            raise RuntimeError(f"secret of {packed}")

        monkeypatch.setattr(speaker.shared, "step", fails)
        failed = say(client)
        assert failed.status_code == 500 and "secret" not in failed.text
        assert "server's log" in problem(failed)[0] and "secret" in caplog.text
        assert say(client).status_code == 200
        slow(monkeypatch, speaker)
        with (
            pytest.raises(httpx2.RemoteProtocolError),
            client.stream("POST", "/v1/audio/speech", json={"input": LONG, "stream_format": "audio"}) as answer,
        ):
            monkeypatch.setattr(speaker.shared, "step", fails)
            answer.read()
        assert say(client).status_code == 200


def test_a_token_is_asked_for(packed):
    rules = Rules(token="a-secret-token", stalled=20)
    with served(packed, rules) as (address, _), httpx2.Client(base_url=address) as client:
        for headers in ({}, {"authorization": "Bearer other"}, {"authorization": "a-secret-token"}):
            for path in ("/v1/voices", "/metrics", "/openapi.json"):
                answer = client.get(path, headers=headers)
                assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
                problem(answer)
        assert client.get("/healthz").status_code == 200
        with pytest.raises(openai.AuthenticationError):
            openai_client(address).audio.speech.create(model="x", voice="voice", input=TEXT)
        made = openai_client(address, "a-secret-token").audio.speech.create(model="x", voice="voice", input=TEXT)
        assert len(made.content) > 1000


def test_a_server_for_this_machine_answers_to_its_own_names_alone(packed):
    rules = Rules(hosts=frozenset({"localhost", "127.0.0.1", "::1"}), stalled=20)
    with served(packed, rules) as (address, _), httpx2.Client(base_url=address) as client:
        for host, status in (("localhost:8000", 200), ("[::1]:8000", 200), ("evil.example", 403), ("127.0.0.1.x", 403)):
            assert client.get("/healthz", headers={"host": host}).status_code == status


def test_who_sends_too_slowly_is_let_go(packed):
    with served(packed, Rules(stalled=0.5)) as (address, _):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 20) as sender:
            sender.sendall(b"POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            assert sender.recv(100).startswith(b"HTTP/1.1 408")


def test_metrics_count_what_was_asked(client):
    say(client)
    say(client, stream_format="audio")
    told = client.get("/metrics").text
    assert 'ellav_requests_total{route="/v1/audio/speech",status="200"}' in told
    for name in ("ellav_waiting 0.0", "ellav_slots 4.0", "ellav_audio_seconds_total", "process_resident_memory_bytes"):
        assert name in told
    assert "ellav_first_audio_seconds_count" in told


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("rate", [16000, 22050])
def test_pieces_are_the_whole(format, rate):
    wav = speak(SAID)[: 2 * rate]
    encoder = Encoder(FORMATS[format], rate)
    ends = [*range(4000, len(wav), 4000), len(wav)]
    content = b"".join(
        encoder.push(wav[start:end], end == len(wav)) for start, end in zip([0, *ends[:-1]], ends, strict=True)
    )
    if format == "pcm":
        made, got = np.frombuffer(content, "<i2")[:, None] / 32768, encoder.rate
    else:
        made, got = read_all(io.BytesIO(content))
    assert got == encoder.rate >= rate
    slack = 0.15 * rate if format in ("mp3", "opus") else 1
    assert abs(len(made) - len(wav) * got / rate) <= slack
    if format in ("wav", "flac"):
        np.testing.assert_array_equal(pcm16(made[:, 0]), pcm16(wav))
        np.testing.assert_array_equal(samples(encoded(wav, rate, FORMATS[format]))[0], pcm16(wav))


@pytest.mark.parametrize("stream_format", [None, "audio"])
@pytest.mark.parametrize("format", [name for name in FORMATS if name != "pcm"])
def test_what_is_sent_says_that_it_was_synthesized(client, alone, format, stream_format):
    asked = {"stream_format": stream_format} if stream_format else {}
    content = say(client, response_format=format, **asked).content
    told = read_about(io.BytesIO(content))
    assert {name: told[name] for name in ("title", "date", "comment")} == {
        name: words for name, words in alone.about.items() if name != "software"
    }


def test_speed_and_ssml_are_what_a_call_makes_of_them(server, client, alone):
    made = openai_client(server[0]).audio.speech.create(
        model="tts-1", voice="voice", input=TEXT, response_format="wav", speed=0.7
    )
    np.testing.assert_array_equal(samples(made.content)[0], pcm16(alone(TEXT, rate=0.7).wav))
    streamed = say(client, speed=1.5, stream_format="audio").content
    np.testing.assert_array_equal(pcm16(read_all(io.BytesIO(streamed)).wav[:, 0]),
                                  pcm16(np.concatenate(list(alone.stream(TEXT, rate=1.5)))))  # fmt: skip
    text = '<speak>The <prosody rate="slow">old</prosody> boat.<break time="1s"/> Boat.</speak>'
    np.testing.assert_array_equal(samples(say(client, input=text).content)[0], pcm16(alone(text).wav))
