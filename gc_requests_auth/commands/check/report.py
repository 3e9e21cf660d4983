"""What a step found, and how it is said: plain ASCII of 79 columns, or JSON."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from ...causes.failure import Cause, sentence
from ...util.http import VERSION

#: Columns, one less than the narrowest of terminals has.
WIDTH = 79

#: Characters of one text; what servers and variables say may be of any length.
LONGEST_TEXT = 4000

Fact = str | float | bool | None | list[str]


class Status(IntEnum):
    """The exit status."""

    FINE = 0
    REFUSED = 1
    MISCONFIGURED = 2
    UNREACHABLE = 3


class Trouble(Exception):  # noqa: N818 -- it never leaves this package
    """What a step found was wrong.

    :param causes: The likeliest first.
    :param details: Further lines for people.
    :param passing: Whether the next step is worth taking all the same.
    """

    def __init__(
        self,
        finding: str,
        status: Status,
        causes: Iterable[Cause],
        *,
        details: Iterable[str] = (),
        passing: bool = False,
    ) -> None:
        super().__init__(finding)
        self.finding = finding
        self.status = status
        self.causes = tuple(causes)
        self.details = tuple(details)
        self.passing = passing
        #: The same for machines.
        self.facts: Mapping[str, Fact] = {}


class Finding(NamedTuple):
    """What a step found, all being well."""

    finding: str
    #: Further lines for people.
    details: Sequence[str] = ()
    #: The same for machines.
    facts: Mapping[str, Fact] = {}


@dataclass(frozen=True, slots=True)
class Step:
    """One step that was taken."""

    name: str
    finding: str
    seconds: float
    details: Sequence[str] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict)
    #: None if all was well.
    trouble: Trouble | None = None

    def __str__(self) -> str:
        """Its line, wrapped, and its details below."""
        mark = "FAIL" if self.trouble else "ok"
        first = f"{mark:<4}  {self.name}: {self.finding} ({self.seconds:.2f} s)"
        return "\n".join([wrapped(first), *(wrapped(f"      {one}") for one in self.details)])

    def told(self) -> dict[str, object]:
        """The same for machines."""
        return {
            "step": self.name,
            "ok": self.trouble is None,
            "seconds": round(self.seconds, 3),
            "finding": self.finding,
            "details": list(self.details),
            "facts": self.facts,
        }


def status_of(steps: Iterable[Step]) -> Status:
    """The exit status: that of the first step that failed."""
    return next((step.trouble.status for step in steps if step.trouble), Status.FINE)


def causes_in(steps: Iterable[Step]) -> list[Cause]:
    """All causes, the first trouble's first."""
    return [cause for step in steps if step.trouble for cause in step.trouble.causes]


def listed(causes: Sequence[Cause]) -> str:
    """The causes in order, and what to do about each."""
    lines = []
    for number, one in enumerate(causes, 1):
        lines.append(wrapped(f"{number}. {sentence(one.cause)}", indent=3))
        lines.append(wrapped(f"   {one.remedy}", indent=3))
    return "\n".join(lines)


def as_json(status: Status, causes: Sequence[Cause], **more: object) -> str:
    """All of it for machines. The keys are public; texts may change in any release."""
    said = {
        "version": VERSION,
        "ok": status is Status.FINE,
        "exit_status": int(status),
        **more,
        "causes": [{"cause": one.cause, "what_to_do": one.remedy} for one in causes],
    }
    return json.dumps(_plain_all(said), indent=2)


#: What the library calls by an argument of Python, and the command by an option.
_OPTIONS = {
    r"\bpass client_id and client_secret": "pass --client-id with --stdin or --secret-command",
    r"\bclient_id and client_secret\b": "--client-id with --stdin or --secret-command",
    r"\bregion=": "--region",
    r"\bprofile=": "--profile",
    r"\blogin_url=": "--login-url ",
    r"\bapi_url=": "--api-url ",
    r"--(region|login-url|api-url) ?(?=['\"])": r"--\1 ",
    r"\blogin_url\b": "--login-url",
    r"\bapi_url\b": "--api-url",
    r"\bclient_id\b": "the client id",
    r"\bclient_secret\b": "the client secret",
    r" +": " ",
}


def in_options(text: str) -> str:
    """A message of the library in the words of a command line.

    A clause that speaks of arguments for which there is no option is left out.
    """
    for argument, option in _OPTIONS.items():
        text = re.sub(argument, option, text)
    clauses = re.split(r"(?<=[.;]) (?=[A-Za-z])", text)
    kept = [one for one in clauses if not re.search(r"\b[a-z_]+=(?![^ ]*[/&])", one)] or clauses
    return re.sub(r";$", ".", " ".join(kept))


def plain(text: str, longest: int = LONGEST_TEXT) -> str:
    """Text that no terminal, pipe or log takes for anything else: printable ASCII, and not endless.

    Names of issuers and organisations, error texts and variables are other people's: an escape
    sequence in them could repaint the screen.
    """
    text = text.encode("ascii", "backslashreplace").decode("ascii")
    text = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def wrapped(text: str, indent: int = 6) -> str:
    """Text in lines of `WIDTH`, further ones indented."""
    return textwrap.fill(
        plain(text), width=WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False
    )


def _plain_all(said: Any) -> Any:
    if isinstance(said, str):
        return plain(said)
    if isinstance(said, Mapping):
        return {name: _plain_all(one) for name, one in said.items()}
    return [_plain_all(one) for one in said] if isinstance(said, list | tuple) else said
