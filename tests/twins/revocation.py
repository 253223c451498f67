"""Issuing that waits for no end, ends that look once, and a restart that forgets."""

from typing import Any

from sqlalchemy import bindparam, select

from admit.issuer.revocation import Lists, rules
from admit.issuer.revocation.permutation import Permutation
from admit.issuer.revocation.reading import NOBODY
from admit.issuer.revocation.records import EndStart, ListBits, Node
from admit.issuer.revocation.store import ends, node, node_of
from admit.issuer.storage import Statement, Steps

ANY_NODE = Statement(select(node).where(node.c.id == bindparam("node_id")))


def _forget(permutation: Permutation, written: str) -> ListBits:
    return NOBODY


def _any_node(id: str, now: float) -> Steps[Node | None]:
    rows = yield ANY_NODE(node_id=id)
    return node_of(rows[0]) if rows else None


def _any_user(user_id: str) -> Steps[bool]:
    return True
    yield


def _any_client(client_id: str, now: float) -> Steps[bool]:
    return True
    yield


def _hold_nothing(start: EndStart, now: float) -> Steps[None]:
    return
    yield


def _end_nothing_older(in_use: Any, now: float) -> Steps[None]:
    return
    yield


def _one_round(
    lists: Lists, start: EndStart, reason: str, now: float, told: ends.Tell | None
) -> Steps[tuple[int, list[int]]]:
    rows = yield ends.END_BY[type(start)](**ends.root_of(start), reason=reason, now=now)
    ended = [row["idx"] for row in rows]
    refs = yield from lists.refs(ended, now)
    bits = [rules.bit_of(ref) for ref in refs]
    if rows:
        yield from ends.writing(
            start, reason, now, ended, bits, told(len(rows)) if told is not None else None
        )[0]
    return len(rows), bits


TWINS: dict[str, Any] = {
    "admit.issuer.revocation.descriptors:affordable": lambda most, descriptors: most,
    "admit.issuer.revocation.reading:bits_of": _forget,
    "admit.issuer.revocation.stream:has_room": lambda streams, most: True,
    "admit.issuer.revocation.service:is_recent": lambda behind: True,
    "admit.issuer.revocation.stream:leaves_room": lambda streams, most, **_: True,
    "admit.issuer.revocation.stream:may_wait": lambda octets: True,
    "admit.issuer.revocation.store.nodes:lock_node": _any_node,
    "admit.issuer.revocation.store.holders:share_user": _any_user,
    "admit.issuer.revocation.store.holders:share_client": _any_client,
    "admit.issuer.revocation.store.ends:hold_start": _hold_nothing,
    "admit.issuer.revocation.store.ends:end_trees": _one_round,
    "admit.issuer.revocation.store.ends:logins_over": lambda start, ended, now: [],
    "admit.issuer.revocation.store.epoch:end_older": _end_nothing_older,
}
