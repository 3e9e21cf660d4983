"""redis.py, against a real redis-server: locks with a term, and a Redis that goes away."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import SECRET, Counted, FakeTime, run_python
from fleet import Fleet, redis_server, until
from store_contract import KEY, StoreContract

from gc_requests_auth.auth import GenesysCloudAuth
from gc_requests_auth.errors import ConfigurationError
from gc_requests_auth.stores import base as stores
from gc_requests_auth.stores.redis import RedisTokenStore
from gc_requests_auth.tokens import request

redis = pytest.importorskip("redis", reason="the extra [redis] is not installed")

pytestmark = pytest.mark.skipif(redis_server() is None, reason="redis-server is not installed")

ME = "/api/v2/tokens/me"
NAME = f"gc_requests_auth:{KEY}"
LOCK = f"{NAME}:lock"
FAILS = "the token store failed, so the library requests tokens itself: "


class Server:
    """A redis-server on a socket file, that keeps nothing."""

    def __init__(self, directory: Path) -> None:
        self.socket = str(directory / "redis.sock")
        self._directory = directory

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(str(redis_server()), "--port", "0", "--unixsocket", self.socket),
                *("--save", "", "--appendonly", "no", "--dir", str(self._directory)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def answers() -> bool:
            try:
                with self.client() as client:
                    return bool(client.ping())
            except redis.ConnectionError:
                return False

        until(answers)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(30)

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def client(self, **more: Any) -> Any:
        """One that does not try again, so that tests are quick."""
        never = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
        options = {"socket_timeout": 0.2, "retry": never, **more}
        return redis.Redis(unix_socket_path=self.socket, **options)


@pytest.fixture(scope="module")
def _running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(_running_server: Server) -> Server:
    """The server of the whole run, empty."""
    with _running_server.client(socket_timeout=10) as client:
        client.flushall()
    return _running_server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server for tests that harm it."""
    server = Server(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def clients() -> Iterator[list[Any]]:
    """Closed at the end."""
    clients: list[Any] = []
    yield clients
    for client in clients:
        client.close()


@pytest.fixture
def client(server: Server, clients: list[Any]) -> Any:
    clients.append(server.client(socket_timeout=10))
    return clients[0]


@pytest.fixture
def store(client: Any) -> RedisTokenStore:
    return RedisTokenStore(client)


class TestRedisTokenStore(StoreContract):
    decode = False

    @pytest.fixture(autouse=True)
    def _server(self, server: Server, clients: list[Any]) -> None:
        self.server, self.clients = server, clients

    def make(self, place: Path) -> RedisTokenStore:
        client = self.server.client(socket_timeout=10, decode_responses=self.decode)
        self.clients.append(client)
        return RedisTokenStore(client)


class TestRedisTokenStoreOfADecodingClient(TestRedisTokenStore):
    decode = True


# -- which client ---------------------------------------------------------------------------------

NO_TIMEOUT = "the Redis client has no socket time-out"


@pytest.mark.parametrize(
    "client",
    [
        redis.Redis(socket_timeout=None),
        redis.Redis(socket_timeout=None, decode_responses=True),
        redis.Redis(unix_socket_path="/nowhere", socket_timeout=None),
        redis.Redis(connection_pool=redis.ConnectionPool(socket_timeout=None)),
        redis.Redis(connection_pool=redis.BlockingConnectionPool(socket_timeout=None)),
        redis.Redis(socket_timeout=0),
    ],
    ids=["plain", "decoding", "unix", "pool", "blocking pool", "zero"],
)
def test_a_client_without_a_socket_timeout_is_refused(client: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RedisTokenStore(client)

    assert str(caught.value).startswith(NO_TIMEOUT)
    assert "socket_timeout=2" in str(caught.value)


@pytest.mark.parametrize(
    "client",
    [
        redis.Redis(socket_timeout=2),
        redis.Redis(socket_timeout=2, decode_responses=True),
        redis.Redis.from_url("redis://localhost?socket_timeout=2"),
        redis.Redis.from_url("rediss://localhost/3?socket_timeout=0.5"),
        redis.Redis.from_url("unix:///nowhere?socket_timeout=2"),
        redis.Redis(connection_pool=redis.BlockingConnectionPool(socket_timeout=2)),
        redis.Sentinel([("localhost", 1)], socket_timeout=2).master_for("mine"),
    ],
    ids=["plain", "decoding", "url", "tls", "unix", "pool", "sentinel"],
)
def test_a_client_with_a_socket_timeout_is_accepted(client: Any) -> None:
    assert repr(RedisTokenStore(client))


@pytest.mark.parametrize("client", [redis.Redis(), redis.Redis.from_url("redis://localhost")])
def test_a_client_that_says_nothing_is_judged_by_what_redis_makes_of_it(client: Any) -> None:
    """From redis 8 on, that is 5 seconds."""
    if int(redis.__version__.partition(".")[0]) >= 8:
        RedisTokenStore(client)
    else:  # pragma: no cover -- the environment "lowest"
        with pytest.raises(ConfigurationError, match=NO_TIMEOUT):
            RedisTokenStore(client)


@pytest.mark.parametrize("timeout", [None, 2])
def test_a_client_of_a_cluster_is_judged_by_its_connections(timeout: float | None) -> None:
    class Cluster:
        """As much as is asked of a `redis.RedisCluster`, which connects when it is made."""

        def get_connection_kwargs(self) -> dict[str, object]:
            return {"socket_timeout": timeout}

    cluster: Any = Cluster()
    if timeout is None:
        with pytest.raises(ConfigurationError, match=NO_TIMEOUT):
            RedisTokenStore(cluster)
    else:
        with pytest.raises(TypeError, match="make it in the process that uses it"):
            pickle.dumps(RedisTokenStore(cluster))


def test_a_client_of_asyncio_is_refused() -> None:
    from redis.asyncio import Redis

    client: Any = Redis(socket_timeout=2)
    with pytest.raises(ConfigurationError, match="asyncio"):
        RedisTokenStore(client)


@pytest.mark.parametrize("term", [0, -1, float("nan")])
def test_a_lock_without_a_term_is_refused(term: float) -> None:
    with pytest.raises(ConfigurationError, match="lock_term"):
        RedisTokenStore(redis.Redis(socket_timeout=2), lock_term=term)


# -- what is kept ---------------------------------------------------------------------------------


def test_a_value_has_a_name_that_says_whose_it_is_and_a_term(
    store: RedisTokenStore, client: Any
) -> None:
    store.set(KEY, "value", 12.5)

    assert client.keys("*") == [NAME.encode()]
    assert 12_000 < client.pttl(NAME) <= 12_500


def test_the_prefix_is_the_users(client: Any) -> None:
    store = RedisTokenStore(client, prefix="mine/")
    with store.lock(KEY):
        assert client.keys("*") == [f"mine/{KEY}:lock".encode()]
    store.set(KEY, "value", 60)

    assert client.keys("*") == [f"mine/{KEY}".encode()]


def test_a_value_with_the_shortest_term_is_dropped(store: RedisTokenStore, client: Any) -> None:
    store.set(KEY, "value", 0.0001)
    until(lambda: client.get(NAME) is None)


def test_bytes_that_are_no_text_are_read_as_some(store: RedisTokenStore, client: Any) -> None:
    client.set(NAME, b"\xff{")

    assert store.get(KEY) == "\ufffd{"


def test_the_term_of_a_value_ends_before_the_token_does(sandbox: Counted, client: Any) -> None:
    auth = sandbox.auth(store=RedisTokenStore(client))
    auth.access_token()
    (name,) = client.keys("*")
    left = auth.expires_in

    assert left is not None
    assert left - 11 < client.pttl(name) / 1000 < left - 9, "10 seconds before"


def test_a_token_near_its_end_is_not_kept(
    sandbox: Counted, client: Any, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came so late that it is over at once."""
    monkeypatch.setattr(GenesysCloudAuth, "_clock", fake_time.clock)
    sandbox.sandbox.answer_tokens(1, 200, '{"access_token": "short-lived", "expires_in": 1}')
    fetch = request.request_token

    def late(*arguments: Any, **options: Any) -> Any:
        token = fetch(*arguments, **options)
        fake_time.advance(0.95)
        return token

    monkeypatch.setattr(request, "request_token", late)
    sandbox.auth(store=RedisTokenStore(client)).access_token()

    assert client.keys("*") == []


# -- locks ----------------------------------------------------------------------------------------


def test_a_lock_that_is_won_has_a_term_and_is_gone_afterwards(
    store: RedisTokenStore, client: Any
) -> None:
    with store.lock(KEY):
        assert 20_000 < client.pttl(LOCK) <= 25_000
    assert client.keys("*") == []


def test_a_process_that_waits_for_a_lock_gets_it_when_it_is_left(
    store: RedisTokenStore, client: Any
) -> None:
    client.set(LOCK, "another's")

    with ThreadPoolExecutor(1) as pool:

        def win() -> bytes:
            with store.lock(KEY):
                value: bytes = client.get(LOCK)
                return value

        winning = pool.submit(win)
        client.delete(LOCK)
        assert winning.result(30) != b"another's"
    assert client.get(LOCK) is None


def test_a_process_that_waits_for_a_lock_goes_on_when_a_value_is_left_and_does_not_take_the_lock(
    store: RedisTokenStore, client: Any
) -> None:
    client.set(LOCK, "another's")
    tried = threading.Event()
    acquire = redis.lock.Lock.acquire

    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(1) as pool:

        def announce(lock: Any, **how: Any) -> object:
            won = acquire(lock, **how)
            tried.set()
            return won

        patched.setattr(redis.lock.Lock, "acquire", announce)

        def wait() -> str | None:
            with store.lock(KEY):
                return store.get(KEY)

        waiting = pool.submit(wait)
        assert tried.wait(30)
        client.set(NAME, "new")
        start = time.monotonic()
        assert waiting.result(30) == "new"
    assert time.monotonic() - start < stores.LOCK_WAIT / 2
    assert client.get(LOCK) == b"another's"


def test_a_process_that_has_waited_for_a_lock_long_enough_goes_on_and_does_not_take_the_lock(
    store: RedisTokenStore, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "LOCK_WAIT", 0.01)
    client.set(LOCK, "another's")
    with store.lock(KEY):
        pass

    assert client.get(LOCK) == b"another's"


def test_a_lock_whose_term_is_over_is_no_error(store: RedisTokenStore, client: Any) -> None:
    with store.lock(KEY):
        client.delete(LOCK)

    assert client.keys("*") == []


def test_a_lock_that_another_took_after_its_term_is_left_alone(
    store: RedisTokenStore, client: Any
) -> None:
    with store.lock(KEY):
        client.set(LOCK, "another's")

    assert client.get(LOCK) == b"another's"


def test_a_lock_whose_holder_died_is_free_after_its_term(client: Any) -> None:
    store = RedisTokenStore(client, lock_term=0.05)
    store.lock(KEY).__enter__()
    start = time.monotonic()
    with store.lock(KEY):
        pass

    assert time.monotonic() - start < stores.LOCK_WAIT / 2


def test_where_redis_can_not_be_asked_a_lock_says_so(tmp_path: Path) -> None:
    store = RedisTokenStore(Server(tmp_path).client())

    with pytest.raises(redis.ConnectionError), store.lock(KEY):
        pass  # pragma: no cover


# -- pickles --------------------------------------------------------------------------------------


URL = "rediss://user:pass@there.invalid:7/3?socket_timeout=0.5"


@pytest.mark.parametrize("of", [URL, redis.Redis.from_url(URL)], ids=["URL", "client"])
def test_a_pickle_carries_what_the_client_was_made_of(of: Any) -> None:
    store = RedisTokenStore(of, prefix="mine/", lock_term=7)
    twin: Any = pickle.loads(pickle.dumps(store))
    pool = twin._client.connection_pool

    assert pool.connection_class is redis.SSLConnection
    assert (twin._prefix, twin._lock_term) == ("mine/", 7)
    expected = {"host": "there.invalid", "port": 7, "db": 3, "username": "user", "password": "pass"}
    assert expected.items() <= pool.connection_kwargs.items()
    assert pool.connection_kwargs["socket_timeout"] == 0.5


def test_what_can_not_be_pickled_says_so() -> None:
    of_sentinel = redis.Sentinel([("localhost", 1)], socket_timeout=2).master_for("mine")
    provider = redis.CredentialProvider()

    for client in (of_sentinel, redis.Redis(socket_timeout=2, credential_provider=provider)):
        with pytest.raises(TypeError, match="make it in the process that uses it"):
            pickle.dumps(RedisTokenStore(client))


# -- processes ------------------------------------------------------------------------------------

SIGN_IN = """
import redis
store = RedisTokenStore(
    redis.Redis(unix_socket_path=sys.argv[1], socket_timeout=10), lock_term=float(sys.argv[2])
)
auth = GenesysCloudAuth(store=store)
ready()
print(call(auth), "oauthlib" in sys.modules)
"""


TWENTY = """
import redis
barrier, begin = os.pipe()
children = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(begin)
            os.read(barrier, 1)  # ends when nobody can write any more
            client = redis.Redis(unix_socket_path=sys.argv[1], socket_timeout=10)
            status = call(GenesysCloudAuth(store=RedisTokenStore(client))) != 200
        finally:
            os._exit(status)
    children.append(child)
os.close(begin)
print({os.waitpid(child, 0)[1] for child in children})
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_twenty_processes_at_once_make_one_token_request(sandbox: Counted, server: Server) -> None:
    """Forked before anything of ours is made: twenty interpreters would take their time."""
    with Fleet(sandbox.sandbox.environ) as fleet:
        assert fleet.start(TWENTY, server.socket).end() == "{0}\n"

    assert sandbox.token_requests == 1


HOLD = """
import redis
from contextlib import contextmanager
class Holding(RedisTokenStore):
    @contextmanager
    def lock(self, key):
        with super().lock(key):
            ready()  # and never told to go
            yield
store = Holding(redis.Redis(unix_socket_path=sys.argv[1], socket_timeout=10), lock_term=1)
call(GenesysCloudAuth(store=store))
"""


def test_a_process_killed_with_the_lock_held_keeps_nobody_out_for_longer_than_its_term(
    sandbox: Counted, server: Server
) -> None:
    with Fleet(sandbox.sandbox.environ) as fleet:
        members = [fleet.start(SIGN_IN, server.socket, "25") for _ in range(3)]
        for member in members:
            assert member.line() == "ready"
        holder = fleet.start(HOLD, server.socket)
        assert holder.line() == "ready"
        holder.kill()
        for member in members:
            member.go()
        ends = [member.end() for member in members]

    assert sorted(ends) == ["200 False\n", "200 False\n", "200 True\n"]
    assert sandbox.token_requests == 1


def test_a_session_with_a_store_pickled_into_a_spawned_interpreter_shares_the_token(
    sandbox: Counted, server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "script.py"
    file.write_text("""
import multiprocessing, sys, redis
from gc_requests_auth import RedisTokenStore, GenesysCloudSession

def call(session):
    with session:
        return session.get("/api/v2/tokens/me").status_code, "oauthlib" in sys.modules

if __name__ == "__main__":
    client = redis.Redis(unix_socket_path=sys.argv[1], socket_timeout=10)
    session = GenesysCloudSession(store=RedisTokenStore(client))
    print(call(session))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(call, (session,)))
    client.close()
""")
    done = run_python(file, server.socket, env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == ("(200, True)\n(200, False)\n", "")
    assert sandbox.token_requests == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_children_of_a_fork_share_no_connection_to_redis_and_one_token(
    sandbox: Counted, server: Server
) -> None:
    script = """
import redis
client = redis.Redis(unix_socket_path=sys.argv[1], socket_timeout=10)
auth = GenesysCloudAuth(store=RedisTokenStore(client))
print(call(auth))
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            fresh = GenesysCloudAuth(store=RedisTokenStore(client))
            status = {call(auth), call(fresh)} != {200}
        finally:
            os._exit(status)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children], call(auth))
client.close()
"""
    with Fleet(sandbox.sandbox.environ) as fleet:
        assert fleet.start(script, server.socket).end() == "200\n[0, 0, 0, 0] 200\n"
    assert sandbox.token_requests == 1


# -- a Redis that goes away -----------------------------------------------------------------------


class Script:
    """Sign-ins of a process after the other, each with one call."""

    def __init__(self, sandbox: Counted, server: Server, clients: list[Any]) -> None:
        self._sandbox, self._session = sandbox, sandbox.session()
        self.client = server.client()
        clients.append(self.client)
        self.auth = self.new_auth()

    def new_auth(self) -> GenesysCloudAuth:
        return self._sandbox.auth(store=RedisTokenStore(self.client), session=self._session)

    def answers(self) -> bool:
        """Whether Redis does."""
        try:
            return bool(self.client.ping())
        except redis.TimeoutError:  # pragma: no cover -- it hardly ever takes so long
            return False

    def call(self, auth: GenesysCloudAuth | None = None) -> tuple[int, int]:
        """The status of a call, and how many token requests there have been."""
        url = self._sandbox.api_url + ME
        response = self._session.get(url, auth=auth or self.auth, timeout=30)
        return response.status_code, self._sandbox.token_requests


@pytest.fixture
def script(sandbox: Counted, own_server: Server, clients: list[Any]) -> Script:
    return Script(sandbox, own_server, clients)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "gc_requests_auth" and "the token store" in record.getMessage()
    ]


def test_redis_restarted_in_between_costs_a_token_request_and_no_call(
    script: Script, own_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    assert script.call() == (200, 1)
    assert script.call(script.new_auth()) == (200, 1)
    own_server.stop()
    own_server.start()  # and it remembers nothing

    assert script.call() == (200, 1), "who has a token needs no store"
    assert script.call(script.new_auth()) == (200, 2)
    assert script.call(script.new_auth()) == (200, 2)
    assert said(caplog) == []


def test_redis_paused_costs_a_token_request_and_no_call(
    script: Script,
    own_server: Server,
    sandbox: Counted,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert script.call() == (200, 1)
    own_server.pause()

    assert script.call() == (200, 1), "who has a token asks no store"
    sandbox.sandbox.revoke_all()
    assert script.call() == (200, 2)
    sandbox.sandbox.revoke_all()
    assert script.call() == (200, 3)
    assert said(caplog) == [FAILS + "TimeoutError"], "once"
    own_server.go_on()
    until(script.answers)
    script.client.flushall()  # of what it has been told while it was paused, a lock may be left
    sandbox.sandbox.revoke_all()
    assert script.call() == (200, 4)
    assert said(caplog) == [FAILS + "TimeoutError", "the token store works again"]
    assert script.call(script.new_auth()) == (200, 4)


def test_redis_gone_costs_token_requests_and_no_call(
    script: Script,
    own_server: Server,
    sandbox: Counted,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert script.call() == (200, 1)
    own_server.stop()

    assert script.call() == (200, 1)
    for count in (2, 3, 4):
        sandbox.sandbox.revoke_all()
        assert script.call() == (200, count)
    assert said(caplog) == [FAILS + "ConnectionError"], "once"
    for count in (5, 6):
        assert script.call(script.new_auth()) == (200, count)


def test_redis_gone_while_the_lock_is_held_costs_no_call(
    script: Script,
    own_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fetch = request.request_token

    def last(*arguments: Any, **options: Any) -> Any:
        assert len(script.client.keys("*:lock")) == 1
        own_server.stop()
        return fetch(*arguments, **options)

    monkeypatch.setattr(request, "request_token", last)

    assert script.call() == (200, 1)
    assert said(caplog) == [FAILS + "ConnectionError"]


def test_a_client_that_tries_again_for_long_keeps_a_call_for_two_seconds(
    sandbox: Counted, tmp_path: Path
) -> None:
    """redis-py's own default, from release 6 on: three times, with seconds between them."""
    over = threading.Event()

    backoff = redis.backoff.ConstantBackoff(0)
    backoff.compute = lambda failures: 0.0 * over.wait(30)
    retry = redis.retry.Retry(backoff, 3)
    client = Server(tmp_path).client(retry=retry)
    auth = sandbox.auth(store=RedisTokenStore(client))
    start = time.monotonic()

    assert requests.get(sandbox.api_url + ME, auth=auth, verify=sandbox.ca_file, timeout=30).ok
    assert time.monotonic() - start < 20, "and not for the 30 s of each attempt"
    assert sandbox.token_requests == 1
    over.set()
    for thread in threading.enumerate():
        if thread.name == "gc_requests_auth":
            thread.join(30)


def test_importing_the_store_imports_no_redis() -> None:
    done = run_python("import sys, gc_requests_auth.stores.redis; print('redis' in sys.modules)")

    assert (done.stdout, done.stderr) == ("False\n", "")
    assert "redis" in sys.modules


# -- URLs --------------------------------------------------------------------------------------------


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The clients that are made from a URL."""
    made: list[Any] = []
    make = redis.Redis.from_url

    def from_url(*arguments: Any, **options: Any) -> Any:
        made.append(make(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(redis.Redis, "from_url", from_url)
    yield made
    for client in made:
        client.close()


def test_a_session_takes_a_url(
    sandbox: Counted, server: Server, client: Any, made: list[Any]
) -> None:
    store = RedisTokenStore(f"unix://{server.socket}")
    with sandbox.signed_in(store=store) as session:
        assert session.get("/api/v2/tokens/me").status_code == 200

    assert len(made) == 1
    assert len(client.keys("*")) == 2


@pytest.mark.parametrize(
    ("url", "timeout", "host"),
    [
        ("redis://there.invalid:7/3", 2.0, "there.invalid"),
        ("rediss://user:pass@there.invalid", 2.0, "there.invalid"),
        ("redis://there.invalid?socket_timeout=7", 7.0, "there.invalid"),
        ("unix:///nowhere", 2.0, None),
    ],
)
def test_a_url_makes_a_client_with_a_socket_timeout(
    url: str, timeout: float, host: str | None, made: list[Any]
) -> None:
    RedisTokenStore(url)
    (client,) = made

    assert client.get_connection_kwargs().get("host") == host
    assert client.get_connection_kwargs()["socket_timeout"] == timeout


@pytest.mark.parametrize("wrong", [f"http://user:{SECRET}@there.invalid", f"{SECRET}", ""])
def test_what_is_no_url_of_a_redis_is_said_without_its_password(wrong: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RedisTokenStore(wrong)

    assert "redis://host:6379/0" in str(caught.value)
    assert SECRET not in repr(caught.value)
    for frame, _ in traceback.walk_tb(caught.tb):
        if "/gc_requests_auth/" in frame.f_code.co_filename:
            assert SECRET not in repr(frame.f_locals)


def test_a_url_that_names_no_timeout_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="socket time-out"):
        RedisTokenStore("redis://localhost?socket_timeout=0")


@pytest.mark.parametrize("wrong", [None, 6379, b"redis://localhost", object()])
def test_what_is_neither_a_client_nor_a_url_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"redis\.Redis\(\) or a URL"):
        RedisTokenStore(wrong)


def test_without_the_extra_a_url_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'gc-requests-auth\[redis\]'"):
        RedisTokenStore("redis://localhost")
