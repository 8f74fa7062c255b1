"""`ellav serve` as a command: what it refuses, how it ends and begins again; and its OpenAPI against schemathesis."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import pytest
from test_serve import LONG, bring, packed, recording, say, served, wait_until  # noqa: F401

from ellav.bin.listening import is_loopback
from ellav.bin.main import main
from ellav.bin.serve import read_token
from ellav.errors import UserError
from ellav.infer.provenance import CONSENT, DEFAULT


def start(packed, folder, *options, port=0):  # noqa: F811
    """A server of its own process in `folder`, and its address."""
    command = [sys.executable, "-m", "ellav.bin.main", "serve", f"--model={packed}", f"--port={port}", *options]
    environment = os.environ | {"TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
    made = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    line = made.stdout.readline()
    assert line.startswith("ellav serve: http://127.0.0.1:") and str(packed) in line, made.stderr.read()
    assert made.stdout.readline() == f"ellav serve: {CONSENT} It carries the watermark {DEFAULT}.\n"
    return made, line.split()[2].rstrip(",").removesuffix("/v1")


@contextlib.contextmanager
def begun(address, text=LONG):
    """The first piece of a stream that goes on, and the others."""
    asked = {"input": text, "response_format": "pcm", "stream_format": "audio"}
    with httpx2.stream("POST", f"{address}/v1/audio/speech", json=asked, timeout=60) as answer:
        pieces = answer.iter_raw()
        yield next(pieces), pieces


def test_a_killed_server_leaves_nothing_behind_and_begins_again(packed, tmp_path):  # noqa: F811
    server, address = start(packed, tmp_path)
    with httpx2.Client(base_url=address, timeout=60) as client:
        assert bring(client, recording(packed)).status_code == 201
        wanted = say(client, input="The boat.").content
    with begun(address) as (_, pieces):
        server.kill()
        assert server.wait(20) == -signal.SIGKILL
        with pytest.raises(httpx2.RemoteProtocolError):
            list(pieces)
    assert not list(tmp_path.iterdir())
    server, again = start(packed, tmp_path, port=int(address.rpartition(":")[2]))
    assert again == address
    with httpx2.Client(base_url=address, timeout=60) as client:
        assert say(client, input="The boat.").content == wanted
        assert say(client, voice="me").status_code == 400
    server.terminate()
    assert server.wait(20) == 0 and not list(tmp_path.iterdir())


def test_sigterm_lets_what_was_begun_be_finished(packed, tmp_path):  # noqa: F811
    server, address = start(packed, tmp_path)
    with begun(address) as (first, pieces):
        whole = first + b"".join(pieces)
    with begun(address) as (first, pieces):
        server.send_signal(signal.SIGTERM)
        assert first + b"".join(pieces) == whole
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{address}/healthz")
    out, err = server.communicate(timeout=30)
    assert server.returncode == 0 and out == "ellav serve: ended; what was being spoken has been finished\n"
    assert err == ""


def test_what_outlasts_the_drain_is_cut_off(packed, tmp_path):  # noqa: F811
    server, address = start(packed, tmp_path, "--drain=0", "--text-limit=100000")
    with begun(address, " ".join([LONG] * 40)) as (_, pieces):
        server.terminate()
        with pytest.raises(httpx2.RemoteProtocolError):
            list(pieces)
    assert server.wait(20) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--slots=0"], "--slots must be 1 or more"),
        (["--queue=-1"], "--queue must be 0 or more"),
        (["--timeout=0"], "--timeout must be above 0"),
        (["--port=70000"], "--port must be 0 to 65535"),
        (["--host=192.0.2.1"], "--host 192.0.2.1 --port 8000: "),
        (["--host=nowhere.invalid"], "--host nowhere.invalid"),
        (["--token-file=none.txt"], "none.txt: no such file"),
        (["--model=none"], "none: not a packed model"),
        (["--decoder_conf", "p=0.9"], "needs --decoder NAME"),
    ],
)
def test_what_makes_no_sense_is_one_line(options, said, capsys):
    assert main(["serve", *options]) == 1
    shown = capsys.readouterr().err
    assert said in shown and shown.count("\n") == 1


def test_a_missing_extra_is_named(packed, monkeypatch, capsys):  # noqa: F811
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve", f"--model={packed}", "--port=0"]) == 1
    assert "pip install 'ellav[serve]'" in capsys.readouterr().err


def test_a_token_is_the_first_line_of_its_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("a-secret-token\nnot this\n")
    assert read_token(path) == "a-secret-token"
    for content in ("", "short\n", "two words here\n", "\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc\u00e4\u00f6\n"):
        path.write_text(content)
        with pytest.raises(UserError, match="should be a token"):
            read_token(path)


def test_which_addresses_are_this_machines_own():
    assert all(map(is_loopback, ("127.0.0.1", "127.8.0.1", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.1", "example.org")))


def test_the_openapi_is_what_is_answered(packed, tmp_path):  # noqa: F811
    """What is valid by the schema may still be unspeakable, and is then refused."""
    tool = Path(sys.executable).with_name("schemathesis")
    with served(packed) as (address, speaker):
        command = [tool, "run", f"{address}/openapi.json", "--checks", "all", "--no-color", "--max-examples", "5"]
        command += ["--exclude-checks", "positive_data_acceptance", "--generation-deterministic"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, cwd=tmp_path)
        assert done.returncode == 0, done.stdout
        assert speaker.alive
        wait_until(lambda: speaker.running == 0)


def test_the_documented_client_works(packed, monkeypatch, tmp_path):  # noqa: F811
    import re

    text = (Path(__file__).parents[2] / "docs/serving.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.S)
    monkeypatch.chdir(tmp_path)
    with served(packed) as (address, _):
        block = block.replace("http://127.0.0.1:8000", address).replace("Good morning.", "The old boat.")
        exec(compile(block, "docs/serving.md", "exec"), {})
    assert (tmp_path / "hello.wav").stat().st_size > 1000
    shown = subprocess.run(
        [sys.executable, "-m", "ellav.bin.main", "serve", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for option in re.findall(r"`(--[a-z-]+)", text):
        assert option.replace("-", "_")[2:] in shown.replace("-", "_"), option


def test_threads_end_with_the_server(packed):  # noqa: F811
    before = threading.active_count()
    with served(packed):
        pass
    wait_until(lambda: threading.active_count() <= before + 1)  # what runs encoders may stay
