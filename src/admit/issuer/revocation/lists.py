"""The lists in use, and how an index becomes a position in one of them."""

from secrets import token_bytes

from admit.credentials.lookup import StatusRef
from admit.errors import UnavailableError
from admit.issuer.revocation import rules
from admit.issuer.revocation.permutation import SEED_BYTES, Permutation
from admit.issuer.revocation.store.lists import SELECT_LISTS, SELECT_SEEDS, SELECT_TOP, add_list, add_lists
from admit.issuer.storage import Database, Keyring, Steps
from admit.tokens.status_list import ENTRIES

_PURPOSE = "status-list-seed"


class Lists:
    """The permutations of all lists in use. Made once a process; `ensure` fills it."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._permutations: dict[int, Permutation] = {}

    def ref(self, idx: int) -> StatusRef:
        """Where the bit of an index stands.

        Raises:
            UnavailableError: its list was made a moment ago by another process. `ensure` or the next poll
            learns it.
        """
        permutation = self._permutations.get(rules.list_of(idx))
        if permutation is None:
            raise UnavailableError("the status list of this index is not known here yet")
        return StatusRef(rules.list_of(idx), permutation.forward(rules.low_of(idx)))

    def index(self, place: StatusRef) -> int | None:
        """The index whose bit stands there; None where no such list is held."""
        permutation = self._permutations.get(place.list)
        if permutation is None or not 0 <= place.position < ENTRIES:
            return None
        return rules.index_of(place.list, permutation.backward(place.position))

    def permutation(self, n: int) -> Permutation:
        """The permutation of list `n`. Raises KeyError where it is not held."""
        return self._permutations[n]

    def learn(self, n: int, sealed: bytes) -> None:
        """Hold the permutation of list `n`, whose sealed seed was read.

        Raises:
            SealError: the seed belongs to another key file, or to another list.
        """
        if n not in self._permutations:
            seed = self._keyring.open(_PURPOSE, sealed, bound_to=str(n))
            self._permutations[n] = Permutation(seed)

    def new_seed(self, n: int) -> bytes:
        """A fresh seed for list `n`, sealed."""
        return self._keyring.seal(_PURPOSE, token_bytes(SEED_BYTES), bound_to=str(n))

    def refs(self, indices: list[int], now: float) -> Steps[list[StatusRef]]:
        """The bits of many indices, inside a transaction. Seeds that are missing are read; dropped lists have none."""
        missing = {rules.list_of(idx) for idx in indices} - self._permutations.keys()
        dropped: set[int] = set()
        if missing:
            rows = yield SELECT_SEEDS(numbers=sorted(missing))
            if len(rows) < len(missing):
                # Cut off between a family and its list: an end must not be lost for it.
                for n in sorted(missing - {row["n"] for row in rows}):
                    yield from add_list(self, n, now=now)
                rows = yield SELECT_SEEDS(numbers=sorted(missing))
            for row in rows:
                if row["dropped_at"] is None:
                    self.learn(row["n"], row["seed_sealed"])
                else:
                    dropped.add(row["n"])
        return [self.ref(idx) for idx in indices if rules.list_of(idx) not in dropped]

    async def ensure(self, db: Database, now: float) -> None:
        """See that the list that is being filled and a spare one are there, and hold every list's permutation.

        Raises:
            StorageUnavailableError: the database was not reached.
            SealError: a seed belongs to another key file.
        """
        top = await db.one(SELECT_TOP())
        if top is None or rules.lists_needed(top["idx"], top["n"]):
            await db.run(add_lists, self, now=now)
        for row in await db.read(SELECT_LISTS()):
            self.learn(row["n"], row["seed_sealed"])
