"""Calls, forbidden endpoints, revocations, outages, moved clocks and lost stores, in any order.

Hypothesis looks for an order in which a client does what it must never do. The client is used as its
users do, and the services say whether what it did was right (`double.Cloud`):

1. No token is sent after its end.
2. No 401 goes back that a new token would have cured.
3. At most one token request succeeds for each token that is over, was refused, or is due.
4. Each call ends in an answer of the API, or in an error of ours while signing in has failed.
5. All is well again when everything outside is.
6. What was done is not sent again; and a refused request goes out once with each token.
7. Forbidden endpoints cost a handful of token requests, and each call at most one question.
8. No token goes to another host.
9. A session sends no more requests with a token in a minute than it may, while no thread races it.
10. No secret is seen anywhere.
"""

from __future__ import annotations

import copy
import io
import math
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from itertools import product
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
from conftest import Sweep
from double import API, AWAY, CROWDED, FOREIGN, HANDFUL, LOGIN, TROUBLES, Client, running
from fuzzing import examples, nothing_told
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gc_requests_auth import (
    GenesysCloudError,
    LoginTimeoutError,
    RegionMismatchError,
    TokenError,
    TokenStore,
)

#: One of them is forbidden, so that all that differ from it in a number are under suspicion.
QUEUES = [f"/api/v2/routing/queues/{number}" for number in range(4)]
FORBIDDEN = [QUEUES[0], *(f"/api/v2/forbidden/{name}" for name in "abcde")]
OK = [*QUEUES[1:], "/api/v2/users", "/api/v2/users?pageNumber=2"]

#: URLs that get no token, ever.
ELSEWHERE = [
    f"https://{FOREIGN}/export.csv",
    f"https://{LOGIN}/oauth/token/info",
    f"https://{API}.example.org{OK[0]}",
]


def file_at_seven() -> io.BytesIO:
    file = io.BytesIO(b"already" + b"still to come")
    file.seek(7)
    return file


#: The method of a body, how a body is made and arrives, and whether a client can send it twice.
BODIES: dict[str, tuple[str, Callable[[], Any], bytes, bool]] = {
    "nothing": ("GET", lambda: None, b"", True),
    "text": ("POST", lambda: "text", b"text", True),
    "bytes": ("PUT", lambda: b"bytes", b"bytes", True),
    "file": ("POST", file_at_seven, b"still to come", True),
    "generator": ("POST", lambda: iter([b"one", b"two"]), b"onetwo", False),
}


class Shelf(TokenStore):
    """A store in memory, which all clients share."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.broken: set[str] = set()

    def __reduce__(self) -> str:
        return "SHELF"  # a copy is the same

    def _do(self, what: str) -> dict[str, str]:
        if what in self.broken:
            raise OSError(f"no {what} today")
        return self.kept

    def get(self, key: str) -> str | None:
        return self._do("get").get(key)

    def set(self, key: str, value: str, ttl: float) -> None:
        self._do("set")[key] = value

    def delete(self, key: str) -> None:
        self._do("delete").pop(key, None)


SHELF = Shelf()


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


class Life(RuleBasedStateMachine):
    """Some clients with the same credentials, and all that may befall them."""

    #: How many tokens each may have.
    size = 1
    sweep: ClassVar[Sweep]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.cloud = self.stack.enter_context(running())
        self.time = self.cloud.time
        SHELF.__init__()  # type: ignore[misc]
        self.clients: list[Client] = []
        self.shortest = self.cloud.lifetime

    @initialize(
        own_session=st.booleans(),
        in_background=st.booleans(),
        uses_store=st.booleans(),
        threads=st.sampled_from([True, True, False]),
        clock=st.sampled_from(["is right", "stands still at times", "is set at times"]),
        limit=st.sampled_from([math.inf, 5, 20]),
        named=st.booleans(),
    )
    def begin(
        self,
        *,
        own_session: bool,
        in_background: bool,
        uses_store: bool,
        threads: bool,
        clock: str,
        limit: float,
        named: bool,
    ) -> None:
        cloud = self.cloud
        self.threads, self.clock, self.uses_store = threads, clock, uses_store
        self.in_background = in_background
        cloud.forbidden |= set(FORBIDDEN)
        cloud.rate_limit, cloud.named = limit, named
        cloud.paced = own_session and not uses_store  # a fleet keeps count in a store that can
        self.making: dict[str, Any] = {
            "own_session": own_session,
            "background_renewal": in_background,
            "store": SHELF if uses_store else None,
            "tokens": self.size,
            "rate_limit": None if limit == math.inf else limit,
        }
        self.another_process_comes()

    @contextmanager
    def step(self, who: int, *, races: bool = False) -> Iterator[Client]:
        """One thing that one client does."""
        cloud = self.cloud
        # Any thread that waits for something moves the clocks of all others.
        cloud.races = races or self.in_background
        self.time.advance(3)  # what is known of a live token is over
        self.start, self.failed = self.time.true, len(cloud.failures)
        before, refused, threads = len(cloud.tokens), len(cloud.refusals), threading.enumerate()
        client = self.clients[who % len(self.clients)]
        left = client.auth.expires_in
        none = patch.object(threading.Thread, "start", no_thread)
        with nullcontext() if self.threads else none:
            yield client
        for thread in set(threading.enumerate()) - set(threads):
            while thread in threading.enumerate():
                with suppress(RuntimeError):  # it is only just being started
                    thread.join(60)
        over = len(set(cloud.refusals[refused:]))
        passed = self.time.true - self.start
        # A token request that seems to take longer than a minute is not waited for.
        lives = 1 + int(passed / (self.shortest / 2)) + int(passed / 60)
        # A single token that is not due needs no successor until the token is refused.
        needless = self.size == 1 and left is not None and left > 1000
        told = f"{over} refused, {passed:.0f} s passed, {left} s left before"
        assert len(cloud.tokens) - before <= self.size * lives - needless + over, told

    def one_call(self, client: Client, path: str, body: str = "nothing") -> None:
        """A call, and whether what came of it is right."""
        method, make, arrives, repeatable = BODIES[body]
        try:
            call, answer = client.call(path, method, make())
        except GenesysCloudError as error:
            self.is_due(error)
        else:
            self.cloud.judge(call, answer, arrives, repeatable=repeatable)

    def is_due(self, error: GenesysCloudError) -> None:
        """An error of ours says that signing in has failed, now or less than 30 s ago."""
        recent = self.cloud.failures[self.failed :]
        recent += [at for at in self.cloud.failures if at > self.start - 30]
        # While a thread waits for something, another's token request seems to take as long.
        waits = self.cloud.races and self.time.true - self.start > 15
        assert recent or (waits and isinstance(error, LoginTimeoutError)), error

    # -- what a client does -----------------------------------------------------------------------

    who = st.integers(0, 2)
    paths = st.lists(st.sampled_from([*QUEUES, *OK, *FORBIDDEN]), min_size=1, max_size=4)

    @rule(who=who, paths=paths, body=st.sampled_from(["nothing", "nothing", *BODIES]))
    def call(self, who: int, paths: list[str], body: str = "nothing") -> None:
        """What is allowed, and what is forbidden."""
        for path in paths:
            with self.step(who) as client:
                self.one_call(client, path, body)

    @rule(who=who, path=st.sampled_from([AWAY, CROWDED]))
    def call_what_redirects_or_is_crowded(self, who: int, path: str) -> None:
        with self.step(who) as client:
            self.one_call(client, path)

    @precondition(lambda self: self.cloud.trouble != "is not there")
    @rule(who=who, url=st.sampled_from(ELSEWHERE))
    def call_elsewhere(self, who: int, url: str) -> None:
        with self.step(who) as client:
            assert client.status(url) == 200
            with pytest.raises(RegionMismatchError):
                client.status(f"https://api.mypurecloud.de{OK[0]}")

    @precondition(lambda self: self.threads)
    @rule(who=who, paths=paths)
    def threads_call_at_once(self, who: int, paths: list[str]) -> None:
        ready = threading.Barrier(len(paths))

        def call(path: str) -> None:
            ready.wait(60)
            self.one_call(client, path)

        with self.step(who, races=True) as client, ThreadPoolExecutor(len(paths)) as pool:
            list(pool.map(call, paths))

    @rule(who=who, path=st.sampled_from(OK))
    def a_request_is_slow_while_its_token_is_replaced(self, who: int, path: str) -> None:
        """Its 401 carries an older token, and fetches no other."""
        with self.step(who, races=True) as client:
            try:
                call, request = client.signed(path)
                self.cloud.revoke()
                self.one_call(client, path)
                answer = client.session.send(request, timeout=30)
            except GenesysCloudError as error:
                self.is_due(error)
            else:
                self.cloud.judge(call, answer)

    @precondition(lambda self: self.is_calm())
    @rule(who=who)
    def call_many_forbidden_endpoints(self, who: int) -> None:
        cloud = self.cloud
        with self.step(who) as client:
            before, asked = cloud.token_requests, len(cloud.questions)
            refused = len(cloud.refusals)
            for name, number in product("abcdef", range(3)):
                self.one_call(client, f"/api/v2/forbidden/{name}/{number}")
            over = {one for one in cloud.refusals[refused:] if not cloud.lives(one)}
            most = HANDFUL + self.size + len(over)
            assert cloud.token_requests - before <= most, "too many token requests"
            most += 18  # one for each call, and one for each new token
            assert len(cloud.questions) - asked <= most, "too many questions"

    def is_calm(self) -> bool:
        cloud = self.cloud
        return cloud.trouble is None and cloud.question is None and cloud.rate_limit == math.inf

    @rule(who=who, rejected=st.sampled_from(["nothing", "the newest", "the oldest"]))
    def access_token(self, who: int, rejected: str) -> None:
        """For others to send."""
        known = list(self.cloud.tokens) or ["none-of-ours"]
        refused = {"nothing": None, "the newest": known[-1], "the oldest": known[0]}[rejected]
        with self.step(who) as client:
            self.cloud.refusals += [refused] if refused else []
            try:
                token = client.auth.access_token(rejected=refused)
            except GenesysCloudError as error:
                self.is_due(error)
                return
            assert token != refused
            if refused and self.size == 1:
                again = client.auth.access_token(rejected=refused)
                assert again == token, "fetches again for a token that has a successor"
            now = self.start if self.cloud.races else self.time.true
            assert now < self.cloud.tokens[token].end

    @rule(who=who)
    def forget(self, who: int) -> None:
        with self.step(who) as client:
            client.auth.forget()
            assert client.auth.expires_in is None

    @rule(who=who)
    def revoke(self, who: int) -> None:
        with self.step(who) as client:
            try:
                client.auth.revoke()
            except TokenError as error:  # pragma: no cover -- not in each run
                assert error.status == 429  # noqa: PT017 -- it need not be raised
            assert client.auth.expires_in is None

    @rule(who=who, how=st.sampled_from(["copy", "pickle"]))
    def go_on_with_a_copy(self, who: int, how: str) -> None:
        with self.step(who) as client:
            auth = client.auth
            copies = copy.deepcopy(auth), pickle.loads(pickle.dumps(auth))
            client.session.close()
            client.go_on_with(copies[how == "pickle"])

    @precondition(lambda self: len(self.clients) < 3)
    @rule()
    def another_process_comes(self) -> None:
        self.clients.append(Client(self.cloud, **self.making))

    # -- what befalls it --------------------------------------------------------------------------

    @rule(
        who=who,
        which=st.none() | st.integers(0, 2),
        on_their_way=st.sampled_from([0, 0, 0, 1, 2]),
        paths=paths,
    )
    def tokens_are_revoked(
        self, who: int, which: int | None, on_their_way: int, paths: list[str]
    ) -> None:
        """All or one of the newest; and those that come next, while they are on their way."""
        newest = list(self.cloud.tokens)[::-1]
        self.cloud.revoke(*(newest if which is None else newest[which : which + 1]))
        self.cloud.stillborn = on_their_way
        self.call(who, paths)

    @rule(who=who, path=st.sampled_from(OK), times=st.integers(1, 4))
    def a_path_answers_401_for_a_moment(self, who: int, path: str, times: int) -> None:
        self.cloud.moments[path] = times
        self.call(who, [path] * 3)

    @rule(status=st.sampled_from([None, None, 429, 503]))
    def the_question_whether_a_token_lives_is_answered(self, status: int | None) -> None:
        self.cloud.question = status

    @rule(
        who=who,
        trouble=st.none() | st.sampled_from(TROUBLES),
        lasts=st.sampled_from([math.inf, 1, 2]),
        in_need=st.booleans(),
    )
    def login(self, who: int, trouble: str | None, lasts: float, *, in_need: bool) -> None:
        """Something is wrong with the login service, perhaps when a client needs a token."""
        self.cloud.trouble, self.cloud.lasts = trouble, lasts
        if in_need:
            self.forget(who)
            self.call(who, OK[:1])

    @rule(lifetime=st.sampled_from([8, 300, 3600, 86400]), latency=st.sampled_from([0, 0, 3, 12]))
    def tokens_are(self, lifetime: int, latency: float) -> None:
        """How long the next are good for, and how long it takes to get them."""
        self.cloud.lifetime, self.cloud.latency = lifetime, latency
        self.shortest = min(lifetime, self.shortest)

    @rule(seconds=st.sampled_from([0.5, 6, 31, 61, 240, 3700, 90000]))
    def time_passes(self, seconds: float) -> None:
        """While the machine sleeps, perhaps, or after somebody has set the wall clock."""
        if self.clock == "is set at times":
            # What the store holds is as old as the wall clock says, so that is not set back then.
            self.time.step(seconds if self.uses_store else -seconds)
        pass_by = self.time.suspend if self.clock == "stands still at times" else self.time.advance
        pass_by(seconds)

    @rule(who=who, left=st.sampled_from([850, 70, 9, 4, 0.5, -0.1]))
    def the_newest_token_grows_old(self, who: int, left: float) -> None:
        for token in list(self.cloud.tokens.values())[-1:]:
            self.time_passes(max(0.0, token.end - self.time.true - left - 3))
        self.call(who, OK[:2])

    @rule(calls=st.integers(1, 10))
    def others_call_with_the_same_tokens(self, calls: int) -> None:
        for minute in self.cloud.minutes.values():
            minute.extend([self.time.true] * calls)

    @precondition(lambda self: self.uses_store)
    @rule(
        how=st.sampled_from(["is emptied", "is cut", "is swapped", "works"]),
        broken=st.sets(st.sampled_from(["get", "set", "delete"])),
    )
    def the_store(self, how: str, broken: set[str]) -> None:
        """What the store holds is lost or damaged, and some of its methods raise."""
        kept, SHELF.broken = SHELF.kept, broken
        values = list(kept.values())
        if how == "is emptied":
            kept.clear()
        elif how != "works":
            changed = [value[:-3] for value in values] if how == "is cut" else values[::-1]
            kept.update(zip(list(kept), changed, strict=True))

    # -- what is always so ------------------------------------------------------------------------

    @invariant()
    def no_rule_was_broken(self) -> None:
        assert self.cloud.faults == []
        left = [client.auth.expires_in for client in self.clients]
        assert all(seconds is None or seconds > 0 for seconds in left)

    def teardown(self) -> None:
        with self.stack:
            if self.cloud.faults == []:  # pragma: no branch -- but when a test fails
                self.all_is_well_in_the_end()
            for client in self.clients:
                client.session.close()
        nothing_told(self.sweep)

    def all_is_well_in_the_end(self) -> None:
        cloud = self.cloud
        cloud.trouble, cloud.question, cloud.stillborn, cloud.latency = None, None, 0, 0.0
        cloud.rate_limit, cloud.paced = math.inf, False
        cloud.moments.clear()
        SHELF.broken = set()
        self.time.advance(31)  # that credentials were refused is forgotten
        for who in range(len(self.clients)):
            self.call(who, OK[:1])
            with self.step(who) as client:
                assert client.status(OK[0]) == 200
        self.no_rule_was_broken()


class LifeWithPool(Life):
    """Three tokens."""

    size = 3


#: Nothing that Hypothesis looks after in a machine of so many rules is of interest here.
STEADY = settings(
    examples(50),
    stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
    # To explain a failing example takes longer than to find it.
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
)


@pytest.mark.parametrize("life", [Life, LifeWithPool])
def test_a_client_keeps_its_promises_in_any_order_of_events(life: type[Life], sweep: Sweep) -> None:
    life.sweep = sweep
    run_state_machine_as_test(life, settings=STEADY)
