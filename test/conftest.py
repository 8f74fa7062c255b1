"""What all tests share: one thread a process, no network."""

import os
import signal

# Before anything imports torch or a hub's client.
os.environ.setdefault("OMP_NUM_THREADS", "1")
for _name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
    os.environ[_name] = "1"

# A shell that starts the tests in the background has Ctrl-C ignored, by all that they start too.
signal.signal(signal.SIGINT, signal.default_int_handler)

import hypothesis  # noqa: E402
import torch  # noqa: E402

hypothesis.settings.register_profile("no deadline", deadline=None)  # a busy machine is not a fault
hypothesis.settings.load_profile("no deadline")

torch.set_num_threads(1)

import pytest  # noqa: E402


@pytest.fixture(scope="session")
def whisper_base():
    """The folder with Whisper base, a recogniser that knows people."""
    from ellav.plugins.transcribers.whisper import INSTALLED

    if os.environ.get("ELLAV_NO_WHISPER") == "1":
        pytest.skip("ELLAV_NO_WHISPER=1")
    assert (INSTALLED / "base").is_dir(), (
        f"no weights in {INSTALLED / 'base'}: run tools/installers/install_whisper.sh, "
        "or set ELLAV_NO_WHISPER=1 to do without these tests"
    )
    return INSTALLED / "base"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser with one page. Its microphone, where a page asks for it, hears beeps."""
    from browser import PROGRAMS, Browser, find_browser

    if os.environ.get("ELLAV_NO_BROWSER") == "1":
        pytest.skip("ELLAV_NO_BROWSER=1")
    program = find_browser()
    assert program, (
        f"no browser on PATH ({', '.join(PROGRAMS)}): run tools/installers/install_chromium.sh, "
        "or set ELLAV_NO_BROWSER=1 to do without these tests"
    )
    microphone = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with Browser(program, str(tmp_path_factory.mktemp("profile")), flags=microphone) as running:
        yield running
