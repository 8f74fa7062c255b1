"""The page over HTTP: gradio's application, the streams beside it, and the walls around both."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace

import gradio as gr
import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from gradio import processing_utils, queueing
from gradio.route_utils import FnIndexInferError
from starlette.routing import Mount

from ellav.demo.desk import Desk, Stream, log
from ellav.demo.page import STYLE, make_page
from ellav.demo.worker import Worker
from ellav.errors import one_line
from ellav.serve.guard import Guard, Rules
from ellav.serve.sounds import FORMATS, Encoder

POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; base-uri 'self'; form-action 'self';"
    " frame-ancestors 'self'"
)
"""What a browser is told: whatever this page names, nothing is to be asked of another host."""

FORMS = 1_000_000  # bytes of a request that brings no recording

STREAMED = FORMATS["wav"]._replace(rates=(48_000,))
"""Browsers begin to play when they have some tens of kilobytes, which at a higher rate are made sooner."""

END = object()


def make_app(desk: Desk, notice: str, hosts: frozenset[str] | None = None) -> Guard:
    """The ASGI application. hosts: names by which the server may be called, None for any."""
    app = FastAPI(title="ellav", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/spoken/{key}")
    async def spoken(key: str) -> Response:
        """A stream, made while it is sent."""
        stream = desk.streams.get(key)
        if stream is None:
            return Response("this stream is kept no longer", 404)
        return StreamingResponse(pieces(desk.worker, stream), media_type=STREAMED.media)

    page = make_page(desk, notice)
    gr.mount_gradio_app(app, page, path="/", max_file_size=desk.limits.bytes, ssr_mode=False, show_error=False, **STYLE)
    page.has_launched = True  # without it gradio takes whatever file of this machine a client names for an upload
    processing_utils.async_ssrf_protected_download = fetch_nothing
    queueing.traceback = SimpleNamespace(print_exc=tell_refused)
    for route in app.routes:
        if isinstance(route, Mount):
            route.app.add_exception_handler(FnIndexInferError, nothing_there)
    rules = Rules(hosts=hosts, body=FORMS, upload=desk.limits.bytes)
    return Guard(closed_in(app), rules, lambda route, status: None)


async def fetch_nothing(url: str, cache_dir: str) -> str:
    """Stands where gradio would fetch an address that a client names instead of sending a file."""
    raise gr.Error("send the recording itself, not its address")


def tell_refused() -> None:
    """Stands where gradio would print a traceback of what a program sent that no page would: a rate of 5, say.

    What goes wrong in the desk is caught, and told at length, there.
    """
    error = sys.exc_info()[1]
    log.warning("a request was refused: %s", one_line(error or "it was ended", 300))
    log.debug("in full", exc_info=error)


async def nothing_there(request: Request, error: Exception) -> Response:
    """The answer to a call of a function that the page does not have."""
    return Response("there is no such function; /gradio_api/info lists them", 404)


async def pieces(worker: Worker, stream: Stream) -> AsyncIterator[bytes]:
    """A WAV of a speech, of which nobody knows how long it will be; ends the speech where its listener goes away."""
    encoder, speech = Encoder(STREAMED, stream.rate, about=stream.about), None
    try:
        speech = await asyncio.wrap_future(worker.submit(stream.begin))
        while (piece := await asyncio.wrap_future(worker.submit(next, speech, END))) is not END:
            yield encoder.push(piece, False)
        yield encoder.push(np.zeros(0, np.float32), True)
    except Exception:
        log.exception("a stream was ended")
    finally:
        if speech is not None:
            worker.submit(speech.close)


def closed_in(app: Callable) -> Callable:
    """The same application, with POLICY in all its answers."""

    async def closed(scope: dict, receive: Callable, send: Callable) -> None:
        async def sending(message: dict) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"content-security-policy", POLICY.encode())]
                message = {**message, "headers": headers}
            await send(message)

        await app(scope, receive, sending)

    return closed


def server_of(app: Guard) -> uvicorn.Server:
    """What serves it; `run` takes sockets that listen. A page that is open somewhere does not keep it from ending."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # of pages that are open it would tell at length
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=1
    )
    return uvicorn.Server(config)
