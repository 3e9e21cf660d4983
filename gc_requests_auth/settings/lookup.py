"""What the settings and the environment come to: found out when it is needed, and then for good."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from ..errors import ConfigurationError
from ..util import forks
from ..util.secret import SecretBox, plain
from .client import Identity, Settings
from .environment import (
    API_URL,
    FAMILIES,
    LOGIN_URL,
    PROFILE,
    Environment,
    Family,
    halves,
    read_environment,
    rivals,
)
from .hosts import Hosts
from .profiles import Profile, family_of, read_profile

logger = logging.getLogger("gc_requests_auth")


class Lookup:
    """What the arguments leave open, looked up when it is needed; environment and profile are read once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        #: None until somebody signs in by it: load_dotenv() may still come.
        self._environment: Environment | None = None
        self._hosts = settings.hosts({}) if settings.names_the_hosts else None
        given = settings.given
        #: Id and name of the client. Not its secret: a vault's is for one request.
        self._client = None if given is None else (given.client_id, given.name)
        self._proxy: SecretBox | None = None
        self._proxy_known = False
        self.start_afresh()
        forks.at_fork(self.start_afresh)

    def start_afresh(self) -> None:
        """In a child of a fork as well: a thread of the parent may hold the lock."""
        self._lock = threading.Lock()

    def hosts(self) -> Hosts:
        """Where tokens come from and may go.

        :raises ConfigurationError: if nobody says.
        """
        hosts = self._hosts
        if hosts is None:
            hosts = self._settings.hosts(self.environment())
            if self._environment is not None:
                self._hosts = hosts
        return hosts

    def identity(self) -> Identity:
        """Who signs in now; a vault is asked each time.

        :raises ConfigurationError: if nobody says.
        """
        identity = self._settings.identity(self.environment())
        self._client = identity.client_id, identity.name
        return identity

    def pool_size(self) -> int | None:
        """How many tokens may be used side by side; None while nobody says who signs in.

        :raises ConfigurationError: if what says so makes no sense.
        """
        if self._settings.tokens is not None:
            return self._settings.tokens
        environ = self.environment()
        return None if self._environment is None else self._settings.pool_size(environ)

    def proxy(self) -> SecretBox | None:
        """The URL of the proxy that environment or profile name for Genesys Cloud, with its password.

        :raises ConfigurationError: if what says so makes no sense.
        """
        if not self._proxy_known:
            self._proxy = self._settings.proxy(self.environment())
            self._proxy_known = self._environment is not None
        return self._proxy

    def rate_limit(self) -> int | None:
        """How many requests one token may make in a minute; None for no count.

        :raises ConfigurationError: if what says so makes no sense.
        """
        return self._settings.requests_a_minute(self.environment())

    def client_id(self) -> str:
        """The client, a vault's as it last said."""
        return plain(self._client[0] if self._client else self.identity().client_id)

    def description(self) -> str | None:
        """Client and place in a few words; None while they are not known. Looks nothing up."""
        hosts, client = self._hosts, self._client
        if hosts is None or client is None:
            return None
        return f"client {client[1]} at {hosts.region or hosts.login_host}"

    def environment(self) -> Environment:
        """The variables that are set and, if a profile says who signs in, its keys.

        :raises ConfigurationError: if that profile can sign nobody in.
        """
        if self._environment is None:
            with self._lock:
                if self._environment is None:
                    return self._read()
        return self._environment

    def _read(self) -> Environment:
        settings, environ = self._settings, read_environment()
        warnings = []
        name = settings.profile_in(environ)
        if name:
            profile = self._read_profile(name)
            environ = {**environ, **profile.values}
            if profile.exposed:
                warnings.append(f"others can read the secrets in {profile.path}: chmod 600 it")
            if settings.uses_environment:
                warnings += _half(family_of(name), FAMILIES, environ, PROFILE)
        elif settings.uses_environment:
            family = settings.family(environ)
            if family is None:
                return environ
            before = FAMILIES[: FAMILIES.index(family)]
            warnings += _half(family, before, environ, family.client_id)
            warnings += _rivalry(family, environ)
        self._environment = environ
        warnings += _overridden(settings, environ)
        for warning in warnings:
            logger.warning(warning)
        return environ

    def _read_profile(self, name: SecretBox) -> Profile:
        try:
            return read_profile(name)
        except ConfigurationError as error:
            problem = str(error)
        named_by = "" if self._settings.profile else f"{PROFILE}: "
        raise ConfigurationError(f"{named_by}{problem}")


def _overridden(settings: Settings, environ: Environment) -> list[str]:
    """URLs of the environment, those of a sandbox say, that an explicit region makes void."""
    names = [name for name in (LOGIN_URL, API_URL) if environ.get(name)]
    if settings.region is None or not names:
        return []
    return [
        f"region= is given, and so {' and '.join(names)} {'is' if len(names) == 1 else 'are'} not used"
    ]


def _half(used: Family, others: Iterable[Family], environ: Environment, called: str) -> list[str]:
    """A pair that would count before the one in use, had its other half not been misspelt, say."""
    names = used.client_id, used.client_secret
    values = [environ[name] for name in names]
    return [
        f"{have} is set, but {lack} is {state}, and so {called} is used"
        for have, lack, state in halves(environ, others)
        if have not in names and environ[have] not in values
    ][:1]


def _rivalry(family: Family, environ: Environment) -> list[str]:
    """What else of the environment could sign somebody in, and is not asked to."""
    other = rivals(environ)
    if other is not None:
        same_id = environ[other[1].client_id] == environ[family.client_id]
        field = "client_secret" if same_id else "client_id"
        warning = (
            f"two OAuth clients in the environment: {getattr(family, field)} is used,"
            f" {getattr(other[1], field)} has another value"
        )
        return [warning]
    if environ.get(PROFILE):
        return [f"{family.client_id} is set and used, and so {PROFILE} is not"]
    return []
