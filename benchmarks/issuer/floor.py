"""The floor: Starlette and the same SQLite read on uvicorn, uvloop and httptools, and nothing that an issuer must do
besides. Started by the benchmark as `floor.py PORT DATABASE FIND COOKIE`.

No host, origin or secret is checked, nothing is strict, nobody's session is ever over, no header protects anything.
"""

import base64
import hashlib
import json
import secrets
import sqlite3
import sys
import time
from pathlib import Path
from urllib.parse import parse_qsl

import uvicorn
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

SECRET = "the-secret-of-the-orders-api-and-of-nobody-else"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Floor:
    def __init__(self, database: str, sql: str, fixed: dict[str, str], cookie: str) -> None:
        self.sql, self.fixed, self.cookie = sql, fixed, cookie
        self.db = sqlite3.connect(database, isolation_level=None, cached_statements=512)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.secret_hash = hashlib.sha256(SECRET.encode()).digest()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.algorithm = ec.ECDSA(hashes.SHA256())
        self.head = encoded(json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": "k"}).encode())

    def find(self, id_hash: bytes) -> Response:
        row = self.db.execute(self.sql, {**self.fixed, "id_hash": id_hash}).fetchone()
        return JSONResponse(dict(row)) if row is not None else Response(status_code=404)

    async def session(self, request: Request) -> Response:
        raw = base64.urlsafe_b64decode(request.cookies[self.cookie] + "=")
        return self.find(hashlib.sha256(raw).digest())

    async def bare(self, request: Request) -> Response:
        """The leanest read: two columns of one row, no other table."""
        raw = base64.urlsafe_b64decode(request.cookies[self.cookie] + "=")
        row = self.db.execute(
            "SELECT user_id, last_seen_at FROM session WHERE id_hash = ?", (hashlib.sha256(raw).digest(),)
        ).fetchone()
        return JSONResponse(dict(row)) if row is not None else Response(status_code=404)

    async def lookup(self, request: Request) -> Response:
        return self.find(base64.urlsafe_b64decode((await request.json())["id_hash"] + "="))

    async def token(self, request: Request) -> Response:
        """Any stored token is replaced by a new one, in the event loop, flushed at each commit."""
        form = dict(parse_qsl((await request.body()).decode()))
        if form["grant_type"] == "client_credentials":
            return self.machine(request)
        new = secrets.token_urlsafe(32)
        old_hash, new_hash = (hashlib.sha256(text.encode()).digest() for text in (form["refresh_token"], new))
        rows = self.db.execute(
            "UPDATE floor_grant SET token_hash = ? WHERE token_hash = ? RETURNING user_id",
            (new_hash, old_hash),
        ).fetchall()
        if not rows:
            return Response(status_code=400)
        token = self.access_token(rows[0]["user_id"])
        return JSONResponse({"access_token": token, "token_type": "Bearer", "refresh_token": new})

    def machine(self, request: Request) -> Response:
        """One hash is compared, one record is written and flushed: what a token for a client itself takes anywhere."""
        name, _, secret = base64.b64decode(request.headers["authorization"][6:]).decode().partition(":")
        if hashlib.sha256(secret.encode()).digest() != self.secret_hash:
            return Response(status_code=401)
        self.db.execute(
            "INSERT INTO audit (id, at, event, outcome, client_id, ip, request_id, detail)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                secrets.token_urlsafe(16),
                time.time(),
                "token.issued",
                "done",
                name,
                "127.0.0.1",
                secrets.token_hex(8),
                "{}",
            ),
        )
        return JSONResponse(
            {"access_token": self.access_token(name), "token_type": "Bearer", "expires_in": 600}
        )

    def access_token(self, subject: str) -> str:
        now = int(time.time())
        claims = {"iss": "floor", "sub": subject, "aud": "api", "iat": now, "exp": now + 600}
        data = f"{self.head}.{encoded(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self.key.sign(data.encode(), self.algorithm))
        return f"{data}.{encoded(r.to_bytes(32) + s.to_bytes(32))}"


def main() -> None:
    port, database, find, cookie = sys.argv[1:]
    sql, fixed = json.loads(Path(find).read_text("utf-8"))
    floor = Floor(database, sql, fixed, cookie)
    app = Starlette(
        routes=[
            Route("/ready", lambda request: JSONResponse({"status": "ready"})),
            Route("/session", floor.session),
            Route("/bare", floor.bare),
            Route("/session/lookup", floor.lookup, methods=["POST"]),
            Route("/token", floor.token, methods=["POST"]),
        ]
    )
    uvicorn.run(
        app, port=int(port), loop="uvloop", http="httptools", lifespan="off", log_config=None,
        access_log=False, server_header=False, proxy_headers=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
