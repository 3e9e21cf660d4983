"""Each cause is named with its remedy, by ``check`` and by `explain`: see scenes.py."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import Counted, FakeTime
from scenes import CALL_SCENES, SCENES, SIGN_IN_SCENES, Scene, Stage

from gc_requests_auth import (
    GenesysCloudAuth,
    GenesysCloudError,
    GenesysCloudSession,
    explain,
)
from gc_requests_auth.commands import main as cli

pytestmark = pytest.mark.usefixtures("only_loopback", "trusted")


@pytest.fixture
def stage(sandbox: Counted, tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(sandbox, stack, tmp_path)


def play(scene: Scene, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in scene.play(stage).items():
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, value)


def test_thirty_causes_and_more_are_played() -> None:
    assert len(SIGN_IN_SCENES) >= 15
    assert len(CALL_SCENES) >= 15


@pytest.mark.parametrize("name", SCENES)
def test_check_names_cause_and_remedy(
    name: str, stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = SCENES[name]
    play(scene, stage, monkeypatch)
    call = [*scene.call, "--send"] if scene.call else []
    data = ["--data", scene.data] if scene.data else []
    status = cli.main(["check", *call, *data])

    out = capsys.readouterr().out
    failed = [line for line in out.splitlines() if line.startswith("FAIL")]
    heading = re.search(r"^(Likely causes, the likeliest first|Cause):$", out, re.MULTILINE)
    assert heading is not None
    causes = " ".join(out[heading.end() :].split())
    assert (heading[1] == "Cause") is (" 2. " not in causes)
    assert len(failed) == 1
    assert re.match(f"FAIL  {scene.check}", failed[0])
    assert status == scene.status
    assert said(scene.cause, " ".join(out.split()))
    assert said(scene.remedy, causes)
    assert "[status" not in causes, "stands beside the finding"
    assert "RUTH" not in out, "not even the last four characters of a secret"
    assert out.isascii()
    assert max(map(len, out.splitlines())) < 80


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("API host as login host", "Tokens come from the login host, not from the API host"),
        ("login service down", "The login service does not work at the moment"),
    ],
)
def test_the_cause_of_an_answer_without_a_token_is_that_of_the_answer(
    name: str,
    cause: str,
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    play(SCENES[name], stage, monkeypatch)
    cli.main(["check", "--json"])

    assert [one["cause"] for one in json.loads(capsys.readouterr().out)["causes"]] == [cause]


@pytest.mark.parametrize("name", SCENES)
def test_explain_names_cause_and_remedy(
    name: str, stage: Stage, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = SCENES[name]
    play(scene, stage, monkeypatch)
    if scene.call is None or scene.unsent:
        monkeypatch.setattr(GenesysCloudAuth, "_clock", fake_time.clock)
        with GenesysCloudSession() as session, pytest.raises(GenesysCloudError) as caught:
            session.get(scene.call[1] if scene.call else "/api/v2/routing/queues")
        text = explain(caught.value)
    else:
        with GenesysCloudSession(retries=0) as session:
            headers = {"Content-Type": "application/json"} if scene.data else None
            text = explain(session.request(*scene.call, data=scene.data, headers=headers))

    assert said(scene.cause, text)
    assert said(scene.remedy, text)
    assert text.isascii()
    assert "\n" not in text


def said(words: str, text: str) -> bool:
    """Whether one of the alternatives stands in the text, whatever the case of its first letter."""
    return any(one.lower() in text.lower() for one in words.split("|"))
