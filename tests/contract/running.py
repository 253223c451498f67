"""The applications that the suite asks: made once, and Alice signs in anew for each case."""

from collections.abc import Callable
from typing import Any

from admit.principal import Principal
from tests.contract.adapter import Adapter, Service, Setting
from tests.contract.services import PAGES, Issuer


class Services:
    """One application for each integration, mode and set of options: Alice signs in anew for each case."""

    def __init__(self, run: Callable[[Any], Any]) -> None:
        self.run = run
        self.made: dict[tuple[str, str, str], tuple[Setting, Service]] = {}
        self.verified = 0

    def of(
        self, adapter: Adapter, mode: str, *, waived: tuple[str, ...] = (), **more: Any
    ) -> tuple[Setting, Service]:
        key = adapter.name, mode, repr((waived, more))
        if key not in self.made:
            issuer = Issuer()
            self._count(issuer)
            sessions = {"sessions": issuer} if mode == "session" else {}
            options = {**sessions, "origins": {PAGES}, "realm": "orders", **more}
            setting = Setting(issuer, options, self.run, waived)
            self.made[key] = setting, adapter.build(setting)
        setting, service = self.made[key]
        setting.issuer.sign_in_anew()
        setting.reached.clear()
        self.verified = 0
        return setting, service

    def _count(self, issuer: Issuer) -> None:
        """Each token is verified at one look (`read_new`), or else by every rule (`settle`)."""
        verifier, core = issuer.verifier, issuer.verifier.core
        at_one_look, by_rules = core.read_new, core.settle

        def read_new(token: bytes, key: bytes, wall: float) -> Principal | None:
            found = at_one_look(token, key, wall)
            self.verified += found is not None
            return found

        def settle(*args: Any, **more: Any) -> Any:
            self.verified += 1
            return by_rules(*args, **more)

        core.read_new = read_new  # type: ignore[method-assign]  # only in these tests' own verifiers
        verifier.read_new = read_new
        core.settle = settle  # type: ignore[method-assign]  # as above
