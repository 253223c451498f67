"""A furnished issuer on SQLite: settings, people, sessions and grants, and the scripts that use them over HTTP."""

import asyncio
import base64
import hashlib
import itertools
import json
import random
import re
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from admit.credentials import cookies
from admit.issuer import Issuer, Settings
from admit.issuer.audit import RequestInfo
from admit.issuer.grants.records import Authorization, PresentedCode, Redeemed
from admit.issuer.storage import Keyring
from benchmarks.harness.load import Script, expect, request
from benchmarks.harness.programs import HOST, Program, admit_serving

API = "http://localhost:8412"
SECRET = "the-secret-of-the-orders-api-and-of-nobody-else"
PASSWORD = "correct horse battery"
CALLBACK = "http://localhost:8411/cb"
SCOPE = frozenset({"orders:own", "orders:read"})
INFO = RequestInfo(ip=HOST)
AT_ONCE = 50

SETTINGS = """\
issuer = "{issuer}"
dev = true
data = "{folder}"

[accounts]  # many people sign in from one address here
tries_per_account = 1000000
tries_per_network = 1000000

[sessions]
per_user = 100000

[[resource]]
id = "{api}"
name = "Orders"
scopes = {{ "orders:own" = "See your orders", "orders:read" = "See everybody's orders" }}
roles = {{ "*" = ["orders:own"], admin = ["orders:read"] }}
clients = {{ robot = ["orders:read"] }}
secret_hash = "{secret_hash}"

[[client]]
id = "spa"
name = "Orders"
first_party = true
redirect_uris = ["{callback}"]
scopes = ["openid", "profile", "email", "orders:own", "orders:read"]
resources = ["{api}"]
default_resource = "{api}"

[[client]]
id = "robot"
name = "A robot"
public = false
secret_hashes = ["{secret_hash}"]
grant_types = ["client_credentials"]
scopes = ["orders:read"]
resources = ["{api}"]
default_resource = "{api}"
"""


@dataclass(slots=True)
class Furnished:
    """What was put into the database. `sessions` are raw ids, `refresh` live refresh tokens."""

    folder: Path
    port: int
    emails: list[str] = field(default_factory=list)
    sessions: list[bytes] = field(default_factory=list)
    refresh: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    @property
    def issuer(self) -> str:
        return f"http://{self.host}"

    @property
    def database(self) -> Path:
        return self.folder / "admit.db"

    @property
    def cookie(self) -> str:
        return cookies.session_cookie_name(self.issuer, dev=True)

    def serve(self, core: int | None = None) -> Program:
        """`admit serve` on it, as an installed package starts."""
        return admit_serving(self.folder / "admit.toml", port=self.port, core=core)


async def furnish(folder: Path, port: int, *, people: int, sessions: int, grants: int) -> Furnished:
    """Make the database and everything in it, with the issuer's own means."""
    made = Furnished(folder, port)
    text = SETTINGS.format(
        issuer=made.issuer, folder=folder, api=API, callback=CALLBACK,
        secret_hash=hashlib.sha256(SECRET.encode()).hexdigest(),
    )  # fmt: skip
    (folder / "admit.toml").write_text(text, "utf-8")
    issuer = Issuer(
        Settings.load(folder / "admit.toml", environ={}), keyring=Keyring.ensure(folder / "keys.json")
    )
    async with issuer.lifespan():
        services, now = issuer.services, time.time()
        users = []
        for number in range(people):
            made.emails.append(f"person{number}@example.com")
            users.append(
                await services.accounts.add(
                    email=made.emails[-1], name=f"Person {number}", password=PASSWORD, roles=("admin",),
                    groups=("staff", "north"), info=INFO, now=now,
                )
            )  # fmt: skip
        proof = {"auth_time": float(int(now)), "acr": "urn:admit:acr:1fa", "amr": ("pwd",)}
        whose = itertools.cycle(users)
        for first in range(0, sessions, AT_ONCE):  # together, so that they share COMMITs
            begun = await asyncio.gather(
                *(
                    services.sessions.start(next(whose), **proof, info=INFO, now=now)  # type: ignore[arg-type]  # one dict of three types
                    for _ in range(min(AT_ONCE, sessions - first))
                )
            )
            made.sessions.extend(new.raw for new in begun)
            for new in begun[: grants - len(made.refresh)]:
                made.refresh.append(await grant(issuer, new.session.user.id, new.session.id, proof, now))
    return made


async def grant(issuer: Issuer, user_id: str, session_id: str, proof: dict[str, object], now: float) -> str:
    """A refresh token of a session's grant."""
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    code = await issuer.services.codes.issue(
        Authorization(
            client_id="spa", user_id=user_id, session_id=session_id, redirect_uri=CALLBACK, scope=SCOPE,
            audience=API, code_challenge=challenge, nonce=None, **proof,  # type: ignore[arg-type]  # one dict of three types
        ),
        info=INFO,
        now=now,
    )  # fmt: skip
    assert code is not None
    presented = PresentedCode(client_id="spa", redirect_uri=CALLBACK, code_verifier=verifier)
    redeemed = await issuer.services.codes.redeem(code, presented, refresh=True, info=INFO, now=now)
    assert isinstance(redeemed, Redeemed)
    assert redeemed.refresh_token is not None
    return redeemed.refresh_token


def lookups(made: Furnished, sessions: int) -> Script:
    """`POST /session/lookup` as an API asks it, for any of so many sessions."""
    user = f"{API}".replace(":", "%3A").replace("/", "%2F")
    basic = base64.b64encode(f"{user}:{SECRET}".encode()).decode()
    headers = (("authorization", f"Basic {basic}"), ("content-type", "application/json"))
    asked = []
    for raw in made.sessions[:sessions]:
        id_hash = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
        body = json.dumps({"id_hash": id_hash}, separators=(",", ":")).encode()
        asked.append(request("POST", "/session/lookup", host=made.host, headers=headers, body=body))
    while True:
        expect((yield random.choice(asked)), 200)


def checks(made: Furnished, sessions: int, path: str) -> Script:
    """A session check by cookie, without a page."""
    asked = []
    for raw in made.sessions[:sessions]:
        cookie = f"{made.cookie}={cookies.encode_session_id(raw)}"
        asked.append(request("GET", path, host=made.host, headers=(("cookie", cookie),)))
    while True:
        expect((yield random.choice(asked)), 200)


def refreshes(made: Furnished, number: int) -> Script:
    """A public client that rotates its refresh token again and again."""
    token = made.refresh[number]
    headers = (("content-type", "application/x-www-form-urlencoded"),)
    while True:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "spa"}
        body = urlencode(form).encode()
        answer = yield request("POST", "/token", host=made.host, headers=headers, body=body)
        token = json.loads(expect(answer, 200).body)["refresh_token"]


def machines(made: Furnished) -> Script:
    """A client that asks for a token of its own each time."""
    basic = base64.b64encode(f"robot:{SECRET}".encode()).decode()
    headers = (("authorization", f"Basic {basic}"), ("content-type", "application/x-www-form-urlencoded"))
    asked = request("POST", "/token", host=made.host, headers=headers, body=b"grant_type=client_credentials")
    while True:
        expect((yield asked), 200)


def strangers(made: Furnished) -> Script:
    """A session check without a session: refused, and logged."""
    while True:
        expect((yield request("GET", "/api/session", host=made.host)), 401)


def sign_ins(made: Furnished) -> Script:
    """A browser without cookies that opens the sign-in page and signs in."""
    while True:
        page = expect((yield request("GET", "/login", host=made.host)), 200)
        csrf = re.search(rb'name="csrf"\s+value="([^"]*)"', page.body)
        cookie = re.search(rb"set-cookie: ([^;]*);", page.head)
        assert csrf is not None
        assert cookie is not None
        form = {"csrf": csrf[1].decode(), "email": random.choice(made.emails), "password": PASSWORD}
        headers = (
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", made.issuer),
            ("cookie", cookie[1].decode()),
        )
        body = urlencode(form).encode()
        expect((yield request("POST", "/login", host=made.host, headers=headers, body=body)), 303)
