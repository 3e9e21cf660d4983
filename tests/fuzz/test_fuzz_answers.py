"""Whatever the login service answers: a sound token, or an error of ours that tells no secret."""

from __future__ import annotations

import gzip
import json
import pickle
import re
import zlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from conftest import SECRET, TOKEN, FakeTime, Sweep
from fuzzing import Wire, check, examples, nothing_told, response
from hypothesis import example, given
from hypothesis import strategies as st

from gc_requests_auth import GenesysCloudError, TokenError
from gc_requests_auth.settings.client import Identity
from gc_requests_auth.tokens.request import basic_credentials, request_token
from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util.secret import SecretBox, plain

IDENTITY = Identity(SecretBox("0f1e2d3c-client-0001"), SecretBox(SECRET))
BASIC = str(basic_credentials(IDENTITY))

#: Seconds an attempt may take.
TIMEOUT = (5.0, 15.0)


def ask(wire: Wire, fake_time: FakeTime, *, retry: bool = False) -> AccessToken:
    with wire.session() as session:
        return request_token(
            IDENTITY,
            "https://login.mypurecloud.ie/oauth/token",
            session=session,
            timeout=TIMEOUT,
            within=75.0,
            retry=retry,
            clock=fake_time.clock,
            proxy=None,
        )


# -- what may stand in an answer ------------------------------------------------------------------

#: What a server may repeat of the request that it did not like.
ECHOES = [
    *("authentication failed", "rate limit exceeded", "Rate Limit Exceeded", ""),
    *(SECRET, f"client_secret={SECRET}&x", f"Basic {BASIC}", BASIC[:30], SECRET.upper()),
    *("\x00\x1b[31m", "\ud800", "\U0010ffff\U000e0041", "\u202e", "a\nb\r\nc", "x" * 500),
]
WORDS = st.sampled_from(ECHOES) | st.text(max_size=20)
NUMBERS = st.sampled_from(
    [
        *("86399", "0", "-0", "-1", "1", "0.5", "1e-300", "172800", "172801", "1e999", "-1e999"),
        *("NaN", "Infinity", "-Infinity", "9" * 400, "9" * 5000, "1" + "0" * 4000 + ".5"),
        *("01", "1_000", "0x10", "1e5", "86399.9999999999999999"),
    ]
)
ODD_TOKENS = [
    *(TOKEN, TOKEN, TOKEN, TOKEN + "=", TOKEN + "\n", "\u2028" + TOKEN, TOKEN + "\u00e9", "=", ""),
    *(f"Bearer {TOKEN}", f"{TOKEN}\r\nHost: evil.example", TOKEN + "\ud800", TOKEN * 1000),
]


def in_json(text: str) -> st.SearchStrategy[str]:
    """The text as JSON, with what is not ASCII escaped or as it is."""
    return st.booleans().map(lambda escaped: json.dumps(text, ensure_ascii=escaped))


SCALARS = st.one_of(
    NUMBERS,
    NUMBERS.map(json.dumps),
    WORDS.flatmap(in_json),
    st.sampled_from(["null", "true", "false", "[]", "{}", '"bearer"', '"Bearer"', '"mac"']),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda some: f"[{','.join(some)}]")
        | st.dictionaries(WORDS.map(json.dumps), inner, max_size=3).map(
            lambda some: f"{{{','.join(f'{name}:{one}' for name, one in some.items())}}}"
        )
    ),
    max_leaves=6,
)
#: What the sound answer has under a key, and what else may stand there.
FIELDS = {
    "access_token": st.sampled_from(ODD_TOKENS).flatmap(in_json),
    "token_type": st.just('"bearer"'),
    "expires_in": NUMBERS | NUMBERS.map(json.dumps),
    "error": st.sampled_from(
        [
            *('"invalid_client"', '"unauthorized_client"', '"unsupported_grant_type"'),
            *('"invalid_request"', '""', "null"),
        ]
    ),
    **dict.fromkeys(["error_description", "description", "message"], WORDS.flatmap(in_json)),
    **dict.fromkeys(["code", "status", "scope", "expires_at", "refresh_token"], SCALARS),
}


@st.composite
def objects(draw: st.DrawFn) -> str:
    """A JSON object as text: near the sound one, with keys twice perhaps."""
    names = draw(st.lists(st.sampled_from(list(FIELDS)), max_size=4))
    names += draw(st.sampled_from([[], ["access_token"], ["access_token", "expires_in"]]))
    pairs = [
        f"{json.dumps(name)}: {draw(FIELDS[name] | VALUES if draw(st.booleans()) else FIELDS[name])}"
        for name in names
    ]
    return f"{{{', '.join(draw(st.permutations(pairs)))}}}"


BODIES = st.one_of(
    objects().map(lambda text: text.encode("utf-8", "surrogatepass")),
    objects().map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.tuples(objects(), st.sampled_from(["utf-16", "utf-32-le", "utf-8-sig", "utf-7"])).map(
        lambda pair: pair[0].encode(pair[1], "replace")
    ),
    VALUES.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.tuples(objects(), st.integers(0, 60)).map(
        lambda cut: cut[0].encode("utf-8", "replace")[: cut[1]]
    ),
    st.binary(max_size=60),
    st.sampled_from(
        [
            *(b"", b" \r\n", b"<html><body>Sign in</body></html>", b"\n <!DOCTYPE html>", b"<"),
            *(b"[" * 5000, b'{"a":' * 5000, b" " * 70_000, BASIC.encode(), SECRET.encode()),
        ]
    ),
)

ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "gzip, deflate": lambda body: zlib.compress(gzip.compress(body)),
    "br": bytes,
    "x-gzip": bytes,
    "gzip, ": gzip.compress,
    SECRET: bytes,
}

#: What http.client lets through in a header; a line break would end it.
LATIN = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30)
RETRY_AFTER = st.one_of(
    st.sampled_from(
        [
            *("0", "1", "59", "60", "61", "-1", "1.5", "9" * 400, "9" * 5000, "soon", "", "\xb2"),
            *("1e3", "Wed, 15 Nov 2023 00:00:00 GMT", "Tue, 14 Nov 2023 22:13:30 -0000"),
            *("Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 1 Jan 0001 00:00:00 +2359"),
        ]
    ),
    LATIN,
)
HEADERS = st.one_of(
    st.tuples(st.just("Retry-After"), RETRY_AFTER),
    st.tuples(
        st.just("Content-Type"),
        st.sampled_from(
            [
                *("application/json", "text/html; charset=utf-16", "text/plain; charset=zlib"),
                *("", ";", f"text/{SECRET}", "application/json; charset=\xff", "x" * 90),
            ]
        )
        | LATIN,
    ),
    st.tuples(
        st.sampled_from(["ININ-Correlation-Id", "Genesys-Correlation-Id"]),
        st.sampled_from(["6c2e-1", BASIC, SECRET, "x" * 64, "x" * 65, "a b"]) | LATIN,
    ),
    st.tuples(
        st.just("Location"),
        st.sampled_from(
            [
                "https://[::1",
                "//",
                f"https://{SECRET}/",
                f"https://{SECRET}@x/",
                "https://a.example/",
            ]
        )
        | LATIN,
    ),
    st.tuples(st.just("Content-Length"), st.sampled_from(["0", "5", "99999", "-1", "x", "1, 1"])),
    st.tuples(st.just("Transfer-Encoding"), st.sampled_from(["chunked", "gzip, chunked", "x"])),
    st.tuples(st.sampled_from(["Set-Cookie", "WWW-Authenticate", "Connection"]), LATIN),
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Any answer, mostly one that comes as it says it does."""
    body = draw(BODIES)
    headers = draw(st.lists(HEADERS, max_size=4))
    encoding = draw(st.just("") | st.sampled_from(list(ENCODINGS)))
    if encoding:
        headers.append(("Content-Encoding", encoding))
    if draw(st.integers(0, 3)):
        body = ENCODINGS[encoding](body)
    if draw(st.integers(0, 9)) == 0:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        headers.append(("Transfer-Encoding", "chunked"))
    status = draw(
        st.sampled_from([200, 200, 200, 201, 204, 301, 307, 400, 400, 401, 403, 404, 407, 429, 503])
        | st.integers(100, 999)
    )
    return response(body, *headers, status=status)


# -- the promises ---------------------------------------------------------------------------------


def sound(token: AccessToken) -> bool:
    return (
        re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", plain(token.value), re.ASCII) is not None
        and token.header == f"Bearer {plain(token.value)}"
        and 0 < token.lifetime <= 48 * 3600
    )


def check_token_error(error: GenesysCloudError) -> None:
    """What every error of a token request is, beside silent about secrets (see `nothing_told`)."""
    assert isinstance(error, TokenError)
    check(error)
    assert error.request is None
    assert error.response is None
    assert len(str(error)) < 1500
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), repr(again)) == (str(error), repr(error))
    for name in ("host", "status", "error", "description", "correlation_id", "retryable"):
        assert getattr(again, name) == getattr(error, name)


def hold(answer: bytes, latency: float, sweep: Sweep, *, retry: bool) -> None:
    fake_time = FakeTime()
    wire = Wire(answer, before=lambda: fake_time.advance(latency))
    try:
        token = ask(wire, fake_time, retry=retry)
    except GenesysCloudError as error:
        check_token_error(error)
    else:
        assert sound(token)
    # Waiting included, no more than the budget, an attempt that began within it, and rounding.
    assert fake_time.monotonic - 1000 <= 75.0 + latency + 1
    nothing_told(sweep)


LATENCIES = st.sampled_from([0.0, 0.0, 0.1, 19.0, 21.0, 100.0])


@examples(150)
@given(answers(), LATENCIES, st.booleans())
@example(
    response(b'{"error": "\\u001b[31m\\ud800", "description": "\\u202e"}', status=400), 0, False
)
def test_any_answer_is_a_sound_token_or_an_error_of_ours_that_tells_no_secret(
    sweep: Sweep, answer: bytes, latency: float, retry: bool
) -> None:
    hold(answer, latency, sweep, retry=retry)


@examples(60)
@given(
    answers(),
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from([b"", b"\r\n", b"\0", b"\xff", b":", b" "])),
        min_size=1,
        max_size=4,
    ),
)
@example(b"", [])
@example(b"HTTP/1.1 200 Said", [])
@example(b"HTTP/1.1 100 Continue\r\n\r\n" * 200, [])
@example(b"\x16\x03\x01\x02\x00", [])
@example(f"{SECRET}\r\n\r\n".encode(), [])
def test_a_damaged_answer_is_a_sound_token_or_an_error_of_ours_that_tells_no_secret(
    sweep: Sweep, answer: bytes, damage: list[tuple[int, bytes]]
) -> None:
    for at, instead in damage:
        answer = answer[:at] + instead + answer[at + 1 :]
    hold(answer, 0.0, sweep, retry=False)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
#: Other things that an answer may say, and that change nothing.
MORE = st.dictionaries(
    st.sampled_from(
        ["scope", "expires_at", "refresh_token", "id_token", "state", "error_description", "", "x"]
    ),
    JSON,
    max_size=4,
)


@examples(60)
@given(
    st.from_regex(r"[A-Za-z0-9._~+/-]{1,80}={0,2}", fullmatch=True),
    st.fractions(Fraction(1, 1000), 400_000, max_denominator=1000) | st.integers(1, 10**25),
    st.booleans(),
    st.sampled_from([None, "bearer", "Bearer", "BEARER"]),
    MORE,
)
def test_a_sound_answer_is_believed_whatever_else_it_says(
    value: str,
    seconds: Fraction | int,
    as_text: bool,
    kind: str | None,
    more: dict[str, Any],
) -> None:
    number = seconds if isinstance(seconds, int) else float(seconds)
    said = more | {"access_token": value, "expires_in": f"{number:f}" if as_text else number}
    said |= {"token_type": kind} if kind else {}
    fake_time = FakeTime()

    token = ask(Wire(response(json.dumps(said).encode())), fake_time)

    assert sound(token)
    assert token.value == value
    assert abs(token.remaining(fake_time.clock) - min(seconds, 48 * 3600)) < 1e-5
