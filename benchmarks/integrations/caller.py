"""Who calls in every row: one user, one scope, one role, by HS256, so that nobody wins by the signature."""

import time

from admit.jose import JWK, Waive
from admit.tokens import AccessToken, access
from admit.verifier import TrustedIssuer, Verifier

ISSUER, API = "https://id.example.com", "https://api.example.com"
SECRET = bytes(range(32))
SUBJECT = "u_alice"
SCOPE, ROLE = "orders:read", "admin"


def token() -> str:
    """As Admit's issuer writes it (RFC 9068)."""
    now = time.time()
    said = AccessToken(
        issuer=ISSUER,
        subject=SUBJECT,
        audience=API,
        client_id="spa",
        iat=now,
        exp=now + 3_000,
        jti="j-1",
        scope=frozenset({SCOPE}),
        roles=frozenset({ROLE}),
        session_id="s-1",
        auth_time=now,
        acr="urn:admit:acr:1fa",
        amr=("pwd",),
    )
    return access.sign(said, JWK.secret(SECRET, "HS256"))


def verifier(remember: int) -> Verifier:
    """One that remembers tokens, or (0) checks each signature anew."""
    trusted = TrustedIssuer(ISSUER, audience=API, secret=SECRET, revocation=Waive.REVOCATION)
    return Verifier(trusted, remember=remember)
