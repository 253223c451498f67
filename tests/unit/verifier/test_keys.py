"""When keys are fetched, and which count."""

import json
from typing import Any

import pytest

from admit.errors import InvalidKeyError, KeysUnavailableError
from admit.jose import JWK, JWKSet
from admit.verifier import keys
from admit.verifier.snapshot import KeyView

TOKEN, OTHER = JWK.generate("ES256", kid="t1"), JWK.generate("ES256", kid="t2")
STATUS = JWK.generate("ES256", kid="status-1")


def body(*entries: Any) -> bytes:
    return json.dumps({"keys": [e.public().to_dict() if isinstance(e, JWK) else e for e in entries]}).encode()


def read(data: bytes, *, admit: bool = True, revoked: frozenset[str] = frozenset()) -> KeyView:
    return keys.read(
        data, issuer="https://id.example.com", rsa_alg=None, admit=admit, revoked=revoked, fetched_at=1.0
    )


def kids(found: object) -> list[str | None]:
    assert isinstance(found, JWKSet)
    return [key.kid for key in found]


def upper(low: float, high: float) -> float:
    return high


def test_status_keys_are_kept_apart() -> None:
    view = read(body(TOKEN, STATUS))
    assert (kids(view.tokens), kids(view.status)) == (["t1"], ["status-1"])


def test_another_issuers_kids_mean_nothing() -> None:
    assert kids(read(body(TOKEN, STATUS), admit=False).tokens) == ["t1", "status-1"]


@pytest.mark.parametrize(
    "data",
    [body(), body(STATUS), b"", b"[]", b'{"keys":{}}', body({"kty": "oct", "k": "AAAA"}), body(1, "a")],
)
def test_a_set_without_a_usable_key_keeps_the_old_one(data: bytes) -> None:
    with pytest.raises(InvalidKeyError):
        read(data)


def test_odd_entries_are_passed_over() -> None:
    assert kids(read(body({"kty": "XX", "kid": ["list"]}, 7, TOKEN)).tokens) == ["t1"]


def test_a_revoked_key_is_left_out() -> None:
    assert kids(read(body(TOKEN, OTHER), revoked=frozenset({"t1"})).tokens) == ["t2"]
    view = read(body(TOKEN, OTHER, STATUS))
    assert kids(keys.without(view, frozenset({"t1"})).tokens) == ["t2"]
    assert keys.without(view, frozenset({"unknown"})) is view


def test_an_unknown_kid_fetches_once_in_thirty_seconds() -> None:
    schedule = keys.KeySchedule()
    assert schedule.may_force("a", 0.0)
    assert not schedule.may_force("b", 29.9)
    assert schedule.may_force("b", 30.0)


def test_a_missing_kid_is_asked_for_again_in_seconds_and_then_once_in_five_minutes() -> None:
    schedule = keys.KeySchedule()
    schedule.succeeded(0.0, upper)
    schedule.note_absent("b", 0.0, upper)
    assert schedule.due == 9.0, "once more by itself"
    assert not schedule.may_force("b", 8.9)
    assert schedule.may_force("b", 9.0)
    schedule.succeeded(9.0, upper)
    schedule.note_absent("b", 9.0, upper)
    assert schedule.due == 9.0 + keys.REFRESH
    assert not schedule.may_force("b", 308.9)
    assert schedule.may_force("b", 309.0)


def test_after_a_key_was_given_up_keys_are_fetched_now_and_once_more_in_seconds() -> None:
    schedule = keys.KeySchedule()
    schedule.succeeded(0.0, upper)
    schedule.note_revoked(20.0)
    assert (schedule.due, schedule.changing) == (20.0, 2)
    schedule.succeeded(20.0, upper)
    assert (schedule.due, schedule.changing) == (29.0, 1)
    schedule.succeeded(29.0, upper)
    assert (schedule.due, schedule.changing) == (29.0 + keys.REFRESH, 0)


def test_the_memory_of_absent_kids_is_bounded() -> None:
    schedule = keys.KeySchedule()
    for number in range(keys.MAX_ABSENT + 10):
        schedule.note_absent(str(number), 0.0, upper)
    assert not schedule.is_absent("0", 1.0)
    assert schedule.is_absent(str(keys.MAX_ABSENT + 9), 1.0)


def test_failures_are_tried_again_soon_and_then_less_often() -> None:
    schedule, waits = keys.KeySchedule(), []
    for _ in range(8):
        schedule.failed(0.0, upper)
        waits.append(schedule.due)
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
    schedule.succeeded(0.0, upper)
    assert (schedule.due, schedule.failures) == (keys.REFRESH, 0)


@pytest.mark.threat("O-4", off="admit.verifier.keys:check_age")
@pytest.mark.parametrize("boot", [86_401.1, 0.5])
def test_keys_that_could_not_be_renewed_for_a_day_are_not_used(boot: float) -> None:
    with pytest.raises(KeysUnavailableError):
        keys.check_age(read(body(TOKEN)), boot)


def test_keys_of_today_and_configured_ones_are_used() -> None:
    keys.check_age(read(body(TOKEN)), 86_400.0)
    keys.check_age(KeyView(JWKSet([TOKEN.public()]), JWKSet([]), None), 1e9)


def test_a_key_without_alg_takes_the_name_that_its_issuer_uses() -> None:
    bare = {
        name: value
        for name, value in JWK.generate("Ed25519", kid="e").public().to_dict().items()
        if name != "alg"
    }

    def algs(**terms: Any) -> list[str]:
        data = json.dumps({"keys": [bare]}).encode()
        view = keys.read(
            data,
            issuer="https://id.example.com",
            rsa_alg=None,
            admit=False,
            revoked=frozenset(),
            fetched_at=1.0,
            **terms,
        )
        assert isinstance(view.tokens, JWKSet)
        return [key.alg for key in view.tokens]

    assert algs() == ["EdDSA"]
    assert algs(okp_alg="Ed25519") == ["Ed25519"]
    assert algs(okp_alg="Ed25519", algorithms={"Ed25519"}) == ["Ed25519"]
    with pytest.raises(InvalidKeyError):
        algs(algorithms={"Ed25519"})
