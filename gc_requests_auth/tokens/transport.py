"""How requests of our own are sent: the way of the session that is lent to them, and nothing else."""

from __future__ import annotations

import requests

from ..util.http import USER_AGENT


def send_as(session: requests.Session | None, ours: requests.Session) -> bool | str | None:
    """Let `ours` send the way `session` does; the `verify` to pass along.

    Its proxies, verify, cert, trust_env and adapters are used as they are now; no headers, cookies,
    hooks or auth of it. What is borrowed is not to be closed: leave `ours` open then.
    """
    ours.headers["User-Agent"] = USER_AGENT
    # One request a day needs no connection kept, and two processes after a fork must not share one.
    ours.headers["Connection"] = "close"
    ours.get_redirect_target = _no_redirect  # type: ignore[method-assign]
    if session is None:
        return None
    ours.adapters = session.adapters
    ours.proxies = session.proxies
    ours.verify = session.verify
    ours.cert = session.cert
    ours.trust_env = session.trust_env
    # REQUESTS_CA_BUNDLE beats a session's verify in requests, unless it is passed per call.
    return None if session.verify is True else session.verify


def close_when_read(response: requests.Response) -> None:
    """Have the connection of an answer closed at the end of its body, as ``Connection: close`` says.

    Neither requests nor urllib3 do so by themselves if the server does not repeat that header: the
    connection would go back to the adapter, which may be lent, and be the next call's. `http.client`
    does the same where the server repeats it: the connection is passed to the response.
    """
    connection = getattr(response.raw, "connection", None)
    sock = getattr(connection, "sock", None)
    if connection is not None and sock is not None:
        connection.sock = None
        sock.close()  # when what reads the body is closed, too


def _no_redirect(resp: requests.Response) -> str | None:  # noqa: ARG001
    """For `get_redirect_target`: even unfollowed redirects are parsed, and malformed ones raise."""
    return None
