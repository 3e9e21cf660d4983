"""The pages of docs/: the code of each page runs unchanged, against the sandbox or a stand-in."""

from __future__ import annotations

import itertools
import json
import logging
import os
import re
import signal
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
import requests
import requests_cache
import requests_mock
from conftest import (
    HAS_URLLIB3_2,
    SECRET,
    TOKEN,
    Counted,
    FakeTime,
    Sweep,
    by_the_clock,
    ip_address_with_ssl_context,
    run_python,
)
from pages import DOCS, QUEUES, ROOT, Page, command_lines, plain, stand_in, statuses
from pools import slots, store_of
from wire import Proxy

from gc_requests_auth import (
    CredentialsRefusedError,
    FileTokenStore,
    GenesysCloudAuth,
    GenesysCloudSession,
    LoginUnreachableError,
    RedisTokenStore,
)
from gc_requests_auth.calls.adapter import GenesysCloudAdapter
from gc_requests_auth.commands import main as cli
from gc_requests_auth.commands.check import find_region
from gc_requests_auth.commands.check.report import Status
from gc_requests_auth.commands.options import parse
from gc_requests_auth.sandbox import GenesysCloudSandbox
from gc_requests_auth.sandbox.api import Api
from gc_requests_auth.sandbox.service import Reply, Request
from gc_requests_auth.settings.environment import API_URL, FAMILIES, LOGIN_URL, POOL_SIZE, PROFILE
from gc_requests_auth.settings.regions import REGIONS

#: Pages without Python. answers.rst is written from a table: see tests/causes.
PROSE = {
    "answers",
    "api",
    "architecture",
    "benchmarks",
    "changes",
    "command",
    "errors",
    "promises",
    "security",
    "unauthorized",
}

PAGES = sorted(path.stem for path in DOCS.glob("*.rst") if path.stem not in PROSE)


@pytest.fixture
def here(sandbox: Counted, environ: dict[str, str]) -> Counted:
    """The sandbox, which the environment names."""
    return sandbox


@pytest.fixture
def no_waits(fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTime]:
    """The library and the page use the clock of the test."""
    monkeypatch.setattr(time, "sleep", fake_time.sleep)
    with by_the_clock(fake_time):
        yield fake_time


class Scripted:
    """Answers that the API of the sandbox gives first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.replies: list[Reply] = []
        #: Told of each request, in the thread of its connection.
        self.listener: Callable[[Request], object] = lambda _: None
        answer = Api.answer

        def scripted(api: Api, request: Request) -> Reply:
            self.listener(request)
            return self.replies.pop() if self.replies else answer(api, request)

        monkeypatch.setattr(Api, "answer", scripted)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(monkeypatch)


# -- all pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_run_by_a_test(name: str) -> None:
    files = Path(__file__), Path(__file__).with_name("test_guides.py")
    source = "".join(file.read_text() for file in files)

    assert f'Page("{name}")' in source
    assert f"def test_{name.replace('-', '_')}_" in source


def test_no_example_of_a_page_is_left_out() -> None:
    assert [name for name in PROSE if "code-block::" in (DOCS / f"{name}.rst").read_text()] == []
    assert sum(len(Page(name).python) for name in PAGES) == 51, "a test runs each of them"


@pytest.mark.parametrize("name", [*PAGES, *sorted(PROSE), "../README"])
def test_every_command_of_a_page_is_understood(name: str) -> None:
    for arguments in command_lines((DOCS / f"{name}.rst").read_text()):
        parse(arguments)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_short_and_has_something_to_copy(name: str) -> None:
    page = Page(name)  # read as ASCII
    lines = page.text.splitlines()

    assert 15 <= len(lines) <= 125
    assert max(map(len, lines)) <= 112
    assert lines[1] == "=" * len(lines[0])
    assert page.python or page.quoted or "====  ===" in page.text
    assert len(page.python) == page.text.count("code-block::")


def test_the_sdist_holds_the_pages() -> None:
    assert (
        "recursive-include docs *.rst *.svg conf.py"
        in (ROOT / "MANIFEST.in").read_text().splitlines()
    )


# -- sdk.rst --------------------------------------------------------------------------------------


class ApiException(Exception):  # noqa: N818 -- the SDK's name
    """As in PureCloudPlatformClientV2.rest."""

    def __init__(self, status: int) -> None:
        super().__init__(f"({status})")
        self.status = status


class ApiClient:
    """As in PureCloudPlatformClientV2.api_client, for calls only."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.access_token = ""

    def call_api(self, resource_path: str, method: str, **query: int) -> Any:
        headers = {"Authorization": f"Bearer {self.access_token}"}
        url = self.host + resource_path
        response = requests.request(method, url, params=query, headers=headers, timeout=30)
        if response.status_code != 200:
            raise ApiException(response.status_code)
        return response.json()


class RoutingApi:
    """As in PureCloudPlatformClientV2."""

    def __init__(self, api_client: ApiClient) -> None:
        self.api_client = api_client

    def get_routing_queues(self, **query: int) -> Any:
        return self.api_client.call_api(QUEUES, "GET", **query)


@pytest.fixture
def sdk(here: Counted, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the page, which has run with a stand-in for the SDK."""
    modules: dict[str, dict[str, Any]] = {
        "PureCloudPlatformClientV2": {"RoutingApi": RoutingApi},
        "PureCloudPlatformClientV2.api_client": {"ApiClient": ApiClient},
        "PureCloudPlatformClientV2.rest": {"ApiException": ApiException},
    }
    stand_in(monkeypatch, modules)
    return Page("sdk").run()


def test_sdk_calls_outlive_their_token(sdk: dict[str, Any], here: Counted) -> None:
    assert len(sdk["queues"]["entities"]) == 25
    assert (here.token_requests, statuses(here)) == (1, [200])
    here.sandbox.revoke_all()

    assert sdk["routing"].get_routing_queues(page_size=25)["total"] == 60
    assert (here.token_requests, statuses(here)) == (2, [200, 401, 200])


def test_sdk_clients_share_the_auth_and_its_token(sdk: dict[str, Any], here: Counted) -> None:
    other = sdk["SignedInApiClient"](sdk["auth"])
    other.call_api(QUEUES, "GET")
    here.sandbox.revoke_all()
    sdk["routing"].get_routing_queues()
    other.call_api(QUEUES, "GET")

    assert here.token_requests == 2
    assert statuses(here) == [200, 200, 401, 200, 200], "the other one never sends the refused one"


@pytest.mark.parametrize(("status", "calls"), [(401, 2), (404, 1)])
def test_sdk_errors_are_the_sdks(
    sdk: dict[str, Any], here: Counted, status: int, calls: int
) -> None:
    client = sdk["SignedInApiClient"](sdk["auth"])
    with pytest.raises(ApiException) as error:
        client.call_api(f"/sandbox/status/{status}", "GET")

    assert error.value.status == status
    assert statuses(here) == [200] + [status] * calls
    assert here.token_requests == calls, "as the page says, a futile 401 costs one"


# -- caching.rst ----------------------------------------------------------------------------------


@pytest.fixture
def cached(here: Counted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """The names of the page, which has run in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    return Page("caching").run()


def test_caching_spares_calls_and_keeps_the_tokens_out(
    cached: dict[str, Any], here: Counted, tmp_path: Path, sweep: Sweep
) -> None:
    told = [cached[name].from_cache for name in ("first", "again", "third")]

    assert told == [False, True, True]
    assert cached["third"].json()["total"] == 60
    assert (here.token_requests, here.api_requests) == (2, 1), "a hit needs a token all the same"
    assert (tmp_path / "acme.sqlite").exists()
    assert tokens_in(tmp_path, sweep) == 0
    for name in ("session", "plain"):
        assert cached[name].settings.filter_fn is cached["is_direct"]


@pytest.mark.parametrize(
    ("direct", "serializer", "tokens"),
    [(True, "json", 0), (False, "json", 2), (False, "yaml", 0), (False, "pickle", 0)],
)
def test_caching_writes_no_token_but_without_the_filter_into_json(
    cached: dict[str, Any],
    here: Counted,
    tmp_path: Path,
    sweep: Sweep,
    direct: bool,
    serializer: str,
    tokens: int,
) -> None:
    options: dict[str, Any] = {"filter_fn": cached["is_direct"]} if direct else {}
    options["serializer"] = serializer
    with cached["CachedGenesysCloudSession"]("other", **options) as session:
        session.get("/api/v2/tokens/me")
        here.sandbox.revoke_all()
        replayed = session.get(QUEUES)
        redirect = {"to": f"{here.api_url}/api/v2/tokens/timeout"}
        redirected = session.get("/sandbox/redirect", params=redirect)
        again = session.get(QUEUES)

    assert [len(one.history) for one in (replayed, redirected)] == [1, 1]
    assert again.from_cache is not direct
    assert tokens_in(tmp_path, sweep) == tokens


def tokens_in(directory: Path, sweep: Sweep) -> int:
    """How many of the tokens issued in this test are in the files of a directory."""
    written = b"".join(path.read_bytes() for path in directory.iterdir())
    return sum(token.encode() in written for token in sweep.secrets)


@pytest.mark.parametrize(
    ("options", "hits"),
    [({}, [False, True, True]), ({"match_headers": ["Authorization"]}, [False, True, False])],
)
def test_caching_needs_a_cache_for_each_client(
    here: Counted, options: dict[str, Any], hits: list[bool]
) -> None:
    with requests_cache.CachedSession(backend="memory", **options) as session:
        url = f"{here.api_url}/api/v2/organizations/me"
        seen = [session.get(url, auth=auth) for auth in (here.auth(), here.auth(), lambda r: r)]

    assert [one.from_cache for one in seen] == hits


@pytest.mark.parametrize("path", ["/sandbox/status/404", "/sandbox/status/429?seconds=0"])
def test_caching_keeps_no_error(cached: dict[str, Any], here: Counted, path: str) -> None:
    with cached["CachedGenesysCloudSession"](backend="memory", retries=0) as session:
        seen = [session.get(path) for _ in range(2)]

    assert [one.from_cache for one in seen] == [False, False]


def test_caching_finds_no_answer_again_that_varies_with_the_authorization(
    requests_mock: requests_mock.Mocker,
) -> None:
    requests_mock.post("https://login.mypurecloud.ie/oauth/token", json={"access_token": TOKEN})
    requests_mock.get("https://api.mypurecloud.ie/x", headers={"Vary": "Authorization"})
    signed: dict[str, Any] = {"auth": GenesysCloudAuth("client", SECRET, region="eu-west-1")}
    by_hand = {"headers": {"Authorization": f"Bearer {TOKEN}"}}
    with requests_cache.CachedSession(backend="memory") as session:
        seen = [session.get("https://api.mypurecloud.ie/x", **how) for how in [signed, by_hand] * 2]

    assert [one.from_cache for one in seen] == [False] * 4


# -- recording.rst --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_recording_leaves_no_secret_in_a_cassette_that_plays_without_any(
    here: Counted,
    tmp_path: Path,
    sweep: Sweep,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, logger="vcr")  # as the page says
    page = Page("recording").run()
    recorder = page["recorder"]
    recorder.serializer = kind
    cassette = tmp_path / "cassettes" / "queues"
    page["test_queues"](str(cassette))
    asked = here.token_requests, here.api_requests
    written = cassette.read_text()

    assert asked == (1, 1)
    assert "recorded" in written
    assert [secret for secret in sweep.secrets if secret in written] == []
    assert "uthorization" not in written

    monkeypatch.setenv(FAMILIES[0].client_id, "id")
    monkeypatch.setenv(FAMILIES[0].client_secret, "no secret")
    recorder.record_mode = "none"
    page["test_queues"](str(cassette))

    assert (here.token_requests, here.api_requests) == asked


def test_recording_takes_no_other_answer_for_a_token() -> None:
    without_token = Page("recording").run()["without_token"]
    for body in (b"<html>", b"[]", b'{"total": 60}', b"\xff"):
        answer = {"headers": {}, "body": {"string": body}}
        assert without_token(answer)["body"]["string"] == body


# -- export.rst -----------------------------------------------------------------------------------


def numbered(queues: list[dict[str, str]]) -> list[int]:
    return [int(queue["id"].rpartition("-")[2]) for queue in queues]


def test_export_fetches_all_pages_in_order_with_one_token(here: Counted) -> None:
    names = Page("export").run()

    assert numbered(names["queues"]) == list(range(1, 61))
    assert (here.token_requests, here.api_requests) == (1, 3)
    adapter = names["session"].get_adapter(here.api_url)
    assert adapter.poolmanager.connection_pool_kw["maxsize"] == names["THREADS"]
    assert len(slots(names["session"].auth)) == 4


def test_export_outlives_a_revocation_and_waits_out_a_429(
    here: Counted, scripted: Scripted, no_waits: FakeTime
) -> None:
    names = Page("export").run()
    here.sandbox.revoke_all()
    scripted.replies = [Reply(429, headers={"Retry-After": "42"})] * 4
    with GenesysCloudSession(retries=10) as session:
        queues = names["export"](session, QUEUES)

    assert numbered(queues) == list(range(1, 61))
    assert no_waits.slept == [42.0] * 4
    assert here.token_requests == 2


def test_export_raises_what_a_page_raises_and_cancels_the_rest(
    here: Counted, scripted: Scripted
) -> None:
    names = Page("export").run()
    names["THREADS"] = 1
    before = here.api_requests

    def fail_on_the_second_page(request: Request) -> None:
        if "pageNumber=2" in request.target:
            scripted.replies = [Reply(500)]

    scripted.listener = fail_on_the_second_page
    with GenesysCloudSession() as session, pytest.raises(requests.HTTPError, match="500"):
        names["export"](session, QUEUES)

    assert here.api_requests - before in {2, 3}, "the third may have been under way"


def test_export_gives_the_429_back_in_the_end(
    here: Counted, scripted: Scripted, no_waits: FakeTime
) -> None:
    names = Page("export").run()
    scripted.replies = [Reply(429, headers={"Retry-After": "181"})]
    with GenesysCloudSession() as session, pytest.raises(requests.HTTPError, match="429"):
        names["export"](session, QUEUES)

    assert no_waits.slept == []


# -- daemon.rst -----------------------------------------------------------------------------------


def test_daemon_works_until_it_is_told_to_end_and_revokes_its_token(
    here: Counted, sweep: Sweep, tmp_path: Path
) -> None:
    script = tmp_path / "daemon.py"
    script.write_text("\n".join(Page("daemon").python))
    arguments = [sys.executable, "-W", "error", str(script)]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as daemon:
        assert daemon.stderr is not None
        too_late = threading.Timer(20, daemon.kill)
        too_late.start()
        try:
            # After two lines, the daemon sleeps, or is about to sleep.
            seen = list(itertools.islice(daemon.stderr, 2))
            daemon.send_signal(signal.SIGTERM)
            seen += daemon.communicate()[1].splitlines(keepends=True)
        finally:
            too_late.cancel()
            daemon.kill()
    sweep.texts += seen

    assert daemon.returncode == 0
    assert seen == [
        "INFO gc_requests_auth: token fetched, good for 86400 s\n",
        "INFO my_daemon: 60 queues\n",
    ]
    ended = here.sandbox.api_exchanges[-1]
    assert (ended.method, ended.target, ended.status) == ("DELETE", "/api/v2/tokens/me", 200)
    assert statuses(here) == [200, 200]


class Over(Exception):  # noqa: N818 -- the end of a test
    """Ends a daemon that runs in a test."""


class Rounds:
    """The sleep between the rounds of a daemon. An act may follow each sleep."""

    def __init__(self, fake_time: FakeTime, *acts: Callable[[], object]) -> None:
        self.slept: list[float] = []
        self._fake_time = fake_time
        self._acts = list(acts)

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        if not self._acts:
            raise Over
        self._fake_time.advance(seconds)
        self._acts.pop(0)()


@pytest.fixture
def daemon() -> dict[str, Any]:
    """The names of the first block."""
    return Page("daemon").run(0)


def test_daemon_goes_on_after_an_outage_of_the_login_service(
    here: Counted,
    daemon: dict[str, Any],
    no_waits: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    scripted = here.scripted
    rounds = Rounds(no_waits, scripted.clear, lambda: None)
    monkeypatch.setattr(time, "sleep", rounds)
    here.sandbox.answer_tokens(40, 503, "down")
    with GenesysCloudSession() as session, pytest.raises(Over):
        daemon["serve"](session, lambda session: session.get(QUEUES).raise_for_status())

    assert rounds.slept == [120, 60, 60]
    assert statuses(here) == [200, 200]
    told = [one.getMessage() for one in caplog.records if one.name == "my_daemon"]
    assert [text.partition(": ")[0] for text in told] == ["failed 1 times in a row"]


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (LoginUnreachableError("down", retryable=True), True),
        (LoginUnreachableError("a certificate", retryable=False), False),
        (CredentialsRefusedError("refused"), False),
        (requests.ConnectionError(), True),
        (requests.ReadTimeout(), True),
        (requests.exceptions.InvalidURL(), False),
    ],
)
def test_daemon_knows_which_errors_pass(
    daemon: dict[str, Any], error: Exception, passes: bool
) -> None:
    assert daemon["may_pass"](error) is passes


@pytest.mark.parametrize(("status", "passes"), [(404, False), (429, True), (503, True)])
def test_daemon_knows_which_statuses_pass(
    here: Counted, daemon: dict[str, Any], status: int, passes: bool
) -> None:
    with here.session().get(f"{here.api_url}/sandbox/status/{status}", timeout=30) as response:
        with pytest.raises(requests.HTTPError) as error:
            response.raise_for_status()
        assert daemon["may_pass"](error.value) is passes


def test_daemon_ends_where_credentials_are_refused(
    here: Counted, daemon: dict[str, Any], no_waits: FakeTime
) -> None:
    here.sandbox.answer_tokens(1, 400, '{"error": "invalid_client"}')
    with GenesysCloudSession() as session, pytest.raises(CredentialsRefusedError):
        daemon["serve"](session, lambda session: session.get(QUEUES))

    assert no_waits.slept == []


def test_daemon_pauses_grow_to_a_quarter_of_an_hour(
    daemon: dict[str, Any], fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = Rounds(fake_time, *[lambda: None] * 5)
    monkeypatch.setattr(time, "sleep", rounds)

    def work(_: object) -> None:
        raise requests.ConnectionError

    with pytest.raises(Over):
        daemon["serve"](None, work)

    assert rounds.slept == [120, 240, 480, 900, 900, 900]


def test_daemon_logs_the_lines_of_the_page(
    here: Counted, no_waits: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gc_requests_auth")
    (log,) = Page("daemon").quoted
    with GenesysCloudSession() as session:
        session.get(QUEUES)
        no_waits.advance(86400 - 600)  # of the last 15 minutes, 10 are left
        here.sandbox.answer_tokens(1, 503, "down")
        renewed_by(lambda: session.get(QUEUES))
        no_waits.advance(10)
        renewed_by(lambda: session.get(QUEUES))
        here.sandbox.revoke_all()
        session.get(QUEUES)
    told = [
        f"{one.levelname} {one.name}: {one.getMessage()}"
        for one in caplog.records
        if one.name == "gc_requests_auth"
    ]

    assert statuses(here) == [200, 200, 200, 401, 200]
    told.pop(-2)  # the second "renewed", for the 401
    for line, quoted in zip(told, log.splitlines(), strict=True):
        assert line.startswith(quoted.removesuffix("[...]"))


def renewed_by(call: Callable[[], object]) -> None:
    """Call, and wait for the renewal that the call starts."""
    call()
    for thread in threading.enumerate():
        if thread.name == "gc_requests_auth":
            thread.join(30)


# -- aws-lambda.rst -------------------------------------------------------------------------------


class Vault:
    """As ``boto3.client("secretsmanager")``."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self.secrets = secrets
        self.asked: list[str] = []

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803 -- boto3's
        self.asked.append(SecretId)
        return {"SecretString": json.dumps(self.secrets)}


class Redis:
    """As ``redis.Redis``, for a store only."""

    kept: ClassVar[dict[str, str]] = {}

    def __init__(self, **options: float) -> None:
        self._options = options

    @classmethod
    def from_url(cls, url: str, **options: float) -> Self:
        assert url == "rediss://cache.example"
        return cls(**options)

    def get_connection_kwargs(self) -> dict[str, float]:
        return self._options

    def get(self, name: str) -> str | None:
        return self.kept.get(name)

    def set(self, name: str, value: str, px: int) -> None:
        assert 0 < px <= 86_400_000
        self.kept[name] = value

    def lock(self, name: str, **_: object) -> threading.Lock:
        return threading.Lock()


@pytest.fixture
def vault(here: Counted, monkeypatch: pytest.MonkeyPatch) -> Vault:
    """Stand-ins for boto3 and redis; the credentials are in the vault alone."""
    vault = Vault({"client_id": here.client_id, "client_secret": here.client_secret})
    modules: dict[str, dict[str, Any]] = {
        "boto3": {"client": {"secretsmanager": vault}.__getitem__},
        "redis": {"Redis": Redis},
        "redis.exceptions": {"LockError": RuntimeError},
    }
    stand_in(monkeypatch, modules)
    monkeypatch.setattr(Redis, "kept", {})
    monkeypatch.setenv("SECRET_NAME", "prod/genesys-cloud")
    monkeypatch.setenv("REDIS_URL", "rediss://cache.example")
    for name in ("GENESYSCLOUD_OAUTHCLIENT_ID", "GENESYSCLOUD_OAUTHCLIENT_SECRET"):
        monkeypatch.delenv(name)
    return vault


@pytest.fixture
def environments() -> Iterator[Callable[..., dict[str, Any]]]:
    """Starts execution environments: imports the module of the page."""
    started: list[dict[str, Any]] = []

    def start(*numbers: int) -> dict[str, Any]:
        started.append(Page("aws-lambda").run(*numbers))
        return started[-1]

    yield start
    for names in started:
        names["session"].close()


def test_aws_lambda_asks_vault_and_login_service_once(
    here: Counted, vault: Vault, environments: Callable[..., dict[str, Any]]
) -> None:
    module = environments(0)
    assert (vault.asked, here.token_requests) == ([], 0), "an import asks nobody"
    answers = [module["handler"]({}, None) for _ in range(3)]

    assert answers == [{"queues": 60}] * 3
    assert (vault.asked, here.token_requests) == (["prod/genesys-cloud"], 1)


def test_aws_lambda_thawed_sends_no_token_that_is_over(
    here: Counted,
    vault: Vault,
    environments: Callable[..., dict[str, Any]],
    no_waits: FakeTime,
) -> None:
    handler = environments(0)["handler"]
    handler({}, None)
    no_waits.wall += 90_000  # the monotonic clock stands still in the freezer
    handler({}, None)

    assert here.token_requests == len(vault.asked) == 2
    assert statuses(here) == [200, 200]


def test_aws_lambda_picks_a_rotated_secret_up(
    here: Counted, vault: Vault, environments: Callable[..., dict[str, Any]]
) -> None:
    right = vault.secrets
    vault.secrets = {**right, "client_secret": "of-last-week"}
    handler = environments(0)["handler"]
    with pytest.raises(CredentialsRefusedError):
        handler({}, None)
    vault.secrets = right

    assert handler({}, None) == {"queues": 60}
    assert here.token_requests == 2


def test_aws_lambda_environments_share_a_token_by_redis(
    here: Counted, vault: Vault, environments: Callable[..., dict[str, Any]]
) -> None:
    for _ in range(3):
        assert environments()["handler"]({}, None) == {"queues": 60}

    assert here.token_requests == 1
    assert len(Redis.kept) == 1


# -- adapters.rst ---------------------------------------------------------------------------------


@ip_address_with_ssl_context
def test_adapters_with_an_ssl_context_of_your_own(here: Counted) -> None:
    names = Page("adapters").run(0)

    assert names["organization"]["name"] == "Sandbox Ltd"
    assert names["context"].minimum_version == ssl.TLSVersion.TLSv1_3


@ip_address_with_ssl_context
def test_adapters_derived_from_ours_see_each_call(here: Counted) -> None:
    names = Page("adapters").run(0, 1)

    assert names["session"].get_adapter(here.api_url).calls == 1 + 1, "the token request as well"


@ip_address_with_ssl_context
def test_adapters_of_ours_work_in_a_plain_session(here: Counted) -> None:
    names = Page("adapters").run(0, 2)

    assert names["organization"]["name"] == "Sandbox Ltd"
    assert isinstance(names["session"].get_adapter(here.api_url), GenesysCloudAdapter)


def test_adapters_of_others_are_logged_in_the_words_of_the_page(
    here: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    with GenesysCloudSession() as session:
        session.mount("https://", requests.adapters.HTTPAdapter())
        session.get("/api/v2/organizations/me")
    (said,) = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]

    assert said.replace(here.api_url, "https://api.mypurecloud.ie") == plain(
        Page("adapters").quoted[0]
    )


# -- proxy.rst ------------------------------------------------------------------------------------


def hosts(sandbox: Counted) -> list[str]:
    return [url.removeprefix("https://") for url in (sandbox.login_url, sandbox.api_url)]


def test_proxy_of_the_environment_is_used(here: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = re.findall(r"^export (\w+)=", Page("proxy").quoted[0], re.MULTILINE)
    assert variables == ["HTTPS_PROXY", "REQUESTS_CA_BUNDLE"]
    with Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        names = Page("proxy").run(0)

    assert names["organization"]["name"] == "Sandbox Ltd"
    assert proxy.targets == hosts(here)
    assert (here.token_requests, statuses(here)) == (1, [200])


@pytest.mark.parametrize("trusting", [True, False])
def test_proxy_of_a_session_is_used_for_tokens_as_well(
    here: Counted, monkeypatch: pytest.MonkeyPatch, trusting: bool
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with Proxy() as proxy:
        monkeypatch.setenv("COMPANY_PROXY", proxy.url)
        monkeypatch.setenv(
            "COMPANY_CA", here.ca_file if trusting else requests.utils.DEFAULT_CA_BUNDLE_PATH
        )
        if trusting:
            names = Page("proxy").run(1)
            assert names["organization"]["name"] == "Sandbox Ltd"
            names = Page("proxy").run(2, names=names)
            assert names["organization"]["name"] == "Sandbox Ltd"
            assert proxy.targets == hosts(here) * 2
        else:
            with pytest.raises(LoginUnreachableError) as error:
                Page("proxy").run(1)
            assert as_quoted(str(error.value), 0)


def test_proxy_that_wants_a_password_is_named(
    here: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(refusal=407) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(LoginUnreachableError) as error:
            Page("proxy").run(0)

    assert as_quoted(str(error.value), 1)


def as_quoted(message: str, number: int) -> bool:
    """Whether the page quotes the message, but for the host and for [...]."""
    quoted = Page("proxy").quoted[1].split("\n\n")[number]
    parts = plain(quoted).replace("login.mypurecloud.ie", "[...]").split("[...]")
    return re.fullmatch(".+".join(map(re.escape, parts)), message) is not None


# -- two-organisations.rst ------------------------------------------------------------------------


def test_two_organisations_each_get_their_own_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    domains = {"DUBLIN": "mypurecloud.ie", "FRANKFURT": "mypurecloud.de"}
    with requests_mock.Mocker() as mocker:
        for name, domain in domains.items():
            monkeypatch.setenv(f"{name}_ID", f"client-of-{name}")
            monkeypatch.setenv(f"{name}_SECRET", f"secret-of-{name}")
            token = {"access_token": f"{TOKEN}-{name}", "expires_in": 86400}
            mocker.post(f"https://login.{domain}/oauth/token", json=token)
            queues = [{"name": "Sales"}, {"name": f"Of {name}"}]
            mocker.get(f"https://api.{domain}{QUEUES}", json={"entities": queues})
            mocker.post(f"https://api.{domain}{QUEUES}", json={})
            mocker.get(f"https://api.{domain}/api/v2/organizations/me", json={})
        page = Page("two-organisations")
        names = page.run()
        seen = [(one.method, one.hostname) for one in mocker.request_history]
        for one in mocker.request_history:
            name = next(name for name in domains if domains[name] in one.hostname)
            if one.hostname.startswith("api."):
                assert one.headers["Authorization"] == f"Bearer {TOKEN}-{name}"

    assert seen == [
        ("POST", "login.mypurecloud.ie"),
        ("GET", "api.mypurecloud.ie"),
        ("POST", "login.mypurecloud.de"),
        ("GET", "api.mypurecloud.de"),
        ("POST", "api.mypurecloud.de"),
        ("GET", "api.mypurecloud.ie"),
        ("GET", "api.mypurecloud.de"),
    ]
    assert mocker.request_history[4].json() == {"name": "Of DUBLIN"}
    (quoted,) = page.quoted
    assert names["mistake"].startswith(plain(quoted).removesuffix("[...]"))


# -- testing.rst ----------------------------------------------------------------------------------


def test_testing_page_is_a_file_of_tests_that_pass(tmp_path: Path) -> None:
    page = Page("testing")
    file = tmp_path / "test_of_a_user.py"
    file.write_text("\n".join(page.python))
    run = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    done = run_python(run, "-q", "-p", "no:cacheprovider", str(file), env=dict(os.environ))

    assert re.search(r"^4 passed in ", done.stdout, re.MULTILINE), done.stdout
    assert done.returncode == 0


def test_testing_page_names_arguments_that_the_sandbox_takes() -> None:
    page = Page("testing")
    inline = re.findall(r"``(GenesysCloudSandbox\(.+?\))``", page.text)
    made = [eval(one, {"GenesysCloudSandbox": GenesysCloudSandbox}) for one in inline]

    assert len(made) == 3
    assert {one.throttled_requests for one in made} == {0}, "as the page calls it"


# -- httpie.rst -----------------------------------------------------------------------------------


def test_httpie_takes_the_commands_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the network: test_httpie.py tests the requests."""
    pytest.importorskip("httpie", reason="HTTPie is not installed (it comes with the extra [test])")
    profile = Path.home() / ".gc" / "config.toml"
    profile.parent.mkdir()
    profile.write_text('[prod]\nclient_credentials = "id"\nclient_secret = "secret"\n')
    profile.chmod(0o600)
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_ID", "id")
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", "secret")
    monkeypatch.setenv("GENESYSCLOUD_REGION", "eu-west-1")
    page = Page("httpie")
    options = {**os.environ, "HTTPIE_CONFIG_DIR": str(tmp_path)}
    for command in page.quoted:
        name, *arguments = command.split()
        line = [sys.executable, "-m", "httpie", "--offline", "--ignore-stdin", *arguments]
        done = subprocess.run(
            line, capture_output=True, text=True, timeout=60, env=options, check=False
        )
        assert name == "http"
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("GET /api/v2/routing/queues HTTP/1.1")

    assert len(page.quoted) == 2


# -- settings.rst ---------------------------------------------------------------------------------


def test_settings_hold_the_table_of_regions() -> None:
    rows = re.findall(r"^(\S+-\d) +(\S+) +(.+)$", Page("settings").text, re.MULTILINE)

    assert rows == [(region.aws, region.domain, region.label) for region in REGIONS]


def test_settings_name_every_variable() -> None:
    text = Page("settings").text
    for family in FAMILIES:
        for name in (family.client_id, family.client_secret, *family.regions):
            assert f"``{name}``" in text
    assert f"``{PROFILE}``" in text
    assert f"``{POOL_SIZE}``" in text
    assert f"``{LOGIN_URL}``" in text
    assert f"``{API_URL}``" in text


# -- stores.rst -----------------------------------------------------------------------------------


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """A stand-in for the keyring of the operating system, which a test must not touch."""
    kept: dict[tuple[str, str], str] = {}
    functions = {
        "get_password": lambda service, name: kept.get((service, name)),
        "set_password": lambda service, name, value: kept.update({(service, name): value}),
        "delete_password": lambda service, name: kept.pop((service, name)),
    }
    stand_in(monkeypatch, {"keyring": functions})
    return kept


def test_the_store_of_the_page_works_with_a_keyring(
    keyring: dict[tuple[str, str], str], here: Counted
) -> None:
    store = Page("stores").run(2)["KeyringTokenStore"]()
    first, second = (GenesysCloudAuth(store=store) for _ in range(2))

    assert first.access_token() == second.access_token()
    assert here.token_requests == 1
    assert len(keyring) == 1
    first.revoke()
    store.delete("nothing is there")
    assert keyring == {}


def test_stores_page_makes_a_file_store_and_a_redis_store(here: Counted) -> None:
    pytest.importorskip("redis", reason="the extra [redis] is not installed")
    stores = [store_of(Page("stores").run(number)["session"].auth) for number in (0, 1)]

    assert list(map(type, stores)) == [FileTokenStore, RedisTokenStore]
    assert here.token_requests == 0


def test_stores_page_exchanges_texts_through_a_database() -> None:
    database = sqlite3.connect(":memory:")
    page = Page("stores")
    (create,) = re.findall(r"# (CREATE TABLE .*)", page.text)
    database.execute(create)
    exchange = page.run(3)["exchange"]
    store = types.SimpleNamespace(database=database)

    assert exchange(store, "key", "a", "old", 70.0) == []
    assert exchange(store, "key", "a", "new", 70.0) == []
    ((text, age),) = exchange(store, "key", "b", "text of b", 70.0)
    assert (text, 0 <= age < 30) == ("new", True)
    assert exchange(store, "other", "b", "text of b", 70.0) == []
    assert exchange(store, "key", "b", "text of b", -1.0) == []
    database.close()


# -- check.rst ------------------------------------------------------------------------------------


def test_check_lists_the_steps_and_the_keys_of_its_json(
    here: Counted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Page("check").text
    named = {name: set(re.findall(r"``(\w+)``", rest)) for name, rest in _rows(text)}
    assert cli.main(["check", "--json"]) == 0
    walked = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(find_region, "login_url_of", lambda domain: here.login_url)
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", TOKEN)
    assert cli.main(["check", "--find-region", "--try", "euw1", "--json"]) == 1
    searched = json.loads(capsys.readouterr().out)

    steps = re.findall(r"^\d+\. (.+)", text, re.MULTILINE)
    listed = re.findall(r"``([\w -]+)``", " ".join(steps))
    assert [one["step"] for one in walked["steps"]] == [
        name for name in listed if name not in {"rate limit", "call"}
    ]
    assert set(walked) | set(searched) == set(named)
    assert set(walked["steps"][0]) == named["steps"]
    assert set(searched["causes"][0]) == named["causes"]
    assert set(searched["regions"][0]) == named["regions"] - {"steps"}


def _rows(text: str) -> list[tuple[str, str]]:
    """The keys of the table, each with its text."""
    table = text[text.index("Key  ") :]
    return re.findall(r"^``(\w+)`` (.*(?:\n  .*)*)", table, re.MULTILINE)


def test_check_has_the_exit_statuses_of_the_page() -> None:
    statuses = dict(re.findall(r"^(\d)  +(\w+)", Page("check").text, re.MULTILINE))

    assert statuses == {"0": "All", "1": "Refused", "2": "Misconfigured", "3": "Unreachable"}
    assert [one.name.title() for one in Status] == ["Fine", *list(statuses.values())[1:]]


# -- architecture.rst -----------------------------------------------------------------------------

#: In a process of its own: what other tests import has functions of its own called.
PASSED = """
import sys
from pathlib import Path
import requests, gc_requests_auth
from gc_requests_auth.sandbox import GenesysCloudSandbox

package = str(Path(gc_requests_auth.__file__).parent)
with GenesysCloudSandbox() as sandbox:
    settings = {"login_url": sandbox.login_url, "api_url": sandbox.api_url}
    session = gc_requests_auth.GenesysCloudSession(
        sandbox.client_id, sandbox.client_secret, **settings
    )
    plain, path = requests.Session(), "/api/v2/tokens/me"
    session.verify = plain.verify = sandbox.ca_file
    for call in (
        lambda: session.get(path), lambda: plain.get(sandbox.api_url + path, auth=session.auth)
    ):
        assert call().status_code == 200
        passed = []
        sys.setprofile(
            lambda frame, event, _: event == "call"
            and frame.f_code.co_filename.startswith(package)
            and passed.append(frame.f_code.co_name)
        )
        call()
        sys.setprofile(None)
        print(len(passed))
"""


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11) or not HAS_URLLIB3_2,
    reason="the page has the numbers of Python 3.11 and urllib3 2",
)
def test_a_call_passes_through_as_few_functions_as_architecture_says() -> None:
    said = re.findall(r"(\d+)\s+functions", (DOCS / "architecture.rst").read_text())
    done = run_python(PASSED)

    assert (done.stderr, done.stdout.split()) == ("", said)
