"""How much is tried, and how the login service answers without a network."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

import requests
from conftest import Sweep
from hypothesis import HealthCheck, settings
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from gc_requests_auth import GenesysCloudError

#: How many times the usual number of examples. Then they are others each time; without it, they are
#: the same in every run, so that a change is blamed for what it did.
FACTOR = int(os.environ.get("FUZZ", "0"))


def examples(count: int) -> settings:
    """So many examples, or with FUZZ=n in the environment n times as many."""
    return settings(
        max_examples=count * max(FACTOR, 1),
        derandomize=not FACTOR,
        database=None,  # nothing is left in the checkout
        deadline=None,
        print_blob=True,
        # A fixture lasts for all examples of a test: each example undoes what it did to it.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def nothing_told(sweep: Sweep) -> None:
    """That this example told no secret; the next begins anew."""
    told = sweep.find()
    sweep.texts.clear()
    sweep.errors.clear()
    assert told == []


def check(error: GenesysCloudError) -> None:
    """That an error is fit to be shown; of its secrets, see above."""
    assert error.__cause__ is None
    assert error.__context__ is None
    assert str(error).isprintable()


class Wire(HTTPAdapter):
    """All of requests, urllib3 and http.client, and below them no socket but the bytes of an answer.

    :param before: Called before each answer.
    """

    def __init__(self, answer: bytes, before: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        #: How many requests were made.
        self.asked = 0
        wire = self

        class Connection(HTTPSConnection):
            is_connected = False  # each request has a connection of its own

            def connect(self) -> None:
                wire.asked += 1
                before()
                self.sock = Socket(answer)
                self.is_verified = True  # as if a certificate had been seen

        class Pool(HTTPSConnectionPool):
            ConnectionCls = Connection

        self.poolmanager.pool_classes_by_scheme = {"https": Pool}

    def session(self) -> requests.Session:
        """A session that has no other way."""
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", self)
        return session


class Socket:
    """What http.client needs of one."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._answer))

    def _nothing(self, *_: Any) -> None: ...

    sendall = settimeout = close = _nothing


def response(body: bytes, *headers: tuple[str, str], status: int = 200) -> bytes:
    """An answer as it comes over the wire."""
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
