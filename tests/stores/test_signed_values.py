"""shared.py: what is put into a store, and what is believed of what comes out."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest
from conftest import SECRET, TOKEN, FakeTime

from gc_requests_auth.settings.client import Identity
from gc_requests_auth.stores.base import StoreError
from gc_requests_auth.stores.shared import CLOCKS_DIFFER, LONGEST_VALUE, SignedValue
from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util.clock import Moment
from gc_requests_auth.util.secret import SecretBox, plain

CLIENT = "client-12345678"
URL = "https://login.mypurecloud.ie"


def signed_value(
    client_id: str = CLIENT, secret: str = SECRET, login_url: str = URL
) -> SignedValue:
    return SignedValue(Identity(SecretBox(client_id), SecretBox(secret)), login_url)


@pytest.fixture
def token(fake_time: FakeTime) -> AccessToken:
    return AccessToken.issued(TOKEN, 86400, Moment.now(fake_time.clock), fake_time.clock)


def refused(value: object, fake_time: FakeTime, signed: SignedValue | None = None) -> str:
    """What is said of a value that is not believed."""
    with pytest.raises(StoreError) as caught:
        (signed or signed_value()).check(value, fake_time.clock)
    said = str(caught.value)
    assert caught.value.args == (said,)
    assert TOKEN not in said
    return said


# -- keys -----------------------------------------------------------------------------------------


def test_neither_login_url_nor_client_id_nor_secret_can_be_read_from_a_key() -> None:
    key = signed_value().key

    assert len(key) == 64
    assert set(key) <= set("0123456789abcdef")


def test_the_same_client_has_the_same_key_in_every_process() -> None:
    assert signed_value().key == signed_value().key


@pytest.mark.parametrize(
    "other",
    [
        {"client_id": "client-12345679"},
        {"secret": SECRET + "x"},
        {"login_url": "https://login.mypurecloud.de"},
        # Where one text ends and the next begins is part of the key.
        {"login_url": URL + CLIENT[0], "client_id": CLIENT[1:]},
    ],
    ids=",".join,
)
def test_another_client_secret_or_login_service_is_another_key(other: dict[str, str]) -> None:
    assert signed_value(**other).key != signed_value().key


def test_the_key_of_a_store_is_no_proof_of_a_value(token: AccessToken, fake_time: FakeTime) -> None:
    """Keys are seen by whoever lists the store; a proof made of one would be worth nothing."""
    value = json.loads(signed_value().sign(token))

    assert value["mac"] != signed_value().key


# -- values ---------------------------------------------------------------------------------------


def test_a_value_is_the_token_its_request_its_lifetime_a_version_and_a_proof(
    token: AccessToken,
) -> None:
    value = json.loads(signed_value().sign(token))
    mac = value.pop("mac")

    assert value == {
        "version": 1,
        "token": TOKEN,
        "requested": 1_700_000_000.0,
        "lifetime": 86400.0,
    }
    assert len(mac) == 64


def test_a_signed_token_is_believed_in_another_process(
    token: AccessToken, fake_time: FakeTime
) -> None:
    value = signed_value().sign(token)
    fake_time.advance(1000)
    fake_time.monotonic = 5.0  # of a machine that has just been started
    opened = signed_value().check(value, fake_time.clock)

    assert (plain(opened.value), opened.header) == (TOKEN, f"Bearer {TOKEN}")
    assert opened.remaining(fake_time.clock) == pytest.approx(85400)
    assert opened.from_store
    assert not token.from_store
    assert repr(opened.value) == repr(opened.header) == "<hidden>"


def test_a_restored_token_grows_old_by_both_clocks(token: AccessToken, fake_time: FakeTime) -> None:
    value = signed_value().sign(token)
    fake_time.advance(400)
    opened = signed_value().check(value, fake_time.clock)
    fake_time.wall += 1000  # a suspension

    assert opened.remaining(fake_time.clock) == pytest.approx(85000)
    fake_time.wall -= 5000  # the clock is set back
    fake_time.monotonic += 2000
    assert opened.remaining(fake_time.clock) == pytest.approx(84000)


def test_a_token_can_be_stored_again_by_whoever_took_it(
    token: AccessToken, fake_time: FakeTime
) -> None:
    fake_time.advance(100.5)
    opened = signed_value().check(signed_value().sign(token), fake_time.clock)
    again = signed_value().check(signed_value().sign(opened), fake_time.clock)

    assert again.remaining(fake_time.clock) == pytest.approx(86400 - 100.5)


def test_a_token_that_has_ended_is_read_as_one_that_has_ended(
    token: AccessToken, fake_time: FakeTime
) -> None:
    value = signed_value().sign(token)
    fake_time.advance(86401)

    assert signed_value().check(value, fake_time.clock).remaining(fake_time.clock) == 0


# -- who may write them ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"client_id": "client-12345679"},
        {"secret": SECRET + "x"},
        {"login_url": "https://login.mypurecloud.de"},
    ],
    ids=",".join,
)
def test_a_value_that_was_moved_to_another_key_is_refused(
    token: AccessToken, fake_time: FakeTime, other: dict[str, str]
) -> None:
    assert "somebody else" in refused(signed_value(**other).sign(token), fake_time)


def test_nobody_can_plant_a_token(token: AccessToken, fake_time: FakeTime) -> None:
    """Of all that can be seen in a store, keys included, no proof can be made for other facts."""
    value = json.loads(signed_value().sign(token))
    for name, planted in [
        ("token", "another-token"),
        ("requested", value["requested"] + 1),
        ("lifetime", 2 * value["lifetime"]),
        ("lifetime", int(value["lifetime"])),  # equal, and yet not what was written
        ("version", 2),
        ("version", True),
        ("mac", signed_value().key),
        ("mac", ""),
        ("mac", None),
        ("mac", 7),
        ("mac", "é" * 64),
        ("mac", value["mac"].upper()),
    ]:
        refused(json.dumps({**value, name: planted}), fake_time)
    for name in value:
        refused(json.dumps({key: one for key, one in value.items() if key != name}), fake_time)


def test_every_single_changed_character_is_refused(token: AccessToken, fake_time: FakeTime) -> None:
    """Blanks aside, which mean nothing in JSON."""
    value = signed_value().sign(token)
    for at, one in enumerate(value):
        if one != " ":
            for other in {"0", "1", "a", "f", "Z", '"', ",", "\0", "é"} - {one}:
                refused(value[:at] + other + value[at + 1 :], fake_time)
        refused(value[:at], fake_time)  # nor a truncated one


@pytest.mark.parametrize(
    "value",
    [
        "",
        "garbage",
        "null",
        "1",
        "[]",
        '"text"',
        '{"version": 1}',
        "[" * 10_000,
        '{"version":' + "[" * 5_000 + "]" * 5_000 + ', "token": 1, "requested": 1, "lifetime": 1}',
        '{"version": ' + "9" * 10_000 + "}",
        '{"version": 1, "token": "\\ud800", "requested": NaN, "lifetime": 1, "mac": "0"}',
        "\ud800",
    ],
    ids=range(12),
)
def test_what_is_no_value_of_ours_is_refused(value: str, fake_time: FakeTime) -> None:
    assert refused(value, fake_time).startswith("the stored value is damaged")


@pytest.mark.parametrize("value", [b"{}", 7, None, {"version": 1}, ["a"]], ids=repr)
def test_what_is_no_text_is_refused(value: object, fake_time: FakeTime) -> None:
    assert "is no text" in refused(value, fake_time)


def test_what_is_too_long_is_not_even_looked_at(token: AccessToken, fake_time: FakeTime) -> None:
    value = signed_value().sign(token)

    assert "too long" in refused(value + " " * LONGEST_VALUE, fake_time)
    full = value + " " * (LONGEST_VALUE - len(value))
    assert signed_value().check(full, fake_time.clock).value == TOKEN


def test_a_value_of_another_version_is_refused(
    token: AccessToken, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Genuine, for that release knows the secret as well."""
    with monkeypatch.context() as patched:
        patched.setattr("gc_requests_auth.stores.shared.VERSION", 2)
        value = signed_value().sign(token)

    assert "another release" in refused(value, fake_time)


# -- clocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [0.5, 30.0, CLOCKS_DIFFER])
def test_a_request_a_little_in_the_future_is_believed_and_lives_no_longer_for_it(
    token: AccessToken, fake_time: FakeTime, ahead: float
) -> None:
    """The other machine's clock is ahead, or this one's behind."""
    value = signed_value().sign(token)
    fake_time.wall -= ahead

    opened = signed_value().check(value, fake_time.clock)

    assert opened.remaining(fake_time.clock) == 86400


def test_a_request_more_than_a_minute_in_the_future_is_refused(
    token: AccessToken, fake_time: FakeTime
) -> None:
    value = signed_value().sign(token)
    fake_time.wall -= CLOCKS_DIFFER + 0.5

    assert "future" in refused(value, fake_time)


# -- no secret ------------------------------------------------------------------------------------


def test_a_signed_value_shows_no_secret(token: AccessToken, fake_time: FakeTime) -> None:
    signed: Any = signed_value()

    assert SECRET not in f"{signed!r} {vars(signed)!r}"


# -- the tokens of a pool -------------------------------------------------------------------------


def slot(number: int) -> SignedValue:
    return SignedValue(Identity(SecretBox(CLIENT), SecretBox(SECRET)), URL, number)


def test_each_slot_has_a_key_of_its_own() -> None:
    assert len({slot(number).key for number in range(50)}) == 50


def test_the_first_slot_has_the_key_of_releases_without_a_pool() -> None:
    """Computed by release 0.1.0's rule; of CLIENT at URL under SECRET."""
    message = json.dumps(["gc_requests_auth", "key", URL, CLIENT]).encode()
    before = hmac.new(SECRET.encode(), message, "sha256").hexdigest()

    assert slot(0).key == signed_value().key == before


def test_a_value_of_another_slot_is_not_believed(token: AccessToken, fake_time: FakeTime) -> None:
    """Who can write to the store can not have one token used for all of a pool."""
    assert refused(slot(1).sign(token), fake_time, slot(2)) == (
        "the stored value is damaged, or somebody else wrote it"
    )
    assert slot(1).check(slot(1).sign(token), fake_time.clock).value == TOKEN
