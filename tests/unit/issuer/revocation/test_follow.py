"""The job that keeps the process's own verifier fresh."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from admit.errors import ConfigError
from admit.issuer.revocation import ByUser, RevocationConfig, StatusService, StatusState, Wake, follow
from tests.fixtures.families import NOW, Process
from tests.plugins.patience import patience

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Stage:
    """Runs `follow` for some rounds; `pause` is where a test acts, and no time passes."""

    def __init__(self, process: Process, **config: timedelta) -> None:
        self.process = process
        self.config = RevocationConfig(**config)
        self.delivered: list[tuple[StatusState, float]] = []
        self.pauses: list[float] = []
        self.boot = 100.0

    async def run(self, *acts: object) -> None:
        todo = list(acts)

        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)
            self.boot += seconds
            if not todo:
                raise asyncio.CancelledError
            act = todo.pop(0)
            if act is not None:
                await act  # type: ignore[misc]  # an awaitable

        with pytest.raises(asyncio.CancelledError):
            await follow(
                self.process.service,
                self.process.lists,
                self.process.db,
                lambda state, began: self.delivered.append((state, began)),
                wall=lambda: NOW,
                since_boot=lambda: self.boot,
                config=self.config,
                pause=pause,
            )


async def test_an_end_is_delivered_at_the_next_look(process: Process) -> None:
    await process.user()
    node = await process.session()
    stage = Stage(process)
    await stage.run(None, process.end(ByUser("u_alice")))
    ref = process.lists.ref(node.idx)
    assert [state.is_ended(ref) for state, _ in stage.delivered] == [False, False, True]
    assert stage.pauses == [0.2, 0.2, 0.2]


async def test_what_is_delivered_holds_as_of_the_start_of_the_look(process: Process) -> None:
    stage = Stage(process)
    await stage.run(None)
    assert [began for _, began in stage.delivered] == [100.0, 100.2]


async def test_while_the_database_is_gone_nothing_is_delivered_and_the_job_lives(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(process)
    await stage.run(process.db.close(), None, None, process.db.open())
    assert [began for _, began in stage.delivered] == [100.0, pytest.approx(100.8)]
    assert caplog.text.count("could not be read") == 1


async def test_a_mistake_of_ours_is_told_and_does_not_end_the_job(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(process)
    mistakes = [ZeroDivisionError()]

    async def refresh() -> StatusState:
        if mistakes:
            raise mistakes.pop()
        return await StatusService.refresh(process.service)

    process.service.refresh = refresh  # type: ignore[method-assign]  # fails once
    await stage.run(None)
    assert len(stage.delivered) == 1
    assert "ZeroDivisionError" in caplog.text


async def test_the_spare_list_is_seen_to_now_and_then(process: Process) -> None:
    seen: list[float] = []

    async def ensure(db: object, now: float) -> None:
        seen.append(now)

    stage = Stage(process, poll=timedelta(seconds=4), list_check=timedelta(seconds=10))
    stage.process.lists.ensure = ensure  # type: ignore[method-assign]  # counts
    await stage.run(*[None] * 6)
    assert len(stage.delivered) == 7
    assert seen == [NOW] * 3


async def test_a_hint_ends_the_pause_at_once(database_url: str) -> None:
    wake = Wake()
    pausing = asyncio.ensure_future(wake.pause(60))
    await asyncio.sleep(0)
    assert not pausing.done()
    wake.tell()
    await asyncio.wait_for(pausing, patience())


async def test_a_hint_from_before_the_pause_is_not_lost_and_counts_once(database_url: str) -> None:
    wake = Wake()
    wake.tell()
    wake.tell()
    await asyncio.wait_for(wake.pause(60), patience())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wake.pause(60), 0.1)


async def test_without_a_hint_the_pause_is_as_long_as_it_is(database_url: str) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await Wake().pause(0.05)
    assert loop.time() - began >= 0.045


async def test_many_hints_cost_few_looks(database_url: str) -> None:
    loop, wake = asyncio.get_running_loop(), Wake()
    began = loop.time()
    for _ in range(6):
        wake.tell()
        await asyncio.wait_for(wake.pause(60), patience())
    assert loop.time() - began >= 0.25


async def test_an_end_of_this_process_wakes_the_job(process: Process) -> None:
    await process.user()
    wake = Wake()
    deaf = process.db.on_publish(wake.tell)
    quiet = asyncio.ensure_future(wake.pause(60))
    await process.session()
    await asyncio.sleep(0.02)
    assert not quiet.done()
    await process.end(ByUser("u_alice"))
    await asyncio.wait_for(quiet, patience())
    deaf()
    deaf()
    await process.session()
    await process.end(ByUser("u_alice"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wake.pause(60), 0.1)


@pytest.mark.parametrize(
    "given",
    [
        {"poll": timedelta(0)},
        {"poll": timedelta(seconds=6)},
        {"list_max_age": timedelta(seconds=-1)},
        {"list_max_age": timedelta(minutes=31)},
        {"change_log": timedelta(0)},
        {"list_check": timedelta(0)},
        {"stream_life": timedelta(0)},
        {"most_streams": -1},
        {"most_streams_each": 0},
    ],
)
async def test_settings_that_cannot_work_are_refused(database_url: str, given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="revocation"):
        RevocationConfig(**given)


async def test_the_defaults_are_those_of_the_contract(database_url: str) -> None:
    config = RevocationConfig()
    assert config.poll == timedelta(milliseconds=200)
    assert config.list_max_age == timedelta(minutes=5)
    assert config.change_log == timedelta(hours=1)
    assert config.stream_life == timedelta(minutes=10)
