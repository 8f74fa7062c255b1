"""Many clients at once: does each get the audio that it gets alone, how long does it wait, does memory stay.

    python test/bench/serve.py --clients 32 --seconds 120

Starts `ellav serve` on a free port of this machine's loopback. What each request is to sound like is made beforehand in
this process, by the same model without a server; what comes is compared with it sample for sample. Every client asks
again as soon as it has its answer: half of the requests for the whole, half for a stream. Answers that are told to come
again (429) are counted apart. Memory is that of the server, once all clients have been answered once, and at the end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import httpx2
import numpy as np
import torch

from ellav.data.audio import as_pcm
from ellav.infer.synthesizer import Synthesizer

TEXTS = (
    "Good morning.",
    "The old sailor bought three green boats.",
    "Yes.",
    "The queen is here. She has sold her boats, and the sailor bought them.",
)


class Asked(NamedTuple):
    """A request. stream: None for the whole."""

    text: str
    voice: str
    seed: int
    stream: str | None

    @property
    def fields(self) -> dict:
        """As it is sent."""
        said = {"input": self.text, "voice": self.voice, "seed": self.seed, "model": "ellav", "response_format": "wav"}
        return said | ({} if self.stream is None else {"stream_format": self.stream})


@dataclass
class Seen:
    """Seconds until the first audio and until the end, by request; wrong: what was not as it should be."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    audio: float = 0.0
    busy: int = 0
    wrong: list[str] = field(default_factory=list)


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 1 where anything was wrong."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", type=Path, default="mini", help="a packed model, or the name of one")
    made.add_argument("--clients", type=int, default=32)
    made.add_argument("--seconds", type=float, default=120)
    made.add_argument("--slots", type=int, default=16)
    made.add_argument("--threads", type=int, default=2)
    options = made.parse_args(argv)
    torch.set_num_threads(options.threads)
    wanted = alone(options.model)
    server, address = start(options)
    try:
        with httpx2.Client(base_url=address) as client:
            began = resident(client)
            seen = Seen()
            ask_all(address, wanted, options.clients, 0, seen)  # each client once
            warm, seen = resident(client), Seen(wrong=seen.wrong)
            start_of_load = time.perf_counter()
            ask_all(address, wanted, options.clients, options.seconds, seen)
            lasted, ended = time.perf_counter() - start_of_load, resident(client)
    finally:
        server.terminate()
        status = server.wait(60)
    print(f"{options.clients} clients, {lasted:.0f} s, {options.slots} slots, {options.threads} threads")
    print(f"requests {len(seen.whole)}, told to come again {seen.busy}, wrong {len(seen.wrong)}, exit status {status}")
    print("| seconds | median | 90 % | 99 % | most |\n|---|---|---|---|---|")
    for name, values in (("first audio of a stream", seen.first), ("whole answer", seen.whole)):
        if values:
            shown = [f"{np.percentile(values, q):.2f}" for q in (50, 90, 99, 100)]
            print(f"| {name} | {' | '.join(shown)} |")
    print(f"audio made a second: {seen.audio / lasted:.2f} s")
    print(f"resident MB: {began:.0f} at the start, {warm:.0f} after each client's first, {ended:.0f} at the end")
    for line in seen.wrong[:10]:
        print(line)
    return int(bool(seen.wrong) or status != 0)


def alone(model: Path) -> dict[Asked, bytes]:
    """What each request is to bring: signed 16-bit samples."""
    voice, wanted = Synthesizer(model, device="cpu", dtype="float32"), {}
    for number, text in enumerate(TEXTS):
        name = list(voice.prompts)[number % len(voice.prompts)]
        for seed in range(2):
            wanted[Asked(text, name, seed, None)] = as_pcm(voice(text, name, seed=seed).wav).tobytes()
            wanted[Asked(text, name, seed, "audio")] = as_pcm(
                np.concatenate(list(voice.stream(text, name, seed=seed)))
            ).tobytes()
    return wanted


def start(options: argparse.Namespace) -> tuple[subprocess.Popen, str]:
    """The server, once it listens, and its address."""
    command = [sys.executable, "-m", "ellav.bin.main", "serve", "--port=0", f"--slots={options.slots}"]
    command += ["--device=cpu", f"--queue={2 * options.clients}", "--timeout=300", f"--model={options.model}"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return server, server.stdout.readline().split()[2].rstrip(",").removesuffix("/v1")


def resident(client: httpx2.Client) -> float:
    """MB of the server."""
    for line in client.get("/metrics").text.splitlines():
        if line.startswith("process_resident_memory_bytes "):
            return float(line.split()[1]) / 1e6
    return float("nan")


def ask_all(address: str, wanted: dict[Asked, bytes], clients: int, seconds: float, seen: Seen) -> None:
    """Let so many clients ask for so long, each once at least."""
    until = time.perf_counter() + seconds
    threads = [threading.Thread(target=ask, args=(address, wanted, number, until, seen)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ask(address: str, wanted: dict[Asked, bytes], number: int, until: float, seen: Seen) -> None:
    """One client, until its time is over."""
    asked, turn = list(wanted), number
    with httpx2.Client(base_url=address, timeout=400) as client:
        while True:
            one = asked[turn % len(asked)]
            turn += 1
            try:
                began, first, content = time.perf_counter(), None, b""
                with client.stream("POST", "/v1/audio/speech", json=one.fields) as answer:
                    for piece in answer.iter_raw():
                        first = first or time.perf_counter() - began
                        content += piece
                if answer.status_code == 429:
                    seen.busy += 1
                    time.sleep(float(answer.headers["retry-after"]))
                elif answer.status_code != 200 or content.partition(b"data")[2][4:] != wanted[one]:
                    seen.wrong.append(f"{one}: status {answer.status_code}, {len(content)} bytes, not as alone")
                else:
                    seen.whole.append(time.perf_counter() - began)
                    seen.audio += len(wanted[one]) / 2 / 16000
                    if one.stream:
                        seen.first.append(first)
            except httpx2.HTTPError as error:
                seen.wrong.append(f"{one}: {type(error).__name__}: {error}")
            if time.perf_counter() >= until:
                return


if __name__ == "__main__":
    sys.exit(main())
