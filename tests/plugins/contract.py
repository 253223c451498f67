"""At the end of a run the table of `tests/contract`: what every integration was held to, by session and by token."""

from typing import Any

import pytest

PROPERTY = "contract"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.getoption("--defences-off"):
        return
    told = [
        (*value, report.outcome == "passed")
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in getattr(report, "user_properties", ())
        if name == PROPERTY
    ]
    if told:
        from tests.contract import table  # a run without the suite needs none of its frameworks

        terminalreporter.section("integrations and what they are held to")
        for line in table.logged(told):
            terminalreporter.line(line)
