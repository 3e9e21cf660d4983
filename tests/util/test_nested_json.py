"""JSON of others that is nested too deep is refused before a parser sees it, wherever it comes from."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from conftest import SECRET, FakeTime

from gc_requests_auth import ConfigurationError, GenesysCloudAuth
from gc_requests_auth.commands.check.api import idle_timeout
from gc_requests_auth.commands.check.report import Trouble
from gc_requests_auth.settings.client import Identity
from gc_requests_auth.settings.hosts import Hosts
from gc_requests_auth.stores.base import StoreError
from gc_requests_auth.stores.shared import SignedValue
from gc_requests_auth.tokens.response import FailedAttempt, TokenResponse
from gc_requests_auth.util.bodies import DEEPEST, TooDeepError, parse_json
from gc_requests_auth.util.http import error_code
from gc_requests_auth.util.secret import SecretBox

IDENTITY = Identity(SecretBox("client-12345678"), SecretBox(SECRET))

#: Deeper than any parser goes, and what merely looks so.
TOO_DEEP = {
    "lists": "[" * 30_000,
    "objects": '{"a":' * 9_000,
    "behind text": '["]", ' + "[" * 9_000,
}


def answered(text: str) -> requests.Response:
    response = requests.Response()
    response._content = text.encode()
    return response


def of_the_login_service(text: str) -> None:
    answer = TokenResponse(
        "https://login.mypurecloud.ie", IDENTITY, 200, {}, text.encode(), now=0.0
    )
    assert isinstance(answer.failure(), FailedAttempt)


def of_an_error_of_the_api(text: str) -> None:
    assert error_code(answered(text), []) == "unknown"


def of_the_api_asked_by_check(text: str) -> None:
    network: Any = SimpleNamespace(send=lambda *_: answered(text))
    token: Any = None
    with pytest.raises(Trouble, match="no JSON object"):
        idle_timeout(network, Hosts("mypurecloud.ie", None, None), token)


def of_a_store(text: str) -> None:
    with pytest.raises(StoreError):
        SignedValue(IDENTITY, "https://login.mypurecloud.ie").check(text[:16_000], FakeTime().clock)


@pytest.mark.parametrize("text", TOO_DEEP.values(), ids=TOO_DEEP)
@pytest.mark.parametrize(
    "read",
    [of_the_login_service, of_an_error_of_the_api, of_the_api_asked_by_check, of_a_store],
    ids=lambda read: read.__name__,
)
def test_no_parser_sees_json_that_is_nested_too_deep(
    read: Callable[[str], None], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json, "loads", parsed)

    read(text)


@pytest.mark.parametrize("text", ["a = " + "[" * 9_000, "[" + "a." * 9_000 + "a]\nb = 1"])
def test_a_profile_file_that_is_nested_too_deep_is_no_toml(text: str) -> None:
    file = Path.home() / ".gc" / "config.toml"
    file.parent.mkdir()
    file.write_text(text)
    file.chmod(0o600)

    with pytest.raises(ConfigurationError, match="is not valid TOML"):
        GenesysCloudAuth(profile="a").access_token()


def test_no_parser_sees_a_profile_file_whose_lists_are_nested_too_deep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tomllib, "loads", parsed)
    test_a_profile_file_that_is_nested_too_deep_is_no_toml("a = " + "[" * 9_000)


def parsed(*_: Any) -> Any:  # pragma: no cover
    raise AssertionError("it is parsed")


@pytest.mark.parametrize(
    "value",
    [
        "[" * 500,
        '"{' * 500,
        "\\[" * 500,
        [{}] * 500,
        {"a": "[[", "b": ["]"] * 99},
        json.loads("[" * DEEPEST + "]" * DEEPEST),
        json.loads("[[]," + "[" * (DEEPEST - 1) + "]" * DEEPEST),
    ],
    ids=["text", "quotes", "backslashes", "wide", "mixed", "just so deep", "with another beside"],
)
def test_what_is_not_nested_too_deep_is_parsed(value: Any) -> None:
    text = json.dumps(value)

    assert parse_json(text) == value
    assert parse_json(text.encode("utf-16")) == value


def test_one_list_more_than_that_is_too_deep() -> None:
    with pytest.raises(TooDeepError):
        parse_json("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))
