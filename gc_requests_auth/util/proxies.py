"""The proxies and the CA bundle of the environment, looked up once for each change of a variable.

For every call requests goes through all variables twice: which proxies are there, and does the host
bypass them? On Python 3.11 with 35 variables that takes more than half of the time of requests itself.
This module keeps the answer of requests for each host while no variable changes.
"""

from __future__ import annotations

import os
import sys

import requests

#: How many hosts are remembered; all are forgotten when there are more.
HOSTS = 256

#: The variables themselves, where Python keeps them in a plain dict, as CPython does. Comparing the
#: dict with a copy of it takes a microsecond.
_VARIABLES: object = getattr(os.environ, "_data", None)

#: On Windows proxies come from the registry as well, and on macOS from the system settings.
_ONLY_VARIABLES = isinstance(_VARIABLES, dict) and os.name == "posix" and sys.platform != "darwin"


class _Environment:
    """The variables at some time, and what requests makes of them.

    The client secret may be a variable. So no `repr` and no local variable holds the variables.
    """

    def __init__(self) -> None:
        # The variables first. If one changes meanwhile, the next look finds them changed.
        self.variables = dict(_VARIABLES)  # type: ignore[call-overload]  # a dict, if it is called
        self.ca_bundle = _ca_bundle()
        #: By host, as it stands in the URL, and by the `no_proxy` of the call.
        self.proxies: dict[tuple[str, str | None], dict[str, str]] = {}


#: The latest environment, for all sessions and threads of the process.
_latest: _Environment | None = None


def proxies_and_ca_bundle(url: str, no_proxy: str | None) -> tuple[dict[str, str], str | None]:
    """What the environment says for a call to this URL. Neither answer is to be changed.

    :returns: The proxies, as `requests.utils.get_environ_proxies` has them, and the CA bundle of
        ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE``.
    """
    is_patched = getattr(os.environ, "_data", None) is not _VARIABLES  # by a test
    if not _ONLY_VARIABLES or is_patched or not url.startswith(("https://", "http://")):
        return requests.utils.get_environ_proxies(url, no_proxy=no_proxy), _ca_bundle()
    environment = _look()
    parts = url.split("/", 3)
    key = (parts[2] if len(parts) > 2 else url, no_proxy)
    proxies = environment.proxies.get(key)
    if proxies is None:
        proxies = requests.utils.get_environ_proxies(url, no_proxy=no_proxy)
        # The answer is not kept where a variable has changed meanwhile: requests itself changes
        # NO_PROXY for a moment when a call has a `no_proxy` of its own.
        if environment is _look():
            if len(environment.proxies) >= HOSTS:
                environment.proxies.clear()
            environment.proxies[key] = proxies
    return proxies, environment.ca_bundle


def _look() -> _Environment:
    global _latest  # noqa: PLW0603 -- there is one environment in a process
    latest = _latest
    if latest is None or latest.variables != _VARIABLES:
        latest = _latest = _Environment()
    return latest


def _ca_bundle() -> str | None:
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None
