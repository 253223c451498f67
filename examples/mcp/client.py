"""An assistant: the MCP SDK's own client, and a person who lets it in with their browser. `pip install mcp`.

    python examples/mcp/client.py                beside `make demo` and `server.py`; elsewhere: --settings FILE
    python examples/mcp/client.py --stranger     the issuer has never heard of it: it registers itself

It knows the server's address and nothing else: 401 tells it where the metadata is, that names the issuer, and so on
(RFC 9728, RFC 8414, PKCE, RFC 8707). Then it looks at the orders, and places one, for which it is let in once more.
"""

import argparse
import asyncio
import json
import sys
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

WAIT = 300.0
DONE = b"<!doctype html><title>Admit</title><p>Done. Go back to the terminal."


class NotLetInError(Exception):
    """The person said no, the issuer did, or a tool."""


class Memory:
    """What an assistant keeps: here for one run alone, else where only its person can read it."""

    def __init__(self, client: OAuthClientInformationFull | None) -> None:
        self.client = client
        self.tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Browser:
    """The person's browser, and the port of 127.0.0.1 to which it brings the answer, RFC 8252 §7.3."""

    def __init__(self, *, print_url: bool) -> None:
        self.print_url = print_url
        self.answers: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.redirect_uri = ""

    async def __aenter__(self) -> "Browser":
        self.server = await asyncio.start_server(self.take, "127.0.0.1", 0)
        self.redirect_uri = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/callback"
        return self

    async def __aexit__(self, *failed: object) -> None:
        self.server.close()

    async def open(self, address: str) -> None:
        """Send the person to the issuer."""
        if self.print_url or not webbrowser.open(address):
            say(f"open {address}")
        else:
            say("say yes, in the browser that just opened")

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of the browser's."""
        line = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n", 1)[0].decode("latin-1")
        parts = urlsplit(line.split(" ")[1])
        found = parts.path == "/callback"
        body = DONE if found else b"Not here."
        head = (
            f"HTTP/1.1 {'200 OK' if found else '404 Not Found'}\r\nContent-Type: text/html; charset=utf-8\r\n"
        )
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode("ascii") + body)
        await writer.drain()
        writer.close()
        if found:
            values = parse_qs(parts.query)
            self.answers.put_nowait({name: one[0] for name, one in values.items() if len(one) == 1})

    async def answer(self) -> AuthorizationCodeResult:
        """What the browser brought; the SDK compares `state` and `iss`."""
        try:
            said = await asyncio.wait_for(self.answers.get(), WAIT)
        except TimeoutError:
            raise NotLetInError("nobody said anything") from None
        if "code" not in said:
            raise NotLetInError(said.get("error", "no code"))
        return AuthorizationCodeResult(code=said["code"], state=said.get("state"), iss=said.get("iss"))


async def visit(given: dict[str, Any], browser: Browser, *, stranger: bool, item: str) -> None:
    """Look at the orders, place one, look again."""
    known = OAuthClientInformationFull(
        client_id=given["client_id"],
        redirect_uris=[AnyUrl(browser.redirect_uri)],
        token_endpoint_auth_method="none",
        issuer=given["issuer"],
    )
    memory = Memory(None if stranger else known)
    about = OAuthClientMetadata(client_name="Usher", redirect_uris=[AnyUrl(browser.redirect_uri)])
    signing_in = OAuthClientProvider(
        given["resource"], about, memory, redirect_handler=browser.open, callback_handler=browser.answer
    )
    async with (
        httpx2.AsyncClient(auth=signing_in, timeout=WAIT) as http,
        Client(streamable_http_client(given["resource"], http_client=http)) as client,
    ):
        say(f"orders: {await call(client, 'my_orders')}")
        assert memory.tokens is not None
        say(f"let in for: {memory.tokens.scope}")
        say(await call(client, "place_order", item=item))
        say(f"let in for: {memory.tokens.scope}")
        say(f"orders: {await call(client, 'my_orders')}")


async def call(client: Client, tool: str, **arguments: str) -> str:
    """What a tool says."""
    result = await client.call_tool(tool, arguments)
    said = [block.text for block in result.content if block.type == "text"]
    if result.is_error:
        raise NotLetInError(f"{tool}: {' '.join(said)}")
    return ", ".join(said)


def main() -> None:
    """As the command line says."""
    parser = argparse.ArgumentParser(description="An assistant that is let in to a person's orders.")
    parser.add_argument("--settings", default=".demo/mcp.json", help="the file that the demo writes")
    parser.add_argument("--stranger", action="store_true", help="register first, RFC 7591")
    parser.add_argument("--print-url", action="store_true", help="print addresses, open no browser")
    parser.add_argument("--item", default="A seat for an assistant")
    options = parser.parse_args()
    try:
        given = json.loads(Path(options.settings).read_text("utf-8"))
    except FileNotFoundError:
        sys.exit(f"{options.settings} is not there: is `make demo` running? Elsewhere say --settings")
    try:
        asyncio.run(run(given, options))
    except* NotLetInError as several:
        sys.exit(f"not let in: {first(several)}")
    except* httpx2.ConnectError:
        sys.exit(
            f"nobody answers at {given['resource']} or {given['issuer']}: are server.py and the demo running?"
        )


def first(several: BaseExceptionGroup[Any]) -> BaseException:
    """What went wrong: the SDK works in tasks, whose errors come in groups."""
    inner = several.exceptions[0]
    return first(inner) if isinstance(inner, BaseExceptionGroup) else inner


async def run(given: dict[str, Any], options: argparse.Namespace) -> None:
    """One visit."""
    async with Browser(print_url=options.print_url) as browser:
        await visit(given, browser, stranger=options.stranger, item=options.item)


def say(line: str) -> None:
    """A line, at once."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
