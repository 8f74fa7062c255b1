"""`ellav demo`: a page to speak, listen and look in a browser."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

from ellav.bin.listening import add_limits, add_listening, check_listening, hosts_of, listen, url_of
from ellav.bin.options import MODEL, parse, parser
from ellav.bin.run_command import Stopped
from ellav.bin.synth import limit_threads
from ellav.bin.voice_options import add_voice, check_voice, voice_ready
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
        help=f"{MODEL}; given twice, both speak beside each other",
    )
    add_listening(made, 7860)
    add_limits(made, 1000)
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
    check_listening(options, {}, {})
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

    models = options.model or [None]
    voices = [voice_ready(argparse.Namespace(**{**vars(options), "model": folder})) for folder in models]
    names = [str(folder) for folder in options.model or [voices[0].bundle.folder.name]]
    notice = voices[0].marking.notice
    hosts = hosts_of(options.host)
    desk = Desk(voices, names, Limits(options.text_limit, options.seconds_limit, round(options.upload_limit * 1e6)))
    app = make_app(desk, notice, hosts)
    logging.basicConfig(format="ellav demo: %(message)s", stream=sys.stderr, level=logging.WARNING)
    print(f"ellav demo: {url_of(options.host, listening)}/, model {', '.join(names)}", flush=True)
    print(f"ellav demo: {notice}", flush=True)
    if hosts is None:
        print("ellav demo: whoever reaches this machine may speak with these models", file=sys.stderr)
    try:
        server_of(app).run([listening])
    except (Stopped, KeyboardInterrupt):  # which uvicorn raises again when it has ended
        print("ellav demo: ended")
    finally:
        desk.close()
