"""Families of tokens, their ends, and how everybody learns of an end in bounded time.

`store` opens and ends families inside a caller's transaction, `Lists` knows where their bits stand, and
`StatusService` publishes heads, lists and the stream of events.
"""

from admit.issuer.revocation.config import RevocationConfig
from admit.issuer.revocation.follow import Wake, follow
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.records import (
    ByClient,
    ByNode,
    BySession,
    ByUser,
    ByUserSessions,
    EndStart,
    HolderKind,
    ListBits,
    Node,
    NodeKind,
    StatusState,
)
from admit.issuer.revocation.service import StatusService
from admit.issuer.revocation.stream import Stream, Subscription
from admit.issuer.revocation.sweep import Sweeper

__all__ = [
    "ByClient",
    "ByNode",
    "BySession",
    "ByUser",
    "ByUserSessions",
    "EndStart",
    "HolderKind",
    "ListBits",
    "Lists",
    "Node",
    "NodeKind",
    "RevocationConfig",
    "StatusService",
    "StatusState",
    "Stream",
    "Subscription",
    "Sweeper",
    "Wake",
    "follow",
]
