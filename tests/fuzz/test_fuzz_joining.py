"""Whatever path is given to a Session: refused, or below the base URL, whoever reads it."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
import requests
from conftest import SECRET
from fuzzing import examples
from hypothesis import assume, example, given
from hypothesis import strategies as st
from requests.exceptions import InvalidURL

from gc_requests_auth import GenesysCloudSession
from gc_requests_auth.settings.hosts import Hosts

BASES = (
    "https://api.mypurecloud.ie",
    "https://gateway.example:8443/genesys/v1",
    "https://[::1]:8443",
    "https://gateway.example/a/b/c",
)

# -- a second reading of URLs, after the WHATWG's standard -----------------------------------------


class Read(NamedTuple):
    """What a URL says."""

    origin: str
    names: list[str]


def read(url: str, *, parameters: bool, decoded: bool) -> Read:
    """A URL as browsers, and the more lenient of servers, read it.

    :param parameters: Whether a name ends at its semicolon.
    :param decoded: Whether encoded separators count.
    """
    url = re.sub(r"[\t\n\r]", "", url.strip("".join(map(chr, range(33)))))
    scheme, _, rest = url.partition(":")
    rest = re.split(r"[?#]", rest, maxsplit=1)[0].replace("\\", "/").lstrip("/")
    authority, _, path = rest.partition("/")
    host = authority.rpartition("@")[2].lower()
    if decoded:
        path = re.sub(r"%2f|%5c", "/", path, flags=re.IGNORECASE)
    names: list[str] = []
    for one in path.split("/"):
        name = re.sub(
            r"%([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), one, flags=re.IGNORECASE
        )
        name = re.sub(r"[\t\n\r\0]", "", name.partition(";")[0] if parameters else name)
        if name == "..":
            del names[-1:]
        elif name not in {"", "."}:
            names.append(name)
    return Read(f"{scheme.lower()}://{host}", names)


def test_the_reader_of_paths_finds_known_ways_out_of_the_base_path() -> None:
    for path in (
        "..",
        "%2e%2E/x",
        "a/..\\../x",
        "a/.%2e/../x",
        "..%2fx",
        "..%5cx",
        "..;a/x",
        "\t../",
    ):
        said = read(f"https://x.example/base/{path}", parameters=True, decoded=True)
        assert said.names[:1] != ["base"], path
    assert read("https://x.example\\@evil.example/", parameters=False, decoded=False).origin == (
        "https://x.example"
    )
    assert read("https:/\\x@evil.example:8/", parameters=False, decoded=False).origin == (
        "https://evil.example:8"
    )


# -- the promises ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sessions() -> dict[str, GenesysCloudSession]:
    return {
        base: GenesysCloudSession(
            "client-12345678", SECRET, login_url="https://login.example", api_url=base
        )
        for base in BASES
    }


def completed(
    session: GenesysCloudSession, path: str, params: dict[str, str] | None = None
) -> str | None:
    """The URL that would be asked; None if it is refused."""
    opted_out = requests.Request("GET", path, params=params, auth=lambda request: request)
    try:
        return session.prepare_request(opted_out).url
    except InvalidURL:
        return None


PIECES = st.sampled_from(
    [
        *("/", "/", "\\", ".", "..", "../", "/..", "//", "@", ":", "?", "#", "%", ";", "&", "["),
        *("]", "=", "%2e", "%2E", "%2f", "%2F", "%5c", "%5C", "%25", "%252e", "%252f", "%00"),
        *(
            "%09",
            "%0a",
            "%40",
            "%u002e",
            "%c0%ae",
            "%zz",
            "..;",
            ".;x",
            ";..",
            "%3b",
            "%2500",
            " ",
            "\t",
            "\n",
        ),
        *("\r", "\0", "\x7f", "\x85", "\xa0", "\ufeff", "\u2025", "\uff0e", "\uff0f", "\u2215"),
        *("\u3002", "\xad", "\ud800", "*", "{id}", "https:", "HTTP://", "https://"),
        *("evil.example", "user:pass@", "javascript:", ":8443", "api/v2", "genesys", "v1"),
        *("users", "gateway.example", "api.mypurecloud.ie", "\u212a", "\u00fc"),
    ]
)
PATHS = st.lists(PIECES, max_size=9).map("".join) | st.text(max_size=12)


@examples(400)
@given(st.sampled_from(BASES), PATHS, st.sampled_from([None, {"a": "../..", "Signature": "/"}]))
@example(BASES[1], "..%5cx", None)
@example(BASES[1], "/x/%2e%2E%2f..%5C..", None)
@example(BASES[1], "..;a/x", None)
@example(BASES[1], "..%00", None)
def test_no_path_leaves_the_origin_or_the_base_path(
    sessions: dict[str, GenesysCloudSession], base: str, path: str, params: dict[str, str] | None
) -> None:
    assume(not re.match(r"\s*[a-z][a-z0-9+.-]*://", path, re.IGNORECASE))

    url = completed(sessions[base], path, params)

    if url is not None:
        for parameters in (False, True):
            for decoded in (False, True):
                said = read(url, parameters=parameters, decoded=decoded)
                wanted = read(base, parameters=parameters, decoded=decoded)
                assert said.origin == wanted.origin
                assert said.names[: len(wanted.names)] == wanted.names


@examples(400)
@given(st.sampled_from(BASES), PATHS)
@example(BASES[1], "..;/other-tenant/x")
@example(BASES[1], ".%00./x")
@example(BASES[1], "%252e%252e/x")
@example(BASES[1], "..%3b/login/oauth/token")
@example(BASES[1], "%2%65./x")
@example(BASES[1], "a/%2e%2e/b")
def test_a_whole_url_gets_the_token_exactly_when_its_path_is_accepted_as_a_path(
    sessions: dict[str, GenesysCloudSession], base: str, path: str
) -> None:
    place = Hosts(None, "https://login.example", base)
    path = f"/{path.lstrip('/')}"
    accepted = completed(sessions[base], path)
    assert accepted is None or place.takes_token(accepted)

    # requests encodes these, and resolves the plain dot segments of a whole URL.
    assume(not re.search(r"[\\\x00-\x20\x7f]", path))
    assume(".." not in re.split(r"[/?#]", path))
    whole = requests.PreparedRequest()
    whole.prepare_url(base + path, None)
    assert place.takes_token(whole.url or "") == (accepted is not None)


NAME = st.from_regex(r"[A-Za-z0-9_~-][A-Za-z0-9._~:@!$'()*,=+;-]{0,11}", fullmatch=True)


@examples(60)
@given(
    st.sampled_from(BASES),
    st.lists(NAME, max_size=5),
    st.sampled_from(["", "/"]),
    st.sampled_from(["", "/"]),
    st.sampled_from(["", "?pageSize=25&x=../..", "?next=https://a.example//b\u00fc", "#/admin"]),
)
def test_a_plain_path_is_appended_to_the_base(
    sessions: dict[str, GenesysCloudSession],
    base: str,
    names: list[str],
    start: str,
    end: str,
    more: str,
) -> None:
    path = "/".join(names) + (end if names else "")
    if not path:
        start = ""

    assert completed(sessions[base], f"{start}{path}{more}") == (
        f"{base}/{path}{more}".replace("\u00fc", "%C3%BC")
    )
