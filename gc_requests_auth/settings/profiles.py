"""Profiles of the gc CLI, Genesys' own command line: OAuth clients that are on the disk already.

The names of file and keys, the numbers of the grants, and that case does not matter are those of the
gc CLI's sources (``config.go``, ``createprofile.go``, and viper, which reads the file for it).
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigurationError
from ..util.bodies import DEEPEST, TooDeepError, parse_json, refuse_too_deep
from ..util.secret import SecretBox, plain
from .environment import Environment, Family, Gateway, Pieces, Proxy

FILE = "~/.gc/config.toml"

#: Where Archy, Genesys' tool for flows, keeps its client.
ARCHY_FILE = "~/.archy_config"

#: The keys of use to us: the client id, its secret, and the region as a domain or an AWS id; those of
#: a proxy and of a gateway; and the same of Archy's file. The gc CLI's holds more, cached tokens
#: among it.
_KEYS = ("client_credentials", "client_secret", "environment")
_PROXY_KEYS = tuple(f"proxy_{one}" for one in ("protocol", "host", "port", "username", "password"))
_GATEWAY_KEYS = tuple(f"gateway_{one}" for one in ("protocol", "host", "port", "pathparams"))
_ARCHY_KEYS = ("clientId", "clientSecret", "location")

#: Besides "1", Client Credentials, which is also what the absence of the key means.
_OTHER_GRANTS = {"0": "None, a bare access token", "2": "Implicit Grant", "3": "PKCE Grant"}

#: What a message may quote of a line that no parser understands: what else stands there may be, or
#: go on, a value.
_KEY = re.compile(
    rf"\s*({'|'.join(_KEYS)}|grant_type|access_token|oauth_token_data|redirect_uri|log_file_path"
    r"|(?:proxy|gateway)_[a-z]{1,20})\b"
)


#: Of the gc CLI, and of Archy.
_WRITTEN_BY = (
    "The gc CLI writes that file (gc profiles new)",
    "Archy writes that file (archy setup)",
)


class Profile(NamedTuple):
    """What one profile says."""

    #: Its keys by the names that :func:`family_of` gives them.
    values: Environment
    path: Path
    #: Whether others on this machine can read the file.
    exposed: bool


def family_of(name: SecretBox) -> Family:
    """The keys of a profile as a family of variables, by the names that messages call them."""
    called = f"of {_called(name)}" if _is_file(name) else f"of {_called(name)} in {FILE}"
    if _is_file(name):
        client_id, client_secret, region = (f"{key} {called}" for key in _ARCHY_KEYS)
        return Family(client_id, client_secret, (region,), "Archy")
    client_id, client_secret, region = (f"{key} {called}" for key in _KEYS)
    *proxy, user, password = (f"{key} {called}" for key in _PROXY_KEYS)
    *gateway, paths = (f"{key} {called}" for key in _GATEWAY_KEYS)
    return Family(
        client_id,
        client_secret,
        (region,),
        "the gc CLI",
        gateway=Gateway(Pieces(*gateway), (paths,)),
        proxy=Proxy(Pieces(*proxy), user, password),
    )


def read_profile(name: SecretBox) -> Profile:
    """The profile of that name, as it is now; or the file of Archy, where the name is a path.

    :raises ConfigurationError: if there is none, or it can sign nobody in; naming file, line and
        key, never a value.
    """
    path, text, exposed = _read(name)
    family = family_of(name)
    called = [family.client_id, family.client_secret, *family.regions]
    if _is_file(name):
        found, keys, where = _archy(name, text), list(_ARCHY_KEYS), _called(name)
    else:
        found, keys, where = _profile(name, text, path), list(_KEYS), f"{_called(name)} in {path}"
        gateway, proxy = family.gateway, family.proxy
        keys += (*_PROXY_KEYS, *_GATEWAY_KEYS)
        called += (*proxy.at, proxy.user, proxy.password, *gateway.at, *gateway.paths)
    missing = [key for key in keys[:2] if not found.get(key)]
    if missing:
        raise ConfigurationError(
            f"{where} has no {' and no '.join(missing)}: it needs the id and the secret of an OAuth"
            " client."
        )
    values = {name: found.get(key, SecretBox("")) for key, name in zip(keys, called, strict=True)}
    for key, value in values.items():
        if isinstance(value, type):
            raise ConfigurationError(f"{key} must be text, not {value.__name__}.")
    return Profile(values, path, exposed)


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
        other = _OTHER_GRANTS.get(grant, "that its grant_type says")
        raise ConfigurationError(
            f"{_called(name)} in {path} is of the grant type {other}. Only the grant type Client"
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
    try:
        found = parse_json(plain(text))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConfigurationError(
            f"{_called(name)} is no file of Archy: that is a JSON object with the keys"
            f" {', '.join(_ARCHY_KEYS)}. A profile of the gc CLI is named without a path."
        )
    return {key: _hidden(value) for key, value in found.items()}


def _is_file(name: SecretBox) -> bool:
    """Whether a path is given in place of the name of a profile."""
    return bool(re.match(r"[~./\\]|[A-Za-z]:[/\\]", plain(name)))


def _called(name: SecretBox) -> str:
    """The profile for a message; unnamed if the name could be a secret that strayed there."""
    if _is_file(name):
        folders = re.split(r"[/\\]", plain(name))
        return plain(name) if max(map(len, folders)) <= 30 else "<file not shown>"
    return f"profile {plain(name)!a}" if len(name.open()) <= 30 else "profile <name not shown>"


def _read(name: SecretBox) -> tuple[Path, SecretBox, bool]:
    found = _content(name)
    if not isinstance(found, str):
        return found
    raise ConfigurationError(
        f"{_called(name)} can not be read{found}. {_WRITTEN_BY[_is_file(name)]}; without it, pass"
        " client_id and client_secret or set their variables."
    )


def _content(name: SecretBox) -> tuple[Path, SecretBox, bool] | str:
    """The file, its text, and whether others can read it; or what is wrong.

    Raises nothing: the path may be a secret by mistake.
    """
    path = Path(plain(name) if _is_file(name) else FILE)
    try:
        path = path.expanduser()
        # O_NONBLOCK: a pipe that lies there would wait for a writer.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            mode = os.fstat(handle).st_mode
            if not stat.S_ISREG(mode):
                raise OSError(0, "it is no plain file")
            # Bits of other users; on Windows they mean nothing.
            exposed = sys.platform != "win32" and bool(mode & 0o044)
            # What is no UTF-8 is for the parser, or for the check of a secret, to complain about.
            return path, SecretBox(file.read().decode("utf-8-sig", "surrogateescape")), exposed
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
    # Not only TOMLDecodeError: too deep and too long are other classes. All may quote from the
    # file, and some carry the whole of it along, so none is chained or repeated.
    except (ValueError, RecursionError) as error:
        position = re.search(r"\(at (?:line (\d+),|end of document)", str(error))
        line = position and int(position[1] or text.open().rstrip().count("\n") + 1)
    raise ConfigurationError(
        f"{FILE} is not valid TOML{_at(text, line) if line else ''}. Values stand in quotes, as in"
        ' environment = "mypurecloud.ie", and a backslash is written twice there.'
    )


def _at(text: SecretBox, line: int) -> str:
    key = _KEY.match(text.open().split("\n")[line - 1])
    return f": line {line}" + (f", key {key[1]}" if key else "")


def _profiles(table: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if above.count(".") > DEEPEST:
        raise TooDeepError
    for name, one in table.items():
        if isinstance(one, dict):
            yield above + name, {key.lower(): _hidden(value) for key, value in one.items()}
            yield from _profiles(one, f"{above}{name}.")


def _hidden(value: Any) -> Any:
    """Text, and a number in its place, made unprintable; of anything else the class."""
    return SecretBox(str(value)) if isinstance(value, str | int) else type(value)
