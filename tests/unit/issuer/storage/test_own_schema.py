"""A PostgreSQL schema of its own, in a database that an application uses for itself."""

import asyncpg
import pytest

from admit.errors import ConfigError
from admit.issuer.audit import AuditEvent, record
from admit.issuer.storage import Database, Keyring, bound_once
from admit.issuer.storage.migrate import migrate

pytestmark = [pytest.mark.anyio, pytest.mark.soak]


async def test_the_search_path_of_the_url_names_the_schema_and_the_applications_tables_stay_its_own(
    postgres_dsn: str, keyring: Keyring
) -> None:
    own = await asyncpg.connect(postgres_dsn)
    try:
        # Names that are ours as well: neither is to see the other's.
        await own.execute("CREATE SCHEMA sso; CREATE TABLE session (id int); CREATE TABLE audit (id int)")
        url = f"{postgres_dsn}{'&' if '?' in postgres_dsn else '?'}search_path=sso"
        await migrate(url)
        db = Database.from_url(url, keyring)
        await db.open()
        try:
            await db.run(bound_once, record(AuditEvent.LOGOUT, now=1.0))
        finally:
            await db.close()
        assert await own.fetchval("SELECT count(*) FROM sso.audit") == 1
        assert await own.fetchval("SELECT count(*) FROM public.audit") == 0
        theirs = await own.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert {row["tablename"] for row in theirs} == {"session", "audit"}
        with pytest.raises(ConfigError):
            await Database.from_url(postgres_dsn, keyring).open()
    finally:
        await own.close()
