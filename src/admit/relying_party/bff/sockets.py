"""A WebSocket of the page that goes on to an API: its other half, and what passes between the two.

RFC 6455. The frames are read and written by the `websockets` library, which does no I/O; connections come from
`admit.fetch`. Extensions are offered to no API, so that nothing grows after it was counted.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

import httpcore2
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from admit.errors import AdmitError, CredentialError, FetchError, FetchTimeoutError, SessionError
from admit.fetch import Fetcher
from admit.relying_party.bff.passing import Browser, Closed, TooLargeError, Watch, check_size

GOING_AWAY: Final = 1001
BROKEN: Final = 1011
TOO_LARGE: Final = 1009
UNAUTHORIZED: Final = 3000
"""Close codes of RFC 6455 §7.4, and of IANA's registry: the last for a session that is over."""
_READ: Final = 65_536
_FAREWELL: Final = 1.0
"""Seconds that the other side has for saying goodbye too."""
_LEAST_TICK: Final = 1.0
_MAX_REASON: Final = 120
_UNSAID: Final = frozenset({1005, 1006, 1015})
"""Codes that nobody sends, RFC 6455 §7.4.1."""
# The library writes the handshake's headers, and with them the token, to a logger at DEBUG. Not to this one.
_QUIET: Final = logging.getLogger("admit.bff.websocket")
_QUIET.setLevel(logging.INFO)


class HandshakeRefusedError(CredentialError):
    """The API answered a handshake with something else than 101. `answered` is its status."""

    code: ClassVar[str] = "handshake_refused"
    status: ClassVar[int] = 502
    public: ClassVar[str] = "The API opens no WebSocket here."

    def __init__(self, answered: int, challenge: str | None) -> None:
        super().__init__(f"the API answered a handshake with {answered}")
        self.answered = answered
        self.challenge = challenge


class ApiSocket:
    """The API's half. One task receives; several may send."""

    def __init__(
        self, stream: httpcore2.AsyncNetworkStream, protocol: ClientProtocol, timeout: float
    ) -> None:
        self._stream = stream
        self._protocol = protocol
        self._timeout = timeout
        self._pen = asyncio.Lock()
        self._frames: list[Frame] = []
        self._parts: list[bytes] = []
        self._is_text = False
        self.heard = True
        self.listening = True

    @property
    def subprotocol(self) -> str | None:
        """What the API chose of the subprotocols that were offered."""
        return self._protocol.subprotocol

    async def receive(self) -> str | bytes | Closed:
        """The next message. Raises FetchError where the connection breaks, or what comes is no message."""
        while True:
            while self._frames:
                message = self._taken(self._frames.pop(0))
                if message is not None:
                    return message
            if self._protocol.state is State.CLOSED:
                raise FetchError("the API's WebSocket broke off")
            await self._read()

    async def send(self, message: str | bytes) -> None:
        """Send a message; it waits where the API reads slowly. Raises FetchError."""
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        await self._flush()

    async def ping(self) -> None:
        """Ask whether it is still there; `heard` tells, once something came. Raises FetchError."""
        self.heard = False
        self._protocol.send_ping(b"")
        await self._flush()

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye, wait a moment for the answer, and let go in any case."""
        with contextlib.suppress(FetchError, WebSocketException, TimeoutError):
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(code, reason)
                await self._flush()
            async with asyncio.timeout(_FAREWELL):
                while self._protocol.state is not State.CLOSED:
                    await self._read()
        with contextlib.suppress(Exception):  # whatever state the other end left it in, it is over
            await self._stream.aclose()

    async def opened(self) -> "ApiSocket":
        """Wait for the answer to the handshake. Raises HandshakeRefusedError, and FetchError."""
        try:
            await self._flush()
            while self._protocol.state is State.CONNECTING and self._protocol.handshake_exc is None:
                await self._read()
        except FetchError:
            if self._protocol.handshake_exc is None:
                raise
        error = self._protocol.handshake_exc
        if isinstance(error, InvalidStatus):
            raise HandshakeRefusedError(
                error.response.status_code, error.response.headers.get("www-authenticate")
            ) from None
        if error is not None:
            raise FetchError("the API's answer to a handshake is none")
        return self

    async def _read(self) -> None:
        try:
            octets = await self._stream.read(_READ)
        except (httpcore2.NetworkError, httpcore2.TimeoutException, OSError) as error:
            raise FetchError(f"the API's WebSocket: {type(error).__name__}") from error
        self.heard = True
        if octets:
            self._protocol.receive_data(octets)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._frames.append(event)
            else:
                assert isinstance(event, Response)  # a client is answered; `handshake_exc` says whether well
        await self._flush()

    async def _flush(self) -> None:
        async with self._pen:
            for octets in self._protocol.data_to_send():
                try:
                    async with asyncio.timeout(self._timeout):
                        if octets:
                            await self._stream.write(octets)
                except (httpcore2.NetworkError, httpcore2.TimeoutException, OSError) as error:
                    raise FetchError(f"the API's WebSocket: {type(error).__name__}") from error

    def _taken(self, frame: Frame) -> str | bytes | Closed | None:
        if frame.opcode is Opcode.CLOSE:
            told = self._protocol.close_rcvd
            return Closed() if told is None else Closed(told.code, told.reason)
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return None
        if frame.opcode is not Opcode.CONT:
            self._parts, self._is_text = [], frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return None
        whole, self._parts = b"".join(self._parts), []
        try:
            return whole.decode() if self._is_text else whole
        except UnicodeDecodeError:
            raise FetchError("the API sent a text that is none") from None


async def connect(
    fetcher: Fetcher,
    url: str,
    headers: Mapping[str, str],
    subprotocols: Sequence[str],
    *,
    most: int,
    seconds: float,
) -> ApiSocket:
    """A WebSocket at the http or https URL of an API; the caller closes it. `seconds` bound the handshake, and each
    write later on.

    Raises:
        FetchError: nobody is there, or it takes too long.
        HandshakeRefusedError: the API has none here.
    """
    offered = [Subprotocol(one) for one in subprotocols] or None
    uri = parse_uri(f"ws{url.removeprefix('http')}")
    protocol = ClientProtocol(uri, subprotocols=offered, max_size=most, logger=_QUIET)
    request = protocol.connect()
    for name, value in headers.items():
        request.headers[name] = value
    protocol.send_request(request)
    stream = await fetcher.aconnect(url)
    try:
        async with asyncio.timeout(seconds):
            return await ApiSocket(stream, protocol, seconds).opened()
    except BaseException as error:
        with contextlib.suppress(Exception):
            await stream.aclose()
        if isinstance(error, TimeoutError):
            raise FetchTimeoutError("the API took too long for a handshake") from None
        raise


async def relay(browser: Browser, api: ApiSocket, watch: Watch, *, most: int, every: float) -> None:
    """Pass messages both ways, each when the one before was taken, until one side closes or the session is over."""
    tasks = [
        asyncio.create_task(_up(browser, api, watch, most)),
        asyncio.create_task(_down(browser, api, watch)),
        asyncio.create_task(_looked_after(api, watch, max(every, _LEAST_TICK))),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        await api.close(GOING_AWAY)  # the server stops
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for_browser, for_api = Closed(BROKEN), Closed(GOING_AWAY)
    for task in done:
        error = task.exception()
        if error is None:
            for_browser = for_api = _sayable(task.result())
        elif isinstance(error, SessionError):
            for_browser = Closed(UNAUTHORIZED, "signed out")
        elif isinstance(error, TooLargeError):
            for_browser = Closed(TOO_LARGE)
        elif not isinstance(error, AdmitError):
            await api.close(GOING_AWAY)
            raise error
    await asyncio.gather(
        api.close(for_api.code, for_api.reason),
        browser.close(for_browser.code, for_browser.reason),
        return_exceptions=True,
    )


async def _up(browser: Browser, api: ApiSocket, watch: Watch, most: int) -> Closed:
    while not isinstance(message := await browser.receive(), Closed):
        check_size(len(message.encode() if isinstance(message, str) else message), most)
        await watch.acheck()
        await api.send(message)
    return message


async def _down(browser: Browser, api: ApiSocket, watch: Watch) -> Closed:
    while not isinstance(message := await api.receive(), Closed):
        await watch.acheck()
        api.listening = False
        await browser.send(message)
        # What the API said meanwhile, an answer to a ping too, waits to be read.
        api.heard = api.listening = True
    return message


async def _looked_after(api: ApiSocket, watch: Watch, every: float) -> Closed:
    """Look for the session, and for the API, however silent both sides are.

    While a page takes a message nobody listens to the API: that is no silence of its own.
    """
    while True:
        await asyncio.sleep(every)
        await watch.alook()
        if not api.listening:
            continue
        if not api.heard:
            return Closed(BROKEN)
        await api.ping()


def _sayable(told: Closed) -> Closed:
    if told.code in _UNSAID or not 1000 <= told.code < 5000:
        return Closed()
    return Closed(told.code, told.reason.encode()[:_MAX_REASON].decode(errors="ignore"))
