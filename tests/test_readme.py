"""README.rst: its examples run, its quotations are true, its names exist."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import requests_mock
from conftest import SECRET, TOKEN, Counted
from pages import DOCS, ROOT, Page, code_blocks, plain

import gc_requests_auth
from gc_requests_auth import ConfigurationError, GenesysCloudAuth, GenesysCloudError
from gc_requests_auth.commands import main as cli
from gc_requests_auth.settings.environment import FAMILIES

README = (ROOT / "README.rst").read_text()
ERRORS = (DOCS / "errors.rst").read_text()
LOGIN = "https://login.mypurecloud.ie/oauth/token"
API = "https://api.mypurecloud.ie/api/v2"


def blocks(kind: str, section: str = "") -> list[str]:
    """The code blocks of the README, or of a section of it."""
    return code_blocks(README, kind, section)


@pytest.fixture
def ireland() -> Iterator[requests_mock.Mocker]:
    """Region eu-west-1, as the README has it."""
    token = {"access_token": TOKEN, "token_type": "bearer", "expires_in": 86399}
    with requests_mock.Mocker() as mocker:
        mocker.post(LOGIN, json=token)
        mocker.get(f"{API}/routing/queues", json={"entities": []})
        mocker.get(f"{API}/organizations/me", json={"name": "Acme"})
        yield mocker


def test_the_script_of_the_readme_lists_all_queues(
    sandbox: Counted, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    script = blocks("python", "A script")[0]
    exec(compile(script, "README.rst", "exec"), {})
    names = capsys.readouterr().out.splitlines()

    assert (len(names), names[0], names[-1]) == (60, "Queue 01", "Queue 60")
    assert sandbox.token_requests == 1


def test_the_script_of_the_readme_says_why_it_ends(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)
    script = blocks("python", "A script")[0]
    with pytest.raises(SystemExit, match="invalid_client"):
        exec(compile(script, "README.rst", "exec"), {})


def test_the_auth_of_the_readme_signs_a_call(
    ireland: requests_mock.Mocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in re.findall(r"export (\w+)='(.+)'", README):
        monkeypatch.setenv(name, value.replace("your-", ""))  # the library refuses placeholders
    exec(compile(blocks("python", "A script")[1], "README.rst", "exec"), {})

    assert [one.method for one in ireland.request_history] == ["POST", "GET"]
    assert ireland.request_history[1].headers["Authorization"] == f"Bearer {TOKEN}"


def test_the_store_of_the_readme_brings_the_token_to_the_next_run(
    sandbox: Counted, environ: dict[str, str]
) -> None:
    (block,) = blocks("python", "Between runs and between machines")
    for _ in range(2):
        names: dict[str, Any] = {}
        exec(compile(block, "README.rst", "exec"), names)
        names["session"].auth.access_token()

    assert sandbox.token_requests == 1


def test_the_test_of_the_readme_passes_as_it_stands() -> None:
    recipe = blocks("python", "Test your own code")
    names: dict[str, Any] = {}
    exec(recipe[0], names)
    with requests_mock.Mocker() as mocker:
        names["test_my_script"](mocker)
        assert [one.method for one in mocker.request_history] == ["POST", "GET"]

    assert len(recipe) == 1
    assert len(blocks("python")) == 4, "each of which is run here"


@pytest.mark.parametrize("shell", [r"export (\w+)=", r"\$env:(\w+) = "])
def test_both_shells_set_the_three_variables_of_the_environment(shell: str) -> None:
    family = FAMILIES[0]

    assert re.findall(shell, README) == [
        family.client_id,
        family.client_secret,
        family.regions[0],
    ]


def test_the_transcript_of_the_demo_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["demo"])
    said = capsys.readouterr().out
    (quoted,) = Page("testing").quoted

    beginning, end = timeless(quoted).split("[...]")
    assert timeless(said).startswith(beginning.strip())
    assert timeless(said).endswith(end.strip())


def timeless(text: str) -> str:
    """Without what differs from run to run."""
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST", plain(text))
    return re.sub(r"\(\d+\.\d\d s\)", "(TIME)", text)


def test_the_transcript_of_the_check_is_true(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)
    assert cli.main(["check"]) == 1
    said = timeless(capsys.readouterr().out)
    quoted = README[README.index("    FAIL  token") : README.index("Between runs and between")]
    pieces = [one.strip() for one in timeless(quoted).split("[...]")]

    assert len(pieces) == 3
    assert pieces.pop().startswith("In a script, ")
    assert all(piece in said for piece in pieces), said


def test_every_page_is_named() -> None:
    named = set(re.findall(r"``docs/([\w-]+)\.rst``", README))
    pages = {path.stem for path in DOCS.glob("*.rst")}

    assert pages - named <= {"index", "pages", "changes", "architecture"}, "found from the others"
    assert named <= pages


def quoted_errors() -> dict[str, str]:
    """The messages of docs/errors.rst, by the class they stand under."""
    found = re.findall(r"^``(\w+)``\n((?:    .*\n)+)", ERRORS, re.MULTILINE)
    return {name: plain(text) for name, text in found}


def error_body(error: str, text: str) -> dict[str, str]:
    return {"error": error, "description": text, "error_description": text}


def provoke(name: str, mocker: requests_mock.Mocker) -> GenesysCloudError:
    """The error of that name, as a user of region eu-west-1 meets it."""
    options: dict[str, Any] = {"region": "eu-west-1"}
    secret, url = SECRET, f"{API}/organizations/me"
    match name:
        case "CredentialsRefusedError":
            mocker.post(
                LOGIN, status_code=400, json=error_body("invalid_client", "authentication failed")
            )
        case "BadTokenAnswerError":
            mocker.post("https://api.mypurecloud.ie/oauth/token", status_code=404)
            options["login_url"] = "https://api.mypurecloud.ie"
        case "RegionMismatchError":
            url = url.replace(".ie", ".de")
        case _:
            secret += "\n"
    with pytest.raises(GenesysCloudError) as error:
        requests.get(url, auth=GenesysCloudAuth("client-id-1a2b", secret, **options), timeout=30)
    return error.value


@pytest.mark.parametrize("name", sorted(quoted_errors()))
def test_a_quoted_message_is_what_is_said(name: str, ireland: requests_mock.Mocker) -> None:
    error = provoke(name, ireland)

    assert type(error).__name__ == name
    assert str(error).startswith(quoted_errors()[name].removesuffix("[...]").strip())


def test_the_tree_of_errors_on_the_page_is_the_tree_of_the_classes() -> None:
    drawn = re.findall(r"^ {4,}[ |+-]*(\w+Error)(?:\(([\w.]+)\))?", ERRORS, re.MULTILINE)
    classes = {name: getattr(gc_requests_auth, name) for name, _ in drawn}

    assert set(classes) == {name for name in gc_requests_auth.__all__ if name.endswith("Error")}
    for name, base in drawn:
        if base:
            assert base.rpartition(".")[2] in {one.__name__ for one in classes[name].__mro__}


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= 150
    assert "gc-requests-auth demo" in "\n".join(README.splitlines()[:40])


def test_ci_runs_the_line_of_the_readme() -> None:
    lines = re.findall(r"^    (python3 -m venv .* tox && .*tox)$", README, re.MULTILINE)

    assert lines == ["python3 -m venv .venv && .venv/bin/pip install -q tox && .venv/bin/tox"]
    assert 'eval "$line"' in (ROOT / ".ci" / "run").read_text()
    assert lines[0] in (ROOT / ".github" / "CONTRIBUTING.rst").read_text()


def test_a_configuration_error_is_the_value_error_it_is_said_to_be() -> None:
    with pytest.raises(ValueError, match="Remove the white space") as error:
        GenesysCloudAuth("client", f"{SECRET}\n")
    assert isinstance(error.value, ConfigurationError)
    assert os.linesep not in str(error.value)
