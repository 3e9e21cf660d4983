"""Whatever a store holds or returns: the genuine token, or a miss that costs one token request."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SECRET, TOKEN, FakeTime, Sweep
from fuzzing import Wire, examples, nothing_told, response
from hypothesis import example, given
from hypothesis import strategies as st

from gc_requests_auth import FileTokenStore, GenesysCloudAuth, TokenStore
from gc_requests_auth.settings.client import Identity
from gc_requests_auth.stores.base import StoreError
from gc_requests_auth.stores.shared import SignedValue
from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util.clock import Clock, Moment
from gc_requests_auth.util.secret import SecretBox, plain

URL = "https://login.mypurecloud.ie"
SIGNED = SignedValue(Identity(SecretBox("client-12345678"), SecretBox(SECRET)), URL)
#: What the store gives away must be this one; what the login service answers is another.
STORED = f"stored-{TOKEN}"
GOOD = response(json.dumps({"access_token": TOKEN, "expires_in": 86399}).encode())


class Holding(TokenStore):
    """A store that returns what it was made with, or raises it, until something is set."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self, key: str) -> str | None:
        if isinstance(self.value, BaseException):
            raise self.value
        value: str | None = self.value
        return value

    def set(self, key: str, value: str, ttl: float) -> None:
        self.value = value

    def delete(self, key: str) -> None:
        """Not asked for."""


def auth_with(store: TokenStore, wire: Wire) -> GenesysCloudAuth:
    return GenesysCloudAuth(
        "client-12345678", SECRET, region="eu-west-1", store=store, session=wire.session()
    )


def genuine(clock: Clock, lifetime: float = 86399.0) -> str:
    """What this client would store."""
    return SIGNED.sign(AccessToken.issued(STORED, lifetime, Moment.now(clock), clock))


def opened(value: object, clock: Clock) -> AccessToken | None:
    """The token that is believed; None for a miss."""
    try:
        return SIGNED.check(value, clock)
    except StoreError as error:
        said = str(error)
    assert TOKEN not in said
    return None


# -- what may be found ----------------------------------------------------------------------------


class Odd(str):
    """Text that is none of the language's making."""

    __slots__ = ()

    def __len__(self) -> int:
        raise ZeroDivisionError(TOKEN)


FACTS: dict[str, st.SearchStrategy[Any]] = {
    "version": st.sampled_from([1, 1.0, True, "1", 0, 2, None, 10**30]),
    "token": st.sampled_from([TOKEN, STORED, "", None, 1, [TOKEN], "\ud800", "a\nb"]),
    "requested": st.floats() | st.integers() | st.sampled_from(["1", None, 10**400]),
    "lifetime": st.floats() | st.integers() | st.sampled_from(["1", None, 10**400]),
    "mac": st.sampled_from(["", "0" * 64, "\u00fc" * 64, None, 0, [], SIGNED.key, "\ud800"]),
}
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
TEXTS = st.one_of(
    st.text(max_size=50),
    JSON.map(json.dumps),
    st.fixed_dictionaries(FACTS).map(json.dumps),
    st.fixed_dictionaries({}, optional=FACTS).map(json.dumps),
    st.sampled_from(
        ["[" * 9999, '{"version":' * 2000, "9" * 5000, "NaN", "x" * 20_000, "\ufeff{}", "\0"]
    ),
)
OBJECTS = st.one_of(
    TEXTS,
    TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=50),
    JSON,
    st.sampled_from([Odd(TOKEN), Odd(), object(), Holding, NotImplemented, bytearray(b"{}")]),
    st.sampled_from(
        [
            *(ValueError(TOKEN), OSError(5, "gone")),
            *(UnicodeDecodeError("utf-8", b"\xff", 0, 1, TOKEN),),
            *(KeyboardInterrupt(), SystemExit(TOKEN), RecursionError(), StopIteration(TOKEN)),
        ]
    ),
)


@examples(150)
@given(OBJECTS)
def test_no_object_is_a_token_that_the_client_did_not_close(sweep: Sweep, value: object) -> None:
    for found in (value, str(value) if not isinstance(value, Odd) else ""):
        try:
            assert opened(found, FakeTime().clock) is None
        except ZeroDivisionError:  # its own, which the visit to a store takes care of
            assert isinstance(found, Odd)
    nothing_told(sweep)


@examples(50)
@given(OBJECTS)
def test_whatever_a_store_returns_or_raises_costs_one_token_request(
    sweep: Sweep, value: object
) -> None:
    wire, store = Wire(GOOD), Holding(value)

    assert auth_with(store, wire).access_token() == TOKEN
    assert wire.asked == 1
    # And is replaced.
    assert auth_with(store, wire).access_token() == TOKEN
    assert wire.asked == 1
    nothing_told(sweep)


# -- genuine values -------------------------------------------------------------------------------

CHARACTERS = st.sampled_from(
    list('0123456789abcdefE.+- ,:{}[]"\\/\n\x00tfn_~=\u00e9\ud800\U0001f600')
)


def dropped(text: str, at: int, _: str) -> str:
    return text[:at] + text[at + 1 :]


def replaced(text: str, at: int, character: str) -> str:
    return text[:at] + character + text[at + 1 :]


def inserted(text: str, at: int, character: str) -> str:
    return text[:at] + character + text[at:]


def swapped(text: str, at: int, _: str) -> str:
    return text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]


def flipped(text: str, at: int, character: str) -> str:
    return replaced(text, at, chr(ord(text[at]) ^ 1 << ord(character) % 7))


def ended(text: str, at: int, _: str) -> str:
    return text[:at]


Change = Callable[[str, int, str], str]


@examples(250)
@given(
    st.sampled_from([dropped, replaced, replaced, inserted, swapped, flipped, ended]),
    st.integers(0),
    CHARACTERS,
)
def test_a_genuine_value_in_which_a_character_is_changed_is_a_miss(
    change: Change, at: int, character: str
) -> None:
    clock = FakeTime().clock
    value = genuine(clock)
    changed = change(value, at % len(value), character)

    found = opened(changed, clock)

    try:
        same = json.loads(changed) == json.loads(
            value
        )  # white space, or a 0 behind a decimal point
    except ValueError:
        same = False
    assert (found is not None) is same
    if found is not None:
        assert (plain(found.value), found.remaining(clock)) == (STORED, 86399.0)


@examples(50)
@given(st.sampled_from(["version", "token", "requested", "lifetime", "mac"]), st.data())
def test_a_stored_value_with_another_fact_is_a_miss(name: str, data: st.DataObject) -> None:
    clock = FakeTime().clock
    facts = json.loads(genuine(clock))
    another = data.draw(FACTS[name] | JSON, "another")
    same = json.dumps(another) == json.dumps(facts[name])

    assert (opened(json.dumps(facts | {name: another}), clock) is None) is not same


@examples(50)
@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), st.text(max_size=20))
@example("client-12345678", SECRET, URL)
@example("lient-12345678", SECRET, URL + "c")
def test_a_stored_value_of_another_client_or_place_is_a_miss(
    client_id: str, secret: str, url: str
) -> None:
    clock = FakeTime().clock
    token = AccessToken.issued(STORED, 86399, Moment.now(clock), clock)
    same = (client_id, secret, url) == ("client-12345678", SECRET, URL)
    theirs = SignedValue(Identity(SecretBox(client_id), SecretBox(secret)), url)

    assert (opened(theirs.sign(token), clock) is None) is not same
    assert (theirs.key == SIGNED.key) is same


@examples(50)
@given(
    st.floats(-200_000, 200_000),
    st.floats(1, 172_800),
    st.floats(-200_000, 200_000),
)
def test_a_genuine_value_never_lives_longer_than_its_lifetime_from_its_request(
    later: float, lifetime: float, set_by: float
) -> None:
    fake_time = FakeTime()
    value = genuine(fake_time.clock, lifetime)
    fake_time.wall += later
    fake_time.monotonic = set_by

    found = opened(value, fake_time.clock)

    assert (found is None) is (later < -60)
    if found is not None:
        assert found.remaining(fake_time.clock) <= lifetime + min(0, later) * -1e-9
        left = max(0.0, lifetime - max(later, 0))
        assert abs(found.remaining(fake_time.clock) - left) < 1e-3


# -- files ----------------------------------------------------------------------------------------


@pytest.fixture
def file_store(tmp_path: Path) -> FileTokenStore:
    (tmp_path / "tokens").mkdir(mode=0o700)
    return FileTokenStore(tmp_path / "tokens")


@examples(25)
@given(
    st.one_of(
        st.binary(max_size=80),
        TEXTS.map(lambda text: text.encode("utf-16", "surrogatepass")),
        TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.sampled_from([b"\xff" * 70_000, b"\xef\xbb\xbf{}", b"", b"\0" * 300]),
    )
)
def test_whatever_bytes_a_token_file_holds_cost_one_token_request(
    file_store: FileTokenStore, sweep: Sweep, content: bytes
) -> None:
    file = file_store.path / f"{SIGNED.key}.json"
    file.touch(mode=0o600)
    file.write_bytes(content)
    wire = Wire(GOOD)

    assert auth_with(file_store, wire).access_token() == TOKEN
    assert auth_with(file_store, wire).access_token() == TOKEN
    assert wire.asked == 1
    nothing_told(sweep)


@examples(20)
@given(st.integers(0), st.sampled_from([b"\xff", b"\0", b" ", b"", b"\xc3\xa9"]))
def test_a_damaged_token_file_is_a_miss(
    file_store: FileTokenStore, sweep: Sweep, at: int, instead: bytes
) -> None:
    value = genuine(Clock()).encode()
    at %= len(value)
    damaged = value[:at] + instead + value[at + 1 :]
    file_store.set(SIGNED.key, "", 1)
    (file_store.path / f"{SIGNED.key}.json").write_bytes(damaged)
    wire = Wire(GOOD)

    found = auth_with(file_store, wire).access_token()

    same = instead == b" " == value[at : at + 1] or (value[at : at + 1], instead) == (b" ", b"")
    assert (found, wire.asked) == ((STORED, 0) if same else (TOKEN, 1))
    nothing_told(sweep)
