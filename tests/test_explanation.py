"""explain: what raise_for_status() does not say."""

from __future__ import annotations

import base64
import json
import logging
import socket
import ssl
from collections.abc import Iterator
from http.client import BadStatusLine, RemoteDisconnected
from typing import Any

import pytest
import requests
import requests_mock
import urllib3
import wire
from conftest import SECRET, TOKEN, Counted
from urllib3.exceptions import DecodeError, LocationParseError, MaxRetryError, ProtocolError

from gc_requests_auth import ConfigurationError, GenesysCloudAuth, explain
from gc_requests_auth.causes.examination import Examination
from gc_requests_auth.causes.exception import of_certificate, of_exception
from gc_requests_auth.causes.network import OTHER_HOST, OUT_OF_DATE, PROXY_URL
from gc_requests_auth.settings.hosts import Hosts

API = "https://api.mypurecloud.ie/api/v2"
LOGIN = "https://login.mypurecloud.ie/oauth/token"
GATEWAY = "https://gw.example/oauth/token"
POOL = urllib3.HTTPSConnectionPool("login.nowhere.invalid")
REFERENCE = {"ININ-Correlation-Id": "5a6d-c0de"}


@pytest.fixture
def double() -> Iterator[requests_mock.Mocker]:
    with requests_mock.Mocker() as mocker:
        yield mocker


def answer(
    double: requests_mock.Mocker,
    status: int,
    said: object = None,
    *,
    url: str = f"{API}/users",
    method: str = "GET",
    text: str | None = None,
    reply: dict[str, str] | None = None,
    **sent: Any,
) -> str:
    """What is explained of an answer to one request."""
    body = json.dumps(said) if text is None else text
    double.register_uri(method, url, text=body, status_code=status, headers=reply or {})
    return explain(requests.request(method, url, **sent))


def fault(code: str, message: str = "no", **more: object) -> dict[str, object]:
    return {"code": code, "message": message, "status": 400, **more}


# -- what it shows --------------------------------------------------------------------------------


def test_explain_shows_code_message_and_correlation_id_and_nothing_else(
    double: requests_mock.Mocker,
) -> None:
    said = fault("not.found", "Not here.", entityName="Mr. Smith", details=["a phone number"])
    text = answer(double, 404, said, reply=REFERENCE)

    assert text.startswith(
        'api.mypurecloud.ie answered 404 (not.found) to GET /api/v2/users: "Not here." The API has'
        " nothing to show at this path."
    )
    assert text.endswith("Correlation id: 5a6d-c0de.")
    assert "Smith" not in text
    assert "phone" not in text


def test_the_query_of_the_url_is_not_shown(double: requests_mock.Mocker) -> None:
    assert "4915" not in answer(double, 404, fault("not.found"), url=f"{API}/users?phone=4915")


@pytest.mark.parametrize(
    "sent",
    [
        {"headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"headers": {"Authorization": f"Bearer {TOKEN}".encode()}},
        {"auth": ("client", TOKEN)},
        {"data": {"client_id": "client", "client_secret": TOKEN}},
    ],
    ids=["bearer", "bytes", "basic", "form"],
)
def test_what_a_server_echoes_of_the_credentials_is_not_shown(
    sent: dict[str, Any], double: requests_mock.Mocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = fault(f"bad:{TOKEN}", f"Authorization: {TOKEN[:-1]} is odd", contextId=TOKEN)
    monkeypatch.setattr(logging.getLogger("requests_mock"), "disabled", True)
    monkeypatch.setattr(logging.getLogger("requests_mock.adapter"), "disabled", True)
    text = answer(double, 400, said, url=f"{API}/{TOKEN}", method="POST", **sent)

    assert TOKEN[:-1].lower() not in text.lower()
    assert TOKEN[8:] not in text


def test_an_echo_in_base64_is_not_shown(double: requests_mock.Mocker) -> None:
    basic = base64.b64encode(f"client:{SECRET}".encode()).decode()
    text = answer(double, 400, fault("x", f"odd: {basic}"), auth=("client", SECRET))

    assert basic[4:-4] not in text


def test_a_long_message_is_cut_and_an_odd_one_is_plain_ascii(double: requests_mock.Mocker) -> None:
    text = answer(double, 418, fault("teapot", "\x1b[31m\u65e5\n" + "x" * 5000))

    assert text.isascii()
    assert "\n" not in text
    assert "\x1b" not in text
    assert len(text) < 800


def test_a_message_and_a_code_that_are_no_text_are_left_out(double: requests_mock.Mocker) -> None:
    text = answer(double, 418, {"code": 7, "message": ["no"], "contextId": None})

    assert text.startswith("api.mypurecloud.ie answered 418 to GET /api/v2/users. The cause is")


# -- what nobody knows ----------------------------------------------------------------------------


def test_an_unknown_answer_is_called_unknown_and_has_its_correlation_id(
    double: requests_mock.Mocker,
) -> None:
    text = answer(double, 418, fault("teapot"), reply=REFERENCE)

    assert "The cause is unknown. Take the correlation id to Genesys Cloud Care" in text
    assert "5a6d-c0de" in text


def test_the_newer_name_of_the_correlation_id_counts_first(double: requests_mock.Mocker) -> None:
    reply = {**REFERENCE, "Genesys-Correlation-Id": "the-newer-one"}

    assert answer(double, 418, fault("t"), reply=reply).endswith("id: the-newer-one.")


def test_the_correlation_id_of_the_body_serves_as_well(double: requests_mock.Mocker) -> None:
    assert answer(double, 418, fault("t", contextId="in-the-body")).endswith("id: in-the-body.")


def test_an_answer_without_a_correlation_id_is_a_question_for_those_who_run_the_network(
    double: requests_mock.Mocker,
) -> None:
    assert "this answer has none. Ask the people who run the host" in answer(
        double, 418, fault("teapot")
    )


def test_an_answer_to_head_has_no_code(double: requests_mock.Mocker) -> None:
    text = answer(double, 403, method="HEAD", text="", reply=REFERENCE)

    assert "Send the same request with GET to learn the code." in text


def test_an_answer_below_400_is_told_as_no_refusal(double: requests_mock.Mocker) -> None:
    assert answer(double, 200, {}).endswith("That is no refusal.")


def test_several_causes_are_numbered_as_possible_causes(double: requests_mock.Mocker) -> None:
    text = answer(double, 401, fault("bad.credentials"))

    assert "Possible causes, the likeliest first: (1) " in text
    assert " (3) " in text


# -- what else tells a cause ----------------------------------------------------------------------


def test_many_permissions_are_counted(double: requests_mock.Mocker) -> None:
    message = ", ".join(f"{chr(97 + n) * 3}:queue:view" for n in range(14))
    text = answer(double, 403, fault("missing.permissions", f"missing: {message}"))

    assert "jjj:queue:view, or 4 more" in text


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("/routing/queues", "/api/v2/routing/queues"),
        ("/v2/users", "/api/v2/users"),
        ("/api/users", "/api/v2/users"),
        ("/", "/api/v2/"),
    ],
)
def test_a_path_without_its_beginning_is_completed(
    path: str, instead: str, double: requests_mock.Mocker
) -> None:
    text = answer(double, 404, fault("not found"), url=f"https://api.mypurecloud.ie{path}")

    assert f"Call {instead}." in text


@pytest.mark.parametrize("host", ["apps.mypurecloud.ie", "gateway.example.com"])
def test_a_path_at_another_host_than_the_api_is_not_completed(
    host: str, double: requests_mock.Mocker
) -> None:
    reply = REFERENCE if host.startswith("apps.") else {}
    url = f"https://{host}/uploads/v2/x"
    text = answer(double, 404, fault("not.found"), url=url, reply=reply)

    assert "/api/v2 at its beginning" not in text


def test_a_path_without_its_beginning_is_no_cause_of_a_401(double: requests_mock.Mocker) -> None:
    url = "https://api.mypurecloud.ie/users"
    text = answer(double, 401, fault("bad.credentials"), url=url)

    assert "The API does not accept the token." in text


def test_a_host_that_begins_with_login_may_be_no_login_service(
    double: requests_mock.Mocker,
) -> None:
    text = answer(double, 404, fault("not.found"), url="https://login.example.com/api/v2/x")

    assert "is a login service" not in text


@pytest.mark.parametrize(
    ("status", "sent", "is_told"),
    [(403, {"Authorization": "x"}, True), (403, {}, False), (404, {"Authorization": "x"}, False)],
)
def test_a_refused_link_is_told_of_its_second_authorization(
    status: int, sent: dict[str, str], is_told: bool, double: requests_mock.Mocker
) -> None:
    url = "https://bucket.example.com/recording.wav?X-Amz-Signature=abc"
    text = answer(double, status, url=url, headers=sent)

    assert ("A pre-signed link takes no Authorization header." in text) is is_told


@pytest.mark.parametrize(
    ("status", "code"), [(409, "general.conflict"), (400, "response.entity.too.large")]
)
def test_a_body_that_is_no_json_is_not_blamed_for_another_refusal(
    status: int, code: str, double: requests_mock.Mocker
) -> None:
    text = answer(double, status, fault(code), method="POST", data="no JSON")

    assert "The body of the request is not JSON." not in text


def test_a_path_of_a_user_that_the_table_does_not_have_gets_a_general_answer(
    double: requests_mock.Mocker,
) -> None:
    message = "This request requires a user context."
    text = answer(double, 400, fault("bad.request", message), url=f"{API}/presence/me")

    assert "Call a path that names the user by an id" in text


@pytest.mark.parametrize(
    ("sent", "is_told"),
    [
        ({"data": "{'a': 1}"}, True),
        ({"data": {"a": 1}}, True),
        ({"data": b"\xff"}, True),
        ({"data": "[" * 100_000}, True),
        ({"json": {"a": 1}}, False),
        ({"data": "a,b", "headers": {"Content-Type": "text/csv"}}, False),
        ({"data": iter([b"{"])}, False),
        ({}, False),
    ],
)
@pytest.mark.parametrize("code", ["bad.request", "new.code"])
def test_a_body_that_is_no_json_is_told(
    sent: dict[str, Any], is_told: bool, code: str, double: requests_mock.Mocker
) -> None:
    text = answer(double, 400, fault(code), method="POST", **sent)

    assert ("The body of the request is not JSON." in text) is is_told


def test_the_size_of_a_body_that_is_too_large_is_told(double: requests_mock.Mocker) -> None:
    text = answer(
        double, 413, fault("request.entity.too.large"), method="POST", data=b"x" * 600_000
    )

    assert "600,000 bytes; the limit is 512,000 bytes" in text
    streamed = answer(double, 413, fault("x"), method="POST", data=iter([b"x"]))
    assert "its size is not known; the limit is 512,000" in streamed


def test_a_refused_size_below_the_known_limit_is_not_told_as_above_it(
    double: requests_mock.Mocker,
) -> None:
    for body in ("x" * 1000, b"x" * 512_000):
        text = answer(double, 413, fault("x"), method="POST", data=body, reply=REFERENCE)
        assert "The cause is unknown." in text
    text = answer(double, 413, fault("x"), method="POST", data="\u00e9" * 300_000)

    assert "600,000 bytes; the limit is 512,000 bytes" in text


@pytest.mark.parametrize("status", [405, 408, 409, 413, 415, 429, 500, 501])
def test_a_page_without_a_correlation_id_is_not_told_as_an_answer_of_the_api(
    status: int, double: requests_mock.Mocker
) -> None:
    text = answer(double, status, text="<html>Access denied</html>")

    assert "What answers is not the API: the answer is an HTML or XML page." in text


@pytest.mark.parametrize("status", [405, 409, 413, 415, 429, 500, 501])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("upstream failed", "What answers is not the API: the answer is no JSON object."),
        ('{"message": "No"}', "Every answer of Genesys Cloud has a correlation id, and this"),
    ],
)
def test_a_status_alone_does_not_tell_what_the_api_means_by_it(
    status: int, text: str, told: str, double: requests_mock.Mocker
) -> None:
    """A gateway may have answered: its limits and its faults are not those of Genesys Cloud."""
    of_anybody = answer(double, status, text=text)
    of_the_api = answer(double, status, text=text, reply=REFERENCE)

    assert told in of_anybody
    assert told not in of_the_api
    assert "The fault is within Genesys Cloud" not in of_anybody


def test_a_page_of_a_proxy_that_wants_a_password_is_told_as_one(
    double: requests_mock.Mocker,
) -> None:
    assert "The proxy URL holds no user name" in answer(double, 407, text="<html>Who are you?")


def test_a_secret_that_is_a_word_of_the_code_does_not_hide_the_code(
    double: requests_mock.Mocker,
) -> None:
    assert "(not.found)" in answer(double, 404, fault("not.found"), auth=("id", "not.found"))
    said, pair = {"error": "invalid_client"}, ("id", "invalid_client")
    assert "(invalid_client)" in answer(double, 400, said, url=LOGIN, method="POST", auth=pair)


def test_a_page_with_a_correlation_id_is_an_answer_of_the_api(double: requests_mock.Mocker) -> None:
    text = answer(double, 405, text="<html></html>", reply=REFERENCE)

    assert "This path exists, but does not take this method." in text


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
@pytest.mark.parametrize("text", ["", "no", "<html></html>"])
def test_an_answer_with_a_correlation_id_is_not_told_as_of_somebody_else(
    text: str, status: int, double: requests_mock.Mocker
) -> None:
    said = answer(double, status, text=text, reply=REFERENCE)

    assert "not the API" not in said
    assert "The cause is unknown. Take the correlation id to Genesys Cloud Care" in said


@pytest.mark.parametrize("status", [200, 403, 404, 500, 503])
def test_an_answer_to_a_pre_signed_link_is_not_measured_by_the_api(
    status: int, double: requests_mock.Mocker
) -> None:
    """S3 answers in XML, and 403 where the link has expired."""
    url = "https://bucket.s3.amazonaws.com/x?X-Amz-Signature=1"
    said = answer(double, status, text="<Error><Code>AccessDenied</Code>", url=url)

    assert "API" not in said
    assert "HTTPS_PROXY" not in said


@pytest.mark.parametrize(
    "limit",
    [
        *(None, "all", {}, {"key": 7}, {"key": "a b c \x1b"}, {"key": "x", "value": "many"}),
        *({"key": "x", "value": 10**4000}, {"key": "x", "value": -1}),
    ],
)
def test_a_limit_of_another_form_is_not_named(limit: object, double: requests_mock.Mocker) -> None:
    text = answer(double, 429, fault("too.many.requests", limit=limit))

    assert "limit" in text
    assert " requests. The org" not in text
    assert "a b c" not in text
    assert "Wait the seconds that Retry-After names" in text


@pytest.mark.parametrize(
    "key", ["client.credentials.token.rate.per.minute", "token.rate.per.minute"]
)
def test_a_limit_of_each_token_is_not_told_as_one_of_all_tokens(
    key: str, double: requests_mock.Mocker
) -> None:
    text = answer(double, 429, fault("too.many.requests", limit={"key": key, "value": 300}))

    assert f"The token has used up its requests of this minute ({key}, 300 requests)." in text
    assert "More tokens do not help" not in text


def test_a_refused_token_request_by_hand_names_the_login_host_that_was_asked(
    double: requests_mock.Mocker,
) -> None:
    said = {"error": "invalid_client", "error_description": "authentication failed"}
    text = answer(double, 400, said, url=LOGIN, method="POST", auth=("client", SECRET))

    assert text.startswith(
        "login.mypurecloud.ie answered 400 (invalid_client) to POST /oauth/token"
    )
    assert "a client exists in one region only, and login.mypurecloud.ie was asked" in text


@pytest.mark.parametrize(
    ("url", "status", "said", "told"),
    [
        (LOGIN, 200, {"access_token": TOKEN}, "That is no refusal."),
        (LOGIN, 200, {}, "What answers is not the login service"),
        (LOGIN, 404, None, "What answers is not the login service"),
        (GATEWAY, 404, None, "gw.example has nothing at /oauth/token."),
        (GATEWAY, 400, {"code": "bad.request"}, "is no login service"),
        (LOGIN, 401, {"code": "ip.not.authorized"}, "an error that this library does not know"),
        (LOGIN, 400, {"contextId": "5a6d-c0de"}, "an error that this library does not know"),
        (LOGIN, 407, None, "The proxy URL holds no user name and password"),
        (GATEWAY, 404, None, "Or pass the URL of your login service as login_url;"),
        (LOGIN, 403, None, "forbids the token request"),
        (LOGIN.replace("login", "api"), 404, None, "login_url='https://login.mypurecloud.ie'"),
        (
            GATEWAY,
            400,
            {"error": "invalid_client"},
            "another login service",
        ),
    ],
)
def test_an_answer_to_a_token_request_by_hand_is_explained(
    url: str, status: int, said: object, told: str, double: requests_mock.Mocker
) -> None:
    text = answer(double, status, said, url=url, method="POST")

    assert told in text
    assert TOKEN not in text


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        (200, {"access_token": TOKEN}, "That is no refusal."),
        (400, {"error": "invalid_client"}, "the client id is wrong"),
        (503, None, "is down"),
    ],
)
def test_a_gateway_that_is_called_api_may_serve_the_login_as_well(
    status: int, said: object, told: str, double: requests_mock.Mocker
) -> None:
    url = "https://api.example.com/login/oauth/token"
    text = answer(double, status, said, url=url, method="POST")

    assert told in text
    assert "is no login service" not in text


@pytest.mark.parametrize(
    ("called", "api_url", "is_told"),
    [
        ("https://gw.example/api/v2/users", "https://api.gw.example", True),
        ("https://gw.example/api/v2/users", "https://gw.example/genesys", True),
        ("https://gw.example/genesys/api/v2/users", "https://gw.example/genesys", False),
    ],
)
def test_a_gateway_for_login_and_api_is_told_as_a_login_host_at_other_paths_only(
    called: str, api_url: str, is_told: bool, double: requests_mock.Mocker
) -> None:
    hosts = Hosts(None, "https://gw.example/login", api_url)
    double.get(called, status_code=404)
    text = str(Examination(requests.get(called), hosts))

    assert ("gw.example is a login service" in text) is is_told
    assert (f"Call {api_url}/api/v2/users." in text) is is_told


@pytest.mark.parametrize(
    ("where", "login_host"),
    [
        ({"region": "eu-west-1"}, "login.mypurecloud.ie"),
        ({"login_url": "https://gw.example", "api_url": API.partition("/api/")[0]}, "gw.example"),
    ],
)
def test_the_login_host_is_known_from_the_auth_that_signed_the_call(
    where: dict[str, str], login_host: str, double: requests_mock.Mocker
) -> None:
    double.post(f"https://{login_host}/oauth/token", json={"access_token": TOKEN})
    auth = GenesysCloudAuth("id", SECRET, **where)  # type: ignore[arg-type]
    text = answer(double, 401, fault("bad.credentials"), auth=auth)

    assert f"another organisation than {login_host}." in text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "nothing"),
        ("no", "no JSON object"),
        ("[1]", "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        (" " * 70_000, "nothing"),
        (" <p>", "an HTML or XML page"),
    ],
    ids=["empty", "text", "list", "nested", "spaces", "page"],
)
def test_a_body_that_is_no_object_is_not_the_api(
    text: str, kind: str, double: requests_mock.Mocker
) -> None:
    said = f"What answers is not the API: the answer is {kind}."

    assert said in answer(double, 403, text=text)


# -- what it is given -----------------------------------------------------------------------------


def test_an_http_error_is_explained_by_its_response(double: requests_mock.Mocker) -> None:
    double.get(f"{API}/users", status_code=403, json=fault("missing.permissions"))
    with pytest.raises(requests.HTTPError) as caught:
        requests.get(f"{API}/users").raise_for_status()

    assert "The client lacks a permission" in explain(caught.value)


def test_an_error_of_this_library_is_told_in_its_own_words() -> None:
    error = ConfigurationError("client_secret is empty. Set it.")

    assert explain(error) == "client_secret is empty. Set it."


def test_a_response_that_was_made_by_hand_is_explained() -> None:
    response = requests.Response()
    response.status_code = 503

    assert explain(response).startswith("the host answered 503 to GET /. The API, or a gateway")


def test_a_body_that_can_no_longer_be_read_is_no_error(sandbox: Counted) -> None:
    with sandbox.session() as session:
        response = session.get(f"{sandbox.api_url}/sandbox/status/418", stream=True, timeout=30)
        list(response.iter_content(4096))

        assert "answered 418" in explain(response)
        assert "not the API" not in explain(response)


@pytest.mark.parametrize("status", [200, 403])
def test_a_streamed_body_of_any_length_stays_the_callers_to_read(
    status: int, double: requests_mock.Mocker
) -> None:
    double.get(f"{API}/users", status_code=status, text="x" * 100_000)
    response = requests.get(f"{API}/users", stream=True)
    said = explain(response)

    assert response.raw.read() == b"x" * 100_000
    assert "not the API" not in said


@pytest.mark.parametrize("reply", [REFERENCE, {"Content-Length": "54"}])
def test_a_streamed_refusal_that_is_short_is_explained(
    reply: dict[str, str], double: requests_mock.Mocker
) -> None:
    double.get(f"{API}/users", status_code=404, json=fault("not.found"), headers=reply)

    assert "(not.found)" in explain(requests.get(f"{API}/users", stream=True))


def test_a_response_of_a_double_without_status_and_with_an_odd_url_is_explained() -> None:
    response = requests.Response()
    response.url = "https://[half"

    assert explain(response) == "the host answered 0 to GET /. That is no refusal."


@pytest.mark.parametrize(("method", "shown"), [(b"GET", "b'GET'"), (5, "5")])
def test_a_response_of_a_double_whose_method_is_no_text_is_explained(
    method: Any, shown: str
) -> None:
    response = requests.Response()
    response.status_code = 404
    response._content = b"{}"
    response.request = requests.Request("GET", f"{API}/users").prepare()
    response.request.method = method

    assert f"answered 404 to {shown} /api/v2/users." in explain(response)


def test_explain_does_not_change_the_response(double: requests_mock.Mocker) -> None:
    double.get(f"{API}/users", status_code=403, json=fault("missing.permissions"))
    response = requests.get(f"{API}/users")
    explain(response)

    assert response.json() == fault("missing.permissions")
    assert response.history == []


def test_a_connection_that_fails_is_explained(sandbox: Counted) -> None:
    url = f"https://127.0.0.1:{wire.closed_port()}/api/v2/users"
    with sandbox.session() as session, pytest.raises(requests.ConnectionError) as caught:
        session.get(url, timeout=30)
    text = explain(caught.value)

    assert text.startswith("127.0.0.1 refuses the connection. Possible causes")
    assert "an exception for 127.0.0.1." in text


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support."), "SOCKS"),
        (
            requests.exceptions.InvalidSchema("No connection adapters"),
            "The cause is unknown here; read the text",
        ),
        (requests.exceptions.ProxyError("no"), "through the proxy, which does not answer"),
        (requests.exceptions.ReadTimeout("slow"), "the host did not answer in time"),
        (requests.exceptions.ConnectTimeout(TimeoutError()), "not take the connection in time"),
        (
            requests.exceptions.ConnectionError("of a test double"),
            "The cause is unknown here; read the text",
        ),
        (requests.exceptions.InvalidURL("no"), "The cause is unknown here; read the text"),
        (requests.exceptions.TooManyRedirects("no"), "The cause is unknown here; read the text"),
        (requests.ConnectionError(ProtocolError("reset")), "closed the connection before"),
        (requests.exceptions.ChunkedEncodingError(ProtocolError("no")), "closed the connection"),
        (
            requests.ConnectionError(ProtocolError("x", BadStatusLine("220 mail"))),
            "in HTTP. Possible",
        ),
        (requests.ConnectionError(ProtocolError("x", RemoteDisconnected("x"))), "closed the"),
        (requests.ConnectionError(ProtocolError("x", BadStatusLine("HTTP/1.1 2"))), "closed the"),
        (
            requests.exceptions.ContentDecodingError(DecodeError("no")),
            "a broken Content-Encoding",
        ),
        (
            requests.exceptions.RetryError(MaxRetryError(POOL, "/")),
            "The cause is unknown here; read the text",
        ),
    ],
)
def test_exceptions_of_requests_are_explained(
    problem: requests.RequestException, told: str
) -> None:
    assert told.lower() in explain(problem).lower()


@pytest.mark.parametrize(
    "problem",
    [
        requests.exceptions.MissingSchema("no"),
        requests.exceptions.InvalidURL("no"),
        requests.exceptions.RetryError(MaxRetryError(POOL, "/")),
        requests.exceptions.TooManyRedirects("no"),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_an_error_after_a_connection_that_failed_is_no_failed_connection(
    problem: requests.RequestException,
) -> None:
    with pytest.raises(type(problem)) as caught:
        try:
            raise requests.ConnectionError(ConnectionRefusedError())
        except requests.ConnectionError:
            raise problem  # noqa: B904 -- the error before becomes the context

    assert "The cause is unknown here; read the text" in explain(caught.value)


@pytest.mark.parametrize("host", ["login..mypurecloud.ie", f"{'a' * 64}.example"])
def test_a_host_that_can_be_no_name_is_not_told_as_a_fault_of_the_proxy(host: str) -> None:
    with pytest.raises(LocationParseError) as error:
        requests.get(f"https://{host}/", timeout=5, proxies={"https": ""})

    row = of_exception(error.value, f"{host}:443")
    assert row is not None
    assert row.finding == f"{host}:443 has no address: name resolution failed"
    assert of_exception(error.value, "the host") is None
    behind = of_exception(error.value, "login.mypurecloud.ie")  # the host of the proxy, then
    assert behind is not None
    assert behind.name == PROXY_URL.name


def test_a_name_without_an_address_may_be_misspelt() -> None:
    problem = requests.ConnectionError(socket.gaierror())
    strange, known = (
        of_exception(problem, host) for host in ("nowhere.invalid", "api.mypurecloud.ie")
    )

    assert strange is not None
    assert known is not None
    assert "misspelt" in strange.advice
    assert "misspelt" not in known.advice


class CertificateError(ValueError):
    """As urllib3 1.26 has it: that release compares the names itself, without OpenSSL."""


def test_urllib3_1_26_says_that_a_certificate_is_of_another_host() -> None:
    problem = requests.exceptions.SSLError(CertificateError("hostname 'x' doesn't match 'y'"))
    row = of_exception(problem, "api.mypurecloud.ie")

    assert row is not None
    assert row.name == OTHER_HOST.name


def test_certificates_are_told_apart_by_the_number_of_openssl() -> None:
    assert of_certificate(9) is OUT_OF_DATE, "it is not yet valid"
    assert of_certificate(10) is OUT_OF_DATE
    assert of_certificate(62) is OTHER_HOST
    error = ssl.SSLCertVerificationError("no")
    error.verify_code = 20

    assert "point REQUESTS_CA_BUNDLE at" in explain(requests.exceptions.SSLError(error))


def test_only_what_is_no_latin_1_is_blamed_on_the_password_of_the_proxy() -> None:
    problem = UnicodeEncodeError("utf-8", "\udcff", 0, 1, "no")

    assert of_exception(problem, "api.mypurecloud.ie") is None


def test_an_exception_whose_response_is_no_response_is_explained() -> None:
    error = requests.RequestException("odd")
    error.response = "text"  # type: ignore[assignment]  # of somebody's adapter

    assert "unknown" in explain(error)


def test_a_content_type_of_bytes_is_explained_as_text(double: requests_mock.Mocker) -> None:
    double.put("https://api.mypurecloud.ie/api/v2/users/me", status_code=400, json={"code": "x"})
    answer = requests.put(
        "https://api.mypurecloud.ie/api/v2/users/me",
        data=b"no JSON",
        headers={"Content-Type": b"application/json"},
        timeout=5,
    )

    assert "is not JSON" in explain(answer)
