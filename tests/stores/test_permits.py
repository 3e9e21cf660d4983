"""permits.py: what a store answers to processes that share the limit of a token."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gc_requests_auth.stores.permits import (
    PermitAnswer,
    PermitRequest,
    Record,
    answer_to,
    checked_records,
)

WINDOW = 60.0


def request(
    process: str = "a",
    wanted: int = 0,
    held: int = 0,
    answered: tuple[tuple[float, int], ...] = (),
    limit: int = 10,
) -> PermitRequest:
    return PermitRequest(process, limit, WINDOW, wanted, held, answered)


class Desk:
    """The records of one token, and a clock."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.records: dict[str, Record] = {}

    def ask(self, *what: Any, **more: Any) -> PermitAnswer:
        answer, self.records = answer_to(request(*what, **more), self.records, self.now)
        return answer


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_process_gets_what_it_wants_while_there_is_enough(desk: Desk) -> None:
    answer = desk.ask("a", wanted=4)

    assert (answer.granted, answer.left, answer.waiting) == (4, 6, 0)


def test_what_one_process_holds_no_other_gets(desk: Desk) -> None:
    desk.ask("a", wanted=8)

    assert desk.ask("b", wanted=5).granted == 2
    answer = desk.ask("c", wanted=5)
    assert (answer.granted, answer.left, answer.waiting) == (0, 0, 1)
    assert answer.more_in == pytest.approx(70.0)


def test_what_a_process_tells_replaces_what_it_told_before(desk: Desk) -> None:
    desk.ask("a", wanted=8)
    desk.ask("a", held=3)

    assert desk.ask("b").left == 7


def test_a_request_counts_for_a_window_after_its_answer(desk: Desk) -> None:
    desk.ask("a", answered=((20.0, 10),))
    desk.now += 39.9
    answer = desk.ask("b", wanted=1)
    assert answer.granted == 0
    assert answer.more_in == pytest.approx(0.1)
    desk.now += 0.1

    assert desk.ask("b", wanted=1).granted == 1


def test_what_a_process_that_died_held_comes_back_after_little_more_than_a_window(
    desk: Desk,
) -> None:
    desk.ask("a", wanted=10)
    desk.now += WINDOW
    assert desk.ask("b", wanted=1).granted == 0
    desk.now += WINDOW / 6

    assert desk.ask("b", wanted=1).granted == 1
    assert set(desk.records) == {"b"}


def test_who_does_not_get_all_counts_as_waiting_for_a_while(desk: Desk) -> None:
    desk.ask("a", wanted=10)
    assert desk.ask("b", wanted=1).waiting == 0
    assert desk.ask("c", wanted=1).waiting == 1
    desk.now += 4.0

    assert desk.ask("c", wanted=1).waiting == 0


def test_those_who_wait_are_left_their_share(desk: Desk) -> None:
    desk.ask("a", held=10)
    desk.ask("b", wanted=5)
    desk.ask("c", wanted=5)
    desk.ask("a", held=0)

    assert desk.ask("b", wanted=9).granted == 5
    assert desk.ask("c", wanted=9).granted == 3
    assert desk.ask("b", wanted=9, held=5).granted == 1


def test_a_process_that_sent_nothing_and_wants_nothing_has_no_record(desk: Desk) -> None:
    desk.ask("a", wanted=3)
    desk.ask("a")

    assert desk.records == {}


def test_more_than_the_limit_may_be_told_and_leaves_nothing(desk: Desk) -> None:
    answer = desk.ask("a", wanted=1, held=7, answered=((1.0, 9),))

    assert (answer.granted, answer.left) == (0, 0)


def test_each_process_goes_by_the_limit_that_it_knows(desk: Desk) -> None:
    desk.ask("a", wanted=8, limit=10)

    assert desk.ask("b", wanted=8, limit=5).granted == 0
    assert desk.ask("c", wanted=8, limit=12).granted == 2


def test_after_the_clock_was_set_back_what_was_counted_before_is_dropped(desk: Desk) -> None:
    """Else it would count for as long as the clock was set back."""
    desk.ask("a", wanted=10)
    desk.now -= 3600

    assert desk.ask("b", wanted=10).granted == 10


def test_records_survive_json(desk: Desk) -> None:
    desk.ask("a", wanted=3, answered=((12.5, 2),))
    desk.ask("b", wanted=9)

    assert checked_records(json.loads(json.dumps(desk.records))) == desk.records


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        "x",
        1,
        {"a": 1},
        {"a": [1]},
        {"a": [[1]]},
        {"a": [["x", 1]]},
        {"a": [[1.0, None]]},
        {"a": [[1.0, 1, 1]]},
        {"a": [[1.0, float("inf")]]},
        {"a": [[1.0, float("nan")]]},
        {"a": [[10**400, 1]]},
    ],
)
def test_what_are_no_records_are_none(found: Any) -> None:
    assert checked_records(found) == {}


def test_no_record_can_give_away_permits(desk: Desk) -> None:
    desk.records = checked_records({"x": [[desk.now + 10, -100]]})

    assert desk.ask("a", wanted=50).granted <= 10


questions = st.tuples(
    st.sampled_from("abcd"), st.integers(0, 6), st.floats(0, 1), st.floats(0, 1), st.floats(0, 20)
)


@given(st.lists(questions, max_size=60), st.integers(1, 12))
def test_the_fleet_never_has_more_than_the_limit(
    asked: list[tuple[str, int, float, float, float]], limit: int
) -> None:
    """Processes use, answer and leave what they were given; those that die say nothing more."""
    desk = Desk()
    held: dict[str, int] = dict.fromkeys("abcd", 0)
    answered: dict[str, list[float]] = {process: [] for process in "abcd"}
    for process, wanted, used, kept, pause in asked:
        # Of what it held, a part was answered just now, a part is under way, and the rest is left.
        done = round(held[process] * used)
        answered[process] += [desk.now] * done
        held[process] = round((held[process] - done) * kept)
        ages = tuple((desk.now - at, 1) for at in answered[process] if desk.now - at < WINDOW)
        answer = desk.ask(process, wanted, held[process], ages, limit)
        held[process] += answer.granted
        all_of_it = sum(held.values()) + sum(
            desk.now - at < WINDOW for moments in answered.values() for at in moments
        )
        assert all_of_it <= limit
        assert answer.granted <= wanted
        desk.now += pause if sum(held.values()) == 0 else min(pause, 1.0)
