"""WEB-params, WEB-xss, INF-errors, INF-size: every field of every form, query, path and JSON body meets every value of
the corpus in tests/vectors/bad-input, one at a time, in a request that is good but for that.

Fields are found, not listed: those of the pages' own forms, of the described API, and every name that a handler asks
for while it answers. A new field is met on the day that it is read.
"""

import re
import sqlite3
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import admit.issuer
from admit.issuer.app import call, jobs
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.storage import Keyring, Steps
from admit.issuer.throttle.records import Verdict
from tests.fixtures.first_party import WITH_APP
from tests.fixtures.issuer import SPA, make_issuer, settings_for
from tests.fixtures.mail import MailServer, mail_config
from tests.plugins.rounds import TIER
from tests.plugins.twins import taken_out
from tests.threats.hostile import PLACES, Ask, Bad, Reply, corpus
from tests.threats.scenes import (
    ELSEWHERE,
    MISSES,
    SCENES,
    Scene,
    Stage,
    at_programs,
    at_recovery_code,
    at_signup,
)

pytestmark = pytest.mark.anyio
TARGETS = (
    *(uri for client in WITH_APP for uri in client.redirect_uris),
    "http://127.0.0.1:5123/cb",
    f"{SPA}/bye",
)
TRACES = ("Traceback", "sqlite3", "asyncpg", "sqlalchemy", '.py"')
# Written beside every answer: what was asked, by whom, how often.
NOTED = frozenset({"audit", "refusal", "budget", "throttle"})
# What is tried in vain is counted, or spent by it.
COUNTED = frozenset({"interaction", "pending_sign_in", "second_factor", "authorization_code", "sign_in_flow"})
# What a page that is shown begins.
BEGUN = frozenset({"interaction"})
# How many of those that do not meet every field in every run.
OTHERS = {"quick": 1, "test": 2, "soak": 1_000}[TIER]
# No field has a use for what is no text, and none for two values.
NEVER_TAKEN = frozenset({"octets", "values", "doubled"})


# What a database holds


Kept = dict[str, set[tuple[Any, ...]]]


class Tables:
    """All that a SQLite file holds, but for notes. Triggers tell which tables are to be read again: a scene begins anew
    thousands of times, each time with another person, and nonsense changes next to nothing.
    """

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        names = [row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        self._counts = {name: -1 for name in names if name not in NOTED and not name.startswith("sqlite_")}
        self._kept: Kept = {}
        self._db.execute("CREATE TABLE IF NOT EXISTS written (name TEXT PRIMARY KEY, times INT)")
        for name in self._counts:
            self._db.execute("INSERT OR IGNORE INTO written VALUES (?, 0)", (name,))
            for what in ("INSERT", "UPDATE", "DELETE"):
                self._db.execute(
                    f"CREATE TRIGGER IF NOT EXISTS {what}_{name} AFTER {what} ON {name}"
                    f" BEGIN UPDATE written SET times = times + 1 WHERE name = '{name}'; END"
                )

    def __call__(self) -> Kept:
        self._db.execute("BEGIN")
        for name, times in self._db.execute("SELECT name, times FROM written").fetchall():
            if times != self._counts[name]:
                self._kept = {**self._kept, name: set(self._db.execute(f"SELECT * FROM {name}"))}
                self._counts[name] = times
        self._db.execute("COMMIT")
        return self._kept

    def close(self) -> None:
        self._db.close()


def new_cells(before: Kept, after: Kept) -> Iterator[str]:
    """Every text that was written meanwhile."""
    for name, rows in after.items():
        if rows is not before[name] and (new := rows - before[name]):
            known = {cell for row in before[name] for cell in row}
            for row in new:
                yield from (cell for cell in row if isinstance(cell, str) and cell not in known)


def is_part(cell: str, sent: str) -> bool:
    """Whether a beginning of what was sent was kept for the whole."""
    forms = {sent, *(unicodedata.normalize(form, sent) for form in ("NFC", "NFKC"))}
    whole = {kept for one in forms for kept in (one, one.strip(), one.lower(), one.casefold())}
    return bool(cell) and cell not in whole and any(one.startswith(cell) for one in forms)


# One request and its answer


def check(ask: Ask, name: str, bad: Bad, sent: str, reply: Reply) -> None:
    """What every answer to nonsense is like."""
    where = f"{ask.name}: {name} = {bad.kind}, {bad.name} → {reply.status}"
    assert reply.status < 500, where
    location = reply.header(b"location")
    ours = location.startswith("/") and not location.startswith(("//", "/\\"))
    assert not location or ours or re.split(r"[?#]", location)[0] in TARGETS, (where, location)
    for _, value in reply.headers:
        assert not set(value) & set(b"\r\n\0"), where
    assert not any(trace in reply.text for trace in TRACES), where
    if set(sent) & set("<>\"'") and len(sent) > 4:
        assert sent not in reply.text, (where, "as it came")
    if reply.status >= 400 and reply.header(b"content-type").startswith("application/json") and len(sent) > 4:
        assert sent not in reply.text, (where, "told again")


def is_refused(ask: Ask, reply: Reply) -> bool:
    """An error, its redirect, or the plain form again."""
    if reply.status >= 400 or "error=" in reply.header(b"location"):
        return True
    return reply.status == 200 and f'action="{ask.path}' in reply.text


@dataclass
class Attack:
    """All of the corpus in all of the fields that are found."""

    stage: Stage
    entries: tuple[Bad, ...]
    look: Callable[[], Kept]
    """What the database holds; nothing where it is not looked into."""
    asked_for: set[str] = field(default_factory=set)
    """In the answer of one request."""
    found: set[str] = field(default_factory=set)
    """In the answers of one kind of request."""
    met: dict[str, set[str]] = field(default_factory=dict)
    turns: Iterator[int] = field(default_factory=count)
    fields: Iterator[int] = field(default_factory=count)
    sent: int = 0

    async def scene(self, scene: Scene) -> None:
        for name in [ask.name for ask in await scene(self.stage)]:
            await self.ask(scene, name)

    async def meet(self, scene: Scene) -> None:
        """Each good request once, with no entry, and before it as a HEAD where it is a GET: that only looks."""
        for ask in await scene(self.stage):
            self.asked_for.clear()
            if ask.method == "GET":
                before = self.kept()
                await replace(ask, method="HEAD").good()(self.stage.issuer.asgi)
                after = self.kept()
                changed = {name for name in after if before[name] - after[name]}
                changed |= {name for name in after if after[name] != before[name]} - BEGUN
                assert not changed, (ask.name, "a HEAD changes", changed)
            await ask.good()(self.stage.issuer.asgi)
            self.met.setdefault(ask.name, set()).update(ask.fields, self.asked_for)

    async def ask(self, scene: Scene, name: str) -> None:
        """The good twin first; then each field, and each that the answers asked for."""
        ask = await self.again(scene, name)
        self.asked_for.clear()
        reply = await ask.good()(self.stage.issuer.asgi)
        self.found = set(self.asked_for)
        good = reply.status < 400 or any(path in name for path in MISSES)
        assert good, (name, reply.status, reply.text)
        ask, met = await self.again(scene, name), self.met.setdefault(name, set())
        waiting = [*ask.fields, *(sorted(self.found - ask.fields.keys()) if ask.place != "path" else ())]
        while waiting:
            one = waiting.pop(0)
            met.add(one)
            ask = await self.field(scene, ask, one)
            if ask.place != "path":
                waiting += sorted(self.found - met - set(waiting))

    async def again(self, scene: Scene, name: str) -> Ask:
        return next(ask for ask in await scene(self.stage) if ask.name == name)

    async def field(self, scene: Scene, ask: Ask, name: str) -> Ask:
        """Every value in one field. Where a value was good all the same, what it used up is made anew."""
        before = self.kept()
        for bad in self.of(ask):
            for odd in (False, True) if TIER == "soak" else (next(self.turns) % 2 == 1,):
                self.asked_for.clear()
                reply = await ask.bad(name, bad, odd=odd)(self.stage.issuer.asgi)
                self.sent += 1
                self.found |= self.asked_for
                sent = (ask.fields.get(name, "") if odd else "") + (bad.text or "")
                check(ask, name, bad, sent if bad.text else bad.octets.decode("latin-1"), reply)
                after = self.kept()
                changed = {
                    table
                    for table in after
                    if after[table] is not before[table] and after[table] != before[table]
                }
                where = (ask.name, name, bad.kind, bad.name, reply.status)
                if is_refused(ask, reply):
                    assert not changed - COUNTED, (*where, "kept something of what it refused", changed)
                elif ask.method != "GET":
                    never = bad.kind in NEVER_TAKEN and not (ask.null and bad.octets == b"null")
                    assert not never or name not in ask.fields, (*where, "was taken")
                    parts = [cell for cell in new_cells(before, after) if is_part(cell, sent)]
                    assert not parts, (*where, "kept a part", parts)
                if changed or (not after and not is_refused(ask, reply)):
                    ask, before = await self.again(scene, ask.name), self.kept()
        return ask

    def of(self, ask: Ask) -> list[Bad]:
        """The entries that this field meets: those of every run, and some of the others, by turns."""
        fit = [bad for bad in self.entries if bad.kind in PLACES[ask.place]]
        others = [bad for bad in fit if not bad.always]
        first = (next(self.fields) * OTHERS) % max(len(others), 1)
        return [
            *(bad for bad in fit if bad.always),
            *(others + others)[first : first + min(OTHERS, len(others))],
        ]

    def kept(self) -> Kept:
        return self.look()


@asynccontextmanager
async def attacked(
    url: str, keyring: Keyring, mails: MailServer, entries: Iterable[Bad], **settings: Any
) -> AsyncIterator[Attack]:
    """An issuer with all that it can serve, where nobody is held up for having tried before."""
    made = make_issuer(settings_for(url, mail=mail_config(mails), client=WITH_APP, **settings), keyring)
    with pytest.MonkeyPatch.context() as patch, taken_out(["admit.issuer.throttle.budgets.store:draw"]):
        patch.setattr(jobs, "MAILS_EVERY", 3_600.0)
        patch.setattr("admit.issuer.throttle.store.take", let_all)
        patch.setattr("admit.issuer.accounts.links.driver.take", let_all)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(made.lifespan())
            look: Callable[[], Kept] = dict
            if url.startswith("sqlite"):
                look = stack.enter_context(closing(Tables(url.removeprefix("sqlite:///"))))
            attack = Attack(Stage(made, mails), tuple(entries), look)
            watch(patch, attack.asked_for)
            yield attack
            for one in made.open_browsers:
                await one.aclose()


def let_all(**_: Any) -> Steps[Verdict]:
    """A throttle that counts nothing."""
    return Verdict(True, timedelta(0))
    yield


def watch(patch: pytest.MonkeyPatch, asked_for: set[str]) -> None:
    """Note which parameters of a request handlers ask for."""
    look, need, parse = Parameters.__getitem__, Parameters.required, call.parse
    sent: list[Parameters] = []  # those that came, not those of a request that was kept before

    def parsed(encoded: bytes, **how: Any) -> Parameters:
        sent[:] = [*sent[-1:], parse(encoded, **how)]  # the query, and the form beside it
        return sent[-1]

    def note(one: Parameters, name: str) -> None:
        if any(one is came for came in sent) and re.fullmatch("[a-z_]+", name):
            asked_for.add(name)

    def looked(self: Parameters, name: str) -> str:
        note(self, name)
        return look(self, name)

    def needed(self: Parameters, name: str) -> str:
        note(self, name)
        return need(self, name)

    patch.setattr(call, "parse", parsed)
    patch.setattr(Parameters, "__getitem__", looked)
    patch.setattr(Parameters, "required", needed)


# A page with a form, and requests of programs. The whole takes minutes, most of it for beginning anew what was used up.
SHORT = (at_recovery_code, at_programs)
NO_COLUMN_HOLDS = {
    "NUL", "NUL at the end", "lone high surrogate", "lone low surrogate", "surrogates the wrong way round", "surrogate",
}  # fmt: skip


@pytest.mark.threat("WEB-params", off="admit.issuer.app.call:refuse_repeated")
async def test_fields_of_each_sort_meet_the_corpus(
    furnished_sqlite: str, keyring: Keyring, mail_server: MailServer
) -> None:
    async with attacked(furnished_sqlite, keyring, mail_server, corpus()) as attack:
        for scene in SHORT:
            await attack.scene(scene)
        assert attack.sent > 200


@pytest.mark.soak
@pytest.mark.parametrize("scene", [*SCENES, *ELSEWHERE], ids=lambda scene: scene.__name__)
async def test_every_field_of_a_scene_meets_the_whole_corpus(
    furnished_sqlite: str, keyring: Keyring, mail_server: MailServer, scene: Scene
) -> None:
    settings = {"login_url": "/sign-in"} if scene in ELSEWHERE else {}
    async with attacked(furnished_sqlite, keyring, mail_server, corpus(), **settings) as attack:
        await attack.scene(scene)
        print(f"{scene.__name__}: {attack.sent:,} requests")


@pytest.mark.soak
async def test_every_form_and_every_name_is_met_in_some_scene_and_no_head_changes_anything(
    furnished_sqlite: str, keyring: Keyring, mail_server: MailServer
) -> None:
    own = attacked(furnished_sqlite, keyring, mail_server, (), login_url="/sign-in")
    async with own as attack:
        attack.stage.people = 1_000  # of the same database
        for scene in ELSEWHERE:
            await attack.meet(scene)
        elsewhere = attack.met
    async with attacked(furnished_sqlite, keyring, mail_server, ()) as attack:
        for scene in SCENES:
            await attack.meet(scene)
        taking = {
            route.path
            for route in attack.stage.issuer.routes
            if "*" in route.path or {"POST", "PATCH"} & route.handlers.keys()
        }
        asked = {ask.partition(" ")[2].partition(" ")[0].rstrip(",?") for ask in attack.met}
        assert {path for path in taking if not path.startswith("/static/")} <= asked, (
            "a new form or body has a scene"
        )
        # And every name that the code reads by name was met somewhere.
        source = Path(admit.issuer.__file__).parent
        text = "".join(path.read_text("utf-8") for path in source.rglob("*.py"))
        read = set(re.findall(r'\b(?:form|query|parameters)\.(?:get|required)\("([a-z_]+)"', text))
        assert read <= {name for met in (attack.met, elsewhere) for names in met.values() for name in names}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_what_no_column_holds_is_refused_before_postgresql_sees_it(
    database_url: str, keyring: Keyring, mail_server: MailServer
) -> None:
    entries = [bad for bad in corpus() if bad.name in NO_COLUMN_HOLDS]
    async with attacked(database_url, keyring, mail_server, entries) as attack:
        for scene in SCENES if TIER == "soak" else (at_signup,):
            await attack.scene(scene)
