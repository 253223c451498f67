"""Without records of what happened."""

from typing import Any

from sqlalchemy import literal, select

from admit.issuer.storage import Bound, Statement

_NOTHING = Statement(select(literal(1)))


def _keep_quiet(*args: Any, **kwargs: Any) -> Bound:
    return _NOTHING()


TWINS: dict[str, Any] = {"admit.issuer.audit.store:record": _keep_quiet}
