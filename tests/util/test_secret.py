"""Text that hides itself, and the box that is no text."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from conftest import TOKEN

from gc_requests_auth.util.secret import ABSENT, HIDDEN, Secret, SecretBox, boxed, plain

TEXT = f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "made",
    [
        lambda text: text[3:],
        lambda text: text[5],
        lambda text: text[::-1],
        lambda text: text + "x",
        lambda text: "x" + text,
        lambda text: text * 2,
        lambda text: 2 * text,
        lambda text: text.strip("B"),
        lambda text: text.lower(),
        lambda text: text.replace("B", "b"),
        lambda text: text.removeprefix("Bearer "),
        lambda text: text.split(" "),
        lambda text: text.split(maxsplit=1),
        lambda text: text.partition(" "),
        lambda text: text.splitlines(),
        lambda text: text.join(["a", "b"]),
        lambda text: text.ljust(200),
        lambda text: text.zfill(200),
        lambda text: text.translate({66: "b"}),
        lambda text: text.format(),
        lambda text: text % (),
    ],
)
def test_what_is_made_of_a_secret_text_is_right_and_hidden(made: Any) -> None:
    found = made(Secret(TEXT))
    pieces = found if isinstance(found, list | tuple) else [found]

    assert found == made(TEXT)
    assert type(found) in {Secret, list, tuple}
    assert {(repr(one), str(one), f"{one}") for one in pieces} == {(HIDDEN, HIDDEN, HIDDEN)}


def test_a_secret_text_is_hidden_in_any_other_text() -> None:
    secret = Secret(TEXT)

    assert f"{secret} {secret!r} {secret:>200}" == f"{HIDDEN} {HIDDEN} {HIDDEN}"
    assert "{} %s".format(secret) % secret == f"{HIDDEN} {HIDDEN}"  # noqa: UP032
    assert TOKEN not in f"{[secret]} { ({'a': secret}) }"


def test_a_secret_text_goes_over_the_wire_and_compares_as_it_is() -> None:
    secret = Secret(TEXT)

    assert secret.encode("latin-1") == TEXT.encode()
    assert secret == TEXT
    assert hash(secret) == hash(TEXT)
    assert (len(secret), secret.startswith("Bearer "), TOKEN in secret) == (len(TEXT), True, True)
    assert type(plain(secret)) is str
    assert plain(secret) == plain(Secret(secret)) == TEXT


@pytest.mark.parametrize("kind", [Secret, SecretBox])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_in_this_process_is_complete(kind: Any, copied: Any) -> None:
    assert plain(copied(kind(TEXT))) == TEXT


def test_a_secret_text_is_not_in_a_pickle_and_a_box_is() -> None:
    """A box travels with the auth that was given its content; no token is pickled with an auth."""
    assert pickle.loads(pickle.dumps(Secret(TEXT))) == HIDDEN
    assert pickle.loads(pickle.dumps(SecretBox(TEXT))) == SecretBox(TEXT)


def test_a_box_is_no_text_and_prints_as_nothing() -> None:
    box = SecretBox(TEXT)

    assert str not in type(box).__mro__
    assert f"{box} {box!r}" == f"{HIDDEN} {HIDDEN}"
    assert box == SecretBox(box) == TEXT
    assert box != SecretBox("other")
    assert {box: 1}[SecretBox(TEXT)] == 1
    assert (bool(box), bool(SecretBox(""))) == (True, False)
    assert box.open() == TEXT


@pytest.mark.parametrize("value", [None, ABSENT, int, SecretBox(TEXT)])
def test_what_is_no_secret_stays_as_it_is(value: object) -> None:
    assert boxed(value) is value


def test_of_what_is_no_text_the_class_is_left() -> None:
    assert boxed(TEXT.encode()) is bytes
    assert boxed([TEXT]) is list
