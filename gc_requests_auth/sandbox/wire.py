"""HTTP over TLS on loopback: what the two services of the sandbox have in common."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from requests.structures import CaseInsensitiveDict

#: Of every answer.
CORRELATION_ID = "5a6d0000-0000-4000-8000-00000000c0de"


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    #: Path and query.
    target: str
    headers: Mapping[str, str]
    body: bytes
    #: Seconds of the service's clock when it had arrived.
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Reply:
    """What it is answered."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, status: int, said: object) -> Self:
        """Said as JSON."""
        return cls(status, json.dumps(said).encode(), {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Exchange:
    """One request and the status it was answered with, kept for the asserts of a test."""

    method: str
    #: Path and query.
    target: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    #: Seconds of a monotonic clock when the request had arrived; rate limits go by it.
    at: float = field(repr=False)


class Service(ABC):
    """Answers requests, counts those it is there for, and keeps a record of all."""

    def __init__(self) -> None:
        self.count = 0
        #: How many requests were answered that they are too many.
        self.throttled = 0
        self.exchanges: deque[Exchange] = deque(maxlen=10_000)
        #: Set when the sandbox ends; what is slow waits on it.
        self.closing = threading.Event()
        self.clock: Callable[[], float] = time.monotonic
        self._lock = threading.Lock()

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """The answer to one request; called in many threads at once."""

    def counts(self, request: Request) -> bool:  # noqa: ARG002 -- most services look at nothing
        """Whether this is a request that the service is there for."""
        return True

    def throttles(self, reply: Reply) -> bool:
        """Whether this says that there were too many requests."""
        return reply.status == 429

    def serve(self, request: Request) -> Reply:
        """The answer to one request, counted and recorded."""
        with self._lock:
            self.count += self.counts(request)
        reply = self.answer(request)
        with self._lock:
            self.throttled += self.throttles(reply)
        kept = request.method, request.target, reply.status, request.headers, request.body
        self.exchanges.append(Exchange(*kept, request.at))
        return reply


class Server(ThreadingHTTPServer):
    """One service on one free port of 127.0.0.1, from its construction until `stop`."""

    # Many clients connect in the same instant here; the default of 5 would refuse some.
    request_queue_size = 256

    def __init__(self, service: Service, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.service = service
        self.url = f"https://127.0.0.1:{self.server_address[1]}"
        self._context = context
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept; the handshake is left to the thread of the connection, since it may hang."""
        plain, address = super().get_request()
        connection = self._context.wrap_socket(
            plain, server_side=True, do_handshake_on_connect=False
        )
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """A connection has ended."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up or distrust the certificate are what some tests are about."""

    def stop(self) -> None:
        """End every connection and wait for its thread."""
        self.service.closing.set()
        self.shutdown()
        self._thread.join()
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it ended by itself
        self.server_close()

    # socketserver joins the threads of its connections in server_close() only if they may outlive
    # the interpreter. They do not: stop() has just ended their connections.
    daemon_threads = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for head and body, or Nagle and delayed ACKs cost 40 ms a call
    disable_nagle_algorithm = True
    server: Server

    def _any_method(self) -> None:
        service = self.server.service
        headers, body = CaseInsensitiveDict(self.headers.items()), self._body()
        request = Request(self.command, self.path, headers, body, service.clock())
        reply = service.serve(request)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("ININ-Correlation-Id", CORRELATION_ID)
        if self.close_connection:  # as asked; unsaid, the client may send its next request here
            self.send_header("Connection", "close")
        bodiless = reply.status in {204, 304}  # RFC 9110, section 6.4.1
        if not bodiless:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD" and not bodiless:
            self.wfile.write(reply.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _any_method  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = bytearray()
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the record is in `Service.exchanges`."""
