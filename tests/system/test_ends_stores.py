"""Several processes and one store of ends: what one of them is told all refuse, and no crash loses what was kept."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from admit.jose import JWK
from admit.jose import claims as jose_claims
from admit.tokens import logout, security_event
from admit.tokens.logout import LogoutToken
from admit.verifier import FileEndStore
from tests.fixtures.processes import Child, environment, free_port, start_all, stop_all
from tests.fixtures.redis import RedisServer
from tests.plugins.patience import patience, slack

APPS = Path(__file__).parent / "apps"
ISSUER = "https://login.example.com"
AUDIENCE = "https://api.example.com"
KEY = JWK.generate("ES256", kid="k1")


@contextmanager
def two_apis(folder: Path, store: dict[str, str]) -> Iterator[tuple[Child, Child]]:
    made = []
    for name in ("one", "two"):
        port = free_port()
        config = {
            "port": port,
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "client": "shop",
            "jwks": {"keys": [KEY.public().to_dict()]},
            **store,
        }
        path = folder / f"{name}.json"
        path.write_text(json.dumps(config))
        command = [sys.executable, str(APPS / "receiving.py"), str(path)]
        made.append(Child(command, folder, name, port=port, ready="/health", host=f"127.0.0.1:{port}"))
    try:
        start_all(*made)
        yield made[0], made[1]
    finally:
        stop_all(*made)


def access_token(subject: str) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": subject, "aud": AUDIENCE, "iat": now, "exp": now + 600, "jti": subject}
    return jose_claims.encode(claims, KEY, typ="JWT")


def answer(api: Child, bearer: str) -> tuple[int, str]:
    response = httpx2.get(
        f"{api.address}/who", headers={"authorization": f"Bearer {bearer}"}, timeout=patience()
    )
    return response.status_code, response.json()["code"]


def log_out(api: Child, subject: str) -> None:
    now = time.time()
    said = LogoutToken(issuer=ISSUER, audience="shop", iat=now, jti=f"l-{subject}", subject=subject)
    data = {"logout_token": logout.sign(said, KEY)}
    response = httpx2.post(f"{api.address}/hooks/backchannel-logout", data=data, timeout=patience())
    assert response.status_code == 200, response.text


def revoke(api: Child, subject: str) -> None:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": "shop",
        "iat": now,
        "jti": f"e-{subject}",
        "sub_id": {"format": "iss_sub", "iss": ISSUER, "sub": subject},
        "events": {security_event.SESSION_REVOKED: {"event_timestamp": now}},
    }
    content = jose_claims.encode(claims, KEY, typ="secevent+jwt")
    headers = {"content-type": "application/secevent+jwt"}
    response = httpx2.post(
        f"{api.address}/hooks/events", content=content, headers=headers, timeout=patience()
    )
    assert response.status_code == 202, response.text


def until(api: Child, bearer: str, expected: tuple[int, str], within: float) -> float:
    """Ask until that is the answer; the seconds it took."""
    began = time.monotonic()
    while (found := answer(api, bearer)) != expected:
        assert time.monotonic() - began < within + slack(), (found, api.log)
        time.sleep(0.01)
    return time.monotonic() - began


def good_token(subject: str, *apis: Child) -> str:
    """One that all take: those of the second in which an empty Redis was begun are refused."""
    began = time.monotonic()
    while True:
        bearer = access_token(subject)
        if all(answer(api, bearer) == GOOD for api in apis):
            return bearer
        assert time.monotonic() - began < patience(), [api.log for api in apis]
        time.sleep(0.02)


ENDED = (401, "invalid_token")
STALE = (503, "revocation_stale")
GOOD = (200, "")


def told_to_one_is_refused_by_both(one: Child, two: Child) -> None:
    alice, bob, carol = (good_token(subject, one, two) for subject in ("alice", "bob", "carol"))
    log_out(one, "alice")
    assert answer(one, alice) == ENDED
    until(two, alice, ENDED, within=1.0)
    revoke(two, "bob")
    assert answer(two, bob) == ENDED
    until(one, bob, ENDED, within=1.0)
    assert answer(one, carol) == answer(two, carol) == GOOD


def test_a_push_to_one_process_is_refused_by_the_other_by_a_file(tmp_path: Path) -> None:
    with two_apis(tmp_path, {"file": str(tmp_path / "ends")}) as (one, two):
        told_to_one_is_refused_by_both(one, two)


@pytest.mark.soak
def test_a_push_to_one_process_is_refused_by_the_other_by_redis(
    tmp_path: Path, redis_factory: Callable[[], RedisServer]
) -> None:
    server = redis_factory()
    with two_apis(tmp_path, {"redis": server.url}) as (one, two):
        told_to_one_is_refused_by_both(one, two)
        # Redis stays away for longer than the bound: nobody is let in on what cannot be known.
        carol = good_token("carol", one, two)
        server.pause()
        until(one, carol, STALE, within=10.0)
        until(two, carol, STALE, within=10.0)
        server.go_on()
        until(one, carol, GOOD, within=10.0)
        until(two, carol, GOOD, within=10.0)


@pytest.mark.soak
@pytest.mark.threat("O-3")
def test_a_redis_that_restarts_empty_lets_nobody_back_in(
    tmp_path: Path, redis_factory: Callable[[], RedisServer]
) -> None:
    server = redis_factory()
    with two_apis(tmp_path, {"redis": server.url}) as (one, two):
        alice, bob = good_token("alice", one, two), good_token("bob", one, two)
        log_out(one, "alice")
        until(two, alice, ENDED, within=1.0)
        server.stop()
        server.start()
        stop_all(two)
        start_all(two)  # it knows nothing but what Redis was told again
        assert answer(two, alice) == answer(one, alice) == ENDED
        until(two, bob, GOOD, within=2.0)
        assert answer(one, bob) == GOOD


@pytest.mark.threat("O-3")
def test_what_was_acknowledged_outlives_killed_writers(
    tmp_path: Path, rounds: Callable[..., range], rng: random.Random
) -> None:
    path = tmp_path / "ends"
    acknowledged: set[str] = set()
    for turn in rounds(test=2, soak=50):
        writers = [
            subprocess.Popen(
                [sys.executable, str(APPS / "adding.py"), str(path), f"{turn}-{number}"],
                stdout=subprocess.PIPE,
                text=True,
                env=environment(),
            )
            for number in range(3)
        ]
        for writer in writers:
            assert writer.stdout is not None
            acknowledged.add(writer.stdout.readline().strip())
        time.sleep(rng.uniform(0.05, 0.3))
        for writer in writers:
            writer.kill()
            acknowledged.update(writer.communicate()[0].split("\n")[:-1])
        if turn % 2:
            with path.open("ab") as file:  # what the power's failing may leave at the end
                file.write(b'deadbeef {"iss":"https://i.exa')
    after = FileEndStore(path, limit=1_000_000)
    after.read_now()
    kept = {end.subject for end in after._held.all()}
    assert len(acknowledged) > 6
    assert acknowledged <= kept
