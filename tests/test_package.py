"""The package as a whole: the ladder, what an import costs, the public list, the metadata."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
import types
from pathlib import Path

import pytest
from conftest import run_python

import gc_requests_auth

PACKAGE = Path(gc_requests_auth.__file__).parent

#: A module imports only from modules before it. The sandbox stands beside the ladder.
LADDER = [
    "process",
    "errors",
    "tokens",
    "arguments",
    "redaction",
    "regions",
    "retry",
    "environment",
    "places",
    "profiles",
    "credentials",
    "lookup",
    "bodies",
    "hook",
    "replay",
    "answers",
    "outages",
    "budget",
    "pacing",
    "adapter",
    "transport",
    "login",
    "background",
    "stores",
    "file_store",
    "redis_store",
    "sealed",
    "visit",
    "new_token",
    "sharing",
    "revoking",
    "refusal",
    "flight",
    "trouble",
    "token_source",
    "pool",
    "sign_in",
    "futile",
    "second_try",
    "auth",
    "session",
    "httpie",
    "diagnosis",
    "sandbox",
    "demo",
    "token_command",
    "cli",
    "__main__",
    "__init__",
]


#: The same within the package `diagnosis`.
ROOMS = [
    "report",
    "bounded",
    "certificates",
    "origins",
    "route",
    "causes",
    "network",
    "api",
    "walk",
    "find_region",
    "command",
    "__init__",
]


def imports_of(file: Path, level: int = 1) -> set[str]:
    """The modules of this package that a file imports, wherever in it, with so many dots."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == level:
            found |= {node.module} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("gc_requests_auth"), "imports are relative"
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("gc_requests_auth") for alias in node.names)
    return {name.partition(".")[0] for name in found}


def test_every_module_stands_on_the_ladder() -> None:
    names = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}

    assert names - {"__pycache__"} == set(LADDER)


def needs_of(name: str) -> set[str]:
    """The rungs that a module or a package of the ladder imports from."""
    folder = PACKAGE / name
    if folder.is_dir():
        return set().union(*(imports_of(file, 2) for file in folder.glob("*.py")))
    return imports_of(PACKAGE / f"{name}.py")


@pytest.mark.parametrize("name", [name for name in LADDER if name != "sandbox"])
def test_a_module_imports_only_from_modules_before_it(name: str) -> None:
    before = set(LADDER[: LADDER.index(name)])

    assert needs_of(name) <= before


def test_a_room_of_the_diagnosis_imports_only_from_rooms_before_it() -> None:
    assert {file.stem for file in (PACKAGE / "diagnosis").glob("*.py")} == set(ROOMS)
    for name in ROOMS:
        before = set(ROOMS[: ROOMS.index(name)])
        assert imports_of(PACKAGE / "diagnosis" / f"{name}.py") <= before, name


def test_nothing_of_the_library_needs_the_sandbox() -> None:
    needing = {name for name in LADDER if name != "sandbox" and "sandbox" in needs_of(name)}

    assert needing == {"demo", "cli"}


def test_no_file_is_longer_than_300_lines() -> None:
    for file in PACKAGE.rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 300, file.name


@pytest.mark.parametrize(
    "unwanted",
    [
        "oauthlib",
        "requests_oauthlib",
        "trustme",
        "argparse",
        "filelock",
        "platformdirs",
        "redis",
        "http.server",
        "gc_requests_auth.sandbox",
        "tomllib",
        "httpie",
        "gc_requests_auth.httpie",
        "gc_requests_auth.diagnosis",
    ],
)
def test_importing_the_package_does_not_import(unwanted: str) -> None:
    done = run_python("import sys, gc_requests_auth; print(sys.argv[1] in sys.modules)", unwanted)

    assert (done.stdout, done.stderr) == ("False\n", "")


#: What a process that starts with a token in its store, and meets no trouble, does without.
FOR_TROUBLE = {
    "answers",
    "futile",
    "login",
    "outages",
    "profiles",
    "replay",
    "second_try",
    "revoking",
}

#: And what a process with one token does without, whatever it meets.
FOR_POOLS = {"pool"}


def test_a_good_day_imports_nothing_for_bad_ones(tmp_path: Path) -> None:
    script = f"""
import sys, requests_mock
from gc_requests_auth import FileTokenStore, GenesysCloudSession
def call():
    with GenesysCloudSession("client", "secret", region="eu-west-1", store=FileTokenStore(sys.argv[1])) as session:
        return session.get("/api/v2/users").status_code
with requests_mock.Mocker() as mocker:
    mocker.get("https://api.mypurecloud.ie/api/v2/users")
    if sys.argv[2:]:
        mocker.post("https://login.mypurecloud.ie/oauth/token", json={{"access_token": "t"}})
    status = call()
print(status, sorted(name for name in {FOR_TROUBLE | FOR_POOLS!r} if f"gc_requests_auth.{{name}}" in sys.modules))
"""
    first = run_python(script, str(tmp_path), "first of all")
    done = run_python(script, str(tmp_path))

    assert first.stdout == "200 ['answers', 'login', 'outages']\n"
    assert (done.stdout, done.stderr) == ("200 []\n", "")


def test_rooms_are_attributes_as_those_of_any_package() -> None:
    done = run_python("import gc_requests_auth as gc; print(gc.errors.__name__, gc.auth.__name__)")

    assert (done.stdout, done.stderr) == ("gc_requests_auth.errors gc_requests_auth.auth\n", "")
    assert vars(gc_requests_auth)["__getattr__"]("errors") is sys.modules["gc_requests_auth.errors"]


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="'gc_requests_auth' has no attribute 'GenesysAuth'"):
        gc_requests_auth.GenesysAuth  # type: ignore[attr-defined]  # noqa: B018


def test_oauthlib_comes_with_the_first_token_request() -> None:
    script = """
import sys, requests_mock
from gc_requests_auth import GenesysCloudAuth
auth = GenesysCloudAuth("client", "secret", region="eu-west-1")
before = "oauthlib" in sys.modules
with requests_mock.Mocker() as mocker:
    mocker.post("https://login.mypurecloud.ie/oauth/token", json={"access_token": "t"})
    auth.access_token()
print(before, "oauthlib" in sys.modules)
"""
    done = run_python(script)

    assert (done.stdout, done.stderr) == ("False True\n", "")


def test_all_lists_exactly_what_is_public() -> None:
    public = {
        name
        for name in dir(gc_requests_auth)
        if not name.startswith("_")
        and not isinstance(getattr(gc_requests_auth, name), types.ModuleType)
    }

    assert public - {"annotations", "Any", "TYPE_CHECKING"} == set(gc_requests_auth.__all__) - {
        "__version__"
    }
    assert gc_requests_auth.__all__ == sorted(gc_requests_auth.__all__)


def test_everything_public_has_a_docstring() -> None:
    for name in set(gc_requests_auth.__all__) - {"__version__"}:
        thing = getattr(gc_requests_auth, name)
        assert thing.__doc__, name
        for member, value in vars(thing).items():
            if callable(value) and not member.startswith("_"):
                assert value.__doc__, f"{name}.{member}"


def test_the_version_is_that_of_the_distribution() -> None:
    assert gc_requests_auth.__version__ == importlib.metadata.version("gc-requests-auth")


def test_the_distribution_says_what_it_is() -> None:
    metadata = importlib.metadata.metadata("gc-requests-auth")

    assert "Genesys Cloud" in metadata["Summary"]
    assert metadata["Requires-Python"] == ">=3.11"
    run_time = {
        line.partition(">")[0]
        for line in importlib.metadata.requires("gc-requests-auth") or []
        if "extra" not in line
    }
    assert run_time == {"requests", "requests-oauthlib", "oauthlib"}


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert sys.version_info >= (3, 11)
