"""Without what keeps an older, foreign, replaced or careless database from being served."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from admit.issuer.app.went_back import Known
from admit.issuer.storage import Row, Steps
from admit.issuer.storage.mark import Mark


def _check_not_lost(path: Path) -> None:
    return None


def _check_forward(path: Path, kept: Mark, found: Mark) -> None:
    return None


def _check_in_place(path: Path, place: tuple[int, int]) -> None:
    return None


def _check_flushed(synchronous: int, path: Path) -> None:
    return None


def _check_commits(settings: Row) -> None:
    return None


def _check_pages(connection: sqlite3.Connection, path: Path) -> None:
    return None


def _check_is_no_backup(rows: Sequence[Row]) -> None:
    return None


def _spend_all(*, now: float) -> Steps[None]:
    yield from ()


def _catch_up(known: Known) -> Steps[None]:
    yield from ()


def _distrust_keys(*, now: float) -> Steps[None]:
    yield from ()


TWINS: dict[str, Any] = {
    "admit.issuer.storage.mark:check_not_lost": _check_not_lost,
    "admit.issuer.storage.mark:check_forward": _check_forward,
    "admit.issuer.storage.sqlite_file:check_in_place": _check_in_place,
    "admit.issuer.storage.durable:check_flushed": _check_flushed,
    "admit.issuer.storage.durable:check_commits": _check_commits,
    "admit.issuer.storage.sqlite_copy:check_pages": _check_pages,
    "admit.issuer.storage.identity:check_is_no_backup": _check_is_no_backup,
    "admit.issuer.app.went_back:spend_all": _spend_all,
    "admit.issuer.app.went_back:catch_up": _catch_up,
    "admit.issuer.app.went_back:distrust_keys": _distrust_keys,
}
