"""The public names of the project's doors with their signatures: `tests/public_api.txt`.

A change of that file is a change that users can notice, and shows as such in review.
"""

import dataclasses
import enum
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests/public_api.txt"
DOORS = (
    "admit",
    "admit.jwt",
    "admit.jose",
    "admit.tokens",
    "admit.client",
    "admit.client.httpx",
    "admit.client.httpx2",
    "admit.client.requests",
    "admit.relying_party",
    "admit.integrations.asgi",
    "admit.integrations.bff.django",
    "admit.integrations.bff.flask",
    "admit.integrations.bff.starlette",
    "admit.integrations.django",
    "admit.integrations.fastapi",
    "admit.integrations.flask",
    "admit.integrations.gate",
    "admit.integrations.mcp",
    "admit.integrations.starlette",
    "admit.integrations.wsgi",
    "admit.testing",
    "admit.issuer",
)


def _there(door: str) -> bool:
    parent, _, name = door.rpartition(".")
    if not parent:
        return True
    try:
        path = importlib.import_module(parent).__path__
    except ImportError:
        return False
    return any(module.name == name for module in pkgutil.iter_modules(path))


def _signature(value: Any) -> str:
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""
    text = re.sub(r" at 0x[0-9a-f]+", "", text)
    # A set's items come in another order in each process.
    return re.sub(
        r"set\(\{([^{}]*)\}\)", lambda m: "set({" + ", ".join(sorted(m[1].split(", "))) + "})", text
    )


def _members(cls: type) -> Iterator[str]:
    if issubclass(cls, enum.Enum):
        yield from (f"    {member.name} = {member.value!r}" for member in cls)
        return
    if dataclasses.is_dataclass(cls):
        yield from (
            f"    {field.name}: {inspect.formatannotation(field.type)}"
            for field in dataclasses.fields(cls)
            if field.name[0] != "_"
        )
    # What a class has from private bases is its own, to a user.
    own = [base for base in cls.__mro__ if base is cls or base.__name__.startswith("_")]
    for name, raw in sorted(
        {key: value for base in reversed(own) for key, value in vars(base).items()}.items()
    ):
        plain = getattr(raw, "__func__", raw)
        if name.startswith("_"):
            continue
        if isinstance(raw, property):
            yield f"    {name} (property)"
        elif inspect.isfunction(plain):
            yield f"    {'async ' if inspect.iscoroutinefunction(plain) else ''}{name}{_signature(plain)}"


def _describe(door: str, name: str) -> Iterator[str]:
    value = getattr(importlib.import_module(door), name)
    if inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        plain = issubclass(value, BaseException | enum.Enum) or "__init__" not in vars(value)
        yield f"{door}.{name}: class({bases}){'' if plain else _signature(value)}"
        yield from _members(value)
    elif inspect.isfunction(value):
        yield f"{door}.{name}{_signature(value)}"
    elif inspect.ismodule(value):
        yield f"{door}.{name}: module"
    else:
        yield f"{door}.{name}: {type(value).__name__}"


def listing() -> str:
    """One line a public name, its members below it; doors that are not built yet are left out."""
    lines: list[str] = []
    for door in filter(_there, DOORS):
        for name in sorted(importlib.import_module(door).__all__):
            lines += _describe(door, name)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    LIST.write_text(listing(), encoding="utf-8")
    sys.stdout.write(f"written: {LIST.relative_to(ROOT)}\n")
