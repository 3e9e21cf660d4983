"""The rate limits of the sandbox: so many requests a window, as Genesys Cloud counts them."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

#: Genesys Cloud's own window, in seconds.
MINUTE = 60.0

#: The limit of a token of the client-credentials grant: its key and its namespace.
TOKEN = "client.credentials.token.rate.per.minute", "platform.api"


@dataclass(frozen=True)
class Refusal:
    """Why a request is answered 429, and when to send it again."""

    #: Until the window ends, as a ``Retry-After`` says them.
    seconds: str
    #: The limit that was hit.
    key: str
    namespace: str
    #: How many requests a window it lets through.
    value: int

    @property
    def limit(self) -> dict[str, object]:
        """As in the body of a 429 since 2023-06-26 (developer forum, thread 20613)."""
        return {"key": self.key, "namespace": self.namespace, "value": self.value}


class RateLimit:
    """So many requests in each fixed window.

    Seconds are said in whole numbers, rounded up, as Genesys Cloud does. In a window shorter than
    its minute that would cost a client up to a second of, say, two, so milliseconds are said there.

    :param allowed: Requests a window.
    :param seconds: How long a window is.
    :param name: The key and the namespace of this limit, which a 429 may name.
    """

    #: Where a window begins. Nobody has published it, so clients have to be right with both: False
    #: is the first request of a key after its last window, True the minute of the service's clock.
    on_the_clock: ClassVar[bool] = False

    def __init__(
        self, allowed: int, seconds: float = MINUTE, name: tuple[str, str] = TOKEN
    ) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._name = name
        #: For each key, when its window ends, and the requests in it.
        self._windows: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def count(self, whose: str, now: float) -> Refusal | None:
        """Count one request; None lets it through.

        :param whose: Whose window it falls into: a token, or "" for what all share.
        :param now: When it arrived, in seconds of a monotonic clock.
        """
        with self._lock:
            end, count = self._windows.get(whose, (now, 0))
            if now >= end:
                begun = now - now % self._seconds if self.on_the_clock else now
                end, count = begun + self._seconds, 0
            self._windows[whose] = end, count + 1
        if count < self._allowed:
            return None
        # A request that arrived before the window's first may be counted after it, by another thread.
        return Refusal(self._said(min(end - now, self._seconds)), *self._name, self._allowed)

    def _said(self, left: float) -> str:
        if self._seconds < MINUTE:
            return f"{math.ceil(left * 1000) / 1000:.3f}"
        return f"{math.ceil(left)}"


class ResourceLimits:
    """Limits of resources, each of which all tokens share.

    :param limits: For each path, how many requests a window go to the path and to what is below.
    :param seconds: How long a window is.
    """

    def __init__(self, limits: Mapping[str, int], seconds: float) -> None:
        self._limits: dict[str, RateLimit] = {}
        for path, allowed in limits.items():
            if not path.startswith("/"):
                raise ValueError(f"resource_limits: {path!r} is no path; it begins with a slash")
            if allowed < 1:
                raise ValueError(f"resource_limits[{path!r}] is {allowed!r}; it is 1 or more")
            self._limits[path.rstrip("/") + "/"] = RateLimit(allowed, seconds, _name_of(path))

    def count(self, path: str, now: float) -> Refusal | None:
        """Count one request by each limit it is under, until one refuses it."""
        for above, limit in self._limits.items():
            if f"{path}/".startswith(above) and (refusal := limit.count("", now)):
                return refusal
        return None


def _name_of(path: str) -> tuple[str, str]:
    """The key and the namespace: what Genesys Cloud calls its own is known of a few alone."""
    parts = path.removeprefix("/api/v2").strip("/").split("/")
    return f"{parts[-1]}.rate.per.minute", parts[0]


def limit_of(name: str, allowed: int | None, seconds: float) -> RateLimit | None:
    """The limit that an option of this name asks for; None is none.

    :raises ValueError: There is no such limit.
    """
    if not 0 < seconds < math.inf:
        raise ValueError(f"rate_window is {seconds!r}; it is a number of seconds above 0")
    if allowed is None:
        return None
    if allowed < 1:
        raise ValueError(f"{name} is {allowed!r}; it is 1 or more, or None")
    return RateLimit(allowed, seconds)
