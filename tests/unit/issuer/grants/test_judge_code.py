"""What a code is worth."""

from dataclasses import replace
from typing import Any

import pytest

from admit.issuer.grants import rules
from admit.issuer.grants.records import Authorization, PresentedCode, Refusal, StoredCode
from admit.issuer.grants.rules import Burn, EndFamily, Refuse, Spend

NOW = 1_000_000.0
VERIFIER = "v" * 43
AUTHORIZATION = Authorization(
    client_id="app",
    user_id="u_1",
    session_id="s",
    redirect_uri="https://rp.example/cb",
    scope=frozenset({"openid"}),
    audience="https://api.example",
    code_challenge=rules.challenge_of(VERIFIER),
    nonce=None,
    auth_time=NOW,
    acr="a",
    amr=("pwd",),
)
STORED = StoredCode(authorization=AUTHORIZATION, created_at=NOW - 10, expires_at=NOW + 50)
PRESENTED = PresentedCode(client_id="app", redirect_uri="https://rp.example/cb", code_verifier=VERIFIER)


@pytest.mark.rfc("6749", "4.1.3")
def test_the_right_client_with_redirect_uri_and_verifier_spends_it() -> None:
    assert rules.judge_code(PRESENTED, STORED, now=NOW) == Spend()
    assert rules.judge_code(PRESENTED, STORED, now=NOW + 49.9) == Spend()


@pytest.mark.rfc("6749", "4.1.3")
def test_with_pkce_the_redirect_uri_may_be_left_out_and_without_it_not() -> None:
    assert rules.judge_code(replace(PRESENTED, redirect_uri=None), STORED, now=NOW) == Spend()
    plain = replace(STORED, authorization=replace(AUTHORIZATION, code_challenge=None))
    presented = replace(PRESENTED, code_verifier=None)
    assert rules.judge_code(presented, plain, now=NOW) == Spend()
    without = replace(presented, redirect_uri=None)
    assert rules.judge_code(without, plain, now=NOW) == Burn(Refusal.REDIRECT_URI)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"client_id": "other"}, Refusal.CLIENT),
        ({"redirect_uri": "https://rp.example/cb/"}, Refusal.REDIRECT_URI),
        ({"redirect_uri": ""}, Refusal.REDIRECT_URI),
        ({"code_verifier": None}, Refusal.PKCE),
        ({"code_verifier": "w" * 43}, Refusal.PKCE),
    ],
)
def test_a_live_code_in_wrong_hands_is_burnt(change: dict[str, Any], reason: Refusal) -> None:
    assert rules.judge_code(replace(PRESENTED, **change), STORED, now=NOW) == Burn(reason)


@pytest.mark.parametrize("change", [{}, {"client_id": "other"}, {"code_verifier": None}])
@pytest.mark.parametrize("later", [0, 49, 3000])
def test_a_spent_code_ends_what_it_paid_out_whoever_sends_it_however_late(
    change: dict[str, Any], later: float
) -> None:
    spent = replace(STORED, spent_at=NOW, grant_id="family")
    assert rules.judge_code(replace(PRESENTED, **change), spent, now=NOW + later) == EndFamily("family")


def test_a_burnt_an_expired_and_an_unknown_code_are_refused() -> None:
    assert rules.judge_code(PRESENTED, replace(STORED, spent_at=NOW), now=NOW) == Refuse(Refusal.REUSED)
    assert rules.judge_code(PRESENTED, STORED, now=NOW + 50) == Refuse(Refusal.EXPIRED)
    assert rules.judge_code(PRESENTED, None, now=NOW) == Refuse(Refusal.UNKNOWN)
