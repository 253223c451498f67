"""Authorization codes on both databases."""

from datetime import timedelta
from typing import Any

import pytest

from admit.errors import StorageUnavailableError
from admit.issuer.grants import codes
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.records import PresentedCode, Redeemed, Refusal, Refused
from admit.issuer.grants.sweep import sweep
from admit.issuer.storage import Database, Steps
from tests.fixtures.people import CALLBACK, CLIENT, INFO, NOW, VERIFIER, Parts


@pytest.fixture
async def parts(db: Database) -> Parts:
    return await Parts.on(db)


@pytest.mark.rfc("6749", "4.1.3")
async def test_a_code_becomes_a_grant_that_says_what_was_allowed(parts: Parts) -> None:
    new = await parts.sign_in()
    redeemed = await parts.redeem(await parts.code(new), now=NOW + 1)
    assert isinstance(redeemed, Redeemed)
    assert redeemed.authorization == parts.authorization(new)
    assert await parts.families.get(redeemed.family.id) == redeemed.family
    family = redeemed.family
    assert (family.user_id, family.client_id, family.session_id) == (
        new.session.user.id,
        CLIENT,
        new.session.id,
    )
    assert family.scope == {"openid", "orders:read"}
    assert not family.offline
    assert family.expires_at == new.session.absolute_expires_at, "an online grant outlives no session"
    assert (await parts.events())[-2:] == ["code.issued", "token.issued"]


async def test_a_code_whose_commit_nobody_could_tell_of_is_paid_out_once_it_is_seen_to_be_done(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is told to come again would look like one that repeats a code, and lose the grant."""
    real = parts.db.run

    async def untold(job: Any, *args: Any, **kwargs: Any) -> Any:
        monkeypatch.undo()
        await real(job, *args, **kwargs)
        raise StorageUnavailableError("the outcome of COMMIT is unknown")

    code = await parts.code(await parts.sign_in())
    monkeypatch.setattr(parts.db, "run", untold)
    redeemed = await parts.redeem(code, now=NOW + 1)
    assert isinstance(redeemed, Redeemed)
    assert await parts.families.get(redeemed.family.id) == redeemed.family
    assert (await parts.events()).count("token.issued") == 1
    assert isinstance(await parts.redeem(code, now=NOW + 2), Refused), "it is spent all the same"
    assert await parts.is_ended(redeemed.family.id)


async def test_a_code_whose_commit_was_not_done_is_told_as_unavailable_and_good_still(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = parts.db.run

    async def rolled_back(job: Any, *args: Any, **kwargs: Any) -> Any:
        monkeypatch.undo()

        def broken() -> Steps[None]:
            yield from job(*args, **kwargs)
            raise StorageUnavailableError("the connection was lost before COMMIT")

        return await real(broken)

    code = await parts.code(await parts.sign_in())
    monkeypatch.setattr(parts.db, "run", rolled_back)
    with pytest.raises(StorageUnavailableError):
        await parts.redeem(code, now=NOW + 1)
    assert "token.issued" not in await parts.events()
    assert isinstance(await parts.redeem(code, now=NOW + 2), Redeemed)


async def test_where_it_cannot_be_seen_either_nobody_is_told_that_it_was_done(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = parts.db.run

    async def away(job: Any, *args: Any, **kwargs: Any) -> Any:
        if len(tries) == 0:
            tries.append(await real(job, *args, **kwargs))
        raise StorageUnavailableError("away")

    tries: list[Any] = []
    code = await parts.code(await parts.sign_in())
    with monkeypatch.context() as patched:
        patched.setattr(parts.db, "run", away)
        with pytest.raises(StorageUnavailableError):
            await parts.redeem(code, now=NOW + 1)
    assert isinstance(await parts.redeem(code, now=NOW + 2), Refused), "docs/decisions/untold-commits.md"


async def test_an_offline_grant_has_an_absolute_end_of_its_own_and_survives_logout(parts: Parts) -> None:
    new = await parts.sign_in()
    grant = await parts.grant(new, offline=True)
    assert grant.family.offline
    assert grant.family.expires_at == NOW + timedelta(days=90).total_seconds()
    await parts.sessions.end(new.session.id, user_id=new.session.user.id, reason="logout", info=INFO, now=NOW)
    assert not await parts.is_ended(grant.family.id)


async def test_a_client_without_refresh_tokens_gets_a_grant_all_the_same(parts: Parts) -> None:
    code = await parts.code(await parts.sign_in())
    presented = PresentedCode(client_id=CLIENT, redirect_uri=CALLBACK, code_verifier=VERIFIER)
    redeemed = await parts.codes.redeem(code, presented, refresh=False, info=INFO, now=NOW)
    assert isinstance(redeemed, Redeemed)
    assert redeemed.refresh_token is None


@pytest.mark.rfc("6749", "10.5")
@pytest.mark.threat("6819-4.4.1.1", off="admit.issuer.grants.rules:unspent")
@pytest.mark.threat("O-1", off=["admit.issuer.grants.rules:unspent", "admit.issuer.grants.codes:spend"])
async def test_a_second_use_of_a_code_is_refused_and_ends_the_first_with_its_bit(parts: Parts) -> None:
    code = await parts.code(await parts.sign_in())
    first = await parts.redeem(code, now=NOW + 1)
    assert isinstance(first, Redeemed)
    second = await parts.redeem(code, now=NOW + 2)
    assert second == Refused(Refusal.REUSED)
    assert await parts.is_ended(first.family.id)
    assert await parts.refresh(first.refresh_token, now=NOW + 3) == Refused(Refusal.ENDED)
    assert "code.reused" in await parts.events()
    assert await parts.redeem(code, now=NOW + 4) == Refused(Refusal.REUSED)


@pytest.mark.threat("6819-4.4.1.1", off="admit.issuer.grants.rules:unspent")
async def test_a_second_use_after_its_expiry_ends_the_first_too(parts: Parts) -> None:
    code = await parts.code(await parts.sign_in())
    first = await parts.redeem(code)
    assert await parts.redeem(code, now=NOW + 1800, client_id="other") == Refused(Refusal.REUSED)
    assert await parts.is_ended(first.family.id)


@pytest.mark.rfc("6749", "4.1.2")
@pytest.mark.threat(
    "6819-4.4.1.1", off=["admit.issuer.grants.rules:unexpired", "admit.issuer.grants.codes:spend"]
)
async def test_a_code_lives_for_a_minute(parts: Parts) -> None:
    new = await parts.sign_in()
    assert isinstance(await parts.redeem(await parts.code(new), now=NOW + 59.9), Redeemed)
    assert await parts.redeem(await parts.code(new), now=NOW + 61) == Refused(Refusal.EXPIRED)


@pytest.mark.threat("6819-4.4.1.2", off="admit.issuer.grants.codes:hash_code")
async def test_the_database_holds_no_code_and_what_it_holds_is_none(parts: Parts) -> None:
    code = await parts.code(await parts.sign_in())
    rows = [list(row) for table in ("authorization_code", "audit") for row in await parts.rows(table)]
    flat = [value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row]
    assert all(code.encode() not in value for value in flat)
    (row,) = await parts.rows("authorization_code")
    for text in (row["code_hash"].hex(), row["code_hash"].decode("latin-1")):
        assert await parts.redeem(text) == Refused(Refusal.UNKNOWN)


async def test_codes_older_than_an_hour_are_deleted(parts: Parts) -> None:
    new = await parts.sign_in()
    await parts.redeem(await parts.code(new))
    await parts.code(new, now=NOW + 3000)
    await sweep(parts.db, NOW + 3601)
    assert [row["created_at"] for row in await parts.rows("authorization_code")] == [NOW + 3000]


@pytest.mark.threat("6819-4.4.1.3", off="admit.issuer.grants.codes:new_code")
def test_codes_cannot_be_guessed() -> None:
    made = [codes.new_code() for _ in range(10_000)]
    assert len(set(made)) == len(made)
    assert min(map(len, made)) >= 43
    assert len({code[:8] for code in made}) > 9_990, "no shared prefix"
    assert len(codes.hash_code(made[0])) == 32


async def test_a_code_that_was_never_issued_is_refused(parts: Parts) -> None:
    for text in ("", "x", codes.new_code(), "\0", "é" * 43, "\ud800"):
        assert await parts.redeem(text) == Refused(Refusal.UNKNOWN)


@pytest.mark.threat("6819-4.4.1.7", off="admit.issuer.grants.rules:redirect_uri_repeated")
async def test_a_code_of_one_redirect_uri_is_worth_nothing_at_another(parts: Parts) -> None:
    code = await parts.code(await parts.sign_in())
    assert await parts.redeem(code, redirect_uri="https://rp.example/cb2") == Refused(Refusal.REDIRECT_URI)
    assert await parts.redeem(code) == Refused(Refusal.REUSED), "burnt"


@pytest.mark.threat("6819-4.4.1.13", off="admit.issuer.grants.rules:belongs_to_client")
async def test_a_code_of_one_client_is_worth_nothing_to_another_and_is_burnt(parts: Parts) -> None:
    code = await parts.code(await parts.sign_in())
    assert await parts.redeem(code, client_id="other") == Refused(Refusal.CLIENT)
    assert await parts.redeem(code) == Refused(Refusal.REUSED)
    assert await parts.rows("grant_family") == []


@pytest.mark.threat("9700-codeinject", off="admit.issuer.grants.rules:verify_pkce")
async def test_a_code_without_its_verifier_is_worth_nothing(parts: Parts) -> None:
    new = await parts.sign_in()
    for verifier in (None, "w" * 43, "v" * 42):
        assert await parts.redeem(await parts.code(new), code_verifier=verifier) == Refused(Refusal.PKCE)


@pytest.mark.threat("9700-pkcedown", off="admit.issuer.grants.rules:verify_pkce")
async def test_a_code_whose_challenge_was_taken_off_refuses_a_verifier(parts: Parts) -> None:
    new = await parts.sign_in()
    assert await parts.redeem(await parts.code(new, code_challenge=None)) == Refused(Refusal.PKCE)
    exempt = await parts.redeem(await parts.code(new, code_challenge=None), code_verifier=None)
    assert isinstance(exempt, Redeemed)


@pytest.mark.parametrize("offline", [False, True])
async def test_a_code_is_worth_nothing_after_logout(parts: Parts, offline: bool) -> None:
    new = await parts.sign_in()
    code = await parts.code(new, offline=offline)
    await parts.sessions.end(new.session.id, user_id=new.session.user.id, reason="logout", info=INFO, now=NOW)
    assert await parts.redeem(code) == Refused(Refusal.PARENT_ENDED)
    assert await parts.rows("grant_family") == []


@pytest.mark.parametrize("offline", [False, True])
async def test_at_most_ten_grants_of_a_session_and_client_live_and_the_oldest_end(
    parts: Parts, offline: bool
) -> None:
    new = await parts.sign_in()
    other_session = await parts.grant(await parts.sign_in(new.session.user), offline=offline)
    other_client = await parts.code(new, client_id="other", offline=offline)
    kept = await parts.redeem(other_client, client_id="other")
    grants = [await parts.grant(new, now=NOW + n, offline=offline) for n in range(12)]
    ended = [await parts.is_ended(grant.family.id) for grant in grants]
    assert ended == [True, True] + [False] * 10
    assert not await parts.is_ended(other_session.family.id)
    assert not await parts.is_ended(kept.family.id)
    assert (await parts.events()).count("grant.ended") == 2


async def test_a_grant_can_be_bound_to_a_key(parts: Parts) -> None:
    redeemed = await parts.redeem(await parts.code(await parts.sign_in()), jkt="thumb")
    assert redeemed.family.jkt == "thumb"
    assert await parts.refresh(redeemed.refresh_token, rotates=False) == Refused(Refusal.KEY)
    assert not isinstance(await parts.refresh(redeemed.refresh_token, rotates=False, jkt="thumb"), Refused)


async def test_settings_shorten_a_code(db: Database) -> None:
    parts = await Parts.on(db, grants=GrantsConfig(code_lifetime=timedelta(seconds=5)))
    assert await parts.redeem(await parts.code(await parts.sign_in()), now=NOW + 5) == Refused(
        Refusal.EXPIRED
    )
