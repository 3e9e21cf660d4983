"""Calls, expiry, revocation, login outages, clock steps, store loss and forks, in any order.

Hypothesis looks for an order in which a rule is broken: never is an expired token sent, or one that
should not be in hand; never is a token asked for without a reason (`cloud.Process` knows them all);
always there is an answer, the right one, or one of our errors, and the right one. Whatever happened,
all is well again when everything outside is.
"""

from __future__ import annotations

import copy
import io
import math
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import pytest
import requests
from cloud import API, CROWDED, FOREIGN, LOGIN, ME, TROUBLES, Cloud, Process, Worker, labelled
from conftest import SECRET
from fuzzing import examples
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gc_requests_auth import GenesysCloudAuth, GenesysCloudError, GenesysCloudSession
from gc_requests_auth.errors import (
    BadTokenAnswerError,
    CredentialsRefusedError,
    LoginThrottledError,
    LoginTimeoutError,
    LoginUnreachableError,
    RegionMismatchError,
    TokenError,
)
from gc_requests_auth.sign_in import Slot
from gc_requests_auth.stores import shared as sharing
from gc_requests_auth.tokens import flight
from gc_requests_auth.util import forks
from gc_requests_auth.util import threads as background

OK, AWAY = "/api/v2/ok", "/api/v2/away"

#: What a call gets that needs a token from such a login service.
ERRORS: dict[str, type[GenesysCloudError]] = {
    "is down": LoginUnreachableError,
    "is not there": LoginUnreachableError,
    "hangs": LoginTimeoutError,
    "throttles": LoginThrottledError,
    "refuses": CredentialsRefusedError,
    "answers garbage": BadTokenAnswerError,
}


def file_at_seven() -> io.BytesIO:
    file = io.BytesIO(b"already" + b"still to come")
    file.seek(7)
    return file


#: Methods and bodies: how they are made, how they arrive, and whether they can be sent twice.
BODIES: dict[str, tuple[str, Callable[[], Any], bytes, bool]] = {
    "nothing": ("GET", lambda: None, b"", True),
    "text": ("POST", lambda: "text", b"text", True),
    "bytes": ("PUT", lambda: b"bytes", b"bytes", True),
    "file": ("POST", file_at_seven, b"still to come", True),
    "generator": ("POST", lambda: iter([b"one", b"two"]), b"onetwo", False),
}

#: URLs that get no token, ever.
ELSEWHERE = (FOREIGN, f"https://{LOGIN}/oauth/token/info", f"https://{API}.example.org{OK}")


class Client:
    """A process, with the auth that it has at the time."""

    def __init__(self, known: Process, *, own_session: bool) -> None:
        self.known = known
        self._own_session = own_session
        options: dict[str, Any] = {
            "region": "mypurecloud.ie",
            "store": known.store if known.uses_store else None,
            "background_renewal": known.background,
            "tokens": known.size,
        }
        self.session: requests.Session
        if own_session:
            ours = GenesysCloudSession(ME, SECRET, **options)
            self.session, self.auth = ours, ours.auth
        else:
            self.session = requests.Session()
            self.auth = GenesysCloudAuth(ME, SECRET, session=self.session, **options)
        self.session.mount("https://", known.wire)

    def replace(self, auth: GenesysCloudAuth) -> None:
        """Go on with another auth."""
        self.auth = auth
        self.known.start_afresh()
        if self._own_session:
            self.session.auth = auth

    def send(self, url: str, body: str = "nothing") -> requests.Response:
        method, make, _, _ = BODIES[body]
        url = url if "://" in url else f"https://{API}{url}"
        return self.session.request(method, url, data=make(), auth=self.auth, timeout=30)


_slot = GenesysCloudAuth._slot


def slot_that_says_so(auth: GenesysCloudAuth, number: int) -> Slot:
    """As it is, but it is known for which of the tokens a token request is made."""
    slot = _slot(auth, number)
    labelled(slot.source, number)
    return slot


class Life(RuleBasedStateMachine):
    """Some processes of one client, and all that may befall them."""

    #: How many tokens each may have.
    size = 1

    def __init__(self) -> None:
        super().__init__()
        self.cloud = Cloud()
        self.time = self.cloud.time
        self.clients: list[Client] = []
        self.sound = True
        Worker.cloud = self.cloud
        self.patches = ExitStack()
        for where, name, what in (
            (GenesysCloudAuth, "_clock", self.time.clock),
            (GenesysCloudAuth, "_slot", slot_that_says_so),
            (requests.sessions, "preferred_clock", lambda: self.time.monotonic),
            (forks, "forks", forks.forks),
            (background, "_Worker", Worker),
            (flight, "PATIENCE", 0.0),  # nobody waits in earnest, ...
            (sharing, "LOOK", 60.0),  # ... nor gives up on a machine that is busy with other things
            (sharing, "LOCK", 60.0),
            (sharing, "LEAVE", 60.0),
        ):
            self.patches.enter_context(patch.object(where, name, what))

    @initialize(
        in_background=st.booleans(),
        uses_store=st.booleans(),
        own_session=st.booleans(),
        threads=st.sampled_from(["prompt", "late", "impossible"]),
        limit=st.sampled_from([math.inf, 2, 3, 4, 7]),
    )
    def begin(
        self,
        *,
        in_background: bool,
        uses_store: bool,
        own_session: bool,
        threads: str,
        limit: float = math.inf,
    ) -> None:
        self.in_background, self.uses_store = in_background, uses_store
        self.own_session = own_session
        self.cloud.threads, self.cloud.limit = threads, limit
        self.newcomer()

    def newcomer(self) -> None:
        known = Process(
            self.cloud,
            background=self.in_background,
            uses_store=self.uses_store,
            size=self.size,
        )
        self.clients.append(Client(known, own_session=self.own_session))

    @contextmanager
    def step(self, who: int, *, at_once: bool = False) -> Iterator[Client]:
        """One thing that one process does."""
        client = self.clients[who % len(self.clients)]
        client.known.begin(at_once=at_once)
        self.sound = False
        yield client
        self.cloud.fork_at_next_answer = False
        self.cloud.release()
        self.sound = not self.cloud.faults

    # -- what a process does ----------------------------------------------------------------------

    who = st.integers(0, 2)

    @rule(
        who=who, body=st.sampled_from(sorted(BODIES)), forks=st.sampled_from([False] * 5 + [True])
    )
    def call(self, who: int, body: str = "nothing", *, forks: bool = False) -> None:
        """An endpoint that takes a live token; the process may be forked meanwhile."""
        with self.step(who) as client, self.renewing(client, unless=forks):
            self.cloud.fork_at_next_answer = forks
            self.expect(client, OK, body)

    @rule(who=who)
    def call_that_leads_away(self, who: int) -> None:
        """A pre-signed link, say, to which the API redirects."""
        with self.step(who) as client:
            self.expect(client, AWAY, "nothing")

    def expect(self, client: Client, path: str, body: str) -> None:
        known, cloud = client.known, self.cloud
        sure = known.can_sign_in() or known.has_a_good_one()
        steady = cloud.lasts is None
        trouble, kinds = cloud.trouble, self.errors(known)
        cold = not known.hands and not (known.uses_store and cloud.stored)
        try:
            answer = client.send(path, body)
        except GenesysCloudError as error:
            kind = type(error)
            known.was_of_use()
            assert not sure, kind
            assert not steady or issubclass(kind, kinds)
            least = 0 if known.was_ever_refused() else TROUBLES.get(str(trouble), (0,))[0]
            assert not (cold and steady) or known.asked >= least
            return
        _, _, arrives, repeatable = BODIES[body]
        sent = [value for _, where, value in known.calls if where == path]
        assert len(sent) <= self.most_attempts
        if answer.status_code == 429:
            self.expect_limit(client, repeatable=repeatable)
            return
        if answer.status_code == 401:
            dead = not self.lived(client, sent[-1])
            assert dead
            assert not repeatable or known.has_spent_all()
            return
        assert answer.status_code == 200
        assert answer.content == arrives
        assert cold or len(sent) == 1 or answer.history
        if len(sent) > 1:
            known.was_of_use()

    @property
    def most_attempts(self) -> int:
        """With a token; what replaces it, if that is over, too; and all that with another one."""
        return 3 if type(self).size == 1 else 6

    def errors(self, known: Process) -> tuple[type[GenesysCloudError], ...]:
        """What a call may raise."""
        trouble, from_memory = self.cloud.trouble, known.from_memory()
        answered = trouble is not None and not (from_memory and self.size == 1)
        return (*from_memory, *([ERRORS[str(trouble)]] if answered else []))

    def expect_limit(self, client: Client, *, repeatable: bool = True) -> None:
        """A 429 reaches the caller: for want of a token, or when another one got it as well."""
        known = client.known
        first, all_spent = known.limited[0], known.limited[-1][1]
        assert all_spent or not repeatable or len(known.limited) == 2 or known.replacing
        assert len(known.limited) == 1 or first[0], "it was not the limit of the token"
        known.was_of_use()

    def lived(self, client: Client, value: str) -> bool:
        return value not in client.known.refused

    @contextmanager
    def renewing(self, client: Client, *, unless: bool = False) -> Iterator[None]:
        """A token that is due is renewed when it is used, or that is tried."""
        known = client.known
        self.used: set[str] = set()
        due = known.due()
        yield
        self.cloud.release()
        self.used |= known.chosen
        for slot in known.slots:
            if slot.hand is not None and slot.hand.value in due & self.used:
                assert unless or slot.asked or known.from_memory()

    @rule(who=who, which=st.integers(0, 6))
    def call_what_is_forbidden(self, who: int, which: int) -> None:
        """An endpoint that answers 401 to any token."""
        with self.step(who) as client:
            known = client.known
            sure = known.can_sign_in()
            path = self.cloud.forbidden[which]
            quiet = not known.irreplaceable and all(
                point.age(self.time) >= 60
                for point in (*known.spent.values(), *known.perhaps_futile.values())
            )
            try:
                answer = client.send(path)
            except GenesysCloudError:
                assert not sure
                known.was_of_use()
                return
            # What the store held may have been over as well.
            assert (
                len([one for _, where, one in known.calls if where == path]) <= self.most_attempts
            )
            if answer.status_code == 429:
                self.expect_limit(client)
                return
            assert answer.status_code == 401
            inquired = any(method == "HEAD" for method, _, _ in known.calls)
            assert known.asked or inquired or not quiet, "a new token may be what it takes"

    @rule(who=who)
    def call_what_is_crowded(self, who: int) -> None:
        """An endpoint with a limit of its own: other tokens are not to be spent on it."""
        with self.step(who) as client:
            sure = client.known.can_sign_in() or client.known.has_a_good_one()
            known = client.known
            try:
                answer = client.send(CROWDED)
            except GenesysCloudError:
                assert not sure
                return
            finally:
                known.was_of_use()
            spent = known.limited[0][0] if known.limited else False
            assert answer.status_code == 429 or (answer.status_code == 401 and known.refused)
            assert len(known.limited) == 1 + spent or self.size == 1 or known.is_used_up()

    @rule(who=who, url=st.sampled_from(ELSEWHERE))
    def call_elsewhere(self, who: int, url: str) -> None:
        with self.step(who) as client:
            assert client.send(url).status_code == 200
            with pytest.raises(RegionMismatchError):
                client.send("https://api.mypurecloud.de" + OK)
            assert client.known.asked == 0

    @precondition(lambda self: self.cloud.trouble is None and not self.cloud.latency)
    @precondition(lambda self: not self.cloud.freeze)
    @rule(who=who)
    def three_threads_call(self, who: int) -> None:
        with self.step(who, at_once=True) as client:
            sure = client.known.can_sign_in() or client.known.has_a_good_one()
            room = client.known.has_room()
            got: list[object] = []
            ready = threading.Barrier(3)

            def call() -> None:
                ready.wait(60)
                try:
                    got.append(client.send(OK).status_code)
                except CredentialsRefusedError:  # from memory
                    got.append(None)
                except BaseException as error:  # pragma: no cover -- the test fails then
                    got.append(error)

            threads = [threading.Thread(target=call) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            limit = {401} if client.known.has_spent_all() else set()
            limit |= {429} if len(self.clients) > 1 or not room else set()
            assert len(got) == 3
            assert set(got) <= ({200} if sure else {200, None}) | limit
            if set(got) <= {200, 429}:
                client.known.was_of_use()

    @rule(who=who, rejected=st.sampled_from(["nothing", "the current one", "an old one"]))
    def access_token(self, who: int, rejected: str) -> None:
        """For others to send."""
        with self.step(who) as client, self.renewing(client, unless=rejected != "nothing"):
            known, steady = client.known, self.cloud.lasts is None
            kinds = self.errors(known)
            hand = known.hand()
            lives = any(one.left(self.time) > 50 for one in known.living())
            others = [one for one in self.cloud.tokens if one not in known.hands]
            refused = {
                "nothing": None,
                "the current one": None if hand is None else hand.value,
                "an old one": others[-1] if others else "none-of-ours",
            }[rejected]
            if refused is not None:
                known.refused[refused] = None
            sure = known.can_sign_in() or (lives and rejected != "the current one")
            try:
                token = client.auth.access_token(rejected=refused)
            except GenesysCloudError as error:
                kind = type(error)
                assert not sure, kind
                assert not steady or issubclass(kind, kinds)
                return
            self.used.add(token)
            assert token in known.recent
            assert token != refused
            assert self.cloud.tokens[token].value == token

    @rule(who=who)
    def forget(self, who: int) -> None:
        with self.step(who) as client:
            client.auth.forget()
            client.known.forget()
            assert client.known.asked == 0

    @rule(who=who)
    def revoke(self, who: int) -> None:
        with self.step(who) as client:
            known = client.known
            hands = [hand.value for hand in known.living()]
            known.dropping = True
            try:
                client.auth.revoke()
            except TokenError as error:
                assert error.status == 429  # noqa: PT017 -- it need not be raised
                assert known.limited
            else:
                assert not any(self.cloud.lives(value) for value in hands)
            known.forget()
            assert [(method, value) for method, _, value in known.calls] == [
                ("DELETE", value) for value in hands
            ]
            assert known.asked == 0
            for key in {*self.cloud.stored} - self.cloud.damaged:
                held = self.cloud.stored[key]
                lost = self.cloud.broken or self.time.set_back  # from the future, it seems
                assert lost or not any(value in held for value in hands)

    @rule(who=who, how=st.sampled_from(["fork", "copy", "pickle"]))
    def go_on_elsewhere(self, who: int, how: str) -> None:
        """All as children of a fork, or one with a copy of its auth."""
        with self.step(who) as client:
            if how == "fork":
                self.cloud.fork()
            else:
                auth = client.auth
                copies = copy.deepcopy(auth), pickle.loads(pickle.dumps(auth))
                client.replace(copies[how == "pickle"])

    @precondition(lambda self: len(self.clients) < 3)
    @rule()
    def another_process_comes(self) -> None:
        self.newcomer()

    # -- what befalls it --------------------------------------------------------------------------

    @rule(who=st.none() | who, which=st.none() | who)
    def tokens_are_revoked(self, who: int | None, which: int | None = None) -> None:
        """One or all of one process, or all there are."""
        of_one = [] if who is None else [*self.clients[who % len(self.clients)].known.hands]
        of_one = of_one if which is None else of_one[which : which + 1]
        for value in of_one or self.cloud.tokens:
            self.cloud.revoke(value)

    @rule(
        trouble=st.none() | st.sampled_from(sorted(TROUBLES)),
        lasts=st.sampled_from([None, None, 1, 2]),
    )
    def login(self, trouble: str | None, lasts: int | None = None) -> None:
        """What is wrong with the login service, and for how many token requests."""
        self.cloud.trouble, self.cloud.lasts = trouble, lasts

    @rule(
        lifetime=st.sampled_from([8, 300, 3600, 86400]),
        pace=st.sampled_from([(0.0, 0.0), (0.0, 0.0), (3.0, 0.0), (12.0, 0.0), (0.0, 100.0)]),
    )
    def tokens_are(self, lifetime: int, pace: tuple[float, float] = (0.0, 0.0)) -> None:
        """How long the next are good for, and how long it takes to get them."""
        self.cloud.lifetime = lifetime
        self.cloud.latency, self.cloud.freeze = pace

    @rule(
        seconds=st.sampled_from([0.5, 2, 6, 31, 59, 61, 240, 3700, 90000]),
        how=st.sampled_from(["advance", "advance", "suspend", "step", "back"]),
    )
    def time_passes(self, seconds: float, how: str = "advance") -> None:
        """For all, for a machine that is suspended, or on the wall clock, which somebody set."""
        if how == "back":
            how, seconds = "step", -seconds
        getattr(self.time, how)(seconds)

    @rule(
        who=who,
        when=st.sampled_from(["before", "early", "soon", "soon", "margin", "the end"]),
        how=st.sampled_from(["advance", "advance", "suspend", "step"]),
        back=st.sampled_from([0, 0, 0.5, 1]),
        pauses=st.lists(st.sampled_from([0.5, 3.5, 6, 11, 21, 61, 100]), max_size=4),
        trouble=st.just("as it was") | st.none() | st.sampled_from(sorted(TROUBLES)),
    )
    def it_grows_late(
        self,
        who: int,
        when: str,
        how: str = "advance",
        back: float = 0,
        pauses: Sequence[float] = (),
        trouble: str | None = "as it was",
    ) -> None:
        """A token is due, or over, by whichever clock; the other may have been set back before."""
        if trouble != "as it was":
            self.login(trouble)
        hand = self.clients[who % len(self.clients)].known.hand()
        if hand is not None:
            self.time.step(-back * hand.lifetime)
            left = {
                "before": hand.early * 1.1,
                "early": hand.early * 0.95,
                "soon": hand.early * 0.7,
                "margin": hand.margin * 0.9,
                "the end": -0.1,
            }[when]
            getattr(self.time, how)(max(0.0, hand.left(self.time) - left))
        self.call(who)
        for seconds in pauses:
            self.time.advance(seconds)
            self.call(who)

    @precondition(lambda self: self.uses_store)
    @rule(
        how=st.sampled_from(["is emptied", "is cut", "is forged", "raises", "works"]),
        broken=st.sets(st.sampled_from(["get", "set", "delete", "lock"]), min_size=1),
    )
    def the_store(self, how: str, broken: AbstractSet[str] = frozenset()) -> None:
        """What it holds is lost or damaged, or some of its methods raise."""
        cloud = self.cloud
        cloud.broken = frozenset(broken if how == "raises" else ())
        change: dict[str, Callable[[str], str]] = {
            "is cut": lambda value: value[:-3],
            "is forged": lambda value: value.replace('"lifetime": ', '"lifetime": 1'),
        }
        if how in change:
            cloud.stored = {key: change[how](value) for key, value in cloud.stored.items()}
            cloud.damaged = frozenset(cloud.stored)
        if how == "is emptied":
            cloud.stored = {}

    # -- what is always so ------------------------------------------------------------------------

    @invariant()
    def no_rule_was_broken(self) -> None:
        assert self.cloud.faults == []

    @invariant()
    def each_knows_what_it_has_in_hand(self) -> None:
        for client in self.clients:
            client.known.goes_by()
            hands = [hand and hand.value for hand in client.known.in_each()]
            sources = [slot.source.in_hand() for slot in client.auth._slots]
            tokens = [token and token.value for token in sources]
            assert tokens == hands[: len(tokens)]
            assert not any(hands[len(tokens) :])
            left = [hand.left(self.time) for hand in client.known.living()]
            said = client.auth.expires_in
            assert said in [pytest.approx(seconds, abs=0.01) for seconds in left] or not left
            assert said is None or left

    def teardown(self) -> None:
        try:
            end = self.all_is_well_in_the_end if self.sound else self.no_rule_was_broken
            end()
        finally:
            self.patches.close()
            for client in self.clients:
                client.session.close()
                del Process.all[client.known.number]

    def all_is_well_in_the_end(self) -> None:
        self.cloud.heal()
        self.time.advance(91)  # what is remembered is forgotten
        for _ in range(2):
            for who in range(len(self.clients)):
                self.call(who)
                with self.step(who) as client:
                    answer = client.send(OK)
                    if answer.status_code == 429:
                        self.expect_limit(client)
                    else:
                        assert answer.status_code == 200
                self.no_rule_was_broken()
                self.each_knows_what_it_has_in_hand()


#: Nothing that Hypothesis looks after in a machine of so many rules is of interest here.
STEADY = settings(examples(40), stateful_step_count=40, suppress_health_check=list(HealthCheck))


class LifeWithPool(Life):
    """Three tokens."""

    size = 3


@pytest.mark.parametrize("life", [Life, LifeWithPool])
def test_whatever_happens_in_whatever_order(life: type[Life]) -> None:
    run_state_machine_as_test(life, settings=STEADY)


def rests_between_failures(life: Life) -> None:
    life.begin(in_background=True, uses_store=False, own_session=False, threads="prompt")
    life.tokens_are(86400)
    life.call(0)
    life.it_grows_late(0, "early")
    life.it_grows_late(0, "soon", pauses=[0.5, 3, 3, 6, 6, 100, 0.5], trouble="is down")
    assert life.clients[0].known.slots[0].failures == 4
    life.it_grows_late(0, "margin", trouble=None)


def asks_again_after_forget(life: Life) -> None:
    life.begin(in_background=False, uses_store=False, own_session=True, threads="prompt")
    for trouble in sorted(TROUBLES):
        life.login(trouble)
        life.call(0)
        life.access_token(0, "nothing")
        life.forget(0)
    life.login("refuses", 1)
    life.call(0)
    life.three_threads_call(0)
    life.forget(0)
    life.login(None)
    life.call(0)


def does_not_go_back_to_what_is_over(life: Life) -> None:
    life.begin(in_background=False, uses_store=True, own_session=False, threads="prompt")
    life.tokens_are(300)
    life.call(0)
    life.it_grows_late(0, "the end", back=0.5)
    assert len(life.cloud.tokens) == 2


def renews_as_the_child_of_a_fork(life: Life) -> None:
    life.begin(in_background=True, uses_store=False, own_session=False, threads="late")
    life.call(0)
    life.time_passes(3600 - 600)
    life.call(0, forks=True)
    life.call(0)
    assert len(life.cloud.tokens) == 2


def asks_five_times_a_minute_in_vain(life: Life) -> None:
    life.begin(in_background=False, uses_store=False, own_session=False, threads="prompt")
    for which in range(7):
        life.call_what_is_forbidden(0, which)
    assert len(life.cloud.tokens) == 5
    life.time_passes(61)
    life.call_what_is_forbidden(0, 0)
    assert len(life.cloud.tokens) == 6


def recovers_however_often(life: Life) -> None:
    life.begin(in_background=False, uses_store=False, own_session=False, threads="prompt")
    for body in (*sorted(set(BODIES) - {"generator"}), *BODIES):
        life.call(0, body)
        life.tokens_are_revoked(0)
    life.three_threads_call(0)


def shares(life: Life) -> None:
    life.begin(in_background=True, uses_store=True, own_session=False, threads="impossible")
    life.call(0)
    life.another_process_comes()
    life.call(1)
    assert len(life.cloud.tokens) == 1
    life.the_store("is forged")
    life.another_process_comes()
    life.call(2)
    life.revoke(2)
    life.the_store("raises", frozenset({"get"}))
    life.call(2)
    assert len(life.cloud.tokens) == 3


def comes_and_goes(life: Life) -> None:
    life.begin(in_background=False, uses_store=True, own_session=False, threads="prompt")
    life.call(0)
    life.another_process_comes()
    life.call(1)
    life.tokens_are_revoked(1)
    life.call(1)
    life.revoke(0)  # and not what the other one put into the store
    assert life.cloud.stored
    life.tokens_are(8, (0.0, 100.0))
    for how in ("copy", "pickle", "fork"):
        life.it_grows_late(0, "margin")
        life.call_that_leads_away(0)
        for url in ELSEWHERE:
            life.call_elsewhere(0, url)
        for rejected in ("nothing", "the current one", "an old one"):
            life.access_token(0, rejected)
        life.time_passes(2, "back")
        life.revoke(0)
        life.the_store("is emptied")
        life.go_on_elsewhere(0, how)


def is_told_what_is_wrong(life: Life) -> None:
    life.begin(in_background=False, uses_store=False, own_session=True, threads="prompt", limit=2)
    for _ in range(3):
        life.call_what_is_crowded(0)
    life.call_what_is_forbidden(0, 0)
    life.revoke(0)
    assert life.clients[0].known.limited == [(True, True)]
    life.login("is down")
    life.call_what_is_crowded(0)
    life.login(None)
    life.go_on_elsewhere(0, "copy")
    life.call(0)
    life.login("is down")
    life.call_what_is_forbidden(0, 1)
    life.tokens_are_revoked(0)
    life.call(0)


def grows_one_by_one_and_only_in_need(life: Life) -> None:
    life.begin(in_background=True, uses_store=True, own_session=False, threads="prompt", limit=4)
    for number, calls in enumerate((2, 2, 2), 1):
        for _ in range(calls):
            life.call(0)
        assert len(life.cloud.tokens) == number
    for _ in range(6):
        life.call(0)
    assert life.clients[0].known.limited == []
    life.call(0)
    assert len(life.clients[0].known.limited) == 1
    life.time_passes(61)
    for _ in range(12):
        life.call(0)
        assert life.clients[0].known.limited == []
    life.another_process_comes()
    life.time_passes(61)
    for _ in range(6):
        life.call(1)
    assert len(life.cloud.tokens) == 3


def does_not_take_back_what_was_forgotten(life: Life) -> None:
    life.begin(in_background=True, uses_store=True, own_session=False, threads="prompt", limit=4)
    for drop in (life.forget, life.revoke):
        for _ in range(4):
            life.call(0)
        drop(0)
    assert len(life.cloud.tokens) == 4


def rests_while_there_is_no_further_token(life: Life) -> None:
    life.begin(in_background=True, uses_store=False, own_session=False, threads="late", limit=4)
    life.call(0)
    life.login("throttles")
    for seconds in (0, 0, 1, 1, 2, 1, 5, 1):
        life.time_passes(seconds)
        life.call(0)
    assert life.clients[0].known.slots[1].failures == 2
    life.login(None)
    life.time_passes(61)
    for _ in range(4):
        life.call(0)
    assert len(life.cloud.tokens) == 2


def leaves_a_crowded_place_alone(life: Life) -> None:
    life.begin(in_background=True, uses_store=False, own_session=True, threads="prompt", limit=7)
    for _ in range(5):
        life.call(0)
    assert len(life.cloud.tokens) == 2
    for _ in range(6):
        life.call_what_is_crowded(0)
        assert len(life.clients[0].known.limited) == 1


def moves_when_others_have_spent_its_token(life: Life) -> None:
    life.begin(in_background=True, uses_store=True, own_session=True, threads="prompt", limit=4)
    for _ in range(4):
        life.call(0)
    life.size = 1
    life.another_process_comes()
    for body in ("file", "generator", "nothing"):
        life.time_passes(61)
        for _ in range(4):
            life.call(1)
        life.call(0, body)
        assert len(life.clients[0].known.limited) == 1
        assert len(life.clients[0].known.calls) == (1 if body == "generator" else 2)
    assert len(life.cloud.tokens) == 2


def moves_from_what_replaced_a_token_too(life: Life) -> None:
    life.begin(in_background=True, uses_store=True, own_session=False, threads="prompt", limit=4)
    for _ in range(4):
        life.call(0)
    life.time_passes(61)
    life.size = 1
    life.another_process_comes()
    life.tokens_are_revoked(0, 0)
    for _ in range(4):
        life.call(1)
    life.call(0)
    assert len(life.clients[0].known.limited) == 1
    assert len(life.clients[0].known.calls) == 3


def replaces_what_replaced_a_token(life: Life) -> None:
    life.begin(in_background=False, uses_store=True, own_session=False, threads="prompt")
    life.call(0)
    life.another_process_comes()
    life.call(1)
    life.forget(1)
    life.call(1)
    life.tokens_are_revoked(None)
    life.call(0)
    assert [one.hand is not None for one in life.clients[0].known.slots] == [True, False, False]


def tells_why_there_is_no_other(life: Life) -> None:
    life.begin(in_background=True, uses_store=False, own_session=False, threads="prompt", limit=2)
    for _ in range(6):
        life.call(0)
    assert len(life.cloud.tokens) == 3
    life.tokens_are_revoked(0)
    life.login("is down")
    before = life.time.true
    life.call(0)
    assert life.clients[0].known.replacing, "and that is what it raised"
    assert life.time.true - before <= 15


def begins_anew_with_the_first(life: Life) -> None:
    life.begin(in_background=True, uses_store=False, own_session=False, threads="prompt", limit=2)
    for _ in range(3):
        life.call(0)
    life.forget(0)
    life.access_token(0, "an old one")


def replaces_each_that_is_revoked(life: Life) -> None:
    life.begin(in_background=True, uses_store=True, own_session=True, threads="late", limit=4)
    for which in (None, 0, 1, 2):
        for _ in range(6):
            life.call(0)
        life.tokens_are_revoked(0, which)
        life.go_on_elsewhere(0, "fork")
        life.time_passes(61)
    life.three_threads_call(0)
    life.revoke(0)


@pytest.mark.parametrize(
    "scene",
    [
        grows_one_by_one_and_only_in_need,
        does_not_take_back_what_was_forgotten,
        rests_while_there_is_no_further_token,
        leaves_a_crowded_place_alone,
        moves_when_others_have_spent_its_token,
        moves_from_what_replaced_a_token_too,
        replaces_each_that_is_revoked,
        replaces_what_replaced_a_token,
        tells_why_there_is_no_other,
        begins_anew_with_the_first,
    ],
)
def test_a_scene_of_a_pool(scene: Callable[[Life], None]) -> None:
    play(scene, LifeWithPool())


@pytest.mark.parametrize(
    "scene",
    [
        rests_between_failures,
        asks_again_after_forget,
        does_not_go_back_to_what_is_over,
        renews_as_the_child_of_a_fork,
        asks_five_times_a_minute_in_vain,
        recovers_however_often,
        shares,
        comes_and_goes,
        is_told_what_is_wrong,
    ],
)
def test_a_scene_that_chance_seldom_plays(scene: Callable[[Life], None]) -> None:
    play(scene, Life())


def play(scene: Callable[[Life], None], life: Life) -> None:
    try:
        scene(life)
        life.no_rule_was_broken()
        life.each_knows_what_it_has_in_hand()
    finally:
        life.teardown()
