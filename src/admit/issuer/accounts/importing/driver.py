"""`Importer`: a file of accounts into the database."""

from collections.abc import Callable
from typing import BinaryIO, Final

from admit.issuer.accounts.driver import new_user_id
from admit.issuer.accounts.foreign import FirebaseProject
from admit.issuer.accounts.importing import transactions
from admit.issuer.accounts.importing.records import Batch, ImportedUser, Refused, Summary
from admit.issuer.accounts.importing.rows import read_row
from admit.issuer.accounts.importing.store import THERE
from admit.issuer.accounts.importing.tables import read_table
from admit.issuer.audit import RequestInfo
from admit.issuer.revocation.lists import Lists
from admit.issuer.storage import Database

AT_ONCE: Final = 200  # accounts in a transaction: it holds up other writers for some ten milliseconds


class Importer:
    """Reads a file once, from its start to its end, and holds one batch of it. `summary` tells what was done so far.

    Begun again after a crash it goes on: who is there is left alone. `update` changes them to what the file says.
    With `dry_run` everything is read and checked, and nothing written.
    """

    def __init__(
        self,
        db: Database,
        lists: Lists,
        *,
        update: bool = False,
        dry_run: bool = False,
        firebase: FirebaseProject | None = None,
    ) -> None:
        self._db = db
        self._lists = lists
        self._update = update
        self._dry_run = dry_run
        self._firebase = firebase
        self._seen: set[int] = set()  # addresses of a dry run, as hashes
        self.summary = Summary()

    async def run(
        self, stream: BinaryIO, *, tell: Callable[[Refused], None], info: RequestInfo, now: float
    ) -> Summary:
        """Import all of it. `tell` hears of each line that is refused, when it is.

        Raises:
            ConfigError: the file cannot be understood at all. StorageUnavailableError: batches before it are kept.
        """
        waiting: list[ImportedUser] = []
        for row in read_table(stream):
            read = (
                row
                if isinstance(row, Refused)
                else read_row(row, now=now, new_id=new_user_id, firebase=self._firebase)
            )
            if isinstance(read, Refused):
                self.summary.refused += 1
                tell(read)
                continue
            waiting.append(read)
            if len(waiting) == AT_ONCE:
                await self._write(waiting, tell, info, now)
                waiting = []
        if waiting:
            await self._write(waiting, tell, info, now)
        return self.summary

    async def _write(
        self, accounts: list[ImportedUser], tell: Callable[[Refused], None], info: RequestInfo, now: float
    ) -> None:
        if self._dry_run:
            batch = await self._foresee(accounts)
        else:
            batch = await self._db.run(
                transactions.write, self._lists, accounts, update=self._update, info=info, now=now
            )
        self.summary.add(batch)
        for one in batch.refused:
            tell(one)

    async def _foresee(self, accounts: list[ImportedUser]) -> Batch:
        emails = [one.user.email for one in accounts]
        there = {row["email"] for row in await self._db.read(THERE(emails=emails))}
        others = await self._db.run(transactions.strangers, emails) if self._update else frozenset()
        made = twice = without_password = 0
        refused: list[Refused] = []
        for one in accounts:
            mark = hash(one.user.email)
            if one.user.email in others:
                refused.append(Refused(one.line, transactions.STRANGERS))
            elif one.user.email in there or mark in self._seen:
                twice += 1
            else:
                self._seen.add(mark)
                made += 1
                without_password += one.password_hash is None
        counted = {"updated" if self._update else "skipped": twice}
        return Batch(made=made, without_password=without_password, refused=tuple(refused), **counted)
