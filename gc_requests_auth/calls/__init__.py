"""Sending a signed request.

This wing promises to send a request with its token, to wait until the token may make one more request,
to try again what is worth trying again, and to replay a call after a 401 or 429 when it is told to. It
remembers which endpoints answer 401 whatever the token, and asks the API whether a token lives.

It does not know how a token is made, which request gets a token, or when a 401 is replayed: the auth
decides that.
"""

from .adapter import GenesysCloudAdapter, Pacing
from .call import Call, other_hooks
from .forbidden import ForbiddenEndpoints, log_cause
from .replay import (
    answer_after_429,
    can_be_sent_again,
    free_connection,
    redirect_target,
    refused_before,
    replay_call,
    withhold_authorization,
)

__all__ = [
    "Call",
    "ForbiddenEndpoints",
    "GenesysCloudAdapter",
    "Pacing",
    "answer_after_429",
    "can_be_sent_again",
    "free_connection",
    "log_cause",
    "other_hooks",
    "redirect_target",
    "refused_before",
    "replay_call",
    "withhold_authorization",
]
