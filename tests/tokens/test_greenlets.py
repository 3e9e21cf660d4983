"""Greenlets of one thread that is not patched, as grequests and eventlet have them.

Sleep and sockets switch to another greenlet there; locks and events do not. The greenlets are real, in
interpreters of their own: the tracer of coverage does not like them.
"""

from __future__ import annotations

import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import TOKEN, FakeTime, run_python

from gc_requests_auth.errors import ConfigurationError
from gc_requests_auth.settings.client import Identity
from gc_requests_auth.tokens.source import NAP, PATIENCE, Flight, TokenSource
from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util.clock import Clock, Moment
from gc_requests_auth.util.forks import call_stack
from gc_requests_auth.util.secret import SecretBox

#: A hub of twenty lines, in place of gevent's: whoever sleeps lets the others run.
HUB = """
import collections, time
import greenlet
from gc_requests_auth import ConfigurationError
from gc_requests_auth.settings.client import Identity
from gc_requests_auth.tokens.source import TokenSource
from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util.clock import Clock, Moment
from gc_requests_auth.util.secret import SecretBox, plain

native_sleep, ready, told, asked = time.sleep, collections.deque(), [], []
hub = greenlet.getcurrent()

def switch():
    ready.append(greenlet.getcurrent())
    hub.switch()

def sleep(seconds):
    switch()
    native_sleep(seconds / 100)

def run(*works):
    ready.extend(greenlet.greenlet(work, hub) for work in works)
    while ready:
        ready.popleft().switch()

def request(identity, **_):
    asked.append(1)
    for _ in range(5):
        switch()
    return AccessToken.issued(f"token-{len(asked)}", 1000, Moment.now(Clock()), Clock())

source = TokenSource(lambda: Identity(SecretBox("client-12345678"), SecretBox("secret")), request)

def call():
    told.append(plain(source.current().value))
"""

TWELVE = f"""{HUB}
time.sleep = sleep
run(*[call] * 12)
print(sorted(set(told)), len(told), len(asked))
"""

WITHOUT_A_SLEEP_OF_ITS_OWN = f"""{HUB}
run(call, call)
print(len(told), len(asked))
"""

A_CALL_OF_ITS_OWN = f"""{HUB}
time.sleep = sleep
ask = source.request

def uses_the_very_source(identity, **options):
    try:
        source.current()
    except ConfigurationError as error:
        told.append("uses this auth" in str(error))
    return ask(identity, **options)

source.request = uses_the_very_source
run(call, call)
print(told, len(asked))
"""

IN_THE_LAST_MOMENTS = f"""{HUB}
run(call)
source.token = AccessToken(source.token.value, source.token.born, 5.0, renew_before=250.0, wait_before=10.0)
source._background = False
run(call, call)
print(told, len(asked))
"""


def said_by(script: str) -> str:
    done = run_python(script)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


def test_twelve_cold_greenlets_of_one_thread_make_one_token_request() -> None:
    assert said_by(TWELVE) == "['token-1'] 12 1\n"


def test_a_greenlet_that_can_not_let_its_leader_run_asks_for_itself() -> None:
    """A wait would block the only thread that the leader could go on in."""
    assert said_by(WITHOUT_A_SLEEP_OF_ITS_OWN) == "2 2\n"


def test_a_greenlet_whose_token_request_uses_the_same_auth_gets_an_error() -> None:
    assert said_by(A_CALL_OF_ITS_OWN) == "[True, 'token-1', 'token-1'] 1\n"


def test_a_greenlet_that_can_not_let_a_renewal_go_on_goes_on_with_the_living_token() -> None:
    assert said_by(IN_THE_LAST_MOMENTS) == "['token-1', 'token-1', 'token-2'] 2\n"


# -- the same, without greenlets ------------------------------------------------------------------


@pytest.fixture
def other_greenlet(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """One of this thread; the running one is that of the thread itself."""
    own = SimpleNamespace(parent=None)
    monkeypatch.setitem(sys.modules, "greenlet", SimpleNamespace(getcurrent=lambda: own))
    return SimpleNamespace(parent=own)


def led_by(greenlet: SimpleNamespace, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Flight:
    flight = Flight(75.0, clock)
    greenlets = sys.modules["greenlet"]
    with monkeypatch.context() as there:
        there.setattr(greenlets, "getcurrent", lambda: greenlet)
        flight.leader = call_stack()
        with pytest.raises(ConfigurationError, match="uses this auth"):
            flight.raise_if_led_from_here()
    flight.raise_if_led_from_here()
    return flight


def test_a_wait_for_a_leader_of_the_same_thread_is_made_of_naps(
    other_greenlet: SimpleNamespace, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 300:
            flight.token = AccessToken.issued(TOKEN, 300, Moment.now(fake_time.clock), Clock())
            flight.ended.set()

    monkeypatch.setattr(threading.Event, "wait", None)
    monkeypatch.setattr(time, "sleep", nap)
    clock = Clock(fake_time.clock.monotonic, fake_time.clock.wall, nap)
    flight = led_by(other_greenlet, clock, monkeypatch)
    token = flight.wait_for_token()

    assert token is flight.token is not None
    assert naps == [NAP] * 300


def test_a_wait_of_a_moment_for_a_leader_of_the_same_thread_ends(
    other_greenlet: SimpleNamespace, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    flight = led_by(other_greenlet, fake_time.clock, monkeypatch)
    flight.wait_a_moment()
    assert fake_time.slept == [], "time.sleep would block the leader"

    monkeypatch.setattr(time, "sleep", fake_time.sleep)
    flight.wait_a_moment()
    assert sum(fake_time.slept) == pytest.approx(PATIENCE)


def test_a_call_asks_for_itself_where_its_leader_can_not_go_on(
    other_greenlet: SimpleNamespace, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time.sleep is not patched, so a wait would block the greenlet that leads."""
    asked: list[str] = []

    def ask(_: Identity, **__: object) -> AccessToken:
        asked.append(f"{TOKEN}-{len(asked)}")
        value = asked[-1]
        if len(asked) == 1:
            with monkeypatch.context() as there:
                there.setattr(sys.modules["greenlet"], "getcurrent", lambda: other_greenlet)
                assert source.current().value == f"{TOKEN}-1"
        return AccessToken.issued(value, 300, Moment.now(fake_time.clock), fake_time.clock)

    request: Any = ask
    identity = Identity(SecretBox("client-12345678"), SecretBox("secret"))
    source = TokenSource(lambda: identity, request, clock=fake_time.clock)

    assert source.current().value == f"{TOKEN}-1", "the first leader takes the token that is there"
    assert len(asked) == 2


def test_a_greenlet_library_that_is_just_being_imported_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "greenlet", SimpleNamespace())

    assert call_stack() == (threading.get_ident(), None)
