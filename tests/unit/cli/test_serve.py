"""`admit migrate`, which SQLite does not need."""

from collections.abc import Callable

from click.testing import Result

Admit = Callable[..., Result]


def test_sqlite_has_nothing_to_migrate(admit: Admit) -> None:
    done = admit("migrate")
    assert done.exit_code == 0, done.stderr
    assert "nothing to do" in done.stdout
