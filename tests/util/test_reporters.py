"""What crash reporters show of frames with secrets in them, by the real ones of the field.

Some print `repr`, some cut a text first, some take `str`, and some the text as it is. The last ones can
be told from frames of this library only: the header that urllib3 sends must be a text.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import rich.console
import rich.traceback
import sentry_sdk
import sentry_sdk.transport
import structlog.tracebacks
import urllib3
import wire

from gc_requests_auth import (
    ConfigurationError,
    FileTokenStore,
    GenesysCloudAuth,
    GenesysCloudError,
    GenesysCloudSession,
    RedisTokenStore,
)
from gc_requests_auth.settings.client import Identity
from gc_requests_auth.util.secret import SecretBox

ME = "/api/v2/tokens/me"

#: As long as those of Genesys Cloud, and nowhere alike.
SECRET = "".join(f"s{n:02}-" for n in range(11))[:43]
TOKEN = "".join(f"t{n:02}-" for n in range(22))[:86]
NEW = "".join(f"n{n:02}-" for n in range(22))[:86]

#: One of them is in each nine characters of the above.
PIECES = {text[at : at + 6] for text in (SECRET, TOKEN, NEW) for at in range(0, len(text) - 5, 4)}


# -- reporters ------------------------------------------------------------------------------------


def by_traceback(error: BaseException) -> str:
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def by_rich(error: BaseException) -> str:
    out = rich.console.Console(file=io.StringIO(), width=200)
    shown = rich.traceback.Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, max_frames=1000
    )
    out.print(shown)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def by_structlog(error: BaseException) -> str:
    told = structlog.tracebacks.ExceptionDictTransformer(show_locals=True, max_frames=1000)
    return json.dumps(told((type(error), error, error.__traceback__)))


def by_sentry(error: BaseException) -> str:
    events: list[Any] = []

    class InMemory(sentry_sdk.transport.Transport):
        def capture_envelope(self, envelope: Any) -> None:
            events.append(envelope.get_event())

    client = sentry_sdk.Client(
        "https://key@sentry.example/1",
        transport=InMemory,
        default_integrations=False,
        include_local_variables=True,
        max_value_length=10_000,
    )
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(client)
        scope.capture_exception(error)
    return json.dumps(events)


def by_repr(error: BaseException) -> str:
    """What the reporters above do, without the source code that they show."""
    said = []
    for frame in frames(error):
        for value in frame.f_locals.values():
            with suppress(AttributeError):  # of a PreparedRequest that has just been begun
                said.append(repr(value))
    return "".join(said)


def by_str(error: BaseException) -> str:
    """Raygun."""
    return " ".join(str(value) for frame in frames(error) for value in texts(frame.f_locals))


def by_cutting(error: BaseException) -> str:
    """Of the many that cut, strip or split before they print."""
    found = [value for frame in frames(error) for value in texts(frame.f_locals)]
    shown = [[one[:80], one[7:], one.strip(), one.split(), one[::2], one + "..."] for one in found]
    return repr(shown) + repr([f"{one:.60}" + f"{one}" + "%s" % one for one in found])  # noqa: UP031


def by_text(error: BaseException) -> str:
    """Rollbar: the text itself. Of frames of this library."""
    own = [frame for frame in frames(error) if "/gc_requests_auth/" in frame.f_code.co_filename]
    return "".join("".join(value) for frame in own for value in texts(frame.f_locals))


def frames(error: BaseException) -> Iterator[Any]:
    for one in chain(error):
        for frame, _ in traceback.walk_tb(one.__traceback__):
            yield frame


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def texts(value: Any, depth: int = 0) -> Iterator[str]:
    """The texts in a value, as a serializer finds them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield repr(value)
    elif isinstance(value, Mapping | tuple | list | set) and depth < 5:
        members = [*value, *value.values()] if isinstance(value, Mapping) else value
        for member in members:
            yield from texts(member, depth + 1)


REPORTERS = [by_traceback, by_rich, by_structlog, by_sentry, by_str, by_cutting, by_text]


# -- errors ---------------------------------------------------------------------------------------


def grant(token: str) -> wire.Act:
    return wire.say(200, access_token=token, token_type="bearer", expires_in=86400)


def arguments(server: wire.Server) -> dict[str, Any]:
    return {
        "client_id": "client-12345678",
        "client_secret": SECRET,
        "login_url": server.url,
        "api_url": f"{server.url}/gateway",
    }


def trusting(server: wire.Server) -> requests.Session:
    session = requests.Session()
    session.verify = server.ca_file
    return session


def called_by_auth(server: wire.Server, **more: Any) -> None:
    with trusting(server) as session:
        auth = GenesysCloudAuth(**arguments(server), session=session, **more)
        session.post(auth.api_url + ME, auth=auth, timeout=(5, 0.2), json={})


def called_by_session(server: wire.Server, **more: Any) -> None:
    with GenesysCloudSession(**arguments(server), retries=0, **more) as session:
        session.verify = server.ca_file
        session.post(ME, json={}, timeout=(5, 0.2))


def handed_back(server: wire.Server) -> None:
    with trusting(server) as session:
        auth = GenesysCloudAuth(**arguments(server), session=session)
        auth.access_token(rejected=auth.access_token())


def forgotten(server: wire.Server) -> None:
    with trusting(server) as session:
        auth = GenesysCloudAuth(**arguments(server), session=session)
        auth.access_token()
        auth.forget()
        auth.access_token()


def revoked(server: wire.Server) -> None:
    with trusting(server) as session:
        auth = GenesysCloudAuth(**arguments(server), session=session, token_timeout=(5, 0.2))
        auth.access_token()
        auth.revoke()


REFUSAL = wire.say(
    400, error="invalid_client", description=f"not {SECRET[4:30]}", error_description="no"
)

OVER_THE_WIRE: dict[str, tuple[Callable[[wire.Server], None], list[wire.Act]]] = {
    "refused sign-in": (called_by_auth, [REFUSAL]),
    "refused sign-in of a session": (called_by_session, [REFUSAL]),
    "sign-in without an answer": (called_by_auth, [wire.close]),
    "token that is none": (called_by_auth, [grant(f"{TOKEN} {NEW}")]),
    "call that times out": (called_by_auth, [grant(TOKEN), wire.hang]),
    "call of a session that times out": (called_by_session, [grant(TOKEN), wire.hang]),
    "replay that times out": (
        called_by_auth,
        [grant(TOKEN), wire.reply(401, ""), grant(NEW), wire.hang],
    ),
    "replay of a session that times out": (
        called_by_session,
        [grant(TOKEN), wire.reply(401, ""), grant(NEW), wire.hang],
    ),
    "401 without a new token": (called_by_auth, [grant(TOKEN), wire.reply(401, ""), REFUSAL]),
    "token handed back": (handed_back, [grant(TOKEN), REFUSAL]),
    "token forgotten": (forgotten, [grant(TOKEN), REFUSAL]),
    "token not revoked": (revoked, [grant(TOKEN), wire.reply(500, "")]),
    "no answer to a revocation": (revoked, [grant(TOKEN), wire.hang]),
}


def raised(call: Callable[[], object]) -> BaseException:
    """What it raises, without the frames of tests, which hold what they please."""
    with pytest.raises(BaseException) as caught:
        call()
    for one in chain(caught.value):
        while one.__traceback__ and "/tests/" in one.__traceback__.tb_frame.f_code.co_filename:
            one.__traceback__ = one.__traceback__.tb_next
    return caught.value


def assert_nothing_is_shown(error: BaseException) -> None:
    for report in REPORTERS:
        said = report(error)
        shown = sorted(piece for piece in PIECES if piece in said)
        assert shown == [], report.__name__


@pytest.mark.parametrize("case", OVER_THE_WIRE)
def test_no_crash_reporter_shows_a_token_or_a_secret(case: str) -> None:
    call, script = OVER_THE_WIRE[case]
    with wire.Server(*script) as server:
        assert_nothing_is_shown(raised(lambda: call(server)))


@pytest.mark.parametrize(
    "given",
    [
        {"client_id": "client", "client_secret": f"{SECRET}\n"},
        {"client_id": "client", "client_secret": f'"{SECRET}"'},
        {"client_id": SECRET, "client_secret": None},
        {"client_id": f"id:{SECRET}", "client_secret": SECRET},
        {"client_id": "client", "client_secret": SECRET, "region": "nowhere"},
        {"client_id": "client", "client_secret": SECRET, "token_timeout": 0},
        {"client_id": "client", "client_secret": SECRET, "session": "none"},
        {"client_id": "client", "client_secret": SECRET, "profile": "prod"},
        {"region": SECRET},
        {"region": f"{SECRET} "},
        {"login_url": f"https://user:{SECRET}@login.example"},
        {"api_url": f"https://api.example/?secret={SECRET}"},
        {"profile": SECRET, "region": "nowhere"},
        {"credentials": ("client", SECRET)},
    ],
)
@pytest.mark.parametrize("kind", [GenesysCloudAuth, GenesysCloudSession])
def test_no_crash_reporter_shows_the_arguments_of_a_constructor_that_fails(
    given: dict[str, Any], kind: Any
) -> None:
    assert_nothing_is_shown(raised(lambda: kind(**given)))


@pytest.mark.parametrize(
    "answer", [("client", f"{SECRET} "), (SECRET,), {"secret": SECRET}, SECRET]
)
def test_no_crash_reporter_shows_the_answer_of_a_vault(answer: Any) -> None:
    auth = GenesysCloudAuth(credentials=lambda: answer, region="eu-west-1")
    assert_nothing_is_shown(raised(auth.access_token))


@pytest.mark.parametrize(
    "variables",
    [
        {"GC_CLIENT_SECRET": f"{SECRET}\t", "GC_REGION": "eu-west-1"},
        {"GC_CLIENT_SECRET": SECRET, "GC_REGION": "nowhere"},
        {"GC_CLIENT_SECRET": SECRET, "GC_REGION": SECRET},
        {"GC_CLIENT_SECRET": SECRET, "GENESYSCLOUD_TOKEN_POOL_SIZE": SECRET},
        {"GC_CLIENT_SECRET": SECRET},
        {"GC_CLIENT_SECRET": "", "GENESYSCLOUD_ACCESS_TOKEN": TOKEN},
    ],
)
def test_no_crash_reporter_shows_a_variable(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"GC_CLIENT_ID": "client", **variables}.items():
        monkeypatch.setenv(name, value)
    auth = GenesysCloudAuth()
    assert_nothing_is_shown(
        raised(lambda: requests.get("https://api.example", auth=auth, timeout=5))
    )


@pytest.mark.parametrize(
    "lines",
    [
        f'client_credentials = "client"\nclient_secret = "{SECRET} "',
        f'client_credentials = "client"\nclient_secret = "{SECRET}"\nenvironment = "nowhere"',
        f'client_credentials = "client"\nclient_secret = "{SECRET}',
        f'client_secret = "{SECRET}"',
        f'client_credentials = "client"\nclient_secret = ["{SECRET}"]',
    ],
)
def test_no_crash_reporter_shows_a_profile(lines: str, tmp_path: Path) -> None:
    (tmp_path / ".gc").mkdir()
    (tmp_path / ".gc/config.toml").write_text(f"[prod]\n{lines}\n")
    auth = GenesysCloudAuth(profile="prod")
    assert_nothing_is_shown(raised(lambda: auth.region))


def test_no_crash_reporter_shows_a_token_of_a_store(tmp_path: Path) -> None:
    with wire.Server(grant(TOKEN), wire.reply(401, ""), REFUSAL) as server:
        error = raised(lambda: called_by_auth(server, store=FileTokenStore(tmp_path)))
    assert isinstance(error, GenesysCloudError)
    assert_nothing_is_shown(error)


def test_no_crash_reporter_shows_the_password_of_a_redis_client() -> None:
    redis = pytest.importorskip("redis")
    client = redis.Redis(password=SECRET, socket_timeout=None)
    assert_nothing_is_shown(raised(lambda: RedisTokenStore(client)))


# -- Ctrl-C while a secret is checked ---------------------------------------------------------------

#: As HTTP Basic sends it, which is refused.
BOTH_IN_ONE = base64.b64encode(f"a-client-id:{SECRET}".encode()).decode()


@pytest.mark.parametrize("secret", [SECRET, BOTH_IN_ONE], ids=["sound", "both"])
def test_no_frame_that_checks_a_secret_shows_it(secret: str) -> None:  # pragma: no cover
    """So Ctrl-C shows none. Not measured: its trace function takes the place of coverage's."""
    shown: list[str] = []

    def trace(frame: Any, *_: Any) -> Any:
        where = f"{frame.f_code.co_filename} {frame.f_code.co_qualname}"
        if "/tests/" in where or any(part in where for part in HIDING):
            return None
        shown.extend(map(repr, frame.f_locals.values()))
        return trace

    pair = SecretBox("a-client-id"), SecretBox(secret)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(ConfigurationError):
            Identity.checked(*pair, ("client_id", "client_secret"))
    finally:
        sys.settrace(before)
    parts = {secret[at : at + 6] for at in range(len(secret) - 5)} | PIECES
    assert len(shown) > 20
    assert [part for part in parts if part in " ".join(shown)] == []


# -- Ctrl-C while a token arrives -----------------------------------------------------------------

#: Whose lines are interrupted: all that see an answer of the login service, but for their sockets.
READERS = (
    "/gc_requests_auth/",
    "/json/",
    "/oauthlib/",
    "/requests_oauthlib/",
    "/requests/models.py",
)

#: What is handed a text in order to hide it, or to look at its brackets.
HIDING = (
    *("/util/secret.py Secret", "/util/secret.py _hidden_again", "/util/secret.py plain"),
    *("/util/secret.py boxed", "/util/secret.py register_yaml_representer"),
    *("/util/bodies.py refuse_too_deep", "/util/bodies.py _with_hidden_texts"),
)


class Granting(requests.adapters.BaseAdapter):
    """The login service, in this process; from its answer on, each line is told to `tell`."""

    def __init__(self, tell: Callable[[str, int], object]) -> None:
        super().__init__()
        self._tell = tell

    def send(  # pragma: no cover -- see below
        self, request: requests.PreparedRequest, *_: Any, **__: Any
    ) -> requests.Response:
        said = {"access_token": TOKEN, "token_type": "bearer", "a": [{"id_token": NEW}]}
        raw = urllib3.HTTPResponse(
            io.BytesIO(json.dumps(said).encode()), status=200, preload_content=False
        )
        answer = requests.adapters.HTTPAdapter().build_response(request, raw)
        frame = sys._getframe().f_back
        while frame is not None and "/tests/" not in frame.f_code.co_filename:
            frame.f_trace = self._trace(frame, "call", None)
            frame = frame.f_back
        sys.settrace(self._trace)
        return answer

    def _trace(self, frame: Any, event: str, _: object) -> Any:  # pragma: no cover -- see below
        where = f"{frame.f_code.co_filename} {frame.f_code.co_qualname}"
        if not any(part in where for part in READERS) or any(part in where for part in HIDING):
            return None
        if event == "line":
            self._tell(frame.f_code.co_filename, frame.f_lineno)
        return self._trace

    def close(self) -> None:
        """Nothing is open."""


def lines_of_a_token_request(  # pragma: no cover -- see below
    interrupted_at: int = -1,
) -> list[tuple[str, int]]:
    """The lines that are run once an answer came; with Ctrl-C at one of them."""
    lines: list[tuple[str, int]] = []

    def tell(file: str, number: int) -> None:
        lines.append((file, number))
        if len(lines) - 1 == interrupted_at:
            raise KeyboardInterrupt

    session = requests.Session()
    session.mount("https://", Granting(tell))
    auth = GenesysCloudAuth("client", SECRET, region="eu-west-1", session=session)
    before = sys.gettrace()
    try:
        auth.access_token()
    finally:
        sys.settrace(before)
    return lines


def test_ctrl_c_at_any_line_while_a_token_arrives_shows_no_token() -> None:  # pragma: no cover
    """Not measured: its trace function takes the place of coverage's."""
    last = {line: number for number, line in enumerate(lines_of_a_token_request())}
    assert any("oauthlib" in file for file, _ in last)
    assert any("json" in file for file, _ in last)
    for line, number in last.items():
        # In a context of its own, which it may leave behind in any state.
        error = raised(partial(copy_context().run, lines_of_a_token_request, number))
        told = by_repr(error) + by_str(error) + by_cutting(error) + by_text(error)
        assert type(error) is KeyboardInterrupt
        assert [piece for piece in PIECES if piece in told] == [], line
