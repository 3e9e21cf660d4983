"""Answers of the login service: what they say, what may cause them, and what to do.

Genesys Cloud answers 400, not 401, to credentials that it refuses, and to too many token requests as
well; the body tells them apart (captured by GCCX-Utils; Genesys' Terraform provider retries 400 "rate
limit exceeded" alone).
"""

from __future__ import annotations

from ..settings.regions import HOW_TO_FIND
from .failure import IN_ADMIN, WHERE_TO_ASK, Cause, Failure

_DISABLED = Cause(
    "The client is disabled, inactive or deleted", f"Look at its state in {IN_ADMIN}."
)

SECRET = Cause(
    "The secret is wrong: it was cut when it was copied, or reset since",
    f"A secret is shown only when it is made. Reset it in {IN_ADMIN}, and copy it whole.",
)

CLIENT_ID = Cause(
    "{client} is wrong",
    f"Compare the id with {IN_ADMIN}.",
)

_SWAPPED = Cause(
    "Id and secret are swapped",
    f"Compare both with {IN_ADMIN}: an id is shown there at any time, a secret is not.",
)

NOT_ACCEPTED = Failure(
    "invalid-client",
    "the client secret, the client id or the region is wrong, or the client is disabled; Genesys"
    " Cloud does not tell which",
    (
        Cause(
            "The region is wrong: a client exists in one region only, and {login_host} was asked",
            f"gc-requests-auth check --find-region asks the other regions, too. {HOW_TO_FIND}",
        ),
        SECRET,
        CLIENT_ID,
        _DISABLED,
        _SWAPPED,
    ),
    statuses=(400, 401),
    codes=("invalid_client",),
    message="authentication failed",
)

#: The same where both URLs are set: the region is no cause then, and nothing is sent to other hosts.
NOT_ACCEPTED_AT_URL = NOT_ACCEPTED._replace(
    name="invalid-client-at-url",
    finding="the client secret or the client id is wrong, or the client is disabled or belongs"
    " elsewhere; the answer does not tell which",
    causes=(
        SECRET,
        CLIENT_ID,
        Cause(
            "The client belongs to another login service than {login_host}",
            "Use the id and the secret of the place that the login URL leads to.",
        ),
        _DISABLED,
        _SWAPPED,
    ),
    sign="The login service is not that of a region, since both URLs are set.",
)

LOOK_SWAPPED = NOT_ACCEPTED._replace(
    name="id-and-secret-swapped",
    finding="id and secret look swapped",
    causes=(_SWAPPED, *NOT_ACCEPTED.causes[:-1]),
    sign="The secret has the form of an id, and the id has not.",
)

OTHER_GRANT_TYPE = Failure(
    "other-grant-type",
    "the grant type of this client is not Client Credentials",
    (
        Cause(
            "The OAuth client is of another grant type",
            f"In {IN_ADMIN}, make a client of the grant type Client Credentials, give it roles, and"
            " use its id and secret.",
        ),
    ),
    statuses=(400, 401),
    codes=("unauthorized_client",),
    message="client is not authorized to use the client_credential grant type",
)

THROTTLED = Failure(
    "login-throttled",
    "the login service throttles this client",
    (
        Cause(
            "Too many token requests in a short time",
            "Wait a minute. Share one auth between threads, and find the program that asks for a"
            " token at every call: one token serves for hours.",
        ),
    ),
    statuses=(400, 429),
    words="rate limit exceeded",
    message="rate limit exceeded; %s",
)

THROTTLED_BY_STATUS = THROTTLED._replace(
    name="login-throttled-429", statuses=(429,), words="", message=""
)

FORM_LOST = Failure(
    "form-lost",
    "what arrived at the login service is not the form that a token request is",
    (
        Cause(
            "The token request was sent as JSON or with another grant_type, or a proxy or gateway"
            " rewrote it",
            "Send grant_type=client_credentials as a form with HTTP Basic, as GenesysCloudAuth"
            " does, and ask those who run the gateway.",
        ),
    ),
    statuses=(400, 401),
    codes=("invalid_request", "unsupported_grant_type"),
)

LOGIN_DOWN = Failure(
    "login-down",
    "the login service, or a gateway in front of it, is down",
    (Cause("The login service does not work for now", "Try again later."),),
    statuses=(500, 501, 502, 503, 504),
)

API_ASKED_FOR_TOKEN = Failure(
    "api-asked-for-token",
    "{host} is no login service: it has nothing at {path}",
    (
        Cause(
            "Tokens come from the login host, not from the API host",
            "Give region= instead of URLs, and both hosts follow from it; or give"
            " login_url={instead!r}.",
        ),
    ),
    statuses=(400, 401, 404, 405),
    sign="The host begins with api. or apps., or answers as the API does.",
)

NO_SUCH_LOGIN_PATH = Failure(
    "no-such-login-path",
    "{host} has nothing at {path}",
    (
        Cause(
            "The login URL has a path that does not belong there",
            "Give region= instead of URLs, or login_url={instead!r}; /oauth/token is added to it.",
        ),
    ),
    statuses=(404, 405),
    sign="The path is not /oauth/token alone.",
)

LOGIN_REDIRECTS = Failure(
    "login-redirects",
    "{host} redirects the token request, and redirects of it are not followed",
    (
        Cause(
            "A sign-in page or a proxy answers in place of the login service",
            "Compare the login URL with the region, and ask those who run the network for a way to"
            " {host}.",
        ),
    ),
    statuses=(301, 302, 303, 307, 308),
)

LOGIN_FORBIDDEN = Failure(
    "login-forbidden",
    "{host} forbids the token request, and gives no OAuth error",
    (
        Cause(
            "A proxy or a firewall forbids the host",
            "Ask those who run it.",
        ),
        Cause(
            "The address that this program calls from is not among the organisation's allowed IP"
            " addresses",
            "Compare the address with the allowed IP addresses of the organisation and of the OAuth"
            " client.",
        ),
    ),
    statuses=(403,),
)

NOT_THE_LOGIN = Failure(
    "not-the-login-service",
    "what answers is not the login service: the answer holds no token and no OAuth error",
    (
        Cause(
            "A proxy, a gateway or a sign-in page on the way answers in place of the login service",
            "Compare the login URL with the region, and ask those who run the network for a way to"
            " {host}.",
        ),
    ),
    sign="The body is no JSON object with an access_token or an error.",
)

REDACTED_TOKEN = Failure(
    "redacted-token",
    "the token in the answer looks redacted",
    (
        Cause(
            "The answer was recorded without its token",
            "Put a made-up token of letters in its place in the cassette, or wherever it was"
            " recorded.",
        ),
    ),
    sign="The access_token is a placeholder, such as <redacted>.",
)

LOGIN_UNKNOWN = Failure(
    "login-unknown-error",
    "the login service refuses with an error that is not known here",
    (
        Cause(
            "Nobody here knows what causes this error",
            f"Take the error and the correlation id to {WHERE_TO_ASK}.",
        ),
    ),
    sign="The error is none of those above.",
)

#: In the order in which they are tried.
SIGN_IN = (
    LOGIN_DOWN,
    LOGIN_REDIRECTS,
    THROTTLED,
    THROTTLED_BY_STATUS,
    API_ASKED_FOR_TOKEN,
    NO_SUCH_LOGIN_PATH,
    LOOK_SWAPPED,
    NOT_ACCEPTED_AT_URL,
    NOT_ACCEPTED,
    OTHER_GRANT_TYPE,
    FORM_LOST,
    LOGIN_UNKNOWN,
    LOGIN_FORBIDDEN,
    REDACTED_TOKEN,
    NOT_THE_LOGIN,
)
