"""The conditions under which a suite runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: What the server of a suite does to a request before the suite's own application sees the request.
Trouble = Literal["none", "401", "503", "429"]


@dataclass(frozen=True)
class Mode:
    """One way to run a suite."""

    name: str
    #: What the mode is, for the report.
    what: str
    #: The mode without our Session that this mode is compared with; None if this mode is one.
    baseline: str | None
    #: The suite's HTTP server speaks TLS. With our Session, the server is the ``api_url``.
    tls: bool = False
    trouble: Trouble = "none"

    @property
    def ours(self) -> bool:
        """Whether `requests.Session` is our Session."""
        return self.baseline is not None


MODES = {
    mode.name: mode
    for mode in (
        Mode("as-is", "as the suite is", None),
        Mode("foreign-hosts", "our Session, every host foreign", "as-is"),
        Mode("as-is-tls", "as the suite is, its server behind TLS", None, tls=True),
        Mode("own-host", "our Session, the server is api_url", "as-is-tls", tls=True),
        Mode(
            "one-request-tokens",
            "the same, a token is good for one request",
            "as-is-tls",
            tls=True,
            trouble="401",
        ),
        Mode(
            "first-503", "the same, the first answer is a 503", "as-is-tls", tls=True, trouble="503"
        ),
        Mode(
            "first-429", "the same, the first answer is a 429", "as-is-tls", tls=True, trouble="429"
        ),
    )
}
