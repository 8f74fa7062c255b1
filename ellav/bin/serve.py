"""`ellav serve`: speak for whoever asks over HTTP, as OpenAI's clients do."""

from __future__ import annotations

import argparse
import logging
import socket
import sys
from pathlib import Path

from ellav.bin.listening import add_limits, add_listening, check_listening, hosts_of, listen, url_of
from ellav.bin.options import add_model, parse, parser
from ellav.bin.run_command import Stopped
from ellav.bin.synth import limit_threads
from ellav.bin.voice_options import add_voice, check_voice, voice_ready
from ellav.errors import UserError
from ellav.infer.bundle import read_bundle

MOST_SLOTS = 1024


def main(argv: list[str]) -> None:
    """Parse options and serve until a signal comes."""
    made = parser("serve", "Speak over HTTP, as OpenAI's clients ask for it: POST /v1/audio/speech.")
    add_model(made)
    add_listening(made, 8000)
    made.add_argument("--token-file", type=Path, metavar="FILE", help="its first line has to be shown as the API key")
    made.add_argument("--slots", type=int, default=16, help="requests that are spoken at once")
    made.add_argument("--queue", type=int, default=64, help="requests that wait; any more are told when to try again")
    made.add_argument("--timeout", type=float, default=120, metavar="SECONDS", help="of a request, waiting included")
    made.add_argument("--drain", type=int, default=30, metavar="SECONDS", help="to finish in, after SIGTERM")
    made.add_argument("--voices-limit", type=int, default=16, metavar="N", help="recordings kept that clients bring")
    add_limits(made, 4096)
    add_voice(made, "float32", "recordings whose text is `auto`")
    options = parse(made, argv)
    check_options(options)
    token = None if options.token_file is None else read_token(options.token_file)
    read_bundle(options.model)
    listening = listen(options.host, options.port)
    limit_threads()
    with listening:
        serve(options, token, listening)


def check_options(options: argparse.Namespace) -> None:
    """Refuse what makes no sense, before anything is loaded."""
    least = {"slots": 1, "queue": 0, "drain": 0, "voices_limit": 0}
    check_listening(options, least, {"timeout": 86_400})
    if options.slots > MOST_SLOTS:
        raise UserError(f"--slots {options.slots}: {MOST_SLOTS} are spoken at once at most")
    check_voice(options)


def read_token(path: Path) -> str:
    """The first line of a file; raises UserError where it cannot be a token."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    token = lines[0].strip() if lines else ""
    if len(token) < 8 or not token.isascii() or not token.isprintable() or " " in token:
        raise UserError(
            f"{path}: its first line should be a token of 8 or more ASCII characters without spaces; make one with"
            " `openssl rand -hex 32`"
        )
    return token


def serve(options: argparse.Namespace, token: str | None, listening: socket.socket) -> None:
    """Load the model, and answer until SIGTERM or SIGINT comes; then finish what was begun."""
    try:
        import fastapi  # noqa: F401
        import greenlet  # noqa: F401
        import multipart  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError(
            f"serve: the package {error.name} is missing; install the extra: pip install 'ellav[serve]'"
        ) from None

    from ellav.serve.app import make_app, server_of
    from ellav.serve.guard import Rules
    from ellav.serve.speaker import Speaker
    from ellav.serve.voices import Limits, Voices

    voice = voice_ready(options)
    voice.marking.check_streams()
    hosts = hosts_of(options.host)
    speaker = Speaker(voice, options.slots, options.queue, options.timeout)
    rules = Rules(
        token=token,
        hosts=hosts,
        upload=round(options.upload_limit * 1e6),
    )
    voices = Voices(voice.prompts, Limits(options.voices_limit, options.seconds_limit))
    app = make_app(speaker, voices, rules, options.text_limit)
    logging.basicConfig(format="ellav serve: %(message)s", stream=sys.stderr, level=logging.WARNING)
    print(f"ellav serve: {url_of(options.host, listening)}/v1, model {voice.bundle.folder}", flush=True)
    print(f"ellav serve: {voice.marking.notice}", flush=True)
    if hosts is None and token is None:
        print("ellav serve: whoever reaches this machine may ask; --token-file asks for a key", file=sys.stderr)
    try:
        server_of(app, options.drain).run([listening])
    except (Stopped, KeyboardInterrupt):  # which uvicorn raises again when it has ended
        print("ellav serve: ended; what was being spoken has been finished")
