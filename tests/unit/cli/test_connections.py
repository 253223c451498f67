"""How many connections `admit serve` holds, and for how long."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from admit.cli import connections
from admit.cli.connections import Room
from admit.cli.serve import configuration
from admit.errors import ConfigError
from admit.issuer.app.config import ServeConfig

NGINX = Path(__file__).resolve().parents[3] / "deploy" / "nginx.conf"
USUAL = 60.0
"""Seconds that nginx keeps an idle connection to a server behind it, as it comes; rented load balancers too."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nothing is asked")


def test_a_proxy_lets_an_idle_connection_go_before_the_server_does() -> None:
    """Else a request meets a connection that is being closed, and whoever sent it is answered 502."""
    upstream = NGINX.read_text("utf-8").partition("upstream admit {")[2].partition("}")[0]
    [kept] = re.findall(r"keepalive_timeout (\d+)s;", upstream)
    assert configuration(app, ServeConfig(), None).timeout_keep_alive > max(float(kept), USUAL)
    longer = ServeConfig(keep_alive=timedelta(minutes=11))
    assert configuration(app, longer, None).timeout_keep_alive == 660


@pytest.mark.parametrize(
    "wrong",
    [
        {"keep_alive": timedelta(0)},
        {"keep_alive": timedelta(days=1)},
        {"connections": 0},
    ],
    ids=["none", "a day", "no connection"],
)
def test_bounds_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"serve.{next(iter(wrong))} must be"):
        ServeConfig(**wrong)  # type: ignore[arg-type]  # each is of its field's type


@pytest.mark.threat("INF-size", off="admit.cli.connections:bearable")
def test_connections_never_take_the_last_descriptors() -> None:
    for descriptors in (64, 1_024, 4_096):
        assert connections.bearable(10_000, descriptors) <= descriptors - min(128, descriptors // 4)


def test_as_many_as_are_set_are_held_where_descriptors_allow_it() -> None:
    assert connections.bearable(10_000, 65_536) == connections.bearable(10_000, None) == 10_000


def closer(closed: list[str], name: str) -> Callable[[], None]:
    return lambda: closed.append(name)


def test_the_oldest_of_those_that_wait_goes_and_never_one_that_is_being_answered() -> None:
    room, closed = Room(3), list[str]()
    for name in ("a", "b", "c"):
        assert room.admit(name, 1)
        room.wait(name, closer(closed, name))
    room.leave("a")  # it is being answered
    assert room.admit("d", 4)
    assert closed == ["b"]
    room.wait("c", closer(closed, "c"))
    room.wait("a", closer(closed, "a"))  # its answer is over
    assert room.admit("e", 4)
    assert room.admit("f", 4)
    assert closed == ["b", "c", "a"]
    assert not room.admit("g", 4), "nobody waits"
