"""Where each setting came from, and what else was found and is not used.

Names of variables, never their values: of the client id its last four characters, of a region what
it is understood to mean.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

from ...causes.failure import Cause
from ...errors import ConfigurationError
from ...settings import PROFILES_FILE, Hosts, Identity, Settings
from ...settings.environment import (
    API_URL,
    BARE_TOKEN,
    FAMILIES,
    KNOWN,
    LOGIN_URL,
    PROFILE,
    PROXY,
    REGION_VARIABLES,
    Environment,
    Family,
    incomplete_pairs,
    read_environment,
    with_right_name,
)
from ...settings.regions import DOMAINS, REGIONS, parse_region
from ...util import SecretBox, short_name
from .report import Fact, Finding, Status, Trouble, misconfigured

logger = logging.getLogger("gc_requests_auth")

#: What says who signs in, where no variable does.
_OPTIONS = "the options"

_WHICH_PAIR = "; ".join(
    f"{one.client_id} and {one.client_secret} ({one.users})" for one in FAMILIES
)


def credentials_found(settings: Settings) -> tuple[Identity, Finding]:
    """Who signs in, and what names the client.

    :raises Trouble, ConfigurationError: if nothing does, or a setting can not work.
    """
    # The steps tell what the library would warn of. Without a handler, Python prints the warning, too.
    silence = logging.NullHandler()
    logger.addHandler(silence)
    try:
        settings.token_pool_size()
        settings.rate_limit()
        environ = settings.environment()
    finally:
        logger.removeHandler(silence)
    family = settings.family
    by_options = settings.identity_given is not None or settings.credentials is not None
    id_from, secret_from = family.pair if family else (_OPTIONS,) * 2
    not_used = [] if by_options else list(_not_used(settings, environ))
    details = [f"not used: {one}" for one in not_used]
    if not by_options and family is None:
        raise _nobody(environ, details)
    try:
        identity = settings.identity()
    except ConfigurationError as error:
        raise misconfigured(error, *details) from None
    facts: dict[str, Fact] = {
        "client_id": identity.name,
        "client_id_from": id_from,
        "client_secret_from": secret_from,
        "not_used": not_used,
    }
    if family:
        details.insert(0, f"secret from {secret_from}")
    file = settings.exposed
    if file is not None:
        details.append(f"Other users can read the secrets in {file}. Run: chmod 600 {file}")
    return identity, Finding(f"client {identity.name} from {id_from}", details, facts)


def place_found(settings: Settings) -> tuple[Hosts, Finding]:
    """Which region and hosts, and what names them.

    :raises Trouble: if nothing does, or if the two hosts are of two regions.
    """
    environ = settings.environment()
    try:
        place = settings.hosts()
    except ConfigurationError as error:
        raise _nowhere(error, settings, environ) from None
    region_from = None
    if place.region:
        region_from = "--region" if settings.region else settings.region_variable(environ)
    # A region that an option names beats the URLs of the environment.
    login_from, api_from = (None, None) if settings.region else settings.url_variables(environ)
    login_from = "--login-url" if settings.login_url else login_from or region_from
    api_from = "--api-url" if settings.api_url else api_from or region_from
    facts = {
        "region": place.region,
        "region_from": region_from,
        "login_url": place.login_url,
        "api_url": place.api_url,
        "login_url_from": login_from,
        "api_url_from": api_from,
    }
    details = [
        f"login {place.login_url} from {login_from}",
        f"API   {place.api_url} from {api_from}",
    ]
    urls = settings.family.urls if settings.family else ("", "")
    gateway, used = settings._gateway(environ).host, {login_from, api_from}
    for *names, first in (
        (LOGIN_URL, urls[0], gateway, login_from),
        (API_URL, urls[1], api_from),
    ):
        unused = [one for one in names if environ.get(one or "") and one not in used]
        details += [f"not used: {one}, since {first} comes first" for one in unused]
    if not place.region:
        return place, Finding("none is needed, both URLs are set", details, facts)
    text = f"{_with_label(place.region)} from {region_from}"
    return place, Finding(text, details, facts)


def proxy_from(settings: Settings) -> str | None:
    """The key of a profile, or the variable, that names the proxy for Genesys Cloud."""
    environ = settings.environment()
    names = (*([settings.family.proxy.host] if settings.family else []), PROXY.host)
    return next((one for one in names if environ.get(one)), None)


def _nowhere(error: ConfigurationError, settings: Settings, environ: Environment) -> Trouble:
    """No place, or none that can be; where no region is named, the search for it is offered."""
    trouble = misconfigured(error)
    named = settings.region or settings.region_variable(environ)
    if named or settings.login_url or settings.api_url or any(settings.url_variables(environ)):
        return trouble
    search = Cause(
        "No setting names the region of the client",
        "gc-requests-auth check --find-region asks the login service of every commercial region;"
        " the secret is sent to each of them.",
    )
    found = trouble.found
    return Trouble(found.finding, found.status, [*found.causes, search])


def _nobody(environ: Environment, not_used: list[str]) -> Trouble:
    causes = [
        Cause(f"{lack} is {state}, though {have} is set", f"Set {lack} as well.")
        for have, lack, state in incomplete_pairs(environ)
    ]
    if not causes:
        remedy = (
            f"Set one of these pairs: {_WHICH_PAIR}. Or name a profile of the gc CLI: --profile, or"
            f" {PROFILE}."
        )
        causes.append(Cause("No variable that holds credentials is set here", remedy))
    causes.append(
        Cause(
            "The variables are set, but not for this process",
            "A cron job, a service, a container and sudo do not read the profile of your shell. A"
            " .env file is read only with --env-file.",
        )
    )
    return Trouble(causes[0].cause, Status.MISCONFIGURED, causes, *not_used)


def _not_used(settings: Settings, environ: Environment) -> Iterator[str]:
    """What was found in the environment and is not used, with the reason."""
    used = settings.family
    for family in FAMILIES:
        if family is not used:
            yield from _rival(family, used, environ)
    # Not by a Path, which raises where there is no home.
    if used is None and os.path.exists(os.path.expanduser(PROFILES_FILE)):  # noqa: PTH110, PTH111
        yield f"{PROFILES_FILE}, since no profile is named: --profile or {PROFILE}"
    if used in FAMILIES and environ.get(PROFILE):
        yield f"{PROFILE}, since {used.client_id} comes first"
    if environ.get(BARE_TOKEN):
        yield f"{BARE_TOKEN}, a bare token, which could not be renewed"
    yield from _regions_not_used(settings.region_variable(environ), environ)
    for name in sorted(set(read_environment()) - KNOWN):
        yield f"{with_right_name(name)}, which this library does not read"


def _rival(family: Family, used: Family | None, environ: Environment) -> Iterator[str]:
    """Another pair, or half of one."""
    client_id = environ.get(family.client_id)
    if client_id and environ.get(family.client_secret) and used:
        same = client_id == environ[used.client_id]
        which = "the same client" if same else f"another client, {short_name(client_id)}"
        yield f"{family.client_id} ({which}), since {used.client_id} comes first"
    else:
        for have, lack, state in incomplete_pairs(environ, [family]):
            if used is None or have not in used.pair:
                yield f"{have}, since {lack} is {state}"


def _regions_not_used(first: str | None, environ: Environment) -> Iterator[str]:
    both_urls = environ.get(LOGIN_URL) and environ.get(API_URL)
    reason = "both URLs are set" if both_urls else f"{first} comes first"
    for name in REGION_VARIABLES:
        if environ.get(name) and (both_urls or name != first):
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
