"""A transport that answers at once, so that what is measured is what happens before and after."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import BaseAdapter, HTTPAdapter


def _answer(request: requests.PreparedRequest) -> requests.Response:
    response = requests.Response()
    response.status_code = 200
    response._content = b"{}"
    response.request = request
    response.url = request.url or ""
    return response


def _send(
    adapter: HTTPAdapter,
    request: requests.PreparedRequest,
    *arguments: Any,
    **options: Any,
) -> requests.Response:
    return _answer(request)


class NullAdapter(BaseAdapter):
    """Answers in place of whatever else is mounted."""

    def send(
        self, request: requests.PreparedRequest, *arguments: Any, **options: Any
    ) -> requests.Response:
        return _answer(request)

    def close(self) -> None:
        """There is nothing to close."""


@contextmanager
def nothing_sent() -> Iterator[None]:
    """Meanwhile, `HTTPAdapter.send` answers at once, for everybody alike.

    Below whatever is mounted, then: an adapter that tries again still does all it does besides.
    """
    send = HTTPAdapter.send
    HTTPAdapter.send = _send  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        HTTPAdapter.send = send  # type: ignore[method-assign]


def quiet() -> None:
    """More threads than connections are kept for is no news to urllib3's log."""
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
