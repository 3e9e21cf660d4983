"""A pytest plugin (``-p foreign.plugin``): changes the process of a suite as the mode says, and records.

pytest loads the plugin before all others, hence before anything imports `requests.Session`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import requests

from .loopback import only_loopback
from .modes import MODES
from .suites import TRUST
from .swap import NOBODY, SwappedSession, swap
from .verdict import MODE, RECORD

_mode = MODES[os.environ[MODE]]
_folder = str(Path.cwd())
_outcomes: dict[str, str] = {}
_reasons: dict[str, str] = {}

only_loopback()
if _mode.ours:
    swap()


def pytest_configure() -> None:
    """Start the front, now that pytest has loaded pytest-httpbin."""
    if not (_mode.tls or TRUST in os.environ):
        return
    from pytest_httpbin import certs, serve

    # In place of certifi's certificates.
    requests.adapters.DEFAULT_CA_BUNDLE_PATH = certs.where()  # type: ignore[attr-defined]
    if not _mode.tls:
        return
    from httpbin import app

    from gc_requests_auth import GenesysCloudAuth

    from .front import Front, Shared

    Shared.front = front = Front(app, _mode.trouble)
    serve.Server = serve.SecureServer = Shared
    if _mode.ours:
        SwappedSession.shared = GenesysCloudAuth(
            *NOBODY, login_url=front.login.url, api_url=front.api.url
        )


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the worst of setup, call and teardown."""
    test = report.nodeid.replace(_folder, "<folder>")  # some tests are named after a path
    known = _outcomes.get(test)
    if report.failed:
        _outcomes[test] = "failed"
        crash = getattr(report.longrepr, "reprcrash", None)
        said = str(crash.message if crash else report.longrepr)
        _reasons.setdefault(test, said[:300])
    elif report.skipped and known != "failed":  # an expected failure as well
        _outcomes[test] = "skipped"
    elif report.when == "call" and known is None:
        _outcomes[test] = "passed"


def pytest_sessionfinish() -> None:
    """Write the record."""
    counts = {"sessions": SwappedSession.made}
    if _mode.tls:
        from .front import Shared

        counts |= {"tokens": Shared.front.tokens, "troubled": Shared.front.troubled}
    record = {"outcomes": _outcomes, "reasons": _reasons, "counts": counts}
    Path(os.environ[RECORD]).write_text(json.dumps(record), encoding="utf-8")


def pytest_unconfigure() -> None:
    """Stop the front."""
    if _mode.tls:
        from .front import Shared

        Shared.front.stop()
