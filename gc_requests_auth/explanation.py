"""What a failed call means, for a script's own log."""

from __future__ import annotations

import requests

from .calls import Call
from .errors import GenesysCloudError
from .util import forks


def explain(failure: requests.Response | requests.RequestException) -> str:
    """Say why a call failed and what to do, in one line for a log.

    ``raise_for_status()`` says the status alone. This says what the answer of Genesys Cloud means.
    If an answer may have several causes, the text names all of them, the likeliest first. An
    unknown cause is called unknown. Of the answer, the text holds code, message (cut to 300
    characters) and correlation id, and nothing else; it holds no secret. Nothing is sent.

    :param failure: A response, or an exception of requests or of this library.
    """
    with forks.no_fork():  # most processes never ask
        from .causes.examination import Examination
        from .causes.exception import text_of_exception

    response = (
        failure if isinstance(failure, requests.Response) else getattr(failure, "response", None)
    )
    if not isinstance(response, requests.Response):
        return (
            str(failure) if isinstance(failure, GenesysCloudError) else text_of_exception(failure)
        )
    call = Call.of(response.request)
    # The hosts may be those of a gateway, which only the auth knows.
    return str(Examination(response, call.auth._hosts if call else None))
