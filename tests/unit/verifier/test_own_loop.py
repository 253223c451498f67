"""`admit.verifier.own_loop`: threads wait for what is awaited, in one loop of the process, or in the work's own."""

import asyncio
import os
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from admit.credentials import Found, cookies
from admit.errors import ConfigError, LookupUnavailableError, SessionError
from admit.verifier.own_loop import OWN_LOOP, OwnLoop
from tests.contract.services import API, RAW, Issuer
from tests.plugins.patience import wait_until


async def where() -> tuple[str, int]:
    await asyncio.sleep(0)
    return threading.current_thread().name, id(asyncio.get_running_loop())


def test_every_thread_waits_for_one_loop() -> None:
    own = OwnLoop()
    with ThreadPoolExecutor(8) as pool:
        places = set(pool.map(lambda _: own.wait_for(where), range(50)))
    assert [name for name, _ in places] == ["admit-loop"]


def test_work_that_is_bound_to_a_loop_is_done_there() -> None:
    async def home() -> tuple[str, int]:
        loop = asyncio.get_running_loop()
        return await asyncio.to_thread(lambda: OwnLoop().wait_for(where, home=loop))

    name, _ = asyncio.run(home())
    assert name == threading.current_thread().name


def test_whoever_would_wait_for_itself_is_told_so() -> None:
    own = OwnLoop()

    async def again() -> None:
        own.wait_for(where)

    async def at_home() -> None:
        own.wait_for(where, home=asyncio.get_running_loop())

    with pytest.raises(ConfigError):
        own.wait_for(again)
    with pytest.raises(ConfigError):
        asyncio.run(at_home())


def test_a_loop_that_ended_and_work_that_does_not_are_unavailable() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(LookupUnavailableError):
        OwnLoop().wait_for(where, home=loop)

    async def for_ever() -> None:
        await asyncio.Event().wait()

    async def others() -> int:
        return len(asyncio.all_tasks()) - 1

    own = OwnLoop()
    with pytest.raises(LookupUnavailableError):
        own.wait_for(for_ever, seconds=0)
    wait_until(lambda: own.wait_for(others) == 0)  # what nobody waits for is not left running


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_a_loop_of_its_own_and_leaves_the_parents_alone() -> None:
    before = OWN_LOOP.wait_for(where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is the point
        child = os.fork()
    if child == 0:
        code = 1
        try:
            after = OWN_LOOP.wait_for(where, seconds=10)
            code = 0 if after[1] != before[1] else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert OWN_LOOP.wait_for(where) == before


class Homed(Issuer):
    """A look-up that lives in one loop and fails in any other, as a pool of connections does."""

    home: asyncio.AbstractEventLoop | None = None

    async def find(self, id_hash: bytes, audience: str, now: float) -> Found | None:
        assert self.home in (None, asyncio.get_running_loop())
        return await super().find(id_hash, audience, now)


def test_a_session_is_found_from_threads_wherever_its_look_up_lives() -> None:
    issuer = Homed()
    id_hash = cookies.id_hash(RAW)
    assert issuer.verifier.verify_session_blocking(issuer, id_hash, API).subject == "u_alice"

    async def at_home() -> None:
        issuer.home = asyncio.get_running_loop()
        who = await asyncio.to_thread(issuer.verifier.verify_session_blocking, issuer, id_hash, API)
        assert who.session_id == "s-1"
        with pytest.raises(ConfigError):
            issuer.verifier.verify_session_blocking(issuer, id_hash, API)

    asyncio.run(at_home())
    with pytest.raises(LookupUnavailableError):  # the issuer's loop is over
        issuer.verifier.verify_session_blocking(issuer, id_hash, API)
    issuer.home = None
    issuer.end()
    with pytest.raises(SessionError):
        issuer.verifier.verify_session_blocking(issuer, id_hash, API, now=time.time())
