"""What a server repeats of the credentials, and urllib3 would log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import requests
import wire
from conftest import SECRET, TOKEN, Sweep

from gc_requests_auth import GenesysCloudAuth, GenesysCloudError, GenesysCloudSession

ME = "/api/v2/tokens/me"


def echoes(status: int, body: str = "") -> wire.Act:
    """Answers with a header line that is none and repeats what was sent, whole and decoded."""

    def act(peer: wire.Peer) -> None:
        (sent,) = peer.requests[-1].values("Authorization")
        head = f"HTTP/1.1 {status} Said\r\nno header\r\nX-Seen: {sent} {SECRET}\r\n"
        peer.send(f"{head}Connection: close\r\n\r\n{body}".encode())

    return act


GRANT = wire.say(200, access_token=TOKEN, token_type="bearer", expires_in=300)


def arguments(server: wire.Server) -> dict[str, Any]:
    return {
        "client_id": "client",
        "client_secret": SECRET,
        "login_url": server.url,
        "api_url": f"{server.url}/gateway",
    }


def trusting(server: wire.Server) -> requests.Session:
    session = requests.Session()
    session.verify = server.ca_file
    return session


def by_auth(server: wire.Server) -> None:
    with trusting(server) as session:
        auth = GenesysCloudAuth(**arguments(server), session=session)
        session.get(auth.api_url + ME, auth=auth, timeout=30)


def by_session(server: wire.Server) -> None:
    with GenesysCloudSession(**arguments(server), retries=0) as session:
        session.verify = server.ca_file
        session.get(ME)


def by_revoke(server: wire.Server) -> None:
    with trusting(server) as session:
        auth = GenesysCloudAuth(**arguments(server), session=session)
        auth.access_token()
        auth.revoke()


@pytest.mark.parametrize(
    ("script", "call"),
    [
        ([echoes(400)], by_auth),
        ([GRANT, echoes(200)], by_auth),
        ([GRANT, echoes(200)], by_session),
        ([GRANT, echoes(401), GRANT, echoes(401), echoes(401)], by_auth),
        ([GRANT, echoes(401), GRANT, echoes(401), echoes(401)], by_session),
        ([GRANT, echoes(200)], by_revoke),
    ],
    ids=["token request", "auth", "session", "replay", "replay of a session", "revoke"],
)
def test_no_log_repeats_credentials_that_a_server_repeats(
    script: list[wire.Act],
    call: Callable[[wire.Server], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The sweep over each test sees that none does; here, that urllib3 does say something."""
    with wire.Server(*script) as server, suppress(GenesysCloudError):
        call(server)

    said = [one for one in caplog.records if one.name.startswith("urllib3.") and one.levelno > 20]
    assert {one.getMessage() for one in said} == {
        "Failed to parse headers of an answer, which are not shown: they may repeat a secret"
    }


def test_an_answer_to_somebody_else_is_quoted_as_ever(
    caplog: pytest.LogCaptureFixture, sweep: Sweep
) -> None:
    caplog.set_level(logging.DEBUG, logger="urllib3")
    with wire.Server(echoes(200)) as server, trusting(server) as session:
        session.get(server.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5)

    (quoted,) = [record.getMessage() for record in caplog.records if record.exc_info]
    assert TOKEN in quoted
    caplog.clear()
    sweep.texts.clear()
