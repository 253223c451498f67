"""Orders for assistants: an MCP server beside the demo's API, on the same orders. `pip install 'admit[mcp]'`.

    python examples/mcp/server.py                beside `make demo`; elsewhere: --settings FILE

Who calls has to have a token for this very server; where to get one is told to whoever has none. Placing an order needs
one scope more, and an assistant without it is told so by HTTP: it sends its person to say yes to that too, and calls
again.
"""

import argparse
import json
import sqlite3
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer

from admit import Revocation, TrustedIssuer
from admit.integrations.mcp import Guard, principal
from admit.verifier import AsyncVerifier


def tools(database: str) -> MCPServer:
    """The server: two tools, and nothing of signing in but who calls."""
    server = MCPServer("orders", instructions="The orders of the person who lets you in.")

    @server.tool()
    def my_orders() -> list[str]:
        """What this person ordered, newest first."""
        who = principal()
        with closing(sqlite3.connect(database)) as orders:
            found = orders.execute(
                "SELECT item FROM orders WHERE issuer = ? AND subject = ? ORDER BY id DESC LIMIT 50",
                tuple(who.key),
            )
            return [item for (item,) in found]

    @server.tool()
    def place_order(item: str) -> str:
        """Order something for this person."""
        who = principal("assistant:order")  # first of all: an assistant that lacks it comes again
        with closing(sqlite3.connect(database, isolation_level=None)) as orders:
            orders.execute(
                "INSERT INTO orders (issuer, subject, customer, item, placed_at) VALUES (?1, ?2,"
                " coalesce((SELECT customer FROM orders WHERE issuer = ?1 AND subject = ?2 LIMIT 1), ?2), ?3, ?4)",
                (who.issuer, who.subject, item, time.time()),
            )
        return f"{item}: ordered"

    return server


def build(given: dict[str, Any]) -> Any:
    """The ASGI application: the server behind a guard."""
    revocation = Revocation(poll=timedelta(seconds=given["poll"]))
    verifier = AsyncVerifier(
        TrustedIssuer(given["issuer"], audience=given["resource"], revocation=revocation)
    )
    guard = Guard(
        verifier, resource=given["resource"], scopes=["assistant:see"], name="Orders for assistants"
    )
    return guard(tools(given["database"]).streamable_http_app())


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serve the demo's orders to assistants, by MCP.")
    parser.add_argument("--settings", default=".demo/mcp.json", help="the file that the demo writes")
    options = parser.parse_args()
    try:
        given = json.loads(Path(options.settings).read_text("utf-8"))
    except FileNotFoundError:
        sys.exit(f"{options.settings} is not there: is `make demo` running? Elsewhere say --settings")
    print(f"assistants call {given['resource']}", flush=True)
    uvicorn.run(build(given), host="127.0.0.1", port=given["port"], access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
