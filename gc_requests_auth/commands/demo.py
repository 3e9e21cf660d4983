"""``gc-requests-auth demo``: what the library promises, shown once and counted by the other side."""

from __future__ import annotations

import textwrap
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from ..errors import GenesysCloudError
from ..sandbox import GenesysCloudSandbox
from ..session import GenesysCloudSession

THREADS = 32
CALLS = 10


class Demo:
    """Runs the story against a sandbox, and keeps count of promises that were not kept."""

    def __init__(self, sandbox: GenesysCloudSandbox) -> None:
        self.broken = 0
        self._sandbox = sandbox
        self._session = self._signed_in(sandbox.client_secret)

    def _signed_in(self, client_secret: str) -> GenesysCloudSession:
        session = GenesysCloudSession(
            self._sandbox.client_id,
            client_secret,
            login_url=self._sandbox.login_url,
            api_url=self._sandbox.api_url,
            rate_limit=None,  # the sandbox has none, and the demo makes more than 300 calls
        )
        session.verify = self._sandbox.ca_file
        session.trust_env = False  # or REQUESTS_CA_BUNDLE would beat the line above
        return session

    def run(self) -> None:
        """Tell the story."""
        print(f"A Genesys Cloud look-alike listens on {self._sandbox.api_url} (API) and")
        print(f"{self._sandbox.login_url} (login), with real TLS and a real OAuth server.")
        print()
        with self._session:
            self._first_call()
            self._many_threads()
            self._revocation()
            self._redirect()
            self._wrong_secret()

    def _first_call(self) -> None:
        answer = self._session.get("/api/v2/organizations/me")
        self._check(
            f"A call: {answer.status_code}, organisation {answer.json().get('name')!r};"
            f" tokens obtained on the way: {self._sandbox.token_requests}.",
            kept=answer.status_code == 200 and self._sandbox.token_requests == 1,
        )

    def _many_threads(self) -> None:
        statuses = self._call_in_threads(THREADS * CALLS)
        self._check(
            f"{THREADS} threads, {THREADS * CALLS} calls: {_told(statuses)};"
            f" tokens obtained so far: {self._sandbox.token_requests}.",
            kept=statuses == {200: THREADS * CALLS} and self._sandbox.token_requests == 1,
        )

    def _revocation(self) -> None:
        before = self._sandbox.api_requests
        self._sandbox.revoke_all()
        statuses = self._call_in_threads(THREADS)
        refused = self._sandbox.api_requests - before - THREADS
        self._check(
            f"All tokens revoked, {THREADS} threads call: {_told(statuses)};"
            f" calls refused and replayed unnoticed: {refused};"
            f" tokens obtained so far: {self._sandbox.token_requests}.",
            kept=statuses == {200: THREADS}
            and 1 <= refused <= THREADS
            and self._sandbox.token_requests == 2,
        )

    def _redirect(self) -> None:
        elsewhere = f"{self._sandbox.login_url}/another/host"  # gets secrets, never tokens
        self._session.get("/sandbox/redirect", params={"to": elsewhere})
        seen = self._sandbox.token_exchanges[-1]
        carried = "Authorization" in seen.headers
        self._check(
            f"Redirected to another host: it was asked for {seen.target},"
            f" {'with' if carried else 'without'} the token.",
            kept=seen.target == "/another/host" and not carried,
        )

    def _wrong_secret(self) -> None:
        said = "nothing at all"
        try:
            with self._signed_in("wrong-secret") as session:
                session.get("/api/v2/organizations/me")
        except GenesysCloudError as error:
            said = f"{type(error).__name__}: {error}"
        self._check(
            f"A wrong secret is explained. {said}", kept=said.startswith("CredentialsRefusedError")
        )

    def _call_in_threads(self, calls: int) -> Counter[int]:
        def call(_: int) -> int:
            return self._session.get("/api/v2/routing/queues").status_code

        with ThreadPoolExecutor(THREADS) as pool:
            return Counter(pool.map(call, range(calls)))

    def _check(self, text: str, *, kept: bool) -> None:
        self.broken += not kept
        mark = "ok  " if kept else "FAIL"
        print(textwrap.fill(f"{mark}  {text}", width=79, subsequent_indent=" " * 6))


def _told(statuses: Counter[int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))


def main() -> int:
    """Run the demo; 0 if every promise was kept."""
    with GenesysCloudSandbox() as sandbox:
        demo = Demo(sandbox)
        demo.run()
    print()
    if demo.broken:
        print(f"{demo.broken} promises were not kept. Please report this.")
        return 1
    print("All counts are the servers' own. With your own client: see the README.")
    return 0
