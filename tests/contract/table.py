"""The table of the suite: a row a behaviour, a column an integration. In the test log, and `docs/integrations.md`."""

from collections.abc import Iterable, Mapping

from tests.contract.adapter import Adapter
from tests.contract.case import MODES, Case
from tests.contract.cases import CASES

PROPERTY = "contract"
"""Under this name a test says which integration, mode and row it was for."""

HELD = {("session", "token"): "both", ("session",): "session", ("token",): "token", (): "—"}


def held(adapter: Adapter, row: str, cases: Iterable[Case]) -> str:
    """In which modes the suite holds an integration to a row."""
    there = {mode for case in cases if case.row == row for mode in case.by if adapter.has(case, mode)}
    return HELD[tuple(mode for mode in MODES if mode in there)]


def rows(cases: Iterable[Case]) -> list[str]:
    """The rows in the order of the list."""
    return list(dict.fromkeys(case.row for case in cases))


def logged(told: Iterable[tuple[str, str, str, bool]]) -> list[str]:
    """What was run, as text: integration, mode, row and whether it passed. A row that failed says so."""
    cells: dict[str, dict[str, dict[str, bool]]] = {row: {} for row in rows(CASES)}
    names: dict[str, None] = {}
    for name, mode, row, passed in told:
        names[name] = None
        modes = cells[row].setdefault(name, {})
        modes[mode] = modes.get(mode, True) and passed
    columns = sorted(names)
    widths = [max(8, len(name)) for name in columns]
    lines = [
        f"{'':20}" + "".join(f"{name:>{width + 2}}" for name, width in zip(columns, widths, strict=True))
    ]
    for row, by_name in cells.items():
        shown = (_cell(by_name.get(name, {})) for name in columns)
        lines.append(
            f"{row:20}" + "".join(f"{cell:>{width + 2}}" for cell, width in zip(shown, widths, strict=True))
        )
    return lines


def _cell(modes: Mapping[str, bool]) -> str:
    if not all(modes.values()):
        return "FAILED"
    return HELD[tuple(mode for mode in MODES if mode in modes)]
