"""The suites, each of one version whose source distribution is known by its SHA-256."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .modes import MODES

#: A variable that has the Session trust the TLS server of pytest-httpbin in each mode, as suites want it
#: that talk to the server themselves. In the modes with TLS, the Session always trusts the server.
TRUST = "FOREIGN_TRUST"


@dataclass(frozen=True)
class Suite:
    """The tests of one project."""

    #: The project, as PyPI and pip name it.
    name: str
    version: str
    #: Of the source distribution.
    sha256: str
    #: The file with the suite's own settings of pytest.
    settings: str
    #: How many tests pass as the suite is, at least, by the name of the mode. Fewer would mean that
    #: something is missing here, and that the comparison is worth less than it seems.
    at_least: Mapping[str, int]
    #: Where its tests are.
    tests: str = "tests"
    #: What is unpacked, beside the files at the top: no more than the tests need, so that the installed
    #: library is tested.
    unpacked: str = "tests"
    #: Further arguments of pytest.
    arguments: tuple[str, ...] = ()
    #: Those of the tests that talk to the suite's HTTP server; none, if it has no such server.
    with_server: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def modes(self) -> list[str]:
        """The names of the modes it runs in."""
        return [mode.name for mode in MODES.values() if self.with_server or not mode.tls]

    def paths(self, mode: str) -> tuple[str, ...]:
        """The tests of a mode."""
        return self.with_server if MODES[mode].tls else (self.tests,)


SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "requests",
            "2.34.2",
            "f288924cae4e29463698d6d60bc6a4da69c89185ad1e0bcc4104f584e960b9ed",
            "pyproject.toml",
            {"as-is": 610, "as-is-tls": 300},
            with_server=("tests/test_requests.py",),
        ),
        Suite(
            "requests-mock",
            "1.12.1",
            "e9e12e333b525156e82a3c852f22016b9158220d2f47454de9cae8a77d371401",
            "pyproject.toml",
            {"as-is": 140},
        ),
        Suite(
            "responses",
            "0.26.3",
            "b0c11ca8131b8b227b8d5108e6ed39772222bd5aab030ed430e8f99057c4c409",
            "tox.ini",
            {"as-is": 210},
            tests="responses/tests",
            unpacked="responses",  # whose tests import each other as a part of the library
            arguments=("--asyncio-mode=auto",),
        ),
        Suite(
            "requests-toolbelt",
            "1.0.0",
            "7681a0a3d047012b5bdc0ee37d7f8f07ebe76ab08caeccfc3921ce23c88d5bc6",
            "tox.ini",
            {"as-is": 160},
            # What a recorded answer says of its length is right for an address of 14 characters.
            environment={"IPADDR": "192.168.100.10"},
        ),
        Suite(
            "requests-cache",
            "1.3.3",
            "79b72d5ac5143992d1836ad78f4d8e65666061dd44e220548caab3723089826b",
            "pyproject.toml",
            {"as-is": 1100, "as-is-tls": 350},
            # Without the backends that need a server of their own.
            arguments=tuple(
                f"--ignore=tests/integration/test_{backend}.py"
                for backend in ("dynamodb", "mongodb", "redis")
            ),
            # Of the others, one backend has all serializers, and the tests are the same for each.
            with_server=(
                "tests/integration/test_filesystem.py",
                "tests/integration/test_memory.py",
            ),
            environment={"USE_PYTEST_HTTPBIN": "true"},
        ),
        Suite(
            "requests-futures",
            "1.1.0",
            "f839cf536e6638a6e0ca1cfd54ac761bf3bb2b5a7ecf9349557e53acc5244d36",
            "pyproject.toml",
            {"as-is": 30, "as-is-tls": 30},
            with_server=("tests",),
        ),
        Suite(
            "vcrpy",
            "9.4.2",
            "2ffc051adf50d9a83326c8d365c29929cd6788cef647326b55502b59276d443a",
            "pyproject.toml",
            {"as-is": 480, "as-is-tls": 35},
            # Does not begin without aiohttp's yarl; the other clients' tests skip themselves.
            arguments=(
                "--ignore=tests/integration/test_aiohttp.py",
                # Sends chunks to a server that answers 501 and closes without reading them: now and then,
                # the client meets a broken pipe.
                "--deselect=tests/integration/test_requests.py::test_post_chunked_binary",
            ),
            with_server=("tests/integration/test_requests.py",),
            environment={TRUST: "yes"},
        ),
    )
}
