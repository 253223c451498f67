"""What one statement becomes on each database."""

import pytest
from sqlalchemy import bindparam, select, update

from admit.issuer.storage import Statement, any_of, insert_or_ignore
from admit.issuer.storage.schema import meta
from admit.issuer.storage.statement import DialectName

BOTH = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])


def test_a_row_is_locked_for_share_where_the_database_has_row_locks() -> None:
    statement = Statement(select(meta.c.key).with_for_update(read=True))
    assert statement.compiled("postgresql").sql.endswith("FOR SHARE")
    assert "FOR" not in statement.compiled("sqlite").sql


@BOTH
def test_it_is_compiled_once(dialect: DialectName) -> None:
    statement = Statement(select(meta.c.key))
    assert statement.compiled(dialect) is statement.compiled(dialect)


@BOTH
def test_a_function_of_the_dialect_may_make_it(dialect: DialectName) -> None:
    seen: list[str] = []

    def source(name: DialectName) -> object:
        seen.append(name)
        return select(meta.c.key)

    Statement(source).compiled(dialect)  # type: ignore[arg-type]  # object for Executable
    assert seen == [dialect]


def test_fixed_values_stand_beside_given_ones() -> None:
    statement = Statement(
        update(meta).where(meta.c.key == bindparam("k"), meta.c.value.in_(["a", "b"])).values(value="z")
    )
    named = statement.compiled("sqlite").named({"k": "1"})
    assert sorted(named.values()) == ["1", "a", "b", "z"]
    compiled = statement.compiled("postgresql")
    assert sorted(compiled.positional({"k": "1"})) == ["1", "a", "b", "z"]
    assert compiled.sql.count("$") == 4


@BOTH
def test_ignoring_is_for_unique_keys_only(dialect: DialectName) -> None:
    sql = Statement(insert_or_ignore(meta).values(key=bindparam("key"))).compiled(dialect).sql
    assert "ON CONFLICT DO NOTHING" in sql
    assert "OR IGNORE" not in sql


def test_a_list_parameter_is_an_array_or_json() -> None:
    statement = Statement(select(meta.c.key).where(any_of(meta.c.key, "keys")))
    assert statement.compiled("sqlite").named({"keys": ["a", "b"]}) == {"keys": '["a", "b"]'}
    assert statement.compiled("postgresql").positional({"keys": ["a"]}) == [["a"]]
