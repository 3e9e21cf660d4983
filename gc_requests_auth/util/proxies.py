"""What the environment says of proxies and CA bundles, looked up once for each change of it.

For every call requests goes through all variables twice, to see which proxies there are and whether
the host is to bypass them. On Python 3.11 with 35 variables that is more than half of its own time.
Here the answer of requests is kept for each host while no variable changes.
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

import requests

#: How many hosts are remembered; all are forgotten when there are more.
HOSTS = 256

#: The variables themselves, where Python keeps them in a plain dict, as CPython does. Comparing the
#: dict with a copy of it takes a microsecond.
_VARIABLES: object = getattr(os.environ, "_data", None)

#: Elsewhere proxies come from the registry (Windows) or the system settings (macOS) as well.
_ONLY_VARIABLES = isinstance(_VARIABLES, dict) and os.name == "posix" and sys.platform != "darwin"


class _Seen(NamedTuple):
    """The environment at some time, and what requests makes of it."""

    variables: dict[object, object]
    ca_bundle: str | None
    #: By host, as it stands in the URL, and by the `no_proxy` of the call.
    proxies: dict[tuple[str, str | None], dict[str, str]]

    def __repr__(self) -> str:
        return "<environment>"  # the client secret may be a variable, and a frame may be shown


class Environment:
    """Answers as requests does, from memory while no variable has changed. Threads may share it."""

    def __init__(self) -> None:
        self._seen = _Seen({}, None, {})

    def of_call(self, url: str, no_proxy: str | None) -> tuple[dict[str, str], str | None]:
        """What counts for a call to this URL. Neither answer is to be changed.

        :returns: The proxies, as `requests.utils.get_environ_proxies` has them, and the CA bundle of
            ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE``.
        """
        seen = self._look()
        if seen is None:
            return requests.utils.get_environ_proxies(url, no_proxy=no_proxy), _ca_bundle()
        parts = url.split("/", 3)
        key = (parts[2] if len(parts) > 2 else url, no_proxy)
        proxies = seen.proxies.get(key)
        if proxies is None:
            proxies = requests.utils.get_environ_proxies(url, no_proxy=no_proxy)
            # Not kept where a variable has changed meanwhile: requests itself changes NO_PROXY for a
            # moment when a call has a `no_proxy` of its own.
            if seen is self._look():
                if len(seen.proxies) >= HOSTS:
                    seen.proxies.clear()
                seen.proxies[key] = proxies
        return proxies, seen.ca_bundle

    def _look(self) -> _Seen | None:
        """What is known of the environment as it is now; None where requests has to be asked."""
        if not _ONLY_VARIABLES:
            return None
        seen = self._seen
        if seen.variables != _VARIABLES:
            # No local variable holds them: a traceback may show it.
            seen = _Seen(dict(_VARIABLES), _ca_bundle(), {})  # type: ignore[call-overload]  # a dict
            if seen.variables == _VARIABLES:
                self._seen = seen
        return seen


def _ca_bundle() -> str | None:
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None


#: There is one environment, for all sessions of the process.
ENVIRONMENT = Environment()
