"""What a step found, and how the command says it: as plain ASCII of 79 columns, or as JSON."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from json import dumps
from typing import NamedTuple

from ...causes.failure import Cause, sentence
from ...errors import (
    BadTokenAnswerError,
    ConfigurationError,
    GenesysCloudError,
    LoginUnreachableError,
)
from ...util import VERSION

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

    @classmethod
    def of(cls, error: GenesysCloudError) -> Status:
        """The exit status for an error of the library."""
        if error._of_settings or isinstance(error, ConfigurationError | BadTokenAnswerError):
            return cls.MISCONFIGURED
        unreachable = error.retryable or isinstance(error, LoginUnreachableError)
        return cls.UNREACHABLE if unreachable else cls.REFUSED


class Finding(NamedTuple):
    """What a step found, and what is wrong if anything is."""

    finding: str
    #: Further lines for people.
    details: Sequence[str] = ()
    #: The same for machines.
    facts: Mapping[str, Fact] = {}
    #: `Status.FINE` if all is well.
    status: Status = Status.FINE
    #: The likeliest cause first.
    causes: tuple[Cause, ...] = ()
    #: Whether the next step makes sense.
    goes_on: bool = True
    #: The name of the step.
    step: str = "settings"
    seconds: float = 0.0

    def __str__(self) -> str:
        """One line, wrapped, and the details below."""
        mark = "FAIL" if self.status else "ok"
        first = f"{mark:<4}  {self.step}: {self.finding} ({self.seconds:.2f} s)"
        return "\n".join([wrapped(first), *(wrapped(f"      {one}") for one in self.details)])

    def as_object(self) -> dict[str, object]:
        """The same for machines."""
        return {
            "step": self.step,
            "ok": not self.status,
            "seconds": round(self.seconds, 3),
            "finding": self.finding,
            "details": self.details,
            "facts": self.facts,
        }


class Trouble(Exception):  # noqa: N818 -- it never leaves this package
    """Ends a step, with the finding of that step.

    :param causes: The likeliest first.
    :param details: Further lines for people.
    """

    def __init__(
        self, finding: str, status: Status, causes: Iterable[Cause], *details: str
    ) -> None:
        self.found = Finding(finding, details, {}, status, tuple(causes), goes_on=False)


def happened(error: Exception) -> tuple[str, str]:
    """What an error of the library says, in the words of a command line: what happened, and the rest."""
    first, _, rest = in_options(str(error)).partition(". ")
    return first.removesuffix("."), rest


def misconfigured(error: ConfigurationError, *details: str) -> Trouble:
    """A setting that can not work. The first sentence of the error is the cause, the rest the remedy."""
    cause, remedy = happened(error)
    causes = [Cause(cause, remedy or "Correct the value where it is set.")]
    return Trouble(cause, Status.MISCONFIGURED, causes, *details)


def not_begun(trouble: Trouble, *, json: bool) -> int:
    """Report what is wrong before anything is asked; the exit status."""
    if not json:
        print(trouble.found)
    return report([trouble.found], json=json)


def report(steps: Sequence[Finding], *, json: bool, well: str = "") -> int:
    """Print what all steps come to; the exit status is that of the first step that failed.

    :param well: What to print where no step failed.
    """
    status = next((one.status for one in steps if one.status), Status.FINE)
    causes = [cause for one in steps for cause in one.causes]
    if json:
        print(as_json(status, causes, steps=[one.as_object() for one in steps]))
    elif causes:
        heading = "Likely causes, the likeliest first" if len(causes) > 1 else "Cause"
        print(f"\n{heading}:\n{listed(causes)}")
    else:
        print(f"\n{wrapped(well, indent=0)}")
    return status


def listed(causes: Iterable[Cause]) -> str:
    """The causes in order, and what to do about each."""
    return "\n".join(
        f"{wrapped(f'{number}. {sentence(one.cause)}', indent=3)}\n"
        f"{wrapped(f'   {one.remedy}', indent=3)}"
        for number, one in enumerate(causes, 1)
    )


def as_json(status: Status, causes: Iterable[Cause], **more: object) -> str:
    """All of it for machines. The keys are public; texts may change in any release."""
    said = {
        "version": VERSION,
        "ok": status is Status.FINE,
        "exit_status": int(status),
        **more,
        "causes": [{"cause": one.cause, "what_to_do": one.remedy} for one in causes],
    }
    return dumps(said, indent=2)


def print_error(error: GenesysCloudError) -> int:
    """Say an error of the library on standard error; the exit status."""
    print(wrapped(in_options(str(error)), indent=0), file=sys.stderr)
    return Status.of(error)


#: What the library calls by an argument of Python, and the command by an option.
_OPTIONS = {
    r"\b([Pp])ass client_id=? and client_secret=?": r"\1ass --client-id with --stdin or --secret-command",
    r"\bregion=": "--region",
    r"\bprofile=": "--profile",
    r"\blogin_url=": "--login-url ",
    r"\bapi_url=": "--api-url ",
    r"--(region|login-url|api-url) ?(?=['\"])": r"--\1 ",
    r"\blogin_url\b": "--login-url",
    r"\bapi_url\b": "--api-url",
    # Elsewhere, these are keys of a profile or of a JSON document.
    r"^client_(id|secret)\b(?! of profile)( of credentials=)?": r"the client \1",
    r" +": " ",
}


def in_options(text: str) -> str:
    """A message of the library in the words of a command line.

    A clause about an argument without an option is left out.
    """
    for argument, option in _OPTIONS.items():
        text = re.sub(argument, option, text)
    clauses = re.split(r"(?<=[.;]) (?=[A-Za-z])", text)
    kept = [one for one in clauses if not re.search(r"\b[a-z_]+=(?![^ ]*[/&])", one)] or clauses
    return re.sub(r";$", ".", " ".join(kept))


def plain(text: str, longest: int = LONGEST_TEXT) -> str:
    """Printable ASCII of a bounded length, which no terminal, pipe or log takes for anything else.

    Other people write the names of issuers and organisations, error texts and variables: an escape
    sequence in one of them could repaint the screen.
    """
    text = text.encode("ascii", "backslashreplace").decode("ascii")
    text = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def wrapped(text: str, indent: int = 6) -> str:
    """Text in lines of `WIDTH`, further lines indented."""
    return textwrap.fill(
        plain(text), width=WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False
    )
