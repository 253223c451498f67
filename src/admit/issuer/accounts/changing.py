"""`Changing`: what operators, and people themselves, change of an account. Whatever it takes from somebody ends, in the
same transaction, what was open by it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from admit.errors import ConflictError
from admit.issuer.accounts import rules, transactions
from admit.issuer.accounts.errors import (
    AccountElsewhereError,
    ClaimValueError,
    PersonNameError,
    UserNotFoundError,
)
from admit.issuer.accounts.records import User
from admit.issuer.accounts.transactions import Changes, Label
from admit.issuer.audit.records import RequestInfo
from admit.issuer.outbox import Outbox
from admit.issuer.revocation.lists import Lists
from admit.issuer.storage import Bound, Database


class Changing(ABC):
    """The part of `Accounts` that changes an account which is there. Each change is told in its transaction."""

    _db: Database
    _lists: Lists
    _outbox: Outbox

    @abstractmethod
    async def get(self, user_id: str) -> User | None:
        """The user with this id, disabled or not."""

    @abstractmethod
    async def hash_new_password(self, user: User, password: str) -> str:
        """The hash of a password that this user may set."""

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
        rules.check_user_id(user_id)
        await self._kept_here(user_id)
        return await self._db.run(
            transactions.change_label, self._lists, user_id, label, name, give=give, info=info, now=now
        )

    async def _kept_here(self, user_id: str) -> None:
        """Raises: AccountElsewhereError where an application keeps this account, whoever asks from where: what was
        changed here would be overwritten with what it says.
        """
        user = await self.get(user_id)
        if user is not None and user.is_elsewhere:
            raise AccountElsewhereError("an application keeps the account")

    async def _may_forget(self, user_id: str) -> None:
        """Raises: AccountElsewhereError where an application keeps this account, as far as is known here."""
        await self._kept_here(user_id)

    async def set_password(self, user_id: str, password: str, *, info: RequestInfo, now: float) -> int:
        """Set a new password, end every session and grant of the user, and tell the user by mail; how many ended.

        Raises:
            PasswordError, UserNotFoundError, TooBusyError.
        """
        user = await self.get(user_id)
        if user is None:
            raise UserNotFoundError
        await self._kept_here(user_id)
        hashed = await self.hash_new_password(user, password)
        ended = await self._db.run(
            transactions.set_password,
            self._lists,
            user_id,
            hashed,
            info=info,
            now=now,
            outbox=self._outbox,
        )
        if ended is None:
            raise UserNotFoundError
        return ended

    async def remove(self, user_id: str, *, also: Sequence[Bound], info: RequestInfo, now: float) -> int:
        """Forget a user: the account, and what `also` forgets beside it; how many families ended.

        Raises:
            UserNotFoundError: no such user. AccountElsewhereError: an application keeps it, and has it still.
            AccountsUnavailableError: it does not say.
        """
        rules.check_user_id(user_id)
        await self._may_forget(user_id)
        ended = await self._db.run(
            transactions.remove, self._lists, user_id, also=also, info=info, now=now, outbox=self._outbox
        )
        if ended is None:
            raise UserNotFoundError
        return ended

    async def set_claims(
        self,
        user_id: str,
        changes: Mapping[str, object],
        *,
        info: RequestInfo,
        now: float,
    ) -> User:
        """Set standard claims of OpenID Connect Core §5.1, name and locale among them; None takes one away. Members of
        the address are named `address.country` and so on. Nobody is signed out by it.

        Raises:
            UserNotFoundError: no such user.
            ClaimValueError, PersonNameError: a name or value that is not taken; nothing is changed.
            ConflictError: the account was changed at the same moment.
        """
        rules.check_user_id(user_id)
        await self._kept_here(user_id)
        rest = {name: value for name, value in changes.items() if name not in ("name", "locale")}
        name, locale = changes.get("name"), changes.get("locale")
        if "name" in changes and not isinstance(name, str):
            raise PersonNameError("a name is needed")
        if locale is not None and not (isinstance(locale, str) and rules.check_locale(locale)):
            raise ClaimValueError("locale")
        wanted = Changes(
            name=rules.clean_name(name) if isinstance(name, str) else None,
            locale=locale if isinstance(locale, str) else None,
            claims=rest,
            no_locale="locale" in changes and locale is None,
        )
        after = await self._db.run(transactions.set_claims, user_id, wanted, info=info, now=now)
        if after is None:
            raise ConflictError("the account was changed at the same moment")
        return after

    async def disable(self, user_id: str, *, info: RequestInfo, now: float) -> int:
        """Bar the user, and end every session and grant in the same transaction; how many ended.

        Raises:
            UserNotFoundError.
        """
        rules.check_user_id(user_id)
        ended = await self._db.run(transactions.disable, self._lists, user_id, info=info, now=now)
        if ended is None:
            raise UserNotFoundError
        return ended

    async def enable(self, user_id: str, *, info: RequestInfo, now: float) -> None:
        """Let the user sign in again. Raises: UserNotFoundError."""
        rules.check_user_id(user_id)
        if not await self._db.run(transactions.enable, user_id, info=info, now=now):
            raise UserNotFoundError
