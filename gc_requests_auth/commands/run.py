"""What each command does with its options; what it needs is imported when it is asked for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError

#: Seconds to connect and to read, as an auth has them by default.
_TIMEOUT = (5.0, 15.0)


def check(options: argparse.Namespace) -> int:
    """``gc-requests-auth check``."""
    from ..settings.client import Settings
    from ..util.secret import ABSENT, Vault, boxed
    from .check import command
    from .check.origins import misconfigured
    from .who import who_and_where

    if options.regions is not None and not options.find_region:
        options.parser.error("--try narrows --find-region, which is missing")
    call = _call(options)
    try:
        given = who_and_where(options)
        vault = Vault.of(given.pop("credentials", None))
        texts = {
            "client_id": ABSENT,
            "client_secret": ABSENT,
            **dict.fromkeys(("profile", "region", "login_url", "api_url")),
            **{name: boxed(text) for name, text in given.items()},
        }
        settings = Settings.checked(**texts, credentials=vault, token_timeout=_TIMEOUT)
    except ConfigurationError as error:
        return command.not_begun(misconfigured(error), json=options.json)
    if options.find_region:
        return command.search(settings, options.regions, json=options.json)
    return command.check(settings, call, json=options.json)


def _call(options: argparse.Namespace) -> Any:
    """The call to make at the end; None if there is none."""
    from .check.call import Call

    method, target, error = options.method, options.target, options.parser.error
    if method is None:
        for name in ("data", "send"):
            if getattr(options, name):
                error(f"--{name} is for a call, as in: check POST /api/v2/routing/queues")
        return None
    if target is None and ("/" in method or "." in method):
        method, target = "GET", method
    if target is None or not method.isalpha():
        error("a call is a method and a path, as in: check GET /api/v2/routing/queues")
    if options.find_region:
        error("--find-region makes no call")
    body: bytes | None = None
    if options.data is not None:
        body = options.data.encode()
        if options.data.startswith("@"):
            try:
                body = Path(options.data[1:]).read_bytes()
            except OSError as problem:
                error(f"--data: {options.data[1:]} can not be read: {problem.strerror}")
    return Call(method.upper(), target, body, options.send)


def token(options: argparse.Namespace) -> int:
    """``gc-requests-auth token``."""
    from . import token as command

    return command.show(options)


def revoke(options: argparse.Namespace) -> int:
    """``gc-requests-auth revoke``."""
    from . import token as command

    return command.end(options)


def demo(_: argparse.Namespace) -> int:
    """``gc-requests-auth demo``."""
    from . import demo as command

    return command.main()


def sandbox(options: argparse.Namespace) -> int:
    """``gc-requests-auth sandbox``."""
    from . import sandbox as command

    names = ("rate_limit", "rate_window", "token_rate_limit")
    asked = {name: value for name in names if (value := getattr(options, name)) is not None}
    try:
        made = command.make(asked)
    except ValueError as wrong:
        options.parser.error(f"{wrong}")
    return command.serve(made)


def completion(options: argparse.Namespace) -> int:
    """``gc-requests-auth completion``."""
    import shtab

    from .parser import make_parser

    print(shtab.complete(make_parser(), options.shell), file=sys.stdout)
    return 0
