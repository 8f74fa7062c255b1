"""The HTTP surface: speech as OpenAI's clients ask for it, voices, health and metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Annotated

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from ellav.errors import UserError
from ellav.infer.synthesizer import Synthesizer
from ellav.serve.awaited import Awaited
from ellav.serve.guard import Broken, Guard, Rules, log
from ellav.serve.metrics import Metrics
from ellav.serve.sounds import Encoder, encoded, formats_here
from ellav.serve.speaker import END, ClosedError, QueueFullError, Speaker, TookTooLongError
from ellav.serve.uploads import UPLOAD_SCHEMA, read_upload
from ellav.serve.voices import Voices, bring
from ellav.serve.wire import (
    BUSY,
    FAILED,
    ErrorBody,
    Health,
    Refused,
    SpeechRequest,
    Voice,
    VoiceDeleted,
    VoiceList,
    could_be_refused,
    event,
    without_422,
)
from ellav.version import __version__

KEEP_ALIVE = 75
"""Seconds that a connection is kept for the next request. OpenAI's client gives one up after 5: where the server did so
first, a request might just then be on its way."""


def make_app(speaker: Speaker, voices: Voices, rules: Rules, most_text: int = 4096) -> Guard:
    """The ASGI application that speaks with `speaker`. most_text: characters of a text."""

    @asynccontextmanager
    async def lifespan(_: FastAPI):
        yield
        await asyncio.to_thread(speaker.close)

    app = FastAPI(
        title="ellav", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    metrics, formats = Metrics(speaker), formats_here()
    folder = str(speaker.voice.bundle.folder)
    app.openapi = without_422(app.openapi)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"][1:] if isinstance(step, str))
        field = str(first["loc"][1]) if len(first["loc"]) > 1 and first["type"] != "json_invalid" else None
        where = f"{place}: " if field else "the request is no JSON of this kind: "
        return Refused(400, where + first["msg"], param=field).response()

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        made = Refused(error.status_code, str(error.detail)).response()
        made.headers.update(error.headers or {})
        if error.status_code == 405:  # each method has a route of its own, which does not know of the others
            here = [route for route in app.routes if route.path_regex.match(request.url.path)]
            made.headers["Allow"] = ", ".join(sorted({method for route in here for method in route.methods}))
        return made

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return told(error).response()

    def told(error: Exception) -> Refused:
        """What a client is told of an exception: never where anything lies on this machine."""
        if isinstance(error, Broken):
            metrics.ended.labels("client gone").inc()
            return Refused(499, "the client has gone")  # nobody reads this; nginx counts such requests by this number
        if isinstance(error, UserError):
            return Refused(400, str(error).replace(f"{folder}/", "").replace(folder, "the model"))
        if isinstance(error, QueueFullError):
            return Refused(429, str(error), BUSY, after=error.seconds)
        if isinstance(error, TookTooLongError):
            metrics.ended.labels("timeout").inc()
            return Refused(504, str(error), FAILED)
        if isinstance(error, ClosedError):
            return Refused(503, str(error), FAILED)
        log.error("speech failed", exc_info=error)
        return Refused(500, "something went wrong; the server's log says what", FAILED)

    async def one_of(request: Request, work: Callable[[Synthesizer], Iterable]) -> object:
        """The one item that a job makes."""
        heard = None
        try:
            heard = Awaited(speaker, work)
            return await heard.next_while(request)
        except Exception as error:
            raise told(error) from None
        finally:
            if heard is not None:
                heard.close()

    def spoken(samples: int) -> None:
        metrics.audio.inc(samples / speaker.voice.codec.sample_rate)

    media = sorted({format.media for format in formats.values()} | {"text/event-stream"})
    binary = {"content": {name: {"schema": {"type": "string", "format": "binary"}} for name in media}}

    @app.post(
        "/v1/audio/speech",
        response_class=Response,
        responses={200: binary, **could_be_refused(400, 403, 408, 413, 429, 500, 503, 504)},
    )
    async def speech(request: Request, asked: SpeechRequest) -> Response:
        """Speak a text."""
        check(asked)
        began, rate = time.monotonic(), speaker.voice.codec.sample_rate
        prompt, format = of_field("voice", voices.get, asked.voice_name), formats[asked.response_format]
        if asked.stream_format is not None:
            return await streamed(request, asked, prompt)
        said = asked.said()
        made = await one_of(request, lambda voice: [voice(asked.input, prompt, **said)])
        metrics.whole.observe(time.monotonic() - began)
        spoken(len(made.wav))
        content = await asyncio.to_thread(encoded, made.wav, rate, format, made.about)
        return Response(content, media_type=format.media)

    def check(asked: SpeechRequest) -> None:
        if asked.response_format not in formats:
            known = ", ".join(formats)
            raise Refused(
                400, f"response_format {asked.response_format!r:.100} is none of {known}", param="response_format"
            )
        if asked.speed != 1 and not speaker.shared.ordering.needs_durations:
            raise Refused(400, "speed must be 1: this model keeps no times of phones", param="speed")
        of_field("language", speaker.voice.languages.named, asked.language)
        if len(asked.input) > most_text:
            long = f"the text has {len(asked.input)} characters; {most_text} are spoken at most"
            raise Refused(400, long, param="input")

    async def streamed(request: Request, asked: SpeechRequest, prompt) -> Response:
        """An answer whose body is sent as it is made; what can be refused is refused before it begins."""
        began, format, rate = time.monotonic(), formats[asked.response_format], speaker.voice.codec.sample_rate
        try:
            said = asked.said()
            heard = Awaited(speaker, lambda voice: voice.stream(asked.input, prompt, **said))
        except Exception as error:
            raise told(error) from None
        try:
            first = await heard.next_while(request)
        except BaseException as error:
            heard.close()
            if not isinstance(error, Exception):
                raise
            raise told(error) from None
        metrics.first.observe(time.monotonic() - began)

        async def body() -> AsyncIterator[bytes]:
            encoder, item, whole = Encoder(format, rate, about=speaker.voice.about), first, False
            try:
                while True:
                    last = item is END
                    wav = np.zeros(0, np.float32) if last else item
                    spoken(len(wav))
                    content = await asyncio.to_thread(encoder.push, wav, last)
                    if content:
                        yield event(content) if asked.stream_format == "sse" else content
                    if last:
                        break
                    item = await heard.next()
                if asked.stream_format == "sse":
                    yield event(None)
                whole = True
                metrics.whole.observe(time.monotonic() - began)
            except Exception as error:
                problem = told(error)
                log.warning("a stream was ended: %s", problem)
                if asked.stream_format == "sse":
                    yield b"event: error\ndata: " + problem.response().body + b"\n\n"
                raise Broken from None
            finally:
                heard.close()
                if not whole:
                    metrics.ended.labels("stream").inc()

        return StreamingResponse(
            body(), media_type="text/event-stream" if asked.stream_format == "sse" else format.media
        )

    @app.get("/v1/voices", response_model_exclude_none=True, responses=could_be_refused(403))
    async def list_voices() -> VoiceList:
        """The voices that can be asked for, the default one first."""
        return VoiceList(object="list", data=[Voice(**voice) for voice in voices.listed()])

    @app.post(
        "/v1/voices",
        status_code=201,
        response_model_exclude_none=True,
        responses=could_be_refused(400, 403, 408, 413, 429, 500, 503, 504),
        openapi_extra={
            "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": UPLOAD_SCHEMA}}}
        },
    )
    async def bring_voice(request: Request) -> Voice:
        """Bring a voice: a recording and what it says. It is kept in memory, until it is deleted or the server ends."""
        name, text, language, content = await read_upload(request, rules.upload)
        of_field("language", speaker.voice.languages.named, language)
        of_field("name", voices.expect, name)
        try:
            brought = await one_of(request, lambda voice: bring(voice, content, text, voices.limits.seconds, language))
            return Voice(**voices.add(name, brought))
        finally:
            voices.give_up(name)

    @app.delete("/v1/voices/{name}", responses=could_be_refused(400, 403, 404))
    async def delete_voice(name: Annotated[str, "of /v1/voices"]) -> VoiceDeleted:
        """Forget a voice that was brought."""
        if not of_field("name", voices.remove, name):
            raise Refused(404, f"no voice {name!r:.100}", param="name")
        return VoiceDeleted(id=name, object="voice.deleted", deleted=True)

    @app.get("/healthz", responses={403: {"model": ErrorBody}, 503: {"model": Health}})
    async def health() -> Health:
        """Whether the server can speak."""
        told = Health(status="ok" if speaker.alive else "ending", waiting=speaker.waiting, running=speaker.running)
        return told if speaker.alive else JSONResponse(told.model_dump(), 503)

    @app.get("/metrics", response_class=PlainTextResponse, responses=could_be_refused(403))
    async def tell_metrics() -> Response:
        """For Prometheus."""
        return PlainTextResponse(metrics.text())

    return Guard(app, rules, lambda route, status: metrics.requests.labels(route, str(status)).inc())


def server_of(app: Guard, drain: int) -> uvicorn.Server:
    """What serves it; `run` takes sockets that listen. drain: seconds to finish in when it ends."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=drain,
    )
    return uvicorn.Server(config)


def of_field(name: str, ask: Callable, given):
    """`ask(given)`; what is wrong with it is told of the field `name`."""
    try:
        return ask(given)
    except UserError as error:
        raise Refused(400, str(error), param=name) from None
