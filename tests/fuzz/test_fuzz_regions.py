"""Whatever is given as a region: the domain of one, fit to be a host, or a ConfigurationError."""

from __future__ import annotations

import requests
from conftest import SECRET, Sweep
from fuzzing import check, examples, nothing_told
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gc_requests_auth import ConfigurationError, GenesysCloudAuth
from gc_requests_auth.settings.regions import DOMAINS, HOW_TO_FIND, KNOWN_WRONG, PARENTS, REGIONS

SERVICES = ("login.", "api.", "apps.", "api-downloads.")
LETTERS = set("abcdefghijklmnopqrstuvwxyz")
DIGITS = set("0123456789")


def region_of(name: str) -> str | None:
    """The region of an auth to which it is given; None if that is refused as it should be."""
    refusal = None
    try:
        auth = GenesysCloudAuth("client-12345678", SECRET, region=name)
    except ConfigurationError as error:
        check(error)
        refusal = str(error)
    if refusal is not None:
        assert refusal.isascii()
        assert HOW_TO_FIND in refusal
        return None
    assert auth.login_url == f"https://login.{auth.region}"
    assert auth.api_url == f"https://api.{auth.region}"
    return auth.region


def is_a_domain(text: str) -> bool:
    """RFC 1123, section 2.1, with the longest service in front; the last label being no number."""
    labels = text.split(".")
    return (
        len(f"api-downloads.{text}") <= 253
        and len(labels) >= 2
        and all(0 < len(label) <= 63 for label in labels)
        and all(set(label) <= LETTERS | DIGITS | {"-"} for label in labels)
        and not any(label.startswith("-") or label.endswith("-") for label in labels)
        and labels[-1][0] in LETTERS
    )


def hold(sweep: Sweep, name: str) -> None:
    region = region_of(name)
    if region is not None:
        assert is_a_domain(region)
        assert region not in PARENTS
        assert not any(f".{region}".endswith(f".{wrong}") for wrong in KNOWN_WRONG)
        # Given again, as it may be by a script that hands it on; but of "login.apps.example.com" one
        # service is taken off, and then the other.
        assert region.startswith(SERVICES) or region_of(region) == region
        # Where requests would go is where we said.
        prepared = requests.Request("GET", f"https://api.{region}").prepare()
        assert prepared.url == f"https://api.{region}/"
        # Nothing was made up.
        assert region in DOMAINS or region in name.lower()
    nothing_told(sweep)


PIECES = st.sampled_from(
    [
        *(".", ".", ".", "-", "_", "/", "\\", ":", "@", "?", "#", "%2e", "https://", "http://"),
        *(" ", "\u3002", "\uff0e", "\n", "\0", "\u0130", "\u212a", "\u00df", "xn--", "--", "["),
        *("]", ":443", *SERVICES, "www.", "mypurecloud", "pure.cloud", "us-gov-pure.cloud"),
        *("eusc-pure.cloud", "purecloud", "com", "ie", "de", "au", "cloud", "pure", "use2"),
        *("euw2", "eu-west-2", "1", "a", "b-"),
        *KNOWN_WRONG,
        *DOMAINS,
        *(SECRET, "x" * 63, "x" * 64, "a." * 60, "a." * 125, "/" * 300),
    ]
)
NAMES = st.lists(PIECES, max_size=7).map("".join) | st.text(max_size=30)


@examples(250)
@given(NAMES)
@example("a." * 122 + "example.com")
@example("https://api-downloads." + "a." * 115 + "example.com/x")
@example("a." * 130 + "example.com")
def test_any_text_is_a_region_fit_to_be_a_host_or_refused(sweep: Sweep, name: str) -> None:
    hold(sweep, name)


@examples(120)
@given(
    st.sampled_from([*DOMAINS, *PARENTS, *KNOWN_WRONG, "https://login.mypurecloud.ie/oauth/token"]),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1), st.characters(max_codepoint=0x17F))),
)
def test_a_misspelt_region_is_fit_to_be_a_host_or_refused(
    sweep: Sweep, name: str, edits: list[tuple[int, int, str]]
) -> None:
    for at, dropped, added in edits:
        name = name[:at] + added + name[at + dropped :]
    hold(sweep, name)


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """A domain of the table, and one way to name its region."""
    region = draw(st.sampled_from(REGIONS))
    if draw(st.booleans()):
        parts = draw(st.sampled_from([region.aws, region.code])).split("-")
        text = parts[0] + "".join(draw(st.sampled_from("-_")) + part for part in parts[1:])
    else:
        service = draw(st.sampled_from(["", *SERVICES]))
        host = service + region.domain + draw(st.sampled_from(["", "."]))
        host += draw(st.sampled_from(["", ":443", ":"]))
        scheme = draw(st.sampled_from(["", "https://", "http://"]))
        text = scheme + host
        if draw(st.booleans()):
            text += draw(st.sampled_from("/?#\\")) + draw(st.text(max_size=30) | st.just("x" * 999))
            assume(text == text.rstrip())
    upper = draw(st.integers(0))
    text = "".join(
        one.upper() if one.isascii() and upper >> at % 64 & 1 else one
        for at, one in enumerate(text)
    )
    blank = st.text(" \t\r\n", max_size=3)
    return region.domain, draw(blank) + text + draw(blank)


@examples(120)
@given(spellings())
def test_every_spelling_of_a_region_of_the_table_leads_to_it(case: tuple[str, str]) -> None:
    domain, name = case
    assert region_of(name) == domain


@examples(60)
@given(
    st.sampled_from(PARENTS),
    st.lists(
        st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True), min_size=1, max_size=3
    ),
    st.sampled_from(["{}", "https://login.{}", "https://apps.{}/directory", "API.{}"]),
)
def test_a_host_below_a_known_parent_is_accepted(parent: str, names: list[str], spelt: str) -> None:
    domain = ".".join([*names, parent])
    assume(not domain.startswith(SERVICES))
    assume(not any(f".{domain}".endswith(f".{wrong}") for wrong in KNOWN_WRONG))

    assert region_of(spelt.format(domain)) == domain
