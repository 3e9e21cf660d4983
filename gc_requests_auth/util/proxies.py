"""The proxies and the CA bundle of the environment, looked up once for each change of a variable.

For every call requests goes through all variables twice: which proxies are there, and does the host
bypass them? On Python 3.11 with 35 variables that takes more than half of the time of requests itself.
This module keeps the answer of requests for each host while no variable changes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # as requests does

import requests

#: How many hosts are remembered; all are forgotten when there are more.
HOSTS = 256

#: The variables themselves, where Python keeps them in a plain dict, as CPython does. Comparing the
#: dict with a copy of it takes a microsecond.
_VARIABLES: Any = getattr(os.environ, "_data", None)

#: On Windows proxies come from the registry as well, and on macOS from the system settings.
_ONLY_VARIABLES = isinstance(_VARIABLES, dict) and os.name == "posix" and sys.platform != "darwin"


class _Environment:
    """The variables at some time, and what requests makes of them.

    The client secret may be a variable. So no `repr` and no local variable holds the variables.
    """

    def __init__(self) -> None:
        self.variables: dict[bytes, bytes] = dict(_VARIABLES)
        self.ca_bundle = _ca_bundle(self.value)
        #: By host, as it stands in the URL, and by the `no_proxy` of the call.
        self.proxies: dict[tuple[str, str | None], dict[str, str]] = {}

    def value(self, name: str) -> str | None:
        """The value of a variable."""
        value = self.variables.get(os.fsencode(name))
        return None if value is None else os.fsdecode(value)

    def confirms(self, proxies: dict[str, str], url: str, no_proxy: str | None) -> bool:
        """Whether these variables lead to these proxies. If in doubt, they do not.

        A network or a port in ``NO_PROXY`` is a doubt: the rules of urllib do not know them.
        """
        of_variables = self._all_proxies()
        names = of_variables if no_proxy is None else {"no": no_proxy}
        host = urlsplit(url).hostname
        bypass = host is None or proxy_bypass_environment(host, names)
        return proxies == ({} if bypass else of_variables)

    def _all_proxies(self) -> dict[str, str]:
        """The same as `urllib.request.getproxies_environment`, of these variables."""
        proxies: dict[str, str] = {}
        names = [name for name in map(os.fsdecode, self.variables) if name[-6:].lower() == "_proxy"]
        # A web server makes HTTP_PROXY of a header "Proxy" that a client sends.
        is_cgi = self.value("REQUEST_METHOD") is not None
        for name in sorted(names, key=_is_lower):  # the names in lower case come last, and count
            scheme, value = name[:-6].lower(), self.value(name)
            if value and not (is_cgi and scheme == "http" and not _is_lower(name)):
                proxies[scheme] = value
            elif not value and _is_lower(name):
                proxies.pop(scheme, None)
        return proxies


def _is_lower(name: str) -> bool:
    return name.endswith("_proxy")


#: The latest environment, for all sessions and threads of the process.
_latest: _Environment | None = None


def proxies_and_ca_bundle(url: str, no_proxy: str | None) -> tuple[dict[str, str], str | None]:
    """What the environment says for a call to this URL. Neither answer is to be changed.

    :returns: The proxies, as `requests.utils.get_environ_proxies` has them, and the CA bundle of
        ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE``.
    """
    is_patched = getattr(os.environ, "_data", None) is not _VARIABLES  # by a test
    if not _ONLY_VARIABLES or is_patched or not url.startswith(("https://", "http://")):
        return requests.utils.get_environ_proxies(url, no_proxy=no_proxy), _ca_bundle(
            os.environ.get
        )
    environment = _look()
    parts = url.split("/", 3)
    key = (parts[2] if len(parts) > 2 else url, no_proxy)
    proxies = environment.proxies.get(key)
    if proxies is None:
        proxies = requests.utils.get_environ_proxies(url, no_proxy=no_proxy)
        # requests has looked at os.environ, which another thread may have changed for a moment: requests
        # itself sets "no_proxy" while it looks up the proxies of a call with a `no_proxy` of its own.
        if environment.confirms(proxies, url, no_proxy):
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


def _ca_bundle(value: Callable[[str], str | None]) -> str | None:
    return value("REQUESTS_CA_BUNDLE") or value("CURL_CA_BUNDLE") or None
