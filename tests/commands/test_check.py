"""``gc-requests-auth check``, step by step."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import formatdate
from pathlib import Path
from queue import Empty
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import trustme
import wire
from conftest import HAS_URLLIB3_2, SECRET, TOKEN, Counted, FakeTime, run_python

from gc_requests_auth.commands import main as cli
from gc_requests_auth.commands.check import network
from gc_requests_auth.commands.check.report import Finding, Status, plain
from gc_requests_auth.commands.check.route import Route, issuer_of, issuer_shown
from gc_requests_auth.commands.check.steps import Walk
from gc_requests_auth.settings.arguments import Settings
from gc_requests_auth.util.clock import Clock

STEPS = [
    "settings",
    "region",
    "route",
    "login DNS",
    "login TLS",
    "clock",
    "token",
    "API DNS",
    "API TLS",
    "client",
    "idle time-out",
]

TIMEOUT = (5.0, 5.0)

#: A token as the login service grants it.
GRANTED = json.dumps({"access_token": TOKEN, "token_type": "bearer", "expires_in": 86399})


def walk(
    timeout: tuple[float, float] = TIMEOUT, clock: Clock | None = None, for_a_name: float = 5.0
) -> dict[str, Finding]:
    """All steps that were taken, by name."""
    settings = Settings(token_timeout=timeout)
    return {step.step: step for step in Walk(settings, clock or Clock(), for_a_name).steps()}


def failed(steps: dict[str, Finding], status: Status) -> Finding:
    """The last step, which is the only one that failed."""
    (bad,) = [step for step in steps.values() if step.status]
    assert bad == list(steps.values())[-1]
    assert bad.status is status
    return bad


def all_is_well(steps: dict[str, Finding]) -> bool:
    return {step.status for step in steps.values()} == {Status.FINE}


def causes(step: Finding) -> list[str]:
    return [one.cause for one in step.causes]


# -- the whole of it ------------------------------------------------------------------------------


@pytest.mark.usefixtures("environ")
def test_when_all_is_well_every_step_is_a_line_and_the_status_is_0(
    sandbox: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check"]) == 0
    out, err = capsys.readouterr()

    assert [line[6:].partition(":")[0] for line in out.splitlines() if line[:2] == "ok"] == STEPS
    assert out.count(" s)") == len(STEPS), "each with its time"
    assert "FAIL" not in out
    assert out.rstrip().endswith("this client can sign in and call the API from here.")
    assert "'Sandbox client' of organisation 'Sandbox Ltd'" in " ".join(out.split())
    assert "grant type CLIENT_CREDENTIALS, state active" in " ".join(out.split())
    assert sandbox.client_id not in out, "four characters of it are enough"
    assert f"...{sandbox.client_id[-4:]}" in out
    assert err == ""
    assert out.isascii()
    assert max(map(len, out.splitlines())) < 80


@pytest.mark.usefixtures("environ")
def test_check_makes_one_token_request_and_does_not_postpone_the_idle_timeout(
    sandbox: Counted,
) -> None:
    walk()

    assert sandbox.token_requests == 1
    asked = [one.target for one in sandbox.sandbox.api_exchanges][-3:]
    assert asked == [
        "/api/v2/tokens/me?preserveIdleTTL=true",
        "/api/v2/tokens/timeout",
        "/api/v2/organizations/limits/namespaces/platform.api",
    ]


@pytest.mark.usefixtures("environ")
def test_check_prints_json_for_machines(
    sandbox: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "--json"]) == 0
    out = capsys.readouterr().out
    said = json.loads(out)
    facts = {step["step"]: step["facts"] for step in said["steps"]}

    assert list(said) == ["version", "ok", "exit_status", "steps", "causes"]
    assert (said["ok"], said["exit_status"], said["causes"]) == (True, 0, [])
    assert list(facts) == STEPS
    assert set(said["steps"][0]) == {"step", "ok", "seconds", "finding", "details", "facts"}
    assert facts["settings"] == {
        "client_id": f"...{sandbox.client_id[-4:]}",
        "client_id_from": "GENESYSCLOUD_OAUTHCLIENT_ID",
        "client_secret_from": "GENESYSCLOUD_OAUTHCLIENT_SECRET",
        "not_used": [],
    }
    assert facts["region"]["login_url"] == sandbox.login_url
    assert facts["region"]["login_url_from"] == "GENESYSCLOUD_LOGIN_URL"
    assert facts["route"] == {"proxy": None, "ca_bundle": sandbox.ca_file, "netrc": []}
    assert "trustme" in facts["login TLS"]["issuer"]
    assert facts["token"] == {"lifetime_seconds": 86400.0}
    assert facts["client"] == {
        "organization": "Sandbox Ltd",
        "client_name": "Sandbox client",
        "grant_type": "CLIENT_CREDENTIALS",
        "state": "active",
    }
    assert facts["idle time-out"] == {"enabled": False, "seconds": None}
    assert out.isascii()


def test_check_prints_the_causes_of_a_failure_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--json"]) == 2
    said = json.loads(capsys.readouterr().out)

    assert (said["ok"], said["exit_status"]) == (False, 2)
    assert [step["ok"] for step in said["steps"]] == [False]
    assert said["causes"][0]["cause"] == "No variable that holds credentials is set here"
    assert "GENESYSCLOUD_OAUTHCLIENT_ID" in said["causes"][0]["what_to_do"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell has what it starts in the background ignore Ctrl-C, and children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("trusted", "interruptible")
def test_ctrl_c_ends_a_check_that_waits_for_a_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arrived = Event()

    def stall(peer: wire.Peer) -> None:
        arrived.set()
        peer.hang()

    with ExitStack() as stack:
        own_server(stack, monkeypatch, stall)
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "gc_requests_auth", "check"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert arrived.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=5)

    assert (process.returncode, err) == (130, "Interrupted.\n")
    assert out.splitlines()[-1].startswith("ok    login DNS:"), "what was found is printed"


def test_check_measures_the_time_of_each_step(
    environ: dict[str, str], fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: Any, **__: Any) -> Any:
        fake_time.advance(2.5)
        raise socket.gaierror

    monkeypatch.setenv("GENESYSCLOUD_LOGIN_URL", "https://login.nowhere.invalid")
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    steps = walk(clock=fake_time.clock)

    assert [step.seconds for step in steps.values()] == [0.0, 0.0, 0.0, 2.5]
    assert "has no address (2.50 s)" in str(steps["login DNS"])


# -- settings and region --------------------------------------------------------------------------


def test_what_was_found_and_is_not_used_is_named_with_its_reason(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYS_CLOUD_CLIENT_ID", "another-client-9f2c")
    monkeypatch.setenv("GENESYS_CLOUD_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("GC_CLIENT_ID", environ["GENESYSCLOUD_OAUTHCLIENT_ID"])
    monkeypatch.setenv("GC_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("GENESYSCLOUD_ACCESS_TOKEN", TOKEN)
    monkeypatch.setenv("GC_REGION", "eu-west-1")
    monkeypatch.setenv("GENESYS_REGION", SECRET)
    monkeypatch.setenv("GENESYS_CLOUD_REGION", "gateway.example.com")
    monkeypatch.setenv("GENESYSCLOUD_SDK_DEBUG", "true")
    monkeypatch.setenv("PURECLOUD_CLIENTSECRET", SECRET)

    assert walk()["settings"].facts["not_used"] == [
        (
            "GENESYS_CLOUD_CLIENT_ID (another client, ...9f2c), since GENESYSCLOUD_OAUTHCLIENT_ID"
            " comes first"
        ),
        "GC_CLIENT_ID (the same client), since GENESYSCLOUD_OAUTHCLIENT_ID comes first",
        "GENESYS_CLIENT_SECRET, since GENESYS_CLIENT_ID is not set",
        "GENESYSCLOUD_ACCESS_TOKEN, a bare token, which could not be renewed",
        "GENESYS_CLOUD_REGION, since both URLs are set",
        "GC_REGION (mypurecloud.ie), since both URLs are set",
        "GENESYS_REGION, since both URLs are set",
        "GENESYSCLOUD_SDK_DEBUG, which this library does not read",
        "PURECLOUD_CLIENTSECRET (did you mean PURECLOUD_CLIENT_SECRET?), which this library does not read",
    ]


def save_profile(tmp_path: Path, sandbox: Counted, mode: int = 0o600) -> None:
    """A profile of the gc CLI that signs in to the sandbox."""
    file = tmp_path / ".gc" / "config.toml"
    file.parent.mkdir()
    file.write_text(
        f"[prod]\nclient_credentials = '{sandbox.client_id}'\n"
        f"client_secret = '{sandbox.client_secret}'\nenvironment = 'eu-west-1'\n"
    )
    file.chmod(mode)


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize("named_by", ["argument", "environment"])
def test_a_profile_of_the_gc_cli_is_read_as_the_library_reads_it(
    named_by: str,
    sandbox: Counted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_profile(tmp_path, sandbox, 0o644)
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)
    if named_by == "environment":
        monkeypatch.delenv("GENESYSCLOUD_OAUTHCLIENT_SECRET")
        monkeypatch.setenv("GENESYSCLOUD_PROFILE", "prod")

    assert cli.main(["check", *(["--profile", "prod"] if named_by == "argument" else [])]) == 0
    out, err = capsys.readouterr()

    said = " ".join(out.split())
    source = "client_credentials of profile 'prod' in ~/.gc/config.toml"
    assert f"client ...{sandbox.client_id[-4:]} from {source}" in said
    assert "not used: GENESYSCLOUD_OAUTHCLIENT_ID" in said
    assert "Other users can read the secrets in" in said
    assert err == "", "nothing is said twice"


@pytest.mark.usefixtures("environ")
def test_a_profile_that_does_not_count_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYSCLOUD_PROFILE", "prod")

    assert walk()["settings"].facts["not_used"] == [
        "GENESYSCLOUD_PROFILE, since GENESYSCLOUD_OAUTHCLIENT_ID comes first"
    ]


def test_profiles_that_nobody_names_are_mentioned(sandbox: Counted, tmp_path: Path) -> None:
    save_profile(tmp_path, sandbox)
    step = failed(walk(), Status.MISCONFIGURED)

    assert step.details == (
        "not used: ~/.gc/config.toml, since no profile is named: --profile or GENESYSCLOUD_PROFILE",
    )


def test_without_a_home_there_are_no_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)

    assert failed(walk(), Status.MISCONFIGURED).details == ()


@pytest.mark.usefixtures("environ")
def test_a_profile_that_is_not_there_is_a_fault_of_the_settings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["check", "--profile", "prod"]) == 2
    assert "FAIL  settings: profile 'prod' can not be read from" in capsys.readouterr().out


def test_an_empty_name_of_a_profile_is_a_fault_of_the_settings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["check", "--profile", ""]) == 2
    assert "FAIL  settings: profile is empty" in capsys.readouterr().out


@pytest.mark.usefixtures("only_loopback")
def test_of_two_regions_the_one_beside_the_credentials_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GC_CLIENT_ID", "client-id-1a2b")
    monkeypatch.setenv("GC_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("GC_REGION", "eu-west-1")
    monkeypatch.setenv("GENESYSCLOUD_REGION", "usw2")
    steps = walk()

    assert steps["settings"].facts["not_used"] == [
        "GENESYSCLOUD_REGION (usw2.pure.cloud), since GC_REGION comes first"
    ]
    assert steps["region"].finding == "mypurecloud.ie (eu-west-1, EMEA (Dublin)) from GC_REGION"
    assert steps["region"].details == [
        "login https://login.mypurecloud.ie from GC_REGION",
        "API   https://api.mypurecloud.ie from GC_REGION",
    ]


@pytest.mark.usefixtures("only_loopback")
def test_check_without_credentials_says_what_else_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GC_CLIENT_ID", "client-id-1a2b")
    monkeypatch.setenv("GC_CLIENT_SECRET", "")
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECERT", SECRET)
    step = failed(walk(), Status.MISCONFIGURED)

    assert step.finding == "GC_CLIENT_SECRET is empty, though GC_CLIENT_ID is set"
    assert list(step.details) == [
        "not used: GC_CLIENT_ID, since GC_CLIENT_SECRET is empty",
        (
            "not used: GENESYSCLOUD_OAUTHCLIENT_SECERT (did you mean GENESYSCLOUD_OAUTHCLIENT_SECRET?),"
            " which this library does not read"
        ),
    ]
    assert causes(step)[1] == "The variables are set, but not for this process"


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize("name", ["GENESYSCLOUD_RATE_LIMIT", "GENESYSCLOUD_TOKEN_POOL_SIZE"])
def test_a_number_that_every_call_would_stumble_over_is_a_fault_of_the_settings(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "many")
    step = failed(walk(), Status.MISCONFIGURED)

    assert step.step == "settings"
    assert step.finding.startswith(f"{name} must be a whole number")


def test_a_variable_that_two_families_share_is_used_where_one_of_them_signs_in(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = environ["GENESYSCLOUD_OAUTHCLIENT_ID"], environ["GENESYSCLOUD_OAUTHCLIENT_SECRET"]
    for name in ("GENESYSCLOUD_OAUTHCLIENT_ID", "GENESYSCLOUD_OAUTHCLIENT_SECRET"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PURECLOUD_CLIENT_ID", pair[0])
    monkeypatch.setenv("PURECLOUD_SECRET", pair[1])

    assert walk()["settings"].facts["not_used"] == []


def test_a_region_that_is_not_set_is_told_how_to_be_found(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GENESYSCLOUD_LOGIN_URL")
    step = failed(walk(), Status.MISCONFIGURED)

    assert step.step == "region"
    assert step.finding == "No Genesys Cloud region"
    assert "look at the address bar" in step.causes[0].remedy


@pytest.mark.usefixtures("environ")
def test_hosts_of_two_regions_are_a_fault_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, sandbox: Counted
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_LOGIN_URL", "https://login.mypurecloud.ie")
    monkeypatch.setenv("GENESYSCLOUD_API_URL", "https://api.mypurecloud.com.au")
    step = failed(walk(), Status.MISCONFIGURED)

    assert step.finding == (
        "Tokens come from mypurecloud.ie, but the API belongs to mypurecloud.com.au"
    )
    assert sandbox.token_requests == 0


@pytest.mark.usefixtures("environ", "only_loopback")
def test_a_region_that_is_newer_than_the_table_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_REGION", "afs1.pure.cloud")
    monkeypatch.delenv("GENESYSCLOUD_LOGIN_URL")
    region = walk()["region"]

    assert region.finding == (
        "afs1.pure.cloud (not in this release's table) from GENESYSCLOUD_REGION"
    )
    assert region.facts["api_url_from"] == "GENESYSCLOUD_API_URL"


# -- the way there --------------------------------------------------------------------------------


@pytest.mark.usefixtures("environ")
def test_a_proxy_is_named_without_its_credentials_and_the_way_through_it_is_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with wire.Proxy() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", f"//user:{SECRET}@"))
        steps = walk()

    named = f"proxy http://127.0.0.1:{proxy.port}"
    assert all_is_well(steps)
    assert f"{named} with a user name, from https_proxy;" in steps["route"].finding
    assert steps["route"].facts["proxy"] == named.removeprefix("proxy ")
    assert steps["login DNS"].finding.endswith("; the proxy resolves 127.0.0.1")
    assert steps["login TLS"].finding.endswith(f"through {named} by CONNECT")
    assert "trustme" in steps["login TLS"].finding
    assert all(one.values("Proxy-Authorization") for one in proxy.requests)


@pytest.mark.usefixtures("environ")
def test_check_goes_by_the_proxy_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    with wire.Proxy() as proxy:
        monkeypatch.setenv("GENESYSCLOUD_PROXY_PROTOCOL", "http")
        monkeypatch.setenv("GENESYSCLOUD_PROXY_HOST", "127.0.0.1")
        monkeypatch.setenv("GENESYSCLOUD_PROXY_PORT", str(proxy.port))
        monkeypatch.setenv("HTTPS_PROXY", "http://nobody.example:1")  # comes second
        steps = walk()

    named = f"proxy http://127.0.0.1:{proxy.port} from GENESYSCLOUD_PROXY_HOST;"
    assert all_is_well(steps)
    assert named in steps["route"].finding
    assert steps["login TLS"].finding.endswith("by CONNECT")


def test_the_proxy_of_a_profile_is_named_by_its_key(
    sandbox: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wire.Proxy() as proxy:
        (tmp_path / ".gc").mkdir(mode=0o700)  # the home, as the fixture clean_environment has it
        file = tmp_path / ".gc" / "config.toml"
        file.touch(0o600)
        file.write_text(
            f'[prod]\nclient_credentials = "{sandbox.client_id}"\n'
            f'client_secret = "{sandbox.client_secret}"\ngrant_type = "1"\n'
            f'proxy_protocol = "http"\nproxy_host = "127.0.0.1"\nproxy_port = "{proxy.port}"\n'
        )
        for name, value in sandbox.sandbox.environ.items():
            if "OAUTHCLIENT" not in name:
                monkeypatch.setenv(name, value)
        monkeypatch.setenv("GENESYSCLOUD_PROFILE", "prod")
        steps = walk()

    assert all_is_well(steps)
    named = f"proxy http://127.0.0.1:{proxy.port} from proxy_host of profile 'prod' in "
    assert named in steps["route"].finding


@pytest.mark.usefixtures("environ", "only_loopback")
@pytest.mark.parametrize("named_by", ["HTTPS_PROXY", "GENESYSCLOUD_PROXY_HOST"])
def test_what_names_the_proxy_is_what_to_look_at(
    named_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")
    monkeypatch.setenv(named_by, "proxy.invalid")
    unknown = failed(walk(), Status.UNREACHABLE)
    port = str(wire.closed_port())
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("GENESYSCLOUD_PROXY_PORT", port)
    monkeypatch.setenv(named_by, f"127.0.0.1:{port}" if named_by == "HTTPS_PROXY" else "127.0.0.1")
    deaf = failed(walk(), Status.UNREACHABLE)

    assert unknown.causes[0].remedy == f"Compare {named_by} with a machine where it works."
    assert deaf.causes[0].remedy == f"Compare {named_by} with a machine where it works."


@pytest.mark.usefixtures("environ")
def test_a_proxy_of_the_settings_that_makes_no_sense_is_a_fault_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_PROXY_HOST", "127.0.0.1")
    monkeypatch.setenv("GENESYSCLOUD_PROXY_PORT", "many")

    assert "GENESYSCLOUD_PROXY_PORT" in failed(walk(), Status.MISCONFIGURED).finding


def test_hosts_that_go_different_ways_are_told_apart(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with wire.Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        api = environ["GENESYSCLOUD_API_URL"].replace("127.0.0.1", "localhost")
        monkeypatch.setenv("GENESYSCLOUD_API_URL", api)
        monkeypatch.setenv("NO_PROXY", "localhost")
        steps = walk()

    assert all_is_well(steps)
    assert "from HTTPS_PROXY and no proxy;" in steps["route"].finding
    assert steps["route"].details[1].endswith("by no proxy")
    assert "CONNECT" in steps["login TLS"].finding
    assert "CONNECT" not in steps["API TLS"].finding


@pytest.mark.usefixtures("environ")
def test_a_netrc_entry_is_named_and_its_password_is_not(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login somebody password {SECRET}\n")
    route = walk()["route"]

    assert "a ~/.netrc entry for 127.0.0.1" in route.finding
    assert "is not used, since auth= beats it" in route.details[0]
    assert route.facts["netrc"] == ["127.0.0.1"]


@pytest.mark.usefixtures("environ")
def test_a_netrc_in_another_encoding_is_said_not_to_be_read(tmp_path: Path) -> None:
    entry = f"machine 127.0.0.1 login J\xfcrgen password {SECRET}\n"
    (tmp_path / ".netrc").write_bytes(entry.encode("latin-1"))
    steps = walk()

    assert all_is_well(steps)
    assert steps["route"].finding.endswith("; a netrc that can not be read")
    assert "A call without auth= would fail." in steps["route"].details[0]
    assert steps["route"].facts["netrc"] == []


@pytest.mark.usefixtures("environ")
def test_variables_that_requests_does_not_heed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("SSL_CERT_FILE", "bundle.pem")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    beside = walk()["route"]
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    alone = walk()["route"]

    proxy = "not used: HTTP_PROXY, which is for http:// alone; https:// needs HTTPS_PROXY"
    assert list(beside.details) == [proxy]
    assert "; CAs of certifi;" in alone.finding
    assert list(alone.details) == [
        proxy,
        "not used: SSL_CERT_FILE, which requests does not read; it reads REQUESTS_CA_BUNDLE",
    ]
    with wire.Proxy() as other, monkeypatch.context() as patch:
        patch.setenv("GENESYSCLOUD_PROXY_HOST", "127.0.0.1")
        patch.setenv("GENESYSCLOUD_PROXY_PORT", str(other.port))
        assert proxy not in walk()["route"].details, "there is a proxy"
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert proxy not in walk()["route"].details, "NO_PROXY says that there is none"


@pytest.mark.usefixtures("environ")
def test_a_proxy_of_an_unknown_scheme_is_a_fault_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://proxy.example.com")
    step = failed(walk(), Status.MISCONFIGURED)

    assert (step.step, step.finding) == ("route", "HTTPS_PROXY is no URL of a proxy")


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (None, "REQUESTS_CA_BUNDLE names a file that is not there"),
        ("no PEM", "REQUESTS_CA_BUNDLE names a file that can not be read as PEM certificates"),
    ],
)
@pytest.mark.usefixtures("environ")
def test_a_ca_bundle_that_is_none_is_a_fault_of_the_settings(
    content: str | None, finding: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content:
        bundle.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    step = failed(walk(), Status.MISCONFIGURED)

    assert (step.step, step.finding) == ("route", finding)


@pytest.mark.usefixtures("environ")
def test_a_ca_bundle_behind_a_locked_door_is_a_fault_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look = os.stat

    def locked(path: Any, *more: Any, **options: Any) -> os.stat_result:
        if str(path) == "/locked/bundle.pem":  # no door is locked to root, who may run this
            raise PermissionError(13, "Permission denied")
        return look(path, *more, **options)  # pragma: no cover -- whoever else may look

    monkeypatch.setattr(os, "stat", locked)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/locked/bundle.pem")
    step = failed(walk(), Status.MISCONFIGURED)

    assert step.finding == "REQUESTS_CA_BUNDLE names a file that this program may not read"


@pytest.mark.usefixtures("environ")
def test_certificates_in_place_of_their_path_are_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"-----BEGIN CERTIFICATE-----\n{SECRET * 20}\n-----END CERTIFICATE-----\n"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", text)

    assert cli.main(["check"]) == 2
    out = " ".join(capsys.readouterr().out.split())

    assert "route: REQUESTS_CA_BUNDLE names no file" in out
    assert "1. REQUESTS_CA_BUNDLE names no file: (not shown: this is no path)." in out


@pytest.mark.usefixtures("environ")
def test_a_folder_of_cas_is_left_to_openssl(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))

    assert failed(walk(), Status.UNREACHABLE).step == "login TLS"


@pytest.mark.parametrize(
    "proxy",
    [
        "http://proxy:port",
        "http://",
        "http://[bad",
        "http://bob:2024@proxy..example.com:3128",
        f"{'x' * 64}.example.com:3128",
        "http://bob:2024/xyz@h:1",
        "http://bob:2024?xyz@h:1",
        "bob:2024#xyz@h:1",
    ],
)
@pytest.mark.usefixtures("environ")
def test_a_proxy_that_is_no_url_is_a_fault_of_the_settings(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    step = failed(walk(), Status.MISCONFIGURED)

    assert (step.step, step.finding) == ("route", "ALL_PROXY is no URL of a proxy")
    assert "2024" not in str(step)
    assert "2024" not in str(causes(step))


@pytest.mark.usefixtures("environ")
def test_a_proxy_password_that_can_not_be_sent_is_a_fault_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://bob:%E2%82%AC{SECRET}@127.0.0.1:9")

    assert cli.main(["check"]) == 2
    out = " ".join(capsys.readouterr().out.split())

    assert (
        "route: HTTPS_PROXY holds a user name or a password with characters outside Latin-1" in out
    )
    assert "bob" not in out


def test_a_socks_proxy_takes_any_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5h://bob:%E2%82%AC@127.0.0.1:9")
    route = Route.to("https://login.mypurecloud.ie", requests.Session())

    assert route.by == "proxy socks5h://127.0.0.1:9"


def test_a_route_prints_without_the_password_of_its_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"user:{SECRET}@[::1]")
    route = Route.to("https://login.mypurecloud.ie", requests.Session())

    assert repr(route) == ("<Route to https://login.mypurecloud.ie by proxy http://[::1]>")


# -- name resolution ------------------------------------------------------------------------------


@pytest.mark.usefixtures("environ")
def test_addresses_are_told_the_first_three(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(0, 0, 0, "", (f"127.0.0.{n}", 0)) for n in (1, 1, 2, 3, 4, 5)]
    monkeypatch.setenv("GENESYSCLOUD_LOGIN_URL", "https://login.mypurecloud.ie")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    # As if nothing listened there, which on loopback is so.
    step = walk()["login DNS"]

    assert step.finding == ("login.mypurecloud.ie is 127.0.0.1, 127.0.0.2, 127.0.0.3 and 2 more")
    assert len(step.facts["addresses"]) == 5  # type: ignore[arg-type]


@pytest.mark.usefixtures("environ")
def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = Event()

    def hang(*_: Any, **__: Any) -> Any:
        hanging.wait(10)
        raise socket.gaierror

    monkeypatch.setenv("GENESYSCLOUD_LOGIN_URL", "https://login.mypurecloud.ie")
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        step = failed(walk(for_a_name=0.01), Status.UNREACHABLE)
    finally:
        hanging.set()

    assert step.finding == "no DNS server answers for login.mypurecloud.ie within 0 s"
    assert causes(step)[0].startswith("This machine reaches no DNS server"), "the name is right"


@pytest.mark.usefixtures("environ", "only_loopback")
def test_a_host_that_is_not_in_the_table_may_be_misspelt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYSCLOUD_LOGIN_URL", "https://login.afs1.pure.cloud")

    assert causes(failed(walk(), Status.UNREACHABLE))[0].startswith(
        "The region or the URL is misspelt"
    )


@pytest.mark.usefixtures("environ", "only_loopback")
def test_behind_a_proxy_the_name_of_the_proxy_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.invalid:3128")
    step = failed(walk(), Status.UNREACHABLE)

    assert step.finding == "proxy.invalid has no address"
    assert "The name of the proxy is wrong" in causes(step)[0]


# -- TLS ------------------------------------------------------------------------------------------


def own_server(stack: ExitStack, monkeypatch: pytest.MonkeyPatch, *script: Any, **more: Any) -> Any:
    """A login service of `wire`."""
    server = stack.enter_context(wire.Server(*(script or (wire.reply(200, ""),)), **more))
    monkeypatch.setenv("GENESYSCLOUD_LOGIN_URL", server.url)
    return server


@pytest.mark.usefixtures("environ")
def test_an_issuer_that_is_not_trusted_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        own_server(stack, monkeypatch)
        step = failed(walk(), Status.UNREACHABLE)

    assert step.finding.startswith(
        "TLS is intercepted, or the CA is not known here: the certificate is issued by O=trustme"
    )
    assert step.details == ("OpenSSL says: unable to get local issuer certificate.",)


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_another_host_is_told_from_an_intercepted_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ExitStack() as stack:
        own_server(stack, monkeypatch, name="login.mypurecloud.ie")
        step = failed(walk(), Status.UNREACHABLE)

    assert step.finding.startswith("the certificate is not that of 127.0.0.1:")


@pytest.mark.usefixtures("trusted")
def test_a_certificate_out_of_date_makes_one_look_at_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    wire.authority().issue_cert("127.0.0.1", not_after=yesterday).configure_cert(context)
    monkeypatch.setattr(wire, "_context", lambda _: context)
    with ExitStack() as stack:
        own_server(stack, monkeypatch)
        step = failed(walk(), Status.UNREACHABLE)

    assert step.finding.startswith("the certificate of 127.0.0.1:")
    assert causes(step)[0] == "The clock of this machine is wrong"


@pytest.mark.usefixtures("environ")
def test_a_server_of_plain_http_is_no_matter_of_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        own_server(stack, monkeypatch, greeting=wire.plain_http)
        step = failed(walk(), Status.UNREACHABLE)

    assert "fails the TLS handshake" in step.finding


@pytest.mark.usefixtures("environ")
def test_a_port_where_nobody_listens_is_said_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYSCLOUD_LOGIN_URL", f"https://127.0.0.1:{wire.closed_port()}")
    step = failed(walk(), Status.UNREACHABLE)

    assert "refuses the connection" in step.finding
    assert causes(step)[0].startswith("A firewall is in the way, or a proxy is needed")


@pytest.mark.usefixtures("environ")
def test_a_proxy_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{wire.closed_port()}")
    step = failed(walk(), Status.UNREACHABLE)

    assert "can not be reached through proxy http://127.0.0.1:" in step.finding
    assert step.finding.endswith(", which does not answer")
    assert (
        causes(step)[0]
        == "The proxy is down, or the scheme, the host or the port in its URL is wrong"
    )


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize(
    ("answer", "told", "status"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "which does not speak TLS itself", 2),
        pytest.param(
            b"",
            "which does not answer",
            3,
            marks=pytest.mark.skipif(not HAS_URLLIB3_2, reason="urllib3 1.26 does not tell"),
        ),
    ],
)
def test_a_proxy_that_does_not_speak_tls_is_named(
    answer: bytes, told: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wire.Server(greeting=lambda peer: peer.send(answer)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        step = failed(walk(), Status(status))

    assert step.finding.endswith(told)


@pytest.mark.usefixtures("environ")
def test_a_socks_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(peer: wire.Peer) -> None:
        peer.send(b"\x05\x00")  # SOCKS 5, no password
        peer.socket.recv(100)
        peer.send(b"\x05\x02\x00\x01" + bytes(6))  # not allowed by the rules

    with wire.Server(greeting=refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"socks5h://127.0.0.1:{proxy.port}")
        step = failed(walk(), Status.UNREACHABLE)

    assert step.finding.endswith(f"proxy socks5h://127.0.0.1:{proxy.port}, which answers an error")


@pytest.mark.usefixtures("environ")
def test_a_socks_proxy_without_pysocks_is_a_fault_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    # What requests has in its place without PySocks, which HTTPie brings along.
    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", missing)
    monkeypatch.setenv("HTTPS_PROXY", "socks5h://127.0.0.1:1080")
    step = failed(walk(), Status.MISCONFIGURED)

    assert "got no request: requests can not use a SOCKS proxy here" in step.finding
    assert step.causes[0].remedy == "Install it: pip install 'requests[socks]'"


@pytest.mark.usefixtures("trusted")
def test_a_malformed_redirect_of_the_login_service_is_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = wire.reply(302, "", {"Location": "https://[bad"})
    with ExitStack() as stack:
        own_server(stack, monkeypatch, away, wire.reply(200, GRANTED))
        steps = walk()

    assert not steps["login TLS"].status
    assert not steps["token"].status


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("how", ["nothing", "drips"])
def test_a_server_that_stalls_is_left_behind(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_long(*_: object) -> object:
        raise network.TooLongError

    if how == "drips":  # each read is in time, and the whole is not
        monkeypatch.setattr(network, "within", too_long)
    with ExitStack() as stack:
        own_server(stack, monkeypatch, wire.hang)
        step = failed(walk((5.0, 0.05)), Status.UNREACHABLE)

    assert step.step == "login TLS"
    assert "did not answer in time" in step.finding


@pytest.mark.usefixtures("trusted")
def test_an_issuer_that_is_not_told_in_time_is_no_trouble(
    monkeypatch: pytest.MonkeyPatch, sandbox: Counted
) -> None:
    hanging = Event()
    monkeypatch.setattr(network, "issuer_shown", lambda *_: hanging.wait(10))
    steps = walk((0.1, 0.1))
    hanging.set()

    assert "an issuer that could not be read" in steps["login TLS"].finding


@pytest.mark.usefixtures("environ")
def test_a_fault_of_our_own_is_raised_and_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(requests.Session, "request", broken)
    with pytest.raises(ZeroDivisionError):
        walk()


# -- certificates ---------------------------------------------------------------------------------


def test_the_issuer_is_read_from_a_certificate_nobody_trusts() -> None:
    name = trustme.CA(organization_name="Corp Proxy", organization_unit_name="Security")
    der = ssl.PEM_cert_to_DER_cert(name.issue_cert("a").cert_chain_pems[0].bytes().decode())

    assert issuer_of(der) == "O=Corp Proxy, OU=Security"


#: A name of two parts: 2.5.4.6 (a country), and 2.5.4.3.
A_NAME = (
    bytes.fromhex("3026310b30090603550406" + "130244453117301506035504030c0e") + b"Proxy of Corp!"
)


@pytest.mark.parametrize("version", ["a003020102", ""])
def test_names_of_old_certificates_are_read_too(version: str) -> None:
    fields = bytes.fromhex(f"{version}0201013000") + A_NAME
    whole = bytes([0x30, 0x81, len(fields) + 2, 0x30, len(fields)]) + fields

    assert issuer_of(whole) == "CN=Proxy of Corp!"


@pytest.mark.parametrize("damaged", ["", "30", "3000", "308450", "30063004a0000200", "ff" * 40])
def test_what_is_no_certificate_is_a_value_error(damaged: str) -> None:
    with pytest.raises(ValueError, match="without an issuer"):
        issuer_of(bytes.fromhex(damaged))


def test_an_issuer_that_can_not_be_read_is_none() -> None:
    route = Route(f"https://127.0.0.1:{wire.closed_port()}", None, None)

    assert issuer_shown(route, 1.0) is None


def test_no_password_goes_in_plain_text_to_a_proxy_that_speaks_tls() -> None:
    with wire.Proxy() as proxy:
        named = urlsplit(f"https://somebody:{SECRET}@127.0.0.1:{proxy.port}")
        route = Route("https://login.mypurecloud.ie", named, None)
        assert issuer_shown(route, 1.0) is None

    assert proxy.requests == []


# -- clock ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("off", "status"), [(60, Status.FINE), (3600, Status.MISCONFIGURED)])
def test_a_clock_that_is_off_is_a_fault_from_five_minutes_on(
    off: int, status: Status, fake_time: FakeTime
) -> None:
    date = formatdate(fake_time.clock.wall() - off, usegmt=True)
    found = network.compare_clocks(date, fake_time.clock)

    assert found.status is status
    assert f"{off} s ahead of the server's" in found.finding


@pytest.mark.parametrize(
    ("ahead", "finding"),
    [
        (0, "the same as the server's"),
        (60, "60 s ahead of the server's"),
        (-60, "60 s behind the server's"),
        (None, "not compared, since the server sends no date"),
    ],
)
def test_a_clock_that_is_right_enough(ahead: float | None, finding: str) -> None:
    clock = Clock(wall=lambda: 1_700_000_000.0)
    date = None if ahead is None else formatdate(clock.wall() - ahead)
    found = network.compare_clocks(date, clock)

    assert (found.finding, found.facts["ahead"]) == (finding, ahead)


@pytest.mark.usefixtures("environ")
def test_a_wrong_clock_is_a_fault_but_the_walk_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    steps = walk(clock=Clock(wall=lambda: time.time() - 86400))

    assert list(steps) == STEPS
    assert [name for name, step in steps.items() if step.status] == ["clock"]
    assert steps["clock"].status is Status.MISCONFIGURED
    assert steps["clock"].finding.endswith(" s behind the server's")


# -- the token request ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "status", "finding"),
    [
        (wire.reply(200, "<html>Sign in"), Status.MISCONFIGURED, "answers an HTML page instead"),
        (wire.reply(403, "<html>No"), Status.REFUSED, "answers an HTML page, with no OAuth error"),
        (wire.reply(407, ""), Status.UNREACHABLE, "answers nothing, with no OAuth error"),
        (wire.reset, Status.UNREACHABLE, "closed the connection"),
        (wire.reply(200, " " * 70_000), Status.MISCONFIGURED, "answers far more than a token"),
        (
            wire.reply(200, GRANTED, {"Content-Encoding": "gzip"}),
            Status.MISCONFIGURED,
            "answers with a broken Content-Encoding",
        ),
        (
            wire.reply(200, GRANTED, {"Content-Length": "999"}),
            Status.UNREACHABLE,
            "closed the connection",
        ),
    ],
    ids=["sign-in page", "forbidden", "407", "reset", "endless", "encoding", "truncated"],
)
@pytest.mark.usefixtures("trusted")
def test_answers_that_are_no_token_name_what_they_are(
    act: Any, status: Status, finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        own_server(stack, monkeypatch, wire.reply(200, ""), act)
        step = failed(walk(), status)

    assert step.step == "token"
    assert finding in step.finding
    assert "{" not in str(step.causes), "each cause is filled in"
    assert "The login service does not work" not in str(step.causes), "nothing tells that"
    assert "nothing" not in str(step.details), "no line about words that were not said"


@pytest.mark.usefixtures("trusted")
def test_a_handshake_that_fails_is_not_told_as_a_host_that_can_not_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ExitStack() as stack:
        own_server(stack, monkeypatch, greeting=wire.plain_http)
        refused = failed(walk(), Status.UNREACHABLE)
        own_server(stack, monkeypatch, greeting=wire.close)
        dropped = failed(walk(), Status.UNREACHABLE)

    assert causes(refused)[0].startswith("The host or the port of the URL is wrong, and no TLS")
    assert causes(dropped) == ["A server, a proxy or a firewall on the way closed the connection"]


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize("secret", ["client-secret", "client_secret=abc"])
def test_a_secret_that_is_a_word_of_the_error_does_not_hide_the_error(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", secret)
    step = failed(walk(), Status.REFUSED)

    assert "status 400, invalid_client" in step.details[0]
    assert causes(step)[0].startswith("The secret is wrong")


@pytest.mark.usefixtures("environ")
def test_a_refusal_is_quoted_for_those_who_ask_genesys_cloud_care(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)
    step = failed(walk(), Status.REFUSED)

    said = (
        "status 400, invalid_client, authentication failed, correlation id 5a6d0000-0000-4000-8000"
    )
    assert step.details[0].startswith(f"{sandbox.login_url[8:]} said: {said}")
    assert [one.split(":")[0] for one in causes(step)] == [
        "The secret is wrong",
        f"The client id ...{sandbox.client_id[-4:]} is wrong",
        f"The client belongs to another login service than {sandbox.login_url[8:].split(':')[0]}",
        "The client is disabled, inactive or deleted",
        "Id and secret are swapped",
    ]


@pytest.mark.usefixtures("trusted")
def test_a_login_service_that_throttles_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    said = wire.say(400, error="invalid_request", error_description="rate limit exceeded; wait")
    with ExitStack() as stack:
        server = own_server(stack, monkeypatch, said)
        failed(walk(), Status.UNREACHABLE)

    assert [one.line.split()[0] for one in server.requests] == ["HEAD", "POST"]


@pytest.mark.usefixtures("trusted")
def test_a_403_without_an_oauth_error_may_be_about_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ExitStack() as stack:
        own_server(stack, monkeypatch, wire.reply(200, ""), wire.reply(403, ""))
        step = failed(walk(), Status.REFUSED)

    assert "The address that this program calls from is not allowed" in causes(step)


@pytest.mark.usefixtures("environ")
def test_a_token_request_that_stalls_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_long(*_: object) -> object:
        raise network.TooLongError

    monkeypatch.setattr("gc_requests_auth.commands.check.steps.within", too_long)
    step = failed(walk(), Status.UNREACHABLE)

    assert (step.step, "did not answer in time" in step.finding) == ("token", True)


# -- the API --------------------------------------------------------------------------------------


def own_api(stack: ExitStack, monkeypatch: pytest.MonkeyPatch, *script: Any) -> Any:
    """An API of `wire`, which answers what comes after the handshake."""
    server = stack.enter_context(wire.Server(wire.reply(200, ""), *script))
    monkeypatch.setenv("GENESYSCLOUD_API_URL", server.url)
    return server


def fault(status: int, code: str) -> Callable[[wire.Peer], object]:
    return wire.reply(
        status,
        json.dumps({"message": "no", "code": code, "status": status}),
        {"ININ-Correlation-Id": "5a6d-77"},
    )


@pytest.mark.parametrize(
    ("act", "status", "finding", "cause"),
    [
        (
            fault(401, "bad.credentials"),
            Status.REFUSED,
            "the API does not accept a token that is brand-new (127.0.0.1",
            "The API belongs to another region or another organisation than 127.0.0.1",
        ),
        (
            fault(403, "ip.not.authorized"),
            Status.REFUSED,
            "the API does not take requests of this client from this address (127.0.0.1",
            "The address that this program calls from is not allowed",
        ),
        (
            fault(429, "too.many.requests.retry.after"),
            Status.UNREACHABLE,
            "a rate limit is used up, and the API does not say which (127.0.0.1",
            "The token made more requests than it may make in a minute",
        ),
        (fault(503, "\x1b[31m"), Status.UNREACHABLE, "answers 503)", "The API does not work"),
        (
            fault(403, "organization.suspended"),
            Status.REFUSED,
            "answers 403, organization.suspended to GET",
            "The cause is unknown",
        ),
        (
            wire.reply(200, "<html>Sign in"),
            Status.MISCONFIGURED,
            "what answers is not the API: the answer is an HTML or XML page",
            "A proxy, a firewall or a sign-in page",
        ),
        (
            wire.reply(200, "[" * 50_000),
            Status.MISCONFIGURED,
            "no JSON object",
            "A proxy, a firewall or a sign-in page",
        ),
        (
            wire.reply(302, "", {"Location": "https://elsewhere.invalid/"}),
            Status.MISCONFIGURED,
            "what answers is not the API: the answer is nothing (127.0.0.1",
            "A proxy, a firewall or a sign-in page",
        ),
        (
            wire.reply(200, " " * 100_000),
            Status.MISCONFIGURED,
            "the answer is far more than was asked for",
            "A proxy, a firewall or a sign-in page",
        ),
        (wire.close, Status.UNREACHABLE, "closed the connection", "A server, a proxy or"),
        (fault(404, TOKEN), Status.MISCONFIGURED, "is not the API", "A proxy, a firewall or"),
    ],
    ids=[
        "401",
        "403",
        "429",
        "503",
        "unknown",
        "HTML",
        "nested",
        "302",
        "endless",
        "closed",
        "echo",
    ],
)
@pytest.mark.usefixtures("trusted")
def test_what_the_api_answers_instead_is_explained(
    act: Any, status: Status, finding: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        own_server(stack, monkeypatch, wire.reply(200, ""), wire.reply(200, GRANTED))
        own_api(stack, monkeypatch, act)
        step = failed(walk((60.0, 60.0)), status)  # a long answer is read byte by byte

    assert step.step == "client"
    assert finding in step.finding
    assert causes(step)[0].startswith(cause)
    assert TOKEN not in step.finding
    assert set(step.details) <= {'it says "no"', "correlation id 5a6d-77"}


@pytest.mark.usefixtures("trusted")
def test_a_refusal_of_the_api_names_its_correlation_id(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        own_api(stack, monkeypatch, fault(401, "bad.credentials"))
        step = failed(walk(), Status.REFUSED)

    assert step.details == ('it says "no"', "correlation id 5a6d-77")


@pytest.mark.parametrize("odd", [{}, {"OAuthClient": 1, "organization": [], "x": None}])
@pytest.mark.usefixtures("trusted")
def test_what_the_api_does_not_tell_is_said_not_to_be_told(
    odd: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        own_api(stack, monkeypatch, wire.say(200, **odd))
        client = walk()["client"]

    assert not client.status
    assert client.finding.startswith("'(not told)' of organisation '(not told)'")
    assert set(client.facts.values()) == {None}


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.usefixtures("trusted")
def test_a_token_in_place_of_a_name_is_not_printed(
    form: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    me = {
        "OAuthClient": {"name": TOKEN, "state": f"x_{TOKEN[:-1]}", "authorizedGrantType": "ok"},
        "organization": {"name": TOKEN.upper()},
    }
    with ExitStack() as stack:
        own_server(stack, monkeypatch, wire.reply(200, ""), wire.reply(200, GRANTED))
        own_api(stack, monkeypatch, wire.say(200, **me), wire.say(200))
        assert cli.main(["check", *form]) == 0
    out = capsys.readouterr().out

    assert "'...' of organisation '...', grant type ok, state ..." in " ".join(out.split())
    assert TOKEN[:-1].lower() not in out.lower()


@pytest.mark.usefixtures("trusted")
def test_a_token_within_a_code_or_a_correlation_id_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps({"message": "no", "code": f"bad:{TOKEN}", "status": 401})
    with ExitStack() as stack:
        own_server(stack, monkeypatch, wire.reply(200, ""), wire.reply(200, GRANTED))
        own_api(stack, monkeypatch, wire.reply(401, body, {"ININ-Correlation-Id": f"x.{TOKEN}"}))
        assert cli.main(["check"]) == Status.REFUSED

    assert TOKEN not in "".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("trusted")
def test_names_from_elsewhere_are_printed_as_plain_ascii(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = {"name": "Fl\xf6te\x1b[31m\n\x9b\u202e", "state": "x" * 5000}
    me = wire.say(200, OAuthClient=client, homeOrganization={"name": "\u65e5\u672c"})
    with ExitStack() as stack:
        own_api(stack, monkeypatch, me, wire.say(200))
        assert cli.main(["check"]) == 0
    out = capsys.readouterr().out

    assert "'Fl\\xf6te\\x1b[31m\\x0a\\x9b\\u202e'" in out
    assert "'\\u65e5\\u672c'" in out
    assert out.isascii()
    assert out.count("x" * 50) <= 2, "cut"
    assert max(map(len, out.splitlines())) < 80


@pytest.mark.parametrize(
    ("said", "finding"),
    [
        (
            {"enableIdleTokenTimeout": True, "idleTokenTimeoutSeconds": 1800},
            "30 min: a token without",
        ),
        ({"enableIdleTokenTimeout": True}, "on, but the API does not tell the length"),
        (
            {"enableIdleTokenTimeout": True, "idleTokenTimeoutSeconds": 10**400},
            "on, but the API does not tell the length",
        ),
        (
            {"enableIdleTokenTimeout": True, "idleTokenTimeoutSeconds": float("nan")},
            "on, but the API does not tell the length",
        ),
        ({"enableIdleTokenTimeout": False, "idleTokenTimeoutSeconds": 1800}, "none"),
        ({"enableIdleTokenTimeout": "no", "idleTokenTimeoutSeconds": 1800}, "none"),
    ],
)
@pytest.mark.usefixtures("trusted")
def test_the_idle_timeout_is_told(
    said: dict[str, object], finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        own_api(stack, monkeypatch, wire.say(200), wire.say(200, **said))
        step = walk()["idle time-out"]

    assert step.finding.startswith(finding)
    assert step.facts["enabled"] is (said["enableIdleTokenTimeout"] is True)


@pytest.mark.usefixtures("trusted")
def test_login_and_api_at_one_origin_are_reached_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        server = own_server(
            stack,
            monkeypatch,
            wire.reply(200, ""),
            wire.reply(200, GRANTED),
            wire.say(200),
        )
        monkeypatch.setenv("GENESYSCLOUD_API_URL", f"{server.url}/gateway")
        steps = walk()

    assert list(steps) == [name for name in STEPS if name not in {"API DNS", "API TLS"}]
    assert server.requests[-1].line.startswith("GET /gateway/api/v2/organizations/limits/")


# -- text and threads -----------------------------------------------------------------------------


def test_plain_text_is_bounded() -> None:
    assert plain("a\tb\x7f\udc80", 100) == "a\\x09b\\x7f\\udc80"
    assert plain("a" * 50, 10) == "aaaaaaa..."


def test_work_in_time_returns_or_raises() -> None:
    def fail() -> None:
        raise KeyError("here")

    assert network.within(5, lambda: 7) == 7
    with pytest.raises(KeyError, match="here"):
        network.within(5, fail)


def test_work_that_takes_too_long_is_left_behind() -> None:
    hanging = Event()
    try:
        with pytest.raises(network.TooLongError):
            network.within(0.01, lambda: hanging.wait(10))
    finally:
        hanging.set()


def test_a_wait_is_in_slices_between_which_ctrl_c_is_heard_on_windows() -> None:
    waited: list[float] = []

    class Late:
        def get(self, timeout: float) -> tuple[int, None]:
            waited.append(timeout)
            if len(waited) < 3:
                raise Empty
            return 7, None

    late: Any = Late()

    assert network.next_of(late) == 7
    assert waited == [network.SLICE_SECONDS] * 3
    assert network.SLICE_SECONDS < 0.5


def test_python_does_not_wait_for_work_that_was_left_behind() -> None:
    script = """
import threading, time
from gc_requests_auth.commands.check.network import TooLongError, within
try:
    within(0.01, threading.Event().wait)
except TooLongError:
    print("left")
"""
    done = run_python(script)

    assert (done.returncode, done.stdout, done.stderr) == (0, "left\n", "")


@pytest.mark.usefixtures("environ")
def test_a_number_of_tokens_that_makes_no_sense_is_a_fault_of_the_settings(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_TOKEN_POOL_SIZE", "0")
    step = failed(walk(), Status.MISCONFIGURED)

    assert step.step == "settings"
    assert any("GENESYSCLOUD_TOKEN_POOL_SIZE must be a whole" in one for one in causes(step))
    assert sandbox.token_requests == 0
    monkeypatch.setenv("GENESYSCLOUD_TOKEN_POOL_SIZE", "10")
    assert "idle time-out" in walk()
