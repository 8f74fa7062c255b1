"""`ellav demo`: a page to speak, listen and look in a browser."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

from ellav.bin.options import parse, parser
from ellav.bin.run_command import Stopped
from ellav.bin.serve import LOOPBACK, is_loopback, listen
from ellav.bin.synth import limit_threads
from ellav.bin.voice_options import add_voice, check_voice, voice_of
from ellav.errors import UserError
from ellav.infer.bundle import read_bundle

MODELS = 2
"""Beside each other at most."""


def main(argv: list[str]) -> None:
    """Parse options and show the page until a signal comes."""
    made = parser("demo", "A page to speak, to listen and to look at speech, in a browser on this machine.")
    made.add_argument(
        "--model",
        type=Path,
        action="append",
        help="model made by `ellav pack`; given twice, both speak beside each other; the one that comes with ellav if"
        " left out",
    )
    made.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets other machines ask too")
    made.add_argument("--port", type=int, default=7860, help="0 takes a free one")
    made.add_argument("--text_limit", type=int, default=1000, metavar="CHARACTERS", help="of a text")
    made.add_argument("--upload_limit", type=float, default=10, metavar="MB", help="of a recording")
    made.add_argument("--seconds_limit", type=float, default=30, metavar="SECONDS", help="of a recording")
    add_voice(made, "auto", "recordings")
    options = parse(made, argv)
    check_options(options)
    for folder in options.model or [None]:
        read_bundle(folder)
    listening = listen(options.host, options.port)
    limit_threads()
    with listening, tempfile.TemporaryDirectory(prefix="ellav-demo-", ignore_cleanup_errors=True) as place:
        os.environ.update(settings(place))
        show(options, listening)


def settings(place: str) -> dict[str, str]:
    """Environment variables by which gradio asks nobody outside. place: the folder for recordings that are sent."""
    return {
        "GRADIO_TEMP_DIR": place,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "1",
    }


def check_options(options: argparse.Namespace) -> None:
    """Refuse what makes no sense, before anything is loaded."""
    if len(options.model or ()) > MODELS:
        raise UserError(f"--model: {len(options.model)} models; {MODELS} speak beside each other at most")
    if options.text_limit < 1:
        raise UserError(f"--text_limit must be 1 or more, not {options.text_limit}")
    for name, most in (("upload_limit", 1000), ("seconds_limit", 600)):
        if not 0 < getattr(options, name) <= most:
            raise UserError(f"--{name} must be above 0 and at most {most}, not {getattr(options, name):g}")
    if not 0 <= options.port < 1 << 16:
        raise UserError(f"--port must be 0 to 65535, not {options.port}")
    check_voice(options)


def show(options: argparse.Namespace, listening) -> None:
    """Load the models, and show the page until SIGTERM or SIGINT comes."""
    try:
        import gradio  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError(
            f"demo: the package {error.name} is missing; install the extra: pip install 'ellav[demo]'"
        ) from None

    from ellav.demo.app import make_app, server_of
    from ellav.demo.asked import Limits
    from ellav.demo.desk import Desk

    voices = [voice_of(argparse.Namespace(**{**vars(options), "model": folder})) for folder in options.model or [None]]
    for voice in voices:
        if voice.prompts:
            voice.hear()  # so that nobody waits for what is loaded when it is first used
    names = [str(folder) for folder in options.model or [voices[0].bundle.folder.name]]
    notice = voices[0].marking.notice
    local = is_loopback(options.host)
    desk = Desk(voices, names, Limits(options.text_limit, options.seconds_limit, round(options.upload_limit * 1e6)))
    app = make_app(desk, notice, frozenset({*LOOPBACK, options.host.lower()}) if local else None)
    logging.basicConfig(format="ellav demo: %(message)s", stream=sys.stderr, level=logging.WARNING)
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(f"ellav demo: http://{host}:{listening.getsockname()[1]}/, model {', '.join(names)}", flush=True)
    print(f"ellav demo: {notice}", flush=True)
    if not local:
        print("ellav demo: whoever reaches this machine may speak with these models", file=sys.stderr)
    try:
        server_of(app).run([listening])
    except (Stopped, KeyboardInterrupt):  # which uvicorn raises again when it has ended
        print("ellav demo: ended")
    finally:
        desk.close()
