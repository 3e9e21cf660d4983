"""`tests/bench` runs, says what it is to say, and counts right. No figure that is a time is looked at."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from bench import pool
from pages import ROOT

pytest.importorskip("filelock", reason="the extra [file] is not installed")

BENCH = ROOT / "tests" / "bench"
SVG = "{http://www.w3.org/2000/svg}"
OURS_AUTH, OURS = "gc_requests_auth, auth=", "gc_requests_auth, Session"
SECTIONS = ["percall", "imports", "processes", "counts", "renewal", "throughput", "pool", "growth"]


BENCH_COMMAND = [sys.executable, "-m", "bench"]


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT / "tests"), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a quick run of all sections leaves behind."""
    out = tmp_path_factory.mktemp("bench")
    done = subprocess.run(
        [*BENCH_COMMAND, "--quick", "--out", str(out), "--plot", str(out / "limit.svg")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=out,
        env=environment(),
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


def test_this_library_makes_one_token_request_for_threads_and_processes(
    found: dict[str, Any],
) -> None:
    for who in (OURS_AUTH, OURS):
        figures = found["counts"]["figures"][who]
        counted = {what: figures[what]["median"] for what in ("cold", "revoked", "failed")}
        assert counted == {"cold": 1, "revoked": 1, "failed": 0}, who
    assert found["counts"]["figures"][OURS]["processes"]["median"] == 1


def test_the_report_names_libraries_that_are_not_installed(left: Path) -> None:
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


def test_the_plot_shows_what_was_answered_and_refused_by_hand_and_with_us(left: Path) -> None:
    picture = ET.parse(left / "limit.svg")
    texts = [text for one in picture.iter(f"{SVG}text") for text in [one.text or ""]]
    told = [re.fullmatch(r"(.+): ([\d,]+) answered, ([\d,]+) refused", text) for text in texts]
    panels = {one[1]: (one[2], one[3]) for one in told if one}
    bars = Counter(one.get("fill") for one in picture.iter(f"{SVG}rect"))

    assert list(panels) == ["by hand, with urllib3's Retry", "with this library"]
    assert all(answered != "0" for answered, _ in panels.values())
    assert panels["by hand, with urllib3's Retry"][1] != "0"
    assert len(bars) == 2, "a colour for each"
    assert min(bars.values()) > 1, "more than the legend"


def test_a_plot_without_its_section_is_a_usage_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [*BENCH_COMMAND, "--only", "imports", "--out", str(tmp_path), "--plot", "limit.svg"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env=environment(),
    )

    assert done.returncode == 2
    assert "error: --plot draws what the section pool finds: add it to --only" in done.stderr
    assert list(tmp_path.iterdir()) == []


def bursts(*starts: float, size: int = 40, seconds: float = 0.3) -> list[float]:
    """Requests of which as many as a window lets through go out at once, from each start on."""
    return [start + seconds * n / size for start in starts for n in range(size)]


@pytest.mark.parametrize(
    ("times", "tokens", "share"),
    [
        (bursts(0, 1, 2, 3, 4, 5), 1, 1.0),
        (bursts(0, 1, 2, 3, 4, 5)[:-20], 1, 1.0),
        (bursts(0, 0.1, 1.1, 2.1, 3.1), 1, 1.0),
        (bursts(0, 1.02, 2.04, 3.06, 4.08), 1, 1 / 1.02),
        (bursts(0, 1, 2, 3, 4, 5, seconds=1.0), 1, 1.0),
        (bursts(*(n / 2 for n in range(12))), 2, 1.0),
        (bursts(0, 2, 4, 6, 8), 1, 0.5),
        (bursts(0, 1, 2, 3, 4, 5), 4, 0.25),
        (bursts(0, 1), 1, 2 / 6),
    ],
    ids=[
        "all at the beginning of each window",
        "the last one is cut short",
        "the first one is cut short by the clock",
        "the answers take their time",
        "evenly",
        "two tokens in turn",
        "every other window",
        "one of four tokens",
        "hardly any",
    ],
)
def test_the_share_of_the_ceiling_does_not_depend_on_when_in_a_window_requests_are_sent(
    times: list[float], tokens: int, share: float
) -> None:
    assert pool.share(times, tokens * 40, 1.0, 6) == pytest.approx(share)


def test_no_room_of_the_bench_is_longer_than_300_lines() -> None:
    for file in BENCH.glob("*.py"):
        assert len(file.read_text().splitlines()) <= 300, file.name
