"""`admit.verifier.policy`: what a route asks, and what a refusal looks like."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from admit import errors
from admit.errors import (
    AdmitError,
    ConfigError,
    GroupsUnavailableError,
    InsufficientScopeError,
    InsufficientUserAuthenticationError,
)
from admit.principal import ByReference, Principal
from admit.verifier import policy

NOW = 1_800_000_000.0
ACR_1FA, ACR_2FA = "urn:admit:acr:1fa", "urn:admit:acr:2fa"


def principal(**changed: Any) -> Principal:
    return Principal(
        **{"issuer": "i", "subject": "s", "client_id": "c", "audience": frozenset({"a"})} | changed
    )


def test_nothing_asked_is_any_principal() -> None:
    policy.check(principal(), policy.ANYBODY, NOW)
    policy.check(principal(), policy.requirement([]), NOW)


def test_everything_asked_must_be_there() -> None:
    wanted = policy.requirement(["a", "b"], role="admin", group="staff")
    whole: dict[str, Any] = {
        "scopes": frozenset({"a", "b", "c"}), "roles": frozenset({"admin"}), "groups": frozenset({"staff"})
    }  # fmt: skip
    policy.check(principal(**whole), wanted, NOW)
    for name, less in (("scopes", {"a"}), ("roles", {"Admin"}), ("groups", set())):
        with pytest.raises(InsufficientScopeError) as refused:
            policy.check(principal(**{**whole, name: frozenset(less)}), wanted, NOW)
        assert refused.value.scope == "a b"


def test_one_look_only_ever_says_yes_where_the_rules_do() -> None:
    asked: list[dict[str, Any]] = [
        {}, {"role": "admin"}, {"group": "staff"}, {"acr": ACR_2FA}, {"max_age": timedelta(minutes=5)},
    ]  # fmt: skip
    met = 0
    for names, more, scopes, roles in product((["a"], []), asked, ({"a"}, {"b"}), ({"admin"}, set())):
        wanted, who = (
            policy.requirement(names, **more),
            principal(scopes=frozenset(scopes), roles=frozenset(roles)),
        )
        try:
            policy.check(who, wanted, NOW)
        except AdmitError:
            assert not wanted.is_plainly_met(who)
        else:
            assert wanted.is_plainly_met(who)
            met += 1
    assert met


def test_groups_by_reference_matter_only_where_a_group_is_asked() -> None:
    by_reference = principal(groups=ByReference("https://id.example.com/userinfo"))
    policy.check(by_reference, policy.ANYBODY, NOW)
    with pytest.raises(GroupsUnavailableError):
        policy.check(by_reference, policy.requirement([], group="staff"), NOW)


@pytest.mark.rfc("9470", "3")
@pytest.mark.threat("MFA-3", off="admit.verifier.policy:check_sign_in")
def test_a_sign_in_of_another_class_or_too_long_ago_is_told_what_will_do() -> None:
    wanted = policy.requirement(["a"], acr=[ACR_2FA, "gold"], max_age=timedelta(minutes=5))
    whole: dict[str, Any] = {"scopes": frozenset({"a"}), "acr": ACR_2FA, "auth_time": NOW - 300}
    for good in ({}, {"acr": "gold"}, {"auth_time": NOW}, {"auth_time": NOW + 60}):
        policy.check(principal(**{**whole, **good}), wanted, NOW)
    for bad in (
        {"acr": ACR_1FA}, {"acr": None}, {"acr": ACR_2FA + "x"}, {"auth_time": NOW - 301}, {"auth_time": None},
        {"auth_time": NOW + 61},
    ):  # fmt: skip
        with pytest.raises(InsufficientUserAuthenticationError) as refused:
            policy.check(principal(**{**whole, **bad}), wanted, NOW)
        refusal = policy.refusal(refused.value, scope="a", realm="api")
        assert refusal.status == 401
        assert dict(refusal.headers)["WWW-Authenticate"] == (
            'Bearer realm="api", error="insufficient_user_authentication", '
            'error_description="Sign in again for this, in the way that is asked.", '
            f'acr_values="{ACR_2FA} gold", max_age="300", scope="a"'
        )
    with pytest.raises(InsufficientScopeError):
        policy.check(principal(acr=ACR_1FA), wanted, NOW)


@pytest.mark.parametrize(
    ("names", "more"),
    [
        ([], {"acr": ""}), ([], {"acr": ["a b"]}), ([], {"acr": [1]}), ([], {"max_age": timedelta(0)}),
        ([], {"max_age": 300}), ("orders:read", {}), (["a b"], {}), ([""], {}), ([1], {}), (['a"'], {}),
        ([], {"role": ""}), ([], {"group": ""}), ([], {"role": 7}),
        ([["orders:read", "orders:write"]], {}), (None, {}), (5, {}), (b"orders:read", {}),
        ([], {"acr": None}), ([], {"acr": 2}), ([], {"acr": [["a"]]}),
    ],
)  # fmt: skip
def test_what_would_never_or_always_hold_is_refused_at_once(names: Any, more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        policy.requirement(names, **more)


def every_error() -> list[AdmitError]:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AdmitError)
    ]
    return [kind("canary-7f3a") for kind in kinds]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_every_error_has_an_answer_that_tells_no_detail(error: AdmitError) -> None:
    refusal = policy.refusal(error, scope="orders:read", realm="orders")
    headers = dict(refusal.headers)
    assert refusal.status >= 400
    assert headers["Cache-Control"] == "no-store"
    assert b"canary" not in refusal.body + repr(headers).encode()
    assert ("WWW-Authenticate" in headers) >= (refusal.status == 401)
    assert ("Retry-After" in headers) is (refusal.status == 503)


@pytest.mark.parametrize(
    "error", [ConfigError("x"), errors.FetchError("x"), errors.InvalidKeyError("x"), AdmitError("x")]
)
def test_a_trouble_of_ours_is_a_bare_server_error(error: AdmitError) -> None:
    refusal = policy.refusal(error)
    assert refusal.status == 500
    assert refusal.body == b'{"error":"server_error","error_description":"Something went wrong."}'
