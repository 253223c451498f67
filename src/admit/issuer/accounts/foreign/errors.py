"""Why a hash of another system is not taken. No message quotes any of it."""

from typing import ClassVar

from admit.errors import AccountError


class ForeignHashError(AccountError):
    """A password hash that cannot be imported."""

    code: ClassVar[str] = "invalid_password_hash"
    public: ClassVar[str] = "The password hash cannot be taken."


class UnknownHashError(ForeignHashError):
    """Of no kind that is known here."""

    code: ClassVar[str] = "unknown_password_hash"
    public: ClassVar[str] = "The password hash is of a kind that is not known."


class MalformedHashError(ForeignHashError):
    """Begins like a kind that is known, and does not go on like it."""

    code: ClassVar[str] = "malformed_password_hash"
    public: ClassVar[str] = "The password hash is damaged: a part is missing, too short, or not in its form."


class CostlyHashError(ForeignHashError):
    """Checking it would take more time or memory than one sign-in may."""

    code: ClassVar[str] = "costly_password_hash"
    public: ClassVar[str] = "The password hash would cost more time or memory to check than a sign-in may."


class WeakHashError(ForeignHashError):
    """One fast round, or none: whoever has seen it may be taken to have the password."""

    code: ClassVar[str] = "weak_password_hash"
    public: ClassVar[str] = (
        "The password hash is of a kind that is guessed in no time: leave it out, and have the person set a new one."
    )
