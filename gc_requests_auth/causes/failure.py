"""What a row of the table is, and how a row is told."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import NamedTuple

#: Where an administrator finds the OAuth clients (help.genesys.cloud, "Create an OAuth client").
IN_ADMIN = "Admin > Integrations > OAuth"

#: Where to take an answer that nobody here knows.
WHERE_TO_ASK = "Genesys Cloud Care, or the developer forum (developer.genesys.cloud/forum)"

#: What stands in for a fact that is not known where a row is told.
UNKNOWN_FACTS = {
    "host": "the host",
    "login_host": "the login service",
    "client": "the client id",
    "permissions": "the permission that the message names",
    "instead": "the same path with an id in place of me, if the API has such a path",
    "limit": "a limit",
    "wait": "the seconds that Retry-After names",
    "size": "the body",
    "issuer": "an unknown issuer",
    "trusted": "the CA bundle in use",
    "proxy": "the proxy",
    "target": "the host",
    "path": "this path",
    "kind": "no JSON object",
}


class Cause(NamedTuple):
    """What may be wrong, and what to do about it."""

    #: A clause without a full stop at its end.
    cause: str
    #: One sentence or more.
    remedy: str


class Failure(NamedTuple):
    """One row: how a failure is recognised, what is certain about it, and what may cause it."""

    #: The target of links to it.
    name: str
    #: What is certain: a clause without a full stop at its end.
    finding: str
    #: The likeliest first. A single cause is certain; of several, nobody can tell which it is.
    causes: tuple[Cause, ...]
    #: HTTP statuses of the answer; empty where other things tell.
    statuses: tuple[int, ...] = ()
    #: The ``code`` of an answer of the API, or the ``error`` of an answer of the login service.
    codes: tuple[str, ...] = ()
    #: Words that the message has in it, in lower case.
    words: str = ""
    #: What else tells this row from others; for the documentation.
    sign: str = ""
    #: The message of the answer, word for word, with ``%s`` for what differs.
    message: str = ""

    def matches(self, status: int, code: str | None, message: str) -> bool:
        """Whether an answer is of this row, as far as status, code and message tell."""
        return (
            (not self.statuses or status in self.statuses)
            and (not self.codes or code in self.codes)
            and self.words in message.lower()
        )

    def filled(self, facts: Mapping[str, str] | None = None) -> Failure:
        """The same row with what is known of one case in it."""
        known = {**UNKNOWN_FACTS, **(facts or {})}
        return self._replace(
            finding=self.finding.format_map(known),
            causes=tuple(
                Cause(one.cause.format_map(known), one.remedy.format_map(known))
                for one in self.causes
            ),
        )

    @property
    def advice(self) -> str:
        """The causes and what to do about them, as one line."""
        if len(self.causes) == 1:
            cause, remedy = self.causes[0]
            return f"{sentence(cause)} {remedy}"
        listed = " ".join(
            f"({number}) {sentence(cause)} {remedy}"
            for number, (cause, remedy) in enumerate(self.causes, 1)
        )
        return f"Possible causes, the likeliest first: {listed}"

    @property
    def places(self) -> set[str]:
        """The names of the facts that this row has a place for."""
        texts = [self.finding, *(text for one in self.causes for text in one)]
        found = (name for text in texts for _, name, _, _ in string.Formatter().parse(text))
        return {name for name in found if name}


def sentence(clause: str) -> str:
    """A clause as a sentence; a host at its beginning stays as it is."""
    first = clause.partition(" ")[0]
    return f"{clause if '.' in first else clause[:1].upper() + clause[1:]}."
