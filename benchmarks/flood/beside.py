"""How long answers take beside a flood of sign-ins, and without one."""

import asyncio
import json
import secrets
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from admit.issuer import Issuer, Settings
from admit.issuer.grants.records import Authorization, PresentedCode, Redeemed
from admit.issuer.grants.rules import challenge_of
from admit.issuer.storage import Keyring
from benchmarks.flood import forms
from benchmarks.harness import figures
from benchmarks.harness.load import Answer, Load, Script, expect, request
from benchmarks.harness.programs import Program
from benchmarks.issuer import furnished
from benchmarks.issuer.furnished import Furnished

FLOODERS = 100
GUESS_EVERY = 1.0
"""Seconds, of each of them: in all three times what two cores hash. A server at which as much is thrown as it takes
answers nobody quickly, whatever is thrown."""
ASKERS = 2
PAUSE = 0.01
HASHES_MIB = 2 * 19


@dataclass(slots=True)
class Told:
    """What the answers of a script took, in ms, each on a connection of its own."""

    name: str
    script: Script
    taken: list[float] = field(default_factory=list)


def asked(made: Furnished, token: str) -> Iterator[tuple[str, Script]]:
    yield "GET /health/live", again(made, "/health/live", ())
    yield "GET /userinfo, a token verified", again(made, "/userinfo", (("authorization", f"Bearer {token}"),))
    yield "POST /session/lookup", furnished.lookups(made, len(made.sessions))
    yield "GET /api/session by cookie", furnished.checks(made, len(made.sessions), "/api/session")


def again(made: Furnished, path: str, headers: tuple[tuple[str, str], ...]) -> Script:
    while True:
        expect((yield request("GET", path, host=made.host, headers=headers)), 200)


async def one_by_one(port: int, told: Told, until: Callable[[], bool]) -> None:
    """Connect, ask, be answered, pause: what a probe does, and what a flood must not hold up."""
    load = Load(port, [told.script])
    while not until():
        began = time.perf_counter()
        await load.run(1)
        told.taken.append((time.perf_counter() - began) * 1e3)
        await asyncio.sleep(PAUSE)


async def guess_on(port: int, script: Script, number: int, until: Callable[[], bool]) -> None:
    """One of the flood. They begin evenly over the first moment."""
    load = Load(port, [script])
    await load.run(1)  # its page
    await asyncio.sleep(GUESS_EVERY * number / FLOODERS)
    while not until():
        began = time.perf_counter()
        await load.run(1)
        await asyncio.sleep(max(0.0, GUESS_EVERY - (time.perf_counter() - began)))


async def phase(
    made: Furnished, program: Program, seconds: float, token: str, flood: Sequence[Script] = ()
) -> list[Told]:
    """Everybody for so long."""
    over = time.perf_counter() + seconds
    told = [Told(name, script) for _ in range(ASKERS) for name, script in asked(made, token)]

    def until() -> bool:
        return time.perf_counter() > over

    await asyncio.gather(
        *(one_by_one(program.port, one, until) for one in told),
        *(guess_on(program.port, script, number, until) for number, script in enumerate(flood)),
    )
    return told


async def measure(made: Furnished, seconds: float, noise: figures.Noise) -> str:
    """The table: median and p99 of each, calm and beside the flood."""
    refresh = await refresh_token(made)
    with made.serve() as program:
        program.until_ready("/health/ready", host=made.host)
        answers: Counter[int] = Counter()
        flood = [counted(forms.wrong_passwords(made, n), answers) for n in range(FLOODERS)]
        token = await access_token(made, program, refresh)
        await phase(made, program, 1.0, token)
        memory = program.memory()
        noise.sample()
        calm = await phase(made, program, seconds / 2, token)
        noise.sample()
        beside = await phase(made, program, seconds, token, flood)
        most = program.memory()
    rows = []
    for name in dict.fromkeys(one.name for one in calm):
        without, within = (
            [value for one in both if one.name == name for value in one.taken] for both in (calm, beside)
        )
        rows.append(
            (name, f"{len(within):,}", *(f"{value:.1f}" for value in (*ends_of(without), *ends_of(within))))
        )
    heads = ("beside a flood", "asked", "calm: median ms", "p99", "flood: median ms", "p99")
    rest = (
        f"The flood was told {answers[400]:,} times that a password is wrong and {answers[503]:,} times to come back "
        f"later, in {seconds:.0f} s. The process had {memory:.0f} MiB before and {most:.0f} MiB after it, of which two "
        f"hashes are {HASHES_MIB}."
    )
    return figures.table(heads, rows) + "\n\n" + rest


def ends_of(taken: list[float]) -> tuple[float, float]:
    """Median and p99."""
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def counted(script: Script, answers: Counter[int]) -> Script:
    wanted = next(script)
    while True:
        answer: Answer = yield wanted
        answers[answer.status] += 1
        wanted = script.send(answer)


async def refresh_token(made: Furnished) -> str:
    """Of a grant for the issuer's own endpoints, made by its own means."""
    settings = Settings.load(made.folder / "admit.toml", environ={})
    issuer = Issuer(settings, keyring=Keyring.ensure(made.folder / "keys.json"))
    async with issuer.lifespan():
        services, now = issuer.services, time.time()
        user = await services.accounts.find(made.emails[0])
        assert user is not None
        proof: dict[str, Any] = {"auth_time": float(int(now)), "acr": "urn:admit:acr:1fa", "amr": ("pwd",)}
        new = await services.sessions.start(user, **proof, info=furnished.INFO, now=now)
        verifier = secrets.token_urlsafe(32)
        code = await services.codes.issue(
            Authorization(
                client_id="spa", user_id=user.id, session_id=new.session.id, redirect_uri=furnished.CALLBACK,
                scope=frozenset({"openid"}), audience=made.issuer, code_challenge=challenge_of(verifier),
                nonce=None, **proof,
            ),
            info=furnished.INFO,
            now=now,
        )  # fmt: skip
        assert code is not None
        presented = PresentedCode(client_id="spa", redirect_uri=furnished.CALLBACK, code_verifier=verifier)
        redeemed = await services.codes.redeem(code, presented, refresh=True, info=furnished.INFO, now=now)
        assert isinstance(redeemed, Redeemed)
        assert redeemed.refresh_token is not None
        return redeemed.refresh_token


async def access_token(made: Furnished, program: Program, refresh: str) -> str:
    """An access token for them."""
    found: list[str] = []

    def ask() -> Script:
        form = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": "spa"}
        headers = (("content-type", "application/x-www-form-urlencoded"),)
        body = urlencode(form).encode()
        answer = yield request("POST", "/token", host=made.host, headers=headers, body=body)
        found.append(json.loads(expect(answer, 200).body)["access_token"])
        yield b""

    await Load(program.port, [ask()]).run(1)
    return found[0]
