"""JSON of others: parsed only if it is no deeper than anything sensible."""

from __future__ import annotations

import json
import re
from typing import Any

#: Lists and objects within one another. Nothing that is read here has more than four.
DEEPEST = 64

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


class TooDeepError(ValueError):
    """Nobody means it: a parser would run into the recursion limit.

    What the garbage collector finalizes at that depth fails as well, in objects of anybody.
    """


def parse_json(text: str | bytes | bytearray) -> Any:
    """The value of a JSON text.

    :raises ValueError: if it is none, or nested too deep.
    """
    if isinstance(text, bytes | bytearray):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    refuse_too_deep(text)
    return json.loads(text)


def refuse_too_deep(text: str) -> None:
    """Look at the brackets of a text outside of its double-quoted strings, before it is parsed.

    :raises TooDeepError: if there are too many within one another.
    """
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > DEEPEST:
            raise TooDeepError
