"""What can be wrong with a client's name. Leaves of the tree in `admit.errors`; no message quotes the input."""

from typing import ClassVar

from admit.errors import AdmitError, ConfigError, OAuthError, TokenError


class ClientNotFoundError(AdmitError):
    """No client has this id, and none had it."""

    code: ClassVar[str] = "client_not_found"
    status: ClassVar[int] = 404
    public: ClassVar[str] = "There is no such client."


class InvalidClientMetadataError(OAuthError):
    """A member of the metadata has a value that is not taken, RFC 7591 §3.2.2. `description` names the member."""

    code: ClassVar[str] = "invalid_client_metadata"
    public: ClassVar[str] = "The client metadata is not valid."

    def __init__(self, detail: str = "", *, public: str = "") -> None:
        super().__init__(detail)
        self.description = public or type(self).public


class InvalidRedirectUriError(InvalidClientMetadataError):
    """A redirect URI that may not be registered, RFC 7591 §3.2.2."""

    code: ClassVar[str] = "invalid_redirect_uri"
    public: ClassVar[str] = "A redirect URI is not valid."


class RegistrationTokenError(TokenError):
    """No initial access token, or none that is good (any more); or a registration access token that is not this
    client's, RFC 7591 §3, RFC 7592 §2.
    """


class MetadataDocumentError(OAuthError):
    """The document that a client's id names cannot be had, or describes no client that is taken here."""

    code: ClassVar[str] = "invalid_client"
    public: ClassVar[str] = "The application's own description of itself cannot be used."


class RuleError(ConfigError):
    """A rule for clients that settings or a command break: `rule` for whoever described the client, and beside it what
    only operators are told.
    """

    def __init__(self, rule: str, *, mend: str) -> None:
        super().__init__(f"{rule}{mend}")
        self.rule = rule
