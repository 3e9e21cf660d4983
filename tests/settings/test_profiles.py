"""profiles.py: an OAuth client of the gc CLI signs in, by name, and its file gives nothing away."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import SECRET, TOKEN, Counted

from gc_requests_auth import ConfigurationError, GenesysCloudAuth, GenesysCloudSession
from gc_requests_auth.settings.environment import FAMILIES
from gc_requests_auth.util.secret import plain

ID = "b0a1c2d3-4e5f-6071-8293-a4b5c6d71a2b"
PROD = f"""
[prod]
client_credentials = "{ID}"
client_secret = "{SECRET}"
environment = "mypurecloud.ie"
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes ``~/.gc/config.toml``, the home being that of conftest.py."""

    def write(text: str | bytes, mode: int = 0o600) -> Path:
        path = tmp_path / ".gc" / "config.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    return write


def complaint(about: Callable[[], object]) -> str:
    """What is said against it, with nothing behind it and no secret in it."""
    with pytest.raises(ConfigurationError) as caught:
        about()
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert SECRET not in str(caught.value)
    return str(caught.value)


def set_family(monkeypatch: pytest.MonkeyPatch, client_id: str = "id-of-the-family") -> None:
    monkeypatch.setenv(FAMILIES[0].client_id, client_id)
    monkeypatch.setenv(FAMILIES[0].client_secret, SECRET)


def identity(auth: GenesysCloudAuth) -> tuple[str, str]:
    found = auth._settings.identity()
    return plain(found.client_id), plain(found.client_secret)


# -- what a profile is ----------------------------------------------------------------------------


def test_a_profile_of_the_gc_cli_signs_in(sandbox: Counted, write: Callable[..., Path]) -> None:
    write(
        f"""
        [DEFAULT]
        client_credentials = "somebody-else"
        client_secret = "{SECRET}"

        [prod]
        access_token = "{TOKEN}"
        client_credentials = "{sandbox.client_id}"
        client_secret = "{sandbox.client_secret}"
        environment = "eu-west-1"
        gateway_host = "gateway.example"
        grant_type = "1"
        logging_enabled = false
        oauth_token_data = '{{"access_token": "{TOKEN}", "oauth_token_expiry": "2999"}}'
        redirect_uri = ""
        """
    )
    urls = sandbox.login_url, sandbox.api_url
    with GenesysCloudSession(profile="prod", login_url=urls[0], api_url=urls[1]) as session:
        session.verify = sandbox.ca_file
        answer = session.get("/api/v2/organizations/me")

    assert answer.json()["name"] == "Sandbox Ltd"
    assert (sandbox.token_requests, sandbox.api_requests) == (1, 1)


@pytest.mark.parametrize("name", ["prod", "PROD", "acme.prod"])
@pytest.mark.parametrize("header", ["[prod]", "[Prod]", "[acme.prod]", '["acme.prod"]'])
def test_a_profile_is_found_as_the_gc_cli_finds_it(
    name: str, header: str, write: Callable[..., Path]
) -> None:
    """By a name whose case does not matter, and whose dots are tables of tables."""
    write(PROD.replace("[prod]", header))
    auth = GenesysCloudAuth(profile=name)
    if ("acme" in header) == ("acme" in name):
        assert identity(auth) == (ID, SECRET)
    else:
        complaint(lambda: identity(auth))


def test_the_exact_name_comes_first(write: Callable[..., Path]) -> None:
    write(PROD.replace("prod", "PROD").replace(ID, "another") + PROD)
    assert identity(GenesysCloudAuth(profile="prod")) == (ID, SECRET)


@pytest.mark.parametrize(
    "text",
    [
        PROD.upper().replace(SECRET.upper(), SECRET).replace(ID.upper(), ID),
        f"\ufeff{PROD}".replace("\n", "\r\n"),
        f"# gr\xfc\xdfe\n{PROD}".encode("latin-1"),
        f"{PROD}grant_type = 1",
        f"{PROD}grant_type = ''",
        f"{PROD}grant_type = 'client_credentials'",
    ],
    ids=["upper case", "of Windows", "a comment in Latin-1", "a number", "no grant", "by hand"],
)
def test_files_that_people_have(text: str | bytes, write: Callable[..., Path]) -> None:
    write(text)
    auth = GenesysCloudAuth(profile="prod")
    assert (identity(auth), auth.region) == ((ID, SECRET), "mypurecloud.ie")


@pytest.mark.parametrize("region", ["mypurecloud.ie", "eu-west-1", "eu_west_1"])
def test_the_environment_of_a_profile_is_a_domain_or_an_aws_id(
    region: str, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_REGION", "eu-west-2")
    write(PROD.replace("mypurecloud.ie", region))
    assert GenesysCloudAuth(profile="prod").region == "mypurecloud.ie"
    assert GenesysCloudAuth(profile="prod", region="eu-central-1").region == "mypurecloud.de"


@pytest.mark.parametrize("line", ["", 'environment = ""'])
@pytest.mark.parametrize("profile", ["prod", None])
def test_a_profile_without_environment_is_where_the_first_variable_says(
    profile: str | None, line: str, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(PROD.replace('environment = "mypurecloud.ie"', line))
    monkeypatch.setenv("GENESYSCLOUD_PROFILE", "prod")
    auth = GenesysCloudAuth(profile=profile)
    assert complaint(lambda: auth.region).startswith("No Genesys Cloud region")
    monkeypatch.setenv("GC_REGION", "eu-west-2")
    assert GenesysCloudAuth(profile=profile).region == "euw2.pure.cloud"


# -- which source counts --------------------------------------------------------------------------


def test_a_profile_that_is_named_beats_the_environment(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_family(monkeypatch)
    monkeypatch.setenv("GENESYSCLOUD_PROFILE", "another")
    write(PROD)
    assert identity(GenesysCloudAuth(profile="prod")) == (ID, SECRET)
    assert not caplog.records


def test_the_variable_names_a_profile(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(PROD)
    monkeypatch.setenv("GENESYSCLOUD_PROFILE", "prod")
    monkeypatch.setenv(FAMILIES[1].client_id, "half a family")
    auth = GenesysCloudAuth(profile=None)
    assert (identity(auth), auth.region) == ((ID, SECRET), "mypurecloud.ie")
    assert repr(auth) == "<GenesysCloudAuth client ...1a2b at mypurecloud.ie>"
    have, lack = FAMILIES[1].client_id, FAMILIES[1].client_secret
    warning = f"{have} is set, but {lack} is not set, and so GENESYSCLOUD_PROFILE is used"
    assert caplog.messages == [warning]


def test_a_whole_family_beats_the_variable_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_family(monkeypatch)
    monkeypatch.setenv("GENESYSCLOUD_PROFILE", "prod")
    assert identity(GenesysCloudAuth())[0] == "id-of-the-family"
    assert caplog.messages == [
        "GENESYSCLOUD_OAUTHCLIENT_ID is set and used, and so GENESYSCLOUD_PROFILE is not"
    ]
    monkeypatch.setenv("GENESYSCLOUD_PROFILE", "")
    assert identity(GenesysCloudAuth())[0] == "id-of-the-family"
    assert len(caplog.messages) == 1


def test_a_profile_that_an_argument_names_has_no_rival_in_the_environment(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(PROD)
    set_family(monkeypatch)
    monkeypatch.setenv("GC_CLIENT_ID", "another")
    monkeypatch.setenv("GC_CLIENT_SECRET", "another-secret")
    assert identity(GenesysCloudAuth(profile="prod")) == (ID, SECRET)
    assert caplog.messages == []


@pytest.mark.parametrize("name", [None, ""])
def test_there_is_no_default_profile(
    name: str | None, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(PROD.replace("prod", "DEFAULT"))
    if name is not None:
        monkeypatch.setenv("GENESYSCLOUD_PROFILE", name)
    auth = GenesysCloudAuth(region="eu-west-1")
    said = complaint(lambda: auth.client_id)
    assert said.startswith("No Genesys Cloud credentials.")
    assert "profile= or GENESYSCLOUD_PROFILE" in said


@pytest.mark.parametrize(
    "other",
    [
        {"client_id": ID, "client_secret": SECRET},
        {"credentials": lambda: (ID, SECRET)},
    ],
)
@pytest.mark.parametrize("kind", [GenesysCloudAuth, GenesysCloudSession])
def test_a_profile_beside_another_source_is_refused(kind: Any, other: dict[str, Any]) -> None:
    assert "one source" in complaint(lambda: kind(profile="prod", **other))


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "is empty"), (" \n", "is empty"), (42, "must be text, not int"), (b"x", "not bytes")],
)
@pytest.mark.parametrize("kind", [GenesysCloudAuth, GenesysCloudSession])
def test_a_name_that_is_none_is_refused_at_construction(kind: Any, name: Any, said: str) -> None:
    complained = complaint(lambda: kind(profile=name))
    assert complained.startswith("profile ")
    assert said in complained


def test_an_auth_comes_with_no_profile(sandbox: Counted) -> None:
    with pytest.raises(TypeError, match="profile"):
        GenesysCloudSession(auth=sandbox.auth(), profile="prod")


# -- when it is read ------------------------------------------------------------------------------


def test_a_profile_is_read_once_and_not_before_it_is_needed(write: Callable[..., Path]) -> None:
    auth = GenesysCloudAuth(profile="prod")
    assert repr(auth) == "<GenesysCloudAuth, not yet looked up>"
    said = complaint(lambda: auth.client_id)
    assert ".gc/config.toml: No such file or directory" in said
    path = write(PROD)
    assert auth.client_id == ID  # a failure is not for good
    path.unlink()
    assert (identity(auth), auth.region) == ((ID, SECRET), "mypurecloud.ie")
    assert repr(auth) == "<GenesysCloudAuth client ...1a2b at mypurecloud.ie>"


def test_where_an_argument_says_so_the_profile_is_not_asked() -> None:
    assert GenesysCloudAuth(profile="prod", region="eu-west-1").region == "mypurecloud.ie"


@pytest.mark.parametrize(
    "twin", [copy.copy, copy.deepcopy, lambda auth: pickle.loads(pickle.dumps(auth))]
)
def test_the_name_of_a_profile_travels_and_its_secret_does_not(
    twin: Callable[[GenesysCloudAuth], GenesysCloudAuth], write: Callable[..., Path]
) -> None:
    write(PROD)
    auth = GenesysCloudAuth(profile="prod")
    assert identity(auth) == (ID, SECRET)
    assert SECRET.encode() not in pickle.dumps(auth)
    write(PROD.replace(ID, "as it is over there"))
    assert identity(twin(auth)) == ("as it is over there", SECRET)


# -- what is said ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [0o640, 0o604])
def test_a_file_that_others_can_read_is_used_with_one_warning(
    bits: int, write: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = write(PROD, bits)
    auth = GenesysCloudAuth(profile="prod")
    together = threading.Barrier(8)

    def look() -> None:
        together.wait(10)
        assert identity(auth) == (ID, SECRET)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert caplog.record_tuples == [
        (
            "gc_requests_auth",
            logging.WARNING,
            f"others can read the secrets in {path}: chmod 600 it",
        )
    ]


def test_a_file_of_ones_own_is_no_warning(
    write: Callable[..., Path], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(PROD, 0o711)
    identity(GenesysCloudAuth(profile="prod"))
    write(PROD, 0o666)
    monkeypatch.setattr(sys, "platform", "win32")  # where the bits mean nothing
    identity(GenesysCloudAuth(profile="prod"))
    assert not caplog.records


def test_a_profile_that_is_missing_is_told_with_those_that_exist(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(PROD + '["a b"]\nenvironment = "x"\n')
    said = complaint(lambda: GenesysCloudAuth(profile="prd").client_id)
    assert said == f"There is no profile 'prd' in {path}. Profiles there: 'prod', 'a b'."
    write("")
    monkeypatch.setenv("GENESYSCLOUD_PROFILE", "prod")
    said = complaint(lambda: GenesysCloudAuth().client_id)
    assert said.startswith("GENESYSCLOUD_PROFILE: There is no profile 'prod' in ")
    assert said.endswith("Profiles there: none.")


def test_a_secret_that_strayed_into_the_name_is_not_repeated(write: Callable[..., Path]) -> None:
    write(PROD)
    auth = GenesysCloudAuth(profile=SECRET)
    assert SECRET not in f"{auth!r} {vars(auth)}"
    assert complaint(lambda: auth.client_id).startswith("There is no profile <name not shown> in ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this platform")
def test_a_pipe_in_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / ".gc").mkdir()
    os.mkfifo(tmp_path / ".gc" / "config.toml")
    said = complaint(GenesysCloudAuth(profile="prod").access_token)

    assert "it is no plain file" in said


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_a_file_in_utf_16_is_told_as_one(order: str, write: Callable[..., Path]) -> None:
    path = write(("\ufeff" + PROD).encode(order))
    said = complaint(lambda: GenesysCloudAuth(profile="prod").client_id)
    assert f"from {path}: it is not UTF-8; Windows PowerShell writes UTF-16 with >." in said


@pytest.mark.parametrize("broken", ["a directory", "no home"])
def test_a_file_that_can_not_be_read_is_named_with_what_to_do(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gc" / "config.toml").mkdir(parents=True)
    if broken == "no home":

        def homeless(path: Path) -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "expanduser", homeless)
    said = complaint(lambda: GenesysCloudAuth(profile="prod").client_id)
    assert said.startswith("profile 'prod' can not be read from ")
    assert {"a directory": "Is a directory.", "no home": "determine home"}[broken] in said
    assert "gc profiles new" in said


@pytest.mark.parametrize(
    ("grant", "called"),
    [
        ('"0"', "the grant type None, a bare access token"),
        ('"2"', "the grant type Implicit Grant"),
        ("3", "the grant type PKCE Grant"),
        (f'"{SECRET}"', "another grant type"),
        ("[1]", "another grant type"),
    ],
)
def test_a_profile_of_another_grant_type_is_refused(
    grant: str, called: str, write: Callable[..., Path]
) -> None:
    write(f"{PROD}grant_type = {grant}")
    said = complaint(lambda: GenesysCloudAuth(profile="prod").client_id)
    assert f"is of {called}. Only the grant type Client Credentials" in said


OF_PROD = "of profile 'prod' in ~/.gc/config.toml"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (f'client_credentials = "{ID}"', "", "has no client_credentials: "),
        (f'client_secret = "{SECRET}"', 'client_secret = ""', "has no client_secret: "),
        (PROD, "[prod]", "has no client_credentials and no client_secret: "),
        (f'"{SECRET}"', f'["{SECRET}"]', f"client_secret {OF_PROD} must be text, not list."),
        ('"mypurecloud.ie"', "{}", f"environment {OF_PROD} must be text, not dict."),
        (SECRET, SECRET + " ", f"client_secret {OF_PROD} begins or ends with white space"),
        (ID, f"id:{SECRET}", f"client_credentials {OF_PROD} holds a colon"),
    ],
)
def test_a_bad_key_is_named_with_its_value_unsaid(
    old: str, new: str, said: str, write: Callable[..., Path]
) -> None:
    write(PROD.replace(old, new))
    assert said in complaint(lambda: GenesysCloudAuth(profile="prod").client_id)


def test_a_bad_environment_is_named_with_the_likely_one(write: Callable[..., Path]) -> None:
    write(PROD.replace("mypurecloud.ie", "mypurecloud.ae"))
    said = complaint(lambda: GenesysCloudAuth(profile="prod").region)
    assert said.startswith("environment of profile 'prod' in ~/.gc/config.toml: mypurecloud.ae is")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (PROD.replace(f'"{SECRET}"', SECRET), ": line 4, key client_secret."),
        (PROD.replace(f'{SECRET}"', SECRET), ": line 4, key client_secret."),
        (PROD.replace(f'{SECRET}"', f'\\{SECRET}"'), ": line 4, key client_secret."),
        (PROD.replace(f'"{SECRET}"', f'"{SECRET}" {SECRET}'), ": line 4, key client_secret."),
        (PROD.replace(f'"{SECRET}"', f'"{SECRET}'), ": line 4, key client_secret."),
        (PROD + f'client_secret = "{SECRET}"', ": line 6, key client_secret."),
        (f'{PROD}{SECRET} = """{SECRET}\n\n', ": line 6."),
        (f"{PROD}{SECRET}\n", ": line 6."),
        (f"{PROD}{PROD}", ": line 7."),
        (f'{PROD}log_file_path = "C:\\Users"', ": line 6, key log_file_path."),
        (f"{PROD}gateway_password = {SECRET}", ": line 6, key gateway_password."),
        (f"[{SECRET}.{SECRET}]\n[{SECRET}.{SECRET}]", ": line 2."),
        (f"x = {{ {SECRET} = 1, {SECRET} = 2 }}", ": line 1."),
        (f'\n\nx = "\\{SECRET}"', ": line 3."),
        (f"x = {'[' * 9999}'{SECRET}'", "."),
        (f"x = {'9' * 5000}", "."),
    ],
)
def test_a_broken_file_is_told_by_line_and_key_with_no_value(
    text: str | bytes, where: str, write: Callable[..., Path]
) -> None:
    write(text)
    said = complaint(lambda: GenesysCloudAuth(profile="prod").client_id)
    assert said == (
        f"~/.gc/config.toml is not valid TOML{where}"
        ' Values stand in quotes, as in environment = "mypurecloud.ie", a backslash is written twice,'
        " and no name stands there twice."
    )


def test_an_error_of_a_profile_comes_with_the_request(sandbox: Counted) -> None:
    auth = GenesysCloudAuth(profile="prod", login_url=sandbox.login_url, api_url=sandbox.api_url)
    with pytest.raises(ConfigurationError, match="can not be read") as error:
        requests.get(f"{sandbox.api_url}/api/v2/users", auth=auth, timeout=30)
    assert error.value.request is not None
