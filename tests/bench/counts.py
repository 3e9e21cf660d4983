"""How many tokens are asked for: by many threads, cold and after a revocation; by many processes."""

from __future__ import annotations

import tempfile

from .measuring import Spread, at_once
from .neighbours import OURS, OURS_AUTH, Neighbour, installed
from .processes import NO_SIGN_IN, NO_STORE
from .servers import Sandbox, end, go, line, start
from .tables import Column, Scale, Section, Table, Target

ABOUT = """\
Token requests, as the sandbox counts them: of 64 threads that share a client and make their first
call at the same moment, and of the same after the token has been revoked, with how many of their 64
calls failed; of 20 processes that make theirs at the same moment, each with a client of its own, and
a file store where there is one."""

BY_HAND = (
    "signs in by a call of its own: measured is ``if not signed_in: fetch_token()`` in each thread;"
    " a script that signs in before it starts its threads makes 1"
)


def run(scale: Scale) -> Table:
    count, fleet = scale.of(64, 16), scale.of(20, 5)
    table = Table(
        "Token requests",
        ABOUT,
        [
            Column("cold", f"{count} cold\nthreads"),
            Column("revoked", f"{count} threads after\na revocation"),
            Column("failed", "of their calls\nfailed"),
            Column("processes", f"{fleet} processes,\nwith a store"),
        ],
        targets=[
            Target("cold", OURS_AUTH, at_most=1),
            Target("cold", OURS, at_most=1),
            Target("revoked", OURS_AUTH, at_most=1),
            Target("revoked", OURS, at_most=1),
            Target("failed", OURS_AUTH, at_most=0),
            Target("failed", OURS, at_most=0),
            Target("processes", OURS, at_most=1),
        ],
    )
    with Sandbox() as sandbox:
        for one in installed():
            found = [_threads(one, sandbox, count) for _ in range(scale.of(3, 1))]
            cold, upset, revoked, failed = (
                Spread.of(column) for column in zip(*found, strict=True)
            )
            if one.early is None:
                table.put(one.name, "cold", None, NO_SIGN_IN)
                table.put(one.name, "revoked", None, NO_SIGN_IN)
                table.put(one.name, "processes", None, NO_SIGN_IN)
            else:
                notes = [BY_HAND] if one.client(sandbox.place).sign_in else []
                if upset.high:
                    notes.append(f"of these calls failed: {upset.high:g}")
                table.put(one.name, "cold", cold, "; ".join(notes))
                table.put(one.name, "revoked", revoked)
            table.put(one.name, "failed", failed)
            sandbox.token_requests()
            if one.imports and (one.stores or not scale.quick):
                table.put(
                    one.name,
                    "processes",
                    _processes(one, sandbox, fleet),
                    "" if one.stores else NO_STORE,
                )
            # Tokens by hand are worthless by now.
            sandbox.renew_by_hand()
    return table


def _threads(one: Neighbour, sandbox: Sandbox, count: int) -> tuple[int, ...]:
    """Token requests of cold threads, and how many calls failed; the same after a revocation."""
    client = one.client(sandbox.place)
    _, upset = at_once(count, lambda: client.first().ok)
    cold = len(sandbox.token_requests())
    sandbox.revoke_all()
    _, failed = at_once(count, lambda: client.first().ok)
    revoked = len(sandbox.token_requests())
    client.session.close()
    return cold, upset, revoked, failed


def _processes(one: Neighbour, sandbox: Sandbox, count: int) -> float:
    with tempfile.TemporaryDirectory() as store:
        place = sandbox.place._replace(store=store if one.stores else "")
        fleet = [start(one.client.__name__, place, wait=True) for _ in range(count)]
        for process in fleet:
            line(process)
        for process in fleet:
            go(process)
        for process in fleet:
            answered = line(process)
            end(process)
            if answered != "200":
                raise RuntimeError(f"{one.name} was answered {answered}")
    return len(sandbox.token_requests())


SECTION = Section("counts", run)
