"""A file may change, or lie about its position, between two sendings of one request."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import requests
from conftest import SECRET, FakeTime, by_the_clock
from requests.exceptions import UnrewindableBodyError
from wire import Peer, Server, message, reset, say

from gc_requests_auth import GenesysCloudAuth, GenesysCloudSession

BODY = b"0123456789"

Change = Callable[[Path], object]


def grow(path: Path) -> None:
    """Behind the body stands what a server would take for the next request."""
    with path.open("ab") as file:
        file.write(b"DELETE /api/v2/users/x HTTP/1.1\r\nHost: x\r\n\r\n")


def shrink(path: Path) -> None:
    os.truncate(path, 4)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def keep(path: Path) -> None:
    """Another text of the same length is a whole body, too."""
    path.write_bytes(BODY[::-1])


class Service:
    """Login service and API; the first answer of the API comes after the file has been changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first: tuple[int, dict[str, str]] = (401, {})
        self.change: Change = keep
        #: Changes the file while the second token is on its way.
        self.change_later: Change = lambda _: None
        self.tokens = 0
        self.api = Server(self._answer)
        self.login = Server(self._issue)

    def _answer(self, peer: Peer) -> None:
        status, headers = self.first if len(self.api.requests) == 1 else (200, {})
        if len(self.api.requests) == 1:
            self.change(self.path)
        peer.send(message(status, "{}", {"Connection": "close", "Retry-After": "0", **headers}))

    def _issue(self, peer: Peer) -> None:
        self.tokens += 1
        if self.tokens == 2:
            self.change_later(self.path)
        token = {"access_token": f"token-number-{self.tokens}", "token_type": "bearer"}
        say(200, **token, expires_in=86400)(peer)

    @property
    def bodies(self) -> list[bytes]:
        return [one.body for one in self.api.requests]

    def session(self) -> GenesysCloudSession:
        session = GenesysCloudSession(
            "client", SECRET, login_url=self.login.url, api_url=self.api.url
        )
        session.verify = self.api.ca_file
        return session

    def auth(self) -> GenesysCloudAuth:
        with requests.Session() as lent:
            lent.verify = self.api.ca_file
            return GenesysCloudAuth(
                "client", SECRET, login_url=self.login.url, api_url=self.api.url, session=lent
            )

    def put_with_auth(self, body: IO[bytes]) -> requests.Response:
        with requests.Session() as plain:
            plain.verify = self.api.ca_file
            return plain.put(f"{self.api.url}/x", data=body, auth=self.auth(), timeout=10)

    def put_in_session(self, body: IO[bytes]) -> requests.Response:
        with self.session() as session:
            return session.put("/x", data=body)


Put = Callable[[Service, IO[bytes]], requests.Response]

#: How a call is sent, and the first answers after which it is sent again.
SENDINGS = [
    pytest.param(Service.put_with_auth, 401, id="auth 401"),
    pytest.param(Service.put_in_session, 401, id="session 401"),
    pytest.param(Service.put_in_session, 429, id="session 429"),
    pytest.param(Service.put_in_session, 503, id="session 503"),
]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    path = tmp_path / "upload"
    path.write_bytes(BODY)
    service = Service(path)
    with service.api, service.login:
        yield service


@pytest.mark.parametrize("change", [grow, shrink, empty])
@pytest.mark.parametrize(("put", "status"), SENDINGS)
def test_a_file_that_has_another_length_by_now_is_sent_once(
    service: Service, put: Put, status: int, change: Change
) -> None:
    service.first, service.change = (status, {}), change
    with service.path.open("rb") as file:
        response = put(service, file)

    assert response.status_code == status
    assert service.bodies == [BODY]


@pytest.mark.parametrize(("put", "status"), SENDINGS)
def test_a_file_that_has_the_same_length_still_is_sent_again(
    service: Service, put: Put, status: int
) -> None:
    service.first = (status, {})
    with service.path.open("rb") as file:
        response = put(service, file)

    assert response.status_code == 200
    assert service.bodies == [BODY, BODY[::-1]]


@pytest.mark.parametrize("change", [grow, shrink])
@pytest.mark.parametrize("put", [Service.put_with_auth, Service.put_in_session])
def test_a_file_that_changes_while_a_token_is_on_its_way_is_sent_once(
    service: Service, put: Put, change: Change
) -> None:
    service.change_later = change
    with service.path.open("rb") as file:
        response = put(service, file)

    assert (response.status_code, service.tokens) == (401, 2)
    assert service.bodies == [BODY]


@pytest.mark.parametrize("change", [grow, shrink])
@pytest.mark.parametrize("status", [429, 503])
def test_a_file_that_changes_while_a_retry_waits_is_sent_once(
    service: Service, status: int, change: Change, fake_time: FakeTime
) -> None:
    fake_time.meanwhile = lambda _: change(service.path)
    service.first = status, {"Retry-After": "5"}
    with by_the_clock(fake_time), service.path.open("rb") as file:
        response = service.put_in_session(file)

    assert (response.status_code, response.text) == (status, "{}")
    assert service.bodies == [BODY]
    assert len(fake_time.slept) == 1


def test_a_file_that_changes_while_a_retry_of_a_broken_connection_waits_is_sent_once(
    service: Service, fake_time: FakeTime
) -> None:
    fake_time.meanwhile = lambda _: grow(service.path)
    service.api.script = [reset]
    with (
        by_the_clock(fake_time),
        service.path.open("rb") as file,
        pytest.raises(requests.ConnectionError),
    ):
        service.put_in_session(file)

    assert service.bodies == [BODY]


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("change", [grow, shrink, empty])
def test_a_redirect_does_not_send_on_a_file_that_has_another_length_by_now(
    service: Service, change: Change, status: int
) -> None:
    service.first, service.change = (status, {"Location": "/y"}), change
    with service.path.open("rb") as file, pytest.raises(UnrewindableBodyError):
        service.put_in_session(file)

    assert service.bodies == [BODY]


class GoesNowhere(io.BytesIO):
    """Its seek does nothing once it was read, and says that it did."""

    was_read = False

    def read(self, size: int | None = -1) -> bytes:
        self.was_read = True
        return super().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset if self.was_read else super().seek(offset, whence)


class TellsTheSame(GoesNowhere):
    """It tells where it began, wherever it is."""

    def tell(self) -> int:
        return super().tell() if not self.was_read else 0


class HasALength(TellsTheSame):
    """And it tells how long it is as a whole."""

    len = 10


@pytest.mark.parametrize("kind", [GoesNowhere, TellsTheSame, HasALength])
@pytest.mark.parametrize(("put", "status"), SENDINGS)
def test_a_file_whose_seek_lies_is_sent_once(
    service: Service, put: Put, status: int, kind: type[io.BytesIO]
) -> None:
    service.first = (status, {})
    response = put(service, kind(BODY))

    assert response.status_code == status
    assert service.bodies == [BODY]


def test_an_array_that_has_another_length_by_now_is_sent_once(service: Service) -> None:
    body: Any = bytearray(BODY)
    service.change_later = lambda _: body.append(0)
    response = service.put_in_session(body)

    assert response.status_code == 401
    assert service.bodies == [BODY]
