"""The auth of requests: which request gets a token, and what happens after a 401."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import requests
from requests.sessions import SessionRedirectMixin

from .calls import (
    Call,
    ForbiddenEndpoints,
    answer_after_429,
    can_be_sent_again,
    free_connection,
    log_cause,
    other_hooks,
    redirect_target,
    replay_call,
    withhold_authorization,
)
from .errors import ConfigurationError, GenesysCloudError, without_secrets
from .settings import Hosts, Settings, text_of
from .stores import SharedToken, TokenStore
from .tokens import AccessToken, LoginRequest, Refusals, TokenPool, TokenRequest, TokenSource
from .util import ABSENT, Clock, CredentialsCallable, SecretBox, Vault, boxed, forks, plain

logger = logging.getLogger("gc_requests_auth")

#: A call is replayed at most three times: with the token of another thread, with a token from a
#: store (which may be as old as the refused token), and with a new token.
REPLAYS = 3


class GenesysCloudAuth(requests.auth.AuthBase):
    """Signs requests to Genesys Cloud for one organisation, with the client-credentials grant.

    Pass the auth as ``auth=``, to one call or to a whole session. Threads may share one auth. The
    first call requests a token. The token is sent to the hosts of the region only, and is renewed
    before it expires. After a 401 that a new token may cure, the auth fetches a new token once.

    :param client_id: The id of an OAuth client with the grant type Client Credentials. Without
        `client_id` and `client_secret`, both come from the environment
        (``GENESYSCLOUD_OAUTHCLIENT_ID`` and ``_SECRET``, or another pair of Genesys' tools). The
        environment is read when the auth first needs it, and again until it names a client.
    :param client_secret: The secret of the client.
    :param credentials: In place of id and secret: a function that returns ``(client_id,
        client_secret)``, for example from a vault. The function is called before each token request.
    :param profile: In place of id and secret: the name of a profile of the gc CLI in
        ``~/.gc/config.toml``. The file is read once, when the auth first needs it.
    :param region: An AWS id (``eu-west-1``), a domain (``mypurecloud.ie``) or a URL of the
        organisation. Without `region`, ``GENESYSCLOUD_REGION`` or a similar variable names the
        region. There is no default.
    :param login_url: The login service, if it is a gateway and not ``https://login.<region>``.
    :param api_url: The API, if it is a gateway and not ``https://api.<region>``. Then tokens go to
        this URL only.
    :param session: A session whose proxies, verify, cert, trust_env and adapters the token request
        uses.
    :param store: A store keeps the token for later runs and shares the token with other processes.
    :param token_timeout: Seconds to connect and to read, or one number for both, for each attempt of
        a token request. None is not allowed: a login service that hangs would hang every thread.
    :param background_renewal: Whether a thread renews the token, from 15 minutes before the end of
        the token (a quarter of its life, if that is less), while calls use the token. If not, a call
        renews the token in the last 10 seconds; with a store, a call waits for a new token after the
        end.
    :param tokens: How many tokens of the client are used side by side, from 1 to 50. A further token
        is requested when the current tokens have few requests left. The default is
        ``GENESYSCLOUD_TOKEN_POOL_SIZE``, or 1.
    :param rate_limit: How many requests each token may make in any 60 seconds; None for no limit. The
        default is ``GENESYSCLOUD_RATE_LIMIT``, or 300, the default of Genesys Cloud
        (``client.credentials.token.rate.per.minute``).
    :raises ConfigurationError: if an argument can not work. A missing setting raises when the auth
        first needs it.

    Two auths are never equal, and an auth is always true. Copies and pickles sign in again.
    """

    _clock: ClassVar[Clock] = Clock()
    #: Whether the log has said that a header was replaced.
    _replaced_a_header = False
    #: The attributes that a copy or a pickle leaves out. Attributes of a subclass are copied.
    _NOT_COPIED = frozenset({"_refusals", "_tokens", "_forbidden", "_replaced_a_header"})

    def __init__(
        self,
        client_id: str = ABSENT,  # type: ignore[assignment]  # a sentinel: None is a mistake
        client_secret: str = ABSENT,  # type: ignore[assignment]
        *,
        credentials: CredentialsCallable | None = None,
        profile: str | None = None,
        region: str | None = None,
        login_url: str | None = None,
        api_url: str | None = None,
        session: requests.Session | None = None,
        store: TokenStore | None = None,
        token_timeout: float | tuple[float, float] = (5, 15),
        background_renewal: bool = True,
        tokens: int | None = None,
        rate_limit: int | None = ABSENT,  # type: ignore[assignment]  # a sentinel: None is no limit
    ) -> None:
        # The secrets go into boxes first. If a later line raises, a traceback shows no secret.
        client_id, client_secret, region = map(boxed, (client_id, client_secret, region))
        profile, login_url, api_url = map(boxed, (profile, login_url, api_url))
        vault = Vault.of(credentials)
        del credentials
        self._settings = Settings(
            client_id,
            client_secret,
            credentials=vault,
            profile=profile,
            region=region,
            login_url=login_url,
            api_url=api_url,
            token_timeout=token_timeout,
            tokens=tokens,
            rate_limit=rate_limit,
        )
        for name, one, kind, wanted in (
            # `requests.Session` may be another class: requests-cache, or a test, replaces the name.
            ("session", session, SessionRedirectMixin | None, "a requests.Session"),
            ("store", store, TokenStore | None, "FileTokenStore() or RedisTokenStore(url)"),
            ("background_renewal", background_renewal, bool, "True or False"),
        ):
            if not isinstance(one, kind):
                raise ConfigurationError(f"{name} must be {wanted}, not {type(one).__name__}.")
        self._session = session
        self._store = store
        self._background_renewal = background_renewal
        self._reset()

    # -- which request gets a token -----------------------------------------------------------------

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Requests calls this when it prepares a request, but not for a redirect."""
        url = r.url or ""
        try:
            hosts = self._settings.known_hosts or self._settings.hosts()
            if not hosts.takes_token(url):
                hosts.raise_if_mistaken(url)
                return r
            token = self._tokens.current()
        except GenesysCloudError as error:
            error.request = without_secrets(r)
            raise
        headers = len(r.headers)  # the number stays if sign() replaces an Authorization header
        Call(self, url, token).sign(r)
        if len(r.headers) == headers and not self._replaced_a_header:
            self._replaced_a_header = True
            logger.warning(
                "replaced an Authorization header by the access token, as requests does for auth=;"
                " auth=lambda r: r sends a single call as it is"
            )
        return r

    def _on_answer(
        self, response: requests.Response, options: Mapping[str, Any]
    ) -> requests.Response:
        """The :class:`Call` calls this for every answer except 200, also for each redirect.

        :param options: How the request was sent: what requests passes to a response hook.
        """
        request: requests.PreparedRequest | None = response.request
        if request is None:  # a test double made the response
            return response
        if not self._hosts.takes_token(request.url or ""):
            # requests copies the hooks of each hop of a redirect to the next hop. A chain that has left the
            # own hosts gets no token again. The dict is a new dict, since earlier hops share the old dict.
            request.hooks = {"response": other_hooks(request)}
            return response
        if response.status_code == 401:
            response = self._after_401(response, options)
        if response.status_code == 429:  # the answer to another token may be a 401
            response = self._after_401(answer_after_429(response, options, self._clock), options)
        log_cause(response, options)
        if response.is_redirect and not self._hosts.takes_token(redirect_target(response)):
            # requests keeps the header if the host stays the same, e.g. for a pre-signed link.
            withhold_authorization(response)
        return response

    # -- what happens after a 401 -------------------------------------------------------------------

    def _after_401(
        self, response: requests.Response, options: Mapping[str, Any]
    ) -> requests.Response:
        """The answer to the same request with another token, if another token may help.

        A replay dispatches no hooks, so that no further replay follows. The request keeps no state, so
        that the caller may send the request again. The caller's hooks see the final answer only.
        """
        fetched: AccessToken | None = None
        arrived = self._clock.monotonic()
        for _ in range(REPLAYS):
            request, call = response.request, Call.of(response.request)
            if call is None or response.status_code != 401:
                break
            refused = self._token_sent(call, request)
            # Another thread may have met the 401 first. Its token is tried, and no token is fetched.
            token = self._tokens.living(other_than=refused)
            if token is None and self._was_just_fetched(
                response, refused, fetched, arrived, options
            ):
                break
            free_connection(response)
            if token is None:
                if not self._forbidden.may_be_cured(response, refused, options):
                    logger.info("a 401 goes back: a new token would not cure it")
                    return response
                try:
                    token = fetched = self._tokens.other_than(refused)
                except Exception as error:
                    return self._without_a_new_token(response, refused, options, error)
                self._forbidden.note_fetched(token, request)
            if not can_be_sent_again(response):
                logger.info("a 401 goes back: the body of its request can not be sent twice")
                return response
            response = replay_call(response, call.replay_of(response, token), options)
            logger.info("replayed after a 401, answered %s", response.status_code)
            if response.status_code != 401:
                self._forbidden.note_cured(request, token)
        call = Call.of(response.request)
        if response.status_code == 401 and call is not None and call.earlier_401s:
            self._forbidden.note_not_cured(response, call.token, options)
        return response

    def _token_sent(self, call: Call, request: requests.PreparedRequest) -> AccessToken | None:
        """The token of a request; None if requests or the caller replaced its header.

        After a replay, requests follows a redirect with the header of the replay. The call of the first
        request does not know that token.
        """
        if call.is_carried_by(request):
            return call.token
        return self._tokens.carried_by(request.headers.get("Authorization"))

    def _was_just_fetched(
        self,
        response: requests.Response,
        refused: AccessToken | None,
        fetched: AccessToken | None,
        arrived: float,
        options: Mapping[str, Any],
    ) -> bool:
        """Whether this call fetched the refused token, which has not ended: no other will help."""
        if not (refused and fetched) or fetched.from_store or refused.value != fetched.value:
            return False
        # If the token request began before the 401, what ended the first token may have ended the
        # new token, too. So the API is asked.
        was_requested_before_401 = refused.born.monotonic < arrived
        has_ended = self._forbidden.token_has_ended
        return not (was_requested_before_401 and has_ended(response, refused, options))

    def _without_a_new_token(
        self,
        response: requests.Response,
        refused: AccessToken | None,
        options: Mapping[str, Any],
        error: Exception,
    ) -> requests.Response:
        """After a failed token request, replay with a token of the pool, or raise the error."""
        if not (isinstance(error, GenesysCloudError) or self._settings.is_of_vault(error)):
            raise error  # the exception belongs to the caller, for example a time limit
        self._forbidden.note_not_fetched(refused)
        call = Call.of(response.request)
        spare = self._tokens.spare(refused)
        if spare is not None and call is not None:
            if not can_be_sent_again(response):
                return response
            answer = replay_call(response, call.replay_of(response, spare), options)
            if answer.status_code != 401:
                return answer
            answer.close()
        response.close()
        if isinstance(error, GenesysCloudError):
            error.request = without_secrets(response.request)
        raise error

    # -- the tokens, and what is asked of an auth -----------------------------------------------------

    def access_token(self, *, rejected: str | None = None) -> str:
        """The token, for programs other than requests: the official SDK, a websocket, curl.

        :param rejected: A token that was answered 401, with or without "Bearer". If this token is
            still the current token, a new token is returned; otherwise the current token.
        :raises GenesysCloudError: if there is no token.
        """
        refused: SecretBox | None = boxed(rejected)
        del rejected
        if refused is None:
            return plain(self._tokens.current().value)
        # The last word is the token: of a header, or of a file with a newline. No variable holds the text.
        refused = SecretBox((text_of("rejected", refused).open().split() or [""])[-1])
        return plain(self._tokens.other_than_value(refused).value)

    def forget(self) -> None:
        """Sign in again: drop the token, remembered refusals, and 401s that no token cured.

        The token stays in a store, for other processes. This auth does not take it from there again.
        """
        self._forbidden.forget()
        self._tokens.forget()

    def revoke(self) -> None:
        """Revoke all tokens of this auth at Genesys Cloud, and forget them, here and in the store.

        Usually this is one token. It ends for all processes that share it; they fetch another. A token
        is forgotten even if its revocation fails. Without a living token, nothing is sent.

        :raises LoginUnreachableError: if the API gives no answer; the error names its host.
        :raises TokenError: if the answer is neither a success nor a 401 (the token had ended already).
        """
        with forks.no_fork():  # most scripts never revoke a token
            from .tokens.request import revoke_token

        def revoke(token: AccessToken) -> None:
            revoke_token(
                token.bearer,
                self.api_url,
                session=self._session,
                timeout=self._settings.token_timeout,
                proxy=self._settings.proxy(),
            )

        self._forbidden.forget()
        self._tokens.revoke(revoke, None if self._store is None else self._settings.identity)

    @property
    def expires_in(self) -> float | None:
        """The remaining seconds of the token that the next call uses; None without one."""
        token = self._tokens.living()
        return None if token is None else token.remaining(self._clock)

    @property
    def client_id(self) -> str:
        """The id of the OAuth client. The settings are looked up if they are not known yet."""
        return self._settings.client_id()

    @property
    def region(self) -> str | None:
        """The domain of the region; None if both URLs are given."""
        return self._hosts.region

    @property
    def login_url(self) -> str:
        """The URL of the login service, without ``/oauth/token``."""
        return self._hosts.login_url

    @property
    def api_url(self) -> str:
        """The URL of the API, without ``/api/v2``."""
        return self._hosts.api_url

    def __repr__(self) -> str:
        # A crash reporter may print an auth whose constructor failed.
        settings: Settings | None = vars(self).get("_settings")
        known = settings.description() if settings is not None else None
        return f"<GenesysCloudAuth {known}>" if known else "<GenesysCloudAuth, not yet looked up>"

    def __getstate__(self) -> dict[str, Any]:
        # A pickle holds a secret only if the secret was an argument. A secret of the environment is read
        # again where the pickle is loaded. A pickle holds no token.
        return {name: one for name, one in dict(vars(self)).items() if name not in self._NOT_COPIED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def _reset(self) -> None:
        # A copy of an auth reads the environment for itself.
        self._settings = settings = copy.copy(self._settings)
        clock, self._refusals = self._clock, Refusals()
        size, rate_limit = settings.token_pool_size, settings.rate_limit
        self._tokens = TokenPool(self._make_source, size, rate_limit, clock)
        self._forbidden = ForbiddenEndpoints(settings.hosts, settings.token_timeout, clock)

    @property
    def _hosts(self) -> Hosts:
        """Where tokens come from, and where they may go."""
        return self._settings.known_hosts or self._settings.hosts()

    def _make_source(self, slot: int, adopt: Callable[[AccessToken], AccessToken]) -> TokenSource:
        """Where the token of a slot comes from: the login service, and before that the store."""
        settings, clock = self._settings, self._clock
        request: TokenRequest = LoginRequest(settings, self._session, clock)
        if self._store is not None:
            request = SharedToken(
                self._store, lambda: settings.hosts().login_url, request, clock, slot
            )
        return TokenSource(
            settings.identity,
            request,
            sum(settings.token_timeout),
            clock,
            background=self._background_renewal,
            inline=self._store is None,
            refusals=self._refusals,
            adopt=adopt,
        )
