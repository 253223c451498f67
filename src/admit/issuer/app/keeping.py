"""Who keeps the accounts: Admit's own tables, or the application that the issuer is part of (contracts §9)."""

from collections.abc import Callable

from admit.errors import ConfigError
from admit.issuer.accounts.driver import Accounts
from admit.issuer.accounts.elsewhere import protocol
from admit.issuer.accounts.elsewhere.driver import AccountsElsewhere
from admit.issuer.accounts.passwords import PasswordHasher
from admit.issuer.accounts.policy import host_words
from admit.issuer.app.settings import Settings
from admit.issuer.revocation import Lists
from admit.issuer.storage import Database


def accounts_of(
    settings: Settings,
    db: Database,
    lists: Lists,
    hasher: PasswordHasher,
    *,
    kept_by: protocol.Accounts | None,
    clock: Callable[[], float],
) -> Accounts:
    """What the issuer asks about people.

    Raises:
        ConfigError: a setting that is only for accounts of Admit's own.
    """
    config = settings.accounts
    if kept_by is None:
        known = (settings.name, host_words(settings.issuer))
        return Accounts(db, lists, hasher, config, known=known)
    if config.require_verified_email:
        raise ConfigError(
            "accounts.require_verified_email: the application keeps the accounts, so let it refuse whom it wants"
        )
    return AccountsElsewhere(db, lists, hasher, config, source=kept_by, clock=clock)
