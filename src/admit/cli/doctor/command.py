"""`admit doctor`."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import click

from admit.cli.doctor import database, files, running, tls
from admit.cli.doctor import settings as settings_checks
from admit.cli.doctor.findings import Finding, Severity, as_dict, show
from admit.cli.output import REFUSED, json_option, show_json
from admit.cli.settings import settings_options
from admit.issuer import Settings
from admit.issuer.app.settings import FILE


@click.command()
@click.option("--offline", is_flag=True, help="Do not ask the running issuer through its public URL.")
@click.option(
    "--ca-file",
    type=click.Path(dir_okay=False),
    help="Authorities to trust, beside the system's, at that URL.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too, not only for errors.")
@json_option
@settings_options
def doctor(settings: Settings, offline: bool, ca_file: str | None, strict: bool, as_json: bool) -> None:
    """What is wrong with this deployment, why it matters, how to mend it.

    Run it with the settings that the issuer runs with, on its machine and as its user. It changes nothing. While the
    issuer runs it is asked through its public URL how a request reaches it; that question proves that it comes from
    somebody who has the key file.

    Exit codes: 0 nothing is wrong, 1 something is, 2 the settings cannot be read.
    """
    named = click.get_current_context().params.get("config") or os.environ.get("ADMIT_CONFIG") or FILE
    config = Path(named)
    found = asyncio.run(
        _all(
            findings_of(
                settings, config=config if config.exists() else None, offline=offline, ca_file=ca_file
            )
        )
    )
    if as_json:
        show_json([as_dict(one) for one in found])
    else:
        show(found)
    bad = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    if any(one.severity in bad for one in found):
        raise SystemExit(REFUSED)


async def _all(some: AsyncIterator[Finding]) -> list[Finding]:
    return [one async for one in some]


async def findings_of(
    settings: Settings,
    *,
    config: Path | None = None,
    offline: bool = False,
    ca_file: str | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Finding]:
    """Every finding about a deployment. `config` is the settings file, for its permissions."""
    for one in (
        *settings_checks.findings(settings),
        *files.findings(settings, config),
        *tls.findings(settings, now=clock()),
    ):
        yield one
    async for one in database.findings(settings, clock=clock):
        yield one
    if not offline:
        async for one in running.findings(settings, ca_file=ca_file, clock=clock):
            yield one
        async for one in tls.served(settings, ca_file=ca_file, clock=clock):
            yield one
