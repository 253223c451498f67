"""Heads and lists as the issuer publishes them, and the same for a verifier in the same process."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

from admit.errors import KeysUnavailableError, OAuthError, StorageUnavailableError
from admit.issuer.keys import KeySnapshot
from admit.issuer.revocation import rules
from admit.issuer.revocation.config import RevocationConfig
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.permutation import Permutation
from admit.issuer.revocation.records import ListBits, StatusState
from admit.issuer.revocation.rules import Change, Follow
from admit.issuer.revocation.store.lists import KID_SEPARATOR, SELECT_CHANGES, SELECT_EVERYTHING, SELECT_HEAD
from admit.issuer.storage import Database, Row
from admit.jose import JWK
from admit.tokens import status_head, status_list
from admit.tokens.status_head import Head

log = logging.getLogger(__name__)

STATUS_ALG: Final = "ES256"
_MOST_CHANGES: Final = 1_000  # transactions; further behind than this, reading everything is less work


@dataclass(frozen=True, slots=True)
class _SignedList:
    version: str
    kid: str | None
    signed_at: float
    compressed: bytes
    token: bytes


class _Look(NamedTuple):
    """What one look at the head shows."""

    epoch: int
    seq: int
    revoked_kids: frozenset[str]


class StatusService:
    """Publishes what the database holds, never less: each answer rests on a read that began after the question came.

    One a process. Keeps the bits in memory and reads only what changed. Safe for many concurrent callers of
    one event loop.
    """

    def __init__(
        self, db: Database, lists: Lists, issuer: str, config: RevocationConfig | None = None
    ) -> None:
        self._db = db
        self._lists = lists
        self._issuer = issuer
        self._config = config if config is not None else RevocationConfig()
        self._held: StatusState | None = None
        self._following = asyncio.Lock()
        self._signing = asyncio.Lock()
        self._signed: dict[int, _SignedList] = {}

    @property
    def uris(self) -> list[str]:
        """The names of all lists in use, as of the last look."""
        held = self._held
        return [status_list.uri(self._issuer, n) for n in sorted(held.lists)] if held is not None else []

    async def head(self, nonce: str, now: float, snapshot: KeySnapshot) -> str:
        """The signed head in answer to `nonce`. It holds at a moment after this call began. `now` is only its `iat`.

        Raises:
            OAuthError: the nonce is not 16 to 64 characters of base64url.
            StorageUnavailableError: the database was not reached; nothing older is given out instead.
        """
        if not status_head.is_nonce(nonce):
            raise OAuthError("nonce is not 16 to 64 characters of base64url")
        held = await self._current()
        head = Head(
            issuer=self._issuer,
            nonce=nonce,
            iat=now,
            epoch=held.epoch,
            seq=held.seq,
            lists={n: bits.version for n, bits in held.lists.items()},
            revoked_kids=held.revoked_kids,
        )
        return status_head.sign(head, signer(snapshot, held))

    async def list_token(self, n: int, now: float, snapshot: KeySnapshot) -> tuple[bytes, str] | None:
        """List `n`, signed, and its ETag; None where no such list is in use.

        It is packed once for each version, in a thread, and signed anew when it is older than `list_max_age`.

        Raises:
            StorageUnavailableError: the database was not reached.
        """
        held = await self._current()
        bits = held.lists.get(n)
        if bits is None:
            return None
        key = signer(snapshot, held)
        async with self._signing:
            kept = self._signed.get(n)
            compressed = kept.compressed if kept is not None and kept.version == bits.version else None
            if kept is None or compressed is None or kept.kid != key.kid or not self._is_young(kept, now):
                if compressed is None:
                    compressed = await asyncio.to_thread(status_list.compress, bits.bitmap)
                token = status_list.encode(
                    self._issuer,
                    n,
                    compressed,
                    iat=now,
                    lifetime=self._config.list_lifetime,
                    ttl=self._config.list_max_age,
                    key=key,
                )
                kept = _SignedList(bits.version, key.kid, now, compressed, token.encode())
                self._signed[n] = kept
        return kept.token, status_list.etag(bits.version)

    def _is_young(self, kept: _SignedList, now: float) -> bool:
        return timedelta(0) <= timedelta(seconds=now - kept.signed_at) < self._config.list_max_age

    async def refresh(self) -> StatusState:
        """Every bit, for the verifier in this process, as of a moment after this call began.

        The same object as before where nothing changed.

        Raises:
            StorageUnavailableError: the database was not reached.
        """
        return await self._current()

    async def _current(self) -> StatusState:
        held = self._held
        if held is not None and await self._look() == _Look(held.epoch, held.seq, held.revoked_kids):
            return held
        async with self._following:
            # Look again: whoever had the lock may have gone further than what this caller saw before.
            now = await self._look()
            followed = await self._follow(self._held, now)
            if followed.revoked_kids != now.revoked_kids:
                followed = replace(followed, revoked_kids=now.revoked_kids)
            if rules.went_back(self._held, followed.epoch, followed.seq):
                log.error("the database went back in time: run `admit epoch raise`")
            self._held = followed
            return followed

    async def _look(self) -> "_Look":
        rows = await self._db.read(SELECT_HEAD())
        epoch, seq = place_of(rows)
        kids = rows[0]["revoked_kids"]
        return _Look(epoch, seq, frozenset(kids.split(KID_SEPARATOR)) if kids else frozenset())

    async def _follow(self, held: StatusState | None, to: "_Look") -> StatusState:
        if held is not None:
            match rules.how_to_follow(held, to.epoch, to.seq, at_most=_MOST_CHANGES):
                case Follow.NOTHING:
                    return held
                case Follow.CHANGES:
                    followed = await self._changes_since(held)
                    if followed is not None:
                        return followed
                case Follow.EVERYTHING:
                    pass
        return await self._everything()

    async def _changes_since(self, held: StatusState) -> StatusState | None:
        rows = await self._db.read(SELECT_CHANGES(since=held.seq))
        epoch, seq = place_of(rows)
        if epoch != held.epoch:
            return None
        changes = [
            Change(row["at_seq"], row["list"], row["position"]) for row in rows if row["at_seq"] is not None
        ]
        return rules.apply_changes(held, seq, changes)

    async def _everything(self) -> StatusState:
        rows = await self._db.read(SELECT_EVERYTHING())
        epoch, seq = place_of(rows)
        lists: dict[int, ListBits] = {}
        for row in rows:
            if row["n"] is None:
                continue
            self._lists.learn(row["n"], row["seed_sealed"])
            permutation, written = self._lists.permutation(row["n"]), row["positions"]
            lists[row["n"]] = await asyncio.to_thread(bits_of, permutation, written) if written else NOBODY
        for n in self._signed.keys() - lists.keys():
            del self._signed[n]
        return StatusState(epoch, seq, MappingProxyType(lists))


NOBODY: Final = rules.list_bits(status_list.EMPTY)
"""A list in which nobody was ended."""


def signer(snapshot: KeySnapshot, held: StatusState) -> JWK:
    """The key for heads and lists.

    Raises:
        KeysUnavailableError: none is held, or it was revoked and this process has not learnt of its
        successor yet.
    """
    key = snapshot.signer("status", STATUS_ALG)
    if key.kid in held.revoked_kids:
        raise KeysUnavailableError("the status key was revoked")
    return key


def place_of(rows: Sequence[Row]) -> tuple[int, int]:
    """`(epoch, seq)` of an answer that has them in each row.

    Raises:
        StorageUnavailableError: the head's row is missing; no answer could be right.
    """
    if not rows:
        raise StorageUnavailableError("the status head is missing")
    return rows[0]["epoch"], rows[0]["seq"]


def bits_of(permutation: Permutation, written: str) -> ListBits:
    """The bits that a list's positions and marks, joined by commas, stand for."""
    bitmap, positions = status_list.EMPTY, []
    for position in map(int, written.split(",")):
        low = rules.low_of_mark(position)
        if low is None:
            positions.append(position)
        else:
            bitmap = status_list.merge(bitmap, permutation.bitmap_from(low))
    return rules.list_bits(status_list.with_bits(bitmap, positions))
