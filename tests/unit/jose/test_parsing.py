"""Whatever a certificate or another's key holds, reading it ends in a key or in InvalidKeyError."""

import base64
import datetime
import json
import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from admit import JWK, InvalidKeyError, JWKSet
from tests.unit.jose.keys import KEYS

EC = KEYS["ES256"]
VERSION = bytes.fromhex("a003020102")
SERIAL = bytes.fromhex("02025555")


def certificate(*changed: tuple[bytes, bytes]) -> bytes:
    """A certificate of `EC`, with octets exchanged after it was signed: nobody holds its signature."""
    private = EC._material.private
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    day = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(
        name, name, private.public_key(), 0x5555, day, day + datetime.timedelta(days=1)
    )
    found = builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    for old, new in changed:
        assert found.count(old) == 1
        found = found.replace(old, new)
    return found


def pem(kind: str, der: bytes) -> bytes:
    return f"-----BEGIN {kind}-----\n{base64.b64encode(der).decode()}\n-----END {kind}-----\n".encode()


def certified(der: bytes) -> dict[str, object]:
    return {**EC.public().to_dict(), "x5c": [base64.b64encode(der).decode()]}


@pytest.mark.rfc("7517", "4.7")
def test_a_certificate_of_no_known_version_is_no_key_and_costs_its_set_no_other() -> None:
    odd = certificate((VERSION, VERSION[:-1] + b"\x01"))
    for data in (certified(odd), pem("CERTIFICATE", odd)):
        with pytest.raises(InvalidKeyError):
            JWK.load(data)
    good = JWK.generate("ES256").public()
    text = json.dumps({"keys": [certified(odd), good.to_dict()]}).encode()
    assert list(JWKSet.load_foreign(text)) == [good]
    assert JWK.load(certified(certificate())) == EC.public()
    assert JWK.load(pem("CERTIFICATE", certificate()), kid=EC.kid) == EC.public()


@pytest.mark.parametrize("filters", ["error", "always"])
def test_what_a_parser_would_warn_of_is_taken_in_silence(filters: str) -> None:
    nought = certificate((SERIAL, b"\x02\x02\xff\x55"))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter(filters)  # type: ignore[arg-type]  # one of its words
        with warnings.catch_warnings():
            before = list(warnings.filters)
            assert JWK.load(certified(nought)) == EC.public()
            assert JWK.load(pem("CERTIFICATE", nought), kid=EC.kid) == EC.public()
            assert list(warnings.filters) == before
    assert told == []


@pytest.mark.parametrize("curve", ["6f", "71"], ids=["X448", "Ed448"])
def test_a_private_key_of_another_length_than_its_curve_is_refused(curve: str) -> None:
    der = bytes.fromhex(f"302e020100300506032b65{curve}04220420") + bytes(range(32))
    for data in (der, pem("PRIVATE KEY", der)):
        with pytest.raises(InvalidKeyError):
            JWK.load(data)
    whole = JWK.load(KEYS["Ed448"].to_der(private=True), alg="Ed448")
    assert whole.thumbprint() == KEYS["Ed448"].thumbprint()


@pytest.mark.rfc("7468", "2")
def test_the_parameters_that_openssl_writes_before_a_key_are_passed_over() -> None:
    key = EC._material.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    parameters = pem("EC PARAMETERS", bytes.fromhex("06082a8648ce3d030107"))
    assert JWK.load(parameters + key, kid=EC.kid) == EC
    for odd in (
        parameters,
        parameters + parameters + key,
        parameters + key + key,
        b"-----BEGIN EC PAR" + key,
    ):
        with pytest.raises(InvalidKeyError):
            JWK.load(odd)
