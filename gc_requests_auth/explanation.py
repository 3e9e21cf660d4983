"""What a failed call means, for a script's own log."""

from __future__ import annotations

import requests

from .errors import GenesysCloudError
from .util import forks


def explain(failure: requests.Response | requests.RequestException) -> str:
    """Say why a call failed and what to do, in one line for a log.

    ``raise_for_status()`` says the status alone. This says what the answer of Genesys Cloud means.
    Where the answer leaves several causes open, all of them are named, the likeliest first; what
    nobody knows is called unknown. Of the answer, the text holds code, message (cut to 300
    characters) and correlation id, and nothing else; it holds no secret. Nothing is sent.

    :param failure: A response, or an exception of requests or of this library.
    """
    with forks.no_fork:  # most processes never ask
        from .causes.examination import examine
        from .causes.exception import told_of_exception

    if isinstance(failure, requests.Response):
        return str(examine(failure))
    response = getattr(failure, "response", None)
    if isinstance(response, requests.Response):
        return str(examine(response))
    return str(failure) if isinstance(failure, GenesysCloudError) else told_of_exception(failure)
