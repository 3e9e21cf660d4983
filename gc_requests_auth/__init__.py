"""Requests authentication for Genesys Cloud: OAuth client credentials, without ever seeing a token."""

from .auth import GenesysCloudAuth
from .calls.adapter import GenesysCloudAdapter
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
from .session import GenesysCloudSession
from .stores.base import TokenStore
from .stores.file import FileTokenStore
from .stores.redis import RedisTokenStore
from .util.http import VERSION as __version__

__all__ = [
    "BadTokenAnswerError",
    "ConfigurationError",
    "CredentialsRefusedError",
    "FileTokenStore",
    "GenesysCloudAdapter",
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
