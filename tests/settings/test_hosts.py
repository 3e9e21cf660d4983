"""hosts.py: which URLs get the token, judged by a second reading of the promises."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.utils import requote_uri
from urllib3.util import parse_url

from gc_requests_auth.errors import ConfigurationError, RegionMismatchError
from gc_requests_auth.settings.hosts import Hosts, base_url, url_below
from gc_requests_auth.settings.regions import HOW_TO_FIND, REGIONS

# -- the witness: what docs/promises.rst says of hosts, and `Hosts` in detail ---------------------


class Where(NamedTuple):
    """A place, and what the promises say of it, written down a second time."""

    place: Hosts
    #: Host and port that get the token.
    own: frozenset[tuple[str, int]]
    #: The path that all of ours is at or below.
    base: str
    explicit: bool
    #: Host, port, and the names of the path of the token endpoint.
    token: tuple[str, int, tuple[str, ...]]


REGION = Where(
    Hosts("mypurecloud.ie", None, None),
    own=frozenset(
        (f"{service}.mypurecloud.ie", 443) for service in ("api", "apps", "api-downloads")
    ),
    base="",
    explicit=False,
    token=("login.mypurecloud.ie", 443, ("oauth", "token")),
)
GATEWAY = Where(
    Hosts(None, "https://login.gateway.example", "https://gateway.example:8443/genesys/v1"),
    own=frozenset({("gateway.example", 8443)}),
    base="/genesys/v1",
    explicit=True,
    token=("login.gateway.example", 443, ("oauth", "token")),
)
#: Login and API below one origin.
SHARED = Where(
    Hosts("mypurecloud.ie", "https://gateway.example", "https://gateway.example"),
    own=frozenset({("gateway.example", 443)}),
    base="",
    explicit=True,
    token=("gateway.example", 443, ("oauth", "token")),
)
#: The login service below the API, at an address.
NESTED = Where(
    Hosts(None, "https://[::1]:8443/Sign-In", "https://[::1]:8443"),
    own=frozenset({("[::1]", 8443)}),
    base="",
    explicit=True,
    token=("[::1]", 8443, ("sign-in", "oauth", "token")),
)
PLACES = {"region": REGION, "gateway": GATEWAY, "shared": SHARED, "nested": NESTED}


def is_ours(where: Where, url: str) -> bool:
    """What the promises say of a URL, read by other means than the library's."""
    parts = re.fullmatch(r"([A-Za-z]+)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", url, re.DOTALL)
    if parts is None or parts[1].lower() != "https":
        return False
    if any(character <= " " or character == "\x7f" for character in url):
        return False  # nothing that prepare_url made holds one
    authority = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^][@:\\]+)(?::([0-9]*))?", parts[2])
    if authority is None:  # userinfo among others
        return False
    host, port = authority[1].lower(), int(authority[2] or 443)
    path, query = parts[3], parts[4] or ""
    names = re.split(rb"[/\\]", decoded_by_all(path))
    if {b".", b".."} & {re.sub(rb"[\x00- \x7f]", b"", name).split(b";")[0] for name in names}:
        return False
    named = tuple(name for name in map(as_routed, names) if name)
    if (host, port, named) == where.token:
        return False
    if not where.explicit:
        keys = {percent_decoded(field.split("=")[0]) for field in query.split("&")}
        if keys & {b"Signature", b"X-Amz-Signature", b"Key-Pair-Id"}:
            return False
    below = path == where.base or path.startswith(f"{where.base}/")
    return (host, port) in where.own and below


def percent_decoded(text: str, encoding: str = "utf-8") -> bytes:
    return re.sub(
        rb"%([0-9A-Fa-f]{2})",
        lambda found: bytes([int(found[1], 16)]),
        text.encode(encoding, "surrogatepass"),
    )


def decoded_by_all(path: str) -> bytes:
    """As behind a row of servers that each decode it."""
    text, decoded = b"", percent_decoded(path)
    while decoded != text:
        text = decoded
        for form, character in LENIENT.items():
            decoded = decoded.replace(form, character)
        decoded = percent_decoded(decoded.decode("latin-1"), "latin-1")
    return text


#: What some servers take for a plain character: overlong UTF-8, and compatibility characters.
LENIENT = {
    **dict.fromkeys([b"\xc0\xae", b"\xe0\x80\xae", b"\xf0\x80\x80\xae"], b"."),
    b"\xc0\xaf": b"/",
    b"\xc1\x9c": b"\\",
    b"\xc0\xa5": b"%",
    **{one.encode(): b"." for one in ("\uff0e", "\u2024")},
    "\u2025".encode(): b"..",
    "\uff0f".encode(): b"/",
    "\uff3c".encode(): b"\\",
}


def as_routed(name: bytes) -> str:
    """A name of a path as a lenient gateway may understand it: parameters, blanks and case aside."""
    text = name.split(b";")[0].decode("utf-8", "replace").lower()
    return "".join(character for character in text if character != "\0" and not character.isspace())


def is_dialled_at_an_own_host(where: Where, url: str) -> bool:
    """Where urllib3, which opens the connection, would go; what it can not read fails the test."""
    found = parse_url(url)
    return found.scheme == "https" and (found.host, found.port or 443) in where.own


def prepared(url: str) -> str | None:
    """What requests makes of it; None if it refuses."""
    request = requests.PreparedRequest()
    try:
        request.prepare_url(url, None)
    except (requests.RequestException, UnicodeError):
        return None
    return request.url


def as_location(url: str) -> str:
    """What requests makes of it in a redirect, which does not pass through prepare_url."""
    try:
        return requote_uri(url)
    except UnicodeError:
        return url


def judge(where: Where, url: str) -> bool | None:
    """Hold the library to the witness; return whether the prepared URL gets the token.

    The prepared URL gets it exactly when it is ours. The others, raw and as requests takes it from
    a Location, reach the library only around prepare_url: for them it may err, to the safe side.
    """
    for other in (url, as_location(url)):
        if where.place.takes_token(other):
            assert is_ours(where, other), f"a token for {other!r}"
            assert is_dialled_at_an_own_host(where, other), f"a token for {other!r}"
    ready = prepared(url)
    if ready is None:
        return None
    verdict = where.place.takes_token(ready)
    assert verdict == is_ours(where, ready), f"{verdict} for {ready!r}, made of {url!r}"
    assert not verdict or is_dialled_at_an_own_host(where, ready)
    return verdict


# -- the hand-made list ---------------------------------------------------------------------------

#: Of {own} host with port, {base} path.
OURS = [
    "https://{own}{base}",
    "https://{own}{base}/",
    "https://{own}{base}/api/v2/routing/queues",
    "https://{own}{base}/api/v2/routing/queues?pageSize=100&pageNumber=2",
    "https://{own}{base}/api/v2/users/me#Signature",
    "https://{own}{base}/api/v2//users",
    "https://{own}{base}//",
    "https://{own}{base}?next=1",
    "https://{own}{base}#top",
    "https://{own}{base}/?redirect=https://evil.example/..//%2e%2e/",
    "https://{own}{base}/?user=a@b.example",
    "https://{own}{base}/user@b.example",
    "https://{own}{base}/@evil.example/",
    "https://{own}{base}/:8443/",
    "https://{own}{base}/a/.../b",
    "https://{own}{base}/.well-known/x",
    "https://{own}{base}/a/..b/c..",
    "https://{own}{base}/a%2fb",
    "https://{own}{base}/a%5Cb",
    "https://{own}{base}/a%20b/%C3%BC/%00",
    "https://{own}{base}/a/ü/b",
    "https://{own}{base}/%252f%2500/x",
    "https://{own}{base}/%c0%af%c1%9c/%c3%80/x",
    "https://{own}{base}/\u2026/\uff0ea\uff0e/x",
    "https://{own}{base}/a;b=1/c",
    "https://{own}{base}/?a=..&b=%2e%2e/",
    "https://{own}{base}/?signature=1&x-amz-signature=2&key-pair-id=3",
    "https://{own}{base}/?name=Signature&value=X-Amz-Signature",
    "https://{own}{base}/?MySignature=1&Signatures=2",
    "https://{own}{base}/Signature=1",
    "https://{own}{base}/api/v2/oauth/clients",
    "https://{own}{base}/api/v2/oauth/token",
    "https://{own}{base}/oauth",
    "https://{own}{base}/oauth/tokens",
    "https://{own}{base}/oauth/token/x",
    "https://{own}{base}/x?/oauth/token",
    "https://{own}{base}/x#/oauth/token",
    "HTTPS://{OWN}{base}/",
    "hTTps://{Own}{base}/x",
    " https://{own}{base}/",
    "\thttps://{own}{base}/x",
]

#: Nobody's.
FOREIGN = [
    "",
    "/",
    "/api/v2/users/me",
    "//{own}{base}/",
    "https:{own}{base}/",
    "https:/{own}{base}/",
    "https:///{own}{base}/",
    "http://{own}{base}/",
    "HTTP://{own}{base}/",
    "ftp://{own}{base}/",
    "httpss://{own}{base}/",
    "http+https://{own}{base}/",
    "file://{own}{base}/",
    "mailto:x@{own}",
    "data:,https://{own}{base}/",
    # userinfo
    "https://user@{own}{base}/",
    "https://user:password@{own}{base}/",
    "https://:@{own}{base}/",
    "https://{own}@evil.example{base}/",
    "https://{own}:password@evil.example{base}/",
    "https://{own}%40evil.example{base}/",
    "https://user@evil.example@{own}{base}/",
    "https://{own}:443@evil.example{base}/",
    "https://evil.example%40{own}{base}/",
    # backslash
    "https://evil.example\\@{own}{base}/",
    "https://evil.example\\.{own}{base}/",
    "https://evil.example\\{own}{base}/",
    "https:\\\\{own}{base}/",
    # suffix and prefix tricks
    "https://{own}.evil.example{base}/",
    "https://{own}evil.example{base}/",
    "https://evil-{own}{base}/",
    "https://evil{own}{base}/",
    "https://evil.{own}{base}/",
    "https://x.y.{own}{base}/",
    "https://.{own}{base}/",
    "https://-{own}{base}/",
    "https://{own}-x{base}/",
    "https://{own}%2eevil.example{base}/",
    "https://{own}\uff0eevil.example{base}/",
    "https://{own}\u3002evil.example{base}/",
    "https://evil.example/{own}{base}/",
    "https://evil.example/https://{own}{base}/",
    "https://evil.example?{own}{base}/",
    "https://evil.example#{own}{base}/",
    "https://evil.example#@{own}{base}/",
    "https://evil.example?@{own}{base}/",
    "https://evil.example/@{own}{base}/",
    "https://evil.example;{own}{base}/",
    "https://evil.example%23@{own}{base}/",
    "https://evil.example%2f{own}{base}/",
    "https://evil.example%00.{own}{base}/",
    # ports
    "https://{host}:80{base}/",
    "https://{host}:1{base}/",
    "https://{host}:4430{base}/",
    "https://{host}:44300{base}/",
    "https://{host}:84430{base}/",
    "https://{host}:65536{base}/",
    "https://{host}:-443{base}/",
    "https://{host}:443:443{base}/",
    "https://{host}:{host}{base}/",
    "https://{host}:x{base}/",
    "https://{host}:٤٤٣{base}/",
    # a trailing dot
    "https://{host}.{base}/",
    "https://{host}.:443{base}/",
    "https://{host}.:8443{base}/",
    "https://{host}..{base}/",
    # dot segments that prepare_url leaves
    "https://{own}{base}/%2e%2e/x",
    "https://{own}{base}/%2e/x",
    "https://{own}{base}/%2E%2E",
    "https://{own}{base}/.%2e/x",
    "https://{own}{base}/%2e./x",
    "https://{own}{base}/a%2f..%2fb",
    "https://{own}{base}/a%2f%2e%2e%2fb",
    "https://{own}{base}/a%5c..%5cb",
    "https://{own}{base}/a%5C%2E%2E%5Cb",
    "https://{own}{base}/a\\..\\b",
    "https://{own}{base}/a\\../b",
    "https://{own}{base}/..\\b",
    "https://{own}{base}/.\\b",
    "https://{own}{base}/..%2f",
    "https://{own}{base}/..%5c?x",
    "https://{own}{base}/a/%2e%2e#x",
    "https://{own}{base}/%2e%2e%2f%2e%2e%2f%2e%2e%2fx",
    # dot segments in the reading of some server
    "https://{own}{base}/..;/other-tenant/x",
    "https://{own}{base}/..;a=1/x",
    "https://{own}{base}/.;/x",
    "https://{own}{base}/.%00./x",
    "https://{own}{base}/%00../x",
    "https://{own}{base}/.%20./x",
    "https://{own}{base}/%252e%252e/x",
    "https://{own}{base}/%25252e%25252e/x",
    "https://{own}{base}/a%252f..%252fx",
    "https://{own}{base}/..%253b/x",
    "https://{own}{base}/..%3b/login/oauth/token",
    "https://{own}{base}/a%5c..;%5c",
    # dots and slashes in overlong UTF-8, and in fullwidth, which lenient servers take for plain ones
    "https://{own}{base}/%c0%ae%c0%ae/x",
    "https://{own}{base}/.%C0%AE/x",
    "https://{own}{base}/%e0%80%ae%e0%80%ae/x",
    "https://{own}{base}/%f0%80%80%ae/x",
    "https://{own}{base}/a%c0%af..%c1%9cx",
    "https://{own}{base}/%25c0%25ae%25c0%25ae/x",
    "https://{own}{base}/%c0%a5%32%65%c0%ae/x",
    "https://{own}{base}/\uff0e\uff0e/x",
    "https://{own}{base}/%EF%BC%8E%ef%bc%8e/x",
    "https://{own}{base}/a\uff0f..\uff3cx",
    "https://{own}{base}/\u2024./x",
    "https://{own}{base}/\u2025/x",
    # the login services
    "https://login.mypurecloud.ie/oauth/token",
    "https://login.mypurecloud.ie/",
    "https://login.gateway.example/oauth/token",
    # strangers
    "https://evil.example/",
    "https://mypurecloud.ie/",
    "https://www.mypurecloud.ie/",
    "https://api.mypurecloud.de/",
    "https://apps.euw2.pure.cloud/",
    "https://api.mypurecloud.ie.com/",
    "https://xn--api-.mypurecloud.ie/",
    "https://api.mypurecloud.\u0131e/",
    "https://\u0430pi.mypurecloud.ie/",
    "https://bucket.s3.amazonaws.com/recording?X-Amz-Signature=abc",
    "https://127.0.0.1/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::1]:8444/",
    "https://[::1/",
    "https://::1]:8443/",
    "https://[::1%25lo]:8443/",
    "https://[v1.x]/",
    "https://[api.mypurecloud.ie]/",
    "https://[gateway.example]:8443/",
]

#: Ours or not, as the place has it, or as requests reads it: the witness decides.
EITHER = [
    # signed queries: ours only where the api_url is explicit
    "https://{own}{base}/x?Signature=abc",
    "https://{own}{base}/x?a=1&X-Amz-Signature=abc&b=2",
    "https://{own}{base}/x?Key-Pair-Id=abc",
    "https://{own}{base}/x?Signature",
    "https://{own}{base}/x?Signature=",
    "https://{own}{base}/x?%53ignature=abc",
    "https://{own}{base}/x?X%2DAmz%2dSignature=abc",
    "https://{own}{base}/x?Key%2DPair-%49d=abc",
    "https://{own}{base}/x?&&Signature=1",
    "https://{own}{base}/x?a&Signature=1#Signature",
    "https://{own}{base}/x?a=1;Signature=1",
    "https://{own}{base}?Signature=1",
    "https://{own}{base}/x?Signature=a=b",
    "https://{own}{base}/x??Signature=a",
    "https://{own}{base}/x?+Signature=a",
    # the token endpoint: never, where it shares the origin
    "https://{own}/oauth/token",
    "https://{own}/oauth/token/",
    "https://{own}/oauth/token//",
    "https://{own}/oauth//token",
    "https://{own}//oauth/token",
    "https://{own}/OAuth/Token",
    "https://{own}/o%61uth/token",
    "https://{own}/%6Fauth/%74oken",
    "https://{own}/oauth%2ftoken",
    "https://{own}/oauth%5Ctoken",
    "https://{own}/oauth\\token",
    "https://{own}/oauth/token?x",
    "https://{own}/oauth/token?grant_type=client_credentials",
    "https://{own}/oauth/token#x",
    "https://{own}/oauth/./token",
    "https://{own}/x/../oauth/token",
    "https://{own}/oauth/token;x",
    "https://{own}/oauth/token%00",
    "https://{own}/oauth/token%20",
    "https://{own}/oauth%252ftoken",
    "https://{own}/sign-in/oauth/token",
    "https://{own}/Sign-In/oauth/token",
    "https://{own}/Sign%2DIn%2foauth/token/",
    "https://{OWN}/sign-in//oauth/token?x",
    "https://{own}:443/oauth/token",
    "https://{host}:443/oauth/token",
    "https://{host}:0443/oauth/token",
    "https://{host}:/oauth/token",
    # ports
    "https://{host}{base}/",
    "https://{host}:{base}/",
    "https://{host}:443{base}/",
    "https://{host}:0443{base}/",
    "https://{host}:8443{base}/",
    "https://{host}:08443{base}/",
    "https://{host}:00443{base}/",
    # the base path
    "https://{own}",
    "https://{own}/",
    "https://{own}/genesys",
    "https://{own}/genesys/",
    "https://{own}/genesys/v1",
    "https://{own}/genesys/v1x",
    "https://{own}/genesys/v10/x",
    "https://{own}/genesys/v1;x",
    "https://{own}/genesys/v1%2fx",
    "https://{own}/genesys/v1%2f",
    "https://{own}/genesys/v1\\x",
    "https://{own}/genesys//v1/x",
    "https://{own}//genesys/v1/x",
    "https://{own}/Genesys/v1/x",
    "https://{own}/gen%65sys/v1/x",
    "https://{own}/genesys%2fv1/x",
    "https://{own}/x/genesys/v1/",
    "https://{own}?/genesys/v1/",
    # dot segments that prepare_url resolves
    "https://{own}{base}/a/../b",
    "https://{own}{base}/./b",
    "https://{own}{base}/..",
    "https://{own}{base}/../x",
    "https://{own}{base}/../../../x",
    "https://{own}{base}/../v1/x",
    "https://{own}/x/..{base}/",
    # hosts that requests may rewrite
    "https://@{own}{base}/",
    "https://{ideographic}{base}/",
    "https://{fullwidth}{base}/",
    "https://{halfwidth}{base}/",
    "https://{percent}{base}/",
    "https://{own}\\@evil.example{base}/",
    "https://{own}\\.evil.example{base}/",
    "https://{own}\\evil.example{base}/",
    "https://{own}%2f@evil.example{base}/",
    "https://{own}%5c@evil.example{base}/",
    "https://{own}#@evil.example{base}/",
    "https://{own}?@evil.example{base}/",
    "https://{own}/@evil.example{base}/",
    "https://{soft}{base}/",
    "https://{kelvin}{base}/",
    "https://[0:0:0:0:0:0:0:1]:8443/",
    "https://[::0001]:8443/",
    "https://[::1]:8443/",
    "https://[::1]:443/",
    "https://[::1]/",
    "https://api.mypurecloud.ie/",
    "https://apps.mypurecloud.ie/uploads/v2/contactlist",
    "https://api-downloads.mypurecloud.ie/api/v2/downloads/1",
    "https://api-downloads.mypurecloud.ie/api/v2/downloads/1?Signature=x",
    # white space and control characters
    "https://{own}{base}/a\tb",
    "https://{own}{base}/\n",
    "https://{own}{base}/a b",
    "https://{own}{base}/\x00",
    "https://{own}{base}/\x7f",
    "https://{own}{base}/\t../x",
    "https://{own}{base}/.\t./x",
    "https://{own}{base}/%2e\r%2e/x",
    "https://{own}/o\tauth/token",
    "https://{own}/oauth/token\n",
    "https://{own}/oauth/token ",
    "https://{own}\t{base}/",
    "https://{own}\n.evil.example{base}/",
    "https://{own} {base}/",
    "ht\ttps://{own}{base}/",
    "https:\n//{own}{base}/",
    "https://{own}{base}/x?\tSignature=1",
    "https://{own}{base}/\r\nHost: evil.example",
    "\x00https://{own}{base}/",
    "https://{own}{base}/\u2028\x85",
    "https://{own}{base}/\ud800",
]


def spelt(where: Where, template: str) -> str:
    host, port = min(where.own)
    own = host if port == 443 else f"{host}:{port}"
    return template.format(
        own=own,
        host=host,
        base=where.base,
        OWN=own.upper(),
        Own=own.title(),
        ideographic=own.replace(".", "\u3002"),
        fullwidth=own.replace(".", "\uff0e"),
        halfwidth=own.replace(".", "\uff61"),
        percent=own.replace(".", "%2e"),
        soft=own.replace("e", "\u00ade"),
        kelvin=own.replace("e", "\u212f"),
    )


@pytest.mark.parametrize("where", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("template", OURS, ids=ascii)
def test_url_that_is_ours_gets_the_token(where: Where, template: str) -> None:
    assert judge(where, spelt(where, template)) is True


@pytest.mark.parametrize("where", [REGION, GATEWAY, SHARED], ids=["region", "gateway", "shared"])
@pytest.mark.parametrize("template", FOREIGN, ids=ascii)
def test_url_that_is_not_ours_gets_no_token(where: Where, template: str) -> None:
    url = spelt(where, template)
    assert not judge(where, url)
    assert not where.place.takes_token(url)


@pytest.mark.parametrize("where", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("template", FOREIGN + EITHER, ids=ascii)
def test_hostile_url_gets_the_token_exactly_when_it_is_ours(where: Where, template: str) -> None:
    judge(where, spelt(where, template))


@pytest.mark.parametrize("where", [SHARED, NESTED], ids=["shared", "nested"])
@pytest.mark.parametrize(
    "tail",
    ["", "/", "//", "?x", "#x", "?Signature=1", "/?a=b#c"],
)
def test_token_endpoint_never_gets_the_token(where: Where, tail: str) -> None:
    token_url = where.place.token_url
    for spelling in (
        token_url,
        token_url.replace("oauth", "OAUTH"),
        token_url.replace("oauth", "o%61uth"),
        token_url.replace("/token", "%2ftoken"),
        token_url.replace("/token", "//token"),
        token_url.replace("/token", "\\token"),
        token_url.replace("/oauth", "/./oauth"),
    ):
        assert judge(where, f"{spelling}{tail}") is False


@pytest.mark.parametrize("tail", ["", "/", "/x", "/x?y"])
def test_host_is_compared_without_case(tail: str) -> None:
    """A redirect brings it as it is, while prepare_url makes it lower case."""
    for where in PLACES.values():
        assert where.place.takes_token(spelt(where, f"HTTPS://{{OWN}}{{base}}{tail}"))


def test_witness_itself_knows_both_verdicts() -> None:
    verdicts = [is_ours(where, spelt(where, one)) for where in PLACES.values() for one in EITHER]
    assert 40 < sum(verdicts) < len(verdicts) - 40


# -- what is objected to ---------------------------------------------------------------------------

OTHERS = [region.domain for region in REGIONS if region.domain != "mypurecloud.ie"]


@pytest.mark.parametrize("domain", OTHERS)
@pytest.mark.parametrize(
    "url", ["https://api.{}/api/v2/users", "https://API.{}:443", "http://api.{}"]
)
def test_api_of_another_region_is_a_mismatch(domain: str, url: str) -> None:
    url = url.format(domain)
    assert not REGION.place.takes_token(url)
    with pytest.raises(RegionMismatchError) as caught:
        REGION.place.raise_if_mistaken(url)
    said = str(caught.value)
    assert f"https://api.{domain} is the API of region {domain}" in said
    assert "login.mypurecloud.ie" in said
    assert "Call https://api.mypurecloud.ie, or pass region=" in said


@pytest.mark.parametrize("where", [GATEWAY, SHARED, NESTED], ids=["gateway", "shared", "nested"])
@pytest.mark.parametrize("domain", [*OTHERS, "mypurecloud.ie"])
def test_with_an_explicit_api_url_the_api_of_any_region_is_a_mismatch(
    where: Where, domain: str
) -> None:
    with pytest.raises(RegionMismatchError, match=re.escape(f"api.{domain}")):
        where.place.raise_if_mistaken(f"https://api.{domain}/api/v2/users")


def test_an_explicit_api_url_may_be_that_of_a_region() -> None:
    place = Hosts(None, "https://gateway.example", "https://api.mypurecloud.ie/below")
    place.raise_if_mistaken("https://api.mypurecloud.ie/elsewhere")
    with pytest.raises(RegionMismatchError):
        place.raise_if_mistaken("https://api.mypurecloud.de/")


@pytest.mark.parametrize(
    ("where", "url", "host"),
    [
        (REGION, "http://api.mypurecloud.ie/api/v2", "api.mypurecloud.ie"),
        (REGION, "HTTP://API.mypurecloud.ie", "API.mypurecloud.ie"),
        (REGION, "http://apps.mypurecloud.ie/", "apps.mypurecloud.ie"),
        (REGION, "http://api-downloads.mypurecloud.ie/", "api-downloads.mypurecloud.ie"),
        (REGION, "http://api.mypurecloud.ie:80/", "api.mypurecloud.ie:80"),
        (REGION, "http://api.mypurecloud.ie:443/", "api.mypurecloud.ie:443"),
        (REGION, "http://user:pa55word@api.mypurecloud.ie/", "api.mypurecloud.ie"),
        (GATEWAY, "http://gateway.example:8443/genesys/v1/x", "gateway.example:8443"),
        (SHARED, "http://gateway.example/", "gateway.example"),
        (NESTED, "http://[::1]:8443/", "[::1]:8443"),
    ],
)
def test_plain_http_to_an_own_host_is_refused(where: Where, url: str, host: str) -> None:
    assert not where.place.takes_token(url)
    with pytest.raises(ConfigurationError, match=re.escape(f"http://{host} is one of")) as caught:
        where.place.raise_if_mistaken(url)
    assert not isinstance(caught.value, RegionMismatchError)
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize("where", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(
    ("host", "likely"),
    [
        ("mygenesyscloud.com", None),
        ("acme.mygenesyscloud.com", None),
        ("api.us.genesys.cloud", None),
        ("API.mypurecloud.AE", "mec1.pure.cloud"),
        ("api.euc1.pure.cloud", "mypurecloud.de"),
        ("login.apse2.pure.cloud:443", "mypurecloud.com.au"),
    ],
)
def test_host_under_a_known_wrong_domain_is_refused(
    where: Where, host: str, likely: str | None
) -> None:
    url = f"https://{host}/api/v2/users"
    assert not where.place.takes_token(url)
    with pytest.raises(ConfigurationError) as caught:
        where.place.raise_if_mistaken(url)
    said = str(caught.value)
    assert "whatever the web says" in said
    assert likely is None or f"likely {likely} is meant" in said
    assert f"Yours is {where.place.api_url}. {HOW_TO_FIND}" in said


@pytest.mark.parametrize("where", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "http://evil.example/",
        "https://bucket.s3.amazonaws.com/recording?X-Amz-Signature=abc",
        "https://d111111abcdef8.cloudfront.net/x?Key-Pair-Id=1&Signature=2",
        "https://login.mypurecloud.ie/oauth/token",
        "https://login.mypurecloud.de/oauth/token",
        "https://apps.mypurecloud.de/directory",
        "https://mypurecloud.de/",
        "https://api.mypurecloud.de.evil.example/",
        "https://xapi.mypurecloud.de/",
        "https://notgenesys.cloud/",
        "https://api.mypurecloud.fr/",
        "https://api.xxx1.pure.cloud/",
        "https://api-downloads.mypurecloud.ie/x?Signature=abc",
        "https://user@apps.mypurecloud.ie/",
        "https://apps.mypurecloud.ie:8080/",
        "https://gateway.example:1/",
        "https://gateway.example:99999/",
        "https://gateway.example:x/",
        "https://[::1",
        "mailto:someone@genesys.example",
        "",
    ],
)
def test_everything_else_passes_through(where: Where, url: str) -> None:
    where.place.raise_if_mistaken(url)


# -- of what a place is made -----------------------------------------------------------------------


def test_region_alone_makes_a_place() -> None:
    place = Hosts("euw2.pure.cloud", None, None)
    assert place.region == "euw2.pure.cloud"
    assert place.login_url == "https://login.euw2.pure.cloud"
    assert place.api_url == "https://api.euw2.pure.cloud"
    assert place.token_url == "https://login.euw2.pure.cloud/oauth/token"
    assert place.login_host == "login.euw2.pure.cloud"
    assert not place.explicit


def test_both_urls_alone_make_a_place() -> None:
    place = GATEWAY.place
    assert place.region is None
    assert place.token_url == "https://login.gateway.example/oauth/token"
    assert place.login_host == "login.gateway.example"
    assert place.explicit


def test_an_explicit_login_url_leaves_the_hosts_of_the_region_alone() -> None:
    place = Hosts("mypurecloud.ie", "https://gateway.example:8443/sign-in", None)
    assert place.token_url == "https://gateway.example:8443/sign-in/oauth/token"
    assert place.login_host == "gateway.example:8443"
    assert place.prefixes == REGION.place.prefixes
    assert not place.explicit
    assert not place.takes_token("https://gateway.example:8443/")


def test_with_an_explicit_api_url_no_host_of_the_region_gets_the_token() -> None:
    place = Hosts("mypurecloud.ie", None, "https://gateway.example")
    assert place.login_url == "https://login.mypurecloud.ie"
    for host, _ in REGION.own:
        assert not place.takes_token(f"https://{host}/")


@pytest.mark.parametrize(
    ("region", "login_url", "api_url"),
    [
        (None, "https://login.mypurecloud.ie", "https://api.mypurecloud.de"),
        ("mypurecloud.ie", None, "https://api.mypurecloud.de"),
        ("mypurecloud.de", "https://login.mypurecloud.ie", None),
        ("euw2.pure.cloud", "https://login.mypurecloud.ie/x", "https://apps.mypurecloud.de/x"),
    ],
)
def test_a_login_service_and_an_api_of_two_regions_are_refused(
    region: str | None, login_url: str | None, api_url: str | None
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Hosts(region, login_url, api_url)
    assert str(caught.value) == (
        "Tokens come from mypurecloud.ie, but the API belongs to mypurecloud.de. A token of one"
        " region is refused in every other. Name the region alone: both URLs follow from it."
    )


@pytest.mark.parametrize(
    ("region", "login_url", "api_url"),
    [
        (None, "https://login.mypurecloud.ie", "https://api.mypurecloud.ie"),
        (None, "https://login.gateway.example", "https://api.mypurecloud.de"),
        (None, "https://login.mypurecloud.ie", "https://api.gateway.example"),
        (None, "https://login.mypurecloud.ie", "https://api.new1.pure.cloud"),
        ("mypurecloud.ie", "https://gateway.example", None),
        ("mypurecloud.ie", None, "https://gateway.example"),
    ],
)
def test_a_gateway_or_a_newer_region_may_stand_beside_a_region(
    region: str | None, login_url: str | None, api_url: str | None
) -> None:
    place = Hosts(region, login_url, api_url)
    assert login_url in {None, place.login_url}
    assert api_url in {None, place.api_url}


@pytest.mark.parametrize("path", ["/%c0%ae%c0%ae/x", "/%EF%BC%8E%ef%bc%8e/x", "\uff0e\uff0e/x"])
def test_no_url_is_made_of_a_path_that_a_lenient_server_reads_as_dot_segments(path: str) -> None:
    with pytest.raises(requests.exceptions.InvalidURL, match="leaves https:"):
        url_below("https://gateway.example/x", path)
    assert url_below("https://gateway.example/x", "/a%c3%80\uff0e/").endswith("/x/a%c3%80\uff0e/")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://gateway.example", "https://gateway.example"),
        ("https://gateway.example/", "https://gateway.example"),
        ("  https://gateway.example", "https://gateway.example"),
        ("HTTPS://Gateway.EXAMPLE/Genesys/", "https://gateway.example/Genesys"),
        ("https://gateway.example:443/", "https://gateway.example"),
        ("https://gateway.example:8443/x/y/", "https://gateway.example:8443/x/y"),
        ("https://gateway.example:/", "https://gateway.example"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("https://[::1]:443", "https://[::1]"),
        ("https://127.0.0.1:8443/", "https://127.0.0.1:8443"),
        ("https://b\u00fccher.example/", "https://xn--bcher-kva.example"),
        ("https://gateway.example/api/v2", "https://gateway.example"),
        ("https://gateway.example/api/v2/", "https://gateway.example"),
        ("https://gateway.example/genesys/api/v2", "https://gateway.example/genesys"),
        ("https://gateway.example/my-api/v2", "https://gateway.example/my-api/v2"),
        ("https://gateway.example/api/v2x", "https://gateway.example/api/v2x"),
        ("https://gateway.example/api/v2/users", "https://gateway.example/api/v2/users"),
        ("https://gateway.example/oauth/token", "https://gateway.example/oauth/token"),
        ("https://api.mypurecloud.ie/api/v2", "https://api.mypurecloud.ie"),
    ],
)
def test_base_url_is_brought_to_the_form_that_requests_sends(url: str, expected: str) -> None:
    assert base_url("api_url", url, suffix="/api/v2") == expected
    assert base_url("api_url", expected, suffix="") == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "gateway.example",
        "/gateway",
        "//gateway.example",
        "http://gateway.example",
        "ftp://gateway.example",
        "mailto:x@gateway.example",
        "https:",
        "https://",
        "https:///x",
        "https://:8443",
        "https://user@gateway.example",
        "https://user:pa55word@gateway.example",
        "https://gateway.example?pa55word",
        "https://gateway.example/?x=pa55word",
        "https://gateway.example/#pa55word",
        "https://gateway.example:x",
        "https://gateway.example:99999",
        "https://[::1",
        "https://*.example",
        "https://gate way.example",
        "https://gateway.example\\@pa55word.example",
        "https://gateway%2f.example",
        "https://g%C3%A4teway.example",
        "https://[::1]@gateway.example",
        "https://gateway.example/a\\b",
        "https://gateway.example/a%2fb",
        "https://gateway.example/a b",
        "https://gateway.example/\u00fc",
        "https://gateway.example/%2e%2e/",
        "https://gateway.example/.hidden",
        "https://gateway.example//",
        "https://gateway.example/genesys//api/v2",
        "https://gateway.example/\ud800",
        "https://\ud800.example/",
    ],
    ids=ascii,
)
def test_base_url_that_is_not_plain_https_is_refused_with_its_value_unsaid(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^login_url must ") as caught:
        base_url("login_url", url, suffix="/oauth/token")
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://api.mypurecloud.ae", "mypurecloud.ae"),
        ("https://login.euc1.pure.cloud/oauth/token", "euc1.pure.cloud"),
        ("https://acme.MyGenesysCloud.com", "mygenesyscloud.com"),
    ],
)
def test_base_url_under_a_known_wrong_domain_is_refused(url: str, domain: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^api_url: {re.escape(domain)} is no domain"):
        base_url("api_url", url, suffix="/api/v2")


# -- composed -------------------------------------------------------------------------------------

HOSTILE = {
    # in the order in which they are put together
    "scheme": ["https", "HTTPS", "http", "https:https", "ftp", " https"],
    "slashes": ["://", ":", ":/", ":///", ":\\\\", ":\t//"],
    "userinfo": [
        "",
        "",
        "",
        "u@",
        "u:p@",
        "@",
        "api.mypurecloud.ie@",
        "%40",
        "\\",
        "evil.example\\@",
    ],
    "host": [
        *(
            "api.mypurecloud.ie",
            "apps.mypurecloud.ie",
            "gateway.example",
            "gateway.example",
            "[::1]",
        ),
        *("API.MyPureCloud.IE", "login.mypurecloud.ie", "api-downloads.mypurecloud.ie"),
        *(
            "api\u3002mypurecloud\uff0eie",
            "api%2emypurecloud.ie",
            "evil.example",
            "Gateway%2Eexample",
        ),
        *("mypurecloud.ie", "api.mypurecloud.de", "[::01]"),
    ],
    "after": [
        "",
        "",
        "",
        "",
        ".",
        ".evil.example",
        "%2eevil.example",
        "\\.evil.example",
        "\t",
        "@x",
    ],
    "port": ["", "", ":443", ":8443", ":", ":0443", ":80", ":443@evil.example", ":99999", ":x"],
    "base": ["", "", "/genesys/v1", "/genesys/v1", "/genesys", "/Genesys/v1", "/genesys%2fv1"],
    "query": ["", "?", "?a=1", "?Signature=x", "?a&%53ignature", "?x=/../", "?Key%2dPair-Id", "?@"],
    "fragment": ["", "", "#", "#@evil.example", "#/../", "#?Signature=1"],
}
NAMES = [
    *(
        "a",
        "",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        ".%2e",
        "..%2f..",
        "%5c..",
        "\\..\\",
        "\t..",
        "..;",
        "...",
    ),
    *("oauth", "token", "OAuth", "%6fauth", "tok\ten", "oauth%2ftoken", "oauth\\token", "sign-in"),
    *("@evil.example", "%00", "ü", "%", "%zz", "%252e%252e", "api", "v2", "\uff0e\uff0e", "\\"),
]


#: The start of what is ours, or nearly.
ORIGINS = [
    *("https://api.mypurecloud.ie", "https://gateway.example", "https://[::1]:8443"),
    *("https://gateway.example:8443/genesys/v1", "https://gateway.example:8443/genesys/v1"),
    *("HTTPS://Apps.mypurecloud.ie:443", "https://gateway%2eexample:8443/genesys/v1"),
    *("https://gateway.example:0443", "https://[::0001]:8443/Sign-In", "https://gateway.example."),
]


def nearly() -> st.SearchStrategy[str]:
    names = st.sampled_from([*NAMES, "api", "v2", "oauth", "token", "a.b"])
    path = st.lists(names, max_size=3).map(lambda some: "".join(f"/{name}" for name in some))
    query, fragment = map(st.sampled_from, (HOSTILE["query"], HOSTILE["fragment"]))
    return st.tuples(st.sampled_from(ORIGINS), path, query, fragment).map("".join)


def wild() -> st.SearchStrategy[str]:
    return st.tuples(*map(st.sampled_from, HOSTILE.values())).map("".join)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(url=nearly())
def test_url_composed_upon_an_own_origin_gets_the_token_exactly_when_it_is_ours(url: str) -> None:
    for where in PLACES.values():
        judge(where, url)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(url=wild())
def test_url_composed_of_hostile_pieces_gets_the_token_exactly_when_it_is_ours(url: str) -> None:
    for where in PLACES.values():
        judge(where, url)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(url=nearly() | wild() | st.text(max_size=40))
def test_no_url_makes_the_judgement_itself_fail(url: str) -> None:
    for where in PLACES.values():
        for one in (url, as_location(url), prepared(url) or ""):
            ours = where.place.takes_token(one)
            try:
                where.place.raise_if_mistaken(one)
            except ConfigurationError:
                assert not ours


@pytest.mark.parametrize(
    "path", ["%" + "25" * 20_000, "\uff05" + "\uff12\uff15" * 20_000, "%C0%A5" + "25" * 20_000]
)
def test_a_path_that_is_encoded_again_and_again_gets_no_token_and_no_time(path: str) -> None:
    place = Hosts("mypurecloud.ie", None, None)

    assert not place.takes_token(f"https://api.mypurecloud.ie/{path}2e")
