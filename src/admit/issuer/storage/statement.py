"""Statements that are compiled once a dialect, and the steps that a transaction is written in.

A transaction is a generator: it yields bound statements, is sent their rows, and returns its value. It holds no
connection and awaits nothing, so the same source runs in SQLite's writer thread and on PostgreSQL, and can be started
again from the beginning.
"""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar, cast

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Table, Text, TypeDecorator, bindparam
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.functions import FunctionElement

DialectName: TypeAlias = Literal["sqlite", "postgresql"]
Source: TypeAlias = Executable | Callable[[DialectName], Executable]
T = TypeVar("T")


class Row(Protocol):
    """One row of an answer: sqlite3.Row or asyncpg.Record."""

    def __getitem__(self, key: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Compiled:
    """The SQL text of one dialect and how its parameters are put in order."""

    sql: str
    names: tuple[str, ...]  # PostgreSQL: the order of $1, $2 …
    required: frozenset[str]
    fixed: Mapping[str, Any]  # values that the statement itself carries
    lists: tuple[str, ...]  # parameters that SQLite takes as JSON

    def named(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Parameters for `:name` places. Raises TypeError when one is missing or unknown."""
        if params.keys() != self.required:
            self._complain(params)
        if not self.fixed and not self.lists:
            return params
        named = {**self.fixed, **params}
        for name in self.lists:
            named[name] = json.dumps(list(named[name]))
        return named

    def positional(self, params: Mapping[str, Any]) -> list[Any]:
        """Parameters for `$1` places. Raises TypeError when one is missing or unknown."""
        if params.keys() != self.required:
            self._complain(params)
        if not self.fixed:
            return [params[name] for name in self.names]
        return [params[name] if name in params else self.fixed[name] for name in self.names]

    def _complain(self, params: Mapping[str, Any]) -> None:
        missing = sorted(self.required - params.keys())
        unknown = sorted(params.keys() - self.required - self.fixed.keys())
        if missing or unknown:
            raise TypeError(f"statement parameters: missing {missing}, unknown {unknown}")


def _dialect(name: DialectName) -> Dialect:
    # Imported when first compiled: a process needs one of the two.
    if name == "sqlite":
        from sqlalchemy.dialects.sqlite import base

        return base.SQLiteDialect(paramstyle="named")
    from sqlalchemy.dialects.postgresql import asyncpg

    return cast(Dialect, asyncpg.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no types


_DIALECTS: Final[dict[DialectName, Dialect]] = {}


def _compile(source: Executable, name: DialectName) -> Compiled:
    dialect = _DIALECTS.get(name) or _DIALECTS.setdefault(name, _dialect(name))
    compiled = cast(SQLCompiler, cast(ClauseElement, source).compile(dialect=dialect))
    given = compiled.construct_params(_check=False)
    binds = {compiled.bind_names[bind]: bind for bind in compiled.bind_names}
    required = frozenset(key for key, bind in binds.items() if bind.required)
    # Literal IN lists are spread out now; a list that varies goes through `any_of`.
    state = compiled.construct_expanded_state({**given, **dict.fromkeys(required)})
    return Compiled(
        sql=state.statement,
        names=tuple(state.positiontup or ()),
        required=required,
        fixed={key: value for key, value in state.parameters.items() if key not in required},
        lists=tuple(
            key for key, bind in binds.items() if name == "sqlite" and isinstance(bind.type, _ListOf)
        ),
    )


class Statement:
    """A SQLAlchemy Core statement, or a function of the dialect's name that makes one. Calling it binds parameters."""

    __slots__ = ("_compiled", "_source")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._compiled: dict[DialectName, Compiled] = {}

    def __call__(self, **params: Any) -> "Bound":
        return Bound(self, params)

    def compiled(self, dialect: DialectName) -> Compiled:
        """The statement for one dialect, compiled at the first use."""
        try:
            return self._compiled[dialect]
        except KeyError:
            source = self._source
            if not isinstance(source, ClauseElement):
                source = cast(Callable[[DialectName], Executable], source)(dialect)
            return self._compiled.setdefault(dialect, _compile(source, dialect))


@dataclass(frozen=True, slots=True)
class Bound:
    """A statement with its parameters; yield it from a transaction, or hand it to `Database.read`."""

    statement: Statement
    params: Mapping[str, Any]

    def __repr__(self) -> str:
        return "Bound(...)"  # parameters may be secrets


@dataclass(frozen=True, slots=True)
class Many:
    """One statement executed for each set of parameters. Its rows are not collected."""

    statement: Statement
    params: Sequence[Mapping[str, Any]]

    def __repr__(self) -> str:
        return "Many(...)"


@dataclass(frozen=True, slots=True)
class Publish:
    """Yielded by a transaction that changed status bits: it then ends with the head's constant message.

    `ended` are indices of families that it ended, for who has to know before the end is acknowledged.
    """

    ended: Sequence[int] = ()


PUBLISH: Final = Publish()


@dataclass(frozen=True, slots=True)
class Long:
    """Yielded by a transaction that may touch a million rows: from here on each statement may take long.

    Yielded again, it lets others of this process have their turn.
    """


LONG: Final = Long()


@dataclass(frozen=True, slots=True)
class Unless:
    """`first`, and where it finds no row, each of `then`; the rows are those of `first`.

    PostgreSQL takes `folded` instead, where there is one: a single statement that does all of it in one round trip.
    """

    first: Bound
    then: Sequence[Bound]
    folded: Bound | None = None


Step: TypeAlias = Bound | Many | Publish | Long | Unless
Steps: TypeAlias = Generator[Step, Sequence[Row], T]


def insert_or_ignore(table: Table) -> postgresql.Insert:
    """An INSERT that does nothing where a unique key is taken; add `.values(...)`, and RETURNING to learn which."""
    return postgresql.insert(table).on_conflict_do_nothing()


def upsert(table: Table) -> postgresql.Insert:
    """An INSERT that takes `.on_conflict_do_update(...)`; both databases understand the same text."""
    return postgresql.insert(table)


class tx_id(FunctionElement[int]):  # noqa: N801  # read as a function in statements
    """The number that ties a transaction's `status_change` rows to its `status_batch` row.

    PostgreSQL: the transaction's own id. SQLite has one writer at a time, so the head's next number is free of doubt.
    """

    type = BigInteger()
    inherit_cache = True


@compiles(tx_id, "postgresql")
def _tx_id_postgresql(element: tx_id, compiler: SQLCompiler, **kw: Any) -> str:
    return "pg_current_xact_id()::text::bigint"


@compiles(tx_id, "sqlite")
def _tx_id_sqlite(element: tx_id, compiler: SQLCompiler, **kw: Any) -> str:
    return "(SELECT seq + 1 FROM status_head)"


class _ListOf(TypeDecorator[Sequence[Any]]):
    """A list parameter: an array on PostgreSQL, JSON text on SQLite."""

    impl = ARRAY
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return Text() if dialect.name == "sqlite" else ARRAY(self.item)

    def __init__(self, item: Any) -> None:
        super().__init__(item)
        self.item = item


def list_of(name: str, item: Any) -> Any:
    """The list parameter `name`, with items of this type: an array on PostgreSQL, JSON text on SQLite."""
    return bindparam(name, type_=_ListOf(item))


class any_of(ColumnElement[bool]):  # noqa: N801  # read as a function in statements
    """`column` is one of the list parameter `name`. Not for bytes: JSON carries none."""

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.values = bindparam(name, type_=_ListOf(column.type))


@compiles(any_of, "postgresql")
def _any_of_postgresql(element: any_of, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{compiler.process(element.column, **kw)} = ANY ({compiler.process(element.values, **kw)})"


@compiles(any_of, "sqlite")
def _any_of_sqlite(element: any_of, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = compiler.process(element.column, **kw), compiler.process(element.values, **kw)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608  # both parts are compiled SQL
