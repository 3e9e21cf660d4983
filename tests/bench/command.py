"""``python -m bench``: measure, print, and leave the tables in files."""

from __future__ import annotations

import argparse
import json
import os
import platform
import site
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from . import counts, growth, imports, percall, pool, processes, renewal, report, throughput
from .neighbours import ALL, API_CLIENT, OURS, OURS_AUTH, absent
from .tables import Scale, Section, Table
from .transport import quiet

#: In the order in which they run. A further one is a module with a `SECTION`, and a line here.
SECTIONS: Sequence[Section] = (
    percall.SECTION,
    imports.SECTION,
    processes.SECTION,
    counts.SECTION,
    renewal.SECTION,
    throughput.SECTION,
    pool.SECTION,
    growth.SECTION,
)

#: The columns of the summary: by name of a neighbour; the first stands for this library.
HEADS = {
    "": "this library",
    "requests-oauthlib": "requests-\noauthlib",
    "Authlib": "Authlib",
    "requests-oauth2client": "requests-\noauth2client",
    "requests_auth": "requests\n_auth",
    "google-auth": "google-\nauth",
}

_SESSIONS, _AUTHS = ("requests-oauthlib", "Authlib", "google-auth"), ("requests_auth",)

SUMMARY = (
    report.Line(
        "a call with auth=, us added",
        "percall",
        "added",
        OURS_AUTH,
        left_out=_SESSIONS,
    ),
    report.Line(
        "a call of a session, us added",
        "percall",
        "added",
        OURS,
        instead={"requests-oauth2client": API_CLIENT},
        left_out=_AUTHS,
    ),
    report.Line("import, ms added", "imports", "ms", OURS),
    report.Line("import, MB added", "imports", "mb", OURS),
    report.Line("cold process, x a set header", "processes", "cold ratio", OURS),
    report.Line("stored token, x a set header", "processes", "warm ratio", OURS),
    report.Line("tokens: 64 cold threads", "counts", "cold", OURS),
    report.Line("tokens: revoked; failed calls", "counts", "revoked", OURS, also="failed"),
    report.Line("tokens: 20 processes", "counts", "processes", OURS),
    report.Line("worst call, renewal, x without", "renewal", "ratio", OURS),
)

#: Where nothing else is said.
OUT = Path(".tox", "bench")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.plot and options.only and pool.SECTION.name not in options.only:
        parser.error(f"--plot draws what the section {pool.SECTION.name} finds: add it to --only")
    _clean_environment()
    quiet()
    tables: dict[str, Table] = {}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("PYTHONUSERBASE", site.getuserbase())
        os.environ["HOME"] = home  # there is no ~/.netrc, and nothing is left in a cache
        for section in SECTIONS:
            if not options.only or section.name in options.only:
                began = time.monotonic()
                tables[section.name] = section.run(Scale(quick=options.quick))
                _say(f"{section.name}: {time.monotonic() - began:.0f} s")
    facts = _facts()
    text = "\n".join(_document(tables, facts, time.monotonic() - started, quick=options.quick))
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "bench.rst").write_text(text + "\n", encoding="utf-8")
    found = {"facts": facts, "quick": options.quick, "sections": report.as_json(tables)}
    (options.out / "bench.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        options.plot.write_text(tables[pool.SECTION.name].drawing, encoding="utf-8")
    for name in absent():
        _say(f"NOT INSTALLED, hence not measured: {name}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="What it costs, beside neighbours.")
    names = [section.name for section in SECTIONS]
    parser.add_argument(
        "--only",
        action="append",
        choices=names,
        metavar="SECTION",
        help=f"one of {', '.join(names)}",
    )
    parser.add_argument("--quick", action="store_true", help="so little that it says nothing")
    parser.add_argument("--out", type=Path, default=OUT, help="a directory for bench.rst and .json")
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="also draw requests answered and refused over time, as an SVG (docs/rate-limit.svg)",
    )
    return parser


def _clean_environment() -> None:
    """No variable of the host can help or hurt anybody."""
    for name in list(os.environ):
        if name.upper().startswith(
            ("GENESYS", "GC_", "OAUTHLIB_", "GOOGLE_")
        ) or name.lower().endswith(("_proxy", "ca_bundle", "netrc")):
            del os.environ[name]


def _facts() -> dict[str, Any]:
    """When, where, and of which versions."""
    names = (
        "requests",
        "urllib3",
        "oauthlib",
        *{one.distribution: 0 for one in ALL if one.distribution},
    )
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "NOT INSTALLED"
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": platform.system(),
        "processors": os.cpu_count(),
        "versions": versions,
    }


def _document(
    tables: dict[str, Table], facts: dict[str, Any], seconds: float, *, quick: bool
) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    lines = report.heading("What it costs", "=")
    if quick:
        lines += [
            "**A quick run: it shows that everything runs, and no figure means anything.**",
            "",
        ]
    lines += report.wrapped(
        f"{facts['date']}, Python {facts['python']} on {facts['system']}, {facts['processors']}"
        f" processors, {seconds:.0f} seconds. {versions}. Repeat it: ``tox -e bench``."
    )
    lines += ["", "Medians, with the quartiles of the rounds in brackets.", ""]
    missing = [f"**Not installed, hence not measured: {', '.join(absent())}.**", ""]
    lines += missing if absent() else []
    lines += report.summary(tables, HEADS, SUMMARY)
    for table in tables.values():
        lines += report.section(table)
    lines += report.heading("How each is used", "-")
    lines += ["See ``tests/bench/clients.py``; as their documentation has it:", ""]
    for one in ALL:
        if one.documentation:
            lines += report.wrapped(f"- {one.name}: {one.documentation}", indent=2)
    return lines


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
