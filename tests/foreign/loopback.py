"""Bars a process from the network, so that a suite has the same results on every machine."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any


def only_loopback() -> None:
    """From now on, no other name than localhost is found, and no other address ever answers."""
    resolve, connect = socket.getaddrinfo, socket.socket.connect

    def resolve_here(host: Any, *more: Any, **options: Any) -> Any:
        if not (host in {None, "", b"", "localhost", b"localhost"} or _is_address(host)):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *more, **options)

    def connect_here(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not _answers(address[0]):
            # Without the wait for it: the suites use such addresses to see a time-out.
            raise TimeoutError("timed out")
        connect(self, address)

    socket.getaddrinfo = resolve_here
    socket.socket.connect = connect_here  # type: ignore[method-assign, assignment]


def _is_address(host: Any) -> bool:
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return True


def _answers(host: str) -> bool:
    if not _is_address(host):
        return True  # a name, which connect() looks up by itself; only localhost is asked for so
    address = ipaddress.ip_address(host)
    return address.is_loopback or address.is_unspecified
