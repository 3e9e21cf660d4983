"""Ending a token before its time: DELETE /api/v2/tokens/me, by its own bearer.

Documented to revoke the token that makes the call, with an empty 200 (TokensApi of Genesys' SDKs).
"""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from ..errors import LoginUnreachableError, TokenError
from ..util.bodies import drain
from ..util.http import correlation_id_of
from ..util.secret import SecretBox
from .request import SENDING_FAILS, close_when_read, send_as
from .unreachable import explain


def revoke_token(
    bearer: SecretBox,
    api_url: str,
    *,
    session: requests.Session | None,
    timeout: tuple[float, float],
    proxy: SecretBox | None = None,
) -> None:
    """Have the API end the token of this ``Authorization``. A token that is over counts as done.

    :param session: Lends its proxies, verify, cert, trust_env and adapters.
    :param timeout: Seconds to connect and seconds to read.
    :raises LoginUnreachableError: if there is no answer, or a 5xx; it names the API's host.
    :raises TokenError: if the answer is another one.
    """
    url = f"{api_url}/api/v2/tokens/me"
    answer = _send(bearer, url, session, timeout, proxy)
    if isinstance(answer, TokenError):  # raised here, so that it leaves without a context
        raise answer
    if answer.status_code // 100 == 2 or answer.status_code == 401:
        return
    host = urlsplit(url).netloc
    down = answer.status_code >= 500
    kind = LoginUnreachableError if down else TokenError
    token = SecretBox(bearer.open().removeprefix("Bearer "))
    reference = correlation_id_of(answer.headers, [token])
    raise kind(
        f"{host} did not revoke the token: it answers {answer.status_code} [correlation id"
        f" {reference or 'unknown'}]. The token stays valid to its end; here it is forgotten.",
        host=host,
        status=answer.status_code,
        correlation_id=reference,
        retryable=down or answer.status_code == 429,
    )


class _Bearer(requests.auth.AuthBase):
    """Puts the header in place, so that no netrc entry does."""

    def __init__(self, bearer: SecretBox) -> None:
        self._bearer = bearer

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = self._bearer.open()
        return r


def _send(
    bearer: SecretBox,
    url: str,
    session: requests.Session | None,
    timeout: tuple[float, float],
    proxy: SecretBox | None,
) -> requests.Response | TokenError:
    """The answer, its body given up; or what the exception amounts to."""
    ours = requests.Session()
    verify = send_as(session, ours, proxy)
    try:
        answer = ours.delete(
            url,
            auth=_Bearer(bearer),
            timeout=timeout,
            verify=verify,
            allow_redirects=False,
            stream=True,
        )
        close_when_read(answer)
        drain(answer)
    except SENDING_FAILS as problem:
        failed = explain(problem, url)
        if failed is None:  # of a mounted adapter: its user's own
            raise
        return failed.error
    else:
        return answer
    finally:
        if session is None:
            ours.close()
