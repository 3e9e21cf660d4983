"""The way to a host: which proxy, which CA bundle, and a netrc file that lies in wait.

As requests decides it, by asking requests.
"""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import requests

from ...causes.failure import Cause
from ...tokens.unreachable import path_shown
from .report import Finding, Status, Trouble

#: In the order in which they count for https (urllib.request.getproxies, requests' select_proxy).
_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class Route:
    """How requests gets to one URL."""

    url: str
    #: Parsed; None: straight. May hold a password, so it is never printed whole.
    proxy: SplitResult | None
    #: The CA bundle, a file or a folder; None for that of certifi.
    ca_bundle: str | None

    def __repr__(self) -> str:
        return f"<Route to {self.url} by {self.by}>"

    @classmethod
    def to(cls, url: str, session: requests.Session) -> Route:
        """As `session` would go there now.

        :raises Trouble: if a variable sends it nowhere.
        """
        options = session.merge_environment_settings(url, {}, None, None, None)
        proxy = requests.utils.select_proxy(url, options["proxies"])
        verify = options["verify"]
        ca_bundle = verify if isinstance(verify, str) else None
        return cls(url, _parsed(proxy) if proxy else None, ca_bundle)

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


def routes_found(routes: list[Route]) -> Finding:
    """What is in play on the way to these hosts.

    :raises Trouble: if there is no such CA bundle.
    """
    for route in routes:
        _check_ca_bundle(route.ca_bundle)
    ways = list(dict.fromkeys(f"{one.by}{_proxy_source(one)}" for one in routes))
    bundle = routes[0].ca_shown
    source = next((name for name in _CA_VARIABLES if os.environ.get(name)), None)
    trusted = f"CA bundle {bundle} from {source}" if bundle else "CAs of certifi"
    details = []
    entries = "no netrc"
    try:
        netrc = [urlsplit(one.url).hostname or "" for one in routes if _in_netrc(one.url)]
    except UnicodeError:  # with the password in it
        netrc, entries = [], "a netrc that can not be read"
        details.append(
            "The netrc file is not in this machine's encoding. It is not used, since auth= beats it."
            " A call without auth= would fail over it."
        )
    if netrc:
        entries = f"a ~/.netrc entry for {', '.join(dict.fromkeys(netrc))}"
    if len(ways) > 1:
        details += [f"{urlsplit(one.url).netloc} by {one.by}" for one in routes]
    if netrc:
        details.append(
            "The netrc entry is not used, since auth= beats it. A call without auth= would send it"
            " in place of a token, and be refused."
        )
    details += _of_no_effect(routes[0])
    facts = {
        "proxy": None if routes[0].proxy is None else routes[0].by.removeprefix("proxy "),
        "ca_bundle": bundle,
        "netrc": list(dict.fromkeys(netrc)),
    }
    return Finding(f"{' and '.join(ways)}; {trusted}; {entries}", details, facts)


def _proxy_source(route: Route) -> str:
    if route.proxy is None:
        return ""
    name = next(
        (name for name in _PROXY_VARIABLES if os.environ.get(name)),
        "the proxy settings of the system or of Genesys Cloud's tools",
    )
    return f"{' with a user name,' if route.proxy.username else ''} from {name}"


def _of_no_effect(route: Route) -> list[str]:
    """What people set and requests does not heed."""
    found = []
    if route.proxy is None and not any(os.environ.get(name) for name in _PROXY_VARIABLES):
        found += [
            f"not used: {name}, which is for http:// alone; https:// needs HTTPS_PROXY"
            for name in ("http_proxy", "HTTP_PROXY")
            if os.environ.get(name)
        ]
    if route.ca_bundle is None:
        found += [
            f"not used: {name}, which requests does not read; it reads REQUESTS_CA_BUNDLE"
            for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
            if os.environ.get(name)
        ]
    return found


def _in_netrc(url: str) -> bool:
    return requests.utils.get_netrc_auth(url) is not None


def _parsed(proxy: str) -> SplitResult:
    """The proxy's URL, as lenient as requests is about its scheme."""
    problem = "is no URL of a proxy"
    remedy = (
        "It looks like http://proxy.example.com:3128; special characters in a user name or password"
        " are percent-encoded."
    )
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        sound = bool(parts.hostname) and (parts.port or 1) > 0
        # An @ behind the host ends a password with a bare / ? or # in it, the beginning of which
        # was taken for the host and the port.
        if sound and "@" not in f"{parts.path}{parts.query}{parts.fragment}":
            if not parts.scheme.startswith("socks"):  # requests puts them into a header
                "".join(requests.utils.get_auth_from_url(parts.geturl())).encode("latin-1")
            return parts
    except UnicodeError:  # a ValueError, too
        problem = "holds a user name or password that can not be sent"
        remedy = "Requests sends Latin-1 there, and no other characters: have the password changed."
    except ValueError:
        pass
    source = next((name for name in _PROXY_VARIABLES if os.environ.get(name)), "the setting")
    cause = Cause(f"{source} {problem}", remedy)
    raise Trouble(f"{source} {problem}", Status.MISCONFIGURED, [cause])


def _check_ca_bundle(path: str | None) -> None:
    problem = _ca_problem(path) if path is not None else None
    if path is None or problem is None:
        return
    source = next((name for name in _CA_VARIABLES if os.environ.get(name)), "the setting")
    raise Trouble(
        f"{source} {problem}",
        Status.MISCONFIGURED,
        [
            Cause(
                f"{source} {problem}: {path_shown(path)}",
                "Point it at a PEM file with the CA certificates to trust, or unset it to trust"
                " those of certifi.",
            )
        ],
    )


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
        return "names a file that may not be read here"
    except OSError:  # File name too long: the certificates themselves, say
        return "names no file"
    return None
