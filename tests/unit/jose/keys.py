"""Keys that the tests of this folder share; made once, since RSA keys are slow to make."""

from datetime import timedelta

from admit import JWK
from admit.jose import JWS_ALGS

NOW = 1_800_000_000.0
ISS = "https://id.example.com"
API = "https://api.example.com"
LIFETIME = timedelta(minutes=5)
_RSA = JWK.generate("RS256").to_dict(private=True)


def _key(alg: str) -> JWK:
    return JWK.load(_RSA | {"alg": alg}) if JWS_ALGS[alg].kty == "RSA" else JWK.generate(alg)


KEYS = {alg: _key(alg) for alg in JWS_ALGS}


def verifying(alg: str) -> JWK:
    """The half that verifies: the key itself where it is symmetric."""
    key = KEYS[alg]
    return key if key.kty == "oct" else key.public()
