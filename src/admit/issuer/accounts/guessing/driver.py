"""`Guesses`: counts tries of passwords before they are hashed."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.guessing import rules, transactions
from admit.issuer.accounts.guessing.records import Guesser
from admit.issuer.storage import Database
from admit.issuer.throttle.budgets import PORTIONS, Budget, SpentError, check, draw, peek, refund, share_spent

_REMEMBERED: Final = 4_096  # budgets of which this process knows that it told


class Guesses:
    """One for all nodes: what is counted is in the database."""

    def __init__(self, db: Database, config: AccountsConfig) -> None:
        self._db = db
        self._config = config
        self._everybody = rules.of_everybody(config)
        self._told: OrderedDict[str, float] = OrderedDict()

    async def draw(self, guesser: Guesser, *, now: float) -> Sequence[Budget]:
        """Count one try; what it was drawn from, for `give_back`.

        Raises:
            SpentError: too many; nothing was drawn.
        """
        budgets = rules.budgets(self._config, guesser)
        standing = await peek(self._db, [self._everybody.name, *(one.name for one in budgets)])
        spent = share_spent(self._everybody, standing.get(self._everybody.name), now=now)
        slowness = rules.slowness(spent)
        if slowness > 1 and guesser.is_stranger:
            budgets = rules.budgets(self._config, guesser, slowness=slowness)
        try:
            check(budgets, standing, now=now)
            await self._db.run(draw, budgets, now=now)
        except SpentError as error:
            await self._tell(guesser, error.budget, now)
            raise
        return budgets

    async def give_back(self, drawn: Sequence[Budget]) -> None:
        """The password was right, or nothing was hashed: only wrong ones count."""
        await self._db.run(refund, drawn)

    async def failed(self, guesser: Guesser, *, reason: str, now: float) -> None:
        """The password was wrong."""
        await self._db.run(transactions.failed, guesser, self._everybody, reason=reason, now=now)

    async def sweep(self, now: float) -> None:
        """Forget budgets that are whole again."""
        await PORTIONS.delete_all(self._db, before=now)

    async def _tell(self, guesser: Guesser, budget: str, now: float) -> None:
        # Remembered here as well, so that of a flood each try costs a read and no transaction.
        window = self._config.tries_window
        if 0 <= now - self._told.get(budget, float("-inf")) < window.total_seconds():
            return
        await self._db.run(transactions.tell_spent, guesser, budget, window=window, now=now)
        self._told[budget] = now
        self._told.move_to_end(budget)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
