"""README.rst: what it shows runs, what it quotes is said, what it names exists."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import requests_mock
from conftest import SECRET, TOKEN

import gc_requests_auth
from gc_requests_auth import ConfigurationError, GenesysCloudAuth, GenesysCloudError, cli
from gc_requests_auth.environment import FAMILIES
from gc_requests_auth.regions import REGIONS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.rst").read_text()
SETTINGS = (ROOT / "docs" / "settings.rst").read_text()
LOGIN = "https://login.mypurecloud.ie/oauth/token"
API = "https://api.mypurecloud.ie/api/v2"


def blocks(kind: str, section: str = "") -> list[str]:
    """The indented blocks behind a directive, of the README or a section, without indentation."""
    title = rf"^{section}\n-+\n(.*?)^[^\n]+\n---"
    text = re.findall(title, README, re.MULTILINE | re.DOTALL)[0] if section else README
    found = re.findall(rf"^\.\. code-block:: {kind}\n\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in found]


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def ireland() -> Iterator[requests_mock.Mocker]:
    """Region eu-west-1, as the README has it."""
    token = {"access_token": TOKEN, "token_type": "bearer", "expires_in": 86399}
    with requests_mock.Mocker() as mocker:
        mocker.post(LOGIN, json=token)
        mocker.get(f"{API}/routing/queues", json={"entities": []})
        mocker.get(f"{API}/organizations/me", json={"name": "Acme"})
        yield mocker


def test_the_python_of_the_readme_runs(
    ireland: requests_mock.Mocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_ID", "client-id")
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)
    monkeypatch.setenv("GENESYSCLOUD_REGION", "eu-west-1")
    names: dict[str, Any] = {}
    moving = blocks("python", "Moving a script over")  # run by test_dropin.py
    shown = [block for block in blocks("python") if block not in moving]
    for block in shown:
        exec(compile(block, "README.rst", "exec"), names)

    assert (len(shown), len(moving)) == (3, 4)
    assert names["queues"] == {"entities": []}
    assert [one.method for one in ireland.request_history] == ["POST", "GET"] * 2
    assert ireland.request_history[1].headers["Authorization"] == f"Bearer {TOKEN}"


def test_the_fixture_of_the_readme_works(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {}
    fixture = blocks("python", "Test your own code")[0]
    exec(compile(fixture, "README.rst", "exec"), names)
    running = names["genesys_cloud"].__wrapped__(monkeypatch)
    sandbox = next(running)
    auth = GenesysCloudAuth()
    response = requests.get(f"{auth.api_url}/api/v2/organizations/me", auth=auth, timeout=30)

    assert response.status_code == 200
    assert sandbox.token_requests == 1
    assert next(running, "over") == "over"


def test_the_transcript_of_the_demo_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["demo"])
    said = capsys.readouterr().out
    quoted = README[
        README.index("    A Genesys Cloud look-alike listens") : README.index("Use it\n---")
    ]

    def timeless(text: str) -> str:
        text = re.sub(r"127\.0\.0\.1:\d+", "HOST", plain(text))
        text = re.sub(r"client \.\.\.\w{4}", "CLIENT", text)
        return re.sub(r"unnoticed: \d+", "unnoticed: N", text)

    beginning, end = timeless(quoted).split("[...]")
    assert timeless(said).startswith(beginning.strip())
    assert timeless(said).endswith(end.strip())


def quoted_errors() -> dict[str, str]:
    """The messages of the README, by the class they stand under."""
    section = README[README.index("When it fails\n") : README.index("Test your own code\n")]
    found = re.findall(r"^``(\w+)``\n((?:    .*\n)+)", section, re.MULTILINE)
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
        case "GrantTypeError":
            text = "client is not authorized to use the client_credential grant type"
            mocker.post(LOGIN, status_code=400, json=error_body("unauthorized_client", text))
        case "LoginThrottledError":
            mocker.post(LOGIN, status_code=429, headers={"Retry-After": "3600"})
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


def test_the_tree_of_the_readme_is_the_tree() -> None:
    drawn = re.findall(r"^ {4,}[ |+-]*(\w+Error)(?:\(([\w.]+)\))?", README, re.MULTILINE)
    classes = {name: getattr(gc_requests_auth, name) for name, _ in drawn}

    assert set(classes) == {name for name in gc_requests_auth.__all__ if name.endswith("Error")}
    for name, base in drawn:
        if base:
            assert base.rpartition(".")[2] in {one.__name__ for one in classes[name].__mro__}


def test_the_regions_of_the_settings_are_the_table() -> None:
    rows = re.findall(r"^(\S+-\d) +(\S+) +(.+)$", SETTINGS, re.MULTILINE)

    assert rows == [(region.aws, region.domain, region.label) for region in REGIONS]


def test_every_environment_variable_is_in_the_settings() -> None:
    for family in FAMILIES:
        for name in (family.client_id, family.client_secret, *family.regions):
            assert f"``{name}``" in SETTINGS


def test_every_promise_names_a_test_that_exists() -> None:
    section = README[README.index("What it promises\n") : README.index("Which region is mine?")]
    promised = set(re.findall(r"``(test_\w+)``", section))
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))

    assert len(promised) >= 14
    assert {name for name in promised if f"def {name}(" not in sources} == set()


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= 300
    assert "gc-requests-auth demo" in "\n".join(README.splitlines()[:40])


def test_ci_runs_the_line_of_the_readme() -> None:
    lines = re.findall(r"^    (python3 -m venv .* tox && .*tox)$", README, re.MULTILINE)

    assert lines == ["python3 -m venv .venv && .venv/bin/pip install -q tox && .venv/bin/tox"]
    assert 'eval "$line"' in (ROOT / ".ci" / "run").read_text()
    assert lines[0] in (ROOT / ".github" / "CONTRIBUTING.rst").read_text()


def test_a_configuration_error_is_the_value_error_it_is_said_to_be() -> None:
    with pytest.raises(ValueError, match="strip") as error:
        GenesysCloudAuth("client", f"{SECRET}\n")
    assert isinstance(error.value, ConfigurationError)
    assert os.linesep not in str(error.value)
