"""The values of revocation: nodes of the family tree, where their bits stand, and what a process knows of all bits."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from admit.credentials.lookup import StatusRef


class NodeKind(Enum):
    """What a node stands for. A session, an offline and a machine grant have no parent."""

    SESSION = "session"
    ONLINE = "online"
    """A grant that lives in a session, and ends with it."""
    DERIVED = "derived"
    """A grant that came from another grant, and ends with it."""
    OFFLINE = "offline"
    MACHINE = "machine"


class HolderKind(Enum):
    """Whom a family belongs to: a row that issuing locks, not a node."""

    USER = "user"
    CLIENT = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A live family. `idx` leads to its bit, `id` is its public name (`sid`). Times are seconds since the epoch."""

    idx: int
    id: str
    kind: NodeKind
    parent_id: str | None
    user_id: str | None
    client_id: str | None
    created_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class ByNode:
    """End one node and all that hangs from it."""

    id: str


@dataclass(frozen=True, slots=True)
class ByNodes:
    """As `ByNode`, of several."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BySession:
    """As `ByNode`, if it is a session of this user's; else nothing."""

    id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class ByUser:
    """End every family of a user; with `disable` nothing new can be opened for the user either."""

    user_id: str
    disable: bool = False


@dataclass(frozen=True, slots=True)
class ByClient:
    """End every family of a client, whoever granted it. The client may be granted new ones afterwards."""

    client_id: str


@dataclass(frozen=True, slots=True)
class ByUserSessions:
    """End every session of a user but the node `keep`, and all that hangs from them. Offline grants live on."""

    user_id: str
    keep: str | None = None


@dataclass(frozen=True, slots=True)
class ByUserBut:
    """End every family of a user but the node `keep`: what hangs from that one too."""

    user_id: str
    keep: str


EndStart: TypeAlias = ByNode | ByNodes | BySession | ByUser | ByUserBut | ByUserSessions | ByClient


class ListBits(NamedTuple):
    """One list: `version` names exactly these bits."""

    version: str
    bitmap: bytes


@dataclass(frozen=True, slots=True)
class StatusState:
    """Every bit as of one moment; immutable, so that it can be handed to a verifier in the same process.

    `lists` has every list in use. A list that is not in it holds no live family: its tokens are void.
    """

    epoch: int
    seq: int
    lists: Mapping[int, ListBits]
    revoked_kids: frozenset[str] = frozenset()

    @property
    def place(self) -> tuple[int, int]:
        """`(epoch, seq)`: where the ends stood."""
        return self.epoch, self.seq

    def is_ended(self, ref: StatusRef) -> bool:
        """Whether the family at `ref` is over."""
        held = self.lists.get(ref.list)
        return held is None or bool(held.bitmap[ref.position >> 3] >> (ref.position & 7) & 1)
