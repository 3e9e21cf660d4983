"""The command as a newcomer sees it: demo, sandbox, help, and how a command ends."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from email.message import Message
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Self

import pytest
import requests
from conftest import Counted, run_python

from gc_requests_auth import GenesysCloudAuth, GenesysCloudSession
from gc_requests_auth.commands import demo
from gc_requests_auth.commands import main as cli


def test_the_demo_keeps_every_promise(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo"]) == 0
    said = capsys.readouterr().out

    assert said.count("ok    ") == 5
    assert "FAIL" not in said
    assert "32 threads, 320 calls: 320 x 200; token requests so far: 1." in said
    assert "CredentialsRefusedError" in said
    assert said.isascii()
    assert max(map(len, said.splitlines())) < 80


class Forgetful(GenesysCloudSession):
    """Breaks the promise of one token for many."""

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        self.auth.forget()
        return super().prepare_request(request)


def test_the_demo_fails_when_tokens_are_not_shared(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "THREADS", 1)  # two may meet in one flight
    monkeypatch.setattr(demo, "GenesysCloudSession", Forgetful)

    assert cli.main(["demo"]) == 1
    said = capsys.readouterr().out
    assert "FAIL  1 threads, 10 calls: 10 x 200; token requests so far: 11." in " ".join(
        said.split()
    ).replace("FAIL 1", "FAIL  1")
    assert "promises were not kept" in said


class Careless(requests.Session):
    """Breaks every other promise: a token by hand, for any host, for any secret."""

    def __init__(self, *_: str, login_url: str, api_url: str, rate_limit: None) -> None:
        super().__init__()
        self.api_url = api_url
        self.headers["Authorization"] = "Bearer by-hand"

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        request.url = f"{self.api_url}{request.url!s}"
        return super().prepare_request(request)

    def rebuild_auth(self, *_: object) -> None:
        pass


def test_the_demo_notices_every_broken_promise(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "THREADS", 2)
    monkeypatch.setattr(demo, "GenesysCloudSession", Careless)

    assert cli.main(["demo"]) == 1
    assert capsys.readouterr().out.count("FAIL") == 5


def test_the_command_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "gc_requests_auth", "demo"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("ok    ") == 5


def test_check_tells_in_its_steps_what_the_library_would_warn_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("GENESYSCLOUD_OAUTHCLIENT", "GC_CLIENT"):
        monkeypatch.setenv(f"{name}_ID", f"id-of-{name}")
        monkeypatch.setenv(f"{name}_SECRET", f"secret-of-{name}")
    script = "from gc_requests_auth.commands.main import main; raise SystemExit(main())"
    done = run_python(script, "check")

    told = " ".join(done.stdout.split())
    assert (done.returncode, done.stderr) == (2, ""), "no region is set"
    assert "secret from GENESYSCLOUD_OAUTHCLIENT_SECRET" in told
    assert "not used: GC_CLIENT_ID (another client, " in told
    assert "Other users can read" not in told, "there is no file"


def test_a_missing_extra_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> int:
        raise ModuleNotFoundError(name="trustme")

    monkeypatch.setattr(demo, "show_promises", missing)

    assert cli.main(["demo"]) == 2
    assert "gc-requests-auth[sandbox]" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["demo", "sandbox"])
def test_without_the_extra_the_line_to_run_is_said(command: str) -> None:
    script = """
import sys
sys.modules["trustme"] = None
from gc_requests_auth.commands.main import main
sys.exit(main([sys.argv[1]]))
"""
    done = run_python(script, command)

    assert done.returncode == 2
    assert "pip install 'gc-requests-auth[sandbox]'" in done.stderr
    assert done.stdout == ""


def test_another_missing_module_is_not_mistaken_for_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> int:
        raise ModuleNotFoundError("of something else", name="something_else")

    monkeypatch.setattr(demo, "show_promises", broken)
    with pytest.raises(ModuleNotFoundError, match="something else"):
        cli.main(["demo"])


def test_ctrl_c_ends_a_command_politely(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "show_promises", interrupted)

    assert cli.main(["demo"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


@pytest.mark.parametrize("flush", [True, False], ids=["printed", "buffered"])
def test_a_pipe_that_nobody_reads_to_its_end_is_no_traceback(flush: bool) -> None:
    script = """
import os, sys
from gc_requests_auth.commands import main as cli
from gc_requests_auth.commands import demo
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 1)
demo.show_promises = lambda: print("x", flush=sys.argv[1] == "True") or 0
sys.exit(cli.main(["demo"]))
"""
    done = run_python(script, str(flush), env={**os.environ, "PYTHONUNBUFFERED": ""})

    assert (done.returncode, done.stderr) == (141, "")


def test_a_broken_pipe_is_told_as_a_shell_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> int:
        raise BrokenPipeError

    replaced: list[int] = []

    def note(source: int, target: int) -> None:
        os.close(source)
        replaced.append(target)

    with monkeypatch.context() as patched:  # not for long: pytest's capturing needs it, too
        patched.setattr(demo, "show_promises", broken)
        patched.setattr(os, "dup2", note)
        patched.setattr(sys, "stdout", sys.__stdout__)
        status = cli.main(["demo"])

    assert status == 141
    assert len(replaced) == 1


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of sh, of `RUN` say; the demo prints one word."""
    script = """
import sys
from gc_requests_auth.commands import main as cli
from gc_requests_auth.commands import demo
demo.show_promises = lambda: print("printed") or 0
sys.exit(cli.main(sys.argv[1:]))
"""
    return subprocess.run(
        ["sh", "-c", line],
        env={
            **os.environ,
            "SCRIPT": script,
            "PYTHON": sys.executable,
            "PYTHONUNBUFFERED": "",  # as it is where nobody sets it
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


RUN = '"$PYTHON" -W error -c "$SCRIPT"'


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device here")
def test_a_full_device_is_an_error_line() -> None:
    done = shell(f"{RUN} demo >/dev/full")

    said = "The output could not be written: No space left on device.\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_a_full_disk_is_told_in_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    dropped: list[bool] = []
    monkeypatch.setattr(demo, "show_promises", full)
    monkeypatch.setattr(cli, "_drop_output", lambda: dropped.append(True))

    assert cli.main(["demo"]) == 2
    assert capsys.readouterr().err.startswith("The output could not be written: No space")
    assert dropped


def test_another_failure_of_the_system_is_not_mistaken_for_a_full_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> int:
        raise OSError(errno.EADDRINUSE, "Address in use")

    monkeypatch.setattr(demo, "show_promises", broken)
    with pytest.raises(OSError, match="Address in use"):
        cli.main(["demo"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("demo >&-", "Standard output is closed, and is needed.\n"),
        ("token --stdin <&-", "Standard input is closed, and is needed.\n"),
        ("revoke --stdin <&-", "Standard input is closed, and is needed.\n"),
        ("token 2>&-", ""),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="there is no sh")
def test_a_closed_stream_is_an_error_line(line: str, said: str) -> None:
    done = shell(f"{RUN} {line}")

    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize(("name", "command"), [("stdout", "demo"), ("stdin", "token --stdin")])
def test_a_closed_stream_is_told_in_process(
    name: str, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, name, None)
        status = cli.main(command.split())

    assert status == 2
    assert "is closed, and is needed" in capsys.readouterr().err


def test_without_an_error_stream_errors_go_nowhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", None)
        status = cli.main(["token"])
        sys.stderr.close()

    assert status == 2
    assert capsys.readouterr() == ("", "")


def test_exit_statuses_variables_and_documentation_are_in_the_help_of_check(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["check", "--help"])
    said = capsys.readouterr().out

    for line in ("0  fine", "1  refused:", "2  misconfigured:", "3  unreachable:"):
        assert line in said
    for name in (
        "GENESYSCLOUD_OAUTHCLIENT_ID",
        "GC_REGION",
        "GENESYSCLOUD_PROFILE",
        "settings.rst",
    ):
        assert name in said


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            "Documentation, https://git.example/o/n/tree/v1/docs",
            "https://git.example/o/n/tree/v1/docs",
        ),
        ("Source, https://git.example/o/n", "docs/ of the source distribution"),
        (None, "docs/ of the source distribution"),
    ],
)
def test_the_help_of_check_has_the_address_of_the_documentation_if_there_is_one(
    url: str | None, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(name: str) -> Message:
        if url is None:
            raise PackageNotFoundError(name)
        said = Message()
        said["Project-URL"] = url
        return said

    monkeypatch.setattr("importlib.metadata.metadata", read)
    with pytest.raises(SystemExit):
        cli.main(["check", "--help"])

    assert f"documentation:\n  {told}\n  check.rst, settings.rst" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [[], ["check"], ["token"], ["revoke"], ["demo"], ["sandbox"], ["completion"]],
)
def test_help_is_ascii_within_80_columns_and_shows_an_example(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        cli.main([*command, "--help"])
    said = capsys.readouterr().out

    assert ended.value.code == 0
    assert said.isascii()
    lines = [one for one in said.splitlines() if "/tree/" not in one]  # of any repository
    assert max(map(len, lines)) <= 80
    assert f"gc-requests-auth {' '.join(command)}" in said


def test_no_command_is_a_usage_error_that_names_the_commands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    said = capsys.readouterr().err

    assert ended.value.code == 2
    assert "usage:" in said
    assert said.endswith("commands are check, token, revoke, demo, sandbox, completion\n")


def test_the_sandbox_answers_at_the_paths_that_its_help_and_its_page_name(
    sandbox: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["sandbox", "--help"])
    in_help = set(re.findall(r"/api/v2/\S+", capsys.readouterr().out))
    page = Path(__file__).parents[2] / "docs" / "testing.rst"
    told = re.search(r"The sandbox answers GET at(.*?)\s+get a 404", page.read_text(), re.DOTALL)
    with GenesysCloudSession(
        sandbox.client_id,
        sandbox.client_secret,
        login_url=sandbox.login_url,
        api_url=sandbox.api_url,
    ) as session:
        session.verify = sandbox.ca_file
        statuses = {path: session.get(path).status_code for path in in_help}

    assert told
    assert in_help == set(re.findall(r"``(/api/v2/[^`]+)``", told[1]))
    assert statuses.pop("/api/v2/users/me") == 400
    assert set(statuses.values()) == {200}


def test_the_get_examples_of_check_succeed(
    sandbox: Counted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["check", "--help"])
    examples = re.findall(r"gc-requests-auth (check GET .*)", capsys.readouterr().out)
    for name, value in sandbox.sandbox.environ.items():
        monkeypatch.setenv(name, value)

    assert [cli.main(one.split()) for one in examples] == [0]


def test_the_sandbox_command_prints_what_a_script_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "gc_requests_auth", "sandbox"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(18)]
        exports = [line[7:].strip().partition("=") for line in lines if line.startswith("export")]
        for name, _, value in exports:
            monkeypatch.setenv(name, value)
        auth = GenesysCloudAuth()
        response = requests.get(f"{auth.api_url}/api/v2/organizations/me", auth=auth, timeout=30)
        ca_file = Path(os.environ["REQUESTS_CA_BUNDLE"])
        assert ca_file.exists()
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)

    assert [line[0] for line in lines] == [*"###eeeee#$$$$$####"]
    assert response.json()["name"] == "Sandbox Ltd"
    assert (process.returncode, errors) == (0, "")
    assert not ca_file.exists(), "its files go with it"


def test_the_sandbox_command_ends_with_ctrl_c(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(demo, "sleep", interrupt)
    monkeypatch.setattr(demo, "GenesysCloudSandbox", Silent)
    try:
        assert cli.main(["sandbox"]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr().out
    assert "export NAME='a value'" in said
    assert "$env:NAME = 'a value'" in said


def test_the_sandbox_says_what_its_credentials_its_ca_and_a_region_would_do() -> None:
    posix = list(demo.instructions({"NAME": "it's"}, windows=False))
    windows = list(demo.instructions({"NAME": "it's"}, windows=True))

    assert "export NAME='it'\"'\"'s'" in posix
    assert "$env:NAME = 'it''s'" in posix
    assert sorted(posix) == sorted(windows)
    assert windows.index("# In PowerShell:") < windows.index("# In a POSIX shell (bash, zsh):")
    assert max(map(len, posix)) < 80
    said = " ".join(line.removeprefix("# ") for line in posix)
    assert "client id and secret are made up, and are worth nothing elsewhere" in said
    assert "That shell trusts the sandbox alone: pip and other programs fail in it" in said
    assert "unset REQUESTS_CA_BUNDLE (PowerShell: Remove-Item Env:REQUESTS_CA_BUNDLE)" in said
    assert "Pass no region= in your script" in said


def test_the_sandbox_command_takes_rate_limits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "sleep", interrupt)
    monkeypatch.setattr(demo, "GenesysCloudSandbox", Silent)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    options = ["--rate-limit", "60", "--rate-window", "2.5", "--token-rate-limit", "3"]

    assert cli.main(["sandbox", *options]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [one for one in said if one.startswith("export")][1:] == [
        "export rate_limit=60",
        "export rate_window=2.5",
        "export token_rate_limit=3",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rate-limit", "0"], "error: --rate-limit is 0; it is 1 or more\n"),
        (["--rate-window", "0"], "error: --rate-window is 0.0; it is a number of seconds above 0"),
        (["--token-rate-limit", "many"], "error: argument --token-rate-limit: invalid int value"),
    ],
)
def test_a_rate_limit_that_can_not_be_is_a_usage_error(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["sandbox", *options])

    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def interrupt(_: float) -> None:
    """A wait that Ctrl-C ends at once."""
    raise KeyboardInterrupt


class Silent:
    """A sandbox that does not run."""

    def __init__(self, **asked: float) -> None:
        self.environ = {"NAME": "a value", **{name: f"{asked[name]!r}" for name in asked}}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
