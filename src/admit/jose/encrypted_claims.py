"""Tokens that nobody on the way can read, RFC 7519 §3, §5.2: signed inside, or under a key that both sides share.

To decrypt proves nothing about the writer when the key is public: everyone can encrypt with it. So what was
encrypted for a public key has to be signed inside, and both layers are always checked.
"""

from collections.abc import Mapping
from typing import Any

from admit.errors import ClaimError, ConfigError, InvalidKeyError, MalformedTokenError, TokenTypeError
from admit.jose import claims as rules
from admit.jose import jwe
from admit.jose.claims import ClaimPolicy
from admit.jose.jwk import JWK
from admit.jose.jwks import JWKSet

NESTED = "JWT"
"""`cty` of a token inside a token, RFC 7519 §5.2."""
_REPLICATED = ("iss", "sub", "aud")


def encrypt(signed: str, key: JWK, *, enc: str, typ: str) -> str:
    """Encrypt a token that was signed, RFC 7519 §11.2: signed first, so that the signature is hidden too."""
    return jwe.encrypt(signed.encode("ascii"), key, enc=enc, typ=typ, cty=NESTED)


def encrypt_bare(payload: bytes, key: JWK, *, enc: str, typ: str) -> str:
    """Encrypt claims that nobody signed, under a key that only the two sides have.

    Raises:
        ConfigError: the key is public, so that its readers could not tell who wrote.
    """
    check_shared(key)
    return jwe.encrypt(payload, key, enc=enc, typ=typ)


def decrypt(
    token: str | bytes, key: JWK | JWKSet, signed_by: JWK | JWKSet | None, policy: ClaimPolicy, now: float
) -> dict[str, Any]:
    """Decrypt, then verify what was inside, RFC 7519 §7.2. One layer of encryption around one signature, never more.

    Raises:
        ConfigError: `signed_by` is left out for a key that everyone may encrypt with.
        TokenError: its subclasses say which check failed; everything about the decryption is one error.
    """
    if signed_by is None:
        for one in key if isinstance(key, JWKSet) else (key,):
            check_shared(one)
    opened = jwe.decrypt(token, key)
    if signed_by is None:
        rules.check_typ(opened.header.get("typ"), policy)
        if "cty" in opened.header:
            raise TokenTypeError("a token stands inside, and nobody is named who may have signed it")
        claims = rules.verify_claims(opened.plaintext, policy, now)
    else:
        check_nested(opened.header)
        check_outer_typ(opened.header.get("typ"), policy)
        claims = rules.verify(opened.plaintext, signed_by, policy, now)
    check_replicated(opened.header, claims)
    return claims


def check_replicated(header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    """Claims that the header shows to those who cannot decrypt say what the claims inside say, RFC 7519 §5.3.

    Else whoever passes a token on by its header, and whoever reads it, would act for two different ones.

    Raises:
        ClaimError: `iss`, `sub` or `aud` of the header is another, or is not inside.
    """
    for name in _REPLICATED:
        if name in header and not (name in claims and header[name] == claims[name]):
            raise ClaimError(name, f"{name} of the header is not that of the claims")


def check_outer_typ(typ: str | None, policy: ClaimPolicy) -> None:
    """Refuse an encryption that names another kind of token than is asked for. The token inside has to name it.

    The outer header may repeat it, or say nothing of it, RFC 8725 §3.11: only the inner one was signed.

    Raises:
        TokenTypeError: it names another kind.
    """
    if typ is not None and rules.fold_typ(typ) != "jwt":
        rules.check_typ(typ, policy)


def check_shared(key: JWK) -> None:
    """Refuse a key that everyone has half of, where nothing but the encryption would tell who wrote, RFC 8725 §3.3.

    Raises:
        ConfigError: the key is not symmetric.
    """
    if not isinstance(key, JWK):
        raise InvalidKeyError("a key is a JWK or a JWKSet")
    if key.kty != "oct":
        raise ConfigError(
            "everyone can encrypt for a public key: sign inside, with signed_with and signed_by"
        )


def check_nested(header: Mapping[str, Any]) -> None:
    """Inside is a token, RFC 7519 §5.2: `cty` says so, in any case of letters.

    Raises:
        MalformedTokenError: it says something else, or nothing.
    """
    cty = header.get("cty")
    if not isinstance(cty, str) or rules.fold_typ(cty) != "jwt":
        raise MalformedTokenError("cty does not say that a token stands inside")
