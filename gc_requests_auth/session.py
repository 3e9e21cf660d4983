"""The session: paths below the API, time-outs, retries, and redirects that keep tokens to own hosts."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.sessions import merge_setting

from .auth import GenesysCloudAuth
from .calls import Call, GenesysCloudAdapter, Pacing, other_hooks, refused_before
from .errors import ConfigurationError, GenesysCloudError, without_secrets
from .settings import url_below
from .stores import TokenStore
from .util import (
    ABSENT,
    USER_AGENT,
    CredentialsCallable,
    Secret,
    SecretBox,
    Vault,
    boxed,
    plain,
    proxies_and_ca_bundle,
    rewind,
)

logger = logging.getLogger("gc_requests_auth")

_ABSOLUTE = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")

#: Where `timeout` stands among the arguments of `Session.request`, behind method and URL.
_TIMEOUT_POSITION = 6

Timeout = float | tuple[float, float] | None


class GenesysCloudSession(requests.Session):
    """A `requests.Session` that is signed in to Genesys Cloud, for one organisation.

    The session completes paths: ``session.get("/api/v2/routing/queues")``. Calls have time-outs. The
    session tries calls again after a 429, and, if the method is idempotent, after 502 to 504 and
    broken connections. The first arguments, and the rule for redirects, are those of
    :class:`GenesysCloudAuth`. The token request uses proxies, verify, cert, trust_env and adapters of
    the session.

    :param auth: In place of the arguments that make an auth: an auth, for example of another session.
    :param timeout: Seconds to connect and to read, or one number for both, for each API call without
        ``timeout=``; None for no time-out.
    :param retries: How often a call is tried again; 0 for never.
    :param retry_after_max: Seconds. If an answer asks for a longer wait, the answer is returned.
    :param pool_size: How many connections to a host are kept: as many as threads call at once.
    :param pacing: What a call does when its token, or all tokens of a pool, may make no more requests
        for now: "wait" waits, `retry_after_max` at most; "raise" raises :class:`RateLimitError`;
        "off" sends the call.
    :raises ConfigurationError: as :class:`GenesysCloudAuth` does.
    :raises TypeError: if `auth` comes together with arguments that make an auth.
    """

    __attrs__ = [  # noqa: RUF012 -- as in requests
        *requests.Session.__attrs__,
        "timeout",
        "_warns_about_adapters",
        "_has_other_adapters",
    ]

    auth: GenesysCloudAuth
    #: Whether the log names an adapter that neither paces calls nor tries them again.
    _warns_about_adapters = False
    #: Whether there is such an adapter that the log has not named yet.
    _has_other_adapters = False

    def __init__(
        self,
        client_id: str = ABSENT,  # type: ignore[assignment]  # a sentinel: None is a mistake
        client_secret: str = ABSENT,  # type: ignore[assignment]
        *,
        auth: GenesysCloudAuth | None = None,
        credentials: CredentialsCallable | None = None,
        profile: str | None = None,
        region: str | None = None,
        login_url: str | None = None,
        api_url: str | None = None,
        store: TokenStore | None = None,
        token_timeout: float | tuple[float, float] = ABSENT,  # type: ignore[assignment]
        background_renewal: bool = ABSENT,  # type: ignore[assignment]
        tokens: int | None = None,
        rate_limit: int | None = ABSENT,  # type: ignore[assignment]  # a sentinel: None is no limit
        timeout: Timeout = (5, 60),
        retries: int = 3,
        retry_after_max: float = 180.0,
        pool_size: int = 32,
        pacing: Pacing = "wait",
    ) -> None:
        # As in the auth: if a later line raises, a traceback shows no secret.
        client_id, client_secret, region = map(boxed, (client_id, client_secret, region))
        profile, login_url, api_url = map(boxed, (profile, login_url, api_url))
        vault = Vault.of(credentials)
        del credentials
        auth_arguments: dict[str, Any] = {
            "client_id": client_id,
            "client_secret": client_secret,
            "credentials": vault,
            "profile": profile,
            "region": region,
            "login_url": login_url,
            "api_url": api_url,
            "store": store,
            "token_timeout": token_timeout,
            "background_renewal": background_renewal,
            "tokens": tokens,
            "rate_limit": rate_limit,
        }
        # None is the default of these arguments. For the others, None is an error or a real value.
        none_means_absent = {
            "credentials",
            "profile",
            "region",
            "login_url",
            "api_url",
            "store",
            "tokens",
        }
        given = [
            name
            for name, one in auth_arguments.items()
            if one is not ABSENT and not (one is None and name in none_means_absent)
        ]
        if auth is None:
            # The auth explains what is None by mistake.
            wanted = {name: one for name, one in auth_arguments.items() if one is not ABSENT}
            auth = GenesysCloudAuth(**wanted, session=self)
        elif given:
            raise TypeError(f"auth= says who signs in; it can not come with {', '.join(given)}")
        elif not isinstance(auth, GenesysCloudAuth):
            raise TypeError(f"auth must be a GenesysCloudAuth, not {type(auth).__name__}")
        super().__init__()
        self.auth = auth
        #: Seconds to connect and to read, of calls without ``timeout=``; None for no time-out.
        self.timeout = timeout
        self.headers["User-Agent"] = USER_AGENT
        adapter = GenesysCloudAdapter(
            retries=retries, retry_after_max=retry_after_max, pool_size=pool_size, pacing=pacing
        )
        self.mount("https://", adapter)
        self.mount(
            "http://", adapter
        )  # for calls without a token: the adapter is safe after a fork
        self._warns_about_adapters = pacing != "off" or retries > 0

    def mount(self, prefix: str, adapter: BaseAdapter) -> None:
        """Mount an adapter, as `requests.Session.mount` does.

        An adapter that is no :class:`GenesysCloudAdapter` neither paces calls nor tries them again.
        The log says so once, when a call goes that way.
        """
        super().mount(prefix, adapter)
        self._has_other_adapters = any(map(_is_other_adapter, self.adapters.values()))

    def _own_auth(self) -> GenesysCloudAuth | None:
        auth: object = self.auth  # the caller may have replaced session.auth
        return auth if isinstance(auth, GenesysCloudAuth) else None

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare a request as requests does, a path completed to a URL of the API.

        :raises requests.exceptions.InvalidURL: if the path would leave the API.
        """
        url: Any = request.url
        if not (isinstance(url, str) and url.startswith("https://")):
            url = self._complete(url)
            if url is not request.url:
                request = copy.copy(request)  # the request of the caller stays as it is
                request.url = url
        prepared = super().prepare_request(request)
        is_unsigned = not request.auth and Call.of(prepared) is None
        if is_unsigned and self._own_auth() is not None and not self._is_own_host(prepared):
            # The auth has left a foreign URL unsigned. Because there is an auth, requests has not looked
            # into ~/.netrc, nor at a user in the URL.
            prepared.prepare_auth(self._netrc_auth(prepared))
        return prepared

    def _complete(self, url: Any) -> Any:
        """The URL of a path of the API. A URL with a scheme, and what is no text, stays as it is."""
        url = url.decode() if isinstance(url, bytes) else url
        auth = self._own_auth()
        if isinstance(url, str) and auth is not None and not _ABSOLUTE.match(url):
            return url_below(auth._hosts.api_url, url)
        return url

    if not TYPE_CHECKING:  # pragma: no branch -- the signature is that of requests

        def request(self, method: str, url: Any, *arguments: Any, **options: Any) -> Any:
            """Send a request, as `requests.Session.request` does; ``timeout=None`` means none."""
            if len(arguments) <= _TIMEOUT_POSITION:
                options.setdefault("timeout", self.timeout)
            # Completed here, since `prepare_request` has to copy the whole request for that.
            if not (isinstance(url, str) and url.startswith("https://")):
                url = self._complete(url)
            return super().request(method, url, *arguments, **options)

    def merge_environment_settings(
        self, url: str, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> dict[str, Any]:
        """Requests calls this for every call. The result is that of requests; :mod:`.util.proxies` is faster."""
        proxy = self._proxy_to(url)
        if proxy is not None:
            proxies = {"https": plain(proxy), **(proxies or {})}
        if self.trust_env:
            no_proxy = proxies.get("no_proxy") if proxies is not None else None
            of_environment, ca_bundle = proxies_and_ca_bundle(url, no_proxy)
            if proxies is not None:
                for scheme, of_scheme in of_environment.items():
                    proxies.setdefault(scheme, of_scheme)
            if verify is True or verify is None:
                verify = ca_bundle or verify
        return {
            # requests takes 3 us to merge proxies, also if there are none.
            "proxies": merge_setting(proxies, self.proxies) if proxies or self.proxies else {},
            "stream": merge_setting(stream, self.stream),
            "verify": merge_setting(verify, self.verify),
            "cert": merge_setting(cert, self.cert),
        }

    def _proxy_to(self, url: str) -> SecretBox | None:
        """The proxy that the settings name, for an own host; None if the session has proxies."""
        auth = self._own_auth()
        if self.proxies or auth is None:
            return None
        try:
            proxy = auth._settings.proxy()
            return proxy if proxy is not None and auth._hosts.is_own_host(url) else None
        except ConfigurationError:  # no client or region is set, and so no own host is called
            return None

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a prepared request, as `requests.Session.send` does.

        :raises RegionMismatchError: if a redirect leads to another region.
        :raises requests.exceptions.UnrewindableBodyError: if a redirect 307 or 308 needs the body again,
            and the body can not be sent twice.
        """
        if "timeout" not in options:
            options["timeout"] = self.timeout
        if isinstance(getattr(request, "body", None), _UsedUp):
            raise requests.exceptions.UnrewindableBodyError(
                f"{request.url} is to be sent the same body, which can not be sent twice",
                request=request,
            )
        call = Call.of(request)
        if call is None:
            self._keep_token_to_own_hosts(request)
        elif call.url != request.url:
            _keep_to_own_hosts(call, request)
        if call is not None and self._has_other_adapters:
            self._tell_of_adapter(call, str(request.url))
        response = super().send(request, **options)
        # The call was neither redirected nor replayed; or a test double answers with no Response.
        if getattr(response, "request", request) is request:
            return response
        if response.history or refused_before(response):
            # Also where the history is empty: requests empties it for a redirect that is not followed.
            response.history = list(_with_refused([*response.history, response]))[:-1]
        return response

    def _keep_token_to_own_hosts(self, request: requests.PreparedRequest) -> None:
        """Take the token from a request whose response hook is gone and that goes to another host."""
        headers = getattr(request, "headers", None) or {}
        if isinstance(headers.get("Authorization"), Secret):
            auth = self._own_auth()
            if auth is None or not auth._hosts.takes_token(request.url or ""):
                del headers["Authorization"]

    def _tell_of_adapter(self, call: Call, url: str) -> None:
        adapter = self.get_adapter(url)
        if (
            self._warns_about_adapters
            and _is_other_adapter(adapter)
            and call.auth._hosts.takes_token(url)
        ):
            self._has_other_adapters = False
            logger.warning(
                "the adapter %s is mounted for %s: calls that it sends are neither paced nor tried again; mount a"
                " GenesysCloudAdapter, or a subclass (said once)",
                type(adapter).__name__,
                "/".join(url.split("/")[:3]),
            )

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Sign the next hop of a chain that has not left the own hosts; else do as requests does."""
        netrc = self._netrc_auth(prepared_request)
        self._keep_or_sign(prepared_request, response)
        if netrc is not None:
            prepared_request.prepare_auth(netrc)

    def _netrc_auth(self, request: requests.PreparedRequest) -> tuple[str, str] | None:
        """What ``~/.netrc`` says of a foreign host; None for an own host."""
        if not self.trust_env or self._is_own_host(request):
            return None
        return requests.utils.get_netrc_auth(str(request.url))

    def _is_own_host(self, request: requests.PreparedRequest) -> bool:
        """Whether this is a host of the call, or of the auth of the session."""
        url, call, auth = str(request.url), Call.of(request), self._own_auth()
        if call is not None and call.auth._hosts.is_own_host(url):
            return True
        try:
            return auth is not None and auth._hosts.is_own_host(url)
        except ConfigurationError:
            return False  # no region is set, and so no host is an own host

    def _keep_or_sign(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        call = Call.of(prepared_request)
        if call is not None and call.auth._hosts.takes_token(response.url):
            token = call.auth._tokens.living()
            if token is not None and call.auth._hosts.takes_token(prepared_request.url or ""):
                Call(call.auth, str(prepared_request.url), token).sign(prepared_request)
            return
        # The hook is usually gone by now. The answer of a test double or a cache may carry a request of
        # another chain, whose hook is still there.
        prepared_request.hooks = {"response": other_hooks(prepared_request)}
        headers = prepared_request.headers
        if "Authorization" in headers:
            before, after = str(response.request.url), str(prepared_request.url)
            if self.should_strip_auth(before, after):
                del headers["Authorization"]

    def rebuild_method(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Change the method as browsers do, and mark a body that can not be sent again."""
        super().rebuild_method(prepared_request, response)
        # Requests also calls this for a redirect that it will not follow. So `send` raises the error.
        if response.status_code in {307, 308} and not rewind(prepared_request):
            prepared_request.body = _UsedUp()


class _UsedUp:
    """Stands for a body that can not be sent again."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


def _is_other_adapter(adapter: object) -> bool:
    """Whether an adapter opens connections and is no adapter of ours. A test double opens none."""
    return isinstance(adapter, HTTPAdapter) and not isinstance(adapter, GenesysCloudAdapter)


def _keep_to_own_hosts(call: Call, request: requests.PreparedRequest) -> None:
    """Take the token from a request that a redirect has led elsewhere, before it is sent.

    :raises RegionMismatchError: if that is the API of another region.
    """
    hosts = call.auth._hosts
    if not hosts.takes_token(request.url or ""):
        # The token is taken away. What ~/.netrc says of a foreign host stays.
        if not str(request.headers.get("Authorization")).startswith("Basic "):
            request.headers.pop("Authorization", None)
        try:
            hosts.raise_if_mistaken(request.url or "")
        except GenesysCloudError as error:
            error.request = without_secrets(request)
            raise


def _with_refused(chain: list[requests.Response]) -> Iterator[requests.Response]:
    """The chain with the 401s that were replayed; requests loses these 401s when it follows a redirect."""
    for response in chain:
        for refused in refused_before(response):
            if all(refused is not one for one in chain):
                yield refused
        yield response
