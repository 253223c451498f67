"""`WWW-Authenticate`, RFC 6750 §3: what a refused request may learn. Fixed texts only."""

import re

from admit.errors import (
    AdmitError,
    ConfigError,
    InsufficientScopeError,
    InsufficientUserAuthenticationError,
    MalformedCredentialError,
    TokenError,
)

_QUOTABLE = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")


def check_quotable(what: str, text: str) -> str:
    """Text that may stand between quotes in a header as it is.

    Raises:
        ConfigError: quotes, backslashes, control or other characters in it.
    """
    if not _QUOTABLE.fullmatch(text):
        raise ConfigError(f"{what} has characters that cannot stand in a header")
    return text


def www_authenticate(
    error: AdmitError | None,
    scope: str = "",
    realm: str | None = None,
    resource_metadata: str | None = None,
) -> str:
    """The challenge for a refusal. `scope` is what the route asks for, RFC 6750 §3.

    Only errors that RFC 6750 §3.1 and RFC 9470 §3 have codes for carry one; without a credential, or with a session's
    that is not good, there is none.
    `resource_metadata` is the URL of the protected resource metadata, RFC 9728 §5.1.
    """
    parts = [] if realm is None else [f'realm="{check_quotable("realm", realm)}"']
    told = TokenError | InsufficientScopeError | InsufficientUserAuthenticationError
    if isinstance(error, told) or type(error) is MalformedCredentialError:
        parts.append(f'error="{error.code}"')
        parts.append(f'error_description="{error.public}"')
    if isinstance(error, InsufficientUserAuthenticationError):  # RFC 9470 §3
        if error.acr_values:
            parts.append(f'acr_values="{check_quotable("acr_values", error.acr_values)}"')
        if error.max_age is not None:
            parts.append(f'max_age="{error.max_age}"')
    wanted = error.scope if isinstance(error, InsufficientScopeError) and error.scope else scope
    if wanted:
        parts.append(f'scope="{check_quotable("scope", wanted)}"')
    if resource_metadata is not None:
        parts.append(f'resource_metadata="{check_quotable("resource_metadata", resource_metadata)}"')
    return "Bearer " + ", ".join(parts) if parts else "Bearer"
