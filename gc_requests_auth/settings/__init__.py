"""Who signs in, and where: from arguments, a profile or the environment.

The wing promises the others that an id is never taken from one place and its secret from another,
that the region is never guessed, and that no message holds a value. It reads the environment and one
file. It sends no request, and does not know what a token is. Of requests it uses how a URL is
prepared; one thread at a time reads the settings.

- ``arguments``: the arguments of an auth, and the settings that replace missing arguments.
- ``client``: the OAuth client; what its id and secret can be; a command that prints them.
- ``hosts``: the closed list of URLs that get a token; gateways and proxies.
- ``regions``: the table of regions, and every way in which people name a region.
- ``environment``: the variables; ``profiles``: the file of the gc CLI.

The tables in ``regions`` and ``environment`` are for the other wings as they are.
"""

from .arguments import Settings
from .client import CredentialsCommand, Identity, text_of
from .hosts import SIGNATURE_KEYS, Hosts, url_below
from .profiles import PROFILES_FILE

__all__ = [
    "PROFILES_FILE",
    "SIGNATURE_KEYS",
    "CredentialsCommand",
    "Hosts",
    "Identity",
    "Settings",
    "environment",
    "regions",
    "text_of",
    "url_below",
]
