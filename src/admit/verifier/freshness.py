"""The rules of revocation in bounded time. Pure: times come in as arguments, `boot` by a clock that nobody sets.

The bound rests on one fact: an answer that repeats a fresh nonce tells what the issuer's database held at some moment
after the question began. So what is held is good as of that beginning, whatever any wall clock says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from admit.errors import RevokedError, StaleRevocationError
from admit.tokens import status_list
from admit.tokens.status_head import Head
from admit.verifier.snapshot import Held
from admit.verifier.trust import Revocation

MAX_REVOKED_KIDS = 10_000
WHOLE = 1.0
"""Seconds that are lost where a time is cut to whole ones."""
NONE_LATER: frozenset[int] = frozenset()


def take_head(held: Held, head: Head, started: float) -> Held:
    """Note a verified head whose question began at boot time `started`. Does not make fresh; `take_lists` may.

    A head below the greatest place ever seen means that the database went back in time: ends may be lost, so nothing
    is fresh until the issuer raises the epoch, even when `seq` catches up.
    """
    kids = held.revoked_kids | head.revoked_kids
    if len(kids) > MAX_REVOKED_KIDS:  # only refusals are forgotten here that the head repeats anyway
        kids = head.revoked_kids
    if is_back(held, head):
        return replace(held, revoked_kids=kids, fresh_at=None, went_back=True)
    return replace(
        held,
        epoch=head.epoch,
        seq=head.seq,
        revoked_kids=kids,
        named=head.lists,
        head_iat=head.iat,
        head_at=started,
        went_back=held.went_back and head.epoch == held.epoch,
    )


def is_back(held: Held, head: Head) -> bool:
    """Whether this head lies below what was seen before."""
    return head.place < (held.epoch, held.seq)


def wanted(held: Held, head: Head) -> Mapping[int, str | None]:
    """The lists to ask for, each with the version held of it (for If-None-Match), or None.

    Of a database that went back nothing is wanted.
    """
    if held.went_back:
        return {}
    return {n: held.versions.get(n) for n, version in head.lists.items() if held.versions.get(n) != version}


def delivered(held: Held, head: Head) -> Mapping[int, bytes]:
    """Lists that need no fetch though `wanted`: what the stream added makes them just what the head names.

    Costs a hash of each list that changed, and of no other.
    """
    found = {n: held.bitmaps[n] for n in wanted(held, head) if n in held.bitmaps}
    return {n: bitmap for n, bitmap in found.items() if status_list.version(bitmap) == head.lists[n]}


def take_lists(
    held: Held,
    head: Head,
    received: Mapping[int, bytes],
    started: float,
    later: frozenset[int] = NONE_LATER,
    reached: tuple[int, int] | None = None,
    *,
    named: bool = False,
) -> Held:
    """Add lists that were received after `head` (already taken), and become fresh as of `started` if all is held.

    `later` are those of them that are signed to have every end that the head tells of, and newer ones (`is_later`):
    where somebody ends something all the time, no list is ever met at the version that was named a moment before.
    `reached` is the greatest place that any of them was signed at. It counts as seen, as a head's does; and until a
    head has reached it nothing is proved (`confirm`).

    `named`: each of `received` is known to be what the head names, so that none is hashed.

    Bits are only ever added, in a new epoch too: positions are never used again, so an old bit refuses nobody who is
    good, and an end that a restored database forgot stays one. A list at another version than the head names is added
    as well, since each of its bits is an end; but it proves nothing, so the state stays as fresh as it was.
    """
    if held.went_back:
        return held
    bitmaps = {n: bitmap for n, bitmap in held.bitmaps.items() if n in head.lists}
    versions = {n: version for n, version in held.versions.items() if n in head.lists}
    for n, bitmap in received.items():
        if n in head.lists:
            bitmaps[n] = add_bits(bitmaps.get(n), bitmap)
            versions[n] = head.lists[n] if named else status_list.version(bitmap)
    if reached is not None and reached > (held.epoch, held.seq):
        held = replace(held, epoch=reached[0], seq=reached[1])
    settled = later if is_reached(held, head) else NONE_LATER
    list_at = {
        n: started if versions.get(n) == version or n in settled else held.list_at[n]
        for n, version in head.lists.items()
        if versions.get(n) == version or n in settled or n in held.list_at
    }
    held = replace(
        held,
        bitmaps=MappingProxyType(bitmaps),
        versions=MappingProxyType(versions),
        list_at=MappingProxyType(list_at),
    )
    return replace(held, fresh_at=started) if is_proved(held, head, later) else held


def needs_confirming(held: Held, head: Head, later: frozenset[int]) -> bool:
    """Whether all is held that `head` tells of, and a list told of a later place than it: `confirm` with a new head."""
    return not held.went_back and is_complete(head, held.versions, later) and not is_reached(held, head)


def confirm(held: Held, head: Head, second: Head, started: float, later: frozenset[int]) -> Held:
    """Become fresh as of `started`, when `head` was asked for, by a `second` (already taken) that came after the lists.

    A list that was signed further on than the head may be of a time line that the database lost with a restore, kept by
    a cache: then it lacks what was ended since. A head that is asked for later shows which it is: it has reached that
    place, or the database went back (`take_head` says so).
    """
    if not is_confirmed(held, head, second, later):
        return held
    return replace(held, fresh_at=started, list_at=MappingProxyType(dict.fromkeys(head.lists, started)))


def is_confirmed(held: Held, head: Head, second: Head, later: frozenset[int]) -> bool:
    """Whether a `second` head, already taken, shows that `head` and the lists met after it are of one time line."""
    return (
        not held.went_back
        and second.epoch == head.epoch
        and is_reached(held, second)
        and is_complete(head, held.versions, later)
    )


def take_delta(held: Held, ends: Iterable[tuple[int, int]]) -> Held:
    """Add ends that the stream told: `(list, position)`. Refuses more at once, and proves nothing.

    Neither the place nor the versions nor the freshness move, since nobody signed it. A list that is not held is
    passed over: once it is fetched, it has the bit. The very same object where nothing is new.
    """
    told: dict[int, list[int]] = {}
    for n, position in ends:
        bitmap = held.bitmaps.get(n)
        if bitmap is not None and not bitmap[position >> 3] >> (position & 7) & 1:
            told.setdefault(n, []).append(position)
    if not told:
        return held
    changed = {n: status_list.with_bits(held.bitmaps[n], positions) for n, positions in told.items()}
    return replace(held, bitmaps=MappingProxyType({**held.bitmaps, **changed}))


def distrust(held: Held) -> Held:
    """Nothing is fresh any more, for a reason that the clocks given to these rules do not show."""
    return replace(held, fresh_at=None)


def is_proved(held: Held, head: Head, later: frozenset[int] = NONE_LATER) -> bool:
    """Whether `head`, already taken, and the lists held prove that no earlier end is missing."""
    return not held.went_back and is_reached(held, head) and is_complete(head, held.versions, later)


def is_reached(held: Held, head: Head) -> bool:
    """Whether nothing that was ever seen is further on than this head."""
    return head.place >= (held.epoch, held.seq)


def is_later(place: tuple[int, int] | None, head: Head) -> bool:
    """Whether a list that was signed as of `place` has every end that the head tells of: bits are never taken back.

    One that was signed at the head's very place and is not what the head names is of another time line.
    """
    return place is not None and place[0] == head.epoch and place[1] > head.seq


def add_bits(held: bytes | None, received: bytes) -> bytes:
    """The bits of both: what was an end stays one."""
    return received if held is None or held == received else status_list.merge(held, received)


def is_complete(head: Head, versions: Mapping[int, str], later: frozenset[int]) -> bool:
    """Whether every list that the head names is held at exactly the version it names, or is a later one."""
    return all(versions.get(n) == version or n in later for n, version in head.lists.items())


def check_status(
    held: Held,
    kid: str | None,
    n: int,
    position: int,
    iat: float | None,
    wall: float,
    boot: float,
    terms: Revocation,
) -> None:
    """Everything that revocation asks of a verified token, at each use of it.

    Raises:
        RevokedError: its family was ended, or its key.
        StaleRevocationError: it cannot be told within the bound.
    """
    at = held.fresh_at
    try:
        if (
            at is not None
            and 0 <= boot - at <= terms.bound
            and not held.bitmaps[n][position >> 3] >> (position & 7) & 1
            and kid not in held.revoked_kids
        ):
            return  # the usual case, in a fifth of the time that the rules take one by one
    except KeyError:
        pass  # a list that is not held: the rules say what of it
    check_kid(held, kid)
    check_bit(held, n, position)
    check_in_use(held, n, boot, terms)
    check_current(held, n, iat, wall, boot, terms)


def check_in_use(held: Held, n: int, boot: float, terms: Revocation) -> None:
    """Raise RevokedError when a fresh state tells that list `n` was retired: nobody in it can be alive."""
    if n not in held.bitmaps and is_retired(held, n) and is_fresh(held, boot, terms.bound):
        raise RevokedError("the status list is not in use any more")


def is_retired(held: Held, n: int) -> bool:
    """Whether the last head names later lists and not this one.

    Lists are begun in the order of their numbers, each is named from its first day, and one that is let go never comes
    back. So a number that is missing below another is over; one above all of them may have been begun a moment ago.
    """
    return n not in held.named and any(n < other for other in held.named)


def check_bit(held: Held, n: int, position: int) -> None:
    """Raise RevokedError when the bit is set in what is held, however old that is."""
    bitmap = held.bitmaps.get(n)
    if bitmap is not None and bitmap[position >> 3] >> (position & 7) & 1:
        raise RevokedError("the status bit is set")


def check_kid(held: Held, kid: str | None) -> None:
    """Raise RevokedError when the issuer gave up the key that signed."""
    if kid in held.revoked_kids:
        raise RevokedError("the key was revoked")


def is_fresh(held: Held, boot: float, bound: float) -> bool:
    """Whether what is held was proved within `bound` seconds. A boot clock that runs backwards proves nothing."""
    at = held.fresh_at
    return at is not None and 0 <= boot - at <= bound


def is_young(held: Held, iat: float | None, wall: float, boot: float, terms: Revocation) -> bool:
    """Whether a token is so new that an end of it could not have been promised to be known yet.

    The key that signed it has no such excuse: whoever stole one writes any `iat`. So the last head, which names the
    revoked keys, has to be within the bound too.

    `wall` and `iat` are of two clocks, so the two must agree within the terms' leeway: the issuer's time at the last
    head, moved on by the boot clock, is compared with the wall clock now; a clock that was set since is noticed.
    """
    if iat is None or held.head_iat is None or held.head_at is None or held.went_back:
        return False
    since = boot - held.head_at
    ahead = wall - (held.head_iat + since)
    if not knows_keys(since, terms.bound) or not agrees(ahead, terms.clock_bound):
        return False
    return wall - iat <= terms.bound - terms.clock_bound


def agrees(ahead: float, leeway: float) -> bool:
    """Whether this machine's clock, so far ahead of the last head's `iat`, is within the leeway of the issuer's.

    An `iat` is cut to whole seconds, so the issuer's clock may be nearly a second further on; a clock that is behind it
    makes tokens look younger than they are.
    """
    return WHOLE - leeway <= ahead <= leeway


def knows_keys(since: float, bound: float) -> bool:
    """Whether a head, asked for `since` seconds ago, names all keys that were revoked longer ago than the bound."""
    return 0 <= since <= bound


def check_current(held: Held, n: int, iat: float | None, wall: float, boot: float, terms: Revocation) -> None:
    """Raise StaleRevocationError unless what is held tells that list `n` has no newer end, or the token is young."""
    if n in held.bitmaps and is_fresh(held, boot, terms.bound):
        return
    if not is_young(held, iat, wall, boot, terms):
        raise StaleRevocationError(
            "what is held of revocations is older than max_staleness, or lacks this list"
        )
