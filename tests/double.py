"""A Genesys Cloud in memory: a login service, an API and a foreign host, without a socket.

The double replaces urllib3's connections. So the adapters of requests and of the library run as they
are, and the double reads the bytes that they send. A test says what the services do. The double
notes in `Cloud.faults` what no client may do.
"""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPMessage, parse_headers, responses
from typing import Any, TypeAlias
from unittest.mock import patch

import requests
from conftest import SECRET, TOKEN, FakeTime, by_the_clock
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from gc_requests_auth import GenesysCloudAuth, GenesysCloudSession

REGION = "mypurecloud.ie"
LOGIN, API, FOREIGN = f"login.{REGION}", f"api.{REGION}", "files.example.org"

#: Asks whether a token lives. It needs no permission.
ME = "/api/v2/tokens/me"

#: Limits requests whatever their token; and redirects to another host.
CROWDED, AWAY = "/api/v2/crowded", "/api/v2/away"

#: Status, headers and body.
Answer: TypeAlias = tuple[int, dict[str, str], bytes]

#: Token requests that a minute of 401s to live tokens may cost, and one more for each token.
HANDFUL = 5

#: Names a call in the record, with all its replays and retries.
CALL = "X-Call"

#: What the login service answers when something is wrong.
ANSWERS = {
    "is down": (503, "<html>"),
    "throttles": (400, '{"error": "invalid_request", "error_description": "rate limit exceeded;"}'),
    "refuses": (400, '{"error": "invalid_client", "error_description": "authentication failed"}'),
    "answers garbage": (200, "<html>"),
}

#: All that can be wrong with the login service.
TROUBLES = ["is not there", "hangs", *ANSWERS]

#: The key in the ``limit`` of a 429: of the token, and of a resource.
TOKEN_LIMIT = "client.credentials.token.rate.per.minute"
RESOURCE_LIMIT = "user.rate.per.minute"


class ServiceTime(FakeTime):
    """The clocks of the client, and the true time, by which the services go."""

    def __init__(self) -> None:
        super().__init__()
        self.true = 0.0
        self._lock = threading.Lock()

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self.move(seconds, seconds, seconds)

    def suspend(self, seconds: float) -> None:
        """Time passes while the monotonic clock stands still."""
        self.move(seconds, 0.0, seconds)

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.move(0.0, 0.0, seconds)

    def move(self, true: float, monotonic: float, wall: float) -> None:
        """Move all three at once, whatever other threads do."""
        with self._lock:
            self.true += true
            self.monotonic += monotonic
            self.wall += wall


@dataclass
class Token:
    """A token, as the login service knows it."""

    #: By true time.
    end: float
    #: The numbers of the events: a request that carried the token first, and what revoked the token.
    used: float = math.inf
    revoked: float = math.inf


@dataclass(frozen=True)
class Exchange:
    """A request to the API, and its answer."""

    method: str
    #: Path and query.
    target: str
    status: int
    #: Whether the service took the token for a live one.
    alive: bool
    at: float
    token: str = field(repr=False)


@dataclass
class Call:
    """A call as its caller knows it, and what the API has had of it."""

    name: str
    #: The number of the event with which it began, and the true time.
    event: int
    at: float
    exchanges: list[Exchange] = field(default_factory=list)


class Cloud:
    """The services. A test may change everything at any time; each answer is made under a lock."""

    def __init__(self) -> None:
        self.time = ServiceTime()
        self.lock = threading.RLock()
        self.events = itertools.count()
        self.calls: dict[str, Call] = {}
        #: What a client did against the rules.
        self.faults: list[str] = []
        # The login service.
        self.tokens: dict[str, Token] = {}
        #: Seconds that a token lives, and that a token request takes.
        self.lifetime, self.latency = 86400, 0.0
        #: What is wrong with the login service, and for how many token requests.
        self.trouble: str | None = None
        self.lasts = math.inf
        #: When token requests failed, by true time.
        self.failures: list[float] = []
        #: How many of the next tokens are revoked while they are on their way.
        self.stillborn = 0
        #: All token requests; and those that brought a token while the token before lived.
        self.token_requests, self.early_ones = 0, 0
        # The API.
        #: What this client may not use: targets, and all that is below them.
        self.forbidden: set[str] = {"/api/v2/forbidden"}
        #: How many times more a target answers 401 to a live token.
        self.moments: Counter[str] = Counter()
        #: The questions whether a token lives, and the status of their answers; None for the truth.
        self.questions: list[Exchange] = []
        self.question: int | None = None
        #: Requests that a token may make in a minute, and whether the ``limit`` of a 429 says so.
        self.rate_limit = math.inf
        self.named = True
        #: For each token, the requests of the last minute that were let through, whoever sent them.
        self.minutes: dict[str, deque[float]] = {}
        #: Whether a client has to keep each token below the limit; and what the client has sent.
        self.paced = False
        self.sent: dict[str, deque[float]] = {}
        #: Tokens that were answered 401, in order.
        self.refusals: list[str] = []
        #: Whether other threads may move the clocks between the signing and the sending of a request.
        self.races = False
        #: Seconds for which a client may believe the answer that a token lives.
        self.lives_for = 2.0

    def revoke(self, *values: str) -> None:
        """End these tokens, or all; a second time changes nothing."""
        with self.lock:
            for value in values or self.tokens:
                token = self.tokens[value]
                token.revoked = min(token.revoked, next(self.events))

    def begin(self) -> Call:
        """Note when a call begins. Its requests carry the name of the call in the header `CALL`."""
        with self.lock:
            event = next(self.events)
            call = self.calls[f"call-{event}"] = Call(f"call-{event}", event, self.time.true)
            return call

    def lives(self, value: str) -> bool:
        """Whether the API takes the token."""
        token = self.tokens.get(value)
        return token is not None and token.revoked == math.inf and self.time.true < token.end

    def judge(
        self, call: Call, answer: requests.Response, body: bytes = b"", *, repeatable: bool = True
    ) -> None:
        """Check the answer to the caller, and the requests of the call."""
        sent = call.exchanges
        refused = [one.token for one in sent if one.status == 401]
        done = [one.status for one in sent if one.status < 400]
        last = answer.history[-1] if done == [302] else answer
        self.check(bool(sent) and last.status_code == sent[-1].status, "answers of its own accord")
        self.check(len(done) <= 1, "sends again what was done already")
        self.check(len(set(refused)) == len(refused), "sends a refused token again")
        self.check(len(refused) <= 1 or repeatable, "sends a body again that is used up")
        if done == [200]:
            self.check(answer.content == body, "sends another body")
        if sent and sent[-1].status == 401 and repeatable:
            self.check(self._justifies(call), f"gives up at a 401 that a new token cures: {sent}")

    def _justifies(self, call: Call) -> bool:
        """Whether the caller may see the last 401 of a call.

        It was said to a live token, as far as could be told. Or the call had been given a token in
        place of a revoked one, and that token was revoked as well, before anybody could know.
        """
        refused = [one for one in call.exchanges if one.status == 401]
        last = refused[-1]
        token = self.tokens[last.token]
        was_over = token.revoked < call.event or token.end <= call.at
        known = was_over and token.used < call.event
        told = [one for one in self.questions if one.token == last.token]
        unclear = any(one.status not in {200, 401} and one.at >= call.at for one in told)
        lived_just_now = any(
            one.status == 200 and one.at >= last.at - self.lives_for for one in told
        )
        again = len(refused) > 1 and not known
        return last.alive or again or unclear or lived_just_now

    def check(self, kept: bool, rule: str) -> None:
        """Note a broken rule. An error raised here would look like a failure of the network."""
        self.faults += [] if kept else [rule]

    def answer(self, host: str, sent: Sent, patience: float) -> Answer:
        """Status, headers and body; or what a socket raises."""
        with self.lock:
            if (host, sent.target) == (LOGIN, "/oauth/token"):
                return self._sign_in(sent, patience)
            if host == API:
                return self._api(sent)
            self.check("Authorization" not in sent.headers, f"sends an Authorization to {host}")
            return 200, {}, sent.body

    def is_asked(self) -> str | None:
        """Count a token request; what is wrong with the login service then."""
        self.token_requests += 1
        trouble = self.trouble
        self.lasts -= 1
        if self.lasts <= 0:
            self.trouble, self.lasts = None, math.inf
        if trouble is not None:
            self.failures.append(self.time.true)
        return trouble

    def _sign_in(self, sent: Sent, patience: float) -> Answer:
        self.check(sent.body == b"grant_type=client_credentials", "sends something else to sign in")
        self.check(sent.headers["Authorization"][:6] == "Basic ", "signs in without credentials")
        trouble = self.is_asked()
        if trouble == "hangs" or self.latency > patience:
            self.time.advance(patience)
            self.failures.append(self.time.true)
            raise TimeoutError("no answer")
        content = {"Content-Type": "application/json"}
        if trouble is not None:
            status, text = ANSWERS[trouble]
            return status, content, text.encode()
        self.early_ones += self.lives(next(reversed(self.tokens), ""))
        self.time.advance(self.latency)
        value = f"{TOKEN}-{len(self.tokens)}"
        self.tokens[value] = Token(self.time.true + self.lifetime)
        if self.stillborn > 0:
            self.stillborn -= 1
            self.revoke(value)
        said = {"access_token": value, "token_type": "bearer", "expires_in": self.lifetime}
        return 200, content, json.dumps(said).encode()

    def _api(self, sent: Sent) -> Answer:
        value = sent.headers.get("Authorization", "").removeprefix("Bearer ")
        path = sent.target.partition("?")[0]
        asks = (sent.method, path) == ("HEAD", ME)
        call = self.calls.get(sent.headers.get(CALL, ""))
        if not asks:
            token = self.tokens.get(value) or Token(-math.inf)
            token.used = min(token.used, next(self.events))
            late = (call.at if self.races and call else self.time.true) - token.end
            self.check(late < 0, f"sends a token {late:.1f} s after its end, or none of ours")
        alive = self.lives(value)
        if asks and self.question is not None:
            answer: Answer = self.question, {}, b""
        else:
            answer = self._resource(sent, path, value) if alive else _refusal()
        made = Exchange(sent.method, sent.target, answer[0], alive, self.time.true, value)
        self.refusals += [value] if made.status == 401 else []
        if asks:
            self.questions.append(made)
        if call is not None:
            call.exchanges.append(made)
        status, headers, body = answer
        return status, {"ININ-Correlation-Id": "0123-abcd", **headers}, body

    def _resource(self, sent: Sent, path: str, value: str) -> Answer:
        """What a live token is answered."""
        wait = self._wait(value, sent.method)
        if wait or path == CROWDED:
            return self._too_many(wait or 3.0, TOKEN_LIMIT if wait else RESOURCE_LIMIT)
        if self.moments[sent.target] > 0:
            self.moments[sent.target] -= 1
            return _refusal()
        if any(f"{sent.target}/".startswith(one + "/") for one in self.forbidden):
            return _refusal()
        if (sent.method, path) == ("DELETE", ME):
            self.revoke(value)
        if path == AWAY:
            return 302, {"Location": f"https://{FOREIGN}/export.csv"}, b""
        return 200, {}, sent.body

    def _wait(self, value: str, method: str) -> float:
        """Seconds until the token may make a request; 0 lets the request through."""
        now = self.time.true
        sent, minute = (one.setdefault(value, deque()) for one in (self.sent, self.minutes))
        for times in (sent, minute):
            while times and times[0] <= now - 60:
                times.popleft()
        sent.append(now)
        # The end of a token and the question whether it lives do not wait for their turn.
        counts = self.paced and not self.races and method not in {"DELETE", "HEAD"}
        self.check(
            not counts or len(sent) <= self.rate_limit,
            "makes more requests in a minute than it may",
        )
        if len(minute) >= self.rate_limit:
            return minute[0] + 60 - now
        minute.append(now)
        return 0.0

    def _too_many(self, seconds: float, key: str) -> Answer:
        said: dict[str, Any] = {"code": "too.many.requests.retry.after", "status": 429}
        if self.named:
            value = int(min(self.rate_limit, 300))
            said["limit"] = {"key": key, "namespace": "platform.api", "value": value}
        return 429, {"Retry-After": str(math.ceil(seconds))}, json.dumps(said).encode()


def _refusal() -> Answer:
    said = {"code": "bad.credentials", "message": "Invalid login credentials.", "status": 401}
    return 401, {}, json.dumps(said).encode()


@dataclass(frozen=True)
class Sent:
    """A request, as it came."""

    method: str
    target: str
    headers: HTTPMessage = field(repr=False)
    body: bytes

    @classmethod
    def read(cls, raw: bytes) -> Sent:
        """The request in these bytes."""
        stream = io.BytesIO(raw)
        method, target, _ = stream.readline().decode().split(" ")
        headers = parse_headers(stream)
        body = stream.read()
        if headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(body.split(b"\r\n")[1::2])  # no body of a test holds a line break
        return cls(method, target, headers, body)


#: The end of a pipe that nobody writes to.
_NOTHING_TO_READ, _ = os.pipe()


class Socket:
    """What http.client and urllib3 need of one."""

    def __init__(self, cloud: Cloud, host: str) -> None:
        self._cloud = cloud
        self._host = host
        self._sent = bytearray()
        self._patience = 0.0

    def sendall(self, data: bytes) -> None:
        self._sent += data

    def settimeout(self, seconds: float | None) -> None:
        self._patience = math.inf if seconds is None else seconds

    def makefile(self, *_: Any) -> io.BufferedReader:
        """The answer, as soon as it is asked for."""
        sent = Sent.read(bytes(self._sent))
        self._sent.clear()
        try:
            status, headers, body = self._cloud.answer(self._host, sent, self._patience)
        except OSError as error:
            return io.BufferedReader(NoAnswer(error))
        lines = [f"HTTP/1.1 {status} {responses[status]}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode()
        return io.BufferedReader(io.BytesIO(head + (b"" if sent.method == "HEAD" else body)))

    def fileno(self) -> int:  # pragma: no cover -- urllib3 1.26 calls this, in tox -e lowest
        """A file that has nothing to read: urllib3 1.26 looks whether the connection still stands."""
        return _NOTHING_TO_READ

    def close(self) -> None: ...


class NoAnswer(io.RawIOBase):
    """What is read from a connection that breaks: an error, once it is read and no sooner."""

    def __init__(self, error: OSError) -> None:
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, _: object) -> int:
        raise self._error


class Client:
    """Calls the API, with a session of the library or a bare ``auth=``; the options are the auth's."""

    def __init__(self, cloud: Cloud, *, own_session: bool, **options: Any) -> None:
        self._cloud, self._own_session = cloud, own_session
        options = {"region": REGION, "rate_limit": None, **options}
        self.go_on_with(GenesysCloudAuth("client-12345678", SECRET, **options))

    def go_on_with(self, auth: GenesysCloudAuth) -> None:
        """Call with this auth from now on."""
        self.auth = auth
        own = self._own_session
        self.session = GenesysCloudSession(auth=auth) if own else requests.Session()
        self.session.trust_env = False  # it is a third of the time that a call takes here

    def call(
        self, target: str, method: str = "GET", data: Any = None
    ) -> tuple[Call, requests.Response]:
        """One call, and its answer."""
        call = self._cloud.begin()
        url = target if "://" in target else f"https://{API}{target}"
        options: dict[str, Any] = {"headers": {CALL: call.name}, "auth": self.auth, "timeout": 30}
        return call, self.session.request(method, url, data=data, **options)

    def signed(self, target: str) -> tuple[Call, requests.PreparedRequest]:
        """A call that is signed and not yet sent."""
        call = self._cloud.begin()
        url, headers = f"https://{API}{target}", {CALL: call.name}
        request = requests.Request("GET", url, headers=headers, auth=self.auth)
        return call, self.session.prepare_request(request)

    def status(self, target: str) -> int:
        """The status that a GET is answered."""
        return self.call(target)[1].status_code


@contextmanager
def running() -> Iterator[Cloud]:
    """All connections over TLS lead to a new cloud, and all that is ours goes by its clocks."""
    cloud = Cloud()

    class Connection(HTTPSConnection):
        is_connected = True  # there is nothing that could end it

        def connect(self) -> None:
            if self.host == LOGIN and cloud.trouble == "is not there":
                with cloud.lock:
                    cloud.is_asked()
                raise NewConnectionError(self, "nobody there")
            self.sock = Socket(cloud, self.host)
            self.is_verified = True  # as if a certificate had been seen

    with by_the_clock(cloud.time), patch.object(HTTPSConnectionPool, "ConnectionCls", Connection):
        yield cloud
