"""What the settings and the environment come to: found out when it is needed, and then for good."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..util import forks
from ..util.secret import SecretBox, plain
from .credentials import Identity, Settings
from .environment import PROFILE, Environment, Family, read_environment, rivals
from .hosts import Place

if TYPE_CHECKING:
    from .profiles import Profile

logger = logging.getLogger("gc_requests_auth")


class Lookup:
    """Who signs in, and where. No lock: what is found is published whole, by one assignment."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        #: What was found, by the one key there is, so that setdefault() can tell the first finder.
        self._found: dict[str, Environment] = {}
        self._place = settings.place({}) if settings.names_a_place else None
        given = settings.given
        #: Id and name of the client. Not its secret: a vault's is for one request.
        self._client = None if given is None else (given.client_id, given.name)

    def place(self) -> Place:
        """Where tokens come from and may go.

        :raises ConfigurationError: if nobody says.
        """
        place = self._place
        if place is None:
            place = self._settings.place(self.environment())
            if self._found:
                self._place = place
        return place

    def identity(self) -> Identity:
        """Who signs in now; a vault is asked each time.

        :raises ConfigurationError: if nobody says.
        """
        identity = self._settings.identity(self.environment())
        self._client = identity.client_id, identity.name
        return identity

    def pool_size(self) -> int | None:
        """How many tokens may be used side by side; None while nobody says who signs in.

        :raises ConfigurationError: if what says so makes no sense.
        """
        if self._settings.tokens is not None:
            return self._settings.tokens
        environ = self.environment()
        return self._settings.pool_size(environ) if self._found else None

    def rate_limit(self) -> int | None:
        """How many requests one token may make in a minute; None for no count.

        :raises ConfigurationError: if what says so makes no sense.
        """
        return self._settings.requests_a_minute(self.environment())

    def client_id(self) -> str:
        """The client, a vault's as it last said."""
        return plain(self._client[0] if self._client else self.identity().client_id)

    def description(self) -> str | None:
        """Client and place in a few words; None while they are not known. Looks nothing up."""
        place, client = self._place, self._client
        if place is None or client is None:
            return None
        return f"client {client[1]} at {place.region or place.login_host}"

    def environment(self) -> Environment:
        """The variables that are set and, if a profile says who signs in, its keys.

        :raises ConfigurationError: if that profile can sign nobody in.
        """
        known = self._found.get("environment")
        if known is not None:
            return known
        found, warning = read_environment(), None
        name = self._settings.profile_in(found)
        if name:
            profile = self._read(name)
            found = {**found, **profile.values}
            if profile.exposed:
                warning = f"others can read the secrets in {profile.path}: chmod 600 it"
        elif self._settings.uses_environment:
            family = self._settings.family(found)
            if family is None:
                return found  # not for good: load_dotenv() may still come
            warning = _rivalry(family, found)
        published = self._found.setdefault("environment", found)
        if warning and published is found:  # the other threads, which found the same, keep quiet
            logger.warning(warning)
        return published

    def _read(self, name: SecretBox) -> Profile:
        with forks.undivided:
            from .profiles import read_profile

        try:
            return read_profile(name)
        except ConfigurationError as error:
            problem = str(error)
        named_by = "" if self._settings.profile else f"{PROFILE}: "
        raise ConfigurationError(f"{named_by}{problem}")


def _rivalry(family: Family, environ: Environment) -> str | None:
    """What else of the environment could sign somebody in, and is not asked to."""
    other = rivals(environ)
    if other is not None:
        return (
            f"two OAuth clients in the environment: {family.client_id} is used,"
            f" {other[1].client_id} has another value"
        )
    if environ.get(PROFILE):
        return f"{family.client_id} is set and used, and so {PROFILE} is not"
    return None
