"""The floor of the authorization server: the same checks written inline, one after another, on Starlette and uvicorn.

Started as `server_floor.py PORT DATABASE`, with a file or a PostgreSQL URL. Each answer is right, and is made with the
fewest statements that make it right: a secret is compared, PKCE, redirect URI and expiry are held, what is spent is
spent once, a record is written with what it tells. There is nothing else: no revocation of what was given out, no
grace, no reuse that ends a family, no second client authentication, no limits, no headers that protect anything.
"""

import base64
import hashlib
import hmac
import json
import secrets
import sqlite3
import sys
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import uvicorn
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

API, OPAQUE = "http://localhost:8412", "http://localhost:8413"
CALLBACK = "https://shop.example.com/cb"
SECRET_HASH = hashlib.sha256(b"the-secret-of-the-orders-api-and-of-nobody-else").digest()
CONFIDENTIAL = frozenset({"robot", "shop", API, OPAQUE})
COOKIE = "floor"
LIFE = 300

# `?1` is written `$1` for PostgreSQL.
TABLES = (
    "CREATE TABLE floor_token (hash {octets} PRIMARY KEY, client TEXT NOT NULL, person TEXT NOT NULL, scope TEXT,"
    " aud TEXT NOT NULL, iat BIGINT NOT NULL, exp BIGINT NOT NULL, ended BIGINT)",
    "CREATE TABLE floor_grant (hash {octets} PRIMARY KEY, client TEXT NOT NULL, person TEXT NOT NULL,"
    " ended BIGINT)",
    "CREATE TABLE floor_session (hash {octets} PRIMARY KEY, person TEXT NOT NULL, expires BIGINT NOT NULL)",
    "CREATE TABLE floor_consent (person TEXT, client TEXT, scope TEXT NOT NULL, PRIMARY KEY (person, client))",
    "CREATE TABLE floor_code (hash {octets} PRIMARY KEY, client TEXT NOT NULL, person TEXT NOT NULL, scope TEXT,"
    " uri TEXT NOT NULL, challenge TEXT NOT NULL, nonce TEXT, expires BIGINT NOT NULL, spent BIGINT)",
    "CREATE TABLE floor_audit (id TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL, event TEXT NOT NULL,"
    " client TEXT, person TEXT, detail TEXT)",
)
AUDIT = "INSERT INTO floor_audit VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
SHOWN = "SELECT client, person, scope, aud, iat, exp FROM floor_token WHERE hash = ?1 AND exp > ?2 AND ended IS NULL"
SIGNED_IN = "SELECT person FROM floor_session WHERE hash = ?1 AND expires > ?2"
AGREED = "SELECT scope FROM floor_consent WHERE person = ?1 AND client = ?2"
CODE = "INSERT INTO floor_code VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL)"
ROTATE = "UPDATE floor_grant SET hash = ?1 WHERE hash = ?2 AND client = ?3 AND ended IS NULL RETURNING person"
FIND_CODE = (
    "SELECT client, person, scope, uri, challenge, nonce FROM floor_code WHERE hash = ?1 AND expires > ?2"
)
SPEND = "UPDATE floor_code SET spent = ?2 WHERE hash = ?1 AND spent IS NULL RETURNING person"
GRANT = "INSERT INTO floor_grant VALUES (?1, ?2, ?3, NULL)"
ROTATE_AND_TELL = (
    "WITH rotated AS (UPDATE floor_grant SET hash = $1 WHERE hash = $2 AND client = $3 AND ended IS NULL"
    " RETURNING person) INSERT INTO floor_audit SELECT $4, $5, 'rotated', $3, person, '' FROM rotated"
    " RETURNING person"
)
PAY_OUT = (
    "WITH spent AS (UPDATE floor_code SET spent = $2 WHERE hash = $1 AND spent IS NULL RETURNING client, person),"
    " granted AS (INSERT INTO floor_grant SELECT $3, client, person, NULL FROM spent)"
    " INSERT INTO floor_audit SELECT $4, $5, 'issued', client, person, '' FROM spent RETURNING person"
)
CODE_AND_TELL = (
    "WITH told AS (INSERT INTO floor_audit VALUES ($9, $10, 'code', $2, $3, ''))"
    " INSERT INTO floor_code VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL)"
)


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def note(event: str, client: str, person: str | None) -> tuple[object, ...]:
    return secrets.token_urlsafe(16), time.time(), event, client, person, ""


class InFile:
    """SQLite, in the event loop, flushed at each commit."""

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, cached_statements=512)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")

    async def one(self, sql: str, *values: object) -> Any:
        return self.db.execute(sql, values).fetchone()

    async def all_or_nothing(self, *steps: tuple[str, Sequence[object]]) -> Any:
        """The first row of the first statement; where it has none, the others are not done."""
        self.db.execute("BEGIN IMMEDIATE")
        first = self.db.execute(*steps[0]).fetchone()
        if first is not None or "RETURNING" not in steps[0][0]:
            for step in steps[1:]:
                self.db.execute(*step)
        self.db.execute("COMMIT")
        return first

    async def tell(self, values: tuple[object, ...]) -> None:
        self.db.execute(AUDIT, values)

    async def rotate(self, new: bytes, old: bytes, client: str) -> Any:
        return await self.all_or_nothing((ROTATE, (new, old, client)), (AUDIT, note("rotated", client, None)))

    async def keep_code(self, *values: object) -> None:
        await self.all_or_nothing((CODE, values), (AUDIT, note("code", str(values[1]), str(values[2]))))

    async def pay_out(self, code: bytes, refresh: bytes, client: str, person: str) -> Any:
        return await self.all_or_nothing(
            (SPEND, (code, int(time.time()))),
            (GRANT, (refresh, client, person)),
            (AUDIT, note("issued", client, person)),
        )


class OnServer:
    """PostgreSQL, one statement and so one round trip for each thing that is done."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.pool: Any = None

    async def one(self, sql: str, *values: object) -> Any:
        if self.pool is None:
            import asyncpg

            self.pool = await asyncpg.create_pool(self.dsn, min_size=4, max_size=10)
        return await self.pool.fetchrow(sql.replace("?", "$"), *values)

    async def tell(self, values: tuple[object, ...]) -> None:
        await self.one(AUDIT, *values)

    async def rotate(self, new: bytes, old: bytes, client: str) -> Any:
        return await self.one(ROTATE_AND_TELL, new, old, client, secrets.token_urlsafe(16), time.time())

    async def keep_code(self, *values: object) -> None:
        await self.one(CODE_AND_TELL, *values, secrets.token_urlsafe(16), time.time())

    async def pay_out(self, code: bytes, refresh: bytes, client: str, person: str) -> Any:
        told = secrets.token_urlsafe(16), time.time()
        return await self.one(PAY_OUT, code, int(time.time()), refresh, *told)


class Floor:
    def __init__(self, database: str, issuer: str) -> None:
        self.store: InFile | OnServer = OnServer(database) if "://" in database else InFile(database)
        self.issuer = issuer
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.public = self.key.public_key()
        self.algorithm = ec.ECDSA(hashes.SHA256())
        self.heads = {
            typ: encoded(json.dumps({"alg": "ES256", "typ": typ, "kid": "k"}).encode())
            for typ in ("at+jwt", "JWT")
        }
        self.fixed = json.dumps({"keys": ["x" * 1_500]}).encode()  # as long as such a document is

    # What a caller proves, and tokens

    def caller(self, request: Request) -> str | None:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        name, _, secret = base64.b64decode(text).decode().partition(":")
        right = hmac.compare_digest(sha256(unquote(secret)), SECRET_HASH)
        return unquote(name) if right and unquote(name) in CONFIDENTIAL else None

    def signed(self, typ: str, claims: dict[str, object]) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "iat": now, "exp": now + LIFE, **claims}
        data = f"{self.heads[typ]}.{encoded(json.dumps(claims, separators=(',', ':')).encode())}"
        r, s = decode_dss_signature(self.key.sign(data.encode(), self.algorithm))
        return f"{data}.{encoded(r.to_bytes(32) + s.to_bytes(32))}"

    def access_token(self, person: str, client: str, scope: str) -> str:
        return self.signed(
            "at+jwt",
            {
                "sub": person,
                "aud": API,
                "client_id": client,
                "scope": scope,
                "jti": secrets.token_urlsafe(16),
            },
        )

    def verified(self, token: str) -> dict[str, Any] | None:
        head, body, tail = token.split(".")
        signature = decoded(tail)
        whole = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
        if head != self.heads["at+jwt"]:
            return None
        try:
            self.public.verify(whole, f"{head}.{body}".encode(), self.algorithm)
        except InvalidSignature:
            return None
        claims: dict[str, Any] = json.loads(decoded(body))
        return claims if claims["iss"] == self.issuer and claims["exp"] > time.time() else None

    # Endpoints

    async def document(self, request: Request) -> Response:
        return Response(self.fixed, media_type="application/json")

    async def introspect(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        caller = self.caller(request)
        if caller is None:
            return Response(status_code=401)
        token = form["token"]
        if "." in token:
            claims = self.verified(token)
            if claims is None or claims["aud"] != caller:
                return JSONResponse({"active": False})
            return JSONResponse({"active": True, "token_type": "Bearer", **claims})
        row = await self.store.one(SHOWN, sha256(token), int(time.time()))
        if row is None or row[3] != caller:
            return JSONResponse({"active": False})
        names = ("client_id", "sub", "scope", "aud", "iat", "exp")
        return JSONResponse({"active": True, "token_type": "Bearer", **dict(zip(names, row, strict=True))})

    async def authorize(self, request: Request) -> Response:
        asked, now = request.query_params, int(time.time())
        if (asked["client_id"], asked["redirect_uri"]) != ("shop", CALLBACK):
            return Response(status_code=400)
        pkce = asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
        scope = frozenset(asked["scope"].split())
        if asked["response_type"] != "code" or not pkce or not scope <= {"openid", "orders:read"}:
            return Response(status_code=400)
        row = await self.store.one(SIGNED_IN, hashlib.sha256(decoded(request.cookies[COOKIE])).digest(), now)
        if row is None:
            return Response(status_code=401)
        person = row[0]
        agreed = await self.store.one(AGREED, person, "shop")
        if agreed is None or not scope <= set(agreed[0].split()):
            return Response(status_code=403)
        code = secrets.token_urlsafe(32)
        await self.store.keep_code(
            sha256(code), "shop", person, asked["scope"], CALLBACK, asked["code_challenge"], asked["nonce"], now + 60
        )  # fmt: skip
        back = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        return RedirectResponse(f"{CALLBACK}?{back}", 303)

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        match form["grant_type"]:
            case "client_credentials":
                return await self.machine(request, form)
            case "refresh_token":
                return await self.refresh(form)
        return await self.redeem(request, form)

    async def machine(self, request: Request, form: dict[str, str]) -> Response:
        client = self.caller(request)
        if client is None or form["scope"] != "orders:read":
            return Response(status_code=401)
        await self.store.tell(note("issued", client, None))
        return self.answer(self.access_token(client, client, form["scope"]), scope=form["scope"])

    async def refresh(self, form: dict[str, str]) -> Response:
        new = secrets.token_urlsafe(32)
        row = await self.store.rotate(sha256(new), sha256(form["refresh_token"]), form["client_id"])
        if row is None:
            return Response(status_code=400)
        return self.answer(self.access_token(row[0], "spa", "orders:read"), refresh_token=new)

    async def redeem(self, request: Request, form: dict[str, str]) -> Response:
        caller, code = self.caller(request), sha256(form["code"])
        found = await self.store.one(FIND_CODE, code, int(time.time()))
        if found is None:
            return Response(status_code=400)
        client, person, scope, uri, challenge, nonce = found
        proof = encoded(sha256(form["code_verifier"]))
        if caller != client or form["redirect_uri"] != uri or not hmac.compare_digest(proof, challenge):
            return Response(status_code=400)
        refresh = secrets.token_urlsafe(32)
        if await self.store.pay_out(code, sha256(refresh), client, person) is None:
            return Response(status_code=400)
        token = self.access_token(person, client, scope)
        at_hash = encoded(sha256(token)[:16])
        id_token = self.signed("JWT", {"sub": person, "aud": client, "nonce": nonce, "at_hash": at_hash})
        return self.answer(token, refresh_token=refresh, id_token=id_token, scope=scope)

    def answer(self, token: str, **more: str) -> Response:
        return JSONResponse(
            {"access_token": token, "token_type": "Bearer", "expires_in": LIFE, **more},
            headers={"cache-control": "no-store"},
        )


def main() -> None:
    port, database = sys.argv[1:]
    floor = Floor(database, f"http://localhost:{port}")
    app = Starlette(
        routes=[
            Route("/ready", lambda request: JSONResponse({"status": "ready"})),
            Route("/document", floor.document),
            Route("/introspect", floor.introspect, methods=["POST"]),
            Route("/authorize", floor.authorize),
            Route("/token", floor.token, methods=["POST"]),
        ]
    )
    uvicorn.run(
        app, port=int(port), loop="uvloop", http="httptools", lifespan="off", log_config=None,
        access_log=False, server_header=False, proxy_headers=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
