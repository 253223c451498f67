"""What can go wrong while somebody signs in elsewhere.

    AdmitError
    └── SignInError                     this sign-in comes to nothing; the browser starts a new one
        ├── TransactionError            not this browser's, over, or finished once already
        ├── MixedUpError                the answer is another provider's, RFC 9207 §2.4
        ├── PlantedTokenError           a token stood in the URL
        ├── ProviderRefusedError        the provider says no, RFC 6749 §4.1.2.1
        └── IdentityError               what the provider says of the person does not hold

`TokenError` and its kin say why an ID token or a logout token was refused.
"""

from typing import ClassVar

from admit.client.errors import UNNAMED
from admit.errors import AdmitError


class SignInError(AdmitError):
    """This sign-in comes to nothing. No session was made; the browser may start a new one."""

    code: ClassVar[str] = "sign_in_failed"
    status: ClassVar[int] = 400
    public: ClassVar[str] = "Signing in did not work. Start again."


class TransactionError(SignInError):
    """The answer belongs to no sign-in of this browser that is under way."""

    code: ClassVar[str] = "unknown_transaction"


class MixedUpError(SignInError):
    """The answer comes from another provider than the one that was asked, RFC 9700 §4.4."""

    code: ClassVar[str] = "mixed_up"


class PlantedTokenError(SignInError):
    """A token stood in the answer. Tokens are taken from the token endpoint only, RFC 9700 §2.1.2."""

    code: ClassVar[str] = "token_in_answer"


class ProviderRefusedError(SignInError):
    """The provider says no. `error` is its code, if a registered one."""

    code: ClassVar[str] = "provider_refused"
    public: ClassVar[str] = "Signing in was refused or given up."

    def __init__(self, detail: str = "", *, error: str = UNNAMED) -> None:
        super().__init__(detail or f"the provider answered with an error: {error}")
        self.error = error


class IdentityError(SignInError):
    """What the provider says of the person does not fit together, or is not what was asked for."""

    code: ClassVar[str] = "identity_refused"
