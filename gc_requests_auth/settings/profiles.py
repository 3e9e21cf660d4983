"""Profiles of the gc CLI, Genesys' own command line: OAuth clients that are on the disk already.

The names of the file and the keys, and the numbers of the grants, come from the gc CLI's sources
(``config.go``, ``createprofile.go``). Case does not matter, as in viper, which reads the file for it.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..util import SecretBox, json_object, plain, refuse_too_deep
from .environment import Environment, Family, Pieces

PROFILES_FILE = "~/.gc/config.toml"

#: The keys of use to us: the client id, its secret, and the region as a domain or an AWS id; those of
#: a proxy and of a gateway. The file holds more, cached tokens among it.
_KEYS = (
    *("client_credentials", "client_secret", "environment"),
    *("proxy_protocol", "proxy_host", "proxy_port", "proxy_username", "proxy_password"),
    *("gateway_protocol", "gateway_host", "gateway_port", "gateway_pathparams"),
)
#: The same of ``~/.archy_config``, where Archy, Genesys' tool for flows, keeps its client.
_ARCHY_KEYS = ("clientId", "clientSecret", "location")

#: The grants besides "1". "1" means Client Credentials, and so does a missing key.
_OTHER_GRANTS = {"0": "None, a bare access token", "2": "Implicit Grant", "3": "PKCE Grant"}

#: What a message may quote of a line that is no TOML. The rest of the line may be a value.
_KEY = (
    r"\s*(client_credentials|client_secret|environment|grant_type|access_token|oauth_token_data"
    r"|redirect_uri|log_file_path|(?:proxy|gateway)_[a-z]{1,20})\b"
)


def read_profile(name: SecretBox) -> tuple[Family, Environment, Path | None]:
    """The profile of that name, as it is now; or the file of Archy, if the name is a path.

    :returns: Its keys as a family of variables, by the names that messages call them; the values by
        these names; and the file, if others on this machine can read it.
    :raises ConfigurationError: if there is no such profile, or no client can sign in with it. The text
        names file, line and key, never a value.
    """
    path, text, exposed = _read(name)
    called = shown = _called(name)
    keys: tuple[str, ...]
    if _is_file(name):
        keys, found = _ARCHY_KEYS, _archy(name, text)
    else:
        keys, found = _KEYS, _profile(name, text, path)
        called, shown = f"{called} in {PROFILES_FILE}", f"{called} in {path}"
    missing = [key for key in keys[:2] if not found.get(key)]
    if missing:
        raise ConfigurationError(
            f"{shown} has no {' and no '.join(missing)}: it needs the id and the secret of an OAuth"
            " client."
        )
    values = {f"{key} of {called}": found.get(key, SecretBox("")) for key in keys}
    for key, value in values.items():
        if isinstance(value, type):
            raise ConfigurationError(f"{key} must be text, not {value.__name__}.")
    client_id, client_secret, region, *others = values
    family = Family(client_id, client_secret, (region,))
    if others:
        family.proxy = Pieces(others[0], others[1], others[2], (others[3], others[4]))
        family.gateway = Pieces(others[5], others[6], others[7], (others[8],))
    return family, values, path if exposed else None


def _profile(name: SecretBox, text: SecretBox, path: Path) -> dict[str, Any]:
    """The keys of one profile of the gc CLI."""
    profiles = _parsed(text)
    # Upper and lower case are one to the gc CLI, which writes lower case whatever it was told.
    alike = (one for called, one in profiles.items() if called.lower() == plain(name).lower())
    found = profiles.get(plain(name)) or next(alike, None)
    if found is None:
        those = ", ".join(map(ascii, profiles)) or "none"
        raise ConfigurationError(f"There is no {_called(name)} in {path}. Profiles there: {those}.")
    grant = found.get("grant_type", "")
    if grant not in {"", "1", "client_credentials"}:
        other = _OTHER_GRANTS.get(grant)
        kind = f"the grant type {other}" if other else "another grant type"
        raise ConfigurationError(
            f"{_called(name)} in {path} is of {kind}. Only the grant type Client"
            ' Credentials (grant_type = "1") signs in without a user.'
        )
    if not grant and found.get("redirect_uri"):
        raise ConfigurationError(
            f"{_called(name)} in {path} has a redirect_uri and no grant_type, so a user signs in with"
            " it, in a browser. Only the grant type Client Credentials signs in without a user: name"
            ' a profile of that type, or add grant_type = "1" if this one is.'
        )
    return found


def _archy(name: SecretBox, text: SecretBox) -> dict[str, Any]:
    """The keys of a file of Archy (JSON)."""
    found = json_object(plain(text))
    if found is None:
        raise ConfigurationError(
            f"{_called(name)} is no file of Archy: that is a JSON object with the keys"
            f" {', '.join(_ARCHY_KEYS)}. A profile of the gc CLI is named without a path."
        )
    return {key: _hidden(value) for key, value in found.items()}


def _is_file(name: SecretBox) -> bool:
    """Whether a path is given in place of the name of a profile."""
    return bool(re.match(r"[~./\\]|[A-Za-z]:[/\\]", plain(name)))


def _called(name: SecretBox) -> str:
    """The profile for a message, without its name if the name could be a secret by mistake."""
    if _is_file(name):
        folders = re.split(r"[/\\]", plain(name))
        return plain(name) if max(map(len, folders)) <= 30 else "<file not shown>"
    return f"profile {plain(name)!a}" if len(name.open()) <= 30 else "profile <name not shown>"


def _read(name: SecretBox) -> tuple[Path, SecretBox, bool]:
    found = _content(name)
    if not isinstance(found, str):
        return found
    writer = "Archy writes that file (archy setup)"
    if not _is_file(name):
        writer = "The gc CLI writes that file (gc profiles new)"
    raise ConfigurationError(
        f"{_called(name)} can not be read{found}. {writer}; without it, pass"
        " client_id and client_secret or set their variables."
    )


def _content(name: SecretBox) -> tuple[Path, SecretBox, bool] | str:
    """The file, its text, and whether others can read it; or what is wrong.

    Raises nothing: the path may be a secret by mistake.
    """
    path = Path(plain(name) if _is_file(name) else PROFILES_FILE)
    try:
        path = path.expanduser()
        # O_NONBLOCK: if the file is a pipe, open() would wait for a writer.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            mode = os.fstat(handle).st_mode
            if not stat.S_ISREG(mode):
                raise OSError(0, "it is no plain file")
            # Bits of other users; on Windows they mean nothing.
            exposed = sys.platform != "win32" and bool(mode & 0o044)
            # The parser, or the check of a secret, complains about other bytes that are no UTF-8.
            text = SecretBox(file.read().decode("utf-8-sig", "surrogateescape"))
            if text.open().startswith(("\udcff\udcfe", "\udcfe\udcff")):
                raise OSError(0, "it is not UTF-8; Windows PowerShell writes UTF-16 with >")
            return path, text, exposed
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: there is no home
        problem = getattr(error, "strerror", None) or str(error)
        return f": {problem}" if _is_file(name) else f" from {path}: {problem}"


def _parsed(text: SecretBox) -> dict[str, dict[str, Any]]:
    """All profiles of the file, their keys in lower case and their values without a printable form.

    :raises ConfigurationError: naming line and key.
    """
    import tomllib  # for those who have profiles

    try:
        refuse_too_deep(plain(text))
        return dict(_profiles(tomllib.loads(plain(text))))
    # Not only TOMLDecodeError: too deep and too long are other classes. All of them may quote from the
    # file, and some hold the whole file, so no error is chained or repeated.
    except (ValueError, RecursionError) as error:
        position = re.search(r"\(at (?:line (\d+),|end of document)", str(error))
        line = position and int(position[1] or text.open().rstrip().count("\n") + 1)
    raise ConfigurationError(
        f"{PROFILES_FILE} is not valid TOML{_at(text, line) if line else ''}. Values stand in quotes, as in"
        ' environment = "mypurecloud.ie", a backslash is written twice, and no name stands there twice.'
    )


def _at(text: SecretBox, line: int) -> str:
    key = re.match(_KEY, text.open().split("\n")[line - 1])
    return f": line {line}" + (f", key {key[1]}" if key else "")


def _profiles(table: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, one in table.items():
        if isinstance(one, dict):
            yield above + name, {key.lower(): _hidden(value) for key, value in one.items()}
            yield from _profiles(one, f"{above}{name}.")


def _hidden(value: Any) -> Any:
    """A text, or a number in place of a text, in a box; of anything else the class."""
    return SecretBox(str(value)) if isinstance(value, str | int) else type(value)
