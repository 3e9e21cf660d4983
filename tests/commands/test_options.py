"""Who signs in, and where, by options; typing errors; completion."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SECRET, Counted

from gc_requests_auth import GenesysCloudAuth
from gc_requests_auth.commands import main as cli
from gc_requests_auth.commands.check.origins import place_found
from gc_requests_auth.commands.check.report import in_options
from gc_requests_auth.commands.options import make_parser


@pytest.fixture
def place(sandbox: Counted, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options that lead to the sandbox, in an environment without any variable of ours."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", sandbox.ca_file)
    return ["--login-url", sandbox.login_url, "--api-url", sandbox.api_url]


def stdin(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    text = "".join(f"{line}\n" for line in lines)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_check_takes_all_from_options(
    place: list[str],
    sandbox: Counted,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stdin(monkeypatch, sandbox.client_secret)
    options = ["--client-id", sandbox.client_id, "--stdin", *place]

    assert cli.main(["check", "--json", *options]) == 0
    steps = {one["step"]: one for one in json.loads(capsys.readouterr().out)["steps"]}

    assert steps["settings"]["facts"]["client_id_from"] == "the options"
    assert steps["region"]["facts"]["login_url_from"] == "--login-url"
    assert steps["region"]["facts"]["api_url_from"] == "--api-url"


def test_a_secret_command_serves_check_and_token(
    place: list[str], sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRINTED", sandbox.client_secret)
    command = f"{sys.executable} -c 'import os; print(os.environ[\"PRINTED\"])'"
    options = ["--client-id", sandbox.client_id, "--secret-command", command, *place]

    assert cli.main(["check", *options]) == 0
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert cli.main(["token", *options]) == 0
    assert len(out.getvalue().split()) == 1


def test_a_secret_command_that_fails_is_a_fault_of_the_settings(
    place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--client-id", "client", "--secret-command", "/nowhere/vault read", *place]

    assert cli.main(["check", *options]) == 2
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "FAIL settings: The command /nowhere/vault, which prints the secret, could not be started"
        in out
    )


def test_the_keys_of_a_profile_keep_their_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".gc" / "config.toml"
    file.parent.mkdir()
    for text, told in {
        '[prod]\nclient_credentials = "x"': " has no client_secret: it needs the id",
        "[prod]\nclient_secret = bare": "is not valid TOML: line 2, key client_secret.",
        '[prod]\nclient_credentials = "x"\nclient_secret = " y"': "1. client_secret of profile 'prod' in",
    }.items():
        file.write_text(text)
        assert cli.main(["check", "--profile", "prod"]) == 2
        assert told in " ".join(capsys.readouterr().out.split())


def test_a_json_document_in_place_of_the_secret_is_told_with_the_key_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"client_secret": "x"}\n')))

    assert cli.main(["check", "--client-id", "client", "--stdin"]) == 2
    out = " ".join(capsys.readouterr().out.split())
    assert "FAIL settings: the client secret is a whole JSON document, as vaults return" in out
    assert 'json.loads(text)["client_secret"]' in out


def test_a_secret_command_that_prints_rubbish_is_told_without_the_argument_of_python(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = f"{sys.executable} -c 'print(chr(34))'"

    assert cli.main(["check", "--client-id", "client", "--secret-command", command]) == 2
    out = " ".join(capsys.readouterr().out.split())
    assert "FAIL settings: the client secret begins or ends with a quote" in out


def test_a_token_without_credentials_says_which_variables_to_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["token"]) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert "Set GENESYSCLOUD_OAUTHCLIENT_ID and GENESYSCLOUD_OAUTHCLIENT_SECRET, or pass" in err
    assert "or pass --client-id with --stdin or --secret-command." in err


def test_the_region_of_an_option_beats_variables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], only_loopback: None
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_ID", "client")
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)
    monkeypatch.setenv("GENESYSCLOUD_LOGIN_URL", "https://login.mypurecloud.de")
    cli.main(["check", "--region", "euw1", "--json"])
    steps = {one["step"]: one for one in json.loads(capsys.readouterr().out)["steps"]}

    assert steps["region"]["facts"]["login_url"] == "https://login.mypurecloud.ie"
    assert steps["region"]["facts"]["region_from"] == "--region"
    assert steps["region"]["facts"]["login_url_from"] == "--region"


@pytest.mark.parametrize(
    ("pair", "urls", "region", "first"),
    [
        (
            "GENESYSCLOUD_OAUTHCLIENT",
            ["GENESYSCLOUD_LOGIN_URL", "GENESYSCLOUD_API_URL"],
            "GENESYSCLOUD_REGION",
            "--region",
        ),
        (
            "GENESYSCLOUD_OAUTHCLIENT",
            ["GENESYSCLOUD_GATEWAY_HOST"],
            "GENESYSCLOUD_REGION",
            "--region",
        ),
        (
            "GENESYS_CLIENT",
            ["GENESYS_LOGIN_URL", "GENESYS_BASE_URL"],
            "GENESYS_REGION",
            "GENESYS_REGION",
        ),
    ],
)
def test_check_names_the_variables_of_urls_that_a_region_leaves_unused(
    pair: str,
    urls: list[str],
    region: str,
    first: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (f"{pair}_ID", f"{pair}_SECRET"):
        monkeypatch.setenv(name, SECRET)
    for name in urls:
        is_host = name.endswith("_HOST")
        monkeypatch.setenv(name, "gateway.example" if is_host else "https://gateway.example")
    monkeypatch.setenv(region, "eu-west-1")
    given = "eu-west-1" if first == "--region" else None
    settings = GenesysCloudAuth(region=given)._settings
    _, found = place_found(settings)

    assert found.details[2:] == [f"not used: {one}, since {first} comes first" for one in urls]
    monkeypatch.delenv(region)
    _, found = place_found(GenesysCloudAuth()._settings)
    assert len(found.details) == 2


@pytest.mark.parametrize("command", ["check", "token"])
def test_the_remedy_for_a_wrong_login_url_speaks_of_options(
    command: str,
    place: list[str],
    sandbox: Counted,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stdin(monkeypatch, sandbox.client_secret)
    options = [*place, "--login-url", f"{sandbox.login_url}/signin"]

    assert cli.main([command, "--client-id", sandbox.client_id, "--stdin", *options]) == 2
    out, err = capsys.readouterr()

    said = " ".join((out + err).split())
    assert "Pass --region and no URLs: both hosts follow from the region." in said
    assert "the URL of your login service as --login-url; /oauth/token is added" in said
    assert "region=" not in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--client-id", "x"], "Pass --stdin or --secret-command"),
        (["--client-id", "x", "--profile", "p"], "Pass --stdin or --secret-command"),
        (["--profile", "p", "--stdin"], "--profile and --stdin exclude each other"),
        (["--stdin"], "If standard input holds the secret only, pass --client-id as well."),
        (["--stdin", "--secret-command", "x"], "--stdin and --secret-command exclude each other"),
        (["--env-file", "nowhere.env"], "--env-file: there is no file 'nowhere.env'"),
        (["--region", "atlantis"], "'atlantis' is no region of Genesys Cloud"),
    ],
)
@pytest.mark.parametrize("command", ["check", "token"])
def test_options_that_can_not_work_are_told_as_options(
    command: str,
    options: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdin(monkeypatch, SECRET)
    assert cli.main([command, *options]) == 2
    out, err = capsys.readouterr()

    assert said in " ".join((out + err).split())


@pytest.mark.parametrize(
    "line",
    [
        *("check --stdin={}", "token --header={}", "revoke --stdin={}", "check -{}", "{}"),
        *("demo --{}", "sandbox --rate-limit {}", "completion {}", "check --json={}"),
    ],
)
def test_a_secret_in_the_wrong_place_of_a_line_is_not_printed(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(line.format(SECRET).split())
    out, err = capsys.readouterr()

    assert ended.value.code == 2
    assert SECRET not in out + err
    assert "error: " in err


def test_a_client_without_a_region_is_offered_the_search(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_ID", "client")
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)

    assert cli.main(["check"]) == 2
    out = " ".join(capsys.readouterr().out.split())
    assert "gc-requests-auth check --find-region asks the login service of every" in out
    assert "Pass --region or set GENESYSCLOUD_REGION" in out
    assert "region=" not in out


def test_with_half_a_place_the_search_is_not_offered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_ID", "client")
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)

    assert cli.main(["check", "--login-url", "https://gateway.example.com"]) == 2
    assert "--find-region" not in capsys.readouterr().out


# -- .env files -----------------------------------------------------------------------------------


@pytest.fixture
def env_file(tmp_path: Path, sandbox: Counted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that signs in to the sandbox; the environment is put back afterwards."""
    before = dict(os.environ)
    file = tmp_path / ".env"
    file.write_text("".join(f'{n}="{v}"\n' for n, v in sandbox.sandbox.environ.items()))
    yield file
    os.environ.clear()
    os.environ.update(before)


def test_an_env_file_says_who_signs_in(env_file: Path, sandbox: Counted) -> None:
    pytest.importorskip("dotenv", reason="the extra [dotenv] is not installed")

    assert cli.main(["check", "--env-file", str(env_file)]) == 0


def test_an_env_file_beats_the_environment(
    env_file: Path, sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dotenv", reason="the extra [dotenv] is not installed")
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)

    assert cli.main(["check", "--env-file", str(env_file)]) == 0


@pytest.mark.parametrize(
    ("module", "options", "extra"),
    [
        ("dotenv", ["check", "--env-file", "x"], "dotenv"),
        ("shtab", ["completion", "zsh"], "completion"),
    ],
)
def test_an_extra_that_is_missing_is_named(
    module: str,
    options: list[str],
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    assert cli.main(options) == 2
    assert f"pip install 'gc-requests-auth[{extra}]'" in capsys.readouterr().err


# -- typing errors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "usage", "said"),
    [
        (
            "chek",
            "usage: gc-requests-auth check [-h]",
            "invalid choice: 'chek'; did you mean check?",
        ),
        (
            "xyz",
            "usage: gc-requests-auth [-h]",
            "invalid choice: 'xyz'; commands are check, token, revoke, demo, sandbox, completion\n",
        ),
        (
            "check --porfile prod",
            "usage: gc-requests-auth check [-h]",
            "unrecognized arguments: --porfile; did you mean --profile?",
        ),
        ("token --fersh", "usage: gc-requests-auth token [-h]", "did you mean --fresh?"),
        ("token --qqq", "usage: gc-requests-auth token [-h]", "unrecognized arguments: --qqq\n"),
        ("token --sec x", "usage: gc-requests-auth token [-h]", "unrecognized arguments: --sec"),
        ("token x", "usage: gc-requests-auth token [-h]", "error: too many words\n"),
        (
            "check --try usw2",
            "usage: gc-requests-auth check [-h]",
            "--try works only with --find-region",
        ),
        ("check GET", "usage: gc-requests-auth check [-h]", "a call is a method and a path"),
        ("check G3T /x", "usage: gc-requests-auth check [-h]", "a call is a method and a path"),
        ("check --send", "usage: gc-requests-auth check [-h]", "--send is for a call"),
        ("check --data x", "usage: gc-requests-auth check [-h]", "--data is for a call"),
        (
            "check GET /x --find-region",
            "usage: gc-requests-auth check",
            "--find-region makes no call",
        ),
        (
            "check POST /x --data @no",
            "usage: gc-requests-auth check",
            "--data: can not read no: No such file",
        ),
    ],
)
def test_a_line_that_can_not_be_read_is_answered_with_the_right_usage(
    line: str, usage: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(line.split())
    err = capsys.readouterr().err

    assert ended.value.code == 2
    assert err.startswith(usage)
    assert said in err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Pass region= or set X.", "Pass --region or set X."),
        ("give login_url='https://a.b'.", "give --login-url 'https://a.b'."),
        ("It failed. Only login_url is given.", "It failed. Only --login-url is given."),
        ("It is slow. token_timeout= sets how long.", "It is slow."),
        ("A firewall, say; token_timeout= sets how long.", "A firewall, say."),
        ("verify= does it.", "verify= does it."),
        (
            "Pass client_id and client_secret, or profile=.",
            "Pass --client-id with --stdin or --secret-command, or --profile.",
        ),
        (
            "Set A and B, or pass client_id= and client_secret=.",
            "Set A and B, or pass --client-id with --stdin or --secret-command.",
        ),
        ("See https://a.b/c?d=e/f. Done.", "See https://a.b/c?d=e/f. Done."),
    ],
)
def test_messages_of_the_library_speak_of_options(text: str, told: str) -> None:
    assert in_options(text) == told


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "No Genesys Cloud region. There is no default"),
        (["--region", "atlantis"], "'atlantis' is no region of Genesys Cloud"),
        (["--login-url", "https://gw.example"], "No Genesys Cloud region. There is no default"),
        (["--profile", "nobody"], "nobody"),
    ],
)
def test_who_revokes_a_token_is_asked_for_the_region_only(
    options: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdin(monkeypatch, SECRET)
    assert cli.main(["revoke", "--stdin", *options]) == 2
    err = " ".join(capsys.readouterr().err.split())

    assert said in err
    assert "credentials" not in err


def test_where_nothing_is_set_the_command_says_what_to_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["token"]) == 2
    said = " ".join(capsys.readouterr().err.split())

    assert "Set GENESYSCLOUD_OAUTHCLIENT_ID and GENESYSCLOUD_OAUTHCLIENT_SECRET, or pass" in said
    assert "--client-id with --stdin or --secret-command" in said


# -- completion -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_knows_commands_and_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("shtab", reason="the extra [completion] is not installed")

    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "gc-requests-auth" in script
    assert "find-region" in script


def test_completion_of_bash_completes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("shtab", reason="the extra [completion] is not installed")
    cli.main(["completion", "bash"])
    file = tmp_path / "completion.bash"
    file.write_text(capsys.readouterr().out)
    ask = (
        f"source {file}; COMP_WORDS=(gc-requests-auth check --fin); COMP_CWORD=2;"
        " _shtab_gc_requests_auth; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=False)

    assert done.stdout.strip() == "--find-region"


def test_there_are_six_commands() -> None:
    assert set(make_parser().commands) == {
        "check",
        "token",
        "revoke",
        "demo",
        "sandbox",
        "completion",
    }


def test_an_env_file_that_is_not_utf_8_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "utf-16.env"
    file.write_text("A=1\n", encoding="utf-16")
    assert cli.main(["check", "--env-file", str(file)]) == 2
    out, err = capsys.readouterr()

    assert "is not UTF-8" in " ".join((out + err).split())


@pytest.mark.parametrize("command", ["check", "token"])
def test_an_env_file_that_can_not_be_read_is_told_with_the_reason(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("dotenv", reason="the extra [dotenv] is not installed")
    assert cli.main([command, "--env-file", str(tmp_path)]) == 2
    out, err = capsys.readouterr()

    said = " ".join((out + err).split())
    assert "--env-file:" in said
    assert "can not be read: " in said
    assert "there is no file" not in said


@pytest.mark.parametrize("line", [b"SECRET=in\0TRUTH", b"'A=B'=TRUTH"])
def test_an_env_file_with_what_no_variable_can_hold_is_told(
    line: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("dotenv", reason="the extra [dotenv] is not installed")
    file = tmp_path / "binary.env"
    file.write_bytes(line)
    assert cli.main(["token", "--env-file", str(file)]) == 2
    err = " ".join(capsys.readouterr().err.split())

    assert "holds a name or a value that no environment variable can have" in err
    assert "TRUTH" not in err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
def test_an_env_file_can_be_a_pipe(env_file: Path, sandbox: Counted, tmp_path: Path) -> None:
    pytest.importorskip("dotenv", reason="the extra [dotenv] is not installed")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[env_file.read_bytes()], daemon=True)
    writer.start()

    assert cli.main(["check", "--env-file", str(pipe)]) == 0
    writer.join()


@pytest.mark.parametrize(
    ("variables", "options", "is_offered"),
    [
        ({}, [], True),
        ({"GENESYSCLOUD_REGION": "atlantis"}, [], False),
        ({"GENESYSCLOUD_API_URL": "https://gw.example/api"}, [], False),
        ({}, ["--login-url", "https://gw.example/login"], False),
        ({}, ["--api-url", "https://gw.example/api"], False),
    ],
)
def test_the_search_for_the_region_is_offered_if_no_setting_says_where(
    variables: dict[str, str],
    options: list[str],
    is_offered: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pair = {"GENESYSCLOUD_OAUTHCLIENT_ID": "client", "GENESYSCLOUD_OAUTHCLIENT_SECRET": SECRET}
    for name, value in {**pair, **variables}.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["check", *options]) == 2
    out = " ".join(capsys.readouterr().out.split())

    assert ("No setting names the region of the client" in out) is is_offered
