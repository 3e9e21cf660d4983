"""What all tests share: a clean environment, a sandbox, a clock, and the sweep for secrets."""

from __future__ import annotations

import base64
import logging
import os
import socket
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from urllib.parse import quote

import pytest
import requests

from gc_requests_auth import GenesysCloudAuth, GenesysCloudError, GenesysCloudSession
from gc_requests_auth.calls.adapter import GenesysCloudAdapter
from gc_requests_auth.sandbox import GenesysCloudSandbox
from gc_requests_auth.sandbox.login import Tokens
from gc_requests_auth.sandbox.service import Service
from gc_requests_auth.util.clock import Clock

if TYPE_CHECKING:
    from double import Cloud

#: A secret and a token for tests that need one. In no log, output, warning or error of any test.
SECRET = "S3cr3t-that-must-not-be-seen_9ghFq2"
TOKEN = "t0k3n-that-must-not-be-seen_Zx81-Qp44"

#: requests 2.31 takes both; `tox -e lowest` has urllib3 1.26.
HAS_URLLIB3_2 = not metadata.version("urllib3").startswith("1.")

#: For tests that give the sandbox, whose host is an IP address, an `ssl_context`.
ip_address_with_ssl_context = pytest.mark.skipif(
    not HAS_URLLIB3_2, reason="urllib3 1.26 has no ssl_context for an IP address"
)


class FakeTime:
    """Both clocks, standing still until told otherwise."""

    def __init__(self) -> None:
        self.monotonic = 1000.0
        self.wall = 1_700_000_000.0
        #: What was slept, in order; sleeping moves both clocks.
        self.slept: list[float] = []
        #: What others do while somebody sleeps.
        self.meanwhile: Callable[[float], object] = lambda _: None
        #: How often the monotonic clock was looked at.
        self.looks = 0

    @property
    def clock(self) -> Clock:
        return Clock(self._look, lambda: self.wall, self.sleep)

    def _look(self) -> float:
        self.looks += 1
        return self.monotonic

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        self.meanwhile(seconds)

    def advance(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


@contextmanager
def by_the_clock(time: FakeTime) -> Iterator[None]:
    """All that is ours goes by this clock. This is the one place that knows how that is done."""
    with ExitStack() as stack:
        for kind in (GenesysCloudAdapter, GenesysCloudAuth):
            stack.enter_context(patch.object(kind, "_clock", time.clock))
        yield


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """A Genesys Cloud in memory, with clocks that stand still, of which no rule was broken."""
    from double import running  # not needed by those who borrow this file, as test_secrets does

    with running() as cloud:
        yield cloud
    assert cloud.faults == []


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the host can help or hurt a test."""
    for name in list(os.environ):
        if name.upper().startswith(
            ("GENESYS", "PURECLOUD", "GC_", "OAUTHLIB_")
        ) or name.lower().endswith(("_proxy", "ca_bundle", "netrc")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))


@pytest.fixture
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name is looked up anywhere: there is only this machine."""
    resolve = socket.getaddrinfo

    def here(host: Any, *more: Any, **options: Any) -> Any:
        if host not in {"127.0.0.1", "localhost"}:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here)


@pytest.fixture(scope="session")
def _running_sandbox() -> Iterator[GenesysCloudSandbox]:
    with GenesysCloudSandbox() as sandbox:
        yield sandbox


class Counted:
    """A running sandbox, counting from the beginning of the test.

    :param options: What who signs in to it knows of it.
    """

    def __init__(self, sandbox: GenesysCloudSandbox, **options: Any) -> None:
        self.sandbox = sandbox
        self._options = options
        self.client_id = sandbox.client_id
        self.client_secret = sandbox.client_secret
        self.login_url = sandbox.login_url
        self.api_url = sandbox.api_url
        self.ca_file = sandbox.ca_file
        #: The scripted answers that are still to come.
        self.scripted = sandbox._login.scripted
        self._before = sandbox.token_requests, sandbox.api_requests
        self._sessions: list[requests.Session] = []

    @property
    def token_requests(self) -> int:
        return self.sandbox.token_requests - self._before[0]

    @property
    def api_requests(self) -> int:
        return self.sandbox.api_requests - self._before[1]

    def session(self, **adapter: Any) -> requests.Session:
        """A session that trusts it."""
        session = requests.Session()
        session.verify = self.ca_file
        session.mount("https://", requests.adapters.HTTPAdapter(**adapter))
        self._sessions.append(session)
        return session

    def close(self) -> None:
        """Close the sessions it gave out."""
        for session in self._sessions:
            session.close()

    def signed_in(self, **more: Any) -> GenesysCloudSession:
        """A session of ours that signs in to it."""
        session = GenesysCloudSession(
            self.client_id,
            self.client_secret,
            login_url=self.login_url,
            api_url=self.api_url,
            **{**self._options, **more},
        )
        session.verify = self.ca_file
        return session

    def auth(self, **more: Any) -> GenesysCloudAuth:
        """An auth that signs in to it."""
        arguments: dict[str, Any] = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "login_url": self.login_url,
            "api_url": self.api_url,
            "session": self.session(),
            **self._options,
            **more,
        }
        if "credentials" in more:
            del arguments["client_id"], arguments["client_secret"]
        return GenesysCloudAuth(**arguments)


@pytest.fixture
def sandbox(_running_sandbox: GenesysCloudSandbox) -> Iterator[Counted]:
    """The sandbox of the whole run, with no token valid and nothing scripted."""
    _running_sandbox.revoke_all()
    counted = Counted(_running_sandbox)
    counted.scripted.clear()
    yield counted
    counted.close()
    assert not counted.scripted, "scripted answers that nobody asked for"


@pytest.fixture
def limited(
    fake_time: FakeTime, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Counted]]:
    """Starts a sandbox with limits; it and all that is ours go by one clock, which stands still.

    Those who sign in to it know the limit of a token.
    """
    monkeypatch.setattr(Service, "clock", lambda _: fake_time.monotonic)
    with by_the_clock(fake_time), ExitStack() as stack:

        def start(**limits: Any) -> Counted:
            running = stack.enter_context(GenesysCloudSandbox(**limits))
            sweep.secrets.add(running.client_secret)
            known = {"rate_limit": limits["rate_limit"]} if "rate_limit" in limits else {}
            counted = Counted(running, **known)
            stack.callback(counted.close)
            return counted

        yield start


@pytest.fixture
def environ(sandbox: Counted, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user of the sandbox."""
    for name, value in sandbox.sandbox.environ.items():
        monkeypatch.setenv(name, value)
    return sandbox.sandbox.environ


@pytest.fixture
def trusted(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The same, trusting the servers of `wire` as well."""
    import wire  # not needed by those who borrow this file, as test_secrets does

    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(Path(environ["REQUESTS_CA_BUNDLE"]).read_bytes())
        file.write(wire.authority().cert_pem.bytes())
        file.flush()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", file.name)
        yield file.name


# -- the sweep: whatever a test does, no secret is seen -------------------------------------------


class Sweep:
    """All that a test logged, printed, warned and raised."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.errors: list[GenesysCloudError] = []
        self.secrets: set[str] = {SECRET, TOKEN}

    def find(self) -> list[str]:
        """Where a secret, a token or a Basic value is seen."""
        needles = set()
        for secret in self.secrets:
            needles |= {secret, quote(secret, safe=""), *_in_base64(secret)}
        texts = [*self.texts, *(text for error in self.errors for text in _told_by(error))]
        return [text for text in texts if any(needle in text for needle in needles)]


def _in_base64(secret: str) -> Iterator[str]:
    """What of the secret shows in Base64, wherever it begins in the encoded text."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret.encode()).decode()
        yield encoded[4 if shift else 0 : -4]


def _told_by(error: BaseException | None, depth: int = 0) -> Iterator[str]:
    """All that an error collector could take from an exception, locals of the frames included."""
    if error is None or depth > 10:
        return
    yield f"{error} {error!r} {error.args!r}"
    for name, value in vars(error).items():
        yield f"{name} {value!r}"
        if isinstance(value, requests.PreparedRequest):
            yield f"{dict(value.headers)} {value.body!r} {value.hooks!r} {value._cookies!r}"
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "/tests/" not in frame.f_code.co_filename:
            for name, value in frame.f_locals.items():
                yield f"local {name} in {frame.f_code.co_qualname}: {value!r}"
    yield from _told_by(error.__cause__, depth + 1)
    yield from _told_by(error.__context__, depth + 1)


class _Listener(logging.Handler):
    def __init__(self, sweep: Sweep) -> None:
        super().__init__(logging.DEBUG)
        self._sweep = sweep

    def emit(self, record: logging.LogRecord) -> None:
        self._sweep.texts.append(f"{record.name}: {record.getMessage()} {vars(record)!r}")


_sweeps: list[Sweep] = []


@pytest.fixture(autouse=True)
def sweep(
    _running_sandbox: GenesysCloudSandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sweep]:
    """Fails the test if a secret, a token or a Basic value was seen anywhere."""
    sweep = Sweep()
    sweep.secrets.add(_running_sandbox.client_secret)
    init, issue, warn = GenesysCloudError.__init__, Tokens.issue, warnings.warn

    def recording_init(error: GenesysCloudError, *args: Any, **kwargs: Any) -> None:
        sweep.errors.append(error)
        init(error, *args, **kwargs)

    def recording_issue(tokens: Tokens, token: str, lifetime: float) -> None:
        sweep.secrets.add(token)
        issue(tokens, token, lifetime)

    def recording_warn(message: Any, *args: Any, **kwargs: Any) -> None:
        sweep.texts.append(f"warning: {message}")
        warn(message, *args, **kwargs)

    monkeypatch.setattr(warnings, "warn", recording_warn)
    monkeypatch.setattr(GenesysCloudError, "__init__", recording_init)
    monkeypatch.setattr(Tokens, "issue", recording_issue)
    listener, root = _Listener(sweep), logging.getLogger()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    _sweeps.append(sweep)
    yield sweep
    _sweeps.remove(sweep)
    root.removeHandler(listener)
    root.setLevel(level)
    assert sweep.find() == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test printed is known when it is over."""
    report = yield
    for sweep in _sweeps:
        sweep.texts += [text for title, text in report.sections if "log" not in title]
    return report


def run_python(
    script: str | Path, *arguments: str, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a script, or its text, in a fresh interpreter, to which a warning is fatal."""
    what = [str(script)] if isinstance(script, Path) else ["-c", script]
    return subprocess.run(
        [sys.executable, "-W", "error", *what, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )
