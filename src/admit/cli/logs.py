"""Logs of a running issuer: JSON lines on standard error; on a terminal, lines that people read."""

import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structlog.types import Processor


def configure(*, json_lines: bool | None = None, level: int = logging.INFO) -> None:
    """Route the standard library's logging through structlog. Control characters leave escaped either way."""
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Deferred(lambda: formatter(as_json=as_json)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


class _Deferred(logging.Formatter):
    """Made for the first line: structlog takes a tenth of a start that may have nothing to say."""

    def __init__(self, make: Callable[[], logging.Formatter]) -> None:
        super().__init__()
        self._make = make
        self._made: logging.Formatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        made = self._made
        if made is None:
            made = self._made = self._make()
        return made.format(record)


def formatter(*, as_json: bool) -> logging.Formatter:
    """Log records as lines."""
    import structlog

    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=("request_id", "code", "detail", "job")),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Without the values of local variables: those of a sign-in are its password.
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )
    last: list[Processor] = (
        [tracebacks, structlog.processors.JSONRenderer(ensure_ascii=True)]
        if as_json
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
