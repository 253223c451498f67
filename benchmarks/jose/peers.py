"""The same token verified and signed by other libraries, each as its documentation shows it, its key prepared once.

All check signature, `alg`, `iss`, `aud` and the times, and demand `exp`; none makes Admit's other checks. To sign,
each is given the same whole claims. A library that is not installed, or lacks an algorithm, has no figure.
"""

import time
import warnings
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from admit import JWK, jwt

ISS, AUD = "https://id.example.com", "https://api.example.com"
CLAIMS = {"sub": "248289761001", "client_id": "spa", "scope": "orders:read orders:write", "sid": "k3Jx0pQ7"}
LIFETIME = timedelta(minutes=5)

Verify = Callable[[str], Any]
Sign = Callable[[], Any]


class Work(NamedTuple):
    """What a library does with one key."""

    verify: Verify
    sign: Sign


def whole_claims() -> dict[str, Any]:
    now = int(time.time())
    return {"iss": ISS, **CLAIMS, "aud": AUD, "iat": now, "exp": now + 300}


def _pem(key: JWK, *, private: bool) -> bytes:
    return key.to_pem(private=private)


def _secret(key: JWK) -> Any:
    return key._material.private  # the octets or the key object, as another library takes them


def _pyjwt(key: JWK) -> Work:
    import jwt as pyjwt

    private = _secret(key)
    public = private if key.kty == "oct" else key._material.public
    options: Any = {"require": ["exp"]}
    return Work(
        lambda token: pyjwt.decode(
            token, public, algorithms=[key.alg], issuer=ISS, audience=AUD, leeway=30, options=options
        ),
        lambda: pyjwt.encode(whole_claims(), private, algorithm=key.alg),
    )


def _python_jose(key: JWK) -> Work:
    from jose import jwk, jwt  # type: ignore[import-untyped]  # has none

    made = _secret(key) if key.kty == "oct" else _pem(key, private=True).decode()
    private = jwk.construct(made, key.alg)
    public = private if key.kty == "oct" else jwk.construct(_pem(key, private=False).decode(), key.alg)
    options = {"require_exp": True, "leeway": 30}
    return Work(
        lambda token: jwt.decode(
            token, public, algorithms=[key.alg], issuer=ISS, audience=AUD, options=options
        ),
        lambda: jwt.encode(whole_claims(), private, algorithm=key.alg),
    )


def _joserfc(key: JWK) -> Work:
    from joserfc import jwk, jwt

    members = key.to_dict(private=True)
    private: Any = jwk.import_key(members)
    public: Any = private if key.kty == "oct" else jwk.import_key(key.to_dict())
    rules = jwt.JWTClaimsRegistry(
        leeway=30,
        iss={"essential": True, "value": ISS},
        aud={"essential": True, "value": AUD},
        exp={"essential": True},
    )

    def verify(token: str) -> Any:
        found = jwt.decode(token, public, algorithms=[key.alg])
        rules.validate(found.claims)
        return found.claims

    return Work(verify, lambda: jwt.encode({"alg": key.alg}, whole_claims(), private, algorithms=[key.alg]))


def _authlib(key: JWK) -> Work:
    from authlib.jose import JsonWebKey, JsonWebToken  # type: ignore[import-untyped]  # has none

    private = JsonWebKey.import_key(key.to_dict(private=True))
    public = private if key.kty == "oct" else JsonWebKey.import_key(key.to_dict())
    tokens = JsonWebToken([key.alg])
    options = {
        "iss": {"essential": True, "value": ISS},
        "aud": {"essential": True, "value": AUD},
        "exp": {"essential": True},
    }

    def verify(token: str) -> Any:
        claims = tokens.decode(token, public, claims_options=options)
        claims.validate(leeway=30)
        return claims

    return Work(verify, lambda: tokens.encode({"alg": key.alg, "typ": "JWT"}, whole_claims(), private))


def _jwcrypto(key: JWK) -> Work:
    from jwcrypto import jwk, jwt  # type: ignore[import-untyped]  # has none

    members = key.to_dict(private=True) | {"use": "sig"}
    private = jwk.JWK(**members)
    public = private if key.kty == "oct" else jwk.JWK(**key.to_dict())
    header = {"alg": key.alg, "typ": "JWT"}

    def verify(token: str) -> Any:
        return jwt.JWT(
            jwt=token,
            key=public,
            algs=[key.alg],
            expected_type="JWS",
            check_claims={"iss": ISS, "aud": AUD, "exp": None},
        ).claims

    def sign() -> Any:
        made = jwt.JWT(header=header, claims=whole_claims(), algs=[key.alg])
        made.make_signed_token(private)
        return made.serialize()

    return Work(verify, sign)


def _oxyjwt(key: JWK) -> Work:
    import oxyjwt

    kind = {"oct": "secret", "RSA": "rsa_pem", "EC": "ec_pem", "OKP": "ed_pem"}[key.kty]
    of = {"private": _secret(key), "public": _secret(key)}
    if key.kty != "oct":
        of = {"private": _pem(key, private=True), "public": _pem(key, private=False)}
    private: Any = getattr(oxyjwt.EncodingKey, f"from_{kind}")(of["private"])
    public: Any = getattr(oxyjwt.DecodingKey, f"from_{kind}")(of["public"])
    options: Any = {"require": ["exp"]}
    return Work(
        lambda token: oxyjwt.decode(
            token, public, algorithms=[key.alg], issuer=ISS, audience=AUD, leeway=30, options=options
        ),
        lambda: oxyjwt.encode(whole_claims(), private, algorithm=key.alg),
    )


PEERS: Mapping[str, Callable[[JWK], Work]] = {
    "PyJWT": _pyjwt,
    "python-jose": _python_jose,
    "joserfc": _joserfc,
    "Authlib": _authlib,
    "jwcrypto": _jwcrypto,
    "oxyjwt": _oxyjwt,
}
NOT_PYTHON = frozenset({"oxyjwt"})
"""Whose work is done outside Python altogether."""


def works(key: JWK) -> dict[str, Work]:
    """The ways that work with this key, each seen reading its own token and refusing that of another issuer."""
    other = jwt.sign(CLAIMS, key, issuer=f"{ISS}.example", audience=AUD, lifetime=LIFETIME)
    return {name: work for name, make in PEERS.items() if (work := _tried(make, key, other)) is not None}


def _tried(make: Callable[[JWK], Work], key: JWK, other: str) -> Work | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            work = make(key)
            work.verify(work.sign())
    except Exception:  # whatever a library says to an algorithm that it does not have
        return None
    try:
        work.verify(other)
    except Exception:  # each has a class of its own
        return work
    raise SystemExit("a library took a token of another issuer")


def versions() -> str:
    """Of those that are installed."""
    listed = []
    for name in PEERS:
        try:
            listed.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            listed.append(f"no {name} here (requirements/bench.txt)")
    return ", ".join(listed)
