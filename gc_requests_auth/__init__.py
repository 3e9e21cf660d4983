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
from .process import VERSION as __version__
from .session import GenesysCloudSession

__all__ = [
    "BadTokenAnswerError",
    "ConfigurationError",
    "CredentialsRefusedError",
    "GenesysCloudAuth",
    "GenesysCloudError",
    "GenesysCloudSession",
    "GrantTypeError",
    "LoginThrottledError",
    "LoginTimeoutError",
    "LoginUnreachableError",
    "RegionMismatchError",
    "TokenError",
    "__version__",
]
