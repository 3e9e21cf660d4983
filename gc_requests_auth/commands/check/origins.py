"""Where each setting came from, and what else was found and is not used.

Names of variables, never their values: of the client id its last four characters, of a region what
it is understood to mean.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from ...causes.failure import Cause
from ...errors import ConfigurationError
from ...settings.client import Identity, Settings
from ...settings.environment import (
    API_URL,
    BARE_TOKEN,
    FAMILIES,
    KNOWN,
    LOGIN_URL,
    PROFILE,
    REGION_VARIABLES,
    Environment,
    Family,
    halves,
)
from ...settings.hosts import Hosts
from ...settings.lookup import Lookup, logger
from ...settings.profiles import FILE, read_profile
from ...settings.regions import DOMAINS, REGIONS, parse_region
from ...util.secret import SecretBox, short_name
from .report import Fact, Finding, Status, Trouble, in_options

#: How variables of Genesys Cloud's tools begin, the gc CLI's, Terraform's and older ones.
_PREFIXES = ("GENESYS", "PURECLOUD", "GC_")

_WHICH_PAIR = "; ".join(
    f"{one.client_id} and {one.client_secret} ({one.users})" for one in FAMILIES
)


def read_settings(settings: Settings) -> Environment:
    """What the environment says, and the profile that it or `settings` name.

    :raises Trouble: if that profile can sign nobody in.
    """
    # What the library would warn of is told by the steps; without a handler Python prints it, too.
    silence = logging.NullHandler()
    logger.addHandler(silence)
    try:
        environ = Lookup(settings).environment()
        settings.pool_size(environ)
        return environ
    except ConfigurationError as error:
        raise misconfigured(error) from None
    finally:
        logger.removeHandler(silence)


def credentials_found(settings: Settings, environ: Environment) -> tuple[Identity, Finding]:
    """Who signs in, and who says so.

    :raises Trouble: if nobody does, or if it can not work.
    """
    if not settings.uses_environment and settings.profile is None:
        return _from_options(settings, environ)
    family = settings.family(environ)
    not_used = [f"not used: {one}" for one in _not_used(family, environ)]
    if family is None:
        raise _nobody(environ, not_used)
    try:
        identity = settings.identity(environ)
    except ConfigurationError as error:
        raise misconfigured(error, not_used) from None
    facts: dict[str, Fact] = {
        "client_id": identity.name,
        "client_id_from": family.client_id,
        "client_secret_from": family.client_secret,
        "not_used": [one.removeprefix("not used: ") for one in not_used],
    }
    details = [f"secret from {family.client_secret}", *not_used]
    profile = settings.profile_in(environ)
    if profile and read_profile(profile).exposed:
        details.append(f"Others on this machine can read {FILE}, secrets and all: chmod 600 it.")
    return identity, Finding(f"client {identity.name} from {family.client_id}", details, facts)


def _from_options(settings: Settings, environ: Environment) -> tuple[Identity, Finding]:
    """Who signs in by the options of the command."""
    try:
        identity = settings.identity(environ)
    except ConfigurationError as error:
        raise misconfigured(error) from None
    source = "the options"
    facts: dict[str, Fact] = {
        "client_id": identity.name,
        "client_id_from": source,
        "client_secret_from": source,
        "not_used": [],
    }
    return identity, Finding(f"client {identity.name} from {source}", facts=facts)


def place_found(settings: Settings, environ: Environment) -> tuple[Hosts, Finding]:
    """Which region and hosts, and who says so.

    :raises Trouble: if nobody does, or if the two hosts are of two regions.
    """
    try:
        place = settings.hosts(environ)
    except ConfigurationError as error:
        raise _nowhere(error, settings, environ) from None
    _same_region(place)
    region_from = None
    if place.region:
        region_from = "--region" if settings.region else settings.region_variable(environ)
    # A region that an option names beats the URLs of the environment.
    of_environment = (None, None) if settings.region else settings.url_variables(environ)
    options = ("--login-url", settings.login_url), ("--api-url", settings.api_url)
    sources = {
        name: option if given else variable or region_from
        for name, (option, given), variable in zip(
            ("login_url_from", "api_url_from"), options, of_environment, strict=True
        )
    }
    facts = {
        "region": place.region,
        "region_from": region_from,
        "login_url": place.login_url,
        "api_url": place.api_url,
        **sources,
    }
    if place.region:
        text = f"{_with_label(place.region)} from {region_from}"
    else:
        text = "none is needed, both URLs are set"
    details = [
        f"login {place.login_url} from {sources['login_url_from']}",
        f"API   {place.api_url} from {sources['api_url_from']}",
    ]
    return place, Finding(text, details, facts)


def _nowhere(error: ConfigurationError, settings: Settings, environ: Environment) -> Trouble:
    """No place, or none that can be; where no region is named, the search for it is offered."""
    trouble = misconfigured(error)
    named = settings.region or settings.region_variable(environ)
    urls = [one for one in (LOGIN_URL, API_URL) if environ.get(one)]
    if named or urls or settings.login_url or settings.api_url:
        return trouble
    search = Cause(
        "Nobody has told yet which region the client belongs to",
        "gc-requests-auth check --find-region asks the login service of every commercial region;"
        " the secret is sent to each of them.",
    )
    return Trouble(trouble.finding, trouble.status, [*trouble.causes, search])


def misconfigured(error: ConfigurationError, details: list[str] | None = None) -> Trouble:
    """What the library says of a setting; its first sentence is the cause, the rest the remedy."""
    cause, _, remedy = in_options(str(error)).partition(". ")
    remedy = remedy or "Correct it where it is set."
    return Trouble(
        cause.removesuffix("."),
        Status.MISCONFIGURED,
        [Cause(cause.removesuffix("."), remedy)],
        details=details or (),
    )


def _nobody(environ: Environment, not_used: list[str]) -> Trouble:
    causes = [
        Cause(f"{lack} is {state}, though {have} is set", f"Set {lack} as well.")
        for have, lack, state in halves(environ)
    ]
    if not causes:
        remedy = (
            f"Set one of these pairs: {_WHICH_PAIR}. Or name a profile of the gc CLI: --profile, or"
            f" {PROFILE}."
        )
        causes.append(Cause("No variable that holds credentials is set here", remedy))
    causes.append(
        Cause(
            "They are set, but not for this process",
            "A cron job, a service, a container or sudo does not read the profile of your shell,"
            " and a .env file is read by nobody unless told to.",
        )
    )
    return Trouble(causes[0].cause, Status.MISCONFIGURED, causes, details=not_used)


def _not_used(used: Family | None, environ: Environment) -> Iterator[str]:
    for family in FAMILIES:
        if family is not used:
            yield from _rival(family, used, environ)
    if used is None and _exists(FILE):
        yield f"{FILE}, since no profile is named: --profile or {PROFILE}"
    if used in FAMILIES and environ.get(PROFILE):
        yield f"{PROFILE}, since {used.client_id} comes first"
    if environ.get(BARE_TOKEN):
        yield f"{BARE_TOKEN}, a bare token, which could not be renewed"
    yield from _regions_not_used(used, environ)
    for name in sorted(set(os.environ) - KNOWN):
        if name.startswith(_PREFIXES):
            yield f"{name}, which this library does not read"


def _exists(file: str) -> bool:
    try:
        return Path(file).expanduser().exists()
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return False


def _rival(family: Family, used: Family | None, environ: Environment) -> Iterator[str]:
    """Another pair, or half of one."""
    client_id = environ.get(family.client_id)
    if client_id and environ.get(family.client_secret) and used:
        same = client_id == environ[used.client_id]
        which = "the same client" if same else f"another client, {short_name(client_id)}"
        yield f"{family.client_id} ({which}), since {used.client_id} comes first"
    else:
        for have, lack, state in halves(environ, [family]):
            if used is None or have not in used:
                yield f"{have}, since {lack} is {state}"


def _regions_not_used(used: Family | None, environ: Environment) -> Iterator[str]:
    order = dict.fromkeys((*(used.regions if used else ()), *REGION_VARIABLES))
    names = [name for name in order if environ.get(name)]
    both_urls = environ.get(LOGIN_URL) and environ.get(API_URL)
    reason = "both URLs are set" if both_urls else f"{names[0]} comes first" if names else ""
    for name in names if both_urls else names[1:]:
        yield f"{name}{_meaning(environ[name])}, since {reason}"


def _meaning(value: SecretBox) -> str:
    """The region that a variable names, if that is one: what it holds may be anything."""
    try:
        domain = parse_region(value)
    except ConfigurationError:
        return ""
    return f" ({domain})" if domain in DOMAINS else ""


def _with_label(domain: str) -> str:
    for region in REGIONS:
        if region.domain == domain:
            return f"{domain} ({region.aws}, {region.label})"
    return f"{domain} (not in this release's table)"


def _same_region(place: Hosts) -> None:
    """Refuse what will be answered 401 by every API call: a token is good in one region only."""
    login = _domain(place.login_url, "login.")
    api = _domain(place.api_url, "api.")
    if login in DOMAINS and api in DOMAINS and login != api:
        raise Trouble(
            f"tokens come from {login}, but the API is that of {api}",
            Status.MISCONFIGURED,
            [
                Cause(
                    "Login service and API belong to two regions",
                    f"Unset {LOGIN_URL} and {API_URL} and name the region alone: both follow from"
                    " it.",
                )
            ],
        )


def _domain(url: str, service: str) -> str:
    return url.removeprefix("https://").removeprefix(service)
