"""Which region's login service accepts the client: a wrong region is answered like a wrong secret."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from queue import SimpleQueue
from threading import Semaphore
from typing import NamedTuple

from ...causes import sign_in
from ...causes.failure import Cause
from ...errors import (
    ConfigurationError,
    CredentialsRefusedError,
    GenesysCloudError,
    GrantTypeError,
    LoginThrottledError,
    LoginUnreachableError,
)
from ...settings import Hosts, Identity, Settings
from ...settings.regions import REGIONS, parse_region
from ...tokens.request import request_token
from ...util import Clock, SecretBox
from .network import Outcomes, TooLongError, next_of, start, within
from .origins import credentials_found
from .report import Status, Trouble, as_json, happened, listed, misconfigured, not_begun, wrapped

#: Login services that are asked at the same time.
AT_ONCE = 4

#: Seconds to connect and to read, of each attempt.
TIMEOUT = (5.0, 15.0)

#: Seconds for one region: a minute of throttling, which `request_token` waits out, and the last attempt.
SECONDS_FOR_A_REGION = 80.0

#: These are asked only when they are named: a stray secret there is an incident.
_ONLY_WHEN_NAMED = (".us-gov-pure.cloud", ".eusc-pure.cloud")

COMMERCIAL = tuple(
    region.domain for region in REGIONS if not region.domain.endswith(_ONLY_WHEN_NAMED)
)


def search(given: Settings, names: str | None, *, json: bool) -> int:
    """Ask the regions which of them knows the client; the exit status.

    :param names: Of the regions to ask, with commas between; None for all commercial ones.
    """
    try:
        domains = COMMERCIAL if names is None else named(names)
        identity, _ = credentials_found(given)
        proxy = given.proxy()
    except ConfigurationError as error:
        return not_begun(misconfigured(error), json=json)
    except Trouble as trouble:
        return not_begun(trouble, json=json)
    # Before anything is sent, also where the answer goes to a machine.
    announced = wrapped(announcement(identity, domains), indent=0)
    print(announced, file=sys.stderr if json else sys.stdout, flush=True)
    answers = []
    for answer in ask_regions(identity, domains, proxy=proxy):
        answers.append(answer)
        if not json:
            print(answer, flush=True)
    region, status, causes = verdict(answers)
    if json:
        regions = [one.as_object() for one in answers]
        print(as_json(status, causes, region=region, regions=regions))
    else:
        print(f"\n{listed(causes)}")
    return status


def named(names: str) -> tuple[str, ...]:
    """The domains of the regions in a list such as ``eu-west-1,usw2``.

    :raises ConfigurationError: if one is none of Genesys Cloud's, as far as anybody knows. The
        secret would go there.
    """
    domains = [parse_region(name) for name in names.split(",") if name.strip()]
    for domain in domains:
        if not sign_in.is_region_host(f"login.{domain}"):
            raise ConfigurationError(
                f"{domain} is no region of Genesys Cloud's table, and the secret goes to no other."
            )
    if not domains:
        raise ConfigurationError("No region is named. Name some as in --try eu-west-1,usw2.")
    return tuple(dict.fromkeys(domains))


def announcement(identity: Identity, domains: Sequence[str]) -> str:
    """What is about to be sent where."""
    return (
        f"About to send client id {identity.name} and its secret, as a token request over TLS, to"
        f" the login service of {'this region' if len(domains) == 1 else 'these regions'} of"
        f" Genesys Cloud, {AT_ONCE} at a time, and nothing else to anybody:"
        f" {', '.join(f'login.{domain}' for domain in domains)}."
    )


class Answer(NamedTuple):
    """What one region said."""

    domain: str
    seconds: float
    #: None: the region accepts the client.
    error: GenesysCloudError | None

    @property
    def knows_client(self) -> bool | None:
        """Whether the client lives there, even if it may not sign in this way; None if nobody knows."""
        if self.error is None or isinstance(self.error, GrantTypeError):
            return True
        return False if isinstance(self.error, CredentialsRefusedError) else None

    @property
    def finding(self) -> str:
        """In a few words."""
        match self.error:
            case None:
                return "accepts this client"
            case GrantTypeError():
                return "knows this client, but the client has another grant type"
            case CredentialsRefusedError():
                return "refuses this client"
            case LoginThrottledError():
                return "throttles token requests, also after retries"
            case error:
                return happened(error)[0]

    def __str__(self) -> str:
        """One line."""
        mark = {True: "yes", False: "no", None: "?"}[self.knows_client]
        return wrapped(f"{mark:<4}  login.{self.domain}: {self.finding} ({self.seconds:.2f} s)")

    def as_object(self) -> dict[str, object]:
        """The same for machines."""
        return {
            "region": self.domain,
            "accepts": self.error is None,
            "finding": self.finding,
            "seconds": round(self.seconds, 3),
        }


def login_url_of(domain: str) -> str:
    """The login service of a region."""
    return Hosts(domain, None, None).login_url


def ask_regions(
    identity: Identity,
    domains: Sequence[str],
    clock: Clock = Clock(),  # noqa: B008 -- immutable
    *,
    proxy: SecretBox | None,
) -> Iterator[Answer]:
    """Ask the login service of each region, a few at a time; the answers as they come.

    A region that throttles is asked again, ever more slowly, by the rules of any token request. The
    tokens that are granted are dropped.
    """
    turns = Semaphore(AT_ONCE)

    def ask(domain: str) -> Answer:
        with turns:
            return _ask(identity, domain, clock, proxy)

    answers: Outcomes[Answer] = SimpleQueue()
    for domain in domains:
        start(partial(ask, domain), answers)
    for _ in domains:
        yield next_of(answers)


def _ask(identity: Identity, domain: str, clock: Clock, proxy: SecretBox | None) -> Answer:
    ask = partial(
        request_token,
        identity,
        f"{login_url_of(domain)}/oauth/token",
        session=None,
        timeout=TIMEOUT,
        within=SECONDS_FOR_A_REGION - sum(TIMEOUT),
        retry=True,
        clock=clock,
        proxy=proxy,
    )
    began = clock.monotonic()
    error: GenesysCloudError | None = None
    try:
        within(SECONDS_FOR_A_REGION, ask)
    except GenesysCloudError as problem:
        error = problem
    except TooLongError:
        error = LoginUnreachableError(f"login.{domain} did not answer in time.")
    return Answer(domain, clock.monotonic() - began, error)


def verdict(answers: Sequence[Answer]) -> tuple[str | None, Status, list[Cause]]:
    """What all answers come to: the region if there is one, the exit status, and what to do."""
    found = next((one for one in answers if one.knows_client), None)
    if found is not None and found.error is not None:
        remedy = sign_in.OTHER_GRANT_TYPE.causes[0].remedy
        return found.domain, Status.REFUSED, [Cause(f"{found.domain} {found.finding}", remedy)]
    if found is not None:
        remedy = (
            f"Set GENESYSCLOUD_REGION={found.domain}, or pass region={found.domain!r}; on the command"
            f" line, --region {found.domain}."
        )
        cause = Cause(f"The region of this client is {found.domain}", remedy)
        return found.domain, Status.FINE, [cause]
    unclear = [one for one in answers if one.knows_client is None]
    # As `check` says of any of these regions, if all say the same.
    status = max((Status.of(one.error) for one in unclear if one.error), default=Status.REFUSED)
    causes = []
    if len(unclear) < len(answers):
        causes = _none_accepts({one.domain for one in answers})
        status = Status.UNREACHABLE if unclear else Status.REFUSED
    if unclear:
        unclear.sort(key=lambda one: one.domain)  # the answers came in any order
        hosts = ", ".join(f"login.{one.domain}" for one in unclear)
        remedy = (
            f"gc-requests-auth check --region {unclear[0].domain} says why. If a sign-in page, a"
            " firewall or a proxy answers in place of the login service, ask those who run the"
            " network for a way to these hosts, or for the proxy to set in HTTPS_PROXY."
        )
        causes.append(Cause(f"No clear answer came from {hosts}", remedy))
    return None, status, causes


def _none_accepts(asked: set[str]) -> list[Cause]:
    causes = [
        Cause(
            "The secret is likely wrong: no region that answered accepts the client",
            sign_in.SECRET.remedy,
        ),
        Cause(
            "The client id is wrong, swapped with the secret, or of a client that is disabled or"
            " deleted",
            sign_in.CLIENT_ID.remedy,
        ),
    ]
    others = [region.aws for region in REGIONS if region.domain not in asked]
    if others:
        remedy = f"Name it: gc-requests-auth check --find-region --try {','.join(others)}"
        if not asked.issuperset(COMMERCIAL):
            remedy = (
                "gc-requests-auth check --find-region, without --try, asks all commercial ones."
            )
        causes.append(Cause("The organisation lives in a region that was not asked", remedy))
    return causes
