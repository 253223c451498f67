"""One record for each thing that happened, in the transaction that did it."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from admit.issuer.audit import AuditEvent, Outcome, RequestInfo, record
from admit.issuer.audit.rules import MAX_DETAIL, MAX_TEXT, cut, detail_text
from admit.issuer.audit.store import audit
from admit.issuer.storage import Database, Statement, Steps

READ = Statement(select(audit).order_by(audit.c.at))
INFO = RequestInfo(ip="192.0.2.1", request_id="r1", user_agent="x")


def happen(*, fail: bool = False) -> Steps[None]:
    yield record(
        AuditEvent.LOGIN_FAILED,
        now=12.5,
        outcome=Outcome.REFUSED,
        user_id="u_1",
        client_id="spa",
        session_id="sid",
        actor="cli",
        info=INFO,
        detail={"reason": "password", "tries": 3},
    )
    if fail:
        raise KeyError


async def test_a_record_says_who_what_which_client_from_where_and_how_it_ended(db: Database) -> None:
    await db.run(happen)
    (row,) = await db.read(READ())
    told = {c.name: row[c.name] for c in audit.columns if c.name not in ("id", "detail")}
    assert told == {
        "at": 12.5,
        "event": "login.failed",
        "outcome": "refused",
        "user_id": "u_1",
        "client_id": "spa",
        "session_id": "sid",
        "actor": "cli",
        "ip": "192.0.2.1",
        "request_id": "r1",
    }
    assert json.loads(row["detail"]) == {"reason": "password", "tries": 3}


async def test_what_was_rolled_back_left_no_record(db: Database) -> None:
    with pytest.raises(KeyError):
        await db.run(happen, fail=True)
    assert await db.read(READ()) == []


async def test_records_of_the_same_instant_are_all_kept(db: Database) -> None:
    for _ in range(5):
        await db.run(happen)
    rows: Sequence[object] = await db.read(READ())
    assert len(rows) == 5


async def test_hostile_text_is_stored_bounded_and_on_one_line(db: Database) -> None:
    def job() -> Steps[None]:
        nasty = 'x\r\n{"event":"login.succeeded"}\0\ud800' + "y" * 5_000
        yield record(
            AuditEvent.LOGIN_FAILED, now=1.0, user_id=nasty, info=RequestInfo(ip=nasty), detail={"a": nasty}
        )

    await db.run(job)
    (row,) = await db.read(READ())
    assert len(row["user_id"]) == len(row["ip"]) == MAX_TEXT
    assert "\n" not in row["detail"]
    assert "\0" not in row["user_id"]
    assert json.loads(row["detail"])["a"].startswith("x\r\n")


@given(st.text(), st.integers(min_value=0, max_value=400))
def test_any_text_is_cut_to_what_every_database_stores(text: str, more: int) -> None:
    short = cut(text + "z" * more)
    assert short is not None
    assert len(short) <= MAX_TEXT
    assert "\0" not in short
    short.encode()


@given(
    st.dictionaries(st.text(max_size=40), st.text() | st.integers() | st.booleans() | st.none(), max_size=40)
)
def test_any_detail_is_one_bounded_line_of_json(detail: dict[str, str | int | bool | None]) -> None:
    text = detail_text(detail)
    assert len(text) <= MAX_DETAIL
    assert text.isprintable()
    json.loads(text)


def test_no_detail_is_an_empty_object() -> None:
    assert detail_text({}) == "{}"
    assert detail_text({"reason": None}) != "{}"


def test_event_names_are_unique() -> None:
    assert len({event.value for event in AuditEvent}) == len(AuditEvent)
