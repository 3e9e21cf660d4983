"""Life in a process: copies, pickles, spawned interpreters and forks."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import SECRET, Counted, FakeTime, by_the_clock, run_python
from pools import filled, left, living_values, send_with, slots

from gc_requests_auth import GenesysCloudAuth, GenesysCloudSession, RateLimitError

ME = "/api/v2/tokens/me"

COPIES = [copy.copy, copy.deepcopy, lambda auth: pickle.loads(pickle.dumps(auth))]


@pytest.mark.parametrize("make_copy", COPIES, ids=["copy", "deepcopy", "pickle"])
def test_a_copy_signs_in_for_itself(sandbox: Counted, make_copy: Any) -> None:
    auth = sandbox.auth()
    token = auth.access_token()
    other = make_copy(auth)

    assert other is not auth
    assert other.expires_in is None, "no token travels"
    assert other.access_token() != token
    assert (other.client_id, other.api_url) == (auth.client_id, auth.api_url)
    assert auth.access_token() == token


class Named(GenesysCloudAuth):
    """An auth of a program, with an attribute of its own."""

    name = ""


@pytest.mark.parametrize("make_copy", COPIES, ids=["copy", "deepcopy", "pickle"])
def test_a_copy_keeps_the_attributes_of_a_subclass(make_copy: Any) -> None:
    auth = Named("client-id-1234", SECRET, region="eu-west-1")
    auth.name = "of a tenant"

    assert make_copy(auth).name == "of a tenant"


def test_a_pickle_holds_the_secret_only_if_it_was_an_argument(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = GenesysCloudAuth("client-id-1234", SECRET, region="eu-west-1")
    assert SECRET.encode() in pickle.dumps(given)

    for name, value in sandbox.sandbox.environ.items():
        monkeypatch.setenv(name, value)
    looked_up = GenesysCloudAuth()
    token = looked_up.access_token()
    pickled = pickle.dumps(looked_up)

    assert sandbox.client_secret.encode() not in pickled
    assert token.encode() not in pickled


def test_a_pickle_of_looked_up_credentials_looks_up_anew(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_ID", "of-the-first-machine")
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)
    auth = GenesysCloudAuth(region="eu-west-1")
    assert auth.client_id == "of-the-first-machine"
    pickled = pickle.dumps(auth)
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_ID", "of-the-second-machine")

    assert pickle.loads(pickled).client_id == "of-the-second-machine"


def test_a_pickle_works_in_a_spawned_interpreter(sandbox: Counted, tmp_path: Path) -> None:
    """Through multiprocessing, as a worker pool would do it."""
    script = """
import multiprocessing, sys
import requests
from gc_requests_auth import GenesysCloudAuth, GenesysCloudSession

def call(session):
    return session.get(sys.argv[1]).status_code

if __name__ == "__main__":
    session = requests.Session()
    session.auth = GenesysCloudAuth()
    assert call(session) == 200
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(call, (session,)))
"""
    file = tmp_path / "script.py"  # spawn imports the script once more, so it has to be a file
    file.write_text(script)
    done = run_python(file, sandbox.api_url + ME, env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == ("200\n", "")
    assert sandbox.token_requests == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_child_forked_while_a_token_is_fetched_signs_in_for_itself(sandbox: Counted) -> None:
    """The thread that leads the flight does not exist in the child; nobody must wait for it."""
    script = """
import os, sys, threading, warnings
import requests
from gc_requests_auth import GenesysCloudAuth, GenesysCloudSession

warnings.simplefilter("ignore", DeprecationWarning)  # 3.12+: fork beside a thread is the point
parent = os.getpid()
asked, answer = threading.Event(), threading.Event()

def vault():
    if os.getpid() == parent:
        asked.set()
        assert answer.wait(30)
    return os.environ["GENESYSCLOUD_OAUTHCLIENT_ID"], os.environ["GENESYSCLOUD_OAUTHCLIENT_SECRET"]

auth = GenesysCloudAuth(credentials=vault)
statuses = []

def call():
    statuses.append(requests.get(sys.argv[1], auth=auth, timeout=30).status_code)

leader = threading.Thread(target=call)
leader.start()
assert asked.wait(30)
child = os.fork()
if child == 0:
    call()
    os._exit(0 if statuses == [200] else 1)
_, status = os.waitpid(child, 0)
answer.set()
leader.join(30)
print(os.waitstatus_to_exitcode(status), statuses)
"""
    done = run_python(script, sandbox.api_url + ME, env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == ("0 [200]\n", "")
    assert sandbox.token_requests == 2


@pytest.mark.parametrize("dear", ["oauthlib", "filelock", "subprocess"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_child_forked_while_a_thread_imports_what_is_dear_imports_it_for_itself(
    sandbox: Counted, tmp_path: Path, dear: str
) -> None:
    """An import lock that a thread of the parent holds is held in the child for ever.

    The child imports, and signs in to nothing: by then the thread of the parent may be amid a TLS
    handshake, and what OpenSSL holds at that moment is no matter of ours.
    """
    script = """
import os, sys, threading, warnings
import requests
from gc_requests_auth import CredentialsCommand, FileTokenStore, GenesysCloudAuth

warnings.simplefilter("ignore", DeprecationWarning)
# filelock registers its hooks amid the fork, and the second half of them misses the first.
sys.unraisablehook = lambda _: None
api_url, login_url, client_id, directory, dear = sys.argv[1:]
importing, forking = threading.Event(), threading.Event()
os.register_at_fork(before=forking.set)  # the last function to be registered is called first

class Announce:
    def find_spec(self, name, path=None, target=None):
        if name == dear:
            importing.set()
            forking.wait(30)

tell_secret = [sys.executable, "-c", "import os; print(os.environ['SANDBOX_SECRET'])"]
auth = GenesysCloudAuth(
    credentials=CredentialsCommand(tell_secret, client_id=client_id),
    # A fork waits for the thread of a store, and so for an import in another thread, too.
    store=FileTokenStore(directory) if dear == "filelock" else None,
    api_url=api_url,
    login_url=login_url,
)
sys.modules.pop(dear, None)
sys.meta_path.insert(0, Announce())
statuses = []

def call():
    me = api_url + "/api/v2/tokens/me"
    statuses.append(requests.get(me, auth=auth, timeout=30).status_code)

leader = threading.Thread(target=call)
leader.start()
assert importing.wait(30)
child = os.fork()
if child == 0:
    __import__(dear)
    os._exit(0)
_, status = os.waitpid(child, 0)
leader.join(30)
print(os.waitstatus_to_exitcode(status), statuses)
"""
    environ = {**os.environ, **sandbox.sandbox.environ, "SANDBOX_SECRET": sandbox.client_secret}
    arguments = sandbox.api_url, sandbox.login_url, sandbox.client_id, str(tmp_path), dear
    done = run_python(script, *arguments, env=environ)

    assert (done.stdout, done.stderr) == ("0 [200]\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_parent_and_child_never_share_a_connection_to_the_login_service(sandbox: Counted) -> None:
    script = """
import os, sys
import requests
from gc_requests_auth import GenesysCloudAuth, GenesysCloudSession

auth = GenesysCloudAuth(session=requests.Session())
for _ in range(2):
    auth.access_token()
    auth.forget()
    child = os.fork()
    if child == 0:
        os._exit(not auth.access_token())
    print(os.waitpid(child, 0)[1], len(auth.access_token()) > 0)
"""
    done = run_python(script, sandbox.api_url + ME, env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == ("0 True\n0 True\n", "")
    assert {one.headers["Connection"] for one in list(sandbox.sandbox.token_exchanges)[-6:]} == {
        "close"
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_children_share_the_living_token_of_their_parent(sandbox: Counted) -> None:
    script = """
import os, sys
import requests
from gc_requests_auth import GenesysCloudAuth, GenesysCloudSession

auth = GenesysCloudAuth()
auth.access_token()
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        os._exit(requests.get(sys.argv[1], auth=auth, timeout=30).status_code != 200)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""
    done = run_python(script, sandbox.api_url + ME, env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == ("[0, 0, 0, 0]\n", "")
    assert sandbox.token_requests == 1


@pytest.mark.parametrize("make_copy", COPIES[1:], ids=["deepcopy", "pickle"])
def test_a_copied_session_signs_in_for_itself(
    sandbox: Counted, fake_time: FakeTime, make_copy: Any
) -> None:
    asked: list[str] = []

    class Noting(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *more: Any, **options: Any) -> Any:
            asked.append(str(request.method))
            return super().send(request, *more, **options)

    with (
        by_the_clock(fake_time),
        GenesysCloudSession(
            sandbox.client_id,
            sandbox.client_secret,
            login_url=sandbox.login_url,
            api_url=sandbox.api_url,
            timeout=(3, 4),
            retries=1,
        ) as session,
    ):
        session.verify = sandbox.ca_file
        session.headers["X-Mine"] = "1"
        session.get(ME)
        with make_copy(session) as twin:
            twin.mount(sandbox.login_url, Noting())
            assert twin.get("/sandbox/echo").json()["headers"]["X-Mine"] == "1"
            assert twin.auth is not session.auth
            assert asked == ["POST"], "the copy signs in by its own adapters"
            assert twin.auth.access_token() != session.auth.access_token()
            before = sandbox.api_requests
            assert twin.get("/sandbox/status/503").status_code == 503
            assert (twin.timeout, sandbox.api_requests - before) == ((3, 4), 2)


def test_a_session_pickled_into_a_spawned_interpreter_works(
    sandbox: Counted, tmp_path: Path
) -> None:
    file = tmp_path / "script.py"
    file.write_text(
        """
import multiprocessing
from gc_requests_auth import GenesysCloudSession

def call(session):
    with session:
        return session.get("/api/v2/tokens/me").status_code

if __name__ == "__main__":
    session = GenesysCloudSession()
    first = call(session)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(first, pool.apply(call, (session,)))
"""
    )
    done = run_python(file, env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == ("200 200\n", "")
    assert sandbox.token_requests == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_parent_and_child_share_no_connection_of_a_session(sandbox: Counted) -> None:
    """Two processes that read from one TLS connection would read each other's answers."""
    script = """
import os, sys, threading, warnings
from gc_requests_auth import GenesysCloudSession

warnings.simplefilter("ignore", DeprecationWarning)
session = GenesysCloudSession()

def numbers(who):
    for number in range(20):
        said = session.get("/sandbox/echo", params={"n": f"{who}-{number}"}).json()["query"]["n"]
        assert said == [f"{who}-{number}"], said

barrier = threading.Barrier(5)
def warm():
    session.get("/sandbox/echo")  # the handshake is done when it forks; OpenSSL has locks, too
    barrier.wait(30)
    numbers("warm")
threads = [threading.Thread(target=warm) for _ in range(4)]
for thread in threads:
    thread.start()
barrier.wait(30)  # the connections are in use when it forks
children = []
for which in range(4):
    child = os.fork()
    if child == 0:
        try:
            numbers(f"child{which}")
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
numbers("parent")
for thread in threads:
    thread.join(30)
print([os.waitpid(child, 0)[1] for child in children])
session.close()
"""
    done = run_python(script, env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == ("[0, 0, 0, 0]\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_session_forked_while_a_token_is_fetched_works_in_the_child(sandbox: Counted) -> None:
    script = """
import os, sys, threading, warnings
from gc_requests_auth import GenesysCloudSession

warnings.simplefilter("ignore", DeprecationWarning)
parent = os.getpid()
asked, answer = threading.Event(), threading.Event()

def vault():
    if os.getpid() == parent:
        asked.set()
        assert answer.wait(30)
    return os.environ["GENESYSCLOUD_OAUTHCLIENT_ID"], os.environ["GENESYSCLOUD_OAUTHCLIENT_SECRET"]

session = GenesysCloudSession(credentials=vault)
statuses = []
leader = threading.Thread(target=lambda: statuses.append(session.get("/api/v2/tokens/me").status_code))
leader.start()
assert asked.wait(30)
child = os.fork()
if child == 0:
    os._exit(session.get("/api/v2/tokens/me").status_code != 200)
_, status = os.waitpid(child, 0)
answer.set()
leader.join(30)
print(status, statuses)
session.close()
"""
    done = run_python(script, env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == ("0 [200]\n", "")


def test_a_session_with_an_auth_pickles(sandbox: Counted) -> None:
    session = requests.Session()
    session.auth = sandbox.auth()
    twin = pickle.loads(pickle.dumps(session))
    response = twin.get(sandbox.api_url + ME, verify=sandbox.ca_file, timeout=30)

    assert response.status_code == 200


LEAVING = """
import atexit, sys, threading
import requests
from gc_requests_auth import GenesysCloudAuth
from gc_requests_auth.util.clock import Clock

now, asked = [1000.0], threading.Event()
GenesysCloudAuth._clock = Clock(lambda: now[0], lambda: now[0])

class Login(requests.adapters.BaseAdapter):
    count = 0

    def send(self, request, **options):
        self.count += 1
        if self.count > 1:
            asked.set()
            threading.Event().wait()  # for ever
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, request.url
        response._content = b'{"access_token": "t", "token_type": "bearer", "expires_in": 1000}'
        return response

    def close(self):
        pass

session = requests.Session()
session.mount("https://", Login())
auth = GenesysCloudAuth("client", "secret", region="eu-west-1", session=session)
auth.access_token()
now[0] += 900
"""


def test_a_renewal_that_hangs_does_not_keep_an_interpreter_from_its_end() -> None:
    done = run_python(f"{LEAVING}\nprint(auth.access_token())\nassert asked.wait(30)")

    assert (done.stdout, done.stderr, done.returncode) == ("t\n", "", 0)


def test_a_call_while_an_interpreter_ends_goes_on_with_the_living_token() -> None:
    """Python 3.12 starts no thread any more by then."""
    done = run_python(f"{LEAVING}\natexit.register(lambda: print(auth.access_token()))")

    assert (done.stdout, done.stderr, done.returncode) == ("t\n", "", 0)


# -- pools ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make_copy", COPIES, ids=["copy", "deepcopy", "pickle"])
def test_a_copy_of_a_pool_is_a_pool_without_its_tokens(sandbox: Counted, make_copy: Any) -> None:
    auth = filled(sandbox, 3)
    tokens = living_values(auth)
    for token in tokens:
        send_with(auth, token, 200)
    other = make_copy(auth)
    assert other.expires_in is None
    new = other.access_token()

    assert new not in tokens
    assert len(slots(other)) == 3
    assert living_values(other) == [new], "the others come when they are needed"
    assert left(other, new) == 300, "and have made no requests"
    assert living_values(auth) == tokens


def test_a_copied_session_waits_for_its_turn_as_well(
    limited: Callable[..., Counted], fake_time: FakeTime
) -> None:
    api = limited(rate_limit=2)
    with api.signed_in(retry_after_max=100) as session:
        for _ in range(2):
            session.get(ME)
        copies: list[Any] = COPIES[1:]
        for make_copy in copies:
            with make_copy(session) as twin:
                assert [twin.get(ME).status_code for _ in range(2)] == [200] * 2
                assert fake_time.slept == [], "its token is its own"
                assert twin.get(ME).status_code == 200
                assert 60 <= sum(fake_time.slept) <= 62
            fake_time.slept.clear()
    assert api.sandbox.throttled_requests == 0


def test_a_pickled_session_keeps_its_pacing(
    limited: Callable[..., Counted], fake_time: FakeTime
) -> None:
    api = limited(rate_limit=2)
    with pickle.loads(pickle.dumps(api.signed_in(pacing="off", retries=0))) as session:
        assert [session.get(ME).status_code for _ in range(3)] == [200, 200, 429]
    with pickle.loads(pickle.dumps(api.signed_in(pacing="raise"))) as session:
        session.get(ME)
        session.get(ME)
        with pytest.raises(RateLimitError):
            session.get(ME)
    assert fake_time.slept == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_child_forked_while_a_pool_grows_grows_for_itself(sandbox: Counted) -> None:
    script = """
import os, sys, threading, warnings
import requests
from gc_requests_auth import GenesysCloudAuth

warnings.simplefilter("ignore", DeprecationWarning)
parent = os.getpid()
asked, answer = threading.Event(), threading.Event()
calls = []

def vault():
    calls.append(1)
    if os.getpid() == parent and len(calls) == 2:
        asked.set()
        assert answer.wait(30)
    return os.environ["GENESYSCLOUD_OAUTHCLIENT_ID"], os.environ["GENESYSCLOUD_OAUTHCLIENT_SECRET"]

def call():
    return requests.get(sys.argv[1], auth=auth, timeout=30).status_code

auth = GenesysCloudAuth(credentials=vault, tokens=2, rate_limit=10)
first = auth.access_token()
assert [call() for _ in range(8)] == [200] * 8
assert auth.access_token() == first
assert asked.wait(30)
child = os.fork()
if child == 0:
    fine = [call() for _ in range(3)] == [200] * 3
    second = auth.access_token()
    os._exit(0 if fine and second != first else 1)
_, status = os.waitpid(child, 0)
answer.set()
print(os.waitstatus_to_exitcode(status))
"""
    done = run_python(script, sandbox.api_url + ME, env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == ("0\n", "")
