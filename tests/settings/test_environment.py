"""environment.py: which variables count, in which order, and what is said when none will do."""

from __future__ import annotations

import itertools

import pytest
from conftest import SECRET

from gc_requests_auth.settings.environment import (
    FAMILIES,
    Environment,
    Family,
    read_environment,
    rivals,
    what_is_missing,
    whole_family,
)
from gc_requests_auth.util.secret import SecretBox

#: id, secret, regions: the promised families in the promised order, written down a second time.
PROMISED = [
    (
        "GENESYSCLOUD_OAUTHCLIENT_ID",
        "GENESYSCLOUD_OAUTHCLIENT_SECRET",
        ("GENESYSCLOUD_REGION",),
    ),
    (
        "GENESYS_CLOUD_CLIENT_ID",
        "GENESYS_CLOUD_CLIENT_SECRET",
        ("GENESYS_CLOUD_REGION", "GENESYS_CLOUD_ENVIRONMENT"),
    ),
    ("GC_CLIENT_ID", "GC_CLIENT_SECRET", ("GC_REGION",)),
    ("GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", ("GENESYS_REGION",)),
]
BESIDES = [
    "GENESYSCLOUD_LOGIN_URL",
    "GENESYSCLOUD_API_URL",
    "GENESYSCLOUD_PROFILE",
    "GENESYSCLOUD_TOKEN_POOL_SIZE",
    "GENESYSCLOUD_ACCESS_TOKEN",
]
NAMES = [name for one in PROMISED for name in (one[0], one[1], *one[2])] + BESIDES
EMPTY: Environment = {}
TWO_FAMILIES = list(itertools.combinations(FAMILIES, 2))


def pair(
    family: Family, client_id: str = "id", client_secret: str = SECRET
) -> dict[str, SecretBox]:
    return {
        family.client_id: SecretBox(client_id),
        family.client_secret: SecretBox(client_secret),
    }


def test_families_are_the_promised_ones_in_the_promised_order() -> None:
    found = [(one.client_id, one.client_secret, one.regions) for one in FAMILIES]
    assert found == PROMISED


def test_no_variable_belongs_to_two_families() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_an_empty_environment_says_nothing() -> None:
    assert read_environment() == EMPTY
    assert whole_family(EMPTY) is None
    assert rivals(EMPTY) is None


def test_what_is_set_is_read_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*NAMES, "GC_OTHER", "GENESYSCLOUD_OAUTHCLIENT_ID_OLD"]:
        monkeypatch.setenv(name, f"value of {name}")
    assert read_environment() == {name: f"value of {name}" for name in NAMES}


def test_values_print_as_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, SECRET)
    environ = read_environment()
    assert SECRET not in repr(environ)
    assert all(isinstance(value, SecretBox) for value in environ.values())


def test_an_empty_variable_is_told_from_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GC_CLIENT_ID", "")
    assert read_environment() == {"GC_CLIENT_ID": ""}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.client_id)
def test_any_whole_family_will_do(family: Family) -> None:
    assert whole_family(pair(family)) is family


@pytest.mark.parametrize(("first", "second"), TWO_FAMILIES)
def test_the_first_whole_family_counts(first: Family, second: Family) -> None:
    assert whole_family(pair(second) | pair(first)) is first


@pytest.mark.parametrize(("first", "second"), TWO_FAMILIES)
@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("other_half", [None, ""])
def test_half_a_family_does_not_count_before_a_whole_one(
    first: Family, second: Family, half: int, other_half: str | None
) -> None:
    environ = pair(second)
    environ[str(first[half])] = SecretBox("half")
    if other_half is not None:
        environ[str(first[1 - half])] = SecretBox(other_half)
    assert whole_family(environ) is second
    assert rivals(environ) is None


@pytest.mark.parametrize(("first", "second"), TWO_FAMILIES)
@pytest.mark.parametrize(
    "values", [("other-id", SECRET), ("id", "other-secret"), ("other-id", "other-secret")]
)
def test_a_second_whole_family_with_other_values_is_a_rival(
    first: Family, second: Family, values: tuple[str, str]
) -> None:
    assert rivals(pair(second, *values) | pair(first)) == (first, second)


def test_a_second_whole_family_with_the_same_values_is_no_rival() -> None:
    everywhere = {name: value for one in FAMILIES for name, value in pair(one).items()}
    assert rivals(everywhere) is None


def test_a_rival_behind_an_echo_is_found() -> None:
    first, echo, other, _ = FAMILIES
    environ = pair(first) | pair(echo) | pair(other, "other-id")
    assert rivals(environ) == (first, other)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.client_id)
@pytest.mark.parametrize("half", [0, 1])
def test_half_a_family_is_named_with_what_it_lacks(family: Family, half: int) -> None:
    have, lack = str(family[half]), str(family[1 - half])
    assert f"{have} is set, but {lack} is not set." in what_is_missing({have: SecretBox(SECRET)})
    empty: Environment = {have: SecretBox(SECRET), lack: SecretBox("")}
    assert f"{have} is set, but {lack} is empty." in what_is_missing(empty)


def test_halves_of_two_families_are_both_named() -> None:
    said = what_is_missing(
        {"GC_CLIENT_ID": SecretBox("id"), "GENESYS_CLIENT_SECRET": SecretBox(SECRET)}
    )
    assert "GC_CLIENT_ID is set, but GC_CLIENT_SECRET is not set." in said
    assert "GENESYS_CLIENT_SECRET is set, but GENESYS_CLIENT_ID is not set." in said


@pytest.mark.parametrize("environ", [EMPTY, {"GC_CLIENT_ID": SecretBox("")}])
def test_what_is_missing_lists_every_pair_that_was_looked_for(environ: Environment) -> None:
    said = what_is_missing(environ)
    for client_id, client_secret, _ in PROMISED:
        assert f"{client_id} and {client_secret}" in said
    assert "is set, but" not in said


def test_a_bare_access_token_is_told_why_it_is_not_enough() -> None:
    said = what_is_missing({"GENESYSCLOUD_ACCESS_TOKEN": SecretBox(SECRET)})
    assert "GENESYSCLOUD_ACCESS_TOKEN is set, but a bare token is not enough" in said
    assert "can not be renewed" in said
    assert "a bare token" not in what_is_missing({"GENESYSCLOUD_ACCESS_TOKEN": SecretBox("")})
