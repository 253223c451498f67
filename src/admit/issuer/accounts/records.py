"""A person's account as a frozen value."""

from dataclasses import dataclass, field

from admit.issuer.accounts.claims import NOTHING, Claims


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One account. Times are seconds since the epoch.

    `id` is `u_` and 22 characters, made by the server, and is the `sub` of every token. `email` is the canonical form
    that is compared, `email_shown` what the person typed. A disabled user has `disabled_at`.
    Of an account that an application keeps `email` is the id, so that no address finds it, and `email_shown` whatever
    the application calls it by.
    `credential_version` grows with each change of the password. `claims`: the further standard claims that are kept,
    `accounts.claims`.
    """

    id: str
    email: str
    email_shown: str
    name: str
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    locale: str | None = None
    created_at: float
    updated_at: float
    disabled_at: float | None = None
    credential_version: int = 1
    email_verified_at: float | None = None
    claims: Claims = field(default_factory=lambda: NOTHING, repr=False, hash=False)

    @property
    def is_disabled(self) -> bool:
        return self.disabled_at is not None

    @property
    def is_elsewhere(self) -> bool:
        """Whether an application keeps the account, and this is what was last seen of it."""
        return self.email == self.id
