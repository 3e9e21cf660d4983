"""Says what was found."""

from __future__ import annotations

from collections.abc import Mapping

from .modes import MODES
from .verdict import Record


def table(records: Mapping[str, Mapping[str, Record]]) -> str:
    """How many tests pass, by suite and mode."""
    lines = [f"{'suite':18}{'mode':20}{'passed':>7}{'of':>6}{'tokens':>8}{'troubled':>10}"]
    for suite, by_mode in records.items():
        for name, record in by_mode.items():
            baseline = MODES[name].baseline
            whole = by_mode[baseline].passed if baseline else record.passed
            counts = (record.counts.get(what, "") for what in ("tokens", "troubled"))
            tokens, troubled = counts if baseline else ("", "")
            lines.append(
                f"{suite:18}{name:20}{len(record.passed & whole):7}"
                f"{len(whole) if baseline else '':>6}{tokens:>8}{troubled:>10}"
            )
    return "\n".join(lines)
