"""Compares what a suite's tests do with our Session and without, and what ``expected.toml`` expects."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from .modes import MODES
from .suites import SUITES, Suite

EXPECTED = Path(__file__).with_name("expected.toml")

#: Variables that tell the plugin the name of the mode and the file for the record.
MODE, RECORD = "FOREIGN_MODE", "FOREIGN_RECORD"

#: Why a test fails with our Session: by a promise of the README; or since the test looks at something
#: that the exchange of the Session or the conditions of the mode bring about.
Kind = Literal["promise", "artefact"]


@dataclass(frozen=True)
class Record:
    """What the tests of one suite did in one mode."""

    #: "passed", "failed" or "skipped", by the test.
    outcomes: Mapping[str, str]
    #: The beginning of what was said of a failure, by the test.
    reasons: Mapping[str, str] = field(default_factory=dict)
    #: How many "sessions" of ours were made, "tokens" issued and requests "troubled".
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Record:
        """What the plugin has written."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))

    @property
    def passed(self) -> set[str]:
        """The tests that passed."""
        return {test for test, outcome in self.outcomes.items() if outcome == "passed"}


@dataclass(frozen=True)
class Entry:
    """Some tests of a suite that fail with our Session for one reason."""

    suite: str
    modes: tuple[str, ...]
    kind: Kind
    reason: str
    #: Their names; an asterisk stands for any text, and then each test of such a name is meant.
    tests: tuple[str, ...]
    #: The words of the README that promise it, if it is a promise.
    readme: str = ""

    def chosen(self, tests: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
        """Each name of the entry, and the tests that it means."""
        for name in self.tests:
            pattern = re.escape(name).replace(re.escape("*"), ".*")
            yield name, [test for test in tests if re.fullmatch(pattern, test)]


class ListError(Exception):
    """``expected.toml`` says something that can not be."""


def read_expected(file: Path = EXPECTED) -> list[Entry]:
    """The list of expected failures.

    :raises ListError: if an entry has an unknown field, suite, mode or kind, no reason or no test, or if two
        entries have the same test in the same mode.
    """
    entries = [_entry(table) for table in tomllib.loads(file.read_text(encoding="utf-8"))["entry"]]
    seen: set[tuple[str, str, str]] = set()
    for entry in entries:
        for mode in entry.modes:
            for test in entry.tests:
                if (entry.suite, mode, test) in seen:
                    raise ListError(f"{entry.suite}, {mode}: {test} has two entries")
                seen.add((entry.suite, mode, test))
    return entries


def _entry(table: dict[str, Any]) -> Entry:
    try:
        entry = Entry(**{name: _frozen(value) for name, value in table.items()})
    except TypeError as error:
        raise ListError(f"{table} is no entry: {error}") from None
    suite = SUITES.get(entry.suite)
    possible = {mode for mode in suite.modes if MODES[mode].ours} if suite else set()
    if not entry.modes or not possible.issuperset(entry.modes):
        raise ListError(f"{table}: of {entry.suite}, the modes with our Session are {possible}")
    if entry.kind not in get_args(Kind) or not entry.reason or not entry.tests:
        raise ListError(f"{table} has another kind than {get_args(Kind)}, no reason, or no test")
    if bool(entry.readme) != (entry.kind == "promise"):
        raise ListError(f"{table}: a promise, and nothing else, has words of the README")
    return entry


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def faults(suite: Suite, records: Mapping[str, Record], expected: Iterable[Entry]) -> list[str]:
    """What is wrong with the records of a suite, by mode; nothing, if they are as expected.

    An entry counts for the modes that have run.
    """
    entries = [entry for entry in expected if entry.suite == suite.name]
    found: list[str] = []
    for name, record in records.items():
        baseline = MODES[name].baseline
        if baseline is None:
            count, least = len(record.passed), suite.at_least[name]
            if count < least:
                found.append(f"{name}: {count} tests pass without our Session, not {least}")
            continue
        found += _idle(name, record)
        passed = records[baseline].passed
        broken = passed - record.passed
        listed: set[str] = set()
        for entry in entries:
            if name in entry.modes:
                for expected_name, tests in entry.chosen(passed):
                    listed.update(tests or [expected_name])
        for test in sorted(broken - listed):
            why = record.reasons.get(test, record.outcomes.get(test, "it did not run"))
            found.append(f"{name}: {test} fails with our Session and is not in the list:\n{why}")
        for test in sorted(listed - broken):
            if test in passed:
                found.append(f"{name}: {test} is in the list and does not fail")
            else:
                found.append(f"{name}: {test} is in the list and does not pass without our Session")
    return found


def _idle(name: str, record: Record) -> list[str]:
    """What a mode is about and did not happen: then its results mean nothing."""
    mode = MODES[name]
    wanted = {"sessions": mode.ours, "tokens": mode.tls, "troubled": mode.trouble != "none"}
    return [
        f"{name}: no {what}" for what, want in wanted.items() if want and not record.counts[what]
    ]
