"""In front of the application: who may ask, how much may be sent, and for how long anybody may keep others waiting."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass

from ellav.serve.wire import BUSY, DENIED, FAILED, WRONG, Refused

UPLOADS = 4
"""Large bodies that are read at once; others are told to come again."""

PIECE = 1 << 16  # bytes that are sent at once, so that who reads as fast as one listens is not taken for gone
DISCARDED = 1 << 26  # bytes of a body too large that are read on, so that its sender gets to the answer

log = logging.getLogger("ellav.serve")


@dataclass(frozen=True)
class Rules:
    """token: that has to be shown, or None. hosts: names by which the server may be called, None for any.

    body, upload: bytes of a request, and of a recording's. stalled: seconds in which a request has to arrive, and in
    which its client has to take each piece of the answer.
    """

    token: str | None = None
    hosts: frozenset[str] | None = None
    body: int = 1 << 18
    upload: int = 10 << 20
    stalled: float = 60.0


class Broken(Exception):  # noqa: N818
    """An answer cannot be ended: its connection is closed, so that nobody takes what was sent for the whole."""


class _Gone(Exception):  # noqa: N818
    """The client is."""


class Guard:
    """Wraps an ASGI application. count: called with route and status of each answer."""

    def __init__(self, app: Callable, rules: Rules, count: Callable[[str, int], None]):
        self.app, self.rules, self.count = app, rules, count
        self._uploads = 0

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = None

        async def sending(message: dict) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await self._send(message, send)

        try:
            try:
                self._check(scope)
                await self._answer(scope, receive, sending)
            except Refused as refused:
                await refused.response()(scope, receive, sending)
        except (Broken, _Gone, TimeoutError):
            pass  # the server closes what has no end
        except Exception:
            log.exception("a request failed")
            if status is None:
                failed = Refused(500, "something went wrong; the server's log says what", FAILED)
                await failed.response()(scope, receive, sending)
        finally:
            if status is not None:
                route = getattr(scope.get("route"), "path", "other")
                self.count(route, status)

    def _check(self, scope: dict) -> None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
        if self.rules.hosts is not None and name not in self.rules.hosts:
            # A page in somebody's browser may have had its own name lead here.
            raise Refused(403, "this server is called by other names; see --host", DENIED)
        if self.rules.token is None or scope["path"] == "/healthz":
            return
        given = headers.get(b"authorization", b"")
        if not hmac.compare_digest(given, b"Bearer " + self.rules.token.encode()):
            raise Refused(401, "the API key is missing or wrong; send Authorization: Bearer KEY", DENIED)

    async def _answer(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Hand the request on with all of its body, which is small."""
        headers = dict(scope["headers"])
        upload = headers.get(b"content-type", b"").lower().startswith(b"multipart/")
        most = self.rules.upload + self.rules.body if upload else self.rules.body
        if upload and self._uploads >= UPLOADS:
            raise Refused(429, "other recordings are being sent; try again", BUSY, after=1)
        self._uploads += upload
        try:
            body = await self._read(receive, most)
            given = False

            async def again() -> dict:
                nonlocal given
                if given:
                    return await receive()
                given = True
                return {"type": "http.request", "body": body, "more_body": False}

            await self.app(scope, again, send)
        finally:
            self._uploads -= upload

    async def _read(self, receive: Callable, most: int) -> bytes:
        body, size, more = bytearray(), 0, True
        try:
            async with asyncio.timeout(self.rules.stalled):
                while more and size <= DISCARDED:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    more = message.get("more_body", False)
                    size += len(message.get("body", b""))
                    if size <= most:
                        body += message.get("body", b"")
        except TimeoutError:
            raise Refused(408, f"the request did not arrive within {self.rules.stalled:g} s", WRONG) from None
        if size > most:
            raise Refused(413, f"the request is larger than {most} bytes")
        return bytes(body)

    async def _send(self, message: dict, send: Callable) -> None:
        body = message.get("body", b"")
        if message["type"] != "http.response.body" or len(body) <= PIECE:
            async with asyncio.timeout(self.rules.stalled):
                await send(message)
            return
        for first in range(0, len(body), PIECE):
            more = first + PIECE < len(body) or message.get("more_body", False)
            async with asyncio.timeout(self.rules.stalled):
                await send({"type": message["type"], "body": body[first : first + PIECE], "more_body": more})
