"""What can be wrong with what a person typed. Leaves of the tree in `admit.errors`; no message quotes the input."""

from typing import ClassVar

from admit.errors import AccountError, UnavailableError


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


class ClaimValueError(AccountError):
    """A standard claim with a value that has another form than OpenID Connect Core §5.1 gives it."""

    code: ClassVar[str] = "invalid_claim"
    public: ClassVar[str] = "That is not a claim that is kept, or not a value for it."

    def __init__(self, claim: str, detail: str = "") -> None:
        super().__init__(detail or "the value has another form")
        self.claim = claim
        """A name of ours; empty where what was named is none."""


class PasswordError(AccountError):
    """A new password that may not be set. Each reason has its own class."""

    code: ClassVar[str] = "invalid_password"
    public: ClassVar[str] = "That password cannot be taken."


class ShortPasswordError(PasswordError):
    """Fewer than 8 characters."""

    code: ClassVar[str] = "password_too_short"
    public: ClassVar[str] = "The password must have at least 8 characters; 15 or more are better."


class LongPasswordError(PasswordError):
    """More than 1,024 bytes, or not Unicode text."""

    code: ClassVar[str] = "password_too_long"
    public: ClassVar[str] = "The password must be text of at most 1,024 bytes."


class CommonPasswordError(PasswordError):
    """On the list of common passwords, or a few characters again and again."""

    code: ClassVar[str] = "password_too_common"
    public: ClassVar[str] = "That password is among the first that are tried. Choose another one."


class ContextPasswordError(PasswordError):
    """A name or a part of an address that others know, and little else."""

    code: ClassVar[str] = "password_too_near"
    public: ClassVar[str] = (
        "That password is little more than a name or an address that others know. Choose another one."
    )


class UserNotFoundError(AccountError):
    """No account has this id or email."""

    code: ClassVar[str] = "user_not_found"
    status: ClassVar[int] = 404
    public: ClassVar[str] = "There is no such user."


class LinkError(AccountError):
    """A mailed link that was used already, is too old, or was made for what the account no longer is."""

    code: ClassVar[str] = "link_unusable"
    public: ClassVar[str] = "That link cannot be used any more. Ask for a new one."


class AccountElsewhereError(AccountError):
    """An application keeps this account: what is asked for is done there, and by nobody here."""

    code: ClassVar[str] = "account_elsewhere"
    status: ClassVar[int] = 404
    public: ClassVar[str] = "Accounts are kept by the application. Do this there."


class AccountsUnavailableError(UnavailableError):
    """The application that keeps the accounts failed, or did not answer in time."""
