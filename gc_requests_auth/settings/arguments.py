"""What an argument or a variable can be: refused by its name, and without its value, if it can not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

from ..errors import ConfigurationError
from ..util.secret import ABSENT, Secret, SecretBox, plain
from .hosts import base_url

#: As many tokens of one client as Genesys' Terraform provider takes (``token_pool_size``).
MOST_TOKENS = 50

#: Requests that Genesys Cloud allows one token in a minute
#: (``client.credentials.token.rate.per.minute``).
REQUESTS_A_MINUTE = 300

#: What people leave in place of a value that was never filled in; without separators, in lower case.
_PLACEHOLDERS = re.compile(
    r"<.*>|\$\{.*\}|\$\(.*\)|\{\{.*\}\}|%\w+%|\$[a-z_]+|\[.*\]|\*+|x{3,}|\.{3,}|\u2026"
    r"|(?:please)?change(?:me|it|this)|replace(?:me|this)|your.*|insert.*here|placeholder|redacted"
    r"|to-?do|tbd|none|null|undefined|example"
    # References that the tool which resolves them has not seen.
    r"|#\{.*\}|op://.*|arn:aws.*|@microsoft\.keyvault\(.*\)"
)


def check_credential(field: str, value: Any) -> None:
    """Refuse what can not be a client id or secret, by the name of its field and without its value.

    A newline from a mounted file or quotes from a .env file are otherwise answered "authentication
    failed", which no one can tell from a wrong secret.
    """
    if value is None:
        hint = "" if "credentials=" in field else " Leave it out to read the environment."
        raise ConfigurationError(f"{field} is None: was os.getenv() given an unset variable?{hint}")
    fault = _fault(text_of(field, value).open())
    if fault is not None:
        raise ConfigurationError(f"{field} {fault}")


def _fault(value: Secret) -> str | None:
    """Why a text is no client id and no client secret. Raises nothing: this frame holds the text."""
    if not value.strip():
        return (
            "is empty. Likely a variable or a file that it is read from is empty, or a secret of a CI"
            " job is not passed on to it."
        )
    if value != value.strip():
        return "begins or ends with white space (a newline from a file?): strip() it."
    if value[0] in "'\"" or value[-1] in "'\"":
        return (
            "begins or ends with a quote: the quotes of a .env file or a shell do not belong to the"
            " value."
        )
    if value[0] == "{" and value[-1] == "}" and '"' in value:
        return (
            "is a whole JSON document, as vaults return: pass the one value in it, as in"
            ' json.loads(text)["client_secret"].'
        )
    if _PLACEHOLDERS.fullmatch(re.sub(r"[-_ ]", "", plain(value).lower())):
        return "is a placeholder: the value itself was never filled in."
    if not value.isprintable():
        return "holds a control or invisible character (a byte order mark from a file?)."
    return None


def login_url_of(field: str, url: SecretBox | None) -> str | None:
    """The base URL of the login service."""
    return None if url is None else base_url(field, text_of(field, url), suffix="/oauth/token")


def api_url_of(field: str, url: SecretBox | None) -> str | None:
    """The base URL of the API."""
    return None if url is None else base_url(field, text_of(field, url), suffix="/api/v2")


def text_of(field: str, value: Any) -> SecretBox:
    """An argument as :func:`boxed` returns it, if it is a text."""
    if not isinstance(value, SecretBox):
        kind = value if isinstance(value, type) else type(value)
        raise ConfigurationError(f"{field} must be text, not {kind.__name__}{_instead(kind)}.")
    return value


def _instead(kind: type) -> str:
    """What to call on a value that is no text, to get one."""
    if hasattr(kind, "get_secret_value"):  # pydantic's SecretStr
        return ": pass what its get_secret_value() returns"
    if issubclass(kind, bytes | bytearray):
        return ": pass what its decode() returns"
    if issubclass(kind, PurePath):
        return ": pass what its read_text().strip() returns"
    if issubclass(kind, Mapping):
        return ": pass the one value in it"
    if issubclass(kind, Enum) or hasattr(kind, "value"):  # Azure's KeyVaultSecret
        return ": pass its .value"
    return ""


def whole_number(text: str) -> int | None:
    """The number that a variable holds; None if it is none."""
    return int(text[:9]) if text.isdecimal() else None


def pool_size_of(field: str, size: Any) -> int:
    """How many tokens may be used side by side."""
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MOST_TOKENS:
        raise ConfigurationError(f"{field} must be a whole number from 1 to {MOST_TOKENS}.")
    return size


def rate_limit_argument(limit: Any) -> int | None:
    """The argument `rate_limit`: 0 where the caller wants no count, None where nobody says."""
    if limit is ABSENT:
        return None
    return 0 if limit is None else rate_limit_of("rate_limit", limit)


def rate_limit_of(field: str, limit: Any, more: str = "; None for no count") -> int:
    """How many requests a token may make in a minute."""
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise ConfigurationError(
            f"{field} must be a whole number of requests a minute, 1 or more{more}."
        )
    return limit


def timeout_pair(timeout: Any) -> tuple[float, float]:
    """Seconds to connect and to read."""
    pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    if len(pair) != 2 or not all(_is_duration(seconds) for seconds in pair):
        raise ConfigurationError(
            "token_timeout must be a number of seconds above 0, or a pair of them (connect, read);"
            " None would let a login service that hangs hang every thread."
        )
    return float(pair[0]), float(pair[1])


def _is_duration(seconds: Any) -> bool:
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return number and 0 < seconds < 86400
