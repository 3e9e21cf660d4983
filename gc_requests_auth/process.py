"""What is true of this process: how often it has been forked, and which release runs in it."""

from __future__ import annotations

import os
import threading

import requests

#: The release. setup.cfg reads this very line, so the two can not differ.
VERSION = "0.1.0"

#: What every request of ours is sent by; requests names itself behind it.
USER_AGENT = f"gc_requests_auth/{VERSION} {requests.utils.default_user_agent()}"

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
