"""`tests/bench` runs, says what it is to say, and counts right. No figure that is a time is looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT

pytest.importorskip("filelock", reason="the extra [file] is not installed")

BENCH = ROOT / "tests" / "bench"
OURS_AUTH, OURS = "gc_requests_auth, auth=", "gc_requests_auth, Session"
SECTIONS = ["percall", "imports", "processes", "counts", "renewal", "throughput", "pool", "growth"]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a quick run of all sections leaves behind."""
    out = tmp_path_factory.mktemp("bench")
    path = os.pathsep.join(filter(None, [str(ROOT / "tests"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=out,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (out / "bench.rst").read_text()
    return out


@pytest.fixture
def found(left: Path) -> dict[str, Any]:
    """The same, by section."""
    sections: dict[str, Any] = json.loads((left / "bench.json").read_text())["sections"]
    return sections


def test_every_section_yields_its_figures(found: dict[str, Any]) -> None:
    assert list(found) == SECTIONS
    for name, section in found.items():
        for what, cell in section["figures"][OURS].items():
            assert isinstance(cell["median"], int | float), (name, what)
        for target in section["targets"]:
            assert target["who"] in section["figures"] or name == "renewal", target


def test_this_library_asks_for_one_token_whoever_asks(found: dict[str, Any]) -> None:
    for who in (OURS_AUTH, OURS):
        figures = found["counts"]["figures"][who]
        counted = {what: figures[what]["median"] for what in ("cold", "revoked", "failed")}
        assert counted == {"cold": 1, "revoked": 1, "failed": 0}, who
    assert found["counts"]["figures"][OURS]["processes"]["median"] == 1


def test_what_is_not_installed_is_said_to_be_missing(left: Path) -> None:
    facts = json.loads((left / "bench.json").read_text())["facts"]
    text = (left / "bench.rst").read_text()
    missing = {name for name, version in facts["versions"].items() if version == "NOT INSTALLED"}

    assert facts["versions"]["requests-oauthlib"] not in missing
    assert bool(missing) == ("Not installed, hence not measured" in text)


def test_the_tables_fit_the_page(left: Path) -> None:
    text = (left / "bench.rst").read_text()

    assert text.isascii()
    assert [line for line in text.splitlines() if len(line) > 112] == []


def test_the_tables_are_sound(
    left: Path,
) -> None:  # pragma: no cover -- docutils is no need of ours
    core = pytest.importorskip("docutils.core", reason="docutils is not installed")
    text = (left / "bench.rst").read_text()
    tree = core.publish_doctree(text, settings_overrides={"halt_level": 2, "report_level": 2})

    assert len(list(tree.findall(lambda node: node.tagname == "table"))) == len(SECTIONS) + 1


def test_no_room_of_the_bench_is_longer_than_300_lines() -> None:
    for file in BENCH.glob("*.py"):
        assert len(file.read_text().splitlines()) <= 300, file.name
