"""Where an organisation lives: its login service, its API, and the closed list of URLs that get a token.

Whoever has a bearer token can do all that the client may do. So the token goes to the organisation's
own hosts only. They are named one by one: a test of the end, or of the beginning, of a URL would
accept hosts such as ``api.mypurecloud.ie.evil.example``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import SplitResult, parse_qsl, quote, unquote_to_bytes, urlsplit

import requests

from ..errors import ConfigurationError, RegionMismatchError
from ..util import SecretBox, plain
from .environment import PROXY_PROTOCOLS, Environment, Pieces
from .regions import DOMAINS, HOW_TO_FIND, known_wrong, mistaken_domain

#: Services of a region that take the bearer: the Platform API; uploads of contact and DNC lists;
#: downloads (Genesys' tutorials outbound-upload-contact-list and outbound-upload-dnc-list).
_TAKE_TOKENS = ("api.", "apps.", "api-downloads.")

#: Query keys of pre-signed links. Such a link carries its own authorization, and S3 and CloudFront
#: refuse a request with a second authorization.
SIGNATURE_KEYS = {"Signature", "X-Amz-Signature", "Key-Pair-Id"}

#: A URL that every reader understands alike: no user, no encoding, no odd separator, no fragment. Dot
#: segments and the signatures have to be looked for as well.
_PLAIN = re.compile(r"https://[A-Za-z0-9:/_.~=,-]*(?:\?[A-Za-z0-9:/_.~=,&+-]*)?")

#: The same of a path.
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9:_.~=,-]+)+/?(?:\?[A-Za-z0-9:/_.~=,&+-]*)?")

#: An ASCII character in more bytes than one: to some servers, ``%c0%ae`` is a dot.
_OVERLONG = rb"(?:[\xc0\xc1]|(?:\xe0|\xf0\x80|\xf8\x80\x80|\xfc\x80\x80\x80)[\x80\x81])[\x80-\xbf]"

#: What people paste at the end of the URL of the login service, and of the API; callers append it.
SUFFIXES = ("/oauth/token", "/api/v2")

#: What the host of an example begins with.
_EXAMPLES = dict(zip(SUFFIXES, ("login", "api"), strict=True))

_HOST = r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\]"

#: Empty, or from 1 to 65535.
_PORT = r"|[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5]"

#: So many URLs are remembered, and whether they get the token.
URLS = 256

#: So often may a path be encoded.
DEEPEST = 10

_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")


class Hosts:
    """Where tokens come from and where they may go: what a region names, or both URLs, or all together.

    :raises ConfigurationError: if tokens come from one region, and the API is that of another.
    """

    def __init__(self, region: str | None, login_url: str | None, api_url: str | None) -> None:
        #: The domain of the region; None where both URLs are given instead.
        self.region = region
        #: Whether `api_url` was named rather than derived from the region.
        self.explicit = api_url is not None
        #: Without a trailing slash; tokens come from ``{login_url}/oauth/token``.
        self.login_url = login_url or f"https://login.{region}"
        #: Without a trailing slash.
        self.api_url = api_url or f"https://api.{region}"
        #: ``https://host[:port]/base/path/`` of all that is ours.
        self.prefixes = tuple(f"https://{service}{region}/" for service in _TAKE_TOKENS)
        if self.explicit:
            self.prefixes = (f"{self.api_url}/",)
        urls = self.login_url, self.api_url
        login, api = (urlsplit(url).netloc.partition(".")[2] for url in urls)
        if login != api and {login, api} <= DOMAINS:
            raise ConfigurationError(
                f"Tokens come from {login}, but the API belongs to {api}. A token of one region is"
                " refused in every other. Name the region alone: both URLs follow from it."
            )
        shared = self.login_host in {urlsplit(prefix).netloc for prefix in self.prefixes}
        #: The same prefixes; none where the token endpoint lies at one of their hosts.
        self._shortcuts = () if shared else self.prefixes
        #: Whether a request to this prepared URL gets the token. Most scripts call few URLs.
        self.takes_token = lru_cache(maxsize=URLS)(self._takes_token)

    @property
    def login_host(self) -> str:
        """For people: where tokens come from."""
        return urlsplit(self.login_url).netloc

    @property
    def token_url(self) -> str:
        """The token endpoint (RFC 6749, section 3.2)."""
        return f"{self.login_url}/oauth/token"

    def _takes_token(self, url: str) -> bool:
        """The prefix decides about a plain URL, which is much cheaper than parsing. Any other URL is
        parsed, since a server may understand it in another way.
        """
        if (
            url.startswith(self._shortcuts)
            and _PLAIN.fullmatch(url)
            and "/." not in url
            and "Signature" not in url
            and "Key-Pair-Id" not in url
        ):
            return True
        if _UNPRINTABLE.search(url):  # urlsplit() drops some of these, the wire may not
            return False
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return self._owns(parts) and not self._is_token_endpoint(parts)

    def is_own_host(self, url: str) -> bool:
        """Whether the host of a URL is the organisation's own, whatever the port and the path."""
        own = {one.hostname for one in (*self._own(), urlsplit(self.login_url))}
        return urlsplit(url).hostname in own

    def raise_if_mistaken(self, url: str) -> None:
        """Raise if a URL that gets no token is likely a mistake.

        :raises RegionMismatchError: for the API of another region.
        :raises ConfigurationError: for plain http to an own host, and for a host that pages on the web
            recommend by mistake.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return
        wrong = known_wrong(host)
        if wrong is not None:
            raise ConfigurationError(f"{wrong} Yours is {self.api_url}. {HOW_TO_FIND}")
        own = {one.hostname: {one.port} if one.port else {None, 80, 443} for one in self._own()}
        if parts.scheme == "http" and port in own.get(host, ()):
            raise ConfigurationError(
                f"http://{parts.netloc.rpartition('@')[2]} is one of your own hosts, but plain http"
                " would show the access token to everyone on the way. Use https://."
            )
        domain = host.removeprefix("api.")
        if domain != host and domain in DOMAINS and host not in own:
            raise RegionMismatchError(
                f"https://{host} is the API of region {domain}, but these credentials sign in at"
                f" {self.login_host}, and a token of one region is refused in every other. Call"
                f" {self.api_url}, or pass region={domain!r} with credentials of that region."
            )

    def _owns(self, parts: SplitResult) -> bool:
        # requests has resolved plain dot segments. A dot segment that remains is encoded.
        if has_dot_segment(parts.path):
            return False
        if not self.explicit and SIGNATURE_KEYS & {
            key for key, _ in parse_qsl(parts.query, keep_blank_values=True)
        }:
            return False
        return parts.scheme == "https" and any(
            _authority(parts) == own.netloc and f"{parts.path}/".startswith(own.path)
            for own in self._own()
        )

    def _own(self) -> list[SplitResult]:
        return [urlsplit(prefix) for prefix in self.prefixes]

    def _is_token_endpoint(self, parts: SplitResult) -> bool:
        # A gateway may serve login and API below one origin.
        token = urlsplit(self.token_url)
        return _authority(parts) == token.netloc and _routed(parts.path) == _routed(token.path)


def url_below(base: str, path: str) -> str:
    """The URL of a path below a base URL. Never by urljoin(), for which ``//host`` is a path.

    :raises requests.exceptions.InvalidURL: if the URL leaves the base, as requests or as some server
        understands it. Such a URL would get no token either.
    """
    if _PLAIN_PATH.fullmatch(path) and "/." not in path:
        return f"{base}{path}"
    path = path.lstrip()
    before_query = re.split(r"[?#]", path, maxsplit=1)[0]
    names = before_query.split("/")
    depth = 0
    for name in names:
        # requests resolves these segments before it sends anything.
        depth += {"..": -1, ".": 0, "": 0}.get(name, 1)
        if depth < 0:
            raise requests.exceptions.InvalidURL(f"{path[:60]!a} leaves {base}")
    if has_dot_segment("/".join(name for name in names if name not in {".", ".."})):
        raise requests.exceptions.InvalidURL(
            f"{path[:60]!a} leaves {base}, or a server on the way may read it so"
        )
    # requests encodes a space and a backslash; only in a query is there no other reading of them.
    odd = re.search(r"[\x00-\x1f\x7f]", path) or re.search(r"[\\ ]", before_query)
    if path.startswith("//") or odd:
        raise requests.exceptions.InvalidURL(
            f"{path[:60]!a} is neither a URL with a scheme nor a plain path below {base}"
        )
    return f"{base}/{path.lstrip('/')}"


def has_dot_segment(path: str) -> bool:
    """Whether a proxy or a server may read a segment of a path as ``.`` or ``..``.

    A proxy may decode what the server behind it decodes again. Some servers take a backslash for a
    slash, some drop control characters, and some end a segment at its semicolon (``..;``).
    """
    path = re.sub(r"[\x00-\x20\x7f]", "", _decoded(path))
    return any(name.partition(";")[0] in {".", ".."} for name in re.split(r"[/\\]", path))


def base_url(field: str, url: str | SecretBox, *, suffix: str) -> str:
    """A base URL as people paste it, brought to the form in which requests would send it.

    :param suffix: The end of the path that callers append. It is cut if it was pasted, too.
    :raises ConfigurationError: if it is not a plain https URL. The text names `field`, and not the
        URL, which may hold a password.
    """
    if plain(url).strip().lower().startswith("http://"):
        raise ConfigurationError(
            f"{field} must begin with https://, since plain http would show secret and token to"
            " everyone on the way."
        )
    parts = _plain_https(url)
    if parts is None:
        raise ConfigurationError(
            f"{field} must be a plain URL such as https://{_EXAMPLES[suffix]}.mypurecloud.ie: https, a"
            " host, perhaps a port and a path; no user, no query."
        )
    if any(odd in parts.path for odd in ("/.", "//", "%", "\\")):
        raise ConfigurationError(
            f"{field} must not hold dot segments, empty segments, '%' or backslashes."
        )
    host = parts.hostname or ""
    service, _, domain = host.partition(".")
    wrong = known_wrong(host) or mistaken_domain(
        domain if service in {"login", "api", "apps"} else host
    )
    if wrong is not None:
        raise ConfigurationError(f"{field}: {wrong} {HOW_TO_FIND}")
    return f"https://{_authority(parts)}{parts.path.rstrip('/').removesuffix(suffix)}"


def _plain_https(url: str | SecretBox) -> SplitResult | None:
    """The URL as requests prepares it; None if there is more to it than host, port and path."""
    prepared = requests.PreparedRequest()
    try:
        prepared.prepare_url(plain(url), None)
        parts = urlsplit(prepared.url or "")
    except (requests.RequestException, ValueError):
        return None
    netloc = parts.netloc
    escaped = "%" in netloc.partition("[")[0]  # within brackets it begins an IPv6 zone
    odd = "@" in netloc or escaped or parts.query or parts.fragment or _UNPRINTABLE.search(netloc)
    return parts if parts.scheme == "https" and parts.hostname and not odd else None


def _routed(path: str) -> str:
    """The path as the most lenient gateway would route it."""
    path = re.sub(r"[\s\x00]|;[^/\\]*", "", _decoded(path))
    return re.sub(r"[/\\]+", "/", path).rstrip("/").lower()


def _decoded(path: str) -> str:
    """The path as behind any number of servers that each decode it."""
    for _ in range(DEEPEST):
        if (decoded := _decoded_once(path)) == path:
            return path
        path = decoded
    return "/.."  # nobody encodes a path so often who means well


def _decoded_once(path: str) -> str:
    """The path as a lenient server decodes it: an overlong or a fullwidth dot is a dot to it, too."""
    octets = unquote_to_bytes(path.encode("utf-8", "surrogatepass"))
    text = re.sub(_OVERLONG, _shortest, octets).decode("utf-8", "replace")
    return unicodedata.normalize("NFKC", text)


def _shortest(overlong: re.Match[bytes]) -> bytes:
    """The ASCII character of an overlong form: its last bits stand in the last two bytes."""
    *_, before, last = overlong[0]
    return bytes([(before & 1) << 6 | last & 0x3F])


def _authority(parts: SplitResult) -> str:
    """Host and port as they compare: lower case, the default port left out."""
    netloc = parts.netloc.lower()
    host = netloc.removesuffix(":443")
    return host if ":" not in host or host.endswith("]") else netloc


# -- gateways and proxies ---------------------------------------------------------------------------
#
# People name them to Genesys' tools piece by piece. The pieces, and the URLs made of them, are those of
# the gc CLI (``config.go``) and of the Go SDK below Terraform (``getConfUrl``): one path for ``login``
# and one for ``api``, and no port if the port is 80 or 443.


def gateway_urls(gateway: Pieces, environ: Environment) -> tuple[str, str]:
    """The URLs of login service and API behind a gateway.

    :raises ConfigurationError: naming the piece that makes no sense.
    """
    _, netloc = _origin(gateway, environ, ("https",))
    urls = [SecretBox(f"https://{netloc}/{path}") for path in _paths(gateway, environ)]
    login_url, api_url = (
        base_url(gateway.host, url, suffix=suffix)
        for url, suffix in zip(urls, SUFFIXES, strict=True)
    )
    return login_url, api_url


def proxy_url(proxy: Pieces, environ: Environment) -> SecretBox | None:
    """The URL of a proxy as requests takes it, with user and password; None if there is none.

    :raises ConfigurationError: naming the piece that makes no sense.
    """
    if not environ.get(proxy.host):
        return None
    protocol, netloc = _origin(proxy, environ, PROXY_PROTOCOLS)
    user, password = (
        quote(plain(environ.get(name) or ""), safe="", errors="surrogateescape")
        for name in proxy.others
    )
    if user:
        netloc = f"{user}:{password}@{netloc}" if password else f"{user}@{netloc}"
    return SecretBox(f"{protocol}://{netloc}")


def _origin(pieces: Pieces, environ: Environment, protocols: tuple[str, ...]) -> tuple[str, str]:
    """Protocol, and host with port."""
    # No variable of this frame holds a piece when it raises: the piece may be a password by mistake.
    if not re.fullmatch(_HOST, _piece(environ, pieces.host)):
        raise ConfigurationError(f"{pieces.host} must be the name of a host, and nothing else.")
    if (_piece(environ, pieces.protocol).lower() or protocols[0]) not in protocols:
        raise ConfigurationError(f"{pieces.protocol} must be {' or '.join(protocols)}.")
    if not re.fullmatch(_PORT, _piece(environ, pieces.port), re.ASCII):
        raise ConfigurationError(f"{pieces.port} must be a number from 1 to 65535.")
    protocol = _piece(environ, pieces.protocol).lower() or protocols[0]
    host, port = _piece(environ, pieces.host), _piece(environ, pieces.port)
    if not port or (protocol == "https" and port in {"80", "443"}):
        return protocol, host
    return protocol, f"{host}:{port}"


def _paths(gateway: Pieces, environ: Environment) -> tuple[str, str]:
    said = ": ".join(_piece(environ, name) for name in gateway.others)
    pairs = (one.partition(":") for one in said.strip("{} ").split(","))
    paths = {name.strip().lower(): path.strip().strip("/") for name, _, path in pairs}
    return paths.get("login", ""), paths.get("api", "")


def _piece(environ: Environment, name: str) -> str:
    return plain(environ.get(name) or "").strip()
