"""gc-requests-auth token and revoke: a token for what is not Python, and its end."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from conftest import SECRET, Counted
from wire import Proxy, closed_port

from gc_requests_auth import FileTokenStore
from gc_requests_auth.commands import main as cli

ME = "/api/v2/tokens/me"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


pytestmark = pytest.mark.usefixtures("environ")


class Shell:
    """Runs the command, and keeps what it says from the sweep: the token is what was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.status, self.out, self.err = -1, "", ""

    def __call__(self, *arguments: str, stdin: str | bytes = "", terminal: bool = False) -> str:
        out, err = Terminal() if terminal else io.StringIO(), io.StringIO()
        with self._monkeypatch.context() as patch:
            lines = stdin if isinstance(stdin, bytes) else stdin.encode()
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines), "ascii"))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            self.status = cli.main(arguments)
        self.out, self.err = out.getvalue(), err.getvalue()
        return self.out


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(monkeypatch)


def accepted(sandbox: Counted, token: str) -> bool:
    with sandbox.session() as session:
        headers = {"Authorization": f"Bearer {token.strip()}"}
        return session.get(sandbox.api_url + ME, headers=headers, timeout=30).ok


def stored() -> list[Path]:
    return list(FileTokenStore().path.glob("*.json"))


# -- token ----------------------------------------------------------------------------------------


def test_token_prints_a_token_and_nothing_else(sandbox: Counted, shell: Shell) -> None:
    token = shell("token")

    assert (shell.status, shell.err) == (0, "")
    assert token.endswith("\n")
    assert len(token.split()) == 1
    assert accepted(sandbox, token)
    assert sandbox.token_requests == 1
    assert not FileTokenStore().path.exists(), "nothing is kept unless asked for"


def test_token_prints_a_header_line_for_curl(sandbox: Counted, shell: Shell) -> None:
    name, scheme, token = shell("token", "--header").split()

    assert (name, scheme) == ("Authorization:", "Bearer")
    assert accepted(sandbox, token)


def test_a_second_call_with_the_store_makes_no_token_request(
    sandbox: Counted, shell: Shell
) -> None:
    first, second = shell("token", "--store"), shell("token", "--store", "--header")

    assert second == f"Authorization: Bearer {first}"
    assert sandbox.token_requests == 1
    assert len(stored()) == 1


def test_fresh_replaces_the_token_in_the_store(sandbox: Counted, shell: Shell) -> None:
    refused = shell("token", "--store")
    sandbox.sandbox.revoke_all()
    fresh = shell("token", "--store", "--fresh")

    assert fresh != refused
    assert accepted(sandbox, fresh)
    assert shell("token", "--store") == fresh
    assert sandbox.token_requests == 2


def test_fresh_with_nothing_to_replace_asks_once(sandbox: Counted, shell: Shell) -> None:
    assert accepted(sandbox, shell("token", "--store", "--fresh"))
    assert accepted(sandbox, shell("token", "--fresh"))

    assert sandbox.token_requests == 2


def test_token_warns_on_a_terminal(shell: Shell) -> None:
    token = shell("token", terminal=True)

    assert len(token.split()) == 1
    assert "for 86400 s" in " ".join(shell.err.split()).replace("86399 s", "86400 s")
    assert "revoke --stdin" in " ".join(shell.err.split())
    assert token.strip() not in shell.err


def test_credentials_may_come_from_standard_input(
    sandbox: Counted, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GENESYSCLOUD_OAUTHCLIENT_ID")
    monkeypatch.delenv("GENESYSCLOUD_OAUTHCLIENT_SECRET")
    pair = f"{sandbox.client_id}\r\n{sandbox.client_secret}\n"

    assert accepted(sandbox, shell("token", "--stdin", stdin=pair))


@pytest.mark.parametrize("said", ["", "client-id\n", "\nsecret\n"])
def test_half_a_pair_on_standard_input_is_refused(shell: Shell, said: str) -> None:
    assert shell("token", "--stdin", stdin=said) == ""
    assert shell.status == 2
    assert "client id and client secret, a line each" in " ".join(shell.err.split())


def test_a_secret_that_can_not_be_decoded_is_refused_by_name(shell: Shell) -> None:
    assert shell("token", "--stdin", stdin=b"id-12345678\ns\x81cret-of-some-length\n") == ""
    assert shell.status == 2
    assert "the client secret holds a control or invisible" in shell.err
    assert "cret-of" not in shell.err


def test_credentials_may_come_from_a_profile(
    sandbox: Counted, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path.home() / ".gc" / "config.toml"
    file.parent.mkdir()
    file.write_text(
        f'[prod]\nclient_credentials = "{sandbox.client_id}"\n'
        f'client_secret = "{sandbox.client_secret}"\n'
    )
    file.chmod(0o600)
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)

    assert accepted(sandbox, shell("token", "--profile", "prod", "--store"))
    assert shell("revoke", "--profile", "prod") == "Revoked, and taken out of the store.\n"
    assert shell("token", "--profile", "prd") == ""
    assert shell.status == 2


@pytest.mark.parametrize("argument", ["--client-secret", "--secret", "--password"])
@pytest.mark.parametrize("form", [["{}", SECRET], [f"{{}}={SECRET}"]])
def test_no_secret_is_taken_from_an_argument(
    shell: Shell, argument: str, form: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["token", *(one.format(argument) for one in form)])
    said = capsys.readouterr().err

    assert ended.value.code == 2
    assert f"{argument} is no option: every user of this machine would see the secret" in said
    assert "pass --stdin or --secret-command" in said
    assert SECRET not in said


def test_a_client_id_alone_asks_for_the_way_of_the_secret(shell: Shell) -> None:
    assert shell("token", "--client-id", "x") == ""
    assert shell.status == 2
    assert "Pass --stdin or --secret-command" in " ".join(shell.err.split())


# -- errors ---------------------------------------------------------------------------------------


def test_a_refusal_is_told_and_is_status_1(
    shell: Shell, sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)

    assert shell("token") == ""
    assert shell.status == 1
    assert "refuses client" in shell.err
    assert shell.err.isascii()
    assert max(map(len, shell.err.splitlines())) < 80


def test_a_setting_that_is_missing_is_status_2(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GENESYSCLOUD_OAUTHCLIENT_SECRET")
    shell("token")

    assert shell.status == 2
    assert "GENESYSCLOUD_OAUTHCLIENT_SECRET" in shell.err


def test_an_answer_without_a_token_is_status_2(shell: Shell, sandbox: Counted) -> None:
    sandbox.sandbox.answer_tokens(1, 200, "<html>")
    shell("token")

    assert shell.status == 2


def test_a_service_that_can_not_be_reached_or_throttles_is_status_3(
    shell: Shell, sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.sandbox.answer_tokens(1, 429, "", {"Retry-After": "3600"})
    shell("token")
    assert shell.status == 3

    monkeypatch.setenv("GENESYSCLOUD_LOGIN_URL", f"https://127.0.0.1:{closed_port()}")
    shell("token")
    assert shell.status == 3


# -- revoke ---------------------------------------------------------------------------------------


def test_revoke_ends_the_token_in_the_store(sandbox: Counted, shell: Shell) -> None:
    token = shell("token", "--store")

    assert shell("revoke") == "Revoked, and taken out of the store.\n"
    assert not accepted(sandbox, token)
    assert stored() == []
    assert sandbox.token_requests == 1


def test_revoke_with_nothing_stored_sends_nothing(sandbox: Counted, shell: Shell) -> None:
    assert shell("revoke").startswith("There is nothing to revoke: no token is stored in ")
    assert shell.status == 0
    assert (sandbox.token_requests, sandbox.api_requests) == (0, 0)


def test_a_token_of_another_client_is_not_revoked(
    sandbox: Counted, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = shell("token", "--store")
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_ID", "another-client")

    assert shell("revoke") == "There is nothing to revoke: no token of this client is stored.\n"
    assert accepted(sandbox, token)


@pytest.mark.parametrize(
    "family", ["GENESYSCLOUD_OAUTHCLIENT_ID", "GENESYSCLOUD_OAUTHCLIENT_SECRET"]
)
def test_revoke_with_nothing_stored_asks_nobody_who_signs_in(
    family: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(family)

    assert shell("revoke").startswith("There is nothing to revoke")
    assert shell.status == 0


def test_a_stored_token_that_others_could_read_is_not_passed_over_in_silence(
    sandbox: Counted, shell: Shell
) -> None:
    """Somebody may have read it: that is why it is to be revoked."""
    token = shell("token", "--store")
    (file,) = stored()
    file.chmod(0o644)

    assert shell("revoke") == ""
    assert shell.status == 2
    assert "open to other users" in " ".join(shell.err.split())
    assert accepted(sandbox, token)
    file.chmod(0o600)
    assert shell("revoke") == "Revoked, and taken out of the store.\n"


def test_fresh_replaces_a_damaged_file_of_the_store(sandbox: Counted, shell: Shell) -> None:
    shell("token", "--store")
    (file,) = stored()
    file.write_text("damaged")

    fresh = shell("token", "--store", "--fresh")
    assert accepted(sandbox, fresh)
    assert shell("token", "--store") == fresh


def test_revoke_does_not_wait_for_the_lock(sandbox: Counted, shell: Shell) -> None:
    token = shell("token", "--store")
    store = FileTokenStore()
    (file,) = stored()
    with store.lock(file.stem):
        assert shell("revoke") == "Revoked, and taken out of the store.\n"
    assert not accepted(sandbox, token)


def test_a_token_that_stays_in_the_store_is_told(
    sandbox: Counted, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = shell("token", "--store")
    monkeypatch.setattr(FileTokenStore, "delete", lambda *_: None)

    assert shell("revoke") == ""
    assert shell.status == 2
    assert "could not be taken out of the store" in " ".join(shell.err.split())
    assert not accepted(sandbox, token)


@pytest.mark.parametrize("how", [[], ["--header"]])
def test_revoke_ends_the_token_on_standard_input(
    sandbox: Counted, shell: Shell, how: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = shell("token", *how)
    monkeypatch.delenv("GENESYSCLOUD_OAUTHCLIENT_ID")  # only where the API is has to be known

    assert shell("revoke", "--stdin", stdin=said) == "Revoked.\n"
    assert not accepted(sandbox, said.split()[-1])
    assert sandbox.token_requests == 1


def test_a_token_that_genesys_cloud_does_not_know_is_not_called_revoked(
    sandbox: Counted, shell: Shell
) -> None:
    """A token that was cut when it was copied goes on living."""
    token = shell("token").strip()

    said = shell("revoke", "--stdin", stdin=token[:-1])
    assert said.startswith(
        f"Nothing is revoked: {urlsplit(sandbox.api_url).netloc} does not accept"
    )
    assert shell.status == 0
    assert accepted(sandbox, token)


def test_revoke_goes_by_the_proxy_of_the_settings(
    sandbox: Counted, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = shell("token")
    with Proxy() as proxy:
        monkeypatch.setenv("GENESYSCLOUD_PROXY_PROTOCOL", "http")
        monkeypatch.setenv("GENESYSCLOUD_PROXY_HOST", "127.0.0.1")
        monkeypatch.setenv("GENESYSCLOUD_PROXY_PORT", str(proxy.port))

        assert shell("revoke", "--stdin", stdin=token) == "Revoked.\n"
        assert proxy.targets == [sandbox.api_url.removeprefix("https://")]
    assert not accepted(sandbox, token)


@pytest.mark.parametrize("said", ["", "\n", "t\u00f6ken\n", "to ken!\n"])
def test_revoke_sends_no_text_that_is_no_token(sandbox: Counted, shell: Shell, said: str) -> None:
    assert shell("revoke", "--stdin", stdin=said) == ""
    assert shell.status == 2
    assert sandbox.api_requests == 0


def test_a_revocation_that_fails_is_told(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    token = shell("token")
    monkeypatch.setenv("GENESYSCLOUD_API_URL", f"https://127.0.0.1:{closed_port()}")

    assert shell("revoke", "--stdin", stdin=token) == ""
    assert shell.status == 3
    assert "127.0.0.1" in shell.err


def test_the_help_of_token_shows_how_to_use_curl(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["token", "--help"])

    assert "curl -H @-" in capsys.readouterr().out


def test_a_wrong_ca_names_the_host(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", requests.utils.DEFAULT_CA_BUNDLE_PATH)
    shell("token")

    assert shell.status == 3
    assert "certificate" in shell.err


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem"),
        ("HTTPS_PROXY", "ftp://proxy.example:21"),
        ("HTTPS_PROXY", "socks6://user:in-TRUTH@127.0.0.1:1"),
        ("HTTPS_PROXY", "http://user:p/w@proxy.example:8080"),
    ],
)
@pytest.mark.parametrize(
    "command", ["token", "revoke --stdin", "check", "check --find-region --try eu-west-1"]
)
def test_a_setting_of_this_machine_that_can_not_work_has_one_status_in_each_command(
    command: str, variable: str, value: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    shell(*command.split(), stdin="a-made-up-token\n")

    assert shell.status == 2
    assert "TRUTH" not in shell.out + shell.err
