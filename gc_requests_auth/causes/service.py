"""What is no fault of the request: limits, a service that is down, and whoever answers in its place."""

from __future__ import annotations

from .failure import WHERE_TO_ASK, Cause, Failure

#: The key of the limit that each token has for itself; all other limits are shared by all tokens.
TOKEN_LIMIT = "client.credentials.token.rate.per.minute"  # noqa: S105 -- a name

#: The same of tokens of any grant.
ANY_TOKEN_LIMIT = "token.rate.per.minute"  # noqa: S105 -- a name

#: Seconds of a Retry-After above which no limit per minute can be the reason.
LONGER_THAN_A_MINUTE = 120.0

_TRY_LATER = "Try again later. A GenesysCloudSession tries again by itself where that is safe."

# -- 429 ------------------------------------------------------------------------------------------

_TOO_MANY = ("too.many.requests.retry.after", "too.many.requests")
_TOO_MANY_MESSAGE = "Rate limit exceeded the maximum. Retry the request in [%s] seconds"

LIMIT_OF_TOKEN = Failure(
    "limit-of-token",
    "the token has used up its requests of this minute ({limit})",
    (
        Cause(
            "More requests were made with this token than it may make in a minute",
            "Wait {wait}. A GenesysCloudSession waits by itself; with tokens= it uses several"
            " tokens.",
        ),
    ),
    statuses=(429,),
    codes=_TOO_MANY,
    sign=f"limit.key of the body is {TOKEN_LIMIT} or {ANY_TOKEN_LIMIT}.",
    message=_TOO_MANY_MESSAGE,
)

LIMIT_OF_DAY = Failure(
    "limit-of-day",
    "the API asks for a wait of {wait}, which is longer than any limit per minute asks for",
    (
        Cause(
            "A limit that counts for longer than a minute is used up, such as a limit of the day",
            "Wait that long, or make fewer of these calls; a support case can raise some limits.",
        ),
    ),
    statuses=(429,),
    codes=_TOO_MANY,
    sign=f"Retry-After is above {LONGER_THAN_A_MINUTE:.0f} seconds.",
    message=_TOO_MANY_MESSAGE,
)

LIMIT_OF_RESOURCE = Failure(
    "limit-of-resource",
    "a limit of this kind of call is used up: {limit}",
    (
        Cause(
            "The organisation's programs together make too many calls of this kind",
            "Wait {wait}, and space these calls. More tokens do not help: this limit counts them"
            " all.",
        ),
    ),
    statuses=(429,),
    codes=_TOO_MANY,
    sign="limit.key of the body names another limit than that of the token.",
    message=_TOO_MANY_MESSAGE,
)

LIMIT_NOT_NAMED = Failure(
    "limit-not-named",
    "a rate limit is used up, and the API does not say which",
    (
        Cause(
            "The token made more requests than it may make in a minute (300, if nothing else was"
            " agreed)",
            "Wait {wait}. A GenesysCloudSession waits by itself.",
        ),
        Cause(
            "A limit of this kind of call is used up, which counts all tokens together",
            "Wait {wait}, and space these calls.",
        ),
    ),
    statuses=(429,),
    message=_TOO_MANY_MESSAGE,
)

# -- the API is down ------------------------------------------------------------------------------

AUTHENTICATION_SLOW = Failure(
    "authentication-slow",
    "the API could not check the token in time; the token may be good",
    (Cause("Genesys Cloud's own check of tokens is slow for now", _TRY_LATER),),
    statuses=(504,),
    codes=("authentication.request.timeout",),
    message="Authentication request timeout.",
)

CLIENT_TOO_SLOW = Failure(
    "client-too-slow",
    "the request did not arrive whole in time",
    (
        Cause(
            "The connection is slow, or the body is large",
            "Try again, with a smaller body or from another network.",
        ),
    ),
    statuses=(408,),
    codes=("client.timeout",),
)

INTERNAL_ERROR = Failure(
    "internal-error",
    "the API failed over this request",
    (
        Cause(
            "The fault is within Genesys Cloud",
            f"Try again later; if the answer stays, take the correlation id to {WHERE_TO_ASK}.",
        ),
    ),
    statuses=(500, 501),
)

API_DOWN = Failure(
    "api-down",
    "the API, or a gateway in front of it, is down or overloaded",
    (Cause("The API does not answer for now", _TRY_LATER),),
    statuses=(502, 503, 504),
)

# -- whoever answers is not the API ---------------------------------------------------------------

LOGIN_HOST_CALLED = Failure(
    "login-host-called",
    "{host} is a login service, which answers token requests alone",
    (
        Cause(
            "The login host was called as if it were the API",
            "Call {instead}.",
        ),
    ),
    sign="The host begins with login.",
)

PRE_SIGNED_LINK = Failure(
    "pre-signed-link",
    "the link is signed already, and the request brought an Authorization header as well",
    (
        Cause(
            "A pre-signed link takes no Authorization header",
            "Fetch the link without auth=; a GenesysCloudSession sends it no token.",
        ),
    ),
    sign="The query holds a signature, and the request held an Authorization header.",
    message="Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature"
    " query string parameter or the Authorization header should be specified",
)

PROXY_WANTS_CREDENTIALS = Failure(
    "proxy-wants-credentials",
    "a proxy on the way wants a user name and a password",
    (
        Cause(
            "The proxy URL holds no user name and password, or wrong ones",
            "Put them into the URL in HTTPS_PROXY, special characters percent-encoded.",
        ),
    ),
    statuses=(407,),
)

NOT_THE_API = Failure(
    "not-the-api",
    "what answers is not the API: the answer is {kind}",
    (
        Cause(
            "A proxy, a firewall or a sign-in page on the way answers in place of the API",
            "Ask those who run the network for a way to {host}, or for the proxy to set in"
            " HTTPS_PROXY.",
        ),
        Cause(
            "The API URL leads elsewhere",
            "Name the region alone, without URLs; where a gateway is meant, compare its path.",
        ),
    ),
    sign="The body is no JSON object.",
)

#: What is told by the host or the status, before anything else is looked at.
BEFORE_ALL = (LOGIN_HOST_CALLED, PRE_SIGNED_LINK, PROXY_WANTS_CREDENTIALS)

#: In the order in which they are tried.
SERVICE = (
    LIMIT_OF_TOKEN,
    LIMIT_OF_DAY,
    LIMIT_OF_RESOURCE,
    LIMIT_NOT_NAMED,
    AUTHENTICATION_SLOW,
    CLIENT_TOO_SLOW,
    INTERNAL_ERROR,
    API_DOWN,
    NOT_THE_API,
)
