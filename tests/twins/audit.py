"""Without records of what happened."""

from typing import Any

from sqlalchemy import literal, select

from admit.issuer.storage import Bound, Statement

_NOTHING = Statement(select(literal(1)))


def _keep_quiet(*args: Any, **kwargs: Any) -> Bound:
    return _NOTHING()


def _everything(config: Any, now: float) -> float:
    return now


TWINS: dict[str, Any] = {
    "admit.issuer.audit.store:record": _keep_quiet,
    "admit.issuer.audit.rules:forgotten_before": _everything,
}
