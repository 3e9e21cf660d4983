"""Answers of the API: what an answer says, what may cause it, and what to do.

Codes and messages are those of Genesys Cloud's API definition (``x-inin-error-codes``), of its
developer forum, or of traces that users of Genesys' own tools published.
"""

from __future__ import annotations

from typing import Any

from .failure import ADDRESS, IN_ADMIN, WHERE_TO_ASK, Cause, Failure, Table
from .network import SERVICE

#: Bytes that a request may have (the limit ``request.bytes.max``).
MOST_BYTES = 512_000

#: The key of the limit that each token of client credentials has for itself.
TOKEN_LIMIT = "client.credentials.token.rate.per.minute"  # noqa: S105 -- a name

#: The same, and that of tokens of any grant. Any other limit counts all tokens together.
LIMITS_OF_TOKEN = (TOKEN_LIMIT, "token.rate.per.minute")

#: Seconds. No limit per minute asks for a longer Retry-After. The same number as in `calls/retry.py`, which
#: this wing can not import: 1.5 windows of the rate limit.
LONGER_THAN_A_MINUTE = 90.0

#: What to call in place of paths that belong to a user (the API docs of Genesys' SDKs: RoutingApi,
#: ConversationsApi, AuthorizationApi; tutorials, PR 72).
INSTEAD_OF_MINE = {
    "/api/v2/users/me": "GET /api/v2/users/{userId} with the id of a user (GET /api/v2/tokens/me"
    " says which client and which organisation sign in)",
    "/api/v2/conversations": "POST /api/v2/analytics/conversations/details/query",
    "/api/v2/routing/queues/me": "GET /api/v2/users/{userId}/queues",
    "/api/v2/authorization/subjects/me": "GET /api/v2/authorization/subjects/{subjectId}",
}

_ROLES = f"{IN_ADMIN}, the roles of the client"

_REFERENCE = "the API reference (developer.genesys.cloud)"

_RENEWED = "Get a new token. GenesysCloudAuth and GenesysCloudSession do so by themselves"

_OTHER_REGION = Cause(
    "The API belongs to another region or another organisation than {login_host}",
    "Name the region alone, without URLs: both hosts follow from the region. If the URLs are those"
    " of a gateway, compare where both lead.",
)

_DISABLED = Cause(
    "The OAuth client was disabled after it got the token",
    f"Look at the state of the client in {IN_ADMIN}.",
)

_ELSEWHERE = Cause(
    "The object belongs to another organisation, or to a division for which the client has no role;"
    " Genesys Cloud answers 404 or 403 then",
    "Compare the organisation with what gc-requests-auth check prints, and the division of the"
    " object with the divisions of the client's roles.",
)

CALLS = Table()

# -- what the host or the request tells, before anything else -------------------------------------

LOGIN_HOST_CALLED = CALLS.row(
    "login-host-called",
    "{host} is a login service, which answers token requests only",
    cause="The login host was called as if it were the API",
    remedy="Call {instead}.",
    sign="The host begins with login.",
)

PRE_SIGNED_LINK = CALLS.row(
    "pre-signed-link",
    "the link is signed already, and the request brought an Authorization header as well",
    cause="A pre-signed link takes no Authorization header",
    remedy="Fetch the link without auth=; a GenesysCloudSession sends it no token.",
    sign="The query holds a signature, and the request held an Authorization header.",
    message="Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature"
    " query string parameter or the Authorization header should be specified",
)

CALLS.row(
    "user-context",
    "this call is for a user, and client credentials sign in without a user",
    cause="The answer depends on the user who signed in, and here only an OAuth client signed in",
    remedy="Call {instead}.",
    statuses=(400, 403),
    words="requires a user context",
    message="This request requires a user context. Client credentials cannot be used for requests"
    " to this resource.",
)

# -- 401 ------------------------------------------------------------------------------------------

CALLS.row(
    "no-token",
    "the request arrived without a token",
    cause="The request was sent without auth=, or a redirect or a proxy removed the header",
    remedy="Call the API through a GenesysCloudSession, or pass auth=GenesysCloudAuth(...).",
    statuses=(401,),
    codes=("authentication.required",),
    message="No authentication bearer token specified in authorization header.",
)

CALLS.row(
    "address-not-allowed",
    "the API does not take requests of this client from this address",
    ADDRESS,
    statuses=(401, 403),
    codes=("ip.not.authorized",),
)

CALLS.row(
    "token-expired",
    "the token has expired",
    cause="The token is older than the token duration that is set for the OAuth client",
    remedy=f"{_RENEWED}.",
    statuses=(401,),
    codes=("credentials.expired",),
    message="The supplied credentials are expired and cannot be used.",
)

#: For a token that is not known to be new.
TOKEN_REFUSED = CALLS.row(
    "token-refused",
    "the API does not accept the token",
    Cause(
        "The token was revoked, has expired, or made no call for longer than the organisation's idle"
        " time-out",
        f"{_RENEWED}; gc-requests-auth check prints the idle time-out.",
    ),
    _OTHER_REGION,
    _DISABLED,
    statuses=(401,),
    codes=("bad.credentials",),
    message="Invalid login credentials.",
)

#: For a token that was granted a moment ago, at the first calls with it.
NEW_TOKEN_REFUSED = CALLS.row(
    "new-token-refused",
    "the API does not accept a token that is brand-new",
    _OTHER_REGION,
    ADDRESS,
    _DISABLED,
    statuses=(401,),
    sign="The token was granted a moment ago.",
)

#: For a token that the API accepts for another call at the same moment.
LIVING_TOKEN_REFUSED = CALLS.row(
    "living-token-refused",
    "the API accepts the token, but not for this call",
    cause="A rule of the organisation or of a gateway refuses this call",
    remedy=f"Take the correlation id to {WHERE_TO_ASK}.",
    statuses=(401,),
    sign="GET /api/v2/tokens/me accepts the same token.",
)

#: For a token that the API accepted a moment before.
TOKEN_ENDED = CALLS.row(
    "token-ended",
    "the token was accepted a moment ago, and is refused now",
    cause="Somebody or some program revoked the token, or disabled the client, in this moment",
    remedy="Try again, and find the program that calls DELETE /api/v2/tokens/me.",
    statuses=(401,),
    sign="GET /api/v2/tokens/me accepted the same token before, and refuses it now.",
)

# -- 403 and 404 ----------------------------------------------------------------------------------

CALLS.row(
    "missing-permission",
    "the client lacks a permission: {permissions}",
    cause="No role of the OAuth client holds the permission, or the role is not granted for the"
    " division of the object",
    remedy="Give the client a role that holds the permission, for the division that the object belongs"
    f" to: {_ROLES}.",
    statuses=(403,),
    codes=("missing.any.permissions", "missing.permissions"),
    message="Unable to perform the requested action. You must have at least one of the following"
    " permissions assigned: [%s]",
)

CALLS.row(
    "not-authorized",
    "the client may not do this, and the API does not say which permission is missing",
    Cause(
        "No role of the OAuth client holds the permission that this call needs",
        f"Look the permission up in {_REFERENCE}, and give the client a role that holds it:"
        f" {_ROLES}.",
    ),
    _ELSEWHERE,
    statuses=(403,),
    codes=("not.authorized",),
    message="You are not authorized to perform the requested action.",
)

NO_API_PATH = CALLS.row(
    "no-api-path",
    "there is nothing at this path: paths of the API begin with /api/v2",
    cause="The path lacks /api/v2 at its beginning",
    remedy="Call {instead}.",
    statuses=(404,),
    sign="The path does not begin with /api/v2.",
)

CALLS.row(
    "not-found",
    "the API has nothing to show at this path",
    Cause(
        "The path or an id in it is misspelt, or the object was deleted",
        f"Compare the path with {_REFERENCE}, and the id with a list of the objects.",
    ),
    _ELSEWHERE,
    statuses=(404,),
    codes=("not.found", "not found"),
    message="The requested resource was not found.",
)

# -- what is wrong with the request ---------------------------------------------------------------

BODY_NO_JSON = CALLS.row(
    "body-no-json",
    "the body of the request is not JSON",
    cause="The body was sent as a form, as text, or as the repr() of a dictionary",
    remedy="Pass the body as json= of requests, or send the output of json.dumps().",
    statuses=(400,),
    sign="The body that was sent can not be read as JSON.",
)

CALLS.row(
    "wrong-content-type",
    "the API does not take a body of this Content-Type",
    cause="The header Content-Type is missing, or is not what this call takes",
    remedy="Send Content-Type: application/json; json= of requests does so.",
    statuses=(415,),
    message="Unsupported Media Type - Unsupported or incorrect media type, such as an incorrect"
    " Content-Type value in the header.",
)

CALLS.row(
    "answer-too-large",
    "the answer would be larger than the API allows",
    cause="The page or the expanded fields make the answer too large",
    remedy="Ask with a smaller pageSize, or with fewer fields in expand.",
    statuses=(400,),
    codes=("response.entity.too.large",),
    message="The response is over the size limit. Reduce pageSize or expand list to reduce response"
    " size if applicable",
)

BAD_REQUEST = CALLS.row(
    "bad-request",
    "the API does not understand a parameter or the body of the request",
    cause="A parameter or a field of the body is missing, misspelt, or has the wrong form",
    remedy=f"The message names it. Compare the request with {_REFERENCE}.",
    statuses=(400,),
    codes=(
        "bad.request",
        "constraint.validation",
        "invalid.date",
        "invalid.property",
        "invalid.query.param.value",
        "invalid.value",
    ),
    message="The request could not be understood by the server due to malformed syntax.",
)

CALLS.row(
    "method-not-allowed",
    "this path exists, but does not take this method",
    cause="The path takes other methods only",
    remedy=f"Look up the methods of the path in {_REFERENCE}.",
    statuses=(405,),
)

BODY_TOO_LARGE = CALLS.row(
    "body-too-large",
    f"the request is larger than the API allows: {{size}}; the limit is {MOST_BYTES:,} bytes",
    cause=f"The body has more than {MOST_BYTES:,} bytes",
    remedy="Send the data in several requests, or use the upload or bulk call that the API reference"
    " names for it.",
    statuses=(413,),
    message="The request is over the size limit. Maximum bytes: %s",
)

CALLS.row(
    "conflict",
    "the request conflicts with the state of the object",
    Cause(
        "Somebody else changed the object since it was read",
        "Read the object again, apply the change to what was read, and send that.",
    ),
    Cause("An object of that name exists", "Take another name, or change the object that exists."),
    Cause(
        "Another object uses this object, or the state of the object does not allow the call",
        "The message or the code names the reason.",
    ),
    statuses=(409,),
)

# -- 429 ------------------------------------------------------------------------------------------

_TOO_MANY_CODES = ("too.many.requests.retry.after", "too.many.requests")
_TOO_MANY: dict[str, Any] = {
    "statuses": (429,),
    "message": "Rate limit exceeded the maximum. Retry the request in [%s] seconds",
}

LIMIT_OF_TOKEN = CALLS.row(
    "limit-of-token",
    "the token has used up its requests of this minute ({limit})",
    cause="More requests were made with this token than it may make in a minute",
    remedy="Wait {wait}. A GenesysCloudSession waits by itself; with tokens= it uses several tokens.",
    **_TOO_MANY,
    codes=_TOO_MANY_CODES,
    sign=f"limit.key of the body is {' or '.join(LIMITS_OF_TOKEN)}.",
)

LIMIT_OF_DAY = CALLS.row(
    "limit-of-day",
    "the API asks for a wait of {wait}; no limit per minute asks for that long",
    cause="A limit that counts for longer than a minute is used up, such as a limit of the day",
    remedy="Wait that long, or make fewer of these calls; a support case can raise some limits.",
    **_TOO_MANY,
    codes=_TOO_MANY_CODES,
    sign=f"Retry-After is above {LONGER_THAN_A_MINUTE:.0f} seconds.",
)

LIMIT_OF_RESOURCE = CALLS.row(
    "limit-of-resource",
    "a limit of this kind of call is used up: {limit}",
    cause="The organisation's programs together make too many calls of this kind",
    remedy="Wait {wait}, and make these calls more slowly. More tokens do not help: this limit counts"
    " all tokens together.",
    **_TOO_MANY,
    codes=_TOO_MANY_CODES,
    sign="limit.key of the body names another limit than that of the token.",
)

LIMIT_NOT_NAMED = CALLS.row(
    "limit-not-named",
    "a rate limit is used up, and the API does not say which",
    Cause(
        "The token made more requests than it may make in a minute (300, if nothing else was agreed)",
        "Wait {wait}. A GenesysCloudSession waits by itself.",
    ),
    Cause(
        "A limit of this kind of call is used up, which counts all tokens together",
        "Wait {wait}, and make these calls more slowly.",
    ),
    **_TOO_MANY,
)

CALLS += SERVICE

#: The codes that a row is about.
KNOWN_CODES = frozenset(code for row in CALLS for code in row.codes)


def of_call(status: int, code: str | None, message: str) -> Failure | None:
    """The row of an answer of the API, as far as status, code and message tell.

    Rows with a `sign` are skipped: they need more facts than status, code and message.
    """
    rows = (row for row in CALLS if not row.sign)
    return next((row for row in rows if row.matches(status, code, message)), None)
