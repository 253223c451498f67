"""The cheapest server there can be: one answer for `/jwks`, one for any other path, nothing looked up.

`answering.py KEYS AUDIENCE` prints its port.
"""

import asyncio
import json
import sys
import time


def main() -> None:
    keys = sys.argv[1].encode()
    claims = {"active": True, "sub": "u", "client_id": "spa", "aud": sys.argv[2], "scope": "orders:read"}
    active = json.dumps({**claims, "iat": int(time.time()), "exp": int(time.time()) + 3600}).encode()
    asyncio.run(serve(answer(keys), answer(active)))


def answer(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Answering(asyncio.Protocol):
    def __init__(self, keys: bytes, active: bytes) -> None:
        self.keys, self.active, self.buffer = keys, active, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        at = head.lower().find(b"content-length: ")
        length = int(head[at + 16 :].split(b"\r", 1)[0]) if at >= 0 else 0
        if end and len(rest) >= length:
            self.buffer = rest[length:]
            self.transport.write(self.keys if head.startswith(b"GET /jwks") else self.active)


async def serve(keys: bytes, active: bytes) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Answering(keys, active), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    main()
