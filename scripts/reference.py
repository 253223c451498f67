"""docs/reference/jose.md from the signatures and docstrings of the token library. Written by `make docs`."""

import ast
import enum
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from admit import errors

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/reference/jose.md"
NOTE = "<!-- Written by `make docs` from the docstrings. Change those instead. -->\n"
WIDTH = 110
INTERNAL = frozenset({"signer", "verifier", "wrapper", "unwrapper", "headers", "is_direct", "signature_size"})
"""Members of a JWK that a caller has no use for."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: what it is for, and the names in it, as `module:name`."""

    title: str
    text: str
    names: tuple[str, ...]


SECTIONS = (
    Section(
        "Tokens: `admit.jwt`",
        "Claims in, claims out. `from admit import jwt`.",
        tuple(
            f"admit.jwt:{name}"
            for name in (
                "sign",
                "verify",
                "encrypt",
                "decrypt",
                "peek_unverified_header",
                "peek_unverified_claims",
            )
        ),
    ),
    Section(
        "Keys",
        "`from admit import JWK, JWKSet, Waive`.",
        ("admit.jose:JWK", "admit.jose:JWKSet", "admit.jose:Waive"),
    ),
    Section(
        "Signatures of octets",
        "`from admit.jose import jws`; the other names from `admit.jose` itself.",
        (
            "admit.jose.jws:sign",
            "admit.jose.jws:verify",
            "admit.jose.jws:parse",
            "admit.jose:sign_json",
            "admit.jose:verify_json",
            "admit.jose:sign_detached",
            "admit.jose:verify_detached",
            "admit.jose:Signer",
            "admit.jose:UnverifiedJws",
            "admit.jose:VerifiedJws",
            "admit.jose:VerifiedJson",
            "admit.jose:VerifiedSignature",
        ),
    ),
    Section(
        "Encryption of octets",
        "`from admit.jose import jwe`; the other names from `admit.jose` itself.",
        (
            "admit.jose.jwe:encrypt",
            "admit.jose.jwe:decrypt",
            "admit.jose:encrypt_json",
            "admit.jose:decrypt_json",
            "admit.jose:Recipient",
            "admit.jose:DecryptedJwe",
            "admit.jose:DecryptedJson",
        ),
    ),
    Section(
        "What the above rests on",
        "For programs that build on the library; `jwt.verify` does all this by itself.",
        (
            "admit.jose:ClaimPolicy",
            "admit.jose.claims:verify",
            "admit.jose.claims:verify_claims",
            "admit.jose:JwsAlg",
            "admit.jose.base64url:encode",
            "admit.jose.base64url:decode",
            "admit.jose.json:loads_object",
            "admit.jose.json:dumps_object",
        ),
    ),
)


@cache
def page() -> str:
    """What docs/reference/jose.md should hold now."""
    lines = [
        "# Reference: tokens, keys, errors\n",
        NOTE,
        "Every public name of `admit.jwt`, `admit.jose` and `admit.errors`. How they go together: "
        "[tokens.md](../tokens.md).\n",
    ]
    for section in SECTIONS:
        lines += [f"## {section.title}\n", f"{section.text}\n"]
        for name in section.names:
            lines += _entry(name)
    lines += [*_algorithms(), *_errors()]
    return "\n".join(lines).rstrip() + "\n"


def shown_name(name: str) -> str:
    """`jws.sign` for what is reached by its module, the bare name for what a door has."""
    module, _, attribute = name.partition(":")
    last = module.rpartition(".")[2]
    return attribute if last == "jose" else f"{last}.{attribute}"


def _entry(name: str) -> Iterator[str]:
    module, _, attribute = name.partition(":")
    value = getattr(importlib.import_module(module), attribute)
    yield f"### `{shown_name(name)}`\n"
    source = textwrap.dedent(inspect.getsource(value))
    tree = ast.parse(source).body[0]
    names = vars(importlib.import_module(value.__module__))
    if isinstance(tree, ast.FunctionDef):
        yield _block(_signature(tree, source, names))
        yield from _prose(ast.get_docstring(tree) or "")
    elif isinstance(tree, ast.ClassDef):
        yield from _class(value, tree, source, names)


def _class(value: type, tree: ast.ClassDef, source: str, names: Mapping[str, Any]) -> Iterator[str]:
    hidden = {"proof"} | (INTERNAL if tree.name == "JWK" else set())
    fields = [one for one in _fields(tree, source, names) if one[0] not in hidden]
    if fields and not issubclass(value, enum.Enum):
        yield _block("\n".join([f"class {tree.name}:", *(f"    {shown}" for _, shown, _ in fields)]))
    yield from _prose(ast.get_docstring(tree) or "")
    told = [(name, text) for name, _, text in fields if text]
    if told:
        yield "\n".join(f"- `{name}`: {_one_line(text)}" for name, text in told) + "\n"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and ast.get_docstring(node):
            yield f"#### `{tree.name}.{node.name}`\n"
            yield _block(_signature(node, source, names))
            yield from _prose(ast.get_docstring(node) or "")


def _fields(tree: ast.ClassDef, source: str, names: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, declaration and documentation of each public field or member; what only the class sets is left out."""
    for node, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        text = ""
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            text = str(following.value.value)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            default = "" if node.value is None else _value(node.value, source, names)
            if node.target.id[0] == "_" or "init=False" in default:
                continue
            # `field(...)` says how the class is made, not what a caller gives.
            given = "" if not default or default.startswith("field(repr") else f" = {default}"
            given = " = {}" if default.startswith("field(default_factory") else given
            yield node.target.id, f"{node.target.id}: {_type(node.annotation, source)}{given}", text
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and text:
            yield f"{tree.name}.{node.targets[0].id}", "", text


@cache
def _lines(source: str) -> list[bytes]:
    return source.encode().splitlines(keepends=True)


def _text(node: ast.expr | None, source: str) -> str:
    """What `ast.get_source_segment` gives, which splits the source anew each time."""
    if node is None or node.end_lineno is None:
        return ""
    lines = _lines(source)[node.lineno - 1 : node.end_lineno]
    lines[-1] = lines[-1][: node.end_col_offset]
    lines[0] = lines[0][node.col_offset :]
    return b"".join(lines).decode()


def _type(node: ast.expr | None, source: str) -> str:
    """An annotation; one in quotes, since its class was not there yet, without them, and short names written out."""
    text = _text(node, source).strip('"').replace("_Own", "T")
    return _aliases().get(text, text)


@cache
def _aliases() -> Mapping[str, str]:
    """The names that the rules of claims have for their types, and what they stand for."""
    source = inspect.getsource(importlib.import_module("admit.jose.claims"))
    return {
        node.target.id: _text(node.value, source)
        for node in ast.parse(source).body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and _text(node.annotation, source) == "TypeAlias"
    }


def _value(node: ast.expr, source: str, names: Mapping[str, Any]) -> str:
    """A default; the value of a constant of the module instead of its name."""
    text = _text(node, source)
    value = names.get(text) if isinstance(node, ast.Name) else None
    if isinstance(value, timedelta):
        return f"timedelta(seconds={value // timedelta(seconds=1)})"
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, int):
        return f"{value:_}"
    return f'"{value}"' if isinstance(value, str) else text


def _signature(node: ast.FunctionDef, source: str, names: Mapping[str, Any]) -> str:
    """The function's first line as it is called: no `self`, one argument a line where it is long."""
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    parts = [_argument(one, default, source, names) for one, default in zip(plain, defaults, strict=True)]
    if plain and plain[0].arg in ("self", "cls"):
        parts = parts[1:]
    if arguments.kwonlyargs:
        parts.append("*")
        pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        parts += [_argument(one, default, source, names) for one, default in pairs]
    result = _type(node.returns, source)
    short = f"def {node.name}({', '.join(parts)}) -> {result}: ..."
    if len(short) <= WIDTH:
        return short
    return "\n".join([f"def {node.name}(", *(f"    {part}," for part in parts), f") -> {result}: ..."])


def _argument(one: ast.arg, default: ast.expr | None, source: str, names: Mapping[str, Any]) -> str:
    given = "" if default is None else f" = {_value(default, source, names)}"
    return f"{one.arg}: {_type(one.annotation, source)}{given}"


def _block(code: str) -> str:
    return f"```python\n{code}\n```\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _prose(docstring: str) -> Iterator[str]:
    """A docstring as Markdown: its paragraphs, and what it raises as a list."""
    for paragraph in inspect.cleandoc(docstring).split("\n\n"):
        if paragraph.startswith("Raises:"):
            yield "Raises:\n"
            yield "\n".join(_raised(paragraph)) + "\n"
        else:
            yield _one_line(paragraph) + "\n"


def _raised(paragraph: str) -> Iterator[str]:
    items: list[str] = []
    for line in paragraph.splitlines()[1:]:
        if re.match(r" {4}\w", line):
            items.append(line.strip())
        else:
            items[-1] += " " + line.strip()
    for item in items:
        names, _, when = item.partition(": ")
        yield f"- {', '.join(f'`{name}`' for name in names.split(', '))}: {when}"


def _algorithms() -> Iterator[str]:
    from admit.jose import JWS_ALGS
    from admit.jose.content import CONTENT_ALGS
    from admit.jose.key_management import JWE_ALGS

    yield "## Algorithms\n"
    yield "`JWS_ALGS` is the read-only table of signatures:\n"
    yield "| `alg` | `kty` | curve or parameter set | smallest key, bits | octets of a signature |"
    yield "|---|---|---|---|---|"
    for row in JWS_ALGS.values():
        size = str(row.signature_size) if row.signature_size else "by the key"
        yield f"| {row.name} | {row.kty} | {', '.join(sorted(row.curves))} | {row.min_bits or ''} | {size} |"
    yield "\nKey management of encryption:\n"
    yield "| `alg` | `kty` | curve | size of the key, bits |"
    yield "|---|---|---|---|"
    for one in JWE_ALGS.values():
        if one.name not in CONTENT_ALGS:
            size = str(one.bits) if one.bits else f"at least {one.min_bits}" if one.min_bits else ""
            yield f"| {one.name} | {one.kty} | {', '.join(sorted(one.curves))} | {size} |"
    yield "\nContent encryption, `enc`:\n"
    yield "| `enc` | size of the key, octets |"
    yield "|---|---|"
    yield from (f"| {content.name} | {content.key_size} |" for content in CONTENT_ALGS.values())
    yield ""


def _errors() -> Iterator[str]:
    yield "## Errors: `admit.errors`\n"
    yield "`code` is what a caller may branch on, `status` what HTTP answers; `public` may be sent to anybody.\n"
    yield "| error | is a | `code` | `status` | when |"
    yield "|---|---|---|---|---|"
    for error in vars(errors).values():
        if inspect.isclass(error) and issubclass(error, errors.AdmitError):
            when = _one_line(inspect.cleandoc(error.__doc__ or "").split("\n\n")[0]).replace("|", "\\|")
            base = error.__bases__[0].__name__
            yield f"| `{error.__name__}` | `{base}` | `{error.code}` | {error.status} | {when} |"
