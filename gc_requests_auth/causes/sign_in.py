"""Answers of the login service: what an answer says, what may cause it, and what to do.

Genesys Cloud answers 400, not 401, when it refuses credentials, and also when a client sends too many
token requests. The body tells the two apart (captured by GCCX-Utils; Genesys' Terraform provider
retries 400 "rate limit exceeded" alone).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult

from ..settings.regions import DOMAINS, HOW_TO_FIND, PARENTS
from .failure import ADDRESS, IN_ADMIN, UNKNOWN_FACTS, WHERE_TO_ASK, Cause, Failure, Table
from .network import PROXY_WANTS_CREDENTIALS

#: The statuses of an OAuth error (RFC 6749, section 5.2).
_REFUSED = (400, 401)

_INVALID_CLIENT: dict[str, Any] = {
    "statuses": _REFUSED,
    "codes": ("invalid_client",),
    "message": "authentication failed",
}

SIGN_IN = Table()

LOGIN_DOWN = SIGN_IN.row(
    "login-down",
    "the login service, or a gateway in front of it, is down",
    cause="The login service does not work at the moment",
    remedy="Try again later.",
    statuses=(500, 501, 502, 503, 504),
)

_COMPARE_URL = (
    "Compare the login URL with the region, and ask the people who run the network for a way to"
    " {host}."
)

SIGN_IN.row(
    "login-redirects",
    "{host} redirects the token request, and such a redirect is not followed",
    cause="A sign-in page or a proxy answers in place of the login service",
    remedy=_COMPARE_URL,
    statuses=(301, 302, 303, 307, 308),
)

THROTTLED = SIGN_IN.row(
    "login-throttled",
    "the login service throttles this client",
    cause="Too many token requests in a short time",
    remedy="Wait as long as the answer asks, or else a minute. Share one auth between threads, and find"
    " the program that asks for a token at every call: one token serves for hours.",
    statuses=(400, 429),
    words="rate limit exceeded",
    message="rate limit exceeded; %s",
)

API_ASKED_FOR_TOKEN = SIGN_IN.row(
    "api-asked-for-token",
    "{host} is no login service: it has nothing at {path}",
    cause="Tokens come from the login host, not from the API host",
    remedy="Pass region= and no URLs: both hosts follow from the region. Or pass {login_url}.",
    statuses=(400, 401, 404, 405),
    sign="The host begins with api. or apps., or answers as the API does.",
)

NO_SUCH_LOGIN_PATH = SIGN_IN.row(
    "no-such-login-path",
    "{host} has nothing at {path}",
    cause="The login URL has a wrong host, or a path that does not belong there",
    remedy="Pass region= and no URLs: both hosts follow from the region. Or pass {login_url};"
    " /oauth/token is added to it.",
    statuses=(404, 405),
)

_DISABLED = Cause(
    "The client is disabled, inactive or deleted", f"Look at its state in {IN_ADMIN}."
)

SECRET = Cause(
    "The secret is wrong: it was cut when it was copied, or reset since",
    f"A secret is shown only when it is made. Reset it in {IN_ADMIN}, and copy it whole.",
)

CLIENT_ID = Cause("{client} is wrong", f"Compare the id with {IN_ADMIN}.")

_SWAPPED = Cause(
    "Id and secret are swapped",
    f"Compare both with {IN_ADMIN}: an id is shown there at any time, a secret is not.",
)

NOT_ACCEPTED = SIGN_IN.row(
    "invalid-client",
    "the client secret, the client id or the region is wrong, or the client is disabled; Genesys"
    " Cloud does not tell which",
    Cause(
        "The region is wrong: a client exists in one region only, and {login_host} was asked",
        f"gc-requests-auth check --find-region asks the other regions, too. {HOW_TO_FIND}",
    ),
    SECRET,
    CLIENT_ID,
    _DISABLED,
    _SWAPPED,
    **_INVALID_CLIENT,
)

#: Where both URLs are set: the region is no cause then, and nothing is sent to other hosts.
NOT_ACCEPTED_AT_URL = SIGN_IN.row(
    "invalid-client-at-url",
    "the client secret or the client id is wrong, or the client is disabled or belongs elsewhere;"
    " the answer does not tell which",
    SECRET,
    CLIENT_ID,
    Cause(
        "The client belongs to another login service than {login_host}",
        "Use an id and a secret that {login_host} knows.",
    ),
    _DISABLED,
    _SWAPPED,
    **_INVALID_CLIENT,
    sign="Both URLs are set, and the login host is none of a region.",
)

LOOK_SWAPPED = SIGN_IN.row(
    "id-and-secret-swapped",
    "id and secret look swapped",
    _SWAPPED,
    *NOT_ACCEPTED.causes[:-1],
    **_INVALID_CLIENT,
    sign="The secret has the form of an id, and the id has not.",
)

OTHER_GRANT_TYPE = SIGN_IN.row(
    "other-grant-type",
    "the grant type of this client is not Client Credentials",
    cause="The OAuth client has another grant type",
    remedy=f"In {IN_ADMIN}, make a client of the grant type Client Credentials, give it roles, and use"
    " its id and secret.",
    statuses=_REFUSED,
    codes=("unauthorized_client",),
    message="client is not authorized to use the client_credential grant type",
)

SIGN_IN.row(
    "form-lost",
    "the login service did not receive a proper token request",
    cause="The token request was sent as JSON or with another grant_type, or a proxy or gateway"
    " rewrote it",
    remedy="Send grant_type=client_credentials as a form with HTTP Basic, as GenesysCloudAuth does."
    " If GenesysCloudAuth sent the request, ask the people who run the proxy or the gateway.",
    statuses=_REFUSED,
    codes=("invalid_request", "unsupported_grant_type"),
)

LOGIN_UNKNOWN = SIGN_IN.row(
    "login-unknown-error",
    "the login service refuses with an error that this library does not know",
    cause="The cause of this error is unknown",
    remedy=f"Take the error, and the correlation id if there is one, to {WHERE_TO_ASK}.",
    sign="The error is none of those above, or there is a correlation id and no error.",
)

SIGN_IN.row(
    "login-forbidden",
    "{host} forbids the token request",
    Cause(
        "A proxy or a firewall forbids the host",
        "Ask the people who run the proxy or the firewall.",
    ),
    ADDRESS,
    statuses=(403,),
)

REDACTED_TOKEN = SIGN_IN.row(
    "redacted-token",
    "the token in the answer looks redacted",
    Cause(
        "The answer was recorded without its token, or a test has a placeholder there",
        "In the recording (a cassette, for instance) or in the test, write a made-up token, such as"
        " recorded-token.",
    ),
    Cause(
        "A proxy or a gateway on the way hides the token",
        "Ask the people who run the proxy or the gateway to let the answer pass as it is.",
    ),
    sign="The access_token is a placeholder, such as <redacted>.",
)

NOT_THE_LOGIN = SIGN_IN.row(
    "not-the-login-service",
    "what answers is not the login service: the answer holds no token and no OAuth error",
    cause="A proxy, a gateway or a sign-in page on the way answers in place of the login service",
    remedy=_COMPARE_URL,
    sign="The body is no JSON object with an access_token or an error.",
)


#: The OAuth errors that a row is about.
KNOWN_ERRORS = frozenset(code for row in SIGN_IN for code in row.codes)


def of_token_request(
    status: int,
    error: str | None,
    description: str,
    url: SplitResult,
    *,
    as_api: bool = False,
    swapped: bool = False,
) -> Failure | None:
    """The row of an answer to a token request; None if neither an error nor the status tells.

    :param as_api: Whether the body is an error of the API.
    :param swapped: Whether id and secret look swapped.
    """
    host = url.hostname or ""
    is_login = host.startswith("login.") and host.removeprefix("login.") in DOMAINS
    if (
        (as_api or host.startswith(("api.", "apps.")))
        and not is_login
        and status in API_ASKED_FOR_TOKEN.statuses
        and error not in KNOWN_ERRORS
    ):
        return API_ASKED_FOR_TOKEN
    if status == 429:
        return THROTTLED
    if status == 407:
        return PROXY_WANTS_CREDENTIALS
    for row in SIGN_IN:
        # An OAuth error says what it is, whatever the status.
        known = error in row.codes if row.codes else row.matches(status, error, description)
        if row.sign or not known:
            continue
        if row is NOT_ACCEPTED and not is_region_host(host):
            others = NOT_ACCEPTED_AT_URL.causes[:-1]
            swapped_at_url = LOOK_SWAPPED._replace(causes=(_SWAPPED, *others))
            return swapped_at_url if swapped else NOT_ACCEPTED_AT_URL
        if row is NOT_ACCEPTED and swapped:
            return LOOK_SWAPPED
        if row is NO_SUCH_LOGIN_PATH and is_login and url.path == "/oauth/token":
            break  # the login service of a region has something there
        return row
    return LOGIN_UNKNOWN if error else None


def is_region_host(host: str) -> bool:
    """Whether a host is one of a region of Genesys Cloud."""
    domain = host.partition(".")[2]
    return domain in DOMAINS or domain.endswith(tuple(f".{parent}" for parent in PARENTS))


def login_url_beside(host: str, path: str) -> str:
    """The login_url= to pass where a token request finds nothing at this host and path."""
    domain = host.partition(".")[2]
    if host.startswith(("api.", "apps.")) and is_region_host(host):
        return f"login_url='https://login.{domain}'"
    return f"login_url='https://{host}'" if "/api/" in path else UNKNOWN_FACTS["login_url"]
