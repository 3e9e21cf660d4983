"""Finds the 401s that the token likely did not cause.

For these, the library asks the API before it fetches a token.

Genesys Cloud answers 401 to a client that may not use an endpoint, and to a token that was
revoked. A new token tells the two apart. But a thousand forbidden calls would cost a thousand token
requests, and the login service would throttle the client. So some 401s are suspicious. After a
suspicious 401, the library asks the API whether the refused token lives. If the API gives no clear
answer, the number of useless token requests decides.

The log lines that say why a call was refused are written here, too: also for 400 and 403.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from ..settings import Hosts
from ..tokens import AccessToken
from ..util import Clock, Moment, correlation_id_of, error_code, error_message, forks
from .replay import token_lives, tokens_sent

logger = logging.getLogger("gc_requests_auth")

#: The statuses whose cause is logged at the level DEBUG.
_TOLD = {400, 403}

#: Seconds between two warnings of a 401 that no token cures; such calls come by the thousand.
WARN_EVERY = 60.0

#: Seconds that a path, a fetch and a failed fetch are remembered.
MEMORY = 60.0

#: How many paths are remembered.
PATHS = 128

#: The largest number of useless token requests in a minute, if the API does not tell whether the
#: refused token lives. After FETCHES - 1 useless requests, the library asks the API first.
FETCHES = 5

#: For so many seconds, the library reuses the answer "the token lives". A token that has ended
#: stays ended.
LIVES_FOR = 1.0

#: After so many questions within LIVES_FOR seconds, the library reuses the answer for every path
#: that is known to be forbidden. With the limit of 300 requests a minute, a token does not come
#: near so many.
QUESTIONS = 20


class ForbiddenEndpoints:
    """Remembers the 401s that a new token did not cure. No lock: each step is atomic.

    :param hosts: Says where the API is.
    :param timeout: Seconds to connect and seconds to read, of the question whether a token lives.
    """

    def __init__(
        self, hosts: Callable[[], Hosts], timeout: tuple[float, float], clock: Clock
    ) -> None:
        self._hosts = hosts
        self._timeout = timeout
        self._clock = clock
        self._warned: Moment | None = None
        self.forget()

    def forget(self) -> None:
        """Forget all of it."""
        self._paths: dict[object, Moment] = {}
        #: The tokens that were fetched because of a 401.
        self._fetched: dict[object, tuple[Moment, object, AccessToken]] = {}
        #: The refused tokens for which none could be fetched.
        self._without_successor: dict[object, Moment] = {}
        #: By token and URL: when the token was known to live, and how many answers other than 401 the
        #: token had brought until then.
        self._lives_by_url: dict[object, tuple[int, Moment]] = {}
        #: The latest tokens that the API has said to live, and when.
        self._latest_lives: deque[tuple[object, Moment]] = deque(maxlen=QUESTIONS)
        self._ended_token: object = None

    def may_be_cured(
        self,
        response: requests.Response,
        refused: AccessToken | None,
        options: Mapping[str, Any],
    ) -> bool:
        """Whether a new token may cure a 401.

        Yes, if the 401 is not suspicious, or if the API says that the refused token has ended. No,
        if the API says that it lives. If the API gives no clear answer: yes, while fewer than
        FETCHES token requests of the last minute were useless, and fewer for this path.

        :param refused: The token that was sent; None if there was none.
        """
        if refused is None or not self._is_suspect(response.request, refused):
            return True
        lives = self._lives(response, refused, options)
        if lives is None:
            # If a token got any answer except 401, its fetch was useful, but not for this path.
            fetched, path = self._useless_fetches(), _path_of(response.request)
            useless = [token for _, token in fetched if not token.limit.answers_accepted]
            for_this_path = [token for other, token in fetched if other == path]
            return len(useless) < FETCHES and len(for_this_path) < FETCHES
        if lives:
            # The path is remembered even if no token was fetched for this path: fetches for other
            # paths did not help.
            self._remember(response, options, lives=True)
        return not lives

    def note_not_cured(
        self, response: requests.Response, token: AccessToken, options: Mapping[str, Any]
    ) -> None:
        """A new token was refused as well: the path is forbidden, unless that token has ended already."""
        lives = self._lives(response, token, options)
        if lives is not False:
            self._remember(response, options, lives=bool(lives))

    def token_has_ended(
        self, response: requests.Response, token: AccessToken, options: Mapping[str, Any]
    ) -> bool:
        """Whether the API says that a token which was refused has ended."""
        return self._lives(response, token, options) is False

    def _lives(
        self, response: requests.Response, token: AccessToken, options: Mapping[str, Any]
    ) -> bool | None:
        """Whether the API accepts a token that it refused for this request.

        For LIVES_FOR seconds, calls to the same URL reuse the answer "the token lives", until the
        token gets another answer than 401. Other URLs do not reuse the answer: the token may be
        revoked meanwhile. Only after QUESTIONS questions within LIVES_FOR seconds, every path that
        is known to be forbidden reuses it.
        """
        request = response.request
        if token.value == self._ended_token:
            return False
        if self._is_known_to_live(request, token):
            return True
        options = {**options, "timeout": self._timeout}
        lives = token_lives(response, token, self._hosts().api_url, options)
        if lives:
            self._latest_lives.append((token.value, Moment.now(self._clock)))
            key = token.value, request.method, request.url
            _add(self._lives_by_url, key, (token.limit.answers_accepted, Moment.now(self._clock)))
        elif lives is not None:
            self._ended_token = token.value
        return lives

    def _is_known_to_live(self, request: requests.PreparedRequest, token: AccessToken) -> bool:
        known = self._lives_by_url.get((token.value, request.method, request.url))
        if known is not None:
            accepted, moment = known
            if accepted == token.limit.answers_accepted and moment.age(self._clock) < LIVES_FOR:
                return True
        latest = list(self._latest_lives)
        return (
            len(latest) == QUESTIONS
            and all(
                value == token.value and moment.age(self._clock) < LIVES_FOR
                for value, moment in latest
            )
            and self._is_recent(self._paths.get(_path_of(request)))
        )

    def note_fetched(self, token: AccessToken, request: requests.PreparedRequest) -> None:
        """A new token was fetched because of a 401 to this request."""
        entry = Moment.now(self._clock), _path_of(request), token
        _add(self._fetched, token.value, entry)

    def note_not_fetched(self, refused: AccessToken | None) -> None:
        """No new token could be fetched. The refused token stays, and may live after all."""
        if refused is not None:
            _add(self._without_successor, refused.value, Moment.now(self._clock))

    def note_cured(self, request: requests.PreparedRequest, token: AccessToken) -> None:
        """This new token was accepted here."""
        self._paths.pop(_path_of(request), None)
        self._fetched.pop(token.value, None)

    def _is_suspect(self, request: requests.PreparedRequest, refused: AccessToken) -> bool:
        return (
            self._is_recent(self._paths.get(_path_of(request)))
            or self._is_recent(self._without_successor.get(refused.value))
            or len(self._useless_fetches()) >= FETCHES - 1
        )

    def _useless_fetches(self) -> list[tuple[object, AccessToken]]:
        """The tokens fetched in the last minute that have cured no 401 so far, each with its path."""
        fetched = list(self._fetched.values())
        return [(path, token) for moment, path, token in fetched if self._is_recent(moment)]

    def _remember(
        self, response: requests.Response, options: Mapping[str, Any], *, lives: bool
    ) -> None:
        """This path is forbidden; the log says so once a minute."""
        _add(self._paths, _path_of(response.request), Moment.now(self._clock))
        if self._warned is None or self._warned.age(self._clock) >= WARN_EVERY:
            self._warned = Moment.now(self._clock)
            warn_of_refusal(response, options, lives=lives)

    def _is_recent(self, moment: Moment | None) -> bool:
        return moment is not None and moment.age(self._clock) < MEMORY


def _path_of(request: requests.PreparedRequest) -> object:
    """Method, origin, and the path with "*" in place of each id.

    So a thousand queues count as one path.
    """
    parts = urlsplit(str(request.url))
    return (
        str(request.method),
        f"{parts.scheme}://{parts.netloc}",
        re.sub(r"[^/]*[0-9][^/]*", "*", parts.path),
    )


def _add(memory: dict[Any, Any], key: object, entry: object) -> None:
    """Remember an entry as the latest; the oldest entries are dropped."""
    memory.pop(key, None)
    memory[key] = entry
    for oldest in list(memory)[:-PATHS]:
        memory.pop(oldest, None)


def warn_of_refusal(
    response: requests.Response, options: Mapping[str, Any], *, lives: bool
) -> None:
    """Log why the API refused a call with a living or a new token.

    :param lives: Whether the API has said that it accepts the token.
    """
    with forks.no_fork():
        from ..causes.calls import LIVING_TOKEN_REFUSED, NEW_TOKEN_REFUSED, TOKEN_REFUSED, of_call

    # With stream=True, the caller reads the body of the answer. Then the code comes from the 401
    # before it.
    readable = response.history[-1] if options.get("stream") and response.history else response
    code = error_code(readable, tokens_sent(readable))
    row = of_call(401, code, "")
    if row is None or row is TOKEN_REFUSED:
        row = LIVING_TOKEN_REFUSED if lives else NEW_TOKEN_REFUSED
    logger.warning(
        "%s: code %s, correlation id %s. %s",
        "401 though the API accepts the token" if lives else "401 again with a new token",
        code,
        correlation_id_of(response.headers, tokens_sent(response)) or "unknown",
        row.filled().advice,
    )


def log_cause(response: requests.Response, options: Mapping[str, Any]) -> None:
    """Say at the level DEBUG why a call was answered 400 or 403, where that is known."""
    if response.status_code not in _TOLD or not logger.isEnabledFor(logging.DEBUG):
        return
    if options.get("stream"):  # the body is the caller's to read
        return
    with forks.no_fork():
        from ..causes.calls import of_call
        from ..causes.examination import Examination

    code = error_code(response, tokens_sent(response))
    if of_call(response.status_code, code, error_message(response)) is not None:
        logger.debug("%s", Examination(response))
