"""How to measure: in rounds, in many threads at once, and without a network.

Each round measures every candidate once, and in another order. What happens on a machine meanwhile, a
compiler of somebody else or a clock that is stepped down, meets all candidates, or shows in the
spread. Two benchmarks run one after the other would show it as a result. Many short rounds are better
than a few long ones: the less time lies between two measurements, the more alike are their conditions.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import sqrt
from random import Random
from statistics import quantiles
from typing import Any, NamedTuple

import requests
from requests.adapters import BaseAdapter, HTTPAdapter

Samples = dict[str, list[float]]


class Spread(NamedTuple):
    """The median of some figures, and their quartiles."""

    low: float
    median: float
    high: float
    #: Of how many.
    rounds: int = 1

    @property
    def noise(self) -> float:
        """How far off the median may be: two standard errors, as the quartiles tell of them."""
        return 1.86 * (self.high - self.low) / sqrt(self.rounds)

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Those of some values; of a single one, that."""
        found = list(values)
        low, median, high = (
            quantiles(found, n=4, method="inclusive") if len(found) > 1 else found * 3
        )
        return cls(low, median, high, len(found))


def interleaved(
    measures: Mapping[str, Callable[[], float]], rounds: int, *, warm_up: bool = True
) -> Samples:
    """What each candidate measured, round by round; a first round, to warm up, is not counted."""
    names = list(measures)
    samples: Samples = {name: [] for name in names}
    for name in names if warm_up else ():
        measures[name]()
    # Shuffled, and not rotated: in that order each would follow the same one most of the time, and
    # bear what it leaves behind. The same shuffles every time.
    order = Random(rounds)
    for _ in range(rounds):
        for name in order.sample(names, len(names)):
            samples[name].append(measures[name]())
    return samples


def ratios(samples: Samples, name: str, baseline: str) -> Spread:
    """How many times the baseline of the same round."""
    pairs = zip(samples[name], samples[baseline], strict=True)
    return Spread.of(one / other for one, other in pairs)


def differences(samples: Samples, name: str, baseline: str) -> Spread:
    """How much more than the baseline of the same round."""
    pairs = zip(samples[name], samples[baseline], strict=True)
    return Spread.of(one - other for one, other in pairs)


def at_once(count: int, work: Callable[[], object]) -> tuple[float, int]:
    """Seconds from their start to the last one's end; and in how many of them the work failed.

    :param work: Returns what is true, or has failed; so it has if it raises.
    """
    failed: list[str] = []
    begin = threading.Barrier(count + 1)

    def one() -> None:
        begin.wait()
        try:
            if not work():
                failed.append("")
        except Exception as error:  # of a neighbour: any
            failed.append(str(error))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    begin.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start, len(failed)


def _answer(request: requests.PreparedRequest) -> requests.Response:
    response = requests.Response()
    response.status_code = 200
    response._content = b"{}"
    response.request = request
    response.url = request.url or ""
    return response


def _send(
    adapter: HTTPAdapter,
    request: requests.PreparedRequest,
    *arguments: Any,
    **options: Any,
) -> requests.Response:
    return _answer(request)


class NullAdapter(BaseAdapter):
    """Answers in place of whatever else is mounted."""

    def send(
        self, request: requests.PreparedRequest, *arguments: Any, **options: Any
    ) -> requests.Response:
        return _answer(request)

    def close(self) -> None:
        """There is nothing to close."""


@contextmanager
def nothing_sent() -> Iterator[None]:
    """Meanwhile, `HTTPAdapter.send` answers at once, for everybody alike.

    Below whatever is mounted, then: an adapter that tries again still does all it does besides.
    """
    send = HTTPAdapter.send
    HTTPAdapter.send = _send  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        HTTPAdapter.send = send  # type: ignore[method-assign]


def quiet() -> None:
    """More threads than connections are kept for is no news to urllib3's log."""
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
