"""Secrets have no printable form. Beside these there is the sweep of conftest.py over every test."""

from __future__ import annotations

import copy
import functools
import io
import itertools
import json
import logging
import pickle
import shutil
import threading
import traceback
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import SECRET, TOKEN, Counted, Sweep, run_python

from gc_requests_auth import (
    ConfigurationError,
    CredentialsRefusedError,
    GenesysCloudAuth,
    GenesysCloudSession,
)
from gc_requests_auth.util.clock import Clock

ME = "/api/v2/tokens/me"


def rendered(error: BaseException) -> str:
    """The traceback as a crash reporter has it: with the locals of all frames that are not ours."""
    text = io.StringIO()
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    told.stack = traceback.StackSummary.from_list(
        [frame for frame in told.stack if "/tests/" not in frame.filename]
    )
    told.print(file=text)
    return text.getvalue()


def test_the_sweep_finds_what_it_is_for(sweep: Sweep) -> None:
    """A check that can not fail is none: seen in a log, raw and in Base64, and in a frame."""
    logging.getLogger("anybody").debug("a %s b", SECRET)
    assert len(sweep.find()) == 1
    logging.getLogger("anybody").debug(
        "Basic %s", "Y2xpZW50OlMzY3IzdC10aGF0LW11c3Qtbm90LWJlLXNlZW5fOWdoRnEy"
    )
    assert len(sweep.find()) == 2
    error = ConfigurationError("fine")
    assert len(sweep.find()) == 2
    error.__context__ = ValueError(TOKEN)
    assert len(sweep.find()) == 3
    with pytest.warns(UserWarning, match="that-must-not-be-seen"):
        warnings.warn(SECRET, stacklevel=1)
    assert len(sweep.find()) == 4
    sweep.texts.clear()
    sweep.errors.clear()


def test_what_a_call_hangs_on_a_request_prints_no_token(sandbox: Counted) -> None:
    """A request may stand in a frame that a crash reporter prints."""
    auth = sandbox.auth(tokens=2)
    token = auth.access_token()
    with sandbox.session() as session:
        answer = session.get(sandbox.api_url + ME, auth=auth, timeout=30)
    hook: Any = answer.request.hooks["response"][0]
    seen = f"{vars(answer)} {vars(answer.request)} {vars(hook)}"

    assert token not in seen
    assert "<hidden>" in seen
    assert answer.request.headers["Authorization"] == f"Bearer {token}"


@pytest.mark.parametrize(
    "leak",
    [
        "print(SECRET)",
        "print(SECRET, file=sys.stderr)",
        "logging.getLogger('anybody').debug(SECRET)",
        "with pytest.warns(UserWarning): warnings.warn(SECRET)",
        "with pytest.raises(ConfigurationError): raise ConfigurationError(SECRET)",
    ],
)
def test_a_test_that_shows_a_secret_fails(leak: str, tmp_path: Path) -> None:
    """Seen from outside: a run of pytest with our conftest.py, and a test that does nothing else."""
    shutil.copy(Path(__file__).parent.parent / "conftest.py", tmp_path)
    (tmp_path / "test_leak.py").write_text(
        "import logging, sys, warnings\nimport pytest\nfrom conftest import SECRET\n"
        "from gc_requests_auth import ConfigurationError\n"
        f"def test_quiet():\n    pass\ndef test_leak():\n    {leak}\n"
    )
    done = run_python(
        "import sys, pytest; sys.exit(pytest.main(['-q', 'test_leak.py']))", cwd=tmp_path
    )

    assert done.returncode == 1
    assert "2 passed, 1 error" in done.stdout


@pytest.mark.parametrize("print_it", [repr, str, "{}".format, lambda auth: f"{auth!r:>80}"])
def test_an_auth_has_no_printable_secret(
    sandbox: Counted, print_it: Callable[[object], str]
) -> None:
    auth = sandbox.auth()
    token = auth.access_token()

    held = list(held_by(auth))
    assert any(type(thing).__name__ == "AccessToken" for thing in held)
    for thing in held:
        said = print_it(thing)
        assert sandbox.client_secret not in said
        assert token not in said


def held_by(thing: object) -> Iterator[object]:
    """The thing and all that this library keeps in it, each once."""
    seen: dict[int, object] = {}
    queue = [thing]
    while queue:
        one = queue.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        yield one
        if isinstance(one, dict):
            queue += [*one, *one.values()]
        elif isinstance(one, list | tuple | set):
            queue += one
        elif type(one).__module__.startswith("gc_requests_auth") and hasattr(one, "__dict__"):
            queue.append(vars(one))


def test_a_prepared_request_prints_no_token(sandbox: Counted) -> None:
    prepared = requests.Request("GET", sandbox.api_url + ME, auth=sandbox.auth()).prepare()

    assert "<hidden>" in repr(prepared.headers)
    assert "Bearer" not in f"{prepared!r} {prepared.headers} {dict(prepared.headers)}"


def test_errors_pickle_without_request_and_secret(sandbox: Counted) -> None:
    with pytest.raises(CredentialsRefusedError) as error:
        requests.get(sandbox.api_url + ME, auth=sandbox.auth(client_secret=SECRET), timeout=30)
    for twin in (pickle.loads(pickle.dumps(error.value)), copy.deepcopy(error.value)):
        assert twin.request is twin.response is None
        assert str(twin) == str(error.value)
        assert vars(twin) == {**vars(error.value), "request": None}
    assert SECRET.encode() not in pickle.dumps(error.value)


def test_a_refused_secret_in_place_of_the_id_shows_nowhere(sandbox: Counted) -> None:
    auth = sandbox.auth(client_id=SECRET, client_secret=str(uuid.uuid4()))
    with pytest.raises(CredentialsRefusedError, match="look swapped") as error:
        auth.access_token()

    assert "Identity(" in rendered(error.value)
    assert SECRET[-4:] not in rendered(error.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"client_id": "id-of-the-client", "client_secret": f"{SECRET}\n"},
        {"client_id": "id-of-the-client", "client_secret": f'"{SECRET}"'},
        {"client_id": "id-of-the-client", "client_secret": SECRET.encode()},
        {"client_id": "id-of-the-client", "client_secret": [SECRET]},
        {"client_id": None, "client_secret": SECRET},
        {"client_secret": SECRET},
        {"client_id": "i", "client_secret": SECRET, "credentials": lambda: ("a", "b")},
        {"client_id": "i", "client_secret": SECRET, "region": "nowhere"},
        {"client_id": "i", "client_secret": SECRET, "token_timeout": 0},
        {"client_id": "i", "client_secret": SECRET, "session": "none"},
        {"client_id": SECRET},
        {"client_id": f"id:{SECRET}", "client_secret": SECRET},
        {"client_id": (SECRET, SECRET), "client_secret": SECRET},
        {"client_id": "i", "client_secret": "j", "login_url": f"https://user:{SECRET}@host"},
        {"client_id": "i", "client_secret": "j", "api_url": f"https://host/?secret={SECRET}"},
        {"client_id": "i", "client_secret": "j", "region": SECRET},
        {"credentials": ("i", SECRET)},
        {"credentials": functools.partial(dict, secret=SECRET), "token_timeout": 0},
    ],
)
@pytest.mark.parametrize("kind", [GenesysCloudAuth, GenesysCloudSession])
def test_a_constructor_that_fails_shows_no_secret(
    arguments: dict[str, Any], kind: type[GenesysCloudAuth | GenesysCloudSession]
) -> None:
    with pytest.raises((ConfigurationError, TypeError)) as error:
        kind(**arguments)

    assert SECRET not in rendered(error.value)


@pytest.mark.parametrize(
    "answer",
    [
        ("client", f"{SECRET} "),
        ("client", SECRET.encode()),
        (SECRET,),
        ("client", SECRET, SECRET),
        SECRET,
        {"client_secret": SECRET},
        None,
    ],
)
def test_a_vault_with_a_bad_answer_shows_no_secret(sandbox: Counted, answer: Any) -> None:
    auth = sandbox.auth(credentials=lambda: answer)
    with pytest.raises(ConfigurationError) as error:
        auth.access_token()

    assert SECRET not in rendered(error.value)


def test_a_vault_that_raises_shows_nothing_it_is_bound_to(sandbox: Counted) -> None:
    @dataclass
    class Safe:
        secret: str

        def open(self) -> tuple[str, str]:
            raise KeyError

    auth = sandbox.auth(credentials=Safe(SECRET).open)
    with pytest.raises(KeyError) as error:
        auth.access_token()

    assert SECRET not in rendered(error.value)


def test_ctrl_c_in_the_midst_of_a_token_shows_no_token(sandbox: Counted) -> None:
    """The ordinary end of something that hangs."""
    sandbox.sandbox.answer_tokens(1, 200, json.dumps({"access_token": TOKEN, "expires_in": 300}))
    ticks = itertools.count()

    def monotonic() -> float:
        if next(ticks) == 40:  # it is asked for at each byte
            raise KeyboardInterrupt
        return 0.0

    class Interrupted(GenesysCloudAuth):
        _clock = Clock(monotonic, lambda: 0.0)

    auth = Interrupted(
        "client",
        SECRET,
        login_url=sandbox.login_url,
        api_url=sandbox.api_url,
        session=sandbox.session(),
    )
    with pytest.raises(KeyboardInterrupt) as error:
        auth.access_token()
    said = rendered(error.value)

    assert "in read_within" in said
    assert TOKEN[:10] not in said


def test_an_environment_with_a_bad_secret_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GC_CLIENT_ID", "id-of-the-client")
    monkeypatch.setenv("GC_CLIENT_SECRET", f"{SECRET}\n")
    with pytest.raises(ConfigurationError, match="GC_CLIENT_SECRET") as error:
        GenesysCloudAuth(region="eu-west-1").access_token()

    assert SECRET not in rendered(error.value)


def test_a_refused_token_that_was_handed_back_shows_nowhere(sandbox: Counted) -> None:
    auth = sandbox.auth()
    token = auth.access_token()
    sandbox.sandbox.answer_tokens(1, 403, "")
    with pytest.raises(requests.RequestException) as error:
        auth.access_token(rejected=token)

    assert token not in rendered(error.value)


def test_an_api_call_that_times_out_shows_no_token(sandbox: Counted) -> None:
    auth = sandbox.auth()
    token = auth.access_token()
    with pytest.raises(requests.ReadTimeout) as error:
        requests.get(
            f"{sandbox.api_url}/sandbox/slow?seconds=30",
            auth=auth,
            verify=sandbox.ca_file,
            timeout=(5, 0.1),
        )
    said = rendered(error.value)

    assert "urllib3" in said
    assert "<hidden>" in said, "the header was among the locals"
    assert token not in said


def test_a_replay_that_times_out_shows_no_token(sandbox: Counted) -> None:
    auth = sandbox.auth()
    first = auth.access_token()
    sandbox.sandbox.revoke_all()
    with sandbox.session() as session, pytest.raises(requests.ReadTimeout) as error:
        session.get(f"{sandbox.api_url}/sandbox/slow?seconds=30", auth=auth, timeout=(5, 0.1))
    said = rendered(error.value)

    assert "in replay" in said
    assert first not in said
    assert auth.access_token() not in said


def test_threads_leave_no_token_in_their_names_or_arguments(sandbox: Counted) -> None:
    token = sandbox.auth().access_token()

    assert token not in repr([vars(thread) for thread in threading.enumerate()])
