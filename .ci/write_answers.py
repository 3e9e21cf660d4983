"""Write docs/answers.rst from the table of causes: ``python .ci/write_answers.py``."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gc_requests_auth.causes.calls import CALLS, INSTEAD_OF_MINE
from gc_requests_auth.causes.failure import UNKNOWN_FACTS, Failure, sentence
from gc_requests_auth.causes.network import NETWORK
from gc_requests_auth.causes.sign_in import SIGN_IN

ROOT = Path(__file__).parent.parent

#: The page that the table becomes.
PAGE = ROOT / "docs" / "answers.rst"

_WIDTH = 108

#: What fits into a column of the site.
_QUOTE_WIDTH = 90

_INTRODUCTION = """\
.. Written by .ci/write_answers.py from gc_requests_auth/causes: change the table there, not this page.

What Genesys Cloud answers, and what to do
==========================================

This page lists every answer of the login service and of the API that this library knows, with the cause and what
to do. The page has the message of an answer word for word where the message is documented. Where an answer has one
cause, that cause is certain. Where an answer has several causes, the answer does not tell which, and the likeliest
is first. ``gc-requests-auth check`` (`check <check.rst>`_) and ``gc_requests_auth.explain(response)`` find the entry
for you.
"""

_CHAPTERS = (
    (
        "Answers of the API",
        "To a call with a token. Code and message stand in the JSON body as ``code`` and ``message``.",
        CALLS,
    ),
    (
        "Answers of the login service",
        (
            "To a token request. Genesys Cloud answers 400 to wrong credentials, and also to too many"
            " token requests. Error and description stand in the JSON body as ``error`` and"
            " ``error_description``."
        ),
        SIGN_IN,
    ),
    ("No answer", "Names, connections, TLS and proxies on the way.", NETWORK),
)

#: What stands in place of the facts of a single answer.
_FACTS = {name: f"<{name}>" for name in UNKNOWN_FACTS} | {
    "login_url": "login_url='https://login.<domain>'"
}

#: What the texts say to call instead, by the name of their row.
_INSTEAD = {
    "login-host-called": "the same path at https://api.<domain>",
    "no-api-path": "/api/v2/<path>",
    "user-context": "the path that the list below names instead",
}


def page(scenes: Mapping[str, Any]) -> str:
    """The page.

    :param scenes: The scenes of tests/commands/scenes.py, by name.
    """
    return "\n".join([_INTRODUCTION, *_entries(), *_list(scenes)]).rstrip() + "\n"


def _entries() -> Iterator[str]:
    for title, text, rows in _CHAPTERS:
        yield f"{title}\n{'-' * len(title)}\n"
        yield _wrapped(text)
        for row in rows:
            yield from _entry(row)


def _entry(row: Failure) -> Iterator[str]:
    row = row.filled({**_FACTS, "instead": _INSTEAD.get(row.name, "")})
    title = sentence(row.finding).removesuffix(".")
    yield f".. _answer-{row.name}:\n"
    yield f"{title}\n{'~' * len(title)}\n"
    seen = [f"status {', '.join(map(str, row.statuses))}"] if row.statuses else []
    seen += [f"code {' or '.join(f'``{code}``' for code in row.codes)}"] if row.codes else []
    if seen:
        yield _wrapped(sentence("; ".join(seen)))
    if row.sign:
        yield _wrapped(row.sign.replace("*", "\\*"))
    if row.message:
        lines = textwrap.wrap(row.message.replace("%s", "..."), _QUOTE_WIDTH)
        yield "::\n\n" + "".join(f"    {line}\n" for line in lines)
    for number, (cause, remedy) in enumerate(row.causes, 1):
        mark = f"{number}. " if len(row.causes) > 1 else ""
        yield _wrapped(f"{mark}{sentence(cause)} **What to do:** {remedy}", " " * len(mark))
    if row.name == "user-context":
        for mine, other in INSTEAD_OF_MINE.items():
            yield _wrapped(f"- in place of ``{mine}``: {other}", "  ")


def _list(scenes: Mapping[str, Any]) -> Iterator[str]:
    yield "Scenes\n------\n"
    yield _wrapped(
        f"The tests play these {len(scenes)} scenes and read the cause and the remedy from ``check``"
        " and from ``explain`` (tests/commands/scenes.py):"
    )
    for name, scene in scenes.items():
        call = f" (``{scene.call[0]} {scene.call[1]}``)" if scene.call else ""
        yield _wrapped(f"- {name}: {scene.happens.removesuffix('.')}{call}.", "  ").rstrip("\n")
    yield ""


def _wrapped(text: str, further: str = "") -> str:
    text = re.sub(r"((?:\b[a-z_]+=)?'?https?://\S*<\w+>[^\s.,;']*'?)", r"``\1``", text)
    text = re.sub(
        r"(?<!`)(--[a-z][a-z-]+|\b[a-z_]+=(?:\w+\(\.\.\.\)|(?=[^a-z'`])))", r"``\1``", text
    )
    lines = textwrap.wrap(
        text, _WIDTH, subsequent_indent=further, break_on_hyphens=False, break_long_words=False
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "commands")]
    from scenes import SCENES

    PAGE.write_text(page(SCENES), encoding="ascii")
