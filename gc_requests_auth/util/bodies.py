"""Bodies: whether a request's can be sent twice, and reading an answer's without waiting for ever."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import requests

#: Bytes and seconds spent on the body of a 401 that its caller will not see, to keep its
#: connection. Genesys Cloud's have some 200 bytes.
DRAIN_BYTES, DRAIN_SECONDS = 64 * 1024, 2.0


class BodyTooLongError(Exception):
    """The body has more bytes than anybody should read."""


class BodyTooSlowError(Exception):
    """The body did not end in time."""


class Body(bytes):
    """A body, of which the frames that hold it show the length only: it may be that of a token."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return Body(found) if isinstance(found, bytes) else found

    def __add__(self, other: Any) -> Body:
        return Body(super().__add__(other))


def rewind(request: requests.PreparedRequest) -> bool:
    """Whether the body can be sent once more; a file is put back to where it started.

    A generator, a pipe or a MultipartEncoder is used up: sending it again would send an empty or a
    truncated body, and the answer to that may well be 200.
    """
    body = request.body
    if body is None or isinstance(body, str | bytes | bytearray | memoryview):
        return True
    start = getattr(request, "_body_position", None)
    if not isinstance(start, int):
        return False
    try:
        body.seek(start)  # type: ignore[union-attr]
    except Exception:
        return False
    return True


def read_within(
    response: requests.Response,
    size: int,
    seconds: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> Body:
    """The body, decoded, if it is no longer than `size` bytes and ends within `seconds`.

    Afterwards it is the ``content`` of the response, and the connection is free for the next call.

    :raises BodyTooLongError, BodyTooSlowError: The connection is closed then.
    :raises requests.RequestException: as requests itself would.
    """
    if isinstance(response._content, bytes):  # read before, or made by hand in a test double
        if len(response._content) > size:
            raise BodyTooLongError
        return Body(response._content)
    deadline = monotonic() + seconds
    pieces = io.BytesIO()
    # Byte by byte: a longer read returns only when it is complete, and so a peer that sends a byte
    # a second, each in good time for the socket's time-out, would keep us for hours. The bytes come
    # from a buffer; an answer of Genesys Cloud has some 150.
    try:
        for piece in response.iter_content(1):
            pieces.write(piece)
            if pieces.tell() > size:
                raise BodyTooLongError
            if monotonic() > deadline:
                raise BodyTooSlowError
        if monotonic() > deadline:  # what dripped was the frame around an empty body
            raise BodyTooSlowError
    except BaseException:  # Ctrl-C included
        response.close()
        raise
    response._content = pieces.getvalue()
    return Body(response._content)


def drain(response: requests.Response) -> None:
    """Read what is left of an answer, so that its connection is free; or give up both."""
    with suppress(BodyTooLongError, BodyTooSlowError, requests.RequestException):
        read_within(response, DRAIN_BYTES, DRAIN_SECONDS)
