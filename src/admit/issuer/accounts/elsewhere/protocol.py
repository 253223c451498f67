"""What an application gives that keeps the accounts itself. Nothing of it has to be imported there."""

from collections.abc import Collection, Mapping
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

SignsInBy: TypeAlias = Literal["email", "username"]
"""What the sign-in page asks for beside the password."""


class Account(Protocol):
    """One account, as it is now.

    `key`: the application's own key, 1 to 64 of letters, digits, `_` and `-`, and never given to another person; the
        subject of tokens is `u_` and this.
    `login`: what its owner signs in with, or is called by on pages that have no address to show.
    `name`: a person's name.
    `email`: an address, if there is one; `email_verified` whether it is proven to be theirs.
    `active`: whether its owner may sign in. False ends all that there is.
    `roles`, `groups`: names that tokens carry, each 1 to 128 of letters, digits and `: . _ / @ -`.
    `locale`: a language tag, if known.
    `stamp`: any text that changes with the password: another one ends all that the old password opened.
    """

    @property
    def key(self) -> str: ...
    @property
    def login(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def email(self) -> str | None: ...
    @property
    def email_verified(self) -> bool: ...
    @property
    def active(self) -> bool: ...
    @property
    def roles(self) -> Collection[str]: ...
    @property
    def groups(self) -> Collection[str]: ...
    @property
    def locale(self) -> str | None: ...
    @property
    def stamp(self) -> str: ...


A = TypeVar("A", bound=Account)


class Accounts(Protocol[A]):
    """The accounts of an application, for `Issuer(settings, accounts=...)`.

    Each call has `accounts.answer_within` (passwords: `accounts.hash_patience`); one that raises or is late is an
    answer that could not be had: nobody is let in, with 503. Tries of passwords are counted and bounded by the issuer.
    """

    @property
    def signs_in_by(self) -> SignsInBy:
        """What people type beside the password."""

    async def find(self, identifier: str) -> A | None:
        """Whose identifier this is, as typed: at most 254 printable characters without blanks around them."""

    async def get(self, key: str) -> A | None:
        """The account with this key, active or not; None where it was removed."""

    async def check_password(self, account: A | None, password: str) -> bool:
        """Whether this is the account's password. None is nobody, has none, and must take as long as somebody."""

    async def claims(self, account: A) -> Mapping[str, Any]:
        """Standard claims of OpenID Connect Core §5.1 beside name, email and language, such as `given_name`."""
