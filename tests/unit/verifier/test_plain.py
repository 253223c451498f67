"""A new token that one look settles is taken as the rules take it, to the same principal; any other is left to them."""

import json
import random
import string
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError
from datetime import timedelta
from typing import Any

import pytest

from admit.errors import AdmitError, SignatureError
from admit.jose import JWK, JWKSet, Waive, base64url, jws
from admit.principal import Principal
from admit.tokens import status_list
from admit.verifier import InProcessSource, TrustedIssuer, Verifier, plain, reading
from admit.verifier.snapshot import Held, IssuerSnapshot, KeyView
from tests.fixtures.status_issuer import AUDIENCE, NOW, Clock

ISSUER, NAMELESS = "https://id.example.com", "https://other.example.com"
SECRET = JWK.secret(bytes(range(32)), "HS256")
KEY, OTHER = (JWK.generate("ES256", kid=kid) for kid in ("k1", "k2"))
STATUS_KEY = JWK.generate("ES256", kid="status-1")
LISTED = {"status": {"status_list": {"uri": status_list.uri(ISSUER, 0), "idx": 7}}}
HELD = Held(epoch=1, seq=1, bitmaps={0: status_list.EMPTY}, fresh_at=1_000.0, head_iat=NOW, head_at=1_000.0)
ODD: Mapping[str, list[Any]] = {
    "iss": [ISSUER + "/", "", None, [ISSUER], 7],
    "sub": ["", None, 7, ["u_alice"]],
    "aud": [[AUDIENCE], [AUDIENCE, "b"], "b", "", [], None, {AUDIENCE: 1}],
    "client_id": ["", None, 7],
    "jti": ["", None, 7],
    "iat": [NOW, int(NOW) + 30, int(NOW) + 31, -1, None, False, "1", 0],
    "exp": [NOW + 1, int(NOW) - 29, int(NOW) - 30, int(NOW) - 31, 2**63 - 1, 2**63, 2**70, None, True, "9"],
    "nbf": [int(NOW), int(NOW) + 31, "x"],
    "scope": ["", "a b", "a  b", " a", 'a"', ["a"], None, "orders:read é"],
    "roles": [[], ["admin", "admin"], [""], [7], "admin", None, {"a": 1}],
    "groups": [[], ["g1"], None, [None]],
    "entitlements": [["e"], [""], "e"],
    "sid": ["s1", "", None, 7],
    "auth_time": [int(NOW), NOW, -1, None, True],
    "acr": ["urn:x", "", None, 1],
    "amr": [[], ["pwd", "otp"], [""], "pwd", None],
    "status": [
        {},
        None,
        "x",
        {"status_list": {"uri": status_list.uri(ISSUER, 1), "idx": 7}},
        {"status_list": {"uri": status_list.uri(ISSUER, 0), "idx": status_list.ENTRIES}},
        {"status_list": {"uri": status_list.uri(NAMELESS, 0), "idx": 7}},
        {"status_list": {"uri": status_list.uri(ISSUER, 0), "idx": -1}},
        {"status_list": {"uri": "", "idx": 7}, "other": 1},
        {"status_list": {"uri": status_list.uri(ISSUER, 0), "idx": True}},
    ],
    "act": [{"sub": "service"}, {}, None],
    "cnf": [{"jkt": "x"}, {}, None],
    "nonce": ["n"],
    "events": [{}],
    "_claim_names": [{"groups": "a"}, {}, None],
    "tenant": [
        "t",
        ["t", {"deep": [1, {"a": [None]}]}],
        1.5,
        2**64,
        {"a": {"b": {"c": {"d": {}}}}},
        "\u2028",
    ],
}


class Site:
    """One issuer whose tokens one verifier reads at one look where it can, and another by the rules alone."""

    def __init__(self, trust: TrustedIssuer) -> None:
        self.clock = Clock()
        self.both = [
            Verifier(trust, remember=0, wall=self.clock.walltime, boottime=self.clock.boottime)
            for _ in range(2)
        ]
        self.quick, self.by_rules = self.both
        self.by_rules.read_new = lambda *_: None  # so `settle` is asked
        self.taken = 0

    def agree(self, token: str) -> Principal | tuple[type[AdmitError], str]:
        """What both say, word for word."""
        said, wanted = (answer(verifier, token) for verifier in self.both)
        assert said == wanted, token
        if isinstance(said, Principal) and isinstance(wanted, Principal):
            assert said.claims == wanted.claims
            assert repr(said) == repr(wanted)
            read_only(said.claims)
            self.taken += 1
        return said


def answer(verifier: Verifier, token: str) -> Principal | tuple[type[AdmitError], str]:
    try:
        return verifier.verify(token)
    except AdmitError as error:
        return type(error), str(error)


def read_only(value: Any) -> None:
    """Nothing of it can be changed, all the way down."""
    assert not isinstance(value, dict | list)
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else ():
        read_only(inner)


def shared(**more: Any) -> TrustedIssuer:
    return TrustedIssuer(ISSUER, audience=AUDIENCE, secret=SECRET, revocation=Waive.REVOCATION, **more)


def followed(held: Held = HELD) -> TrustedIssuer:
    source = InProcessSource(clock=lambda: 1_000.0)
    keys = JWKSet([key.public() for key in (KEY, STATUS_KEY)])
    source.snapshot = IssuerSnapshot(KeyView(keys, JWKSet([]), 1_000.0), held)
    return TrustedIssuer(ISSUER, audience=AUDIENCE, source=source)


def usual(**members: Any) -> dict[str, Any]:
    now = int(NOW)
    return {
        "iss": ISSUER, "sub": "u_alice", "aud": AUDIENCE, "client_id": "spa", "iat": now - 60, "exp": now + 240,
        "jti": "t1", "scope": "orders:read", "roles": ["admin"], **members,
    }  # fmt: skip


def compact(claims: object) -> bytes:
    return json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()


def signed(payload: bytes, key: JWK = SECRET, *, header: bytes | None = None) -> str:
    head = jws.encoded_header(key, "at+jwt") if header is None else base64url.encode(header)
    assert key.signer is not None
    data = head + b"." + base64url.encode(payload)
    return (data + b"." + base64url.encode(key.signer(data))).decode()


@pytest.fixture(params=["shared secret", "followed"])
def site(request: pytest.FixtureRequest) -> tuple[Site, JWK, dict[str, Any]]:
    if request.param == "followed":
        return Site(followed()), KEY, usual(**LISTED)
    return Site(shared()), SECRET, usual()


def test_the_usual_token_is_read_at_one_look(
    site: tuple[Site, JWK, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    of, key, members = site
    token = signed(compact(members | {"groups": ["g"], "amr": ["pwd"], "tenant": {"a": ["b"]}}), key)
    of.agree(token)  # its header is known now
    monkeypatch.delattr(reading, "read")
    who = of.quick.verify(token)
    assert who.groups == frozenset({"g"})
    with pytest.raises(FrozenInstanceError):
        who.subject = "u_mallory"  # type: ignore[misc]  # that is what is asked


def test_both_ways_say_the_same_of_each_odd_claim_by_itself(site: tuple[Site, JWK, dict[str, Any]]) -> None:
    of, key, members = site
    of.agree(signed(compact(members), key))
    for name, values in ODD.items():
        for value in values:
            of.agree(signed(compact(members | {name: value}), key))
        of.agree(signed(compact({each: one for each, one in members.items() if each != name}), key))
    assert of.taken > 20


def test_both_ways_say_the_same_of_odd_claims_spellings_and_signatures(
    rng: random.Random, rounds: Callable[..., range]
) -> None:
    sites = [
        (Site(shared()), SECRET, usual()),
        (Site(shared(leeway=timedelta(0))), SECRET, usual()),
        (Site(shared(max_age=timedelta(minutes=1))), SECRET, usual()),
        (Site(shared(require={"tenant": "t"})), SECRET, usual(tenant="t")),
        (Site(followed()), KEY, usual(**LISTED)),
    ]
    for _ in rounds(quick=100, test=500, soak=50_000):
        of, key, members = rng.choice(sites)
        changes = {name: rng.choice(ODD[name]) for name in rng.sample(sorted(ODD), rng.randrange(3))}
        payload = compact(members | changes)
        if rng.random() < 0.1:
            payload = payload[:-1] + b',"sub":"mallory"}'
        if rng.random() < 0.1:
            payload = payload.replace(b",", b" ,")
        token = signed(payload, rng.choice([key] * 8 + [SECRET, KEY, OTHER, STATUS_KEY]))
        if rng.random() < 0.2:
            place, letter = rng.randrange(len(token)), rng.choice(string.ascii_letters + "._-=+/ \né")
            token = token[:place] + letter + token[place + rng.randrange(2) :]
        of.agree(token)
    assert all(of.taken for of, _, _ in sites)


@pytest.mark.parametrize(
    "held",
    [
        Held(epoch=1, seq=1, bitmaps=HELD.bitmaps, fresh_at=960.0, head_iat=NOW, head_at=1_000.0),
        Held(epoch=1, seq=1, bitmaps=HELD.bitmaps, fresh_at=960.0),
        Held(epoch=1, seq=1, bitmaps=HELD.bitmaps, fresh_at=1_000.0, revoked_kids=frozenset({"k1"})),
        Held(epoch=1, seq=1, bitmaps={0: status_list.with_bits(status_list.EMPTY, [7])}, fresh_at=1_000.0),
        Held(epoch=1, seq=1, bitmaps={}, fresh_at=1_000.0),
    ],
    ids=["stale", "stale and no head", "key given up", "ended", "list not held"],
)
def test_both_ways_say_the_same_of_what_is_held(held: Held) -> None:
    Site(followed()).agree(signed(compact(usual(**LISTED)), KEY))  # its header is known now
    of = Site(followed(held))
    said = of.agree(signed(compact(usual(**LISTED)), KEY))
    assert not isinstance(said, Principal)
    of.agree(signed(compact(usual(**LISTED, iat=int(NOW))), KEY))


@pytest.mark.parametrize(("typ", "kid"), [("JWT", "k1"), (None, "k1"), ("at+jwt", "k2"), ("at+jwt", None)])
def test_both_ways_say_the_same_of_headers(typ: str | None, kid: str | None) -> None:
    of = Site(followed())
    members = {"alg": "ES256"} | ({} if typ is None else {"typ": typ}) | ({} if kid is None else {"kid": kid})
    token = signed(compact(usual(**LISTED)), KEY, header=compact(members))
    jws.verify(token, KEY)  # its header is known now
    of.agree(token)


def test_both_ways_say_the_same_of_each_last_character(site: tuple[Site, JWK, dict[str, Any]]) -> None:
    of, key, members = site
    for padding in ("", "x", "xx"):  # so that the payload ends with each number of spare bits
        token = signed(compact(members | {"tenant": padding}), key)
        head, body, tail = token.split(".")
        of.agree(token)
        for letter in string.ascii_letters + string.digits + "-_":
            of.agree(f"{head}.{body}.{tail[:-1]}{letter}")
            of.agree(f"{head}.{body[:-1]}{letter}.{tail}")


def test_a_forged_token_of_a_key_that_was_given_up_is_told_that_it_was() -> None:
    token = signed(compact(usual(**LISTED)), KEY)
    Site(followed()).agree(token)  # its header is known now
    of = Site(
        followed(Held(epoch=1, seq=1, bitmaps=HELD.bitmaps, fresh_at=1_000.0, revoked_kids=frozenset({"k1"})))
    )
    forged = signed(
        compact(usual(**LISTED)), OTHER, header=compact({"alg": "ES256", "typ": "at+jwt", "kid": "k1"})
    )
    assert of.agree(forged) == of.agree(token)


def test_until_somebody_follows_the_issuer_the_rules_are_asked_since_they_begin_to() -> None:
    trust = followed()
    of = Site(trust)
    token = signed(compact(usual(**LISTED)), KEY)
    of.agree(token)
    known = {one.trust.issuer: one for one in of.quick.core.trusted()}
    assert plain.read(token.encode(), known, NOW, 1_000.0) is not None
    assert trust.source is not None
    trust.source.started = False  # as in a forked child
    assert plain.read(token.encode(), known, NOW, 1_000.0) is None


def test_the_status_keys_sign_no_token() -> None:
    of = Site(followed())
    token = signed(compact(usual(**LISTED)), STATUS_KEY)
    jws.verify(token, STATUS_KEY)
    assert not isinstance(of.agree(token), Principal)


def test_a_signature_that_does_not_hold_is_computed_once_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    of, times = Site(shared()), 0
    of.agree(signed(compact(usual())))
    inner = jws.check_signature

    def counted(*args: Any) -> None:
        nonlocal times
        times += 1
        inner(*args)

    monkeypatch.setattr(jws, "check_signature", counted)
    forged = signed(compact(usual()), JWK.secret(bytes(range(1, 33)), "HS256"))
    with pytest.raises(SignatureError):
        of.quick.verify(forged)
    assert times == 1
    assert of.quick.core.counters.refusals == {"invalid_token": 1}


@pytest.mark.parametrize("now", [float("nan"), float("inf"), -1.0, True, "now"], ids=repr)
def test_a_clock_that_tells_no_time_is_left_to_the_rules(now: Any) -> None:
    token = signed(compact(usual(iat=0)))
    known = {one.trust.issuer: one for one in Site(shared()).quick.core.trusted()}
    jws.verify(token, SECRET)
    assert plain.read(token.encode(), known, now, 1_000.0) is None
