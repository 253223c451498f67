"""`Families`: grants and their refresh tokens, RFC 6749 §6, RFC 9700 §4.14, RFC 7009."""

from collections.abc import Sequence
from datetime import timedelta

from admit.errors import StorageUnavailableError
from admit.issuer.audit import AuditEvent, Outcome, RequestInfo
from admit.issuer.grants import ends, refresh_token, refreshing, rules
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.keys import RefreshKeys
from admit.issuer.grants.records import Family, OfUser, Refreshed, Refusal, Refused
from admit.issuer.grants.refresh_token import RefreshToken
from admit.issuer.grants.refreshing import Fits, always, idle_limit, judge
from admit.issuer.grants.store import families as store
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.rules import is_public_id
from admit.issuer.storage import Database, Row

LIST_AT_MOST = 500


class Families:
    """Grants and their refresh tokens. No token is stored, nor its hash."""

    def __init__(self, db: Database, lists: Lists, config: GrantsConfig | None = None) -> None:
        self._db = db
        self._lists = lists
        self._config = config or GrantsConfig()
        self._keys = RefreshKeys(db.keyring)

    async def refresh(
        self,
        token: str,
        *,
        client_id: str,
        rotates: bool,
        info: RequestInfo,
        now: float,
        jkt: str | None = None,
        seen_every: timedelta = timedelta(minutes=1),
        fits: Fits = always,
    ) -> Refreshed | Refused:
        """What a refresh token of this authenticated client is worth. `rotates`: it is replaced at each use, as those
        of a public client without a key are. Refused is `invalid_grant`. The session that the family hangs from is
        noted as used, unless that was noted within `seen_every`. What `fits` raises is raised, and nothing was done.
        """
        parsed = refresh_token.parse(token)
        if parsed is None:
            return Refused(Refusal.FORGED)
        if rotates and self._db.dialect == "postgresql":
            # A hot path: two round trips to the server instead of seven.
            done = await self._at_once(
                parsed, client_id=client_id, jkt=jkt, seen_every=seen_every, info=info, now=now, fits=fits
            )
            if done is not None:
                return done
        return await self._db.run(
            refreshing.refresh,
            self._lists,
            self._keys,
            self._config,
            parsed,
            client_id=client_id,
            rotates=rotates,
            jkt=jkt,
            seen_every=seen_every,
            info=info,
            now=now,
            fits=fits,
        )

    async def _at_once(
        self,
        token: RefreshToken,
        *,
        client_id: str,
        jkt: str | None,
        seen_every: timedelta,
        info: RequestInfo,
        now: float,
        fits: Fits,
    ) -> Refreshed | None:
        """The rotation of a token that nothing is wrong with, in one statement. None: the transaction decides, from
        the beginning.
        """
        found = await self.get_of_user(token.family)
        stored, user = found if found is not None else (None, None)
        decision = judge(
            self._keys, self._config, token, stored, client_id=client_id, rotates=True, jkt=jkt, now=now
        )
        if stored is None or not isinstance(decision, rules.Rotate):
            return None
        fits(stored, user)
        after = refreshing.rotated(stored, now)
        told = refreshing.note(AuditEvent.TOKEN_REFRESHED, after, Outcome.DONE, info=info, now=now)
        try:
            rows = await self._db.write(
                store.ROTATE_AND_TELL(
                    family=stored.id,
                    after=decision.after,
                    of_client=client_id,
                    of_session=refreshing.used_session(stored),
                    before=now - seen_every.total_seconds(),
                    now=now,
                    **told.params,
                )
            )
        except StorageUnavailableError:
            if not self._config.refresh_grace:
                raise  # it may have been done, and would look like a second use
            return None  # if it was done, the transaction takes it for a reply that was lost
        if not rows:
            return None
        return Refreshed(family=after, refresh_token=self._keys.write(after, after.generation), user=user)

    async def revoke(self, token: str, *, client_id: str, info: RequestInfo, now: float) -> bool:
        """End the family of a refresh token, RFC 7009 §2.1. False: no live family of this client's."""
        parsed = refresh_token.parse(token)
        if parsed is None:
            return False
        return await self._db.run(
            ends.revoke, self._lists, self._keys, parsed, client_id=client_id, info=info, now=now
        )

    async def revoke_family(self, family_id: str, *, client_id: str, info: RequestInfo, now: float) -> bool:
        """End the family of an access token that this client showed. False: not its own, or over."""
        return await self._db.run(
            ends.end_for_client, self._lists, family_id, client_id=client_id, info=info, now=now
        )

    async def get(self, family_id: str) -> Family | None:
        """A family by its id, ended or not."""
        row = await self._db.one(store.FIND(family=family_id)) if is_public_id(family_id) else None
        return None if row is None else store.family_of(row)

    async def get_of_user(self, family_id: str) -> OfUser | None:
        """The same with whose it is, in one read."""
        row = await self._db.one(store.FIND_OF_USER(family=family_id)) if is_public_id(family_id) else None
        return None if row is None else store.of_user(row)

    async def at_of_user(self, idx: int) -> OfUser | None:
        """The family with this index, ended or not, with whose it is."""
        row = await self._db.one(store.AT_OF_USER(idx=idx))
        return None if row is None else store.of_user(row)

    async def at(self, idx: int) -> Family | None:
        """The family with this index, ended or not."""
        row = await self._db.one(store.AT(idx=idx))
        return None if row is None else store.family_of(row)

    async def shown(self, token: str, *, client_id: str, rotates: bool, now: float) -> Family | None:
        """The family of a refresh token that would be taken from this client now; nothing is used up by asking."""
        parsed = refresh_token.parse(token)
        stored = await self.get(parsed.family) if parsed is not None else None
        if parsed is None or stored is None:
            return None
        decision = judge(
            self._keys, self._config, parsed, stored,
            client_id=client_id, rotates=rotates, jkt=stored.jkt, now=now,
        )  # fmt: skip
        return stored if isinstance(decision, rules.Rotate | rules.Keep) else None

    def good_until(self, family: Family) -> float:
        """When its refresh tokens are worth nothing any more, if none is used before."""
        return min(family.expires_at, family.used_at + idle_limit(family, self._config).total_seconds())

    async def of_client(self, client_id: str, now: float, *, limit: int = LIST_AT_MOST) -> list[Family]:
        """The live grants of a client, the newest first."""
        return self._used(
            await self._db.read(store.OF_CLIENT(client_id=client_id, now=now, count=limit)), now
        )

    def _used(self, rows: Sequence[Row], now: float) -> "list[Family]":
        """Those that are not idle: the refresh tokens of the others are worth nothing any more."""
        families = map(store.family_of, rows)
        return [one for one in families if now - one.used_at < idle_limit(one, self._config).total_seconds()]

    async def list(self, user_id: str, now: float) -> list[Family]:
        """The live grants of a user, the newest first."""
        return self._used(
            await self._db.read(store.OF_USER(user_id=user_id, now=now, count=LIST_AT_MOST)), now
        )

    async def end(self, family_id: str, *, user_id: str, reason: str, info: RequestInfo, now: float) -> bool:
        """End a grant of this user's. False: not this user's, or over."""
        if not is_public_id(family_id):
            return False
        return await self._db.run(
            ends.end, self._lists, family_id, user_id, reason=reason, info=info, now=now
        )

    async def end_whosever(self, family_id: str, *, reason: str, info: RequestInfo, now: float) -> bool:
        """End a grant whoever's it is. For operators: `info.actor` says who. False: none, or over."""
        if not is_public_id(family_id):
            return False
        return await self._db.run(
            ends.end_whosever, self._lists, family_id, reason=reason, info=info, now=now
        )

    async def end_of_user_and_client(
        self, user_id: str, client_id: str, *, reason: str, info: RequestInfo, now: float
    ) -> int:
        """End every grant that this user gave this client; how many."""
        return await self._db.run(
            ends.end_of_user_and_client, self._lists, user_id, client_id, reason=reason, info=info, now=now
        )

    async def end_of_client(self, client_id: str, *, reason: str, info: RequestInfo, now: float) -> int:
        """End every grant of a client and what came from them; how many. The client may be granted new ones."""
        return await self._db.run(
            ends.end_of_client, self._lists, client_id, reason=reason, info=info, now=now
        )
