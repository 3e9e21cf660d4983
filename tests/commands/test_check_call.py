"""``gc-requests-auth check METHOD PATH``: what is sent, and what is told of the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import wire
from conftest import SECRET, TOKEN, Counted
from scenes import GRANTED, QUEUES, Stage, fault

from gc_requests_auth.commands import main as cli
from gc_requests_auth.sandbox.service import Reply

pytestmark = pytest.mark.usefixtures("trusted", "only_loopback")


@pytest.fixture
def stage(sandbox: Counted, tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(sandbox, stack, tmp_path)


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, the facts of the call, and its finding."""
    status = cli.main(["check", *arguments, "--json"])
    said = json.loads(capsys.readouterr().out)
    steps = {one["step"]: one for one in said["steps"]}
    assert said["exit_status"] == status
    return status, steps["call"]["facts"], steps["call"]["finding"]


def test_a_call_that_is_answered_is_said_to_be(
    sandbox: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "GET", QUEUES]) == 0
    out = capsys.readouterr().out

    assert f"ok    call: GET {sandbox.api_url}{QUEUES} is answered 200" in " ".join(
        out.split()
    ).replace("ok call", "ok    call")
    assert "and the call is answered." in " ".join(out.split())


@pytest.mark.parametrize("target", [QUEUES, QUEUES[1:], f"{{api}}{QUEUES}"])
def test_a_path_or_a_whole_url_is_called(
    target: str, sandbox: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    status, facts, _ = check(capsys, "get", target.replace("{api}", sandbox.api_url))

    assert status == 0
    assert facts == {
        "method": "GET",
        "url": f"{sandbox.api_url}{QUEUES}",
        "token_sent": True,
        "sent": True,
        "status": 200,
    }


def test_a_path_alone_is_a_get(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(capsys, QUEUES)[1]["method"] == "GET"


def test_what_may_change_something_is_not_sent_unless_asked(
    sandbox: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.sandbox.api_exchanges.clear()  # of other tests
    status, facts, finding = check(capsys, "POST", "/sandbox/echo", "--data", "{}")
    asked = [one.method for one in sandbox.sandbox.api_exchanges]

    assert (status, facts["sent"], facts["token_sent"]) == (0, False, False)
    assert finding.endswith("is not sent, since it may change something: --send sends it")
    assert "POST" not in asked
    assert cli.main(["check", "DELETE", "/sandbox/echo"]) == 0
    assert "The call was not sent: add --send to send it." in capsys.readouterr().out


def test_a_body_is_sent_as_json(
    sandbox: Counted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "queue.json"
    file.write_text('{"name": "Sales"}')
    status, facts, _ = check(capsys, "POST", "/sandbox/echo", "--data", f"@{file}", "--send")
    sent = sandbox.sandbox.api_exchanges[-1]

    assert (status, facts["sent"]) == (0, True)
    assert sent.body == b'{"name": "Sales"}'
    assert sent.headers["Content-Type"] == "application/json"


def test_a_body_that_is_no_json_is_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["check", "POST", "/sandbox/echo", "--data", "{'a': 1}"])

    assert "the body is no JSON" in capsys.readouterr().out


def test_a_refusal_is_told_to_machines(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.api(QUEUES, fault(403, "missing.permissions", "You are missing: a:b:c", entityName="x"))
    status, facts, finding = check(capsys, "GET", f"{QUEUES}?name=Smith")

    assert status == 1
    assert finding.startswith("the client lacks a permission: a:b:c (127.0.0.1")
    assert facts["status"] == 403
    assert facts["code"] == "missing.permissions"
    assert facts["message"] == "You are missing: a:b:c"
    assert facts["correlation_id"] == "5a6d0000-0000-4000-8000-00000000c0de"
    assert "Smith" not in f"{facts}"


def test_a_401_of_a_gateway_is_not_a_question_for_genesys_cloud(
    trusted: str, stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The token lives, and the answer has neither a code nor a correlation id."""

    def gateway(peer: wire.Peer) -> None:
        refused = peer.requests[-1].line.startswith(f"GET {QUEUES}")
        act = wire.say(401, message="No") if refused else wire.say(200, OAuthClient={"name": "x"})
        act(peer)

    api = stage.stack.enter_context(wire.Server(gateway))
    monkeypatch.setenv("GENESYSCLOUD_API_URL", api.url)

    assert cli.main(["check", "GET", QUEUES]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "and this answer has none. Ask the people who run the host and the network." in out
    assert "Genesys Cloud Care" not in out


def test_an_unknown_answer_is_called_unknown(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.api(QUEUES, fault(418, "teapot", "I am a teapot."))

    assert cli.main(["check", "GET", QUEUES]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "answers 418, teapot to GET" in out
    assert "1. The cause is unknown. Take the correlation id" in out
    assert "Take the correlation id to Genesys Cloud Care" in out
    assert "correlation id 5a6d0000" in out


def test_a_refusal_of_head_asks_for_a_get(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.api(QUEUES, fault(403, "not.authorized", "no"))

    assert cli.main(["check", "HEAD", QUEUES]) == 1
    assert "Send the same request with GET" in " ".join(capsys.readouterr().out.split())


def test_check_does_not_follow_a_redirect_of_the_call(
    sandbox: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    _, facts, finding = check(capsys, "GET", "/sandbox/redirect?to=https://elsewhere.invalid/")

    assert facts["status"] == 302
    assert finding.endswith("is answered 302, a redirect, which is not followed here")


def test_a_large_answer_is_not_read(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.api(QUEUES, Reply.json(200, "x" * 1_000_000))

    assert check(capsys, "GET", QUEUES)[0] == 0


def test_a_refusal_that_goes_on_and_on_is_not_the_api(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.api(QUEUES, Reply(403, b"x" * 100_000))

    assert cli.main(["check", "GET", QUEUES]) == 2
    assert "far more than was asked for" in " ".join(capsys.readouterr().out.split())


def test_data_in_another_encoding_is_sent_as_it_is(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    server = stage.stack.enter_context(wire.Server(wire.reply(200, "{}")))
    cli.main(["check", "POST", f"{server.url}/x", "--send", "--data", '"\udce4"'])

    assert server.requests[0].body == b'"\xe4"'
    assert "the body is no JSON" in capsys.readouterr().out


def test_a_foreign_url_is_called_without_the_token(
    stage: Stage, sandbox: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    server = stage.stack.enter_context(wire.Server(wire.reply(200, "{}")))
    status, facts, _ = check(capsys, "GET", f"{server.url}/recording.wav?X-Amz-Signature=abc")

    assert (status, facts["token_sent"]) == (0, False)
    assert server.requests[0].values("Authorization") == []
    assert "abc" not in facts["url"]


@pytest.mark.parametrize(
    ("target", "body"), [("/page?X-Amz-Signature=abc", "<html>a report"), ("/page", "no page")]
)
def test_an_answer_that_calls_itself_html_and_is_no_refusal_is_an_answer(
    target: str, body: str, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    page = wire.reply(200, body, {"Content-Type": "text/html"})
    server = stage.stack.enter_context(wire.Server(page))
    status, facts, _ = check(capsys, "GET", f"{server.url}{target}")

    assert (status, facts["status"]) == (0, 200)


@pytest.mark.parametrize("target", ["/../x", "//elsewhere", "https://", "ftp://x/y", "/a\\b"])
def test_a_path_that_can_not_be_called_is_a_fault_of_the_line(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(["check", "GET", target])

    assert status in {2, 3}
    assert "FAIL  call:" in capsys.readouterr().out


def test_a_401_of_an_api_that_is_not_there_any_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = wire.say(401, code="bad.credentials", message="no", status=401)
    ok = wire.say(200)
    api = stage.stack.enter_context(
        wire.Server(wire.reply(200, ""), ok, ok, ok, refused, wire.reset)
    )
    monkeypatch.setenv("GENESYSCLOUD_API_URL", api.url)

    assert check(capsys, "GET", QUEUES)[2].startswith("the API does not accept the token")


def test_the_token_is_not_shown_if_the_answer_echoes_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    login = stage.stack.enter_context(wire.Server(wire.reply(200, ""), wire.reply(200, GRANTED)))
    echo = wire.say(403, code=f"bad:{TOKEN}", message=f"Bearer {TOKEN} may not", status=403)
    ok = wire.say(200)
    api = stage.stack.enter_context(wire.Server(wire.reply(200, ""), ok, ok, ok, echo))
    monkeypatch.setenv("GENESYSCLOUD_LOGIN_URL", login.url)
    monkeypatch.setenv("GENESYSCLOUD_API_URL", api.url)

    assert cli.main(["check", "GET", QUEUES]) == 1
    assert TOKEN[:-1] not in "".join(capsys.readouterr().out.split())


# -- the limit of the token -----------------------------------------------------------------------

LIMITS = "/api/v2/organizations/limits/namespaces/platform.api"
KEY = "client.credentials.token.rate.per.minute"


def test_the_limit_of_the_token_is_shown_where_the_api_tells_it(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = [{"key": "request.bytes.max", "value": 512000}, {"key": KEY, "value": 450}]
    stage.api(LIMITS, Reply.json(200, {"entities": limits}))

    assert cli.main(["check"]) == 0
    assert f"ok rate limit: 450 requests a minute for each token ({KEY})" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize(
    "reply",
    [
        fault(403, "missing.permissions", "no"),
        Reply(200, b"<html>"),
        Reply.json(200, {}),
        Reply.json(200, {"entities": [7, {"key": KEY}, {"key": KEY, "value": True}]}),
    ],
    ids=["forbidden", "page", "empty", "odd"],
)
def test_where_the_api_does_not_tell_the_limit_nothing_is_said(
    reply: Reply, stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.api(LIMITS, reply)

    assert cli.main(["check"]) == 0
    assert "rate limit" not in capsys.readouterr().out


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_password_in_the_url_of_a_call_is_not_shown(
    more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"https://somebody:{SECRET}@127.0.0.1:{wire.closed_port()}/x"
    assert cli.main(["check", "GET", url, *more]) != 0
    out, err = capsys.readouterr()

    assert "refuses the connection" in " ".join(out.split())
    assert SECRET not in out + err
