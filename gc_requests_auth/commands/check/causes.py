"""What a failure may come from, the likeliest first, and what to do about each.

The order is that of how often it was the cause where people reported it: a wrong region leads.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

import requests

from ...errors import (
    BadTokenAnswerError,
    CredentialsRefusedError,
    GrantTypeError,
    LoginThrottledError,
    LoginUnreachableError,
    TokenError,
)
from ...settings.credentials import Identity
from ...settings.hosts import Place
from ...settings.regions import DOMAINS, HOW_TO_FIND
from ...tokens.response import look_swapped
from ...tokens.unreachable import causes as chain_of
from ...tokens.unreachable import explain, proxy_status
from .origins import shown
from .report import Cause, Status, Trouble
from .route import Route

_IN_ADMIN = "Admin > Integrations > OAuth"

_IP_ADDRESS = Cause(
    "The address this runs at is not allowed",
    "Compare it with the allowed IP addresses of the organisation and of the OAuth client.",
)

#: OpenSSL's numbers (X509_V_ERR_...).
_NOT_YET_VALID, _EXPIRED, _OTHER_HOST, _OTHER_ADDRESS = 9, 10, 62, 64


def refused(error: TokenError, identity: Identity, place: Place) -> Trouble:
    """What the answer to the token request comes to."""
    if isinstance(error, CredentialsRefusedError):
        finding, causes = _credentials_refused(identity, place)
        status = Status.REFUSED
    elif isinstance(error, GrantTypeError):
        finding = "refused: the grant type of this client is not Client Credentials"
        remedy = (
            f"In {_IN_ADMIN}, make a client of the grant type Client Credentials, give it roles,"
            " and use its id and secret."
        )
        causes = [Cause("The OAuth client is of another grant type", remedy)]
        status = Status.REFUSED
    elif isinstance(error, LoginThrottledError):
        finding = "throttled: this client asks for too many tokens"
        remedy = (
            "Wait a minute. Then find the program that asks for a token at every call or in every"
            " thread: one token serves for hours, and any number of threads."
        )
        causes = [Cause("Too many token requests in a short time", remedy)]
        status = Status.UNREACHABLE
    elif isinstance(error, BadTokenAnswerError):
        finding, remedy = _told(error)
        causes = [Cause("What answers is not the login service", remedy)]
        status = Status.MISCONFIGURED
    elif isinstance(error, LoginUnreachableError):
        finding, remedy = _told(error)
        causes = [Cause("The login service does not answer", remedy or "Try again later.")]
        status = Status.UNREACHABLE
    else:
        finding, remedy = _told(error)
        causes = [Cause("The login service, or a gateway in front of it, refuses", remedy)]
        causes += [_IP_ADDRESS] if error.status == 403 else []
        status = Status.REFUSED
    return Trouble(finding, status, causes, details=[_said(error)])


def _credentials_refused(identity: Identity, place: Place) -> tuple[str, list[Cause]]:
    swapped = Cause(
        "Id and secret are swapped",
        f"Compare both with {_IN_ADMIN}: an id is shown there at any time, a secret is not.",
    )
    causes = [
        Cause(
            f"The region is wrong: a client exists in one only, and {place.login_host} was asked",
            f"gc-requests-auth check --find-region asks the others, too. {HOW_TO_FIND}",
        ),
        Cause(
            "The secret is wrong: cut when it was copied, or reset since",
            f"It is shown only when it is made. Reset it in {_IN_ADMIN}, and copy it whole.",
        ),
        Cause(
            f"The client id is wrong, or the client was deleted: {shown(identity)} was sent",
            f"Compare it with {_IN_ADMIN}.",
        ),
        Cause("The client is disabled or inactive", f"Make it active again in {_IN_ADMIN}."),
        swapped,
    ]
    if look_swapped(identity):
        return "refused: id and secret look swapped", [swapped, *causes[:-1]]
    return "refused: wrong region, secret or id, or the client is disabled", causes


def unreachable(problem: Exception, route: Route, issuer: Callable[[], str | None]) -> Trouble:
    """What a broken connection comes to.

    :param issuer: Says who signed the certificate that is shown there, if it can be read.
    :raises Exception: `problem` itself, if it is none of requests.
    """
    setback = explain(problem, route.url)
    if setback is None:
        raise problem
    chain = list(chain_of(problem))
    untrusted = [one for one in chain if isinstance(one, ssl.SSLCertVerificationError)]
    if untrusted:
        return _untrusted(untrusted[0], route, issuer())
    finding, _ = _told(setback.error)
    if isinstance(problem, requests.exceptions.InvalidSchema):
        cause = Cause(
            "The proxy speaks SOCKS, and what requests needs for that is not installed",
            "pip install 'requests[socks]'",
        )
        return Trouble(finding, Status.MISCONFIGURED, [cause])
    if any(isinstance(one, requests.exceptions.ProxyError) for one in chain):
        status = proxy_status(chain)
        finding = f"{route.by} {f'refuses, it answers {status}' if status else 'fails'}"
        causes = [
            Cause(
                f"The proxy does not let this through to {route.target[0]}",
                f"Ask those who run it to allow CONNECT to {_netloc(route)}; if it wants a user and"
                " a password, they belong in HTTPS_PROXY.",
            ),
            Cause(
                "It is not the proxy to use, or not for this host",
                "Compare HTTPS_PROXY and NO_PROXY with a machine where it works.",
            ),
        ]
    else:
        causes = [
            Cause(
                "A firewall on the way, or a proxy that is needed and not set",
                "Ask what way out this machine has: HTTPS_PROXY, or an exception for"
                f" {_netloc(route)}.",
            ),
            Cause(f"{route.target[0]} is down, or not the host that is meant", "Try again later."),
        ]
    return Trouble(finding, Status.UNREACHABLE, causes)


def _untrusted(error: ssl.SSLCertVerificationError, route: Route, issuer: str | None) -> Trouble:
    shown = f"issued by {issuer}" if issuer else "whose issuer could not be read"
    said = [f"OpenSSL says: {error.verify_message}."]
    host = route.target[0]
    if error.verify_code in {_NOT_YET_VALID, _EXPIRED}:
        finding = f"the certificate of {host} is out of date, or the clock here is, {shown}"
        causes = [
            Cause("The clock of this machine is wrong", "Set it, by NTP for instance."),
            Cause("The certificate has expired", "Tell those who run the host or the proxy."),
        ]
    elif error.verify_code in {_OTHER_HOST, _OTHER_ADDRESS}:
        finding = f"the certificate is another host's than {host}, {shown}"
        causes = [
            Cause(
                "The name leads to another server, or a gateway shows its own certificate",
                "Compare the host with what those who run the gateway say.",
            )
        ]
    else:
        finding = f"TLS is intercepted, or the CA is not known here: {shown}"
        trusted = route.ca_shown or "those of certifi"
        causes = [
            Cause(
                "A company proxy or a virus scanner opens TLS, and its CA is not trusted here",
                "Get its CA certificate as a PEM file, and point REQUESTS_CA_BUNDLE at it.",
            ),
            Cause(
                f"The CAs to trust are not the right ones ({trusted})",
                "Unset REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, or renew the file; update certifi.",
            ),
        ]
    return Trouble(finding, Status.UNREACHABLE, causes, details=said)


def no_name(finding: str, route: Route) -> Trouble:
    """A name without an address, or a resolver without an answer."""
    if route.proxy is not None:
        cause = Cause(
            "The name of the proxy is wrong, or known in another network only",
            "Compare HTTPS_PROXY with a machine where it works.",
        )
        return Trouble(finding, Status.UNREACHABLE, [cause])
    misspelt = Cause("The region or URL is misspelt, and there is no such host", HOW_TO_FIND)
    causes = [] if _of_the_table(route.host) else [misspelt]
    causes += [
        Cause(
            "This machine reaches no DNS server, or none that knows the world outside",
            "Try the name of another site; check the network and the VPN.",
        ),
        Cause(
            "The way out is a proxy, which is not set here",
            "Set HTTPS_PROXY; the proxy then resolves the name.",
        ),
    ]
    return Trouble(finding, Status.UNREACHABLE, causes)


def stalled(host: str) -> Trouble:
    """A connection that was taken, and no answer."""
    cause = Cause(
        "A server, proxy or firewall on the way takes the connection and then stalls",
        "Try again later, and from another network.",
    )
    return Trouble(f"{host} did not answer in time", Status.UNREACHABLE, [cause])


def api_refused(status: int, code: str, place: Place, correlation_id: str = "unknown") -> Trouble:
    """What an answer of the API other than a JSON object and 200 comes to.

    :param code: What its body calls the error, or is.
    """
    host = place.api_url.removeprefix("https://")
    named = str(status) if code == "unknown" else f"{status}, {code}"
    if status == 401:
        finding, outcome = f"{host} refuses a token that is brand-new ({named})", Status.REFUSED
        causes = [
            Cause(
                f"The API is of another region or organisation than {place.login_host}",
                "Name the region alone, without URLs: both hosts follow from it.",
            ),
            _IP_ADDRESS,
            Cause("The client was disabled", f"Look at its state in {_IN_ADMIN}."),
        ]
    elif status == 403:
        finding, outcome = f"{host} forbids it ({named})", Status.REFUSED
        causes = [
            _IP_ADDRESS,
            Cause("A proxy or gateway on the way forbids it", "Ask those who run it."),
        ]
    elif status == 429 or status >= 500:
        what = "throttles this client" if status == 429 else "is down"
        finding, outcome = f"{host} {what} ({named})", Status.UNREACHABLE
        causes = [Cause(f"The API {what}, for now", "Try again later.")]
    else:
        finding, outcome = f"{host} is not the API: it answers {named}", Status.MISCONFIGURED
        causes = [
            Cause(
                "The API URL leads elsewhere, or a sign-in page of a proxy answers",
                "Name the region alone, without URLs; where a gateway is meant, compare its path.",
            )
        ]
    details = [f"correlation id {correlation_id}"] if correlation_id != "unknown" else ()
    return Trouble(finding, outcome, causes, details=details)


def _said(error: TokenError) -> str:
    """The answer in its own words, for those who ask Genesys Cloud Care."""
    said = [f"status {error.status}" if error.status else "", error.error, error.description]
    said.append(f"correlation id {error.correlation_id}" if error.correlation_id else "")
    return f"{error.host} said: {', '.join(filter(None, said)) or 'nothing'}"


def _told(error: TokenError) -> tuple[str, str]:
    """What the library says of it: what happened, and the rest."""
    happened, _, rest = str(error).partition(". ")
    return happened.removesuffix("."), rest


def _of_the_table(host: str) -> bool:
    return host.removeprefix("login.").removeprefix("api.") in DOMAINS


def _netloc(route: Route) -> str:
    host, port = route.target
    return f"{host}:{port}"
