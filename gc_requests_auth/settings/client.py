"""Who signs in, and where: from arguments, a profile or the environment, never from a mixture."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors import ConfigurationError
from ..util.secret import ABSENT, SecretBox, Vault, boxed, name_of, plain
from .arguments import (
    REQUESTS_A_MINUTE,
    api_url_of,
    check_credential,
    login_url_of,
    pool_size_of,
    rate_limit_argument,
    rate_limit_of,
    text_of,
    timeout_pair,
    whole_number,
)
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
    Gateway,
    not_used,
    what_is_missing,
    whole_family,
)
from .gateways import gateway_urls, proxy_url
from .hosts import Hosts
from .profiles import family_of
from .regions import parse_region


class Identity(NamedTuple):
    """An OAuth client that can sign in."""

    #: In a box as well: it may be the secret, in the wrong place.
    client_id: SecretBox
    client_secret: SecretBox

    @classmethod
    def checked(cls, client_id: Any, client_secret: Any, fields: tuple[str, str]) -> Identity:
        """The pair, refused by the name of its field if it can not be one.

        :raises ConfigurationError: naming the field, never the value.
        """
        client_id, client_secret = boxed(client_id), boxed(client_secret)
        check_credential(fields[0], client_id)
        check_credential(fields[1], client_secret)
        if ":" in client_id.open():
            raise ConfigurationError(
                f"{fields[0]} holds a colon, which HTTP Basic (RFC 7617) does not allow in a user"
                " name."
            )
        return cls(client_id, client_secret)

    def __repr__(self) -> str:
        return f"Identity({self.name}, client_secret=<hidden>)"

    @property
    def name(self) -> str:
        """The client as it may be named in logs and messages: not by what may be its secret."""
        return name_of(self.client_id, self.client_secret)


class Settings(NamedTuple):
    """What the caller said. Validated at once; what is absent is looked up when it is needed."""

    #: None: ask `credentials`, or else `profile`, or else the environment.
    given: Identity | None
    credentials: Vault | None
    #: The name of a profile of the gc CLI.
    profile: SecretBox | None
    region: str | None
    login_url: str | None
    api_url: str | None
    #: Seconds to connect and seconds to read.
    token_timeout: tuple[float, float]
    #: How many may be used side by side; None if nobody says.
    tokens: int | None = None
    #: How many requests one may make in a minute; 0 for no count, None if nobody says.
    rate_limit: int | None = None

    @classmethod
    def checked(
        cls,
        client_id: Any,
        client_secret: Any,
        credentials: Vault | None,
        profile: str | SecretBox | None,
        region: str | SecretBox | None,
        login_url: str | SecretBox | None,
        api_url: str | SecretBox | None,
        token_timeout: float | tuple[float, float],
        tokens: int | None = None,
        rate_limit: Any = ABSENT,
    ) -> Settings:
        """The arguments of the constructor, validated.

        :raises ConfigurationError: naming the argument, never its value.
        """
        profile, region = boxed(profile), boxed(region)
        if (client_id is ABSENT) != (client_secret is ABSENT):
            raise ConfigurationError(
                f"{'client_secret' if client_id is ABSENT else 'client_id'} is given without its"
                " other half: pass client_id and client_secret together, or leave out both to read"
                " the environment."
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
        given = None
        if client_id is not ABSENT:
            given = Identity.checked(client_id, client_secret, ("client_id", "client_secret"))
        return cls(
            given,
            credentials,
            boxed(profile),
            None if region is None else parse_region(text_of("region", region)),
            login_url_of("login_url", boxed(login_url)),
            api_url_of("api_url", boxed(api_url)),
            timeout_pair(token_timeout),
            None if tokens is None else pool_size_of("tokens", tokens),
            rate_limit_argument(rate_limit),
        )

    @property
    def uses_environment(self) -> bool:
        """Whether the environment says who signs in."""
        return self.given is None and self.credentials is None and self.profile is None

    @property
    def names_the_hosts(self) -> bool:
        """Whether the arguments say where that is, whatever the environment holds."""
        return self.region is not None or None not in (self.login_url, self.api_url)

    def profile_in(self, environ: Environment) -> SecretBox | None:
        """The profile that says who signs in, if one does."""
        if self.uses_environment and whole_family(environ) is None:
            return environ.get(PROFILE) or None
        return self.profile

    def family(self, environ: Environment) -> Family | None:
        """The variables, or the keys of a profile, that say who signs in; None if others do."""
        whole = whole_family(environ) if self.uses_environment else None
        profile = self.profile_in(environ)
        if not profile:
            return whole
        return family_of(profile)

    def hosts(self, environ: Environment) -> Hosts:
        """Where this is, `environ` (and the profile within it) asked for what arguments leave open.

        URLs of the environment count only beside a region of the environment: an explicit region
        that a forgotten variable could redirect would not be explicit.
        """
        region, login_url, api_url = self.region, self.login_url, self.api_url
        family = self.family(environ)
        if region is None:
            login_url = login_url or self._url(environ, 0)
            api_url = api_url or self._url(environ, 1)
            named = None if login_url and api_url else self.region_variable(environ)
            if named:
                region = _from(named, environ)
        try:
            return Hosts.of(region, login_url, api_url)
        except ConfigurationError as error:
            missing = str(error)
        if self.uses_environment and family is None:
            missing = f"{what_is_missing(environ)} {missing}"
        else:
            used = (family.client_id, family.client_secret) if family else ()
            unused = not_used(environ, {*used, POOL_SIZE, RATE_LIMIT})
            missing = f"{missing} {unused}" if unused else missing
        raise ConfigurationError(missing)

    def url_variables(self, environ: Environment) -> tuple[str | None, str | None]:
        """What names the URLs of login service and API, where no argument does: None for the region.

        First our own variables, then a gateway, then those of a family. The latter count with its
        pair alone, and not beside a region of that family: people who have GENESYS_REGION use
        GENESYS_BASE_URL for other things.
        """
        gateway = self._gateway(environ)
        family = self.family(environ)
        own = family.urls if family and not any(map(environ.get, family.regions)) else None
        login_url, api_url = (
            next((name for name in (ours, host, theirs) if name and environ.get(name)), None)
            for ours, host, theirs in zip(
                (LOGIN_URL, API_URL),
                (gateway.at.host, gateway.at.host),
                own or (None, None),
                strict=True,
            )
        )
        return login_url, api_url

    def _url(self, environ: Environment, which: int) -> str | None:
        """The URL of the login service (0) or of the API (1) that environment or profile name."""
        name = self.url_variables(environ)[which]
        gateway = self._gateway(environ)
        if name == gateway.at.host:
            return gateway_urls(gateway, environ)[which]
        return None if name is None else (login_url_of, api_url_of)[which](name, environ[name])

    def _gateway(self, environ: Environment) -> Gateway:
        """The names under which a gateway stands, if one does: that of a profile comes first."""
        family = self.family(environ)
        return family.gateway if family and environ.get(family.gateway.at.host) else GATEWAY

    def proxy(self, environ: Environment) -> SecretBox | None:
        """The URL of the proxy that environment or profile name, with its password.

        :raises ConfigurationError: naming the piece that makes no sense.
        """
        family = self.family(environ)
        own = proxy_url(family.proxy, environ) if family else None
        return own or proxy_url(PROXY, environ)

    def requests_a_minute(self, environ: Environment) -> int | None:
        """How many requests one token may make in a minute; None for no count.

        :raises ConfigurationError: naming the variable that makes no sense.
        """
        if self.rate_limit is not None:
            return self.rate_limit or None
        said = environ.get(RATE_LIMIT)
        if not said:
            return REQUESTS_A_MINUTE
        if plain(said).strip().lower() == "off":
            return None
        return rate_limit_of(RATE_LIMIT, whole_number(plain(said).strip()), ' or "off"')

    def is_of_vault(self, error: Exception) -> bool:
        """Whether the `credentials=` function has raised this."""
        return self.credentials is not None and self.credentials.error is error

    def identity(self, environ: Environment) -> Identity:
        """Who signs in: the vault is asked each time, all else stays as it is.

        :raises ConfigurationError: naming every variable that was looked for.
        """
        if self.given is not None:
            return self.given
        if self.credentials is not None:
            return _ask(self.credentials)
        family = self.family(environ)
        if family is None:
            raise ConfigurationError(what_is_missing(environ))
        fields = family.client_id, family.client_secret
        return Identity.checked(environ[fields[0]], environ[fields[1]], fields)

    def pool_size(self, environ: Environment) -> int:
        """How many tokens may be used side by side, where no argument says it.

        :raises ConfigurationError: naming the variable that makes no sense.
        """
        said = environ.get(POOL_SIZE)
        return pool_size_of(POOL_SIZE, whole_number(said.open())) if said else 1

    def region_variable(self, environ: Environment) -> str | None:
        """The variable, or the key of a profile, that names the region where no argument does."""
        family = self.family(environ)
        own = family.regions if family else ()
        return next((name for name in (*own, *REGION_VARIABLES) if environ.get(name)), None)


def _ask(credentials: Vault) -> Identity:
    """Who signs in, from the caller's vault. What the vault raises is the caller's own."""
    try:
        pair: Any = credentials.ask()
    except Exception as error:
        credentials.error = error
        raise
    # Put into boxes at once: this frame may stand in a traceback.
    pair = tuple(map(boxed, pair)) if isinstance(pair, tuple | list) else ()
    if len(pair) != 2:
        raise ConfigurationError("credentials= must return a pair (client_id, client_secret).")
    return Identity.checked(
        pair[0], pair[1], ("client_id of credentials=", "client_secret of credentials=")
    )


def _from(variable: str, environ: Environment) -> str:
    try:
        return parse_region(environ[variable])
    except ConfigurationError as error:
        problem = str(error)
    raise ConfigurationError(f"{variable}: {problem}")
