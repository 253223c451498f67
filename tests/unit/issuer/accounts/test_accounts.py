"""`Accounts` on both databases."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from argon2 import PasswordHasher as Argon2

from admit.errors import AccountError, ConfigError, ConflictError, SessionError, ThrottledError
from admit.issuer.accounts import passwords
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.driver import Accounts
from admit.issuer.accounts.errors import EmailTakenError, PasswordError, PersonNameError, UserNotFoundError
from admit.issuer.accounts.passwords import Match, PasswordHasher
from admit.issuer.accounts.records import User
from admit.issuer.audit import RequestInfo
from admit.issuer.sessions.rules import hash_id
from admit.issuer.storage import Database
from tests.fixtures.people import INFO, NOW, Parts

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"


@pytest.fixture
async def parts(db: Database) -> Parts:
    return await Parts.on(db)


@pytest.fixture
async def accounts(parts: Parts) -> AsyncIterator[Accounts]:
    hasher = PasswordHasher()
    yield Accounts(parts.db, parts.lists, hasher)
    hasher.close()


async def sign_up(accounts: Accounts, email: str = "alice@example.com") -> User:
    return await accounts.sign_up(email=email, name="Alice", password=PASSWORD, info=INFO, now=NOW)


async def check(
    accounts: Accounts, email: str = "alice@example.com", password: str = PASSWORD
) -> User | None:
    return await accounts.check_password(email=email, password=password, info=INFO, now=NOW)


async def test_who_signed_up_signs_in_and_nobody_else(accounts: Accounts, parts: Parts) -> None:
    user = await sign_up(accounts, "Alice@Example.com")
    assert user.id.startswith("u_")
    assert len(user.id) == 24
    assert (user.email, user.email_shown) == ("alice@example.com", "Alice@Example.com")
    assert await check(accounts, " ALICE@example.com ") == user
    assert await check(accounts, password=PASSWORD + "!") is None
    assert await check(accounts, "bob@example.com") is None
    assert await accounts.get(user.id) == user
    assert await accounts.find("alice@EXAMPLE.com") == user
    assert await accounts.find("not an email") is None
    assert await accounts.get("u_nobody") is None
    assert sorted(await parts.events()) == ["login.failed", "login.failed", "signup"]


async def test_a_password_is_stored_as_an_argon2id_hash_and_its_failures_name_no_stranger(
    accounts: Accounts, parts: Parts
) -> None:
    user = await sign_up(accounts)
    await check(accounts, "my-own-password", "x" * 8)
    (row,) = await parts.rows("user_account")
    assert row["password_hash"].startswith("$argon2id$")
    failed = [row for row in await parts.rows("audit") if row["event"] == "login.failed"]
    assert failed[0]["user_id"] is None
    assert "my-own-password" not in failed[0]["detail"]
    assert (failed[0]["outcome"], failed[0]["ip"]) == ("refused", INFO.ip)
    assert user.email_verified_at is None


@pytest.mark.parametrize(
    "twin", ["alice@example.com", "ALICE@example.com", "alice@example.com ", "ａlice@example.com"]
)
async def test_a_second_account_for_an_email_is_refused_in_any_spelling(
    accounts: Accounts, twin: str
) -> None:
    await sign_up(accounts)
    with pytest.raises(EmailTakenError):
        await sign_up(accounts, twin)


async def test_of_many_that_sign_up_with_one_email_at_once_one_wins(accounts: Accounts, parts: Parts) -> None:
    outcomes = await asyncio.gather(*(sign_up(accounts) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(outcome, User) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, EmailTakenError) for outcome in outcomes) == 7
    assert len(await parts.rows("user_account")) == 1
    assert (await parts.events()).count("signup") == 1


async def test_what_cannot_be_an_account_leaves_nothing(accounts: Accounts, parts: Parts) -> None:
    with pytest.raises(PasswordError):
        await accounts.sign_up(email="a@example.com", name="A", password="short", info=INFO, now=NOW)
    with pytest.raises(PersonNameError):
        await accounts.sign_up(email="a@example.com", name="A\0", password=PASSWORD, info=INFO, now=NOW)
    with pytest.raises(AccountError):
        await accounts.add(
            email="a@example.com", name="A", password=PASSWORD, roles=["no good"], info=INFO, now=NOW
        )
    assert await parts.rows("user_account") == []
    assert await parts.rows("throttle") == []


@pytest.mark.threat("PWD-2", off="admit.issuer.accounts.passwords:hash_to_check")
async def test_unknown_and_disabled_cost_the_same_one_hash(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    disabled = await sign_up(accounts, "disabled@example.com")
    await accounts.disable(disabled.id, info=INFO, now=NOW)
    await sign_up(accounts)
    count = 0
    compare = passwords.compare

    def counted(stored: str, password: bytes) -> Match:
        nonlocal count
        count += 1
        return compare(stored, password)

    monkeypatch.setattr(passwords, "compare", counted)
    costs = {}
    for email, password in (
        ("alice@example.com", PASSWORD),
        ("alice@example.com", "wrong password"),
        ("nobody@example.com", PASSWORD),
        ("disabled@example.com", PASSWORD),
        ("not an email at all", PASSWORD),
    ):
        count = 0
        await check(accounts, email, password)
        costs[email, password] = count
    assert set(costs.values()) == {1}, costs


async def test_a_password_that_nobody_can_have_is_refused_without_a_hash(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_up(accounts)
    monkeypatch.setattr(passwords, "compare", lambda *_: pytest.fail("hashed"))
    assert await check(accounts, password="x" * 1_000_000) is None
    assert await check(accounts, password="\ud800" * 8) is None


@pytest.mark.threat("SES-6", off="admit.issuer.accounts.rules:may_sign_in")
async def test_a_disabled_user_does_not_sign_in_until_enabled(accounts: Accounts) -> None:
    user = await sign_up(accounts)
    await accounts.disable(user.id, info=INFO, now=NOW)
    held = await accounts.get(user.id)
    assert held is not None
    assert held.is_disabled
    assert await check(accounts) is None
    await accounts.enable(user.id, info=INFO, now=NOW)
    assert await check(accounts) == user


async def test_disabling_ends_sessions_and_grants_with_their_bits_in_one_go(
    accounts: Accounts, parts: Parts
) -> None:
    user, other = await sign_up(accounts), await sign_up(accounts, "bob@example.com")
    mine, theirs = await parts.sign_in(user), await parts.sign_in(other)
    online, offline = await parts.grant(mine), await parts.grant(mine, offline=True)
    assert await accounts.disable(user.id, info=INFO, now=NOW + 1) == 3
    assert await parts.sessions.find(hash_id(mine.raw), NOW + 1) is None
    assert await parts.sessions.find(hash_id(theirs.raw), NOW + 1) is not None
    assert await parts.is_ended(online.family.id)
    assert await parts.is_ended(offline.family.id)
    with pytest.raises(SessionError):
        await parts.sign_in(user)
    assert await accounts.disable(user.id, info=INFO, now=NOW + 2) == 0


async def test_a_new_password_ends_what_the_old_one_opened(accounts: Accounts, parts: Parts) -> None:
    user = await sign_up(accounts)
    grant = await parts.grant(await parts.sign_in(user))
    await accounts.set_password(user.id, "another password", info=INFO, now=NOW)
    assert await check(accounts) is None
    changed = await check(accounts, password="another password")
    assert changed is not None
    assert changed.credential_version == user.credential_version + 1
    assert await parts.is_ended(grant.family.id)


async def test_roles_and_groups_come_and_go(accounts: Accounts) -> None:
    user = await accounts.add(
        email="a@example.com",
        name="A",
        password=PASSWORD,
        roles=["admin", "buyer"],
        groups=["red"],
        info=INFO,
        now=NOW,
    )
    assert await accounts.get(user.id) == user
    assert user.roles == {"admin", "buyer"}
    assert await accounts.any_with_role("admin")
    assert not await accounts.any_with_role("admit:admin")
    assert await accounts.remove_role(user.id, "admin", info=INFO, now=NOW) == 0
    assert await accounts.remove_role(user.id, "admin", info=INFO, now=NOW) is None
    assert await accounts.add_group(user.id, "blue", info=INFO, now=NOW) == 0
    assert await accounts.add_group(user.id, "blue", info=INFO, now=NOW) is None
    assert await accounts.get(user.id) == replace(
        user, roles=frozenset({"buyer"}), groups=frozenset({"red", "blue"})
    )
    with pytest.raises(AccountError):
        await accounts.add_role(user.id, "line\nbreak", info=INFO, now=NOW)
    with pytest.raises(UserNotFoundError):
        await accounts.add_role("u_nobody", "admin", info=INFO, now=NOW)
    await accounts.disable(user.id, info=INFO, now=NOW)
    assert not await accounts.any_with_role("buyer")


@pytest.mark.parametrize(
    "odd", ["\0", "a\0b@example.com", "\ud800@example.com", "u_\0", "'; DROP TABLE x; --"]
)
async def test_what_a_database_does_not_take_is_nobody(accounts: Accounts, odd: str) -> None:
    assert await check(accounts, odd) is None
    assert await accounts.find(odd) is None
    assert await accounts.get(odd) is None
    with pytest.raises(UserNotFoundError):
        await accounts.disable(odd, info=INFO, now=NOW)


async def test_changes_of_a_user_that_is_not_there_are_refused(accounts: Accounts) -> None:
    for change in (
        accounts.disable("u_nobody", info=INFO, now=NOW),
        accounts.enable("u_nobody", info=INFO, now=NOW),
        accounts.set_password("u_nobody", PASSWORD, info=INFO, now=NOW),
        accounts.remove_group("u_nobody", "red", info=INFO, now=NOW),
    ):
        with pytest.raises(UserNotFoundError):
            await change


async def test_users_are_listed_by_email_in_pages(accounts: Accounts) -> None:
    for name in "cab":
        await sign_up(accounts, f"{name}@example.com")
    first = await accounts.list(limit=2)
    assert [user.email[0] for user in first] == ["a", "b"]
    assert [user.email[0] for user in await accounts.list(limit=2, after=first[-1].email)] == ["c"]


@pytest.mark.real_hash
async def test_an_old_hash_is_made_anew_at_sign_in(accounts: Accounts, parts: Parts) -> None:
    weak = Argon2(time_cost=1, memory_cost=64, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "compute", weak.hash)
        user = await sign_up(accounts)
    assert "m=64" in (await parts.rows("user_account"))[0]["password_hash"]
    assert await check(accounts) == user
    assert "m=19456" in (await parts.rows("user_account"))[0]["password_hash"]
    assert await check(accounts) == user


def throttled(parts: Parts, hasher: PasswordHasher) -> Accounts:
    config = AccountsConfig(
        tries_per_account=3, tries_per_network=8, signups_per_network=2, tries_window=timedelta(minutes=1)
    )
    return Accounts(parts.db, parts.lists, hasher, config)


async def test_wrong_passwords_for_one_account_are_refused_before_the_hash_in_any_spelling(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasher = PasswordHasher()
    accounts = throttled(parts, hasher)
    await sign_up(accounts)
    count = 0
    compare = passwords.compare

    def counted(stored: str, password: bytes) -> Match:
        nonlocal count
        count += 1
        return compare(stored, password)

    monkeypatch.setattr(passwords, "compare", counted)
    spellings = ["alice@example.com", "Alice@example.com ", "ＡLICE@example.com"] * 7
    outcomes = await asyncio.gather(
        *(check(accounts, email, "wrong password") for email in spellings), return_exceptions=True
    )
    assert count == 3
    assert sum(isinstance(outcome, ThrottledError) for outcome in outcomes) == 18
    with pytest.raises(ThrottledError) as caught:
        await check(accounts)
    assert 0 < caught.value.retry_after <= 60
    later = await accounts.check_password(
        email="alice@example.com", password=PASSWORD, info=INFO, now=NOW + 61
    )
    assert later is not None
    hasher.close()


async def test_right_passwords_do_not_count(parts: Parts) -> None:
    hasher = PasswordHasher()
    accounts = throttled(parts, hasher)
    await sign_up(accounts)
    for _ in range(10):
        assert await check(accounts) is not None
    hasher.close()


async def test_one_network_has_one_budget_over_many_accounts(parts: Parts) -> None:
    hasher = PasswordHasher()
    accounts = throttled(parts, hasher)
    await sign_up(accounts)
    refused = 0
    for number in range(12):
        info = RequestInfo(ip=f"2001:db8::{number:x}")
        try:
            await accounts.check_password(
                email=f"n{number}@example.com", password=PASSWORD, info=info, now=NOW
            )
        except ThrottledError:
            refused += 1
    assert refused == 4
    assert await check(accounts) is not None, "another network is not touched"
    hasher.close()


async def test_sign_ups_of_one_network_are_bounded(parts: Parts) -> None:
    hasher = PasswordHasher()
    accounts = throttled(parts, hasher)
    await sign_up(accounts, "a@example.com")
    await sign_up(accounts, "b@example.com")
    with pytest.raises(ThrottledError):
        await sign_up(accounts, "c@example.com")
    await accounts.add(email="c@example.com", name="C", password=PASSWORD, info=INFO, now=NOW)
    hasher.close()


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError):
        AccountsConfig(tries_per_account=0)
    with pytest.raises(ConfigError):
        AccountsConfig(tries_window=timedelta(0))
    with pytest.raises(ConfigError):
        AccountsConfig(hash_queue=-1)


@pytest.mark.real_hash
@pytest.mark.threat("PWD-2", off="admit.issuer.accounts.dummies:Dummies.of")
async def test_where_accounts_were_imported_unknown_ones_cost_what_those_cost(
    accounts: Accounts, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = Argon2(time_cost=1, memory_cost=64, parallelism=1)
    for number in range(4):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                passwords, "compute", weak.hash if number % 2 else lambda octets: passwords.dummy_hash()
            )
            await sign_up(accounts, f"alice{number}@example.com")
    settings: list[str] = []

    def counted(stored: str, password: bytes) -> Match:
        settings.append(stored.split("$")[3])
        return Match.NO

    monkeypatch.setattr(passwords, "compare", counted)
    for turn in range(2):
        for number in range(40):
            info = RequestInfo(ip=f"198.51.100.{number}")
            email = f"nobody{number}@example.com"
            assert (
                await accounts.check_password(email=email, password=PASSWORD, info=info, now=NOW + turn)
                is None
            )
    assert set(settings) == {"m=19456,t=2,p=1", "m=64,t=1,p=1"}
    assert settings[:40] == settings[40:], "each the same every time"


async def test_of_changes_of_claims_at_once_none_is_lost_in_silence(accounts: Accounts) -> None:
    user = await sign_up(accounts)
    names = ("given_name", "family_name", "nickname", "middle_name", "gender", "preferred_username")

    async def change(name: str) -> bool:
        try:
            await accounts.set_claims(user.id, {name: "X"}, info=INFO, now=NOW)
        except ConflictError:
            return False
        return True

    done = await asyncio.gather(*map(change, names))
    after = await accounts.get(user.id)
    assert after is not None
    assert after.claims.keys() == {name for name, ok in zip(names, done, strict=True) if ok}
    assert any(done)
    without = await accounts.set_claims(
        user.id, {**dict.fromkeys(names), "locale": "en"}, info=INFO, now=NOW + 1
    )
    assert (without.claims, without.locale, without.updated_at) == ({}, "en", NOW + 1)
    with pytest.raises(UserNotFoundError):
        await accounts.set_claims("u_nobody", {"nickname": "X"}, info=INFO, now=NOW)
