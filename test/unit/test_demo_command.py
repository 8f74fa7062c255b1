"""`ellav demo` as a command: what it refuses, and how it ends."""

import os
import signal
import subprocess
import sys
import urllib.request

import pytest
from bundles import packed_of_files

from ellav.bin.main import main
from ellav.infer.provenance import CONSENT, DEFAULT


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return packed_of_files(tmp_path_factory.mktemp("demo") / "model", "lexicon")


def test_it_shows_its_page_until_it_is_ended_and_leaves_nothing_behind(packed, tmp_path):
    command = [sys.executable, "-m", "ellav.bin.main", "demo", f"--model={packed}", "--port=0"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    shown = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    line = shown.stdout.readline()
    assert line.startswith("ellav demo: http://127.0.0.1:") and str(packed) in line, shown.stderr.read()
    assert shown.stdout.readline() == f"ellav demo: {CONSENT} It carries the watermark {DEFAULT}.\n"
    page = urllib.request.urlopen(line.split()[2].rstrip(","), timeout=60)
    assert page.status == 200 and b"gradio_config" in page.read()
    shown.send_signal(signal.SIGTERM)
    out, err = shown.communicate(timeout=30)
    assert (shown.returncode, out, err) == (0, "ellav demo: ended\n", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model=a", "--model=b", "--model=c"], "2 speak beside each other at most"),
        (["--text-limit=0"], "--text-limit must be 1 or more"),
        (["--upload-limit=0"], "--upload-limit must be above 0"),
        (["--seconds-limit=601"], "--seconds-limit must be above 0 and at most 600"),
        (["--port=70000"], "--port must be 0 to 65535"),
        (["--host=192.0.2.1"], "--host 192.0.2.1 --port 7860: "),
        (["--model=none"], "none: not a packed model"),
        (["--decoder_conf", "p=0.9"], "needs --decoder NAME"),
    ],
)
def test_what_makes_no_sense_is_one_line(options, said, capsys):
    assert main(["demo", *options]) == 1
    shown = capsys.readouterr().err
    assert said in shown and shown.count("\n") == 1


def test_a_missing_extra_is_named(packed, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["demo", f"--model={packed}", "--port=0"]) == 1
    assert "pip install 'ellav[demo]'" in capsys.readouterr().err
