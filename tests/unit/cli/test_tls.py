"""TLS that `admit serve` ends itself: what it takes, what it refuses, and a renewed certificate."""

import asyncio
import logging
import os
import shutil
import ssl
from pathlib import Path

import pytest

from admit.cli import tls
from admit.errors import ConfigError
from admit.issuer import Settings
from admit.issuer.app.config import TlsConfig
from tests.fixtures.certificates import Certificate, certificate
from tests.plugins.patience import patience

pytestmark = pytest.mark.anyio
NAME = "id.example.com"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"), NAME)


def config_of(one: Certificate) -> TlsConfig:
    return TlsConfig(cert=str(one.cert), key=str(one.key))


async def served(context: ssl.SSLContext, authority: Path, **limits: ssl.TLSVersion) -> tuple[str, int]:
    """The protocol of one connection, and the served certificate's serial number."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    client = ssl.create_default_context(cafile=str(authority))
    for name, value in limits.items():
        setattr(client, name, value)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=NAME)
        found: ssl.SSLObject = writer.get_extra_info("ssl_object")
        told = found.version() or "", int(str((found.getpeercert() or {})["serialNumber"]), 16)
        writer.transport.abort()
    return told


async def test_tls_1_2_and_later_are_spoken(made: Certificate) -> None:
    context = tls.context(config_of(made))
    assert (await served(context, made.authority))[0] == "TLSv1.3"
    older = await served(context, made.authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    assert older[0] == "TLSv1.2"
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


async def test_a_renewed_certificate_is_taken_and_a_broken_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = certificate(tmp_path, NAME), certificate(tmp_path, NAME, stem="renewed")
    config = config_of(first)
    context = tls.context(config)
    before = (await served(context, first.authority))[1]
    job = asyncio.create_task(tls.keep(context, config, every=0.01))
    await asyncio.sleep(0)  # it notes the files as they are before it first waits
    with caplog.at_level(logging.INFO, "admit.tls"):
        first.cert.write_bytes(second.cert.read_bytes())
        os.utime(first.cert, ns=(1, 1))
        await until(caplog, "cannot be used")
        assert (await served(context, first.authority))[1] == before
        shutil.copyfile(second.key, first.key)
        os.utime(first.key, ns=(2, 2))
        await until(caplog, "a new certificate")
    job.cancel()
    assert (await served(context, second.authority))[1] != before


async def until(caplog: pytest.LogCaptureFixture, words: str) -> None:
    async with asyncio.timeout(patience()):
        while not any(words in record.getMessage() for record in caplog.records):  # noqa: ASYNC110  # a log has no event
            await asyncio.sleep(0.01)


def test_files_that_cannot_work_are_told_in_one_line(made: Certificate, tmp_path: Path) -> None:
    other = certificate(tmp_path, NAME)
    broken = tmp_path / "broken.pem"
    broken.write_text("no PEM")
    for cert, key, words in (
        (made.cert, other.key, "not the key"),
        (broken, made.key, "PEM"),
        (tmp_path / "none.pem", made.key, "does not exist"),
        (made.cert, tmp_path / "none.key", "does not exist"),
    ):
        with pytest.raises(ConfigError, match=words) as told:
            tls.context(TlsConfig(cert=str(cert), key=str(key)))
        assert "\n" not in str(told.value)


def test_half_of_the_two_and_http_with_them_are_refused(made: Certificate) -> None:
    with pytest.raises(ConfigError, match="belong together"):
        TlsConfig(cert=str(made.cert))
    with pytest.raises(ConfigError, match="http"):
        Settings(issuer="http://localhost:8410", dev=True, tls=config_of(made))
