"""The current snapshot of one issuer, and the one lock of those who replace it. Readers take none."""

import threading
from collections.abc import Callable

from admit.verifier import keys as key_rules
from admit.verifier.snapshot import Held, IssuerSnapshot, KeyView


class Holding:
    """Whoever changes something gives a rule from what is held NOW to what is held next; so no writer undoes another.

    Rules are short and do no I/O: answers are fetched first, and merged onto what others added meanwhile.
    """

    def __init__(self, snapshot: IssuerSnapshot) -> None:
        self.snapshot = snapshot
        self._writing = threading.Lock()

    def change_held(self, rule: Callable[[Held], Held]) -> Held:
        """Replace what is held of revocations; what the rule made."""
        with self._writing:
            old = self.snapshot
            held = rule(old.held)
            if held is not old.held:
                keys = old.keys
                if keys is not None and held.revoked_kids != old.held.revoked_kids:
                    keys = key_rules.without(keys, held.revoked_kids)
                self.snapshot = IssuerSnapshot(keys, held)
            return held

    def put_keys(self, view: KeyView) -> None:
        """Replace the keys, but for those that were revoked meanwhile."""
        with self._writing:
            held = self.snapshot.held
            self.snapshot = IssuerSnapshot(key_rules.without(view, held.revoked_kids), held)

    def put(self, snapshot: IssuerSnapshot) -> None:
        """Replace everything."""
        with self._writing:
            self.snapshot = snapshot

    def renew_lock(self) -> None:
        """For a forked child: the lock may have been held by a thread that does not exist there."""
        self._writing = threading.Lock()
