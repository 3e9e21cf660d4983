"""What the log says of answers that no token cures. The answers themselves stay as they are."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import requests

from ..util import forks
from ..util.http import correlation_id, error_code, error_message
from .replay import tokens_sent

logger = logging.getLogger("gc_requests_auth")

#: The statuses whose cause is told at the level DEBUG.
_TOLD = {400, 403}


def warn_of_refusal(
    response: requests.Response, options: Mapping[str, Any], *, lives: bool
) -> None:
    """Say why a call is refused though its token lives, or is new.

    :param lives: Whether the API has said that it accepts the token.
    """
    with forks.no_fork:
        from ..causes.calls import LIVING_TOKEN_REFUSED, NEW_TOKEN_REFUSED, TOKEN_REFUSED, of_call

    # With stream=True the body of the answer is the caller's to read; the 401 before it tells.
    readable = response.history[-1] if options.get("stream") and response.history else response
    code = error_code(readable, tokens_sent(readable))
    row = of_call(401, code, "")
    if row is None or row is TOKEN_REFUSED:
        row = LIVING_TOKEN_REFUSED if lives else NEW_TOKEN_REFUSED
    logger.warning(
        "%s: code %s, correlation id %s. %s",
        "401 though the API accepts the token" if lives else "401 again with a new token",
        code,
        correlation_id(response, tokens_sent(response)),
        row.filled().advice,
    )


def tell_cause(response: requests.Response, options: Mapping[str, Any]) -> None:
    """Say at the level DEBUG why a call was answered 400 or 403, where that is known."""
    if response.status_code not in _TOLD or not logger.isEnabledFor(logging.DEBUG):
        return
    if options.get("stream"):  # the body is the caller's to read
        return
    with forks.no_fork:
        from ..causes.calls import of_call
        from ..causes.examination import Examination

    code = error_code(response, tokens_sent(response))
    if of_call(response.status_code, code, error_message(response)) is not None:
        logger.debug("%s", Examination(response))
