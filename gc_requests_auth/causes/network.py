"""Failures that the request did not cause.

No answer came, another server answered, or the service is down.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from ..settings.regions import DOMAINS, HOW_TO_FIND
from ..util import chain_of
from .failure import WHERE_TO_ASK, Cause, Failure, Table

# -- no answer ------------------------------------------------------------------------------------

#: Rows of a call without an answer: names, connections, TLS, proxies.
NETWORK = Table()

_NO_DNS = Cause(
    "This machine reaches no DNS server, or none that knows public names",
    "Try the name of another site; check the network and the VPN.",
)

_PROXY_TO_SET = Cause(
    "This machine reaches the internet through a proxy only, and no proxy is set",
    "Set HTTPS_PROXY; the proxy then resolves the name.",
)

NO_ADDRESS = NETWORK.row(
    "no-address",
    "{host} has no address: name resolution failed",
    Cause("The region or the URL is misspelt, and there is no such host", HOW_TO_FIND),
    _NO_DNS,
    _PROXY_TO_SET,
    sign="Name resolution fails.",
)

#: Of a host in the table of regions: such a host exists.
NO_ADDRESS_OF_KNOWN_HOST = NETWORK.row(
    "no-address-of-known-host",
    NO_ADDRESS.finding,
    _NO_DNS,
    _PROXY_TO_SET,
    sign="Name resolution fails for a host of a known region.",
)

NO_ADDRESS_OF_PROXY = NETWORK.row(
    "no-address-of-proxy",
    "the proxy {host} has no address: name resolution failed",
    cause="The name of the proxy is wrong, or known in another network only",
    remedy="Compare the proxy settings, such as HTTPS_PROXY, with a machine where they work.",
    sign="Name resolution fails for the host of the proxy.",
)

NOT_REACHED = NETWORK.row(
    "not-reached",
    "{host} can not be reached",
    Cause(
        "A firewall is in the way, or a proxy is needed and not set",
        "Ask the people who run the network for the proxy to set in HTTPS_PROXY, or for an exception"
        " for {target}.",
    ),
    Cause(
        "{host} is down, or the host name or the port is wrong",
        "Check the host name and the port, and try again later.",
    ),
    sign="The connection is refused, or not accepted in time.",
)

STALLED = NETWORK.row(
    "stalled",
    "{host} did not answer in time",
    cause="A server, a proxy or a firewall on the way accepts the connection and then does not answer",
    remedy="Try again later, and from another network.",
    sign="The connection is there, and no answer comes.",
)

DROPPED = NETWORK.row(
    "dropped",
    "{host} closed the connection before the answer was complete",
    cause="A server, a proxy or a firewall on the way closed the connection",
    remedy="Try again later, and from another network.",
    sign="The connection was there, and was closed or reset.",
)

NOT_HTTP = NETWORK.row(
    "not-http",
    "{host} does not answer in HTTP",
    Cause(
        "A proxy or a firewall on the way garbles the answer",
        "Try another network, and tell the people who run the proxy or the firewall.",
    ),
    Cause(
        "At this port, {host} speaks no HTTP",
        "Check the host name and the port.",
    ),
    sign="There is an answer, but no status line, or headers or chunks that nobody can read.",
)

PROXY_REFUSES = NETWORK.row(
    "proxy-refuses",
    "{proxy} does not lead to {target}",
    Cause(
        "The proxy does not let this program through to {target}",
        "Ask the people who run the proxy to allow CONNECT to {target}. If the proxy wants a user"
        " and a password, put both into the URL in HTTPS_PROXY.",
    ),
    Cause(
        "This host needs another proxy, or none",
        "Compare the proxy settings, such as HTTPS_PROXY and NO_PROXY, with a machine where they work.",
    ),
    sign="The proxy refuses CONNECT, or can not be reached.",
)

NO_SOCKS = NETWORK.row(
    "no-socks",
    "requests can not use a SOCKS proxy here",
    cause="The proxy speaks SOCKS, and what requests needs for that is not installed",
    remedy="Install it: pip install 'requests[socks]'",
    sign="The proxy URL begins with socks.",
)

NOT_TRUSTED = NETWORK.row(
    "certificate-not-trusted",
    "TLS is intercepted, or the CA is not known here: the certificate is issued by {issuer}",
    Cause(
        "A company proxy or a virus scanner opens TLS, and its CA is not trusted here",
        "Get its CA certificate as a PEM file, and point REQUESTS_CA_BUNDLE at the file.",
    ),
    Cause(
        "The CAs to trust are not the right ones ({trusted})",
        "Unset REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, or renew the file; update certifi.",
    ),
    sign="OpenSSL does not trust the certificate.",
)

OUT_OF_DATE = NETWORK.row(
    "certificate-out-of-date",
    "the certificate of {host} is out of date, or the clock here is wrong; the issuer is {issuer}",
    Cause("The clock of this machine is wrong", "Set the clock, by NTP for instance."),
    Cause("The certificate has expired", "Tell the people who run the host or the proxy."),
    sign="OpenSSL says that the certificate has expired, or is not yet valid.",
)

OTHER_HOST = NETWORK.row(
    "certificate-of-other-host",
    "the certificate is not that of {host}; the issuer is {issuer}",
    cause="The name leads to another server, or a gateway shows its own certificate",
    remedy="Ask the people who run the gateway for the right host.",
    sign="OpenSSL says that the certificate is for another name.",
)

# -- an answer that says nothing about the request ------------------------------------------------

#: Rows of an answer that is not the API's own, or says that the API is slow or down.
SERVICE = Table()

_TRY_LATER = "Try again later. A GenesysCloudSession tries again by itself where that is safe."

PROXY_WANTS_CREDENTIALS = SERVICE.row(
    "proxy-wants-credentials",
    "a proxy on the way wants a user name and a password",
    cause="The proxy URL holds no user name and password, or wrong ones",
    remedy="Put them into the URL in HTTPS_PROXY, and percent-encode special characters.",
    statuses=(407,),
)

SERVICE.row(
    "authentication-slow",
    "the API could not check the token in time; the token may be good",
    cause="Genesys Cloud's own check of tokens is slow at the moment",
    remedy=_TRY_LATER,
    statuses=(504,),
    codes=("authentication.request.timeout",),
    message="Authentication request timeout.",
)

SERVICE.row(
    "client-too-slow",
    "the whole request did not arrive in time",
    cause="The connection is slow, or the body is large",
    remedy="Try again, with a smaller body or from another network.",
    statuses=(408,),
    codes=("client.timeout",),
)

SERVICE.row(
    "internal-error",
    "the API failed while it worked on this request",
    cause="The fault is within Genesys Cloud",
    remedy=f"Try again later. If the answer stays, take the correlation id to {WHERE_TO_ASK}.",
    statuses=(500, 501),
)

API_DOWN = SERVICE.row(
    "api-down",
    "the API, or a gateway in front of it, is down or overloaded",
    cause="The API does not work at the moment",
    remedy=_TRY_LATER,
    statuses=(502, 503, 504),
)

NOT_THE_API = SERVICE.row(
    "not-the-api",
    "what answers is not the API: the answer is {kind}",
    Cause(
        "A proxy, a firewall or a sign-in page on the way answers in place of the API",
        "Ask the people who run the network for a way to {host}, or for the proxy to set in"
        " HTTPS_PROXY.",
    ),
    Cause(
        "The API URL leads to another place",
        "Name the region alone, without URLs. If you use a gateway, compare the path of its URL.",
    ),
    sign="The body is no JSON object.",
)

# -- the row of an exception ----------------------------------------------------------------------

#: OpenSSL's numbers (X509_V_ERR_...).
_NOT_YET_VALID, _EXPIRED, _OTHER_HOST, _OTHER_ADDRESS = 9, 10, 62, 64


def text_of_exception(problem: Any) -> str:
    """What an exception without an answer means, in one line."""
    request = getattr(problem, "request", None)
    host = urlsplit(getattr(request, "url", None) or "").hostname or "the host"
    row = of_exception(problem, host)
    if row is None:
        kind = type(problem).__name__
        return f"The call to {host} failed ({kind}). The cause is unknown here; read the text of the exception."
    return row.filled({"host": host, "target": host}).text


def of_exception(problem: Exception, host: str) -> Failure | None:
    """The row of an exception of requests without an answer; None if there is none."""
    chain = list(chain_of(problem))

    def found(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in chain)

    if found(requests.exceptions.InvalidSchema):
        return NO_SOCKS if "SOCKS" in str(problem) else None
    if found(
        requests.exceptions.InvalidURL,
        requests.exceptions.MissingSchema,
        requests.exceptions.ContentDecodingError,
        requests.exceptions.RetryError,
    ):
        return None  # urllib3's errors are in the chain of these, too, and no connection failed
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return of_certificate(one.verify_code)
    if found(requests.exceptions.ProxyError):
        return PROXY_REFUSES
    if found(socket.gaierror, urllib3.exceptions.NameResolutionError):
        return no_address(host)
    if found(requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
        return STALLED
    if found(urllib3.exceptions.ProtocolError):
        return NOT_HTTP if is_no_http(chain) else DROPPED
    # A socket failed, and not an adapter or a test double.
    is_of_network = found(urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
    return NOT_REACHED if is_of_network else None


def is_no_http(chain: Iterable[BaseException]) -> bool:
    """Whether there was an answer that is no HTTP. An answer that was cut off does not count."""
    return any(
        isinstance(one, urllib3.exceptions.InvalidChunkLength)
        or (
            isinstance(one, http.client.HTTPException)
            and not isinstance(one, http.client.IncompleteRead | ConnectionError)
            and not getattr(one, "line", "").startswith("HTTP/1.")  # a status line, cut off
        )
        for one in chain
    )


def of_certificate(code: int) -> Failure:
    """The row of a certificate that OpenSSL refuses, by the number that OpenSSL gives."""
    if code in {_NOT_YET_VALID, _EXPIRED}:
        return OUT_OF_DATE
    return OTHER_HOST if code in {_OTHER_HOST, _OTHER_ADDRESS} else NOT_TRUSTED


def no_address(host: str) -> Failure:
    """The row of a host whose name has no address."""
    known = host.partition(".")[2] in DOMAINS
    return NO_ADDRESS_OF_KNOWN_HOST if known else NO_ADDRESS
