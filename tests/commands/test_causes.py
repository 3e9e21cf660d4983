"""Fifteen causes, fifteen answers: the first line a person sees names the cause, or the short list.

Each is played against the sandbox, or a socket that behaves as Genesys Cloud does, and met twice: by
the library, whose first line is what Python prints of its exception, and by ``check``, whose first
line is the one that says FAIL, cut where a terminal of 80 columns ends it.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
import wire
from conftest import SECRET, Counted, FakeTime

from gc_requests_auth import GenesysCloudAuth, GenesysCloudError
from gc_requests_auth.commands import main as cli

ID, SECRET_NAME = "GENESYSCLOUD_OAUTHCLIENT_ID", "GENESYSCLOUD_OAUTHCLIENT_SECRET"
REGION, LOGIN, API = "GENESYSCLOUD_REGION", "GENESYSCLOUD_LOGIN_URL", "GENESYSCLOUD_API_URL"
CA = "REQUESTS_CA_BUNDLE"

#: The form of an id of a client.
AN_ID = "9d2b7e0a-4c1f-4b6e-8a53-0f6c1d2e3a4b"

Environment = dict[str, str | None]


class Stage:
    """What a cause needs to be played: servers that end with the test, and the sandbox."""

    def __init__(self, sandbox: Counted, stack: ExitStack, folder: Path) -> None:
        self.sandbox = sandbox
        self._stack = stack
        self._folder = folder

    def answering(self, status: int, body: str, content_type: str = "application/json") -> str:
        """A login service that answers everything like this."""
        act = wire.reply(status, body, {"Content-Type": content_type})
        return self._stack.enter_context(wire.Server(act)).url

    def refusing(self, error: str, text: str) -> str:
        """A login service that refuses in Genesys Cloud's words."""
        said = f'{{"error":"{error}","description":"{text}","error_description":"{text}"}}'
        return self.answering(400, said)

    def proxy(self, refusal: int | None = None, host: str = "") -> str:
        """A proxy, behind which this host is a server of this machine that answers 404."""
        act = wire.reply(404, '{"message":"HTTP 404 Not Found","code":"not found"}')
        server = self._stack.enter_context(wire.Server(act, name=host or "127.0.0.1"))
        ports = {f"{host}:443": server.port}
        return self._stack.enter_context(wire.Proxy(refusal, ports)).url

    def other_authority(self) -> str:
        """A CA bundle that holds the CA of somebody else."""
        file = self._folder / "other.pem"
        file.write_bytes(trustme.CA().cert_pem.bytes())
        return str(file)


class Cause(NamedTuple):
    """One cause: what makes it, and what the two first lines have in them."""

    play: Callable[[Stage], Environment]
    library: str
    check: str
    status: int


NOT_ACCEPTED = Cause(
    lambda _: {},
    r"The client secret, the client id or the region is wrong; Genesys Cloud does not tell which\. Or"
    r" the client is disabled, inactive or deleted, or id and secret are swapped",
    r"token: refused: wrong region, secret or id, or the client is disabled",
    1,
)

CAUSES = {
    "wrong secret": NOT_ACCEPTED._replace(play=lambda _: {SECRET_NAME: SECRET}),
    "wrong region": NOT_ACCEPTED._replace(
        play=lambda _: {ID: "a-client-of-another-region", SECRET_NAME: SECRET}
    ),
    "id and secret swapped": Cause(
        lambda _: {ID: "what-is-the-secret-in-truth", SECRET_NAME: AN_ID},
        r"Client id and client secret look swapped",
        r"token: refused: id and secret look swapped",
        1,
    ),
    "grant type not enabled": Cause(
        lambda stage: {
            LOGIN: stage.refusing(
                "unauthorized_client",
                "client is not authorized to use the client_credential grant type",
            )
        },
        r"The OAuth client is of another grant type",
        r"token: refused: the grant type of this client is not Client Credentials",
        1,
    ),
    # What a disabled client is answered is nowhere recorded; this is the answer to all that may
    # not sign in.
    "client disabled": NOT_ACCEPTED._replace(
        play=lambda stage: {LOGIN: stage.refusing("invalid_client", "authentication failed")}
    ),
    "api. host as login": Cause(
        lambda stage: {
            LOGIN: "https://api.mypurecloud.ie",
            "HTTPS_PROXY": stage.proxy(host="api.mypurecloud.ie"),
        },
        r"api\.mypurecloud\.ie is no login service: it has nothing at /oauth/token\. Tokens come from"
        r" the login host",
        r"token: api\.mypurecloud\.ie is no login service",
        2,
    ),
    "{org}.mygenesyscloud.com": Cause(
        lambda _: {REGION: "acme.mygenesyscloud.com", LOGIN: None, API: None},
        r"mygenesyscloud\.com is no domain of the Genesys Cloud API",
        r"region: GENESYSCLOUD_REGION: mygenesyscloud\.com is no domain",
        2,
    ),
    "path /api/v2/oauth/token": Cause(
        lambda stage: {LOGIN: f"{stage.sandbox.login_url}/api/v2/oauth/token"},
        r"has no such path as is asked: nothing at /api/v2/oauth/token\. Tokens come from the login"
        r" host, as in login_url='https://127",
        r"token: 127\S+ has no such path as is asked: nothing",
        2,
    ),
    "newline in the secret": Cause(
        lambda _: {SECRET_NAME: f"{SECRET}\n"},
        r"GENESYSCLOUD_OAUTHCLIENT_SECRET begins or ends with white space \(a newline",
        r"settings: GENESYSCLOUD_OAUTHCLIENT_SECRET begins or ends with white space",
        2,
    ),
    "quotes in the secret": Cause(
        lambda _: {SECRET_NAME: f'"{SECRET}"'},
        r"GENESYSCLOUD_OAUTHCLIENT_SECRET begins or ends with a quote",
        r"settings: GENESYSCLOUD_OAUTHCLIENT_SECRET begins or ends with a quote",
        2,
    ),
    "variable not set": Cause(
        lambda _: {SECRET_NAME: None},
        r"GENESYSCLOUD_OAUTHCLIENT_ID is set, but GENESYSCLOUD_OAUTHCLIENT_SECRET is not set",
        r"settings: GENESYSCLOUD_OAUTHCLIENT_SECRET is not set",
        2,
    ),
    "no variable set": Cause(
        lambda _: {SECRET_NAME: None, ID: None},
        r"No Genesys Cloud credentials\.",
        r"settings: No variable that holds credentials is set",
        2,
    ),
    "no DNS": Cause(
        lambda _: {LOGIN: "https://login.nowhere.invalid"},
        r"login\.nowhere\.invalid has no address: name resolution failed",
        r"login DNS: login\.nowhere\.invalid has no address",
        3,
    ),
    "TLS intercepted": Cause(
        lambda stage: {CA: stage.other_authority()},
        r"shows a certificate that is not trusted .*Where a company proxy opens TLS",
        r"login TLS: TLS is intercepted, or the CA is not known here",
        3,
    ),
    "proxy refuses": Cause(
        lambda stage: {
            LOGIN: "https://login.mypurecloud.ie",
            "HTTPS_PROXY": stage.proxy(refusal=403),
        },
        r"can not be reached through the proxy, which answers 403",
        r"login TLS: proxy http://127\S+ refuses, it answers 403",
        3,
    ),
    "throttled": Cause(
        lambda stage: {LOGIN: stage.refusing("invalid_request", "rate limit exceeded; wait")},
        r"throttles this client: too many token requests",
        r"token: throttled: this client asks for too many tokens",
        3,
    ),
    "login down": Cause(
        lambda stage: {LOGIN: stage.answering(503, "<html>Service Unavailable", "text/html")},
        r"answers an HTML page: the login service, or a gateway in front of it, is down",
        r"token: 127\S+ answers an HTML page: the login service",
        3,
    ),
}


@pytest.mark.usefixtures("only_loopback", "trusted")
@pytest.mark.parametrize("name", CAUSES)
def test_the_first_line_names_the_cause(
    name: str,
    sandbox: Counted,
    fake_time: FakeTime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cause = CAUSES[name]
    with ExitStack() as stack:
        for variable, value in cause.play(Stage(sandbox, stack, tmp_path)).items():
            if value is None:
                monkeypatch.delenv(variable, raising=False)
            else:
                monkeypatch.setenv(variable, value)

        monkeypatch.setattr(GenesysCloudAuth, "_clock", fake_time.clock)
        with pytest.raises(GenesysCloudError) as caught:
            GenesysCloudAuth().access_token()
        status = cli.main(["check"])

    printed = "".join(traceback.format_exception_only(caught.value)).splitlines()[0]
    out = capsys.readouterr().out
    failed = [line for line in out.splitlines() if line.startswith("FAIL")]
    assert re.search(cause.library, printed)
    assert len(failed) == 1
    assert re.match(f"FAIL  {cause.check}", failed[0])
    assert status == cause.status
    assert "Likely causes, the likeliest first:\n1. " in out
    assert "ruth" not in out, "not even the last four characters of a secret"
    assert out.isascii()
    assert max(map(len, out.splitlines())) < 80
