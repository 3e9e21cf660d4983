"""A living token of the client, and its rate limit.

This wing promises the others a token that the API accepts: one token request for all threads that
need one, no lock while a token lives, a renewal in the background before the token ends, and a pool
where several tokens are used side by side. A failure to get a token is a `TokenError` that names the
likely cause. The wing does not know the requests that carry a token, nor the stores that share it.

Three modules are for the other wings as they are, since only a token request needs them: ``request``, which
imports oauthlib, ``response`` and ``unreachable``.
"""

from .pool import TokenPool
from .rate_limit import WINDOW_SECONDS, RateLimit
from .source import TokenSource
from .token import AccessToken, LoginRequest, Refusals, TokenRequest, is_b64token

__all__ = [
    "WINDOW_SECONDS",
    "AccessToken",
    "LoginRequest",
    "RateLimit",
    "Refusals",
    "TokenPool",
    "TokenRequest",
    "TokenSource",
    "is_b64token",
    "request",
    "response",
    "unreachable",
]
