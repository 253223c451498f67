"""A worker that is forked off in the midst of somebody else's work neither waits for it nor does it twice."""

import contextlib
import os
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from admit.client.exchange import run
from admit.relying_party import MemorySessionStore
from admit.relying_party.keys import ProviderKeys
from tests.fixtures.provider import Strange
from tests.fixtures.relying_party import Wire
from tests.plugins.patience import patience, wait_until
from tests.unit.relying_party.test_stores import NOW, SESSION

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


def in_child(work: Callable[[], bool]) -> bool:
    """What it comes to in a forked child, which is given up when it hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is the point
        child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    ended: list[int] = []

    def over() -> bool:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            ended.append(os.waitstatus_to_exitcode(status))
        return bool(ended)

    try:
        wait_until(over, "the child's end")
    except AssertionError:
        os.kill(child, 9)
        os.waitpid(child, 0)
        raise
    return ended == [0]


@contextlib.contextmanager
def held(lock: Any) -> Iterator[None]:
    """Another thread has the lock."""
    has, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            has.set()
            may_go.wait(patience())

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert has.wait(patience())
        try:
            yield
        finally:
            may_go.set()
            holding.result(patience())


def test_a_child_fetches_a_providers_keys_itself() -> None:
    strange, wire = Strange(), Wire()
    keys = ProviderKeys(strange.provider(wire))
    answers, asked, may_answer = wire.apps[strange.issuer], threading.Event(), threading.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        asked.set()
        assert may_answer.wait(patience())  # this thread has a loop of its own
        await answers(scope, receive, send)

    wire.apps[strange.issuer] = slow
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(lambda: run(keys.get()))
        assert asked.wait(patience())

        def fetched() -> bool:
            wire.apps[strange.issuer] = answers
            return [key.kid for key in run(keys.get())] == ["p1"]

        try:
            assert in_child(fetched)
        finally:
            may_answer.set()
        assert [key.kid for key in fetching.result(patience())] == ["p1"]


def test_a_child_that_was_forked_while_nobody_fetched_has_the_keys() -> None:
    strange, wire = Strange(), Wire()
    keys = ProviderKeys(strange.provider(wire))
    run(keys.get())
    wire.apps.clear()
    assert in_child(lambda: len(run(keys.get())) == 1)


def test_a_child_has_a_memory_of_sessions_of_its_own() -> None:
    store = MemorySessionStore()
    assert store.add(SESSION, NOW, NOW)
    assert store.lease(SESSION.id_hash, SESSION.version, NOW, NOW + 30)

    def works() -> bool:
        # The parent renews that session's tokens: a second time would look like theft.
        gone = store.get(SESSION.id_hash, NOW) is None
        return gone and store.add(SESSION, NOW, NOW) and store.get(SESSION.id_hash, NOW) is not None

    with held(store._lock):
        assert in_child(works)
    assert store.get(SESSION.id_hash, NOW) is not None
