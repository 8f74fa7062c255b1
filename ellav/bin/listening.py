"""What `ellav serve` and `ellav demo` share: where they listen, for whom, and how much they take."""

from __future__ import annotations

import argparse
import ipaddress
import socket

from ellav.errors import UserError, option_of

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def add_listening(made: argparse.ArgumentParser, port: int) -> None:
    """--host and --port; port: if left out."""
    made.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets other machines ask too")
    made.add_argument("--port", type=int, default=port, help="0 takes a free one")


def add_limits(made: argparse.ArgumentParser, text: int) -> None:
    """Of texts and of recordings that are sent; text: characters if left out."""
    made.add_argument("--text-limit", type=int, default=text, metavar="CHARACTERS", help="of a text")
    made.add_argument("--upload-limit", type=float, default=10, metavar="MB", help="of a recording")
    made.add_argument("--seconds-limit", type=float, default=30, metavar="SECONDS", help="of a recording")


def check_listening(options: argparse.Namespace, least: dict[str, int], most: dict[str, float]) -> None:
    """Refuse what makes no sense of these options, and others.

    least: options that are that number or more. most: those that are above 0 and at most that number.
    """
    for name, number in {**least, "text_limit": 1}.items():
        if getattr(options, name) < number:
            raise UserError(f"{option_of(name)} must be {number} or more, not {getattr(options, name)}")
    for name, number in {**most, "upload_limit": 1000, "seconds_limit": 600}.items():
        if not 0 < getattr(options, name) <= number:
            raise UserError(f"{option_of(name)} must be above 0 and at most {number}, not {getattr(options, name):g}")
    if not 0 <= options.port < 1 << 16:
        raise UserError(f"--port must be 0 to 65535, not {options.port}")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; raises UserError where the address is not to be had."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=512)
    except OSError as error:
        raise UserError(f"--host {host} --port {port}: {(error.strerror or str(error)).lower()}") from None


def is_loopback(host: str) -> bool:
    """Whether only this machine can ask."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hosts_of(host: str) -> frozenset[str] | None:
    """Names by which a server on `host` may be called; None, any, where other machines can ask."""
    return frozenset({*LOOPBACK, host.lower()}) if is_loopback(host) else None


def url_of(host: str, listening: socket.socket) -> str:
    """The address of what listens, without a path."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
