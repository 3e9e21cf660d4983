"""The examples of README.rst and of the pages of docs/, for the tests that run them."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest
    from conftest import Counted

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

QUEUES = "/api/v2/routing/queues"

_INDENTED = r"((?:    .*\n|\n)+)"


def code_blocks(text: str, kind: str, section: str = "") -> list[str]:
    """The indented blocks behind a directive, of a text or a section of it, without indentation."""
    title = rf"^{section}\n-+\n(.*?)^[^\n]+\n---"
    text = re.findall(title, text, re.MULTILINE | re.DOTALL)[0] if section else text
    found = re.findall(rf"^\.\. code-block:: {kind}\n\n{_INDENTED}", text, re.MULTILINE)
    return list(map(_without_indentation, found))


def literal_blocks(text: str) -> list[str]:
    """The indented blocks behind a double colon, without indentation."""
    found = re.findall(rf"^(?!\.\. ).*::\n\n{_INDENTED}", text, re.MULTILINE)
    return list(map(_without_indentation, found))


def _without_indentation(block: str) -> str:
    return re.sub(r"^    ", "", block, flags=re.MULTILINE).rstrip() + "\n"


def command_lines(text: str) -> list[list[str]]:
    """The arguments of each gc-requests-auth in a block or in a sentence of a text."""
    in_blocks = re.findall(r"^    (?:.*[/\\ (])?gc-requests-auth (.+)$", text, re.MULTILINE)
    in_sentences = re.findall(r"``(?:\S+[/\\])?gc-requests-auth (.+?)``", plain(text))
    return [re.split(r"[|)]", one)[0].split() for one in in_blocks + in_sentences]


def statuses(sandbox: Counted) -> list[int]:
    """The statuses that the API has answered in this test."""
    return [one.status for one in list(sandbox.sandbox.api_exchanges)[-sandbox.api_requests :]]


def stand_in(monkeypatch: pytest.MonkeyPatch, modules: Mapping[str, Mapping[str, object]]) -> None:
    """Let a page import these modules, which have these names."""
    for name, contents in modules.items():
        module = types.ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)


def plain(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())


class Page:
    """One page of docs/.

    :param name: Of its file, without the suffix.
    """

    def __init__(self, name: str) -> None:
        self.file = DOCS / f"{name}.rst"
        self.text = self.file.read_text(encoding="ascii")
        self.python = code_blocks(self.text, "python")
        self.quoted = literal_blocks(self.text)
        directives = re.finditer(r"^\.\. code-block:: python\n\n", self.text, re.MULTILINE)
        self._lines = [self.text[: one.end()].count("\n") for one in directives]

    def run(self, *numbers: int, names: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run all Python of the page, or the blocks of these numbers; returns the names."""
        names = {} if names is None else names
        for number in numbers or range(len(self.python)):
            # With the line numbers of the page, for tracebacks.
            source = "\n" * self._lines[number] + self.python[number]
            exec(compile(source, str(self.file), "exec"), names)
        return names
