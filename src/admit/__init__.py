"""Admit lets people in, and lets every service know who they are.

The front door: names are loaded when they are first used, so that signing a token loads no HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from admit import jwt
    from admit.errors import (
        AdmitError,
        AlgorithmError,
        AudienceError,
        BoundTokenError,
        ClaimError,
        ConfigError,
        CredentialError,
        CriticalHeaderError,
        CsrfError,
        DecryptionError,
        EndStoreError,
        ExpiredTokenError,
        FetchError,
        InactiveTokenError,
        InsufficientScopeError,
        InsufficientUserAuthenticationError,
        IntrospectionUnavailableError,
        InvalidKeyError,
        IssuerError,
        KeyNotFoundError,
        KeysUnavailableError,
        LookupUnavailableError,
        MalformedCredentialError,
        MalformedTokenError,
        MissingCredentialError,
        NotYetValidError,
        OAuthError,
        RevokedError,
        SessionError,
        SignatureError,
        StaleRevocationError,
        TokenError,
        TokenTypeError,
        UnavailableError,
    )
    from admit.jose.jwk import JWK
    from admit.jose.jwks import JWKSet
    from admit.jose.waive import Waive
    from admit.principal import ByReference, Principal
    from admit.verifier import (
        AsyncVerifier,
        ClaimPaths,
        EndReceiver,
        FileEndStore,
        Introspection,
        MemoryEndStore,
        RedisEndStore,
        RemoteLookup,
        Revocation,
        SecurityEventPoller,
        Transmitter,
        TrustedIssuer,
        Verifier,
    )

__all__ = [
    "JWK",
    "AdmitError",
    "AlgorithmError",
    "AsyncVerifier",
    "AudienceError",
    "BoundTokenError",
    "ByReference",
    "ClaimError",
    "ClaimPaths",
    "ConfigError",
    "CredentialError",
    "CriticalHeaderError",
    "CsrfError",
    "DecryptionError",
    "EndReceiver",
    "EndStoreError",
    "ExpiredTokenError",
    "FetchError",
    "FileEndStore",
    "InactiveTokenError",
    "InsufficientScopeError",
    "InsufficientUserAuthenticationError",
    "Introspection",
    "IntrospectionUnavailableError",
    "InvalidKeyError",
    "IssuerError",
    "JWKSet",
    "KeyNotFoundError",
    "KeysUnavailableError",
    "LookupUnavailableError",
    "MalformedCredentialError",
    "MalformedTokenError",
    "MemoryEndStore",
    "MissingCredentialError",
    "NotYetValidError",
    "OAuthError",
    "Principal",
    "RedisEndStore",
    "RemoteLookup",
    "Revocation",
    "RevokedError",
    "SecurityEventPoller",
    "SessionError",
    "SignatureError",
    "StaleRevocationError",
    "TokenError",
    "TokenTypeError",
    "Transmitter",
    "TrustedIssuer",
    "UnavailableError",
    "Verifier",
    "Waive",
    "jwt",
]

_HOME = {
    "JWK": "admit.jose.jwk",
    "JWKSet": "admit.jose.jwks",
    "Waive": "admit.jose.waive",
    "Principal": "admit.principal",
    "ByReference": "admit.principal",
    "AsyncVerifier": "admit.verifier",
    "ClaimPaths": "admit.verifier",
    "Introspection": "admit.verifier",
    "Revocation": "admit.verifier",
    "TrustedIssuer": "admit.verifier",
    "Verifier": "admit.verifier",
    "EndReceiver": "admit.verifier",
    "FileEndStore": "admit.verifier",
    "MemoryEndStore": "admit.verifier",
    "RedisEndStore": "admit.verifier",
    "RemoteLookup": "admit.verifier",
    "SecurityEventPoller": "admit.verifier",
    "Transmitter": "admit.verifier",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use, PEP 562."""
    if name not in __all__:
        raise AttributeError(f"module 'admit' has no attribute {name!r}")
    if name == "jwt":
        return import_module("admit.jwt")
    value = getattr(import_module(_HOME.get(name, "admit.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
