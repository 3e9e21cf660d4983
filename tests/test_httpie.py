"""httpie.py: the real HTTPie signs in to the sandbox, and neither shows nor keeps a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import SECRET, TOKEN, Counted, Sweep, run_python
from wire import Proxy

from gc_requests_auth import LoginTimeoutError
from gc_requests_auth.tokens import request as login
from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util.clock import Moment

pytest.importorskip("httpie", reason="HTTPie is not installed (it comes with the extra [test])")

from httpie.context import Environment
from httpie.core import main

from gc_requests_auth.sandbox.api import Api
from gc_requests_auth.sandbox.service import Reply, Request

ME = "/api/v2/tokens/me"

# From Python 3.14 on, argparse warns of a type that HTTPie uses.
pytestmark = pytest.mark.filterwarnings("ignore:FileType is deprecated:PendingDeprecationWarning")


class Done(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The directory where HTTPie keeps its sessions; without its search for updates."""
    directory = tmp_path / "httpie"
    directory.mkdir()
    (directory / "config.json").write_text('{"disable_update_warnings": true}')
    return directory


@pytest.fixture
def http(
    sandbox: Counted,
    config: Path,
    tmp_path: Path,
    sweep: Sweep,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Done]:
    """Runs the command in this process, with the sandbox as the place that the environment names."""
    monkeypatch.setenv("GENESYSCLOUD_LOGIN_URL", sandbox.login_url)
    monkeypatch.setenv("GENESYSCLOUD_API_URL", sandbox.api_url)

    def http(*arguments: str) -> Done:
        line = ["http", "--auth-type=genesys-cloud", f"--verify={sandbox.ca_file}", *arguments]
        with (tmp_path / "out").open("w+") as out, (tmp_path / "err").open("w+") as err:
            streams: dict[str, Any] = {"stdin": None, "stdout": out, "stderr": err}
            status = main(line, env=Environment(config_dir=config, **streams))
        said = [(tmp_path / name).read_text() for name in ("out", "err")]
        usage = capsys.readouterr().err
        sweep.texts += [*said, usage]
        return Done(int(status), said[0], " ".join(f"{usage} {said[1]}".split()))

    return http


@pytest.fixture
def pair(sandbox: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the environment."""
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_ID", sandbox.client_id)
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", sandbox.client_secret)


def write_profile(home: Path, sandbox: Counted) -> None:
    (home / ".gc").mkdir()
    file = home / ".gc" / "config.toml"
    file.touch(0o600)
    file.write_text(
        f"[prod]\nclient_credentials = '{sandbox.client_id}'\n"
        f"client_secret = '{sandbox.client_secret}'\naccess_token = '{TOKEN}'\n"
    )


def run_http(
    sweep: Sweep, environ: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Runs the command as a person does."""
    done = subprocess.run(
        [sys.executable, "-m", "httpie", "--ignore-stdin", *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    sweep.texts += [done.stdout, done.stderr]
    return done


@pytest.mark.parametrize("source", ["environment", "profile"])
def test_the_command_signs_in_and_leaks_nothing(
    source: str, sandbox: Counted, config: Path, tmp_path: Path, sweep: Sweep
) -> None:
    """As a person runs it, with all the output there is, and with a session on disk."""
    environ = {**sandbox.sandbox.environ, "HTTPIE_CONFIG_DIR": str(config)}
    arguments = ["--auth-type=genesys-cloud", "--debug", "--all", "-vv", "--session=ours"]
    if source == "profile":
        write_profile(tmp_path, sandbox)
        arguments += ["-a", "prod"]
        del environ["GENESYSCLOUD_OAUTHCLIENT_ID"], environ["GENESYSCLOUD_OAUTHCLIENT_SECRET"]
    for more in (arguments, ["--debug", "--session=ours"]):  # the second signs in by the session
        done = run_http(sweep, environ, *more, sandbox.api_url + ME)
        assert done.returncode == 0, done.stderr
        assert '"Sandbox Ltd"' in done.stdout
        assert "'auth': <GenesysCloudAuth, not yet looked up>" in done.stderr or more != arguments

    assert (sandbox.token_requests, sandbox.api_requests) == (2, 2)
    (session,) = (config / "sessions").rglob("*.json")
    kept = session.read_text()
    sweep.texts.append(kept)
    profile = "prod" if source == "profile" else None
    assert json.loads(kept)["auth"] == {"type": "genesys-cloud", "raw_auth": profile}


def test_a_failure_leaks_nothing_under_debug(sandbox: Counted, config: Path, sweep: Sweep) -> None:
    """Which is where a traceback is shown."""
    environ = {**sandbox.sandbox.environ, "HTTPIE_CONFIG_DIR": str(config)}
    environ["GENESYSCLOUD_OAUTHCLIENT_SECRET"] = SECRET
    arguments = ["--auth-type=genesys-cloud", "--debug", sandbox.api_url + ME]
    done = run_http(sweep, environ, *arguments)

    assert done.returncode == 1
    assert "error: CredentialsRefusedError: " in done.stderr
    assert "Traceback" in done.stderr


def test_all_that_a_token_needs_is_loaded_with_the_plugin(sandbox: Counted, config: Path) -> None:
    """What ``httpie plugins install`` installs is on the path only while plugins are loaded."""
    script = """
import sys, warnings
warnings.filterwarnings("ignore", "FileType is deprecated", PendingDeprecationWarning)
from httpie.core import main
from httpie.plugins.registry import plugin_manager
from gc_requests_auth.httpie import GenesysCloudPlugin
plugin_manager.register(GenesysCloudPlugin)
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
sys.exit(main(["http", "--ignore-stdin", "--auth-type=genesys-cloud", sys.argv[1]]))
"""
    environ = {**os.environ, **sandbox.sandbox.environ, "HTTPIE_CONFIG_DIR": str(config)}
    done = run_python(script, sandbox.api_url + ME, env=environ)

    assert (done.returncode, done.stderr) == (0, "")
    assert sandbox.token_requests == 1


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("option", ["--offline", "--offl", "from the configuration"])
def test_offline_makes_no_request_of_any_kind(
    option: str, http: Callable[..., Done], sandbox: Counted, config: Path
) -> None:
    arguments = [option]
    if option == "from the configuration":
        (config / "config.json").write_text(
            '{"disable_update_warnings": true, "default_options": ["--offline"]}'
        )
        arguments = []
    done = http(*arguments, f"{sandbox.api_url}{ME}")

    assert (done.status, done.err) == (0, "")
    assert "\nAuthorization: <hidden>\n" in done.out
    assert (sandbox.token_requests, sandbox.api_requests) == (0, 0)
    if not arguments:
        assert http("--no-offline", f"{sandbox.api_url}{ME}").status == 0
        assert (sandbox.token_requests, sandbox.api_requests) == (1, 1)


@pytest.mark.usefixtures("pair")
def test_a_request_is_shown_without_the_token_it_carries(
    http: Callable[..., Done], sandbox: Counted
) -> None:
    done = http("-v", "PUT", f"{sandbox.api_url}/sandbox/echo", "name=value")

    assert "\nAuthorization: <hidden>\n" in done.out
    assert "HTTP/1.1 200 OK" in done.out
    sent = sandbox.sandbox.api_exchanges[-1].headers["Authorization"]
    assert sent.startswith("Bearer ")


@pytest.mark.usefixtures("pair")
def test_a_token_is_not_shown_after_a_replay_and_a_redirect(
    http: Callable[..., Done], sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests makes the next hop from the request that was replayed."""
    answer, first = Api.answer, [Reply(401), Reply(302, headers={"Location": "/sandbox/echo"})]

    def scripted(self: Api, request: Request) -> Reply:
        return first.pop(0) if first else answer(self, request)

    monkeypatch.setattr(Api, "answer", scripted)
    done = http("-v", "--all", "--follow", f"{sandbox.api_url}/somewhere")

    assert done.status == 0
    assert sandbox.token_requests == 2
    assert done.out.count("\nAuthorization: <hidden>\n") == 2


@pytest.mark.usefixtures("pair")
def test_the_client_certificate_of_httpie_is_shown_to_the_login_service(
    http: Callable[..., Done], sandbox: Counted, tmp_path: Path
) -> None:
    certificate = tmp_path / "client.pem"
    certificate.write_text("no PEM")
    done = http(f"--cert={certificate}", f"{sandbox.api_url}{ME}")

    assert "LoginUnreachableError" in done.err
    assert sandbox.token_requests == 0


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("option", ["--offline", "-v"])
def test_no_token_is_for_another_host(
    option: str, http: Callable[..., Done], sandbox: Counted
) -> None:
    done = http(option, f"{sandbox.login_url}/elsewhere", "Authorization:of the caller")
    assert "\nAuthorization: of the caller\n" in done.out

    done = http(option, sandbox.api_url.replace("https:", "http:"))
    assert done.status == 1
    assert "http: error: ConfigurationError: " in done.err
    assert "plain http would show the access token" in done.err


@pytest.mark.usefixtures("pair")
def test_the_token_request_goes_the_way_of_the_call(
    http: Callable[..., Done], sandbox: Counted
) -> None:
    with Proxy() as proxy:
        assert http(f"--proxy=https:{proxy.url}", f"{sandbox.api_url}{ME}").status == 0
    urls = sandbox.login_url, sandbox.api_url
    assert proxy.targets == [url.removeprefix("https://") for url in urls]


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (f"id:{SECRET}", "-a names a profile of the gc CLI here, and takes no id:secret."),
        (f":{SECRET}", "-a names a profile of the gc CLI here, and takes no id:secret."),
        ("", "-a: profile is empty"),
    ],
)
def test_a_word_that_is_no_profile_is_a_usage_error_and_is_not_kept(
    value: str, said: str, http: Callable[..., Done], sandbox: Counted, config: Path
) -> None:
    done = http("-a", value, "--session=ours", "--offline", f"{sandbox.api_url}{ME}")

    assert done.status == 1
    assert f"error: {said}" in done.err
    assert not (config / "sessions").exists()


@pytest.mark.parametrize("value", ["prd", "a-secret-that-strayed-into-the-place-of-a-profile"])
def test_a_profile_that_is_missing_is_an_error_that_keeps_nothing(
    value: str, http: Callable[..., Done], sandbox: Counted, config: Path, tmp_path: Path
) -> None:
    write_profile(tmp_path, sandbox)
    done = http("-a", value, "--session=ours", "--offline", f"{sandbox.api_url}{ME}")

    assert done.status == 1
    assert "http: error: ConfigurationError: There is no profile " in done.err
    assert "a-secret" not in done.err
    assert "Profiles there: 'prod'." in done.err
    assert not (config / "sessions").exists()


def test_missing_credentials_are_told(http: Callable[..., Done], sandbox: Counted) -> None:
    done = http(f"{sandbox.api_url}{ME}")
    assert done.status == 1
    assert done.err.startswith("http: error: ConfigurationError: No Genesys Cloud credentials.")


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("at", ["the first token", "the one after a 401"])
def test_a_time_out_of_the_login_service_is_told_as_one(
    at: str, http: Callable[..., Done], sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not as one of the request, which is all that HTTPie says of time-outs."""
    stale = at == "the one after a 401"

    def late(*_: Any, clock: Any, **__: Any) -> AccessToken:
        nonlocal stale
        if stale:
            stale = False
            return AccessToken.issued(TOKEN, 300, Moment.now(clock), clock)
        raise LoginTimeoutError("login.example gave no answer in time.", host="login.example")

    monkeypatch.setattr(login, "request_token", late)
    done = http(f"{sandbox.api_url}{ME}")

    assert done.status == 1
    assert done.err.startswith(
        "http: error: LoginUnreachableError: login.example gave no answer in time."
    )
    assert done.err.endswith(f"while doing a GET request to URL: {sandbox.api_url}{ME}")
