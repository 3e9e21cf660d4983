"""The environment variables that others have taught people to set, and what they say here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..util.secret import SecretBox


class Family(NamedTuple):
    """Environment variables that belong together, and who uses them."""

    client_id: str
    client_secret: str
    regions: tuple[str, ...]
    users: str


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
        ("GENESYS_REGION",),
        "the knowledge connector",
    ),
)

#: All that name a region, in the order in which they count.
REGION_VARIABLES = tuple(name for family in FAMILIES for name in family.regions)

LOGIN_URL = "GENESYSCLOUD_LOGIN_URL"
API_URL = "GENESYSCLOUD_API_URL"

#: The name of a gc CLI profile. It counts only where no family is whole: the gc CLI, too, lets the
#: variables of a client beat its profile, and a pair that is injected into a job must not lose
#: against a name that its image happens to set. Both together are worth a warning.
PROFILE = "GENESYSCLOUD_PROFILE"

#: How many tokens of one client may be used side by side: the name of Genesys' Terraform provider.
POOL_SIZE = "GENESYSCLOUD_TOKEN_POOL_SIZE"

#: Read by Terraform and the gc CLI in place of credentials; to us it only explains an error.
BARE_TOKEN = "GENESYSCLOUD_ACCESS_TOKEN"  # noqa: S105 -- a name

#: The variables of this page that are set. Their values print as nothing, since a traceback may show
#: the frames they pass through, and `os.environ` would show everything.
Environment = Mapping[str, SecretBox]


def read_environment() -> Environment:
    """What the environment says now."""
    names = {LOGIN_URL, API_URL, PROFILE, POOL_SIZE, BARE_TOKEN, *REGION_VARIABLES}
    for family in FAMILIES:
        names |= {family.client_id, family.client_secret}
    return {name: SecretBox(os.environ[name]) for name in names if name in os.environ}


def whole_family(environ: Environment) -> Family | None:
    """The first family with both an id and a secret."""
    return next(iter(_whole_families(environ)), None)


def rivals(environ: Environment) -> tuple[Family, Family] | None:
    """The family in use and another whole one that says something else."""
    whole = _whole_families(environ)
    for other in whole[1:]:
        if _values(other, environ) != _values(whole[0], environ):
            return whole[0], other
    return None


def _whole_families(environ: Environment) -> list[Family]:
    return [one for one in FAMILIES if all(_values(one, environ))]


def _values(family: Family, environ: Environment) -> tuple[SecretBox | None, SecretBox | None]:
    return environ.get(family.client_id), environ.get(family.client_secret)


def halves(
    environ: Environment, families: Iterable[Family] = FAMILIES
) -> Iterator[tuple[str, str, str]]:
    """Variables whose other half is missing: what is set, what is not, and how it is not."""
    for family in families:
        for have, lack in (
            (family.client_id, family.client_secret),
            (family.client_secret, family.client_id),
        ):
            if environ.get(have) and not environ.get(lack):
                yield have, lack, "empty" if lack in environ else "not set"


def what_is_missing(environ: Environment) -> str:
    """Why these variables sign nobody in, and which would."""
    lines = ["No Genesys Cloud credentials."]
    lines += [f"{have} is set, but {lack} is {state}." for have, lack, state in halves(environ)]
    if environ.get(BARE_TOKEN):
        lines.append(
            f"{BARE_TOKEN} is set, but a bare token is not enough: it can not be renewed when it"
            " expires or is revoked, so it is not used."
        )
    lines.append(
        f"Pass client_id and client_secret, or name a profile of the gc CLI (profile= or {PROFILE}),"
        " or set one of these pairs: "
        + "; ".join(f"{one.client_id} and {one.client_secret} ({one.users})" for one in FAMILIES)
        + "."
    )
    return " ".join(lines)
