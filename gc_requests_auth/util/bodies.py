"""Bodies.

Whether the body of a request can be sent twice; the body of an answer, read within a size and a time;
and JSON that is nested too deep for a parser.
"""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
from requests.utils import super_len

from .secret import Secret, SecretBox

#: The body of an answer that the caller does not see is read up to so many bytes and seconds, to keep the
#: connection: of a 401, a 429 or another answer before a retry, and of the answers of tokens/me and
#: `revoke()`. The bodies of Genesys Cloud have some 200 bytes.
DRAIN_BYTES, DRAIN_SECONDS = 64 * 1024, 2.0


#: A file, or an object like a file, raises these where it can not go back: it is closed, a pipe, or an
#: incomplete imitation of a file; or it is a text file, of which requests warns, and warnings are errors.
_FAILURES = (
    *(OSError, ValueError, TypeError, AttributeError, RuntimeError),
    requests.exceptions.FileModeWarning,
)


class BodyTooLongError(Exception):
    """The body has too many bytes."""


class BodyTooSlowError(Exception):
    """The body did not end in time."""


class Body(bytes):
    """A body that prints its length alone, in frames as well: it may hold a token."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


def rewind(request: requests.PreparedRequest) -> bool:
    """Whether the whole body can be sent once more. A file is put back to where it started.

    A generator, a pipe or a MultipartEncoder is used up: a second sending would be empty or
    truncated, and may still be answered 200. A file may have changed since ``Content-Length`` was
    computed. The server takes more bytes for the next request on the connection, and waits for missing
    ones. So call this function right before the body is sent again.
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
    """Seek, and test that the file did: some imitations have a `seek` that does nothing."""
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
    """The decoded body, if it has `size` bytes at most and ends within `seconds`.

    Afterwards the body is the ``content`` of the response, and the connection is free.

    :raises BodyTooLongError, BodyTooSlowError: The connection is closed then.
    :raises requests.RequestException: as requests itself would.
    """
    if isinstance(response._content, bytes):  # read before, or made by hand in a test double
        if len(response._content) > size:
            raise BodyTooLongError
        return Body(response._content)
    pieces = io.BytesIO()
    try:
        # Without this, urllib3 1.26 takes a body that is cut off for a whole body. A test double has no
        # answer of http.client, and may make up a length.
        if getattr(response.raw, "_original_response", None) is not None:
            response.raw.enforce_content_length = True
        _read_into(pieces, response.iter_content(1), size, seconds, monotonic)
    except BaseException:  # Ctrl-C included
        response.close()
        raise
    response._content = pieces.getvalue()
    return Body(response._content)


def _read_into(
    pieces: io.BytesIO,
    body: Iterator[bytes],
    size: int,
    seconds: float,
    monotonic: Callable[[], float] | None = None,
) -> None:
    """Read the bytes of a body.

    Byte by byte, since a longer read returns only when it is complete. A peer that sends a byte a second
    never meets the time-out of the socket, and would keep us for hours. The bytes come from a buffer, and
    an answer of Genesys Cloud has some 150.
    """
    monotonic = monotonic or time.monotonic  # looked up now: see `Clock`
    deadline = monotonic() + seconds
    for piece in body:
        pieces.write(piece)
        if pieces.tell() > size:
            raise BodyTooLongError
        if monotonic() > deadline:
            raise BodyTooSlowError
    if monotonic() > deadline:  # the end of an empty chunked body came late
        raise BodyTooSlowError


def read_ahead(response: requests.Response) -> None:
    """Read an answer that may go back to the caller, to free its connection.

    A body that is too long or too slow is read in part. The caller then gets the whole body all the same,
    and of a broken body the exception that requests raises.
    """
    if isinstance(response._content, bytes) or is_partly_read(response):
        return
    pieces = io.BytesIO()
    rest: Iterator[bytes] | requests.RequestException
    try:
        rest = response.iter_content(1)
        _read_into(pieces, rest, DRAIN_BYTES, DRAIN_SECONDS)
    except (BodyTooLongError, BodyTooSlowError):
        response.raw = _PartlyRead(response.raw, pieces, rest)
    except requests.RequestException as problem:
        response.close()
        response.raw = _PartlyRead(response.raw, pieces, problem)
    except BaseException:  # Ctrl-C included
        response.close()
        raise
    else:
        response._content = pieces.getvalue()


def is_partly_read(response: requests.Response) -> bool:
    """Whether :func:`read_ahead` has read a part of the body."""
    return isinstance(response.raw, _PartlyRead)


def drain(response: requests.Response) -> None:
    """Read the rest of an answer that the caller does not get, to free its connection; or give up both."""
    read_ahead(response)
    if is_partly_read(response):
        response.close()
        response._content, response._content_consumed = response.raw.part.getvalue(), True


class _PartlyRead:
    """A body of urllib3 of which a part was read. For requests, the body begins with that part."""

    def __init__(
        self, raw: Any, part: io.BytesIO, rest: Iterator[bytes] | requests.RequestException
    ) -> None:
        self._raw = raw
        self.part = part
        # A reader that is not kept is closed, and closes the connection. Requests reads the rest faster.
        self._rest = rest

    def stream(self, size: int | None, **_: Any) -> Iterator[bytes]:
        """Requests calls this to read the body in pieces of a size."""
        self.part.seek(0)
        yield from iter(lambda: self.part.read(size), b"")
        if isinstance(self._rest, requests.RequestException):
            raise self._rest
        rest = requests.Response()
        rest.raw = self._raw
        yield from rest.iter_content(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


# -- JSON -----------------------------------------------------------------------------------------

#: So many lists and objects may stand within one another. The texts that are read here have four.
DEEPEST = 64


class TooDeepError(ValueError):
    """The text is nested so deep that a parser would run into the recursion limit.

    At that depth finalizers of foreign objects fail as well, if the garbage collector runs then.
    """


def parse_json(text: str | bytes | bytearray) -> Any:
    """The value of a JSON text.

    :raises ValueError: if the text is no JSON, or is nested too deep.
    """
    if isinstance(text, bytes | bytearray):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    refuse_too_deep(text)
    return json.loads(text)


def is_json(text: str | bytes) -> bool:
    """Whether a text is JSON."""
    try:
        parse_json(text)
    except ValueError:
        return False
    return True


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """The object that a JSON text is; None if the text is anything else."""
    try:
        found = parse_json(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def refuse_too_deep(text: str) -> None:
    """Count the brackets of a text outside of its double-quoted strings, before it is parsed.

    :raises TooDeepError: if too many brackets stand within one another.
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
    """The JSON of a body that may hold a token. Tokens are in boxes; every other text is a Secret.

    :raises ValueError: if the body is no JSON, or is nested too deep. The error holds the text.
    """
    # A box here, and a Secret for the parser: Ctrl-C may show these frames and those of the parser.
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
