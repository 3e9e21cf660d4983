"""How the processes that share a token share its limit: what is asked of a store, and what it answers.

Each process has a record at the store. The record says until when how many requests of the process
count. With each question the process replaces its own record as a whole, so that an answer that was
lost, or a store that was emptied, is put right by the next question. A process that dies leaves its
record behind, and the requests in the record run out by themselves.

Lengths of time are fractions of the window. In production the window is 60 seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

#: A record: until when (seconds, by the clock of the store), and how many requests count until then.
#: A pair with no request says that the process waits for permits.
Record = Sequence[tuple[float, int]]


class PermitRequest(NamedTuple):
    """What a process asks for, and what it has sent."""

    #: The name of its record; letters and digits.
    process: str
    #: Requests that all processes together may send in any `window` seconds.
    limit: int
    window: float
    #: Requests that the process wants to send now.
    wanted: int
    #: Requests under way, and permits of an earlier question that are not used yet.
    held: int
    #: Requests that were answered in the last `window` seconds: seconds since then, and how many.
    answered: Sequence[tuple[float, int]]

    @property
    def longest(self) -> float:
        """Seconds for which held permits count: those of a process that has died are lost so long.

        Longer than the window, since an answer that comes late counts for a window from then on.
        """
        return self.window * 7 / 6

    @property
    def patience(self) -> float:
        """Seconds in which a process that waits asks again at the latest."""
        return self.window / 30


class PermitAnswer(NamedTuple):
    """What a process may send, and how the fleet stands."""

    #: Requests that the process may send now.
    granted: int
    #: Requests that remain for the others.
    left: int
    #: Seconds until a request stops counting, which is when there is more to be had.
    more_in: float
    #: How many other processes wait for permits.
    waiting: int


def answer_to(
    request: PermitRequest, records: Mapping[str, Record], now: float
) -> tuple[PermitAnswer, dict[str, Record]]:
    """What a store answers, and the records it keeps from now on; it keeps others out meanwhile.

    :param records: By the names of the processes.
    :param now: Seconds, by a clock that is the same for all who use the store.
    """
    kept: dict[str, Record] = {}
    for process, record in records.items():
        # What counts longer than anything can was left by a clock that has been set back since.
        alive = [(due, count) for due, count in record if now < due <= now + request.longest]
        if alive and process != request.process:
            kept[process] = alive
    others = [pair for record in kept.values() for pair in record]
    mine = [(now - age + request.window, count) for age, count in request.answered]
    used = request.held + sum(count for _, count in [*mine, *others])
    waiting = sum(not count for _, count in others)
    free = max(0, request.limit - used)
    granted = min(request.wanted, -(-free // (1 + waiting)))  # a fair share, rounded up
    if request.held + granted:
        mine.append((now + request.longest, request.held + granted))
    until = min((due for due, count in [*mine, *others] if count), default=now)
    if granted < request.wanted:
        mine.append((now + 2 * request.patience, 0))
    if mine:
        kept[request.process] = mine
    return PermitAnswer(granted, free - granted, max(0.0, until - now), waiting), kept


def checked_records(found: Any) -> dict[str, Record]:
    """Records that were read from JSON; none if they are not what `answer_to` wrote."""
    try:
        return {
            str(process): [(float(due), max(0, int(count))) for due, count in record]
            for process, record in found.items()
        }
    except (AttributeError, TypeError, ValueError, OverflowError):
        return {}
