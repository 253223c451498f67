"""What can be wrong with what a person typed. Leaves of the tree in `admit.errors`; no message quotes the input."""

from typing import ClassVar

from admit.errors import AccountError


class EmailError(AccountError):
    """Not an email address of the kind we take."""

    code: ClassVar[str] = "invalid_email"
    public: ClassVar[str] = "That is not a valid email address."


class EmailTakenError(AccountError):
    """Another account has this email, compared in its canonical form."""

    code: ClassVar[str] = "email_taken"
    status: ClassVar[int] = 409
    public: ClassVar[str] = "There is an account with this email address already."


class PersonNameError(AccountError):
    """A name that is empty, too long, or holds control characters."""

    code: ClassVar[str] = "invalid_name"
    public: ClassVar[str] = "That is not a valid name."


class PasswordError(AccountError):
    """A new password that is shorter than 8 characters or longer than 1,024 bytes."""

    code: ClassVar[str] = "invalid_password"
    public: ClassVar[str] = "The password must have at least 8 characters, and at most 1,024 bytes."


class UserNotFoundError(AccountError):
    """No account has this id or email."""

    code: ClassVar[str] = "user_not_found"
    status: ClassVar[int] = 404
    public: ClassVar[str] = "There is no such user."
