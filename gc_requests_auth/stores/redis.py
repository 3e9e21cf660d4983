"""Tokens in Redis, for processes on many machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..util.secret import SecretBox
from .base import LOCK_WAIT, TokenStore, wait_for_lock
from .permits import PermitAnswer, PermitRequest

if TYPE_CHECKING:
    from redis import Redis

#: Seconds that a client made from a URL waits for Redis, unless the URL says otherwise.
SOCKET_TIMEOUT = 2.0

#: As `permits.answer_to`, by the clock of Redis. Times are microseconds. A hash has a field for each
#: process, whose value is its record: "until count until count ...".
TAKE_PERMITS = """
local process, limit, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local longest, patience = tonumber(ARGV[4]), tonumber(ARGV[5])
local wanted, held = tonumber(ARGV[6]), tonumber(ARGV[7])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local used, waiting, first, mine = held, 0, now + longest, {}

local function keep(due, count)
  mine[#mine + 1] = string.format('%.0f %.0f', due, count)
end

for at = 8, #ARGV, 2 do
  local due, count = now - tonumber(ARGV[at]) + window, tonumber(ARGV[at + 1])
  used = used + count
  first = math.min(first, due)
  keep(due, count)
end
local records = redis.call('HGETALL', KEYS[1])
for at = 1, #records, 2 do
  if records[at] ~= process then
    local alive = false
    for due, count in string.gmatch(records[at + 1], '(%d+) (%d+)') do
      due, count = tonumber(due), tonumber(count)
      if now < due and due <= now + longest then
        alive = true
        used = used + count
        if count == 0 then
          waiting = waiting + 1
        else
          first = math.min(first, due)
        end
      end
    end
    if not alive then
      redis.call('HDEL', KEYS[1], records[at])
    end
  end
end
local free = math.max(0, limit - used)
local granted = math.min(wanted, math.ceil(free / (1 + waiting)))
if held + granted > 0 then
  keep(now + longest, held + granted)
end
if granted < wanted then
  keep(now + 2 * patience, 0)
end
if #mine > 0 then
  redis.call('HSET', KEYS[1], process, table.concat(mine, ' '))
  redis.call('PEXPIRE', KEYS[1], math.ceil(longest / 1000))
else
  redis.call('HDEL', KEYS[1], process)
end
return {granted, free - granted, math.max(0, first - now), waiting}
"""


class RedisTokenStore(TokenStore):
    """Tokens in Redis, for processes on many machines. Extra ``[redis]``.

    The processes share the rate limit of a token as well, by a script that runs in Redis (6.2 to 8, or
    Valkey). Where Redis runs no scripts, each process counts for itself.

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
            url = SecretBox(client)  # it may hold a password: no frame of ours shows it
            del client
            client = _client_of(url)
        if not (hasattr(client, "connection_pool") or hasattr(client, "get_connection_kwargs")):
            raise ConfigurationError(
                f"RedisTokenStore takes a redis.Redis() or a URL, not {type(client).__name__}."
            )
        from inspect import iscoroutinefunction  # it is dear, and redis-py has imported it

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
        wait_for_lock(lambda: lock.acquire(blocking=False), lambda: self.get(key))
        try:
            yield
        finally:
            with suppress(LockError):  # it was not won, or its term is over
                lock.release()

    def take_permits(self, key: str, request: PermitRequest) -> PermitAnswer:
        """Count in a script, which Redis runs as a whole, by its own clock."""
        lengths = request.window, request.longest, request.patience
        facts: list[str | int] = [request.process, request.limit, *map(_microseconds, lengths)]
        facts += [request.wanted, request.held]
        for age, count in request.answered:
            facts += [_microseconds(age), count]
        script = self._client.register_script(TAKE_PERMITS)  # EVALSHA, and EVAL if it is not known
        answer: Any = script(keys=[f"{self._prefix}{key}:permits"], args=facts)
        granted, left, more_in, waiting = answer
        return PermitAnswer(granted, left, more_in / 1e6, waiting)

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


def _client_of(url: SecretBox) -> Redis:
    """A client with a socket time-out, unless the URL names another one."""
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


def _microseconds(seconds: float) -> int:
    return int(seconds * 1e6)
