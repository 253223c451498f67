"""What this process knows of ends, for whoever holds something that may have been ended meanwhile."""

from admit.errors import RevokedError, UnavailableError
from admit.issuer.revocation import Lists
from admit.verifier import InProcessSource, freshness


class KnownEnds:
    """The in-process verifier's bits, asked by index."""

    def __init__(self, source: InProcessSource, lists: Lists) -> None:
        self._source = source
        self._lists = lists

    def age(self, idx: int) -> float | None:
        """How many seconds ago it was known that this family was not ended. None: it was, or it cannot be told."""
        held = self._source.snapshot.held
        if held.fresh_at is None or held.went_back:
            return None
        try:
            n, position = self._lists.ref(idx)
            if n not in held.bitmaps:
                return None
            freshness.check_bit(held, n, position)
        except (RevokedError, UnavailableError):
            return None
        return self._source.now() - held.fresh_at
