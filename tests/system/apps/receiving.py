"""An API that is told of ends, one process of several: `receiving.py CONFIG`.

`/who` answers for a bearer token; `/hooks` takes logout tokens and security events.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn

from admit import AdmitError, AsyncVerifier, EndReceiver, JWKSet, TrustedIssuer, Waive
from admit.verifier import EndStore, FileEndStore, RedisEndStore


class Api:
    """A verifier and its receiver."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.store = store_of(config)
        trust = TrustedIssuer(
            config["issuer"],
            audience=config["audience"],
            jwks=JWKSet.load(json.dumps(config["jwks"]).encode()),
            typ="JWT",
            revocation=Waive.REVOCATION,
            ends=self.store,
        )
        self.verifier = AsyncVerifier(trust)
        self.receiver = EndReceiver(self.verifier, audience=config["client"])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith("/hooks/"):
            await self.receiver({**scope, "root_path": "/hooks"}, receive, send)
            return
        status, code = 200, ""
        if scope["path"] == "/who":
            bearer = dict(scope["headers"])[b"authorization"].decode().removeprefix("Bearer ")
            try:
                await self.verifier.verify(bearer)
            except AdmitError as error:
                status, code = error.status, error.code
        elif not self.verifier.ready():
            status = 503
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"code": code}).encode()})


def store_of(config: dict[str, Any]) -> EndStore:
    if "redis" in config:
        return RedisEndStore(config["redis"], max_staleness=timedelta(seconds=2))
    return FileEndStore(config["file"], max_staleness=timedelta(seconds=2))


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    uvicorn.run(Api(given), host="127.0.0.1", port=given["port"], log_level="warning", lifespan="off")
