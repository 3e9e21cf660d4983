"""client.py: the credentials that a command prints."""

from __future__ import annotations

import os
import shlex
import sys

import pytest
from conftest import SECRET, Counted

from gc_requests_auth import ConfigurationError, CredentialsCommand, GenesysCloudSession


def python(script: str) -> list[str]:
    """A command that runs this."""
    return [sys.executable, "-c", script]


def test_a_command_may_print_the_secret_of_a_client_that_is_named() -> None:
    ask = CredentialsCommand(python(f"print('{SECRET}')"), client_id="client")

    assert ask() == ("client", SECRET)
    assert SECRET not in repr(ask())


def test_a_command_may_print_id_and_secret() -> None:
    assert CredentialsCommand(python(f"print('client'); print('{SECRET}')"))() == ("client", SECRET)


@pytest.mark.skipif(os.name == "nt", reason="Windows splits a command line itself")
def test_a_command_line_is_split_and_no_shell_runs() -> None:
    line = shlex.join(python("import sys; print(sys.argv[1])"))

    assert CredentialsCommand(f"{line} '$HOME;ls'", client_id="c")() == ("c", "$HOME;ls")


def test_a_command_line_of_windows_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    ask = CredentialsCommand(r"C:\vault.exe read 'x", client_id="c")

    assert ask._command == r"C:\vault.exe read 'x"
    assert repr(ask) == r"<CredentialsCommand C:\vault.exe>"


def test_it_signs_in(sandbox: Counted) -> None:
    script = f"print('{sandbox.client_secret}')"
    with GenesysCloudSession(
        credentials=CredentialsCommand(python(script), client_id=sandbox.client_id),
        login_url=sandbox.login_url,
        api_url=sandbox.api_url,
    ) as session:
        session.verify = sandbox.ca_file
        assert session.get("/api/v2/organizations/me").ok


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (python("raise SystemExit(3)"), "failed with exit status 3"),
        (python(f"print('{SECRET}'); raise SystemExit(1)"), "failed with exit status 1"),
        (python(""), "must print the client secret, on one line"),
        (python(f"print('a'); print('{SECRET}')"), "must print the client secret, on one line"),
        (["/nowhere/vault"], "could not be started: No such file or directory"),
        ("", "The command that prints the secret is empty."),
        ([], "The command that prints the secret is empty."),
        ("vault 'read", "can not be split"),
    ],
)
def test_a_command_that_fails_is_named_and_what_it_printed_is_not(
    command: str | list[str], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        CredentialsCommand(command, client_id="client")()

    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None or "split" in said


@pytest.mark.parametrize("script", ["raise SystemExit(1)", ""])
def test_what_to_do_about_a_command_that_fails_is_told(script: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CredentialsCommand(python(script), client_id="client")()

    assert str(caught.value).startswith(f"The command {sys.executable}")
    assert "for a pipe or a variable, write sh -c '...'." in str(caught.value)


def test_a_command_that_hangs_is_ended() -> None:
    script = f"print('{SECRET}', flush=True); import time; time.sleep(60)"
    ask = CredentialsCommand(python(script), client_id="client", timeout=0.5)
    with pytest.raises(ConfigurationError, match=r"did not end within 0\.5 s"):
        ask()


def test_a_pair_needs_two_lines() -> None:
    with pytest.raises(ConfigurationError, match="client id and client secret, a line each"):
        CredentialsCommand(python("print('one')"))()


def test_a_program_that_is_no_name_is_not_shown() -> None:
    assert repr(CredentialsCommand(["x" * 200])) == "<CredentialsCommand (not shown)>"


def test_a_list_that_changes_later_does_not_change_the_command() -> None:
    arguments = [sys.executable, "-c", "print('secret-of-the-vault')"]
    command = CredentialsCommand(arguments, client_id="a-client")
    arguments.clear()

    assert command() == ("a-client", "secret-of-the-vault")


def test_a_secret_in_place_of_the_command_is_not_shown() -> None:
    ask = CredentialsCommand(SECRET, client_id="client")
    with pytest.raises(
        ConfigurationError, match=r"^The command, which prints the secret"
    ) as caught:
        ask()

    assert SECRET not in f"{caught.value} {ask!r}"
