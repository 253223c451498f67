"""Whom to trust, which keys, what was revoked: a credential becomes a `Principal`, with no look-up for each request."""

from admit.credentials.lookup import Found, StatusRef
from admit.verifier.foreign import ClaimPaths
from admit.verifier.health import IssuerHealth, VerifierHealth
from admit.verifier.in_process import InProcessSource
from admit.verifier.introspection import Introspection
from admit.verifier.sessions import RemoteLookup, SessionLookup
from admit.verifier.trust import Revocation, TrustedIssuer
from admit.verifier.verifier import AsyncVerifier, Verifier

__all__ = [
    "AsyncVerifier",
    "ClaimPaths",
    "Found",
    "InProcessSource",
    "Introspection",
    "IssuerHealth",
    "RemoteLookup",
    "Revocation",
    "SessionLookup",
    "StatusRef",
    "TrustedIssuer",
    "Verifier",
    "VerifierHealth",
]
