"""What revocation decides without looking anything up: where a node may hang, what a change means, what comes next."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from admit.credentials.lookup import StatusRef
from admit.issuer.revocation.records import ListBits, NodeKind, StatusState
from admit.tokens import status_list

_PUBLIC_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

LIST_BITS = 20
LOW_MASK = status_list.ENTRIES - 1

LISTS_CHANGED = -status_list.ENTRIES - 1
"""A `status_change.position` that says: the set of lists is another, so read everything anew."""

EPOCH_JUMP = 64
"""How many lists an epoch raise leaves out: as many may have been begun since the backup that was restored."""


def is_public_id(text: str) -> bool:
    """Whether this can be a node's `id`; anything else is not worth asking the database about."""
    return _PUBLIC_ID.fullmatch(text) is not None


def index_of(n: int, low: int) -> int:
    """The index that has `low` in list `n`: `list_of` and `low_of` put together again."""
    return n << LIST_BITS | low


def list_of(idx: int) -> int:
    """The list in which an index has its bit."""
    return idx >> LIST_BITS


def low_of(idx: int) -> int:
    """The index inside its list, before it is permuted."""
    return idx & LOW_MASK


def bit_of(ref: StatusRef) -> int:
    """A bit as one number: its list, then its position."""
    return ref.list << LIST_BITS | ref.position


def mark_from(low: int) -> int:
    """The `status_change.position` that says: every index at or above `low` is ended. One row, not a million."""
    return -1 - low


def low_of_mark(position: int) -> int | None:
    """What `mark_from` was given; None for a plain position."""
    return -1 - position if -status_list.ENTRIES <= position < 0 else None


def check_place(kind: NodeKind, *, parent_id: str | None, user_id: str | None, client_id: str | None) -> None:
    """Hold that a node of this kind hangs from what it must hang from.

    Raises:
        ValueError: the caller's mistake: a child without a parent, a family that belongs to nobody.
    """
    has_parent = parent_id is not None
    if has_parent is not (kind in (NodeKind.ONLINE, NodeKind.DERIVED)):
        raise ValueError("an online or derived grant has a parent, and nothing else has one")
    if kind is NodeKind.MACHINE and (user_id is not None or client_id is None):
        raise ValueError("a machine grant belongs to a client, and to no user")
    if kind in (NodeKind.SESSION, NodeKind.OFFLINE) and user_id is None:
        raise ValueError("a session or offline grant belongs to a user")


def went_back(held: StatusState | None, epoch: int, seq: int) -> bool:
    """Whether the database forgot ends that this process has seen: it was restored without `admit epoch raise`.

    What it says now is the truth to publish, and verifiers that saw more refuse until the epoch rises.
    """
    return held is not None and (epoch, seq) < held.place


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the log: in transaction `seq`, `position` of `list` was set. `list` None: it set no bit."""

    seq: int
    list: int | None
    position: int | None


def is_whole(since: int, seq: int, changes: Iterable[Change]) -> bool:
    """Whether the log tells of every transaction after `since` up to `seq`: rows of old ones are let go.

    Not of a database that is behind `since`: what it forgot, no log tells.
    """
    return len({change.seq for change in changes}) == seq - since


def apply_changes(
    held: StatusState, seq: int, changes: Iterable[Change], *, settled: int = -1
) -> StatusState | None:
    """What holds at `seq`, when `changes` are all after `held`. None: they have a gap or a mark, so read anew.

    The lists in use were read at `settled`: marks from before it, and lists that had left by then, are dealt with.
    """
    seen: set[int] = set()
    positions: dict[int, list[int]] = {}
    for change in changes:
        seen.add(change.seq)
        if change.list is None or change.position is None:
            continue
        if change.position < 0 or change.list not in held.lists:
            if change.seq <= settled:
                continue
            return None
        positions.setdefault(change.list, []).append(change.position)
    if len(seen) != seq - held.seq:
        return None
    lists = dict(held.lists)
    for n, added in positions.items():
        lists[n] = list_bits(status_list.with_bits(lists[n].bitmap, added))
    return StatusState(held.epoch, seq, _frozen(lists), held.revoked_kids)


def bits_of(changes: Iterable[Change]) -> list[tuple[int, int]] | None:
    """The bits that these rows set, in their order. None: there is a mark among them, which no bit can tell."""
    bits: list[tuple[int, int]] = []
    for change in changes:
        if change.list is None or change.position is None:
            continue
        if change.position < 0:
            return None
        bits.append((change.list, change.position))
    return bits


def tells_only_of_lists(changes: Iterable[Change]) -> bool:
    """Whether all marks say that the set of lists is another: then the lists that are held stay right."""
    return all(
        change.position is None or change.position >= 0 or change.position == LISTS_CHANGED
        for change in changes
    )


def list_bits(bitmap: bytes) -> ListBits:
    """A list with its version."""
    return ListBits(status_list.version(bitmap), bitmap)


def _frozen(lists: dict[int, ListBits]) -> Mapping[int, ListBits]:
    return MappingProxyType(lists)


def lists_needed(top_idx: int | None, top_list: int | None) -> range:
    """The lists to make, so that the one in use has a spare after it: no index ever waits for its list.

    `top_idx` is the greatest index given so far, `top_list` the greatest list that was ever made.
    They are made in the order of their numbers, in one transaction: verifiers take a list that a head leaves out below
    another for one that is over for good.
    """
    wanted = (0 if top_idx is None else list_of(top_idx)) + 1
    return range(0 if top_list is None else top_list + 1, wanted + 1)


def next_epoch(epoch: int, now: float) -> int:
    """Above this one, and above any that the lost database had: those were made by an earlier clock."""
    return max(epoch + 1, int(now))
