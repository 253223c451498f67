"""Which test file which worker takes next: those that start programs apart from those that do not.

With `--dist loadfile` alone the files with few tests come last, which are those that start whole deployments: then all
workers do so at the same time, each keeps servers of its own, and one of them is left with the longest. Here half of
the workers take these files from the beginning, one after another, and the others the rest.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# By the beginning of their paths.
STARTS_PROGRAMS = ("tests/system/", "tests/races/test_over_http.py", "tests/unit/test_evidence.py")


def starts_programs(file: str) -> bool:
    """Whether most of the file's time is that of programs it started."""
    return file.startswith(STARTS_PROGRAMS)


class Turns(LoadFileScheduling):
    """The next file for a worker is of the sort that too few others are at, as long as there is one."""

    def _assign_work_unit(self, node: Any) -> None:
        others = [units for other, units in self.assigned_work.items() if other is not node]
        at_it = sum(any(starts_programs(file) for file in _left(units)) for units in others)
        wanted = at_it < max(1, len(self.nodes) // 2)
        file = next((file for file in self.workqueue if starts_programs(file) == wanted), None)
        if file is not None:
            self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)


def _left(units: Any) -> list[str]:
    """The files of which a worker has not done every test."""
    return [file for file, tests in units.items() if not all(tests.values())]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Turns | None:
    return Turns(config, log) if config.getoption("dist") == "loadfile" else None
