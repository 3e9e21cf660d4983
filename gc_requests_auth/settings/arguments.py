"""The arguments of an auth, and the settings that replace missing arguments: who signs in, and where."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ConfigurationError
from ..util import ABSENT, Absent, SecretBox, Vault, forks, plain
from .client import Identity, ask, text_of
from .environment import (
    API_URL,
    GATEWAY,
    LOGIN_URL,
    POOL_SIZE,
    PROFILE,
    PROXY,
    RATE_LIMIT,
    REGION_VARIABLES,
    Environment,
    Family,
    Pieces,
    not_used,
    read_environment,
    unused_clients,
    what_is_missing,
    whole_family,
)
from .hosts import SUFFIXES, Hosts, base_url, gateway_urls, proxy_url
from .profiles import read_profile
from .regions import HOW_TO_FIND, parse_region

logger = logging.getLogger("gc_requests_auth")

T = TypeVar("T")

#: As many tokens of one client as Genesys' Terraform provider takes (``token_pool_size``).
MOST_TOKENS = 50

#: Requests that Genesys Cloud allows one token in a minute
#: (``client.credentials.token.rate.per.minute``).
REQUESTS_A_MINUTE = 300

#: A token keeps a list of so many permits: 8 MB.
MOST_REQUESTS = 1_000_000

#: The attributes of Settings that travel with a copy or a pickle.
_ARGUMENTS = (
    *("identity_given", "credentials", "profile", "region", "login_url", "api_url"),
    *("token_timeout", "tokens", "requests_a_minute"),
)


class Settings:
    """The arguments of an auth, and the settings that replace missing arguments.

    Arguments are checked at once. Environment and profile are read when they are needed, again and
    again until they name a client (load_dotenv() may run late). After that they are not read again.

    :func:`boxed` puts every text into a box before it is passed.

    :raises ConfigurationError: naming the argument, never its value.
    """

    #: The variables, or the keys of a profile, that say who signs in. None until they are read, and
    #: where arguments say it.
    family: Family | None = None
    #: The file of the profile, if others on this machine can read it.
    exposed: Path | None = None
    #: The variables and the keys of a profile; None until the client is known.
    _environment: Environment | None = None
    _proxy: SecretBox | None = None
    _proxy_is_known = False

    def __init__(
        self,
        client_id: Any = ABSENT,
        client_secret: Any = ABSENT,
        *,
        credentials: Vault | None = None,
        profile: Any = None,
        region: Any = None,
        login_url: Any = None,
        api_url: Any = None,
        token_timeout: Any = (5, 15),
        tokens: Any = None,
        rate_limit: Any = ABSENT,
    ) -> None:
        if (client_id is ABSENT) != (client_secret is ABSENT):
            given, missing = "client_id", "client_secret"
            if client_id is ABSENT:
                given, missing = missing, given
            raise ConfigurationError(
                f"{given} is given, {missing} is not: pass both, or leave out both to read the"
                " environment."
            )
        if [client_id is ABSENT, credentials is None, profile is None].count(False) > 1:
            raise ConfigurationError(
                "Credentials come from one source: pass client_id and client_secret, or"
                " credentials=, or profile=, and nothing of the others."
            )
        if credentials is not None and not callable(credentials.ask):
            raise ConfigurationError(
                "credentials= must be a function that returns (client_id, client_secret), not"
                f" {type(credentials.ask).__name__}."
            )
        if profile is not None and not text_of("profile", profile).open().strip():
            raise ConfigurationError("profile is empty; leave it out to read the environment.")
        #: None: ask `credentials`, or else `profile`, or else the environment.
        self.identity_given: Identity | None = None
        if client_id is not ABSENT:
            names = ("client_id", "client_secret")
            self.identity_given = Identity.checked(client_id, client_secret, names)
        self.credentials = credentials
        self.profile: SecretBox | None = profile
        self.region = None if region is None else parse_region(text_of("region", region))
        self.login_url = _base("login_url", login_url, 0)
        self.api_url = _base("api_url", api_url, 1)
        #: Seconds to connect and seconds to read.
        self.token_timeout = _timeout_pair(token_timeout)
        #: How many tokens may be used side by side; None if no argument says it.
        self.tokens: int | None = tokens
        if tokens is not None:
            _whole_number("tokens", tokens, _POOL_SIZES, MOST_TOKENS)
        #: Of one token; ABSENT if no argument says it, None for no count.
        self.requests_a_minute: int | Absent | None = rate_limit
        if rate_limit is not ABSENT and rate_limit is not None:
            _whole_number("rate_limit", rate_limit, f"{_RATES}; None for no count", MOST_REQUESTS)
        self._take_from_arguments()

    def _take_from_arguments(self) -> None:
        """Find out what follows from the arguments alone."""
        #: What :meth:`hosts` returns, once it is known.
        self.known_hosts: Hosts | None = None
        if self.region is not None or None not in (self.login_url, self.api_url):
            self.known_hosts = Hosts(self.region, self.login_url, self.api_url)
        #: Id and name of the client. The secret is not kept: a vault gives a secret for one request.
        given = self.identity_given
        self._client = None if given is None else (given.client_id, given.name)

    def __getstate__(self) -> dict[str, Any]:
        # What was read stays behind: a copy, or the process that loads a pickle, reads it again.
        return {name: vars(self)[name] for name in _ARGUMENTS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._take_from_arguments()

    # -- who signs in -----------------------------------------------------------------------------

    @property
    def uses_environment(self) -> bool:
        """Whether the environment says who signs in."""
        return self.identity_given is None and self.credentials is None and self.profile is None

    def identity(self) -> Identity:
        """Who signs in now. A vault is asked each time; all else stays as it is.

        :raises ConfigurationError: if no source names a client; the text names the variables.
        """
        environ = self.environment()
        if self.identity_given is not None:
            identity = self.identity_given
        elif self.credentials is not None:
            identity = ask(self.credentials)
        elif self.family is not None and environ is self._environment:
            fields = self.family.pair
            identity = Identity.checked(environ[fields[0]], environ[fields[1]], fields)
        else:
            raise ConfigurationError(what_is_missing(environ))
        self._client = identity.client_id, identity.name
        return identity

    def client_id(self) -> str:
        """The client; of a vault, the client that the vault named last."""
        return plain(self._client[0] if self._client else self.identity().client_id)

    def is_of_vault(self, error: Exception) -> bool:
        """Whether the `credentials=` function has raised this error."""
        return self.credentials is not None and self.credentials.error is error

    def description(self) -> str | None:
        """Client and place in a few words; None while they are not known. Reads nothing."""
        hosts, client = self.known_hosts, self._client
        if hosts is None or client is None:
            return None
        return f"client {client[1]} at {hosts.region or hosts.login_host}"

    # -- where ------------------------------------------------------------------------------------

    def hosts(self) -> Hosts:
        """Where tokens come from and may go.

        URLs of the environment count only beside a region of the environment: no forgotten variable
        may redirect the region that an argument names.

        :raises ConfigurationError: if no source names a region.
        """
        if self.known_hosts is not None:
            return self.known_hosts
        environ = self.environment()
        login_url = self.login_url or self._url(environ, 0)
        api_url = self.api_url or self._url(environ, 1)
        both = login_url is not None and api_url is not None
        named = None if both else self.region_variable(environ)
        region = _called(named, lambda: parse_region(environ[named])) if named else None
        if region is None and not both:
            raise self._without_region(environ)
        hosts = Hosts(region, login_url, api_url)
        if environ is self._environment:
            self.known_hosts = hosts
        return hosts

    def _without_region(self, environ: Environment) -> ConfigurationError:
        login_url, api_url = self.url_variables(environ)
        login_url = "login_url" if self.login_url else login_url
        url = login_url or ("api_url" if self.api_url else api_url)
        only = f" Only {url} is given." if url else ""
        missing = (
            "No Genesys Cloud region. There is no default: Genesys Cloud gives the same error for a wrong"
            f" region as for a wrong secret.{only} Pass region= or set {REGION_VARIABLES[0]}."
            f" {HOW_TO_FIND}"
        )
        if self.uses_environment and self.family is None:
            return ConfigurationError(f"{what_is_missing(environ)} {missing}")
        used = self.family.pair if self.family else ()
        unused = not_used(environ, {*used, url or "", POOL_SIZE, RATE_LIMIT})
        return ConfigurationError(f"{missing} {unused}" if unused else missing)

    def region_variable(self, environ: Environment) -> str | None:
        """The variable, or the key of a profile, that names the region where no argument does."""
        return _first((*(self.family.regions if self.family else ()), *REGION_VARIABLES), environ)

    def url_variables(self, environ: Environment) -> tuple[str | None, str | None]:
        """What names the URLs of login service and API, where no argument does.

        None if the region decides the URL.

        First our own variables count, then a gateway, then the variables of a family. The latter
        count with the pair of the family alone, and not beside a region of the family: people who
        set GENESYS_REGION use GENESYS_BASE_URL for other things.
        """
        gateway, family = self._gateway(environ).host, self.family
        urls = ("", "")
        if family is not None and not any(map(environ.get, family.regions)):
            urls = family.urls
        return (
            _first((LOGIN_URL, gateway, urls[0]), environ),
            _first((API_URL, gateway, urls[1]), environ),
        )

    def _url(self, environ: Environment, which: int) -> str | None:
        """The URL of the login service (0) or of the API (1) that environment or profile name."""
        name = self.url_variables(environ)[which]
        gateway = self._gateway(environ)
        if name == gateway.host:
            return gateway_urls(gateway, environ)[which]
        return None if name is None else _base(name, environ[name], which)

    def _gateway(self, environ: Environment) -> Pieces:
        """The names of the pieces of a gateway. The gateway of a profile comes first."""
        family = self.family
        return family.gateway if family and environ.get(family.gateway.host) else GATEWAY

    def proxy(self) -> SecretBox | None:
        """The URL of the proxy that environment or profile name for Genesys Cloud, with its password.

        :raises ConfigurationError: naming the piece that makes no sense.
        """
        if not self._proxy_is_known:
            environ = self.environment()
            own = proxy_url(self.family.proxy, environ) if self.family else None
            self._proxy = own or proxy_url(PROXY, environ)
            self._proxy_is_known = environ is self._environment
        return self._proxy

    # -- how many ---------------------------------------------------------------------------------

    def token_pool_size(self) -> int | None:
        """How many tokens may be used side by side; None while the client is unknown.

        :raises ConfigurationError: naming the variable that makes no sense.
        """
        if self.tokens is not None:
            return self.tokens
        environ = self.environment()
        said = environ.get(POOL_SIZE)
        if environ is not self._environment:
            return None
        if not said:
            return 1
        return _whole_number(POOL_SIZE, _number_in(said.open()), _POOL_SIZES, MOST_TOKENS)

    def rate_limit(self) -> int | None:
        """How many requests one token may make in a minute; None for no count.

        :raises ConfigurationError: naming the variable that makes no sense.
        """
        if not isinstance(self.requests_a_minute, Absent):
            return self.requests_a_minute
        said = self.environment().get(RATE_LIMIT)
        if not said:
            return REQUESTS_A_MINUTE
        if plain(said).strip().lower() == "off":
            return None
        number = _number_in(plain(said).strip())
        return _whole_number(RATE_LIMIT, number, f'{_RATES}, or "off"', MOST_REQUESTS)

    # -- environment and profile ------------------------------------------------------------------

    def environment(self) -> Environment:
        """The variables that are set and, if a profile says who signs in, its keys.

        :raises ConfigurationError: if the profile has no usable client.
        """
        if self._environment is not None:
            return self._environment
        warnings: list[str] = []
        with forks.no_fork():  # one thread reads
            environ = self._read(warnings)
        # After the lock: a handler of the log may wait for a thread that waits for the lock.
        for warning in warnings:
            logger.warning(warning)
        return environ

    def _read(self, warnings: list[str]) -> Environment:
        if self._environment is not None:  # another thread was faster
            return self._environment
        environ, profile = read_environment(), self.profile
        if self.uses_environment:
            self.family = whole_family(environ)
            profile = environ.get(PROFILE) if self.family is None else None
            if self.family is None and not profile:
                return environ
        if profile:
            named_by = "" if self.profile else PROFILE
            self.family, keys, self.exposed = _called(named_by, lambda: read_profile(profile))
            environ = {**environ, **keys}
            if self.exposed is not None:
                warnings.append(f"others can read the secrets in {self.exposed}: chmod 600 it")
        if self.uses_environment and self.family is not None:
            warnings += unused_clients(self.family, environ)
        urls = LOGIN_URL, API_URL, self._gateway(environ).host
        names = [name for name in urls if environ.get(name)]
        if self.region is not None and names:
            verb = "is" if len(names) == 1 else "are"
            warnings.append(f"region= is given, and so {' and '.join(names)} {verb} not used")
        # Last: another thread that sees the environment needs the family with it.
        self._environment = environ
        return environ


def _base(field: str, url: Any, which: int) -> str | None:
    """The base URL of the login service (0) or of the API (1)."""
    return None if url is None else base_url(field, text_of(field, url), suffix=SUFFIXES[which])


def _called(name: str, ask: Callable[[], T]) -> T:
    """The answer; an error begins with the name of the setting, if there is a name."""
    try:
        return ask()
    except ConfigurationError as error:
        problem = str(error)
    raise ConfigurationError(f"{name}: {problem}" if name else problem)


def _first(names: Iterable[str], environ: Environment) -> str | None:
    """The first of the names that is set."""
    return next((name for name in names if environ.get(name)), None)


_POOL_SIZES = f"from 1 to {MOST_TOKENS}"
_RATES = f"of requests a minute, from 1 to {MOST_REQUESTS}"


def _whole_number(field: str, value: Any, wanted: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ConfigurationError(f"{field} must be a whole number {wanted}.")
    return value


def _number_in(text: str) -> int | None:
    """The number that a variable holds; None if it holds none."""
    return int(text[:9]) if text.isdecimal() else None


def _timeout_pair(timeout: Any) -> tuple[float, float]:
    """Seconds to connect and to read."""
    pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    sound = [
        type(one) is not bool and isinstance(one, int | float) and 0 < one < 86400 for one in pair
    ]
    if sound != [True, True]:
        raise ConfigurationError(
            "token_timeout must be a number of seconds above 0, or a pair of them (connect, read);"
            " None would let a login service that hangs hang every thread."
        )
    return float(pair[0]), float(pair[1])
