"""The steps of ``gc-requests-auth check``, in the order in which a request takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from ...causes.failure import Cause
from ...errors import ConfigurationError, LoginThrottledError, TokenError
from ...settings import Hosts, Identity, Settings
from ...tokens import AccessToken
from ...tokens.request import attempt_token_request
from ...tokens.response import FailedAttempt
from ...util import Clock, SecretBox
from .api import idle_timeout, rate_limit, who_am_i
from .call import Call, make_call
from .network import (
    SLACK_SECONDS,
    Network,
    TooLongError,
    compare_clocks,
    stalled,
    within,
)
from .origins import credentials_found, place_found, proxy_from
from .report import Finding, Status, Trouble, happened, in_options, misconfigured, report
from .route import routes_found


def check(given: Settings, call: Call | None, *, json: bool) -> int:
    """Take the steps of a request, and print a line for each; the exit status.

    :param given: What the options say; the rest comes from the environment.
    :param call: What to call at the end, if anything.
    """
    steps = []
    for step in Walk(given, call=call).steps():
        steps.append(step)
        if not json:
            print(step, flush=True)
    well = "All is well: this client can sign in and call the API from here"
    if call is None:
        well += "."
    elif call.is_sent:
        well += ", and the call is answered."
    else:
        well = "This client can sign in. The call was not sent: add --send to send it."
    return report(steps, json=json, well=well)


class Walk:
    """The steps of one request, and what they have found out so far.

    :param settings: As of an auth; what they leave open is read from the environment, once.
    :param for_a_name: Seconds that name resolution may take.
    :param call: What to call at the end, if anything.
    """

    # Each is found by one step, for the steps after it.
    _identity: Identity
    _place: Hosts
    _proxy: SecretBox | None
    _network: Network
    _date: str | None
    _token: AccessToken

    def __init__(
        self,
        settings: Settings,
        clock: Clock = Clock(),  # noqa: B008 -- immutable
        for_a_name: float = 10.0,
        call: Call | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._for_a_name = for_a_name
        self._call = call

    def steps(self) -> Iterator[Finding]:
        """Take the steps, each when it is asked for, up to a failure that makes the rest pointless."""
        for name, act in self._path():
            start = self._clock.monotonic()
            try:
                found = act()
            except Trouble as trouble:
                found = trouble.found
            except ConfigurationError as error:
                found = misconfigured(error).found
            if found is None:
                continue
            yield found._replace(step=name, seconds=self._clock.monotonic() - start)
            if not found.goes_on:
                return

    def _path(self) -> Iterator[tuple[str, Callable[[], Finding | None]]]:
        """The steps; None of a step that has nothing to say."""
        yield "settings", self._credentials
        yield "region", self._region
        network, place = self._network, self._place
        login, api = place.login_url, place.api_url
        yield "route", lambda: routes_found(network.route(login), network.route(api))
        yield "login DNS", lambda: network.resolve(login)
        yield "login TLS", self._login_service
        yield "clock", lambda: compare_clocks(self._date, self._clock)
        yield "token", self._ask_for_token
        if urlsplit(api).netloc != urlsplit(login).netloc:
            yield "API DNS", lambda: network.resolve(api)
            yield "API TLS", lambda: network.shake_hands(api)[0]
        yield "client", lambda: who_am_i(network, place, self._token)
        yield "idle time-out", lambda: idle_timeout(network, place, self._token)
        yield "rate limit", lambda: rate_limit(network, place, self._token)
        call = self._call
        if call is not None:
            yield "call", lambda: make_call(network, place, self._token, call)

    def _credentials(self) -> Finding:
        self._identity, found = credentials_found(self._settings)
        return found

    def _region(self) -> Finding:
        self._place, found = place_found(self._settings)
        self._proxy = self._settings.proxy()
        self._network = Network(
            self._settings.token_timeout,
            self._clock,
            self._for_a_name,
            self._proxy,
            proxy_from(self._settings),
        )
        return found

    def _login_service(self) -> Finding:
        found, self._date = self._network.shake_hands(self._place.login_url)
        return found

    def _ask_for_token(self) -> Finding:
        timeout = self._settings.token_timeout
        try:
            outcome = within(
                sum(timeout) + SLACK_SECONDS,
                lambda: attempt_token_request(
                    self._identity,
                    self._place.token_url,
                    session=None,
                    timeout=timeout,
                    clock=self._clock,
                    proxy=self._proxy,
                ),
            )
        except TooLongError:
            raise stalled(self._place.login_host) from None
        if isinstance(outcome, FailedAttempt):
            raise _refused(outcome)
        self._token = outcome
        hours, minutes = divmod(round(self._token.lifetime / 60), 60)
        text = f"granted, valid for {hours} h {minutes} min"
        return Finding(text, facts={"lifetime_seconds": self._token.lifetime})


def _refused(attempt: FailedAttempt) -> Trouble:
    """What the answer to the token request comes to."""
    error, row = attempt.error, attempt.failure
    status = Status.of(error)
    # The words of an OAuth error stand below; the error of any other answer says what came.
    tells = isinstance(error, LoginThrottledError) or error.error is not None
    finding = row.finding if tells else happened(error)[0]
    if status is Status.REFUSED:
        finding = f"refused: {finding}"
    details = [_words_of(error)] if error.status else []
    # The rows speak to scripts as well, and name arguments.
    causes = [Cause(one.cause, in_options(one.remedy)) for one in row.causes]
    return Trouble(finding, status, causes, *details)


def _words_of(error: TokenError) -> str:
    """The words of the answer, for those who ask Genesys Cloud Care."""
    said = [f"status {error.status}", error.error, error.description]
    said.append(f"correlation id {error.correlation_id}" if error.correlation_id else "")
    return f"{error.host} said: {', '.join(filter(None, said))}"
