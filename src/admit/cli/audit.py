"""`admit audit`: what was done, by whom, from where."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from admit.cli.ended import stamp, when
from admit.cli.output import done, json_option, show_json, show_table
from admit.cli.settings import settings_options, with_issuer
from admit.cli.user_named import one
from admit.issuer import Issuer, Settings
from admit.issuer.app.durations import parse_duration
from admit.issuer.audit import AuditEvent
from admit.issuer.audit.trail import newest
from admit.issuer.storage import Row


@click.command()
@click.argument("user", required=False)
@click.option(
    "--event",
    type=click.Choice([one.value for one in AuditEvent]),
    metavar="EVENT",
    help="Only this kind, such as login.failed.",
)
@click.option("--client", "client_id", help="Only what was done by or to this client.")
@click.option("--since", default="30d", show_default=True, help="How far back, such as 2h or 30d.")
@click.option("--last", default=50, show_default=True, type=click.IntRange(1, 100_000), help="How many.")
@json_option
@settings_options
def audit(
    settings: Settings, user: str | None, event: str | None, client_id: str | None, since: str, last: int,
    as_json: bool,
) -> None:  # fmt: skip
    """What was done, the newest first: sign-ins, grants, ends, changes, and what operators did.

    USER is an email or an id; that of somebody who was removed finds what is still told of them. Records are kept for
    audit.kept (400 days), those of operators for good. They name no password, code or token.
    """
    after = time.time() - parse_duration(since, name="--since").total_seconds()
    kind = AuditEvent(event) if event is not None else None

    async def work(issuer: Issuer) -> tuple[Sequence[Row], dict[str, str]]:
        # Of who was removed there is nothing but the id.
        of_user = (await one(issuer, user)).id if user is not None and "@" in user else user
        asked = newest(user_id=of_user, event=kind, client_id=client_id, since=after, count=last)
        rows = await issuer.db.read_apart(asked)
        emails: dict[str, str] = {}
        named = () if as_json else {row["user_id"] for row in rows if row["user_id"] is not None}
        for id in named:
            if (found := await issuer.services.accounts.kept(id)) is not None:
                emails[id] = found.email_shown
        return rows, emails

    rows, emails = with_issuer(settings, work)
    if as_json:
        show_json([as_dict(row) for row in rows])
    elif not rows:
        done(f"No such record in the last {since}.", then="admit audit --since 400d")
    else:
        show_table(
            ("WHEN", "EVENT", "OUTCOME", "USER", "CLIENT", "BY", "FROM", "DETAIL"),
            [
                (
                    when(row["at"]), row["event"], row["outcome"],
                    emails.get(row["user_id"], row["user_id"] or "-"), row["client_id"] or "-",
                    row["actor"] or "-", row["ip"] or "-", details(json.loads(row["detail"])),
                )
                for row in rows
            ],
        )  # fmt: skip


def details(detail: Mapping[str, Any]) -> str:
    """`change: password, ended: 4`."""
    return ", ".join(f"{name}: {value}" for name, value in detail.items()) or "-"


def as_dict(row: Row) -> dict[str, Any]:
    """A record for programs."""
    names = ("id", "event", "outcome", "user_id", "client_id", "session_id", "actor", "ip", "request_id")
    plain = {name: row[name] for name in names}
    return {"at": stamp(row["at"]), **plain, "detail": json.loads(row["detail"])}
