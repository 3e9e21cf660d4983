"""What the settings and the environment come to: found out when it is needed, and then for good."""

from __future__ import annotations

import logging

from .credentials import Identity, Settings, short_name
from .environment import Environment, read_environment, rivals, whole_family
from .places import Place

logger = logging.getLogger("gc_requests_auth")


class Lookup:
    """Who signs in, and where. No lock: what is found is published whole, by one assignment."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environment: Environment | None = None
        self._place = settings.place({}) if settings.names_a_place else None
        self._client_id = None if settings.given is None else settings.given.client_id

    def place(self) -> Place:
        """Where tokens come from and may go.

        :raises ConfigurationError: if nobody says.
        """
        place = self._place
        if place is None:
            place = self._settings.place(self._read())
            if self._environment is not None:
                self._place = place
        return place

    def identity(self) -> Identity:
        """Who signs in now; a vault is asked each time.

        :raises ConfigurationError: if nobody says.
        """
        identity = self._settings.identity(self._read())
        self._client_id = identity.client_id
        return identity

    def client_id(self) -> str:
        """The client, a vault's as it last said."""
        return self._client_id or self.identity().client_id

    def description(self) -> str | None:
        """Client and place in a few words; None while they are not known. Looks nothing up."""
        place, client_id = self._place, self._client_id
        if place is None or client_id is None:
            return None
        return f"client {short_name(client_id)} at {place.region or place.login_host}"

    def _read(self) -> Environment:
        found = self._environment
        if found is not None:
            return found
        found = read_environment()
        if self._settings.uses_environment:
            if whole_family(found) is None:
                return found  # not for good: load_dotenv() may still come
            self._warn_of_rivals(found)
        self._environment = found
        return found

    def _warn_of_rivals(self, environ: Environment) -> None:
        found = rivals(environ)
        if found is not None:
            logger.warning(
                "two OAuth clients in the environment: %s is used, %s has another value",
                found[0].client_id,
                found[1].client_id,
            )
