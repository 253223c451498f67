"""6819-4.3.2: no statement is put together from pieces of text; values travel as parameters only."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import admit

SOURCE = Path(admit.__file__).parent
SQL = re.compile(
    r"^\s*(select\s.+\sfrom|insert\s+into|update\s+\S+\s+set|delete\s+from|with\s+\S+\s+as\s*\(|drop\s+table|alter\s+table)\b",
    re.IGNORECASE | re.DOTALL,
)


def pieces(node: ast.AST) -> Iterator[str]:
    """The constant text of a string that is made at run time: f-strings, %, + and format."""
    if isinstance(node, ast.JoinedStr) and not all(map(is_constant, node.values)):
        yield "".join(
            part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "?"
            for part in node.values
        )
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
        for side in (node.left, node.right):
            if isinstance(side, ast.Constant) and isinstance(side.value, str):
                yield side.value
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "format"
        and isinstance(node.func.value, ast.Constant)
        and isinstance(node.func.value.value, str)
    ):
        yield node.func.value.value


def is_constant(part: ast.expr) -> bool:
    """Text, or the name of a constant of ours."""
    if isinstance(part, ast.FormattedValue):
        return isinstance(part.value, ast.Name) and part.value.id.isupper()
    return isinstance(part, ast.Constant)


def put_together(source: str) -> list[int]:
    """The lines on which a statement is put together."""
    return [
        getattr(node, "lineno", 0)
        for node in ast.walk(ast.parse(source))
        for text in pieces(node)
        if SQL.search(text)
    ]


@pytest.mark.threat("6819-4.3.2")
def test_no_statement_of_ours_is_put_together_from_text() -> None:
    found = {
        f"{path.relative_to(SOURCE)}:{line}"
        for path in SOURCE.rglob("*.py")
        for line in put_together(path.read_text("utf-8"))
    }
    assert found == set()


@pytest.mark.parametrize(
    "bad",
    [
        'q = f"SELECT * FROM user_account WHERE email = \'{email}\'"', 'q = "DELETE FROM node WHERE id = %s" % node',
        'q = "INSERT INTO audit VALUES (" + value + ")"', 'q = "UPDATE {} SET a = 1".format(table)',
        'q = f"""\n  with h as (select {n}) select 1"""',
    ],
)  # fmt: skip
def test_the_rule_sees_each_way_of_doing_it(bad: str) -> None:
    assert put_together(bad)
    assert not put_together('q = "SELECT id FROM node WHERE id = :id"')
