"""Peers on loopback that misbehave on command: a TLS server, a CONNECT proxy, a port nobody hears.

A server is given a script, one act for each connection with a request on it; the last one is
repeated::

    with Server(reply(503, "<html>down"), reply(200, '{"access_token": "..."}')) as server:
        session.verify = server.ca_file
        session.post(f"{server.url}/oauth/token")
    assert len(server.requests) == 1

An act is a function of the `Peer`, or bytes, which are sent as they are. After it, the connection is
closed. Nothing here sleeps: what hangs waits for an event, which the end of the context sets.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import ssl
import struct
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import responses
from pathlib import Path
from typing import Self, TypeAlias

import trustme

#: No connection of a test lives longer; reached only if the test has failed already.
_LONGEST = 10.0


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    #: As in ``POST /oauth/token HTTP/1.1``.
    line: str
    #: In the order in which they came, repeated ones included.
    headers: list[tuple[str, str]] = field(repr=False)
    body: bytes
    raw: bytes = field(repr=False)

    def values(self, name: str) -> list[str]:
        """The values of all headers of this name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Peer:
    """One connection, as an act sees it."""

    def __init__(self, connection: socket.socket, released: threading.Event) -> None:
        self.socket = connection
        #: Set when the server ends.
        self.released = released
        self.requests: list[Received] = []
        self._buffer = b""

    def read(self) -> Received | None:
        """The next request, None if the client hung up."""
        head, body = self.until(b"\r\n\r\n"), b""
        if not head:
            return None
        lines = head.decode("latin-1").split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (x.partition(":") for x in lines)]
        request = Received(lines[0], headers[1:-2], b"", head)
        for length in request.values("Content-Length"):
            body = self._exactly(int(length))
        request = Received(lines[0], headers[1:-2], body, head + body)
        self.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        """Bytes, as they are."""
        self.socket.sendall(data)

    def hang(self) -> None:
        """Do nothing until the server ends."""
        self.released.wait(_LONGEST)

    def reset(self) -> None:
        """End the connection with an RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def until(self, end: bytes) -> bytes:
        """All bytes to this end; none if the client hung up first."""
        while end not in self._buffer:
            more = self.socket.recv(65536)
            if not more:
                return b""
            self._buffer += more
        return self._exactly(self._buffer.index(end) + len(end))

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._buffer += self.socket.recv(65536) or b"\0" * size
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken


Act: TypeAlias = Callable[[Peer], object]


class _Listener(ABC):
    """A port of 127.0.0.1 and a thread for each connection to it, all ended with the context."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listening.getsockname()[1]
        self.released = threading.Event()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        socket.create_connection(("127.0.0.1", self.port), _LONGEST).close()  # ends accept()
        self._threads[0].join(_LONGEST)
        self._listening.close()
        for connection in self._open:
            with suppress(OSError):  # it ended by itself
                # Below TLS, whose state belongs to the thread of the connection.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_LONGEST)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            if self.released.is_set():
                connection.close()
                return
            connection.settimeout(_LONGEST)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self._wrap(connection)
            self._open.append(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        # Clients that hang up, or do not like the certificate, are what some tests are about.
        with connection, suppress(OSError):
            self._serve(connection)

    def _wrap(self, connection: socket.socket) -> socket.socket:
        return connection

    @abstractmethod
    def _serve(self, connection: socket.socket) -> None:
        """All that happens on one connection."""


class Server(_Listener):
    """An HTTPS server that acts by a script.

    :param script: One act for each connection; the last one is repeated.
    :param name: Whom its certificate names.
    :param greeting: An act for each connection instead, once its TLS handshake has begun.
    """

    def __init__(
        self,
        *script: Act | bytes,
        name: str = "127.0.0.1",
        greeting: Act | None = None,
    ) -> None:
        super().__init__()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"https://{self.host}"
        self.script = list(script)
        #: Each request of any connection, in the order in which they came.
        self.requests: list[Received] = []
        self.connections = 0
        #: A PEM file with the authority to trust; it exists while the server runs.
        self.ca_file = ""
        self._name = name
        self._greeting = greeting

    def __enter__(self) -> Self:
        handle, self.ca_file = tempfile.mkstemp(prefix="wire-ca-", suffix=".pem")
        with os.fdopen(handle, "wb") as file:
            file.write(authority().cert_pem.bytes())
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        Path(self.ca_file).unlink()

    def _wrap(self, connection: socket.socket) -> socket.socket:
        self.connections += 1
        if self._greeting is None:
            # The handshake is left to the thread of the connection, since it may hang.
            return _context(self._name).wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection

    def _serve(self, connection: socket.socket) -> None:
        peer = Peer(connection, self.released)
        peer.requests = self.requests
        if self._greeting is not None:
            connection.recv(65536)
            self._greeting(peer)
        elif peer.read() is not None:
            act = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            if isinstance(act, bytes):
                peer.send(act)
            else:
                act(peer)


class Proxy(_Listener):
    """A CONNECT proxy: a tunnel to wherever it is asked for, or a refusal.

    :param refusal: The status it answers CONNECT with, instead of a tunnel.
    :param ports: Of 127.0.0.1, by ``host:port``: who is asked for really leads there.
    """

    def __init__(self, refusal: int | None = None, ports: Mapping[str, int] | None = None) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"
        #: Each ``host:port`` it was asked for.
        self.targets: list[str] = []
        self.requests: list[Received] = []
        self._refusal = refusal
        self._ports = dict(ports or {})

    def _serve(self, connection: socket.socket) -> None:
        peer = Peer(connection, self.released)
        peer.requests = self.requests
        request = peer.read()
        target = request.line.split()[1] if request else ""
        self.targets.append(target)
        if self._refusal is not None:
            connection.sendall(message(self._refusal, ""))
            return
        if target in self._ports:
            target = f"127.0.0.1:{self._ports[target]}"
        host, _, port = target.partition(":")
        with socket.create_connection((host, int(port)), _LONGEST) as there:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(there, connection), daemon=True)
            back.start()
            _pump(connection, there)
            back.join(_LONGEST)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


# -- acts -----------------------------------------------------------------------------------------


def message(status: int, body: str | bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """An HTTP/1.1 answer; JSON, if `headers` do not say otherwise. Given as "", a header is left out."""
    body = body.encode() if isinstance(body, str) else body
    said = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    first = f"HTTP/1.1 {status} {responses.get(status, 'Other')}"
    lines = [first, *(f"{n}: {v}" for n, v in said.items() if v), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def reply(status: int, body: str | bytes, headers: Mapping[str, str] | None = None) -> Act:
    """Answer with that `message`, and say that the connection is closed then."""
    whole = message(status, body, {"Connection": "close", **(headers or {})})
    return lambda peer: peer.send(whole)


def say(status: int, /, **said: object) -> Act:
    """Answer with that as JSON."""
    return reply(status, json.dumps(said))


def hang(peer: Peer) -> None:
    """Do not answer."""
    peer.hang()


def reset(peer: Peer) -> None:
    """End the connection with an RST."""
    peer.reset()


def close(peer: Peer) -> None:
    """End the connection."""


def after(head: bytes, act: Act) -> Act:
    """Send these bytes, then act."""

    def both(peer: Peer) -> None:
        peer.send(head)
        act(peer)

    return both


def plain_http(peer: Peer) -> None:
    """As a greeting: what a server of plain HTTP answers to a TLS handshake."""
    peer.send(message(400, "<html>Bad request</html>", {"Content-Type": "text/html"}))


def drip(head: bytes, pieces: bytes | list[bytes], before_each: Callable[[], object]) -> Act:
    """Send the head at once and the pieces one by one, each after a call (of a clock, say)."""

    def act(peer: Peer) -> None:
        peer.send(head)
        for piece in pieces:
            before_each()
            peer.send(bytes([piece]) if isinstance(piece, int) else piece)

    return act


# -- places and certificates ----------------------------------------------------------------------


def closed_port() -> int:
    """A port of 127.0.0.1 where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port that takes no connection and refuses none either. Linux only.

    Its queue of connections is full, and Linux drops what more arrives.
    """
    with socket.socket() as server, ExitStack() as queue:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        with suppress(TimeoutError):
            while True:
                connection = queue.enter_context(socket.socket())
                connection.settimeout(0.1)
                connection.connect(address)
        yield address[1]


@functools.cache
def authority() -> trustme.CA:
    """The one that signs the certificates of all servers here."""
    return trustme.CA()


@functools.cache
def _context(name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(name).configure_cert(context)
    return context
