"""errors.py: the tree, what it is caught as, and what travels with a copy."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from itertools import takewhile
from typing import Any

import pytest
import requests

from gc_requests_auth import errors
from gc_requests_auth.errors import (
    BadTokenAnswerError,
    ConfigurationError,
    CredentialsRefusedError,
    GenesysCloudError,
    GrantTypeError,
    LoginThrottledError,
    LoginTimeoutError,
    LoginUnreachableError,
    RateLimitError,
    RegionMismatchError,
    TokenError,
)

TREE: dict[type[GenesysCloudError], tuple[type, ...]] = {
    GenesysCloudError: (requests.RequestException,),
    ConfigurationError: (GenesysCloudError, ValueError),
    RegionMismatchError: (ConfigurationError,),
    RateLimitError: (GenesysCloudError,),
    TokenError: (GenesysCloudError,),
    CredentialsRefusedError: (TokenError,),
    GrantTypeError: (TokenError,),
    LoginThrottledError: (TokenError,),
    BadTokenAnswerError: (TokenError,),
    LoginUnreachableError: (TokenError, requests.ConnectionError),
    LoginTimeoutError: (LoginUnreachableError, requests.Timeout),
}
ABOUT_TOKENS = [kind for kind in TREE if issubclass(kind, TokenError)]

FACTS = {
    "host": "login.mypurecloud.ie",
    "status": 400,
    "error": "invalid_client",
    "description": "authentication failed",
    "correlation_id": "0123-abcd",
    "retryable": True,
}

Copier = Callable[[GenesysCloudError], GenesysCloudError]


def through_pickle(protocol: int) -> Copier:
    def copier(error: GenesysCloudError) -> GenesysCloudError:
        copied = pickle.loads(pickle.dumps(error, protocol))
        assert isinstance(copied, GenesysCloudError)
        return copied

    return copier


COPIERS: list[Copier] = [
    *map(through_pickle, range(pickle.HIGHEST_PROTOCOL + 1)),
    copy.copy,
    copy.deepcopy,
]


def names(classes: tuple[type, ...]) -> str:
    return ", ".join(
        f"requests.{kind.__name__}" if kind.__module__.startswith("requests.") else kind.__name__
        for kind in classes
    )


def test_the_exceptions_are_exactly_the_promised_tree() -> None:
    here = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, GenesysCloudError)
    }
    assert {kind: kind.__bases__ for kind in here} == TREE


def test_the_docstring_draws_the_tree_of_exceptions() -> None:
    drawing = (errors.__doc__ or "").split("::\n\n")[1]
    drawn: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in takewhile(str.strip, drawing.splitlines()):
        found = re.fullmatch(r"([ |]*(?:\+- )?)(\w+)(?:\((.*)\))?", line)
        assert found, line
        depth, name, bases = len(found[1]), found[2], found[3]
        above = [(deep, one) for deep, one in above if deep < depth]
        drawn[name] = bases or above[-1][1]
        assert not above or above[-1][1] in drawn[name].split(", ")
        above.append((depth, name))
    assert drawn == {kind.__name__: names(bases) for kind, bases in TREE.items()}


@pytest.mark.parametrize(
    ("kind", "clause"),
    [
        *((kind, requests.RequestException) for kind in TREE),
        *((kind, OSError) for kind in TREE),
        (ConfigurationError, ValueError),
        (RegionMismatchError, ValueError),
        (LoginUnreachableError, requests.ConnectionError),
        (LoginTimeoutError, requests.ConnectionError),
        (LoginTimeoutError, requests.Timeout),
    ],
)
def test_except_clauses_for_requests_and_builtins_catch_our_errors(
    kind: type[GenesysCloudError], clause: type[Exception]
) -> None:
    with pytest.raises(clause, match="as it was said") as caught:
        raise kind("as it was said")
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("kind", "clause"),
    [
        (TokenError, ValueError),
        (CredentialsRefusedError, requests.ConnectionError),
        (BadTokenAnswerError, requests.ConnectionError),
        (LoginUnreachableError, requests.Timeout),
    ],
)
def test_an_except_clause_for_something_else_does_not_catch(
    kind: type[Exception], clause: type[Exception]
) -> None:
    assert not issubclass(kind, clause)


@pytest.mark.parametrize("kind", TREE)
def test_an_error_is_not_retryable_unless_it_says_so(kind: type[GenesysCloudError]) -> None:
    assert kind("no").retryable is (kind is RateLimitError)


def test_a_rate_limit_says_when_to_try_again() -> None:
    assert RateLimitError("no", retry_after=12.5).retry_after == 12.5
    assert RateLimitError("no").retry_after == 0


@pytest.mark.parametrize("kind", ABOUT_TOKENS)
def test_facts_of_a_token_error_are_none_unless_said(kind: type[TokenError]) -> None:
    error = kind("no")
    assert {getattr(error, name) for name in FACTS} == {None, False}


@pytest.mark.parametrize("kind", TREE)
@pytest.mark.parametrize("copier", COPIERS)
def test_a_copy_keeps_its_own_attributes_and_drops_request_and_response(
    kind: type[GenesysCloudError], copier: Copier
) -> None:
    facts: dict[str, Any] = FACTS if issubclass(kind, TokenError) else {}
    if kind is RateLimitError:
        facts = {"retry_after": 12.5}
    error = kind("what happened", **facts)
    error.request = requests.Request("GET", "https://api.mypurecloud.ie/").prepare()
    error.response = requests.Response()
    copied = copier(error)
    assert type(copied) is kind
    assert copied.args == error.args == ("what happened",)
    assert str(copied) == "what happened"
    assert vars(copied) == {**facts, "request": None, "response": None}
    assert error.request is not None
    assert error.response is not None


def test_an_attribute_added_later_travels_too() -> None:
    error = ConfigurationError("what happened")
    error.add_note("in job 7")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["in job 7"]
