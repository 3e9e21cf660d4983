"""Greenlets of one thread that is not patched, as grequests and eventlet have them.

`requests` is all that such a program runs; its sleep and its sockets switch to another greenlet.
"""

from __future__ import annotations

from conftest import run_python

#: A hub of twenty lines, in place of gevent's: whoever sleeps lets the others run.
HUB = """
import collections, time
import greenlet
from gc_requests_auth import ConfigurationError
from gc_requests_auth.settings.credentials import Identity
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
ask = source._request

def uses_the_very_source(identity, **options):
    try:
        source.current()
    except ConfigurationError as error:
        told.append("very auth" in str(error))
    return ask(identity, **options)

source._request = uses_the_very_source
run(call, call)
print(told, len(asked))
"""

IN_THE_LAST_MOMENTS = f"""{HUB}
run(call)
source._token = source._token._replace(lifetime=5.0)
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


def test_a_greenlet_whose_token_request_calls_itself_is_told_so() -> None:
    assert said_by(A_CALL_OF_ITS_OWN) == "[True, 'token-1', 'token-1'] 1\n"


def test_a_greenlet_that_can_not_let_a_renewal_go_on_goes_on_with_the_living_token() -> None:
    assert said_by(IN_THE_LAST_MOMENTS) == "['token-1', 'token-1', 'token-2'] 2\n"
