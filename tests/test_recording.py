"""VCR.py and requests-cache as they come: what they record and keep of signed calls plays again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import requests_cache
import vcr
import yaml
from conftest import Counted, run_python

from gc_requests_auth import GenesysCloudSession

QUEUES = "/api/v2/routing/queues"
ME = "/api/v2/tokens/me"


class CachedGenesysCloudSession(requests_cache.CacheMixin, GenesysCloudSession):
    """As docs/caching.rst has it."""


@pytest.fixture(autouse=True)
def vcr_at_warning(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO, VCR.py tells each answer as it came."""
    caplog.set_level(logging.WARNING, logger="vcr")


@contextmanager
def session_of(sandbox: Counted) -> Iterator[requests.Session]:
    with sandbox.signed_in() as session:
        yield session


@contextmanager
def plain_with_auth(sandbox: Counted) -> Iterator[requests.Session]:
    with sandbox.session() as session:
        session.auth = sandbox.auth(session=session)
        yield session


WAYS = pytest.mark.parametrize("way", [session_of, plain_with_auth])


def assert_as_requests_gives_it(answer: requests.Response) -> None:
    """A 401, and the answer to its replay, each with the request as it was sent."""
    sent = [one.request.headers["Authorization"] for one in (*answer.history, answer)]
    assert [one.status_code for one in (*answer.history, answer)] == [401, 200]
    assert all(isinstance(one, str) and one.startswith("Bearer ") for one in sent)
    assert len(set(sent)) == 2


@WAYS
@pytest.mark.parametrize("serializer", ["yaml", "json"])
def test_vcr_with_its_defaults_records_signed_calls_and_plays_them(
    sandbox: Counted, tmp_path: Path, way: Callable[..., Any], serializer: str
) -> None:
    cassette = str(tmp_path / "cassette")

    def calls() -> requests.Response:
        with way(sandbox) as session:
            session.get(sandbox.api_url + QUEUES, timeout=30)
            sandbox.sandbox.revoke_all()
            answer: requests.Response = session.get(sandbox.api_url + ME, timeout=30)
            return answer

    with vcr.use_cassette(cassette, serializer=serializer):
        recorded = calls()
    asked = sandbox.token_requests, sandbox.api_requests
    with vcr.use_cassette(cassette, serializer=serializer, record_mode="none") as played:
        again = calls()

    assert asked == (2, 3) == (sandbox.token_requests, sandbox.api_requests)
    assert played.all_played
    assert again.content == recorded.content
    assert_as_requests_gives_it(recorded)
    assert_as_requests_gives_it(again)


def test_vcr_records_a_token_request_by_itself(sandbox: Counted, tmp_path: Path) -> None:
    """Before any call is signed."""
    cassette = tmp_path / "cassette.yaml"
    with vcr.use_cassette(str(cassette)):
        sandbox.auth().access_token()

    (interaction,) = yaml.safe_load(cassette.read_text())["interactions"]
    assert interaction["request"]["headers"]["Authorization"] == ["<hidden>"]


@WAYS
@pytest.mark.parametrize("serializer", ["pickle", "yaml", "json"])
def test_requests_cache_keeps_signed_calls_with_their_history(
    sandbox: Counted, tmp_path: Path, way: Callable[..., Any], serializer: str
) -> None:
    kept: dict[str, Any] = {"backend": "filesystem", "serializer": serializer}
    with requests_cache.CachedSession(tmp_path, **kept) as session:
        session.verify = sandbox.ca_file
        session.auth = sandbox.auth(session=session)
        ours: Any = session
        if way is session_of:
            ours = CachedGenesysCloudSession(tmp_path, auth=session.auth, **kept)
            ours.verify = sandbox.ca_file
        ours.get(sandbox.api_url + ME)
        sandbox.sandbox.revoke_all()
        first = ours.get(sandbox.api_url + QUEUES)
        again = ours.get(sandbox.api_url + QUEUES)
        ours.close()

    assert_as_requests_gives_it(first)
    assert (first.from_cache, again.from_cache) == (False, True)
    assert again.json() == first.json()
    assert [one.status_code for one in again.history] == [401]
    headers = [dict(one.request.headers) for one in (first, again)]
    assert [sorted(one) for one in headers] == [sorted(headers[0])] * 2


def test_pyyaml_may_be_imported_after_the_first_call() -> None:
    script = """
import sys, requests
from gc_requests_auth import GenesysCloudAuth
from gc_requests_auth.util.secret import Secret
assert "yaml" not in sys.modules
early = Secret("early")
import yaml
late = Secret("late")
for dump in (yaml.safe_dump, yaml.dump):
    print(dump([early, late]), end="")
"""
    done = run_python(script)

    assert (done.stdout, done.stderr) == ("- <hidden>\n- <hidden>\n" * 2, "")
