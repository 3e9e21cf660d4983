"""The login service of the sandbox: oauthlib's own server, answering the way Genesys Cloud does."""

from __future__ import annotations

import base64
import hmac
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from oauthlib.oauth2 import BackendApplicationServer, OAuth2Error, RequestValidator

from .limits import RateLimit
from .wire import Reply, Request, Service

_SAID = {
    "invalid_client": "authentication failed",
    "unauthorized_client": "client is not authorized to use the client_credential grant type",
}

# What follows the semicolon is ours: nobody has published more than the beginning.
_TOO_MANY = "rate limit exceeded; too many token requests"


class Tokens:
    """The tokens that are worth something, and until when."""

    def __init__(self) -> None:
        self._deadlines: dict[str, float] = {}
        self._lock = threading.Lock()

    def issue(self, token: str, lifetime: float) -> None:
        """From now on it is worth something."""
        with self._lock:
            self._deadlines[token] = time.monotonic() + lifetime

    def accept(self, token: str) -> bool:
        """Whether it is now."""
        with self._lock:
            return self._deadlines.get(token, 0.0) > time.monotonic()

    def revoke(self, token: str) -> None:
        """It no longer is."""
        with self._lock:
            self._deadlines.pop(token, None)

    def revoke_all(self) -> None:
        """None is."""
        with self._lock:
            self._deadlines.clear()


class LoginService(Service):
    """``POST /oauth/token``."""

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        lifetime: int,
        latency: float,
        limit: RateLimit | None,
    ) -> None:
        super().__init__()
        self.tokens = Tokens()
        #: Answers to give instead of one's own, each once.
        self.scripted: deque[Reply] = deque()
        self._lifetime = lifetime
        self._latency = latency
        self._limit = limit
        self._throttling = _fault("invalid_request", _TOO_MANY)
        validator = _OneClient(client_id, client_secret)
        self._oauth = BackendApplicationServer(validator)

    def counts(self, request: Request) -> bool:
        """Whether it asks for a token."""
        return urlsplit(request.target).path == "/oauth/token"

    def throttles(self, reply: Reply) -> bool:
        """Whether it says so of its own accord: what is scripted is known to who wrote it."""
        return reply is self._throttling

    def answer(self, request: Request) -> Reply:
        """A token, or Genesys Cloud's words for what is wrong."""
        if not self.counts(request):
            return Reply.json(404, {"message": "HTTP 404 Not Found", "code": "not found"})
        self.closing.wait(self._latency)
        try:
            return self.scripted.popleft()
        except IndexError:
            pass
        if self._limit and self._limit.count("", request.at):
            return self._throttling
        error, text = self._verdict(request)
        if error:
            return _fault(error, text)
        self.tokens.issue(text, self._lifetime)
        return Reply.json(
            200, {"access_token": text, "token_type": "bearer", "expires_in": self._lifetime}
        )

    def _verdict(self, request: Request) -> tuple[str, str]:
        """An error and its description, or no error and a token."""
        try:
            with _muted():
                _, body, status = self._oauth.create_token_response(
                    f"https://sandbox{request.target}",
                    request.method,
                    request.body.decode("latin-1"),
                    dict(request.headers),
                )
        except OAuth2Error as refused:  # GET, or a query
            return refused.error, refused.description or ""
        except ValueError:
            return "invalid_request", "The body is no form."
        said = json.loads(body)
        if status == 200:
            return "", said["access_token"]
        return said["error"], _SAID.get(said["error"]) or said.get("error_description", "")


def _fault(error: str, text: str) -> Reply:
    """Genesys Cloud answers 400 where RFC 6749 has 401 (or 429), and says everything twice."""
    said = {"error": error, "description": text, "error_description": text}
    return Reply.json(400, said)


class _OneClient(RequestValidator):  # type: ignore[misc]  # oauthlib is untyped
    """Knows one client, which may use the client-credentials grant."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        super().__init__()
        self._pair = f"{client_id}:{client_secret}".encode()

    def authenticate_client(self, request: Any, *_: Any, **__: Any) -> bool:
        scheme, _, basic = request.headers.get("Authorization", "").partition(" ")
        try:
            pair = base64.b64decode(basic, validate=True)
        except ValueError:  # binascii.Error is one; text that is not ASCII is another
            return False
        if not scheme:
            # Accepted in the form as well: Airbyte's connector has them there in production.
            pair = f"{request.client_id}:{request.client_secret}".encode()
        elif scheme != "Basic":
            return False
        request.client = _Client(pair.partition(b":")[0].decode("utf-8", "replace"))
        return hmac.compare_digest(pair, self._pair)

    def validate_grant_type(self, *_: Any, **__: Any) -> bool:
        return True

    def get_default_scopes(self, *_: Any, **__: Any) -> list[str]:
        return []

    def validate_scopes(self, *_: Any, **__: Any) -> bool:
        return True  # ignored, as far as anybody knows: no client of Genesys sends one

    def save_bearer_token(self, *_: Any, **__: Any) -> None:
        """The service keeps them."""


class _Client:
    def __init__(self, client_id: str) -> None:
        self.client_id = client_id


_muting: ContextVar[bool] = ContextVar("sandbox_muting", default=False)


def _let_pass(_: logging.LogRecord) -> bool:
    return not _muting.get()


@contextmanager
def _muted() -> Iterator[None]:
    """No log record of oauthlib's server in this context: at DEBUG they hold the issued token."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("oauthlib."):  # a filter does not see the records of loggers below
            logging.getLogger(name).addFilter(_let_pass)
    reset = _muting.set(True)
    try:
        yield
    finally:
        _muting.reset(reset)
