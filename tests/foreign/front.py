"""The HTTP server of a suite (pytest-httpbin) behind TLS, and a login service beside the server."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from threading import Lock
from typing import Any

from pytest_httpbin import serve

from .modes import Trouble

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

_PHRASES = {200: "OK", 401: "Unauthorized", 429: "Too Many Requests", 503: "Service Unavailable"}


class _Server(ThreadingMixIn, serve.SecureWSGIServer):  # type: ignore[misc]
    """pytest-httpbin's own serves one request at a time; a slow one would hold up a token request."""

    daemon_threads = True


def _serve(application: Application) -> Any:
    server = serve.Server(application=application, server_class=_Server)
    server.protocol = "https"
    server.start()
    return server


class Front:
    """Starts both servers.

    :param application: The WSGI application that the suite talks to.
    :param trouble: What a request that carries a token meets first. With "401", a token is good for one
        request. With "503" and "429", every other request with the same method and URL is answered so.
        A request without a token is let through, since it is no call to Genesys Cloud: the test has put
        another auth in the place of ours, or has another HTTP client.
    """

    def __init__(self, application: Application, trouble: Trouble) -> None:
        self._application = application
        self._trouble = trouble
        self._lock = Lock()
        #: How often each token that was issued has been used.
        self._used: dict[str, int] = {}
        #: The requests that were answered 503 or 429 and whose next attempt is let through.
        self._told: set[tuple[str, str]] = set()
        #: How many requests met the trouble.
        self.troubled = 0
        self.api = _serve(self._api)
        self.login = _serve(self._login)

    def stop(self) -> None:
        """End the threads of both servers; the process would not end before."""
        self.api.stop()
        self.login.stop()

    @property
    def tokens(self) -> int:
        """How many tokens were issued."""
        return len(self._used)

    def _login(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Issue a token, to whomever: that the sign-in is right is for other tests."""
        _read(environ)
        token = secrets.token_urlsafe()
        with self._lock:
            self._used[token] = 0
        said = {"access_token": token, "token_type": "bearer", "expires_in": 86400}
        return _answer(start_response, 200, said)

    def _api(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        asked = environ["PATH_INFO"] == "/api/v2/tokens/me"
        token = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
        with self._lock:
            status = self._status(environ, token, asked=asked)
            self.troubled += status != 200 and not asked
        if asked or status != 200:
            _read(environ)  # or the client may get a reset instead of the answer
            return _answer(start_response, status, {"status": status, "code": "foreign suites"})
        return self._application(environ, start_response)

    def _status(self, environ: Environ, token: str, *, asked: bool) -> int:
        """200 if the request is to be let through."""
        if token not in self._used:
            return 200
        if self._trouble == "401":
            live = self._used[token] == 0
            self._used[
                token
            ] += not asked  # the question whether a token lives does not use the token
            return 200 if live else 401
        if self._trouble != "none" and not asked:
            request = environ["REQUEST_METHOD"], f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
            if request not in self._told:
                self._told.add(request)
                return int(self._trouble)
            self._told.remove(request)
        return 200


class Shared:
    """Stands for `pytest_httpbin.serve.Server` and `SecureServer`: all fixtures give the one front."""

    front: Front

    def __init__(self, *_: Any, **__: Any) -> None:
        """Whatever application the fixture wants, it is the front's."""

    def __enter__(self) -> Any:
        return self.front.api

    def __exit__(self, *_: object) -> None:
        """The front goes on until the end of pytest."""


def _read(environ: Environ) -> None:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))


def _answer(start_response: StartResponse, status: int, said: object) -> Iterable[bytes]:
    body = json.dumps(said).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    if status in {429, 503}:
        headers.append(("Retry-After", "0"))
    start_response(f"{status} {_PHRASES[status]}", headers)
    return [body]
