"""`tests/foreign` tells right from wrong; the suites themselves run in ``tox -e foreign``."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from foreign import command, fetch
from foreign.modes import MODES
from foreign.suites import SUITES, Suite
from foreign.verdict import Entry, ListError, Record, faults, read_expected
from pages import ROOT

SUITE = Suite("requests", "1.0", "", "pyproject.toml", {"as-is": 2, "as-is-tls": 1})
COUNTS = {"sessions": 3, "tokens": 2, "troubled": 1}
ENTRY = Entry("requests", ("foreign-hosts",), "artefact", "it looks inside", ("t.py::b",))


def record(**outcomes: str) -> Record:
    return Record({f"t.py::{name}": outcome for name, outcome in outcomes.items()}, {}, COUNTS)


BOTH_PASS = record(a="passed", b="passed")
B_FAILS = record(a="passed", b="failed")


def found(plain: Record, ours: Record, *expected: Entry) -> list[str]:
    return faults(SUITE, {"as-is": plain, "foreign-hosts": ours}, expected)


# -- the verdict ----------------------------------------------------------------------------------


def test_a_suite_that_passes_with_our_session_has_no_fault() -> None:
    assert found(BOTH_PASS, BOTH_PASS) == []


@pytest.mark.parametrize("ours", [B_FAILS, record(a="passed", b="skipped"), record(a="passed")])
def test_a_test_that_passes_without_our_session_only_is_a_fault(ours: Record) -> None:
    (fault,) = found(BOTH_PASS, ours)

    assert fault.startswith("foreign-hosts: t.py::b fails with our Session and is not in the list")


def test_the_reason_of_a_failure_is_said() -> None:
    ours = replace(B_FAILS, reasons={"t.py::b": "assert 401 == 200"})

    assert found(BOTH_PASS, ours)[0].endswith("\nassert 401 == 200")


def test_a_test_that_is_in_the_list_may_fail() -> None:
    assert found(BOTH_PASS, B_FAILS, ENTRY) == []


@pytest.mark.parametrize(
    "other", [replace(ENTRY, suite="responses"), replace(ENTRY, modes=("own-host",))]
)
def test_an_entry_excuses_no_other_suite_and_no_other_mode(other: Entry) -> None:
    assert len(found(BOTH_PASS, B_FAILS, other)) == 1


def test_a_test_that_is_in_the_list_and_no_longer_fails_is_a_fault() -> None:
    assert found(BOTH_PASS, BOTH_PASS, ENTRY) == [
        "foreign-hosts: t.py::b is in the list and does not fail"
    ]


def test_an_asterisk_stands_for_all_tests_of_such_a_name_each_of_which_has_to_fail() -> None:
    entry = replace(ENTRY, tests=("t.py::b*",))
    plain = record(a="passed", b1="passed", b2="passed")

    assert found(plain, record(a="passed", b1="failed", b2="failed"), entry) == []
    assert found(plain, record(a="passed", b1="failed", b2="passed"), entry) == [
        "foreign-hosts: t.py::b2 is in the list and does not fail"
    ]


def test_an_asterisk_that_stands_for_no_test_is_a_fault() -> None:
    (fault,) = found(BOTH_PASS, BOTH_PASS, replace(ENTRY, tests=("t.py::c*",)))

    assert fault == "foreign-hosts: t.py::c* is in the list and does not pass without our Session"


def test_a_test_that_is_in_the_list_and_fails_anyway_is_a_fault() -> None:
    plain = record(a="passed", b="failed", c="passed")
    ours = record(a="passed", b="failed", c="passed")

    assert found(plain, ours, ENTRY) == [
        "foreign-hosts: t.py::b is in the list and does not pass without our Session"
    ]


def test_a_test_that_fails_anyway_is_no_fault() -> None:
    plain = record(a="passed", b="failed", c="passed")

    assert found(plain, plain) == []


def test_a_suite_of_which_too_little_runs_is_a_fault() -> None:
    nearly_nothing = record(a="passed")

    assert found(nearly_nothing, nearly_nothing) == [
        "as-is: 1 tests pass without our Session, not 2"
    ]


@pytest.mark.parametrize(
    ("mode", "what"),
    [("own-host", "sessions"), ("own-host", "tokens"), ("first-503", "troubled")],
)
def test_a_mode_in_which_nothing_happens_is_a_fault(mode: str, what: str) -> None:
    idle = replace(BOTH_PASS, counts={**COUNTS, what: 0})

    assert faults(SUITE, {"as-is-tls": BOTH_PASS, mode: idle}, []) == [f"{mode}: no {what}"]


# -- the list -------------------------------------------------------------------------------------

GOOD = """
[[entry]]
suite = "requests"
modes = ["own-host"]
kind = "artefact"
reason = "it looks inside"
tests = ["t.py::b"]
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        file = tmp_path / "expected.toml"
        file.write_text(text)
        return file

    return write


def test_an_entry_is_read_as_it_is_written(written: Callable[[str], Path]) -> None:
    assert read_expected(written(GOOD)) == [replace(ENTRY, modes=("own-host",))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"requests"', '"no-such-suite"'),
        ('"requests"', '"responses"'),  # which has no server
        ('["own-host"]', "[]"),
        ('["own-host"]', '["as-is"]'),  # where our Session is not
        ('"artefact"', '"nuisance"'),
        ('"artefact"', '"promise"'),  # without the words of the README
        ('"artefact"', '"artefact"\nreadme = "words"'),
        ('"artefact"', '"artefact"\nunknown = "field"'),
        ('"it looks inside"', '""'),
        ('["t.py::b"]', "[]"),
        (GOOD, GOOD + GOOD),  # the same test twice
    ],
)
def test_an_entry_that_can_not_be_is_refused(
    old: str, new: str, written: Callable[[str], Path]
) -> None:
    file = written(GOOD.replace(old, new))

    with pytest.raises(ListError):
        read_expected(file)


def test_what_the_list_calls_a_promise_stands_in_the_readme_or_a_page() -> None:
    pages = [ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst"))]
    readme = " ".join(" ".join(page.read_text().split()) for page in pages)
    promises = [entry.readme for entry in read_expected() if entry.kind == "promise"]

    assert promises
    assert [words for words in promises if words not in readme] == []


# -- the suites -----------------------------------------------------------------------------------


def test_tox_installs_the_libraries_whose_suites_run() -> None:
    pinned = dict(re.findall(r"^    ([\w-]+)(?:\[\w+\])?==(.+)$", _environment(), re.MULTILINE))

    assert {name: pinned[name] for name in SUITES} == {s.name: s.version for s in SUITES.values()}


def _environment() -> str:
    return (ROOT / "tox.ini").read_text().partition("[testenv:foreign")[2].partition("\n[")[0]


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_each_suite_has_a_measure_for_each_run_without_our_session(suite: Suite) -> None:
    baselines = {name for name in suite.modes if not MODES[name].ours}

    assert set(suite.at_least) == baselines


def archive(folder: Path, files: dict[str, str]) -> Suite:
    """Leaves a source distribution of the installed requests in the folder; the suite in it."""
    version = metadata.version("requests")
    file = folder / f"requests-{version}.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"requests-{version}/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Suite("requests", version, digest, "pyproject.toml", {"as-is": 1})


def test_a_source_distribution_of_another_content_is_refused(tmp_path: Path) -> None:
    suite = replace(archive(tmp_path, {"setup.py": ""}), sha256="0" * 64)

    with pytest.raises(fetch.FetchError, match="is not the source distribution that is known"):
        fetch.fetch(suite, tmp_path)


def test_the_suite_of_another_version_than_the_installed_one_is_refused(tmp_path: Path) -> None:
    suite = replace(archive(tmp_path, {"setup.py": ""}), version="1.0")

    with pytest.raises(fetch.FetchError, match="is installed, the suite is of"):
        fetch.fetch(suite, tmp_path)


def test_the_tests_are_unpacked_and_the_library_is_not(tmp_path: Path) -> None:
    names = ["pyproject.toml", "tests/test_a.py", "src/requests/__init__.py", "testsuite/b.py"]
    suite = archive(tmp_path, dict.fromkeys(names, ""))
    there = tmp_path / "there"

    fetch.unpack(suite, fetch.fetch(suite, tmp_path), there)

    assert files_of(there) == {"pyproject.toml", "tests/test_a.py"}


def files_of(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


# -- all of it, with a suite of three tests -------------------------------------------------------

TESTS = """
import socket

import pytest, requests

def test_that_passes():
    assert requests.Session().headers

def test_that_looks_inside():
    assert type(requests.session()) is type(requests.sessions.Session())
    assert requests.Session.__module__ == "requests.sessions"

def test_of_the_network():
    with socket.socket() as here, pytest.raises(TimeoutError):
        here.setblocking(False)  # else a machine without a network might raise the same
        here.connect(("192.0.2.1", 80))
    with pytest.raises(requests.ConnectionError, match="Name or service not known"):
        requests.get("http://name.example/")
"""

LISTED = GOOD.replace("own-host", "foreign-hosts").replace("t.py::b", "tests/test_a.py::{}")


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("test_that_looks_inside", ""),
        (
            "test_that_passes",
            "test_that_looks_inside fails with our Session and is not in the list",
        ),
    ],
)
def test_the_command_fails_unless_the_list_is_right(
    listed: str,
    said: str,
    written: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    suite = archive(tmp_path, {"pyproject.toml": "", "tests/test_a.py": TESTS})
    monkeypatch.setitem(SUITES, "requests", replace(suite, at_least={"as-is": 3}))
    file = written(LISTED.format(listed))

    status = command.main(["requests", "--folder", str(tmp_path), "--expected", str(file)])

    assert status == bool(said)
    assert said in capsys.readouterr().out
