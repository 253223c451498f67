"""The examples that the RFCs print."""

import json
from pathlib import Path
from typing import Any

import pytest

from admit import JWK, AlgorithmError, SignatureError
from admit.jose import jws

VECTORS = Path(__file__).parents[2] / "vectors"


def read(name: str) -> Any:
    return json.loads((VECTORS / name).read_text("utf-8"))


RFC7515 = read("rfc7515/examples.json")
COOKBOOK = [*sorted((VECTORS / "rfc7520/jws").glob("*.json")), VECTORS / "rfc8037/jws.json"]
REPEATABLE = [path for path in COOKBOOK if "pss" not in path.stem and "ecdsa" not in path.stem]


def spoilt(token: str) -> str:
    head, _, tail = token.rpartition(".")
    return f"{head}.{'B' if tail[0] == 'A' else 'A'}{tail[1:]}"


@pytest.mark.rfc("7515", "A")
@pytest.mark.parametrize("name", RFC7515["examples"])
def test_appendix_a_tokens_verify_and_spoilt_ones_do_not(name: str) -> None:
    example = RFC7515["examples"][name]
    key = JWK.load(example["key"], alg=example["alg"])
    trusted = key if key.kty == "oct" else key.public()
    assert json.loads(jws.verify(example["token"], trusted).payload)["iss"] == "joe"
    with pytest.raises(SignatureError):
        jws.verify(spoilt(example["token"]), trusted)


@pytest.mark.rfc("7518", "3.6")
@pytest.mark.rfc("7519", "6")
@pytest.mark.rfc("7515", "A.5")
@pytest.mark.parametrize("name", RFC7515["examples"])
def test_the_unsecured_token_of_appendix_a_is_refused_by_every_key(name: str) -> None:
    example = RFC7515["examples"][name]
    with pytest.raises(AlgorithmError):
        jws.verify(RFC7515["unsecured"], JWK.load(example["key"], alg=example["alg"]))


@pytest.mark.rfc("8037", "3.1")
@pytest.mark.rfc("7520", "4")
@pytest.mark.parametrize("path", COOKBOOK, ids=lambda path: path.stem)
def test_cookbook_signatures_verify_and_spoilt_ones_do_not(path: Path) -> None:
    example = json.loads(path.read_text("utf-8"))
    key = JWK.load(example["input"]["key"], alg=example["input"]["alg"])
    verified = jws.verify(example["output"]["compact"], key)
    assert verified.payload.decode() == example["input"]["payload"]
    assert dict(verified.header) == example["signing"]["protected"]
    with pytest.raises(SignatureError):
        jws.verify(spoilt(example["output"]["compact"]), key)


@pytest.mark.rfc("7520", "4")
@pytest.mark.parametrize(
    "path",
    [path for path in COOKBOOK if "pss" not in path.stem and "ecdsa" not in path.stem],
    ids=lambda path: path.stem,
)
def test_cookbook_signatures_are_made_again_octet_for_octet(path: Path) -> None:
    example = json.loads(path.read_text("utf-8"))
    key = JWK.load(example["input"]["key"], alg=example["input"]["alg"])
    assert jws.sign(example["input"]["payload"].encode(), key) == example["output"]["compact"]


@pytest.mark.rfc("7638", "3")
@pytest.mark.rfc("7638", "3.2")
@pytest.mark.rfc("7638", "3.3")
@pytest.mark.rfc("7638", "3.1")
@pytest.mark.parametrize("name", ["rfc7638/example.json", "rfc8037/thumbprint.json"])
def test_thumbprints_are_those_of_the_rfcs(name: str) -> None:
    example = read(name)
    assert JWK.load(example["key"]).thumbprint() == example["thumbprint"]


@pytest.mark.rfc("7520", "3.4")
def test_cookbook_keys_survive_a_round_trip() -> None:
    for path in sorted((VECTORS / "rfc7520/jwk").glob("*.json")):
        members = json.loads(path.read_text("utf-8"))
        key = JWK.load(members, alg="RS256" if members["kty"] == "RSA" else None)
        again = key.to_dict(private=key.is_private)
        assert {name: again[name] for name in members} == members
