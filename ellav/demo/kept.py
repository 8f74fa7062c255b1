"""What a page comes back to later: the speech whose word is changed, the stream that is played."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Kept(Generic[Thing]):
    """The last `most` things that were put in, by keys that nobody can guess: a page may be left without a word."""

    def __init__(self, most: int):
        self.most = most
        self._things: OrderedDict[str, Thing] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, thing: Thing) -> str:
        """Keep a thing; returns its key."""
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._things[key] = thing
            while len(self._things) > self.most:
                self._things.popitem(last=False)
        return key

    def get(self, key: str) -> Thing | None:
        """The thing of a key, None where it is none or kept no longer."""
        with self._lock:
            return self._things.get(key)
