"""Who signed what a server shows: where a proxy opens TLS, its name stands there."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.client import HTTPException, HTTPSConnection
from urllib.parse import SplitResult

import requests

#: The parts of a name that tell an authority, by their OID (X.520: 2.5.4.3, 2.5.4.10, 2.5.4.11).
_TELLING = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU"}

_BMP_STRING = 0x1E


def issuer_shown(host: str, port: int, proxy: SplitResult | None, seconds: float) -> str | None:
    """The issuer of the certificate that is shown there, trusted or not.

    A handshake and nothing else: nothing is sent, so nothing can be sent to the wrong one.

    :param proxy: The HTTP proxy to go through, by CONNECT.
    :param seconds: For each step of it.
    :returns: None if it could not be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # to see what is not trusted is the point
    if proxy is None:
        connection = HTTPSConnection(host, port, timeout=seconds, context=context)
    else:
        connection = HTTPSConnection(
            proxy.hostname or "", proxy.port or 80, timeout=seconds, context=context
        )
        # As requests makes it from the proxy's URL: Proxy-Authorization, if there is a user in it.
        credentials = requests.adapters.HTTPAdapter().proxy_headers(proxy.geturl())
        connection.set_tunnel(host, port, credentials)
    try:
        connection.connect()
        return issuer_of(connection.sock.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError, HTTPException):
        return None
    finally:
        connection.close()


def issuer_of(certificate: bytes) -> str:
    """The name of the issuer of a DER certificate (RFC 5280, section 4.1), as ``CN=..., O=...``.

    Read by hand since Python decodes a certificate only if it is trusted.

    :raises ValueError: if it is no certificate.
    """
    fields = list(_items(_inside(_inside(certificate))))
    # version (optional, context-specific 0), serial number, signature algorithm, issuer
    issuer = fields[3 if fields and fields[0][0] == 0xA0 else 2 :][:1]
    names: dict[str, str] = {}
    for _, relative_name in _items(issuer[0][1] if issuer else b""):
        for _, attribute in _items(relative_name):
            (_, kind), (tag, value) = [*_items(attribute), (0, b""), (0, b"")][:2]
            if kind in _TELLING:
                encoding = "utf-16-be" if tag == _BMP_STRING else "utf-8"
                names[_TELLING[kind]] = value.decode(encoding, "replace")
    if not names:
        raise ValueError("a certificate without an issuer")
    return ", ".join(f"{name}={names[name]}" for name in ("CN", "O", "OU") if name in names)


def _inside(encoded: bytes) -> bytes:
    """The contents of the first item."""
    return next((content for _, content in _items(encoded)), b"")


def _items(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and contents of each item (X.690: one byte of tag, a length, so many bytes)."""
    at = 0
    while at + 2 <= len(encoded):
        tag, size = encoded[at], encoded[at + 1]
        at += 2
        if size & 0x80:  # the length of the length
            end = at + (size & 0x7F)
            size, at = int.from_bytes(encoded[at:end], "big"), end
        yield tag, encoded[at : at + size]
        at += size
