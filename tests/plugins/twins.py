"""Take a named defence out and put it back: what `--defences-off` rests on. Knows nothing of pytest.

A target is `package.module:function` or `package.module:Class.method`. Its twin is looked up in the `TWINS` tables of
`tests/twins/*.py` and of `tests/defences_off.py`.
"""

import contextlib
import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent


class TwinError(Exception):
    """A twin is missing, stands in two tables, or does not fit what it replaces."""


@cache
def table() -> dict[str, Any]:
    """Every twin, by target. Raises TwinError where two files name the same target."""
    names = [
        f"tests.twins.{path.stem}"
        for path in sorted((TESTS / "twins").glob("*.py"))
        if path.stem != "__init__"
    ]
    if (TESTS / "defences_off.py").exists():
        names.append("tests.defences_off")
    merged: dict[str, Any] = {}
    for name in names:
        for target, twin in importlib.import_module(name).TWINS.items():
            if target in merged:
                raise TwinError(f"two twins for {target}")
            merged[target] = twin
    return merged


@dataclass(frozen=True, slots=True)
class _Place:
    owner: Any
    name: str
    raw: Any  # as stored: a staticmethod object, not what attribute access makes of it


def _find(target: str) -> _Place:
    module_name, _, path = target.partition(":")
    if not path:
        raise TwinError(f"{target}: want package.module:function")
    try:
        owner: Any = importlib.import_module(module_name)
        *outer, name = path.split(".")
        for step in outer:
            owner = getattr(owner, step)
        raw = owner.__dict__[name]
    except (ImportError, AttributeError, KeyError) as error:
        raise TwinError(f"{target}: no such defence ({type(error).__name__})") from error
    return _Place(owner, name, raw)


def _plain(raw: Any) -> Any:
    if isinstance(raw, property):
        return raw.fget
    return inspect.unwrap(getattr(raw, "__func__", raw))


def _kind(function: Any) -> str:
    for kind in ("coroutine", "asyncgen", "generator"):
        if getattr(inspect, f"is{kind}function")(function):
            return kind
    return "plain"


def _accepts(twin: Any, original: Any) -> bool:
    """Whether every call that fits the original fits the twin too, as far as signatures tell."""
    try:
        wanted = list(inspect.signature(original).parameters.values())
        given = inspect.signature(twin).parameters
    except (TypeError, ValueError):
        return True
    kinds = {p.kind for p in given.values()}
    if {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds:
        return True
    named = {p.name for p in wanted if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    takes = {p.name for p in given.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    return named <= takes if inspect.Parameter.VAR_KEYWORD not in kinds else True


def check(target: str) -> None:
    """Raise TwinError unless the defence exists and its twin can stand in for it."""
    if target not in table():
        raise TwinError(f"{target}: no twin in tests/twins")
    original, twin = _plain(_find(target).raw), table()[target]
    if callable(original) != callable(twin):
        raise TwinError(f"{target}: the twin is of another sort than the defence")
    if not callable(original) or inspect.isclass(original):
        return
    if _kind(original) != _kind(twin):
        raise TwinError(f"{target}: the defence is {_kind(original)}, its twin {_kind(twin)}")
    if not _accepts(twin, original):
        raise TwinError(f"{target}: the twin does not take the defence's parameters")


def _dressed(raw: Any, twin: Any) -> Any:
    for wrapper in (staticmethod, classmethod, property):
        if isinstance(raw, wrapper):
            return wrapper(twin)
    return twin


def _bound_elsewhere(value: Any) -> Iterator[tuple[Any, str]]:
    """Places of the package that hold `value` under a name of their own (`from x import f`)."""
    for name, module in list(sys.modules.items()):
        if module is not None and (name == "admit" or name.startswith("admit.")):
            for attribute, held in list(vars(module).items()):
                if held is value:
                    yield module, attribute


def _replace(place: _Place, old: Any, new: Any) -> None:
    setattr(place.owner, place.name, new)
    if inspect.ismodule(place.owner):
        for module, attribute in _bound_elsewhere(old):
            setattr(module, attribute, new)


@contextlib.contextmanager
def taken_out(targets: Iterable[str]) -> Iterator[None]:
    """Replace each defence by its twin, also where another module imported it by name; put all back afterwards."""
    with contextlib.ExitStack() as undo:
        for target in targets:
            check(target)
            place = _find(target)
            twin = _dressed(place.raw, table()[target])
            _replace(place, place.raw, twin)
            # A module first imported meanwhile may have bound the twin: the same sweep backwards frees it.
            undo.callback(_replace, place, twin, place.raw)
        yield
