"""What an exception of requests means that came in place of an answer."""

from __future__ import annotations

import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from ..settings.regions import DOMAINS, PARENTS
from ..util.http import chain_of
from . import network
from .failure import Failure, sentence


def told_of_exception(problem: requests.RequestException) -> str:
    """What an exception without an answer means."""
    request: Any = getattr(problem, "request", None)
    parts = urlsplit(getattr(request, "url", None) or "")
    host = parts.hostname or "the host"
    failure = of_exception(problem, host)
    if failure is None:
        kind = type(problem).__name__
        return f"The call to {host} failed ({kind}). The cause is unknown."
    failure = failure.filled({"host": host, "target": host})
    return f"{sentence(failure.finding)} {failure.advice}"


def of_exception(problem: Exception, host: str) -> Failure | None:
    """The row of an exception of requests without an answer; None if there is none."""
    chain = list(chain_of(problem))

    def found(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in chain)

    if found(requests.exceptions.InvalidSchema):
        return network.NO_SOCKS if "SOCKS" in str(problem) else None
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return of_certificate(one.verify_code)
    if found(requests.exceptions.ProxyError):
        return network.PROXY_REFUSES
    if found(socket.gaierror, urllib3.exceptions.NameResolutionError):
        return no_address(host)
    if found(requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
        return network.STALLED
    if found(requests.ConnectionError, requests.Timeout, OSError) and not found(
        requests.exceptions.InvalidURL, requests.exceptions.MissingSchema
    ):
        return network.NOT_REACHED if _is_of_network(chain) else None
    return None


def _is_of_network(chain: list[BaseException]) -> bool:
    """Whether a socket failed, and not an adapter or a test double."""
    kinds = (urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
    return any(isinstance(one, kinds) for one in chain)


#: OpenSSL's numbers (X509_V_ERR_...).
_NOT_YET_VALID, _EXPIRED, _OTHER_HOST, _OTHER_ADDRESS = 9, 10, 62, 64


def of_certificate(code: int) -> Failure:
    """The row of a certificate that OpenSSL refuses, by the number it gives."""
    if code in {_NOT_YET_VALID, _EXPIRED}:
        return network.OUT_OF_DATE
    return network.OTHER_HOST if code in {_OTHER_HOST, _OTHER_ADDRESS} else network.NOT_TRUSTED


def no_address(host: str) -> Failure:
    """The row of a host whose name has no address."""
    known = host.partition(".")[2] in DOMAINS
    return network.NO_ADDRESS_OF_KNOWN_HOST if known else network.NO_ADDRESS


def of_region(host: str) -> bool:
    """Whether a host is one of a region of Genesys Cloud."""
    domain = host.partition(".")[2]
    return domain in DOMAINS or domain.endswith(tuple(f".{parent}" for parent in PARENTS))
