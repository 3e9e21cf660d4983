"""Signs in to Genesys Cloud for requests with OAuth client credentials; you never handle a token.

What there is to import from here; all else is internal and may change in any release::

    GenesysCloudAuth        auth= of requests: signs calls, renews the token, replays a 401 once with a new token
    GenesysCloudSession     a requests.Session that is signed in, with paths, time-outs and retries
    GenesysCloudAdapter     an adapter of requests that paces calls and tries again
    explain                 why a call failed and what to do, in one line for a log
    CredentialsCommand      credentials= from a command, such as that of a vault
    FileTokenStore          store= that keeps the token in a file
    RedisTokenStore         store= that keeps the token in Redis
    TokenStore              what to derive a store of your own from

    GenesysCloudError       the root of all errors, a requests.RequestException
      ConfigurationError      a setting is missing or can not work; nothing was sent
        RegionMismatchError     the URL belongs to another region than the credentials
      RateLimitError          pacing="raise": the tokens may make no more requests for now
      TokenError              no access token could be obtained
        CredentialsRefusedError  the secret, the client id or the region is wrong
        GrantTypeError          the OAuth client is of another grant type
        LoginThrottledError     too many token requests
        BadTokenAnswerError     what answered is not the login service
        LoginUnreachableError   no answer: DNS, TCP, TLS, proxy, or the service is down
          LoginTimeoutError       no answer in time

On the command line: ``gc-requests-auth check`` says why a sign-in or a call fails.
"""

from .auth import GenesysCloudAuth
from .calls import GenesysCloudAdapter
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
from .explanation import explain
from .session import GenesysCloudSession
from .settings import CredentialsCommand
from .stores import FileTokenStore, RedisTokenStore, TokenStore
from .util import VERSION as __version__

__all__ = [
    "BadTokenAnswerError",
    "ConfigurationError",
    "CredentialsCommand",
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
    "explain",
]
