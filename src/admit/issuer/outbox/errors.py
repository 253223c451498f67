"""Why a mail is not made or not sent. No message quotes an address, a header or what a server said."""

from typing import ClassVar

from admit.errors import AdmitError, UnavailableError


class MailError(AdmitError):
    """A mail that cannot be made: an address that is none, a header of more than one line, a kind without its data."""

    code: ClassVar[str] = "mail_unusable"


class MailRefusedError(AdmitError):
    """The mail server refused this mail for good (a 5xx answer, RFC 5321 §4.2.1): trying again changes nothing."""

    code: ClassVar[str] = "mail_refused"


class MailUnavailableError(UnavailableError):
    """The mail server was not reached, did not answer in time, offered no TLS or no sign-in, or said to come again."""

    code: ClassVar[str] = "mail_unavailable"
