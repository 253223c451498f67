"""Whom to trust, which keys, what was revoked: a credential becomes a `Principal`, with no look-up for each request."""

from admit.credentials.lookup import Found, StatusRef
from admit.verifier.ends.end import End
from admit.verifier.ends.file import FileEndStore
from admit.verifier.ends.intake import Transmitter
from admit.verifier.ends.memory import MemoryEndStore
from admit.verifier.ends.poller import SecurityEventPoller
from admit.verifier.ends.receiver import EndReceiver
from admit.verifier.ends.redis import RedisEndStore
from admit.verifier.ends.store import EndStore
from admit.verifier.ends.view import EndView
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
    "End",
    "EndReceiver",
    "EndStore",
    "EndView",
    "FileEndStore",
    "Found",
    "InProcessSource",
    "Introspection",
    "IssuerHealth",
    "MemoryEndStore",
    "RedisEndStore",
    "RemoteLookup",
    "Revocation",
    "SecurityEventPoller",
    "SessionLookup",
    "StatusRef",
    "Transmitter",
    "TrustedIssuer",
    "Verifier",
    "VerifierHealth",
]
