"""The log says why a call is refused, and what to do; the answer itself stays as it is."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
import requests
import responses
from requests.adapters import HTTPAdapter

from gc_requests_auth import GenesysCloudAuth

API = "https://api.mypurecloud.ie/api/v2/users/me"
NO_USER = (
    "This request requires a user context. Client credentials cannot be used for requests to this"
    " resource."
)


@pytest.fixture
def auth() -> GenesysCloudAuth:
    return GenesysCloudAuth("client-12345678", "not-a-secret-of-anybody", region="eu-west-1")


def answer(auth: GenesysCloudAuth, status: int, body: Any, **options: Any) -> requests.Response:
    with responses.RequestsMock() as double:
        double.post(
            "https://login.mypurecloud.ie/oauth/token",
            json={"access_token": "a-token-that-nobody-sees", "expires_in": 3600},
        )
        double.get(API, status=status, json=body, headers={"ININ-Correlation-Id": "abc-123"})
        return requests.get(API, auth=auth, timeout=30, **options)


def told(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "gc_requests_auth" and record.levelno == level
    ]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, {"code": "bad.request", "message": NO_USER}, "user"),
        (
            403,
            {
                "code": "missing.any.permissions",
                "message": "Unable to perform the requested action. You must have at least one of"
                " the following permissions assigned: [routing:queue:view]",
            },
            "routing:queue:view",
        ),
    ],
)
def test_the_cause_of_a_400_or_403_is_told_at_debug(
    auth: GenesysCloudAuth,
    caplog: pytest.LogCaptureFixture,
    status: int,
    body: dict[str, str],
    words: str,
) -> None:
    caplog.set_level(logging.DEBUG, "gc_requests_auth")
    assert answer(auth, status, body).json() == body

    (line,) = told(caplog, logging.DEBUG)
    assert {str(status), body["code"], "abc-123", words} <= set(re.findall(r"[\w.:-]*\w", line))


@pytest.mark.parametrize(
    ("status", "body", "options"),
    [
        (400, {"code": "bad.request", "message": NO_USER}, {"stream": True}),
        (400, {"code": "never.seen.before"}, {}),
        (400, ["no", "object"], {}),
        (403, {"message": 7}, {}),
        (404, {"code": "not.found"}, {}),
    ],
    ids=["streamed", "unknown code", "no object", "no text", "another status"],
)
def test_nothing_is_told_of_what_is_streamed_or_unknown(
    auth: GenesysCloudAuth,
    caplog: pytest.LogCaptureFixture,
    status: int,
    body: Any,
    options: dict[str, Any],
) -> None:
    caplog.set_level(logging.DEBUG, "gc_requests_auth")
    answer(auth, status, body, **options)

    assert told(caplog, logging.DEBUG) == []


def test_without_debug_no_body_is_read_for_the_log(
    auth: GenesysCloudAuth, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gc_requests_auth")
    answer(auth, 403, {"code": "missing.any.permissions", "message": "[a:b:c]"})

    assert told(caplog, logging.DEBUG) == []


def test_a_known_code_of_a_second_401_is_told_with_its_cause(
    auth: GenesysCloudAuth, caplog: pytest.LogCaptureFixture
) -> None:
    answer(auth, 401, {"code": "ip.not.authorized", "message": "no"})

    (line,) = told(caplog, logging.WARNING)
    assert "code ip.not.authorized" in line
    assert "address" in line
    assert "another region" not in line, "a cause of another code"
    assert HTTPAdapter.send.__module__ == "requests.adapters", "the double is gone"


@pytest.mark.parametrize("code", ["bad.credentials", "never.seen.before"])
def test_a_second_401_whose_code_tells_nothing_is_told_with_the_causes_of_a_refused_new_token(
    auth: GenesysCloudAuth, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    answer(auth, 401, {"code": code, "message": "no"})

    (line,) = told(caplog, logging.WARNING)
    assert f"code {code}" in line
    assert "another region" in line
