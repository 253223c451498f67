"""The sessions of a backend-for-frontend: begun, found, refreshed by one request at a time, and ended."""

import hashlib
import logging
import os
from dataclasses import dataclass, field
from typing import Final

from admit.client import tokens as token_endpoint
from admit.client.errors import InvalidGrantError, ServerUnavailableError, TokenAnswerError, TokenRequestError
from admit.client.exchange import Pause, Talk, do
from admit.client.tokens import Tokens
from admit.errors import AdmitError, SessionError, UnavailableError
from admit.relying_party import sealing
from admit.relying_party.bff import session as sessions
from admit.relying_party.bff.config import BffConfig
from admit.relying_party.bff.proxy import Api
from admit.relying_party.bff.session import SessionData
from admit.relying_party.errors import TransactionError
from admit.relying_party.identity import Identity
from admit.relying_party.provider import Provider
from admit.relying_party.store import SessionStore, StoredSession
from admit.relying_party.store.records import named

_LOG = logging.getLogger("admit.bff")
LEASE: Final = 20.0
"""Seconds that one worker has for a refresh, which is bounded by less. One that died lets the next in after that."""
_LOOK: Final = 0.03
_LOOKS: Final = 500
_TOUCH: Final = 60.0
_KEEPS: Final = 3
_KEEP_AGAIN: Final = 1.0
"""Seconds between the tries to keep what a refresh brought; none begins when the lease is over."""


@dataclass(frozen=True, slots=True)
class Live:
    """A live session with its cookie's octets."""

    raw: bytes = field(repr=False)
    stored: StoredSession
    data: SessionData


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to refresh a session alone, until then. Its holder's name tells it from the next one's."""

    until: float
    holder: bytes = field(default_factory=lambda: os.urandom(16))


class Sessions:
    """Sessions in a store, under the settings of a `Bff`."""

    def __init__(self, config: BffConfig, store: SessionStore) -> None:
        self._config = config
        self._store = store
        self._providers = {one.name: one for one in config.providers}

    def provider_of(self, data: SessionData) -> Provider | None:
        """Who has the name of the session's provider now."""
        return self._providers.get(data.provider)

    def begin(self, provider: Provider, identity: Identity, tokens: Tokens, issued_at: float) -> Talk[bytes]:
        """A new session, always with a new id; its cookie's octets. `issued_at` is the ID token's `iat`.

        Raises:
            TransactionError: the provider said meanwhile that its own session is over.
        """
        data = sessions.begin(provider, identity, tokens, self._config.clock())
        return (yield from self.keep(data, issued_at))

    def keep(self, data: SessionData, issued_at: float) -> Talk[bytes]:
        """A session of what is known of it, under a new id; its cookie's octets.

        Raises:
            TransactionError: as `begin`.
        """
        config, now, raw = self._config, self._config.clock(), os.urandom(32)
        expires_at = now + config.absolute.total_seconds()
        stored = StoredSession(
            id_hash=hashlib.sha256(raw).digest(),
            sealed=sealing.seal(sessions.dump(data), raw, sessions.PURPOSE),
            person=person_name(data.issuer, data.client_id, data.subject),
            at_provider=None
            if data.session_id is None
            else session_name(data.issuer, data.client_id, data.session_id),
            idle_at=min(expires_at, now + config.idle.total_seconds()),
            expires_at=expires_at,
        )
        if not (yield from do(lambda: self._store.add(stored, issued_at, now))):
            raise TransactionError("the provider ended its session meanwhile")
        return raw

    def find(self, raw: bytes) -> Talk[Live | None]:
        """The live session of a cookie; that it was used is noted once a minute.

        One of a provider that is not configured any more is over: whoever has its name now gets none of its tokens.
        """
        now = self._config.clock()
        id_hash = hashlib.sha256(raw).digest()
        stored = yield from do(lambda: self._store.get(id_hash, now))
        if stored is None:
            return None
        octets = sealing.unseal(stored.sealed, raw, sessions.PURPOSE)
        if octets is None:
            return None
        data = sessions.load(octets)
        if not is_of(data, self.provider_of(data)) or not is_young(data, self._config, now):
            return None
        idle_at = min(stored.expires_at, now + self._config.idle.total_seconds())
        if idle_at - stored.idle_at >= _TOUCH:
            yield from do(lambda: self._store.touch(id_hash, idle_at))
        return Live(raw, stored, data)

    def lives(self, live: Live) -> Talk[bool]:
        """Whether it still does. That something goes on is no use of it, so that it may idle meanwhile."""
        now = self._config.clock()
        found = yield from do(lambda: self._store.get(live.stored.id_hash, now))
        return found is not None and is_young(live.data, self._config, now)

    def end(self, raw: bytes) -> Talk[bool]:
        """End a session; whether there was one."""
        return (yield from do(lambda: self._store.end(hashlib.sha256(raw).digest())))

    def access_token(self, live: Live, provider: Provider, api: Api, refused: str | None = None) -> Talk[str]:
        """The access token for an API: the one at hand, else one that is had once for all who ask meanwhile.

        `refused` is a token that the API called invalid.

        Raises:
            SessionError: the sign-in behind the session is over; so is the session then.
            ServerUnavailableError: the provider does not answer, and no token is good any more.
            TokenRequestError: it gives no token for this API.
            TokenAnswerError: it gives one that may more than this API is to have.
        """
        name = sessions.key(api.audience, api.scopes)
        for _ in range(_LOOKS):
            now = self._config.clock()
            held = live.data.access.get(name)
            usable = held is not None and held.token != refused and held.is_good(now)
            if held is not None and usable and held.is_fresh(now):
                return held.token
            if live.data.refresh_token is None:
                if held is None:
                    raise TokenRequestError(
                        "the provider gave no refresh token to ask for this audience with"
                    )
                if usable:
                    return held.token
                if not held.is_good(now):
                    yield from self.end(live.raw)
                raise SessionError("the access token is over, and there is no refresh token")
            lease = Lease(now + LEASE)
            if (yield from self._leased(live.stored, now, lease)):
                still_good = held.token if held and usable else None
                mending = refused is not None
                renewed = yield from self._renew(live, lease, provider, api, still_good, mending=mending)
                if renewed is not None:
                    return renewed
            elif held is not None and usable:
                return held.token
            yield Pause(_LOOK)
            found = yield from self.find(live.raw)
            if found is None:
                raise SessionError("the session ended meanwhile")
            live = found
        raise ServerUnavailableError("another request's refresh took too long")

    def may_mend(self, live: Live, api: Api, refused: str) -> bool:
        """Whether another token is asked for in the place of one that the API called invalid."""
        held = live.data.access.get(sessions.key(api.audience, api.scopes))
        return held is None or held.token != refused or held.may_be_replaced(self._config.clock())

    def _leased(self, stored: StoredSession, now: float, lease: Lease) -> Talk[bool]:
        return (
            yield from do(
                lambda: self._store.lease(stored.id_hash, stored.version, now, lease.until, lease.holder)
            )
        )

    def _renew(
        self,
        live: Live,
        lease: Lease,
        provider: Provider,
        api: Api,
        still_good: str | None,
        *,
        mending: bool = False,
    ) -> Talk[str | None]:
        """Refresh under the lease. The new refresh token is kept before its access token is used by anybody.

        None where another's refresh was kept since, so that this one was of a token that is used up: look again.
        """
        stored, data = live.stored, live.data
        form = [("grant_type", "refresh_token"), ("refresh_token", data.refresh_token or "")]
        form += [("resource", api.audience)] if api.audience is not None else []
        form += [("scope", " ".join(api.scopes))] if api.scopes else []
        try:
            found = yield from token_endpoint.request(provider.client, form, repeat=True)
        except InvalidGrantError as error:
            ended = yield from do(lambda: self._store.end(stored.id_hash, stored.version))
            if not ended and (yield from self._is_overtaken(stored)):
                return None
            raise SessionError("the provider ended the sign-in") from error
        except AdmitError:
            yield from do(lambda: self._store.release(stored.id_hash, stored.version, lease.holder))
            if still_good is not None:
                return still_good
            raise
        wider = _too_wide(found, api)
        if wider is None:
            name = sessions.key(api.audience, api.scopes)
            fresh = sessions.renewed(data, name, found, self._config.clock(), after_refusal=mending)
        else:  # kept all the same: the refresh token that it came with is the only one now
            fresh = sessions.rotated(data, found)
        sealed = sealing.seal(sessions.dump(fresh), live.raw, sessions.PURPOSE)
        if not (yield from self._kept(stored, sealed, lease.until)):
            yield from self._not_kept(live, provider, fresh.refresh_token)
            if (yield from self._is_overtaken(stored)):
                return None
            raise SessionError("the session ended during a refresh")
        if wider is not None:
            raise wider
        return found.access_token

    def _is_overtaken(self, stored: StoredSession) -> Talk[bool]:
        """Whether the session goes on with what another's refresh brought."""
        found = yield from do(lambda: self._store.get(stored.id_hash, self._config.clock()))
        return found is not None and found.version != stored.version

    def _kept(self, stored: StoredSession, sealed: bytes, until: float) -> Talk[bool]:
        """Keep what a refresh brought. The provider gives it once, so a store that fails is asked again for a while.

        Whether it was done before an answer was lost is told by what is there.

        Raises:
            UnavailableError: the store failed all the time. The next refresh is the provider's to judge.
        """
        for attempt in range(_KEEPS):
            try:
                if (yield from do(lambda: self._store.replace(stored.id_hash, stored.version, sealed))):
                    return True
                if attempt == 0:
                    return False
                found = yield from do(lambda: self._store.get(stored.id_hash, self._config.clock()))
                return found is not None and found.sealed == sealed
            except UnavailableError:
                if attempt == _KEEPS - 1 or self._config.clock() + _KEEP_AGAIN >= until:
                    raise
                yield Pause(_KEEP_AGAIN)
        raise AssertionError("the last try returns or raises")

    def _not_kept(self, live: Live, provider: Provider, refresh_token: str | None) -> Talk[None]:
        """What came for a session that ended meanwhile is nobody's: who ended it revoked the one before."""
        now = self._config.clock()
        if refresh_token is None or (yield from do(lambda: self._store.get(live.stored.id_hash, now))):
            return
        try:
            yield from token_endpoint.revoke(provider.client, refresh_token)
        except AdmitError as error:
            _LOG.warning("a refresh token was not revoked: %s: %s", error.code, error.detail)


def _too_wide(found: Tokens, api: Api) -> TokenAnswerError | None:
    """Why an API does not get a token: its own scopes were asked for, and it may more."""
    try:
        if api.scopes:
            token_endpoint.check_narrow(found, api.scopes)
    except TokenAnswerError as error:
        _LOG.warning("no token for the API %s: %s", api.name, error.detail)
        return error
    return None


def is_of(data: SessionData, provider: Provider | None) -> bool:
    """Whether this is the provider, and the client there, that the session's tokens are from."""
    if provider is None:
        return False
    return (data.issuer, data.client_id) == (provider.issuer, provider.client.client_id)


def is_young(data: SessionData, config: BffConfig, now: float) -> bool:
    """Whether it has not reached its end by what was sealed with it, whatever times the store names."""
    return now < data.signed_in_at + config.absolute.total_seconds()


def person_name(issuer: str, client_id: str, subject: str) -> bytes:
    """What a person's sessions are found by when a provider ends them all."""
    return named("person", issuer, client_id, subject)


def session_name(issuer: str, client_id: str, session_id: str) -> bytes:
    """What the sessions that hang on one session of the provider are found by."""
    return named("session", issuer, client_id, session_id)
