"""The commands ``demo`` and ``sandbox``: a Genesys Cloud look-alike on this machine, shown or left to you."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import sleep

from ..errors import GenesysCloudError
from ..sandbox import GenesysCloudSandbox
from ..session import GenesysCloudSession

THREADS = 32
CALLS = 10


def show_promises() -> int:
    """Show each promise of the library once; 0 if all were kept."""
    broken = 0
    with GenesysCloudSandbox() as sandbox:
        print(f"A Genesys Cloud look-alike listens on {sandbox.api_url} (API) and")
        print(f"{sandbox.login_url} (login), with real TLS and a real OAuth server.\n")
        for kept, text in promises(sandbox):
            broken += not kept
            line = f"{'ok  ' if kept else 'FAIL'}  {text}"
            print(textwrap.fill(line, width=79, subsequent_indent=" " * 6))
    print()
    if broken:
        print(f"{broken} promises were not kept. Please report this.")
        return 1
    print("The servers have counted these requests. For your own client, see the README.")
    return 0


def promises(sandbox: GenesysCloudSandbox) -> Iterator[tuple[bool, str]]:
    """Whether each promise was kept, and what happened."""

    def signed_in(client_secret: str) -> GenesysCloudSession:
        session = GenesysCloudSession(
            sandbox.client_id,
            client_secret,
            login_url=sandbox.login_url,
            api_url=sandbox.api_url,
            rate_limit=None,  # the sandbox has none, and the demo makes more than 300 calls
        )
        session.verify = sandbox.ca_file
        session.trust_env = False  # or REQUESTS_CA_BUNDLE would beat the line above
        return session

    def call_in_threads(calls: int) -> Counter[int]:
        def call(_: int) -> int:
            return session.get("/api/v2/routing/queues").status_code

        with ThreadPoolExecutor(THREADS) as pool:
            return Counter(pool.map(call, range(calls)))

    with signed_in(sandbox.client_secret) as session:
        answer = session.get("/api/v2/organizations/me")
        text = (
            f"A call: {answer.status_code}, organisation {answer.json().get('name')!r};"
            f" token requests: {sandbox.token_requests}."
        )
        yield answer.status_code == 200 and sandbox.token_requests == 1, text
        calls = THREADS * CALLS
        statuses = call_in_threads(calls)
        text = (
            f"{THREADS} threads, {calls} calls: {_counted(statuses)};"
            f" token requests so far: {sandbox.token_requests}."
        )
        yield statuses == {200: calls} and sandbox.token_requests == 1, text
        before = sandbox.api_requests
        sandbox.revoke_all()
        statuses = call_in_threads(THREADS)
        refused = sandbox.api_requests - before - THREADS
        text = (
            f"All tokens revoked, {THREADS} threads call: {_counted(statuses)};"
            f" calls refused and sent again unnoticed: {refused};"
            f" token requests so far: {sandbox.token_requests}."
        )
        yield (
            statuses == {200: THREADS} and 1 <= refused <= THREADS and sandbox.token_requests == 2,
            text,
        )
        elsewhere = f"{sandbox.login_url}/another/host"  # gets secrets, never tokens
        session.get("/sandbox/redirect", params={"to": elsewhere})
        seen = sandbox.token_exchanges[-1]
        carried = "Authorization" in seen.headers
        text = (
            f"Redirected to another host: that host was asked for {seen.target},"
            f" {'with' if carried else 'without'} the token."
        )
        yield seen.target == "/another/host" and not carried, text
    said = "nothing at all"
    try:
        with signed_in("wrong-secret") as session:
            session.get("/api/v2/organizations/me")
    except GenesysCloudError as error:
        said = f"{type(error).__name__}: {error}"
    yield said.startswith("CredentialsRefusedError"), f"A wrong secret is explained. {said}"


def _counted(statuses: Counter[int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))


def serve(options: argparse.Namespace) -> int:
    """Run the sandbox until Ctrl-C, and print what another shell needs to use it."""
    names = ("rate_limit", "rate_window", "token_rate_limit")
    asked = {name: value for name in names if (value := getattr(options, name)) is not None}
    try:
        sandbox = GenesysCloudSandbox(**asked)
    except ValueError as wrong:
        words = str(wrong).removesuffix(", or None")
        options.parser.error(re.sub(r"^\w+", lambda name: "--" + name[0].replace("_", "-"), words))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its files go with it
    try:
        with sandbox:
            print("\n".join(instructions(sandbox.environ, windows=os.name == "nt")), flush=True)
            while True:  # and not a wait for an event, which Ctrl-C does not end on Windows
                sleep(3600)
    except KeyboardInterrupt:
        pass
    return 0


def instructions(environ: Mapping[str, str], *, windows: bool) -> Iterator[str]:
    """What to type in another shell, for POSIX shells and for PowerShell."""
    posix = [f"export {name}={shlex.quote(value)}" for name, value in environ.items()]
    powershell = [
        f"$env:{name} = '" + value.replace("'", "''") + "'" for name, value in environ.items()
    ]
    shells = [("a POSIX shell (bash, zsh)", posix), ("PowerShell", powershell)]
    yield "# The sandbox runs until Ctrl-C. Its client id and secret are made up, and"
    yield "# are worth nothing elsewhere. Open another shell for your script."
    for shell, lines in reversed(shells) if windows else shells:
        yield f"# In {shell}:"
        yield from lines
    yield "# That shell trusts the sandbox alone: pip and other programs fail in it. So"
    yield "# close that shell afterwards, or unset REQUESTS_CA_BUNDLE (PowerShell:"
    yield "# Remove-Item Env:REQUESTS_CA_BUNDLE)."
    yield "# Pass no region= in your script: a region leads to the real Genesys Cloud."
