"""What a running issuer writes on standard error."""

import json
import logging
from collections.abc import Iterator

import pytest

from admit.cli import logs
from admit.issuer.app.config import LogConfig


@pytest.fixture
def root() -> Iterator[None]:
    """The logging of the whole process, put back afterwards."""
    before, level = logging.getLogger().handlers[:], logging.getLogger().level
    quiet = logging.getLogger("uvicorn.error").level
    yield
    logging.getLogger().handlers[:] = before
    logging.getLogger().setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(quiet)
    logging.getLogger("alembic").setLevel(logging.NOTSET)


CANARY = "hunter2-the-canary"


def fail_with(password: str) -> None:
    raise RuntimeError(f"{len(password)} characters")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("json_lines", [True, False])
def test_a_traceback_shows_where_and_no_local_value(
    json_lines: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(json_lines=json_lines)
    try:
        fail_with(CANARY)
    except RuntimeError:
        logging.getLogger("admit.issuer").exception("unexpected error", extra={"request_id": "r1"})
    written = capsys.readouterr().err
    assert "fail_with" in written
    assert "18 characters" in written
    assert CANARY not in written
    if json_lines:
        assert json.loads(written)["request_id"] == "r1"


@pytest.mark.usefixtures("root")
def test_a_line_of_json_stays_one_line_whatever_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json_lines=True)
    logging.getLogger("admit.issuer").warning("refused", extra={"code": "x", "detail": "two\nlines\x1b[31m"})
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["detail"] == "two\nlines\x1b[31m"
    assert "\x1b" not in line


FORGED = 'x\r\n{"event":"login.ok"}\x1b[2J\u2028\u0085end'


@pytest.mark.usefixtures("root")
@pytest.mark.threat("INF-log", off="admit.cli.logs:one_line")
def test_on_a_terminal_too_no_value_can_end_its_line_or_steer(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json_lines=False)
    logger = logging.getLogger("admit.issuer")
    logger.warning("refused %s", FORGED, extra={"code": FORGED, "detail": FORGED})
    try:
        raise RuntimeError(FORGED)
    except RuntimeError:
        logger.exception("unexpected error")
    written = capsys.readouterr().err
    assert "\x1b[2J" not in written
    assert not any(line.lstrip().startswith('{"event"') for line in written.splitlines())
    assert len(written.split("\n")[0].splitlines()) == 1


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("json_lines", [True, False])
@pytest.mark.threat("INF-log", off="admit.issuer.audit.redaction:redacted")
def test_no_credential_is_written_whoever_put_it_in(
    json_lines: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(json_lines=json_lines)
    token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1XzEifQ.c2lnbmF0dXJl"
    logger = logging.getLogger("somebody.else")
    logger.warning("asked %s", token, extra={"detail": f"Bearer {token}"})
    try:
        raise RuntimeError(f"bad {token}")
    except RuntimeError:
        logger.exception("failed")
    written = capsys.readouterr().err
    assert token not in written
    assert "RuntimeError" in written


@pytest.mark.usefixtures("root")
def test_only_named_fields_are_written_and_nothing_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogConfig(format="json", level="warning"))
    logger = logging.getLogger("admit.issuer")
    logger.info("not grave enough")
    logger.warning("told", extra={"request_id": "r1", "trace_id": None, "password": "hunter2"})
    [line] = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert set(told) == {"event", "level", "logger", "timestamp", "request_id"}


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(("level", "lines"), [("info", 0), ("debug", 1)])
def test_the_revisions_of_a_database_are_lines_only_where_everything_is(
    level: str, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(LogConfig(level=level, format="json"))
    logging.getLogger("alembic.runtime.migration").info("Running upgrade")
    assert len(capsys.readouterr().err.splitlines()) == lines
    logging.getLogger("alembic.runtime.migration").warning("something is wrong")
    assert "something is wrong" in capsys.readouterr().err
