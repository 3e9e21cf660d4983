"""The network under a request: names, certificates, the clock, and a session that follows nothing."""

from __future__ import annotations

import ipaddress
import math
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar
from urllib.parse import urlsplit

import requests

from ...causes import network as rows
from ...causes.exception import no_address
from ...causes.failure import Cause, Failure
from ...tokens import AccessToken
from ...tokens.request import send_as
from ...tokens.unreachable import failed_attempt_of
from ...util import BodyTooLongError, BodyTooSlowError, Clock, SecretBox, chain_of, read_within
from .report import Finding, Status, Trouble, plain
from .route import Route, issuer_shown

#: Seconds added to a request's own time-outs, which bound each read and not the whole.
SLACK_SECONDS = 5.0

#: Seconds the clock may be off; certificates and signed links begin to fail soon after.
CLOCK_OFF_SECONDS = 300.0

#: Seconds for which a wait does not hear Ctrl-C on Windows.
SLICE_SECONDS = 0.2

#: Bytes of an answer that are read; what is asked here has a few hundred.
LONGEST_ANSWER = 64 * 1024

Result = TypeVar("Result")


#: What a thread has come to: what its work returned, or what it raised.
Outcomes = SimpleQueue[tuple[Result | None, BaseException | None]]


class TooLongError(Exception):
    """The work took too long, and was left behind."""


def start(work: Callable[[], Result], outcomes: Outcomes[Result]) -> None:
    """Do the work in a thread of its own, a daemon: Ctrl-C and the end of Python need not wait for it."""

    def run() -> None:
        try:
            outcomes.put((work(), None))
        except BaseException as problem:
            outcomes.put((None, problem))

    Thread(target=run, daemon=True).start()


def next_of(outcomes: Outcomes[Result], seconds: float = math.inf) -> Result:
    """What the next thread that ends has returned or raised.

    :raises TooLongError: after so many seconds.
    """
    while True:
        try:
            # In slices: before Python 3.14, Ctrl-C does not end the wait on Windows (cpython 80116).
            result, problem = outcomes.get(timeout=min(seconds, SLICE_SECONDS))
            break
        except Empty:
            seconds -= SLICE_SECONDS
            if seconds <= 0:
                raise TooLongError from None
    if problem is not None:
        raise problem
    return result  # type: ignore[return-value]  # None only if the work returned that


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What `work` returns or raises, if it does so in time.

    Name resolution has no time-out, and the time-outs of a socket are for each read.

    :raises TooLongError: after so many seconds.
    """
    outcomes: Outcomes[Result] = SimpleQueue()
    start(work, outcomes)
    return next_of(outcomes, seconds)


class Network:
    """The way that requests takes from here, with the proxies and the CAs of the environment.

    :param timeout: Seconds to connect and seconds to read.
    :param for_a_name: Seconds that name resolution may take; a resolver that has lost its servers
        tries for half a minute.
    :param proxy: The proxy that a profile names, or Terraform's variables.
    :param proxy_from: The key of the profile, or the variable.
    """

    def __init__(
        self,
        timeout: tuple[float, float],
        clock: Clock,
        for_a_name: float,
        proxy: SecretBox | None = None,
        proxy_from: str | None = None,
    ) -> None:
        self._timeout = timeout
        self._clock = clock
        self._for_a_name = for_a_name
        self._proxy = proxy
        self._proxy_from = proxy_from

    def _session(self) -> requests.Session:
        """One that closes each connection, and looks at no redirect: malformed redirects raise."""
        session = requests.Session()
        send_as(None, session, self._proxy)
        return session

    def route(self, url: str) -> Route:
        """The way to a URL.

        :raises Trouble: if the URL of the proxy makes no sense.
        """
        return Route.to(url, self._session(), self._proxy_from)

    def resolve(self, url: str) -> Finding:
        """Resolve the name of the host, or the name of the proxy, which then resolves the host.

        :raises Trouble: if the name has no address.
        """
        route = self.route(url)
        note = f"; the proxy resolves {route.target[0]}" if route.proxy else ""
        with suppress(ValueError):
            ipaddress.ip_address(route.host)
            return Finding(f"{route.host} is an address already{note}", facts={"addresses": []})
        try:
            found = within(self._for_a_name, lambda: socket.getaddrinfo(route.host, None))
        except TooLongError:
            what = f"no DNS server answers for {route.host} within {self._for_a_name:.0f} s"
        except (OSError, UnicodeError):  # UnicodeError: the text can be no name
            what = f"{route.host} has no address"
        else:
            addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
            more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
            text = f"{route.host} is {', '.join(addresses[:3])}{more}{note}"
            return Finding(text, facts={"addresses": addresses})
        row = rows.NO_ADDRESS_OF_PROXY if route.proxy else no_address(route.host)
        facts = {"setting": route.proxy_setting}
        raise Trouble(what, Status.UNREACHABLE, row.filled(facts).causes)

    def shake_hands(self, url: str) -> tuple[Finding, str | None]:
        """Connect as a request does; who issued the certificate, and the date of the server.

        :raises Trouble: if there is no connection, or the certificate is not trusted.
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
        :raises Trouble: if the connection fails or stalls, or the answer does not end.
        """

        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            if token is not None:
                request.headers["Authorization"] = token.header
            return request

        def send() -> requests.Response:
            with self._session() as session:
                answer = session.request(
                    method,
                    url,
                    data=body,
                    headers={} if body is None else {"Content-Type": "application/json"},
                    auth=sign,  # also without a token: any auth= keeps a netrc entry out
                    timeout=self._timeout,
                    stream=True,
                )
                if method != "HEAD" and reads(answer):
                    read_within(answer, LONGEST_ANSWER, seconds, self._clock.monotonic)
                answer.close()
                return answer

        seconds, host = sum(self._timeout), urlsplit(url).netloc.rpartition("@")[2]
        try:
            return within(seconds + SLACK_SECONDS, send)
        except (TooLongError, BodyTooSlowError):
            raise stalled(host) from None
        except BodyTooLongError:
            row = rows.NOT_THE_API.filled({"host": host, "kind": "far more than was asked for"})
            raise of_failure(row, Status.MISCONFIGURED) from None
        except Exception as problem:
            raise self._unreachable(problem, self.route(url)) from None

    def _unreachable(self, problem: Exception, route: Route) -> Trouble:
        """What a broken connection comes to.

        :raises Exception: `problem` itself, if it is none of requests.
        """
        host, port = route.target
        facts = {"target": f"{host}:{port}", "proxy": route.by, "setting": route.proxy_setting}
        chain = chain_of(problem)
        refused = next(
            (one for one in chain if isinstance(one, ssl.SSLCertVerificationError)), None
        )
        details = []
        if refused is not None:
            facts["issuer"] = self._issuer(route) or "somebody whose name could not be read"
            facts["trusted"] = route.ca_shown or "those of certifi"
            details.append(f"OpenSSL says: {refused.verify_message.rstrip('.')}.")
        failed = failed_attempt_of(problem, route.url, **facts)
        if failed is None:
            raise problem
        status = Status.MISCONFIGURED if failed.error._of_settings else Status.UNREACHABLE
        return of_failure(failed.failure, status, *details)

    def _issuer(self, route: Route) -> str | None:
        """Who signed the certificate that the host shows; None if it could not be read."""
        try:
            found = within(sum(self._timeout), lambda: issuer_shown(route, self._timeout[0]))
        except TooLongError:
            return None
        return found and plain(found, 200)


def of_failure(row: Failure, status: Status, *details: str) -> Trouble:
    """A filled row of the table of causes as a trouble."""
    return Trouble(row.finding, status, row.causes, *details)


def stalled(host: str) -> Trouble:
    """A connection that was taken, and no answer."""
    return of_failure(rows.STALLED.filled({"host": host}), Status.UNREACHABLE)


def compare_clocks(date: str | None, clock: Clock) -> Finding:
    """The clock of this machine against the ``Date`` of a server; a wrong clock does not end the walk."""
    try:
        there = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return Finding("not compared, since the server sends no date", facts={"ahead": None})
    ahead = clock.wall() - there
    facts = {"ahead": round(ahead, 1)}
    if abs(ahead) < 2:  # a Date has whole seconds, and was a while on its way
        return Finding("the same as the server's", facts=facts)
    text = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's"
    if abs(ahead) <= CLOCK_OFF_SECONDS:
        return Finding(text, facts=facts)
    cause = Cause(
        f"The clock of this machine is {text}",
        "Set the clock, by NTP for instance: it decides whether certificates and signed links are"
        " valid.",
    )
    return Finding(text, (), facts, Status.MISCONFIGURED, (cause,))
