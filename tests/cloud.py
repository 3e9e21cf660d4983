"""A Genesys Cloud in memory, where every clock and every thread obeys, and a process that uses it.

What a process may do is kept in `Process`: it watches each request that leaves, and notes what is
against the rules. It does not raise: what is raised in a thread, a store or a token request would be
taken for a failure of that.
"""

from __future__ import annotations

import io
import itertools
import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from conftest import SECRET, TOKEN, FakeTime
from urllib3 import HTTPResponse

from gc_requests_auth import GenesysCloudError
from gc_requests_auth.errors import CredentialsRefusedError
from gc_requests_auth.settings.credentials import Identity
from gc_requests_auth.stores.signed import Seal
from gc_requests_auth.stores.store import StoreError, TokenStore
from gc_requests_auth.stores.visit import Visit
from gc_requests_auth.tokens.source import TokenSource
from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util import forks
from gc_requests_auth.util import threads as background
from gc_requests_auth.util.secret import SecretBox, plain

LOGIN, API = "login.mypurecloud.ie", "api.mypurecloud.ie"
FOREIGN = "https://files.example.org/export.csv"

ME = "client-12345678"

#: Whose values the store holds: those of the first token, of the second, ...
KEYS = [
    Seal(Identity(SecretBox(ME), SecretBox(SECRET)), f"https://{LOGIN}", number).key
    for number in range(3)
]

#: At this one, the API limits requests whatever their token.
CROWDED = "/api/v2/crowded"

#: Seconds in which the API counts the requests of a token.
MINUTE = 60.0

#: How many token requests a minute may prove to be in vain, and one more for each token.
FUTILE = 4

#: What can be wrong with the login service: how often it is asked by one call, at least and at most.
TROUBLES = {
    "is down": (5, 6),  # within 15 s
    "is not there": (3, 3),
    "hangs": (1, 1),  # after which there is no time for another attempt
    "throttles": (6, 7),  # within 60 s
    "refuses": (1, 1),
    "answers garbage": (1, 1),
}


class Time(FakeTime):
    """The true time as well, and how far the clocks have been from telling it."""

    def __init__(self) -> None:
        super().__init__()
        self.true = 0.0
        self.set_back = 0.0
        self.stood_still = 0.0

    @property
    def astray(self) -> float:
        """All of that."""
        return self.set_back + self.stood_still

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self.true += seconds

    def suspend(self, seconds: float) -> None:
        """The monotonic clock stands still."""
        self.wall += seconds
        self.true += seconds
        self.stood_still += seconds

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.wall += seconds
        self.set_back += max(0.0, -seconds)


class Point(NamedTuple):
    """A point in time, as a process can tell it."""

    monotonic: float
    wall: float

    def age(self, time: Time) -> float:
        """Seconds since then, by the clock that has gone further."""
        return max(time.monotonic - self.monotonic, time.wall - self.wall)


@dataclass
class Issued:
    """A token, as the login service knows it."""

    value: str
    #: Who asked for it.
    owner: int
    #: When it was asked for, by true time, and what had been wrong with the clocks until then.
    requested: float
    set_back: float
    stood_still: float
    #: Until when its user may count on it, by true time.
    deadline: float
    #: Until when it really lives.
    end: float


@dataclass
class Hand:
    """A token, as a process knows it."""

    value: str = field(repr=False)
    born: Point
    lifetime: float
    early: float = field(repr=False)
    margin: float = field(repr=False)

    @classmethod
    def of(cls, value: str, born: Point, lifetime: float) -> Hand:
        return cls(value, born, lifetime, min(900.0, lifetime / 4), min(10.0, lifetime / 10))

    def left(self, time: Time) -> float:
        return self.lifetime - self.born.age(time)


@dataclass
class Window:
    """A minute in which a token may make so many requests."""

    end: float
    #: How far the clocks had been from telling the time until then.
    astray: float
    #: Those of the minute before, which a process may count in.
    carried: int
    #: Those of all minutes before.
    before: int
    count: int = 0


class Cloud:
    """The login service, the API, the store, and the time."""

    def __init__(self) -> None:
        self.time = Time()
        self.lock = threading.RLock()
        self.faults: list[str] = []
        self.tokens: dict[str, Issued] = {}
        self.lifetime: float = 3600.0
        #: Seconds that a token request takes, and seconds the machine is suspended meanwhile.
        self.latency, self.freeze = 0.0, 0.0
        self.trouble: str | None = None
        #: How many token requests it will last; None until it is mended.
        self.lasts: int | None = None
        self.forbidden = ["/api/v2/forbidden/" + name for name in "abcdefg"]
        #: API requests a minute for each token.
        self.limit: float = math.inf
        self.windows: dict[str, Window] = {}
        # The store: what it holds, what of that is damaged, and the methods that raise.
        self.stored: dict[str, str] = {}
        self.damaged: frozenset[str] = frozenset()
        self.broken: frozenset[str] = frozenset()
        # Threads.
        self.threads = "prompt"
        self.held: list[Worker] = []
        self.fork_at_next_answer = False

    def check(self, kept: bool, rule: str) -> None:
        """Note that a rule was broken."""
        self.faults += [] if kept else [rule]

    def lives(self, value: str, seconds: float = 0.0) -> bool:
        """Whether the API takes the token, and will in so many seconds."""
        return value in self.tokens and self.time.true + seconds < self.tokens[value].end

    def counts(self, value: str) -> Window:
        """A request to the API that carries a token."""
        window, time = self.windows.get(value), self.time
        if window is None or time.true >= window.end:
            carried = self.may_seem_used(value)
            before = 0 if window is None else window.before + window.count
            window = Window(time.true + MINUTE, time.astray, carried, before)
            self.windows[value] = window
        window.count += 1
        return window

    def may_seem_used(self, value: str) -> int:
        """How many calls a process may think were made with a token, at most, in this minute."""
        window, time = self.windows.get(value), self.time
        if window is None:
            return 0
        if not self.lives(value):  # its 401s do not say when the minute began
            return window.before + window.count
        # The API says when it ends in whole seconds. Whose clock was wrong may not notice the end.
        unnoticed = time.astray > window.astray
        over = time.true >= window.end + 1 and not unnoticed
        return 0 if over else window.count + window.carried

    @property
    def broken_or_damaged(self) -> frozenset[str]:
        return self.broken | self.damaged

    def revoke(self, value: str) -> None:
        self.tokens[value].end = self.time.true

    def heal(self) -> None:
        self.trouble, self.lasts, self.latency, self.freeze = None, None, 0.0, 0.0
        self.broken = frozenset()

    def issue(self, owner: int) -> tuple[Issued, Hand]:
        """A new token."""
        time, lifetime = self.time, self.lifetime
        start, born = time.true, Point(time.monotonic, time.wall)
        issued = Issued(
            f"{TOKEN}-{len(self.tokens)}", owner, start, time.set_back, time.stood_still, 0, 0
        )
        time.advance(self.latency)
        time.suspend(self.freeze)
        issued.end = time.true + lifetime
        hand = Hand.of(issued.value, born, lifetime)
        issued.deadline = start + lifetime
        if born.age(time) >= lifetime:  # it took longer than that: so that it is used at all
            issued.deadline = time.true + 5.0
            hand = Hand(issued.value, Point(time.monotonic, time.wall), 5.0, 0.0, 0.0)
        self.tokens[issued.value] = issued
        return issued, hand

    def release(self) -> None:
        """Let the renewals run to their end that were begun late."""
        for worker in take_all(self.held):
            worker.run_to_the_end()

    def fork(self) -> None:
        """Go on as a child, in which no other thread is left."""
        self.held.clear()
        forks.forks += 1


def take_all(workers: list[Worker]) -> Iterator[Worker]:
    """All of them, each once, with those that are added meanwhile."""
    while workers:
        yield workers.pop(0)


class Slot:
    """What a process knows of one of its tokens."""

    def __init__(self) -> None:
        self.dropped: str | None = None
        self.hand: Hand | None = None
        self.forget()

    def forget(self) -> None:
        self.dropped = self.hand.value if self.hand is not None else self.dropped
        self.hand = None
        #: Early token requests that failed, since one succeeded, and when the last of them did.
        self.failures, self.failed_at = 0, Point(0.0, 0.0)
        #: How often a token was asked for in this step.
        self.asked = 0

    def left(self, time: Time) -> float:
        """Seconds that its token has left; none, without one."""
        return 0.0 if self.hand is None else self.hand.left(time)


class Process:
    """What one process knows, and may do.

    :param size: How many tokens it may have in hand.
    """

    numbers = itertools.count()
    #: Those that are there, for what is pickled.
    all: dict[int, Process] = {}  # noqa: RUF012 -- what all of them share

    def __init__(self, cloud: Cloud, *, background: bool, uses_store: bool, size: int = 1) -> None:
        self.cloud = cloud
        self.background = background
        self.uses_store = uses_store
        self.size = size
        self.wire = Wire(self)
        self.store = Shelf(self)
        self.number = next(self.numbers)
        self.all[self.number] = self
        self.start_afresh()

    def start_afresh(self) -> None:
        """As a copy does."""
        self.owner = next(self.numbers)
        self.slots = [Slot() for _ in range(self.size)]
        #: Tokens that came from the store, whose age is known by the wall clock alone.
        self.shelved: set[str] = set()
        self.forget()
        self.begin()

    def forget(self) -> None:
        for slot in self.slots:
            slot.forget()
        #: When credentials were refused last.
        self.refused_at: Point | None = None
        #: Paths that a brand-new token is refused at, and when.
        self.futile: dict[str, Point] = {}
        #: Of tokens that may count as such, the machine having been suspended while they came.
        self.perhaps_futile: dict[str, Point] = {}
        #: Tokens that were to be replaced since they were refused, which has not proved of use.
        self.spent: dict[str, Point] = {}
        #: Those of them that were so all the time: a clock that is set back brings others back.
        self.spent_lately: set[str] = set()
        #: Those that could not be replaced; and those that may prove so in this step.
        self.irreplaceable: set[str] = set()
        self.replacing: set[str] = set()

    def begin(self, *, at_once: bool = False) -> None:
        """A step begins."""
        self.goes_by()
        self.irreplaceable |= self.replacing
        self.replacing = set()
        self.at_once = at_once
        #: Tokens that were refused, with the path that did.
        self.refused: dict[str, str | None] = {}
        self.recent = set(self.hands)
        self.in_a_row = 0
        for slot in self.slots:
            slot.asked = 0
        #: Tokens that were asked for after a 401.
        self.brand_new: set[str] = set()
        self.calls: list[tuple[str, str, str]] = []
        #: The tokens they began with: not those that were in hand when another one was no use.
        self.chosen: set[str] = set()
        #: Of each 429, whether its token was spent, and whether all in hand were.
        self.limited: list[tuple[bool, bool]] = []
        self.dropping = False

    # -- what is so -------------------------------------------------------------------------------

    @property
    def now(self) -> Point:
        return Point(self.cloud.time.monotonic, self.cloud.time.wall)

    @property
    def hands(self) -> dict[str, Hand]:
        """The tokens in hand, expired ones too."""
        hands = [slot.hand for slot in self.slots if slot.hand is not None]
        return {hand.value: hand for hand in hands}

    def in_each(self) -> list[Hand | None]:
        """What lives, slot by slot."""
        time = self.cloud.time
        return [slot.hand if slot.left(time) > 0 else None for slot in self.slots]

    def living(self) -> list[Hand]:
        """Those that live, as far as is known here."""
        return [hand for hand in self.in_each() if hand is not None]

    def hand(self) -> Hand | None:
        """The one that lives longest."""
        return max(self.living(), key=lambda hand: hand.left(self.cloud.time), default=None)

    @property
    def asked(self) -> int:
        """How often a token was asked for in this step."""
        return sum(slot.asked for slot in self.slots)

    def has_a_good_one(self) -> bool:
        """Whether each token in hand, and what a renewal would take, does for a while."""
        good = [
            hand.left(self.cloud.time) > 50 and self.cloud.lives(hand.value, 50)
            for hand in self.living()
        ]
        stored = [self.takeable(slot, set(), persist=False) for slot in self.slots]
        sound = all(one is None or self.cloud.lives(one.value, 50) for one in stored)
        return bool(good) and all(good) and sound

    def from_memory(self) -> list[type[GenesysCloudError]]:
        """What a token request may end in without being made."""
        known = self.refused_at is not None and self.refused_at.age(self.cloud.time) < 30
        return [CredentialsRefusedError] if known else []

    def can_sign_in(self) -> bool:
        return self.cloud.trouble is None and not self.from_memory()

    def was_ever_refused(self) -> bool:
        return self.refused_at is not None

    def has_spent_all(self) -> bool:
        """Whether so many 401s were no use that another may well go back."""
        now = self.now.monotonic
        lately = sum(now - point.monotonic < 60 for point in self.spent.values())
        return lately >= FUTILE + self.size

    def window(self, hand: Hand) -> float:
        """Seconds before its end in which a token may be renewed while it lives."""
        threads = self.background and self.cloud.threads != "impossible"
        return hand.early if threads else 0.0 if self.uses_store else hand.margin

    def due(self) -> set[str]:
        """The tokens that the next call renews, whatever the jitter, if it is to carry them."""
        return {slot.hand.value for slot in self.slots if slot.hand is not None and self._due(slot)}

    def _due(self, slot: Slot) -> bool:
        time, hand = self.cloud.time, slot.hand
        assert hand is not None
        window = self.window(hand)
        quiet = (slot.failures == 0 or slot.failed_at.age(time) >= 90) and (
            self.refused_at is None or self.refused_at.age(time) >= 90
        )
        soon = 0.8 * window if window == hand.early else window
        return quiet and 0 < hand.left(time) <= soon

    def has_room(self) -> bool:
        """Whether a token in hand does for the calls of three threads."""
        used = [self.cloud.may_seem_used(hand.value) for hand in self.living()]
        return bool(used) and min(used) + 3 <= self.cloud.limit

    def is_used_up(self) -> bool:
        """Whether all tokens in hand may seem so, but for those that are used last anyway."""
        doubtful, time = self.irreplaceable | self.replacing, self.cloud.time
        return all(
            self.cloud.may_seem_used(hand.value) >= self.cloud.limit
            for hand in self.living()
            if hand.value not in doubtful and hand.left(time) > hand.margin
        )

    def takeable(self, slot: Slot, instead_of: set[str], *, persist: bool) -> Hand | None:
        """What is in the store, if it is of use."""
        time, cloud = self.cloud.time, self.cloud
        key = KEYS[self.slots.index(slot)]
        if not self.uses_store or key not in cloud.stored or {key, "get"} & cloud.broken_or_damaged:
            return None
        found = json.loads(cloud.stored[key])
        age = max(0.0, time.wall - found["requested"])
        born = Point(time.monotonic - age, time.wall - age)
        hand = Hand.of(found["token"], born, found["lifetime"])
        ahead = found["requested"] - time.wall > 60
        due = hand.margin if persist else hand.early
        useless = ahead or hand.value in instead_of or hand.left(time) <= due
        return None if useless else hand

    def goes_by(self) -> None:
        """Time may have passed."""
        self.spent_lately &= {
            value for value, point in self.spent.items() if point.age(self.cloud.time) < 60
        }

    def was_of_use(self) -> None:
        """The new token is taken: the old ones were rightly replaced."""
        for value in self.refused:
            self.spent.pop(value, None)
        self.spent_lately &= set(self.spent)

    # -- what happens -----------------------------------------------------------------------------

    def _unwanted(self, slot: Slot) -> set[str]:
        """What is not to be taken from the store."""
        own = slot.dropped if slot.hand is None else slot.hand.value
        return {*self.refused} if own is None else {own}

    def _others(self, slot: Slot) -> list[Hand]:
        return [hand for hand in self.living() if hand is not slot.hand]

    def _is_early(self, slot: Slot) -> bool:
        """Whether there are live tokens to go on with."""
        if slot.hand is not None and slot.hand.value in self.refused:
            return False
        return slot.left(self.cloud.time) > 0 or bool(self._others(slot))

    def asks(self, number: int) -> None:
        """A token request leaves: is there a reason?"""
        time, check, slot = self.cloud.time, self.cloud.check, self.slots[number]
        slot.asked += 1
        check(not self.from_memory(), "asks although it was refused less than 30 s ago")
        early, left = self._is_early(slot), slot.left(time)
        stored = self.takeable(slot, self._unwanted(slot), persist=persists[number])
        check(stored is None, "asks although a good token is in the store")
        if early and slot.hand is not None and left > 0:
            check(left <= self.window(slot.hand), f"asks although a token is good for {left:.0f} s")
        elif early:
            left = math.inf
            # Used in need only, and so for none that has room, are those that end in seconds, and
            # those that were refused, perhaps for good.
            doubtful = self.irreplaceable | self.replacing
            sound = [one for one in self._others(slot) if one.left(time) > one.margin]
            used = [
                self.cloud.may_seem_used(one.value) for one in sound if one.value not in doubtful
            ]
            least = min(used, default=math.inf)
            short = least * 2 >= self.cloud.limit or self.at_once  # or was so a moment ago
            check(short, f"asks for another when only {least} calls were made")
        else:
            check(number == 0 or slot.hand is not None, "does not ask for the first one first")
        if early and not persists[number]:  # else it ran out while it was renewed, in vain
            pause = 0.8 * min(5.0 * 2 ** (slot.failures - 1), 60.0, max(5.0, left / 2))
            rested = slot.failures == 0 or slot.failed_at.age(time) >= pause
            check(rested, f"asks again although it failed less than {pause:.0f} s ago")
        path = None if slot.hand is None else self.refused.get(slot.hand.value)
        if slot.hand is not None and path is not None:
            self._asks_after_401(slot.hand.value, path, due=left <= self.window(slot.hand))

    def _asks_after_401(self, value: str, path: str, *, due: bool) -> None:
        """Or because the token is due anyway: the two look alike."""
        time, check = self.cloud.time, self.cloud.check
        remembered = path in self.futile and self.futile[path].age(time) < 60
        check(not remembered, f"asks although a new token is known to be no use at {path}")
        self.replacing.add(value)
        known = value in self.irreplaceable and self.cloud.lives(value) and not due
        check(not known, "asks again for a token that lives, and could not be replaced")
        if value not in self.spent_lately:
            self.spent[value] = self.now
            self.spent_lately.add(value)
        most = FUTILE + self.size
        check(len(self.spent_lately) <= most, f"asks for more than {most} tokens a minute, in vain")

    def gets(self, number: int, hand: Hand) -> None:
        """A token arrived."""
        slot = self.slots[number]
        self.replacing -= {slot.hand.value} if slot.hand is not None else set()
        slot.hand, slot.dropped, slot.failures = hand, None, 0
        self.recent.add(hand.value)

    def fails(self, number: int, kind: str) -> None:
        """A token request failed."""
        slot = self.slots[number]
        # Another token, and a renewal, before the call needs one itself.
        most = TROUBLES[kind][1] + min(self.size, 2)
        self.in_a_row += 1
        self.cloud.check(self.in_a_row <= most, f"asks more than {most} times though it {kind}")
        if self._is_early(slot):
            slot.failures, slot.failed_at = slot.failures + 1, self.now
        if kind == "refuses":
            self.refused_at = self.now

    def looks(self, number: int) -> None:
        """It reads the store."""
        slot = self.slots[number]
        found = self.takeable(slot, self._unwanted(slot), persist=persists[number])
        if found is not None and not self.dropping:
            if slot.hand is not None and self.refused.get(slot.hand.value):
                self.spent.setdefault(slot.hand.value, self.now)
            self.shelved.add(found.value)
            self.gets(number, found)

    def calls_with(self, value: str, method: str, path: str) -> None:
        """A request to the API leaves with a token: may it be that one?"""
        time, check = self.cloud.time, self.cloud.check
        check(value in self.cloud.tokens, "sends what is no token")
        check(
            value in self.hands or (self.at_once and value in self.recent) or method in OF_OURS,
            "sends a token that it should not have in hand",
        )
        self.calls.append((method, path, value))
        self.chosen |= set() if self.limited or self.refused else {value}
        token = self.cloud.tokens[value]
        # What no clock shows, no process can know: one that stood still while another was set back.
        set_back = time.set_back - token.set_back
        unseen = min(set_back, time.stood_still - token.stood_still)
        own = token.owner == self.owner and value not in self.shelved
        slack = unseen if own else set_back
        late = time.true - token.deadline
        asked = method == "HEAD"  # just that, whether it lives
        check(late < slack or late < 0 or asked, f"sends a token {late:.0f} s too late")

    def is_refused(self, value: str, path: str) -> None:
        """The API answers 401 to that token."""
        self.refused.setdefault(value, path)
        self.replacing |= {value} if self.from_memory() else set()
        if value in self.brand_new:
            self.futile[path] = self.now
        self.perhaps_futile[path] = self.now


#: Requests of our own, which carry a token that is not, or may not be, in hand any more.
OF_OURS = {"DELETE", "HEAD"}


class Asking(threading.local):
    """For which slot this thread asks for a token."""

    slot = 0


asking = Asking()

#: Whether it is asked for since one is needed now, by slot; the store is read in another thread.
persists: dict[int, bool] = {}


def labelled(source: TokenSource, number: int) -> None:
    """Have it known for which slot its token requests are."""
    request = source._request

    def ask(*arguments: Any, **options: Any) -> AccessToken:
        asking.slot, persists[number] = number, options["persist"]
        return request(*arguments, **options)

    vars(source)["_request"] = ask


class Wire(requests.adapters.HTTPAdapter):
    """How one process reaches the world."""

    def __init__(self, owner: Process) -> None:
        super().__init__()
        self._owner = owner
        #: Seconds that the one who asks for a token waits.
        self._patience = 0.0

    def __reduce__(self) -> tuple[Any, ...]:
        return _wire_of, (self._owner.number,)

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        cloud = self._owner.cloud
        parts = urlsplit(str(request.url))
        header: Any = request.headers.get("Authorization", "")
        carried = plain(header)
        ask = self._api if parts.netloc == API else self._elsewhere
        if (parts.netloc, parts.path) == (LOGIN, "/oauth/token"):
            ask = self._sign_in
        body = _read(request.body)
        self._patience = sum(options["timeout"]) if ask == self._sign_in else 0.0
        with cloud.lock:
            answer = ask(request, carried, body)
        if parts.netloc == API:
            if cloud.fork_at_next_answer:
                cloud.fork_at_next_answer = False
                cloud.fork()
            cloud.release()
        return answer

    def _elsewhere(
        self, request: requests.PreparedRequest, carried: str, body: bytes
    ) -> requests.Response:
        self._owner.cloud.check(not carried, f"sends an Authorization to {request.url}")
        return self._reply(request, 200, body)

    def _sign_in(
        self, request: requests.PreparedRequest, carried: str, body: bytes
    ) -> requests.Response:
        owner, cloud = self._owner, self._owner.cloud
        cloud.check(body == b"grant_type=client_credentials", "sends something else to sign in")
        cloud.check(carried.startswith("Basic "), "signs in without its credentials")
        number = asking.slot
        owner.asks(number)
        trouble = cloud.trouble
        if trouble is not None and cloud.lasts is not None:
            cloud.lasts -= 1
            cloud.trouble = trouble if cloud.lasts else None
        too_slow = "hangs" if cloud.latency > self._patience else None
        trouble = trouble or too_slow
        if trouble is not None:
            answer = self._trouble(request, trouble)
            owner.fails(number, trouble)
            if isinstance(answer, Exception):
                raise answer
            return answer
        issued, hand = cloud.issue(owner.owner)
        owner.brand_new |= {issued.value} if owner.refused and not cloud.freeze else set()
        owner.in_a_row = 0
        owner.gets(number, hand)
        said = {"access_token": issued.value, "token_type": "bearer", "expires_in": cloud.lifetime}
        return self._reply(request, 200, said)

    def _trouble(
        self, request: requests.PreparedRequest, trouble: str
    ) -> requests.Response | Exception:
        if trouble == "is not there":
            return requests.ConnectionError(ConnectionRefusedError("nobody there"))
        if trouble == "hangs":
            self._owner.cloud.time.advance(self._patience)
            return requests.ReadTimeout("no answer")
        answers: dict[str, tuple[int, bytes | dict[str, Any]]] = {
            "is down": (503, b"<html>"),
            "throttles": (400, {"error": "invalid_request", "description": "rate limit exceeded"}),
            "refuses": (400, {"error": "invalid_client", "description": "authentication failed"}),
            "answers garbage": (200, b"<html>"),
        }
        status, said = answers[trouble]
        return self._reply(request, status, said)

    def _api(
        self, request: requests.PreparedRequest, carried: str, body: bytes
    ) -> requests.Response:
        owner, cloud = self._owner, self._owner.cloud
        path, value = urlsplit(str(request.url)).path, carried.removeprefix("Bearer ")
        owner.calls_with(value, str(request.method), path)
        window = cloud.counts(value)
        if not cloud.lives(value):
            owner.is_refused(value, path)
            return self._reply(request, 401, {"code": "bad.credentials"})
        left = math.ceil(window.end - cloud.time.true)
        said = {}
        if cloud.limit < math.inf:
            facts = {"count": window.count, "allowed": cloud.limit, "reset": left}
            said = {f"inin-ratelimit-{name}": str(fact) for name, fact in facts.items()}
        if window.count > cloud.limit or path == CROWDED:
            owner.limited.append((window.count >= cloud.limit, owner.is_used_up()))
            return self._reply(request, 429, b"{}", {**said, "Retry-After": str(left)})
        if path in cloud.forbidden:
            owner.is_refused(value, path)
            return self._reply(request, 401, {"code": "bad.credentials"}, said)
        if request.method == "DELETE":
            cloud.revoke(value)
        if path == "/api/v2/away":
            return self._reply(request, 302, b"", {**said, "Location": FOREIGN})
        return self._reply(request, 200, body, said)

    def _reply(
        self,
        request: requests.PreparedRequest,
        status: int,
        said: bytes | dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> requests.Response:
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        raw = HTTPResponse(io.BytesIO(body), headers, status, preload_content=False)
        answer: requests.Response = self.build_response(request, raw)
        return answer


def _wire_of(number: int) -> Wire:
    return Process.all[number].wire


def _read(body: Any) -> bytes:
    """As it arrives."""
    if body is None or isinstance(body, str | bytes):
        return (body or "").encode() if not isinstance(body, bytes) else body
    return b"".join(body)


class Shelf(TokenStore):
    """The store, as one process reaches it."""

    def __init__(self, owner: Process) -> None:
        self._owner = owner

    def __reduce__(self) -> tuple[Any, ...]:
        return _shelf_of, (self._owner.number,)

    def _do(self, what: str) -> Cloud:
        cloud = self._owner.cloud
        if what in cloud.broken:
            raise StoreError(f"no {what} today")
        return cloud

    def get(self, key: str) -> str | None:
        with self._do("get").lock:
            self._owner.looks(KEYS.index(key))
            return self._owner.cloud.stored.get(key)

    def set(self, key: str, value: str, ttl: float) -> None:
        with self._do("set").lock:
            self._owner.cloud.stored[key] = value
            self._owner.cloud.damaged -= {key}

    def delete(self, key: str) -> None:
        self._do("delete").stored.pop(key, None)

    def lock(self, key: str) -> AbstractContextManager[object]:
        self._do("lock")
        return nullcontext()


def _shelf_of(number: int) -> Shelf:
    return Process.all[number].store


class Worker(background._Worker):
    """A thread that does its work when it is told to."""

    cloud: Cloud

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(work)
        self._visits = isinstance(getattr(work, "__self__", None), Visit)

    def start(self) -> None:
        """At once, when it can be told what comes of it, or not at all."""
        if self.cloud.threads == "impossible":
            raise RuntimeError("can't start new thread")
        if self._visits:  # to the store: it is waited for anyway
            super().start()
        elif self.cloud.threads == "late":
            self.cloud.held.append(self)
        else:
            self.run_to_the_end()

    def run_to_the_end(self) -> None:
        super().start()
        self.join(60)
