"""Heads, lists and events as the issuer publishes them, and the same for a verifier in the same process."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from admit.errors import KeysUnavailableError, OAuthError, StorageUnavailableError
from admit.issuer.keys import KeySnapshot
from admit.issuer.revocation import descriptors, events, rules
from admit.issuer.revocation.config import RevocationConfig
from admit.issuer.revocation.events import Place
from admit.issuer.revocation.lists import Lists
from admit.issuer.revocation.reading import Reader
from admit.issuer.revocation.records import ListBits, StatusState
from admit.issuer.revocation.stream import Stream, Subscription
from admit.issuer.revocation.together import Together
from admit.issuer.storage import Database
from admit.jose import JWK
from admit.tokens import status_head, status_list
from admit.tokens.status_head import Head

log = logging.getLogger(__name__)

STATUS_ALG: Final = "ES256"


@dataclass(frozen=True, slots=True)
class _SignedList:
    version: str
    kid: str | None
    signed_at: float
    token: bytes


class StatusService:
    """Publishes what the database holds, never less: each answer rests on a read that began after the question came.

    One a process. Keeps the bits in memory and reads only what changed. Safe for many concurrent callers; those who
    ask at the same time share one look. `stream` tells of each change that a look found.
    """

    def __init__(
        self, db: Database, lists: Lists, issuer: str, config: RevocationConfig | None = None
    ) -> None:
        self._issuer = issuer
        self._config = config if config is not None else RevocationConfig()
        self._reader = Reader(db, lists)
        self._held: StatusState | None = None
        self._current = Together(self._advance)
        self._signed: dict[int, _SignedList] = {}
        self._packed: dict[int, tuple[str, asyncio.Task[bytes]]] = {}
        self.stream = Stream(
            most=descriptors.affordable(self._config.most_streams, descriptors.limit()),
            each=self._config.most_streams_each,
        )

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
        kept = self._signed.get(n)
        if (
            kept is None
            or kept.version != bits.version
            or kept.kid != key.kid
            or not self._is_young(kept, now)
        ):
            token = status_list.encode(
                self._issuer,
                n,
                await self._pack(n, bits),
                iat=now,
                lifetime=self._config.list_lifetime,
                ttl=self._config.list_max_age,
                key=key,
                place=held.place,
            )
            kept = _SignedList(bits.version, key.kid, now, token.encode())
            self._signed[n] = kept
        return kept.token, status_list.etag(bits.version)

    async def _pack(self, n: int, bits: ListBits) -> bytes:
        """One thread's work for all who ask for the same bits."""
        version, task = self._packed.get(n, (None, None))
        if task is None or version != bits.version or _failed(task) or _elsewhere(task):
            task = asyncio.get_running_loop().create_task(
                asyncio.to_thread(status_list.compress, bits.bitmap)
            )
            self._packed[n] = bits.version, task
        return await asyncio.shield(task)

    def _is_young(self, kept: _SignedList, now: float) -> bool:
        return timedelta(0) <= timedelta(seconds=now - kept.signed_at) < self._config.list_max_age

    async def refresh(self) -> StatusState:
        """Every bit, for the verifier in this process, as of a moment after this call began.

        The same object as before where nothing changed.

        Raises:
            StorageUnavailableError: the database was not reached.
        """
        return await self._current()

    async def subscribe(self, since: Place | None, address: str | None = None) -> Subscription:
        """An open stream of events to `address`, whose first are those after `since`; the caller closes it.

        Raises:
            TooManyStreamsError: as many are open as may be, or as that address may have; or the server stops.
        """
        subscription = self.stream.subscribe(address)
        try:
            missed = self.stream.since(since)
            if missed is None and since is not None:
                missed = await self._from_log(since)
        except BaseException:
            subscription.close()
            raise
        subscription.begin(events.GREETING + (missed or b""))
        return subscription

    async def _from_log(self, since: Place) -> bytes:
        """What a stream missed that was cut off before this process began to keep events, or longer ago.

        Anybody may ask for it, from wherever: so not for more than a few ends, beyond which asking for the head is as
        quick. The log does not tell when a key was revoked; where any is, the head is to be asked too.
        """
        held = self._held
        here = events.lists(Place(*held.place) if held is not None else None)
        if held is not None and not is_recent(held.seq - since.seq):
            return here
        try:
            look = await self._reader.look(since.epoch, since.seq, at_most=RESUMED)
        except StorageUnavailableError:
            look = None
        bits = rules.bits_of(look.changes) if look is not None and look.changes is not None else None
        if look is None or bits is None:
            return here
        place = Place(look.epoch, look.seq)
        return events.end(place, bits) + (events.lists(place) if look.revoked_kids else b"")

    async def _advance(self) -> StatusState:
        """Look, and follow to what is seen. Only one of these runs at a time."""
        held = self._held
        look = await self._reader.look(*(held.place if held is not None else NOWHERE))
        if held is not None and (*held.place, held.revoked_kids) == (look.epoch, look.seq, look.revoked_kids):
            return held
        state, bits = await self._reader.follow(held, look)
        if rules.went_back(held, state.epoch, state.seq):
            log.error("the database went back in time: run `admit epoch raise`")
        if held is not None and held.revoked_kids != state.revoked_kids:
            bits = None
        for n in (self._signed.keys() | self._packed.keys()) - state.lists.keys():
            self._signed.pop(n, None)
            self._packed.pop(n, None)
        self._held = state
        self.stream.advance(Place(*state.place), bits)
        return state


NOWHERE: Final = (-1, -1)
"""The place of a process that holds nothing yet."""


RESUMED: Final = 100
"""Ends that a stream is told of from the log when it resumes."""


def is_recent(behind: int) -> bool:
    """Whether the log is read for who is so many transactions behind: each has a row there at least."""
    return behind <= RESUMED


def _failed(task: "asyncio.Task[bytes]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _elsewhere(task: "asyncio.Task[bytes]") -> bool:
    """Whether it is awaited in another event loop, where this one could wait for it in vain."""
    return not task.done() and task.get_loop() is not asyncio.get_running_loop()


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
