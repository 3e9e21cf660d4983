"""All rows of the table, and the search for the row of an answer."""

from __future__ import annotations

from .calls import CALLS, NEW_TOKEN_REFUSED
from .failure import Failure
from .network import NETWORK
from .sign_in import LOGIN_UNKNOWN, LOOK_SWAPPED, NOT_ACCEPTED, NOT_ACCEPTED_AT_URL, SIGN_IN

TABLE: tuple[Failure, ...] = (*NETWORK, *SIGN_IN, *CALLS)


def short_cause(
    status: int, code: str | None, message: str = "", *, new_token: bool = False
) -> str | None:
    """Cause and remedy of an answer of the API in one line, for a log; None if nobody knows.

    :param code: The ``code`` of its body.
    :param new_token: Whether the refused token was granted a moment ago.
    """
    if status == 401 and new_token and code == "bad.credentials":
        return NEW_TOKEN_REFUSED.filled().advice  # such a token was not revoked and is not expired
    failure = of_call(status, code, message)
    return None if failure is None else failure.filled().advice


def of_call(status: int, code: str | None, message: str) -> Failure | None:
    """The row of an answer of the API, as far as status, code and message tell.

    A row that has a sign of its own is told by more than these three.
    """
    rows = (one for one in CALLS if not one.sign)
    return next((one for one in rows if one.matches(status, code, message)), None)


def of_sign_in(
    status: int, error: str | None, description: str, *, at_region: bool, swapped: bool = False
) -> Failure | None:
    """The row of an answer of the login service, as far as it is an OAuth error or a status.

    :param at_region: Whether the login service is that of a region, and not of a URL.
    :param swapped: Whether id and secret look swapped.
    """
    rows = (one for one in SIGN_IN if not one.sign)
    found = next(
        (
            one
            for one in rows
            # Whatever its status: an OAuth error says what it is.
            if (error in one.codes if one.codes else one.matches(status, error, description))
        ),
        None,
    )
    if found is NOT_ACCEPTED and swapped:
        return LOOK_SWAPPED
    if found is NOT_ACCEPTED and not at_region:
        return NOT_ACCEPTED_AT_URL
    return found or (LOGIN_UNKNOWN if error else None)
