"""What an operator is told of each answer: numbers, lines of the log, rows of the ring of refusals."""

import logging
import traceback
from collections.abc import Callable
from pathlib import PurePath
from typing import Final

from admit.errors import AdmitError
from admit.issuer.app.call import Call
from admit.issuer.app.counting import NO_ROUTE, Counts
from admit.issuer.audit.refusals import Refusal

log = logging.getLogger("admit.issuer")
access_log = logging.getLogger("admit.access")

_OURS: Final = f"{PurePath(__file__).parents[2].name}/"


class Observer:
    """`tell` takes a refusal for the ring, and must neither wait nor fail."""

    def __init__(self, counts: Counts, tell: Callable[[Refusal], None], *, access: bool = False) -> None:
        self.counts = counts
        self._tell = tell
        self._access = access

    def answered(self, call: Call, route: str | None, status: int, seconds: float | None) -> None:
        """An answer was made."""
        named = route if route is not None else NO_ROUTE
        method: str = call.scope["method"]
        self.counts.answered(named, method, status, seconds)
        if call.outcome:
            self.counts.sign_ins[call.outcome] += 1
        if call.refused is not None:
            self.refused(call, route, call.refused)
        if self._access:
            self._log(call, named, status, seconds)

    def answered_ready(self, route: str, seconds: float, call: Callable[[], Call]) -> None:
        """A GET was given what was made beforehand. `call` is made only where a line is written of it."""
        self.counts.answered(route, "GET", 200, seconds)
        if self._access:
            self._log(call(), route, 200, seconds)

    def _log(self, call: Call, named: str, status: int, seconds: float | None) -> None:
        access_log.info(
            "answered",
            extra={
                "request_id": call.request_id,
                "trace_id": call.trace_id,
                "method": call.scope["method"],
                "route": named,
                "status": status,
                "ms": round((seconds or 0.0) * 1000, 1),
                "ip": call.info.ip,
            },
        )

    def refused(
        self, call: Call, route: str | None, error: AdmitError, *, cause: BaseException | None = None
    ) -> None:
        """An error became an answer. `cause` is the trouble behind an error that tells nothing itself."""
        told = {"code": error.code, "request_id": call.request_id, "trace_id": call.trace_id}
        if cause is not None:
            log.error("unexpected error", exc_info=cause, extra=told)
        elif error.status >= 500:
            log.warning("refused", extra={**told, "detail": error.detail})
        else:
            log.info("refused", extra={**told, "detail": error.detail})
        self._tell(
            Refusal(
                request_id=call.request_id,
                at=call.now,
                status=error.status,
                code=error.code,
                kind=type(error if cause is None else cause).__name__,
                detail=error.detail if cause is None else place_of(cause),
                method=call.scope["method"],
                route=route or "",
                client_id=call.client_id,
                ip=call.info.ip,
                trace_id=call.trace_id,
            )
        )


def place_of(cause: BaseException) -> str:
    """Where it happened, in our own code. Not its message: that may hold what the request said."""
    frames = traceback.extract_tb(cause.__traceback__)
    ours = [frame for frame in frames if f"/{_OURS}" in frame.filename.replace("\\", "/")] or frames
    if not ours:
        return ""
    last = ours[-1]
    name = last.filename.replace("\\", "/").rpartition(f"/{_OURS}")[2]
    return f"in {last.name}, {name}:{last.lineno}"
