"""Bodies: whether a request's can be sent twice, and reading an answer's without waiting for ever."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import requests
from requests.utils import super_len

from .secret import Secret, SecretBox

#: Bytes and seconds spent on the body of a 401 that its caller will not see, to keep its
#: connection. Genesys Cloud's have some 200 bytes.
DRAIN_BYTES, DRAIN_SECONDS = 64 * 1024, 2.0


#: What a file, or what passes for one, raises where it can not go back: closed, a pipe, half an
#: imitation, or text where requests warns of text and warnings are errors.
_FAILURES = (
    *(OSError, ValueError, TypeError, AttributeError, RuntimeError),
    requests.exceptions.FileModeWarning,
)


class BodyTooLongError(Exception):
    """The body has more bytes than anybody should read."""


class BodyTooSlowError(Exception):
    """The body did not end in time."""


class Body(bytes):
    """A body, of which the frames that hold it show the length only: it may be that of a token."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


def rewind(request: requests.PreparedRequest) -> bool:
    """Whether the body can be sent once more, whole. A file is put back to where it started.

    A generator, a pipe or a MultipartEncoder is used up: a second sending would be empty or
    truncated, and may well be answered 200. A file may have changed since ``Content-Length`` was
    computed from it: the server takes what is more for the next request on that connection, and
    waits for what is less. So call this function right before the body is sent again.
    """
    body: Any = request.body
    if body is None or isinstance(body, str | bytes | memoryview):  # none of these can change
        return True
    start = getattr(request, "_body_position", None)
    try:
        if not isinstance(body, bytearray) and not _put_back(body, start):
            return False
        length = request.headers.get("Content-Length")
        if length is not None and super_len(body) != int(length):
            return False
        return isinstance(body, bytearray) or bool(body.tell() == start)  # super_len() moved it
    except _FAILURES:
        return False


def _put_back(file: Any, start: object) -> bool:
    """Seek, and have the file prove it: some imitations of a file seek nowhere, and tell the same always."""
    if not isinstance(start, int):
        return False
    file.seek(start)
    if not file.read(1) or file.tell() == start:
        return False
    file.seek(start)
    return True


def read_within(
    response: requests.Response,
    size: int,
    seconds: float,
    monotonic: Callable[[], float] | None = None,
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
    monotonic = monotonic or time.monotonic  # looked up now: see `Clock`
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


# -- JSON -----------------------------------------------------------------------------------------

#: Lists and objects within one another. Nothing that is read here has more than four.
DEEPEST = 64


class TooDeepError(ValueError):
    """Nobody means it: a parser would run into the recursion limit.

    What the garbage collector finalizes at that depth fails as well, in objects of anybody.
    """


def parse_json(text: str | bytes | bytearray) -> Any:
    """The value of a JSON text.

    :raises ValueError: if it is none, or nested too deep.
    """
    if isinstance(text, bytes | bytearray):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    refuse_too_deep(text)
    return json.loads(text)


def refuse_too_deep(text: str) -> None:
    """Look at the brackets of a text outside of its double-quoted strings, before it is parsed.

    :raises TooDeepError: if there are too many within one another.
    """
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    # No local variable holds what stands outside of the strings: it may be a secret without quotes.
    for bracket in re.findall(r"[\[\]{}]", re.sub(r'(?s)"(?:[^"\\]|\\.)*"?', "", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > DEEPEST:
            raise TooDeepError


def hidden_json(body: bytes) -> Any:
    """The JSON of a body that may hold a token: tokens in boxes, and each other text as a Secret.

    :raises ValueError: if it is no JSON, or nested too deep; the error holds the text.
    """
    # In a box, and a Secret where it is parsed: Ctrl-C may show these frames and the parser's.
    text = SecretBox(body.decode(json.detect_encoding(body), "surrogatepass"))
    refuse_too_deep(text.open())
    return json.loads(text.open(), object_pairs_hook=_with_hidden_texts)


def _with_hidden_texts(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        name: (SecretBox if name.endswith("token") else Secret)(one)
        if isinstance(one, str)
        else one
        for name, one in pairs
    }
