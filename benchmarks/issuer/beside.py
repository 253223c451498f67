"""What the issuer is measured beside: its floor on either database, and oidc-provider in memory and on Redis."""

import hashlib
import json
import os
import random
import secrets
import shutil
import sqlite3
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import asyncpg

from benchmarks.harness.load import Answer, Load, Script, request
from benchmarks.harness.programs import Program, environment, free_port
from benchmarks.issuer import asking, server_floor
from benchmarks.issuer.asking import Paths
from benchmarks.issuer.serving import API, CALLBACK, OPAQUE, SCOPE, SHOP_SCOPE

PEER = Path(__file__).with_name("peers") / "node"
PEER_PATHS = Paths(authorize="/auth", token="/token", introspect="/token/introspection")


@dataclass(slots=True)
class Other:
    """A program that is asked the same. `cookies` are whole headers of people who are signed in."""

    program: Program
    paths: Paths = field(default_factory=Paths)
    cookies: list[str] = field(default_factory=list)
    refresh: list[str] = field(default_factory=list)
    jwts: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"localhost:{self.program.port}"


def floor_program(folder: Path, database: str, port: int) -> Program:
    """The floor on a file or a PostgreSQL URL."""
    folder.mkdir(parents=True, exist_ok=True)
    name = str(Path(server_floor.__file__))
    return Program(
        [sys.executable, name, str(port), database],
        port=port, env=environment(folder / "bytecode"), log=folder / "floor.log", core=0,
    )  # fmt: skip


async def furnish_floor(database: str, other: Other, *, sessions: int, tokens: int) -> None:
    """As many rows as the issuer has; tokens, and cookies of 32 octets."""
    now = int(time.time())
    raws = [secrets.token_bytes(32) for _ in range(sessions)]
    other.cookies = [f"{server_floor.COOKIE}={server_floor.encoded(raw)}" for raw in raws]
    other.refresh = [secrets.token_urlsafe(32) for _ in range(tokens)]
    other.opaque = [secrets.token_urlsafe(48) for _ in range(tokens)]
    people = [f"u_{number % 20:016}" for number in range(max(sessions, tokens))]
    rows: dict[str, list[tuple[object, ...]]] = {
        "floor_session VALUES (?1, ?2, ?3)": [
            (hashlib.sha256(raw).digest(), person, now + 86_400)
            for raw, person in zip(raws, people, strict=False)
        ],
        "floor_consent VALUES (?1, ?2, ?3)": [
            (person, "shop", SHOP_SCOPE) for person in dict.fromkeys(people)
        ],
        "floor_grant VALUES (?1, ?2, ?3, NULL)": [
            (server_floor.sha256(token), "spa", person)
            for token, person in zip(other.refresh, people, strict=False)
        ],
        "floor_token VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)": [
            (server_floor.sha256(token), "spa", person, SCOPE, OPAQUE, now, now + 86_400)
            for token, person in zip(other.opaque, people, strict=False)
        ],
    }
    if "://" in database:
        connection = await asyncpg.connect(database)
        for statement in server_floor.TABLES:
            await connection.execute(statement.format(octets="BYTEA"))
        for into, values in rows.items():
            await connection.executemany(f"INSERT INTO {into}".replace("?", "$"), values)
        await connection.close()
        return
    with sqlite3.connect(database) as db:
        for statement in server_floor.TABLES:
            db.execute(statement.format(octets="BLOB"))
        for into, values in rows.items():
            db.executemany(f"INSERT INTO {into}", values)
    db.close()


def why_no_peer() -> str | None:
    """What is missing for oidc-provider to run; None when nothing is."""
    if shutil.which("node") is None:
        return "oidc-provider is not measured: no node (apt install nodejs npm)"
    if not (PEER / "node_modules" / "oidc-provider").is_dir():
        return "oidc-provider is not measured: cd benchmarks/issuer/peers/node && npm ci --ignore-scripts"
    return None


def peer_program(folder: Path, redis: str | None) -> Program:
    """oidc-provider, in memory or on Redis, as it runs in production."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    return Program(
        ["node", str(PEER / "server.mjs"), str(port), *([redis] if redis is not None else [])],
        port=port,
        env={"PATH": os.environ.get("PATH", ""), "NODE_ENV": "production"},
        log=folder / "oidc-provider.log",
        core=0,
    )  # fmt: skip


async def furnish_peer(other: Other, *, sessions: int, tokens: int) -> None:
    """People sign in and say yes as browsers do; the SPA gets tokens of both formats."""
    load = Load(other.program.port, [_signing_in(other, sessions, tokens)])
    await load.run(seconds=120)


def _signing_in(other: Other, sessions: int, tokens: int) -> Script:
    for number in range(max(sessions, tokens)):
        jar: dict[str, str] = {}
        yield from _through(other, jar, "shop", API)
        if number < tokens:
            for resource in (API, OPAQUE):
                code = yield from _through(other, jar, "spa", resource)
                form = {
                    "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK,
                    "code_verifier": asking.VERIFIER, "client_id": "spa",
                }  # fmt: skip
                answer = yield asking.post(other.host, other.paths.token, form)
                told = json.loads(answer.body)
                if resource == API:
                    other.jwts.append(told["access_token"])
                    other.refresh.append(told["refresh_token"])
                else:
                    other.opaque.append(told["access_token"])
        if number < sessions:  # its id changes with each thing that the person answers
            kept = ("_session", "_session.sig")
            other.cookies.append("; ".join(f"{name}={jar[name]}" for name in kept))


def _through(other: Other, jar: dict[str, str], client: str, resource: str) -> Generator[bytes, Answer, str]:
    query = {
        "response_type": "code", "client_id": client, "redirect_uri": CALLBACK, "resource": resource,
        "scope": SHOP_SCOPE if client == "shop" else SCOPE, "state": "s",
        "code_challenge": asking.CHALLENGE, "code_challenge_method": "S256",
    }  # fmt: skip
    path = f"{other.paths.authorize}?{urlencode(query)}"
    for _ in range(12):
        cookie = "; ".join(f"{name}={value}" for name, value in jar.items())
        headers = (("cookie", cookie),) if cookie else ()
        answer: Answer = yield request("GET", path, host=other.host, headers=headers)
        for line in answer.head.split(b"\r\n"):
            if line[:12].lower() == b"set-cookie: ":
                name, _, value = line[12:].split(b";")[0].decode().partition("=")
                jar[name] = value
        found = asking.location_of(answer)
        if found.startswith(CALLBACK):
            return asking.code_of(answer)
        parts = urlsplit(found)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
    raise SystemExit("oidc-provider does not come to an end")


def shuffled(found: Sequence[str]) -> list[str]:
    """So that two connections do not ask the same one at the same time."""
    return random.sample(found, len(found))
