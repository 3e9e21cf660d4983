"""The way to a host: the proxy, the CA bundle, a netrc entry, and who signed the certificate there.

requests decides the proxy and the CA bundle, so this module asks requests.
"""

from __future__ import annotations

import os
import re
import ssl
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from http.client import HTTPException, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

import requests

from ...causes import network
from ...causes.exception import path_shown
from ...causes.failure import Cause
from ...settings.environment import PROXY_PROTOCOLS
from .report import Finding, Status, Trouble

#: In the order in which they count for https (urllib.request.getproxies, requests' select_proxy).
_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class Route:
    """How requests gets to one URL."""

    url: str
    #: None: no proxy. The URL may hold a password, so that it is never printed whole.
    proxy: SplitResult | None
    #: The CA bundle, a file or a folder; None for that of certifi.
    ca_bundle: str | None
    #: The setting of Genesys Cloud's tools that names the proxy; None if requests found the proxy.
    proxy_from: str | None = None

    def __repr__(self) -> str:
        return f"<Route to {self.url} by {self.by}>"

    @classmethod
    def to(cls, url: str, session: requests.Session, proxy_from: str | None = None) -> Route:
        """As `session` would go there now.

        :param proxy_from: The setting that names the proxy of the session, if one does.
        :raises Trouble: if the URL of the proxy makes no sense.
        """
        options = session.merge_environment_settings(url, {}, None, None, None)
        proxy = requests.utils.select_proxy(url, options["proxies"])
        verify = options["verify"]
        ca_bundle = verify if isinstance(verify, str) else None
        route = cls(url, None, ca_bundle, proxy_from)
        return replace(route, proxy=_parsed(proxy, route.proxy_setting)) if proxy else route

    @property
    def host(self) -> str:
        """Where the connection goes first, a name or an address."""
        return (self.proxy or urlsplit(self.url)).hostname or ""

    @property
    def target(self) -> tuple[str, int]:
        """Host and port of the URL."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 443

    @property
    def ca_shown(self) -> str | None:
        """The CA bundle as it may be printed."""
        return self.ca_bundle and path_shown(self.ca_bundle)

    @property
    def by(self) -> str:
        """The proxy as it may be printed: without user and password."""
        if self.proxy is None:
            return "no proxy"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.proxy.port}" if self.proxy.port else ""
        return f"proxy {self.proxy.scheme}://{host}{port}"

    @property
    def by_and_source(self) -> str:
        """The same, and what names the proxy."""
        if self.proxy is None:
            return self.by
        user = " with a user name," if self.proxy.username else ""
        return f"{self.by}{user} from {self.proxy_setting}"

    @property
    def proxy_setting(self) -> str:
        """What names the proxy."""
        return self.proxy_from or _first_set(_PROXY_VARIABLES, "the proxy settings of the system")


def routes_found(*routes: Route) -> Finding:
    """What stands on the way to these hosts.

    :raises Trouble: if the CA bundle can not be used.
    """
    for route in routes:
        _check_ca_bundle(route)
    first = routes[0]
    ways = dict.fromkeys(route.by_and_source for route in routes)
    details = []
    if len(ways) > 1:
        details += [
            f"{urlsplit(route.url).netloc.rpartition('@')[2]} by {route.by}" for route in routes
        ]
    trusted = (
        f"CA bundle {first.ca_shown} from {_first_set(_CA_VARIABLES)}"
        if first.ca_bundle
        else "CAs of certifi"
    )
    entries, netrc = "no netrc", []
    try:
        netrc = [one.target[0] for one in routes if requests.utils.get_netrc_auth(one.url)]
    except UnicodeError:  # with the password in it
        entries = "a netrc that can not be read"
        details.append(
            "The netrc file is not in the encoding of this machine. This library does not use the"
            " file. A call without auth= would fail."
        )
    netrc = list(dict.fromkeys(netrc))
    if netrc:
        entries = f"a ~/.netrc entry for {', '.join(netrc)}"
        details.append(
            "The netrc entry is not used, since auth= beats it. A call without auth= would send the"
            " entry in place of a token, and be refused."
        )
    facts = {
        "proxy": None if first.proxy is None else first.by.removeprefix("proxy "),
        "ca_bundle": first.ca_shown,
        "netrc": netrc,
    }
    details += _of_no_effect(first)
    return Finding(f"{' and '.join(ways)}; {trusted}; {entries}", details, facts)


def _first_set(names: Iterable[str], default: str = "the setting") -> str:
    """The first of these variables that is set."""
    return next((name for name in names if os.environ.get(name)), default)


def _of_no_effect(route: Route) -> Iterator[str]:
    """Variables that people set and that requests does not read."""
    if route.proxy is None and not _first_set(_PROXY_VARIABLES, ""):
        for name in ("http_proxy", "HTTP_PROXY"):
            if os.environ.get(name):
                yield f"not used: {name}, which is for http:// alone; https:// needs HTTPS_PROXY"
    if route.ca_bundle is None:
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            if os.environ.get(name):
                yield f"not used: {name}, which requests does not read; it reads REQUESTS_CA_BUNDLE"


def _parsed(proxy: str, setting: str) -> SplitResult:
    """The URL of a proxy, with or without a scheme, as requests takes it."""
    row = network.PROXY_URL
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        sound = bool(parts.hostname) and (parts.port or 1) > 0 and parts.scheme in PROXY_PROTOCOLS
        # urllib3 looks up no name that has an empty label, or a label of more than 63 characters.
        sound = sound and not re.search(r"(^|\.)\.|[^.]{64}", parts.hostname or "")
        # An @ behind the host ends a password with a bare / ? or # in it, the beginning of which
        # was taken for the host and the port.
        if sound and "@" not in f"{parts.path}{parts.query}{parts.fragment}":
            if not parts.scheme.startswith("socks"):  # requests puts them into a header
                "".join(requests.utils.get_auth_from_url(parts.geturl())).encode("latin-1")
            return parts
    except UnicodeError:  # a ValueError, too
        row = network.PROXY_PASSWORD
    except ValueError:
        pass
    cause, remedy = row.filled({"setting": setting}).causes[0]
    raise Trouble(cause, Status.MISCONFIGURED, [Cause(cause, remedy)])


def _check_ca_bundle(route: Route) -> None:
    problem = _ca_problem(route.ca_bundle) if route.ca_bundle else None
    if problem:
        text = f"{_first_set(_CA_VARIABLES)} {problem}"
        remedy = (
            "Set the variable to a PEM file with the CA certificates to trust, or unset it to trust"
            " the CAs of certifi."
        )
        cause = Cause(f"{text}: {route.ca_shown}", remedy)
        raise Trouble(text, Status.MISCONFIGURED, [cause])


def _ca_problem(path: str) -> str | None:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 -- it may be no path at all
        if stat.S_ISREG(mode):
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return "names a file that can not be read as PEM certificates"
    except (FileNotFoundError, NotADirectoryError):
        return "names a file that is not there"
    except PermissionError:
        return "names a file that this program may not read"
    except OSError:  # File name too long: the certificates themselves, say
        return "names no file"
    return None


# -- who signed the certificate: a proxy that opens TLS signs with its own name --------------------

#: The parts of a name that tell an authority, by their OID (X.520: 2.5.4.3, 2.5.4.10, 2.5.4.11).
_TELLING = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU"}


def issuer_shown(route: Route, seconds: float) -> str | None:
    """The issuer of the certificate that the host shows, trusted or not.

    A handshake and nothing else. Nothing is sent, so that nothing can reach a wrong host.

    :param seconds: For each step.
    :returns: None if the issuer could not be read.
    """
    proxy, target = route.proxy, route.target
    if proxy is not None and proxy.scheme != "http":
        return None  # TLS within TLS, or SOCKS
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # to see what is not trusted is the point
    port = target[1] if proxy is None else proxy.port or 80
    connection = HTTPSConnection(route.host, port, timeout=seconds, context=context)
    if proxy is not None:
        # As requests makes it from the proxy's URL: Proxy-Authorization, if there is a user in it.
        credentials = requests.adapters.HTTPAdapter().proxy_headers(proxy.geturl())
        connection.set_tunnel(*target, credentials)
    try:
        connection.connect()
        return issuer_of(connection.sock.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError, HTTPException):
        return None
    finally:
        connection.close()


def issuer_of(certificate: bytes) -> str:
    """The name of the issuer of a DER certificate (RFC 5280, section 4.1), as ``CN=..., O=...``.

    Python decodes a certificate only if it is trusted. So this function reads the bytes.

    :raises ValueError: if it is no certificate.
    """
    fields = list(_items(_inside(_inside(certificate))))
    # version (optional, context-specific 0), serial number, signature algorithm, issuer
    issuer = fields[3 if fields and fields[0][0] == 0xA0 else 2 :]
    names: dict[str, str] = {}
    for _, relative_name in _items(issuer[0][1] if issuer else b""):
        for _, attribute in _items(relative_name):
            (_, kind), (_, value) = [*_items(attribute), (0, b""), (0, b"")][:2]
            if kind in _TELLING:
                names[_TELLING[kind]] = value.decode(errors="replace")
    if not names:
        raise ValueError("a certificate without an issuer")
    return ", ".join(f"{name}={names[name]}" for name in ("CN", "O", "OU") if name in names)


def _inside(encoded: bytes) -> bytes:
    """The contents of the first item."""
    return next((content for _, content in _items(encoded)), b"")


def _items(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and contents of each item (X.690: one byte of tag, a length, so many bytes)."""
    at = 0
    while at + 2 <= len(encoded):
        tag, size = encoded[at], encoded[at + 1]
        at += 2
        if size & 0x80:  # the length of the length
            end = at + (size & 0x7F)
            size, at = int.from_bytes(encoded[at:end], "big"), end
        yield tag, encoded[at : at + size]
        at += size
