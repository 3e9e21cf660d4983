"""The rows of the table: what a row holds, and how a row becomes the words of a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

#: Where an administrator finds the OAuth clients (help.genesys.cloud, "Create an OAuth client").
IN_ADMIN = "Admin > Integrations > OAuth"

#: Who helps with an answer that this library does not know.
WHERE_TO_ASK = "Genesys Cloud Care, or the developer forum (developer.genesys.cloud/forum)"

#: What a text says in place of a fact that is not known.
UNKNOWN_FACTS = {
    "host": "the host",
    "login_host": "the login service",
    "login_url": "the URL of your login service as login_url",
    "client": "the client id",
    "permissions": "the permission that the message names",
    "instead": "a path that names the user by an id, if the API has such a path",
    "limit": "a limit",
    "wait": "the seconds that Retry-After names",
    "size": "its size is not known",
    "issuer": "an unknown issuer",
    "trusted": "those of REQUESTS_CA_BUNDLE, or of certifi",
    "proxy": "the proxy",
    "target": "the host",
    "path": "this path",
    "kind": "no JSON object",
    "status": "an error",
    "reason": "OpenSSL does not say why",
    "setting": "the setting of the proxy (HTTPS_PROXY, say)",
    "file": "a certificate file can not be read",
}


class Cause(NamedTuple):
    """What may be wrong, and what to do about it."""

    #: A clause without a full stop at its end.
    cause: str
    #: One sentence or more.
    remedy: str


class Failure(NamedTuple):
    """A row: how to recognise a failure, what is certain about it, and what may cause it."""

    #: The target of links to the row.
    name: str
    #: What is certain: a clause without a full stop at its end.
    finding: str
    #: The likeliest first. A single cause is certain; of several, the answer does not tell which.
    causes: tuple[Cause, ...]
    #: HTTP statuses of the answer; empty where something else tells.
    statuses: tuple[int, ...] = ()
    #: The ``code`` of an answer of the API, or the ``error`` of an answer of the login service.
    codes: tuple[str, ...] = ()
    #: Words in the message, in lower case.
    words: str = ""
    #: How else to recognise the row. `of_call` and `of_token_request` skip every row with a sign; code must
    #: name the row.
    sign: str = ""
    #: The message of the answer, word for word, with ``%s`` for what differs.
    message: str = ""

    def matches(self, status: int, code: str | None, message: str) -> bool:
        """Whether an answer belongs to this row, as far as status, code and message tell."""
        return (
            (not self.statuses or status in self.statuses)
            and (not self.codes or code in self.codes)
            and self.words in message.lower()
        )

    def filled(self, facts: Mapping[str, str] | None = None) -> Failure:
        """The same row with the facts of one case in its texts."""
        known = {**UNKNOWN_FACTS, **(facts or {})}
        causes = [
            Cause(cause.format_map(known), remedy.format_map(known))
            for cause, remedy in self.causes
        ]
        return self._replace(finding=self.finding.format_map(known), causes=tuple(causes))

    @property
    def advice(self) -> str:
        """The causes and what to do about them, in one line."""
        told = [f"{sentence(cause)} {remedy}" for cause, remedy in self.causes]
        if len(told) == 1:
            return told[0]
        listed = " ".join(f"({number}) {text}" for number, text in enumerate(told, 1))
        return f"Possible causes, the likeliest first: {listed}"

    @property
    def text(self) -> str:
        """The whole row in one line."""
        return f"{sentence(self.finding)} {self.advice}"


class Table(list[Failure]):
    """Rows, in the order in which they are tried."""

    def row(
        self,
        name: str,
        finding: str,
        *causes: Cause,
        cause: str = "",
        remedy: str = "",
        **others: Any,
    ) -> Failure:
        """Add a row.

        :param cause: The cause, and what to do about it, where there is only one.
        :param others: The further fields of a `Failure`.
        """
        causes = (Cause(cause, remedy),) if cause else causes
        self.append(Failure(name, finding, causes, **others))
        return self[-1]


#: A cause of the login service as well as of the API.
ADDRESS = Cause(
    "The address that this program calls from is not allowed",
    "Ask an administrator to add the address to the allowed IP addresses of the organisation and of"
    " the OAuth client.",
)


def sentence(clause: str) -> str:
    """A clause as a sentence; a host or a key of a profile at its beginning stays as it is."""
    first = clause.partition(" ")[0]
    return f"{clause if {'.', '_'} & {*first} else clause[:1].upper() + clause[1:]}."
