"""An API as any service has it: one verifier, one guard, by token and by session. `python guarded_api.py config.json`.

Without `poll` and `max_staleness` it has the verifier's defaults.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI

from admit import Principal, TrustedIssuer, Verifier
from admit.integrations.fastapi import Guard
from admit.verifier import RemoteLookup, Revocation


def build(config: dict[str, Any]) -> FastAPI:
    named = {
        name: timedelta(seconds=config[name])
        for name in ("poll", "max_staleness")
        if config[name] is not None
    }
    verifier = Verifier(
        TrustedIssuer(config["issuer"], audience=config["resource"], revocation=Revocation(**named))
    )
    guard = Guard(verifier, sessions=RemoteLookup(config["issuer"], config["resource"], config["secret"]))
    tokens_only = Guard(verifier, scheme_name="tokens")
    app = FastAPI()

    @app.get("/who")
    async def who(principal: Annotated[Principal, guard("orders:own")]) -> dict[str, Any]:
        return {
            "sub": principal.subject,
            "sid": principal.session_id,
            "by": principal.credential.value,
            "scopes": sorted(principal.scopes),
        }

    @app.get("/all")
    async def everything(
        principal: Annotated[Principal, guard("orders:read", role="admin")],
    ) -> dict[str, Any]:
        return {"sub": principal.subject}

    @app.get("/by-token")
    async def by_token(principal: Annotated[Principal, tokens_only()]) -> dict[str, str]:
        return {"sub": principal.subject, "by": principal.credential.value}

    @app.get("/health")
    async def health() -> dict[str, bool]:
        return {"ready": verifier.ready()}

    return app


if __name__ == "__main__":
    settings = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    uvicorn.run(
        build(settings), host="127.0.0.1", port=settings["port"], access_log=False, log_level="warning"
    )
