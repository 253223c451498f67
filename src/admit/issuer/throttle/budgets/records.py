"""What a budget is, and that it is spent."""

from dataclasses import dataclass

from admit.errors import ThrottledError


@dataclass(frozen=True, slots=True)
class Budget:
    """`limit` tries at once; what is spent comes back evenly, all of it within `span` seconds.

    `weight`: how many tries one try counts as, at most the whole budget.
    """

    name: str
    limit: int
    span: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.limit < 1 or self.span <= 0 or self.weight <= 0:
            raise ValueError("a budget wants a positive limit, span and weight")

    @property
    def cost(self) -> float:
        """What one try takes, in seconds of the span."""
        return min(self.weight / self.limit, 1.0) * self.span


class SpentError(ThrottledError):
    """A budget has no try left. `budget` is its name."""

    def __init__(self, budget: str, *, retry_after: float) -> None:
        super().__init__(f"the budget {budget.partition(':')[0]} is spent", retry_after=retry_after)
        self.budget = budget
