"""arguments.py: exactly one source says who signs in, and the region is never guessed."""

from __future__ import annotations

import copy
import logging
import math
import re
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import requests
from conftest import SECRET

from gc_requests_auth import ConfigurationError, GenesysCloudAuth
from gc_requests_auth.settings.arguments import Settings
from gc_requests_auth.settings.client import Identity
from gc_requests_auth.settings.environment import FAMILIES, Family
from gc_requests_auth.settings.regions import HOW_TO_FIND
from gc_requests_auth.util.secret import ABSENT, SecretBox, Vault, boxed, plain, short_name

T = TypeVar("T")

ID = "b0a1c2d3-4e5f-6071-8293-a4b5c6d71a2b"
EMPTY: dict[str, str] = {}
REGION_VARIABLES = list(dict.fromkeys(name for family in FAMILIES for name in family.regions))


def settings(*, credentials: Any = None, **arguments: Any) -> Settings:
    """What the constructor of an auth makes of its arguments."""
    texts = {name: boxed(one) if isinstance(one, str) else one for name, one in arguments.items()}
    return Settings(credentials=Vault.of(credentials), **texts)


def given(**arguments: Any) -> Settings:
    """The same with id and secret."""
    return settings(client_id=boxed(ID), client_secret=boxed(SECRET), **arguments)


def vault(*answers: Any) -> Callable[[], Any]:
    """A function that gives these answers, one by one, the last for ever."""
    left = list(answers)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def complaint(about: Callable[[], object]) -> str:
    """What is said against it, with nothing behind it and no secret in it."""
    with pytest.raises(ConfigurationError) as caught:
        about()
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert SECRET not in str(caught.value)
    return str(caught.value)


def whole(family: Family, client_id: str = ID, **variables: str) -> dict[str, str]:
    return {family.client_id: client_id, family.client_secret: SECRET, **variables}


def within(environ: dict[str, str], ask: Callable[[], T]) -> T:
    """What is answered where these variables are set."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        return ask()


# -- exactly one source ---------------------------------------------------------------------------


def test_arguments_beat_the_environment() -> None:
    environ = whole(FAMILIES[0], "somebody-else")
    assert within(environ, given().identity) == Identity(SecretBox(ID), SecretBox(SECRET))
    assert not given().uses_environment


def test_a_vault_beats_the_environment() -> None:
    asked = settings(credentials=vault((ID, SECRET)))
    assert within(whole(FAMILIES[0], "somebody-else"), asked.identity).client_id == ID
    assert not asked.uses_environment


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.client_id)
def test_without_arguments_the_environment_says_who_signs_in(family: Family) -> None:
    identity = within(whole(family), settings().identity)
    assert tuple(map(plain, identity)) == (ID, SECRET)
    assert settings().uses_environment


def test_the_first_whole_family_signs_in() -> None:
    environ = {**whole(FAMILIES[3], "fourth"), **whole(FAMILIES[1], "second")}
    assert within(environ, settings().identity).client_id == "second"


def test_two_sources_are_refused() -> None:
    said = complaint(lambda: given(credentials=vault((ID, SECRET))))
    assert "one source" in said


@pytest.mark.parametrize(
    ("half", "value"), [("client_id", ID), ("client_id", None), ("client_secret", None)]
)
def test_half_of_the_pair_is_refused(half: str, value: str | None) -> None:
    said = complaint(lambda: settings(**{half: value}))
    assert said.startswith(f"{half} is given, ")


def test_a_secret_without_an_id_is_refused() -> None:
    said = complaint(lambda: settings(client_secret=boxed(SECRET)))
    assert said.startswith("client_secret is given, client_id is not: pass both")


def test_half_a_pair_is_refused_beside_a_vault_too() -> None:
    complaint(lambda: settings(client_id=ID, credentials=vault((ID, SECRET))))


@pytest.mark.parametrize("field", ["client_id", "client_secret"])
def test_an_explicit_none_never_signs_in_as_somebody_else(field: str) -> None:
    pair = {"client_id": ID, "client_secret": boxed(SECRET), field: None}
    said = complaint(lambda: settings(**pair))
    assert said == (
        f"{field} is None: was os.getenv() given an unset variable?"
        " Leave it out to read the environment."
    )


def test_half_a_family_is_an_error_only_if_none_is_whole() -> None:
    half = {"GENESYSCLOUD_OAUTHCLIENT_ID": "half"}
    assert within({**half, **whole(FAMILIES[3])}, settings().identity).client_id == ID
    said = complaint(lambda: within(half, settings().identity))
    assert "GENESYSCLOUD_OAUTHCLIENT_ID is set, but GENESYSCLOUD_OAUTHCLIENT_SECRET" in said
    assert "Set GENESYSCLOUD_OAUTHCLIENT_SECRET as well. Or set GENESYSCLOUD_OAUTHCLIENT_ID" in said


def test_an_empty_environment_is_one_error_that_lists_what_was_looked_for() -> None:
    said = complaint(settings().identity)
    assert all(one.client_id in said for one in FAMILIES)
    assert f"Set {FAMILIES[0].client_id} and {FAMILIES[0].client_secret}," in said


def test_what_is_given_is_validated_at_construction() -> None:
    said = complaint(lambda: GenesysCloudAuth(ID, f"{SECRET}\n", region="eu-west-1"))
    assert said.startswith("client_secret begins or ends with white space")
    complaint(lambda: GenesysCloudAuth(region="mypurecloud.ae"))


@pytest.mark.parametrize("store", ["file", "redis://localhost:6379/0"])
def test_a_text_as_store_is_answered_with_the_two_stores(store: Any) -> None:
    said = complaint(lambda: GenesysCloudAuth(ID, SECRET, region="eu-west-1", store=store))
    assert said == "store must be FileTokenStore() or RedisTokenStore(url), not str."


def test_an_identity_prints_its_short_name_only() -> None:
    given = settings(client_id=ID, client_secret=SecretBox(SECRET)).identity_given
    assert repr(given) == "Identity(...1a2b, client_secret=<hidden>)"
    assert ID[:-4] not in repr(settings(client_id=ID, client_secret=SecretBox(SECRET)))


def test_id_and_secret_swapped_show_nothing_of_the_secret() -> None:
    auth = GenesysCloudAuth(SECRET, ID, region="eu-west-1")
    said = f"{auth!r} {auth._settings!r} {vars(auth._settings)}"
    assert "client (not shown) at mypurecloud.ie" in said
    assert "Identity((not shown), client_secret=<hidden>)" in said
    assert SECRET[-4:] not in said
    assert f"{auth.client_id!r}" == f"'{SECRET}'", "who asks for it gets it"


def test_what_is_absent_raises_at_first_use() -> None:
    auth = GenesysCloudAuth()
    assert repr(auth) == "<GenesysCloudAuth, not yet looked up>"
    assert "No Genesys Cloud credentials" in complaint(auth.access_token)
    assert "No Genesys Cloud region" in complaint(lambda: auth.api_url)


def test_the_environment_is_read_once_and_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = GenesysCloudAuth()
    for name, value in whole(FAMILIES[0], GENESYSCLOUD_REGION="eu-west-1").items():
        monkeypatch.setenv(name, value)
    assert (auth.client_id, auth.region) == (ID, "mypurecloud.ie")
    monkeypatch.setenv(FAMILIES[0].client_id, "somebody-else")
    monkeypatch.setenv("GENESYSCLOUD_REGION", "eu-west-2")
    assert (auth.client_id, auth.region) == (ID, "mypurecloud.ie")
    assert GenesysCloudAuth().client_id == "somebody-else"


def test_credentials_and_region_missing_is_one_error_that_lists_what_was_looked_for() -> None:
    request = requests.Request("GET", "https://api.mypurecloud.ie/", auth=GenesysCloudAuth())
    said = complaint(request.prepare)
    assert HOW_TO_FIND in said
    assert [one.client_id for one in FAMILIES if one.client_id not in said] == []


RIVALS = (
    "two OAuth clients in the environment: GENESYSCLOUD_OAUTHCLIENT_ID is used, GC_CLIENT_ID has"
    " another value"
)


@pytest.mark.parametrize(
    ("other", "warnings"),
    [
        (ID, []),
        ("somebody-else", [RIVALS]),
    ],
)
def test_a_second_whole_family_with_other_values_is_one_warning(
    other: str,
    warnings: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, value in {**whole(FAMILIES[0]), **whole(FAMILIES[2], other)}.items():
        monkeypatch.setenv(name, value)
    auth = GenesysCloudAuth(region="eu-west-1")
    assert auth.client_id == auth.client_id == ID
    said = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert said == warnings


@pytest.mark.parametrize("region", [None, "eu-west-1"])
def test_urls_of_the_environment_are_one_warning_beside_a_region_that_an_argument_names(
    region: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    urls = {"GENESYSCLOUD_LOGIN_URL": LOGIN_URL, "GENESYSCLOUD_API_URL": LOGIN_URL}
    within(urls, lambda: given(region=region).environment())
    warning = (
        "region= is given, and so GENESYSCLOUD_LOGIN_URL and GENESYSCLOUD_API_URL are not used"
    )
    assert caplog.messages == [warning] * (region is not None)


@pytest.mark.parametrize("half", ["client_id", "client_secret"])
def test_half_a_pair_that_would_have_counted_first_is_one_warning(
    half: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lacks = {"client_id": "client_secret", "client_secret": "client_id"}[half]
    for name, value in whole(FAMILIES[2]).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(getattr(FAMILIES[0], half), "of-somebody-else")
    monkeypatch.setenv(getattr(FAMILIES[3], half), "that-would-not-have-counted")
    assert GenesysCloudAuth(region="eu-west-1").client_id == ID
    said = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    have, lack = getattr(FAMILIES[0], half), getattr(FAMILIES[0], lacks)
    assert said == [f"{have} is set, but {lack} is not set, and so GC_CLIENT_ID is used"]


def test_half_a_pair_of_the_same_client_is_no_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in whole(FAMILIES[5]).items():  # PURECLOUD_SECRET, a second name for a secret
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(FAMILIES[0].client_id, ID)
    assert GenesysCloudAuth(region="eu-west-1").client_id == ID
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


def test_a_second_family_is_no_matter_where_the_environment_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in {**whole(FAMILIES[0]), **whole(FAMILIES[2], "somebody-else")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GC_REGION", "eu-west-1")
    assert GenesysCloudAuth(ID, SECRET).region == "mypurecloud.ie"
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


# -- what a credential can be ---------------------------------------------------------------------

#: What is wrong with a text, and what is said about it.
BAD_TEXTS: list[tuple[Any, str]] = [
    ("", "is empty"),
    (f"{SECRET}\n", "begins or ends with white space"),
    (f" {SECRET}", "begins or ends with white space"),
    (f"{SECRET}\u00a0", "begins or ends with white space"),
    (f'"{SECRET}"', "begins or ends with a quote"),
    (f"'{SECRET}'", "begins or ends with a quote"),
    (f"'{SECRET}", "begins or ends with a quote"),
    (f'{SECRET}"', "begins or ends with a quote"),
    (f"{SECRET}\r\n{SECRET}", "holds a control or invisible character"),
    (f"{SECRET}\0{SECRET}", "holds a control or invisible character"),
    (f"{SECRET}\x7f{SECRET}", "holds a control or invisible character"),
    (f"{SECRET}\x85{SECRET}", "holds a control or invisible character"),
    (f"{SECRET}\x1b[0m", "holds a control or invisible character"),
    (f"\ufeff{SECRET}", "holds a control or invisible character"),
    (f"{SECRET}\u200b", "holds a control or invisible character"),
    (f"{SECRET}\udcff{SECRET}", "holds a control or invisible character"),
]
#: What is no text at all.
BAD_TYPES: list[tuple[Any, str]] = [
    (SECRET.encode(), "must be text, not bytes"),
    (12345, "must be text, not int"),
    (True, "must be text, not bool"),
    ([SECRET], "must be text, not list"),
]


@pytest.mark.parametrize("field", ["client_id", "client_secret"])
@pytest.mark.parametrize(("value", "complaint_"), BAD_TEXTS + BAD_TYPES)
def test_a_bad_argument_is_refused_by_its_name_with_its_value_unsaid(
    field: str, value: Any, complaint_: str
) -> None:
    pair = {"client_id": ID, "client_secret": SECRET, field: value}
    pair = {name: boxed(one) for name, one in pair.items()}
    assert complaint(lambda: settings(**pair)).startswith(f"{field} {complaint_}")


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize(
    ("value", "complaint_"), [one for one in BAD_TEXTS if one[0] and "\0" not in one[0]]
)
def test_a_bad_variable_is_refused_by_its_name_with_its_value_unsaid(
    half: int, value: str, complaint_: str
) -> None:
    field = str(FAMILIES[2].pair[half])
    environ = {**whole(FAMILIES[2]), field: value}
    assert complaint(lambda: within(environ, settings().identity)).startswith(
        f"{field} {complaint_}"
    )


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize(("value", "complaint_"), [*BAD_TEXTS, *BAD_TYPES, (None, "is None: ")])
def test_a_bad_answer_of_the_vault_is_refused_by_its_name_with_its_value_unsaid(
    half: int, value: Any, complaint_: str
) -> None:
    answer = [ID, SECRET]
    answer[half] = value
    asked = settings(credentials=vault(tuple(answer)))
    field = ("client_id", "client_secret")[half]
    said = complaint(asked.identity)
    assert said.startswith(f"{field} of credentials= {complaint_}")


@pytest.mark.parametrize("value", ["a:b", ":", "id:"])
def test_an_id_with_a_colon_is_refused(value: str) -> None:
    said = complaint(lambda: settings(client_id=value, client_secret=boxed(SECRET)))
    assert said.startswith("client_id holds a colon")


@pytest.mark.parametrize("secret", ["ä €:+%&=", "x", "a b", "quote'inside", "\U0001f600"])
def test_any_other_secret_passes_as_it_is(secret: str) -> None:
    identity = settings(client_id="ü", client_secret=boxed(secret)).identity()
    assert tuple(map(plain, identity)) == ("ü", secret)


def test_an_identity_prints_without_its_secret() -> None:
    identity = given().identity()
    assert SECRET not in f"{identity!r} {identity} {given()!r}"
    assert identity.name == "...1a2b"


@pytest.mark.parametrize(
    ("client_id", "name"),
    [(ID, "...1a2b"), ("123456789", "...6789"), ("12345678", "..."), ("", "...")],
)
def test_a_short_id_is_not_named_at_all(client_id: str, name: str) -> None:
    assert short_name(SecretBox(client_id)) == name


def test_a_box_leaves_only_what_prints_nothing() -> None:
    assert repr(boxed(SECRET)) == str(boxed(SECRET)) == "<hidden>"
    assert boxed(SECRET) == SECRET
    assert boxed(SECRET.encode()) is bytes
    assert boxed(None) is None
    assert boxed(ABSENT) is ABSENT


def test_the_default_of_an_argument_reads_as_in_the_documentation() -> None:
    assert repr(ABSENT) == "..."


def test_a_copy_of_what_was_given_is_the_same() -> None:
    assert copy.deepcopy(given()).identity_given == given().identity_given


# -- the vault ------------------------------------------------------------------------------------


def test_the_vault_is_asked_each_time_and_not_before() -> None:
    asked = settings(credentials=vault(("first", SECRET), ("second", SECRET)))
    assert asked.identity().client_id == "first"
    assert asked.identity().client_id == "second"


def test_the_vault_may_answer_with_a_list() -> None:
    assert settings(credentials=vault([ID, SECRET])).identity().client_id == ID


@pytest.mark.parametrize(
    "answer",
    [
        None,
        SECRET,
        "ab",
        (),
        (ID,),
        (ID, SECRET, "eu-west-1"),
        {"client_id": ID, "client_secret": SECRET},
        {ID, SECRET},
        iter([ID, SECRET]),
        42,
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_a_vault_that_does_not_answer_with_a_pair_is_refused(answer: Any) -> None:
    asked = settings(credentials=vault(answer))
    said = complaint(asked.identity)
    assert said == "credentials= must return a pair (client_id, client_secret)."


@pytest.mark.parametrize("problem", [LookupError("sealed"), KeyboardInterrupt()])
def test_what_the_vault_raises_passes_unwrapped(problem: BaseException) -> None:
    def sealed() -> tuple[str, str]:
        raise problem

    with pytest.raises(type(problem)) as caught:
        settings(credentials=sealed).identity()
    assert caught.value is problem


@pytest.mark.parametrize("credentials", [(ID, SECRET), SECRET, 42])
def test_a_vault_must_be_a_function(credentials: Any) -> None:
    said = complaint(lambda: settings(credentials=credentials))
    assert said.startswith("credentials= must be a function")


# -- region and URLs ------------------------------------------------------------------------------

LOGIN_URL = "https://login.gateway.example"
API_URL = "https://api.gateway.example"
URL_VARIABLES = {"GENESYSCLOUD_LOGIN_URL": LOGIN_URL, "GENESYSCLOUD_API_URL": API_URL}


def where(settings_: Settings, environ: dict[str, str]) -> tuple[str | None, str, str]:
    place = within(environ, settings_.hosts)
    return place.region, place.login_url, place.api_url


def at(region: str) -> tuple[str | None, str, str]:
    return region, f"https://login.{region}", f"https://api.{region}"


def test_the_region_of_an_argument_comes_first() -> None:
    environ = whole(FAMILIES[0], GENESYSCLOUD_REGION="eu-west-2")
    assert where(settings(region="eu-west-1"), environ) == at("mypurecloud.ie")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.client_id)
def test_then_the_region_of_the_credentials_family(family: Family) -> None:
    others = dict.fromkeys(REGION_VARIABLES, "eu-west-2")
    own = dict.fromkeys(family.regions, "eu-west-1")
    assert where(settings(), whole(family, **{**others, **own})) == at("mypurecloud.ie")


def test_the_second_region_variable_of_the_family_counts_before_those_of_others() -> None:
    environ = whole(
        FAMILIES[1], GENESYS_CLOUD_ENVIRONMENT="mypurecloud.ie", GENESYSCLOUD_REGION="eu-west-2"
    )
    assert where(settings(), environ) == at("mypurecloud.ie")
    both = {**environ, "GENESYS_CLOUD_REGION": "mypurecloud.jp"}
    assert where(settings(), both) == at("mypurecloud.jp")


@pytest.mark.parametrize("position", range(len(REGION_VARIABLES)))
@pytest.mark.parametrize(
    "own", [given, lambda: settings(credentials=vault((ID, SECRET))), settings]
)
def test_else_the_first_region_variable_set_in_table_order(
    position: int, own: Callable[[], Settings]
) -> None:
    values = dict.fromkeys(REGION_VARIABLES[:position], "")
    values[REGION_VARIABLES[position]] = "eu-west-1"
    values |= dict.fromkeys(REGION_VARIABLES[position + 1 :], "eu-west-2")
    assert where(own(), values) == at("mypurecloud.ie")


def test_a_family_that_does_not_sign_in_does_not_say_where() -> None:
    environ = whole(FAMILIES[3], GENESYS_REGION="eu-west-2", GC_REGION="eu-west-1")
    assert where(given(), environ) == at("mypurecloud.ie")
    assert where(settings(), environ) == at("euw2.pure.cloud")


def test_a_family_that_signs_in_without_a_region_takes_the_first_there_is() -> None:
    environ = whole(FAMILIES[0], GC_REGION="eu-west-1")
    assert where(settings(), environ) == at("mypurecloud.ie")


def test_a_bad_region_variable_is_named() -> None:
    environ = {"GC_REGION": "mypurecloud.ae"}
    said = complaint(lambda: within(environ, given().hosts))
    assert said.startswith("GC_REGION: mypurecloud.ae is no domain")
    assert HOW_TO_FIND in said


@pytest.mark.parametrize("own", [settings, given])
def test_without_a_region_there_is_no_default(own: Callable[[], Settings]) -> None:
    said = complaint(own().hosts)
    assert "No Genesys Cloud region" in said
    assert "region=" in said
    assert HOW_TO_FIND in said


def test_a_missing_region_is_told_with_the_variable_to_set_and_those_that_are_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_ENVIRONMENT", "eu-west-1")
    monkeypatch.setenv("GENESYS_CLIENT_ID", ID)
    said = complaint(given().hosts)
    assert said.startswith("No Genesys Cloud region")
    assert "Pass region= or set GENESYSCLOUD_REGION. " in said
    assert said.endswith(
        " Set, but not used: GENESYSCLOUD_ENVIRONMENT (did you mean GENESYSCLOUD_REGION?),"
        " GENESYS_CLIENT_ID."
    )
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", SECRET)
    said = complaint(settings().hosts)
    assert said.endswith(
        " Set, but not used: GENESYSCLOUD_ENVIRONMENT (did you mean GENESYSCLOUD_REGION?)."
    )


def test_the_proxy_in_use_is_not_among_what_is_not_used_beside_a_missing_region() -> None:
    proxy = {"GENESYSCLOUD_PROXY_HOST": "proxy.example", "GENESYSCLOUD_PROXY_PORT": "8080"}
    gateway = {"GENESYSCLOUD_GATEWAY_PATH_NAME": "login"}
    said = complaint(lambda: within({**proxy, **gateway}, given().hosts))
    assert said.endswith(" Set, but not used: GENESYSCLOUD_GATEWAY_PATH_NAME.")


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (
            {"login_url": "https://login.mypurecloud.ie", "api_url": "https://api.mypurecloud.de"},
            {},
        ),
        (
            {"login_url": "https://login.mypurecloud.ie"},
            {"GENESYSCLOUD_API_URL": "https://api.mypurecloud.de"},
        ),
        (
            {"login_url": "https://login.mypurecloud.ie"},
            {"GENESYSCLOUD_REGION": "eu-central-1"},
        ),
    ],
)
def test_urls_of_two_regions_are_refused_wherever_they_come_from(
    arguments: dict[str, str], environ: dict[str, str]
) -> None:
    said = complaint(lambda: within(environ, lambda: settings(**arguments).hosts()))
    assert said.startswith(
        "Tokens come from mypurecloud.ie, but the API belongs to mypurecloud.de."
    )


def test_urls_of_two_regions_are_refused_at_once_if_both_are_arguments() -> None:
    urls = {"login_url": "https://login.mypurecloud.ie", "api_url": "https://api.mypurecloud.de"}
    assert "Tokens come from" in complaint(lambda: settings(**urls))


@pytest.mark.parametrize("argument", ["login_url", "api_url"])
def test_one_url_is_not_enough_and_is_named(argument: str) -> None:
    said = complaint(given(**{argument: LOGIN_URL}).hosts)
    assert re.findall(r"Only \w+ is given\.", said) == [f"Only {argument} is given."]


@pytest.mark.parametrize(
    ("pair", "url"),
    [
        ("GENESYSCLOUD_OAUTHCLIENT", "GENESYSCLOUD_LOGIN_URL"),
        ("GENESYSCLOUD_OAUTHCLIENT", "GENESYSCLOUD_API_URL"),
        ("GENESYS_CLIENT", "GENESYS_BASE_URL"),
    ],
)
def test_one_url_variable_without_a_region_is_told_by_its_name_and_as_used(
    pair: str, url: str
) -> None:
    environ = {f"{pair}_ID": ID, f"{pair}_SECRET": SECRET, url: "https://gateway.example"}
    said = complaint(lambda: within(environ, settings().hosts))
    assert f" Only {url} is given. " in said
    assert "not used" not in said


def test_with_both_urls_no_region_is_needed() -> None:
    own = given(login_url=LOGIN_URL, api_url=API_URL)
    assert where(own, EMPTY) == (None, LOGIN_URL, API_URL)


@pytest.mark.parametrize("argument", ["login_url", "api_url"])
def test_a_url_that_is_missing_comes_from_the_region(argument: str) -> None:
    own = given(region="eu-west-1", **{argument: "https://gateway.example"})
    _, login_url, api_url = at("mypurecloud.ie")
    urls = {"login_url": login_url, "api_url": api_url, argument: "https://gateway.example"}
    assert where(own, EMPTY) == ("mypurecloud.ie", urls["login_url"], urls["api_url"])


def test_urls_of_the_environment_count_without_an_argument() -> None:
    assert where(given(), URL_VARIABLES) == (None, LOGIN_URL, API_URL)


@pytest.mark.parametrize("name", URL_VARIABLES)
def test_one_url_of_the_environment_counts_beside_a_region_of_the_environment(name: str) -> None:
    environ = {"GC_REGION": "eu-west-1", name: "https://gateway.example"}
    region, login_url, api_url = where(given(), environ)
    assert region == "mypurecloud.ie"
    assert {login_url, api_url} - set(at("mypurecloud.ie")) == {"https://gateway.example"}


def test_an_explicit_region_is_not_redirected_by_the_environment() -> None:
    environ = {**URL_VARIABLES, "GC_REGION": "eu-west-2"}
    assert where(given(region="eu-west-1"), environ) == at("mypurecloud.ie")
    mixed = given(region="eu-west-1", login_url="https://gateway.example")
    assert where(mixed, environ)[1:] == ("https://gateway.example", "https://api.mypurecloud.ie")


@pytest.mark.parametrize("argument", ["login_url", "api_url"])
def test_an_explicit_url_beats_that_of_the_environment(argument: str) -> None:
    own = given(**{argument: "https://gateway.example"})
    urls = {"login_url": LOGIN_URL, "api_url": API_URL, argument: "https://gateway.example"}
    found = where(own, URL_VARIABLES)
    assert found == (None, urls["login_url"], urls["api_url"])


def test_an_empty_url_variable_is_an_unset_one() -> None:
    environ = {"GENESYSCLOUD_LOGIN_URL": "", "GENESYSCLOUD_API_URL": "", "GC_REGION": "eu-west-1"}
    assert where(given(), environ) == at("mypurecloud.ie")


def test_a_region_that_nobody_asks_is_not_judged() -> None:
    environ = {**URL_VARIABLES, "GENESYSCLOUD_REGION": "rubbish"}
    assert where(given(), environ) == (None, LOGIN_URL, API_URL)


@pytest.mark.parametrize("tail", ["", "/", "/oauth/token", "/oauth/token/"])
def test_a_login_url_is_cut_at_the_token_endpoint(tail: str) -> None:
    for base in (LOGIN_URL, f"{LOGIN_URL}/genesys"):
        own = given(region="eu-west-1", login_url=f"{base}{tail}")
        assert own.login_url == base
        assert own.hosts().token_url == f"{base}/oauth/token"
        environ = {"GENESYSCLOUD_LOGIN_URL": f"{base}{tail}", "GC_REGION": "eu-west-1"}
        assert where(given(), environ)[1] == base


@pytest.mark.parametrize("tail", ["", "/", "/api/v2", "/api/v2/"])
def test_an_api_url_is_cut_at_the_version(tail: str) -> None:
    for base in (API_URL, f"{API_URL}/genesys"):
        assert given(region="eu-west-1", api_url=f"{base}{tail}").api_url == base
        environ = {"GENESYSCLOUD_API_URL": f"{base}{tail}", "GC_REGION": "eu-west-1"}
        assert where(given(), environ)[2] == base


@pytest.mark.parametrize(("name", "service"), [("login_url", "login"), ("api_url", "api")])
def test_a_bad_url_is_refused_by_its_name_with_its_value_unsaid(name: str, service: str) -> None:
    said = complaint(lambda: given(**{name: "https://user:pa55word@gateway.example"}))
    assert said.startswith(f"{name} must be a plain URL such as https://{service}.mypurecloud.ie:")
    assert "pa55word" not in said


@pytest.mark.parametrize("name", URL_VARIABLES)
def test_a_bad_url_variable_is_refused_by_its_name_with_its_value_unsaid(name: str) -> None:
    environ = {name: f"https://id:{SECRET}@gateway.example"}
    said = complaint(lambda: within(environ, given().hosts))
    assert said.startswith(f"{name} must be a plain URL")


@pytest.mark.parametrize("name", ["region", "login_url", "api_url"])
@pytest.mark.parametrize(("value", "kind"), [(42, "int"), ({1}, "set"), ([], "list")])
def test_what_is_no_text_is_refused_by_its_name(name: str, value: Any, kind: str) -> None:
    assert complaint(lambda: given(**{name: value})) == f"{name} must be text, not {kind}."


@pytest.mark.parametrize("name", ["region", "login_url", "api_url"])
def test_an_empty_argument_is_refused(name: str) -> None:
    complaint(lambda: given(**{name: ""}))


# -- token_timeout --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout", "pair"),
    [
        ((5, 15), (5.0, 15.0)),
        (10, (10.0, 10.0)),
        (0.5, (0.5, 0.5)),
        ((0.001, 86399), (0.001, 86399.0)),
    ],
)
def test_a_timeout_is_seconds_or_a_pair_of_them(timeout: Any, pair: tuple[float, float]) -> None:
    assert given(token_timeout=timeout).token_timeout == pair


@pytest.mark.parametrize(
    "timeout",
    [
        None,
        (None, 15),
        (5, None),
        math.nan,
        (5, math.nan),
        math.inf,
        -math.inf,
        (math.inf, 5),
        0,
        0.0,
        (0, 15),
        -1,
        (5, -0.5),
        86400,
        10**400,
        True,
        False,
        (True, True),
        (),
        (5,),
        (5, 15, 30),
        [5, 15],
        "5",
        ("5", "15"),
        ((5, 15), 15),
        5j,
    ],
    ids=repr,
)
def test_any_other_timeout_is_refused(timeout: Any) -> None:
    said = complaint(lambda: given(token_timeout=timeout))
    assert said.startswith("token_timeout must be a number of seconds above 0")
    assert "hangs" in said


# -- how many tokens ------------------------------------------------------------------------------

SIZE = "GENESYSCLOUD_TOKEN_POOL_SIZE"


@pytest.mark.parametrize("tokens", [1, 2, 50])
def test_as_many_tokens_may_be_used_as_said(tokens: int) -> None:
    assert given(tokens=tokens).tokens == tokens


@pytest.mark.parametrize("tokens", [0, -1, 51, 1.0, "2", True, math.nan])
def test_other_numbers_of_tokens_are_refused(tokens: Any) -> None:
    assert complaint(lambda: given(tokens=tokens)) == (
        "tokens must be a whole number from 1 to 50."
    )


@pytest.mark.parametrize(
    ("said", "size"), [("1", 1), ("7", 7), ("50", 50), ("007", 7), ("", 1), (None, 1)]
)
def test_else_the_environment_says_how_many(said: str | None, size: int) -> None:
    assert given().tokens is None
    assert within(EMPTY if said is None else {SIZE: said}, given().token_pool_size) == size


@pytest.mark.parametrize(
    "said", ["0", "51", "-1", "ten", "2.0", " 2", "1e1", "9" * 5000, SECRET, "\u00b2", "None"]
)
def test_a_number_of_tokens_that_makes_no_sense_is_named(said: str) -> None:
    assert complaint(lambda: within({SIZE: said}, given().token_pool_size)) == (
        f"{SIZE} must be a whole number from 1 to 50."
    )


def sizes(auth: GenesysCloudAuth) -> int:
    """How many tokens it would use, found out now."""
    return len(auth._tokens.slots())


def test_the_number_of_tokens_is_read_at_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """load_dotenv() may come after the auth is made."""
    auth = GenesysCloudAuth(ID, SECRET, region="eu-west-1")
    monkeypatch.setenv(SIZE, "5")
    assert sizes(auth) == 5

    monkeypatch.setenv(SIZE, "6")
    assert sizes(auth) == 5
    assert sizes(GenesysCloudAuth(ID, SECRET, region="eu-west-1")) == 6


def test_while_nobody_signs_in_the_number_of_tokens_is_not_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SIZE, "5")
    auth = GenesysCloudAuth(region="eu-west-1")
    assert sizes(auth) == 1, "the whole of load_dotenv() may still come"

    monkeypatch.setenv(SIZE, "6")
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_ID", ID)
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)
    assert sizes(auth) == 6


@pytest.mark.parametrize("said", ["7", "nonsense"])
def test_an_argument_beats_the_environment_of_whatever_sense(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIZE, said)

    assert sizes(GenesysCloudAuth(ID, SECRET, region="eu-west-1", tokens=2)) == 2


def test_nonsense_in_the_environment_is_said_at_first_use_and_harms_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SIZE, "many")
    auth = GenesysCloudAuth(ID, SECRET, region="eu-west-1")
    said = f"{SIZE} must be a whole number from 1 to 50."
    assert complaint(auth.access_token) == said
    assert auth.expires_in is None
    assert repr(auth) == "<GenesysCloudAuth client ...1a2b at mypurecloud.ie>"
    auth.forget()
    auth.revoke()

    request = requests.Request("GET", "https://api.mypurecloud.ie/api/v2/users", auth=auth)
    with pytest.raises(ConfigurationError, match=SIZE) as caught:
        request.prepare()
    assert caught.value.request is not None
    requests.Request("GET", "https://example.com/", auth=auth).prepare()


# -- how many requests a minute -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "limit"), [(1, 1), (600, 600), (10**6, 10**6), (None, None), (ABSENT, 9)]
)
def test_a_rate_limit_is_a_number_or_none_and_beats_the_environment(
    argument: Any, limit: int | None
) -> None:
    own = copy.deepcopy(given(rate_limit=argument))
    assert within({"GENESYSCLOUD_RATE_LIMIT": "9"}, own.rate_limit) == limit


@pytest.mark.parametrize("limit", [0, -1, 1.5, "300", True, math.nan, 1_000_001, sys.maxsize])
def test_any_other_rate_limit_is_refused(limit: Any) -> None:
    assert complaint(lambda: given(rate_limit=limit)) == (
        "rate_limit must be a whole number of requests a minute, from 1 to 1000000; None for no"
        " count."
    )


def test_credentials_that_another_thread_finds_meanwhile_count_for_the_next_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """load_dotenv() comes late, and another thread is the first to need them."""
    given = settings(region=boxed("eu-west-2"))
    read, asked = Settings.environment, []

    def slow(self: Settings) -> Any:
        found = read(self)
        asked.append(found)
        if len(asked) == 1:
            monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_ID", ID)
            monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)
            read(self)
        return found

    monkeypatch.setattr(Settings, "environment", slow)

    assert "No Genesys Cloud credentials" in complaint(given.identity)
    assert plain(given.identity().client_id) == ID
