"""Access tokens for outgoing calls: had once, renewed early, and by one request for all who need them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from admit.client import tokens
from admit.client.errors import ForeignOriginError, InvalidGrantError, TokenAnswerError
from admit.client.exchange import Talk, do
from admit.client.flight import Flight
from admit.client.registration import ClientRegistration
from admit.client.tokens import Tokens
from admit.errors import AdmitError, ConfigError, FetchError
from admit.fetch import egress

EARLY: Final = timedelta(seconds=30)
ASSUMED_LIFETIME: Final = 300.0
"""Seconds that a token is taken to live whose server does not say; a 401 ends it sooner."""
_COOL_DOWN: Final = 1.0
_MAX_COOL_DOWN: Final = 30.0
STANDS: Final = 10.0
"""Seconds that a token which came for a refused one stands: a third would fare no better."""


@dataclass(frozen=True, slots=True)
class _Held:
    token: str = field(repr=False)
    renew_at: float
    expires_at: float
    stands_until: float


class TokenSource:
    """Access tokens for one audience. Use `ClientCredentials` or `RefreshToken`.

    A token is renewed `early` before it expires (at most a third of its life), by the first who asks then; the others
    go on with the one that is still good. When none is good all wait for the one request that is under way. Where
    renewing fails the old token serves until it expires, and the server is asked again after a pause that grows from 1
    to 30 seconds. Threads and event loops share an instance.
    """

    def __init__(
        self,
        client: ClientRegistration,
        *,
        audience: str,
        origins: Collection[str] | None = None,
        scopes: Sequence[str] = (),
        early: timedelta = EARLY,
    ) -> None:
        if isinstance(scopes, str) or not all(isinstance(one, str) and one for one in scopes):
            raise ConfigError("scopes are several texts, such as ['orders:read']")
        if not isinstance(audience, str) or not audience:
            raise ConfigError(
                "audience is the API that the token is for, as the authorization server knows it"
            )
        if not timedelta(0) <= early <= timedelta(hours=1):
            raise ConfigError("early is a timedelta from 0 to an hour")
        self.client = client
        self.audience = audience
        self.origins = _origins(audience, origins)
        self._scopes = tuple(scopes)
        self._early = early.total_seconds()
        self._held: _Held | None = None
        self._was_refused = False
        self._failures = 0
        self._pause: tuple[float, Callable[[], AdmitError]] | None = None
        self._flight: Flight[str] = Flight()

    def token(self) -> str:
        """An access token that is good for a while.

        Raises:
            TokenRequestError: the authorization server refuses to give one.
            TokenAnswerError: it gives what cannot be used.
            ServerUnavailableError: it does not answer.
        """
        found = self._at_hand()
        return found if found is not None else self._flight.join(self._renewed)

    async def atoken(self) -> str:
        """`token` in the running event loop."""
        found = self._at_hand()
        return found if found is not None else await self._flight.ajoin(self._renewed)

    def discard(self, token: str) -> bool:
        """An API refused this token (401 `invalid_token`): the next who asks gets another. Whether that is so.

        False for a token that came within the last 10 seconds in the place of a refused one: it stays, and the refusal
        is the caller's to see. An API that refuses every token does not send all its callers to the token endpoint.
        """
        held = self._held
        if held is not None and held.token == token:
            if is_standing(held.stands_until, self.client.server.clock()):
                return False
            self._held, self._was_refused = None, True
        return True

    def check_url(self, url: str) -> None:
        """A request may carry the token only to its own API, RFC 6750 §5.2.

        Raises:
            ForeignOriginError: it goes to another origin.
        """
        if not is_own(url, self.origins):
            raise ForeignOriginError("the token is not for the origin of this request")

    def _form(self) -> Talk[list[tuple[str, str]]]:
        """The request, but for audience and scopes."""
        raise AssertionError("TokenSource is used by its subclasses")

    def _took(self, found: Tokens) -> Talk[None]:
        """Keep what else an answer brought."""
        yield from ()

    def _check(self, found: Tokens) -> None:
        """Raises TokenAnswerError where an answer is not what was asked for."""
        check_scopes(found, self._scopes)

    def _at_hand(self) -> str | None:
        """The token that will do without asking; raises what the last try did while it is too soon for another."""
        now, held = self.client.server.clock(), self._held
        if held is not None and now < held.renew_at:
            return held.token
        is_good = held is not None and now < held.expires_at
        pause = self._pause
        if pause is not None and 0 <= pause[0] - now <= _MAX_COOL_DOWN:
            if is_good:
                return held.token  # type: ignore[union-attr]  # `is_good` says that it is there
            raise pause[1]()
        if is_good and self._flight.is_under_way:
            return held.token  # type: ignore[union-attr]  # as above
        return None

    def _renewed(self) -> Talk[str]:
        clock, held = self.client.server.clock, self._held
        if held is not None and clock() < held.renew_at:
            return held.token  # somebody landed between our look and our boarding
        try:
            form = yield from self._form()
            form += [("scope", " ".join(self._scopes))] if self._scopes else []
            found = yield from tokens.request(self.client, form, repeat=True)
            yield from self._took(found)  # first: a refresh token comes once, whatever it comes with
            self._check(found)
        except AdmitError as error:
            self._failed(error)
            if held is not None and clock() < held.expires_at and not isinstance(error, InvalidGrantError):
                return held.token
            raise
        now = clock()
        expires_at = now + ASSUMED_LIFETIME if found.expires_at is None else found.expires_at
        early = min(self._early, max(0.0, expires_at - now) / 3)
        stands_until = now + STANDS if self._was_refused else now
        self._held = _Held(found.access_token, expires_at - early, expires_at, stands_until)
        self._was_refused, self._failures, self._pause = False, 0, None
        return found.access_token

    def _failed(self, error: AdmitError) -> None:
        pause = min(_MAX_COOL_DOWN, _COOL_DOWN * 2 ** min(self._failures, 5))
        self._failures += 1
        # A new error of the same words each time: one that is raised again and again collects tracebacks.
        self._pause = (self.client.server.clock() + pause, lambda: _again(error))


class ClientCredentials(TokenSource):
    """Tokens in the program's own name, RFC 6749 §4.4, for one audience.

        orders = ClientCredentials(client, audience="https://api.example.com", scopes=["orders:read"])
        httpx2.Client(auth=admit.client.httpx2.TokenAuth(orders))

    `audience` is sent as `resource` (RFC 8707); a server that knows another parameter, or none, is given that by
    `parameters` (`{"audience": …}` for Auth0, `{}` for none). `origins` are where the token may be sent; by default the
    audience's own, if that is a URL.

    Raises:
        ConfigError: the parts do not fit together.
    """

    def __init__(
        self,
        client: ClientRegistration,
        *,
        audience: str,
        origins: Collection[str] | None = None,
        scopes: Sequence[str] = (),
        parameters: dict[str, str] | None = None,
        early: timedelta = EARLY,
    ) -> None:
        super().__init__(client, audience=audience, origins=origins, scopes=scopes, early=early)
        self._parameters = {"resource": audience} if parameters is None else dict(parameters)

    def _form(self) -> Talk[list[tuple[str, str]]]:
        yield from ()
        return [("grant_type", "client_credentials"), *self._parameters.items()]


class RefreshToken(TokenSource):
    """Tokens in the name of the person who signed in, from their refresh token, RFC 6749 §6.

    Refreshes are made one after the other, since a server that rotates takes a second use for theft. `keep` is called
    with each new refresh token, before its access token is used; where it fails the new one is not lost: it is given to
    `keep` again before the next refresh. One instance a refresh token, in one process. With `scopes` the tokens are
    asked for with those alone, and one that may more is not used.

    Raises:
        ConfigError: the parts do not fit together.
    """

    def __init__(
        self,
        client: ClientRegistration,
        refresh_token: str,
        *,
        audience: str,
        keep: Callable[[str], None],
        origins: Collection[str] | None = None,
        scopes: Sequence[str] = (),
        parameters: dict[str, str] | None = None,
        early: timedelta = EARLY,
    ) -> None:
        super().__init__(client, audience=audience, origins=origins, scopes=scopes, early=early)
        self._parameters = {"resource": audience} if parameters is None else dict(parameters)
        self._refresh_token = refresh_token
        self._kept = True
        self._keep = keep

    def __repr__(self) -> str:
        return f"RefreshToken(audience={self.audience!r})"

    def _form(self) -> Talk[list[tuple[str, str]]]:
        yield from self._keeping()
        return [
            ("grant_type", "refresh_token"),
            ("refresh_token", self._refresh_token),
            *self._parameters.items(),
        ]

    def _took(self, found: Tokens) -> Talk[None]:
        if found.refresh_token is not None and found.refresh_token != self._refresh_token:
            self._refresh_token, self._kept = found.refresh_token, False
            yield from self._keeping()

    def _check(self, found: Tokens) -> None:
        super()._check(found)
        if self._scopes:
            tokens.check_narrow(found, self._scopes)

    def _keeping(self) -> Talk[None]:
        if not self._kept:
            fresh = self._refresh_token
            yield from do(lambda: self._keep(fresh))
            self._kept = True


def check_scopes(found: Tokens, wanted: Sequence[str]) -> None:
    """The server may grant less than was asked, RFC 6749 §3.3; a program that asked for it needs it.

    Raises:
        TokenAnswerError: a scope is missing.
    """
    if found.scopes is not None and not found.scopes.issuperset(wanted):
        raise TokenAnswerError("the token lacks a scope that was asked for")


def is_standing(until: float, now: float) -> bool:
    """Whether a token is not replaced yet; a clock that was set back keeps none for longer."""
    return 0 < until - now <= STANDS


def is_own(url: str, origins: frozenset[str]) -> bool:
    """Whether a request goes to one of the origins of the token's audience."""
    try:
        return egress.origin_of(url.partition("#")[0]) in origins
    except FetchError:
        return False


def _origins(audience: str, origins: Collection[str] | None) -> frozenset[str]:
    if isinstance(origins, str):
        raise ConfigError("origins are several texts, such as {'https://api.example.com'}")
    named = [audience] if origins is None else list(origins)
    try:
        found = frozenset(egress.origin_of(one) for one in named)
        for origin in found:
            egress.check_url(origin, found)
    except FetchError:
        raise ConfigError(
            "the audience is no https URL: name where the token may be sent with origins={'https://...'}"
        ) from None
    if not found:
        raise ConfigError("origins names nobody whom the token could be sent to")
    return found


def _again(error: AdmitError) -> AdmitError:
    copy = type(error).__new__(type(error))
    copy.args = error.args
    copy.__dict__.update(error.__dict__)
    return copy
