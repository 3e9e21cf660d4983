"""bodies.py: what can be sent twice, and no answer is read for ever."""

from __future__ import annotations

import gzip
import io
import pickle
import traceback
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import requests
import urllib3
from conftest import TOKEN, FakeTime

from gc_requests_auth.util import bodies
from gc_requests_auth.util.bodies import (
    BodyTooLongError,
    BodyTooSlowError,
    drain,
    read_ahead,
    read_within,
    rewind,
)


def prepared(**parts: Any) -> requests.PreparedRequest:
    return requests.Request("POST", "https://api.mypurecloud.ie/api/v2/x", **parts).prepare()


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"data": ""},
        {"data": "text"},
        {"data": b"bytes"},
        {"data": bytearray(b"more bytes")},
        {"data": {"a": "form"}},
        {"json": {"a": 1}},
        {"files": {"upload": ("name", b"content")}},
    ],
)
def test_a_body_in_memory_can_be_sent_twice(parts: dict[str, Any]) -> None:
    request = prepared(**parts)
    body = request.body
    assert rewind(request)
    assert request.body is body


def test_a_memoryview_can_be_sent_twice() -> None:
    request = prepared()
    request.body = memoryview(b"bytes")
    assert rewind(request)


def test_a_file_is_put_back_to_where_it_started(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b"headerxcontent")
    with path.open("rb") as file:
        file.seek(7)
        request = prepared(data=file)
        assert file.read() == b"content"
        assert rewind(request)
        assert file.tell() == 7
        assert file.read() == b"content"


def test_a_file_that_started_at_its_beginning_is_put_back_there() -> None:
    request = prepared(data=io.BytesIO(b"content"))
    assert isinstance(request.body, io.BytesIO)
    request.body.read()
    assert rewind(request)
    assert request.body.tell() == 0


class Untold(io.BytesIO):
    """A pipe: it has a position and does not tell."""

    def tell(self) -> int:
        raise OSError("Illegal seek")


class Unsought(io.BytesIO):
    """It tells its position, and one day can not go back there."""

    problem: Exception | None = None

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if self.problem is not None:
            raise self.problem
        return super().seek(offset, whence)


class Readable:
    """Like a MultipartEncoder: something to read, with a length and without a position."""

    len = 7

    def read(self, size: int = -1) -> bytes:
        return b""

    def __iter__(self) -> Iterator[bytes]:
        return iter([self.read()])


class Positioned(Readable):
    """It tells where it is, and has no seek."""

    def tell(self) -> int:
        return 0


class Sought(Readable):
    """It seeks anywhere, and never told where it was."""

    def seek(self, offset: object) -> None: ...


def pieces() -> Iterator[bytes]:
    yield b"a piece"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(pieces(), id="generator"),
        pytest.param(iter([b"a piece"]), id="iterator"),
        pytest.param(Untold(b"content"), id="failing tell"),
        pytest.param(Readable(), id="no tell: a MultipartEncoder"),
        pytest.param(Positioned(), id="no seek"),
        pytest.param(Sought(), id="seek without tell"),
    ],
)
def test_a_body_that_is_used_up_is_never_sent_twice(body: Any) -> None:
    request = prepared(data=body)
    assert b"".join(body) is not None
    assert not rewind(request)


@pytest.mark.parametrize(
    "problem", [OSError("gone"), ValueError("closed"), RuntimeError("a plugin's own")]
)
def test_a_body_whose_seek_fails_is_never_sent_twice(problem: Exception) -> None:
    body = Unsought(b"content")
    request = prepared(data=body)
    assert rewind(request)
    body.problem = problem
    assert not rewind(request)


def test_a_closed_file_is_never_sent_twice() -> None:
    file = io.BytesIO(b"content")
    request = prepared(data=file)
    file.close()
    assert not rewind(request)


def test_a_text_file_of_which_requests_warns_is_never_sent_twice_where_warnings_are_errors(
    tmp_path: Path,
) -> None:
    path = tmp_path / "upload"
    path.write_text("content")
    with path.open() as file:
        with pytest.warns(requests.exceptions.FileModeWarning):
            request = prepared(data=file)
        assert not rewind(request)


def test_an_array_sent_in_chunks_can_be_sent_twice() -> None:
    request = prepared()
    request.body = bytearray(b"bytes")  # type: ignore[assignment]
    del request.headers["Content-Length"]
    assert rewind(request)


# -- read_within ----------------------------------------------------------------------------------


class Dripping(io.BytesIO):
    """A wire on which each byte takes its time."""

    def __init__(self, content: bytes, fake_time: FakeTime, seconds: float) -> None:
        super().__init__(content)
        self._fake_time = fake_time
        self._seconds = seconds

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self._fake_time.advance(self._seconds * max(1, len(found)))
        return found


def answer(wire: io.BytesIO, **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code = 200
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    response.raw = urllib3.HTTPResponse(
        wire, headers=dict(response.headers), status=200, preload_content=False
    )
    return response


@pytest.mark.parametrize("content", [b"", b"x", b'{"access_token": "t"}', b"x" * 100])
def test_what_fits_is_read_and_is_the_content_afterwards(
    content: bytes, fake_time: FakeTime
) -> None:
    response = answer(io.BytesIO(content))
    assert read_within(response, 100, 5, fake_time.clock.monotonic) == content
    assert response.content == content
    assert response.raw.closed


class Interrupted(io.BytesIO):
    """Ctrl-C in the midst of a body."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() == len(TOKEN):
            raise KeyboardInterrupt
        return super().read(size)


def test_a_body_that_is_cut_short_is_in_no_printed_frame() -> None:
    """A rendered traceback shows the locals: the first half of a token, for one."""
    with pytest.raises(KeyboardInterrupt) as caught:
        read_within(answer(Interrupted(TOKEN.encode() * 2)), 65536, 15)
    rendered = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in rendered.stack if frame.name == "read_within"]
    assert len(frames) == 1
    assert TOKEN not in str(frames[0].locals)


def test_a_body_that_is_cut_short_is_no_whole_body() -> None:
    """urllib3 2 compares the length unless it is told not to; urllib3 1.26 compares if it is told to."""
    response = requests.Response()
    response.raw = urllib3.HTTPResponse(
        io.BytesIO(b"half"),
        {"Content-Length": "8"},
        preload_content=False,
        enforce_content_length=False,
        original_response=Mock(HTTPResponse),
    )
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        read_within(response, 100, 60.0)


def test_what_was_read_before_is_measured_all_the_same() -> None:
    response = answer(io.BytesIO(b"x" * 100))
    assert len(response.content) == 100
    assert read_within(response, 100, 5) == b"x" * 100
    with pytest.raises(BodyTooLongError):
        read_within(response, 99, 5)


def test_one_byte_too_many_is_too_long_and_closes_the_connection(fake_time: FakeTime) -> None:
    wire = io.BytesIO(b"x" * 1_000_000)
    response = answer(wire)
    with pytest.raises(BodyTooLongError):
        read_within(response, 100, 5, fake_time.clock.monotonic)
    assert response.raw.closed
    assert wire.closed


def test_a_bomb_is_measured_unpacked(fake_time: FakeTime) -> None:
    packed = gzip.compress(b"\0" * 10_000_000)
    assert len(packed) < 10_000
    response = answer(io.BytesIO(packed), Content_Encoding="gzip")
    with pytest.raises(BodyTooLongError):
        read_within(response, 10_000, 5, fake_time.clock.monotonic)
    assert response.raw.closed


def test_what_is_packed_and_fits_is_unpacked() -> None:
    response = answer(io.BytesIO(gzip.compress(b"content")), Content_Encoding="gzip")
    assert read_within(response, 7, 5) == b"content"


@pytest.mark.parametrize("seconds", [0.0, 0.5, 15.0])
def test_a_body_that_drips_is_given_up_in_time_and_closes_the_connection(
    seconds: float, fake_time: FakeTime
) -> None:
    start = fake_time.monotonic
    response = answer(Dripping(b"x" * 1000, fake_time, 1.0))
    with pytest.raises(BodyTooSlowError):
        read_within(response, 65536, seconds, fake_time.clock.monotonic)
    assert fake_time.monotonic - start <= seconds + 1
    assert response.raw.closed


def test_a_body_that_drips_and_ends_in_time_is_read(fake_time: FakeTime) -> None:
    response = answer(Dripping(b"x" * 14, fake_time, 1.0))
    assert read_within(response, 65536, 15.0, fake_time.clock.monotonic) == b"x" * 14


def test_a_packed_body_that_drips_and_unpacks_to_nothing_counts_as_too_slow(
    fake_time: FakeTime,
) -> None:
    """Bounded per read only, as headers are: nothing is unpacked, and so nobody looks at the clock."""
    head = bytes.fromhex("1f8b08000000000000ff")
    empty_block = bytes.fromhex("000000ffff")
    response = answer(Dripping(head + empty_block * 200, fake_time, 1.0), Content_Encoding="gzip")
    with pytest.raises(BodyTooSlowError):
        read_within(response, 65536, 15.0, fake_time.clock.monotonic)


def test_a_body_that_can_not_be_unpacked_raises_what_requests_raises() -> None:
    response = answer(io.BytesIO(b"not packed at all"), Content_Encoding="gzip")
    with pytest.raises(requests.exceptions.ContentDecodingError):
        read_within(response, 65536, 5)


def test_of_a_body_only_the_length_is_shown() -> None:
    assert repr(read_within(answer(io.BytesIO(TOKEN.encode())), 100, 5)) == f"<{len(TOKEN)} bytes>"


# -- read_ahead -----------------------------------------------------------------------------------


LONG = bytes(range(256)) * 1000


class WithoutStream:
    """A body that is no answer of urllib3, as some test doubles have it."""

    def __init__(self, content: bytes) -> None:
        self.read = io.BytesIO(content).read


@pytest.mark.parametrize("length", [0, 1, 64 * 1024, 64 * 1024 + 1, len(LONG)])
@pytest.mark.parametrize("size", [7, 100_000])
def test_after_a_look_ahead_the_caller_reads_the_whole_body(length: int, size: int) -> None:
    response = answer(io.BytesIO(LONG[:length]))
    read_ahead(response)
    read_ahead(response)

    assert b"".join(response.iter_content(size)) == LONG[:length]


def test_after_a_look_ahead_the_caller_reads_a_long_body_unpacked() -> None:
    response = answer(io.BytesIO(gzip.compress(LONG)), Content_Encoding="gzip")
    read_ahead(response)

    assert response.raw.headers == {"Content-Encoding": "gzip"}
    assert response.content == LONG


def test_after_a_look_ahead_the_caller_reads_a_long_body_that_is_not_of_urllib3() -> None:
    response = requests.Response()
    response.raw = WithoutStream(LONG)
    read_ahead(response)

    assert response.content == LONG


def test_after_a_look_ahead_the_caller_reads_a_slow_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "DRAIN_SECONDS", -1.0)
    response = answer(io.BytesIO(b"slow"))
    read_ahead(response)

    assert not response.raw.closed
    assert response.content == b"slow"


def test_of_a_broken_body_the_caller_gets_what_requests_raises_and_the_connection_is_closed() -> (
    None
):
    response = answer(io.BytesIO(b"no gzip"), Content_Encoding="gzip")
    read_ahead(response)

    assert response.raw.closed
    for _ in range(2):
        with pytest.raises(requests.exceptions.ContentDecodingError):
            response.content  # noqa: B018


def test_a_look_ahead_that_is_interrupted_closes_the_connection() -> None:
    response = answer(Interrupted(TOKEN.encode() * 2))
    with pytest.raises(KeyboardInterrupt):
        read_ahead(response)

    assert response.raw.closed


@pytest.mark.parametrize("look", [read_ahead, drain], ids=["read before", "not read before"])
def test_an_answer_that_is_given_up_keeps_what_was_read_and_can_be_pickled(look: Any) -> None:
    response = answer(io.BytesIO(LONG))
    look(response)
    drain(response)

    assert response.raw.closed
    assert pickle.loads(pickle.dumps(response)).content == LONG[: 64 * 1024 + 1]
