"""`Accounts`: what the rest of the issuer asks about people."""

import secrets
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from typing import Final, Literal

from admit.errors import TooBusyError
from admit.issuer.accounts import policy, rules, store, transactions
from admit.issuer.accounts.changing import Changing
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.devices import KnownDevices
from admit.issuer.accounts.dummies import PURPOSE, Dummies
from admit.issuer.accounts.errors import (
    EmailError,
    EmailTakenError,
)
from admit.issuer.accounts.guessing import Guesser, Guesses
from admit.issuer.accounts.passwords import Match, PasswordHasher
from admit.issuer.accounts.records import User
from admit.issuer.accounts.transactions import RightPassword, Welcome, no_welcome
from admit.issuer.audit.records import AuditEvent, RequestInfo
from admit.issuer.outbox import NO_MAIL, Outbox
from admit.issuer.revocation.lists import Lists
from admit.issuer.storage import Database, bound_once
from admit.issuer.throttle import queue_of, take_in_network
from admit.issuer.throttle.budgets import refund

LEARN_EVERY: Final = 600.0  # seconds
SAMPLE: Final = 512


def new_user_id() -> str:
    """`u_` and 128 random bits: no client id begins so, hence no client is ever taken for a user, RFC 9700 §4.15."""
    return "u_" + secrets.token_urlsafe(16)


class Accounts(Changing):
    """People's accounts in Admit's own tables. Methods that change something leave an audit record in the same
    transaction.
    """

    def __init__(
        self,
        db: Database,
        lists: Lists,
        hasher: PasswordHasher,
        config: AccountsConfig | None = None,
        *,
        known: Collection[str] = (),
        outbox: Outbox = NO_MAIL,
    ) -> None:
        """`known`: names of the service, which make no password. `outbox` tells people what was done to their account
        by others.
        """
        self._outbox = outbox
        self._known = policy.context_words(*known)
        self._db = db
        self._lists = lists
        self._hasher = hasher
        self._config = config or AccountsConfig()
        self.devices = KnownDevices(db, self._config)
        self._guesses = Guesses(db, self._config)
        self._dummies = Dummies(db.keyring.derive(PURPOSE)[1], hasher.is_ours)
        self._learnt_at = float("-inf")

    @property
    def is_elsewhere(self) -> bool:
        """Whether an application keeps the accounts, so that nothing of them is changed here."""
        return False

    @property
    def signs_in_by(self) -> Literal["email", "username"]:
        """What people type beside the password."""
        return "email"

    async def changed(self, *user_ids: str) -> None:
        """Somebody says that accounts changed. What is kept here is read each time."""

    async def sign_up(
        self,
        *,
        email: str,
        name: str,
        password: str,
        info: RequestInfo,
        now: float,
        locale: str | None = None,
        welcome: Welcome = no_welcome,
    ) -> User:
        """Make an account that a stranger asked for. `welcome` goes into the same transaction.

        Raises:
            EmailError, PersonNameError, PasswordError: what was typed cannot be taken.
            EmailTakenError: there is such an account, found out at the cost of a hash, as success is.
            ThrottledError: too many from this network. TooBusyError: too many passwords wait.
        """
        octets = self.check_new_password(password, name, email)
        user = self._new_user(email=email, name=name, locale=locale, now=now)
        config = self._config
        verdict = await self._db.run(
            take_in_network,
            kind="signup",
            ip=info.ip,
            limit=config.signups_per_network,
            window=config.signups_window,
            now=now,
        )
        verdict.or_throttled("sign-ups of one network")
        return await self._insert(user, octets, event=AuditEvent.SIGNUP, info=info, welcome=welcome)

    async def add(
        self,
        *,
        email: str,
        name: str,
        password: str,
        info: RequestInfo,
        now: float,
        locale: str | None = None,
        roles: Collection[str] = (),
        groups: Collection[str] = (),
    ) -> User:
        """Make an account on an operator's word; not throttled. Raises what `sign_up` raises."""
        octets = self.check_new_password(password, name, email)
        user = self._new_user(email=email, name=name, locale=locale, now=now, roles=roles, groups=groups)
        return await self._insert(user, octets, event=AuditEvent.USER_ADDED, info=info)

    def _new_user(
        self,
        *,
        email: str,
        name: str,
        locale: str | None,
        now: float,
        roles: Collection[str] = (),
        groups: Collection[str] = (),
    ) -> User:
        return User(
            id=new_user_id(),
            email=rules.canonical_email(email),
            email_shown=rules.shown_email(email),
            name=rules.clean_name(name),
            roles=frozenset(map(rules.check_label, roles)),
            groups=frozenset(map(rules.check_label, groups)),
            locale=rules.check_locale(locale),
            created_at=now,
            updated_at=now,
        )

    def check_new_password(self, password: str, *about: str) -> bytes:
        """The octets of a password that may be set by a person of whom others know `about`: name and address.

        Raises:
            PasswordError: it may not; each reason has its class.
        """
        return policy.check_new_password(password, context=self._known | policy.context_words(*about))

    async def _insert(
        self,
        user: User,
        octets: bytes,
        *,
        event: AuditEvent,
        info: RequestInfo,
        welcome: Welcome = no_welcome,
    ) -> User:
        # Hashed before it is known whether the email is free: both answers take as long.
        hashed = await self._hasher.hash(
            octets, network=queue_of(info.ip), known=event is not AuditEvent.SIGNUP
        )
        made = await self._db.run(
            transactions.insert_user, user, hashed, event=event, info=info, welcome=welcome
        )
        if not made:
            raise EmailTakenError("email taken")
        return user

    async def check_password(
        self, *, email: str, password: str, info: RequestInfo, now: float, device: bytes | None = None,
        whose: User | None = None,
    ) -> User | None:  # fmt: skip
        """The user whose password this is, by `try_password`; the price of the try is given back here."""
        right = await self.try_password(
            email=email, password=password, info=info, now=now, device=device, whose=whose
        )
        if right is None:
            return None
        await self._db.run(right.give_back)
        return right.user

    async def try_password(
        self, *, email: str, password: str, info: RequestInfo, now: float, device: bytes | None = None,
        whose: User | None = None,
    ) -> RightPassword | None:  # fmt: skip
        """The user whose password this is, None for a wrong one, an unknown email, or a disabled user: all at the cost
        of one hash. A success is audited by the session that it begins, and `give_back` belongs into its transaction.

        `device`: the secret that the browser sent, if any. Where the account knows it, guesses from elsewhere do not
        count. `whose`: who is signed in and types the password once more; then nobody else is looked for.

        Raises:
            ThrottledError: this account, network or device had too many tries; nothing was hashed.
            TooBusyError: too many passwords wait to be hashed.
        """
        octets = rules.password_bytes(password)
        if octets is None:
            return None  # nobody's, whoever is meant: as quick for all
        typed = email if whose is None else whose.email
        identifier = rules.canonical_identifier(typed[: 4 * rules.EMAIL_MAX_CHARS])
        await self._learn_costs(now)
        # What is no address is nobody's, and may hold what a database does not take.
        known = rules.is_email(identifier)
        rows = await self._db.read(store.LOGIN_BY_EMAIL(email=identifier)) if known else ()
        user = store.user_of(rows[0]) if rows else None
        stored: str | None = rows[0]["password_hash"] if rows else None
        guesser = Guesser(
            identifier=identifier,
            user_id=user.id if user is not None else None,
            device=await self.devices.find(device, user, now),
            info=info,
        )
        drawn = await self._guesses.draw(guesser, now=now)
        try:
            match = await self._hasher.verify(
                stored,
                octets,
                dummy=self._dummies.of(identifier),
                network=queue_of(info.ip),
                known=not guesser.is_stranger,
            )
        except TooBusyError:
            await self._guesses.give_back(drawn)
            raise  # nothing was guessed: who comes back as told must not be shut out for it
        if user is None or match is Match.NO or not rules.may_sign_in(user):
            reason = "unknown" if user is None else "wrong password" if match is Match.NO else "disabled"
            await self._guesses.failed(guesser, reason=reason, now=now)
            return None
        if match is Match.OUTDATED:
            with suppress(TooBusyError):  # the next sign-in does it
                hashed = await self._hasher.hash(octets, network=queue_of(info.ip))
                await self._db.run(
                    bound_once, store.REHASH_PASSWORD(of_user=user.id, old_hash=stored, new_hash=hashed)
                )
        return RightPassword(user, partial(refund, drawn))

    async def _learn_costs(self, now: float) -> None:
        """What accounts' hashes cost, for those that are none. Asked for whoever tries, so that it tells nothing."""
        if 0 <= now - self._learnt_at < LEARN_EVERY:
            return
        self._learnt_at = now
        sample = await self._db.read(store.SOME_HASHES(count=SAMPLE))
        self._dummies.learn(row["password_hash"] for row in sample)

    async def sweep(self, now: float) -> None:
        """Forget what is counted no more, and devices that nobody uses."""
        await self._guesses.sweep(now)
        await self.devices.sweep(now)

    async def find(self, email: str) -> User | None:
        """The user with this email, in whatever spelling of it."""
        try:
            canonical = rules.canonical_email(email)
        except EmailError:
            return None
        row = await self._db.one(store.USER_BY_EMAIL(email=canonical))
        return None if row is None else store.user_of(row)

    async def get(self, user_id: str) -> User | None:
        """The user with this id, disabled or not."""
        return await self.kept(user_id)

    async def kept(self, user_id: str) -> User | None:
        """What is kept here of the user with this id, and nobody is asked about: enough to end what there is."""
        row = await self._db.one(store.USER_BY_ID(user_id=user_id)) if rules.is_user_id(user_id) else None
        return None if row is None else store.user_of(row)

    async def list(self, *, limit: int = 100, after: str = "") -> list[User]:
        """Users in the order of their canonical email, from the one after `after`."""
        rows = await self._db.read(store.USERS_AFTER(after=after, count=limit))
        return [store.user_of(row) for row in rows]

    async def any_with_role(self, role: str) -> bool:
        """Whether somebody who is not disabled has this role."""
        return await self._db.one(store.ONE_WITH_ROLE(role=role)) is not None

    async def hash_new_password(self, user: User, password: str) -> str:
        """The hash of a password that this user may set.

        Raises:
            PasswordError: it may not be set. TooBusyError: too many passwords wait.
        """
        return await self._hasher.hash(self.check_new_password(password, user.name, user.email))
