"""Never executed: the public API as people use it, for mypy to read."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import redis
import requests

from gc_requests_auth import (
    ConfigurationError,
    CredentialsCommand,
    CredentialsRefusedError,
    FileTokenStore,
    GenesysCloudAdapter,
    GenesysCloudAuth,
    GenesysCloudError,
    GenesysCloudSession,
    GrantTypeError,
    LoginThrottledError,
    LoginTimeoutError,
    LoginUnreachableError,
    RateLimitError,
    RedisTokenStore,
    RegionMismatchError,
    TokenError,
    TokenStore,
    __version__,
    explain,
)
from gc_requests_auth.sandbox import GenesysCloudSandbox

version: str = __version__

# Every way to construct one.
GenesysCloudAuth()
GenesysCloudAuth("id", "secret")
GenesysCloudAuth("id", "secret", region="eu-west-1")
GenesysCloudAuth(client_id="id", client_secret="secret", region="mypurecloud.ie")
GenesysCloudAuth(credentials=lambda: ("id", "secret"), region="EUW2")
GenesysCloudAuth(profile="prod", region=None)
GenesysCloudAuth(credentials=CredentialsCommand("vault read kv", client_id="id"))
GenesysCloudAuth(credentials=CredentialsCommand(["vault", "read"], timeout=5))
GenesysCloudAuth("id", "secret", login_url="https://l", api_url="https://a")
GenesysCloudAuth(session=requests.Session(), token_timeout=5)
GenesysCloudAuth(token_timeout=(3.05, 10))
GenesysCloudAuth(store=FileTokenStore(), background_renewal=False)
GenesysCloudAuth(tokens=10, rate_limit=600)
GenesysCloudAuth(rate_limit=None)
GenesysCloudAuth("id", "secret", tokens=None)
GenesysCloudAuth(tokens="10")  # type: ignore[arg-type]
GenesysCloudAuth(pacing="wait")  # type: ignore[call-arg]  # a bare auth never waits
GenesysCloudAuth(store="a path")  # type: ignore[arg-type]
GenesysCloudAuth("id", None)  # type: ignore[arg-type]  # os.getenv() of an unset variable
GenesysCloudAuth("id", "secret", regoin="eu-west-1")  # type: ignore[call-arg]  # a misspelling
GenesysCloudAuth("id", "secret", token_timeout=None)  # type: ignore[arg-type]

# Every way to use one.
auth = GenesysCloudAuth()
requests.get("https://api.mypurecloud.ie/api/v2/routing/queues", auth=auth, timeout=30)
session = requests.Session()
session.auth = auth
token: str = auth.access_token()
token = auth.access_token(rejected=token)
left: float | None = auth.expires_in
auth.forget()
client_id: str = auth.client_id
region: str | None = auth.region
urls: tuple[str, str] = auth.login_url, auth.api_url
auth.region = "eu-west-1"  # type: ignore[misc]  # read-only
_ = {auth: "hashable"}


# Stores, the built-in ones and one's own.
class Own(TokenStore):
    def get(self, key: str) -> str | None: ...
    def set(self, key: str, value: str, ttl: float) -> None: ...
    def delete(self, key: str) -> None: ...


stores: list[TokenStore] = [FileTokenStore(), FileTokenStore(Path("tokens")), Own()]
shared: TokenStore = RedisTokenStore(redis.Redis(socket_timeout=2), prefix="p:", lock_term=30)

# The session: all of the above but session=, and its own.
GenesysCloudSession()
GenesysCloudSession("id", "secret", region="eu-west-1", token_timeout=5)
GenesysCloudSession(
    credentials=lambda: ("id", "secret"), login_url="https://l", api_url="https://a"
)
GenesysCloudSession(profile="prod")
GenesysCloudSession(auth=auth, timeout=None, retries=0, retry_after_max=60.0, pool_size=64)
GenesysCloudSession(store=FileTokenStore("tokens"), background_renewal=False)
GenesysCloudSession(tokens=10, rate_limit=600, pacing="raise")
GenesysCloudSession(rate_limit=None)
GenesysCloudSession(pacing="wait")
GenesysCloudSession(pacing="off")
GenesysCloudSession(pacing="never")  # type: ignore[arg-type]
GenesysCloudSession(session=requests.Session())  # type: ignore[call-arg]  # it is one itself
drop_in: requests.Session = GenesysCloudSession(timeout=(3.05, 30))
with GenesysCloudSession(timeout=30) as signed_in:
    response: requests.Response = signed_in.get(
        "/api/v2/users", params={"pageSize": 100}, timeout=5
    )
    response = signed_in.post("/api/v2/users/search", json={"query": []}, stream=True)
    response = signed_in.request("DELETE", "/api/v2/tokens/me", timeout=None)
    response = signed_in.send(signed_in.prepare_request(requests.Request("GET", "/api/v2/users")))
    token = signed_in.auth.access_token(rejected=signed_in.auth.access_token())

# The adapter: of a session of ours, of a plain one, and derived from.
GenesysCloudAdapter()
adapter: requests.adapters.HTTPAdapter = GenesysCloudAdapter(
    retries=0,
    retry_after_max=60.0,
    pool_size=64,
    pacing="off",
    ssl_context=ssl.create_default_context(),
)
drop_in.mount("https://", adapter)
GenesysCloudAdapter(pacing="never")  # type: ignore[arg-type]
GenesysCloudAdapter(3)  # type: ignore[call-arg]  # by keyword only


class Derived(GenesysCloudAdapter):
    def send(
        self, request: requests.PreparedRequest, *arguments: Any, **options: Any
    ) -> requests.Response:
        return super().send(request, *arguments, **options)


try:
    auth.access_token()
except CredentialsRefusedError as error:
    described: str | None = error.description
except (GrantTypeError, LoginThrottledError, LoginTimeoutError, LoginUnreachableError):
    pass
except RegionMismatchError as error:
    message: str = str(error)
except ConfigurationError as error:
    misuse: ValueError = error
except RateLimitError as error:
    seconds: float = error.retry_after
except TokenError as error:
    status: int | None = error.status
    code: str | None = error.error
    reference: str | None = error.correlation_id
    host: str | None = error.host
except GenesysCloudError as error:
    again: bool = error.retryable
    caught: requests.RequestException = error

limits = GenesysCloudSandbox(
    rate_limit=60,
    rate_window=2,
    token_rate_limit=None,
    resource_limits={"/api/v2/users": 20},
    limit_in_body=False,
)
throttled: int = limits.throttled_requests + limits.throttled_token_requests
with GenesysCloudSandbox(lifetime=300, latency=0.4) as sandbox:
    environ: dict[str, str] = sandbox.environ
    sandbox.revoke_all()
    sandbox.answer_tokens(1, 503, "<html>", {"Content-Type": "text/html"})
    counts: tuple[int, int] = sandbox.token_requests, sandbox.api_requests

# What a failed call means.
told: str = explain(requests.Response())
told = explain(requests.HTTPError())
told = explain(ConfigurationError(""))
