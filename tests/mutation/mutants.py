"""Small wrongs put into a module, one at a time: a comparison turned, a check left out, a bound moved by one."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Mod: ast.Mult,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one wrong in it. `name` tells place and wrong without a line number, so that it lasts."""

    module: str
    name: str
    line: int
    tree: ast.Module


def names(module: str, source: str, functions: frozenset[str] | None = None) -> Iterator[str]:
    """What each mutant is called, without making it."""
    return (name for name, _, _ in _named(module, ast.parse(source), functions))


def mutants(module: str, source: str, functions: frozenset[str] | None = None) -> Iterator[Mutant]:
    """Every mutant of the functions named, or of all functions and methods."""
    tree = ast.parse(source)
    for name, place, number in _named(module, tree, functions):
        changed = copy.deepcopy(tree)
        _wrongs(_same(changed, tree, place))[number][1]()
        yield Mutant(module, name, getattr(place, "lineno", 0), ast.fix_missing_locations(changed))


def _named(
    module: str, tree: ast.Module, functions: frozenset[str] | None
) -> Iterator[tuple[str, ast.AST, int]]:
    """Each wrong with its name, its place and its number there."""
    for function in _functions(tree):
        if functions is not None and function.name not in functions:
            continue
        seen: dict[str, int] = {}
        for place in _places(function):
            for number, (what, _) in enumerate(_wrongs(place)):
                name = f"{module}:{function.name}: {what}"
                seen[name] = seen.get(name, 0) + 1
                yield name + (f" (#{seen[name]})" if seen[name] > 1 else ""), place, number


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from (inner for inner in node.body if isinstance(inner, ast.FunctionDef))


def _places(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """What is run in a function: no annotations, no defaults, no docstring, and not the words of an error."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if isinstance(node, ast.Raise):
            continue
        if isinstance(node, ast.FunctionDef):
            waiting += node.body
            continue
        if isinstance(node, ast.AnnAssign):
            waiting += [node.value] if node.value is not None else []
            continue
        waiting += ast.iter_child_nodes(node)


def _same(changed: ast.Module, tree: ast.Module, place: ast.AST) -> ast.AST:
    return next(new for new, old in zip(ast.walk(changed), ast.walk(tree), strict=True) if old is place)


def _wrongs(node: ast.AST) -> list[tuple[str, "Wrong"]]:
    """What can be made wrong at a node: how it reads before, and what to do."""
    text = ast.unparse(node).replace("\n", " ")[:90] if isinstance(node, ast.expr | ast.stmt) else ""
    found: list[tuple[str, Wrong]] = []
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            other = _COMPARISONS[type(operator)]
            found.append((f"{text} → {other.__name__}", Wrong(node.ops, place, other())))
    elif isinstance(node, ast.BoolOp):
        other_bool = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        found.append((f"{text} → {type(other_bool).__name__}", Wrong(node, "op", other_bool)))
        for place in range(len(node.values)):
            left = [value for at, value in enumerate(node.values) if at != place]
            found.append(
                (f"{text} → without {ast.unparse(node.values[place])[:60]}", Wrong(node, "values", left))
            )
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        found.append(
            (f"{text} → {_OPERATORS[type(node.op)].__name__}", Wrong(node, "op", _OPERATORS[type(node.op)]()))
        )
    elif isinstance(node, ast.Constant) and type(node.value) in (int, bool):
        changed = not node.value if isinstance(node.value, bool) else node.value + 1
        found.append((f"{text} → {changed}", Wrong(node, "value", changed)))
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        test = ast.unparse(node.test)[:90]
        found.append((f"if {test} → never", Wrong(node, "test", ast.Constant(value=False))))
        found.append((f"if {test} → always", Wrong(node, "test", ast.Constant(value=True))))
    elif isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        found.append((f"{text} → left out", Wrong(node, "", None)))
    return found


@dataclass(frozen=True, slots=True)
class Wrong:
    """A change to a tree: a member of a node, a place in a list, or the whole statement for `pass`."""

    node: object
    where: str | int
    value: object

    def __call__(self) -> None:
        if isinstance(self.node, list):
            self.node[self.where] = self.value  # type: ignore[index]  # a place in a list is a number
        elif self.where:
            setattr(self.node, str(self.where), self.value)
        else:
            assert isinstance(self.node, ast.stmt)
            line = self.node.lineno
            self.node.__class__ = ast.Pass  # in place, whatever list holds it
            self.node.lineno = line
