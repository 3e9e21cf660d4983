"""The package as a whole: its wings, what an import costs, the public list, the metadata."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import pydoc
import sys
import types
from pathlib import Path

import pytest
from conftest import run_python

import gc_requests_auth

PACKAGE = Path(gc_requests_auth.__file__).parent

#: A wing, or a module at the top, imports only from those above it. The sandbox imports none.
WINGS = [
    "util",
    "errors",
    "settings",
    "causes",
    "tokens",
    "stores",
    "calls",
    "explanation",
    "auth",
    "session",
    "httpie",
    "sandbox",
    "commands",
    "__main__",
    "__init__",
]


def wing_of(file: Path) -> str:
    """The wing that a file belongs to, or the module that it is."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(file: Path) -> list[tuple[str, ...]]:
    """What a file imports of the package, wherever in it: ``("util", "secret", "SecretBox")``."""
    package = ("gc_requests_auth", *file.relative_to(PACKAGE).parent.parts)
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[1 : len(package) - node.level + 1]
            module = node.module.split(".") if node.module else []
            found += [(*base, *module, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("gc_requests_auth"), "imports are relative"
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("gc_requests_auth") for alias in node.names)
    return found


def wings_imported_by(file: Path) -> set[str]:
    return {found[0] for found in imports_of(file)}


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_file_belongs_to_a_wing() -> None:
    assert {wing_of(file) for file in FILES} == set(WINGS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_wing_imports_only_from_the_wings_above(file: Path) -> None:
    wing = wing_of(file)
    above = {wing} if wing == "sandbox" else set(WINGS[: WINGS.index(wing) + 1])

    assert wings_imported_by(file) <= above


def test_only_the_command_needs_the_sandbox() -> None:
    needing = {wing_of(file) for file in FILES if "sandbox" in wings_imported_by(file)}

    assert needing <= {"sandbox", "commands"}


#: The wings that are folders. Each exports names, and modules that are dear to import or are tables.
FOLDERS = [wing for wing in WINGS if (PACKAGE / wing).is_dir()]


@pytest.mark.parametrize("wing", FOLDERS)
def test_other_wings_import_what_a_wing_exports_and_nothing_is_exported_in_vain(wing: str) -> None:
    exported = importlib.import_module(f"gc_requests_auth.{wing}").__all__
    used = {
        found[1]
        for file in FILES
        if wing_of(file) != wing
        for found in imports_of(file)
        if found[0] == wing
    }
    by_programs = {"sandbox": {"Exchange"}}

    assert sorted(used | by_programs.get(wing, set())) == sorted(exported)


#: How many modules of the package may have less than 60 lines; ``__init__.py`` does not count.
MOST_SMALL_MODULES = 2


def test_no_module_has_more_than_400_lines_and_few_have_less_than_60() -> None:
    lengths = {
        str(file.relative_to(PACKAGE)): len(file.read_text().splitlines())
        for file in FILES
        if file.name != "__init__.py"
    }
    small = [name for name, lines in lengths.items() if lines < 60]

    assert [name for name, lines in lengths.items() if lines > 400] == []
    assert len(small) <= MOST_SMALL_MODULES, small


TESTS = Path(__file__).parent

#: How often tests may reach into a private member of something that is not their own.
MOST_PRIVATE_REACHES = 38

#: Python documents these, of named tuples and of the modules os and sys; they are not private.
DOCUMENTED = {"_asdict", "_fields", "_make", "_replace", "_exit", "_getframe"}


def private_reaches(file: Path) -> list[str]:
    """Where a test file says ``x._name``, of an `x` that is neither ``self`` nor ``cls``."""
    return [
        f"{file.relative_to(TESTS)}:{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in DOCUMENTED
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls", "mcs"})
    ]


def test_tests_reach_into_few_private_members() -> None:
    """So that the package can be rebuilt under its tests."""
    files = [
        file
        for file in sorted(TESTS.rglob("*.py"))
        if file.relative_to(TESTS).parts[0] not in {"bench", "foreign"}
    ]
    found = [reach for file in files for reach in private_reaches(file)]

    assert len(found) <= MOST_PRIVATE_REACHES, "\n".join(found)


def late_imports(file: Path) -> list[str]:
    """What a function of a file imports of the package while another thread may fork the process."""
    inside: set[ast.AST] = set()
    held: set[ast.AST] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef):
            inside.update(ast.walk(node))
        if isinstance(node, ast.With) and ast.unparse(node.items[0]) == "forks.no_fork()":
            held.update(ast.walk(node))
    return [
        f"{file.name}: {ast.unparse(node)}"
        for node in inside - held
        if isinstance(node, ast.ImportFrom) and node.level
    ]


def test_no_process_is_forked_while_a_function_of_the_library_imports_more_of_the_package() -> None:
    """The child would wait for ever for a thread that does not exist there."""
    files = [file for file in FILES if wing_of(file) != "commands"]

    assert [found for file in files for found in late_imports(file)] == []


#: Modules that are dear to import, and modules of ours that few processes need.
DEAR = {
    *("argparse", "ast", "asyncio", "concurrent.futures", "contextvars", "dataclasses", "difflib"),
    *("http.server", "inspect", "subprocess", "tomllib"),
    *("filelock", "httpie", "oauthlib", "platformdirs", "redis", "requests_oauthlib", "trustme"),
    *("gc_requests_auth.causes", "gc_requests_auth.commands", "gc_requests_auth.httpie"),
    *("gc_requests_auth.sandbox", "gc_requests_auth.tokens.request"),
}


def test_importing_the_package_imports_nothing_dear_that_requests_does_not_import() -> None:
    done = run_python("""
import sys, requests
by_requests = set(sys.modules)
import gc_requests_auth
print(*set(sys.modules) - by_requests)
""")

    assert done.stderr == ""
    assert "gc_requests_auth.auth" in done.stdout.split()
    assert DEAR & set(done.stdout.split()) == set()


def test_oauthlib_comes_with_the_first_token_request_and_the_causes_with_a_failure() -> None:
    script = """
import sys, requests_mock
from gc_requests_auth import GenesysCloudAuth
auth = GenesysCloudAuth("client", "secret", region="eu-west-1")
before = "oauthlib" in sys.modules
with requests_mock.Mocker() as mocker:
    mocker.post("https://login.mypurecloud.ie/oauth/token", json={"access_token": "t"})
    auth.access_token()
print(before, "oauthlib" in sys.modules, "gc_requests_auth.causes" in sys.modules)
"""
    done = run_python(script)

    assert (done.stdout, done.stderr) == ("False True False\n", "")


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


def test_help_shows_the_public_names_before_the_internal_modules() -> None:
    text = pydoc.plain(pydoc.render_doc(gc_requests_auth))
    contents = text.index("PACKAGE CONTENTS")

    for name in set(gc_requests_auth.__all__) - {"__version__"}:
        assert text.index(f" {name} ") < contents, name
    internal = text[contents : text.index("CLASSES")].split()[2:]
    assert len(internal) <= 30, "wings, and not each of their modules"


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
