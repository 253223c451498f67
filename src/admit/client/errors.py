"""What can go wrong while a program gets or uses tokens.

AdmitError
├── UnavailableError
│   └── ServerUnavailableError      the authorization server did not answer as one should
├── TokenRequestError               it refused, RFC 6749 §5.2
│   └── InvalidGrantError           the code or the refresh token is good for nothing (any more)
├── TokenAnswerError                it answered with what is no token of ours
└── ForeignOriginError              a token was about to leave for somebody it is not for
"""

from typing import ClassVar, Final

from admit.errors import AdmitError, UnavailableError

CODES: Final = frozenset(
    {
        "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
        "invalid_scope", "invalid_target", "invalid_dpop_proof", "use_dpop_nonce", "authorization_pending",
        "slow_down", "access_denied", "expired_token", "server_error", "temporarily_unavailable",
        "interaction_required", "login_required", "account_selection_required", "consent_required",
        "unsupported_response_type", "unmet_authentication_requirements",
    }
)  # fmt: skip
"""Registered values of `error`. Nothing else that a server writes there is repeated."""
UNNAMED: Final = "unregistered"


class ServerUnavailableError(UnavailableError):
    """The authorization server could not be reached, or did not answer as one does."""

    code: ClassVar[str] = "authorization_server_unavailable"


class TokenRequestError(AdmitError):
    """The authorization server refused to give a token, RFC 6749 §5.2. `error` is its code, if a registered one."""

    code: ClassVar[str] = "token_request_refused"
    status: ClassVar[int] = 502
    public: ClassVar[str] = "No token could be had for this."

    def __init__(self, detail: str = "", *, error: str = UNNAMED) -> None:
        super().__init__(detail or f"the authorization server refused: {error}")
        self.error = error


class InvalidGrantError(TokenRequestError):
    """The code or refresh token is unknown, over, or somebody else's: only a new sign-in helps."""

    code: ClassVar[str] = "invalid_grant"
    status: ClassVar[int] = 401
    public: ClassVar[str] = "The sign-in is over. Sign in again."


class TokenAnswerError(AdmitError):
    """What the token endpoint gave is no token that can be used here, RFC 6749 §5.1."""

    code: ClassVar[str] = "token_answer_unusable"
    status: ClassVar[int] = 502
    public: ClassVar[str] = "No token could be had for this."


class ForeignOriginError(AdmitError):
    """A request to another origin than the token's was about to carry it. Nothing was sent."""

    code: ClassVar[str] = "foreign_origin"
    public: ClassVar[str] = "The request is for somebody that the token is not for."


def registered(error: object) -> str:
    """A server's `error`, if it is a registered one."""
    return error if isinstance(error, str) and error in CODES else UNNAMED
