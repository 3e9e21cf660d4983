"""The environment is asked once for each change of it, and says what requests says."""

from __future__ import annotations

import itertools
import os
import threading
import traceback
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
import requests
from conftest import SECRET, run_python
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st

from gc_requests_auth import GenesysCloudSession
from gc_requests_auth.util import proxies

API = "https://api.mypurecloud.ie/api/v2/users"

HOSTS = st.sampled_from(
    [
        "api.mypurecloud.ie",
        "API.mypurecloud.ie",
        "api.mypurecloud.ie:443",
        "api.mypurecloud.ie:8443",
        "localhost",
        "127.0.0.1",
        "127.0.0.1:8443",
        "10.1.2.3",
        "[::1]",
        "[::1]:443",
        "user:pass@api.mypurecloud.ie",
        "x.example",
    ]
)
URLS = st.builds(
    "{}://{}{}".format,
    st.sampled_from(["https", "http"]),
    HOSTS,
    st.sampled_from(["", "/", "/api/v2/users?a=b", "?a=/b", "#c"]),
)
PROXIES = st.sampled_from(["http://proxy.example:3128", "http://other.example", "", "socks5://s"])
NO_PROXY = st.sampled_from(
    [
        "",
        "*",
        "mypurecloud.ie",
        ".mypurecloud.ie",
        "api.mypurecloud.ie:443",
        "127.0.0.1",
        "127.0.0.0/8",
        "::1",
        "10.0.0.0/8, x.example",
        "localhost,127.0.0.1",
        "nothing.example",
    ]
)
VARIABLES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["HTTPS_PROXY", "https_proxy", "http_proxy", "ALL_PROXY"], PROXIES),
        **dict.fromkeys(["all_proxy", "ftp_proxy", "HTTP_PROXY"], PROXIES),
        **dict.fromkeys(["NO_PROXY", "no_proxy"], NO_PROXY),
        **dict.fromkeys(
            ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"], st.sampled_from(["", "/a", "/b"])
        ),
        **dict.fromkeys(
            ["Https_Proxy", "HTTPS_proxy", "No_Proxy"], st.sampled_from(["", "http://x"])
        ),
        "REQUEST_METHOD": st.sampled_from(["GET", ""]),
        "UNRELATED": st.sampled_from(["1", "2"]),
    },
)
OF_A_CALL = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {}, optional={"https": st.one_of(st.none(), PROXIES), "no_proxy": NO_PROXY, "all": PROXIES}
    ),
)
VERIFY = st.sampled_from([None, True, False, "/own.pem"])


NUMBERS = itertools.count()

#: What urllib, too, understands.
PLAIN_NO_PROXY = st.sampled_from(["", "*", "mypurecloud.ie", ".mypurecloud.ie", "x.example,::1"])


@pytest.fixture
def session() -> Iterator[GenesysCloudSession]:
    with GenesysCloudSession("client-id", "not-a-secret", region="eu-west-1") as session:
        yield session


@examples(200)
@given(
    steps=st.lists(st.tuples(VARIABLES, URLS, OF_A_CALL, VERIFY, VERIFY), min_size=1, max_size=6),
    of_the_session=OF_A_CALL,
    trust_env=st.sampled_from([True, True, False]),
)
def test_whatever_the_environment_becomes_the_settings_are_those_of_requests(
    steps: list[tuple[dict[str, str], str, Any, Any, Any]], of_the_session: Any, trust_env: bool
) -> None:
    ours = GenesysCloudSession("client-id", "not-a-secret", region="eu-west-1")
    theirs = requests.Session()
    for session in (ours, theirs):
        session.trust_env = trust_env
        session.proxies = dict(of_the_session or {})
    bare = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    for variables, url, of_a_call, verify, of_session in steps:
        with patch.dict(os.environ, {**bare, **variables}, clear=True):
            results = []
            for session in (ours, theirs):
                session.verify = of_session
                proxies = dict(of_a_call or {})  # as Session.request passes them
                merged = session.merge_environment_settings(url, proxies, None, verify, None)
                results.append((merged, proxies))
        assert results[0] == results[1]


def test_the_environment_is_gone_through_once_for_each_change_and_host(
    session: GenesysCloudSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask = requests.utils.get_environ_proxies

    def asking(url: str, no_proxy: str | None = None) -> dict[str, str]:
        asked.append(url)
        return ask(url, no_proxy=no_proxy)

    monkeypatch.setattr(requests.utils, "get_environ_proxies", asking)
    monkeypatch.setenv("UNRELATED", "first")

    def merged(url: str) -> None:
        session.merge_environment_settings(url, {}, None, None, None)

    for _ in range(3):
        merged(API)
        merged(f"{API}?page=2")
        merged("https://elsewhere.example/")
    assert len(asked) == 2
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    for _ in range(3):
        merged(API)
    assert len(asked) == 3


def test_hosts_are_not_remembered_for_ever(
    session: GenesysCloudSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def asking(url: str, no_proxy: str | None) -> dict[str, str]:
        asked.append(url)
        return {}

    monkeypatch.setattr(requests.utils, "get_environ_proxies", asking)

    def merged(number: int) -> None:
        session.merge_environment_settings(f"https://{number}.example/", {}, None, None, None)

    for number in range(proxies.HOSTS):
        merged(number)
    merged(0)
    assert len(asked) == proxies.HOSTS, "so many are remembered"
    for number in range(proxies.HOSTS + 1):
        merged(number)
    merged(0)

    assert asked.count("https://0.example/") > 1, "and no more"


def test_a_variable_that_changes_while_requests_is_asked_is_seen_by_the_next_call(
    session: GenesysCloudSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://first.example")
    ask = requests.utils.get_environ_proxies

    def changing(url: str, no_proxy: str | None = None) -> dict[str, str]:
        found = ask(url, no_proxy=no_proxy)
        os.environ["HTTPS_PROXY"] = "http://second.example"
        return found

    monkeypatch.setattr(requests.utils, "get_environ_proxies", changing)
    first = session.merge_environment_settings(API, {}, None, None, None)["proxies"]
    monkeypatch.setattr(requests.utils, "get_environ_proxies", ask)
    second = session.merge_environment_settings(API, {}, None, None, None)["proxies"]

    assert first["https"] == "http://first.example"
    assert second["https"] == "http://second.example"


def test_a_no_proxy_that_another_thread_sets_for_a_moment_is_not_remembered(
    session: GenesysCloudSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests sets the variable while it looks up a call with a `no_proxy` of its own."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    ask = requests.utils.get_environ_proxies
    other = threading.Barrier(2, timeout=30)

    def call_of_another_thread() -> None:
        with requests.utils.set_environ("no_proxy", "*"):
            other.wait()
            other.wait()

    def meanwhile(url: str, no_proxy: str | None = None) -> dict[str, str]:
        thread = threading.Thread(target=call_of_another_thread)
        thread.start()
        other.wait()
        found = ask(url, no_proxy=no_proxy)
        other.wait()
        thread.join(30)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(requests.utils, "get_environ_proxies", meanwhile)
        during = session.merge_environment_settings(API, {}, None, None, None)["proxies"]
    after = session.merge_environment_settings(API, {}, None, None, None)["proxies"]

    assert during == {}, "as requests answers in this moment"
    assert after == {"https": "http://proxy.example"}


def test_a_ca_bundle_that_another_thread_sets_for_a_moment_is_not_remembered(
    session: GenesysCloudSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/first")
    make = proxies._ca_bundle

    def meanwhile(*arguments: Any) -> str | None:
        with requests.utils.set_environ("REQUESTS_CA_BUNDLE", "/of.a.moment"):
            return make(*arguments)

    monkeypatch.setattr(proxies, "_ca_bundle", meanwhile)
    for _ in range(2):
        merged = session.merge_environment_settings(API, {}, None, None, None)
        assert merged["verify"] == "/first"


@examples(200)
@given(variables=VARIABLES, no_proxy=PLAIN_NO_PROXY, url=URLS, of_call=st.none() | PLAIN_NO_PROXY)
def test_what_requests_says_is_remembered(
    variables: dict[str, str], no_proxy: str, url: str, of_call: str | None
) -> None:
    bare = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    variables = {**bare, **variables, "NO_PROXY": no_proxy, "no_proxy": no_proxy}
    variables["OF_THIS_EXAMPLE"] = str(next(NUMBERS))
    asked: list[str] = []
    ask = requests.utils.get_environ_proxies

    def asking(url: str, no_proxy: str | None) -> dict[str, str]:
        asked.append(url)
        return ask(url, no_proxy=no_proxy)

    with (
        patch.dict(os.environ, variables, clear=True),
        patch.object(requests.utils, "get_environ_proxies", asking),
    ):
        first, second = (proxies.proxies_and_ca_bundle(url, of_call) for _ in range(2))
    assert first == second
    assert len(asked) == 1


def test_where_proxies_come_from_elsewhere_too_requests_is_asked_each_time(
    session: GenesysCloudSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxies, "_ONLY_VARIABLES", False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/a")
    asked: list[str] = []

    def asking(url: str, no_proxy: str | None = None) -> dict[str, str]:
        asked.append(url)
        return {"https": "http://of.the.registry.example"}

    monkeypatch.setattr(requests.utils, "get_environ_proxies", asking)
    for _ in range(2):
        settings = session.merge_environment_settings(API, {}, None, None, None)
    assert settings["proxies"] == {"https": "http://of.the.registry.example"}
    assert settings["verify"] == "/a"
    assert len(asked) == 2


def test_an_exception_while_proxies_are_looked_up_shows_no_variable(
    session: GenesysCloudSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)

    def interrupted(_: str, no_proxy: str | None = None) -> dict[str, str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(requests.utils, "get_environ_proxies", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        session.merge_environment_settings(API, {}, None, None, None)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [one for one in shown.stack if one.filename == proxies.__file__]

    assert frames
    assert SECRET not in repr([one.locals for one in frames])


def test_a_variable_that_changes_while_the_environment_is_read_is_seen_by_the_next_call(
    session: GenesysCloudSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = proxies._ca_bundle

    def changing(value: Any) -> str | None:
        bundle = read(value)
        os.environ["REQUESTS_CA_BUNDLE"] = "/second"
        return bundle

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/first")
    monkeypatch.setattr(proxies, "_ca_bundle", changing)
    session.merge_environment_settings(API, {}, None, None, None)
    monkeypatch.setattr(proxies, "_ca_bundle", read)

    merged = session.merge_environment_settings(API, {}, None, None, None)
    assert merged["verify"] == "/second"


ON_A_MAC = """
import sys, requests
asked = []
requests.utils.get_environ_proxies = lambda url, no_proxy: asked.append(url) or {}
sys.platform = "darwin"  # only now: the standard library would look for parts that are not here
from gc_requests_auth.util.proxies import proxies_and_ca_bundle
proxies_and_ca_bundle("https://a.example/x", None)
proxies_and_ca_bundle("https://a.example/x", None)
print(len(asked))
"""


def test_on_a_mac_the_system_settings_may_change_and_requests_is_asked_each_time() -> None:
    done = run_python(ON_A_MAC)

    assert (done.stdout, done.stderr) == ("2\n", "")


def test_a_subclass_may_ask_without_proxies_of_a_call(
    session: GenesysCloudSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")

    merged = session.merge_environment_settings(API, None, None, None, None)
    assert (merged["proxies"], merged["verify"]) == ({}, True)


def test_an_environment_that_a_test_has_replaced_counts(session: GenesysCloudSession) -> None:
    other = {"HTTPS_PROXY": "http://proxy.example", "REQUESTS_CA_BUNDLE": "/ca.pem"}
    session.merge_environment_settings(API, {}, None, None, None)
    with patch.object(os, "environ", other):
        merged = session.merge_environment_settings(API, {}, None, None, None)

    assert merged["proxies"]["https"] == "http://proxy.example"
    assert merged["verify"] == "/ca.pem"


def test_a_url_without_a_host_says_nothing_of_the_host_that_its_path_looks_like(
    session: GenesysCloudSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    host = API.split("/")[2]
    session.merge_environment_settings(f"foo:/x/{host}/y", {}, None, None, None)

    merged = session.merge_environment_settings(API, {}, None, None, None)
    assert merged["proxies"]["https"] == "http://proxy.example"
