"""`admit.verifier.policy`: what a route asks, and what a refusal looks like."""

from typing import Any

import pytest

from admit import errors
from admit.errors import (
    AdmitError,
    ConfigError,
    GroupsUnavailableError,
    InsufficientScopeError,
)
from admit.principal import ByReference, Principal
from admit.verifier import policy


def principal(**changed: Any) -> Principal:
    return Principal(
        **{"issuer": "i", "subject": "s", "client_id": "c", "audience": frozenset({"a"})} | changed
    )


def test_nothing_asked_is_any_principal() -> None:
    policy.check(principal(), policy.ANYBODY)
    policy.check(principal(), policy.requirement([]))


def test_everything_asked_must_be_there() -> None:
    wanted = policy.requirement(["a", "b"], role="admin", group="staff")
    whole: dict[str, Any] = {
        "scopes": frozenset({"a", "b", "c"}), "roles": frozenset({"admin"}), "groups": frozenset({"staff"})
    }  # fmt: skip
    policy.check(principal(**whole), wanted)
    for name, less in (("scopes", {"a"}), ("roles", {"Admin"}), ("groups", set())):
        with pytest.raises(InsufficientScopeError) as refused:
            policy.check(principal(**{**whole, name: frozenset(less)}), wanted)
        assert refused.value.scope == "a b"


def test_groups_by_reference_matter_only_where_a_group_is_asked() -> None:
    by_reference = principal(groups=ByReference("https://id.example.com/userinfo"))
    policy.check(by_reference, policy.ANYBODY)
    with pytest.raises(GroupsUnavailableError):
        policy.check(by_reference, policy.requirement([], group="staff"))


@pytest.mark.parametrize(
    ("names", "more"),
    [
        ("orders:read", {}), (["a b"], {}), ([""], {}), ([1], {}), (['a"'], {}),
        ([], {"role": ""}), ([], {"group": ""}), ([], {"role": 7}),
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
