"""Requests authentication for Genesys Cloud: OAuth client credentials, without ever seeing a token."""

from __future__ import annotations

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
    RegionMismatchError,
    TokenError,
)
from .file_store import FileTokenStore
from .process import VERSION as __version__
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
    "RedisTokenStore",
    "RegionMismatchError",
    "TokenError",
    "TokenStore",
    "__version__",
]
