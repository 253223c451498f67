"""`Registration`: clients make themselves known (RFC 7591), and look after what is registered of them (RFC 7592)."""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from admit.issuer.audit import AuditEvent, Outcome, RequestInfo, record
from admit.issuer.audit.records import NOBODY
from admit.issuer.clients import kept, metadata, rules, store, transactions
from admit.issuer.clients.config import RegistrationConfig
from admit.issuer.clients.errors import InvalidClientMetadataError, RegistrationTokenError
from admit.issuer.clients.policy import Policy
from admit.issuer.clients.records import Client
from admit.issuer.clients.registry import Registry
from admit.issuer.storage import Database, Row, Steps
from admit.issuer.throttle import Verdict, bucket, take, take_in_network

MAX_TOKEN: Final = 200  # characters; ours have 43 and a prefix
MAX_INVITED: Final = 10_000  # clients by one initial access token


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A client as it was registered now, with what is shown this once. `secret` is None where it has none, or keeps the
    one that it has.
    """

    client: Client
    issued_at: float
    secret: str | None = field(repr=False)
    registration_access_token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """An initial access token, RFC 7591 §3, without itself. Times are seconds since the epoch."""

    id: str
    policy: Policy
    uses_left: int
    created_at: float
    expires_at: float


class Registration:
    """What `/clients` does. It never fetches anything that a client names."""

    def __init__(self, db: Database, registry: Registry, config: RegistrationConfig) -> None:
        self._db = db
        self._registry = registry
        self.config = config

    # RFC 7591

    async def register(
        self, members: Mapping[str, Any], token: str | None, *, info: RequestInfo, now: float
    ) -> Registered:
        """Keep the client that these members describe, under an id of our own making. `token` is the initial access
        token that it came with.

        Raises:
            ThrottledError: too many from this network.
            RegistrationTokenError: no token where one is needed, or one that is not good.
            InvalidClientMetadataError, InvalidRedirectUriError: what is not taken.
        """
        await self.check_rate(info, now)
        try:
            policy = await self.policy_for(token, now)
            read = metadata.read(members)
            secret = rules.new_secret() if metadata.method_of(read) in metadata.SECRET_METHODS else None
            client = metadata.client_of(
                read, id=new_id(members), secret_hashes=hashes_of(secret), policy=policy,
                registry=self._registry,
            )  # fmt: skip
            ours = new_token()
            kept_now = await self._db.run(
                transactions.register, client, token=hash_token(token) if token is not None else None,
                registration_hash=hash_token(ours), info=info, now=now,
            )  # fmt: skip
            if not kept_now:
                raise RegistrationTokenError("spent meanwhile")
        except (RegistrationTokenError, InvalidClientMetadataError) as error:
            await self._db.run(tell_refused, error.code, error.detail, info=info, now=now)
            raise
        return Registered(client=client, issued_at=now, secret=secret, registration_access_token=ours)

    async def check_rate(self, info: RequestInfo, now: float) -> None:
        """Raises: ThrottledError, when this network has asked too often."""
        verdict = await self._db.run(
            take_in_network, kind="registration", ip=info.ip, limit=self.config.per_network,
            window=self.config.window, now=now,
        )  # fmt: skip
        verdict.or_throttled("registrations")

    async def check_updates(self, client_id: str, info: RequestInfo, now: float) -> None:
        """As often as one network may register, a client may be changed, and one network may change clients: each
        change is a record of the audit. Counted once the token was seen to be the client's, so that nobody else can use
        this up.

        Raises:
            ThrottledError
        """
        verdict = await self._db.run(count_update, client_id, self.config, info=info, now=now)
        verdict.or_throttled("updates of clients")

    async def policy_for(self, token: str | None, now: float) -> Policy:
        """What a client that comes with this token may have. A token that is not good is refused even where none is
        needed: who has one expects what it gives.

        Raises:
            RegistrationTokenError
        """
        if token is None:
            if not may_come(self.config):
                raise RegistrationTokenError("no initial access token")
            return Policy.of_registration(self.config, trusted=False)
        if len(token) > MAX_TOKEN:
            raise RegistrationTokenError("initial access token")
        row = await self._db.one(store.FIND_TOKEN(presented=hash_token(token), now=now))
        if row is None:
            raise RegistrationTokenError("initial access token")
        return Policy.read(row["policy"])

    # RFC 7592

    async def read(self, client_id: str, token: str | None) -> Registered:
        """What is registered of a client.

        Raises:
            RegistrationTokenError: not this client's token, or no such client; the two look the same.
        """
        row = await self._row(client_id, token)
        return Registered(
            client=self._client(row),
            issued_at=row["created_at"],
            secret=None,
            registration_access_token=token,
        )

    async def replace(
        self, client_id: str, token: str | None, members: Mapping[str, Any], *, info: RequestInfo, now: float
    ) -> Registered:
        """All of a client's metadata anew. The registration access token is replaced, and worth nothing from then on;
        a secret is kept, unless the client changes to or from a method that has one.

        Raises:
            RegistrationTokenError: not this client's token, or no such client.
            InvalidClientMetadataError, InvalidRedirectUriError: what is not taken.
            ThrottledError: this client, or clients from this network, were changed too often.
        """
        row = await self._row(client_id, token)
        await self.check_updates(client_id, info, now)
        before = self._client(row)
        check_same(members, before)
        read = metadata.read(members)
        secret = None
        hashes = before.secret_hashes
        if metadata.method_of(read) in metadata.SECRET_METHODS and not hashes:
            secret = rules.new_secret()
            hashes = hashes_of(secret)
        policy = await self._policy_of(row, before)
        client = metadata.client_of(
            read, id=client_id, secret_hashes=hashes, policy=policy, registry=self._registry
        )
        ours = new_token()
        replaced = await self._db.run(
            transactions.replace_registered, client, presented=hash_token(token or ""),
            registration_hash=hash_token(ours), info=info, now=now,
        )  # fmt: skip
        if not replaced:
            raise RegistrationTokenError("replaced meanwhile")
        return Registered(
            client=client, issued_at=row["created_at"], secret=secret, registration_access_token=ours
        )

    async def presented(self, client_id: str, token: str | None) -> bytes:
        """The hash of a registration access token that is this client's: what its removal has to name.

        Raises:
            RegistrationTokenError: it is not.
        """
        await self._row(client_id, token)
        return hash_token(token or "")

    async def _row(self, client_id: str, token: str | None) -> Row:
        if token is None or len(token) > MAX_TOKEN or not rules.is_client_id(client_id):
            raise RegistrationTokenError("registration access token")
        row = await self._db.one(store.FIND_ROW(id=client_id))
        good = row is not None and row["removed_at"] is None and is_token_of(row["registration_hash"], token)
        if row is None or not good:
            raise RegistrationTokenError("registration access token")
        return row

    def _client(self, row: Row) -> Client:
        return kept.client_of(row["id"], row["document"], row["secret_hashes"])

    async def _policy_of(self, row: Row, before: Client) -> Policy:
        """What the client may have: what its own initial access token said, or the settings of now."""
        if row["invited_by"] is not None:
            found = await self._db.one(store.POLICY_OF(id=row["invited_by"]))
            if found is not None:
                return Policy.read(found["policy"])
        return Policy.of_registration(self.config, trusted=before.trusted)

    # Initial access tokens

    async def invite(
        self,
        *,
        uses: int,
        lifetime: timedelta,
        policy: Policy | None = None,
        info: RequestInfo = NOBODY,
        now: float,
    ) -> tuple[str, Invite]:
        """A new initial access token, shown this once, and what is kept of it. Clients that come with it are trusted.

        Raises:
            ValueError: no uses, too many, or no time.
        """
        if not 1 <= uses <= MAX_INVITED or lifetime <= timedelta(0):
            raise ValueError("an invitation wants 1 to 10,000 uses and some time")
        if policy is None:
            policy = Policy.of_registration(self.config, trusted=True)
        token = new_token()
        made = Invite(
            id=f"i_{secrets.token_hex(8)}", policy=replace(policy, trusted=True), uses_left=uses, created_at=now,
            expires_at=now + lifetime.total_seconds(),
        )  # fmt: skip
        await self._db.run(
            transactions.invite, made.id, hash_token(token), made.policy.write(), uses=uses,
            expires_at=made.expires_at, info=info, now=now,
        )  # fmt: skip
        return token, made

    async def invites(self, now: float) -> list[Invite]:
        """Those by which clients can register yet, or could until their uses were spent."""
        return [
            Invite(
                id=row["id"], policy=Policy.read(row["policy"]), uses_left=row["uses_left"],
                created_at=row["created_at"], expires_at=row["expires_at"],
            )
            for row in await self._db.read(store.LIST_TOKENS(now=now))
        ]  # fmt: skip

    async def remove_invite(self, id: str, *, info: RequestInfo = NOBODY, now: float) -> bool:
        """Let nobody register by it any more. False: no such one. The clients that did stay."""
        return await self._db.run(transactions.remove_invite, id, info=info, now=now)


def count_update(
    client_id: str, config: RegistrationConfig, *, info: RequestInfo, now: float
) -> Steps[Verdict]:
    """One more change of this client, from this network."""
    of_client = yield from take(
        bucket=bucket("client-update", client_id), limit=config.per_network, window=config.window, now=now
    )
    if not of_client.allowed:
        return of_client
    return (
        yield from take_in_network(
            kind="client-update", ip=info.ip, limit=config.per_network, window=config.window, now=now
        )
    )


def new_id(members: Mapping[str, Any]) -> str:
    """The id of a new client: ours to make, whatever the members say, RFC 9700 §4.15."""
    return rules.new_client_id()


def may_come(config: RegistrationConfig) -> bool:
    """Whether a client may register without an initial access token: only where a setting says so by name."""
    return config.open


def new_token() -> str:
    """An initial or registration access token: 256 random bits."""
    return f"r_{secrets.token_urlsafe(32)}"


def hash_token(token: str) -> bytes:
    """What is kept of it."""
    return rules.hash_secret(token)


def is_token_of(kept_hash: bytes | None, presented: str) -> bool:
    """Whether this is the registration access token that the row keeps the hash of; in constant time."""
    return kept_hash is not None and hmac.compare_digest(bytes(kept_hash), hash_token(presented))


def hashes_of(secret: str | None) -> tuple[bytes, ...]:
    """What is kept of a new secret."""
    return (rules.hash_secret(secret),) if secret is not None else ()


_OURS: Final = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
)


def check_same(members: Mapping[str, Any], client: Client) -> None:
    """An update names the client that it is about, and its secret if any; nothing that is ours to say, RFC 7592 §2.2.

    Raises:
        InvalidClientMetadataError: it does not.
    """
    if members.get("client_id") != client.id:
        raise metadata.invalid("client_id", "is not this client's")
    if any(name in members for name in _OURS):
        raise metadata.invalid("the update", "has members that only this server gives")
    secret = members.get("client_secret")
    if secret is not None and not (
        isinstance(secret, str) and rules.verify_secret(client.secret_hashes, secret)
    ):
        raise metadata.invalid("client_secret", "is not this client's")


def tell_refused(code: str, reason: str, *, info: RequestInfo, now: float) -> Steps[None]:
    """One record of a refused registration; how many there are is bounded by the throttle before."""
    detail = {"reason": f"{code}: {reason}"}
    yield record(AuditEvent.REGISTRATION_REFUSED, outcome=Outcome.REFUSED, info=info, now=now, detail=detail)
