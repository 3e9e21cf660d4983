"""Requests authentication for Genesys Cloud: OAuth client credentials, without ever seeing a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .process import VERSION as __version__

if TYPE_CHECKING:
    from .auth import GenesysCloudAuth
    from .errors import (
        BadTokenAnswerError,
        ConfigurationError,
        CredentialsRefusedError,
        GenesysCloudError,
        GrantTypeError,
        LoginThrottledError,
        LoginTimeoutError,
        LoginUnreachableError,
        RateLimitError,
        RegionMismatchError,
        TokenError,
    )
    from .file_store import FileTokenStore
    from .redis_store import RedisTokenStore
    from .session import GenesysCloudSession
    from .stores import TokenStore

__all__ = [
    "BadTokenAnswerError",
    "ConfigurationError",
    "CredentialsRefusedError",
    "FileTokenStore",
    "GenesysCloudAuth",
    "GenesysCloudError",
    "GenesysCloudSession",
    "GrantTypeError",
    "LoginThrottledError",
    "LoginTimeoutError",
    "LoginUnreachableError",
    "RateLimitError",
    "RedisTokenStore",
    "RegionMismatchError",
    "TokenError",
    "TokenStore",
    "__version__",
]

#: The rooms of what is imported when it is first asked for (PEP 562); all else is an error.
_ROOMS = {
    "GenesysCloudAuth": "auth",
    "GenesysCloudSession": "session",
    "FileTokenStore": "file_store",
    "RedisTokenStore": "redis_store",
    "TokenStore": "stores",
}


if not TYPE_CHECKING:  # pragma: no branch -- else any name would be one to a type checker

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name in {*_ROOMS.values(), "errors"}:
            return import_module(f".{name}", __name__)
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        room = import_module(f".{_ROOMS.get(name, 'errors')}", __name__)
        globals()[name] = getattr(room, name)
        return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
