"""Project Wycheproof's vectors. Every answer is the published one, or explained by a clause in `explained.json`."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from admit import JWK, AdmitError, JWKSet
from admit.jose import JWS_ALGS, jwe, jws, key_management
from admit.jose.content import CONTENT_ALGS
from admit.jose.material import KeyMaterial

FOLDER = Path(__file__).parents[2] / "vectors/wycheproof"
SIGNATURES = [
    "ecdsa_secp256r1_sha256_p1363", "ecdsa_secp384r1_sha384_p1363", "ecdsa_secp521r1_sha512_p1363",
    "ecdsa_secp256k1_sha256_p1363", "ed25519", "ed448", "rsa_signature_2048_sha256", "rsa_pss_2048_sha256_mgf1_32",
    "hmac_sha256", "hmac_sha384", "hmac_sha512",
]  # fmt: skip
TOKENS = ["json_web_signature", "json_web_encryption", "json_web_key", "json_web_crypto"]
CONTENTS = ["a128cbc_hs256", "a192cbc_hs384", "a256cbc_hs512"]


def read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


EXPLAINED = read("explained")["refused"]


def cases(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for group in read(name)["testGroups"]:
        for case in group["tests"]:
            yield group, case


def expected(name: str, case: dict[str, Any]) -> set[bool]:
    """Whether the case may be, must be or must not be taken."""
    if any(case["tcId"] in clause.get(name, ()) for clause in EXPLAINED.values()):
        return {False}
    return {"valid": {True}, "invalid": {False}, "acceptable": {True, False}}[case["result"]]


def compact(case: dict[str, Any], key: JWK | JWKSet) -> None:
    """As the published cases mean it: a reader of the compact form, which takes no other."""
    if "jws" in case:
        jws.verify(case["jws"] if isinstance(case["jws"], str) else json.dumps(case["jws"]), key)
        return
    plaintext = jwe.decrypt(
        case["jwe"] if isinstance(case["jwe"], str) else json.dumps(case["jwe"]), key
    ).plaintext
    assert "pt" not in case or plaintext.hex() == case["pt"]


def loaded(members: dict[str, Any]) -> JWK | JWKSet | None:
    try:
        return JWKSet.load(members) if "keys" in members else JWK.load(members)
    except AdmitError:
        return None


def taken(case: dict[str, Any], key: JWK | JWKSet) -> bool:
    try:
        compact(case, key)
    except AdmitError:
        return False
    return True


def unlike(name: str, answers: Iterator[tuple[dict[str, Any], bool]]) -> list[int]:
    """The numbers of the cases that were not answered as published; a file without both kinds proves nothing."""
    seen: set[bool] = set()
    odd = []
    for case, answer in answers:
        seen.add(answer)
        if answer not in expected(name, case):
            odd.append(case["tcId"])
    assert seen == {True, False}
    return odd


@pytest.mark.threat("JWT-inputs")
@pytest.mark.rfc("7515", "5.2")
@pytest.mark.rfc("7516", "5.2")
@pytest.mark.parametrize("name", TOKENS)
def test_every_published_token_is_answered_as_published(name: str) -> None:
    def answers() -> Iterator[tuple[dict[str, Any], bool]]:
        for group in read(name)["testGroups"]:
            private = loaded(group["private"])
            public = loaded(group["public"]) if "public" in group else private
            for case in group["tests"]:
                key = private if "jwe" in case else public
                yield case, key is not None and taken(case, key)

    assert unlike(name, answers()) == []


@pytest.mark.rfc("7515", "2")
def test_spellings_under_the_zero_key_are_told_apart_as_published_once_its_check_is_out_of_the_way() -> None:
    zero = bytes(32)
    members = MappingProxyType({"k": "A" * 43, "kty": "oct"})
    key = JWK(KeyMaterial("oct", None, 256, zero, zero, MappingProxyType({}), members), JWS_ALGS["HS256"])
    tokens = [case for group, case in cases("json_web_signature") if group["comment"] == "base64"]
    # 367 and 370 are called invalid and are 357, letter by letter; 372 and 373 are in `explained.json`.
    valid = {case["jws"] for case in tokens if case["result"] == "valid" and "?" not in case["jws"]}
    assert len(valid) == 5
    for case in tokens:
        assert taken(case, key) is (case["jws"] in valid), case["tcId"]


def key_of(group: dict[str, Any], case: dict[str, Any], alg: str) -> JWK:
    if "jwk" in group:
        own = group["jwk"]
        return JWK.load({name: value for name, value in own.items() if name != "alg"}, alg=alg)
    if "der" in group:
        return JWK.load(bytes.fromhex(group["der"]), alg=alg)
    return JWK.secret(bytes.fromhex(case["key"]), alg)


@pytest.mark.threat("JWT-inputs")
@pytest.mark.rfc("7518", "3.1")
@pytest.mark.parametrize("name", SIGNATURES)
def test_every_published_signature_is_answered_as_published(name: str) -> None:
    alg = read(name)["alg"]

    def answers() -> Iterator[tuple[dict[str, Any], bool]]:
        keys: dict[int, JWK] = {}
        for group, case in cases(name):
            try:
                key = keys.get(id(group["tests"])) or key_of(group, case, alg)
                if "key" not in case:
                    keys[id(group["tests"])] = key
                signature = bytes.fromhex(case.get("sig", case.get("tag", "")))
                jws.check_signature(key, bytes.fromhex(case["msg"]), signature)
                yield case, True
            except AdmitError:
                yield case, False

    assert unlike(name, answers()) == []


@pytest.mark.rfc("7518", "5.2")
@pytest.mark.parametrize("name", CONTENTS)
def test_every_published_ciphertext_is_answered_as_published(name: str) -> None:
    row = CONTENT_ALGS[read(name)["enc"]]

    def answers() -> Iterator[tuple[dict[str, Any], bool]]:
        for _, case in cases(name):
            key, iv, ct, tag, aad = (bytes.fromhex(case[part]) for part in ("key", "iv", "ct", "tag", "aad"))
            try:
                assert jwe.open_content(row, key, iv, ct, tag, aad, {}, 10_000).hex() == case["msg"]
                yield case, True
            except AdmitError:
                yield case, False

    assert unlike(name, answers()) == []


@pytest.mark.threat("JWT-inputs")
@pytest.mark.rfc("8037", "3.2")
@pytest.mark.parametrize("name", ["x25519_jwk", "x448_jwk"])
def test_every_published_agreement_is_answered_as_published_and_none_agrees_on_zero(name: str) -> None:
    def answers() -> Iterator[tuple[dict[str, Any], bool]]:
        for _, case in cases(name):
            try:
                own = JWK.load(case["private"], alg="ECDH-ES")._material
                shared = key_management.agree(
                    own.private, key_management.sender({"epk": case["public"]}, own)
                )
            except (AdmitError, ValueError):
                yield case, False
                continue
            assert shared.hex() == case["shared"]
            assert any(shared)
            yield case, True

    assert unlike(name, answers()) == []


def test_every_explained_case_exists() -> None:
    for clause in EXPLAINED.values():
        for name, numbers in clause.items():
            assert set(numbers) <= {case["tcId"] for _, case in cases(name)}
