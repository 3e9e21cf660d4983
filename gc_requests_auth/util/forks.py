"""How often this process has been forked, and what a fork must not cut in two."""

from __future__ import annotations

import os
import threading

#: Forks between the first import and this process. A lock, a flight or a connection made under
#: another number belongs to a process that is not this one: compare, and start afresh.
forks = 0


#: Held where a fork in the midst would leave the child with something half done that no thread of
#: its own will ever finish: Python's import locks are not reset in a child.
undivided = threading.RLock()


def _forked() -> None:
    global forks  # noqa: PLW0603 -- a process is global
    forks += 1
    undivided.release()


if hasattr(os, "register_at_fork"):  # pragma: no branch -- Windows knows no fork
    os.register_at_fork(
        before=undivided.acquire, after_in_parent=undivided.release, after_in_child=_forked
    )
