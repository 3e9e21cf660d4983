"""environment.py: which variables count, in which order, and what is said when none will do."""

from __future__ import annotations

import itertools

import pytest
from conftest import SECRET

from gc_requests_auth.settings.environment import (
    FAMILIES,
    KNOWN,
    Environment,
    Family,
    conflicting_families,
    read_environment,
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
    ("GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET", ("GENESYS_REGION", "GENESYS_ENVIRONMENT")),
    (
        "PURECLOUD_CLIENT_ID",
        "PURECLOUD_CLIENT_SECRET",
        ("PURECLOUD_REGION", "PURECLOUD_ENVIRONMENT", "PURECLOUD_ENV"),
    ),
    (
        "PURECLOUD_CLIENT_ID",
        "PURECLOUD_SECRET",
        ("PURECLOUD_REGION", "PURECLOUD_ENVIRONMENT", "PURECLOUD_ENV"),
    ),
]
BESIDES = [
    "GENESYSCLOUD_LOGIN_URL",
    "GENESYSCLOUD_API_URL",
    "GENESYSCLOUD_PROFILE",
    "GENESYSCLOUD_TOKEN_POOL_SIZE",
    "GENESYSCLOUD_RATE_LIMIT",
    "GENESYSCLOUD_ACCESS_TOKEN",
    "GENESYS_LOGIN_URL",
    "GENESYS_BASE_URL",
    "GENESYSCLOUD_PROXY_PROTOCOL",
    "GENESYSCLOUD_PROXY_HOST",
    "GENESYSCLOUD_PROXY_PORT",
    "GENESYSCLOUD_PROXY_AUTH_USERNAME",
    "GENESYSCLOUD_PROXY_AUTH_PASSWORD",
    "GENESYSCLOUD_GATEWAY_PROTOCOL",
    "GENESYSCLOUD_GATEWAY_HOST",
    "GENESYSCLOUD_GATEWAY_PORT",
    "GENESYSCLOUD_GATEWAY_PATH_NAME",
    "GENESYSCLOUD_GATEWAY_PATH_VALUE",
]
NAMES = [*dict.fromkeys(name for one in PROMISED for name in (one[0], one[1], *one[2])), *BESIDES]
EMPTY: Environment = {}
#: But for the two names that one secret has.
TWO_FAMILIES = [
    (one, other)
    for one, other in itertools.combinations(FAMILIES, 2)
    if one.client_id != other.client_id
]


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


def test_no_variable_has_two_meanings() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert set(NAMES) == KNOWN


def test_an_empty_environment_says_nothing() -> None:
    assert read_environment() == EMPTY
    assert whole_family(EMPTY) is None
    assert conflicting_families(EMPTY) is None


def test_what_is_set_is_read_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    others = ["GC_OTHER", "GENESYSCLOUD_OAUTHCLIENT_ID_OLD"]
    for name in [*NAMES, *others]:
        monkeypatch.setenv(name, f"value of {name}")
    read = {name: f"value of {name}" for name in NAMES}
    assert read_environment() == {**read, **dict.fromkeys(others, "")}, "of others, the names"


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
    environ[str(first.pair[half])] = SecretBox("half")
    if other_half is not None:
        environ[str(first.pair[1 - half])] = SecretBox(other_half)
    assert whole_family(environ) is second
    assert conflicting_families(environ) is None


@pytest.mark.parametrize(("first", "second"), TWO_FAMILIES)
@pytest.mark.parametrize(
    "values", [("other-id", SECRET), ("id", "other-secret"), ("other-id", "other-secret")]
)
def test_a_second_whole_family_with_other_values_is_a_rival(
    first: Family, second: Family, values: tuple[str, str]
) -> None:
    assert conflicting_families(pair(second, *values) | pair(first)) == (first, second)


def test_a_second_whole_family_with_the_same_values_is_no_rival() -> None:
    everywhere = {name: value for one in FAMILIES for name, value in pair(one).items()}
    assert conflicting_families(everywhere) is None


def test_a_rival_behind_an_echo_is_found() -> None:
    first, echo, other, *_ = FAMILIES
    environ = pair(first) | pair(echo) | pair(other, "other-id")
    assert conflicting_families(environ) == (first, other)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.client_id)
@pytest.mark.parametrize("half", [0, 1])
def test_half_a_family_is_named_with_what_it_lacks(family: Family, half: int) -> None:
    have, lack = str(family.pair[half]), str(family.pair[1 - half])
    # Of two names for one secret, the first is asked for.
    asked = lack.replace("PURECLOUD_SECRET", "PURECLOUD_CLIENT_SECRET")
    assert f"{have} is set, but {asked} is not set." in what_is_missing({have: SecretBox(SECRET)})
    empty: Environment = {have: SecretBox(SECRET), lack: SecretBox("")}
    state = "not set" if asked != lack else "empty"
    assert f"{have} is set, but {asked} is {state}." in what_is_missing(empty)


def test_halves_of_two_families_are_both_named() -> None:
    said = what_is_missing(
        {"GC_CLIENT_ID": SecretBox("id"), "GENESYS_CLIENT_SECRET": SecretBox(SECRET)}
    )
    assert "GC_CLIENT_ID is set, but GC_CLIENT_SECRET is not set." in said
    assert "GENESYS_CLIENT_SECRET is set, but GENESYS_CLIENT_ID is not set." in said


@pytest.mark.parametrize("environ", [EMPTY, {"GC_CLIENT_ID": SecretBox("")}])
def test_what_is_missing_names_the_recommended_pair_first_and_then_what_else_is_read(
    environ: Environment,
) -> None:
    said = what_is_missing(environ)
    assert said.startswith(
        "No Genesys Cloud credentials. Set GENESYSCLOUD_OAUTHCLIENT_ID and"
        " GENESYSCLOUD_OAUTHCLIENT_SECRET, or pass client_id= and client_secret=."
    )
    assert [client_id for client_id, *_ in PROMISED if client_id not in said] == []
    assert len(said) < 420


#: Variables that people set and nobody reads, and the right names.
MISNAMED = {
    "GENESYSCLOUD_CLIENT_ID": "GENESYSCLOUD_OAUTHCLIENT_ID",
    "GENESYSCLOUD_CLIENT_SECRET": "GENESYSCLOUD_OAUTHCLIENT_SECRET",
    "GENESYSCLOUD_OAUTH_CLIENT_ID": "GENESYSCLOUD_OAUTHCLIENT_ID",
    "GENESYS_CLOUD_OAUTHCLIENT_SECRET": "GENESYSCLOUD_OAUTHCLIENT_SECRET",
    "GENESYSCLOUD_ENVIRONMENT": "GENESYSCLOUD_REGION",
    "GENESYSCLOUD_REGON": "GENESYSCLOUD_REGION",
    "GENESYSCLOUD_BASE_URL": "GENESYSCLOUD_API_URL",
    "GENESYS_CLOUD_SECRET": "GENESYS_CLOUD_CLIENT_SECRET",
    "GENESYS_SECRET": "GENESYS_CLIENT_SECRET",
    "GC_SECRET": "GC_CLIENT_SECRET",
    "GC_ENVIRONMENT": "GC_REGION",
    "PURECLOUD_CLIENTID": "PURECLOUD_CLIENT_ID",
    "PURECLOUD_CLIENTSECRET": "PURECLOUD_CLIENT_SECRET",
    "genesyscloud_client_id": "GENESYSCLOUD_OAUTHCLIENT_ID",
    "genesyscloud_oauthclient_secret": "GENESYSCLOUD_OAUTHCLIENT_SECRET",
    "GC_NOTHING_LIKE_IT": None,
}


@pytest.mark.parametrize(("name", "right"), MISNAMED.items())
def test_a_variable_that_is_not_read_is_answered_with_the_right_name(
    name: str, right: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("AWS_REGION", SECRET)
    said = what_is_missing(read_environment())
    question = f" (did you mean {right}?)" if right else ""
    assert f"Set, but not used: {name}{question}." in said
    assert SECRET not in said


def test_every_variable_that_is_set_and_not_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {"GENESYSCLOUD_REGION": "eu-west-1", "GENESYSCLOUD_RATE_LIMIT": "9", "GC_CLIENT_ID": "x"}
    others = {
        "GENESYS_REGION": "eu-west-2",
        "GC_THINGS": "9",
        "PURECLOUD_THINGS": "x",
        "OTHER": "x",
    }
    for name, value in {**used, **others, "GENESYS_ENVIRONMENT": ""}.items():
        monkeypatch.setenv(name, value)
    said = what_is_missing(read_environment())
    assert "Set, but not used: GC_THINGS, GENESYS_REGION, PURECLOUD_THINGS. " in said
    assert said.count("GC_CLIENT_ID") == 2, "as half a pair, and among what is read"


def test_a_name_that_is_no_name_of_a_variable_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GC_\x1b[2J", "GENESYS_" + 70 * "X"):
        monkeypatch.setenv(name, "x")
    assert "not used" not in what_is_missing(read_environment())


def test_a_region_that_is_used_is_not_named_as_not_used() -> None:
    said = what_is_missing({"GC_REGION": SecretBox("eu-west-1")})
    assert "not used" not in said


@pytest.mark.parametrize("kind", ["GATEWAY", "PROXY"])
def test_a_piece_of_a_gateway_or_proxy_is_used_with_the_name_of_its_host(kind: str) -> None:
    host, port = f"GENESYSCLOUD_{kind}_HOST", f"GENESYSCLOUD_{kind}_PORT"
    environ: Environment = {port: SecretBox("8443"), host: SecretBox("")}
    assert f"Set, but not used: {port}. " in what_is_missing(environ)
    used: Environment = {port: SecretBox("8443"), host: SecretBox("host.example")}
    assert "not used" not in what_is_missing(used)
    misspelt: Environment = {port.replace("_PORT", "_PROT"): SecretBox("")}
    assert f"_PROT (did you mean {port}?)." in what_is_missing(misspelt)


def test_the_secret_of_purecloud_has_two_names() -> None:
    either = {"PURECLOUD_CLIENT_ID": SecretBox("id"), "PURECLOUD_SECRET": SecretBox(SECRET)}
    found = whole_family(either)
    assert found is not None
    assert found.client_secret == "PURECLOUD_SECRET"
    both = {**either, "PURECLOUD_CLIENT_SECRET": SecretBox("other")}
    first, second = conflicting_families(both) or (None, None)
    assert first is not None
    assert second is not None
    assert (first.client_secret, second.client_secret) == (
        "PURECLOUD_CLIENT_SECRET",
        "PURECLOUD_SECRET",
    )
    assert what_is_missing({"PURECLOUD_CLIENT_ID": SecretBox("id")}).count("is set, but") == 1


def test_a_bare_access_token_is_told_why_it_is_not_enough() -> None:
    said = what_is_missing({"GENESYSCLOUD_ACCESS_TOKEN": SecretBox(SECRET)})
    assert "GENESYSCLOUD_ACCESS_TOKEN is set, but a bare token is not enough" in said
    assert "can not be renewed" in said
    assert "a bare token" not in what_is_missing({"GENESYSCLOUD_ACCESS_TOKEN": SecretBox("")})
