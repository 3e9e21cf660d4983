"""Pages of docs/ on moving a script over, other clients and vaults; the site; the release."""

from __future__ import annotations

import base64
import importlib
import os
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import requests
import requests_mock
import yaml
from conftest import SECRET, TOKEN, Counted, run_python
from pages import DOCS, QUEUES, ROOT, Page, stand_in, statuses

import gc_requests_auth
from gc_requests_auth import CredentialsRefusedError, GenesysCloudSession
from gc_requests_auth.commands import main as cli
from gc_requests_auth.commands.options import make_parser

README = (ROOT / "README.rst").read_text()


@pytest.fixture
def here(sandbox: Counted, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Counted:
    """The sandbox, which the environment names."""
    monkeypatch.setenv("SSL_CERT_FILE", sandbox.ca_file)  # of httpx and aiohttp
    return sandbox


# -- tutorial.rst ---------------------------------------------------------------------------------


def test_tutorial_runs_from_top_to_bottom(
    here: Counted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Page("tutorial")
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    script = tmp_path / "script.py"
    said = []
    for text in (page.python[0], page.python[1], "\n".join(page.python[1:3])):
        script.write_text(text)
        said.append(run_python(script, env=environ).stdout)

    assert said == ["200 Sandbox Ltd\n", "200\n", "200\n60 queues\n"]
    assert here.token_requests == 2, "the store brings the token to the third run"


def test_tutorial_ends_with_a_test_that_passes(tmp_path: Path) -> None:
    file = tmp_path / "test_script.py"
    file.write_text(Page("tutorial").python[3])
    run = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    done = run_python(run, "-q", "-p", "no:cacheprovider", str(file), env=dict(os.environ))

    assert "1 passed" in done.stdout


def test_tutorial_finds_the_wrong_secret(
    here: Counted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", "wrong")
    done = run_python(Page("tutorial").python[0], env=dict(os.environ))

    assert cli.main(["check"]) == 1
    assert "The secret is wrong" in capsys.readouterr().out
    assert "CredentialsRefusedError" in done.stderr.splitlines()[-1]


# -- migrating.rst --------------------------------------------------------------------------------


def test_migrating_a_base_url_with_a_version(here: Counted) -> None:
    session = Page("migrating").run(4)["ApiSession"]()

    for url in ("routing/queues", QUEUES, f"{here.api_url}{QUEUES}"):
        assert session.get(url).json()["total"] == 60


def test_migrating_a_clause_that_reads_the_response(
    here: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    queues = Page("migrating").run(5)["queues"]
    with GenesysCloudSession() as session, requests_mock.Mocker(session=session) as mocker:
        mocker.post(f"{here.login_url}/oauth/token", json={"access_token": TOKEN})
        mocker.get(f"{here.api_url}{QUEUES}", status_code=404, text="nothing here")
        assert queues(session) == []
        assert capsys.readouterr().out == "Genesys Cloud answers 404 nothing here\n"
    with GenesysCloudSession() as session:
        assert len(queues(session)) == 25
        here.sandbox.answer_tokens(1, 400, '{"error": "invalid_client"}')
        session.auth.forget()
        assert queues(session) == []
    assert capsys.readouterr().out.startswith("no answer to the call: 127.0.0.1")


def test_migrating_a_clause_around_the_sign_in(
    here: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_in = Page("migrating").run(6)["sign_in"]
    with GenesysCloudSession() as session:
        assert sign_in(session)
        session.auth.forget()
        here.sandbox.answer_tokens(
            1, 400, '{"error": "invalid_client", "description": "authentication failed"}'
        )
        assert not sign_in(session)
    assert capsys.readouterr().out == "no token: 400 invalid_client authentication failed\n"


def test_an_error_of_the_sign_in_is_no_http_error_and_has_no_response(here: Counted) -> None:
    here.sandbox.answer_tokens(1, 400, '{"error": "invalid_client"}')
    with GenesysCloudSession() as session, pytest.raises(CredentialsRefusedError) as error:
        session.get(QUEUES)

    assert not isinstance(error.value, requests.HTTPError)
    assert error.value.response is None


# -- pages.rst ------------------------------------------------------------------------------------


def test_pages_by_number_and_by_next_uri_bring_the_same(here: Counted) -> None:
    names = Page("pages").run()

    assert len(names["queues"]) == 60
    assert names["same"] == names["queues"]
    with GenesysCloudSession() as session:
        assert list(names["by_number"](session, QUEUES, size=25)) == names["queues"]
        assert list(names["by_next_uri"](session, QUEUES, pageSize=7)) == names["queues"]


def test_pages_by_cursor_are_walked_to_the_last() -> None:
    by_cursor = Page("pages").run(2)["by_cursor"]
    path = "/api/v2/analytics/conversations/details/jobs/1/results"
    bodies = [{"conversations": [1, 2], "cursor": "b"}, {"conversations": [3]}]
    with requests_mock.Mocker() as mocker:
        mocker.post("https://login.mypurecloud.ie/oauth/token", json={"access_token": TOKEN})
        mocker.get(f"https://api.mypurecloud.ie{path}", [{"json": body} for body in bodies])
        with GenesysCloudSession("id", SECRET, region="eu-west-1") as session:
            assert list(by_cursor(session, path, "conversations", pageSize=2)) == [1, 2, 3]

    assert [one.qs for one in mocker.request_history[1:]] == [
        {"pagesize": ["2"]},
        {"pagesize": ["2"], "cursor": ["b"]},
    ]


# -- credentials.rst ------------------------------------------------------------------------------


@pytest.fixture
def vaults(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions to three vaults, whose libraries have stand-ins."""
    asked: list[str] = []

    def read(path: str, **_: Any) -> Any:
        asked.append(path)
        return {"data": {"data": {"client_id": "of vault", "client_secret": SECRET}}}

    kv = types.SimpleNamespace(v2=types.SimpleNamespace(read_secret_version=read))

    class SecretClient:
        def __init__(self, vault_url: str, credential: object) -> None:
            self.vault_url = vault_url

        def get_secret(self, name: str) -> Any:
            asked.append(name)
            value = SECRET if name.endswith("secret") else "of key vault"
            return types.SimpleNamespace(value=value)

    def get_password(service: str, name: str) -> str:
        asked.append(f"{service} {name}")
        return SECRET

    secrets = types.SimpleNamespace(kv=kv)
    modules: dict[str, dict[str, object]] = {
        "hvac": {"Client": lambda url, token: types.SimpleNamespace(secrets=secrets)},
        "azure": {},
        "azure.identity": {"DefaultAzureCredential": object},
        "azure.keyvault": {},
        "azure.keyvault.secrets": {"SecretClient": SecretClient},
        "keyring": {"get_password": get_password},
    }
    stand_in(monkeypatch, modules)
    for name in ("VAULT_ADDR", "VAULT_TOKEN", "KEY_VAULT_URL"):
        monkeypatch.setenv(name, "https://vault.example")
    return asked


@pytest.mark.parametrize(
    ("number", "client_id", "wanted"),
    [
        (0, "of vault", ["genesys-cloud"]),
        (1, "of key vault", ["genesys-client-id", "genesys-client-secret"]),
        (2, "client-id", ["genesys-cloud client-id"]),
    ],
)
def test_credentials_of_a_vault_sign_in(
    vaults: list[str], number: int, client_id: str, wanted: list[str]
) -> None:
    session = Page("credentials").run(number)["session"]
    assert vaults == [], "nobody is asked before a call"
    with requests_mock.Mocker() as mocker:
        mocker.post("https://login.mypurecloud.ie/oauth/token", json={"access_token": TOKEN})
        mocker.get(f"https://api.mypurecloud.ie{QUEUES}")
        session.get(QUEUES)

    basic = base64.b64encode(f"{client_id}:{SECRET}".encode()).decode()
    assert mocker.request_history[0].headers["Authorization"] == f"Basic {basic}"
    assert vaults == wanted


def test_credentials_of_a_command_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Page("credentials").run(3)
    command = names["command"]
    monkeypatch.setattr(
        "subprocess.run", lambda *_, **__: types.SimpleNamespace(stdout=f"{SECRET}\n".encode())
    )

    assert command() == ("client-id", SECRET)


# -- other-clients.rst ----------------------------------------------------------------------------


@pytest.fixture(params=["httpx", "httpx2"])
def httpx(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """httpx or httpx2, under the name that the page imports."""
    module = importlib.import_module(request.param)
    monkeypatch.setitem(sys.modules, "httpx", module)
    return module


def test_httpx_calls_outlive_their_token(here: Counted, httpx: Any) -> None:
    names = Page("other-clients").run(0)
    auth = names["HttpxAuth"](names["auth"])
    assert names["queues"]["total"] == 60
    here.sandbox.revoke_all()
    with httpx.Client(auth=auth, base_url=here.api_url) as client:
        answers = [client.get(QUEUES), client.get("/sandbox/status/401")]

    assert [one.status_code for one in answers] == [200, 401]
    assert statuses(here) == [200, 401, 200, 401, 401]
    assert here.token_requests == 3


def test_other_clients_get_no_token_for_other_hosts(here: Counted, httpx: Any) -> None:
    names = Page("other-clients").run(0)
    auth = names["HttpxAuth"](names["auth"])
    sent = []

    def answer(request: Any) -> Any:
        sent.append("Authorization" in request.headers)
        return httpx.Response(200)

    with httpx.Client(auth=auth, transport=httpx.MockTransport(answer)) as client:
        client.get(f"{here.api_url}{QUEUES}")
        client.get("https://elsewhere.example/")

    assert sent == [True, False]


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_calls_of_an_async_client_outlive_their_token(
    here: Counted, tmp_path: Path, name: str
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "\n".join(Page("other-clients").python[:2]).replace(
            "import httpx", f"import {name} as httpx"
        )
        + """
import requests
requests.delete(f"{auth.api_url}/api/v2/tokens/me", auth=auth, timeout=30)

async def calls():
    signed = AsyncHttpxAuth(auth)
    async with httpx.AsyncClient(auth=signed, base_url=auth.api_url) as client:
        for _ in range(2):
            print((await client.get("/api/v2/routing/queues")).status_code)
    elsewhere = httpx.MockTransport(lambda request: httpx.Response(200, json=[*request.headers]))
    async with httpx.AsyncClient(auth=signed, transport=elsewhere) as client:
        print("authorization" in (await client.get("https://elsewhere.example/")).json())

asyncio.run(calls())
"""
    )
    done = run_python(script, env=dict(os.environ))

    assert done.stdout == "200\n200\nFalse\n", done.stderr
    assert statuses(here)[2:] == [401, 200, 200]
    assert here.token_requests == 2


def test_aiohttp_calls_outlive_their_token_and_take_no_token_elsewhere(
    here: Counted, tmp_path: Path
) -> None:
    pytest.importorskip("aiohttp", reason="[test] brings aiohttp before Python 3.15")
    script = tmp_path / "script.py"
    script.write_text(
        Page("other-clients").python[2]
        + """
from types import SimpleNamespace
import requests

async def answer(request):
    return SimpleNamespace(status=200)

print(asyncio.run(queues())["total"])
requests.delete(f"{auth.api_url}/api/v2/tokens/me", auth=auth, timeout=30)
print(asyncio.run(queues())["total"])
for url in (f"{auth.api_url}/x", "https://elsewhere.example/"):
    request = SimpleNamespace(url=url, headers={})
    asyncio.run(signed_in(request, answer))
    print(list(request.headers))
"""
    )
    done = run_python(script, env=dict(os.environ))

    assert done.stdout == "60\n60\n['Authorization']\n[]\n", done.stderr
    assert statuses(here)[2:] == [401, 200]
    assert here.token_requests == 2


# -- security.rst, errors.rst, promises.rst ---------------------------------------------------------


def test_every_promise_names_a_test_that_exists() -> None:
    promised = set(re.findall(r"``(test_\w+)``", Page("promises").text))
    sources = "".join(path.read_text() for path in Path(__file__).parent.rglob("test_*.py"))

    assert len(promised) >= 20
    assert {name for name in promised if f"def {name}(" not in sources} == set()


def test_the_page_of_errors_has_a_row_for_each() -> None:
    rows = re.findall(r"^``(\w+Error)`` +\w", Page("errors").text, re.MULTILINE)
    errors = {name for name in gc_requests_auth.__all__ if name.endswith("Error")}

    assert set(rows) == errors - {"GenesysCloudError"}


def test_auth_or_session_makes_a_session(here: Counted) -> None:
    assert Page("auth-or-session").run()["organization"]["name"] == "Sandbox Ltd"


def test_index_makes_a_call(here: Counted) -> None:
    assert Page("index").run()["queues"]["total"] == 60


def test_the_architecture_names_files_that_are_there() -> None:
    text = Page("architecture").text
    files = {one for one in re.findall(r"``([\w/]+(?:\.py|/))``", text) if one != "docs/"}
    package = Path(gc_requests_auth.__file__).parent

    assert len(files) >= 10
    assert {
        one for one in files if not (package / one).exists() and not (ROOT / one).exists()
    } == set()


# -- the site -------------------------------------------------------------------------------------


def test_the_contents_name_every_page() -> None:
    index = (DOCS / "index.rst").read_text()
    entries = set(re.findall(r"^    ([\w*\[\]-]+)$", index, re.MULTILINE))
    pages = {path.stem for path in DOCS.glob("*.rst")} - {"index"}

    assert {name for name in pages if not any(Path(name).match(one) for one in entries)} == set()


def test_a_link_between_pages_leads_to_a_page() -> None:
    pages = {path.name for path in DOCS.glob("*.rst")}
    linked = {
        (path.name, target)
        for path in DOCS.glob("*.rst")
        for target in re.findall(r"<([\w/.-]+\.rst)>`_", path.read_text())
    }

    assert {one for one in linked if one[1] not in pages} == set()


def test_the_reference_shows_every_public_name() -> None:
    api = Page("api").text
    shown = re.findall(r"^\.\. auto(?:class|exception|function):: (\w+)", api, re.MULTILINE)

    assert set(shown) == {*gc_requests_auth.__all__, "GenesysCloudSandbox"} - {"__version__"}


# -- what is released ------------------------------------------------------------------------------


def workflows() -> dict[str, str]:
    return {path.name: path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")}


def test_actions_are_pinned_by_hash_with_their_version() -> None:
    uses = [line for text in workflows().values() for line in text.splitlines() if "uses:" in line]

    assert uses
    assert [
        line
        for line in uses
        if not re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)
    ] == []


def test_a_workflow_has_no_permissions_but_those_of_a_job() -> None:
    assert len(workflows()) == 2
    assert all("\npermissions: {}\n" in text for text in workflows().values())


def test_pre_commit_runs_the_versions_that_tox_runs() -> None:
    tox = (ROOT / "tox.ini").read_text()
    pinned = re.findall(r"dependencies: \[(.+)\]", (ROOT / ".pre-commit-config.yaml").read_text())

    assert len(pinned) == 5
    assert {one for one in pinned if one not in tox} == set()


def test_the_classifiers_say_what_is_tested() -> None:
    job = yaml.safe_load(workflows()["tests.yml"])["jobs"]["tests"]
    setup = (ROOT / "setup.cfg").read_text()
    claimed = set(re.findall(r":: Python :: (3\.\d+)$", setup, re.MULTILINE))
    matrix = job["strategy"]["matrix"]

    assert matrix["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    assert claimed == set(matrix["python"]) - {"3.14t"}
    assert job["continue-on-error"] == "${{ matrix.python == '3.14t' }}", "no other may fail"
    assert f"CPython {min(claimed)} to {max(claimed)} are tested" in README


def test_what_has_not_run_on_windows_is_said() -> None:
    """Until somebody has seen a run of the workflow."""
    assert "The tests have run on Linux only" in (ROOT / ".github/CONTRIBUTING.rst").read_text()
    assert "are tested on Linux" in README


@pytest.mark.parametrize(
    ("posix", "powershell"),
    [
        (r"^ *export (\w+)=", r"$env:{} = "),
        (r"(\.venv/bin/)", r".venv\Scripts"),
        (r"completion (bash)", "completion powershell"),
        (r"(curl) -H", "curl.exe -H"),
    ],
)
def test_a_line_for_a_posix_shell_has_its_twin_for_powershell(posix: str, powershell: str) -> None:
    """On the same page: administrators of Genesys Cloud sit on Windows."""
    texts = {path.name: path.read_text() for path in DOCS.glob("*.rst")}
    texts["README.rst"] = README
    texts |= {name: one.format_help() for name, one in make_parser().commands.items()}
    lines = {
        (page, name)
        for page, text in texts.items()
        for name in re.findall(posix, text, re.MULTILINE)
    }

    assert lines
    assert [one for one in lines if powershell.format(one[1]) not in texts[one[0]]] == []


def test_what_a_reader_of_pypi_sees_has_no_relative_link() -> None:
    assert re.findall(r"`_", README) == []
    assert ":doc:" not in README
