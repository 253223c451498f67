"""An answer that goes on: bounded in silence, cut off by nobody unnoticed, closed from another thread."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from admit.errors import FetchError
from admit.fetch import Fetcher, Stream
from tests.plugins.patience import patience

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}".encode() + b"\r\n" + data + b"\r\n"


@contextmanager
def speaking(
    script: Callable[[socket.socket, threading.Event], None], tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """A server that runs `script` with each connection once the request came; yields its origin."""
    server = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def talk(connection: socket.socket) -> None:
        try:
            with tls.wrap_socket(connection, server_side=True) if tls else connection as spoken:
                data = b""
                while b"\r\n\r\n" not in data and (more := spoken.recv(65536)):
                    data += more
                script(spoken, stop)
        except OSError:
            return  # the client went away, which tests mean to happen

    def run() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://localhost:{server.getsockname()[1]}"
    finally:
        stop.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(patience())


def three_then_silence(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(HEAD)
    for word in (b"one", b"two", b"three"):
        connection.sendall(chunk(word))
    stop.wait(10)


def three_then_end(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(HEAD + chunk(b"one") + chunk(b"two") + chunk(b"three") + b"0\r\n\r\n")


def three_then_cut(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(HEAD + chunk(b"one") + chunk(b"two") + chunk(b"three") + b"5\r\nha")


def opened(origin: str, *, silence: float = 5.0, **options: object) -> Stream:
    fetcher = Fetcher(frozenset({origin}), **options)  # type: ignore[arg-type]  # passed through
    return fetcher.stream(f"{origin}/events", silence=timedelta(seconds=silence)).open()


def test_pieces_come_as_they_are_sent_and_the_end_is_the_end() -> None:
    with speaking(three_then_end) as origin, opened(origin) as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        assert b"".join(stream.chunks()) == b"onetwothree"


def read_into(got: bytearray, stream: Stream) -> None:
    for piece in stream.chunks():
        got += piece


def test_a_stream_that_is_cut_is_an_error_and_no_end() -> None:
    with speaking(three_then_cut) as origin, opened(origin) as stream:
        got = bytearray()
        with pytest.raises(FetchError):
            read_into(got, stream)
    assert got == b"onetwothreeha"


def test_silence_is_noticed() -> None:
    with speaking(three_then_silence) as origin, opened(origin, silence=0.1) as stream:
        got = bytearray()
        with pytest.raises(FetchError):
            read_into(got, stream)
    assert got == b"onetwothree"


def test_a_server_that_drips_into_one_chunk_is_silent_all_the_same() -> None:
    def drip(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(HEAD)
        while not stop.wait(0.02):
            connection.sendall(b"0")  # the size of a chunk, without end

    with speaking(drip) as origin, opened(origin, silence=0.3) as stream, pytest.raises(FetchError):
        next(stream.chunks())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, and its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = tmp_path_factory.mktemp("tls") / "cert.pem"
    made.write_bytes(signed.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (made.parent / "key.pem").write_bytes(secret)
    return made


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "tls"])
def test_another_thread_ends_a_read_at_once(secured: bool, certificate: Path) -> None:
    tls = None
    if secured:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, certificate.parent / "key.pem")
    with speaking(three_then_silence, tls) as origin:
        stream = opened(origin, silence=20.0, ca_file=certificate)
        got, reading, ended = bytearray(), threading.Event(), threading.Event()

        def read() -> None:
            with stream:
                for piece in stream.chunks():
                    got.extend(piece)
                    if got.endswith(b"three"):
                        reading.set()
            ended.set()

        threading.Thread(target=read, daemon=True).start()
        assert reading.wait(patience())
        stream.close()
        assert ended.wait(patience())
    assert got == b"onetwothree"


def test_a_stream_can_be_closed_before_its_head_came() -> None:
    came = threading.Event()

    def mute(_: socket.socket, stop: threading.Event) -> None:
        came.set()
        stop.wait(10)

    with speaking(mute) as origin:
        stream = Fetcher(frozenset({origin})).stream(f"{origin}/events", timeout=timedelta(seconds=20))
        errors: list[BaseException] = []

        def attempt() -> None:
            try:
                stream.open()
            except FetchError as error:
                errors.append(error)

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        assert came.wait(patience())
        stream.close()
        thread.join(patience())
        assert not thread.is_alive()
        assert len(errors) == 1


def test_closing_before_opening_dials_and_lets_go() -> None:
    with speaking(three_then_silence) as origin:
        stream = Fetcher(frozenset({origin})).stream(f"{origin}/events")
        stream.close()
        with stream, pytest.raises(FetchError):
            stream.open()


@pytest.mark.threat("INF-ssrf", off="admit.fetch.egress:check_addresses")
def test_a_stream_from_inside_is_not_even_dialled() -> None:
    dialled = []

    def touched(connection: socket.socket, stop: threading.Event) -> None:
        dialled.append(connection)

    with speaking(touched) as origin:
        port = origin.rpartition(":")[2]
        fetcher = Fetcher(resolver=lambda *_: ["127.0.0.1"])
        with pytest.raises(FetchError, match="egress"):
            fetcher.stream(f"https://inside.example:{port}/events", timeout=timedelta(seconds=2)).open()
    assert dialled == []


@pytest.mark.threat("INF-ssrf", off="admit.fetch.fetcher:check_redirect")
def test_a_stream_does_not_follow_a_redirect() -> None:
    def elsewhere(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n")

    with speaking(elsewhere) as origin, pytest.raises(FetchError, match="redirect"):
        opened(origin)


def test_plain_http_to_another_machine_is_no_stream() -> None:
    with pytest.raises(FetchError):
        Fetcher(frozenset({"http://id.example.com"})).stream("http://id.example.com/status/events")
