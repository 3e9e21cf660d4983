"""Which region's login service accepts the client: a wrong region is answered like a wrong secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

from ...causes import sign_in
from ...causes.failure import Cause
from ...errors import (
    BadTokenAnswerError,
    ConfigurationError,
    CredentialsRefusedError,
    GenesysCloudError,
    GrantTypeError,
    LoginThrottledError,
    LoginUnreachableError,
)
from ...settings.client import Identity
from ...settings.hosts import Hosts
from ...settings.regions import DOMAINS, PARENTS, REGIONS, parse_region
from ...util.clock import Clock
from .bounded import TooLongError, within
from .report import Status, wrapped

#: Login services that are asked at the same time.
AT_ONCE = 4

#: Seconds to connect and to read, of each attempt.
TIMEOUT = (5.0, 15.0)

#: Seconds for one region: a minute of throttling, which `login` waits out, and the last attempt.
FOR_A_REGION = 80.0

#: Asked only when named: theirs are other worlds, where a stray secret is an incident.
_ONLY_WHEN_NAMED = (".us-gov-pure.cloud", ".eusc-pure.cloud")

COMMERCIAL = tuple(
    region.domain for region in REGIONS if not region.domain.endswith(_ONLY_WHEN_NAMED)
)


def named(names: str) -> tuple[str, ...]:
    """The domains of the regions in a list such as ``eu-west-1,usw2``.

    :raises ConfigurationError: if one is none of Genesys Cloud's, as far as anybody knows. The
        secret would go there.
    """
    domains = [parse_region(name) for name in names.split(",") if name.strip()]
    for domain in domains:
        if domain not in DOMAINS and not domain.endswith(tuple(f".{one}" for one in PARENTS)):
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
    #: None: it accepts the client.
    error: GenesysCloudError | None

    @property
    def finding(self) -> str:
        """In a few words."""
        match self.error:
            case None:
                return "accepts this client"
            case GrantTypeError():
                return "knows this client, which is of another grant type"
            case CredentialsRefusedError():
                return "refuses this client"
            case LoginThrottledError():
                return "throttles, and went on doing so"
            case error:
                return str(error).partition(". ")[0].removesuffix(".")

    @property
    def silent(self) -> bool:
        """Whether it neither accepted nor refused."""
        return not self.knows_client and not isinstance(self.error, CredentialsRefusedError)

    @property
    def strange(self) -> bool:
        """Whether something answered that does not speak as a login service does."""
        match self.error:
            case BadTokenAnswerError():
                return True
            case LoginUnreachableError() | LoginThrottledError():
                return False
            case error:
                return self.silent and getattr(error, "error", None) is None

    @property
    def knows_client(self) -> bool:
        """Whether the client lives there, even if it may not sign in this way."""
        return self.error is None or isinstance(self.error, GrantTypeError)

    def __str__(self) -> str:
        """Its line."""
        mark = "?" if self.silent else "yes" if self.knows_client else "no"
        return wrapped(f"{mark:<4}  login.{self.domain}: {self.finding} ({self.seconds:.2f} s)")


def login_url_of(domain: str) -> str:
    """The login service of a region."""
    return Hosts.of(domain, None, None).login_url


def ask_regions(
    identity: Identity,
    domains: Sequence[str],
    login_url: Callable[[str], str] = login_url_of,
    clock: Clock = Clock(),  # noqa: B008 -- immutable
) -> Iterator[Answer]:
    """Ask the login service of each region, a few at a time; the answers as they come.

    A region that throttles is asked again, ever more slowly, by the rules of any token request. The
    tokens that are granted are dropped.
    """
    waiting: SimpleQueue[str] = SimpleQueue()
    answers: SimpleQueue[Answer | Exception] = SimpleQueue()
    for domain in domains:
        waiting.put(domain)

    def work() -> None:
        while True:
            try:
                domain = waiting.get_nowait()
            except Empty:
                return
            try:
                answers.put(_ask(identity, domain, login_url(domain), clock))
            except Exception as problem:  # a fault of ours: told, not waited for
                answers.put(problem)

    # Daemons, not a pool: Ctrl-C must not wait for a region that does not answer.
    for _ in range(AT_ONCE):
        Thread(target=work, daemon=True).start()
    for _ in domains:
        answer = answers.get()
        if isinstance(answer, Exception):
            raise answer
        yield answer


def _ask(identity: Identity, domain: str, login_url: str, clock: Clock) -> Answer:
    from ...tokens.request import request_token

    def ask() -> None:
        request_token(
            identity,
            f"{login_url}/oauth/token",
            session=None,
            timeout=TIMEOUT,
            within=FOR_A_REGION - sum(TIMEOUT),
            retry=True,
            clock=clock,
        )

    start = clock.monotonic()
    error: GenesysCloudError | None = None
    try:
        within(FOR_A_REGION, ask)
    except GenesysCloudError as problem:
        error = problem
    except TooLongError:
        error = LoginUnreachableError(f"login.{domain} did not answer in time.")
    return Answer(domain, clock.monotonic() - start, error)


def verdict(answers: Sequence[Answer]) -> tuple[str | None, Status, list[Cause]]:
    """What all answers come to: the region if there is one, the exit status, and what to do."""
    found = next((one for one in answers if one.knows_client), None)
    if found is not None and found.error is None:
        remedy = (
            f"Set GENESYSCLOUD_REGION={found.domain}, or pass region={found.domain!r}; on the command"
            f" line, --region {found.domain}."
        )
        cause = Cause(f"The region of this client is {found.domain}", remedy)
        return found.domain, Status.FINE, [cause]
    if found is not None:
        remedy = sign_in.OTHER_GRANT_TYPE.causes[0].remedy
        cause = Cause(f"{found.domain} knows this client, but not for this grant type", remedy)
        return found.domain, Status.REFUSED, [cause]
    refused = [one for one in answers if not one.silent]
    strange = [one for one in answers if one.strange]
    silent = [one.domain for one in answers if one.silent and not one.strange]
    causes = _none_accepts({one.domain for one in answers}) if refused else []
    if strange:
        hosts = ", ".join(f"login.{one.domain}" for one in strange)
        remedy = (
            "A sign-in page, a firewall or a proxy answers in its place: ask those who run the"
            " network for a way to these hosts, or for the proxy to set in HTTPS_PROXY."
        )
        causes.append(Cause(f"What answers is not the login service: {hosts}", remedy))
    if silent:
        remedy = "gc-requests-auth check, with one of them as the region, says why."
        causes.append(Cause(f"Without an answer: {', '.join(silent)}", remedy))
    return None, _status(answers), causes


def _status(answers: Sequence[Answer]) -> Status:
    """Where none knows the client: as of `check` in any of these regions, if all say the same."""
    if not all(one.strange for one in answers):
        return Status.UNREACHABLE if any(one.silent for one in answers) else Status.REFUSED
    if any(isinstance(one.error, BadTokenAnswerError) for one in answers):
        return Status.MISCONFIGURED
    return Status.REFUSED


def _none_accepts(asked: set[str]) -> list[Cause]:
    causes = [
        Cause(
            "The secret is the likelier fault: no region that answered accepts it",
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
