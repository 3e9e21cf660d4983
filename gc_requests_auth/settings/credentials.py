"""Who signs in, and where: from arguments, a profile or the environment, never from a mixture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, NamedTuple

from ..errors import ConfigurationError
from ..util.redaction import name_of
from ..util.secret import ABSENT, Secret, SecretBox, Vault, boxed, plain
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
from .hosts import Place, base_url
from .profiles import family_of
from .regions import parse_region

#: As many tokens of one client as Genesys' Terraform provider takes (``token_pool_size``).
MOST_TOKENS = 50

#: Requests that Genesys Cloud allows one token in a minute
#: (``client.credentials.token.rate.per.minute``).
REQUESTS_A_MINUTE = 300

#: What people leave in place of a value that was never filled in; without separators, in lower case.
_PLACEHOLDERS = re.compile(
    r"<.*>|\$\{.*\}|\$\(.*\)|\{\{.*\}\}|%\w+%|\$[a-z_]+|\[.*\]|\*+|x{3,}|\.{3,}|\u2026"
    r"|(?:please)?change(?:me|it|this)|replace(?:me|this)|your.*|insert.*here|placeholder|redacted"
    r"|to-?do|tbd|none|null|undefined|example"
)


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
        _check(fields[0], client_id)
        _check(fields[1], client_secret)
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
        if profile is not None and not _text("profile", profile).open().strip():
            raise ConfigurationError("profile is empty; leave it out to read the environment.")
        given = None
        if client_id is not ABSENT:
            given = Identity.checked(client_id, client_secret, ("client_id", "client_secret"))
        return cls(
            given,
            credentials,
            boxed(profile),
            None if region is None else parse_region(_text("region", region)),
            _login_url("login_url", boxed(login_url)),
            _api_url("api_url", boxed(api_url)),
            _timeout_pair(token_timeout),
            None if tokens is None else _pool_size("tokens", tokens),
            _rate_limit_argument(rate_limit),
        )

    @property
    def uses_environment(self) -> bool:
        """Whether the environment says who signs in."""
        return self.given is None and self.credentials is None and self.profile is None

    @property
    def names_a_place(self) -> bool:
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

    def place(self, environ: Environment) -> Place:
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
            return Place.of(region, login_url, api_url)
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
        return None if name is None else (_login_url, _api_url)[which](name, environ[name])

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
        return _rate_limit(RATE_LIMIT, _whole_number(plain(said).strip()), ' or "off"')

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
        return _pool_size(POOL_SIZE, _whole_number(said.open())) if said else 1

    def region_variable(self, environ: Environment) -> str | None:
        """The variable, or the key of a profile, that names the region where no argument does."""
        family = self.family(environ)
        own = family.regions if family else ()
        return next((name for name in (*own, *REGION_VARIABLES) if environ.get(name)), None)


def _ask(credentials: Vault) -> Identity:
    """Who signs in, from the caller's vault. What the vault raises is the caller's own."""
    pair: Any = credentials.ask()
    # Put into boxes at once: this frame may stand in a traceback.
    pair = tuple(map(boxed, pair)) if isinstance(pair, tuple | list) else ()
    if len(pair) != 2:
        raise ConfigurationError("credentials= must return a pair (client_id, client_secret).")
    return Identity.checked(
        pair[0], pair[1], ("client_id of credentials=", "client_secret of credentials=")
    )


def _check(field: str, value: Any) -> None:
    """Refuse what can not be a client id or secret, by the name of its field and without its value.

    A newline from a mounted file or quotes from a .env file are otherwise answered "authentication
    failed", which no one can tell from a wrong secret.
    """
    if value is None:
        hint = "" if "credentials=" in field else " Leave it out to read the environment."
        raise ConfigurationError(f"{field} is None: was os.getenv() given an unset variable?{hint}")
    fault = _fault(_text(field, value).open())
    if fault is not None:
        raise ConfigurationError(f"{field} {fault}")


def _fault(value: Secret) -> str | None:
    """Why a text is no client id and no client secret. Raises nothing: this frame holds the text."""
    if not value.strip():
        return (
            "is empty. Likely a variable or a file that it is read from is empty, or a secret of a CI"
            " job is not passed on to it."
        )
    if value != value.strip():
        return "begins or ends with white space (a newline from a file?): strip() it."
    if value[0] in "'\"" or value[-1] in "'\"":
        return (
            "begins or ends with a quote: the quotes of a .env file or a shell do not belong to the"
            " value."
        )
    if value[0] == "{" and value[-1] == "}" and '"' in value:
        return (
            "is a whole JSON document, as vaults return: pass the one value in it, as in"
            ' json.loads(text)["client_secret"].'
        )
    if _PLACEHOLDERS.fullmatch(re.sub(r"[-_ ]", "", plain(value).lower())):
        return "is a placeholder: the value itself was never filled in."
    if not value.isprintable():
        return "holds a control or invisible character (a byte order mark from a file?)."
    return None


def _from(variable: str, environ: Environment) -> str:
    try:
        return parse_region(environ[variable])
    except ConfigurationError as error:
        problem = str(error)
    raise ConfigurationError(f"{variable}: {problem}")


def _login_url(field: str, url: SecretBox | None) -> str | None:
    return None if url is None else base_url(field, _text(field, url), suffix="/oauth/token")


def _api_url(field: str, url: SecretBox | None) -> str | None:
    return None if url is None else base_url(field, _text(field, url), suffix="/api/v2")


def _text(field: str, value: Any) -> SecretBox:
    """An argument as :func:`boxed` returns it, if it is a text."""
    if not isinstance(value, SecretBox):
        kind = value if isinstance(value, type) else type(value)
        raise ConfigurationError(f"{field} must be text, not {kind.__name__}{_instead(kind)}.")
    return value


def _instead(kind: type) -> str:
    """What to call on a value that is no text, to get one."""
    if hasattr(kind, "get_secret_value"):  # pydantic's SecretStr
        return ": pass what its get_secret_value() returns"
    if issubclass(kind, bytes | bytearray):
        return ": pass what its decode() returns"
    if issubclass(kind, PurePath):
        return ": pass what its read_text().strip() returns"
    if issubclass(kind, Mapping):
        return ": pass the one value in it"
    if issubclass(kind, Enum) or hasattr(kind, "value"):  # Azure's KeyVaultSecret
        return ": pass its .value"
    return ""


def _whole_number(text: str) -> int | None:
    return int(text[:9]) if text.isdecimal() else None


def _pool_size(field: str, size: Any) -> int:
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MOST_TOKENS:
        raise ConfigurationError(f"{field} must be a whole number from 1 to {MOST_TOKENS}.")
    return size


def _rate_limit_argument(limit: Any) -> int | None:
    if limit is ABSENT:
        return None
    return 0 if limit is None else _rate_limit("rate_limit", limit)


def _rate_limit(field: str, limit: Any, more: str = "; None for no count") -> int:
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise ConfigurationError(
            f"{field} must be a whole number of requests a minute, 1 or more{more}."
        )
    return limit


def _timeout_pair(timeout: Any) -> tuple[float, float]:
    """Seconds to connect and to read."""
    pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    if len(pair) != 2 or not all(_is_duration(seconds) for seconds in pair):
        raise ConfigurationError(
            "token_timeout must be a number of seconds above 0, or a pair of them (connect, read);"
            " None would let a login service that hangs hang every thread."
        )
    return float(pair[0]), float(pair[1])


def _is_duration(seconds: Any) -> bool:
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return number and 0 < seconds < 86400
