"""Answers of the API: what they say, what may cause them, and what to do.

Codes and messages are those of Genesys Cloud's API definition (``x-inin-error-codes``), of its
developer forum, or of traces that users of Genesys' own tools published.
"""

from __future__ import annotations

from .failure import IN_ADMIN, WHERE_TO_ASK, Cause, Failure
from .service import BEFORE_ALL, SERVICE

#: Bytes that a request may have (the limit ``request.bytes.max``).
MOST_BYTES = 512_000

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

_ADDRESS = Cause(
    "The address that this program calls from is not allowed",
    "Compare the address with the allowed IP addresses of the organisation and of the OAuth client;"
    " an administrator can add it.",
)

_OTHER_REGION = Cause(
    "The API belongs to another region or another organisation than {login_host}",
    "Name the region alone, without URLs: both hosts follow from the region.",
)

_DISABLED = Cause(
    "The OAuth client was disabled after it got the token",
    f"Look at the state of the client in {IN_ADMIN}.",
)

_ELSEWHERE = Cause(
    "The object belongs to another organisation, or to a division for which the client has no role;"
    " Genesys Cloud answers 404 or 403 then",
    "Compare the organisation with what gc-requests-auth check prints, and the division of the"
    " object with those of the client's roles.",
)

# -- 401 ------------------------------------------------------------------------------------------

NO_TOKEN = Failure(
    "no-token",
    "the request arrived without a token",
    (
        Cause(
            "The request was sent without auth=, or a redirect or a proxy removed the header",
            "Call the API through a GenesysCloudSession, or pass auth=GenesysCloudAuth(...).",
        ),
    ),
    statuses=(401,),
    codes=("authentication.required",),
    message="No authentication bearer token specified in authorization header.",
)

ADDRESS_NOT_ALLOWED = Failure(
    "address-not-allowed",
    "the API does not take requests of this client from this address",
    (_ADDRESS,),
    statuses=(401, 403),
    codes=("ip.not.authorized",),
)

TOKEN_EXPIRED = Failure(
    "token-expired",
    "the token has expired",
    (
        Cause(
            "The token is older than the lifetime that the OAuth client gives to its tokens",
            "Get a new token. GenesysCloudAuth and GenesysCloudSession do so by themselves.",
        ),
    ),
    statuses=(401,),
    codes=("credentials.expired",),
    message="The supplied credentials are expired and cannot be used.",
)

#: Of a token that is not known to be new.
TOKEN_REFUSED = Failure(
    "token-refused",
    "the API does not accept the token",
    (
        Cause(
            "The token was revoked, has expired, or made no call for longer than the organisation's"
            " idle time-out",
            "Get a new token. GenesysCloudAuth and GenesysCloudSession do so by themselves;"
            " gc-requests-auth check prints the idle time-out.",
        ),
        _OTHER_REGION,
        _DISABLED,
    ),
    statuses=(401,),
    codes=("bad.credentials",),
    message="Invalid login credentials.",
)

#: Of a token that was granted a moment ago, at the first calls with it.
NEW_TOKEN_REFUSED = Failure(
    "new-token-refused",
    "the API does not accept a token that is brand-new",
    (_OTHER_REGION, _ADDRESS, _DISABLED),
    statuses=(401,),
    sign="The token was granted a moment ago.",
)

#: Of a token that the API accepts for another call at the same moment.
LIVING_TOKEN_REFUSED = Failure(
    "living-token-refused",
    "the API accepts the token, but not for this call",
    (
        Cause(
            "A rule of the organisation or of a gateway refuses this call",
            f"Take the correlation id to {WHERE_TO_ASK}.",
        ),
    ),
    statuses=(401,),
    sign="The same token is accepted by GET /api/v2/tokens/me.",
)

#: Of a token that the API accepted a moment before.
TOKEN_ENDED = Failure(
    "token-ended",
    "the token was accepted a moment ago, and is not any more",
    (
        Cause(
            "Somebody or some program revoked the token, or disabled the client, in this moment",
            "Try again, and find the program that calls DELETE /api/v2/tokens/me.",
        ),
    ),
    statuses=(401,),
    sign="GET /api/v2/tokens/me accepted the same token before, and refuses it now.",
)

# -- 403 and 404 ----------------------------------------------------------------------------------

MISSING_PERMISSION = Failure(
    "missing-permission",
    "the client lacks a permission: {permissions}",
    (
        Cause(
            "No role of the OAuth client holds the permission, or the role is not granted for the"
            " division of the object",
            "Give the client a role that holds the permission, for the division that the object"
            f" belongs to: {_ROLES}.",
        ),
    ),
    statuses=(403,),
    codes=("missing.any.permissions", "missing.permissions"),
    message="Unable to perform the requested action. You must have at least one of the following"
    " permissions assigned: [%s]",
)

NOT_AUTHORIZED = Failure(
    "not-authorized",
    "the client may not do this, and the API does not say which permission is missing",
    (
        Cause(
            "No role of the OAuth client holds the permission that this call needs",
            "Look the permission up in the API reference (developer.genesys.cloud), and give the"
            f" client a role that holds it: {_ROLES}.",
        ),
        _ELSEWHERE,
    ),
    statuses=(403,),
    codes=("not.authorized",),
    message="You are not authorized to perform the requested action.",
)

NO_API_PATH = Failure(
    "no-api-path",
    "there is nothing at this path: paths of the API begin with /api/v2",
    (
        Cause(
            "The path lacks /api/v2 at its beginning",
            "Call {instead}.",
        ),
    ),
    statuses=(404,),
    sign="The path does not begin with /api/v2.",
)

NOT_FOUND = Failure(
    "not-found",
    "the API has nothing to show at this path",
    (
        Cause(
            "The path or an id in it is misspelt, or the object was deleted",
            "Compare the path with the API reference (developer.genesys.cloud), and the id with a"
            " list of the objects.",
        ),
        _ELSEWHERE,
    ),
    statuses=(404,),
    codes=("not.found", "not found"),
    message="The requested resource was not found.",
)

# -- what is wrong with the request ---------------------------------------------------------------

USER_CONTEXT = Failure(
    "user-context",
    "this call is for a user, and client credentials sign in without a user",
    (
        Cause(
            "The call asks for what belongs to the user who signed in, and there is no such user",
            "Call {instead} instead.",
        ),
    ),
    statuses=(400, 403),
    words="requires a user context",
    message="This request requires a user context. Client credentials cannot be used for requests"
    " to this resource.",
)

BODY_NO_JSON = Failure(
    "body-no-json",
    "the body of the request is no JSON",
    (
        Cause(
            "The body was sent as a form, as text, or as the repr() of a dictionary",
            "Pass the body as json= of requests, or send the output of json.dumps().",
        ),
    ),
    statuses=(400, 415),
    sign="The body that was sent can not be read as JSON.",
)

WRONG_CONTENT_TYPE = Failure(
    "wrong-content-type",
    "the API does not take a body of this Content-Type",
    (
        Cause(
            "The header Content-Type is missing, or is not what this call takes",
            "Send Content-Type: application/json; json= of requests does so.",
        ),
    ),
    statuses=(415,),
    message="Unsupported Media Type - Unsupported or incorrect media type, such as an incorrect"
    " Content-Type value in the header.",
)

ANSWER_TOO_LARGE = Failure(
    "answer-too-large",
    "the answer would be larger than the API sends",
    (
        Cause(
            "The page or the expanded fields make the answer too large",
            "Ask with a smaller pageSize, or with fewer fields in expand.",
        ),
    ),
    statuses=(400,),
    codes=("response.entity.too.large",),
    message="The response is over the size limit. Reduce pageSize or expand list to reduce response"
    " size if applicable",
)

BAD_REQUEST = Failure(
    "bad-request",
    "the API does not understand a parameter or the body of the request",
    (
        Cause(
            "A parameter or a field of the body is missing, misspelt, or of another form",
            "The message names it. Compare the request with the API reference"
            " (developer.genesys.cloud).",
        ),
    ),
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

METHOD_NOT_ALLOWED = Failure(
    "method-not-allowed",
    "this path is there, but not for this method",
    (
        Cause(
            "The method is not one that this path takes",
            "Look up the methods of the path in the API reference (developer.genesys.cloud).",
        ),
    ),
    statuses=(405,),
)

BODY_TOO_LARGE = Failure(
    "body-too-large",
    f"the request is larger than the API takes: {{size}}, and {MOST_BYTES:,} bytes are the limit",
    (
        Cause(
            f"The body has more than {MOST_BYTES:,} bytes",
            "Send the data in several requests, or use the upload or bulk call that the API"
            " reference names for it.",
        ),
    ),
    statuses=(413,),
    message="The request is over the size limit. Maximum bytes: %s",
)

CONFLICT = Failure(
    "conflict",
    "the request conflicts with the state of the object",
    (
        Cause(
            "Somebody else changed the object since it was read, or an object of that name exists",
            "Read the object again, apply the change to what was read, and send that.",
        ),
    ),
    statuses=(409,),
)

#: In the order in which they are tried.
CALLS = (
    *BEFORE_ALL,
    USER_CONTEXT,
    NO_TOKEN,
    ADDRESS_NOT_ALLOWED,
    TOKEN_EXPIRED,
    TOKEN_REFUSED,
    NEW_TOKEN_REFUSED,
    LIVING_TOKEN_REFUSED,
    TOKEN_ENDED,
    MISSING_PERMISSION,
    NOT_AUTHORIZED,
    NO_API_PATH,
    NOT_FOUND,
    BODY_NO_JSON,
    WRONG_CONTENT_TYPE,
    ANSWER_TOO_LARGE,
    BAD_REQUEST,
    METHOD_NOT_ALLOWED,
    BODY_TOO_LARGE,
    CONFLICT,
    *SERVICE,
)
