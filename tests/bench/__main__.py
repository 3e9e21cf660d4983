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

from . import counts, growth, percall, pool, processes, renewal, tables
from .measuring import quiet
from .neighbours import ALL, API_CLIENT, OURS, OURS_AUTH, absent
from .tables import Scale, Section, Table

#: In the order in which they run. A further one is a module with a `SECTION`, and a line here.
SECTIONS: Sequence[Section] = (
    percall.SECTION,
    processes.IMPORTS,
    processes.PROCESSES,
    counts.SECTION,
    renewal.SECTION,
    growth.THROUGHPUT,
    pool.SECTION,
    growth.GROWTH,
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
    tables.Line(
        "auth=: own work, us a call",
        "percall",
        "added",
        OURS_AUTH,
        left_out=_SESSIONS,
    ),
    tables.Line(
        "session: own work, us a call",
        "percall",
        "added",
        OURS,
        instead={"requests-oauth2client": API_CLIENT},
        left_out=_AUTHS,
    ),
    tables.Line(
        "session, pool of 10: the same",
        "percall",
        "added",
        percall.OURS_POOL,
        left_out=tuple(HEADS)[1:],
    ),
    tables.Line(
        "session: whole call, x one line",
        "percall",
        "ratio",
        OURS,
        instead={"requests-oauth2client": API_CLIENT},
        left_out=_AUTHS,
    ),
    tables.Line("import, ms added", "imports", "ms", OURS),
    tables.Line("import, MB added", "imports", "mb", OURS),
    tables.Line("cold process, x a set header", "processes", "cold ratio", OURS),
    tables.Line("stored token, x a set header", "processes", "warm ratio", OURS),
    tables.Line("tokens: 64 cold threads", "counts", "cold", OURS),
    tables.Line("tokens: revoked; failed calls", "counts", "revoked", OURS, also="failed"),
    tables.Line("tokens: 20 processes", "counts", "processes", OURS),
    tables.Line("worst call, renewal, x without", "renewal", "ratio", OURS),
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
    measured: dict[str, Table] = {}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("PYTHONUSERBASE", site.getuserbase())
        os.environ["HOME"] = home  # there is no ~/.netrc, and nothing is left in a cache
        for section in SECTIONS:
            if not options.only or section.name in options.only:
                began = time.monotonic()
                measured[section.name] = section.run(Scale(quick=options.quick))
                _say(f"{section.name}: {time.monotonic() - began:.0f} s")
    facts = _facts()
    text = "\n".join(_document(measured, facts, time.monotonic() - started, quick=options.quick))
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "bench.rst").write_text(text + "\n", encoding="utf-8")
    found = {"facts": facts, "quick": options.quick, "sections": tables.as_json(measured)}
    (options.out / "bench.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        options.plot.write_text(measured[pool.SECTION.name].drawing, encoding="utf-8")
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
    measured: dict[str, Table], facts: dict[str, Any], seconds: float, *, quick: bool
) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    lines = tables.heading("What it costs", "=")
    if quick:
        lines += [
            "**A quick run: it shows that everything runs, and no figure means anything.**",
            "",
        ]
    lines += tables.wrapped(
        f"{facts['date']}, Python {facts['python']} on {facts['system']}, {facts['processors']}"
        f" processors, {seconds:.0f} seconds. {versions}. Repeat it: ``tox -e bench``."
    )
    lines += ["", "Medians, with the quartiles of the rounds in brackets.", ""]
    missing = [f"**Not installed, hence not measured: {', '.join(absent())}.**", ""]
    lines += missing if absent() else []
    lines += tables.summary(measured, HEADS, SUMMARY)
    for table in measured.values():
        lines += tables.section(table)
    lines += tables.heading("How each is used", "-")
    lines += ["See ``tests/bench/clients.py``; as their documentation has it:", ""]
    for one in ALL:
        if one.documentation:
            lines += tables.wrapped(f"- {one.name}: {one.documentation}", indent=2)
    return lines


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
