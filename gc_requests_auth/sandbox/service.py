"""What both services of the sandbox share: HTTP over TLS on loopback, a record, rate limits."""

from __future__ import annotations

import json
import math
import socket
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self

from requests.structures import CaseInsensitiveDict

#: Every answer has this one.
CORRELATION_ID = "5a6d0000-0000-4000-8000-00000000c0de"

#: The window of Genesys Cloud, in seconds.
MINUTE = 60.0

#: The limit of a token of the client-credentials grant: its key and its namespace.
TOKEN_LIMIT = "client.credentials.token.rate.per.minute", "platform.api"


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    #: Path and query.
    target: str
    headers: Mapping[str, str]
    body: bytes
    #: When the request had arrived, in seconds of the clock of the service.
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Reply:
    """The answer to a request."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, status: int, said: object, headers: Mapping[str, str] = {}) -> Self:
        """An answer whose body is JSON."""
        content = {"Content-Type": "application/json"}
        return cls(status, json.dumps(said).encode(), {**content, **headers})


@dataclass(frozen=True)
class Exchange:
    """One request and the status of its answer, for the asserts of a test."""

    method: str
    #: Path and query.
    target: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    #: When the request had arrived, in seconds of a monotonic clock; rate limits go by this time.
    at: float = field(repr=False)


@dataclass(frozen=True)
class Refusal:
    """Why a request is answered 429, and when to send it again."""

    #: Seconds until the window ends, as ``Retry-After`` has them.
    seconds: str
    #: The limit that was hit, and how many requests a window it allows.
    key: str
    namespace: str
    value: int


class RateLimit:
    """A limit of requests in each fixed window.

    Genesys Cloud says seconds in whole numbers, rounded up. In a window that is shorter than its
    minute, rounding would cost a client up to a second of, say, two. There the limit says
    milliseconds.

    :param allowed: Requests a window.
    :param seconds: The length of a window.
    :param name: The key and the namespace of this limit, which a 429 may name.
    """

    #: Where a window begins. Nobody has published this, so clients have to be right with both. False:
    #: with the first request of a key after its last window. True: with the minute of the clock.
    on_the_clock: ClassVar[bool] = False

    def __init__(
        self, allowed: int, seconds: float = MINUTE, name: tuple[str, str] = TOKEN_LIMIT
    ) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._name = name
        #: For each key, when its window ends, and the requests in it.
        self._windows: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def count(self, key: str, now: float) -> Refusal | None:
        """Count one request; None lets the request through.

        :param key: The token whose window the request falls into, or "" for a window that all share.
        :param now: When the request arrived, in seconds of a monotonic clock.
        """
        with self._lock:
            end, count = self._windows.get(key, (now, 0))
            if now >= end:
                begun = now - now % self._seconds if self.on_the_clock else now
                end, count = begun + self._seconds, 0
            self._windows[key] = end, count + 1
        if count < self._allowed:
            return None
        # Another thread may have counted a later request first, so `now` may be before the window.
        left = min(end - now, self._seconds)
        scaled = self._seconds < MINUTE
        seconds = f"{math.ceil(left * 1000) / 1000:.3f}" if scaled else f"{math.ceil(left)}"
        return Refusal(seconds, *self._name, self._allowed)


class Service(ABC):
    """Answers requests, counts them, and keeps a record of all."""

    #: Tests set another clock.
    clock: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self) -> None:
        #: How many requests the service has had, and how many of them were too many.
        self.count = 0
        self.throttled = 0
        self.exchanges: deque[Exchange] = deque(maxlen=10_000)
        #: Set when the sandbox ends.
        self.closing = threading.Event()
        self._lock = threading.Lock()

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """The answer to one request; called in many threads at once."""

    def counts(self, request: Request) -> bool:  # noqa: ARG002 -- the API counts every request
        """Whether the service counts this request."""
        return True

    def throttles(self, reply: Reply) -> bool:
        """Whether this answer says that there were too many requests."""
        return reply.status == 429

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the sandbox ends."""
        self.closing.wait(seconds)

    def serve(self, request: Request) -> Reply:
        """The answer to one request, counted and recorded."""
        with self._lock:
            self.count += self.counts(request)
        try:
            reply = self.answer(request)
        except (ValueError, LookupError, ArithmeticError):  # a page size of 0, or of no number
            text = f"The sandbox can not read {request.target}."
            reply = Reply.json(400, {"message": text, "code": "bad.request", "status": 400})
        with self._lock:
            self.throttled += self.throttles(reply)
        self.exchanges.append(Exchange(status=reply.status, **vars(request)))
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
        """Accept a connection; the thread of the connection makes the handshake, which may hang."""
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
        """Say nothing of a client that hangs up or distrusts the certificate: some tests do so."""

    def stop(self) -> None:
        """End every connection and wait for its thread."""
        self.service.closing.set()
        self.shutdown()
        self._thread.join()
        for connection in list(self._connections):
            with suppress(OSError):  # it ended by itself
                connection.shutdown(socket.SHUT_RDWR)
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
        if self.close_connection:  # or the client may send its next request on this connection
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
