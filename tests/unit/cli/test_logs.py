"""What a running issuer writes on standard error."""

import json
import logging
from collections.abc import Iterator

import pytest

from admit.cli import logs


@pytest.fixture
def root() -> Iterator[None]:
    """The logging of the whole process, put back afterwards."""
    before, level = logging.getLogger().handlers[:], logging.getLogger().level
    quiet = logging.getLogger("uvicorn.error").level
    yield
    logging.getLogger().handlers[:] = before
    logging.getLogger().setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(quiet)


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
