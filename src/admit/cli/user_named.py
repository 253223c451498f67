"""Whom an argument of a command means."""

from admit.issuer import Issuer
from admit.issuer.accounts.errors import UserNotFoundError
from admit.issuer.accounts.records import User


async def one(issuer: Issuer, name: str) -> User:
    """The account with this id or email.

    Raises:
        UserNotFoundError
    """
    accounts = issuer.services.accounts
    found = await (accounts.find(name) if "@" in name else accounts.get(name))
    if found is None:
        raise UserNotFoundError("command line")
    return found
