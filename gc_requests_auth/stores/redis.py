"""Tokens in Redis, for processes on many machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..util import SecretBox, plain
from .base import LOCK_WAIT, TokenStore, wait_for_lock

if TYPE_CHECKING:
    from redis import Redis

#: Seconds that a client made from a URL waits for Redis, unless the URL says otherwise.
SOCKET_TIMEOUT = 2.0

#: Keeps the text of a process, and returns the texts of the others and their ages. A hash has a field for
#: each process, whose value is "when the text was kept, text". Times are microseconds, by the clock of Redis.
EXCHANGE = """
local process, text, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local others, found = {}, redis.call('HGETALL', KEYS[1])
for at = 1, #found, 2 do
  local kept, other = string.match(found[at + 1], '^(%d+) (.*)$')
  local age = kept and now - tonumber(kept)
  if not age or math.abs(age) > ttl then -- after the clock was set back, for example
    redis.call('HDEL', KEYS[1], found[at])
  elseif found[at] ~= process then
    others[#others + 1] = other
    others[#others + 1] = age
  end
end
redis.call('HSET', KEYS[1], process, string.format('%.0f ', now) .. text)
redis.call('PEXPIRE', KEYS[1], math.ceil(ttl / 1000))
return others
"""


class RedisTokenStore(TokenStore):
    """Tokens in Redis, for processes on many machines. Extra ``[redis]``.

    The processes share the rate limit of a token as well, by a script that runs in Redis (6.2 to 8) or
    Valkey. Where Redis runs no scripts, each process counts for itself.

    :param client: A ``redis.Redis`` with a socket time-out, which redis-py sets by itself from
        release 8 on; or a URL as ``redis.Redis.from_url`` takes it, which gets a time-out of 2
        seconds. Whoever can read that database can use the tokens in it.
    :param prefix: What the names of all keys begin with.
    :param lock_term: Seconds after which the lock of a process that died is free. A process that
        takes longer to get a token loses the lock, at the price of a second token request.
    :raises ConfigurationError: if the client could wait for ever, is one of asyncio, or is neither a
        client nor a URL.
    """

    def __init__(
        self,
        client: Redis | str,
        *,
        prefix: str = "gc_requests_auth:",
        lock_term: float = LOCK_WAIT,
    ) -> None:
        if isinstance(client, str):
            url = SecretBox(client)  # the URL may hold a password: no frame of ours shows it
            del client
            client = _client_of(url)
        if not (hasattr(client, "connection_pool") or hasattr(client, "get_connection_kwargs")):
            raise ConfigurationError(
                f"RedisTokenStore takes a redis.Redis() or a URL, not {type(client).__name__}."
            )
        from inspect import iscoroutinefunction  # slow to import; redis-py has imported it

        if iscoroutinefunction(getattr(client, "execute_command", None)):
            raise ConfigurationError("the Redis client is one of asyncio: pass a redis.Redis().")
        if not lock_term > 0:  # redis-py would keep the lock for ever
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
        """The value under the key."""
        value: Any = self._client.get(self._prefix + key)
        return None if value is None else _text(value)

    def set(self, key: str, value: str, ttl: float) -> None:
        """Keep the value for `ttl` seconds."""
        self._client.set(self._prefix + key, value, px=max(1, int(ttl * 1000)))

    def delete(self, key: str) -> None:
        """Drop the value."""
        self._client.delete(self._prefix + key)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """The lock of redis-py: a key with a term, which its holder alone deletes."""
        from redis.exceptions import LockError

        name = f"{self._prefix}{key}:lock"
        lock = self._client.lock(name, timeout=self._lock_term, thread_local=False)
        wait_for_lock(lambda: lock.acquire(blocking=False), lambda: self.get(key))
        try:
            yield
        finally:
            with suppress(LockError):  # the lock was not taken, or its term is over
                lock.release()

    def exchange(self, key: str, process: str, text: str, ttl: float) -> list[tuple[str, float]]:
        """Keep the text and read the others in a script, which Redis runs as a whole."""
        script = self._client.register_script(
            EXCHANGE
        )  # EVALSHA, or EVAL where Redis does not know the script
        found: Any = script([f"{self._prefix}{key}:permits"], [process, text, int(ttl * 1e6)])
        return [
            (_text(other), age / 1e6) for other, age in zip(found[::2], found[1::2], strict=True)
        ]

    def __getstate__(self) -> dict[str, Any]:
        # A pickle holds the arguments from which a client is made, the password as well. The user has
        # passed them.
        pool: Any = getattr(self._client, "connection_pool", None)
        options = {} if pool is None else pool.connection_kwargs
        if type(pool).__module__ != "redis.connection" or options.get("credential_provider"):
            raise TypeError(
                "a RedisTokenStore of a cluster, a sentinel or a credential provider can not be"
                " pickled: make it in the process that uses it"
            )
        # redis-py has cut the texts out of the URL: each of them is a Secret, which hides in a pickle.
        kept = {
            name: plain(value) if isinstance(value, str) else value
            for name, value in options.items()
            if isinstance(value, str | bytes | int | float)
        }
        return {**vars(self), "_client": (type(pool), pool.connection_class, kept)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from redis import Redis

        make_pool, connection_class, options = state["_client"]
        pool = make_pool(connection_class=connection_class, **options)
        self.__dict__.update(state, _client=Redis(connection_pool=pool))


def _socket_timeout(client: Any) -> Any:
    """Seconds, also where redis-py sets them by default; None for a client that waits for ever."""
    pool = getattr(client, "connection_pool", None)
    if pool is None:  # of a cluster
        return client.get_connection_kwargs().get("socket_timeout")
    return pool.connection_class(**pool.connection_kwargs).socket_timeout


def _client_of(url: SecretBox) -> Redis:
    """A client with `SOCKET_TIMEOUT`, unless the URL names another time-out."""
    try:
        from redis import Redis
    except ImportError:
        raise ConfigurationError(
            "RedisTokenStore needs redis: pip install 'gc-requests-auth[redis]'"
        ) from None
    try:
        return Redis.from_url(
            url.open(), socket_timeout=SOCKET_TIMEOUT, socket_connect_timeout=SOCKET_TIMEOUT
        )
    except ValueError:
        # Without the URL, which may hold a password.
        raise ConfigurationError(
            "that is no URL of a Redis: redis://host:6379/0, rediss://host:6379/0 with TLS, or"
            " unix:///path/to/socket."
        ) from None


def _text(value: str | bytes) -> str:
    """The text of a value; a client with `decode_responses` has decoded it already."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
