"""Random uses of a family's tokens, old and new, against a model of ten lines."""

from collections.abc import Callable
from random import Random

from admit.issuer.grants.records import Refreshed, Refusal, Refused
from admit.issuer.storage import Database
from tests.fixtures.people import NOW, Parts

GRACE = 30


async def test_no_order_of_uses_and_pauses_gives_two_live_tokens_or_revives_a_family(
    db: Database, rounds: Callable[..., range], rng: Random
) -> None:
    parts = await Parts.on(db)
    for _ in rounds(test=8, soak=500):
        grant = await parts.grant()
        tokens, alive, now, rotated_at = [grant.refresh_token], True, NOW, NOW
        for _ in range(20):
            now += rng.choice([0, 1, 10, 29, 30, 31])
            newest = len(tokens) - 1
            used = max(0, newest - rng.choice([0, 0, 0, 0, 1, 1, 2, 5]))
            outcome = await parts.refresh(tokens[used], now=now)
            if not alive:
                assert outcome == Refused(Refusal.ENDED)
            elif used == newest:
                assert isinstance(outcome, Refreshed)
                assert outcome.refresh_token not in tokens
                tokens.append(outcome.refresh_token)
                rotated_at = now
            elif used == newest - 1 and now - rotated_at < GRACE:
                assert isinstance(outcome, Refreshed)
                assert outcome.refresh_token == tokens[newest]
            else:
                assert outcome == Refused(Refusal.REUSED)
                alive = False
        assert await parts.is_ended(grant.family.id) is not alive
