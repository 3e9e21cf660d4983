"""The API of the sandbox: what scripts ask first, and what tests need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .login import Tokens
from .service import CORRELATION_ID, RateLimit, Refusal, Reply, Request, Service

_QUEUES = 60

#: The limit of ``/sandbox/busy``: its key, its namespace and its value.
_BUSY = "busy.rate.per.minute", "sandbox", 1


class Api(Service):
    """A few endpoints of the Platform API, and some below ``/sandbox``."""

    def __init__(
        self,
        tokens: Tokens,
        client_id: str,
        limit: RateLimit | None,
        resources: Mapping[str, RateLimit],
        *,
        limit_in_body: bool,
    ) -> None:
        super().__init__()
        self._tokens = tokens
        self._client_id = client_id
        self._limit = limit
        self._resources = resources
        self._limit_in_body = limit_in_body

    def answer(self, request: Request) -> Reply:
        """The answer of the endpoint, or the 401 or 429 that Genesys Cloud would answer."""
        parts = urlsplit(request.target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        token = _bearer(request)
        refusal = self._count(token, parts.path, request.at)
        reply = self._too_many(refusal) if refusal else None
        reply = reply or _for_anybody(parts.path, query)
        reply = reply or self._for_bearers(request, parts.path, query, token)
        if "set-cookie" in query:
            reply = replace(reply, headers={**reply.headers, "Set-Cookie": query["set-cookie"]})
        return reply

    def _count(self, token: str | None, path: str, at: float) -> Refusal | None:
        """Count all that a valid token sends: first by the limit of the token, then by resource."""
        if token is None or not self._tokens.accept(token):
            return None
        if self._limit and (refusal := self._limit.count(token, at)):
            return refusal
        for above, limit in self._resources.items():
            if f"{path}/".startswith(above) and (refusal := limit.count("", at)):
                return refusal
        return None

    def _too_many(self, refusal: Refusal) -> Reply:
        """A 429; the field ``limit`` exists since 2023-06-26 (developer forum, thread 20613)."""
        said = {name: value for name, value in vars(refusal).items() if name != "seconds"}
        return _too_many(refusal.seconds, **({"limit": said} if self._limit_in_body else {}))

    def _for_bearers(
        self, request: Request, path: str, query: dict[str, str], token: str | None
    ) -> Reply:
        if token is None:
            text = "No authentication bearer token specified in authorization header."
            return _fault(401, "authentication.required", text)
        if not self._tokens.accept(token):
            return _bad_credentials()
        if path == "/sandbox/slow":
            self.wait(float(query["seconds"]))
        if path in {"/sandbox/slow", "/sandbox/echo"}:
            return _echo(request)
        if path == "/api/v2/tokens/me" and request.method == "DELETE":
            self._tokens.revoke(token)
            return Reply(200)
        if path == "/sandbox/busy":
            return self._too_many(Refusal(query.get("seconds", "1"), *_BUSY))
        if path == "/api/v2/users/me":
            text = (
                "This request requires a user context. Client credentials cannot be used for"
                " requests to this resource."
            )
            return _fault(400, "bad.request", text)
        said = self._resource(path, query)
        if said is None or request.method not in {"GET", "HEAD"}:
            return _fault(404, "not found", "HTTP 404 Not Found")
        return Reply.json(200, said)

    def _resource(self, path: str, query: dict[str, str]) -> dict[str, Any] | None:
        organization = {"id": "5a6d0000-0000-4000-8000-000000000001", "name": "Sandbox Ltd"}
        match path:
            case "/api/v2/tokens/me":
                client = {
                    "id": self._client_id,
                    "name": "Sandbox client",
                    "authorizedGrantType": "CLIENT_CREDENTIALS",
                    "state": "active",
                    "organization": organization,
                }
                return {
                    "organization": organization,
                    "homeOrganization": organization,
                    "authorizedScope": [],
                    "OAuthClient": client,
                }
            case "/api/v2/tokens/timeout":
                return {"enableIdleTokenTimeout": False, "idleTokenTimeoutSeconds": 0}
            case "/api/v2/organizations/me":
                return {**organization, "domain": "sandbox", "state": "active", "features": {}}
            case "/api/v2/routing/queues":
                return _page(int(query.get("pageNumber", "1")), int(query.get("pageSize", "25")))
        return None


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def _for_anybody(path: str, query: dict[str, str]) -> Reply | None:
    if path == "/sandbox/redirect":
        return Reply(_status(query.get("status", "302")), headers={"Location": query["to"]})
    if not path.startswith("/sandbox/status/"):
        return None
    status = _status(path.rpartition("/")[2])
    if status == 401:
        return _bad_credentials()
    if status == 429:
        return _too_many(query.get("seconds", "1"))
    return _fault(status, "sandbox", "As requested.")


def _status(text: str) -> int:
    """The status of a final answer: after a 1xx, a client waits for another."""
    status = int(text)
    if status < 200:
        raise ValueError(text)
    return status


def _page(number: int, size: int) -> dict[str, Any]:
    """One page of the queues, in the form that all paged resources have."""
    if number < 1 or size < 1:
        raise ValueError((number, size))
    first = (number - 1) * size + 1
    last = min(first + size - 1, _QUEUES)
    pages = -(-_QUEUES // size)
    page: dict[str, Any] = {
        "entities": [
            {"id": f"queue-{n:02}", "name": f"Queue {n:02}"} for n in range(first, last + 1)
        ],
        "pageSize": size,
        "pageNumber": number,
        "pageCount": pages,
        "total": _QUEUES,
    }
    if number < pages:
        page["nextUri"] = f"/api/v2/routing/queues?pageSize={size}&pageNumber={number + 1}"
    return page


def _echo(request: Request) -> Reply:
    """The request as it arrived, without its bearer."""
    parts = urlsplit(request.target)
    headers = {
        name: value for name, value in request.headers.items() if name.lower() != "authorization"
    }
    said = {
        "method": request.method,
        "path": parts.path,
        "query": parse_qs(parts.query),
        "headers": headers,
        "body": request.body.decode("latin-1"),
    }
    return Reply.json(200, said)


def _fault(
    status: int, code: str, message: str, headers: Mapping[str, str] = {}, **more: object
) -> Reply:
    said = {"message": message, "code": code, "status": status, **more, "details": [], "errors": []}
    return Reply.json(status, said, headers)


def _too_many(seconds: str, **more: object) -> Reply:
    """A 429 as it is since 2021-11-10 (developer forum, thread 12028)."""
    code = "too.many.requests.retry.after"
    text = f"Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds"
    return _fault(429, code, text, {"Retry-After": seconds}, contextId=CORRELATION_ID, **more)


def _bad_credentials() -> Reply:
    return _fault(401, "bad.credentials", "Invalid login credentials.")
