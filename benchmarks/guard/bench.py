"""What the FastAPI guard adds to a route without a dependency: `python benchmarks/guard/bench.py [rounds]`.

One process, a tiny ASGI loop, CPU time. Every round runs all variants one after another, so that a busy machine hurts
all of them. `least` is the difference of the fastest rounds, `median` that of the rounds' differences; noise is the
spread of the bare route. The goal is 40 µs for a remembered or HS256 token.
"""

import asyncio
import statistics
import sys
import time
from pathlib import Path
from typing import Annotated, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fastapi import Depends, FastAPI, Request, Security

from admit.integrations.fastapi import Guard
from admit.jose import JWK, Waive
from admit.tokens import AccessToken, access
from admit.verifier import TrustedIssuer, Verifier
from benchmarks.guard.floor import Floor

ISSUER, API = "https://id.example.com", "https://api.example.com"
SECRET = bytes(range(32))
BATCH = 10
GOAL = 40.0


def token() -> str:
    now = time.time()
    return access.sign(
        AccessToken(
            issuer=ISSUER,
            subject="u_alice",
            audience=API,
            client_id="spa",
            iat=now,
            exp=now + 3_000,
            jti="j-1",
            scope=frozenset({"orders:read"}),
            roles=frozenset({"admin"}),
            session_id="s-1",
            auth_time=now,
            acr="urn:admit:acr:1fa",
            amr=("pwd",),
        ),
        JWK.secret(SECRET, "HS256"),
    )


def guard(remember: int) -> Guard:
    trusted = TrustedIssuer(ISSUER, audience=API, secret=SECRET, revocation=Waive.REVOCATION)
    return Guard(Verifier(trusted, remember=remember))


def bare() -> FastAPI:
    app = FastAPI()

    @app.get("/x")
    async def route() -> None: ...

    return app


def depending(dependency: Any) -> FastAPI:
    app = FastAPI()

    @app.get("/x")
    async def route(who: Annotated[Any, dependency]) -> None: ...

    return app


async def nothing(request: Request) -> None: ...


def variants() -> dict[str, FastAPI]:
    remembering, forgetting = guard(10_000), guard(0)
    return {
        "bare route": bare(),
        "a dependency that does nothing": depending(Depends(nothing)),
        "floor: HS256 inline": depending(Depends(Floor(SECRET, ISSUER, API))),
        "guard, remembered": depending(remembering("orders:read", role="admin")),
        "Security(guard), remembered": depending(Security(remembering, scopes=["orders:read"])),
        "guard, HS256 each time": depending(forgetting("orders:read", role="admin")),
    }


async def call(app: FastAPI, authorization: bytes) -> int:
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/x",
        "raw_path": b"/x",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"api.example.com"), (b"accept", b"*/*"), (b"authorization", authorization)],
        "client": ("127.0.0.1", 1),
        "server": ("api.example.com", 443),
    }
    await app(scope, receive, send)
    return status


async def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 800
    authorization = b"Bearer " + token().encode()
    apps = variants()
    times: dict[str, list[float]] = {name: [] for name in apps}
    for name, app in apps.items():
        if await call(app, authorization) != 200:
            raise SystemExit(f"{name}: not let in")
    for _ in range(rounds):
        for name, app in apps.items():
            start = time.process_time()
            for _ in range(BATCH):
                await call(app, authorization)
            times[name].append((time.process_time() - start) / BATCH * 1e6)
    base = times["bare route"]
    noise = (statistics.quantiles(base, n=4)[2] - min(base)) / min(base)
    print(f"bare route {min(base):.1f} µs, noise {noise:.0%}, {rounds} rounds of {BATCH}\n")
    print(f"{'adds, µs':34}{'least':>8}{'median':>8}")
    for name, found in times.items():
        if found is not base:
            median = statistics.median(one - other for one, other in zip(found, base, strict=True))
            print(f"{name:34}{min(found) - min(base):8.1f}{median:8.1f}")
    added = min(times["guard, remembered"]) - min(base)
    print(f"\ngoal {GOAL:.0f} µs: {'met' if added <= GOAL else 'missed'}")


if __name__ == "__main__":
    asyncio.run(main())
