"""The steps, in the order in which a request takes them, up to the one that makes the rest pointless."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from ...errors import ConfigurationError, TokenError
from ...settings.client import Identity, Settings
from ...settings.environment import Environment
from ...settings.hosts import Hosts
from ...tokens.token import AccessToken
from ...util.clock import Clock
from ...util.secret import SecretBox
from .api import idle_timeout, rate_limit, who_am_i
from .bounded import TooLongError, within
from .call import Call, make_call
from .network import SLACK, Network, compare_clocks
from .origins import credentials_found, misconfigured, place_found, read_settings
from .report import Finding, Step, Trouble
from .route import routes_found
from .troubles import refused, stalled


class Walk:
    """One walk, and what it has found out so far.

    :param settings: As of an auth; what they leave open is read from the environment, once.
    :param for_a_name: Seconds that name resolution may take.
    :param call: What to call at the end, if anything.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock = Clock(),  # noqa: B008 -- immutable
        for_a_name: float = 10.0,
        call: Call | None = None,
    ) -> None:
        self._settings = settings
        self._call = call
        self._clock = clock
        self._network = Network(settings.token_timeout, clock, for_a_name)
        # Each found by one step, for those after it.
        self._environ: Environment
        self._identity: Identity
        self._place: Hosts
        self._proxy: SecretBox | None
        self._date: str | None
        self._token: AccessToken

    def steps(self) -> Iterator[Step]:
        """Take the steps, each when it is asked for; the last one may be a failure."""
        with self._network:
            for name, act in self._path():
                step = self._take(name, act)
                if step is None:
                    continue
                yield step
                if step.trouble and not step.trouble.passing:
                    return

    def _path(self) -> Iterator[tuple[str, Callable[[], Finding | None]]]:
        yield "settings", self._credentials
        yield "region", self._region
        network, place = self._network, self._place
        login, api = place.login_url, place.api_url
        yield "route", lambda: routes_found([network.route(url) for url in (login, api)])
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

    def _take(self, name: str, act: Callable[[], Finding | None]) -> Step | None:
        """The step, taken; None if it has nothing to say."""
        start = self._clock.monotonic()
        trouble = None
        try:
            found = act()
        except Trouble as problem:
            trouble = problem
            found = Finding(problem.finding, problem.details, problem.facts)
        if found is None:
            return None
        seconds = self._clock.monotonic() - start
        return Step(name, found.finding, seconds, found.details, found.facts, trouble)

    def _credentials(self) -> Finding:
        self._environ = read_settings(self._settings)
        self._identity, found = credentials_found(self._settings, self._environ)
        return found

    def _region(self) -> Finding:
        self._place, found = place_found(self._settings, self._environ)
        try:
            self._proxy = self._settings.proxy(self._environ)
        except ConfigurationError as error:
            raise misconfigured(error) from None
        if self._proxy is not None:
            self._network.go_by_proxy(self._proxy)
        return found

    def _login_service(self) -> Finding:
        found, self._date = self._network.shake_hands(self._place.login_url)
        return found

    def _ask_for_token(self) -> Finding:
        from ...tokens.request import request_token  # with oauthlib, now that it is needed

        timeout = self._settings.token_timeout
        try:
            self._token = within(
                sum(timeout) + SLACK,
                lambda: request_token(
                    self._identity,
                    self._place.token_url,
                    session=None,
                    timeout=timeout,
                    within=sum(timeout),
                    retry=False,
                    clock=self._clock,
                    proxy=self._proxy,
                ),
            )
        except TokenError as error:
            trouble = refused(error, self._identity, self._place)
        except TooLongError:
            trouble = stalled(self._place.login_host)
        else:
            hours, minutes = divmod(round(self._token.lifetime / 60), 60)
            text = f"granted, good for {hours} h {minutes} min"
            return Finding(text, facts={"lifetime_seconds": self._token.lifetime})
        raise trouble
