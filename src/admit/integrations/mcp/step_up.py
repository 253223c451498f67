"""Turns what a tool refused into the challenge by which MCP clients ask for more: 403 `insufficient_scope`,
RFC 6750 §3.1, as "Scope Challenge Handling" of the MCP authorization specification of 2026-07-28 has it.

A server begins its answer before the tool has run, always with 200. So the beginning is held back until the first
octets follow. Nobody waits longer by that: a client learns nothing from the beginning alone.
"""

from collections.abc import Callable, MutableMapping
from typing import Any

import msgspec

from admit.integrations.asgi import Receive, Scope, Send, deny
from admit.verifier import policy


class HeldAnswer:
    """Passes one answer on, or what is said in its place.

    `refusal` tells, once the answer is there, what a tool refused; None if nothing. What the tool itself made good (it
    caught the refusal, and answered in another way) stays, and so does an answer that has begun.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, refusal: Callable[[], policy.Refusal | None]
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._refusal = refusal
        self._start: MutableMapping[str, Any] | None = None
        self._replaced = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            self._start = message
            return
        if self._start is None:
            await self._send(message)
            return
        body = message.get("body", b"")
        if not body and message.get("more_body"):
            return
        refusal = self._refusal()
        if refusal is not None and is_failure(body):
            self._replaced = True
            await deny(refusal, self._scope, self._receive, self._send)
            return
        start, self._start = self._start, None
        await self._send(start)
        await self._send(message)


def is_failure(body: bytes) -> bool:
    """Whether this is a JSON-RPC answer that failed: an error, or a tool's result that says so. As JSON, or as the
    first event of a stream.
    """
    lines = body.splitlines()
    data = [line.removeprefix(b"data:") for line in lines if line.startswith(b"data:")]
    try:
        said: Any = msgspec.json.decode(b"\n".join(data) if data else body)
    except (msgspec.DecodeError, RecursionError):  # the second: a tool's answer may be nested deeply
        return False
    if not isinstance(said, dict):
        return False
    result = said.get("result")
    return "error" in said or (isinstance(result, dict) and result.get("isError") is True)
