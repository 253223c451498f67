"""The floors: Starlette and a bare look-up in PostgreSQL or Redis, and a bare rotation. Started as
`floor.py PORT DSN REDIS COOKIE`; no check of anything, no session is ever over.
"""

import base64
import hashlib
import json
import secrets
import sys
import time
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
import redis.asyncio
import uvicorn
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

FIND = "SELECT user_id, last_seen_at FROM session WHERE id_hash = $1"
ROTATE = "UPDATE floor_grant SET token_hash = $1 WHERE token_hash = $2 RETURNING user_id"
KEY = "floor:"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Floor:
    def __init__(self, dsn: str, redis_url: str, cookie: str) -> None:
        self.dsn, self.cookie = dsn, cookie
        self.pool: Any = None
        self.redis: Any = redis.asyncio.Redis.from_url(redis_url, protocol=2)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.algorithm = ec.ECDSA(hashes.SHA256())
        self.head = encoded(json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": "k"}).encode())

    async def connected(self) -> Any:
        if self.pool is None:
            self.pool = await asyncpg.create_pool(self.dsn, min_size=4, max_size=10)
        return self.pool

    def id_hash(self, request: Request) -> bytes:
        return hashlib.sha256(base64.urlsafe_b64decode(request.cookies[self.cookie] + "=")).digest()

    async def postgresql(self, request: Request) -> Response:
        row = await (await self.connected()).fetchrow(FIND, self.id_hash(request))
        return JSONResponse(dict(row)) if row is not None else Response(status_code=404)

    async def in_redis(self, request: Request) -> Response:
        found = await self.redis.get(KEY + self.id_hash(request).hex())
        return Response(found, media_type="application/json") if found else Response(status_code=404)

    async def token(self, request: Request) -> Response:
        """Any stored token is replaced by a new one, in one statement."""
        form = dict(parse_qsl((await request.body()).decode()))
        new = secrets.token_urlsafe(32)
        old_hash, new_hash = (hashlib.sha256(text.encode()).digest() for text in (form["refresh_token"], new))
        user_id = await (await self.connected()).fetchval(ROTATE, new_hash, old_hash)
        if user_id is None:
            return Response(status_code=400)
        now = int(time.time())
        claims = {"iss": "floor", "sub": user_id, "aud": "api", "iat": now, "exp": now + 600}
        data = f"{self.head}.{encoded(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self.key.sign(data.encode(), self.algorithm))
        token = f"{data}.{encoded(r.to_bytes(32) + s.to_bytes(32))}"
        return JSONResponse({"access_token": token, "token_type": "Bearer", "refresh_token": new})


def main() -> None:
    port, dsn, redis_url, cookie = sys.argv[1:]
    floor = Floor(dsn, redis_url, cookie)
    app = Starlette(
        routes=[
            Route("/ready", lambda request: JSONResponse({"status": "ready"})),
            Route("/postgresql", floor.postgresql),
            Route("/redis", floor.in_redis),
            Route("/token", floor.token, methods=["POST"]),
        ]
    )
    uvicorn.run(
        app, port=int(port), loop="uvloop", http="httptools", lifespan="off", log_config=None,
        access_log=False, server_header=False, proxy_headers=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
