"""Write the generated pages: standards, threats, routes, settings, reference. `--check` tells whether they are stale.

Markers are read from the source, not by running pytest: the pages take a moment, and need no server to be there.
"""

import argparse
import ast
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scripts import integrations_page, reference, routes, settings_page

ROOT = Path(__file__).resolve().parents[1]
CASES = "contract/cases.py"
NOTE = "<!-- Written by `make docs` from the markers on the tests. Change those instead. -->\n"

RFCS = {
    "6749": "OAuth 2.0",
    "6750": "Bearer token usage",
    "7009": "Token revocation",
    "7515": "JSON Web Signature",
    "7516": "JSON Web Encryption",
    "7517": "JSON Web Key",
    "7518": "JSON Web Algorithms",
    "7519": "JSON Web Token",
    "7520": "Examples of protecting content with JOSE",
    "7521": "Assertions",
    "7523": "JWT for client authentication and grants",
    "7591": "Dynamic client registration",
    "7617": "Basic authentication",
    "7636": "Proof Key for Code Exchange",
    "7638": "JWK thumbprint",
    "7662": "Token introspection",
    "7797": "JWS unencoded payload",
    "7748": "Elliptic curves for security",
    "5915": "Elliptic curve private keys",
    "7468": "PEM texts",
    "8017": "PKCS #1, RSA cryptography",
    "8410": "Edwards curves in X.509",
    "8032": "Edwards-curve signatures",
    "8037": "Edwards curves in JOSE",
    "8259": "JSON",
    "8252": "OAuth for native apps",
    "8417": "Security event tokens",
    "8414": "Authorization server metadata",
    "8628": "Device authorization grant",
    "8693": "Token exchange",
    "8705": "Mutual TLS",
    "8707": "Resource indicators",
    "8725": "JWT best current practices",
    "8812": "secp256k1 in JOSE",
    "9068": "JWT profile for access tokens",
    "9101": "JWT-secured authorization requests",
    "9106": "Argon2",
    "9110": "HTTP semantics",
    "8935": "Security events by push",
    "8936": "Security events by poll",
    "9126": "Pushed authorization requests",
    "9207": "Issuer identification",
    "9278": "JWK thumbprint URI",
    "9440": "Client certificates behind a proxy",
    "9449": "Demonstrating proof of possession",
    "9493": "Subject identifiers",
    "9562": "UUIDs",
    "9700": "OAuth 2.0 security best current practice",
    "9701": "Signed introspection answers",
    "9728": "Protected resource metadata",
    "9864": "Fully specified algorithms",
    "9964": "ML-DSA in JOSE",
    "4648": "Base encodings",
    "4647": "Matching of language tags",
    "5869": "HMAC-based key derivation",
    "6265": "HTTP state management",
    "6585": "Additional HTTP status codes",
    "6901": "JSON Pointer",
}


@dataclass(frozen=True, slots=True, order=True)
class Marked:
    """One marker on one test."""

    kind: str
    values: tuple[str, ...]
    file: str
    test: str
    defences: tuple[str, ...] = ()


class _Spelt(ast.NodeTransformer):
    """Writes a module's constants out where they are used."""

    def __init__(self, tree: ast.Module) -> None:
        self.constants = {
            node.targets[0].id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }

    def visit_Name(self, node: ast.Name) -> ast.AST:
        value = self.constants.get(node.id, node)
        return value if isinstance(value, ast.Constant | ast.List | ast.Tuple) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        parts = [part.value if isinstance(part, ast.FormattedValue) else part for part in node.values]
        texts = [part.value for part in parts if isinstance(part, ast.Constant)]
        return ast.Constant("".join(map(str, texts))) if len(texts) == len(parts) else node


def _strings(node: ast.expr | None) -> tuple[str, ...]:
    """The strings of an `off` argument, a string or a list of them."""
    if node is None:
        return ()
    value = ast.literal_eval(node)
    return (value,) if isinstance(value, str) else tuple(value)


def _marks(node: ast.AST, spelt: _Spelt, file: str, test: str) -> Iterator[Marked]:
    for call in ast.walk(node):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        if call.func.attr not in ("rfc", "threat") or not ast.unparse(call.func.value).endswith("mark"):
            continue
        spelt.generic_visit(call)
        keywords = {word.arg: word.value for word in call.keywords}
        try:
            defences = _strings(keywords.get("off")) + _strings(keywords.get("off_system"))
            values = tuple(str(ast.literal_eval(arg)) for arg in call.args)
        except ValueError as error:
            raise SystemExit(
                f"{file}::{test}: the arguments of a marker must be literals or constants of its module"
            ) from error
        yield Marked(call.func.attr, values, file, test, defences)


def _tests(body: list[ast.stmt]) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    functions = [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [node for node in functions if node.name.startswith("test_")]


def _places(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Expressions that may hold markers, each with the test it is for."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            yield from ((node.value, test.name) for test in _tests(tree.body))
        elif isinstance(node, ast.ClassDef):
            for test in _tests(node.body):
                yield from ((decorator, test.name) for decorator in node.decorator_list + test.decorator_list)
    for test in _tests(tree.body):
        yield from ((decorator, test.name) for decorator in test.decorator_list)


def _cases(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """The same of a list of cases, whose row and name are the sentence."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Case":
            row, name = (str(ast.literal_eval(arg)) for arg in call.args[:2])
            marks = (word.value for word in call.keywords if word.arg == "marks")
            yield from ((mark, f"{row}: {name}") for mark in marks)


@cache
def collect(tests: Path) -> tuple[Marked, ...]:
    """Every `rfc` and `threat` marker under `tests`: on functions, classes, parameters, and by `pytestmark`."""
    found: set[Marked] = set()
    for path in (*tests.rglob("test_*.py"), *tests.glob(CASES)):
        text = path.read_text(encoding="utf-8")
        if "mark.rfc" not in text and "mark.threat" not in text:
            continue
        tree, file = ast.parse(text), path.relative_to(tests.parent).as_posix()
        spelt = _Spelt(tree)
        for node, test in (*_places(tree), *_cases(tree)):
            found.update(_marks(node, spelt, file, test))
    return tuple(sorted(found))


def ledger() -> dict[str, str]:
    """Rows of the threat ledger: id and the attack in one line, in the ledger's order."""
    rows: dict[str, str] = tomllib.loads((ROOT / "docs/ledger.toml").read_text(encoding="utf-8"))["rows"]
    return rows


def waiting() -> dict[str, str]:
    """Rows that no test names, and why."""
    rows: dict[str, str] = tomllib.loads((ROOT / "docs/ledger.toml").read_text(encoding="utf-8"))["waits"]
    return rows


def _sentence(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


def _section_key(section: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(p), "") if p.isdigit() else (10_000, p) for p in section.split("."))


def standards(marks: Iterable[Marked]) -> str:
    """docs/standards.md: the sections of each RFC that have tests, and the tests' names as sentences."""
    sections: dict[str, dict[str, set[tuple[str, str]]]] = defaultdict(lambda: defaultdict(set))
    for mark in marks:
        if mark.kind == "rfc":
            number, section = mark.values
            sections[number][section].add((mark.test, mark.file))
    lines = [
        "# Standards\n",
        NOTE,
        "What is held by tests, section by section. A test's name is the rule it holds.\n",
    ]
    for number in sorted(sections, key=lambda n: (not n.isdigit(), n.zfill(6))):
        title = RFCS.get(number)
        head = f"RFC {number}" + (f": {title}" if title else "") if number.isdigit() else number
        lines.append(f"## {head}\n")
        for section in sorted(sections[number], key=_section_key):
            lines += [
                f"- §{section} {_sentence(test)} ([test](../{file}))"
                for test, file in sorted(sections[number][section])
            ]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def threats(marks: Iterable[Marked]) -> str:
    """docs/threats.md: each ledger row with its state, its tests, and the defences whose absence they noticed; then
    those that no test names, and why.
    """
    by_row: dict[str, list[Marked]] = defaultdict(list)
    for mark in marks:
        if mark.kind == "threat":
            by_row[mark.values[0]].append(mark)
    rows, why = ledger(), waiting()
    covered = [row for row in rows if row in by_row]
    seen = sum(any(mark.defences for mark in by_row[row]) for row in covered)
    lines = [
        "# Threats\n",
        NOTE,
        f"{len(rows)} attacks, a row each. {seen} are *tested, seen failing*: `make defences-off` takes the named"
        " defence out and requires the row's tests to fail, so that they are known to see what they look for."
        f" {len(covered) - seen} *tested* only: no defence could be taken out alone."
        f" {len(rows) - len(covered)} have [no test](#not-yet), mostly since what they attack is not built; each says"
        " why.\n",
        "What is cheap to try is tried on a running issuer by `make attack`:"
        " [Does it hold?](operations.md#does-it-hold)\n",
        "| row | attack | state | tests | defences |",
        "|---|---|---|---|---|",
    ]
    for row in covered:
        files = sorted({mark.file for mark in by_row[row]})
        names = {mark.test for mark in by_row[row]}
        links = ", ".join(f"[{Path(file).stem.removeprefix('test_')}](../{file})" for file in files)
        defences = sorted({name for mark in by_row[row] for name in mark.defences})
        state = "tested, seen failing" if defences else "tested"
        shown = "<br>".join(f"`{name}`" for name in defences)
        lines.append(f"| {row} | {_cell(rows[row])} | {state} | {len(names)}: {links} | {shown} |")
    lines += ["", "## Not yet\n", "| row | attack | why |", "|---|---|---|"]
    for row in rows:
        if row not in by_row:
            lines.append(f"| {row} | {_cell(rows[row])} | {_cell(why.get(row, 'Nobody has said'))} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def pages() -> dict[Path, str]:
    """What the generated pages should hold now."""
    marks = collect(ROOT / "tests")
    return {
        ROOT / "docs/standards.md": standards(marks),
        ROOT / "docs/threats.md": threats(marks),
        reference.PAGE: reference.page(),
        routes.PAGE: routes.page(),
        settings_page.PAGE: settings_page.page(),
        integrations_page.PAGE: integrations_page.page(),
    }


def main() -> int:
    """Write the pages, or with `--check` exit 1 when one is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.write_text(pages()[path], encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
