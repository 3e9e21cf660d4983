"""What tests look at inside an auth: which token stands where, and which store holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

from gc_requests_auth import GenesysCloudAuth, TokenStore

if TYPE_CHECKING:
    from conftest import Counted

    from gc_requests_auth.tokens.source import TokenSource
    from gc_requests_auth.tokens.token import AccessToken


def slots(auth: GenesysCloudAuth) -> list[TokenSource]:
    """Where the tokens of an auth come from."""
    return auth._tokens.slots()


def store_of(auth: GenesysCloudAuth) -> TokenStore | None:
    """The store of an auth."""
    return auth._store


def fill(auth: GenesysCloudAuth) -> None:
    """Fetch all tokens, though those that live do not run short."""
    for slot in slots(auth):
        slot.current()


def held(auth: GenesysCloudAuth) -> list[AccessToken]:
    """The living tokens, in the order of their slots."""
    return [token for token in (slot.living() for slot in slots(auth)) if token is not None]


def living_values(auth: GenesysCloudAuth) -> list[str]:
    """Their values."""
    return [plain_text(token.value.open()) for token in held(auth)]


def filled(api: Counted, count: int, **more: Any) -> GenesysCloudAuth:
    """An auth that has so many living tokens."""
    auth = api.auth(tokens=count, **more)
    fill(auth)
    return auth


def send_with(auth: GenesysCloudAuth, token: str, times: int) -> None:
    """Have it counted that so many requests were sent with this token, and answered just now."""
    (limit,) = {one.limit for one in held(auth) if one.value == token}
    for _ in range(times):
        limit.count()
        limit.answered()


def left(auth: GenesysCloudAuth, token: str) -> float:
    """How many requests the token may still make, by the auth's own count."""
    return next(one.limit.free for one in held(auth) if one.value == token)


def token_of(request: requests.PreparedRequest) -> str:
    """The token that a request carries."""
    header: Any = request.headers["Authorization"]
    return plain_text(header).removeprefix("Bearer ")


def plain_text(secret: Any) -> str:
    """The text of what hides itself."""
    return str.__str__(secret)
