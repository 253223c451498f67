"""What can be wrong with what somebody asks of a session. No message quotes the input."""

from typing import ClassVar

from admit.errors import AccountError, CredentialError


class SessionNameError(AccountError):
    """A name for a session that is too long, or holds control or direction characters."""

    code: ClassVar[str] = "invalid_session_name"
    public: ClassVar[str] = "A session's name is one line of at most 60 characters."


class ReauthenticationError(CredentialError):
    """The session's user proved who they are too long ago for this, and has to do it again at `/login?again=1`."""

    code: ClassVar[str] = "reauthentication_required"
    status: ClassVar[int] = 403
    public: ClassVar[str] = "Sign in once more first: this wants a recent sign-in."
