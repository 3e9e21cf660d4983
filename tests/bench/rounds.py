"""Measuring in rounds: each round measures every candidate once, and in another order.

What happens on a machine meanwhile, a neighbour's compiler or a clock that is stepped down, meets
all of them, or shows in the spread; two benchmarks run one after the other would show it as a result.
Many short rounds are better than a few long ones: the less time lies between what is compared, the more
alike is what it met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import sqrt
from random import Random
from statistics import quantiles
from typing import NamedTuple

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
