"""Gateways and proxies, as Genesys' own tools are told of them: piece by piece.

The pieces, and what becomes of them, are those of the gc CLI (``config.go``) and of the Go SDK below
Terraform (``getConfUrl``): a path each for ``login`` and ``api``, and no port where it is 80 or 443.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from ..errors import ConfigurationError
from ..util.secret import SecretBox, plain
from .environment import Environment, Gateway, Pieces, Proxy
from .hosts import base_url

_PROXY_PROTOCOLS = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\]")

_PORT = re.compile(
    r"|[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
)


def gateway_urls(gateway: Gateway, environ: Environment) -> tuple[str, str]:
    """The URLs of login service and API behind a gateway.

    :raises ConfigurationError: naming the piece that makes no sense.
    """
    origin = _origin(gateway.at, environ, ("https",))
    paths = _paths(gateway, environ)
    login_url = SecretBox(f"{origin}/{paths.get('login', '')}")
    api_url = SecretBox(f"{origin}/{paths.get('api', '')}")
    return (
        base_url(gateway.at.host, login_url, suffix="/oauth/token"),
        base_url(gateway.at.host, api_url, suffix="/api/v2"),
    )


def proxy_url(proxy: Proxy, environ: Environment) -> SecretBox | None:
    """The URL of a proxy as requests takes it, with user and password; None if there is none.

    :raises ConfigurationError: naming the piece that makes no sense.
    """
    if not environ.get(proxy.at.host):
        return None
    scheme, _, netloc = _origin(proxy.at, environ, _PROXY_PROTOCOLS).partition("://")
    return _with_user(scheme, netloc, environ.get(proxy.user), environ.get(proxy.password))


def _with_user(
    scheme: str, netloc: str, user: SecretBox | None, password: SecretBox | None
) -> SecretBox:
    """Raises nothing: this frame holds the password."""
    if not user:
        return SecretBox(f"{scheme}://{netloc}")
    secret = f":{quote(plain(password), safe='')}" if password else ""
    return SecretBox(f"{scheme}://{quote(plain(user), safe='')}{secret}@{netloc}")


def _origin(at: Pieces, environ: Environment, protocols: tuple[str, ...]) -> str:
    # No piece stands in this frame as it raises: a password may have strayed into it.
    if not _HOST.fullmatch(_text(environ, at.host)):
        raise ConfigurationError(f"{at.host} must be the name of a host, and nothing else.")
    if (_text(environ, at.protocol).lower() or protocols[0]) not in protocols:
        raise ConfigurationError(f"{at.protocol} must be {' or '.join(protocols)}.")
    if not _PORT.fullmatch(_text(environ, at.port)):
        raise ConfigurationError(f"{at.port} must be a number from 1 to 65535.")
    protocol = _text(environ, at.protocol).lower() or protocols[0]
    port = _text(environ, at.port)
    if protocol == "https" and port in {"80", "443"}:
        port = ""
    return f"{protocol}://{_text(environ, at.host)}" + (f":{port}" if port else "")


def _paths(gateway: Gateway, environ: Environment) -> dict[str, str]:
    said = ": ".join(_text(environ, name) for name in gateway.paths)
    pairs = (one.partition(":") for one in said.strip("{} ").split(","))
    return {name.strip().lower(): path.strip().strip("/") for name, _, path in pairs}


def _text(environ: Environment, name: str) -> str:
    return plain(environ.get(name) or "").strip()
