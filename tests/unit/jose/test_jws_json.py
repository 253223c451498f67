"""Signatures as JSON and apart from their payload, RFC 7515 §7.2, Appendix F, RFC 7797."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from admit import (
    JWK,
    AlgorithmError,
    CriticalHeaderError,
    InvalidKeyError,
    JWKSet,
    KeyNotFoundError,
    MalformedTokenError,
    SignatureError,
)
from admit.errors import AdmitError
from admit.jose import base64url, jws
from admit.jose.jws_detached import sign_detached, verify_detached
from admit.jose.jws_json import Signer, VerifiedJson, sign_json, verify_json
from tests.unit.jose.keys import KEYS, verifying

VECTORS = Path(__file__).parents[2] / "vectors"
COOKBOOK = sorted((VECTORS / "rfc7520/json").glob("*.json"))
PAYLOAD = b"It is a door."
ALGS = ["HS256", "ES256", "Ed25519", "PS256", "ML-DSA-44"]


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def keys_of(example: Any) -> list[JWK]:
    given, algs = example["input"]["key"], example["input"]["alg"]
    if isinstance(given, dict):
        given, algs = [given], [algs]
    return [JWK.load(key, alg=alg) for key, alg in zip(given, algs, strict=True)]


def spoilt(text: str) -> str:
    return ("B" if text[0] == "A" else "A") + text[1:]


@pytest.mark.rfc("7520", "4")
@pytest.mark.parametrize("path", COOKBOOK, ids=lambda path: path.stem)
def test_json_forms_of_the_cookbook_verify_and_spoilt_ones_do_not(path: Path) -> None:
    example = read(path)
    payload = example["input"]["payload"].encode()
    for form in ("json", "json_flat"):
        data = example["output"].get(form)
        if data is None:
            continue
        apart = payload if "payload" not in data else None
        for key in keys_of(example):
            found = verify_json(data, key, payload=apart)
            assert found.payload == payload
            assert [one.key for one in found.signatures] == [key]
            wrong = json.loads(json.dumps(data))
            for one in wrong.get("signatures", [wrong]):
                one["signature"] = spoilt(one["signature"])
            with pytest.raises(SignatureError):
                verify_json(wrong, key, payload=apart)


@pytest.mark.rfc("7520", "4.6")
@pytest.mark.rfc("7520", "4.7")
@pytest.mark.parametrize("name", ["4_6", "4_7"])
def test_json_forms_of_the_cookbook_are_made_again(name: str) -> None:
    example = read(next(path for path in COOKBOOK if path.name.startswith(name)))
    key, signing = keys_of(example)[0], example["signing"]
    protected, unprotected = signing.get("protected", {}), signing["unprotected"]
    if "alg" in unprotected:
        signer = Signer(key, alg_protected=False)
    else:
        # The cookbook leaves kid unprotected; a key without one lets the caller place it.
        bare = JWK.load({n: v for n, v in example["input"]["key"].items() if n != "kid"}, alg=key.alg)
        with pytest.raises(MalformedTokenError):
            sign_json(b"x", Signer(bare, unprotected={"kid": "mine"}))
        return
    assert protected == {}
    assert sign_json(example["input"]["payload"].encode(), signer) == example["output"]["json_flat"]
    assert sign_json(example["input"]["payload"].encode(), [signer]) == example["output"]["json"]


@pytest.mark.rfc("7515", "F")
def test_the_detached_compact_token_of_the_cookbook_verifies_only_with_its_payload() -> None:
    example = read(COOKBOOK[0])
    key, payload, token = (
        keys_of(example)[0],
        example["input"]["payload"].encode(),
        example["output"]["compact"],
    )
    assert verify_detached(token, payload, key).payload == payload
    assert sign_detached(payload, key) == token
    with pytest.raises(SignatureError):
        verify_detached(token, payload + b" ", key)
    with pytest.raises(AdmitError):
        jws.verify(token, key)
    with pytest.raises(MalformedTokenError):
        verify_detached(jws.sign(payload, key), payload, key)


@pytest.mark.rfc("7797", "3")
@pytest.mark.rfc("7797", "5.1")
@pytest.mark.rfc("7797", "5.2")
@pytest.mark.rfc("7797", "5.3")
@pytest.mark.rfc("7797", "4")
def test_the_unencoded_example_verifies_where_it_is_expected() -> None:
    example = read(VECTORS / "rfc7797/hmac-sha2_b64_false.json")
    key, payload = keys_of(example)[0], example["input"]["payload"].encode()
    attached = example["output"]["compact"]
    assert verify_detached(attached, None, key, unencoded=True).payload == payload
    assert verify_detached(sign_detached(payload, key, unencoded=True), payload, key, unencoded=True)
    for token, apart in ((attached, payload), (sign_detached(payload, key, unencoded=True), None)):
        with pytest.raises(MalformedTokenError):
            verify_detached(token, apart, key, unencoded=True)
    assert verify_json(example["output"]["json_flat"], key, unencoded=True).payload == payload
    for data in (example["output"]["json"], example["output"]["json_flat"]):
        with pytest.raises((CriticalHeaderError, MalformedTokenError)):
            verify_json(data, key)
    with pytest.raises(CriticalHeaderError):
        verify_detached(sign_detached(payload, key, unencoded=True), payload, key)
    with pytest.raises(MalformedTokenError):
        verify_detached(attached, None, key)


def of_header(member: str) -> tuple[str, str, str]:
    """A truly signed payload under a header with one member more: flattened, detached and compact."""
    signer = KEYS["HS256"].signer
    assert signer is not None
    head, body = (
        base64url.encode(b'{"alg":"HS256"%s}' % member.encode()).decode(),
        base64url.encode(PAYLOAD).decode(),
    )
    tail = base64url.encode(signer(f"{head}.{body}".encode())).decode()
    flat = json.dumps({"protected": head, "payload": body, "signature": tail})
    return flat, f"{head}..{tail}", f"{head}.{body}.{tail}"


@pytest.mark.rfc("7797", "3")
@pytest.mark.rfc("7515", "4.1.11")
@pytest.mark.parametrize("member", [',"b64":true', ',"b64":true,"crit":["b64"]'])
def test_b64_true_says_what_its_absence_says_where_it_is_understood(member: str) -> None:
    key = KEYS["HS256"]
    flat, apart, compact = of_header(member)
    assert verify_json(flat, key).payload == PAYLOAD
    assert verify_detached(apart, PAYLOAD, key).payload == PAYLOAD
    with pytest.raises(CriticalHeaderError):
        verify_json(flat, key, unencoded=True)
    with pytest.raises(CriticalHeaderError):
        verify_detached(apart, PAYLOAD, key, unencoded=True)
    with pytest.raises(CriticalHeaderError):  # no extension is supported there
        jws.verify(compact, key)


@pytest.mark.rfc("7797", "6")
@pytest.mark.rfc("7515", "4.1.11")
@pytest.mark.parametrize(
    "member",
    [
        ',"b64":false', ',"b64":false,"crit":["b64"]', ',"b64":1,"crit":["b64"]', ',"b64":null', ',"b64":"true"',
        ',"crit":["b64"]', ',"crit":[]', ',"b64":true,"crit":[]', ',"b64":true,"crit":["b64","b64"]',
        ',"b64":true,"crit":["b64","exp"],"exp":1', ',"b64":true,"crit":"b64"', ',"b64":true,"crit":null',
    ],
)  # fmt: skip
def test_another_b64_or_crit_is_refused_though_the_signature_holds(member: str) -> None:
    flat, apart, _ = of_header(member)
    with pytest.raises(CriticalHeaderError):
        verify_json(flat, KEYS["HS256"])
    with pytest.raises(CriticalHeaderError):
        verify_detached(apart, PAYLOAD, KEYS["HS256"])


@pytest.mark.rfc("7797", "6")
def test_b64_that_is_not_critical_is_refused() -> None:
    example = read(VECTORS / "rfc7797/4.2.hmac-sha2_b64_false.json")
    with pytest.raises(CriticalHeaderError):
        verify_json(example["output"]["json"], keys_of(example)[0], unencoded=True)
    # Who expects plain octets does not take an encoded payload either.
    with pytest.raises(CriticalHeaderError):
        verify_json(sign_json(PAYLOAD, KEYS["HS256"]), KEYS["HS256"], unencoded=True)


@pytest.mark.rfc("7515", "7.2")
@pytest.mark.parametrize("alg", ALGS)
@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("unencoded", [False, True])
def test_what_is_signed_verifies_in_both_forms(alg: str, detached: bool, unencoded: bool) -> None:
    key, trusted = KEYS[alg], verifying(alg)
    apart = PAYLOAD if detached else None
    for signers in (key, [key], [Signer(key, unprotected={"note": 1})]):
        made = sign_json(PAYLOAD, signers, detached=detached, unencoded=unencoded)
        text = json.dumps(made, separators=(",", ":"))
        found = verify_json(text, trusted, payload=apart, unencoded=unencoded)
        assert found.payload == PAYLOAD
        assert found.signatures[0].protected["alg"] == alg
        stranger = JWK.generate(alg)
        other = stranger if stranger.kty == "oct" else stranger.public()
        with pytest.raises(SignatureError):
            verify_json(text, other, payload=apart, unencoded=unencoded)
    token = sign_detached(PAYLOAD, key, unencoded=unencoded)
    assert verify_detached(token, PAYLOAD, trusted, unencoded=unencoded).payload == PAYLOAD


@pytest.mark.rfc("7515", "5.2")
def test_of_several_signatures_the_trusted_ones_count_and_none_of_them_may_fail() -> None:
    made = sign_json(PAYLOAD, [KEYS["ES256"], KEYS["Ed25519"], KEYS["HS256"]])
    both = JWKSet([KEYS["ES256"].public(), KEYS["Ed25519"].public()])
    assert {one.key.alg for one in verify_json(made, both).signatures} == {"ES256", "Ed25519"}
    assert len(verify_json(made, KEYS["HS256"]).signatures) == 1
    with pytest.raises(KeyNotFoundError):
        verify_json(made, both, every=True)
    with pytest.raises((AlgorithmError, KeyNotFoundError)):
        verify_json(made, JWKSet([KEYS["PS256"].public()]))
    made["signatures"][0]["signature"] = spoilt(made["signatures"][0]["signature"])
    with pytest.raises(SignatureError):
        verify_json(made, both)
    with pytest.raises(SignatureError):
        VerifiedJson(PAYLOAD, (), object())


@pytest.mark.rfc("7515", "5.2")
@pytest.mark.parametrize("named", [True, False], ids=["with kid", "without"])
def test_of_two_signers_by_one_algorithm_each_is_read_by_its_own_key(named: bool) -> None:
    pems = [JWK.generate("ES256").to_pem(private=True) for _ in "abc"]
    ann, bob, eve = (JWK.load(pem, kid=f"k{n}" if named else None) for n, pem in enumerate(pems))
    made = sign_json(PAYLOAD, [ann, bob])
    for own in (ann, bob):
        assert [one.key for one in verify_json(made, own.public()).signatures] == [own.public()]
    with pytest.raises((KeyNotFoundError, SignatureError)):
        verify_json(made, eve.public())
    with pytest.raises((KeyNotFoundError, SignatureError)):
        verify_json(made, ann.public(), every=True)
    made["payload"] = spoilt(made["payload"])
    for own in (ann, bob):
        with pytest.raises(SignatureError):
            verify_json(made, own.public())


def test_a_key_under_two_names_or_algorithms_is_one_signer() -> None:
    members = JWK.generate("RS256").to_dict(private=True)
    twins = [
        JWK.load(members | {"kid": kid, "alg": alg})
        for kid, alg in (("a", "RS256"), ("b", "RS256"), ("c", "PS256"))
    ]
    made = sign_json(PAYLOAD, [*twins, KEYS["ES256"]])
    trusted = JWKSet([*(one.public() for one in twins), KEYS["ES256"].public()])
    assert [one.key.alg for one in verify_json(made, trusted, every=True).signatures] == ["RS256", "ES256"]


def test_a_header_that_is_too_deep_only_inside_the_whole_is_not_written() -> None:
    def nested(depth: int) -> dict[str, Any]:
        return {"a": nested(depth - 1)} if depth else {}

    key = KEYS["ES256"]
    fits = sign_json(PAYLOAD, [Signer(key, unprotected=nested(20))])
    assert verify_json(fits, key.public()).payload == PAYLOAD
    for form in (Signer(key, unprotected=nested(31)), [Signer(key, unprotected=nested(30))]):
        with pytest.raises(MalformedTokenError):
            sign_json(PAYLOAD, form)


def test_no_copy_with_changes_looks_verified() -> None:
    verified = verify_json(sign_json(PAYLOAD, KEYS["HS256"]), KEYS["HS256"])
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(verified, payload=b"other")
    with pytest.raises(SignatureError):
        dataclasses.replace(verified, payload=b"other", proof=object())  # type: ignore[call-arg]  # wrong on purpose


def without_kid(key: JWK) -> JWK:
    members = key.to_dict(private=True)
    del members["kid"]
    return JWK.load(members)


@pytest.mark.parametrize("trusted_named", [True, False])
@pytest.mark.parametrize("ours_named", [True, False])
@pytest.mark.parametrize("stranger_named", [True, False])
def test_without_a_kid_on_both_sides_a_signature_is_tried_and_passed_over_where_it_does_not_hold(
    trusted_named: bool, ours_named: bool, stranger_named: bool
) -> None:
    ours, stranger = JWK.generate("ES256"), JWK.generate("ES256")
    signers = [
        stranger if stranger_named else without_kid(stranger),
        ours if ours_named else without_kid(ours),
    ]
    trusted = (ours if trusted_named else without_kid(ours)).public()
    found = verify_json(sign_json(PAYLOAD, signers), trusted)
    assert [one.key for one in found.signatures] == [trusted]
    with pytest.raises((SignatureError, KeyNotFoundError)):
        verify_json(sign_json(PAYLOAD, [signers[0], signers[0]]), trusted)


def test_a_payload_is_inside_or_given_and_not_both() -> None:
    key = KEYS["ES256"]
    inside, apart = sign_json(PAYLOAD, key), sign_json(PAYLOAD, key, detached=True)
    assert verify_json(inside, key.public()).payload == PAYLOAD
    assert verify_json(apart, key.public(), payload=PAYLOAD).payload == PAYLOAD
    with pytest.raises(MalformedTokenError, match="twice"):
        verify_json(inside, key.public(), payload=PAYLOAD)
    with pytest.raises(MalformedTokenError, match="missing"):
        verify_json(apart, key.public())


def test_who_signs_twice_counts_once() -> None:
    key = KEYS["ES256"]
    made = sign_json(PAYLOAD, [key, key, KEYS["HS256"]])
    for every in (True, False):
        only = {**made, "signatures": made["signatures"][:2]}
        assert len(verify_json(only, key.public(), every=every).signatures) == 1


def test_a_strangers_odd_signature_keeps_nobody_from_reading_ours() -> None:
    key = KEYS["ES256"]
    made = sign_json(PAYLOAD, [key])
    crit = {"protected": sign_json(PAYLOAD, KEYS["HS256"])["protected"], "header": {"crit": ["x"]}}
    for odd in ({"signature": "AA"}, crit | {"signature": "AA"}, {"protected": "!", "signature": "AA"}, 5):
        both = {**made, "signatures": [odd, *made["signatures"]]}
        assert len(verify_json(both, key.public()).signatures) == 1
        with pytest.raises((MalformedTokenError, CriticalHeaderError)):
            verify_json(both, key.public(), every=True)
        with pytest.raises((MalformedTokenError, CriticalHeaderError)):
            verify_json({**made, "signatures": [odd]}, key.public())


@pytest.mark.parametrize(
    "call",
    [
        lambda key: sign_json(PAYLOAD, None),
        lambda key: sign_json(PAYLOAD, 5),
        lambda key: sign_json(PAYLOAD, Signer(key, protected=None)),
        lambda key: sign_json(PAYLOAD, Signer(key, unprotected="x")),
        lambda key: sign_json(PAYLOAD, Signer(key, typ=5)),
        lambda key: sign_json(b"x" * 300_000, key),
        lambda key: sign_json(PAYLOAD, Signer(key, protected={"x": "y" * 9_000})),
    ],
)
def test_what_could_not_be_read_back_is_not_signed(call: Callable[[JWK], object]) -> None:
    with pytest.raises((InvalidKeyError, MalformedTokenError)):
        call(KEYS["ES256"])


@pytest.mark.rfc("7515", "7.2.1")
@pytest.mark.rfc("7515", "7.2.2")
@pytest.mark.rfc("7515", "4")
@pytest.mark.parametrize(
    "change",
    [
        {"payload": None},
        {"payload": 1},
        {"payload": "QQ=="},
        {"signature": None},
        {"signature": "a+b/"},
        {"protected": 7},
        {"protected": ""},
        {"protected": "e30"},
        {"header": []},
        {"header": {"alg": "ES256"}},
        {"header": {"crit": ["x"]}},
        {"header": {"b64": False}},
        {"signatures": []},
        {"signatures": [{}]},
        {"signatures": [{"signature": "AA"}] * 17},
    ],
    ids=str,
)
def test_odd_members_are_refused(change: dict[str, Any]) -> None:
    made = sign_json(PAYLOAD, KEYS["ES256"]) | change
    made = {name: value for name, value in made.items() if value is not None}
    with pytest.raises(AdmitError):
        verify_json(made, KEYS["ES256"].public())


@pytest.mark.rfc("7515", "7.2.1")
@pytest.mark.rfc("7515", "7.2.2")
@pytest.mark.parametrize("member", ["signature", "protected", "header"])
def test_the_two_forms_are_not_mixed_however_good_the_signatures_are(member: str) -> None:
    key = KEYS["ES256"]
    general = sign_json(PAYLOAD, [Signer(key, unprotected={"note": "x"})])
    assert verify_json(general, key.public()).payload == PAYLOAD
    with pytest.raises(MalformedTokenError, match="mixed"):
        verify_json(general | {member: general["signatures"][0][member]}, key.public())


@pytest.mark.rfc("7515", "4.1.11")
@pytest.mark.rfc("7797", "3")
def test_b64_counts_only_where_it_is_signed() -> None:
    key = KEYS["ES256"]
    assert key.signer is not None
    where = {"b64": False, "crit": ["b64"]}
    for protected, unprotected in (({"alg": "ES256"} | where, {}), ({"alg": "ES256"}, where)):
        head = base64url.encode(json.dumps(protected).encode())
        made = {
            "payload": PAYLOAD.decode(),
            "protected": head.decode(),
            "signature": base64url.encode(key.signer(head + b"." + PAYLOAD)).decode(),
        } | ({"header": unprotected} if unprotected else {})
        if unprotected:
            with pytest.raises(MalformedTokenError, match="protected or nowhere"):
                verify_json(made, key.public(), unencoded=True)
        else:
            assert verify_json(made, key.public(), unencoded=True).payload == PAYLOAD


@pytest.mark.rfc("7515", "7.2.1")
def test_signatures_are_a_list_of_1_to_16() -> None:
    key = KEYS["ES256"]
    [good] = sign_json(PAYLOAD, [key])["signatures"]
    payload = base64url.encode(PAYLOAD).decode()
    assert verify_json({"payload": payload, "signatures": [good] * 16}, key.public()).payload == PAYLOAD
    for odd in ([], [good] * 17, good, {"0": good}, (), "x", None, 7):
        with pytest.raises(MalformedTokenError, match="list of 1 to 16"):
            verify_json({"payload": payload, "signatures": odd}, key.public())


@pytest.mark.rfc("7515", "7.2.1")
def test_members_that_nobody_knows_are_ignored_and_doubled_ones_refused() -> None:
    made = sign_json(PAYLOAD, KEYS["ES256"]) | {"note": "x"}
    assert verify_json(made, KEYS["ES256"].public()).payload == PAYLOAD
    text = json.dumps(made)
    with pytest.raises(MalformedTokenError):
        verify_json(text[:-1] + ',"payload":"AAAA"}', KEYS["ES256"].public())


def test_signing_refuses_what_could_not_be_verified() -> None:
    with pytest.raises(InvalidKeyError):
        sign_json(PAYLOAD, [])
    with pytest.raises(InvalidKeyError):
        sign_json(PAYLOAD, [KEYS["HS256"]] * 17)
    with pytest.raises(InvalidKeyError):
        sign_json(PAYLOAD, KEYS["ES256"].public())
    with pytest.raises(InvalidKeyError):
        sign_detached(PAYLOAD, KEYS["ES256"].public())
    for header in ({"alg": "none"}, {"b64": True}, {"crit": []}, {"kid": "k"}):
        with pytest.raises(MalformedTokenError):
            sign_json(PAYLOAD, Signer(KEYS["ES256"], protected=header))
        with pytest.raises(MalformedTokenError):
            sign_json(PAYLOAD, Signer(KEYS["ES256"], unprotected=header))
    with pytest.raises(MalformedTokenError):
        sign_json(PAYLOAD, Signer(KEYS["ES256"], protected={"a": 1}, unprotected={"a": 1}))
    with pytest.raises(MalformedTokenError):
        sign_json(b"\xff", KEYS["ES256"], unencoded=True)


@pytest.mark.rfc("7515", "F")
def test_a_detached_token_has_three_parts_and_one_payload() -> None:
    key = KEYS["HS256"]
    head, _, tail = sign_detached(PAYLOAD, key).split(".")
    assert verify_detached(f"{head}..{tail}", PAYLOAD, key).payload == PAYLOAD
    body = base64url.encode(PAYLOAD).decode()
    for odd in (
        f"{head}.{tail}",
        f"{head}...{tail}",
        f"{head}..{tail}.",
        f"{head}.{body}.{tail}",
        head,
        "",
        "..",
        "é..é",
        7,
    ):
        for unencoded in (False, True):
            with pytest.raises(MalformedTokenError):
                verify_detached(odd, PAYLOAD, key, unencoded=unencoded)  # type: ignore[arg-type]  # wrong on purpose
    for unencoded in (False, True):
        with pytest.raises(MalformedTokenError):
            verify_detached(f"{head}..{tail}", None, key, unencoded=unencoded)


@pytest.mark.rfc("7515", "7.2.1")
def test_an_empty_protected_header_is_left_out_and_not_written_empty() -> None:
    key = KEYS["HS256"]
    made = sign_json(PAYLOAD, Signer(key, alg_protected=False))
    assert "protected" not in made
    assert verify_json(made, key).payload == PAYLOAD
    with pytest.raises(MalformedTokenError, match="left out"):
        verify_json(made | {"protected": ""}, key)


@pytest.mark.parametrize("odd", [{"payload": {1}}, {1: "x"}, {"payload": "\ud800"}, "\ud800", None, 7])
def test_what_is_no_json_is_no_serialisation(odd: Any) -> None:
    with pytest.raises(MalformedTokenError):
        verify_json(odd, KEYS["HS256"])
