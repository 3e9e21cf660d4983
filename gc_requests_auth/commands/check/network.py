"""The network under a request: names, certificates, clocks, and a session that follows nothing."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Self
from urllib.parse import urlsplit

import requests

from ...causes.failure import Cause
from ...tokens.request import HeaderAuth, go_by_proxy
from ...tokens.token import AccessToken
from ...util.bodies import BodyTooLongError, BodyTooSlowError, read_within
from ...util.clock import Clock
from ...util.http import USER_AGENT
from ...util.secret import SecretBox
from .bounded import TooLongError, within
from .certificates import issuer_shown
from .report import Finding, Status, Trouble, plain
from .route import Route
from .troubles import no_name, stalled, unreachable

#: Seconds added to a request's own time-outs, which bound each read and not the whole.
SLACK = 5.0

#: Seconds the clock may be off; certificates and signed links begin to fail soon after.
CLOCK_OFF = 300.0

#: Bytes of an answer that are read; what is asked here has a few hundred.
LONGEST_ANSWER = 128 * 1024


class Network:
    """The way requests goes from here, with the proxies and the CAs of the environment.

    :param timeout: Seconds to connect and seconds to read.
    :param for_a_name: Seconds that name resolution may take; a resolver that has lost its servers
        tries for half a minute.
    """

    def __init__(self, timeout: tuple[float, float], clock: Clock, for_a_name: float) -> None:
        self._timeout = timeout
        self._clock = clock
        self._for_a_name = for_a_name
        self._session = _Session()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def go_by_proxy(self, proxy: SecretBox) -> None:
        """Go by the proxy that a profile names, or Terraform's variables."""
        go_by_proxy(self._session, proxy)

    def route(self, url: str) -> Route:
        """The way to a URL.

        :raises Trouble: if a variable sends it nowhere.
        """
        return Route.to(url, self._session)

    def resolve(self, url: str) -> Finding:
        """Resolve the name of the host, or of the proxy that will do that for us.

        :raises Trouble: if it has no address.
        """
        route = self.route(url)
        note = f"; the proxy resolves {route.target[0]}" if route.proxy else ""
        if _is_address(route.host):
            return Finding(f"{route.host} is an address already{note}", facts={"addresses": []})
        try:
            found = within(self._for_a_name, lambda: socket.getaddrinfo(route.host, None))
        except TooLongError:
            what = f"no DNS server answers for {route.host} within {self._for_a_name:.0f} s"
        except (OSError, UnicodeError):  # UnicodeError: of a name that can be none
            what = f"{route.host} has no address"
        else:
            addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
            more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
            text = f"{route.host} is {', '.join(addresses[:3])}{more}{note}"
            return Finding(text, facts={"addresses": addresses})
        raise no_name(what, route)

    def shake_hands(self, url: str) -> tuple[Finding, str | None]:
        """Connect as a request does; whose certificate is shown, and the server's date.

        :raises Trouble: if there is no connection to be had, or none to be trusted.
        """
        route = self.route(url)
        answer = self.send("HEAD", f"{url}/")
        issuer = self._issuer(route)
        through = f", through {route.by} by CONNECT" if route.proxy else ""
        text = f"certificate issued by {issuer or 'an issuer that could not be read'}{through}"
        return Finding(text, facts={"issuer": issuer}), answer.headers.get("Date")

    def send(
        self,
        method: str,
        url: str,
        token: AccessToken | None = None,
        *,
        body: bytes | None = None,
        reads: Callable[[requests.Response], bool] = lambda _: True,
    ) -> requests.Response:
        """One request, in all no longer than its time-outs and a little.

        :param body: JSON.
        :param reads: Says whether the body of the answer is wanted.
        :raises Trouble: if the connection fails or stalls.
        :raises BodyTooLongError: if it answers more than anybody should read.
        """

        def send() -> requests.Response:
            answer = self._session.request(
                method,
                url,
                data=body,
                headers={} if body is None else {"Content-Type": "application/json"},
                auth=HeaderAuth(token and token.bearer),
                timeout=self._timeout,
                stream=True,
            )
            if method != "HEAD" and reads(answer):
                read_within(answer, LONGEST_ANSWER, seconds, self._clock.monotonic)
            answer.close()
            return answer

        seconds = sum(self._timeout)
        try:
            return within(seconds + SLACK, send)
        except (TooLongError, BodyTooSlowError):
            trouble = stalled(urlsplit(url).netloc)
        except BodyTooLongError:
            raise
        except Exception as problem:
            route = self.route(url)
            trouble = unreachable(problem, route, lambda: self._issuer(route))
        raise trouble

    def _issuer(self, route: Route) -> str | None:
        """Who signed the certificate that is shown there; None if it could not be read."""
        if route.proxy is not None and route.proxy.scheme != "http":
            return None  # TLS within TLS, or SOCKS
        (host, port), connect = route.target, self._timeout[0]
        try:
            found = within(
                sum(self._timeout), lambda: issuer_shown(host, port, route.proxy, connect)
            )
        except TooLongError:
            return None
        return found and plain(found, 200)


def compare_clocks(date: str | None, clock: Clock) -> Finding:
    """This machine's clock against a server's ``Date``.

    :raises Trouble: if they differ by more than `CLOCK_OFF`.
    """
    try:
        there = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return Finding("not compared, since the server sends no date", facts={"ahead": None})
    ahead = clock.wall() - there
    facts = {"ahead": round(ahead, 1)}
    if abs(ahead) < 2:  # a Date has whole seconds, and was a while on its way
        return Finding("as the server's", facts=facts)
    text = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's"
    if abs(ahead) <= CLOCK_OFF:
        return Finding(text, facts=facts)
    cause = Cause(
        f"The clock of this machine is {text}",
        "Set it, by NTP for instance: certificates and signed links are judged by it.",
    )
    raise Trouble(text, Status.MISCONFIGURED, [cause], passing=True)


class _Session(requests.Session):
    """Goes where and how requests goes, and looks at no redirect: malformed ones raise."""

    def __init__(self) -> None:
        super().__init__()
        self.headers["User-Agent"] = USER_AGENT

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None is followed."""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
