"""A Genesys Cloud look-alike on loopback, with real TLS and a real OAuth server.

The double in our tests, the other side of the demo, and a tool for testing one's own scripts
offline::

    with GenesysCloudSandbox() as sandbox:
        subprocess.run([sys.executable, "script.py"], env={**os.environ, **sandbox.environ})

It imports nothing of the library around it: it is a witness, and must not share our mistakes.
Statuses, headers and bodies are those that Genesys' own clients and tools report. Needs the extra
``[sandbox]`` (trustme).
"""

from __future__ import annotations

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
from .limits import MINUTE, ResourceLimits, limit_of
from .login import LoginService
from .wire import Exchange, Reply, Server

__all__ = ["Exchange", "GenesysCloudSandbox"]


class GenesysCloudSandbox:
    """A login service and an API, each on its own free port of 127.0.0.1. A context manager.

    :param lifetime: Seconds, the ``expires_in`` of its tokens.
    :param latency: Seconds the login service takes for an answer.
    :param rate_limit: API requests a window that each token is allowed (Genesys Cloud: 300); None
        is no limit. All that a valid token sends counts, and beyond the limit is answered 429 with
        ``Retry-After``. No other answer says anything of a limit: Genesys Cloud removed its headers
        ``inin-ratelimit-*`` in June 2021 (developer forum, thread 10506).
    :param rate_window: Seconds of a window. One shorter than Genesys Cloud's minute plays it faster;
        the seconds it speaks of have decimals then, or a rounded one would cost half a window.
        HTTP knows no decimals in ``Retry-After``: the retries of urllib3 raise `InvalidHeader`.
    :param token_rate_limit: Token requests a window, of whomever; beyond it the login service
        answers Genesys Cloud's 400 "rate limit exceeded". None is no limit.
    :param resource_limits: For each path, API requests a window that go to the path and to what is
        below it, of all tokens together. ``{"/api/v2/routing/queues": 100}``: beyond 100, a 429
        names ``queues.rate.per.minute`` of ``routing``. What is refused counts for the token, too.
    :param limit_in_body: Whether a 429 says in its body which limit was hit, as most of Genesys
        Cloud's do: ``"limit": {"key": ..., "namespace": ..., "value": ...}``.

    It knows one client, one organisation and these endpoints: ``/oauth/token`` of the login
    service; ``/api/v2/tokens/me``, ``/api/v2/tokens/timeout``, ``/api/v2/organizations/me``,
    ``/api/v2/users/me`` and ``/api/v2/routing/queues`` of the API. For tests there are, for
    anybody, ``/sandbox/status/<code>`` and ``/sandbox/redirect?to=<url>&status=<code>``; for a
    token's bearer, any method of ``/sandbox/echo``, ``/sandbox/slow?seconds=<n>`` and
    ``/sandbox/busy?seconds=<n>``, whose 429 is of a limit of its own. The 429 of
    ``/sandbox/status/429?seconds=<n>`` never says of which. A ``set-cookie=<name>=<value>`` in any
    query sets a cookie.
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
        limit = limit_of("rate_limit", rate_limit, rate_window)
        token_limit = limit_of("token_rate_limit", token_rate_limit, rate_window)
        pair = self.client_id, self.client_secret
        self._login = LoginService(*pair, lifetime, latency, token_limit)
        resources = ResourceLimits(resource_limits, rate_window)
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
        """Variables that point a script here, if it takes region and URLs from the environment."""
        return {
            "GENESYSCLOUD_OAUTHCLIENT_ID": self.client_id,
            "GENESYSCLOUD_OAUTHCLIENT_SECRET": self.client_secret,
            "GENESYSCLOUD_LOGIN_URL": self.login_url,
            "GENESYSCLOUD_API_URL": self.api_url,
            "REQUESTS_CA_BUNDLE": self.ca_file,
        }

    def revoke_all(self) -> None:
        """Make every token issued so far worthless, as an administrator or an idle time-out does."""
        self._login.tokens.revoke_all()

    def answer_tokens(
        self,
        count: int,
        status: int,
        body: str | bytes,
        headers: Mapping[str, str] = {},
    ) -> None:
        """Answer the next `count` token requests like this, whatever they ask."""
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
