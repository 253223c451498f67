"""Who may try a password, and how often: counted before anything is hashed, for all nodes together.

`records` who tries · `rules` which budgets a try is drawn from (pure) · `transactions` · `driver` the class `Guesses`
"""

from admit.issuer.accounts.guessing.driver import Guesses
from admit.issuer.accounts.guessing.records import Guesser

__all__ = ["Guesser", "Guesses"]
