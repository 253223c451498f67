"""A worker that is killed with -9 right after the mail server took a mail: it is sent again, under the same id."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from admit.issuer.outbox import Courier, Mail, Outbox, Posted
from admit.issuer.outbox.smtp import SmtpSender
from admit.issuer.storage import Keyring
from tests.fixtures.issuer import Clock
from tests.fixtures.mail import MailServer, mail_config
from tests.fixtures.storage import OpenAgain
from tests.system.apps.dying_courier import plainly

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
PROGRAM = Path(__file__).parent / "apps" / "dying_courier.py"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_what_a_killed_worker_had_sent_arrives_once_more_under_the_same_id_and_is_not_lost(
    database_url: str, open_again: OpenAgain, key_file: Path, keyring: Keyring, mail_server: MailServer
) -> None:
    db, config = await open_again(), mail_config(mail_server)
    outbox, clock = Outbox(config, keyring), Clock(time.time())
    mail = Mail(kind="password_changed", user_id="u_ada", to="ada@example.com")
    assert await db.run(outbox.post, mail, now=clock.now) is Posted.QUEUED
    killed = subprocess.run(
        [sys.executable, str(PROGRAM), database_url, str(key_file), str(mail_server.port)],
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(mail_server.messages) == 1, "it was sent before the kill"
    sender = SmtpSender(config.server, timeout=config.timeout)
    sound = Courier(db, outbox, sender, plainly, clock=clock)
    assert await sound.turn() == 0, "the dead one's lease holds"
    clock.advance(config.lease.total_seconds() + 10)
    assert await sound.turn() == 1
    assert len({str(message["Message-ID"]) for message in mail_server.messages}) == 1
    assert len(mail_server.messages) == 2
    assert await sound.turn() == 0
