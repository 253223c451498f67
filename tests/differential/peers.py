"""Other libraries, told to be as strict as they can be told. Each takes a token or says in a word why it does not."""

import warnings
from collections.abc import Callable
from typing import Any

import joserfc.errors
import jwt as pyjwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import import_key
from joserfc.jws import JWSRegistry
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jwt as jwcrypto_jwt

from admit import JWK
from tests.differential.forge import API, ISS, Keys

LEEWAY = 30
Peer = Callable[[str, str], str | None]
"""Takes `alg` and a token; None where it is taken, else the name of what was raised, with what it says."""


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:80]}"


def peers(own: Keys) -> dict[str, Peer]:
    """The peers by name, with keys made once."""
    return {"PyJWT": _pyjwt(own), "joserfc": _joserfc(own), "jwcrypto": _jwcrypto(own)}


def _members(key: JWK) -> dict[str, Any]:
    return key.to_dict(private=key.kty == "oct")


def _pyjwt(own: Keys) -> Peer:
    made: dict[str, Any] = {
        alg: own.secret if key.kty == "oct" else pyjwt.PyJWK(_members(key), algorithm=alg).key
        for alg, key in own.by_alg.items()
    }

    def verify(alg: str, token: str) -> str | None:
        try:
            pyjwt.decode(
                token, made[alg], algorithms=[alg], audience=API, issuer=ISS, leeway=LEEWAY,
                options={"require": ["exp"]},
            )  # fmt: skip
        except Exception as error:
            return _said(error)
        return None

    return verify


def _joserfc(own: Keys) -> Peer:
    made = {alg: import_key(_members(key)) for alg, key in own.by_alg.items()}
    # It is told to ignore unknown members, as RFC 7515 §4 says; else it would refuse nearly all of these tokens.
    headers = JWSRegistry(algorithms=list(made), strict_check_header=False)
    registry = joserfc_jwt.JWTClaimsRegistry(
        leeway=LEEWAY,
        iss={"essential": True, "value": ISS},
        aud={"essential": True, "value": API},
        exp={"essential": True},
    )

    def verify(alg: str, token: str) -> str | None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", joserfc.errors.SecurityWarning)
                found = joserfc_jwt.decode(token, made[alg], algorithms=[alg], registry=headers)
            registry.validate(found.claims)
        except Exception as error:
            return _said(error)
        return None

    return verify


def _jwcrypto(own: Keys) -> Peer:
    made = {alg: jwcrypto_jwk.JWK(**_members(key)) for alg, key in own.by_alg.items()}

    def verify(alg: str, token: str) -> str | None:
        reader = jwcrypto_jwt.JWT(algs=[alg], check_claims={"iss": ISS, "aud": API, "exp": None})
        reader.leeway = LEEWAY
        try:
            reader.deserialize(token, made[alg])
        except Exception as error:
            return _said(error)
        return None

    return verify
