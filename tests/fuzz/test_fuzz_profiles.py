"""Whatever the file of the gc CLI holds: an OAuth client, or a ConfigurationError that tells nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SECRET, TOKEN, Sweep
from fuzzing import check, examples, nothing_told
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gc_requests_auth import ConfigurationError, GenesysCloudAuth
from gc_requests_auth.util.secret import plain

ID = "b0a1c2d3-4e5f-6071-8293-a4b5c6d71a2b"
PROD = f"""[prod]
client_credentials = "{ID}"
client_secret = "{SECRET}"
environment = "mypurecloud.ie"
access_token = "{TOKEN}"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / ".gc").mkdir()
    file = tmp_path / ".gc" / "config.toml"
    file.touch(mode=0o600)
    return file


def signs_in(sweep: Sweep, name: str = "prod") -> tuple[str, str, str] | None:
    """Id, secret and region as the profile has them; None if it is refused as it should be."""
    try:
        auth = GenesysCloudAuth(profile=name)
        repr(auth)
        identity = auth._settings.identity()
        region = str(auth.region)
    except ConfigurationError as error:
        check(error)
        nothing_told(sweep)
        return None
    nothing_told(sweep)
    for value in map(plain, identity):
        assert value.strip() == value != ""
        assert value.isprintable()
    assert (repr(identity.client_id), repr(identity.client_secret)) == ("<hidden>", "<hidden>")
    assert SECRET not in repr(auth)
    return plain(identity.client_id), plain(identity.client_secret), region


# -- files ----------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [
        *("client_credentials", "client_secret", "environment", "grant_type", "access_token"),
        *("Client_Secret", '"client_secret"', "prod.client_secret", "proxy_password", "\u00fc"),
        *("x y", "", "client_secret.x", "'environment'", "prod"),
        *("gateway_host", "client_credentials "),
    ]
)
#: A secret stands only where values do: what is a name in the file may be told.
VALUES = st.sampled_from(
    [
        *(f'"{ID}"', f'"{SECRET}"', f"'{SECRET}'", SECRET, f'"{SECRET}', f'{SECRET}"'),
        *(f'"""{SECRET}', f'"\\{SECRET}"', f'"{SECRET}\\n"', f'" {SECRET}"'),
        *(f'"\\u0000{SECRET}"', f'["{SECRET}"]', f'{{x = "{SECRET}"}}', f'"{SECRET}" "{SECRET}"'),
        *(f"'''\n{SECRET}\n'''", f'"{ID}:{SECRET}"', '"mypurecloud.ie"', '"eu-west-1"'),
        *('"nowhere"', '""', '"1"', '"2"', "1", "0", "-1", "1.5", "true", "nan", "1979-05-27"),
        *("07:32:00", "[]", "{}", "9" * 5000, f"0x{'f' * 5000}", "1e999", "[" * 3000),
        *("{a=" * 3000, '"\\ud800"', '"\ud800"', '"\ufeff"', '"client_credentials"'),
    ]
)
HEADERS = st.sampled_from(
    [
        "[prod]",
        "[PROD]",
        "[Prod]",
        "[a.prod]",
        "[[prod]]",
        "[prod.x]",
        '["prod"]',
        "[other]",
        "[",
        "[prod",
    ]
)
LINES = st.one_of(
    st.tuples(NAMES, st.sampled_from([" = ", "=", " ", " == ", " : "]), VALUES).map("".join),
    st.tuples(NAMES, st.just(" = "), VALUES).map("".join),
    HEADERS,
    st.sampled_from(["# a comment", "", "\t", "\ufeff", "\x00", "\x0b", "client_secret"]),
)
TEXTS = st.tuples(
    st.sampled_from(["[prod]", "[prod]", "[Prod]", PROD, ""]), st.lists(LINES, max_size=5)
).map(lambda parts: "\n".join([parts[0], *parts[1]]))


def written(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@examples(150)
@given(
    st.one_of(
        TEXTS.map(written),
        TEXTS.map(written),
        TEXTS.map(lambda text: text.replace("\n", "\r\n").encode("utf-8-sig", "replace")),
        TEXTS.map(lambda text: text.encode("utf-16", "surrogatepass")),
        st.text(max_size=60).map(written),
        st.binary(max_size=60),
    )
)
def test_any_file_is_a_client_or_a_complaint_without_a_value(
    file: Path, sweep: Sweep, content: bytes
) -> None:
    file.write_bytes(content)

    signs_in(sweep)


@examples(120)
@given(
    st.integers(0, len(PROD)),
    st.integers(0, 3),
    st.sampled_from(
        [b"", b'"', b"'", b"\n", b"\\", b"\0", b"\xff", b"=", b"#", b"[", b"]", b".", b" "]
    ),
)
@example(0, 0, b"\xef\xbb\xbf")
def test_a_damaged_file_is_a_client_or_a_complaint_without_a_value(
    file: Path, sweep: Sweep, at: int, less: int, more: bytes
) -> None:
    whole = PROD.encode()
    file.write_bytes(whole[:at] + more + whole[at + less :])

    signs_in(sweep)


def quoted(text: str) -> str:
    """The text as a basic string of TOML, all of it escaped."""
    return "".join(['"', *(f"\\U{ord(one):08x}" for one in text), '"'])


ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig"])
PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)


@examples(60)
@given(PRINTABLE, PRINTABLE, st.sampled_from(["prod", "PROD", "Prod"]), ENCODINGS)
@example(ID, SECRET, "prod", "utf-8-sig")
def test_a_sound_file_says_who_signs_in(
    file: Path, sweep: Sweep, client_id: str, secret: str, header: str, encoding: str
) -> None:
    # The letters keep quotes, a header, JSON and placeholders away, all of which are refused.
    client_id, secret = f"k{client_id}k", f"z{secret}z"
    assume(":" not in client_id and client_id not in secret)
    pairs = {"client_credentials": client_id, "client_secret": secret, "environment": "euw2"}
    lines = [f"[{header}]", *(f"{name} = {quoted(value)}" for name, value in pairs.items())]
    file.write_text("\n".join(lines), encoding)

    assert signs_in(sweep) == (client_id, secret, "euw2.pure.cloud")


@examples(60)
@given(
    st.text(max_size=40)
    | st.sampled_from(["PROD", "prod ", SECRET, "a.b", "prod.x", "\ud800", "x" * 31])
)
def test_any_name_of_a_profile_is_one_that_is_there_or_refused(
    file: Path, sweep: Sweep, name: str
) -> None:
    file.write_text(PROD)

    assert (signs_in(sweep, name) is None) is (name.lower() != "prod")
