"""What has to be done of an end beside the database, before whoever asked for the end hears that it is done."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from admit.issuer.storage.statement import Bound, Publish, Row, Steps

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EndListener:
    """`look` makes, of the indices of families that a transaction ended, what that transaction reads of them. `tell` is
    awaited with the rows after COMMIT; it must not raise, since the end is there.
    """

    look: Callable[[Sequence[int]], Bound]
    tell: Callable[[Sequence[Row]], Awaitable[None]]


class ListenedTransaction(Generic[T]):
    """One transaction, whose ends the listeners hear of."""

    def __init__(self, listeners: Sequence[EndListener], job: Callable[[], Steps[T]]) -> None:
        self._listeners = listeners
        self._job = job
        self._found: list[tuple[EndListener, Sequence[Row]]] = []

    def start(self) -> Steps[T]:
        """The steps, and what is read of each end in between. May be called again: then all begins anew."""
        found = self._found = []
        steps = self._job()
        try:
            step = next(steps)
            while True:
                rows = yield step
                if isinstance(step, Publish) and step.ended:
                    for listener in self._listeners:
                        seen = yield listener.look(step.ended)
                        found.append((listener, seen))
                step = steps.send(rows)
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            steps.close()

    async def tell(self) -> None:
        """After COMMIT."""
        for listener, rows in self._found:
            if rows:
                await listener.tell(rows)
