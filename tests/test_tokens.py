"""tokens.py: no printable form, and a life counted by two clocks."""

from __future__ import annotations

from conftest import SECRET

from gc_requests_auth.tokens import Secret


def test_secret_has_no_printable_form() -> None:
    assert repr(Secret(SECRET)) == "<hidden>"
    assert Secret(SECRET) == SECRET
