"""docs/integrations.md: what each integration is held to, from the list of cases in `tests/contract`."""

from pathlib import Path

from tests.contract import adapter, bff, table
from tests.contract.case import MODES
from tests.contract.cases import CASES

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/integrations.md"

HEAD = """# Integrations

<!-- Written by `make docs` from `tests/contract/cases.py`. Change that instead. -->

The verifier inside frameworks. Each guard answers each request alike, whatever the framework, and whether its caller
comes with a session or with a token: the same status, the same challenge, the same body. One list of requests and
answers holds them to it ([cases](../tests/contract/cases.py)); its table is at the end of each test run.

A row may be for one of the two only, and then says why. *both*: by session and by token.
"""


def page() -> str:
    """What the page should hold now."""
    columns = adapter.found()
    lines = [
        HEAD,
        f"{len(CASES)} cases, {len(columns)} integrations.\n",
        "| | " + " | ".join(one.name for one in columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for row in table.rows(CASES):
        lines.append(f"| {row} | " + " | ".join(table.held(one, row, CASES) for one in columns) + " |")
    lacking = [f"- {one.name}, {what}: {why}." for one in columns for what, why in one.lacks.items()]
    if lacking:
        lines += ["", "## What a framework cannot have\n", *lacking]
    lines += ["", "## The cases\n", "| | case | request | why for one of the two only |", "|---|---|---|---|"]
    for case in CASES:
        method = "WebSocket" if case.socket else case.method
        request = f"`{method} {case.path}`" + ("" if case.query is None else ", a token in its query")
        only = "" if len(case.by) == len(MODES) else f"{'/'.join(case.by)}: {case.why}"
        lines.append(f"| {case.row} | {case.name} | {request} | {only} |")
    lines += [
        "",
        "The routes that they ask for:\n",
        *(f"- `{path}`: {what}" for path, what in adapter.ROUTES.items()),
        *proxied(),
    ]
    return "\n".join(lines) + "\n"


def proxied() -> list[str]:
    """What the proxy of a backend for a frontend is held to."""
    lines = [
        "",
        "## The backend for a frontend\n",
        "A page asks an API by its session cookie, through the application's own backend, which adds the token. That",
        "is no guard: cases of tokens cannot come up on the page's side, and challenges are not for a page. So it has",
        "a list of its own ([cases](../tests/contract/bff.py)), held by Starlette, Flask and Django.\n",
        "| case | request | answer | asks the API |",
        "|---|---|---|---|",
    ]
    for case in bff.CASES:
        said = f"{case.status}" + (f" `{case.error}`" if case.error else "")
        lines.append(
            f"| {case.name} | `{case.method} {case.path}` | {said} | {'yes' if case.reaches else 'no'} |"
        )
    return lines
