"""What the members of a token mean, in words: for `admit token inspect`. Data only."""

from collections.abc import Mapping
from types import MappingProxyType

CLAIMS: Mapping[str, str] = MappingProxyType(
    {
        "iss": "issuer: who made it",
        "sub": "subject: whom it speaks for",
        "aud": "audience: the API it is for; others must refuse it",
        "client_id": "client: the application it was given to",
        "azp": "the client it was made for",
        "exp": "expires",
        "nbf": "not valid before",
        "iat": "issued",
        "auth_time": "when the person signed in",
        "updated_at": "when the profile last changed",
        "jti": "the token's own id",
        "sid": "the session or grant it belongs to",
        "scope": "what it allows",
        "scp": "what it allows",
        "roles": "roles of the person",
        "groups": "groups of the person",
        "entitlements": "what the person is entitled to",
        "acr": "how strong the sign-in was",
        "amr": "how the person signed in",
        "nonce": "ties it to one request",
        "at_hash": "ties an ID token to its access token",
        "c_hash": "ties an ID token to its code",
        "status": "where its revocation bit stands; looked at by every verifier, never fetched for it",
        "act": "who acts for the subject",
        "may_act": "who may act for the subject",
        "cnf": "the key it is bound to: whoever shows it must prove to have that key",
        "name": "the person's name",
        "given_name": "the person's given name",
        "family_name": "the person's family name",
        "preferred_username": "what the person is called; may change, and is no identity",
        "email": "the person's address; may change, and is no identity",
        "email_verified": "whether the address was proved",
        "locale": "the person's language",
        "picture": "address of the person's picture",
        "events": "what happened",
        "sub_id": "whom it happened to",
        "txn": "the transaction it was part of",
        "toe": "when it happened",
        "htm": "the method of the one request that it proves",
        "htu": "the address of the one request that it proves",
        "ath": "the access token that it goes with",
        "_claim_names": "claims that stand elsewhere",
        "_claim_sources": "where those claims stand",
        "authorization_details": "what it allows, in detail",
        "token_use": "which kind of token it is, as its issuer says it",
    }
)
TIMES = frozenset({"exp", "nbf", "iat", "auth_time", "updated_at", "toe"})

HEADER: Mapping[str, str] = MappingProxyType(
    {
        "alg": "algorithm: only compared with that of the key",
        "enc": "how the content is encrypted",
        "typ": "which kind of token it is",
        "cty": "what stands inside",
        "kid": "which key it was made with",
        "zip": "the content was compressed first",
        "epk": "the sender's key for this one token",
        "apu": "who sends",
        "apv": "who receives",
        "iv": "start value of the key's encryption",
        "tag": "proof of the key's encryption",
        "p2s": "salt of the password",
        "p2c": "rounds over the password",
        "crit": "members that a reader must understand or refuse the token",
        "b64": "whether the payload is encoded",
        "jku": "address of a key set; never followed, RFC 8725 §3.10",
        "jwk": "a key in the token; never used, RFC 7515 §10.3",
        "x5u": "address of a certificate; never followed, RFC 8725 §3.10",
        "x5c": "certificates in the token; never used, RFC 7515 §10.3",
        "x5t": "which certificate it was made with (SHA-1)",
        "x5t#S256": "which certificate it was made with",
    }
)

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "at+jwt": "access token, RFC 9068 §2.1",
        "jwt": "a JWT, RFC 7519 §5.1",
        "dpop+jwt": "proof that the sender has a key, RFC 9449 §4.2",
        "logout+jwt": "logout token, OpenID Connect Back-Channel Logout §2.4",
        "secevent+jwt": "security event, RFC 8417 §2.3",
        "statuslist+jwt": "list of revoked tokens",
        "admit-status-head+jwt": "what an Admit issuer last said of its revocations",
        "token-introspection+jwt": "answer about a token, RFC 9701 §5",
        "oauth-authz-req+jwt": "request to sign in, RFC 9101 §10.8",
        "client-authentication+jwt": "a client's proof of who it is",
    }
)
NEEDS_NO_EXP = frozenset(
    {"dpop+jwt", "logout+jwt", "secevent+jwt", "statuslist+jwt", "admit-status-head+jwt", "token-introspection+jwt"}
)  # fmt: skip
"""Kinds that are taken at once or ask for another bound than `exp`."""

ALGS: Mapping[str, str] = MappingProxyType(
    {
        "HS": "HMAC: whoever can check it can also make it",
        "RS": "RSA signature",
        "PS": "RSA signature with PSS",
        "ES": "ECDSA signature",
        "Ed": "Edwards-curve signature",
        "ML": "ML-DSA signature, safe from quantum computers",
    }
)
