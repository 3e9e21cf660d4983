"""What a failure comes to: the row of the table of causes, filled, and the exit status."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import requests

from ...causes import calls, network, sign_in
from ...causes.examination import Examination
from ...causes.failure import Cause, Failure
from ...causes.network import no_address, of_certificate, of_exception
from ...causes.sign_in import of_sign_in
from ...errors import BadTokenAnswerError, LoginUnreachableError, TokenError
from ...settings.client import Identity
from ...settings.hosts import Hosts
from ...tokens.unreachable import explain, proxy_status
from ...util.http import chain_of
from ...util.secret import swapped
from .report import Status, Trouble, in_options
from .route import Route


def of_failure(failure: Failure, status: Status, *details: str) -> Trouble:
    """A filled row as a trouble."""
    return Trouble(failure.finding, status, failure.causes, details=details)


def refused(error: TokenError, identity: Identity, place: Hosts) -> Trouble:
    """What the answer to the token request comes to."""
    said = _said(error)
    if isinstance(error, BadTokenAnswerError | LoginUnreachableError):
        bad = isinstance(error, BadTokenAnswerError)
        row = sign_in.NOT_THE_LOGIN if bad else sign_in.LOGIN_DOWN
        finding, remedy = happened(error)
        causes = [Cause(row.causes[0].cause, remedy or row.causes[0].remedy)]
        status = Status.MISCONFIGURED if bad else Status.UNREACHABLE
        return Trouble(finding, status, causes, details=[said])
    failure = of_sign_in(
        error.status or 0,
        error.error,
        error.description or "",
        at_region=place.region is not None,
        swapped=swapped(identity.client_id, identity.client_secret),
    )
    if failure is None:
        finding, remedy = happened(error)
        cause = Cause("The login service, or a gateway in front of it, refuses", remedy)
        return Trouble(finding, Status.REFUSED, [cause], details=[said])
    if failure is sign_in.LOGIN_FORBIDDEN:
        failure = failure._replace(finding=happened(error)[0])
    status = Status.UNREACHABLE if error.retryable else Status.REFUSED
    facts = {
        "host": place.login_host,
        "login_host": place.login_host,
        "client": f"The client id {identity.name}",
    }
    failure = failure.filled(facts)
    if status is Status.REFUSED:
        failure = failure._replace(finding=f"refused: {failure.finding}")
    return of_failure(failure, status, said)


def refused_by_api(found: Examination, place: Hosts) -> Trouble:
    """What an answer of the API comes to that is none to a plain question about the token.

    The token is brand-new: it was neither revoked nor has it expired.
    """
    facts = {"login_host": place.login_host, "host": found.host}
    failure = found.failure
    if failure is not None and failure.name == calls.TOKEN_REFUSED.name:
        failure = calls.NEW_TOKEN_REFUSED.filled(facts)
    status = status_of_answer(found)
    if status is Status.MISCONFIGURED or failure is None:
        failure = network.NOT_THE_API.filled({**facts, "kind": found.kind})
    return of_failure(answered(found, failure), status, *references(found))


def status_of_answer(found: Examination) -> Status:
    """The exit status of an answer of the API that is none of what was asked for."""
    if found.status in {401, 403}:
        return Status.REFUSED
    busy = found.status in {408, 429} or found.status >= 500
    return Status.UNREACHABLE if busy else Status.MISCONFIGURED


def answered(found: Examination, failure: Failure) -> Failure:
    """The row, followed by host, status and code of its answer."""
    named = f"{found.status}, {found.code}" if found.code else f"{found.status}"
    return failure._replace(finding=f"{failure.finding} ({found.host} answers {named})")


def references(found: Examination) -> list[str]:
    """The answer in its own words, for those who ask Genesys Cloud Care."""
    said = [f'it says "{found.message}"'] if found.message else []
    return [*said, *([f"correlation id {found.correlation_id}"] if found.correlation_id else [])]


def unreachable(problem: Exception, route: Route, issuer: Callable[[], str | None]) -> Trouble:
    """What a broken connection comes to.

    :param issuer: Says who signed the certificate that is shown there, if it can be read.
    :raises Exception: `problem` itself, if it is none of requests.
    """
    setback = explain(problem, route.url)
    if setback is None:
        raise problem
    chain = list(chain_of(problem))
    finding, _ = happened(setback.error)
    target = ":".join(map(str, route.target))
    facts = {"host": route.target[0], "target": target, "proxy": route.by}
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            facts["issuer"] = issuer() or "somebody whose name could not be read"
            facts["trusted"] = route.ca_shown or "those of certifi"
            failure = of_certificate(one.verify_code).filled(facts)
            said = f"OpenSSL says: {one.verify_message}."
            return of_failure(failure, Status.UNREACHABLE, said)
    failure = of_exception(problem, route.target[0]) or network.NOT_REACHED
    if failure is network.NO_SOCKS:
        return Trouble(finding, Status.MISCONFIGURED, failure.causes)
    if any(isinstance(one, requests.exceptions.ProxyError) for one in chain):
        failure, status = network.PROXY_REFUSES, proxy_status(chain)
        finding = f"{route.by} {f'refuses, it answers {status}' if status else 'fails'}"
    causes = failure.filled(facts).causes
    return Trouble(finding, Status.UNREACHABLE, causes)


def no_name(finding: str, route: Route) -> Trouble:
    """A name without an address, or a resolver without an answer."""
    through = route.proxy is not None
    failure = network.NO_ADDRESS_OF_PROXY if through else no_address(route.host)
    return of_failure(failure._replace(finding=finding).filled(), Status.UNREACHABLE)


def stalled(host: str) -> Trouble:
    """A connection that was taken, and no answer."""
    return of_failure(network.STALLED.filled({"host": host}), Status.UNREACHABLE)


def happened(error: TokenError) -> tuple[str, str]:
    """What the library says of it: what happened, and the rest, in the words of a command line."""
    happened, _, rest = in_options(str(error)).partition(". ")
    return happened.removesuffix("."), rest


def _said(error: TokenError) -> str:
    """The answer in its own words, for those who ask Genesys Cloud Care."""
    said = [f"status {error.status}" if error.status else "", error.error, error.description]
    said.append(f"correlation id {error.correlation_id}" if error.correlation_id else "")
    return f"{error.host} said: {', '.join(filter(None, said)) or 'nothing'}"
