"""Stores: places where a token outlives a process, and what several processes share through a store.

This wing promises the others two things. Processes that share a store share one token, and send no more
requests with it than its rate limit allows. A store that fails, hangs, or holds what nobody with the client
secret has written costs a token request or an answer 429, and never a call.

The wing does not know what a token is used for: the wing does not import sessions or calls.
"""

from .base import TokenStore
from .file import FileTokenStore
from .redis import RedisTokenStore
from .shared import SharedToken

__all__ = [
    "FileTokenStore",
    "RedisTokenStore",
    "SharedToken",
    "TokenStore",
]
