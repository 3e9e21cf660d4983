"""A Genesys Cloud look-alike on loopback, with real TLS and a real OAuth server.

Users test their scripts with the sandbox, offline; our tests and the demo use it, too::

    with GenesysCloudSandbox() as sandbox:
        subprocess.run([sys.executable, "script.py"], env={**os.environ, **sandbox.environ})

The sandbox imports nothing of the library around it: a witness must not share our mistakes.
Statuses, headers and bodies are those that Genesys' own clients and tools report. The sandbox needs
the extra ``[sandbox]`` (trustme).
"""

from __future__ import annotations

import math
import os
import secrets
import ssl
import tempfile
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import trustme

from .api import Api
from .login import LoginService
from .service import MINUTE, Exchange, RateLimit, Reply, Server

__all__ = ["Exchange", "GenesysCloudSandbox"]


class GenesysCloudSandbox:
    """A login service and an API, each on its own free port of 127.0.0.1. A context manager.

    :param lifetime: Seconds, the ``expires_in`` of its tokens.
    :param latency: Seconds that the login service takes for an answer.
    :param rate_limit: API requests a window that each token is allowed (Genesys Cloud: 300); None
        is no limit. All that a valid token sends counts. Requests beyond the limit are answered 429
        with ``Retry-After``. No other answer says anything of a limit: Genesys Cloud removed its
        headers ``inin-ratelimit-*`` in June 2021 (developer forum, thread 10506).
    :param rate_window: Seconds of a window. A window shorter than Genesys Cloud's minute makes tests
        faster. Its ``Retry-After`` has decimals, or rounding would cost half a window. HTTP knows no
        decimals there: the retries of urllib3 raise `InvalidHeader`.
    :param token_rate_limit: Token requests a window, of all clients together. Beyond the limit the
        login service answers Genesys Cloud's 400 "rate limit exceeded". None is no limit.
    :param resource_limits: For each path, API requests a window that go to the path and to what is
        below it, of all tokens together. ``{"/api/v2/routing/queues": 100}``: beyond 100, a 429
        names ``queues.rate.per.minute`` of ``routing``. A refused request counts for the token, too.
    :param limit_in_body: Whether a 429 says in its body which limit was hit, as most of Genesys
        Cloud's do: ``"limit": {"key": ..., "namespace": ..., "value": ...}``.

    The sandbox knows one client, one organisation and these endpoints: ``/oauth/token`` of the login
    service; ``/api/v2/tokens/me``, ``/api/v2/tokens/timeout``, ``/api/v2/organizations/me``,
    ``/api/v2/users/me`` and ``/api/v2/routing/queues`` of the API. For tests there are two endpoints
    that need no token: ``/sandbox/status/<code>`` and ``/sandbox/redirect?to=<url>&status=<code>``.
    Three more need a token and take any method: ``/sandbox/echo``, ``/sandbox/slow?seconds=<n>`` and
    ``/sandbox/busy?seconds=<n>``, whose 429 is of a limit of its own. The 429 of
    ``/sandbox/status/429?seconds=<n>`` names no limit. A ``set-cookie=<name>=<value>`` in any query
    sets a cookie.
    """

    def __init__(
        self,
        *,
        lifetime: int = 86400,
        latency: float = 0.0,
        rate_limit: int | None = None,
        rate_window: float = MINUTE,
        token_rate_limit: int | None = None,
        resource_limits: Mapping[str, int] = {},
        limit_in_body: bool = True,
    ) -> None:
        self.client_id = f"sandbox-{secrets.token_hex(8)}"
        self.client_secret = secrets.token_urlsafe(24)
        self.login_url = ""
        self.api_url = ""
        #: A PEM file with the certificate to trust; it exists while the sandbox runs.
        self.ca_file = ""
        if not 0 < rate_window < math.inf:
            raise ValueError(f"rate_window is {rate_window!r}; it is a number of seconds above 0")
        limit = _limit_of("rate_limit", rate_limit, rate_window)
        token_limit = _limit_of("token_rate_limit", token_rate_limit, rate_window)
        resources = {
            path.rstrip("/") + "/": _limit_of_resource(path, allowed, rate_window)
            for path, allowed in resource_limits.items()
        }
        pair = self.client_id, self.client_secret
        self._login = LoginService(*pair, lifetime, latency, token_limit)
        self._api = Api(
            self._login.tokens, self.client_id, limit, resources, limit_in_body=limit_in_body
        )
        self._servers: list[Server] = []

    def __enter__(self) -> Self:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        handle, self.ca_file = tempfile.mkstemp(prefix="sandbox-ca-", suffix=".pem")
        with os.fdopen(handle, "wb") as file:
            file.write(authority.cert_pem.bytes())
        self._servers = [Server(service, context) for service in (self._login, self._api)]
        self.login_url, self.api_url = (server.url for server in self._servers)
        return self

    def __exit__(self, *_: object) -> None:
        while self._servers:
            self._servers.pop().stop()
        Path(self.ca_file).unlink()

    @property
    def environ(self) -> dict[str, str]:
        """Variables for a script that takes region and URLs from the environment."""
        return {
            "GENESYSCLOUD_OAUTHCLIENT_ID": self.client_id,
            "GENESYSCLOUD_OAUTHCLIENT_SECRET": self.client_secret,
            "GENESYSCLOUD_LOGIN_URL": self.login_url,
            "GENESYSCLOUD_API_URL": self.api_url,
            "REQUESTS_CA_BUNDLE": self.ca_file,
        }

    def revoke_all(self) -> None:
        """End every token issued so far, as an administrator or an idle time-out does."""
        self._login.tokens.revoke_all()

    def answer_tokens(
        self,
        count: int,
        status: int,
        body: str | bytes,
        headers: Mapping[str, str] = {},
    ) -> None:
        """Answer the next `count` token requests like this, whatever they send."""
        body = body.encode() if isinstance(body, str) else body
        self._login.scripted.extend([Reply(status, body, dict(headers))] * count)

    @property
    def token_requests(self) -> int:
        """How many tokens were asked for."""
        return self._login.count

    @property
    def api_requests(self) -> int:
        """How many requests the API has had."""
        return self._api.count

    @property
    def throttled_token_requests(self) -> int:
        """How many of the token requests were beyond `token_rate_limit`."""
        return self._login.throttled

    @property
    def throttled_requests(self) -> int:
        """How many of the requests to the API were answered 429, for whatever reason."""
        return self._api.throttled

    @property
    def token_exchanges(self) -> deque[Exchange]:
        """The last 10,000 requests to the login service."""
        return self._login.exchanges

    @property
    def api_exchanges(self) -> deque[Exchange]:
        """The last 10,000 requests to the API."""
        return self._api.exchanges


def _limit_of(name: str, allowed: int | None, seconds: float) -> RateLimit | None:
    """The limit for an option of this name; None is no limit."""
    if allowed is None:
        return None
    if allowed < 1:
        raise ValueError(f"{name} is {allowed!r}; it is 1 or more, or None")
    return RateLimit(allowed, seconds)


def _limit_of_resource(path: str, allowed: int, seconds: float) -> RateLimit:
    """The limit of a path. Few names of Genesys Cloud's own limits are known, so this makes one."""
    if not path.startswith("/"):
        raise ValueError(f"resource_limits: {path!r} is no path; it begins with a slash")
    if allowed < 1:
        raise ValueError(f"resource_limits[{path!r}] is {allowed!r}; it is 1 or more")
    parts = path.removeprefix("/api/v2").strip("/").split("/")
    name = f"{parts[-1]}.rate.per.minute", parts[0]
    return RateLimit(allowed, seconds, name)
