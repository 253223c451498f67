"""An issuer on SQLite or PostgreSQL with all that the endpoints of OAuth are asked with: clients of each kind, people
who are signed in and have said yes before, refresh tokens, access tokens of both formats.
"""

import asyncio
import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

from admit.credentials import cookies
from admit.issuer import Issuer, Settings
from admit.issuer.accounts.records import User
from admit.issuer.app.pages.apps import reaches_everybody
from admit.issuer.consents import transactions
from admit.issuer.consents.records import Answer
from admit.issuer.consents.rules import version_of
from admit.issuer.grants.records import Authorization, PresentedCode, Redeemed
from admit.issuer.oauth.token import mint
from admit.issuer.sessions.records import NewSession
from admit.issuer.storage import Keyring
from admit.issuer.storage.migrate import migrate
from benchmarks.harness.programs import Program, admit_serving, free_port
from benchmarks.issuer.furnished import INFO, PASSWORD

API, OPAQUE = "http://localhost:8412", "http://localhost:8413"
SECRET = "the-secret-of-the-orders-api-and-of-nobody-else"
CALLBACK = "https://shop.example.com/cb"
SCOPE = "orders:read"
SHOP_SCOPE = "openid orders:read"
PEOPLE = 20
AT_ONCE = 50

SETTINGS = """\
{database}
issuer = "{issuer}"
dev = true
data = "{folder}"

[[resource]]
id = "{api}"
name = "Orders"
scopes = {{ "orders:read" = "See your orders" }}
roles = {{ "*" = ["orders:read"] }}
clients = {{ robot = ["orders:read"] }}
secret_hash = "{secret_hash}"

[[resource]]
id = "{opaque}"
name = "Bills"
scopes = {{ "orders:read" = "See your bills" }}
roles = {{ "*" = ["orders:read"] }}
access_token_format = "opaque"
secret_hash = "{secret_hash}"

[[client]]
id = "spa"
name = "Orders"
first_party = true
redirect_uris = ["{callback}"]
scopes = ["orders:read"]
resources = ["{api}", "{opaque}"]
default_resource = "{api}"

[[client]]
id = "shop"
name = "A shop"
public = false
secret_hashes = ["{secret_hash}"]
redirect_uris = ["{callback}"]
scopes = ["openid", "orders:read"]
resources = ["{api}"]
default_resource = "{api}"
id_token_signed_response_alg = "ES256"

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
_PROOF: dict[str, object] = {"acr": "urn:admit:acr:1fa", "amr": ("pwd",)}


@dataclass(slots=True)
class Served:
    """One issuer. `database` is a PostgreSQL's URL, or empty for SQLite. `sessions` are values of the cookie."""

    folder: Path
    database: str = ""
    port: int = field(default_factory=free_port)
    sessions: list[str] = field(default_factory=list)
    refresh: list[str] = field(default_factory=list)
    jwts: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    @property
    def issuer(self) -> str:
        return f"http://{self.host}"

    @property
    def cookie(self) -> str:
        """The name of the session's cookie."""
        return cookies.session_cookie_name(self.issuer, dev=True)

    @property
    def settings(self) -> Path:
        return self.folder / "admit.toml"

    def write_settings(self) -> None:
        text = SETTINGS.format(
            database=f'database = "{self.database}"' if self.database else "", issuer=self.issuer,
            folder=self.folder, api=API, opaque=OPAQUE, callback=CALLBACK,
            secret_hash=hashlib.sha256(SECRET.encode()).hexdigest(),
        )  # fmt: skip
        self.settings.write_text(text, "utf-8")

    def loaded(self) -> Issuer:
        """The same issuer in this process."""
        settings = Settings.load(self.settings, environ={})
        return Issuer(settings, keyring=Keyring.ensure(self.folder / "keys.json"))

    def serve(self, core: int | None = 0) -> Program:
        """`admit serve` on it, as an installed package starts."""
        return admit_serving(self.settings, port=self.port, core=core)


async def furnish(made: Served, *, sessions: int, tokens: int) -> None:
    """So many sessions, each of somebody who lets the shop in, and so many tokens of each kind."""
    made.folder.mkdir(parents=True, exist_ok=True)
    made.write_settings()
    if made.database:
        await migrate(made.database)
    issuer = made.loaded()
    async with issuer.lifespan():
        people = [await _person(issuer, number) for number in range(PEOPLE)]
        opened: list[NewSession] = []
        for first in range(0, max(sessions, tokens), AT_ONCE):
            opened += await asyncio.gather(
                *(_session(issuer, people[number % PEOPLE]) for number in range(first, first + AT_ONCE))
            )
        made.sessions = [cookies.encode_session_id(new.raw) for new in opened[:sessions]]
        for new in opened[:tokens]:
            refresh, jwt = await grant(issuer, new, API)
            _, opaque = await grant(issuer, new, OPAQUE)
            made.refresh.append(refresh)
            made.jwts.append(jwt)
            made.opaque.append(opaque)


async def _person(issuer: Issuer, number: int) -> User:
    services, now = issuer.services, time.time()
    user = await services.accounts.add(
        email=f"person{number}@example.com", name=f"Person {number}",
        password=PASSWORD, info=INFO, now=now,
    )  # fmt: skip
    shop, resource = await services.clients.find("shop"), services.registry.resource(API)
    assert shop is not None
    assert resource is not None
    scope = frozenset(SHOP_SCOPE.split())
    shown = {
        name: version_of(
            client=shop, text=resource.scopes.get(name), everybodys=reaches_everybody(name, user)
        )
        for name in scope
    }
    answer = Answer(granted=scope, shown=shown)
    await issuer.db.run(transactions.remember, user.id, shop.id, API, answer, now=now)
    return user


async def _session(issuer: Issuer, user: User) -> NewSession:
    now = time.time()
    return await issuer.services.sessions.start(
        user, auth_time=float(int(now)), acr="urn:admit:acr:1fa", amr=("pwd",), info=INFO, now=now
    )


async def grant(issuer: Issuer, new: NewSession, audience: str) -> tuple[str, str]:
    """A refresh token and an access token of a session's grant for the SPA."""
    services, now = issuer.services, time.time()
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    session = new.session
    code = await services.codes.issue(
        Authorization(
            client_id="spa", user_id=session.user.id, session_id=session.id, redirect_uri=CALLBACK,
            scope=frozenset((SCOPE,)), audience=audience, code_challenge=challenge, nonce=None,
            auth_time=session.auth_time, acr=session.acr, amr=session.amr,
        ),
        info=INFO,
        now=now,
    )  # fmt: skip
    assert code is not None
    presented = PresentedCode(client_id="spa", redirect_uri=CALLBACK, code_verifier=verifier)
    redeemed = await services.codes.redeem(code, presented, refresh=True, info=INFO, now=now)
    assert isinstance(redeemed, Redeemed)
    assert redeemed.refresh_token is not None
    client = await services.clients.find("spa")
    assert client is not None
    family = redeemed.family
    token = mint.write_access_token(
        services, client=client, user=session.user, family=family, scope=family.scope, now=now
    )
    return redeemed.refresh_token, token
