"""`Factors` on both databases: apps, codes, waiting sign-ins, removal and reset."""

import base64
import json
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from admit.errors import ConfigError, SessionError
from admit.issuer.accounts.config import SecondFactor
from admit.issuer.factors.assurance import Next, Proof
from admit.issuer.factors.config import FactorsConfig
from admit.issuer.factors.driver import Factors, after_change, by_session, held
from admit.issuer.factors.records import Enrolled, Proved, Refusal, Refused
from admit.issuer.factors.rules import grouped, secret_text
from admit.issuer.outbox import MailConfig, Outbox
from admit.issuer.storage import Database, Statement, bound_once
from tests.fixtures.people import INFO, NOW, Parts
from tests.fixtures.second_factor import Phone, add_app

pytestmark = pytest.mark.anyio
BROWSER = b"b" * 32
WRONG = "000000"
# What rests on no statement of its own is tried on one database.
ON_ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass
class Desk:
    """A person at a browser, with an app that was added two minutes ago."""

    parts: Parts
    factors: Factors
    phone: Phone

    async def begin(self, now: float = NOW, binding: bytes = BROWSER) -> str:
        return await self.factors.begin_sign_in(self.phone.user, binding=binding, enrol=False, now=now)

    async def prove(
        self, handle: str, typed: str, now: float = NOW, binding: bytes = BROWSER
    ) -> Proved | Refused:
        return await self.factors.prove(handle, binding, typed, info=INFO, now=now)

    def wrong(self, now: float = NOW) -> str:
        """A code that is not good now."""
        good = {self.phone.code(now + 30 * away) for away in (-1, 0, 1)}
        return next(code for n in range(4) if (code := f"{n:06}") not in good)


async def desk_on(db: Database, **config: object) -> Desk:
    parts = await Parts.on(db)
    outbox = Outbox(MailConfig(url="smtp://localhost:25", sender="id@example.com"), db.keyring)
    factors = Factors(db, parts.lists, SecondFactor.OPTIONAL, FactorsConfig(**config), outbox)  # type: ignore[arg-type]
    return Desk(parts, factors, await add_app(factors, await parts.user(), NOW - 120))


async def mails(db: Database) -> list[str]:
    return [
        row["kind"] for row in await db.read(Statement(text("SELECT kind FROM outbox ORDER BY created_at"))())
    ]


@pytest.mark.threat("MFA-2", off="admit.issuer.factors.transactions:spend_step")
@pytest.mark.threat("O-1", off="admit.issuer.factors.transactions:spend_step")
async def test_a_code_is_good_once_and_so_is_no_older_one_after_it(db: Database) -> None:
    desk = await desk_on(db)
    code = desk.phone.code(NOW)
    proved = await desk.prove(await desk.begin(), code)
    assert isinstance(proved, Proved)
    assert proved.proof is Proof.TOTP
    assert proved.pending.user_id == desk.phone.user.id
    assert await desk.prove(await desk.begin(), code) == Refused(Refusal.SPENT)
    before = desk.phone.code(NOW - 30)
    assert await desk.prove(await desk.begin(), before) == Refused(Refusal.SPENT)
    assert isinstance(await desk.prove(await desk.begin(), desk.phone.code(NOW + 30)), Proved)
    assert await desk.prove(await desk.begin(NOW + 120), desk.phone.code(NOW + 30), NOW + 120) == Refused(
        Refusal.WRONG
    )


@ON_ONE
async def test_the_code_that_added_the_app_opens_nothing(db: Database) -> None:
    desk = await desk_on(db)
    then = NOW - 120
    assert await desk.prove(await desk.begin(then), desk.phone.code(then), then) == Refused(Refusal.SPENT)


@pytest.mark.threat("MFA-1", off="admit.issuer.factors.transactions:count_try")
async def test_the_sixth_code_of_a_sign_in_is_not_looked_at(db: Database) -> None:
    desk = await desk_on(db)
    handle = await desk.begin()
    for _ in range(5):
        assert await desk.prove(handle, desk.wrong()) == Refused(Refusal.WRONG)
    assert await desk.prove(handle, desk.phone.code(NOW)) == Refused(Refusal.OVER)
    assert await desk.factors.pending(handle, BROWSER, NOW) is None
    assert isinstance(await desk.prove(await desk.begin(), desk.phone.code(NOW)), Proved), "a new sign-in may"


@pytest.mark.threat("MFA-1", off="admit.issuer.factors.transactions:count_try")
@ON_ONE
async def test_new_sign_ins_do_not_bring_new_tries_within_the_hour(db: Database) -> None:
    desk = await desk_on(db)
    for n in range(10):
        assert await desk.prove(await desk.begin(NOW + n), desk.wrong(NOW + n), NOW + n) == Refused(
            Refusal.WRONG
        )
    later = NOW + 60
    refused = await desk.prove(await desk.begin(later), desk.phone.code(later), later)
    assert isinstance(refused, Refused)
    assert refused.reason is Refusal.TOO_MANY
    assert 3_500 < refused.retry_after <= 3_600
    recovery = desk.phone.recovery_codes[0]
    again = await desk.prove(await desk.begin(later), recovery, later)
    assert isinstance(again, Refused), "recovery codes are counted with them"
    events = [row for row in await desk.parts.rows("audit") if row["event"] == "throttled"]
    assert len(events) == 1
    assert events[0]["user_id"] == desk.phone.user.id
    assert (await mails(db)).count("second_factor_guessed") == 1
    after = NOW + 3_700
    assert isinstance(await desk.prove(await desk.begin(after), desk.phone.code(after), after), Proved)


@ON_ONE
async def test_right_codes_are_not_counted(db: Database) -> None:
    desk = await desk_on(db)
    for n in range(12):
        now = NOW + 60 * n
        assert isinstance(await desk.prove(await desk.begin(now), desk.phone.code(now), now), Proved)


@ON_ONE
async def test_a_waiting_sign_in_is_one_browsers_for_ten_minutes_and_one_use(db: Database) -> None:
    desk = await desk_on(db)
    handle = await desk.begin()
    assert await desk.prove(handle, desk.phone.code(NOW), binding=b"c" * 32) == Refused(Refusal.OVER)
    late = NOW + 601
    assert await desk.prove(handle, desk.phone.code(late), late) == Refused(Refusal.OVER)
    assert isinstance(await desk.prove(handle, desk.phone.code(NOW)), Proved)
    assert await desk.prove(handle, desk.phone.code(NOW + 30)) == Refused(Refusal.OVER)
    assert await desk.prove("", desk.phone.code(NOW)) == Refused(Refusal.OVER)
    await desk.factors.sweep(late)
    assert await desk.parts.rows("pending_sign_in") == []


@pytest.mark.threat("MFA-4", off="admit.issuer.factors.transactions:spend_recovery_code")
@pytest.mark.threat("O-1", off="admit.issuer.factors.transactions:spend_recovery_code")
async def test_each_recovery_code_works_once_and_the_last_use_is_told(db: Database) -> None:
    desk = await desk_on(db)
    codes = desk.phone.recovery_codes
    for left, code in zip(range(9, -1, -1), codes, strict=True):
        proved = await desk.prove(await desk.begin(), grouped(code, "-").lower())
        assert isinstance(proved, Proved)
        assert proved.proof is Proof.RECOVERY_CODE
        assert await desk.prove(await desk.begin(), code) == Refused(Refusal.WRONG) if left > 7 else True
        assert (await desk.factors.view(desk.phone.user.id)).codes_left == left
    assert (await mails(db)).count("recovery_code_used") == 10
    used = [
        json.loads(row["detail"])["left"]
        for row in await desk.parts.rows("audit")
        if row["event"] == "recovery_code.used"
    ]
    assert sorted(used) == list(range(10))


@ON_ONE
async def test_a_new_set_of_recovery_codes_replaces_the_old_and_another_persons_are_nothing(
    db: Database,
) -> None:
    desk = await desk_on(db)
    made = await desk.factors.renew_codes(desk.phone.user, info=INFO, now=NOW)
    assert (await mails(db)).count("recovery_codes_made") == 1, "whoever did it, their owner is told"
    assert made is not None
    assert await desk.prove(await desk.begin(), desk.phone.recovery_codes[0]) == Refused(Refusal.WRONG)
    other = await add_app(desk.factors, await desk.parts.user(), NOW - 120)
    assert await desk.prove(await desk.begin(), other.recovery_codes[0]) == Refused(Refusal.WRONG)
    assert isinstance(await desk.prove(await desk.begin(), made[3]), Proved)
    assert (await desk.factors.view(desk.phone.user.id)).codes_left == 9
    assert await desk.factors.renew_codes(await desk.parts.user(), info=INFO, now=NOW) is None


@pytest.mark.threat("MFA-4", off="admit.issuer.factors.rules:hash_recovery_code")
@ON_ONE
async def test_no_recovery_code_is_in_the_database(db: Database) -> None:
    desk = await desk_on(db)
    stored = {bytes(row["code_hash"]) for row in await desk.parts.rows("recovery_code")}
    assert len(stored) == 10
    for code in desk.phone.recovery_codes:
        assert all(code.encode() not in one and grouped(code, "-").encode() not in one for one in stored)


@pytest.mark.threat("O-2", off="admit.issuer.factors.codes:seal")
@ON_ONE
async def test_no_secret_of_an_app_is_in_the_database_and_a_moved_one_does_not_open(db: Database) -> None:
    desk = await desk_on(db)
    secret = base64.b32decode(desk.phone.secret)
    for row in await desk.parts.rows("second_factor"):
        assert secret not in bytes(row["secret_sealed"])
    # Somebody who can write the table gives their own app's secret to another person.
    thief = await add_app(desk.factors, await desk.parts.user(), NOW - 120)
    moved = Statement(
        text(
            "UPDATE second_factor SET secret_sealed ="
            " (SELECT secret_sealed FROM second_factor WHERE id = :a) WHERE id = :b"
        )
    )
    await db.run(bound_once, moved(a=thief.id, b=desk.phone.id))
    assert await desk.prove(await desk.begin(), thief.code(NOW)) == Refused(Refusal.WRONG)


@ON_ONE
async def test_an_app_counts_only_after_it_has_shown_a_code(db: Database) -> None:
    parts = await Parts.on(db)
    factors = Factors(db, parts.lists)
    user = await parts.user()
    begun = await factors.begin_enrolment(user.id, "s_here", NOW)
    assert not await factors.has_app(user.id)
    for session_id, who, now in (
        ("s_else", user, NOW),
        ("s_here", await parts.user(), NOW),
        ("s_here", user, NOW + 901),
    ):
        assert await factors.enrolment(who.id, begun, by_session(session_id), now) is None
        refused = await factors.confirm(who, begun, WRONG, session_id=session_id, name="", info=INFO, now=now)
        assert refused == Refused(Refusal.OVER)
    for typed in ("", "12345", "x" * 200):
        assert await factors.confirm(
            user, begun, typed, session_id="s_here", name="", info=INFO, now=NOW
        ) == Refused(Refusal.WRONG)
    again = await factors.begin_enrolment(user.id, "s_here", NOW)
    assert await factors.enrolment(user.id, begun, by_session("s_here"), NOW) is None, "a new one replaces it"
    await factors.sweep(NOW + 901)
    assert await factors.enrolment(user.id, again, by_session("s_here"), NOW) is None
    assert await parts.rows("second_factor") == []


@pytest.mark.threat("MFA-3", off="admit.issuer.factors.transactions:end_what_the_password_opened")
@pytest.mark.threat("SES-6", off="admit.issuer.factors.transactions:end_what_the_password_opened")
async def test_the_first_app_ends_all_that_the_password_opened_and_sign_ins_under_way(db: Database) -> None:
    parts = await Parts.on(db)
    factors = Factors(db, parts.lists)
    user = await parts.user()
    session = await parts.sign_in(user)
    online, offline = await parts.grant(session), await parts.grant(session, offline=True)
    await add_app(factors, user, NOW)
    assert await parts.sessions.list(user.id, NOW) == []
    for grant in (online, offline):
        assert await parts.is_ended(grant.family.id)
    with pytest.raises(SessionError):  # its password was checked before
        await parts.sign_in(user)
    assert (await parts.sign_in(after_change(user))).session.user.id == user.id


@ON_ONE
async def test_a_second_app_ends_nothing_and_makes_no_codes(db: Database) -> None:
    desk = await desk_on(db)
    session = await desk.parts.sign_in(desk.phone.user)
    second = await add_app(desk.factors, desk.phone.user, NOW, session_id=session.session.id)
    assert second.recovery_codes == []
    assert len(await desk.parts.sessions.list(desk.phone.user.id, NOW)) == 1
    for phone in (desk.phone, second):
        assert isinstance(
            await desk.prove(await desk.begin(NOW + 60), phone.code(NOW + 60), NOW + 60), Proved
        )
    assert len((await desk.factors.view(desk.phone.user.id)).apps) == 2
    full = Factors(db, desk.parts.lists, config=FactorsConfig(most_apps=2))
    with pytest.raises(AssertionError, match="FULL"):
        await add_app(full, desk.phone.user, NOW + 120)


async def test_removing_an_app_ends_the_other_sessions_and_is_told(db: Database) -> None:
    desk = await desk_on(db)
    user = desk.phone.user
    here, there = await desk.parts.sign_in(user), await desk.parts.sign_in(user)
    gone = await desk.factors.remove(user, desk.phone.id, keep=here.session.id, info=INFO, now=NOW)
    assert gone == 1
    left = await desk.parts.sessions.list(user.id, NOW)
    assert [entry.id for entry in left] == [here.session.id] != [there.session.id]
    view = await desk.factors.view(user.id)
    assert (view.on, view.codes_left) == (False, 0)
    assert await desk.parts.rows("recovery_code") == []
    assert "second_factor_removed" in await mails(db)
    assert "factor.removed" in await desk.parts.events()
    nobodys = after_change(user)
    assert await desk.factors.remove(nobodys, desk.phone.id, keep="", info=INFO, now=NOW) is None
    assert await desk.factors.remove(nobodys, "no id", keep="", info=INFO, now=NOW) is None
    assert await desk.factors.next_step(user, {Proof.PASSWORD}) is Next.SESSION


@ON_ONE
async def test_one_persons_app_is_not_removed_by_another(db: Database) -> None:
    desk = await desk_on(db)
    other = await desk.parts.user()
    assert await desk.factors.remove(other, desk.phone.id, keep="", info=INFO, now=NOW) is None
    assert await desk.factors.has_app(desk.phone.user.id)


@ON_ONE
async def test_the_last_app_stays_where_one_is_required(db: Database) -> None:
    desk = await desk_on(db)
    strict = Factors(db, desk.parts.lists, SecondFactor.REQUIRED)
    kept = await strict.remove(desk.phone.user, desk.phone.id, keep="", info=INFO, now=NOW)
    assert kept == Refused(Refusal.FULL)
    assert await strict.has_app(desk.phone.user.id)


@ON_ONE
async def test_a_change_of_factors_is_refused_after_another_change(db: Database) -> None:
    desk = await desk_on(db)
    stale = replace(desk.phone.user, credential_version=desk.phone.user.credential_version - 1)
    assert await desk.factors.remove(stale, desk.phone.id, keep="", info=INFO, now=NOW) == Refused(
        Refusal.CHANGED
    )
    assert await desk.factors.renew_codes(stale, info=INFO, now=NOW) is None
    with pytest.raises(AssertionError, match="CHANGED"):
        await add_app(desk.factors, stale, NOW)


async def test_an_operators_reset_takes_all_away_and_ends_all(db: Database) -> None:
    desk = await desk_on(db)
    user = desk.phone.user
    waiting = await desk.begin()
    grant = await desk.parts.grant(await desk.parts.sign_in(user), offline=True)
    ended = await desk.factors.reset(user.id, info=INFO, now=NOW)
    assert ended == 2
    assert await desk.parts.is_ended(grant.family.id)
    for table in ("second_factor", "recovery_code", "pending_sign_in"):
        assert await desk.parts.rows(table) == []
    assert await desk.prove(waiting, desk.phone.code(NOW)) == Refused(Refusal.OVER)
    assert "factors.reset" in await desk.parts.events()
    assert (await mails(db)).count("second_factor_removed") == 1
    assert await desk.factors.reset(user.id, info=INFO, now=NOW) is None
    with pytest.raises(SessionError):
        await desk.parts.sign_in(user)


async def test_an_app_added_in_a_sign_in_is_that_sign_ins(db: Database) -> None:
    parts = await Parts.on(db)
    factors = Factors(db, parts.lists, SecondFactor.REQUIRED)
    user = await parts.user()
    handle = await factors.begin_sign_in(user, binding=BROWSER, enrol=True, now=NOW)
    pending = await factors.pending(handle, BROWSER, NOW)
    assert pending is not None
    assert pending.enrolment is not None
    enrolment = await factors.enrolment(user.id, pending.enrolment, held(handle, BROWSER).name, NOW)
    assert enrolment is not None
    phone = Phone(secret_text(enrolment.secret), user)
    code = phone.code(NOW)
    assert await factors.prove(handle, BROWSER, code, info=INFO, now=NOW) == Refused(Refusal.OVER)
    more = {"name": "", "info": INFO, "now": NOW}
    assert await factors.confirm_at_sign_in(user, handle, b"c" * 32, code, **more) == Refused(Refusal.OVER)  # type: ignore[arg-type]
    enrolled = await factors.confirm_at_sign_in(user, handle, BROWSER, code, **more)  # type: ignore[arg-type]
    assert isinstance(enrolled, Enrolled)
    assert len(enrolled.recovery_codes) == 10
    assert await factors.confirm_at_sign_in(user, handle, BROWSER, code, **more) == Refused(Refusal.OVER)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sign_in_lifetime": timedelta(0)},
        {"enrolment_lifetime": timedelta(hours=2)},
        {"tries_per_sign_in": 0},
        {"tries_per_account": 101},
        {"tries_window": timedelta(minutes=1)},
        {"most_apps": 0},
    ],
    ids=lambda one: next(iter(one)),
)
def test_limits_that_guard_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"factors\."):
        FactorsConfig(**wrong)  # type: ignore[arg-type]
