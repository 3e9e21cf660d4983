"""``gc-requests-auth check --find-region``."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import wire
from conftest import SECRET, Counted, FakeTime

from gc_requests_auth import (
    BadTokenAnswerError,
    ConfigurationError,
    CredentialsRefusedError,
    LoginUnreachableError,
)
from gc_requests_auth.commands import main as cli
from gc_requests_auth.commands.check import find_region, network
from gc_requests_auth.commands.check.find_region import COMMERCIAL, ask_regions, named, verdict
from gc_requests_auth.commands.check.report import Status
from gc_requests_auth.settings.client import Identity
from gc_requests_auth.settings.regions import REGIONS
from gc_requests_auth.util.secret import SecretBox

FEDRAMP, SOVEREIGN = "use2.us-gov-pure.cloud", "edee1.eusc-pure.cloud"

REFUSED = wire.say(400, error="invalid_client", error_description="authentication failed")
GRANT_TYPE = wire.say(400, error="unauthorized_client", error_description="not this grant type")
THROTTLED = wire.say(400, error="invalid_request", error_description="rate limit exceeded; wait")
DOWN = wire.reply(503, "<html>down")

IDENTITY = Identity(SecretBox("client-id-1a2b"), SecretBox(SECRET))


class World:
    """The login services of all regions, on this machine: most refuse."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.elsewhere = self.serve(REFUSED)
        self.urls: dict[str, str] = {}
        self.asked: list[str] = []

    def serve(self, *script: wire.Act) -> wire.Server:
        return self._stack.enter_context(wire.Server(*script))

    def login_url(self, domain: str) -> str:
        self.asked.append(domain)
        return self.urls.get(domain, self.elsewhere.url)


@pytest.fixture
def world(trusted: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with ExitStack() as stack:
        world = World(stack)
        monkeypatch.setattr(find_region, "login_url_of", world.login_url)
        yield world


def test_the_region_that_accepts_the_client_is_found(
    world: World, sandbox: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    world.urls["mypurecloud.de"] = sandbox.login_url

    assert cli.main(["check", "--find-region"]) == 0
    out, err = capsys.readouterr()

    assert "yes   login.mypurecloud.de: accepts this client (" in out
    assert out.count("no    login.") == len(COMMERCIAL) - 1
    assert "1. The region of this client is mypurecloud.de." in out
    assert "Set GENESYSCLOUD_REGION=mypurecloud.de" in out
    assert sandbox.token_requests == 1
    assert err == ""
    assert out.isascii()
    assert max(map(len, out.splitlines())) < 80


def test_every_commercial_region_is_asked_once_and_no_other(world: World) -> None:
    assert cli.main(["check", "--find-region"]) == 1

    commercial = {region.domain for region in REGIONS} - {FEDRAMP, SOVEREIGN}
    assert len(commercial) == 16
    assert sorted(world.asked) == sorted(commercial)
    assert len(world.elsewhere.requests) == 16


def test_find_region_goes_by_the_proxy_of_the_settings(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wire.Proxy() as proxy:
        monkeypatch.setenv("GENESYSCLOUD_PROXY_PROTOCOL", "http")
        monkeypatch.setenv("GENESYSCLOUD_PROXY_HOST", "127.0.0.1")
        monkeypatch.setenv("GENESYSCLOUD_PROXY_PORT", str(proxy.port))
        assert cli.main(["check", "--find-region", "--try", "euw1"]) == 1

    assert proxy.targets == [world.elsewhere.url.removeprefix("https://")]


def test_find_region_asks_the_login_hosts_of_the_table() -> None:
    for region in REGIONS:
        assert find_region.login_url_of(region.domain) == f"https://login.{region.domain}"


def test_find_region_says_beforehand_what_is_sent_where(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before: list[str] = []

    def first(*_: object, **__: object) -> Iterator[object]:
        before.append(" ".join(capsys.readouterr().out.split()))
        return iter(())

    monkeypatch.setattr("gc_requests_auth.commands.check.find_region.ask_regions", first)
    cli.main(["check", "--find-region"])

    (said,) = before
    assert said.startswith("About to send client id ...")
    assert "and its secret, as a token request over TLS" in said
    for domain in COMMERCIAL:
        assert f"login.{domain}" in said
    assert world.asked == []


def test_when_no_region_accepts_the_client_the_secret_is_likely_wrong(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "--find-region"]) == 1
    out = " ".join(capsys.readouterr().out.split())

    assert "1. The secret is likely wrong: no region that answered accepts the client." in out
    assert "--try us-east-2,eusc-de-east-1" in out, "what was not asked"


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        ("eu-west-1,usw2", ["mypurecloud.ie", "usw2.pure.cloud"]),
        (" us-east-2 ,, eusc-de-east-1", [SOVEREIGN, FEDRAMP]),
        ("usw2,us-west-2,https://apps.usw2.pure.cloud/", ["usw2.pure.cloud"]),
        ("afs1.pure.cloud", ["afs1.pure.cloud"]),
    ],
)
def test_try_narrows_the_search_and_names_what_is_not_asked_unnamed(
    names: str, asked: list[str], world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "--find-region", "--try", names]) == 1

    assert sorted(world.asked) == asked
    said = " ".join(capsys.readouterr().out.split())
    assert "--find-region, without --try, asks all commercial ones" in said


def test_when_all_regions_were_asked_no_other_is_suggested() -> None:
    answers = [
        find_region.Answer(one.domain, 0.1, CredentialsRefusedError("no")) for one in REGIONS
    ]

    assert len(verdict(answers)[2]) == 2


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("gateway.example.com", "gateway.example.com is no region of Genesys Cloud's table"),
        ("mypurecloud.ae", "likely mec1.pure.cloud is meant"),
        (" , ", "No region is named"),
    ],
)
def test_the_secret_goes_to_no_host_that_is_not_genesys_clouds(
    names: str, said: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "--find-region", "--try", names]) == 2

    assert said in " ".join(capsys.readouterr().out.split())
    assert world.asked == []
    with pytest.raises(ConfigurationError):
        named(names)


def test_four_regions_are_asked_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(4)
    limits: list[int] = []
    entered: list[object] = []

    class Turns(threading.Semaphore):
        """Notes how many may have a turn, and who takes one."""

        def __init__(self, value: int) -> None:
            super().__init__(value)
            limits.append(value)

        def acquire(self, *arguments: Any, **options: Any) -> bool:
            entered.append(threading.current_thread())
            return super().acquire(*arguments, **options)

        __enter__ = acquire

    def meet(peer: wire.Peer) -> None:
        together.wait(5)
        REFUSED(peer)

    monkeypatch.setattr(find_region, "Semaphore", Turns)
    world.elsewhere = world.serve(meet)
    answers = list(ask_regions(IDENTITY, COMMERCIAL, proxy=None))

    assert {type(one.error) for one in answers} == {CredentialsRefusedError}
    assert limits == [4]
    assert len(set(entered)) == len(COMMERCIAL) == 16


def test_a_region_that_throttles_is_asked_again_ever_more_slowly(
    world: World, fake_time: FakeTime
) -> None:
    world.elsewhere = world.serve(THROTTLED, THROTTLED, THROTTLED, REFUSED)
    (answer,) = ask_regions(IDENTITY, ["mypurecloud.ie"], fake_time.clock, proxy=None)

    assert isinstance(answer.error, CredentialsRefusedError)
    assert len(fake_time.slept) == 3
    assert fake_time.slept == sorted(fake_time.slept)
    assert answer.seconds == pytest.approx(sum(fake_time.slept))


@pytest.mark.parametrize(
    ("act", "line", "status"),
    [
        (THROTTLED, "?     login.mypurecloud.ie: throttles token requests, also after retries", 3),
        (DOWN, "?     login.mypurecloud.ie: 127.0.0.1", 3),
        (
            GRANT_TYPE,
            "yes   login.mypurecloud.ie: knows this client, but the client has another grant",
            1,
        ),
        (wire.reply(403, ""), "?     login.mypurecloud.ie: 127.0.0.1", 1),
        (wire.say(400, error="access_denied"), "?     login.mypurecloud.ie: 127.0.0.1", 1),
    ],
    ids=["throttled", "down", "grant type", "forbidden", "another error"],
)
def test_each_answer_of_a_region_is_told(
    act: Callable[[wire.Peer], object],
    line: str,
    status: int,
    world: World,
    fake_time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(ask_regions, "__defaults__", (fake_time.clock,))
    world.elsewhere = world.serve(act)

    assert cli.main(["check", "--find-region", "--try", "euw1"]) == status
    assert line in capsys.readouterr().out


def test_where_some_regions_gave_no_answer_nothing_is_concluded(
    world: World, fake_time: FakeTime
) -> None:
    world.urls["mypurecloud.ie"] = world.serve(DOWN).url
    asked = ["mypurecloud.ie", "mypurecloud.de"]
    answers = list(ask_regions(IDENTITY, asked, fake_time.clock, proxy=None))
    region, status, causes = verdict(answers)

    assert (region, status) == (None, Status.UNREACHABLE)
    assert causes[0].cause.startswith("The secret is likely wrong")
    assert causes[-1].cause == "No clear answer came from login.mypurecloud.ie"


def test_where_regions_fail_in_two_ways_the_status_is_unreachable() -> None:
    down = find_region.Answer("mypurecloud.ie", 0.1, LoginUnreachableError("It is down."))
    page = find_region.Answer("mypurecloud.de", 0.1, BadTokenAnswerError("It answers a page."))

    assert verdict([down, page])[1] is Status.UNREACHABLE
    assert verdict([page, page])[1] is Status.MISCONFIGURED


def test_where_no_region_answered_the_secret_is_not_blamed(
    world: World, fake_time: FakeTime
) -> None:
    world.elsewhere = world.serve(DOWN)
    answers = list(ask_regions(IDENTITY, ["mypurecloud.ie"], fake_time.clock, proxy=None))

    assert [one.cause for one in verdict(answers)[2]] == [
        "No clear answer came from login.mypurecloud.ie"
    ]


@pytest.mark.parametrize(
    ("act", "status"),
    [
        (wire.reply(200, "<html>Sign in"), Status.MISCONFIGURED),
        (wire.reply(302, "", {"Location": "https://portal.example.com/"}), Status.MISCONFIGURED),
        (wire.reply(403, "<html>Blocked"), Status.REFUSED),
        (wire.reply(407, "<html>Who are you?"), Status.UNREACHABLE),
    ],
    ids=["sign-in page", "redirect", "forbidden", "proxy"],
)
def test_where_a_portal_answers_for_all_regions_the_secret_is_not_blamed(
    act: wire.Act, status: Status, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.elsewhere = world.serve(act)

    assert cli.main(["check", "--find-region", "--try", "euw1,usw2"]) == status
    out = " ".join(capsys.readouterr().out.split())

    assert out.count("? login.") == 2
    assert "1. No clear answer came from login." in out
    assert "gc-requests-auth check --region mypurecloud.ie says why. If a sign-in page" in out
    assert "The secret" not in out
    assert "2. " not in out


def test_where_a_portal_answers_for_some_regions_nothing_is_concluded(world: World) -> None:
    world.urls["mypurecloud.ie"] = world.serve(wire.reply(200, "<html>Sign in")).url
    answers = list(ask_regions(IDENTITY, ["mypurecloud.ie", "mypurecloud.de"], proxy=None))
    _, status, causes = verdict(answers)

    assert status is Status.UNREACHABLE
    assert causes[-1].cause == "No clear answer came from login.mypurecloud.ie"


def test_a_region_that_stalls_is_left_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_long(*_: object) -> object:
        raise network.TooLongError

    monkeypatch.setattr(find_region, "within", too_long)
    (answer,) = ask_regions(IDENTITY, ["mypurecloud.ie"], proxy=None)

    assert answer.knows_client is None
    assert answer.finding == "login.mypurecloud.ie did not answer in time"


def test_a_fault_of_ours_is_raised_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(domain: str) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(find_region, "login_url_of", broken)
    with pytest.raises(ZeroDivisionError):
        list(ask_regions(IDENTITY, ["mypurecloud.ie"], proxy=None))


def test_find_region_prints_json_for_machines_and_announces_to_people(
    world: World, sandbox: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    world.urls["usw2.pure.cloud"] = sandbox.login_url

    assert cli.main(["check", "--find-region", "--json", "--try", "usw2,euw1"]) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)

    assert list(said) == ["version", "ok", "exit_status", "region", "regions", "causes"]
    assert (said["ok"], said["exit_status"], said["region"]) == (True, 0, "usw2.pure.cloud")
    assert {one["region"]: one["accepts"] for one in said["regions"]} == {
        "usw2.pure.cloud": True,
        "mypurecloud.ie": False,
    }
    assert err.startswith("About to send client id")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_find_region_without_credentials_announces_nothing(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "--find-region", *options]) == 2
    out = capsys.readouterr().out

    assert "No variable that holds credentials is set here" in out
    assert "About to send" not in out
    assert out.startswith("{") is bool(options), "one JSON object, and nothing beside it"


def test_try_without_find_region_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", "--try", "usw2"])

    assert ended.value.code == 2
    assert "--try works only with --find-region" in capsys.readouterr().err
