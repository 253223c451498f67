"""`AccountsElsewhere`: what the rest of the issuer asks about people, where an application keeps the accounts."""

import asyncio
import base64
import hashlib
import hmac
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from admit.errors import AdmitError, TooBusyError
from admit.issuer.accounts import rules as account_rules
from admit.issuer.accounts import store as account_store
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.driver import Accounts
from admit.issuer.accounts.elsewhere import protocol, rules, store, transactions
from admit.issuer.accounts.elsewhere.protocol import SignsInBy
from admit.issuer.accounts.errors import AccountElsewhereError, AccountsUnavailableError
from admit.issuer.accounts.guessing import Guesser
from admit.issuer.accounts.passwords import PasswordHasher
from admit.issuer.accounts.records import User
from admit.issuer.accounts.transactions import RightPassword, Welcome, no_welcome
from admit.issuer.audit.records import RequestInfo
from admit.issuer.revocation.lists import Lists
from admit.issuer.storage import Database, Row, SealError
from admit.issuer.throttle.budgets import refund

log = logging.getLogger("admit.issuer.accounts")
T = TypeVar("T")

PURPOSE: Final = "account-stamp"
REMEMBERED: Final = 100_000  # users of whom this process knows when it asked
TRIES: Final = (
    20  # questions, where each answer was older than what was told or written; many may tell at once
)


class _OvertakenError(Exception):
    """What the application said is not to be taken over: it may be older than what was told or written since."""


class _Looked(NamedTuple):
    """Somebody as the application says, and what is stored of the stamp."""

    user: User
    stored: str


class AccountsElsewhere(Accounts):
    """An application's accounts. What it says of somebody is kept as last seen, and believed for `accounts.recheck`.

    Everything that would change an account raises `AccountElsewhereError`; an operator may bar somebody here besides.
    """

    def __init__(
        self,
        db: Database,
        lists: Lists,
        hasher: PasswordHasher,
        config: AccountsConfig | None = None,
        *,
        source: protocol.Accounts[Any],
        clock: Callable[[], float],
    ) -> None:
        super().__init__(db, lists, hasher, config)
        self._source = source
        self._clock = clock
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._asking: dict[str, asyncio.Task[_Looked | None]] = {}
        self._to_touch: set[str] = set()
        self._touching = asyncio.Lock()
        self._checking = 0
        self._told: set[str] = set()

    @property
    def is_elsewhere(self) -> bool:
        return True

    @property
    def signs_in_by(self) -> SignsInBy:
        return self._source.signs_in_by

    # Who somebody is, as of now

    async def get(self, user_id: str) -> User | None:
        """The user with this id, as the application said a short while ago; None where the account is removed or
        inactive, by which all that it had is ended.

        Raises:
            AccountsUnavailableError: the application does not say.
        """
        if not account_rules.is_user_id(user_id):
            return None
        return await (self.kept(user_id) if self._is_believed(user_id) else self.ask(user_id))

    async def standing(self, user: User) -> User | None:
        """The user of a live session, as `get` has it; the very one that was given where nobody needs to be asked."""
        return user if self._is_believed(user.id) else await self.ask(user.id)

    def _is_believed(self, user_id: str) -> bool:
        """Whether it was asked about this user a short while ago. Who is gone is never remembered: all is ended."""
        asked_at = self._seen.get(user_id)
        return asked_at is not None and 0 <= self._clock() - asked_at < self._config.recheck.total_seconds()

    async def ask(self, user_id: str) -> User | None:
        """What the application says now, taken over. However many ask about one user, it is asked once.

        Raises:
            AccountsUnavailableError: it does not say, or something else each time.
        """
        looked = await self._look(user_id)
        return None if looked is None else looked.user

    async def _look(self, user_id: str) -> "_Looked | None":
        for _ in range(TRIES):
            task = self._asking.get(user_id)
            if task is None or task.done():  # done, and `_over` not called yet
                task = self._asking[user_id] = asyncio.get_running_loop().create_task(self._ask(user_id))
                task.add_done_callback(lambda done: self._over(user_id, done))
            try:
                return await asyncio.shield(task)
            except _OvertakenError:
                continue  # what was said is older than what somebody else knows
        raise AccountsUnavailableError("the account changes all the time")

    def _over(self, user_id: str, done: "asyncio.Task[_Looked | None]") -> None:
        if self._asking.get(user_id) is done:
            del self._asking[user_id]
        if not done.cancelled():
            done.exception()  # whoever asked has it; nobody may be left who does

    async def _ask(self, user_id: str) -> "_Looked | None":
        """One question. What it is answered is written over nothing but the row that was read before it was asked:
        whoever asked later, on whichever node, may have written what is newer.

        Raises:
            _OvertakenError: somebody did, or told of a change meanwhile; nothing is taken over.
            AccountsUnavailableError: the application does not say.
        """
        asked_at = self._clock()
        row = await self._db.one(store.SEEN(user_id=user_id))
        read = transactions.version(row)
        account = await self._answer(self._source.get(rules.key_of(user_id)))
        if account is None or account.active is not True or rules.subject_of(account.key) != user_id:
            self._check_current(user_id)
            self._seen.pop(user_id, None)
            if await self._db.run(transactions.gone, self._lists, user_id, read, now=self._clock()) is None:
                raise _OvertakenError
            return None
        kept = await self._answer(self._source.claims(account))
        now = self._clock()
        user, dropped = rules.seen(account, kept, now)
        self._tell(dropped)
        mark = partial(self._mark, user_id, account.stamp)
        self._check_current(user_id)
        if not _is_as_seen(row, user, mark, now):
            written = await self._db.run(transactions.take_over, self._lists, user, mark, read, now=now)
            if written is None:
                raise _OvertakenError
            read = transactions.version_of(written)
        row = await self._db.one(store.SEEN(user_id=user_id))
        if row is None or not transactions.is_over(read, transactions.version(row)):
            raise _OvertakenError
        self._check_current(user_id)
        self._seen[user_id] = asked_at
        self._seen.move_to_end(user_id)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return _Looked(account_store.user_of(row), row["password_hash"])

    def _check_current(self, user_id: str) -> None:
        """Raises _OvertakenError: since this question began, somebody said that the account changed."""
        if self._asking.get(user_id) is not asyncio.current_task():
            raise _OvertakenError

    def _mark(self, user_id: str, stamp: str, stored: str | None) -> str:
        """What is stored of a stamp: whoever reads the database learns nothing of it."""
        if not isinstance(stamp, str):
            raise AccountsUnavailableError("an account's stamp is no text")
        parts = (stored or "").split("$")
        if len(parts) == _PARTS and parts[0] == _HEAD:
            try:
                old = self._marked(user_id, stamp, parts[1])
            except SealError:  # made by a key that is gone: as good as another password
                old = ""
            if stored is not None and hmac.compare_digest(old, stored):
                return stored
        return self._marked(user_id, stamp, None)

    def _marked(self, user_id: str, stamp: str, kid: str | None) -> str:
        kid, key = self._db.keyring.derive(PURPOSE, kid)
        said = f"{user_id}\0{stamp}".encode("utf-8", "surrogatepass")
        return f"{_HEAD}${kid}${base64.urlsafe_b64encode(hmac.digest(key, said, hashlib.sha256)).decode()}"

    async def changed(self, *user_ids: str) -> None:
        """Believe nothing that was said of these users before, nor what is being said at this moment, on any node.

        Raises:
            StorageUnavailableError: other nodes may still take over what was said before.
        """
        known = sorted(filter(account_rules.is_user_id, {*user_ids}))
        for user_id in known:
            self._seen.pop(user_id, None)
            self._asking.pop(user_id, None)
        self._to_touch.update(known)
        async with self._touching:  # one that begins after all of these were told does for all of them
            touched = sorted(self._to_touch)
            self._to_touch.clear()
            try:
                if touched:
                    await self._db.run(transactions.touch, touched)
            except BaseException:
                self._to_touch.update(touched)
                raise

    # Sign-in

    async def find(self, email: str) -> User | None:
        """The user that signs in with this.

        Raises:
            AccountsUnavailableError: the application does not say.
        """
        identifier = rules.clean_identifier(email)
        found = await self._answer(self._source.find(identifier)) if identifier is not None else None
        return await self.ask(rules.subject_of(found.key)) if found is not None else None

    async def try_password(
        self, *, email: str, password: str, info: RequestInfo, now: float, device: bytes | None = None,
        whose: User | None = None,
    ) -> RightPassword | None:  # fmt: skip
        """As `Accounts.try_password`, with `email` as whatever people sign in with. The application compares.

        Raises:
            AccountsUnavailableError: the application does not say; the try is not counted.
        """
        identifier = rules.clean_identifier(email) if whose is None else whose.id
        if identifier is None or account_rules.password_bytes(password) is None:
            return None  # nobody's, whoever is meant: as quick for all
        asked = self._source.find(identifier) if whose is None else self._source.get(rules.key_of(whose.id))
        account = await self._answer(asked)
        user_id = rules.subject_of(account.key) if account is not None else None
        known = await self._kept_or_nobody(user_id)
        guesser = Guesser(
            # By the account, so that another spelling of what it signs in with has no tries of its own.
            identifier=user_id or account_rules.canonical_identifier(identifier),
            user_id=known.id if known is not None else None,
            device=await self.devices.find(device, known, now),
            info=info,
        )
        drawn = await self._guesses.draw(guesser, now=now)
        try:
            right, user = await self._prove(account, user_id, password)
        except AdmitError:
            await self._guesses.give_back(drawn)
            raise  # nothing was learnt: who comes back as told must not be shut out for it
        if user is None or not account_rules.may_sign_in(user):
            reason = "unknown" if account is None else "disabled" if right else "wrong password"
            await self._guesses.failed(guesser, reason=reason, now=now)
            return None
        return RightPassword(user, partial(refund, drawn))

    async def _kept_or_nobody(self, user_id: str | None) -> User | None:
        """Who is kept under this id. For nobody a row is looked for too, under an id that no key makes."""
        row = await self._db.one(account_store.USER_BY_ID(user_id=user_id or rules.NOBODY))
        return None if row is None else account_store.user_of(row)

    async def _prove(
        self, account: protocol.Account | None, user_id: str | None, password: str
    ) -> tuple[bool, User | None]:
        """Whether the password is right, and whose it is as of now; None where the account is gone.

        A password may be checked for long, and be changed meanwhile: then the new one is compared. It is compared once
        more too where an application hashes a right one anew.
        """
        for _ in range(TRIES):
            if not await self._compare(account, password) or account is None or user_id is None:
                return False, None
            looked = await self._look(user_id)
            if looked is None:
                return True, None
            if self._same_password(looked, account.stamp):
                return True, looked.user
            account = await self._answer(self._source.get(rules.key_of(user_id)))
        raise AccountsUnavailableError("the password changes all the time")

    def _same_password(self, looked: _Looked, stamp: str) -> bool:
        """Whether the password that was compared, of which this is the stamp, is still the account's."""
        return hmac.compare_digest(self._mark(looked.user.id, stamp, looked.stored), looked.stored)

    async def _compare(self, account: protocol.Account | None, password: str) -> bool:
        if self._checking >= self._config.hash_threads + self._config.hash_queue:
            raise TooBusyError("as many passwords are compared as may")
        self._checking += 1
        try:
            within = self._config.hash_patience.total_seconds()
            said = await self._answer(self._source.check_password(account, password), within=within)
        finally:
            self._checking -= 1
        return account is not None and said is True

    # What an application does

    async def _answer(self, asked: Awaitable[T], *, within: float | None = None) -> T:
        """Its answer. Whatever it raises is an answer that could not be had: what it says may hold what people typed,
        so that a log has the kind alone.

        Raises:
            AccountsUnavailableError: it failed, or took too long.
        """
        try:
            async with asyncio.timeout(
                self._config.answer_within.total_seconds() if within is None else within
            ):
                return await asked
        except Exception as error:
            kind = "timeout" if isinstance(error, TimeoutError) else type(error).__name__
            log.warning("the application's accounts did not answer", extra={"code": kind})
            raise AccountsUnavailableError(f"the application's accounts: {kind}") from None

    def _tell(self, dropped: Collection[str]) -> None:
        """Once a process: which of what it says is never told to anybody."""
        for name in set(dropped) - self._told:
            self._told.add(name)
            log.warning("an account's value has a form that is not taken", extra={"detail": name})

    # What is done where the accounts are

    async def sign_up(
        self, *, email: str, name: str, password: str, info: RequestInfo, now: float, locale: str | None = None,
        welcome: Welcome = no_welcome,
    ) -> User:  # fmt: skip
        """Raises: AccountElsewhereError."""
        refuse()

    async def add(
        self, *, email: str, name: str, password: str, info: RequestInfo, now: float, locale: str | None = None,
        roles: Collection[str] = (), groups: Collection[str] = (),
    ) -> User:  # fmt: skip
        """Raises: AccountElsewhereError."""
        refuse()

    async def hash_new_password(self, user: User, password: str) -> str:
        """Raises: AccountElsewhereError."""
        refuse()

    async def set_password(self, user_id: str, password: str, *, info: RequestInfo, now: float) -> int:
        """Raises: AccountElsewhereError."""
        refuse()

    async def set_claims(
        self, user_id: str, changes: Mapping[str, object], *, info: RequestInfo, now: float
    ) -> User:
        """Raises: AccountElsewhereError."""
        refuse()

    async def _kept_here(self, user_id: str) -> None:
        refuse()

    async def _may_forget(self, user_id: str) -> None:
        """Whom the application removed is forgotten here too.

        Raises:
            AccountElsewhereError: it has the account, active or not. AccountsUnavailableError: it does not say.
        """
        if await self._answer(self._source.get(rules.key_of(user_id))) is not None:
            refuse()


def refuse() -> NoReturn:
    """Raises: AccountElsewhereError."""
    raise AccountElsewhereError("an application keeps the accounts")


def _is_as_seen(row: Row | None, user: User, mark: transactions.Mark, now: float) -> bool:
    """Mostly nothing changed, which is known without a transaction."""
    if row is None:
        return False
    before, stored = account_store.user_of(row), row["password_hash"]
    same = mark(stored) == stored
    return before.is_elsewhere and rules.change(before, user, same_stamp=same, now=now) is None


_HEAD: Final = "elsewhere"
_PARTS: Final = 3
