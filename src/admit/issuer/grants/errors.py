"""What can be wrong with how a client asks for grants. Leaves of the tree in `admit.errors`; none quotes input."""

from typing import ClassVar

from admit.errors import OAuthError


class ReusedChallengeError(OAuthError):
    """A code_challenge that this client sent before: it has to be made anew for each request, RFC 9700 §2.1.1,
    RFC 7636 §4.1. Refused only where `grants.refuse_reused_challenges` says so.
    """

    code: ClassVar[str] = "invalid_request"
    public: ClassVar[str] = "This code_challenge was used before. Make a new code_verifier for each request."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.description = type(self).public


class ReusedNonceError(ReusedChallengeError):
    """The same of a `nonce`: without a new one an ID token of another sign-in passes for this one's, RFC 9700 §2.1.1,
    OpenID Connect Core §15.5.2.
    """

    public: ClassVar[str] = "This nonce was used before. Make a new one for each request."
