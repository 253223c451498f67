"""Other people's libraries as verifiers, each with the keys that it holds on to."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Callable
from typing import Any, Protocol

import joserfc.errors
import joserfc.jwt
import jwt as pyjwt
from joserfc.jwk import KeySet

from tests.fixtures.issuer import API
from tests.fixtures.node import Node


class RefusedError(Exception):
    """The library does not take the token."""


class Library(Protocol):
    """One library in one process that lives as long as the test."""

    def verify(self, token: str, *, anew: bool = False) -> dict[str, Any]:
        """The claims; with `anew` it reads the key set again first. Raises RefusedError."""

    def close(self) -> None: ...


class PyJwt:
    """PyJWT with its PyJWKClient, which asks again for a kid that it does not know."""

    def __init__(self, issuer: str, jwks: str) -> None:
        self._issuer, self._jwks = issuer, jwks
        self._client = pyjwt.PyJWKClient(jwks)

    def verify(self, token: str, *, anew: bool = False) -> dict[str, Any]:
        if anew:
            self._client = pyjwt.PyJWKClient(self._jwks)
        try:
            key = self._client.get_signing_key_from_jwt(token)
            return pyjwt.decode(
                token, key, algorithms=["ES256", "RS256"], audience=API, issuer=self._issuer, leeway=30
            )
        except pyjwt.PyJWTError as error:
            raise RefusedError(type(error).__name__) from error

    def close(self) -> None:
        return


class Joserfc:
    """joserfc with a key set that it reads when told, and where a kid is unknown."""

    def __init__(self, issuer: str, jwks: str) -> None:
        self._jwks = jwks
        self._keys = self._read()
        self._rules = joserfc.jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": API},
            exp={"essential": True},
            leeway=30,
        )

    def _read(self) -> KeySet:
        with urllib.request.urlopen(self._jwks, timeout=10) as response:
            return KeySet.import_key_set(json.load(response))

    def verify(self, token: str, *, anew: bool = False) -> dict[str, Any]:
        if anew:
            self._keys = self._read()
        try:
            try:
                found = joserfc.jwt.decode(token, self._keys, algorithms=["ES256", "RS256"])
            except joserfc.errors.InvalidKeyIdError:
                self._keys = self._read()
                found = joserfc.jwt.decode(token, self._keys, algorithms=["ES256", "RS256"])
            self._rules.validate(found.claims)
        except joserfc.errors.JoseError as error:
            raise RefusedError(type(error).__name__) from error
        return dict(found.claims)

    def close(self) -> None:
        return


class InNode:
    """jose with createRemoteJWKSet, or jsonwebtoken, in a node process that stays."""

    def __init__(self, node: Node, library: str, issuer: str, jwks: str) -> None:
        self._asked = {"library": library, "jwks": jwks, "issuer": issuer, "audience": API}
        self._process = subprocess.Popen(
            [node.program, str(node.place / "verify.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=node.place,
            env={"PATH": os.environ.get("PATH", "")},
        )

    def verify(self, token: str, *, anew: bool = False) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**self._asked, "token": token, "anew": anew}) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        if "error" in said:
            raise RefusedError(said["error"])
        claims: dict[str, Any] = said["claims"]
        return claims

    def close(self) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(10)


LIBRARIES: dict[str, Callable[[Node | None, str, str], Library]] = {
    "PyJWT": lambda _, issuer, jwks: PyJwt(issuer, jwks),
    "joserfc": lambda _, issuer, jwks: Joserfc(issuer, jwks),
    "jose": lambda node, issuer, jwks: InNode(_given(node), "jose", issuer, jwks),
    "jsonwebtoken": lambda node, issuer, jwks: InNode(_given(node), "jsonwebtoken", issuer, jwks),
}
IN_NODE = frozenset({"jose", "jsonwebtoken"})


def _given(node: Node | None) -> Node:
    assert node is not None
    return node
