"""What a signed request carries, and what of it is in a pickle or a copy."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import Counted, run_python
from requests.structures import CaseInsensitiveDict

ME = "/api/v2/tokens/me"

#: Reads a pickle where this library can not be imported, and says what it holds.
READ = """
import pickle, sys
sys.modules["gc_requests_auth"] = None
with open(sys.argv[1], "rb") as file:
    found = pickle.load(file)
request = getattr(found, "request", found)
assert not any("Secret" in type(value).__name__ for value in request.headers.values())
assert [hook(found, timeout=3) for hook in request.hooks["response"]] == [None]
print(type(request.headers).__name__, sorted(request.headers), request.method, end="")
"""


def told_elsewhere(pickled: bytes, directory: Path) -> str:
    file = directory / "pickled"
    file.write_bytes(pickled)
    done = run_python(READ, str(file), env={"PATH": os.environ["PATH"]})
    assert done.stderr == ""
    return done.stdout


def replayed(sandbox: Counted, session: requests.Session, auth: Any = None) -> requests.Response:
    """The answer to a call whose first token had been revoked."""
    session.get(sandbox.api_url + ME, auth=auth, timeout=30)
    sandbox.sandbox.revoke_all()
    answer = session.get(sandbox.api_url + ME, auth=auth, timeout=30)
    assert [one.status_code for one in answer.history] == [401]
    return answer


def tokens_of(answer: requests.Response) -> list[bytes]:
    """The tokens that were sent, each different from the others."""
    sent: list[Any] = [one.request.headers["Authorization"] for one in (*answer.history, answer)]
    found = [one.removeprefix("Bearer ").encode() for one in sent]
    assert len(set(found)) == len(found)
    return found


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_answer_holds_no_token_and_no_secret_and_needs_no_library(
    sandbox: Counted, tmp_path: Path, protocol: int
) -> None:
    auth = sandbox.auth()
    answer = replayed(sandbox, sandbox.session(), auth)
    pickled = pickle.dumps(answer, protocol)

    for secret in (*tokens_of(answer), sandbox.client_secret.encode()):
        assert secret not in pickled
    assert b"gc_requests_auth.calls" not in pickled
    assert told_elsewhere(pickled, tmp_path) == (
        "CaseInsensitiveDict ['Accept', 'Accept-Encoding', 'Connection', 'User-Agent'] GET"
    )
    twin = pickle.loads(pickled)
    assert "Authorization" not in twin.history[0].request.headers
    assert (twin.content, twin.history[0].status_code) == (answer.content, 401)


def test_a_pickled_answer_of_a_session_does_not_either(sandbox: Counted, tmp_path: Path) -> None:
    with sandbox.signed_in() as session:
        answer = replayed(sandbox, session)
        pickled = pickle.dumps(answer)

        for secret in (*tokens_of(answer), sandbox.client_secret.encode()):
            assert secret not in pickled
        assert told_elsewhere(pickled, tmp_path).startswith("CaseInsensitiveDict ['Accept'")


def test_a_pickled_request_holds_no_token_and_is_sent_without_one(
    sandbox: Counted, tmp_path: Path
) -> None:
    auth = sandbox.auth()
    prepared = requests.Request("GET", sandbox.api_url + ME, auth=auth).prepare()
    token = auth.access_token().encode()
    pickled = pickle.dumps(prepared)

    assert token not in pickled
    assert told_elsewhere(pickled, tmp_path) == "CaseInsensitiveDict [] GET"
    answer = sandbox.session().send(pickle.loads(pickled), timeout=30)
    assert (answer.status_code, answer.history) == (401, [])
    assert sandbox.sandbox.api_exchanges[-1].headers.get("Authorization") is None


def test_what_else_a_request_carries_is_in_its_pickle(sandbox: Counted) -> None:
    request = requests.Request(
        "POST",
        sandbox.api_url + ME,
        headers={"X-Own": "1"},
        data={"a": "b"},
        hooks={"response": [print]},
        auth=sandbox.auth(),
    )
    twin = pickle.loads(pickle.dumps(request.prepare()))

    assert twin.headers["x-own"] == "1"
    assert twin.body == "a=b"
    assert twin.hooks["response"][1:] == [print]


def test_an_authorization_of_the_callers_own_stays_in_a_pickle(sandbox: Counted) -> None:
    """As in requests: the library knows its own tokens, and keeps out of the rest."""
    auth = sandbox.auth()
    prepared = requests.Request("GET", sandbox.api_url + ME, auth=auth).prepare()
    prepared.headers["Authorization"] = "Basic somebody-else"

    assert pickle.loads(pickle.dumps(prepared)).headers["Authorization"] == "Basic somebody-else"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda request: request.copy()])
def test_a_copy_of_a_signed_request_is_signed(sandbox: Counted, copied: Any) -> None:
    auth = sandbox.auth()
    prepared = requests.Request("GET", sandbox.api_url + ME, auth=auth).prepare()
    sandbox.sandbox.revoke_all()
    twin = copied(prepared)
    answer = sandbox.session().send(twin, timeout=30)

    assert answer.status_code == 200
    assert [one.status_code for one in answer.history] == [401]
    assert auth.access_token().encode() not in pickle.dumps(twin)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, CaseInsensitiveDict.copy])
def test_a_copy_of_the_headers_has_the_token_and_is_independent(
    sandbox: Counted, copied: Any
) -> None:
    auth = sandbox.auth()
    headers = requests.Request("GET", sandbox.api_url + ME, auth=auth).prepare().headers
    twin = copied(headers)
    del twin["authorization"]

    assert isinstance(headers, CaseInsensitiveDict)
    assert headers == {"AUTHORIZATION": f"Bearer {auth.access_token()}"}
    assert twin == {}


def test_a_token_that_was_taken_out_of_a_request_is_not_in_a_pickle_either(
    sandbox: Counted,
) -> None:
    """With a dict of headers, say. What goes out there is told as not shown, and is no text of ours."""
    auth = sandbox.auth()
    headers = dict(requests.Request("GET", sandbox.api_url + ME, auth=auth).prepare().headers)
    pickled = pickle.dumps(headers)

    assert auth.access_token().encode() not in pickled
    assert b"gc_requests_auth" not in pickled
    assert pickle.loads(pickled) == {"Authorization": "<hidden>"}


@pytest.mark.parametrize("ours", [True, False], ids=["our session", "a plain session"])
def test_objects_of_requests_get_no_attribute_of_ours(sandbox: Counted, ours: bool) -> None:
    with sandbox.session() as plain, sandbox.signed_in() if ours else sandbox.session() as session:
        session.auth = session.auth or sandbox.auth()
        unsigned = plain.get(sandbox.api_url + "/sandbox/echo", timeout=30)
        answer = replayed(sandbox, session)

    for one in (*answer.history, answer):
        assert vars(one).keys() == vars(unsigned).keys()
        assert vars(one.request).keys() == vars(unsigned.request).keys()
        hooks = one.request.hooks
        assert list(hooks) == ["response"]
        assert [type(hook).__name__ for hook in hooks["response"]] == ["Call"]
