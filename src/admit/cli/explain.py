"""`admit explain`: why a request was refused, asked by the id that its page or its JSON told."""

import asyncio
import importlib
import inspect
import json
import pkgutil
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

import admit.issuer
from admit.cli.ended import stamp
from admit.cli.explain_settings import settings_of
from admit.cli.output import MISSING, colour, done, fail, harmless, json_option, show_json, show_table
from admit.cli.settings import settings_options, with_issuer
from admit.errors import AdmitError
from admit.issuer import Issuer, Settings
from admit.issuer.audit.refusals import GATHERED, Refusal
from admit.issuer.audit.store import of_request
from admit.issuer.storage import Row

_ID: Final = re.compile(r"[0-9a-f]{16}")
_WRITING: Final = 0.5  # seconds that an issuer may take to write what it gathered
_AROUND: Final = 60.0  # seconds between a refusal and what the audit tells of the same request


@click.command()
@click.argument("id", required=False)
@click.option(
    "--last", default=20, show_default=True, type=click.IntRange(1, 1000), help="Without ID: how many."
)
@json_option
@settings_options
def explain(settings: Settings, id: str | None, last: int, as_json: bool) -> None:
    """Why a request was refused, by the id that it was told.

    It tells the rule, the clause behind it, the settings that would allow it, if any would, and what only operators
    should know. ID is the one that stands small on an error page, and in the header Admit-Error-Id of every refusal.
    Without it the newest refusals are listed. They are kept for a week, and fewer of them when there are very many.
    """
    if id is None:
        _list(settings, last, as_json=as_json)
        return
    if not _ID.fullmatch(id):
        fail("an id has 16 hex digits, as error pages show it. The newest: admit explain", MISSING)

    async def kept(issuer: Issuer) -> tuple[list[Refusal], Sequence[Row]]:
        found = await issuer.ring.find(id)
        until = found[0].at + _AROUND if found else time.time()
        since = found[0].at - _AROUND if found else until - settings.refusals.kept.total_seconds()
        return found, await issuer.db.read_apart(of_request(id, since=since, until=until))

    async def work(issuer: Issuer) -> tuple[list[Refusal], Sequence[Row], frozenset[str]]:
        found, audit = await kept(issuer)
        if not found and not audit:  # an id does not tell its time: it may be of this very second
            await until_written()
            found, audit = await kept(issuer)
        named = {one.client_id for one in found if one.client_id is not None}
        others = [one for one in named if issuer.registry.client(one) is None]
        return found, audit, frozenset([one for one in others if await issuer.services.clients.get(one)])

    refusals, audit, of_database = with_issuer(settings, work)
    if not refusals and not audit:
        fail(
            "nothing is kept of this request: it is longer ago than that, too many came at once, or it was fine. "
            "The log has the id of each refusal too",
            MISSING,
        )
    if as_json:
        show_json(
            {
                "refusals": [as_dict(one, of_database) for one in refusals],
                "audit": [_audit_dict(row) for row in audit],
            }
        )
        return
    for one in refusals:
        _show(one, of_database)
    for row in audit:
        told = "" if row["detail"] == "{}" else row["detail"]
        _line("audit", f"{stamp(row['at'])}  {row['event']}, {row['outcome']}  {told}".rstrip())


async def until_written() -> None:
    """As long as an issuer may take to write down what it refused just now."""
    await asyncio.sleep(GATHERED + _WRITING)


def _list(settings: Settings, last: int, *, as_json: bool) -> None:
    async def work(issuer: Issuer) -> list[Refusal]:
        return await issuer.ring.latest(last)

    found = with_issuer(settings, work)
    if as_json:
        show_json([as_dict(one) for one in found])
    elif not found:
        done("Nothing was refused, or nothing is kept of it.")
    else:
        show_table(
            ("WHEN", "ID", "STATUS", "CODE", "ROUTE", "RULE"),
            [
                (
                    stamp(one.at),
                    one.request_id,
                    str(one.status),
                    one.code,
                    route_of(one),
                    harmless(one.detail),
                )
                for one in found
            ],
        )


def _show(one: Refusal, of_database: frozenset[str]) -> None:
    click.echo(click.style(f"{one.status} {one.code}", bold=True) if colour() else f"{one.status} {one.code}")
    _line("when", stamp(one.at))
    _line("request", route_of(one))
    if one.client_id is not None:
        _line("client", one.client_id)
    if one.ip is not None:
        _line("from", one.ip)
    clause = clause_of(one.kind)
    _line("rule", clause if clause else f"{one.kind}: trouble inside, not the caller's")
    if one.detail:
        _line("detail", one.detail)
    if command := command_of(one, of_database):
        _line("command", f"{command}: it gets a new secret")
    elif named := settings_of(one.kind, one.detail):
        _line("setting", f"{', '.join(named)}: what would allow it, if it should be allowed")
    if one.trace_id is not None:
        _line("trace", one.trace_id)
    if one.status >= 500:
        _line("more", f"the log, under request_id {one.request_id}")


def _line(name: str, text: str) -> None:
    click.echo(f"  {name:<8} {harmless(text)}")


def route_of(one: Refusal) -> str:
    """Method and route template."""
    return f"{one.method} {one.route or '(no such path)'}"


def command_of(one: Refusal, of_database: frozenset[str] = frozenset()) -> str:
    """The command that mends it where no setting does: a client of the database has its secret there."""
    if one.client_id in of_database and "client.secret_hashes" in settings_of(one.kind, one.detail):
        return f"admit client secret {one.client_id}"
    return ""


def as_dict(one: Refusal, of_database: frozenset[str] = frozenset()) -> dict[str, Any]:
    """A refusal for programs."""
    command = command_of(one, of_database)
    return {
        "id": one.request_id,
        "at": stamp(one.at),
        "status": one.status,
        "code": one.code,
        "rule": clause_of(one.kind),
        "kind": one.kind,
        "detail": one.detail,
        "settings": [] if command else list(settings_of(one.kind, one.detail)),
        **({"command": command} if command else {}),
        "method": one.method,
        "route": one.route or None,
        "client_id": one.client_id,
        "ip": one.ip,
        "trace_id": one.trace_id,
    }


def _audit_dict(row: Row) -> dict[str, Any]:
    plain = {name: row[name] for name in ("event", "outcome", "client_id", "user_id")}
    return {"at": stamp(row["at"]), **plain, "detail": json.loads(row["detail"])}


def clause_of(kind: str) -> str:
    """The first sentence about an error class of ours, which names its clause; "" for any other exception."""
    found = next((one for one in _errors() if one.__name__ == kind), None)
    return (inspect.getdoc(found) or "").split("\n\n")[0].replace("\n", " ") if found is not None else ""


# Refusals are the issuer's. What asks issuers has errors of the same names.
_OF_APPLICATIONS: Final = ("admit.client", "admit.relying_party", "admit.integrations")


def _errors() -> Iterator[type[AdmitError]]:
    """Every error class of ours. They lie beside what raises them, so the issuer's modules have to be there."""
    for module in pkgutil.walk_packages(admit.issuer.__path__, "admit.issuer."):
        if module.name.rpartition(".")[2] in ("errors", "answers", "flow"):
            importlib.import_module(module.name)
    todo: list[type[AdmitError]] = [AdmitError]
    while todo:
        one = todo.pop()
        if one is not AdmitError and not one.__module__.startswith(_OF_APPLICATIONS):
            yield one
        todo += one.__subclasses__()
