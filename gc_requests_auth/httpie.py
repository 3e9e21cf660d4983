"""The plugin for HTTPie: ``http --auth-type=genesys-cloud https://api.mypurecloud.ie/api/v2/...``.

HTTPie loads it by the entry point ``httpie.plugins.auth.v1``; nothing of ours imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import requests
from httpie.cli.definition import parser
from httpie.client import make_send_kwargs_mergeable_from_env
from httpie.plugins import AuthPlugin

# Imported now: what "httpie plugins install" installs is on the path only while plugins are loaded,
# and is not found any more when a token is requested.
from requests_oauthlib import OAuth2Session  # noqa: F401

from .auth import GenesysCloudAuth
from .errors import ConfigurationError, LoginTimeoutError, LoginUnreachableError
from .util import Secret

T = TypeVar("T")

_NO_PAIR = (
    "-a names a profile of the gc CLI here, and takes no id:secret. What stands on a command line is"
    " seen in the process list, kept by the shell's history and, with --session, written to disk."
    " Set GENESYSCLOUD_OAUTHCLIENT_ID and GENESYSCLOUD_OAUTHCLIENT_SECRET instead, or keep the pair"
    " in a profile (gc profiles new)."
)


class GenesysCloudPlugin(AuthPlugin):  # type: ignore[misc]  # HTTPie is not typed
    """Credentials come from the environment, or from the profile that ``-a`` names."""

    name = "Genesys Cloud"
    description = (
        "Client credentials from the environment (GENESYSCLOUD_OAUTHCLIENT_ID, ..._SECRET,"
        " GENESYSCLOUD_REGION), or from the profile of the gc CLI that -a names."
    )
    auth_type = "genesys-cloud"
    #: -a may be left out, and no password is asked for.
    auth_require = False
    auth_parse = False

    def get_auth(self, username: object = None, password: object = None) -> Any:  # noqa: ARG002
        """What HTTPie passes on as ``auth=``; a usage error of HTTPie's if ``-a`` can not work."""
        problem = _NO_PAIR
        if ":" not in (self.raw_auth or ""):
            try:
                return _Auth(self.raw_auth)
            except ConfigurationError as error:
                problem = f"-a: {error}"
        return parser.error(problem)  # raised, it would be a traceback at this point


class _Auth(GenesysCloudAuth):
    """Goes HTTPie's way to the login service, and shows no token where HTTPie shows a request."""

    def __init__(self, profile: str | None) -> None:
        self._way = requests.Session()
        super().__init__(profile=profile, session=self._way)

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        # HTTPie's parser holds the final options.
        options = parser.args
        if options.offline:  # HTTPie prepares the request all the same, and it alone knows
            return self._unsent(r)
        way = make_send_kwargs_mergeable_from_env(options)
        for name in ("verify", "cert", "proxies"):
            setattr(self._way, name, way[name])
        return _with_message(super().__call__, r)

    def _unsent(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request as it would be, but for the token, which nobody has asked for."""
        place = self._settings.hosts()
        if place.takes_token(r.url or ""):
            r.headers["Authorization"] = Secret("Bearer")
        else:
            place.raise_if_mistaken(r.url or "")
        return r

    def _on_answer(
        self, response: requests.Response, options: Mapping[str, Any]
    ) -> requests.Response:
        return _with_message(super()._on_answer, response, options)


def _with_message(call: Callable[..., T], *arguments: Any) -> T:
    """For a time-out, HTTPie hides the message. So another error is raised."""
    try:
        return call(*arguments)
    except LoginTimeoutError as error:
        told = LoginUnreachableError(str(error))
        told.request = error.request
    raise told
