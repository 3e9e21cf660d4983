"""Settings as people have them: of other tools, by other names, and values that can be none."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import SECRET, Counted
from wire import Proxy

from gc_requests_auth import ConfigurationError, GenesysCloudAuth, GenesysCloudSession
from gc_requests_auth.settings.arguments import Settings
from gc_requests_auth.util.secret import boxed

ID = "b0a1c2d3-4e5f-6071-8293-a4b5c6d71a2b"
IRELAND = ("https://login.mypurecloud.ie", "https://api.mypurecloud.ie")


def complaint(about: Callable[[], object]) -> str:
    """What is said against it, with nothing behind it and no secret in it."""
    with pytest.raises(ConfigurationError) as caught:
        about()
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert SECRET not in str(caught.value)
    return str(caught.value)


def settings() -> Settings:
    """The settings of an auth to which the environment says the rest."""
    return Settings(boxed(ID), boxed(SECRET), region=boxed("eu-west-1"))


def found(auth: GenesysCloudAuth) -> tuple[str, str, str]:
    """Who signs in, and where."""
    return auth.client_id, auth.login_url, auth.api_url


# -- variables ------------------------------------------------------------------------------------

BOTH = {"GENESYS_CLIENT_ID": ID, "GENESYS_CLIENT_SECRET": SECRET}
OLD = {"PURECLOUD_CLIENT_ID": ID, "PURECLOUD_CLIENT_SECRET": SECRET}
OURS = {"GENESYSCLOUD_OAUTHCLIENT_ID": ID, "GENESYSCLOUD_OAUTHCLIENT_SECRET": SECRET}
CONNECTOR = {
    "GENESYS_LOGIN_URL": "https://login.mypurecloud.ie",
    "GENESYS_BASE_URL": "https://api.mypurecloud.ie/",
}
GATEWAY = {
    "GENESYSCLOUD_GATEWAY_PROTOCOL": "https",
    "GENESYSCLOUD_GATEWAY_HOST": "gw.example",
    "GENESYSCLOUD_GATEWAY_PORT": "443",
}
GW = "https://gw.example"

#: Variables, and the URLs of login service and API that follow from them.
ENVIRONMENTS = [
    ({**BOTH, "GENESYS_ENVIRONMENT": "mypurecloud.ie"}, IRELAND),
    ({**BOTH, "GENESYS_REGION": "eu-west-1", "GENESYS_ENVIRONMENT": "eu-west-2"}, IRELAND),
    ({**OLD, "PURECLOUD_REGION": "eu_west_1"}, IRELAND),
    ({**OLD, "PURECLOUD_ENVIRONMENT": "mypurecloud.ie"}, IRELAND),
    ({**OLD, "PURECLOUD_ENV": "https://api.mypurecloud.ie"}, IRELAND),
    (
        {"PURECLOUD_CLIENT_ID": ID, "PURECLOUD_SECRET": SECRET, "PURECLOUD_REGION": "euw1"},
        IRELAND,
    ),
    ({**BOTH, **CONNECTOR}, IRELAND),
    # Its URLs belong to its pair,
    ({**OURS, **CONNECTOR, "GENESYSCLOUD_REGION": "Dublin"}, IRELAND),
    ({**OURS, **CONNECTOR, "GENESYS_REGION": "Dublin"}, IRELAND),
    # and count where its region is not named: this one is no URL.
    ({**BOTH, "GENESYS_REGION": "eu-west-1", "GENESYS_BASE_URL": "mypurecloud.de"}, IRELAND),
    (
        {**BOTH, **CONNECTOR, "GENESYSCLOUD_LOGIN_URL": f"{GW}/login"},
        (f"{GW}/login", "https://api.mypurecloud.ie"),
    ),
    # A gateway of Terraform, which has one path in the environment.
    ({**OURS, **GATEWAY}, (GW, GW)),
    (
        {
            **OURS,
            **GATEWAY,
            "GENESYSCLOUD_GATEWAY_PATH_NAME": "login",
            "GENESYSCLOUD_GATEWAY_PATH_VALUE": "/signin/",
            "GENESYSCLOUD_REGION": "eu-west-1",
        },
        (f"{GW}/signin", GW),
    ),
    (
        {
            **OURS,
            "GENESYSCLOUD_GATEWAY_HOST": "gw.example",
            "GENESYSCLOUD_GATEWAY_PORT": "8443",
            "GENESYSCLOUD_GATEWAY_PATH_NAME": "api",
            "GENESYSCLOUD_GATEWAY_PATH_VALUE": "genesys",
        },
        (f"{GW}:8443", f"{GW}:8443/genesys"),
    ),
    (
        {**OURS, **GATEWAY, "GENESYSCLOUD_API_URL": "https://api.example"},
        (GW, "https://api.example"),
    ),
]


@pytest.mark.parametrize(("variables", "urls"), ENVIRONMENTS)
def test_variables_of_other_tools_say_who_signs_in_and_where(
    variables: dict[str, str], urls: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert found(GenesysCloudAuth()) == (ID, *urls)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GENESYSCLOUD_GATEWAY_PROTOCOL", "http", "must be https."),
        ("GENESYSCLOUD_GATEWAY_PORT", "66000", "must be a number from 1 to 65535."),
        ("GENESYSCLOUD_GATEWAY_PORT", SECRET, "must be a number from 1 to 65535."),
        ("GENESYSCLOUD_GATEWAY_HOST", f"https://{SECRET}@x", "must be the name of a host, and"),
        ("GENESYSCLOUD_GATEWAY_HOST", "login.mypurecloud.ae", ": mypurecloud.ae is no domain"),
    ],
)
def test_a_piece_of_a_gateway_that_makes_no_sense_is_named_with_its_value_unsaid(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in ({**OURS, **GATEWAY}, {name: value}):
        for key, text in one.items():
            monkeypatch.setenv(key, text)
    told = complaint(lambda: GenesysCloudAuth().api_url)
    assert told.startswith(f"{name} {said}" if said[0] != ":" else f"{name}{said}")


def test_urls_of_the_environment_that_an_argument_makes_void_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A sandbox's, for one: with them set, region= leads to the real login service all the same."""
    monkeypatch.setenv("GENESYSCLOUD_LOGIN_URL", GW)
    one = settings()
    assert [one.token_pool_size() for _ in range(2)] == [1, 1]
    monkeypatch.setenv("GENESYSCLOUD_API_URL", GW)
    assert settings().token_pool_size() == 1
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "region= is given, and so GENESYSCLOUD_LOGIN_URL is not used"),
        (
            logging.WARNING,
            "region= is given, and so GENESYSCLOUD_LOGIN_URL and GENESYSCLOUD_API_URL are not used",
        ),
    ]


def test_a_gateway_of_the_environment_that_an_argument_makes_void_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in GATEWAY.items():
        monkeypatch.setenv(name, value)
    assert settings().token_pool_size() == 1
    assert [record.getMessage() for record in caplog.records] == [
        "region= is given, and so GENESYSCLOUD_GATEWAY_HOST is not used"
    ]


# -- how many requests a minute -------------------------------------------------------------------

LIMIT = "GENESYSCLOUD_RATE_LIMIT"


@pytest.mark.parametrize(
    ("said", "limit"),
    [(None, 300), ("", 300), ("600", 600), (" 1 ", 1), ("off", None), (" OFF ", None)],
)
def test_the_environment_says_how_many_requests_a_token_may_make(
    said: str | None, limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if said is not None:
        monkeypatch.setenv(LIMIT, said)
    assert settings().rate_limit() == limit


@pytest.mark.parametrize("said", ["0", "-1", "1.5", "none", "many", "9" * 7, "9" * 20, SECRET])
def test_a_number_of_requests_that_makes_no_sense_is_named(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, said)
    assert complaint(settings().rate_limit) == (
        f'{LIMIT} must be a whole number of requests a minute, from 1 to 1000000, or "off".'
    )


# -- a proxy --------------------------------------------------------------------------------------


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as proxy:
        yield proxy


def by_variables(
    monkeypatch: pytest.MonkeyPatch, proxy: Proxy, _: Path, sandbox: Counted
) -> dict[str, Any]:
    monkeypatch.setenv("GENESYSCLOUD_PROXY_PROTOCOL", "http")
    monkeypatch.setenv("GENESYSCLOUD_PROXY_HOST", "127.0.0.1")
    monkeypatch.setenv("GENESYSCLOUD_PROXY_PORT", str(proxy.port))
    monkeypatch.setenv("GENESYSCLOUD_PROXY_AUTH_USERNAME", "jo@example")
    monkeypatch.setenv("GENESYSCLOUD_PROXY_AUTH_PASSWORD", "pa55word")
    return {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}


def by_profile(
    monkeypatch: pytest.MonkeyPatch, proxy: Proxy, home: Path, sandbox: Counted
) -> dict[str, Any]:
    path = home / ".gc" / "config.toml"
    path.parent.mkdir()
    path.write_text(
        f'[prod]\nclient_credentials = "{sandbox.client_id}"\n'
        f'client_secret = "{sandbox.client_secret}"\n'
        f'proxy_protocol = "http"\nproxy_host = "127.0.0.1"\nproxy_port = {proxy.port}\n'
        f'proxy_username = "jo@example"\nproxy_password = "pa55word"\n'
    )
    path.chmod(0o600)
    monkeypatch.setenv("GENESYSCLOUD_PROXY_HOST", "not-this-one.example")
    return {"profile": "prod"}


@pytest.mark.parametrize("by", [by_variables, by_profile])
def test_token_request_and_calls_go_by_the_proxy_of_the_settings(
    by: Any, proxy: Proxy, sandbox: Counted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Whatever the environment says of other traffic.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "*")
    credentials = by(monkeypatch, proxy, tmp_path, sandbox)
    urls: dict[str, Any] = {"login_url": sandbox.login_url, "api_url": sandbox.api_url}
    with GenesysCloudSession(**credentials, **urls) as session:
        session.verify = sandbox.ca_file
        assert session.get("/api/v2/tokens/me").status_code == 200
        session.auth.revoke()

    hosts = [url.removeprefix("https://") for url in urls.values()]
    assert list(dict.fromkeys(proxy.targets)) == hosts
    assert all(one.values("Proxy-Authorization") for one in proxy.requests)


@pytest.mark.parametrize(
    ("protocol", "port", "url"),
    [
        ("", "", "http://proxy.example"),
        ("HTTP", " 80 ", "http://proxy.example:80"),
        ("https", "443", "https://proxy.example"),
        ("https", "3128", "https://proxy.example:3128"),
    ],
)
def test_the_url_of_a_proxy_has_the_port_that_is_not_the_usual_one_of_https(
    protocol: str, port: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PROTOCOL": protocol, "HOST": " proxy.example", "PORT": port}.items():
        monkeypatch.setenv(f"GENESYSCLOUD_PROXY_{name}", value)
    assert settings().proxy() == url


def test_a_proxy_of_the_session_counts_before_that_of_the_settings(
    proxy: Proxy, sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_PROXY_HOST", "nowhere.invalid")
    with sandbox.signed_in() as session:
        session.proxies = {"https": proxy.url}
        assert session.get("/api/v2/tokens/me").status_code == 200
        assert session.get("/api/v2/tokens/me", proxies={"https": proxy.url}).ok
    assert len(proxy.targets) == 2


def test_a_proxy_of_the_settings_is_for_own_hosts(
    proxy: Proxy, sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_PROXY_HOST", "127.0.0.1")
    monkeypatch.setenv("GENESYSCLOUD_PROXY_PORT", str(proxy.port))
    foreign = sandbox.api_url.replace("127.0.0.1", "localhost")
    with sandbox.signed_in() as session:
        assert session.get(f"{foreign}/sandbox/status/204").status_code == 204
    assert proxy.targets == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PROTOCOL", "gopher", "must be http or https or socks4 or socks4a or socks5 or socks5h."),
        ("PORT", "0", "must be a number from 1 to 65535."),
        (
            "HOST",
            f"http://jo:{SECRET}@proxy.example",
            "must be the name of a host, and nothing else.",
        ),
    ],
)
def test_a_piece_of_a_proxy_that_makes_no_sense_is_named_with_its_value_unsaid(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_PROXY_HOST", "proxy.example")
    monkeypatch.setenv(f"GENESYSCLOUD_PROXY_{name}", value)
    auth = GenesysCloudAuth(ID, SECRET, region="eu-west-1")
    assert complaint(auth.access_token) == f"GENESYSCLOUD_PROXY_{name} {said}"


# -- files ----------------------------------------------------------------------------------------


def test_a_gateway_of_a_gc_profile_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".gc" / "config.toml"
    path.parent.mkdir()
    path.write_text(
        f'[prod]\nclient_credentials = "{ID}"\nclient_secret = "{SECRET}"\n'
        'environment = "mypurecloud.ie"\ngateway_protocol = "https"\ngateway_host = "gw.example"\n'
        'gateway_port = "8443"\ngateway_pathparams = "{login: signin, api: /genesys/v1}"\n'
    )
    path.chmod(0o600)
    monkeypatch.setenv("GENESYSCLOUD_GATEWAY_HOST", "not-this-one.example")
    auth = GenesysCloudAuth(profile="prod")
    assert found(auth) == (ID, f"{GW}:8443/signin", f"{GW}:8443/genesys/v1")

    path.write_text(path.read_text().replace("gateway_host", "other_host"))
    monkeypatch.setenv("GENESYSCLOUD_GATEWAY_HOST", "gw.example")
    auth = GenesysCloudAuth(profile="prod")
    assert found(auth) == (ID, GW, GW), "the profile names no gateway"


def test_a_profile_with_a_redirect_uri_and_no_grant_type_is_told_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / ".gc" / "config.toml"
    path.parent.mkdir()
    path.write_text(
        f'[me]\nclient_credentials = "{ID}"\nclient_secret = "{SECRET}"\n'
        'redirect_uri = "http://localhost:8080"\n'
    )
    said = complaint(lambda: GenesysCloudAuth(profile="me").client_id)
    assert "has a redirect_uri and no grant_type, so a user signs in with it" in said
    path.write_text(f'{path.read_text()}grant_type = "1"\nenvironment = "eu-west-1"\n')
    path.chmod(0o600)
    assert found(GenesysCloudAuth(profile="me")) == (ID, *IRELAND)


def archy(home: Path, **keys: object) -> Path:
    path = home / ".archy_config"
    path.write_text(json.dumps({"clientId": ID, "clientSecret": SECRET, **keys}))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("by", ["~/.archy_config", "{path}", "GENESYSCLOUD_PROFILE"])
def test_the_file_of_archy_signs_in(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archy(tmp_path, location="mypurecloud.ie", homeFolder="/x")
    if by == "GENESYSCLOUD_PROFILE":
        monkeypatch.setenv(by, "~/.archy_config")
        assert found(GenesysCloudAuth()) == (ID, *IRELAND)
    else:
        assert found(GenesysCloudAuth(profile=by.format(path=path))) == (ID, *IRELAND)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "~/.archy_config is no file of Archy: that is a JSON object"),
        ("[]", "~/.archy_config is no file of Archy: that is a JSON object"),
        ("[" * 9999, "~/.archy_config is no file of Archy: that is a JSON object"),
        ("{}", "~/.archy_config has no clientId and no clientSecret"),
        (
            json.dumps({"clientId": [ID], "clientSecret": SECRET}),
            "clientId of ~/.archy_config must be text, not list.",
        ),
        (None, "~/.archy_config can not be read: No such file or directory. Archy writes that"),
    ],
    ids=["json", "list", "deep", "keys", "type", "missing"],
)
def test_a_file_of_archy_that_can_not_be_used_is_told_why(
    text: str | None, said: str, tmp_path: Path
) -> None:
    if text is not None:
        archy(tmp_path).write_text(text)
    assert complaint(lambda: GenesysCloudAuth(profile="~/.archy_config").client_id).startswith(said)


def test_a_secret_that_strayed_into_a_path_is_not_repeated() -> None:
    said = complaint(lambda: GenesysCloudAuth(profile=f"/{SECRET}").client_id)
    assert said.startswith("<file not shown> can not be read: ")


# -- what can be no value -------------------------------------------------------------------------

#: What stands in place of a secret, and what is said of it.
PLACEHOLDERS = [
    *(
        "<your-client-secret>",
        "${CLIENT_SECRET}",
        "$CLIENT_SECRET",
        "$(vault read x)",
        "{{ secret }}",
    ),
    *(
        "#{CLIENT_SECRET}",
        "op://vault/genesys/secret",
        "arn:aws:secretsmanager:eu-west-1:1:secret:x",
    ),
    "@Microsoft.KeyVault(SecretUri=https://x.vault.azure.net/secrets/y)",
    *("%CLIENT_SECRET%", "changeme", "Change-Me", "change_it", "please change me", "your-secret"),
    *("YOUR_CLIENT_SECRET", "yoursecrethere", "REPLACE_ME", "insert secret here", "xxxx", "XXX"),
    *("***", "...", "\u2026", "TODO", "to-do", "tbd", "None", "null", "undefined", "placeholder"),
    *("[redacted]", "REDACTED", "example"),
]
JSON = [
    json.dumps({"client_id": ID, "client_secret": SECRET}),
    json.dumps({"data": {"value": SECRET}}, indent=1),
    json.dumps([SECRET]),
]


@pytest.mark.parametrize("field", ["client_id", "client_secret"])
@pytest.mark.parametrize("value", PLACEHOLDERS)
def test_a_placeholder_is_refused_at_construction_with_its_value_unsaid(
    field: str, value: str
) -> None:
    pair: dict[str, Any] = {"client_id": ID, "client_secret": SECRET, field: value}
    assert complaint(lambda: GenesysCloudAuth(**pair)) == (
        f"{field} is a placeholder. Set the real value."
    )


@pytest.mark.parametrize(
    "value",
    [
        *(
            "<abc",
            "abc>",
            "${abc",
            "{{abc",
            "insert-abc",
            "%abc",
            "%a/c%",
            "$abc1",
            "$\u00e4bc",
            "abc$",
        ),
        *('{a"bc', 'a"bc}', "{abc}", "xx", "..", "xxxy"),
    ],
)
def test_what_is_only_like_a_placeholder_or_a_document_is_taken(value: str) -> None:
    assert GenesysCloudAuth(ID, value, region="eu-west-1").client_id == ID


def test_a_word_may_be_both_id_and_secret() -> None:
    assert GenesysCloudAuth("dummy", "dummy", region="eu-west-1").client_id == "dummy"


@pytest.mark.parametrize("value", JSON)
def test_the_whole_document_of_a_vault_is_refused_with_its_value_unsaid(value: str) -> None:
    assert complaint(lambda: GenesysCloudAuth(ID, value)) == (
        "client_secret is a whole JSON document, as vaults return. Pass the one value in it, as in"
        ' json.loads(text)["client_secret"].'
    )


@pytest.mark.parametrize(
    "value", [f"Bearer {SECRET}", f"bearer {SECRET}", f"Basic {SECRET}"], ids=["B", "b", "Basic"]
)
def test_the_value_of_a_header_in_place_of_the_secret_is_refused(value: str) -> None:
    said = complaint(lambda: GenesysCloudAuth(ID, value))
    assert said.startswith("client_secret is the value of an Authorization header. Set the id and")


BOTH_IN_ONE = f"{ID}:{SECRET}"


@pytest.mark.parametrize(
    "value",
    [ID, BOTH_IN_ONE, base64.b64encode(BOTH_IN_ONE.encode()).decode()],
    ids=["id", "both", "64"],
)
def test_a_secret_that_holds_the_id_is_refused(value: str) -> None:
    said = complaint(lambda: GenesysCloudAuth(ID, value))
    assert said.startswith(
        "client_secret holds the client id as well: the text that HTTP Basic sends"
    )


@pytest.mark.parametrize("value", ["test-client-secret", "dGVzdC1jbGllbnQtc2VjcmV0"])
def test_a_secret_may_begin_as_the_id_does(value: str) -> None:
    """In the tests of people, whose secrets are made up."""
    assert GenesysCloudAuth("test-client", value, region="eu-west-1").client_id == "test-client"


@pytest.mark.parametrize(
    "value", ["\u201c{}\u201d", "\u2018{}\u2019", "\u201e{}\u201c", "\u00ab{}\u00bb"]
)
def test_the_quotes_of_an_editor_are_quotes(value: str) -> None:
    said = complaint(lambda: GenesysCloudAuth(ID, value.format(SECRET)))
    assert said.startswith("client_secret begins or ends with a quote")


@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_an_empty_value_is_told_how_that_comes_about(value: str) -> None:
    said = complaint(lambda: GenesysCloudAuth(ID, value))
    assert said.startswith("client_secret is empty. Perhaps the variable or the file is empty")


class SecretStr:
    """As pydantic's."""

    get_secret_value = str


class KeyVaultSecret:
    """As that of azure-keyvault-secrets."""

    value = property(str)


class Region(Enum):
    """As PureCloudRegionHosts of Genesys' Python SDK."""

    eu_west_1 = "https://api.mypurecloud.ie"


WRAPPED: list[tuple[Any, str]] = [
    (SecretStr(), "SecretStr: pass what its get_secret_value() returns."),
    (KeyVaultSecret(), "KeyVaultSecret: pass its .value."),
    (Region.eu_west_1, "Region: pass its .value."),
    (SECRET.encode(), "bytes: pass what its decode() returns."),
    (PurePosixPath("secret"), "PurePosixPath: pass what its read_text().strip() returns."),
    ({"SecretString": SECRET}, "dict: pass the one value in it."),
    (SimpleNamespace(), "SimpleNamespace."),
    (42, "int."),
]


@pytest.mark.parametrize("field", ["client_id", "client_secret", "region", "login_url"])
@pytest.mark.parametrize(("value", "said"), WRAPPED, ids=lambda value: type(value).__name__)
def test_a_value_in_a_wrapper_is_told_what_to_call(field: str, value: Any, said: str) -> None:
    arguments: dict[str, Any] = {"client_id": ID, "client_secret": SECRET, field: value}
    assert complaint(lambda: GenesysCloudAuth(**arguments)) == f"{field} must be text, not {said}"


@pytest.mark.parametrize("field", ["login_url", "api_url"])
@pytest.mark.parametrize("url", ["http://gw.example", " HTTP://gw.example/"])
def test_plain_http_is_refused_with_what_the_url_must_begin_with(field: str, url: str) -> None:
    argument: dict[str, Any] = {field: url}
    said = complaint(lambda: GenesysCloudAuth(ID, SECRET, **argument))
    assert said.startswith(f"{field} must begin with https://, since plain http would show")


@pytest.mark.parametrize(
    ("url", "likely"),
    [
        ("https://login.use1.pure.cloud", "mypurecloud.com"),
        ("https://mypurecloud.eu/signin", "mypurecloud.de or mypurecloud.ie"),
        ("https://login.mypurecloud.co.uk", "euw2.pure.cloud"),
    ],
)
def test_a_url_of_a_domain_that_is_nobodys_region_is_refused_with_the_likely_one(
    url: str, likely: str
) -> None:
    """The secret would go to whoever registers it."""
    said = complaint(lambda: GenesysCloudAuth(ID, SECRET, region="eu-west-1", login_url=url))
    assert said.startswith(f"login_url: Did you mean {likely}?")


def test_a_region_without_credentials_is_read_again_until_somebody_signs_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """load_dotenv() may come in between."""
    monkeypatch.setenv("GENESYSCLOUD_REGION", "eu-west-1")
    auth = GenesysCloudAuth()
    assert auth.region == "mypurecloud.ie"
    for name, value in {**OURS, "GENESYSCLOUD_REGION": "eu-west-2"}.items():
        monkeypatch.setenv(name, value)
    assert auth.region == "euw2.pure.cloud"
