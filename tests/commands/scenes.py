"""Scenes: one for each cause of a failed sign-in or a refused call, as somebody meets it.

A scene is played by the sandbox, or by a peer on loopback that answers as Genesys Cloud, a proxy or S3
does. It returns the environment to run in. What the command and `explain` must say stands beside it.
``docs/answers.rst`` lists the scenes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import trustme
import wire
from conftest import SECRET, TOKEN, Counted

from gc_requests_auth.sandbox.service import Reply, Request

ID, SECRET_NAME = "GENESYSCLOUD_OAUTHCLIENT_ID", "GENESYSCLOUD_OAUTHCLIENT_SECRET"
REGION, LOGIN, API = "GENESYSCLOUD_REGION", "GENESYSCLOUD_LOGIN_URL", "GENESYSCLOUD_API_URL"
CA = "REQUESTS_CA_BUNDLE"

#: The form of an id of a client.
AN_ID = "9d2b7e0a-4c1f-4b6e-8a53-0f6c1d2e3a4b"

Environment = dict[str, str | None]

#: A token as the login service grants it.
GRANTED = json.dumps({"access_token": TOKEN, "token_type": "bearer", "expires_in": 86399})

REFERENCE = "5a6d0000-0000-4000-8000-00000000c0de"


class Stage:
    """What a scene needs to be played: servers that end with the test, and the sandbox."""

    def __init__(self, sandbox: Counted, stack: ExitStack, folder: Path) -> None:
        self.sandbox = sandbox
        self.stack = stack
        self.folder = folder

    def answering(self, status: int, body: str, content_type: str = "application/json") -> str:
        """A login service that answers everything like this."""
        act = wire.reply(status, body, {"Content-Type": content_type})
        return self.stack.enter_context(wire.Server(act)).url

    def refusing(self, error: str, text: str) -> str:
        """A login service that refuses in Genesys Cloud's words."""
        said = {"error": error, "description": text, "error_description": text}
        return self.answering(400, json.dumps(said))

    def proxy(self, refusal: int | None = None, **hosts: wire.Act) -> str:
        """A proxy, behind which each of these hosts is a server of this machine.

        :param hosts: What a host does, its dots written as underscores.
        """
        ports = {}
        for name, act in hosts.items():
            host = name.replace("_", ".")
            server = self.stack.enter_context(wire.Server(act, name=host))
            ports[f"{host}:443"] = server.port
        return self.stack.enter_context(wire.Proxy(refusal, ports)).url

    def in_ireland(self, **hosts: wire.Act) -> Environment:
        """Region eu-west-1 behind a proxy; the login service grants a token unless it is given."""
        granting = wire.reply(200, GRANTED)
        hosts = {"login_mypurecloud_ie": granting, **hosts}
        return {
            REGION: "eu-west-1",
            LOGIN: None,
            API: None,
            "HTTPS_PROXY": self.proxy(None, **hosts),
        }

    def other_authority(self) -> str:
        """A CA bundle that holds the CA of somebody else."""
        file = self.folder / "other.pem"
        file.write_bytes(trustme.CA().cert_pem.bytes())
        return str(file)

    def api(self, path: str, *replies: Reply) -> Environment:
        """The API of the sandbox, which answers this path as it is told; the last reply stays."""
        api, answers = self.sandbox.sandbox._api, list(replies)
        answer = api.answer

        def scripted(request: Request) -> Reply:
            if request.target.partition("?")[0] != path:
                return answer(request)
            return answers.pop(0) if len(answers) > 1 else answers[0]

        api.answer = scripted  # type: ignore[method-assign]
        self.stack.callback(vars(api).pop, "answer", None)
        return {}


def fault(status: int, code: str, message: str, headers: Any = None, **more: Any) -> Reply:
    """An error of the API, as its model ErrorBody has it."""
    said = {"message": message, "code": code, "status": status, "details": [], "errors": [], **more}
    reply = Reply.json(status, said)
    return replace(reply, headers={**reply.headers, **(headers or {})})


def too_many(seconds: int, **more: Any) -> Reply:
    """A 429 of the API."""
    text = f"Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds"
    code = "too.many.requests.retry.after"
    return fault(429, code, text, {"Retry-After": f"{seconds}"}, **more)


BAD_CREDENTIALS = fault(401, "bad.credentials", "Invalid login credentials.")

ME = "/api/v2/tokens/me"
QUEUES = "/api/v2/routing/queues"
AN_OBJECT = "/api/v2/routing/queues/5a6d0000-0000-4000-8000-00000000f00d"


class Scene(NamedTuple):
    """One cause: what plays it, and what is said of it."""

    #: What happens, in one sentence, for the page of the documentation.
    happens: str
    play: Callable[[Stage], Environment]
    #: What the line of ``check`` that says FAIL begins with.
    check: str
    #: What names the cause and the remedy, of ``check`` as well as of `explain`.
    cause: str
    remedy: str
    status: int
    #: Method and path or URL of the call; none where the sign-in fails.
    call: tuple[str, str] | None = None
    #: The body of the call.
    data: str | None = None
    #: Whether the call is refused before it is sent, so that there is no response.
    unsent: bool = False


_RESET = "Reset it in Admin > Integrations > OAuth, and copy it whole"

SIGN_IN_SCENES = {
    "wrong secret": Scene(
        "The client secret is not that of the client.",
        lambda _: {SECRET_NAME: SECRET},
        r"token: refused: the client secret or the client id is wrong",
        "The secret is wrong: it was cut when it was copied, or reset since",
        _RESET,
        1,
    ),
    "wrong region": Scene(
        "The client belongs to another region than the one that is named.",
        lambda stage: stage.in_ireland(
            login_mypurecloud_ie=wire.reply(
                400, '{"error":"invalid_client","error_description":"authentication failed"}'
            )
        ),
        r"token: refused: the client secret, the client id or the region is wrong",
        "The region is wrong: a client exists in one region only, and login.mypurecloud.ie was asked",
        "gc-requests-auth check --find-region asks the other regions, too",
        1,
    ),
    "id and secret swapped": Scene(
        "The secret stands where the id belongs, and the id where the secret belongs.",
        lambda _: {ID: "what-is-the-secret-in-TRUTH", SECRET_NAME: AN_ID},
        r"token: refused: id and secret look swapped",
        "Id and secret are swapped",
        "Compare both with Admin > Integrations > OAuth",
        1,
    ),
    "other grant type": Scene(
        "The OAuth client was made for another grant type.",
        lambda stage: {
            LOGIN: stage.refusing(
                "unauthorized_client",
                "client is not authorized to use the client_credential grant type",
            )
        },
        r"token: refused: the grant type of this client is not Client Credentials",
        "The OAuth client has another grant type",
        "make a client of the grant type Client Credentials",
        1,
    ),
    # What a disabled client is answered is nowhere recorded; this is the answer to all that may
    # not sign in.
    "client disabled": Scene(
        "The OAuth client is disabled.",
        lambda stage: {LOGIN: stage.refusing("invalid_client", "authentication failed")},
        r"token: refused: the client secret or the client id is wrong, or the",
        "The client is disabled, inactive or deleted",
        "Look at its state in Admin > Integrations > OAuth",
        1,
    ),
    "API host as login host": Scene(
        "The token request goes to the API host.",
        lambda stage: {
            LOGIN: "https://api.mypurecloud.ie",
            "HTTPS_PROXY": stage.proxy(
                api_mypurecloud_ie=wire.reply(
                    404, '{"message":"HTTP 404 Not Found","code":"not found"}'
                )
            ),
        },
        r"token: api\.mypurecloud\.ie is no login service: it has nothing at",
        "Tokens come from the login host, not from the API host",
        "login.mypurecloud.ie",
        2,
    ),
    "domain that is no region": Scene(
        "The region is a domain that the web recommends and that is none of Genesys Cloud's.",
        lambda _: {REGION: "acme.mygenesyscloud.com", LOGIN: None, API: None},
        r"region: GENESYSCLOUD_REGION: mygenesyscloud\.com is no domain",
        "mygenesyscloud.com is no domain of the Genesys Cloud API",
        "look at the address bar",
        2,
    ),
    "path of the API in the login URL": Scene(
        "The token request goes to /api/v2/oauth/token.",
        lambda stage: {LOGIN: f"{stage.sandbox.login_url}/api/v2/oauth/token"},
        r"token: 127\S+ has nothing at /api/v2/oauth",
        "The login URL has a wrong host, or a path that does not belong there",
        "/oauth/token is added to it",
        2,
    ),
    "newline in the secret": Scene(
        "The secret ends with a newline, as one that is read from a file does.",
        lambda _: {SECRET_NAME: f"{SECRET}\n"},
        r"settings: GENESYSCLOUD_OAUTHCLIENT_SECRET begins or ends with white space",
        "GENESYSCLOUD_OAUTHCLIENT_SECRET begins or ends with white space",
        "Remove the white space",
        2,
    ),
    "quotes around the secret": Scene(
        "The secret stands in quotes, as in a .env file.",
        lambda _: {SECRET_NAME: f'"{SECRET}"'},
        r"settings: GENESYSCLOUD_OAUTHCLIENT_SECRET begins or ends with a quote",
        "GENESYSCLOUD_OAUTHCLIENT_SECRET begins or ends with a quote",
        "belong to the value",
        2,
    ),
    "half a pair": Scene(
        "The variable of the secret is not set.",
        lambda _: {SECRET_NAME: None},
        r"settings: GENESYSCLOUD_OAUTHCLIENT_SECRET is not set",
        "GENESYSCLOUD_OAUTHCLIENT_SECRET is not set",
        "GENESYSCLOUD_OAUTHCLIENT_SECRET",
        2,
    ),
    "no variable set": Scene(
        "No variable that holds credentials is set.",
        lambda _: {SECRET_NAME: None, ID: None},
        r"settings: No variable that holds credentials is set",
        "credentials",
        "one of these pairs|Set GENESYSCLOUD_OAUTHCLIENT_ID and GENESYSCLOUD_OAUTHCLIENT_SECRET",
        2,
    ),
    "no name resolution": Scene(
        "The name of the login host has no address.",
        lambda _: {LOGIN: "https://login.nowhere.invalid"},
        r"login DNS: login\.nowhere\.invalid has no address",
        "misspelt",
        "DNS server",
        3,
    ),
    "TLS intercepted": Scene(
        "A company proxy opens TLS, and its CA is not trusted here.",
        lambda stage: {CA: stage.other_authority()},
        r"login TLS: TLS is intercepted, or the CA is not known here",
        "company proxy",
        "point REQUESTS_CA_BUNDLE at",
        3,
    ),
    "proxy refuses": Scene(
        "The proxy does not lead to the login host.",
        lambda stage: {LOGIN: "https://login.mypurecloud.ie", "HTTPS_PROXY": stage.proxy(403)},
        r"login TLS: login\.mypurecloud\.ie can not be reached through proxy",
        "proxy",
        "HTTPS_PROXY",
        3,
    ),
    "too many token requests": Scene(
        "The login service throttles the client.",
        lambda stage: {LOGIN: stage.refusing("invalid_request", "rate limit exceeded; wait")},
        r"token: the login service throttles this client",
        "Too many token requests in a short time",
        "find the program that asks for a token at every call",
        3,
    ),
    "login service down": Scene(
        "The login service, or a gateway in front of it, answers 503.",
        lambda stage: {LOGIN: stage.answering(503, "<html>Service Unavailable", "text/html")},
        r"token: 127\S+ answers an HTML page: the login service",
        "The login service",
        "Try again later",
        3,
    ),
}

CALL_SCENES = {
    "missing permission": Scene(
        "No role of the client holds the permission that the call needs.",
        lambda stage: stage.api(
            "/api/v2/users",
            fault(
                403,
                "missing.any.permissions",
                "Unable to perform the requested action. You must have at least one of the"
                f" following permissions assigned: [directory:user:view, admin:user:view] [{REFERENCE}]",
            ),
        ),
        r"call: the client lacks a",
        "lacks a permission: directory:user:view or admin:user:view",
        "Give the client a role that holds the permission, for the division that the object belongs",
        1,
        ("GET", "/api/v2/users"),
    ),
    "permission that is not named": Scene(
        "The answer to a forbidden call does not name the permission.",
        lambda stage: stage.api(
            QUEUES,
            fault(403, "not.authorized", "You are not authorized to perform the requested action."),
        ),
        r"call: the client may not do this",
        "No role of the OAuth client holds the permission that this call needs",
        "Look the permission up in the API reference",
        1,
        ("GET", QUEUES),
    ),
    "no user context": Scene(
        "The call is for the user who signed in, and client credentials sign in without one.",
        lambda _: {},
        r"call: this call is for a user",
        "here only an OAuth client signed in",
        "Call GET /api/v2/users/{userId} with the id of a user",
        1,
        ("GET", "/api/v2/users/me"),
    ),
    "conversations of nobody": Scene(
        "The call asks for the conversations of the user who signed in.",
        lambda stage: stage.api(
            "/api/v2/conversations",
            fault(
                400,
                "bad.request",
                "This request requires a user context. Client credentials cannot be used for"
                " requests to this resource.",
            ),
        ),
        r"call: this call is for a user",
        "here only an OAuth client signed in",
        "Call POST /api/v2/analytics/conversations/details/query.",
        1,
        ("GET", "/api/v2/conversations"),
    ),
    "client disabled after it got the token": Scene(
        "The client was disabled after the token was granted; its tokens are invalid then.",
        lambda stage: stage.api(ME, BAD_CREDENTIALS) | stage.api(QUEUES, BAD_CREDENTIALS),
        r"client: the API does not accept a token",
        "The OAuth client was disabled after it got the token",
        "Look at the state of the client in Admin > Integrations > OAuth",
        1,
        ("GET", QUEUES),
    ),
    "token revoked": Scene(
        "The token was revoked, or made no call for longer than the idle time-out.",
        lambda stage: (
            stage.api(
                ME,
                Reply.json(200, {"OAuthClient": {"name": "Export"}}),
                BAD_CREDENTIALS,
            )
            | stage.api(
                "/api/v2/tokens/timeout",
                Reply.json(200, {"enableIdleTokenTimeout": True, "idleTokenTimeoutSeconds": 1800}),
            )
            | stage.api(QUEUES, BAD_CREDENTIALS)
        ),
        r"call: the token was accepted a moment",
        "revoked",
        r"Try again|Get a new token",
        1,
        ("GET", QUEUES),
    ),
    "rule against one call": Scene(
        "The API accepts the token for other calls, and answers 401 to this one.",
        lambda stage: stage.api(QUEUES, BAD_CREDENTIALS),
        r"call: the API accepts the token, but",
        r"refuses this call|does not accept the token",
        r"Take the correlation id to|Get a new token",
        1,
        ("GET", QUEUES),
    ),
    "address not allowed": Scene(
        "The address of this machine is not among the allowed ones.",
        lambda stage: stage.api(QUEUES, fault(401, "ip.not.authorized", "no")),
        r"call: the API does not take requests",
        "The address that this program calls from is not allowed",
        "allowed IP addresses of the organisation and of the OAuth client",
        1,
        ("GET", QUEUES),
    ),
    "API of another region": Scene(
        "The URL of the call belongs to another region than the credentials.",
        lambda stage: stage.in_ireland(
            api_mypurecloud_ie=wire.say(200, OAuthClient={"name": "Export"})
        ),
        r"call: https://api\.mypurecloud\.de is the API of region mypurecloud\.de",
        "a token of one region is refused in every other",
        "Call https://api.mypurecloud.ie",
        2,
        ("GET", f"https://api.mypurecloud.de{QUEUES}"),
        unsent=True,
    ),
    "API URL of another region": Scene(
        "The API URL leads to another region than the login URL, by way of a gateway.",
        lambda stage: stage.api(ME, BAD_CREDENTIALS) | stage.api(QUEUES, BAD_CREDENTIALS),
        r"client: the API does not accept a token",
        "The API belongs to another region or another organisation than",
        "Name the region alone, without URLs: both hosts follow from the region",
        1,
        ("GET", QUEUES),
    ),
    "object of another organisation": Scene(
        "The id belongs to an object of another organisation, or to none.",
        lambda stage: stage.api(
            AN_OBJECT, fault(404, "not.found", "The requested resource was not found.")
        ),
        r"call: the API has nothing to show at this",
        "The object belongs to another organisation, or to a division for which the client has no"
        " role; Genesys Cloud answers 404 or 403 then",
        "Compare the organisation with what gc-requests-auth check prints",
        1,
        ("GET", AN_OBJECT),
    ),
    "path without /api/v2": Scene(
        "The path lacks its beginning.",
        lambda _: {},
        r"call: there is nothing at this path: paths of",
        "The path lacks /api/v2 at its beginning",
        "Call /api/v2/routing/queues",
        1,
        ("GET", "/routing/queues"),
    ),
    "method not allowed": Scene(
        "The path exists, and does not take this method.",
        lambda stage: stage.api(
            QUEUES, fault(405, "method.not.allowed", "HTTP 405 Method Not Allowed")
        ),
        r"call: this path exists, but does not",
        "The path takes other methods only",
        "Look up the methods of the path in the API reference",
        1,
        ("PATCH", QUEUES),
    ),
    "body that is no JSON": Scene(
        "The body is the repr() of a dictionary.",
        lambda stage: stage.api(
            QUEUES,
            fault(
                400,
                "bad.request",
                "The request could not be understood by the server due to malformed syntax.",
            ),
        ),
        r"call: the body of the request is not JSON",
        "The body was sent as a form, as text, or as the repr() of a dictionary",
        "Pass the body as json= of requests",
        1,
        ("POST", QUEUES),
        "{'name': 'Sales'}",
    ),
    "field that is wrong": Scene(
        "The body is JSON, and a field of it is not what the API takes.",
        lambda stage: stage.api(
            QUEUES,
            fault(400, "invalid.value", "Value [x] is not valid for field type [mediaType]."),
        ),
        r"call: the API does not understand a",
        "A parameter or a field of the body is missing, misspelt, or has the wrong form",
        "Compare the request with the API reference",
        1,
        ("POST", QUEUES),
        '{"mediaType": "x"}',
    ),
    "wrong Content-Type": Scene(
        "The API does not take a body of this Content-Type.",
        lambda stage: stage.api(
            QUEUES,
            fault(
                415,
                "unsupported.media.type",
                "Unsupported Media Type - Unsupported or incorrect media type, such as an incorrect"
                " Content-Type value in the header.",
            ),
        ),
        r"call: the API does not take a",
        "The header Content-Type is missing, or is not what this call takes",
        "Send Content-Type: application/json",
        1,
        ("POST", QUEUES),
        '{"name": "Sales"}',
    ),
    "body too large": Scene(
        "The body has more than 512,000 bytes.",
        lambda stage: stage.api(
            QUEUES,
            fault(
                413,
                "request.entity.too.large",
                "The request is over the size limit. Maximum bytes: 512000",
            ),
        ),
        r"call: the request is larger",
        "The body has more than 512,000 bytes",
        "Send the data in several requests",
        1,
        ("POST", QUEUES),
        json.dumps("x" * 520_000),
    ),
    "limit of the token": Scene(
        "The token has made its 300 requests of this minute.",
        lambda stage: stage.api(
            QUEUES,
            too_many(
                42,
                limit={
                    "key": "client.credentials.token.rate.per.minute",
                    "namespace": "platform.api",
                    "value": 300,
                },
            ),
        ),
        r"call: the token has used",
        "More requests were made with this token than it may make in a minute",
        "Wait 42 s",
        3,
        ("GET", QUEUES),
    ),
    "limit of a resource": Scene(
        "Another limit than that of the token is used up.",
        lambda stage: stage.api(
            QUEUES,
            too_many(
                7, limit={"key": "user.rate.per.minute", "namespace": "directory", "value": 180}
            ),
        ),
        r"call: a limit of this",
        "is used up: user.rate.per.minute, 180 requests",
        "More tokens do not help",
        3,
        ("GET", QUEUES),
    ),
    "limit of the day": Scene(
        "Retry-After asks to wait until tomorrow.",
        lambda stage: stage.api(QUEUES, too_many(40_000)),
        r"call: the API asks for a",
        "A limit that counts for longer than a minute is used up",
        "Wait that long",
        3,
        ("GET", QUEUES),
    ),
    "limit that is not named": Scene(
        "The answer does not say which limit is used up.",
        lambda stage: stage.api(QUEUES, too_many(3)),
        r"call: a rate limit is",
        "A limit of this kind of call is used up, which counts all tokens together",
        "Wait 3 s",
        3,
        ("GET", QUEUES),
    ),
    "API down": Scene(
        "A gateway answers 502 in place of the API.",
        lambda stage: stage.api(
            QUEUES, Reply(502, b"<html>Bad Gateway", {"Content-Type": "text/html"})
        ),
        r"call: the API, or a gateway in front of it, is down",
        "The API does not work at the moment",
        "Try again later",
        3,
        ("GET", QUEUES),
    ),
    "authentication slow": Scene(
        "Genesys Cloud could not check the token in time.",
        lambda stage: stage.api(
            QUEUES,
            fault(504, "authentication.request.timeout", "Authentication request timeout."),
        ),
        r"call: the API could not",
        "Genesys Cloud's own check of tokens is slow at the moment",
        "Try again later",
        3,
        ("GET", QUEUES),
    ),
    "proxy's page": Scene(
        "A proxy's sign-in page answers 200 in place of the API.",
        lambda stage: stage.api(
            QUEUES, Reply(200, b"<html>Please sign in", {"Content-Type": "text/html"})
        ),
        r"call: what answers is not the API: the answer is an HTML",
        "A proxy, a firewall or a sign-in page on the way answers in place of the API",
        "Ask the people who run the network",
        2,
        ("GET", QUEUES),
    ),
    "pre-signed link with a token": Scene(
        "A pre-signed link is fetched with an Authorization header.",
        lambda stage: stage.api(
            "/bucket/recording.wav",
            Reply(
                400,
                b"<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed",
                {"Content-Type": "application/xml"},
            ),
        ),
        r"call: the link is signed already, and the request brought",
        "A pre-signed link takes no Authorization header",
        "Fetch the link without auth=",
        1,
        ("GET", "/bucket/recording.wav?X-Amz-Signature=abc"),
    ),
    "login host called as the API": Scene(
        "The call goes to the login host.",
        lambda stage: stage.in_ireland(
            login_mypurecloud_ie=_login_that_is_called,
            api_mypurecloud_ie=wire.say(200, OAuthClient={"name": "Export"}),
        ),
        r"call: login\.mypurecloud\.ie is a login",
        "The login host was called as if it were the API",
        "Call https://api.mypurecloud.ie/api/v2/routing/queues",
        1,
        ("GET", f"https://login.mypurecloud.ie{QUEUES}"),
    ),
}


def _login_that_is_called(peer: wire.Peer) -> None:
    """A login service: a token for a POST, and nothing at any other path."""
    asked = peer.requests[-1].line.startswith("POST /oauth/token")
    act = (
        wire.reply(200, GRANTED)
        if asked
        else wire.reply(404, "<html>", {"Content-Type": "text/html"})
    )
    act(peer)


SCENES = {**SIGN_IN_SCENES, **CALL_SCENES}
