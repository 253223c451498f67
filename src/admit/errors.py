"""Every failure that Admit reports, in one tree.

    AdmitError
    ├── TokenError                      invalid_token                RFC 6750 §3.1
    │   ├── MalformedTokenError         not a compact JWS of ours    RFC 7515 §5.2
    │   ├── AlgorithmError              alg is not the key's         RFC 8725 §3.1
    │   ├── KeyNotFoundError            no key of that kid           RFC 7515 §4.1.4
    │   ├── SignatureError              signature does not verify    RFC 7515 §5.2
    │   ├── DecryptionError             cannot be decrypted          RFC 7516 §11.5
    │   ├── CriticalHeaderError         crit cannot be met           RFC 7515 §4.1.11
    │   ├── TokenTypeError              another kind of token        RFC 8725 §3.11
    │   ├── ClaimError                  a claim is missing or odd    RFC 7519 §4
    │   │   ├── IssuerError             iss                          RFC 7519 §4.1.1
    │   │   ├── AudienceError           aud                          RFC 7519 §4.1.3
    │   │   ├── ExpiredTokenError       exp, or too old              RFC 7519 §4.1.4
    │   │   └── NotYetValidError        nbf or iat lies ahead        RFC 7519 §4.1.5
    │   ├── BoundTokenError             bound to a key not shown     RFC 9449 §7.1
    │   ├── InactiveTokenError          the issuer says so           RFC 7662 §2.2
    │   └── RevokedError                its family was ended
    ├── UnavailableError                temporarily_unavailable; the answer is no, with 503
    │   ├── StaleRevocationError        revocation_stale
    │   ├── KeysUnavailableError        no key set could be fetched yet
    │   ├── LookupUnavailableError      the session store did not answer
    │   ├── IntrospectionUnavailableError  the issuer did not answer for a token
    │   ├── GroupsUnavailableError      groups by reference, not fetched
    │   ├── EndStoreError               ends that others told of cannot be read or kept
    │   │   └── EndStoreFullError       as many are kept as may be
    │   ├── TooBusyError                more passwords to hash than may wait
    │   └── TooManyStreamsError         as many event streams are open as may be
    ├── CredentialError                 how a request carries its credential
    │   ├── MissingCredentialError      no credential at all         RFC 6750 §3.1
    │   ├── MalformedCredentialError    invalid_request              RFC 6750 §3.1
    │   ├── OversizedCredentialError    more header than is read     RFC 6585 §5
    │   ├── SessionError                the cookie names no live session
    │   ├── CsrfError                   a cookie request another site may have made
    │   ├── InsufficientScopeError      insufficient_scope           RFC 6750 §3.1
    │   └── InsufficientUserAuthenticationError  a weak or old sign-in   RFC 9470 §3
    ├── TokenTooLargeError              over 3,072 octets; was not signed
    ├── OAuthError                      an "error" value             RFC 6749 §5.2; subclasses in issuer.oauth
    ├── InvalidKeyError                 an unusable key              RFC 7517
    ├── ThrottledError                  slow_down: too many tries        RFC 6585 §4
    ├── AccountError                    an account's data; subclasses in issuer.accounts
    ├── ConflictError                   a constraint of the database refused a row
    ├── FetchError                      an outgoing request was refused or failed
    └── ConfigError                     settings that cannot work

An error keeps two messages: `public` is fixed text, safe to send to anyone; `detail` is for logs, says which rule
failed and quotes no input. None carries a token, a secret or the value of a claim.
"""

import math
from typing import ClassVar


class AdmitError(Exception):
    """Root of all errors. `code` is what a caller may branch on, `status` what HTTP answers."""

    code: ClassVar[str] = "server_error"
    status: ClassVar[int] = 500
    public: ClassVar[str] = "Something went wrong."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.code)
        self.detail = detail


class TokenError(AdmitError):
    """The token is not acceptable, RFC 6750 §3.1 (`invalid_token`)."""

    code: ClassVar[str] = "invalid_token"
    status: ClassVar[int] = 401
    public: ClassVar[str] = "The access token is not valid."


class MalformedTokenError(TokenError):
    """Not a compact JWS that the strict rules take, RFC 7515 §5.2, §7.1."""


class AlgorithmError(TokenError):
    """The header's `alg` is not the algorithm of the key, RFC 8725 §3.1."""


class KeyNotFoundError(TokenError):
    """No trusted key has the token's `kid`, RFC 7515 §4.1.4."""


class SignatureError(TokenError):
    """The signature does not verify under the key, RFC 7515 §5.2."""


class DecryptionError(TokenError):
    """The token cannot be decrypted, RFC 7516 §5.2. Which step failed is told to nobody (§11.5)."""


class CriticalHeaderError(TokenError):
    """`crit` is malformed or names what is not understood, RFC 7515 §4.1.11."""


class TokenTypeError(TokenError):
    """`typ` says another kind of token, RFC 8725 §3.11."""


class ClaimError(TokenError):
    """A claim is missing, of the wrong type or has another value than asked for. `claim` is its name."""

    def __init__(self, claim: str, detail: str = "") -> None:
        super().__init__(detail or f"claim {claim}")
        self.claim = claim


class IssuerError(ClaimError):
    """`iss` is missing or another, RFC 7519 §4.1.1."""

    def __init__(self, claim: str = "iss", detail: str = "") -> None:
        super().__init__(claim, detail)


class AudienceError(ClaimError):
    """`aud` is missing or does not name us, RFC 7519 §4.1.3."""

    def __init__(self, claim: str = "aud", detail: str = "") -> None:
        super().__init__(claim, detail)


class ExpiredTokenError(ClaimError):
    """`exp` has passed, or the token is older than allowed, RFC 7519 §4.1.4."""

    public: ClassVar[str] = "The access token expired."

    def __init__(self, claim: str = "exp", detail: str = "") -> None:
        super().__init__(claim, detail)


class NotYetValidError(ClaimError):
    """`nbf` or `iat` lies in the future, RFC 7519 §4.1.5, §4.1.6."""

    def __init__(self, claim: str = "nbf", detail: str = "") -> None:
        super().__init__(claim, detail)


class BoundTokenError(TokenError):
    """The token is bound to a key (`cnf`) that the request did not prove, RFC 9449 §7.1."""


class InactiveTokenError(TokenError):
    """The issuer says that the token is not active: unknown, over, or not for this API, RFC 7662 §2.2."""


class RevokedError(TokenError):
    """The token's family was ended, or the key that signed it was."""

    public: ClassVar[str] = "The access token was revoked."


class UnavailableError(AdmitError):
    """A check could not be made, so the answer is no for now: 503 with Retry-After, never 401."""

    code: ClassVar[str] = "temporarily_unavailable"
    status: ClassVar[int] = 503
    public: ClassVar[str] = "This cannot be checked at the moment. Try again shortly."
    retry_after: ClassVar[int] = 5


class StaleRevocationError(UnavailableError):
    """What is known of revocations is older than `max_staleness`."""

    code: ClassVar[str] = "revocation_stale"


class KeysUnavailableError(UnavailableError):
    """No key set of the issuer could be had yet, or it is older than is allowed."""

    code: ClassVar[str] = "keys_unavailable"


class LookupUnavailableError(UnavailableError):
    """The session look-up did not answer."""

    code: ClassVar[str] = "lookup_unavailable"


class IntrospectionUnavailableError(UnavailableError):
    """The issuer was asked about an opaque token and did not answer as it should, or too many questions wait."""

    code: ClassVar[str] = "introspection_unavailable"


class GroupsUnavailableError(UnavailableError):
    """The token names its groups by reference and they could not be had; they are never taken for none."""

    code: ClassVar[str] = "groups_unavailable"


class EndStoreError(UnavailableError):
    """A store of ends (`admit.verifier.EndStore`) could not be read, or did not keep what it was told."""

    code: ClassVar[str] = "end_store_unavailable"


class EndStoreFullError(EndStoreError):
    """A store of ends keeps as many as it may. None is dropped for a new one: the new one is not acknowledged."""

    code: ClassVar[str] = "end_store_full"


class StorageUnavailableError(UnavailableError):
    """The issuer's database was not reached, was too busy, or did not say whether it committed."""

    code: ClassVar[str] = "storage_unavailable"


class TooBusyError(UnavailableError):
    """As many passwords are being hashed as memory allows, and as many wait as may."""

    code: ClassVar[str] = "too_busy"
    retry_after: ClassVar[int] = 2


class TooManyStreamsError(UnavailableError):
    """As many event streams are open as may be, or the server stops. Whoever follows goes on by asking for heads."""

    code: ClassVar[str] = "too_many_streams"
    public: ClassVar[str] = "No more event streams can be opened at the moment."


class CredentialError(AdmitError):
    """The request's credential, not the token inside it, is the trouble."""

    code: ClassVar[str] = "invalid_request"
    status: ClassVar[int] = 400
    public: ClassVar[str] = "The request's credentials are malformed."


class MissingCredentialError(CredentialError):
    """No credential where one is needed. The challenge has no error code, RFC 6750 §3.1."""

    code: ClassVar[str] = "unauthorized"
    status: ClassVar[int] = 401
    public: ClassVar[str] = "Sign in first."


class MalformedCredentialError(CredentialError):
    """Doubled, misplaced or misspelt credentials, RFC 6750 §3.1 (`invalid_request`)."""


class OversizedCredentialError(CredentialError):
    """The credential headers are larger than is read, RFC 6585 §5."""

    status: ClassVar[int] = 431
    public: ClassVar[str] = "The request's headers are too large."


class SessionError(CredentialError):
    """The session cookie names no live session."""

    code: ClassVar[str] = "invalid_session"
    status: ClassVar[int] = 401
    public: ClassVar[str] = "You are signed out."


class CsrfError(CredentialError):
    """A state-changing request by cookie did not prove that our own pages made it."""

    code: ClassVar[str] = "csrf_failed"
    status: ClassVar[int] = 403
    public: ClassVar[str] = "The request could not be confirmed as yours. Reload the page and try again."


class InsufficientScopeError(CredentialError):
    """The principal lacks a scope, role or group. `scope` is what the route asks for, RFC 6750 §3."""

    code: ClassVar[str] = "insufficient_scope"
    status: ClassVar[int] = 403
    public: ClassVar[str] = "You may not do this."

    def __init__(self, detail: str = "", *, scope: str = "") -> None:
        super().__init__(detail)
        self.scope = scope


class InsufficientUserAuthenticationError(CredentialError):
    """The sign-in behind the credential is too weak or too long ago for this, RFC 9470 §3.

    `acr_values` are the classes that will do, the preferred one first, separated by spaces; `max_age` is in seconds. An
    application passes both on to `/authorize` as they are.
    """

    code: ClassVar[str] = "insufficient_user_authentication"
    status: ClassVar[int] = 401
    public: ClassVar[str] = "Sign in again for this, in the way that is asked."

    def __init__(self, detail: str = "", *, acr_values: str = "", max_age: int | None = None) -> None:
        super().__init__(detail)
        self.acr_values = acr_values
        self.max_age = max_age


class TokenTooLargeError(AdmitError):
    """A token would be over its size budget, so it was not signed: fewer roles, entitlements or claims are needed."""

    public: ClassVar[str] = "The token would be too large."


class OAuthError(AdmitError):
    """An error of the authorization server; `code` is the "error" value, RFC 6749 §4.1.2.1, §5.2."""

    code: ClassVar[str] = "invalid_request"
    status: ClassVar[int] = 400
    public: ClassVar[str] = "The request is not valid."


class InvalidKeyError(AdmitError):
    """A key cannot be used: malformed, too small, of another type, or private where public is needed."""

    code: ClassVar[str] = "invalid_key"
    status: ClassVar[int] = 400
    public: ClassVar[str] = "The key is not usable."


class ThrottledError(AdmitError):
    """Too many tries from one place or on one account. `retry_after` is in whole seconds, RFC 6585 §4."""

    code: ClassVar[str] = "slow_down"
    status: ClassVar[int] = 429
    public: ClassVar[str] = "Too many attempts. Wait a little."

    def __init__(self, detail: str = "", *, retry_after: float = 60) -> None:
        super().__init__(detail)
        self.retry_after = max(1, math.ceil(retry_after))


class AccountError(AdmitError):
    """A sign-up or a change of an account that cannot be taken."""

    code: ClassVar[str] = "invalid_account"
    status: ClassVar[int] = 400
    public: ClassVar[str] = "The account's data is not valid."


class ConflictError(AdmitError):
    """A unique key or another constraint of the database refused a row; nothing of the transaction was kept."""

    code: ClassVar[str] = "conflict"
    status: ClassVar[int] = 409
    public: ClassVar[str] = "That is taken already."


class FetchError(AdmitError):
    """An outgoing request was refused by the egress guard, failed, or its answer broke a limit."""

    code: ClassVar[str] = "fetch_failed"
    status: ClassVar[int] = 502
    public: ClassVar[str] = "A needed service did not answer."


class FetchTimeoutError(FetchError):
    """Who was asked took too long."""

    code: ClassVar[str] = "fetch_timeout"
    status: ClassVar[int] = 504
    public: ClassVar[str] = "A needed service took too long."


class ConfigError(AdmitError):
    """Settings that cannot work. The message is one line: what is wrong, and how to mend it."""

    code: ClassVar[str] = "invalid_configuration"
