"""Which URLs get the token, by a third reading of what docs/promises.rst promises."""

from __future__ import annotations

import string
from typing import NamedTuple

import requests
from conftest import SECRET, Sweep
from fuzzing import check, examples, nothing_told
from hypothesis import assume, event, example, given, reject
from hypothesis import strategies as st
from urllib3.util import parse_url

from gc_requests_auth import ConfigurationError
from gc_requests_auth.settings.hosts import Hosts, base_url
from gc_requests_auth.settings.regions import REGIONS
from gc_requests_auth.util.secret import SecretBox

# -- the oracle -----------------------------------------------------------------------------------


class Address(NamedTuple):
    """The parts of an absolute URL, cut by hand."""

    scheme: str
    userinfo: str | None
    host: str
    port: str | None
    path: str
    query: str


def cut(url: str) -> Address | None:
    """RFC 3986, section 3, none of the library's means used; None for what has no authority."""
    scheme, colon, rest = url.partition(":")
    if not colon or not rest.startswith("//"):
        return None
    rest = rest.partition("#")[0]
    rest, _, query = rest.partition("?")
    authority, slash, path = rest[2:].partition("/")
    userinfo, at, place = authority.rpartition("@")
    host, colon, port = place.rpartition(":")
    if not colon or place.endswith("]"):
        host, port = place, ""
    return Address(
        scheme.lower(), userinfo if at else None, host.lower(), port or None, slash + path, query
    )


def decoded(text: str) -> str:
    """Percent-decoded once, each byte a character: nothing depends on more than ASCII here."""
    pieces = text.split("%")
    for at, piece in enumerate(pieces[1:], 1):
        if len(piece) >= 2 and set(piece[:2]) <= set(string.hexdigits):
            pieces[at] = chr(int(piece[:2], 16)) + piece[2:]
        else:
            pieces[at] = f"%{piece}"
    return "".join(pieces)


def decoded_by_all(text: str) -> str:
    """As behind a row of servers that each decode it."""
    while text != decoded(text):
        text = decoded(text)
    return text


def seen(character: str) -> bool:
    """Whether it is a character and no control of one."""
    return character > " " and character != "\x7f"


def is_ours(place: Hosts, url: str) -> bool | None:
    """What the promises say; None where the library may be more careful than its word."""
    found = cut(url)
    if found is None or found.scheme != "https" or found.userinfo is not None:
        return False
    path = decoded_by_all(found.path).replace("\\", "/")
    for fullwidth in ("\uff0e", "\uff0e".encode().decode("latin-1")):
        path = path.replace(fullwidth, ".")
    if {".", ".."} & {"".join(filter(seen, name.split(";")[0])) for name in path.split("/")}:
        return False
    here = (found.host, found.port or "443")
    if place.explicit:
        base = cut(place.api_url)
        assert base is not None
        if here != (base.host, base.port or "443"):
            return False
        if found.path != base.path and not found.path.startswith(f"{base.path}/"):
            return False
    else:
        if here not in {
            (f"{name}.{place.region}", "443") for name in ("api", "apps", "api-downloads")
        }:
            return False
        keys = {decoded(field.partition("=")[0]) for field in found.query.split("&")}
        if keys & {"Signature", "X-Amz-Signature", "Key-Pair-Id"}:
            return False
    token = cut(f"{place.login_url}/oauth/token")
    assert token is not None
    if here == (token.host, token.port or "443"):
        if path == token.path:
            return False
        if letters(token.path) in letters(path):
            return None
    return True


def letters(path: str) -> str:
    """What is left of a path for those to whom nothing else matters."""
    return "".join(filter(str.isalnum, path.lower()))


def test_the_oracle_of_sound_answers_judges_known_answers_right() -> None:
    region = Hosts("mypurecloud.ie", None, None)
    gateway = Hosts(None, "https://x.example", "https://x.example/a")
    for url in ("https://api.mypurecloud.ie", "https://apps.mypurecloud.ie:443/?x#@"):
        assert is_ours(region, url) is True
    for url in (
        "https:api.mypurecloud.ie",
        "http://api.mypurecloud.ie/",
        "https://api.mypurecloud.ie./",
        "https://api.mypurecloud.ie:444/",
        "https://@api.mypurecloud.ie/",
        "https://api.mypurecloud.ie/%2E%2e%5Cx",
        "https://api.mypurecloud.ie/?a&%53ignature=1",
        "https://[::1]/",
    ):
        assert is_ours(region, url) is False, url
    assert is_ours(gateway, "https://x.example/a%zz?Signature=1") is False
    assert is_ours(gateway, "https://x.example/a/%zz?Signature=1") is True
    assert is_ours(gateway, "https://x.example:1/a/") is False
    below = Hosts(None, "https://x.example/a", "https://x.example/a")
    assert is_ours(below, "https://x.example/a/oauth/token") is False
    assert is_ours(below, "https://x.example/a/oauth//token") is None


# -- places and URLs near them --------------------------------------------------------------------

HOSTS = st.sampled_from(
    ["gateway.example", "api.mypurecloud.ie", "[::1]", "127.0.0.1", "localhost"]
)
PORTS = st.sampled_from(["", "", ":8443", ":443"])
FOLDERS = st.sampled_from(["", "", "/genesys", "/genesys/v1", "/Sign-In", "/oauth", "/a.b/c;d"])
URLS = st.tuples(st.just("https://"), HOSTS, PORTS, FOLDERS).map("".join)


REGION = Hosts("mypurecloud.ie", None, None)
GATEWAY = Hosts(None, "https://gateway.example", "https://gateway.example")


@st.composite
def places(draw: st.DrawFn) -> Hosts:
    region = draw(st.none() | st.sampled_from([one.domain for one in REGIONS[:7]]))
    login = draw(st.none() | URLS) if region else draw(URLS)
    api = draw(st.none() | URLS) if region else draw(URLS)
    if api and draw(st.booleans()):
        login = api  # one gateway for both
    try:
        return Hosts(
            region,
            login and base_url("login_url", login, suffix="/oauth/token"),
            api and base_url("api_url", api, suffix="/api/v2"),
        )
    except ConfigurationError:  # the URLs are of two regions
        reject()


NAMES = st.sampled_from(
    [
        *("api", "v2", "users", "oauth", "token", "OAuth", "TOKEN", "%6fauth", "tok%65n"),
        *("clients", "", ".", "..", "%2e", "%2E%2e", ".%2e", "...", "..;", "a..", ".well-known"),
        *("%252e%252e", "a;b=1", "a%2fb", "..%2f", "%5c..", "a\\..", "\\", "oauth%2ftoken"),
        *("@evil.example", ":8443", "%00", "%", "\u00fc", "\uff0e\uff0e", "genesys", "v1"),
        *("Genesys", "a b", "\t", "token;x", "token%20"),
    ]
)
QUERIES = st.sampled_from(
    [
        *("", "", "", "?", "?pageSize=1", "?Signature=a", "?signature=a", "?a=Signature"),
        *("?a&Signature", "?X-Amz-Signature=1&b", "?%4Bey-Pair-Id=1", "?Key-Pair-Id"),
        *("?x=/../oauth/token", "?@", "?a=b=c", "?a=1;Signature=2", "?+Signature=1"),
        *("?Signature%3D1", "?a?Signature=1", "?\u00fc=%zz"),
    ]
)
FRAGMENTS = st.sampled_from(["", "", "", "#", "#@evil.example", "#/../x", "#?Signature=1"])
HOSTILE = [
    *".:/\\@?#%;&=[] \t\n\0\x7f0489aAsS",
    *("%2e", "%2f", "%5c", "%40", "%00", "\u3002", "\uff0e", "\u212a", "\u00ad", "\u0660"),
    *("\ud800", "//", "..", "/..", ":443", ":80", ":0443", "evil.example", ".evil.example"),
    *("user:pass@", "xn--", "oauth", "token", "Signature=1", "api.", "apps.", "login."),
    *("http://", "https:"),
]


@st.composite
def near(draw: st.DrawFn, place: Hosts) -> str:
    """A URL of this place, or almost."""
    start = draw(
        st.sampled_from([*place.prefixes, place.api_url, place.token_url, place.login_url])
    )
    url = start + "/".join(draw(st.lists(NAMES, max_size=4)))
    url += draw(QUERIES) + draw(FRAGMENTS)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        # Where it matters is more often at its beginning.
        at = draw(st.integers(0, min(len(url), len(start) + 2)) | st.integers(0, len(url)))
        url = url[:at] + draw(st.sampled_from(HOSTILE)) + url[at + draw(st.integers(0, 1)) :]
    return url


def prepared(url: str) -> str | None:
    """As requests will send it; None if it will not."""
    request = requests.PreparedRequest()
    try:
        request.prepare_url(url, None)
    except (requests.RequestException, UnicodeError):
        return None
    return request.url


def hold(place: Hosts, url: str) -> None:
    """As it came, the worst it may do is to be refused; as requests sends it, the word holds."""
    if place.takes_token(url):
        assert is_ours(place, url) is not False
        check_dialled(place, url)
    sent = prepared(url)
    if sent is not None:
        verdict, word = place.takes_token(sent), is_ours(place, sent)
        event(f"ours: {word}")
        assert word in {verdict, None}, sent
        if verdict:
            check_dialled(place, sent)


def check_dialled(place: Hosts, url: str) -> None:
    """That urllib3, which opens the connection, goes where the promise says."""
    found = parse_url(url)
    assert (found.scheme, found.auth) == ("https", None)
    dialled = (found.host, found.port or 443)
    own = [parse_url(prefix) for prefix in place.prefixes]
    assert dialled in {(one.host, one.port or 443) for one in own}


@examples(500)
@given(st.data(), places())
def test_a_url_gets_the_token_exactly_when_it_is_ours(data: st.DataObject, place: Hosts) -> None:
    hold(place, data.draw(near(place), "url"))


@examples(60)
@given(places(), st.text(max_size=30) | st.lists(st.sampled_from(HOSTILE), max_size=9).map("".join))
@example(GATEWAY, GATEWAY.token_url)
@example(GATEWAY, GATEWAY.token_url.upper())
@example(GATEWAY, "https://gateway.example/%6Fauth%2ftoken/")
@example(REGION, "https://api.mypurecloud.ie@evil.example/")
@example(REGION, "https://api.mypurecloud.ie/x?Signature=1")
def test_any_text_for_a_url_gets_the_token_exactly_when_it_is_ours(place: Hosts, url: str) -> None:
    hold(place, url)


ANY_URL = st.one_of(
    URLS.flatmap(
        lambda url: st.lists(
            st.tuples(st.integers(0, 60), st.sampled_from(HOSTILE)), max_size=2
        ).map(lambda edits: edited(url, edits))
    ),
    st.text(max_size=20),
)


def edited(url: str, edits: list[tuple[int, str]]) -> str:
    for at, added in edits:
        url = url[:at] + added + url[at:]
    return url


@examples(120)
@given(ANY_URL, st.sampled_from(["", "/", "/api/v2", "/api/v2/", f"?{SECRET}", f"#{SECRET}"]))
@example("https://user@gateway.example", "")
@example(f"https://user:{SECRET}@gateway.example", "/")
def test_a_base_url_is_refused_with_its_value_unsaid_or_takes_the_token(
    sweep: Sweep, url: str, end: str
) -> None:
    try:
        base = base_url("api_url", SecretBox(url + end), suffix="/api/v2")
    except ConfigurationError as error:
        check(error)
        nothing_told(sweep)
        return
    place = Hosts(None, "https://login.example", base)
    below = f"{base}/api/v2/users/me"

    assume("%" not in base)  # in a host, where it leads nowhere
    assert base_url("api_url", base, suffix="") == base
    assert prepared(below) == below
    assert place.takes_token(below)
    assert is_ours(place, below)
    check_dialled(place, below)
