"""causes/: the table as data, and the page that is written from it."""

from __future__ import annotations

import importlib.util
import string
import sys
from difflib import SequenceMatcher
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest
from pages import DOCS, ROOT

from gc_requests_auth.calls.retry import KEYS_OF_A_TOKEN
from gc_requests_auth.causes import network, sign_in
from gc_requests_auth.causes.calls import CALLS, LIMITS_OF_TOKEN, LONGER_THAN_A_MINUTE, of_call
from gc_requests_auth.causes.failure import UNKNOWN_FACTS, Failure
from gc_requests_auth.causes.network import NETWORK
from gc_requests_auth.causes.sign_in import SIGN_IN, of_token_request
from gc_requests_auth.tokens import rate_limit

TABLE = [*NETWORK, *SIGN_IN, *CALLS]

#: A login service of a region, and one that is none.
REGION, GATEWAY = (
    urlsplit(f"https://{host}/signin/oauth/token")
    for host in ("login.mypurecloud.ie", "gw.example")
)

every_row = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)


def test_the_table_and_the_adapter_know_the_same_limits() -> None:
    """The adapter does not import the table, which most scripts never need."""
    assert set(LIMITS_OF_TOKEN) == KEYS_OF_A_TOKEN
    assert LONGER_THAN_A_MINUTE == 1.5 * rate_limit.WINDOW_SECONDS


def test_each_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE)
    assert len({row.finding for row in TABLE}) >= len(TABLE) - 2


@every_row
def test_a_row_has_a_finding_a_cause_and_a_remedy_in_plain_ascii(row: Failure) -> None:
    assert row.causes
    for text in (row.finding, row.sign, row.message, *(text for one in row.causes for text in one)):
        assert text.isascii()
        assert text == " ".join(text.split())
    for clause in (row.finding, *(one.cause for one in row.causes)):
        assert not clause.endswith("."), "a clause, which becomes a sentence where it is told"
    for one in row.causes:
        assert one.cause[0].isupper() or one.cause[0] == "{"
        assert one.remedy[0].isupper() or one.remedy.startswith("gc-requests-auth")
        assert one.remedy[-1] in ".'"


@every_row
def test_a_single_cause_says_more_than_the_finding(row: Failure) -> None:
    """explain() tells the one right after the other."""
    cause = row.causes[0].cause
    alike = SequenceMatcher(None, row.finding.lower(), cause.lower()).ratio()

    assert len(row.causes) > 1 or alike < 0.8


@pytest.mark.parametrize(
    ("row", "also"),
    [
        (network.NO_ADDRESS_OF_PROXY, "This machine reaches no DNS server"),
        (of_call(409, "general.conflict", ""), "Another object uses this object"),
        (sign_in.REDACTED_TOKEN, "A proxy or a gateway on the way hides the token"),
    ],
)
def test_a_cause_that_is_only_likely_is_not_the_single_one(row: Failure, also: str) -> None:
    assert len(row.causes) > 1
    assert also in row.advice


@every_row
def test_a_row_can_be_recognised(row: Failure) -> None:
    assert row.statuses or row.codes or row.words or row.sign


@every_row
def test_a_row_has_only_places_that_can_be_filled(row: Failure) -> None:
    texts = (row.finding, *(text for one in row.causes for text in one))
    places = {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}

    assert places <= set(UNKNOWN_FACTS)
    assert "{" not in f"{row.filled()}".replace("{userId}", "").replace("{subjectId}", "")


@pytest.mark.parametrize("row", [one for one in CALLS if not one.sign], ids=lambda row: row.name)
def test_the_documented_answer_of_the_api_leads_to_its_row(row: Failure) -> None:
    for status in row.statuses:
        for code in row.codes or (None,):
            found = of_call(status, code, row.message.replace("%s", "42"))
            assert found is row


@pytest.mark.parametrize("row", [one for one in SIGN_IN if not one.sign], ids=lambda row: row.name)
def test_the_documented_answer_of_the_login_service_leads_to_its_row(row: Failure) -> None:
    for status in row.statuses:
        for error in row.codes or (None,):
            message = row.message.replace("%s", "wait")
            assert of_token_request(status, error, message, REGION) is row


def test_429_of_the_login_service_is_throttling_whatever_the_body_says() -> None:
    assert of_token_request(429, None, "", REGION) is sign_in.THROTTLED


def test_where_both_urls_are_set_the_region_is_no_cause_and_no_other_host_is_asked() -> None:
    row = of_token_request(400, "invalid_client", "", GATEWAY)

    assert row is sign_in.NOT_ACCEPTED_AT_URL
    assert "region" not in row.finding
    assert "--find-region" not in row.advice


def test_a_swapped_id_and_secret_explain_refused_credentials_only() -> None:
    other = of_token_request(400, "unauthorized_client", "", REGION, swapped=True)

    assert of_token_request(400, "invalid_client", "", REGION, swapped=True) is (
        sign_in.LOOK_SWAPPED
    )
    assert other is sign_in.OTHER_GRANT_TYPE


def test_a_swapped_id_and_secret_at_a_gateway_are_no_reason_to_ask_other_hosts() -> None:
    row = of_token_request(400, "invalid_client", "", GATEWAY, swapped=True)

    assert row is not None
    assert row.name == sign_in.LOOK_SWAPPED.name
    assert row.finding == sign_in.LOOK_SWAPPED.finding
    assert row.causes[0] == sign_in.LOOK_SWAPPED.causes[0]
    assert set(row.causes) == set(sign_in.NOT_ACCEPTED_AT_URL.causes)
    assert "--find-region" not in row.advice


def test_an_oauth_error_that_nobody_knows_is_called_unknown() -> None:
    assert of_token_request(400, "odd", "", REGION) is sign_in.LOGIN_UNKNOWN
    assert of_token_request(400, None, "", REGION) is None


def test_an_unknown_answer_of_the_api_has_no_row() -> None:
    assert of_call(403, "teapot", "") is None
    assert of_call(401, None, "") is None
    assert of_call(200, None, "") is None


def test_several_causes_are_numbered_and_a_single_one_is_certain() -> None:
    several = sign_in.NOT_ACCEPTED.filled().advice
    single = sign_in.OTHER_GRANT_TYPE.filled().advice

    assert several.startswith("Possible causes, the likeliest first: (1) The region is wrong")
    assert " (5) Id and secret are swapped. " in several
    assert single.startswith("The OAuth client has another grant type. In Admin")


# -- the page -------------------------------------------------------------------------------------


def writer() -> ModuleType:
    """The script that writes the page."""
    spec = importlib.util.spec_from_file_location("write_answers", ROOT / ".ci/write_answers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_answers_is_what_the_table_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "commands"))
    from scenes import SCENES

    assert "scenes" in sys.modules
    page = (DOCS / "answers.rst").read_text(encoding="ascii")

    assert page == writer().page(SCENES), "python .ci/write_answers.py writes it anew"


@every_row
def test_a_row_can_be_linked_to_on_the_page(row: Failure) -> None:
    assert f".. _answer-{row.name}:\n" in (DOCS / "answers.rst").read_text(encoding="ascii")
