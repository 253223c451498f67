"""What a sign-in has reached, and what it has to."""

from dataclasses import replace

import pytest

from admit.errors import ConfigError
from admit.issuer import AccountsConfig
from admit.issuer.accounts.config import SecondFactor
from admit.issuer.accounts.records import User
from admit.issuer.accounts.rules import ADMIN_ROLE
from admit.issuer.clients.records import ACR_1FA, ACR_2FA
from admit.issuer.factors.assurance import (
    Assurance,
    Next,
    Proof,
    admits,
    demanded,
    next_step,
    reached,
    suffices,
)

SOMEBODY = User(
    id="u_a", email="a@example.com", email_shown="a@example.com", name="A", created_at=0, updated_at=0
)
OPERATOR = replace(SOMEBODY, roles=frozenset({ADMIN_ROLE}))
PASSWORD = frozenset({Proof.PASSWORD})


def test_the_class_and_the_methods_say_what_was_shown() -> None:
    assert reached(PASSWORD) == Assurance("urn:admit:acr:1fa", ("pwd",))
    assert reached({Proof.PASSWORD, Proof.TOTP}) == Assurance("urn:admit:acr:2fa", ("pwd", "otp", "mfa"))
    assert reached({Proof.PASSWORD, Proof.RECOVERY_CODE}) == Assurance(
        "urn:admit:acr:2fa", ("pwd", "otp", "mfa", "urn:admit:amr:recovery")
    )
    with pytest.raises(ValueError, match="password"):
        reached({Proof.TOTP})


def test_a_class_that_is_not_known_reaches_nothing_and_is_reached_by_nothing() -> None:
    assert suffices(ACR_2FA, ACR_1FA)
    assert suffices(ACR_2FA, ACR_2FA)
    assert not suffices(ACR_1FA, ACR_2FA)
    assert not suffices("urn:else", ACR_1FA)
    assert not suffices(ACR_2FA, "urn:else")


@pytest.mark.parametrize(
    ("policy", "somebody", "operator"),
    [
        (SecondFactor.OPTIONAL, ACR_1FA, ACR_1FA),
        (SecondFactor.OPERATORS, ACR_1FA, ACR_2FA),
        (SecondFactor.REQUIRED, ACR_2FA, ACR_2FA),
    ],
)
def test_the_policy_decides_who_must(policy: SecondFactor, somebody: str, operator: str) -> None:
    assert demanded(policy, SOMEBODY) == somebody
    assert demanded(policy, OPERATOR) == operator
    assert admits(policy, SOMEBODY, ACR_1FA) == (somebody == ACR_1FA)
    assert admits(policy, OPERATOR, ACR_1FA) == (operator == ACR_1FA)
    assert admits(policy, OPERATOR, ACR_2FA)


@pytest.mark.parametrize("policy", SecondFactor)
@pytest.mark.parametrize("user", [SOMEBODY, OPERATOR], ids=["somebody", "operator"])
@pytest.mark.parametrize("asked", [ACR_1FA, ACR_2FA])
def test_whoever_has_an_app_is_asked_for_it_in_any_case(policy: SecondFactor, user: User, asked: str) -> None:
    assert next_step(policy, user, PASSWORD, has_app=True, asked=asked) is Next.PROVE
    for proof in (Proof.TOTP, Proof.RECOVERY_CODE):
        assert next_step(policy, user, PASSWORD | {proof}, has_app=True, asked=asked) is Next.SESSION


@pytest.mark.parametrize(
    ("policy", "user", "asked", "expected"),
    [
        (SecondFactor.OPTIONAL, SOMEBODY, ACR_1FA, Next.SESSION),
        (SecondFactor.OPTIONAL, OPERATOR, ACR_1FA, Next.SESSION),
        (SecondFactor.OPTIONAL, SOMEBODY, ACR_2FA, Next.ENROL),
        (SecondFactor.OPERATORS, SOMEBODY, ACR_1FA, Next.SESSION),
        (SecondFactor.OPERATORS, OPERATOR, ACR_1FA, Next.ENROL),
        (SecondFactor.REQUIRED, SOMEBODY, ACR_1FA, Next.ENROL),
    ],
)
def test_who_has_none_adds_one_where_it_is_wanted(
    policy: SecondFactor, user: User, asked: str, expected: Next
) -> None:
    assert next_step(policy, user, PASSWORD, has_app=False, asked=asked) is expected


def test_the_policy_is_one_of_three_and_no_text_that_looks_like_one() -> None:
    with pytest.raises(ConfigError, match="second_factor"):
        AccountsConfig(second_factor="required")  # type: ignore[arg-type]  # what a careless caller writes
