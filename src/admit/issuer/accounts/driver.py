"""`Accounts`: what the rest of the issuer asks about people."""

import secrets
from collections.abc import Collection

from admit.errors import ThrottledError, TooBusyError
from admit.issuer.accounts import rules, store, transactions
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.errors import EmailError, EmailTakenError, UserNotFoundError
from admit.issuer.accounts.passwords import Match, PasswordHasher
from admit.issuer.accounts.records import User
from admit.issuer.accounts.transactions import Label
from admit.issuer.audit.records import AuditEvent, RequestInfo
from admit.issuer.revocation.lists import Lists
from admit.issuer.storage import Database, bound_once
from admit.issuer.throttle import bucket, network, take


def new_user_id() -> str:
    """`u_` and 128 random bits: no client id begins so, hence no client is ever taken for a user, RFC 9700 §4.15."""
    return "u_" + secrets.token_urlsafe(16)


def may_sign_in(user: User) -> bool:
    """A disabled user may not; found out after the hash, so that it takes as long as a wrong password."""
    return not user.is_disabled


def check_user_id(user_id: str) -> None:
    """Raises: UserNotFoundError for what cannot be an id."""
    if not rules.is_user_id(user_id):
        raise UserNotFoundError


class Accounts:
    """People's accounts in Admit's own tables. Methods that change something leave an audit record in the same
    transaction.
    """

    def __init__(
        self, db: Database, lists: Lists, hasher: PasswordHasher, config: AccountsConfig | None = None
    ) -> None:
        self._db = db
        self._lists = lists
        self._hasher = hasher
        self._config = config or AccountsConfig()

    async def sign_up(
        self,
        *,
        email: str,
        name: str,
        password: str,
        info: RequestInfo,
        now: float,
        locale: str | None = None,
    ) -> User:
        """Make an account that a stranger asked for.

        Raises:
            EmailError, PersonNameError, PasswordError: what was typed cannot be taken.
            EmailTakenError: there is such an account, found out at the cost of a hash, as success is.
            ThrottledError: too many from this network. TooBusyError: too many passwords wait.
        """
        rules.check_new_password(password)
        user = self._new_user(email=email, name=name, locale=locale, now=now)
        config = self._config
        verdict = await self._db.run(
            take,
            bucket=bucket("signup", network(info.ip)),
            limit=config.signups_per_network,
            window=config.signups_window,
            now=now,
        )
        if not verdict.allowed:
            raise ThrottledError("sign-ups of one network", retry_after=verdict.retry_after.total_seconds())
        return await self._insert(user, password, event=AuditEvent.SIGNUP, info=info)

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
        rules.check_new_password(password)
        user = self._new_user(email=email, name=name, locale=locale, now=now, roles=roles, groups=groups)
        return await self._insert(user, password, event=AuditEvent.USER_ADDED, info=info)

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

    async def _insert(self, user: User, password: str, *, event: AuditEvent, info: RequestInfo) -> User:
        # Hashed before it is known whether the email is free: both answers take as long.
        hashed = await self._hasher.hash(rules.check_new_password(password))
        if not await self._db.run(transactions.insert_user, user, hashed, event=event, info=info):
            raise EmailTakenError("email taken")
        return user

    async def check_password(
        self, *, email: str, password: str, info: RequestInfo, now: float
    ) -> User | None:
        """The user whose password this is, None for a wrong one, an unknown email, or a disabled user: all at the cost
        of one hash. A success is audited by the session that it begins.

        Raises:
            ThrottledError: this account or network had too many tries; nothing was hashed.
            TooBusyError: too many passwords wait to be hashed.
        """
        octets = rules.password_bytes(password)
        if octets is None:
            return None  # nobody's, whoever is meant: as quick for all
        identifier = rules.canonical_identifier(email[: 4 * rules.EMAIL_MAX_CHARS])
        await self._count_try(identifier, info, now)
        # What is no address is nobody's, and may hold what a database does not take.
        known = rules.is_email(identifier)
        rows = await self._db.read(store.LOGIN_BY_EMAIL(email=identifier)) if known else ()
        user = store.user_of(rows[0]) if rows else None
        stored: str | None = rows[0]["password_hash"] if rows else None
        try:
            match = await self._hasher.verify(stored, octets)
        except TooBusyError:
            await self._db.run(transactions.forgive_try, self._buckets(identifier, info))
            raise  # nothing was guessed: who comes back as told must not be shut out for it
        if user is None or match is Match.NO or not may_sign_in(user):
            reason = "unknown" if user is None else "wrong password" if match is Match.NO else "disabled"
            await self._db.run(
                transactions.note_failed_login, user.id if user else None, reason=reason, info=info, now=now
            )
            return None
        if match is Match.OUTDATED:
            hashed = await self._hasher.hash(octets)
            await self._db.run(
                bound_once, store.REHASH_PASSWORD(of_user=user.id, old_hash=stored, new_hash=hashed)
            )
        await self._db.run(transactions.forgive_try, self._buckets(identifier, info))
        return user

    @staticmethod
    def _buckets(identifier: str, info: RequestInfo) -> tuple[str, str]:
        return bucket("password-account", identifier), bucket("password-network", network(info.ip))

    async def _count_try(self, identifier: str, info: RequestInfo, now: float) -> None:
        config = self._config
        account, net = self._buckets(identifier, info)
        verdict = await self._db.run(
            transactions.count_try,
            ((account, config.tries_per_account), (net, config.tries_per_network)),
            window=config.tries_window,
            email=identifier if rules.is_email(identifier) else None,
            info=info,
            now=now,
        )
        if not verdict.allowed:
            raise ThrottledError("password tries", retry_after=verdict.retry_after.total_seconds())

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
        row = await self._db.one(store.USER_BY_ID(user_id=user_id)) if rules.is_user_id(user_id) else None
        return None if row is None else store.user_of(row)

    async def list(self, *, limit: int = 100, after: str = "") -> list[User]:
        """Users in the order of their canonical email, from the one after `after`."""
        rows = await self._db.read(store.USERS_AFTER(after=after, count=limit))
        return [store.user_of(row) for row in rows]

    async def any_with_role(self, role: str) -> bool:
        """Whether somebody who is not disabled has this role."""
        return await self._db.one(store.ONE_WITH_ROLE(role=role)) is not None

    async def add_role(self, user_id: str, role: str, *, info: RequestInfo, now: float) -> int | None:
        """Give a role; how many families were ended, None when the user has it already.

        The user's sessions end, since no session keeps its id through a rise in privilege: who signs in again has the
        role. Offline grants live on, and have it at their next refresh; but with `admit:admin`
        they end too, since who gave them was no operator.

        Raises:
            UserNotFoundError, AccountError: no such user; a name that is not taken.
        """
        return await self._change(user_id, Label.ROLE, role, give=True, info=info, now=now)

    async def remove_role(self, user_id: str, role: str, *, info: RequestInfo, now: float) -> int | None:
        """Take a role; how many families were ended, None when the user has it not.

        Every session and grant of the user ends in the same transaction: a token says which roles its user had, so
        what is left of them is refused by every verifier within its `max_staleness`. Raises as `add_role`.
        """
        return await self._change(user_id, Label.ROLE, role, give=False, info=info, now=now)

    async def add_group(self, user_id: str, group: str, *, info: RequestInfo, now: float) -> int | None:
        """As `add_role`."""
        return await self._change(user_id, Label.GROUP, group, give=True, info=info, now=now)

    async def remove_group(self, user_id: str, group: str, *, info: RequestInfo, now: float) -> int | None:
        """As `remove_role`."""
        return await self._change(user_id, Label.GROUP, group, give=False, info=info, now=now)

    async def _change(
        self, user_id: str, label: Label, name: str, *, give: bool, info: RequestInfo, now: float
    ) -> int | None:
        rules.check_label(name)
        check_user_id(user_id)
        return await self._db.run(
            transactions.change_label, self._lists, user_id, label, name, give=give, info=info, now=now
        )

    async def set_password(self, user_id: str, password: str, *, info: RequestInfo, now: float) -> int:
        """Set a new password and end every session and grant of the user; how many ended.

        Raises:
            PasswordError, UserNotFoundError, TooBusyError.
        """
        check_user_id(user_id)
        hashed = await self._hasher.hash(rules.check_new_password(password))
        ended = await self._db.run(
            transactions.set_password, self._lists, user_id, hashed, info=info, now=now
        )
        if ended is None:
            raise UserNotFoundError
        return ended

    async def disable(self, user_id: str, *, info: RequestInfo, now: float) -> int:
        """Bar the user, and end every session and grant in the same transaction; how many ended.

        Raises:
            UserNotFoundError.
        """
        check_user_id(user_id)
        ended = await self._db.run(transactions.disable, self._lists, user_id, info=info, now=now)
        if ended is None:
            raise UserNotFoundError
        return ended

    async def enable(self, user_id: str, *, info: RequestInfo, now: float) -> None:
        """Let the user sign in again. Raises: UserNotFoundError."""
        check_user_id(user_id)
        if not await self._db.run(transactions.enable, user_id, info=info, now=now):
            raise UserNotFoundError
