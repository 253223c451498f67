"""The markers `rfc` and `threat`, and `--defences-off`.

    @pytest.mark.rfc("7636", "4.6")
    @pytest.mark.threat("9700-redirect", off="admit.issuer.oauth.redirect_uris:check_registered")

`off` names the defence, or several that must go together: a function, method or constant of `src` with a permissive
twin in `tests/twins`. With `--defences-off` each test runs once per marker that has one, its defences out, in this
process and in every child Python that inherits the environment; with `off_system` only in the children. That test must
then FAIL. It passes: reported as a failure. It breaks (TypeError and the like) or its fixtures do: a failure too, since
that shows nothing. The run ends with the ledger rows that were seen failing.
"""

import contextlib
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests.plugins import twins

SEEN = "threat seen failing"
HOOK = Path(__file__).parent / "child_hook"
ROOT = twins.TESTS.parent

# A test that dies of one of these broke; it did not notice that the defence is gone.
BROKEN = (TypeError, NameError, AttributeError, ImportError, SyntaxError, RecursionError, MemoryError)


@dataclass(frozen=True, slots=True)
class Threat:
    """One `threat` marker: a ledger row, and the defences whose absence the test must notice."""

    row: str
    off: tuple[str, ...] = ()
    off_system: tuple[str, ...] = ()

    @property
    def all_off(self) -> tuple[str, ...]:
        return self.off + self.off_system


def _names(value: str | Sequence[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def read_marker(
    row: str, *, off: str | Sequence[str] | None = None, off_system: str | Sequence[str] | None = None
) -> Threat:
    """The signature of `pytest.mark.threat`."""
    if not isinstance(row, str) or not row:
        raise pytest.UsageError("threat(row): row is an id of the ledger")
    return Threat(row, _names(off), _names(off_system))


def threats(item: pytest.Item) -> list[Threat]:
    """The threats of one test, nearest marker first."""
    return [read_marker(*mark.args, **mark.kwargs) for mark in item.iter_markers("threat")]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--defences-off",
        action="store_true",
        help="run the threat tests, each with its defence taken out, and require each to fail",
    )
    parser.addoption(
        "--one-case",
        action="store_true",
        help="with --defences-off: of a parametrised test the first case only",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--defences-off"):
        # What a test leaves open since its defence is out would be told of the test that comes after it.
        config.addinivalue_line("filterwarnings", "ignore::ResourceWarning")
    config.addinivalue_line("markers", "rfc(number, section): the test holds this section of an RFC")
    config.addinivalue_line(
        "markers", "threat(row, off=None, off_system=None): the test covers this row of the threat ledger"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("rfc"):
            if len(mark.args) != 2 or mark.kwargs or not all(isinstance(arg, str) for arg in mark.args):
                raise pytest.UsageError(f'{item.nodeid}: want rfc("7636", "4.6")')
        threats(item)
    if config.getoption("--defences-off"):
        chosen = [item for item in items if any(threat.all_off for threat in threats(item))]
        if config.getoption("--one-case"):
            chosen = first_cases(chosen)
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen


def first_cases(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Of each test function the case that comes first; of one whose cases have threats of their own, for each."""
    firsts: dict[tuple[str, tuple[Threat, ...]], pytest.Item] = {}
    for item in items:
        firsts.setdefault((item.nodeid.partition("[")[0], tuple(threats(item))), item)
    return list(firsts.values())


@contextlib.contextmanager
def _out(threat: Threat) -> Iterator[None]:
    """The threat's defences are out of this process, and of the children that start meanwhile."""
    for target in threat.all_off:
        twins.check(target)
    paths = [str(HOOK), str(ROOT), os.environ.get("PYTHONPATH", "")]
    with pytest.MonkeyPatch.context() as patch, twins.taken_out(threat.off):
        patch.setenv("TEST_DEFENCES_OFF", ",".join(threat.all_off))
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report: Any = yield
    if call.excinfo is not None:
        report.broke = isinstance(call.excinfo.value, BROKEN)
    return report


def _judge(reports: list[pytest.TestReport], threat: Threat) -> list[pytest.TestReport]:
    """Turn the outcome round: red is what we want to see, green is the failure."""
    red = [
        report
        for report in reports
        if report.failed and report.when in ("call", "teardown") and not getattr(report, "broke", False)
    ]
    names = ", ".join(threat.all_off)
    for report in reports:
        if report in red:
            report.outcome, report.longrepr = "passed", None
        elif report.failed:
            why = f"with {names} out this test broke instead of failing; let it assert, or mend the twin"
            report.sections.append((f"threat {threat.row}", why))
        if report.when == "call" and report.passed:
            if red:
                report.user_properties.append((SEEN, threat.row))
            elif not any(other.failed for other in reports):
                report.outcome = "failed"
                report.longrepr = f"threat {threat.row}: defence {names} is out, yet the test passes"
    return reports


def _twin_failure(item: pytest.Item, error: twins.TwinError) -> pytest.TestReport:
    return pytest.TestReport(
        item.nodeid, item.location, dict.fromkeys(item.keywords, 1), "failed", f"no run: {error}", "call"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if not item.config.getoption("--defences-off"):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for threat in threats(item):
        if not threat.all_off:
            continue
        try:
            with _out(threat):
                # Without a next item every fixture is torn down, so none made with a defence out reaches another test.
                reports = _judge(runtestprotocol(item, nextitem=None, log=False), threat)
        except twins.TwinError as error:
            reports = [_twin_failure(item, error)]
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not config.getoption("--defences-off"):
        return
    seen = {
        row
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, row in getattr(report, "user_properties", ())
        if name == SEEN
    }
    terminalreporter.section("ledger rows seen failing with their defence out")
    for row in sorted(seen):
        terminalreporter.line(f"  {row}")
    terminalreporter.line(f"{len(seen)} rows")
