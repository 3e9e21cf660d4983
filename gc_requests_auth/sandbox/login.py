"""The login service of the sandbox: oauthlib's own server, which answers as Genesys Cloud does."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections import deque
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from oauthlib.oauth2 import BackendApplicationServer, OAuth2Error, RequestValidator

from .service import RateLimit, Reply, Request, Service

# Only the beginning is published. The words after the semicolon are ours.
_TOO_MANY = "rate limit exceeded; too many token requests"


class Tokens:
    """The valid tokens, and when each ends. Each method is one operation of a dict, so needs no lock."""

    def __init__(self) -> None:
        self._deadlines: dict[str, float] = {}

    def issue(self, token: str, lifetime: float) -> None:
        """The token is valid from now on."""
        self._deadlines[token] = time.monotonic() + lifetime

    def accept(self, token: str) -> bool:
        """Whether the token is valid now."""
        return self._deadlines.get(token, 0.0) > time.monotonic()

    def revoke(self, token: str) -> None:
        """End one token."""
        self._deadlines.pop(token, None)

    def revoke_all(self) -> None:
        """End every token."""
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
        #: Answers that a test has scripted. Each is given once, before any answer of the service.
        self.scripted: deque[Reply] = deque()
        self.lifetime = lifetime
        self._latency = latency
        self._limit = limit
        self._throttling = _fault("invalid_request", _TOO_MANY)
        # oauthlib writes the token to the log at DEBUG. So its token is a word, and ours replaces it.
        self._oauth = BackendApplicationServer(
            _OneClient(client_id, client_secret), token_generator=lambda *_: "a token"
        )

    def counts(self, request: Request) -> bool:
        """Whether this request asks for a token."""
        return urlsplit(request.target).path == "/oauth/token"

    def throttles(self, reply: Reply) -> bool:
        """Whether the service itself says so; a scripted answer does not count."""
        return reply is self._throttling

    def answer(self, request: Request) -> Reply:
        """A token, or the error in Genesys Cloud's words."""
        if not self.counts(request):
            return Reply.json(404, {"message": "HTTP 404 Not Found", "code": "not found"})
        self.wait(self._latency)
        with suppress(IndexError):
            return self.scripted.popleft()
        if self._limit and self._limit.count("", request.at):
            return self._throttling
        if refusal := self._refusal(request):
            return refusal
        token = secrets.token_urlsafe(64)  # 86 characters, as Genesys Cloud's
        self.tokens.issue(token, self.lifetime)
        said = {"access_token": token, "token_type": "bearer", "expires_in": self.lifetime}
        return Reply.json(200, said)

    def _refusal(self, request: Request) -> Reply | None:
        """The answer to a request that gets no token."""
        try:
            _, body, status = self._oauth.create_token_response(
                f"https://sandbox{request.target}",
                request.method,
                request.body.decode("latin-1"),
                dict(request.headers),
            )
        except OAuth2Error as refused:  # GET, or a query
            return _fault(refused.error, refused.description or "")
        except ValueError:
            return _fault("invalid_request", "The body is no form.")
        if status == 200:
            return None
        said = json.loads(body)
        if said["error"] == "invalid_client":
            return _fault("invalid_client", "authentication failed")
        return _fault(said["error"], said.get("error_description", ""))


def _fault(error: str, text: str) -> Reply:
    """Genesys Cloud answers 400 where RFC 6749 has 401 (or 429), and gives the description twice."""
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
            # Airbyte's connector sends the credentials in the form, in production.
            pair = f"{request.client_id}:{request.client_secret}".encode()
        elif scheme != "Basic":
            return False
        # oauthlib wants an object that has the id of the client.
        request.client = SimpleNamespace(
            client_id=pair.partition(b":")[0].decode("utf-8", "replace")
        )
        return hmac.compare_digest(pair, self._pair)

    def validate_grant_type(self, *_: Any, **__: Any) -> bool:
        return True

    def get_default_scopes(self, *_: Any, **__: Any) -> list[str]:
        return []

    def validate_scopes(self, *_: Any, **__: Any) -> bool:
        return True  # no client of Genesys sends a scope; the sandbox ignores scopes

    def save_bearer_token(self, *_: Any, **__: Any) -> None:
        """Keep nothing: `Tokens` does."""
