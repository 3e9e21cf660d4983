"""shared.py: one token for many processes, and a store that fails costs no call."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from conftest import SECRET, TOKEN, Counted, FakeTime
from fleet import until
from store_contract import StoreContract

from gc_requests_auth.auth import GenesysCloudAuth
from gc_requests_auth.errors import ConfigurationError, LoginUnreachableError, TokenError
from gc_requests_auth.settings.client import Identity
from gc_requests_auth.stores import shared as module
from gc_requests_auth.stores.base import StoreError, TokenStore, wait_for_lock
from gc_requests_auth.stores.shared import SharedToken, SignedValue
from gc_requests_auth.tokens.rate_limit import RateLimit
from gc_requests_auth.tokens.token import AccessToken, TokenRequest
from gc_requests_auth.util.clock import Moment
from gc_requests_auth.util.secret import SecretBox, plain

ME = "/api/v2/tokens/me"
URL = "https://login.mypurecloud.ie"
IDENTITY = Identity(SecretBox("client-12345678"), SecretBox(SECRET))
FAILS = "the token store failed, so the library requests tokens itself: "
WORKS = "the token store works again"


class Cupboard(TokenStore):
    """A user's store, as the README has one for a keyring: three methods, and no lock."""

    places: dict[str, dict[str, str]] = {}  # noqa: RUF012 -- what all of them share

    def __init__(self, place: str) -> None:
        self.place = place

    def get(self, key: str) -> str | None:
        return self.places.setdefault(self.place, {}).get(key)

    def set(self, key: str, value: str, ttl: float) -> None:
        self.places.setdefault(self.place, {})[key] = value

    def delete(self, key: str) -> None:
        self.places.setdefault(self.place, {}).pop(key, None)


class TestCupboard(StoreContract):
    locks = exchanges = False

    def make(self, place: Path) -> Cupboard:
        return Cupboard(str(place))


class Kept(TokenStore):
    """A store that keeps in memory, tells what it is asked, and does what it is told."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.asked: list[str] = []
        self.ttls: list[float] = []
        #: What a method does before it does its work.
        self.before: dict[str, Callable[[], object]] = {}

    def _do(self, what: str) -> None:
        self.asked.append(what)
        self.before.get(what, lambda: None)()

    def get(self, key: str) -> str | None:
        self._do("get")
        value: str | None = self.values.get(key)
        return value

    def set(self, key: str, value: str, ttl: float) -> None:
        self._do("set")
        self.values[key] = value
        self.ttls.append(ttl)

    def delete(self, key: str) -> None:
        raise NotImplementedError  # pragma: no cover -- nobody asks for it

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        self._do("lock")
        yield
        self._do("leave")


class Login(TokenRequest):
    """A login service that gives a new token for each request."""

    def __init__(self, time: FakeTime) -> None:
        self.time = time
        self.calls: list[dict[str, Any]] = []
        self.lifetime: float = 86400
        self.failure: TokenError | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    def __call__(self, identity: Identity, **how: Any) -> AccessToken:
        self.calls.append(how)
        requested = Moment.now(self.time.clock)
        self.meanwhile()
        if self.failure is not None:
            raise self.failure
        value = f"{TOKEN}-{len(self.calls)}"
        return AccessToken.issued(value, self.lifetime, requested, self.time.clock)


@pytest.fixture
def store() -> Kept:
    return Kept()


@pytest.fixture
def login(fake_time: FakeTime) -> Login:
    return Login(fake_time)


class Process:
    """What one process does to come by a token."""

    def __init__(self, store: TokenStore, login: Login) -> None:
        self._sharing = SharedToken(store, lambda: URL, login, login.time.clock)

    def __call__(
        self,
        instead_of: SecretBox | None = None,
        *,
        identity: Identity = IDENTITY,
        within: float = 60,
        retry: bool = True,
    ) -> AccessToken:
        return self._sharing(identity, instead_of=instead_of, within=within, retry=retry)


@pytest.fixture
def process(store: Kept, login: Login) -> Process:
    return Process(store, login)


@pytest.fixture
def another(store: Kept, login: Login) -> Process:
    return Process(store, login)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "gc_requests_auth" and "token store" in record.getMessage()
    ]


def over() -> bool:
    """Whether no visit is under way."""
    return not [one for one in threading.enumerate() if one.name == "gc_requests_auth"]


@pytest.fixture(autouse=True)
def _no_visit_stays() -> Iterator[None]:
    yield
    until(over)


# -- one token for many ---------------------------------------------------------------------------


def test_the_first_asks_and_the_others_find_its_token(
    process: Process, another: Process, login: Login, store: Kept
) -> None:
    first = process()
    second = another()

    assert first.value == second.value
    assert (first.from_store, second.from_store) == (False, True)
    assert len(login.calls) == 1
    assert store.asked == ["get", "lock", "get", "set", "leave", "get"]


def test_the_process_that_wins_the_lock_looks_again_before_it_asks(
    process: Process, another: Process, login: Login, store: Kept
) -> None:
    tokens: list[AccessToken] = []

    def first_another() -> None:
        store.before.clear()
        tokens.append(another())

    store.before["lock"] = first_another
    token = process()

    assert token.value == tokens[0].value
    assert len(login.calls) == 1


def test_the_lock_is_held_while_the_token_is_asked_for_and_stored(
    process: Process, login: Login, store: Kept
) -> None:
    login.meanwhile = lambda: store.asked.append("request")
    process()

    assert store.asked == ["get", "lock", "get", "request", "set", "leave"]


def test_another_client_has_a_token_of_its_own(process: Process, login: Login, store: Kept) -> None:
    process()
    process(identity=Identity(SecretBox("client-87654321"), SecretBox(SECRET)))

    assert len(login.calls) == len(store.values) == 2


def test_what_is_stored_says_how_long_it_is_of_use(
    process: Process, store: Kept, login: Login
) -> None:
    """To the last seconds of a token, in which nobody takes it any more."""
    login.meanwhile = lambda: login.time.advance(2)
    process()

    assert store.ttls == [86400 - 10 - 2]


def test_a_token_that_is_over_before_it_arrives_is_not_stored(
    process: Process, store: Kept, login: Login, caplog: pytest.LogCaptureFixture
) -> None:
    login.lifetime = 100
    login.meanwhile = lambda: login.time.advance(91)

    assert process().remaining(login.time.clock) == 9
    assert "set" not in store.asked
    assert said(caplog) == []


@pytest.mark.parametrize(
    ("left", "requests_"), [(9.9, 2), (10.1, 1), (-5.0, 2)], ids=["margin", "alive", "over"]
)
def test_a_stored_token_in_its_last_seconds_is_a_miss(
    process: Process, another: Process, login: Login, left: float, requests_: int
) -> None:
    process()
    login.time.advance(86400 - left)
    another()

    assert len(login.calls) == requests_


def test_a_token_is_replaced_only_if_it_is_still_the_stored_one(
    process: Process, another: Process, login: Login
) -> None:
    refused = process().value
    assert another().value == refused

    replaced = process(refused)
    taken = another(refused)

    assert replaced.value == taken.value != refused
    assert len(login.calls) == 2
    assert not replaced.from_store
    assert taken.from_store


def test_a_refused_token_is_replaced_in_the_store(
    process: Process, another: Process, login: Login, store: Kept
) -> None:
    refused = process().value
    renewed = process(refused).value

    assert json.loads(*store.values.values())["token"] == renewed
    assert another().value == renewed


def test_an_early_renewal_takes_the_successor_that_another_has_stored(
    process: Process, another: Process, login: Login
) -> None:
    old = process().value
    login.time.advance(86400 - 600)  # in the window, whatever its jitter

    renewed = process(old, retry=False)
    taken = another(old, retry=False)

    assert renewed.value == taken.value != old
    assert len(login.calls) == 2
    assert [how["retry"] for how in login.calls] == [True, False]


def test_an_early_renewal_takes_nothing_that_is_due_itself(
    process: Process, another: Process, login: Login
) -> None:
    old = process().value
    second = another(old).value
    login.time.advance(86400 - 600)

    assert process(old, retry=True).value == second, "a call without a token takes it"
    assert process(old, retry=False).value not in {old, second}
    assert len(login.calls) == 3


def test_the_time_spent_in_the_store_is_taken_from_that_of_the_request(
    process: Process, login: Login, store: Kept
) -> None:
    store.before["lock"] = lambda: login.time.advance(20)
    process(within=60)
    store.before["lock"] = lambda: login.time.advance(70)
    process(SecretBox(f"{TOKEN}-1"), within=60)

    assert [how["within"] for how in login.calls] == [40, 1], "at least a second"
    assert [how["retry"] for how in login.calls] == [True, True]
    assert [how["instead_of"] for how in login.calls] == [None, f"{TOKEN}-1"]


def test_a_token_request_that_fails_leaves_the_lock_and_stores_nothing(
    process: Process, login: Login, store: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    login.failure = LoginUnreachableError("away", host="login.invalid")
    with pytest.raises(LoginUnreachableError):
        process()

    assert store.asked == ["get", "lock", "get", "leave"]
    assert said(caplog) == []


# -- stores that fail -----------------------------------------------------------------------------


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


ERRORS = [
    (StoreError("it is read-only"), "it is read-only"),
    (OSError(28, "No space left on device"), "OSError: No space left on device"),
    (ValueError(f"cannot keep {TOKEN}"), "ValueError"),
    (SystemExit(TOKEN), "SystemExit"),
]


@pytest.mark.parametrize(("error", "text"), ERRORS, ids=["ours", "full", "value", "exit"])
@pytest.mark.parametrize("method", ["get", "set", "lock", "leave"])
def test_a_store_that_raises_costs_a_token_request_and_is_said_once(
    method: str,
    error: BaseException,
    text: str,
    process: Process,
    login: Login,
    store: Kept,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    store.before[method] = raising(error)
    values = [process().value]
    for _ in range(3):
        values.append(process(values[-1]).value)

    assert values == [f"{TOKEN}-{n}" for n in (1, 2, 3, 4)]
    assert said(caplog) == [FAILS + text]
    assert [one.levelname for one in caplog.records if "token store" in one.message] == ["WARNING"]
    store.before.clear()
    for _ in range(3):
        values.append(process(values[-1]).value)
    assert said(caplog) == [FAILS + text, WORKS]
    store.before[method] = raising(error)
    process(values[-1])
    assert said(caplog) == [FAILS + text, WORKS, FAILS + text]


@pytest.mark.parametrize(
    "value", ["garbage", "", b"bytes", 7, "x" * 20_000, '{"token": "planted"}', ["a"]], ids=range(7)
)
def test_a_store_that_returns_garbage_is_said_and_what_it_holds_is_replaced(
    value: object,
    process: Process,
    another: Process,
    login: Login,
    store: Kept,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.values[SignedValue(IDENTITY, URL).key] = value
    token = process()

    assert len(said(caplog)) == 1
    assert said(caplog)[0].startswith(FAILS + "the stored value")
    assert another().value == token.value


def test_nobody_can_plant_a_token_under_our_key(
    process: Process, login: Login, store: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    clock = login.time.clock
    planted = AccessToken.issued("of-somebody-else", 86400, Moment.now(clock), clock)
    other = SignedValue(Identity(IDENTITY.client_id, SecretBox("guessed")), URL)
    store.values[SignedValue(IDENTITY, URL).key] = other.sign(planted)

    assert process().value == f"{TOKEN}-1"
    assert said(caplog) == [FAILS + "the stored value is damaged, or somebody else wrote it"]


def test_a_token_from_the_future_is_a_miss(
    process: Process, another: Process, login: Login, caplog: pytest.LogCaptureFixture
) -> None:
    process()
    login.time.wall -= 61
    another()

    assert len(login.calls) == 2
    assert said(caplog) == [FAILS + "the token in the store is from the future: a clock is wrong"]


def test_a_lock_that_is_no_context_manager_costs_a_token_request(
    process: Process,
    login: Login,
    store: Kept,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(store, "lock", lambda key: None)

    assert process().value == f"{TOKEN}-1"
    assert len(said(caplog)) == 1


class Hanging:
    """A step of a store that does not end until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def __call__(self) -> None:
        assert self.let_go.wait(30)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """And limits that do not keep the tests."""
    for name in ("ANSWER_WAIT", "LOCK_STEP_WAIT", "SET_WAIT"):
        monkeypatch.setattr(module, name, 0.3)
    hanging = Hanging()
    yield hanging
    hanging.let_go.set()


def test_an_error_of_a_store_that_has_no_text_is_named_by_its_class(
    process: Process, store: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    class OddError(StoreError):
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    def fail() -> None:
        raise OddError

    store.before["lock"] = fail

    assert process().value == f"{TOKEN}-1"
    assert said(caplog)[0].endswith("OddError")


@pytest.mark.parametrize("method", ["get", "set", "lock", "leave"])
def test_a_store_that_hangs_is_waited_for_no_longer_than_said(
    method: str,
    hanging: Hanging,
    process: Process,
    login: Login,
    store: Kept,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.before[method] = hanging
    start = time.monotonic()

    assert process().value == f"{TOKEN}-1"
    assert time.monotonic() - start < 20, "and not for the 30 s that it hangs"
    assert said(caplog) == [FAILS + "it does not answer within 0.3 s"]


def test_the_time_limits_are_those_of_docs_stores() -> None:
    assert (module.ANSWER_WAIT, module.LOCK_STEP_WAIT, module.SET_WAIT) == (2.0, 30.0, 0.5)


def test_where_no_thread_can_be_started_the_store_serves_all_the_same(
    process: Process, login: Login, store: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gc_requests_auth.stores.shared.in_background", lambda work: False)

    assert process().value == process().value == f"{TOKEN}-1"
    assert store.asked == ["get", "lock", "get", "set", "leave", "get"]


def test_a_store_that_hangs_is_not_asked_again_until_it_has_answered(
    process: Process,
    login: Login,
    store: Kept,
    hanging: Hanging,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Else it would keep one thread more with each token."""
    store.before["get"] = hanging
    values = [process(instead_of=SecretBox("x")).value for _ in range(4)]
    visitors = [one for one in threading.enumerate() if one.name == "gc_requests_auth"]

    assert values == [f"{TOKEN}-{n}" for n in range(1, 5)]
    assert (len(visitors), store.asked) == (1, ["get"])
    assert len(said(caplog)) == 1

    hanging.let_go.set()
    visitors[0].join(30)
    del store.before["get"]
    assert process().value == f"{TOKEN}-5"
    assert process().value == f"{TOKEN}-5"


def test_there_is_nothing_to_drop_where_nothing_was_taken(store: Kept, login: Login) -> None:
    SharedToken(store, lambda: URL, login, login.time.clock).drop(SecretBox(TOKEN))

    assert store.asked == []


# -- with everything above it ---------------------------------------------------------------------


def test_a_failing_store_costs_token_requests_and_no_call(
    sandbox: Counted, store: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    for method in ("get", "set", "lock"):
        store.before[method] = raising(StoreError(f"{method} is broken"))
    auth, session = sandbox.auth(store=store), sandbox.session()

    for count in (1, 2, 3):
        for _ in range(5):
            assert session.get(sandbox.api_url + ME, auth=auth, timeout=30).status_code == 200
        assert sandbox.token_requests == count
        sandbox.sandbox.revoke_all()
    assert said(caplog) == [FAILS + "get is broken"]


def test_no_call_waits_for_a_store_while_a_token_lives(
    sandbox: Counted, store: Kept, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GenesysCloudAuth, "_clock", fake_time.clock)
    auth = sandbox.auth(store=store)
    session = sandbox.session()
    token = auth.access_token()
    hanging = Hanging()
    store.before["get"] = hanging
    monkeypatch.setattr(module, "ANSWER_WAIT", 60.0)
    fake_time.advance(86400 - 300)  # the renewal is due, and hangs in the store
    start = time.monotonic()

    for _ in range(20):
        assert session.get(sandbox.api_url + ME, auth=auth, timeout=30).status_code == 200
    assert auth.access_token() == token
    assert time.monotonic() - start < 25, "the store hangs for 30 s"
    assert sandbox.token_requests == 1
    hanging.let_go.set()
    until(lambda: auth.access_token() != token)
    assert sandbox.token_requests == 2


def test_a_revocation_is_mended_by_what_another_process_has_stored(
    sandbox: Counted, store: Kept
) -> None:
    one, other = (sandbox.auth(store=store) for _ in range(2))
    session = sandbox.session()

    def call(auth: GenesysCloudAuth) -> int:
        return session.get(sandbox.api_url + ME, auth=auth, timeout=30).status_code

    assert [call(one), call(other)] == [200, 200]
    sandbox.sandbox.revoke_all()
    assert [call(one), call(other)] == [200, 200]
    assert sandbox.token_requests == 2


def test_a_token_that_is_over_does_not_come_back_from_the_store(
    sandbox: Counted, store: Kept, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set back, the wall clock says that it is good for long, and the store knows no other."""
    monkeypatch.setattr(GenesysCloudAuth, "_clock", fake_time.clock)
    auth = sandbox.auth(store=store)
    token = auth.access_token()
    fake_time.wall -= 3600
    fake_time.advance(86400)

    assert auth.access_token() != token
    assert auth.access_token(rejected="older") != token
    assert sandbox.token_requests == 2


def test_a_refused_token_does_not_come_back_from_the_store(sandbox: Counted, store: Kept) -> None:
    """Not after another one has been forgotten, either."""
    auth = sandbox.auth(store=store)
    refused = auth.access_token()
    store.before["set"] = raising(StoreError("set is broken"))
    auth.access_token(rejected=refused)
    auth.forget()

    assert auth.access_token(rejected=refused) != refused
    assert sandbox.token_requests == 3


def test_many_threads_of_many_auths_make_one_token_request(
    sandbox: Counted, tmp_path: Path
) -> None:
    store = Cupboard(str(tmp_path))
    auth = sandbox.auth(store=store)
    barrier = threading.Barrier(16)

    def sign_in() -> str:
        barrier.wait(30)
        return auth.access_token()

    with ThreadPoolExecutor(16) as pool:
        tokens = {one.result(30) for one in [pool.submit(sign_in) for _ in range(16)]}

    assert len(tokens) == sandbox.token_requests == 1
    assert sandbox.auth(store=store).access_token() in tokens
    assert sandbox.token_requests == 1


def test_a_token_in_the_store_is_no_secret_of_ours_but_no_other_secret_is_there(
    sandbox: Counted, store: Kept
) -> None:
    sandbox.auth(store=store).access_token()
    kept = repr(store.values)

    for hidden in (sandbox.client_secret, sandbox.client_id, sandbox.login_url):
        assert hidden not in kept


# -- looking, and the limit of the fleet ------------------------------------------------------------


def test_reading_the_stored_token_requests_none_and_takes_no_lock(
    store: Kept, login: Login, caplog: pytest.LogCaptureFixture
) -> None:
    sharing = SharedToken(store, lambda: URL, login, login.time.clock)
    assert sharing.stored(IDENTITY) is None
    token = sharing(IDENTITY, instead_of=None, within=60, retry=True)
    store.asked.clear()
    found = SharedToken(store, lambda: URL, login, login.time.clock).stored(IDENTITY)

    assert found is not None
    assert found.value == token.value
    assert (store.asked, len(login.calls)) == (["get"], 1)
    login.time.advance(90_000)
    assert sharing.stored(IDENTITY) is None
    assert len(login.calls) == 1
    assert caplog.records == []


def test_each_token_of_a_pool_is_stored_under_its_own_key(store: Kept, login: Login) -> None:
    slots = [SharedToken(store, lambda: URL, login, login.time.clock, slot) for slot in range(2)]
    token = slots[1](IDENTITY, instead_of=None, within=60, retry=True)
    found = slots[1].stored(IDENTITY)

    assert slots[0].stored(IDENTITY) is None
    assert found is not None
    assert found.value == token.value


def test_reading_the_stored_token_raises_where_the_store_fails(store: Kept, login: Login) -> None:
    store.before["get"] = raising(StoreError("it is full"))
    sharing = SharedToken(store, lambda: URL, login, login.time.clock)

    with pytest.raises(ConfigurationError, match="The token store can not be used: it is full"):
        sharing.stored(IDENTITY)


class KeptAndCounted(Kept):
    """A store that keeps a text for each process, and tells what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[tuple[str, str, str]] = []

    def exchange(self, key: str, process: str, text: str, ttl: float) -> list[tuple[str, float]]:
        self.exchanges.append((key, process, text))
        return []


def test_processes_that_share_a_token_count_under_one_key_that_tells_nothing(login: Login) -> None:
    store, tokens = KeptAndCounted(), []
    for _ in range(2):
        sharing = SharedToken(store, lambda: URL, login, login.time.clock)
        token = sharing(IDENTITY, instead_of=None, within=60, retry=True)
        tokens.append(token)
        limit = RateLimit(300, login.time.clock, sharing.permits(token))
        assert limit.take() == 0.0
    keys = {key for key, _, _ in store.exchanges}

    assert len({plain(token.value) for token in tokens}) == len(keys) == 1
    assert keys.isdisjoint(store.values)
    assert plain(tokens[0].value) not in str(store.exchanges)
    assert len({process for _, process, _ in store.exchanges}) == 2


def test_two_tokens_have_two_limits(login: Login) -> None:
    store = KeptAndCounted()
    sharing = SharedToken(store, lambda: URL, login, login.time.clock)
    for _ in range(2):
        store.values.clear()
        token = sharing(IDENTITY, instead_of=None, within=60, retry=True)
        RateLimit(300, login.time.clock, sharing.permits(token)).take()

    assert len({key for key, _, _ in store.exchanges}) == 2


def test_a_store_that_keeps_no_text_for_each_process_is_not_asked(
    login: Login, store: Kept
) -> None:
    sharing = SharedToken(store, lambda: URL, login, login.time.clock)
    token = sharing(IDENTITY, instead_of=None, within=60, retry=True)

    assert sharing.permits(token) is None
    assert store.exchange("key", "process", "text", 60.0) is None


def test_a_token_that_came_from_elsewhere_has_no_limit_there(login: Login) -> None:
    store = KeptAndCounted()
    token = login(IDENTITY)

    assert SharedToken(store, lambda: URL, login, login.time.clock).permits(token) is None


# -- a store's own business -----------------------------------------------------------------------


def test_a_store_lacks_nothing_but_three_methods() -> None:
    assert TokenStore.__abstractmethods__ == {"get", "set", "delete"}
    lock: AbstractContextManager[object] = Cupboard("x").lock("key")

    assert isinstance(lock, nullcontext)


def test_a_lock_that_becomes_free_is_taken() -> None:
    answers = iter([False, False, True])

    assert wait_for_lock(lambda: next(answers), lambda: None)
    assert list(answers) == []


def test_a_wait_for_a_lock_ends_when_the_value_changes() -> None:
    looks = iter(["old", "old", "new"])

    assert not wait_for_lock(lambda: False, lambda: next(looks))


def test_a_wait_for_a_lock_ends_after_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gc_requests_auth.stores.base.LOCK_WAIT", 0.0)

    assert not wait_for_lock(lambda: False, lambda: None)
