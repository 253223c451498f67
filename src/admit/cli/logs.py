"""Logs of a running issuer: JSON lines on standard error; on a terminal, lines that people read.

Every line goes through `clean`, which blanks credentials and escapes what could end a line or steer a terminal.
"""

import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from admit.issuer.audit.redaction import redacted_value

if TYPE_CHECKING:
    from structlog.types import EventDict, Processor

    from admit.issuer.app.config import LogConfig

FIELDS: Final = (
    "request_id", "trace_id", "code", "detail", "job", "method", "route", "status", "ms", "ip",
)  # fmt: skip
"""What a line may carry beside its event; anything else that a library attaches is left out."""


def configure(
    config: "LogConfig | None" = None, *, json_lines: bool | None = None, level: int = logging.INFO
) -> None:
    """Route the standard library's logging through structlog. Control characters leave escaped either way."""
    if config is not None:
        json_lines = {"json": True, "text": False}.get(config.format, json_lines)
        level = logging.getLevelNamesMapping()[config.level.upper()]
    as_json = not sys.stderr.isatty() if json_lines is None else json_lines
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Deferred(lambda: formatter(as_json=as_json)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in (
        "uvicorn.error",
        "alembic",
    ):  # each revision of a new database is a line, and news to nobody
        logging.getLogger(noisy).setLevel(logging.WARNING if level > logging.DEBUG else logging.NOTSET)


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
        structlog.stdlib.ExtraAdder(allow=FIELDS),
        _without_nothing,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Without the values of local variables: those of a sign-in are its password.
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )
    last: list[Processor] = (
        [tracebacks, clean, structlog.processors.JSONRenderer(ensure_ascii=True)]
        if as_json
        else [structlog.processors.format_exc_info, clean, _one_line, _renderer(structlog)]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def _renderer(structlog: Any) -> "Processor":
    made: Processor = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return made


def _without_nothing(_: Any, __: str, event: "EventDict") -> "EventDict":
    return {name: value for name, value in event.items() if value is not None}


def clean(_: Any, __: str, event: "EventDict") -> "EventDict":
    """No credential in any text of a line."""
    made: EventDict = redacted_value(event)
    return made


def one_line(text: str) -> str:
    """What could end a line or steer a terminal, escaped as JSON does."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def _one_line(_: Any, __: str, event: "EventDict") -> "EventDict":
    """For people: each text on one line; a traceback's lines are set in, so that none of them looks like a record."""
    return {
        name: "\n".join("  | " + one_line(line) for line in value.split("\n"))
        if name == "exception" and isinstance(value, str)
        else one_line(value)
        if isinstance(value, str)
        else value
        for name, value in event.items()
    }
