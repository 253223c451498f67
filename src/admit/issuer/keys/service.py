"""Signing keys of a node: one snapshot for requests, and the turns that a background job makes."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from admit.errors import ConfigError, ConflictError, InvalidKeyError
from admit.issuer.keys import rules, store
from admit.issuer.keys.config import KeysConfig
from admit.issuer.keys.records import (
    KeyEvent,
    KeyEventKind,
    KeySnapshot,
    KeyState,
    Purpose,
    StoredKey,
    row_to_key,
)
from admit.issuer.storage import Bound, Database, Keyring, SealError
from admit.jose import JWK, JWKSet, json
from admit.tokens.kinds import STATUS_KID

SEALED_AS = "signing-key"


class SigningKeys:
    """Keys live in the database, so that all nodes sign with the same ones; `snapshot` is this node's view of them.

    `tell` makes the audit record of each change. Call `ensure` at start, `refresh` every few seconds, `advance` about
    once an hour.
    """

    def __init__(
        self, db: Database, config: KeysConfig | None = None, *, tell: store.Tell | None = None
    ) -> None:
        self._db = db
        self._config = config if config is not None else KeysConfig()
        self._tell = tell
        self._opened: dict[
            str, JWK
        ] = {}  # public and private keys by kid and half: unsealing and import cost
        self._rows: tuple[object, ...] = ()
        self._asked = self._answered = 0
        self._turning = asyncio.Lock()  # RSA keys cost a tenth of a second: one at a time in a process
        self.snapshot = KeySnapshot()

    async def ensure(self, now: float) -> KeySnapshot:
        """See that every configured kind has an active key; of many nodes at once one makes it. `now`: epoch seconds.

        Raises:
            ConfigError: a stored key was sealed with a key that the keyring does not hold.
            StorageUnavailableError: the database was not reached.
        """
        async with self._turning:
            keys = (await self.refresh(now)).keys
            for action in rules.missing(keys, self._config, now):
                await self._do(action, now)
            return await self.refresh(now)

    async def refresh(self, now: float) -> KeySnapshot:
        """Read the keys and swap the snapshot when they changed.

        Raises:
            ConfigError, StorageUnavailableError: as `ensure`; the snapshot then stays as it was.
        """
        self._asked += 1
        asked = self._asked
        rows = await self._db.read(store.SELECT_KEYS())
        if asked < self._answered:
            return self.snapshot  # an older answer must not undo a newer one
        self._answered = asked
        seen = tuple((row["kid"], row["state"], row["revoked_at"], row["activates_at"]) for row in rows)
        if seen != self._rows:
            self.snapshot = self._build(rows)
            self._rows = seen
        return self.snapshot

    async def advance(self, now: float) -> KeySnapshot:
        """Do what is due: make next keys, turn them active, withdraw and forget old ones. Safe on all nodes at once."""
        async with self._turning:
            for action in rules.due((await self.refresh(now)).keys, self._config, now):
                await self._do(action, now)
            return await self.refresh(now)

    async def rotate(
        self, alg: str, now: float, *, purpose: Purpose = "token", actor: str | None = None
    ) -> StoredKey:
        """Begin a rotation: the next key is made, or one that stands ready signs as soon as everybody knows it.

        The returned key's `activates_at` says when `advance` will turn it active; never less than `publish_ahead`
        after it was first published. For a stolen key use `revoke`.

        Raises:
            ConfigError: no such kind of key is configured.
        """
        self._check_kind(purpose, alg)
        async with self._turning:
            following = rules.next_of((await self.refresh(now)).keys, purpose, alg)
            if following is None:
                ahead = now + self._config.publish_ahead.total_seconds()
                await self._make(rules.Make(purpose, alg, KeyState.NEXT, ahead), now, actor)
            else:
                at = max(now, rules.earliest(following, self._config))
                await self._db.run(store.bring_forward, key=following.kid, at=at)
            for action in rules.due((await self.refresh(now)).keys, self._config, now):
                await self._do(action, now, actor)
            keys = (await self.refresh(now)).keys
        ready = rules.next_of(keys, purpose, alg)
        return ready if ready is not None else _active(keys, purpose, alg)

    async def revoke(self, kid: str, now: float, *, actor: str | None = None) -> bool:
        """Stop trusting a key at once: out of /jwks, named in every head, replaced when it was active.

        Returns whether `kid` was known and not revoked before. Tokens that it signed are refused by every verifier
        within its `max_staleness`.
        """
        async with self._turning:
            key = next((key for key in (await self.refresh(now)).keys if key.kid == kid), None)
            if key is None:
                return False
            told = self._told(KeyEventKind.REVOKED, key, now, actor)
            revoked = await self._db.run(store.revoke, key=kid, told=told, now=now)
            for action in rules.missing((await self.refresh(now)).keys, self._config, now):
                await self._do(action, now, actor)
            await self.refresh(now)
            return revoked

    def _stored(self, kid: str) -> StoredKey:
        return next(key for key in self.snapshot.keys if key.kid == kid)

    def _check_kind(self, purpose: Purpose, alg: str) -> None:
        if (purpose, alg) not in self._config.algorithms:
            kinds = ", ".join(f"{p} {a}" for p, a in self._config.algorithms)
            raise ConfigError(f"no such kind of key; there are: {kinds}")

    async def _do(self, action: rules.Action, now: float, actor: str | None = None) -> None:
        match action:
            case rules.Make():
                await self._make(action, now, actor)
            case rules.Promote(kid):
                told = self._told(KeyEventKind.ROTATED, self._stored(kid), now, actor)
                with contextlib.suppress(ConflictError):  # another node was first
                    await self._db.run(store.promote, new=kid, told=told, now=now)
            case rules.Activate(kid, active):
                until = rules.withdrawn_at(self._config, now)
                told = self._told(KeyEventKind.ROTATED, self._stored(kid), now, actor)
                with contextlib.suppress(store.Overtaken):
                    await self._db.run(store.activate, new=kid, old=active, until=until, told=told, now=now)
            case rules.Withdraw(kid):
                await self._db.run(store.withdraw, key=kid, now=now)
            case rules.Forget(kid):
                await self._db.run(store.forget, key=kid)

    async def _make(self, make: rules.Make, now: float, actor: str | None = None) -> None:
        key = await asyncio.to_thread(generate, make.purpose, make.alg)
        assert key.kid is not None
        event = KeyEvent(KeyEventKind.MADE, key.kid, make.purpose, make.alg, now, actor)
        await self._db.run(
            store.insert_key,
            kid=key.kid,
            purpose=make.purpose,
            alg=make.alg,
            public_jwk=json.dumps_object(key.public().to_dict()).decode(),
            private_sealed=seal(self._db.keyring, key),
            state=make.state,
            activates_at=make.activates_at,
            told=None if self._tell is None else self._tell(event),
            now=now,
        )

    def _told(self, kind: KeyEventKind, key: StoredKey, now: float, actor: str | None) -> Bound | None:
        if self._tell is None:
            return None
        return self._tell(KeyEvent(kind, key.kid, key.purpose, key.alg, now, actor))

    def _build(self, rows: Sequence[Any]) -> KeySnapshot:
        keys = tuple(row_to_key(row) for row in rows)
        publics = {row["kid"]: self._public(row) for row in rows}
        trusted = [key for key in keys if key.revoked_at is None]
        shown = JWKSet(publics[key.kid] for key in trusted if rules.is_published(key))
        of_tokens = [key for key in trusted if key.purpose == "token"]
        signers = {
            (row["purpose"], row["alg"]): self._private(row)
            for row in rows
            if row["state"] == KeyState.ACTIVE
        }
        return KeySnapshot(
            keys=keys,
            signers=signers,
            public_keys=shown,
            known=JWKSet(publics[key.kid] for key in trusted),
            token_keys=JWKSet(publics[key.kid] for key in of_tokens if rules.is_published(key)),
            hint_keys=JWKSet(publics[key.kid] for key in of_tokens),
            jwks_bytes=json.dumps_object(shown.to_dict()),
            revoked_kids=frozenset(key.kid for key in keys if key.revoked_at is not None),
        )

    def _public(self, row: Any) -> JWK:
        kid: str = row["kid"]
        if kid not in self._opened:
            self._opened[kid] = JWK.load(row["public_jwk"])
        return self._opened[kid]

    def _private(self, row: Any) -> JWK:
        held = self.snapshot.signers.get((row["purpose"], row["alg"]))
        if held is not None and held.kid == row["kid"]:
            return held
        return unseal(self._db.keyring, row["kid"], row["private_sealed"])


def generate(purpose: Purpose, alg: str) -> JWK:
    """A new signing key; its `kid` is the thumbprint (RFC 7638), for a status key behind `status-`."""
    bare = JWK.generate(alg)
    kid = f"{STATUS_KID}{bare.kid}" if purpose == "status" else bare.kid
    return JWK.load({**bare.to_dict(private=True), "kid": kid, "use": "sig"})


def seal(keyring: Keyring, key: JWK) -> bytes:
    """The private key as it may stand in the database: encrypted by a key that is kept elsewhere, bound to its kid."""
    assert key.kid is not None
    return keyring.seal(SEALED_AS, key.to_private_bytes(), bound_to=key.kid)


def unseal(keyring: Keyring, kid: str, sealed: bytes | None) -> JWK:
    """The private key of a row. Raises ConfigError when the keyring cannot open it or it is another key."""
    try:
        key = JWK.load(keyring.open(SEALED_AS, sealed or b"", bound_to=kid))
    except (SealError, InvalidKeyError):
        raise ConfigError(
            "a signing key does not open with this keys.file: restore the file that sealed it (keys.file, ADMIT_KEYS)"
        ) from None
    if key.kid != kid:
        raise ConfigError("a signing key in the database is not the one its row names")
    return key


def _active(keys: Sequence[StoredKey], purpose: Purpose, alg: str) -> StoredKey:
    return next(key for key in keys if (key.purpose, key.alg, key.state) == (purpose, alg, KeyState.ACTIVE))
