"""`ellav synth --stream`: samples go to standard output, into a file or a named pipe as they are made."""

from __future__ import annotations

import argparse
import codecs
import io
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout

from ellav.bin.synth_files import STDOUT
from ellav.data.audio import as_pcm
from ellav.text_files import decoded


def stream(voice, text: str | Iterator[str], options: argparse.Namespace, ready: float) -> None:
    """Write what `voice` says as signed 16-bit little-endian samples, each piece as soon as it is made.

    ready: when the voice was loaded, by `time.perf_counter`. Standard output holds nothing else. A reader that goes
    away ends the command with the status of SIGPIPE, as it would end any other.
    """
    rate, samples, first = voice.codec.sample_rate, 0, None
    to_stdout = options.stream == STDOUT
    place = sys.stdout.fileno() if to_stdout else options.stream
    with open(place, "wb", 0, closefd=not to_stdout) as out, redirect_stdout(sys.stderr):
        print(
            f"ellav synth: {rate} Hz, signed 16-bit little-endian, mono; play it with"
            f" `aplay -f S16_LE -r {rate} -c 1` or `ffplay -f s16le -sample_rate {rate} -nodisp -autoexit -`",
            file=sys.stderr,
        )
        try:
            kept = {name: getattr(options, name) for name in ("rate", "language", "prompt_language")}
            for piece in voice.stream(text, options.prompt, options.prompt_text, options.seed, **kept):
                first = time.perf_counter() - ready if first is None else first
                samples += len(piece)
                write_all(out, as_pcm(piece).tobytes())
        except BrokenPipeError:
            raise SystemExit(128 + signal.SIGPIPE) from None
    print(
        f"ellav synth: {samples / rate:.2f} s of speech in {time.perf_counter() - ready:.2f} s, the first of it after"
        f" {first or 0:.2f} s",
        file=sys.stderr,
    )


def write_all(out, content: bytes) -> None:
    """A pipe that is nearly full takes a part at a time."""
    left = memoryview(content)
    while left:
        left = left[out.write(left) :]


def text_in_pieces() -> Iterator[str]:
    """Standard input, as it comes."""
    decoder, seen = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")(), True), b""
    while piece := sys.stdin.buffer.read1():
        seen += piece
        try:
            yield decoder.decode(piece)
        except UnicodeDecodeError:
            decoded(seen, "standard input", "FILE")  # says where and how to mend it
            raise
    decoded(seen, "standard input", "FILE")
