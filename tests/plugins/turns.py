"""Which test file which worker reads first, and takes next.

Every worker reads every test file, and what pytest makes of one is kept beside it. In a fresh clone each would make all
of it, all at the same time: so each begins at another place, and finds what the others made.

Files that ask for the demo follow one another and go to one worker, which starts it, and ends it after the last of
them.

Files that start programs go apart from those that do not.

With `--dist loadfile` alone the files with few tests come last, which are those that start whole deployments: then all
workers do so at the same time, each keeps servers of its own, and one of them is left with the longest. Here half of
the workers take these files from the beginning, one after another, and the others the rest.
"""

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# By the beginning of their paths.
STARTS_PROGRAMS = ("tests/system/", "tests/races/test_over_http.py", "tests/unit/test_evidence.py")

# Given to one worker together, under the name of the first.
SHARE_THE_DEMO = (
    "tests/system/test_demo.py",
    "tests/system/test_demo_pages.py",
    "tests/system/test_examples.py",
    "tests/system/test_from_sign_in_to_sign_out.py",
)


def starts_programs(file: str) -> bool:
    """Whether most of the file's time is that of programs it started."""
    return file.startswith(STARTS_PROGRAMS)


def wants_demo(item: pytest.Item) -> bool:
    """Whether a test asks for the demo."""
    return "demo" in getattr(item, "fixturenames", ())


def pytest_configure(config: pytest.Config) -> None:
    worker = getattr(config, "workerinput", None)
    if worker is None or config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    left_out = [Path(path).resolve() for path in config.getoption("ignore") or ()]
    files = [
        str(file)
        for root in config.args
        for file in sorted((config.rootpath / root).rglob("test_*.py"))
        if not any(file.is_relative_to(path) for path in left_out)
    ]
    begin = int(worker["workerid"].removeprefix("gw")) * len(files) // worker["workercount"]
    config.args[:] = files[begin:] + files[:begin]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # all workers must tell of the same order
        demo = {item.path for item in items if wants_demo(item)}
        first = min(demo, default=None)
        items.sort(key=lambda item: (first if first and item.path in demo else item.path, item.path))


class Turns(LoadFileScheduling):
    """The next file for a worker is of the sort that too few others are at, as long as there is one."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return SHARE_THE_DEMO[0] if file in SHARE_THE_DEMO else file

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
