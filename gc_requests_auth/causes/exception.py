"""What an exception means that comes in place of an answer: its row."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from ..settings.regions import DOMAINS
from ..util import chain_of
from . import network
from .failure import UNKNOWN_FACTS, Failure

#: OpenSSL's numbers (X509_V_ERR_...).
_NOT_YET_VALID, _EXPIRED, _OTHER_HOST, _OTHER_ADDRESS = 9, 10, 62, 64

#: What requests raises before it connects, or after answers.
_NOT_OF_A_CONNECTION = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.RetryError,
    requests.exceptions.TooManyRedirects,
)


def text_of_exception(problem: Any) -> str:
    """What an exception without an answer means, in one line."""
    request = getattr(problem, "request", None)
    host = urlsplit(getattr(request, "url", None) or "").hostname or "the host"
    row = of_exception(problem, host)
    if row is None:
        kind = type(problem).__name__
        return f"The call to {host} failed ({kind}). The cause is unknown here; read the text of the exception."
    return row.text


def of_exception(problem: Exception, host: str, **facts: str) -> Failure | None:
    """The row of an exception of requests without an answer, filled; None if there is none.

    :param facts: More that is known of the way there.
    """
    chain = list(chain_of(problem))

    def found(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in chain)

    def filled(row: Failure, **more: str) -> Failure:
        return row.filled({"host": host, "target": host, **facts, **more})

    if found(requests.exceptions.InvalidSchema):
        return filled(network.NO_SOCKS) if "SOCKS" in str(problem) else None
    # requests puts the credentials of a proxy into a header as Latin-1; the exception holds them.
    if isinstance(problem, UnicodeEncodeError):
        return filled(network.PROXY_PASSWORD) if problem.encoding == "latin-1" else None
    # A ValueError of urllib3, with the URL of the proxy in it.
    if "determine SOCKS version" in str(problem):
        return filled(network.PROXY_URL)
    # requests has parsed the URL of the call before, so the URL of the proxy can not be parsed. A name with
    # an empty label is found when the connection is made, and may be of the host or of the proxy.
    if found(requests.exceptions.InvalidProxyURL) or any(
        isinstance(one, urllib3.exceptions.LocationValueError) for one in (problem, *problem.args)
    ):
        name = re.search("'(.*)', label empty or too long", str(problem))
        if name and host == UNKNOWN_FACTS["host"]:
            return None
        of_host = name and name[1] == urlsplit(f"//{host}").hostname
        return filled(no_address(host) if of_host else network.PROXY_URL)
    if isinstance(problem, _NOT_OF_A_CONNECTION):
        return None  # a connection may have failed before; that error is in the chain, too
    if found(requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError):
        return filled(network.BROKEN_ENCODING)
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return filled(of_certificate(getattr(one, "verify_code", 0)))
        # urllib3 1.26 compares the names in the certificate without OpenSSL.
        if type(one).__name__ == "CertificateError":
            return filled(network.OTHER_HOST)
    proxy = _of_proxy(chain)
    if proxy is not None:
        row, status = proxy
        return filled(row, status=status)
    file = _unread_file(chain)
    if file is not None:
        return filled(network.NO_PEM_FILE, file=file)
    if found(ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return filled(network.DROPPED)
    if found(requests.exceptions.SSLError, ssl.SSLError):
        # A test double makes one without a reason.
        reasons = (getattr(one, "reason", None) for one in chain if isinstance(one, ssl.SSLError))
        return filled(
            network.NO_HANDSHAKE, reason=next(filter(None, reasons), UNKNOWN_FACTS["reason"])
        )
    # The name of the class is compared, since urllib3 1.26 has no such class.
    unresolved = any(type(one).__name__ == "NameResolutionError" for one in chain)
    if unresolved or found(socket.gaierror):
        return filled(no_address(host))
    if found(ConnectionRefusedError):
        return filled(network.NOT_REACHED._replace(finding="{host} refuses the connection"))
    if found(requests.ConnectTimeout):
        slow = network.NOT_REACHED._replace(finding="{host} does not take the connection in time")
        return filled(slow)
    if found(requests.Timeout, TimeoutError, urllib3.exceptions.ReadTimeoutError):
        return filled(network.STALLED)
    if found(urllib3.exceptions.NewConnectionError):
        return filled(network.NOT_REACHED)
    if found(urllib3.exceptions.TimeoutError):
        return filled(network.STALLED)
    if found(urllib3.exceptions.ProtocolError, ConnectionError):
        return filled(network.NOT_HTTP if _is_no_http(chain) else network.DROPPED)
    return None


def _is_no_http(chain: list[BaseException]) -> bool:
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


def _of_proxy(chain: list[BaseException]) -> tuple[Failure, str] | None:
    """The row of a proxy that fails, and the status that the proxy answers; None if no proxy fails."""
    socks = [type(one).__name__ for one in chain if type(one).__module__ == "socks"]
    if "ProxyConnectionError" in socks:
        return network.PROXY_NOT_REACHED, ""
    if socks:
        return network.PROXY_REFUSES, UNKNOWN_FACTS["status"]
    kinds = requests.exceptions.ProxyError, urllib3.exceptions.ProxyError
    if not any(isinstance(one, kinds) for one in chain):
        return None
    for one in chain:
        # http.client has the status of the answer to CONNECT in a text only.
        status = str(one).partition("Tunnel connection failed: ")[2][:3]
        if status:
            row = network.PROXY_WANTS_CREDENTIALS if status == "407" else network.PROXY_REFUSES
            return row, status
    if any("use HTTP and not HTTPS" in str(one) for one in chain):
        return network.PROXY_WITHOUT_TLS, ""
    if any(isinstance(one, socket.gaierror) for one in chain):
        return network.NO_ADDRESS_OF_PROXY, ""
    return network.PROXY_NOT_REACHED, ""


def _unread_file(chain: list[BaseException]) -> str | None:
    """What requests or OpenSSL says of a certificate file that it can not read; None if it read all."""
    for one in chain:
        if isinstance(one, OSError) and str(one).startswith("Could not find"):
            what, _, path = str(one).partition(": ")
            return f"c{what[1:]}: {path_shown(path)}"
        # requests makes an SSLError of a file that OpenSSL can not read.
        if isinstance(one, ssl.SSLError) and re.search("PEM|NO_CERTIFICATE", str(one)):
            return "the CA bundle or the client certificate is no PEM file"
    return None


def path_shown(path: str) -> str:
    """A path for a message; what is no path may be the file itself, a private key say."""
    return path if len(path) <= 200 and path.isprintable() else "(not shown: this is no path)"


def of_certificate(code: int) -> Failure:
    """The row of a certificate that OpenSSL refuses, by the number that OpenSSL gives."""
    if code in {_NOT_YET_VALID, _EXPIRED}:
        return network.OUT_OF_DATE
    return network.OTHER_HOST if code in {_OTHER_HOST, _OTHER_ADDRESS} else network.NOT_TRUSTED


def no_address(host: str) -> Failure:
    """The row of a host whose name has no address."""
    known = host.partition(":")[0].partition(".")[2] in DOMAINS
    return network.NO_ADDRESS_OF_KNOWN_HOST if known else network.NO_ADDRESS
