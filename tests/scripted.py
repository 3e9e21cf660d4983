"""An API that answers by a script, with a login service beside it, over real sockets."""

from __future__ import annotations

from typing import Any

import requests
from conftest import SECRET, TOKEN
from wire import Act, Peer, Received, Server, message

from gc_requests_auth import GenesysCloudAuth, GenesysCloudSession

Answer = bytes | Act


def said(status: int, retry_after: str = "", body: str = "{}", **headers: str) -> bytes:
    """An answer of Genesys Cloud that leaves the connection open."""
    known = {"ININ-Correlation-Id": "0123-abcd", "Retry-After": retry_after}
    return message(status, body, {**known, **headers})


class Api:
    """An API that answers by a script, with a login service beside it.

    Each token request brings another token: `TOKEN` with a number, from 1.
    """

    def __init__(self) -> None:
        self.server = Server(self._converse)
        #: Seconds.
        self.lifetime = 86400
        #: For each request a line of either; the last one is repeated.
        self.answers: list[Answer] = [said(200)]
        self.token_answers: list[Answer] = []
        self._sessions: list[GenesysCloudSession] = []

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def calls(self) -> list[Received]:
        return [one for one in self.server.requests if "/oauth/token" not in one.line]

    @property
    def token_requests(self) -> int:
        return len(self.server.requests) - len(self.calls)

    def session(self, **more: Any) -> GenesysCloudSession:
        """A session that is signed in to it, with its token in hand."""
        session = self.stranger(**more)
        session.auth.access_token()
        return session

    def stranger(self, **more: Any) -> GenesysCloudSession:
        """A session that has no token yet."""
        session = GenesysCloudSession("client-id-1234", SECRET, **{**self._places, **more})
        session.verify = self.server.ca_file
        self._sessions.append(session)
        return session

    def auth(self, session: requests.Session, **more: Any) -> GenesysCloudAuth:
        """An auth that signs in to it, by way of this session."""
        session.verify = self.server.ca_file
        options: dict[str, Any] = {**self._places, **more}
        return GenesysCloudAuth("client-id-1234", SECRET, session=session, **options)

    @property
    def _places(self) -> dict[str, Any]:
        return {"login_url": f"{self.url}/login", "api_url": self.url}

    def close(self) -> None:
        for session in self._sessions:
            session.close()

    def _converse(self, peer: Peer) -> None:
        request: Received | None = peer.requests[-1]
        while request is not None:
            if "chunked" in request.values("Transfer-Encoding"):
                peer.until(b"0\r\n\r\n")
            if "/oauth/token" in request.line:
                value = f"{TOKEN}-{self.token_requests}"
                issued = f'{{"access_token": "{value}", "expires_in": {self.lifetime}}}'
                answer = _next(self.token_answers) if self.token_answers else message(200, issued)
            else:
                answer = _next(self.answers)
            if not isinstance(answer, bytes):
                answer(peer)
                return
            if "close" in request.values("Connection"):
                peer.send(answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                return
            peer.send(answer)
            request = peer.read()


def _next(answers: list[Answer]) -> Answer:
    return answers.pop(0) if len(answers) > 1 else answers[0]
