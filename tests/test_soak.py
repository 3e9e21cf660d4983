"""Many threads, forbidden endpoints, revoked tokens and moved clocks at once: no call is lost.

Seeded, and bounded by the number of calls. How the threads take turns differs from run to run; what is
asserted holds for each order.
"""

from __future__ import annotations

import random
import string
from concurrent.futures import ThreadPoolExecutor

import pytest
from double import HANDFUL, Client, Cloud

QUEUES = "/api/v2/routing/queues"

#: Threads, and calls of each in each round. Between two rounds, much time passes.
THREADS, CALLS, ROUNDS = 8, 10, 10

#: Seconds that pass with each call.
PAUSE = 0.03


def forbidden(chance: random.Random) -> str:
    """What no client may use: an id among others that are allowed, or a path of its own."""
    name = "".join(chance.choices(string.ascii_lowercase, k=4))
    number = chance.randrange(1000)
    return chance.choice(
        [f"{QUEUES}/forbidden-{number}", f"/api/v2/forbidden/{name}", "/api/v2/forbidden/all"]
    )


def allowed(chance: random.Random) -> str:
    number = chance.randrange(1000)
    return chance.choice([f"{QUEUES}/{number}", f"{QUEUES}?pageNumber={number}", "/api/v2/users"])


def forbid(cloud: Cloud) -> None:
    cloud.races = True
    cloud.forbidden |= {f"{QUEUES}/forbidden-{number}" for number in range(1000)}


def disturb(cloud: Cloud, chance: random.Random) -> None:
    """Something that happens to everybody, now and then."""
    what = chance.choices(
        ["nothing", "revoked", "revoked twice", "a moment", "clock set"], [80, 5, 3, 3, 3]
    )[0]
    if what.startswith("revoked"):
        cloud.revoke()
    if what == "revoked twice":
        cloud.stillborn += 1
    if what == "a moment":
        cloud.moments["/api/v2/users"] += chance.randint(1, 2)
    if what == "clock set":
        cloud.time.step(chance.choice([-3600, 3600]))
    cloud.time.advance(PAUSE)


@pytest.mark.parametrize("tokens", [1, 3])
@pytest.mark.parametrize("own_session", [False, True], ids=["auth", "session"])
def test_no_allowed_call_ends_in_401_unless_its_token_was_revoked_twice(
    cloud: Cloud, own_session: bool, tokens: int
) -> None:
    # The clocks may jump while a token is asked for; that is not to look like a service that hangs.
    client = Client(cloud, own_session=own_session, tokens=tokens, token_timeout=(5, 36_000))
    forbid(cloud)
    # A thread may be kept for a whole round between an answer and its look at the clock.
    cloud.lives_for += THREADS * CALLS * PAUSE

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(CALLS):
            disturb(cloud, chance)
            target = (forbidden if chance.random() < 0.4 else allowed)(chance)
            cloud.judge(*client.call(target))

    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(ROUNDS):
            list(pool.map(work, range(number * THREADS, (number + 1) * THREADS)))
            cloud.time.advance(random.Random(number).uniform(5, 90))

    assert cloud.faults == []
    minutes = 1 + cloud.time.true / 60
    assert cloud.early_ones <= (HANDFUL + tokens) * minutes
    assert client.status("/api/v2/skills") == 200


@pytest.mark.parametrize("tokens", [1, 3])
@pytest.mark.parametrize("own_session", [False, True], ids=["auth", "session"])
def test_hundreds_of_forbidden_endpoints_called_by_many_threads_cost_a_handful_of_token_requests(
    cloud: Cloud, own_session: bool, tokens: int
) -> None:
    client = Client(cloud, own_session=own_session, tokens=tokens)
    forbid(cloud)

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(CALLS * ROUNDS):
            cloud.time.advance(0.01)
            assert client.status(forbidden(chance)) == 401
            assert client.status(allowed(chance)) == 200

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))

    assert cloud.token_requests <= HANDFUL + 2 * tokens
    assert len(cloud.questions) <= THREADS * CALLS * ROUNDS / 2  # one for each endpoint, at most
