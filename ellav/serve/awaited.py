"""What the speaker's thread delivers, as whoever answers a request waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from starlette.requests import Request

from ellav.infer.synthesizer import Synthesizer
from ellav.serve.guard import Broken
from ellav.serve.speaker import Job, Speaker


class Awaited:
    """A job's items, brought from the speaker's thread to the event loop. Raises what `Speaker.submit` does."""

    def __init__(self, speaker: Speaker, work: Callable[[Synthesizer], Iterable]):
        self._speaker, loop, items = speaker, asyncio.get_running_loop(), asyncio.Queue()

        def deliver(item: object) -> None:
            if not loop.is_closed():  # as it may be when the server ends
                loop.call_soon_threadsafe(items.put_nowait, item)

        self._items = items
        self._job: Job = speaker.submit(work, deliver)

    async def next(self) -> object:
        """The next item, or END. Raises what ended the job."""
        item = await self._items.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def next_while(self, request: Request) -> object:
        """`next`, as long as the client is there; raises Broken where it has gone."""
        item, gone = asyncio.ensure_future(self.next()), asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait({item, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not item.done():
                raise Broken
            return item.result()
        finally:
            item.cancel()
            gone.cancel()

    def close(self) -> None:
        """End the job, where it has not ended."""
        self._speaker.cancel(self._job)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
