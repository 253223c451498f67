"""What the orders are, whoever serves them: their database, whom the API trusts, and what it lets pages send and read.

The files beside this one are the same API in one framework each, and nothing but that framework's glue. `make demo`
starts one, `make demo API=flask` another, and the sample app cannot tell which.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from admit import Principal, Revocation, TrustedIssuer, Verifier
from admit.verifier import Found, RemoteLookup, SessionLookup

TWO_FACTORS: Final = "urn:admit:acr:2fa"
STUB: Final = "A ticket stub, framed"
"""What everybody orders."""

# CORS: what pages of `Settings.pages` may ask with, and which headers of an answer their scripts may read. A refusal
# has to have these headers too, or the page cannot tell 401 from a server that is down.
METHODS: Final = ("GET", "POST", "DELETE")
SENT: Final = ("Authorization", "X-CSRF-Token")
TOLD: Final = ("X-Demo-Calls", "X-Demo-Carried", "WWW-Authenticate", "Retry-After")

CALLS: Final[ContextVar[list[str]]] = ContextVar("calls")
"""Which calls left this process for the request at hand; the page shows them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`api.json`, as the demo writes it.

    `poll` is how often, in seconds, the verifier asks for the list of what is void; `secret` is what this API proves
    itself to the issuer with when it looks a session up; `pages` are the origins whose pages may call it.
    """

    port: int
    issuer: str
    resource: str
    secret: str = field(repr=False)
    pages: list[str]
    database: str
    poll: float

    @classmethod
    def named(cls) -> "Settings":
        """From the file that the command line names."""
        return cls(**json.loads(Path(sys.argv[1]).read_text("utf-8")))

    def verifier(self) -> Verifier:
        """Takes the issuer's tokens for this API, until they end or are made void."""
        # A revoked token is refused within 30 s, which is enforced, and usually within the 5 s between two questions.
        revocation = Revocation(poll=timedelta(seconds=self.poll))
        return Verifier(TrustedIssuer(self.issuer, audience=self.resource, revocation=revocation))

    def sessions(self) -> SessionLookup:
        """Asks the issuer about session cookies."""
        # Kept for no time at all, so that the page shows each look-up; without this one is kept for 30 s.
        return CountedLookup(RemoteLookup(self.issuer, self.resource, self.secret, cache=timedelta(0)))


class CountedLookup:
    """A session look-up that notes each call it passes on."""

    def __init__(self, inner: SessionLookup) -> None:
        self._inner = inner

    async def find(self, id_hash: bytes, audience: str, now: float) -> Found | None:
        CALLS.get().append("look-up")
        return await self._inner.find(id_hash, audience, now)


class Orders:
    """The orders' own database: the call that every way of signing in still has to make."""

    def __init__(self, path: str) -> None:
        self._path = path
        with self._open() as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(
                "CREATE TABLE IF NOT EXISTS orders"
                " (id INTEGER PRIMARY KEY, issuer TEXT, subject TEXT, customer TEXT, item TEXT, placed_at REAL)"
            )

    def of(self, who: Principal) -> list[dict[str, Any]]:
        """This customer's, newest first. A principal's key is issuer and subject together."""
        return self._rows("WHERE issuer = ? AND subject = ?", tuple(who.key))

    def all(self) -> list[dict[str, Any]]:
        """Everybody's, newest first."""
        return self._rows("", ())

    def place(self, who: Principal, item: str = STUB) -> None:
        """One more for this customer."""
        # A session's principal has a name, an access token only an id: then the name of an earlier order stands.
        with self._asked() as db:
            db.execute(
                "INSERT INTO orders (issuer, subject, customer, item, placed_at) VALUES (?1, ?2,"
                " coalesce(?3, (SELECT customer FROM orders WHERE issuer = ?1 AND subject = ?2 LIMIT 1), ?2), ?4, ?5)",
                (who.issuer, who.subject, who.claims.get("name"), item, time.time()),
            )

    def cancel(self, who: Principal, number: int) -> bool:
        """Whether there was such an order of this customer; now there is none."""
        with self._asked() as db:
            gone = db.execute(
                "DELETE FROM orders WHERE id = ? AND issuer = ? AND subject = ?", (number, *who.key)
            )
            return gone.rowcount > 0

    def _rows(self, where: str, values: tuple[str, ...]) -> list[dict[str, Any]]:
        with self._asked() as db:
            rows = db.execute(
                f"SELECT id, customer, item FROM orders {where} ORDER BY id DESC LIMIT 50", values
            )  # `where` is one of the two constants above
            return [{"id": number, "customer": customer, "item": item} for number, customer, item in rows]

    @contextmanager
    def _asked(self) -> Iterator[sqlite3.Connection]:
        CALLS.get().append("orders")
        with self._open() as db:
            yield db

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one call: some frameworks answer in threads, and some servers fork."""
        with closing(sqlite3.connect(self._path, isolation_level=None)) as db:
            yield db
