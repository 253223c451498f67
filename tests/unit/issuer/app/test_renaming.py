"""A database belongs to the issuer that opened it first, and to another only when somebody says so."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from admit.cli import main
from admit.errors import ConfigError
from admit.issuer.app.renaming import rename
from admit.issuer.audit.store import audit
from admit.issuer.storage import Keyring, Statement
from admit.issuer.storage.identity import ISSUER as ROW
from admit.issuer.storage.identity import READ_META
from tests.fixtures.issuer import ISSUER, LiveIssuer, make_issuer, settings_for
from tests.fixtures.processes import FORGET_ISSUER, settings_toml

pytestmark = pytest.mark.anyio
OTHER = "http://localhost:8420"
TOLD = Statement(
    select(audit.c.event, audit.c.actor, audit.c.detail).where(audit.c.event == "issuer.renamed")
)


def issuer_of(url: str, keyring: Keyring, name: str) -> LiveIssuer:
    return make_issuer(replace(settings_for(url), issuer=name, client=(), resource=()), keyring)


async def owner(made: LiveIssuer) -> str:
    rows = await made.db.read(READ_META(key=ROW))
    return str(rows[0]["value"])


@pytest.mark.threat("INF-defaults", off="admit.issuer.storage.identity:check_owner")
async def test_another_issuer_starts_not_with_the_database_of_the_first_and_changes_nothing(
    database_url: str, keyring: Keyring
) -> None:
    async with issuer_of(database_url, keyring, ISSUER).lifespan():
        pass
    for opening in ("lifespan", "opened"):
        other = issuer_of(database_url, keyring, OTHER)
        with pytest.raises(ConfigError, match="set data to a folder of its own") as refused:
            async with getattr(other, opening)():
                pass
        assert ISSUER in str(refused.value)
        assert "admit issuer rename" in str(refused.value)
    again = issuer_of(database_url, keyring, ISSUER)
    async with again.lifespan():
        assert await owner(again) == ISSUER


async def test_of_two_that_start_at_once_on_an_empty_database_one_gets_it(
    postgresql_url: str, keyring: Keyring
) -> None:
    both = [issuer_of(postgresql_url, keyring, name) for name in (ISSUER, OTHER)]

    async def begin(made: LiveIssuer) -> str:
        async with made.opened():
            return await owner(made)

    got = await asyncio.gather(*map(begin, both), return_exceptions=True)
    assert {type(one) for one in got} == {str, ConfigError}


async def test_a_database_from_before_takes_the_name_that_it_is_started_with(
    furnished_sqlite: str, keyring: Keyring
) -> None:
    made = issuer_of(furnished_sqlite, keyring, ISSUER)
    await made.db.open()
    await made.db.write(FORGET_ISSUER())
    await made.db.close()
    now = issuer_of(furnished_sqlite, keyring, OTHER)
    async with now.lifespan():
        assert await owner(now) == OTHER


async def test_a_renamed_issuer_starts_under_the_new_name_only_and_the_trail_tells_it(
    database_url: str, keyring: Keyring
) -> None:
    async with issuer_of(database_url, keyring, ISSUER).opened():
        pass
    other = issuer_of(database_url, keyring, OTHER)
    async with other.opened(accept_other=True):
        assert await other.db.run(rename, OTHER, now=1.0) == ISSUER
        assert await other.db.run(rename, OTHER, now=2.0) == OTHER  # and told once
        told = await other.db.read(TOLD())
    assert [(row["actor"], json.loads(row["detail"])) for row in told] == [
        ("command line", {"was": ISSUER, "is": OTHER})
    ]
    async with issuer_of(database_url, keyring, OTHER).opened():
        pass
    with pytest.raises(ConfigError, match="that of the issuer"):
        async with issuer_of(database_url, keyring, ISSUER).opened():
            pass


def test_the_command_renames_says_so_and_says_when_there_is_nothing_to_do(
    tmp_path: Path, sqlite_url: str, key_file: Path
) -> None:
    def admit(name: str, *arguments: str) -> str:
        config = tmp_path / "admit.toml"
        config.write_text(
            settings_toml(
                issuer=name, dev=True, database=sqlite_url, clients=(), resources=(),
                tables={"keys": {"file": str(key_file)}},
            )
        )  # fmt: skip
        done = CliRunner().invoke(main, [*arguments, "--config", str(config)])
        return f"{done.exit_code} {done.output}"

    assert admit(ISSUER, "user", "list").startswith("0 ")
    refused = admit(OTHER, "user", "list")
    assert refused.startswith(
        f"2 admit: this database is that of the issuer {ISSUER}, and the settings name {OTHER}"
    )
    looked = admit(OTHER, "doctor")
    assert f"it is that of the issuer {ISSUER}" in looked
    assert f"This is the database of {OTHER} now, and was that of {ISSUER}." in admit(
        OTHER, "issuer", "rename"
    )
    assert json.loads(admit(OTHER, "issuer", "rename", "--json").removeprefix("0 ")) == {
        "issuer": OTHER, "was": OTHER,
    }  # fmt: skip
    assert f"It is the database of {OTHER} already." in admit(OTHER, "issuer", "rename")
    assert admit(OTHER, "user", "list").startswith("0 ")
