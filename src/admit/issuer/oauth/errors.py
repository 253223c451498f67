"""The authorization server's errors: one class for each registered "error" value.

RFC 6749 §4.1.2.1 and §5.2, RFC 8707 §2, OpenID Connect Core §3.1.2.6. `public` is the only text that
leaves; it quotes no input.
"""

from typing import ClassVar

from admit.errors import OAuthError


class InvalidRequestError(OAuthError):
    """A parameter is missing, doubled, malformed or not allowed here, RFC 6749 §5.2."""

    code: ClassVar[str] = "invalid_request"
    public: ClassVar[str] = "The request is malformed."

    def __init__(self, detail: str = "", *, public: str = "") -> None:
        super().__init__(detail)
        self.description = public or type(self).public


class UntrustedTargetError(OAuthError):
    """Client or redirect URI is not proven: a page is shown, nothing is redirected, RFC 6749 §4.1.2.1."""

    code: ClassVar[str] = "invalid_request"
    public: ClassVar[str] = "This sign-in link is not valid."


class UntrustedLogoutError(UntrustedTargetError):
    """A logout request that cannot be believed as a whole, OpenID Connect RP-Initiated Logout §4: a page is shown,
    nobody is logged out. `parameter` is the one that was wrong or missing; "" for a repeated one.
    """

    public: ClassVar[str] = "This sign-out link is not valid."

    def __init__(self, detail: str = "", *, parameter: str = "") -> None:
        super().__init__(detail)
        self.parameter = parameter


class InvalidClientError(OAuthError):
    """Client authentication failed, RFC 6749 §5.2."""

    code: ClassVar[str] = "invalid_client"
    status: ClassVar[int] = 401
    public: ClassVar[str] = "Client authentication failed."


class InvalidGrantError(OAuthError):
    """The code or refresh token is unknown, spent, expired or another client's, RFC 6749 §5.2."""

    code: ClassVar[str] = "invalid_grant"
    public: ClassVar[str] = "The grant is not valid."


class UnauthorizedClientError(OAuthError):
    """The client may not use this grant type, RFC 6749 §5.2."""

    code: ClassVar[str] = "unauthorized_client"
    public: ClassVar[str] = "The client may not use this grant type."


class UnsupportedGrantTypeError(OAuthError):
    """The grant type is not offered, RFC 6749 §5.2."""

    code: ClassVar[str] = "unsupported_grant_type"
    public: ClassVar[str] = "This grant type is not supported."


class UnsupportedResponseTypeError(OAuthError):
    """Only `code` exists, RFC 6749 §4.1.2.1."""

    code: ClassVar[str] = "unsupported_response_type"
    public: ClassVar[str] = "Only the response type code is supported."


class InvalidScopeError(OAuthError):
    """A scope outside the client's list, or wider than was granted, RFC 6749 §4.1.2.1, §6."""

    code: ClassVar[str] = "invalid_scope"
    public: ClassVar[str] = "The scope is not valid for this client."


class InvalidTargetError(OAuthError):
    """The resource is unknown, not this client's, or more than one was asked for, RFC 8707 §2."""

    code: ClassVar[str] = "invalid_target"
    public: ClassVar[str] = "The resource is not valid for this client."


class AccessDeniedError(OAuthError):
    """The person said no, RFC 6749 §4.1.2.1."""

    code: ClassVar[str] = "access_denied"
    public: ClassVar[str] = "Access was denied."


class LoginRequiredError(OAuthError):
    """`prompt=none`, and nobody is signed in, OpenID Connect Core §3.1.2.6."""

    code: ClassVar[str] = "login_required"
    public: ClassVar[str] = "Sign-in is needed."


class ConsentRequiredError(OAuthError):
    """`prompt=none`, and consent is needed, OpenID Connect Core §3.1.2.6."""

    code: ClassVar[str] = "consent_required"
    public: ClassVar[str] = "Consent is needed."


class UnmetAuthenticationRequirementsError(OAuthError):
    """No sign-in reaches the `acr` that has to be reached: OpenID Connect Core Error Code
    unmet_authentication_requirements 1.0 §3, RFC 9470 §5.
    """

    code: ClassVar[str] = "unmet_authentication_requirements"
    public: ClassVar[str] = "The asked class of sign-in was not reached."


class RequestNotSupportedError(OAuthError):
    """A request object by value, OpenID Connect Core §6."""

    code: ClassVar[str] = "request_not_supported"
    public: ClassVar[str] = "Request objects are not supported."


class RequestUriNotSupportedError(OAuthError):
    """A request object by reference: nothing is fetched, OpenID Connect Core §6.2."""

    code: ClassVar[str] = "request_uri_not_supported"
    public: ClassVar[str] = "Request URIs are not supported."


class ApiLoginNotAllowedError(UnauthorizedClientError):
    """Only a client with `api_login = true` in the settings file signs people in by JSON, RFC 6749 §5.2."""

    public: ClassVar[str] = "This client may not sign people in by JSON."


class InvalidSessionError(OAuthError):
    """A `flow` that is unknown, expired, spent, another client's or another browser's, or that has another next step:
    what OAuth 2.0 for First-Party Applications calls `auth_session`.
    """

    code: ClassVar[str] = "invalid_session"
    public: ClassVar[str] = "This sign-in is over. Begin again."


class InsufficientAuthorizationError(OAuthError):
    """What was shown does not sign anybody in: OAuth 2.0 for First-Party Applications, `insufficient_authorization`."""

    code: ClassVar[str] = "insufficient_authorization"
    status: ClassVar[int] = 403
    public: ClassVar[str] = "This is not right. Try again."

    def __init__(self, detail: str = "", *, public: str = "") -> None:
        super().__init__(detail)
        self.description = public or type(self).public


class RedirectToWebError(OAuthError):
    """What has to follow is done on pages of ours only: OAuth 2.0 for First-Party Applications, `redirect_to_web`."""

    code: ClassVar[str] = "redirect_to_web"
    status: ClassVar[int] = 403
    public: ClassVar[str] = "Go on in the browser, with an authorization request."


class PayloadTooLargeError(OAuthError):
    """The body is larger than this endpoint reads, RFC 9110 §15.5.14."""

    code: ClassVar[str] = "invalid_request"
    status: ClassVar[int] = 413
    public: ClassVar[str] = "The request is too large."


class UnsupportedMediaTypeError(OAuthError):
    """A form was expected, RFC 6749 §4.1.3, RFC 9110 §15.5.16."""

    code: ClassVar[str] = "invalid_request"
    status: ClassVar[int] = 415
    public: ClassVar[str] = "Send the parameters as application/x-www-form-urlencoded."


class JsonWantedError(UnsupportedMediaTypeError):
    """A JSON object was expected: a form of another site could be taken for it otherwise, RFC 9110 §15.5.16."""

    public: ClassVar[str] = "Send a JSON object as application/json."
