"""`EmailLinks`: verification of addresses, reset of passwords, and change of addresses, by mailed links; and the links
that an operator hands over.
"""

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Final

from admit.errors import ConflictError
from admit.issuer.accounts import rules as account_rules
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.driver import Accounts
from admit.issuer.accounts.errors import EmailTakenError, LinkError
from admit.issuer.accounts.links import rules, store, transactions
from admit.issuer.accounts.links.records import HandedLink, Link, Purpose
from admit.issuer.accounts.passwords import PasswordHasher, no_password
from admit.issuer.accounts.records import User
from admit.issuer.audit import RequestInfo
from admit.issuer.outbox import Mail, Outbox, Waiting
from admit.issuer.revocation.lists import Lists
from admit.issuer.storage import Database, Steps
from admit.issuer.throttle import bucket, queue_of, take, take_in_network

KEPT_AFTER_EXPIRY: Final = 86_400.0  # seconds: so long a link that is tried once more can be told
CHANGES: Final = 5
CHANGES_WINDOW: Final = timedelta(hours=1)


def new_token() -> str:
    """256 bits from the system's generator, 43 characters; only its SHA-256 is ever stored in clear view."""
    return secrets.token_urlsafe(32)


class EmailLinks:
    """Without a sender of mails `is_on` is false, and none of this is offered but what an operator hands over."""

    def __init__(
        self,
        db: Database,
        lists: Lists,
        accounts: Accounts,
        hasher: PasswordHasher,
        outbox: Outbox,
        *,
        issuer: str,
        config: AccountsConfig | None = None,
    ) -> None:
        self._db = db
        self._lists = lists
        self._accounts = accounts
        self._hasher = hasher
        self._outbox = outbox
        self._issuer = issuer
        self._config = config if config is not None else AccountsConfig()

    @property
    def is_on(self) -> bool:
        """Whether links can be mailed."""
        return self._outbox.is_on

    @property
    def wants_proof(self) -> bool:
        """Whether nobody signs in whose address is not proven."""
        return self._config.require_verified_email

    def must_verify(self, user: User) -> bool:
        """Whether this user may not sign in before the address is proven."""
        return self.wants_proof and user.email_verified_at is None

    async def refuse_unverified(self, user: User, *, info: RequestInfo, now: float) -> None:
        """The password was right and the address is not proven: tell the trail, and mail one more link."""
        await self._db.run(transactions.refuse_unverified, self.welcome, user, info=info, now=now)

    async def look(self, token: str, *purposes: Purpose, now: float) -> Link | None:
        """The link as it stands, nothing changed: for the page that it opens, since scanners open it as well."""
        digest = rules.token_hash(token)
        row = await self._db.one(store.FIND(hash=digest)) if digest is not None else None
        link = store.link_of(row) if row is not None else None
        return link if link is not None and link.purpose in purposes and rules.is_live(link, now) else None

    def welcome(self, user: User, now: float) -> Steps[None]:
        """Mail a link that proves a new account's address; belongs into the transaction that makes the account."""
        life = self._config.verify_link
        yield from transactions.offer_verification(
            self._outbox, self._issuer, user, new_token(), life=life, now=now
        )

    async def send_verification(self, user: User, *, now: float) -> None:
        """Mail one more link to prove the account's address; the outbox bounds how many."""
        await self._db.run(self.welcome, user, now)

    async def tell_owner(self, email: str, *, now: float) -> None:
        """Somebody wanted to sign up with an address that has an account."""
        canonical = account_rules.canonical_email(email)
        await self._db.run(transactions.tell_owner_of, self._outbox, canonical, now=now)

    async def ask_reset(self, email: str, *, locale: str | None, info: RequestInfo, now: float) -> None:
        """Have a link mailed to an address, if it is an account's. The same work whether it is or not.

        Raises:
            EmailError: no address at all. ThrottledError: this network asked too often.
        """
        canonical = account_rules.canonical_email(email)
        config = self._config
        verdict = await self._db.run(
            take_in_network,
            kind="reset-network", ip=info.ip,
            limit=config.resets_per_network, window=config.tries_window, now=now,
        )  # fmt: skip
        verdict.or_throttled("mailed links")
        await self._db.run(
            transactions.ask_reset,
            self._outbox, canonical, locale=locale, life=config.reset_link, info=info, now=now,
        )  # fmt: skip

    async def answer(self, waiting: Waiting, now: float) -> Mail | None:
        """The mail that a wish for a reset leads to; for who sends mails. None: nobody has this address."""
        return await self._db.run(
            transactions.answer_reset,
            self._outbox, self._issuer, waiting, new_token(), account_rules.canonical_email(waiting.mail.to),
            life=self._config.reset_link, now=now,
        )  # fmt: skip

    async def reset(self, token: str, password: str, *, info: RequestInfo, now: float) -> User:
        """Set a new password, end every session and grant; the user as it is then. It signs nobody in, and
        leaves second factors in place.

        Raises:
            LinkError: not a link that holds. PasswordError: not a password to take, the link is still good.
            TooBusyError: too many passwords wait, the link is still good.
        """
        digest, link = await self._live(token, *rules.SET_A_PASSWORD, info=info, now=now)
        user = await self._accounts.get(link.user_id)
        about = (user.name, user.email) if user is not None else ()
        hashed = await self._hasher.hash(
            self._accounts.check_new_password(password, *about), network=queue_of(info.ip)
        )
        try:
            reset = await self._db.run(
                transactions.reset,
                self._lists, self._outbox, digest, hashed, purpose=link.purpose, info=info, now=now,
            )  # fmt: skip
        except LinkError:
            await self._refused(digest, info, now)
            raise
        return replace(reset, credential_version=reset.credential_version + 1)

    async def hand_over(self, user_id: str, *, void: bool, info: RequestInfo, now: float) -> HandedLink:
        """A link by which this person sets a new password, for an operator to hand over: mail or none, and without the
        operator ever knowing the password. `void` takes the present password away at once, and ends every session and
        grant: it is known to somebody else.

        Raises:
            UserNotFoundError: there is no such user. AccountElsewhereError: an application keeps the account.
            LinkError: it is disabled.
        """
        token, life = new_token(), self._config.reset_link
        ended = await self._db.run(
            transactions.hand_over,
            self._lists, token, user_id, void=no_password() if void else None, life=life, info=info, now=now,
        )  # fmt: skip
        link = rules.address_of(self._issuer, Purpose.HANDED, token, None)
        return HandedLink(link=link, expires_at=now + life.total_seconds(), ended=ended)

    async def verify(self, token: str, user_id: str, *, info: RequestInfo, now: float) -> None:
        """The address is proven. `user_id` is who proved to own the account: a link alone proves only who reads
        the mail, and the account may have been made by somebody else in the reader's name.

        Raises:
            LinkError: not a link that holds, or another account's.
        """
        digest, _ = await self._live(token, Purpose.VERIFY, info=info, now=now)
        try:
            await self._db.run(transactions.verify, digest, user_id, info=info, now=now)
        except LinkError:
            await self._refused(digest, info, now)
            raise

    async def ask_change(self, user: User, email: str, *, info: RequestInfo, now: float) -> None:
        """Mail a link to a new address; nothing changes before it is used. Whether another account has the address is
        told to its owner only. The account's own address gets a link when it is not proven yet.

        Raises:
            EmailError: no address. EmailTakenError: it is this account's own, and proven.
            ThrottledError: too many in an hour.
        """
        canonical, shown = account_rules.canonical_email(email), account_rules.shown_email(email)
        if canonical == user.email and user.email_verified_at is not None:
            raise EmailTakenError("the account's own address")
        await self._count("email-change", user.id, CHANGES, CHANGES_WINDOW, now)
        if canonical == user.email:
            await self.send_verification(user, now=now)
            return
        await self._db.run(
            transactions.offer_change,
            self._outbox, self._issuer, user, new_token(),
            email=canonical, email_shown=shown, life=self._config.verify_link, now=now,
        )  # fmt: skip

    async def change(self, token: str, user_id: str, *, info: RequestInfo, now: float) -> None:
        """The new address takes the old one's place, and the old one is told. Raises LinkError."""
        digest, _ = await self._live(token, Purpose.CHANGE, info=info, now=now)
        try:
            await self._db.run(transactions.change_email, self._outbox, digest, user_id, info=info, now=now)
        except ConflictError:
            raise LinkError("the address was taken meanwhile") from None
        except LinkError:
            await self._refused(digest, info, now)
            raise

    async def sweep(self, now: float) -> None:
        """Forget links that were too old long ago."""
        await store.PORTIONS.delete_all(self._db, before=now - KEPT_AFTER_EXPIRY)

    async def _live(
        self, token: str, *purposes: Purpose, info: RequestInfo, now: float
    ) -> tuple[bytes, Link]:
        """The hash of a token that looks good, and its link, before anything dear is done for it."""
        digest = rules.token_hash(token)
        if digest is None:
            raise LinkError("not the form of a token")
        link = await self.look(token, *purposes, now=now)
        if link is None:
            await self._refused(digest, info, now)
            raise LinkError("no such link to use")
        return digest, link

    async def _refused(self, digest: bytes, info: RequestInfo, now: float) -> None:
        await self._db.run(transactions.note_refused, digest, info=info, now=now)

    async def _count(self, kind: str, whose: str, limit: int, window: timedelta, now: float) -> None:
        verdict = await self._db.run(take, bucket=bucket(kind, whose), limit=limit, window=window, now=now)
        verdict.or_throttled("mailed links")
