"""A new token, from the login service: the plain way to come by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import requests

from ..settings.credentials import Identity
from ..settings.hosts import Place
from ..util import forks
from ..util.clock import Clock
from ..util.secret import SecretBox
from .token import AccessToken


class TokenRequest(Protocol):
    """A way to come by a token."""

    def __call__(
        self, identity: Identity, *, instead_of: SecretBox | None, within: float, persist: bool
    ) -> AccessToken:
        """Come by one.

        :param instead_of: A token that was refused, or is to be replaced in good time.
        :param within: Seconds it may take.
        :param persist: Whether to try again what is worth trying again.
        :raises TokenError: if there is none to be had.
        """
        ...


class NewToken:
    """Asks for one, each time it is called.

    :param session: Lends its proxies, verify, cert, trust_env and adapters.
    :param timeout: Seconds to connect and seconds to read, of each attempt.
    """

    def __init__(
        self,
        place: Callable[[], Place],
        session: requests.Session | None,
        timeout: tuple[float, float],
        clock: Clock,
    ) -> None:
        self._place = place
        self._session = session
        self._timeout = timeout
        self._clock = clock

    def __call__(
        self,
        identity: Identity,
        *,
        instead_of: SecretBox | None,  # noqa: ARG002 -- what is new is another one
        within: float,
        persist: bool,
    ) -> AccessToken:
        """Ask for it.

        :raises TokenError: if there is none to be had.
        """
        with forks.undivided:
            from .request import request_token  # with oauthlib, now that it is needed

        return request_token(
            identity,
            self._place().token_url,
            session=self._session,
            timeout=self._timeout,
            within=within,
            persist=persist,
            clock=self._clock,
        )
