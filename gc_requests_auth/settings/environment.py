"""The environment variables that people set for the tools of Genesys Cloud, and what they mean here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from ..util import SecretBox


class Pieces:
    """The names under which the pieces of a gateway or of a proxy stand: variables, or keys of a profile.

    :param others: Of a proxy: user and password. Of a gateway: a text with all paths, as in ``{login:
        /signin, api: /genesys}``; or the two halves of a single path, its name and its value.
    """

    def __init__(self, protocol: str, host: str, port: str, others: tuple[str, ...]) -> None:
        self.protocol = protocol
        self.host = host
        self.port = port
        self.others = others
        self.all = (protocol, host, port, *others)


#: As Genesys' Terraform provider names them (``provider_env.go``). Its variables for the user and the
#: password of a gateway are not read: Genesys' own SDKs have no use for them.
GATEWAY = Pieces(
    "GENESYSCLOUD_GATEWAY_PROTOCOL",
    "GENESYSCLOUD_GATEWAY_HOST",
    "GENESYSCLOUD_GATEWAY_PORT",
    ("GENESYSCLOUD_GATEWAY_PATH_NAME", "GENESYSCLOUD_GATEWAY_PATH_VALUE"),
)
PROXY = Pieces(
    "GENESYSCLOUD_PROXY_PROTOCOL",
    "GENESYSCLOUD_PROXY_HOST",
    "GENESYSCLOUD_PROXY_PORT",
    ("GENESYSCLOUD_PROXY_AUTH_USERNAME", "GENESYSCLOUD_PROXY_AUTH_PASSWORD"),
)

#: The protocols of a proxy, as requests takes them. The first one counts if none is named.
PROXY_PROTOCOLS = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


class Family:
    """Environment variables that belong together, and who uses them.

    :param urls: Variables with the URLs of the login service and of the API, used with this pair alone.
    """

    gateway = GATEWAY
    proxy = PROXY

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        regions: tuple[str, ...],
        users: str = "",
        urls: tuple[str, str] = ("", ""),
    ) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.pair = client_id, client_secret
        self.regions = regions
        self.users = users
        self.urls = urls


#: In the order in which they count.
FAMILIES = (
    Family(
        "GENESYSCLOUD_OAUTHCLIENT_ID",
        "GENESYSCLOUD_OAUTHCLIENT_SECRET",
        ("GENESYSCLOUD_REGION",),
        "Terraform, the gc CLI",
    ),
    Family(
        "GENESYS_CLOUD_CLIENT_ID",
        "GENESYS_CLOUD_CLIENT_SECRET",
        ("GENESYS_CLOUD_REGION", "GENESYS_CLOUD_ENVIRONMENT"),
        "the samples of the Developer Center",
    ),
    Family("GC_CLIENT_ID", "GC_CLIENT_SECRET", ("GC_REGION",), "Genesys Cloud Functions"),
    Family(
        "GENESYS_CLIENT_ID",
        "GENESYS_CLIENT_SECRET",
        ("GENESYS_REGION", "GENESYS_ENVIRONMENT"),
        "scripts, the knowledge connector",
        ("GENESYS_LOGIN_URL", "GENESYS_BASE_URL"),
    ),
    # Two names for one secret: whichever is set makes the pair whole.
    *(
        Family(
            "PURECLOUD_CLIENT_ID",
            secret,
            ("PURECLOUD_REGION", "PURECLOUD_ENVIRONMENT", "PURECLOUD_ENV"),
            "older samples",
        )
        for secret in ("PURECLOUD_CLIENT_SECRET", "PURECLOUD_SECRET")
    ),
)

#: All that name a region, in the order in which they count.
REGION_VARIABLES = tuple(dict.fromkeys(name for family in FAMILIES for name in family.regions))

LOGIN_URL = "GENESYSCLOUD_LOGIN_URL"
API_URL = "GENESYSCLOUD_API_URL"

#: The name of a gc CLI profile. It counts only where no family is whole, as for the gc CLI itself.
#: Credentials that a job sets count before a profile name that the image sets. If both are set, the log
#: warns.
PROFILE = "GENESYSCLOUD_PROFILE"

#: How many tokens of one client may be used side by side: the name of Genesys' Terraform provider.
POOL_SIZE = "GENESYSCLOUD_TOKEN_POOL_SIZE"

#: Requests that one token may make in a minute, or "off": a name of our own.
RATE_LIMIT = "GENESYSCLOUD_RATE_LIMIT"

#: Terraform and the gc CLI read it in place of credentials. Here it only explains an error.
BARE_TOKEN = "GENESYSCLOUD_ACCESS_TOKEN"  # noqa: S105 -- a name

#: All variables that are read.
KNOWN = frozenset(
    {LOGIN_URL, API_URL, PROFILE, POOL_SIZE, RATE_LIMIT, BARE_TOKEN, *REGION_VARIABLES}
    | {name for one in (GATEWAY, PROXY) for name in one.all}
    | {
        name
        for one in FAMILIES
        for name in (one.client_id, one.client_secret, *filter(None, one.urls))
    }
)

#: The prefixes of variables of Genesys Cloud's tools.
_PREFIXES = ("GENESYS", "PURECLOUD", "GC_")

#: Names that people set and no tool reads, and the right names.
_MISNAMED = {
    "GENESYSCLOUD_CLIENT_ID": "GENESYSCLOUD_OAUTHCLIENT_ID",
    "GENESYSCLOUD_CLIENT_SECRET": "GENESYSCLOUD_OAUTHCLIENT_SECRET",
    "GENESYSCLOUD_ENVIRONMENT": "GENESYSCLOUD_REGION",
    "GENESYSCLOUD_BASE_URL": API_URL,
    "GENESYS_CLOUD_SECRET": "GENESYS_CLOUD_CLIENT_SECRET",
    "GENESYS_SECRET": "GENESYS_CLIENT_SECRET",
    "GC_SECRET": "GC_CLIENT_SECRET",
    "GC_ENVIRONMENT": "GC_REGION",
}

#: The variables that are set, by name. The value of a variable that is not read is left out. All values
#: are in boxes: a traceback may show the frames that they pass through.
Environment = Mapping[str, SecretBox]


def read_environment() -> Environment:
    """What the environment says now."""
    known = {name: SecretBox(os.environ[name]) for name in KNOWN if name in os.environ}
    return {**dict.fromkeys(filter(_is_theirs, os.environ), SecretBox("")), **known}


def _is_theirs(name: str) -> bool:
    """Whether it is a variable of Genesys Cloud's tools, or is meant to be one."""
    return name.upper().startswith(_PREFIXES) and name.isidentifier() and len(name) <= 70


def whole_family(environ: Environment) -> Family | None:
    """The first family with both an id and a secret."""
    return next(iter(_whole_families(environ)), None)


def _whole_families(environ: Environment) -> list[Family]:
    return [one for one in FAMILIES if all(_values(one, environ))]


def _values(family: Family, environ: Environment) -> tuple[SecretBox | None, SecretBox | None]:
    return environ.get(family.client_id), environ.get(family.client_secret)


def conflicting_families(environ: Environment) -> tuple[Family, Family] | None:
    """The family in use and another whole family that says something else."""
    for other in (whole := _whole_families(environ))[1:]:
        if _values(other, environ) != _values(whole[0], environ):
            return whole[0], other
    return None


def incomplete_pairs(
    environ: Environment, families: Iterable[Family] = FAMILIES
) -> Iterator[tuple[str, str, str]]:
    """Pairs of which one half is missing: the name that is set, the name that is not, and its state."""
    told: set[str] = set()
    for family in families:
        for have, lack in (family.pair, family.pair[::-1]):
            if environ.get(have) and not environ.get(lack) and have not in told:
                told.add(have)
                yield have, lack, "empty" if lack in environ else "not set"


def unused_clients(used: Family, environ: Environment) -> list[str]:
    """Warnings: the environment names another client as well, which is not used.

    :param used: The family that is used: of variables, or of the profile that the environment names.
    """
    before, called = FAMILIES, PROFILE
    if used in FAMILIES:
        before, called = FAMILIES[: FAMILIES.index(used)], used.client_id
    # Such a pair would count before the used pair. Perhaps the name of its other half is misspelt.
    warnings = [
        f"{have} is set, but {lack} is {state}, and so {called} is used"
        for have, lack, state in incomplete_pairs(environ, before)
        if environ[have] not in _values(used, environ)
    ][:1]
    other = conflicting_families(environ)
    if other is not None:
        which = int(environ[other[1].client_id] == environ[used.client_id])
        warnings.append(
            f"two OAuth clients in the environment: {used.pair[which]} is used,"
            f" {other[1].pair[which]} has another value"
        )
    elif environ.get(PROFILE) and used in FAMILIES:
        warnings.append(f"{called} is set and used, and so {PROFILE} is not")
    return warnings


def not_used(environ: Environment, used: Iterable[str]) -> str:
    """The variables that are set and not used, as a sentence with the likely right names; or empty."""
    # The pieces of a gateway or a proxy are used if its host is set.
    pieces = {name for one in (GATEWAY, PROXY) if environ.get(one.host) for name in one.all}
    theirs = filter(_is_theirs, environ)
    names = sorted({one for one in theirs if environ[one] or one not in KNOWN} - {*used} - pieces)
    return f"Set, but not used: {', '.join(map(with_right_name, names))}." if names else ""


def with_right_name(name: str) -> str:
    """The name of a variable, and the name that is likely meant."""
    from difflib import get_close_matches  # for a refusal alone

    if name in KNOWN:
        return name
    upper = name.upper()
    likely = (
        [_MISNAMED.get(upper)] if upper in _MISNAMED else get_close_matches(upper, KNOWN, 1, 0.85)
    )
    return f"{name} (did you mean {likely[0]}?)" if likely else name


def what_is_missing(environ: Environment) -> str:
    """Why no client can sign in with these variables, and which variables to set."""
    told = {BARE_TOKEN, POOL_SIZE, RATE_LIMIT, LOGIN_URL, API_URL}
    lines = ["No Genesys Cloud credentials."]
    halves = list(incomplete_pairs(environ))
    for have, lack, state in halves:
        told.add(have)
        lines.append(f"{have} is set, but {lack} is {state}. Set {lack} as well.")
    if environ.get(BARE_TOKEN):
        lines.append(
            f"{BARE_TOKEN} is set, but a bare token is not enough: it can not be renewed when it"
            " expires or is revoked, so it is not used."
        )
    told.update([name for name in REGION_VARIABLES if environ.get(name)][:1])
    others = ", ".join(dict.fromkeys(one.client_id for one in FAMILIES[1:]))
    lines += [
        not_used(environ, told),
        f"{'Or set' if halves else 'Set'} {FAMILIES[0].client_id} and {FAMILIES[0].client_secret},",
        "or pass client_id= and client_secret=.",
        f"Read as well: a profile of the gc CLI (profile= or {PROFILE}),",
        f"and the pairs that begin with {others}.",
    ]
    return " ".join(filter(None, lines))
