"""Tokens in Redis, for processes on many machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .store import TURN, TokenStore, wait_for_turn

if TYPE_CHECKING:
    from redis import Redis


class RedisTokenStore(TokenStore):
    """Tokens in Redis, for processes on many machines. Extra ``[redis]``.

    :param client: A ``redis.Redis`` with a socket time-out, which redis-py sets by itself from
        release 8 on. Whoever can read that database can use the tokens in it.
    :param prefix: What the names of all keys begin with.
    :param lock_term: Seconds after which the lock of a process that died is free. A process that
        takes longer to get a token loses it, at the price of a second token request.
    :raises ConfigurationError: if the client could wait for ever, or is one of asyncio.
    """

    def __init__(
        self,
        client: Redis,
        *,
        prefix: str = "gc_requests_auth:",
        lock_term: float = TURN,
    ) -> None:
        if iscoroutinefunction(getattr(client, "execute_command", None)):
            raise ConfigurationError("the Redis client is one of asyncio: pass a redis.Redis().")
        if not lock_term > 0:  # for ever, says redis-py
            raise ConfigurationError("lock_term must be seconds, more than 0.")
        if not _socket_timeout(client):
            raise ConfigurationError(
                "the Redis client has no socket time-out: a Redis that hangs would hang every"
                " sign-in. Pass socket_timeout=2 to redis.Redis()."
            )
        self._client = client
        self._prefix = prefix
        self._lock_term = lock_term

    def get(self, key: str) -> str | None:
        """What Redis has under the key."""
        value: Any = self._client.get(self._prefix + key)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def set(self, key: str, value: str, ttl: float) -> None:
        """Keep it until `ttl` seconds are over."""
        self._client.set(self._prefix + key, value, px=max(1, int(ttl * 1000)))

    def delete(self, key: str) -> None:
        """Drop it."""
        self._client.delete(self._prefix + key)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """A key with a term, released by compare-and-delete: redis-py's own lock."""
        from redis.exceptions import LockError

        name = f"{self._prefix}{key}:lock"
        lock = self._client.lock(name, timeout=self._lock_term, thread_local=False)
        wait_for_turn(lambda: lock.acquire(blocking=False), lambda: self.get(key))
        try:
            yield
        finally:
            with suppress(LockError):  # it was not won, or its term is over
                lock.release()

    def __getstate__(self) -> dict[str, Any]:
        # A client does not travel, what it was made of does: its password as well, which was an
        # argument of somebody's.
        pool: Any = getattr(self._client, "connection_pool", None)
        options = {} if pool is None else pool.connection_kwargs
        if type(pool).__module__ != "redis.connection" or options.get("credential_provider"):
            raise TypeError(
                "a RedisTokenStore of a cluster, a sentinel or a credential provider can not be"
                " pickled: make it in the process that uses it"
            )
        plain = {
            name: value
            for name, value in options.items()
            if isinstance(value, str | bytes | int | float)
        }
        return {**vars(self), "_client": (type(pool), pool.connection_class, plain)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from redis import Redis

        make_pool, connection_class, options = state["_client"]
        pool = make_pool(connection_class=connection_class, **options)
        self.__dict__.update(state, _client=Redis(connection_pool=pool))


def _socket_timeout(client: Any) -> Any:
    """Seconds, by default ones as well; None if it would wait for ever."""
    pool = getattr(client, "connection_pool", None)
    if pool is None:  # of a cluster
        return client.get_connection_kwargs().get("socket_timeout")
    return pool.connection_class(**pool.connection_kwargs).socket_timeout
