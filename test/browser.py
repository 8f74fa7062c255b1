"""A headless browser for tests, spoken to in its own debugging protocol over two pipes."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--mute-audio",
    "--remote-debugging-pipe",
)


def find_browser() -> str | None:
    """The first of PROGRAMS on PATH."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """One browser with one page; `with Browser(program, profile) as browser`.

    events: what the browser reported, as {"method": ..., "params": ...}, oldest first.
    """

    def __init__(self, program: str, profile: str, patience: float = 60.0, flags: tuple[str, ...] = ()):
        self.patience, self.events, self._last, self._unread = patience, [], 0, b""
        there, self._write = os.pipe()
        self._read, back = os.pipe()
        # The browser reads commands on descriptor 3 and answers on 4. A pipe's end may have one
        # of these numbers itself, so both are copied to free numbers first.
        shell = f'exec {{in}}<&{there} {{out}}>&{back} && exec "$@" 3<&$in 4>&$out'
        command = ["bash", "-c", shell, "browser", program, *FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"]
        self._log = open(os.path.join(profile, "browser.log"), "wb")  # noqa: SIM115
        self._process = subprocess.Popen(
            command, pass_fds=(there, back), stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        os.close(there)
        os.close(back)
        self._session = None

    def __enter__(self) -> Browser:
        pages = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        target = pages[0]["targetId"] if pages else self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_) -> None:
        try:
            self._session = None
            self.call("Browser.close")
            self._process.wait(20)
        except (OSError, RuntimeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        finally:
            os.close(self._write)
            os.close(self._read)
            self._log.close()

    def call(self, method: str, **params) -> dict:
        """The result of a command of the protocol; RuntimeError where it fails or nothing comes."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive(method)
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def open(self, url: str, width: int, height: int = 900) -> None:
        """Load a page in a window so many CSS pixels wide, until its load event."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            event = self._receive("loading")
            if "method" in event:
                self.events.append(event)

    def run(self, script: str):
        """The value of an expression in the page; promises are waited for."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise RuntimeError(str(done["exceptionDetails"]))
        return done["result"].get("value")

    def complaints(self) -> list[dict]:
        """Events so far that tell of errors in the page."""
        return [
            event
            for event in self.events
            if event["method"] == "Runtime.exceptionThrown"
            or (event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error")
            or (event["method"] == "Runtime.consoleAPICalled" and event["params"]["type"] in ("error", "assert"))
        ]

    def asked(self) -> list[str]:
        """The addresses that were asked for so far."""
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def until(self, script: str):
        """The value of an expression in the page as soon as it is none that counts as false."""
        end = time.monotonic() + self.patience
        while not (value := self.run(script)):
            if time.monotonic() > end:
                raise RuntimeError(f"{script}: never so within {self.patience:.0f} s")
            time.sleep(0.1)
        return value

    def _receive(self, what: str) -> dict:
        until = time.monotonic() + self.patience
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            chunk = os.read(self._read, 1 << 16) if ready else b""
            if not chunk:
                state = "ended" if ready else f"said nothing for {self.patience:.0f} s"
                raise RuntimeError(f"{what}: the browser {state}; see {self._log.name}")
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\0")
        return json.loads(line)
