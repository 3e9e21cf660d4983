"""A GenesysCloudSession where a requests.Session was: scripts that people have, one line changed."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import requests
from conftest import Counted, FakeTime, by_the_clock, run_python
from pages import Page
from scripted import Api
from wire import Peer, message

from gc_requests_auth import GenesysCloudAuth, GenesysCloudSession


def a_script(session: requests.Session, api: str, elsewhere: str) -> dict[str, Any]:
    """What a script of some age does with a session; all that it sees."""
    seen: dict[str, Any] = {"hooks": []}

    def note(response: requests.Response, *_: Any, **__: Any) -> None:
        seen["hooks"].append(response.status_code)

    def strict(response: requests.Response, *_: Any, **__: Any) -> None:
        response.raise_for_status()

    session.hooks["response"] += [note, strict]
    session.headers["X-Script"] = "old"
    session.params = {"expand": "all"}
    echo = f"{api}/sandbox/echo"

    seen["params"] = session.get(echo, params={"a": [1, 2]}).json()["query"]
    seen["json"] = session.post(echo, json={"a": 1}).json()["body"]
    seen["form"] = session.put(echo, data={"a": "1"}).json()["body"]
    seen["file"] = session.patch(echo, data=io.BytesIO(b"of a file")).json()["body"]
    files = {"list": ("l.csv", b"a;b")}
    seen["files"] = "a;b" in session.post(echo, files=files).json()["body"]
    seen["header"] = session.get(echo, headers={"X-Call": "1"}).json()["headers"]["X-Call"]
    seen["head"] = session.head(f"{api}/api/v2/tokens/me").status_code

    with session.get(echo, stream=True) as response:
        streamed = b"".join(response.iter_content(7))
    seen["stream"] = json.loads(streamed)["method"]

    prepared = session.prepare_request(requests.Request("DELETE", echo))
    seen["prepared"] = session.send(prepared).json()["method"]

    link = session.get(f"{elsewhere}/sandbox/status/200", params={"X-Amz-Signature": "abc"})
    seen["link"] = (link.status_code, "Authorization" in link.request.headers)

    with pytest.raises(requests.HTTPError) as error:
        session.get(f"{api}/sandbox/status/404")
    refused: Any = error.value.response
    seen["error"] = refused.status_code
    refused.close()  # a hook that raises leaves the body unread, in requests as well

    names: list[str] = []
    uri: str | None = "/api/v2/routing/queues?pageSize=25"
    while uri:
        page = session.get(api + uri).json()
        names += [one["name"] for one in page["entities"]]
        uri = page.get("nextUri")
    seen["pages"] = (len(names), names[-1])
    seen["history"] = [
        one.status_code
        for one in session.get(f"{api}/sandbox/redirect", params={"to": f"{api}{ME}"}).history
    ]
    return seen


ME = "/api/v2/tokens/me"


def test_a_script_sees_the_same_through_either_session(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.sandbox.environ.items():
        monkeypatch.setenv(name, value)
    elsewhere = sandbox.api_url.replace("127.0.0.1", "localhost")
    with GenesysCloudSession() as session:
        session.verify = sandbox.ca_file  # send() of a prepared request reads no environment
        ours = a_script(session, sandbox.api_url, elsewhere)
        by_hand = session.auth.access_token()
    with requests.Session() as plain:
        plain.verify = sandbox.ca_file
        plain.headers["Authorization"] = f"Bearer {by_hand}"
        theirs = a_script(plain, sandbox.api_url, elsewhere)

    # requests itself gives a hand-set header away to any host that is asked directly.
    assert theirs.pop("link") == (200, True)
    assert ours.pop("link") == (200, False)
    assert ours == theirs
    assert ours["pages"] == (60, "Queue 60")


SCRIPTS = dict(
    zip(
        ["by hand, before", "by hand, after", "sidecar, before", "sidecar, after"],
        Page("migrating").python[:4],
        strict=True,
    )
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_of_the_page_run(sandbox: Counted, name: str, tmp_path: Path) -> None:
    variables = {
        "CLIENT_ID": sandbox.client_id,
        "CLIENT_SECRET": sandbox.client_secret,
        "GC_CLIENT_ID": sandbox.client_id,
        "GC_CLIENT_SECRET": sandbox.client_secret,
        "REQUESTS_CA_BUNDLE": sandbox.ca_file,
    }
    # The hosts of the page stand for the sandbox's: the only change that is made.
    urls = f'login_url="{sandbox.login_url}", api_url="{sandbox.api_url}"'
    script = SCRIPTS[name].replace("https://login.mypurecloud.ie", sandbox.login_url)
    script = script.replace("https://api.mypurecloud.ie", sandbox.api_url)
    script = script.replace('region="eu-west-1"', urls)
    file = tmp_path / "script.py"
    file.write_text(f"{script}\nprint(queues.status_code, queues.json()['total'])\n")
    done = run_python(file, env={**os.environ, **variables})

    assert done.stdout == "200 60\n"
    assert "Error" not in done.stderr
    assert sandbox.token_requests == 1


class OtherSession(requests.Session):
    """A session of a program."""


@pytest.mark.parametrize(
    "other",
    [GenesysCloudSession, OtherSession, Mock(), print],
    ids=["ours", "other", "Mock", "function"],
)
def test_whatever_stands_in_the_place_of_the_session_of_requests_an_auth_signs_in(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch, other: Any
) -> None:
    plain = sandbox.session()
    monkeypatch.setattr(requests, "Session", other)
    auth = GenesysCloudAuth(
        sandbox.client_id,
        sandbox.client_secret,
        login_url=sandbox.login_url,
        api_url=sandbox.api_url,
        session=plain,
    )
    auth.access_token()
    auth.revoke()

    assert auth.access_token()
    assert sandbox.token_requests == 2
    assert [one.method for one in sandbox.sandbox.api_exchanges][-1:] == ["DELETE"]


INSTALL = (
    'requests_cache.install_cache(backend="memory", allowable_methods=["GET", "POST", "DELETE"])'
)
IMPORT = "from gc_requests_auth import GenesysCloudAuth, GenesysCloudSession"


@pytest.mark.parametrize("first", [INSTALL, IMPORT], ids=["cache", "import"])
def test_where_a_program_has_installed_a_cache_no_token_comes_from_the_cache(
    sandbox: Counted, tmp_path: Path, first: str
) -> None:
    second = IMPORT if first == INSTALL else INSTALL
    file = tmp_path / "script.py"
    file.write_text(f"""
import requests, requests_cache
{first}
{second}

with GenesysCloudSession() as session:
    for path in ("queues", "users"):
        print(session.get("/sandbox/echo", params={{"of": path}}).status_code)
        session.auth.revoke()
auth = GenesysCloudAuth()
print(requests.get(auth.api_url + "/sandbox/echo?of=all", auth=auth).status_code)
""")
    done = run_python(file, env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == (3 * "200\n", "")
    assert sandbox.token_requests == 3


def test_the_first_token_may_be_fetched_while_a_mock_stands_for_the_session_of_requests(
    sandbox: Counted, tmp_path: Path
) -> None:
    file = tmp_path / "script.py"
    file.write_text("""
from unittest.mock import patch
from gc_requests_auth import GenesysCloudSession

with GenesysCloudSession() as session, patch("requests.sessions.Session"):
    print(session.get("/api/v2/tokens/me").status_code)
""")
    done = run_python(file, env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == ("200\n", "")


# -- an answer that goes back -----------------------------------------------------------------------


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    with api.server:
        yield api
        api.close()


def chunked(body: bytes, end: bytes = b"0\r\n\r\n") -> dict[str, Any]:
    headers = {"Content-Length": "", "Transfer-Encoding": "chunked"}
    return {"body": b"%x\r\n%s\r\n" % (len(body), body) + end, "headers": headers}


PAGE = b"<html>of a gateway" + bytes(70_000)

#: The bodies of an answer, from those of Genesys Cloud to those of broken gateways.
BODIES: dict[str, dict[str, Any]] = {
    "short": {"body": '{"code": "bad.credentials"}'},
    "long": {"body": PAGE},
    "in chunks": chunked(PAGE),
    "with a broken chunk": chunked(b"hello", b"ZZ\r\n"),
    "cut off": {"body": b"hello", "headers": {"Content-Length": "500"}},
    "not packed": {"body": b"hello", "headers": {"Content-Encoding": "gzip"}},
}


def outcomes(session: requests.Session, url: str, **options: Any) -> list[object]:
    """What three calls bring: at first the endpoint is new, and then it is known to be forbidden."""
    found: list[object] = []
    for _ in range(3):
        try:
            found.append(session.get(url, **options).content)
        except requests.RequestException as error:
            found.append(type(error))
    return found


@pytest.mark.parametrize("stream", [False, True], ids=["", "stream"])
@pytest.mark.parametrize("of", ["session", "auth"])
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", [401, 429])
def test_an_answer_that_goes_back_has_the_body_that_requests_gives(
    api: Api, status: int, body: str, of: str, stream: bool
) -> None:
    headers = {
        "Connection": "close",
        "ININ-Correlation-Id": "0123-abcd",
        "Retry-After": "1",
        **BODIES[body].get("headers", {}),
    }
    said = message(status, BODIES[body]["body"], headers)

    def answer(peer: Peer) -> None:
        asks = "HEAD" in peer.requests[-1].line  # whether the token lives
        peer.send(message(200, "", {"Connection": "close"}) if asks else said)

    api.answers = [answer]
    with requests.Session() as plain:
        plain.verify = api.server.ca_file
        expected = outcomes(plain, api.url, stream=stream)
        plain.auth = api.auth(plain)
        session = plain if of == "auth" else api.session(retries=0, pacing="off")

        assert outcomes(session, api.url, stream=stream) == expected
    assert any("HEAD" in one.line for one in api.calls) == (status == 401)


def test_an_answer_whose_request_can_not_be_sent_again_has_its_whole_body(
    api: Api, fake_time: FakeTime
) -> None:
    """A file changes while a retry waits. The answer was read, to free its connection."""
    file = io.BytesIO(b"before")
    fake_time.meanwhile = lambda _: file.write(b"longer than before")
    api.answers = [message(503, PAGE, {"Connection": "close"})]
    with by_the_clock(fake_time):
        answer = api.session().put(api.url, data=file)

    assert answer.content == PAGE
    assert len(api.calls) == 1
