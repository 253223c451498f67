"""Admit's verifier takes what other people's libraries sign, from a key set on a small server or by a shared secret."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import joserfc.jwt
import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwk as joserfc_jwk

from admit import SignatureError, TrustedIssuer, Verifier, Waive
from admit.verifier import ClaimPaths
from tests.fixtures.issuer import API
from tests.fixtures.node import Node

ALGS = ("RS256", "ES256", "EdDSA", "HS256")
# jsonwebtoken has no EdDSA.
PAIRS = [
    (library, alg)
    for library in ("PyJWT", "joserfc", "jose", "jsonwebtoken")
    for alg in ALGS
    if (library, alg) != ("jsonwebtoken", "EdDSA")
]
SECRET = bytes(range(1, 33))
OTHER = bytes(range(33, 65))
SENT = dict[str, Any]


@contextmanager
def key_server(jwks: Any) -> Iterator[str]:
    """An issuer that publishes metadata and these keys, and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = f"http://127.0.0.1:{self.server.server_address[1]}"
            known = {
                "/.well-known/openid-configuration": {"issuer": name, "jwks_uri": f"{name}/keys"},
                "/keys": jwks,
            }
            body = json.dumps(known.get(self.path, {})).encode()
            self.send_response(200 if self.path in known else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def claims_of(issuer: str) -> dict[str, Any]:
    """An access token as RFC 9068 has it."""
    now = int(time.time())
    return {
        "iss": issuer,
        "sub": "u_alice",
        "aud": API,
        "client_id": "spa",
        "iat": now,
        "exp": now + 300,
        "jti": "t1",
        "scope": "orders:read",
    }


def by_pyjwt(alg: str, claims: dict[str, Any]) -> SENT:
    def sign(key: Any) -> str:
        return pyjwt.encode(claims, key, algorithm=alg, headers={"typ": "at+jwt", "kid": "theirs"})

    if alg == "HS256":
        return {"good": sign(SECRET), "forged": sign(OTHER), "jwks": {"keys": []}}
    mine, other = _pair(alg), _pair(alg)
    public = pyjwt.get_algorithm_by_name(alg).to_jwk(mine.public_key(), as_dict=True)
    return {
        "good": sign(mine),
        "forged": sign(other),
        "jwks": {"keys": [{**public, "kid": "theirs", "alg": alg, "use": "sig"}]},
    }


def _pair(alg: str) -> Any:
    if alg == "RS256":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else ed25519.Ed25519PrivateKey.generate()


def by_joserfc(alg: str, claims: dict[str, Any]) -> SENT:
    def sign(key: Any) -> str:
        return joserfc.jwt.encode(
            {"alg": alg, "typ": "at+jwt", "kid": "theirs"}, claims, key, algorithms=[alg]
        )

    if alg == "HS256":
        keys = [joserfc_jwk.OctKey.import_key(raw) for raw in (SECRET, OTHER)]
        return {"good": sign(keys[0]), "forged": sign(keys[1]), "jwks": {"keys": []}}
    kind, size = {"RS256": ("RSA", 2048), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}[alg]
    mine, other = (joserfc_jwk.generate_key(kind, size, {"kid": "theirs"}) for _ in range(2))  # type: ignore[call-overload]  # the kind is known when it runs
    return {"good": sign(mine), "forged": sign(other), "jwks": {"keys": [mine.as_dict(private=False)]}}


def refused(verifier: Verifier, sent: SENT) -> None:
    assert verifier.verify(sent["good"]).subject == "u_alice"
    with pytest.raises(SignatureError):
        verifier.verify(sent["forged"])


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.rfc("7518", "3.1")
@pytest.mark.parametrize(("library", "alg"), PAIRS)
def test_what_a_library_signs_is_taken_and_what_it_signs_with_another_key_is_not(
    library: str, alg: str, request: pytest.FixtureRequest
) -> None:
    published: dict[str, Any] = {"keys": []}
    with key_server(published) as issuer:
        claims = claims_of(issuer)
        if library in ("jose", "jsonwebtoken"):
            node: Node = request.getfixturevalue("node")
            asked = {"library": library, "alg": alg, "claims": claims, "secret": SECRET.hex()}
            sent: SENT = node.run("sign.mjs", asked)
        else:
            sent = (by_pyjwt if library == "PyJWT" else by_joserfc)(alg, claims)
        published.update(sent["jwks"])
        terms: dict[str, Any] = {"audience": API, "revocation": Waive.REVOCATION}
        if alg == "HS256":
            terms["secret"] = SECRET
        elif library == "joserfc" and alg == "RS256":
            terms["rsa_alg"] = "RS256"  # its keys say no algorithm
        for trust in (
            TrustedIssuer(issuer, **terms),
            TrustedIssuer(issuer, **terms, algorithms={alg}, claims=ClaimPaths(roles="permissions")),
        ):
            verifier = Verifier(trust)
            try:
                refused(verifier, sent)
            finally:
                verifier.close()
