"""The rate limits of the sandbox: so many requests a window, as Genesys Cloud counts them."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

#: Genesys Cloud's own window, in seconds.
MINUTE = 60.0


@dataclass(frozen=True)
class Standing:
    """Where a token stands in its window."""

    #: Requests of the window so far, this one and the refused ones included.
    count: int
    #: How many of them are let through.
    allowed: int
    #: Seconds until the window ends, as a header says them.
    reset: str

    @property
    def exceeded(self) -> bool:
        """Whether this request is one too many."""
        return self.count > self.allowed

    @property
    def headers(self) -> dict[str, str]:
        """As in a real trace (Developer Center blog, 2021-05-06)."""
        said = {"count": self.count, "allowed": self.allowed, "reset": self.reset}
        return {f"inin-ratelimit-{name}": f"{value}" for name, value in said.items()}


class RateLimit:
    """So many requests in each fixed window, which begins at the first request in it.

    Seconds are said in whole numbers, rounded up, as Genesys Cloud does. In a window shorter than
    its minute that would cost a client up to a second of, say, two, so milliseconds are said there.

    :param allowed: Requests a window.
    :param seconds: How long a window is.
    """

    def __init__(self, allowed: int, seconds: float = MINUTE) -> None:
        self._allowed = allowed
        self._seconds = seconds
        #: For each key, when its window ends, and the requests in it.
        self._windows: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def count(self, key: str, now: float) -> Standing:
        """Count one request.

        :param key: Whose window it falls into: a token.
        :param now: When it arrived, in seconds of a monotonic clock.
        """
        with self._lock:
            end, count = self._windows.get(key, (now, 0))
            if now >= end:
                end, count = now + self._seconds, 0
            self._windows[key] = end, count + 1
        # One that arrived before the window's first may be counted after it, by another thread.
        return Standing(count + 1, self._allowed, self._said(min(end - now, self._seconds)))

    def _said(self, left: float) -> str:
        if self._seconds < MINUTE:
            return f"{math.ceil(left * 1000) / 1000:.3f}"
        return f"{math.ceil(left)}"


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
