"""A process that uses a SQLite file under a limit and says in JSON what came of it: `limited_store.py LIMIT FILE KEYS`.

full              its files may not grow further for a while
as-nobody         it has nobody's rights
held              it keeps the file open, until its standard input ends
"""

import asyncio
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import text

from admit.errors import AdmitError
from admit.issuer.storage import Database, Keyring, Statement, bound_once

PUT = Statement(text("INSERT INTO meta VALUES (:key, :value)"))
COUNT = Statement(text("SELECT count(*) AS n FROM meta WHERE key LIKE 'n%'"))
NOBODY = 65_534


async def full(db: Database, path: Path) -> dict[str, Any]:
    """What is kept before, while and after there is no room."""
    await db.open()
    kept, refused = [], []

    async def put(key: str) -> None:
        try:
            await db.run(bound_once, PUT(key=key, value="x" * 3_000))
        except AdmitError as error:
            refused.append(type(error).__name__)
        else:
            kept.append(key)

    for n in range(5):
        await put(f"n{n}")
    most = Path(f"{path}-wal").stat().st_size + 20_000
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    await asyncio.gather(*(put(f"n{n}") for n in range(5, 40)))
    seen = len(await db.read(COUNT()))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    during = len(kept)
    await put("n99")
    count = (await db.read(COUNT()))[0]["n"]
    await db.close()
    return {
        "kept": sorted(kept), "during": during, "refused": sorted(set(refused)), "readable": seen, "count": count,
    }  # fmt: skip


async def main() -> None:
    """See the module."""
    limit, name, keys = sys.argv[1:]
    db = Database.from_url(f"sqlite:///{name}", Keyring.load(keys))
    if limit == "full":
        print(json.dumps(await full(db, Path(name))))
        return
    if limit == "as-nobody" and os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    try:
        await db.open()
        print(json.dumps({"open": True}), flush=True)
        if limit == "held":
            await asyncio.to_thread(sys.stdin.read)
        await db.close()
    except AdmitError as error:
        print(json.dumps({"error": type(error).__name__, "told": str(error)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
