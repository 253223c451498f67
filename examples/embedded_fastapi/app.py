"""Admit inside a FastAPI application: the issuer at /auth, the API beside it, one process, no HTTP to itself.

uvicorn --app-dir examples/embedded_fastapi app:app --port 8420
open http://localhost:8420/auth/signup, then http://localhost:8420/api/me
"""

import os
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI

from admit import Principal
from admit.integrations.fastapi import Guard
from admit.issuer import Client, Issuer, Resource, Settings

HOME = os.environ.get("EMBEDDED_HOME", "http://localhost:8420")
DATA = Path(os.environ.get("EMBEDDED_DATA", ".demo/embedded"))

issuer = Issuer(
    Settings(
        issuer=f"{HOME}/auth",
        dev=HOME.startswith("http://"),
        name="Embedded",
        data=str(DATA),
        resource=(
            Resource(
                id=f"{HOME}/api",
                name="Embedded API",
                scopes={"notes:read": "Read your notes"},
                roles={"*": frozenset({"notes:read"})},
            ),
        ),
        client=(
            Client(
                id="web",
                name="Embedded",
                first_party=True,
                redirect_uris=(f"{HOME}/",),
                scopes=frozenset({"openid", "profile", "notes:read"}),
                resources=frozenset({f"{HOME}/api"}),
                default_resource=f"{HOME}/api",
            ),
        ),
    )
)
guard = Guard(issuer.verifier, sessions=issuer.sessions, audience=f"{HOME}/api", origins={HOME})

app = FastAPI(lifespan=issuer.lifespan)
app.router.routes += issuer.well_known_routes
guard.document(app)


@app.get("/api/me")
async def me(who: Annotated[Principal, guard("notes:read")]) -> dict[str, str]:
    return {"subject": who.subject, "by": who.credential.value}


app.mount("/auth", issuer.asgi)
