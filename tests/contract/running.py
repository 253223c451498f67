"""The applications that the suite asks: made once, and Alice signs in anew for each case."""

from collections.abc import Callable
from typing import Any

from tests.contract.adapter import Adapter, Service, Setting
from tests.contract.services import PAGES, Issuer


class Services:
    """One application for each integration, mode and set of options: Alice signs in anew for each case."""

    def __init__(self, run: Callable[[Any], Any]) -> None:
        self.run = run
        self.made: dict[tuple[str, str, str], tuple[Setting, Service]] = {}
        self.verified = 0

    def of(self, adapter: Adapter, mode: str, **more: Any) -> tuple[Setting, Service]:
        key = adapter.name, mode, repr(more)
        if key not in self.made:
            issuer = Issuer()
            self._count(issuer)
            sessions = {"sessions": issuer} if mode == "session" else {}
            setting = Setting(issuer, {**sessions, "origins": {PAGES}, "realm": "orders", **more}, self.run)
            self.made[key] = setting, adapter.build(setting)
        setting, service = self.made[key]
        setting.issuer.sign_in_anew()
        setting.reached.clear()
        self.verified = 0
        return setting, service

    def _count(self, issuer: Issuer) -> None:
        core = issuer.verifier.core
        inner = core.try_verify

        def counted(*args: Any, **more: Any) -> Any:
            self.verified += 1
            return inner(*args, **more)

        core.try_verify = counted  # type: ignore[method-assign]  # only in these tests' own verifiers
