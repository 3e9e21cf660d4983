"""One token for many processes: look into the store before a token request, and leave the token there.

Twenty processes start. Each process looks into the store, finds nothing, and waits for the lock. The
first process that gets the lock looks again, requests a token, stores the token, and releases the lock. The
others find the token. A process that starts later finds the token at once and takes no lock. When the API
refuses the token, the process that notices first takes the lock, sees that the store still has the refused
token, and replaces it; the next process sees another token and takes that. A store that fails costs a token
request, and no call.

The wrong people may read a store, and write to it. Nobody can read the login URL or the client id from a
key, and nobody without the client secret can plant a token. The token itself can be read: keep others away
from the store.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, TypeVar

from ..errors import ConfigurationError
from ..settings import Identity
from ..tokens import AccessToken, TokenRequest
from ..util import Clock, Moment, SecretBox, forks, parse_json
from ..util.forks import in_background
from .base import StoreError, TokenStore, in_words
from .fleet import FleetPermits

logger = logging.getLogger("gc_requests_auth")

T = TypeVar("T")

#: Seconds to wait for a store's answer.
ANSWER_WAIT = 2.0

#: Seconds to wait for the step that takes the lock of a store. Others may hold the lock while they
#: request the token. It must be longer than `LOCK_WAIT` in ``base.py``, after which the step itself stops
#: waiting.
LOCK_STEP_WAIT = 30.0

#: Seconds to wait until the store has taken a new token: the call already has the token.
SET_WAIT = 0.5

#: Seconds after which a thread without a step ends. Ctrl-C, or a time limit of the caller's, may strike
#: before the thread is told to end. The thread, and perhaps the lock of the store, would stay for ever.
LONGEST_IDLE = 60.0

#: The version of the format in which a token is stored.
VERSION = 1

#: Seconds by which the clock of the machine that stored a token may be ahead of ours.
CLOCKS_DIFFER = 60.0

#: Characters; a signed token has some 250.
LONGEST_VALUE = 16 * 1024


class SharedToken(TokenRequest):
    """A token request that looks into a store first.

    :param login_url: Returns the URL of the login service; tokens of different services are kept apart.
    :param slot: The number of the token in a pool.
    """

    def __init__(
        self,
        store: TokenStore,
        login_url: Callable[[], str],
        request: TokenRequest,
        clock: Clock,
        slot: int = 0,
    ) -> None:
        self._slot = slot
        self._store = store
        self._login_url = login_url
        self._request = request
        self._clock = clock
        self._failing = False
        self._signed: SignedValue | None = None
        self._latest: StoreThread | None = None

    def __call__(
        self, identity: Identity, *, instead_of: SecretBox | None, within: float, retry: bool
    ) -> AccessToken:
        """Take the token that is in the store, or put one there.

        :raises TokenError: as the token request does.
        """
        start = Moment.now(self._clock)
        signed = self._sign_for(identity)

        def look() -> AccessToken | None:
            token = self._read(signed)
            if token is None or token.value == instead_of:
                return None
            # An early renewal has no use for a token that is due for renewal itself.
            due = token.wait_before if retry else token.renew_before
            return token if token.remaining(self._clock) > due else None

        with self._thread(within + LONGEST_IDLE) as thread:
            found = thread.run(look, ANSWER_WAIT)
            if found is None:
                thread.take(lambda: self._store.lock(signed.key), LOCK_STEP_WAIT)
                found = thread.run(look, ANSWER_WAIT)
            if found is not None:
                return found
            within = max(1.0, within - start.age(self._clock))
            token = self._request(identity, instead_of=instead_of, within=within, retry=retry)
            ttl = token.remaining(self._clock) - token.wait_before
            if ttl > 0:
                # sign() runs inside the lambda, so that no variable of this frame holds the signed token.
                thread.run(lambda: self._store.set(signed.key, signed.sign(token), ttl), SET_WAIT)
            return token

    def stored(self, identity: Identity) -> AccessToken | None:
        """The token in the store, if it lives. Requests none.

        :raises ConfigurationError: if the store fails.
        """
        signed = self._sign_for(identity)
        with self._thread() as thread:
            found = thread.run(lambda: self._read(signed), ANSWER_WAIT)
        if thread.problem is not None:
            raise ConfigurationError(f"The token store can not be used: {thread.problem}.")
        return found

    def drop(self, value: SecretBox) -> None:
        """Delete this token from the store, if the store still has it.

        Without the lock, which others may hold for long: this saves token requests, and nothing else.
        """
        signed = self._signed
        if signed is None:
            return

        def drop() -> None:
            stored = self._read(signed)
            if stored is not None and stored.value == value:
                self._store.delete(signed.key)

        with self._thread() as thread:
            thread.run(drop, ANSWER_WAIT)

    def permits(self, token: AccessToken) -> FleetPermits | None:
        """The limit that this token has for all processes together: `shared` of its `RateLimit`.

        None if the store has no `exchange`; a user's store may have none. Asks the store nothing.

        :param token: A token that came from here.
        """
        signed = self._signed
        if signed is None or type(self._store).exchange is TokenStore.exchange:
            return None
        key = signed.code("permits", token.value.open())
        return FleetPermits(self._store, key, partial(signed.code, "permits", key), self._clock)

    def _sign_for(self, identity: Identity) -> SignedValue:
        signed = self._signed = SignedValue(identity, self._login_url(), self._slot)
        return signed

    @contextmanager
    def _thread(self, longest_idle: float = LONGEST_IDLE) -> Iterator[StoreThread]:
        """A thread for one visit to the store.

        If the last thread still waits for the store, that thread again.
        """
        latest = self._latest
        thread = latest if latest is not None and latest.is_stuck else StoreThread(longest_idle)
        try:
            yield thread
        finally:
            thread.end(SET_WAIT)
            self._latest = thread
            self._log(thread.problem)

    def _read(self, signed: SignedValue) -> AccessToken | None:
        value = self._store.get(signed.key)
        token = None if value is None else signed.check(value, self._clock)
        return None if token is None or token.remaining(self._clock) <= 0 else token

    def _log(self, problem: str | None) -> None:
        failing, self._failing = self._failing, problem is not None
        if problem is not None and not failing:
            logger.warning(
                "the token store failed, so the library requests tokens itself: %s", problem
            )
        if problem is None and failing:
            logger.info("the token store works again")


class SignedValue:
    """Signs and checks what is stored of one client at one login service, by HMAC-SHA256.

    :param slot: The number of the token in a pool; each token has a key of its own.
    """

    def __init__(self, identity: Identity, login_url: str, slot: int = 0) -> None:
        self._secret = identity.client_secret
        which = [str(slot)] if slot else []
        #: The name in the store; another client secret has another name.
        self.key = self.code("key", login_url, identity.client_id.open(), *which)

    def sign(self, token: AccessToken) -> str:
        """The text to store."""
        facts = [VERSION, token.value.open(), token.born.wall, token.lifetime]
        names = ("version", "token", "requested", "lifetime")
        return json.dumps(dict(zip(names, facts, strict=True)) | {"mac": self._mac(facts)})

    def check(self, value: object, clock: Clock) -> AccessToken:
        """The token of a stored text, alive or not.

        :raises StoreError: if the text can not be believed.
        """
        if not isinstance(value, str) or len(value) > LONGEST_VALUE:
            raise StoreError("the stored value is no text, or too long")
        try:
            found: Any = parse_json(value)
            facts = [found[name] for name in ("version", "token", "requested", "lifetime")]
            genuine = hmac.compare_digest(self._mac(facts), found["mac"])
        except (ValueError, TypeError, LookupError):
            genuine = False
        if not genuine:
            # A genuine text is as sign() wrote it: no further check is needed.
            raise StoreError("the stored value is damaged, or somebody else wrote it")
        version, token, requested, lifetime = facts
        if version != VERSION:
            raise StoreError("another release wrote the stored value")
        if requested - clock.wall() > CLOCKS_DIFFER:
            raise StoreError("the token in the store is from the future: a clock is wrong")
        return AccessToken.restored(SecretBox(token), requested, lifetime, clock)

    def _mac(self, facts: list[Any]) -> str:
        return self.code("value", self.key, json.dumps(facts))

    def code(self, *texts: str) -> str:
        """HMAC-SHA256 under the client secret; JSON keeps the texts apart."""
        message = json.dumps(["gc_requests_auth", *texts]).encode()
        return hmac.new(self._secret.open().encode(), message, "sha256").hexdigest()


class StoreThread:
    """Runs one step after another in one thread, since a lock may belong to the thread that took it.

    So no caller waits for the store for longer than the caller wants. After a step that takes too long no
    further step is run; the thread ends when the store answers. Where no thread can be started, at the end of
    a script for example, the caller waits for the store.

    :param longest_idle: Seconds without a step, after which the thread ends.
    """

    def __init__(self, longest_idle: float = LONGEST_IDLE) -> None:
        #: The first problem, in words that hold no value of the store.
        self.problem: str | None = None
        self._longest_idle = longest_idle
        self._steps: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._locks = ExitStack()
        self._gave_up = False
        self._has_ended = False
        forks.at_fork(self._note_end)  # the thread does not come along to a child
        self._has_thread = in_background(self._loop)

    @property
    def is_stuck(self) -> bool:
        """Whether the thread still waits for a store that did not answer in time."""
        return self._gave_up and not self._has_ended

    def run(self, step: Callable[[], T], within: float) -> T | None:
        """The result of `step`; None if the step fails, or takes longer than so many seconds."""
        if self._gave_up:
            return None
        results: list[T] = []
        done = Event()

        def run() -> None:
            try:
                results.append(step())
            except BaseException as error:  # of somebody's store
                with suppress(Exception):  # also of an error that has no text
                    self.problem = self.problem or in_words(error)
                self.problem = self.problem or type(error).__name__
            done.set()

        if self._has_thread:
            self._steps.put(run)
        else:
            run()
        if not done.wait(within):
            self._gave_up = True
            self.problem = self.problem or f"it does not answer within {within:.1f} s"
            return None
        return results[0] if results else None

    def take(self, lock: Callable[[], Any], within: float) -> None:
        """Take a lock, and hold it until the end."""
        self.run(lambda: self._locks.enter_context(lock()), within)

    def end(self, within: float) -> None:
        """Release the lock, and end the thread."""
        self.run(self._locks.close, within)
        self._steps.put(None)

    def _loop(self) -> None:
        with suppress(Empty):
            while (step := self._steps.get(timeout=self._longest_idle)) is not None:
                step()
        with suppress(BaseException):  # where nobody waits any more for the release of the lock
            self._locks.close()
        self._note_end()

    def _note_end(self) -> None:
        self._has_ended = True
