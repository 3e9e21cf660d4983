"""What a fresh process takes to its first answer."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

from . import children
from .neighbours import HEADER, OURS, Neighbour, installed
from .rounds import Spread, interleaved, ratios
from .servers import Sandbox
from .tables import Column, Scale, Section, Table, Target

ABOUT = """\
Milliseconds from the start of a process until it has had the answer to its one call, over TLS, from a
sandbox in another process: cold, so that it signs in first; and with a file store that has a token of
an earlier process. A header set by hand, with a token from elsewhere, is what it is compared with."""

NO_STORE = "keeps no token between processes: each signs in"
NO_SIGN_IN = "does not sign in: its token comes from elsewhere"


def run(scale: Scale) -> Table:
    table = Table(
        "A fresh process to its first answer",
        ABOUT,
        [
            Column("cold", "cold, ms"),
            Column("cold ratio", "times a\nhand-set header", 2),
            Column("warm", "warm, ms"),
            Column("warm ratio", "times a\nhand-set header", 2),
        ],
        targets=[Target("warm ratio", OURS, at_most=1.1)],
    )
    here = installed()
    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as directory:
        stocked: set[str] = set()

        def measure(one: Neighbour, *, warm: bool) -> float:
            place = sandbox.place
            if warm:
                store = Path(directory, one.client.__name__)
                store.mkdir(mode=0o700, exist_ok=True)
                place = place._replace(store=str(store))
            start = time.perf_counter()
            process = children.start(one.client.__name__, place)
            answered = children.line(process)
            took = time.perf_counter() - start
            children.end(process)
            if answered != "200":
                raise RuntimeError(f"{one.name} was answered {answered}")
            signed_in = len(sandbox.token_requests())
            if signed_in != (one.early is not None and (not warm or one.name not in stocked)):
                raise RuntimeError(f"{one.name} asked for {signed_in} tokens, {warm=}")
            if warm:
                stocked.add(one.name)
            return took * 1000

        measures = {f"{one.name} cold": partial(measure, one, warm=False) for one in here}
        warm = {f"{one.name} warm": partial(measure, one, warm=True) for one in here if one.stores}
        for fill in warm.values():
            fill()
        samples = interleaved({**measures, **warm}, scale.of(11, 1), warm_up=not scale.quick)
    for one in here:
        for state in ("cold", "warm"):
            key = f"{one.name} {state}"
            if key in samples:
                table.put(one.name, state, Spread.of(samples[key]))
                table.put(one.name, f"{state} ratio", ratios(samples, key, f"{HEADER} cold"))
        if one.early is None:
            table.put(one.name, "cold", table.cell(one.name, "cold").figure, NO_SIGN_IN)
            table.put(one.name, "warm", None, NO_SIGN_IN)
        elif not one.stores:
            table.put(one.name, "warm", None, NO_STORE)
    return table


SECTION = Section("processes", run)
