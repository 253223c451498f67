"""What following costs in memory and on the wire, between a verifier and the real issuer."""

import http.client
import secrets
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from admit.credentials import cookies, csrf
from admit.jose import JWK
from admit.tokens import status_head, status_list
from admit.tokens.status_head import Head
from admit.verifier import Revocation, TrustedIssuer, Verifier, freshness
from admit.verifier.hit import Standing
from admit.verifier.snapshot import Held, IssuerSnapshot
from benchmarks.harness import figures
from benchmarks.harness.load import runner
from benchmarks.harness.programs import HOST, Program, environment, free_port
from benchmarks.harness.relay import Exchange, Relay
from benchmarks.issuer import furnished
from benchmarks.issuer.furnished import API, CALLBACK, Furnished
from benchmarks.verifier.site import ISSUER, TERMS, ended

LISTS = 7
POLLS = 10
WAIT = 20.0
HEADS = ("what", "octets", "of it", "goal")
HOW = f"""\
On the wire between a verifier and `admit serve`, through a relay that counts: requests and answers with all their
headers, on connections that stay open. Lists as the issuer signs them; 1 % set is {status_list.ENTRIES // 100:,}
families of {status_list.ENTRIES:,}, anywhere. Memory by the allocator's own account, for what is held and what is laid
out of it."""


def measure() -> str:
    """The table."""
    memory = _memory()
    with tempfile.TemporaryDirectory(prefix="admit-bench-") as name:
        made = runner(furnished.furnish(Path(name), free_port(), people=2, sessions=POLLS, grants=0))
        poll, event, listed = _wire(made)
    full = _list_token(status_list.ENTRIES // 100)
    head_of = len(b"".join(listed.answered)) - len(_body(listed))
    seven = poll.octets - _head_size(1) + _head_size(LISTS)
    rows = [
        ("seven lists in a verifier (7 million families)", f"{memory:,}", "", _goal(memory, 1_000_000)),
        (
            "a list that changed, 1 % set, as answered",
            f"{full + head_of:,}",
            f"{full:,} signed list, {head_of} headers; asked with {len(listed.asked)}",
            _goal(full + head_of, 32_768),
        ),
        (
            "an end, told by the stream",
            f"{len(event)}",
            event.decode("ascii").strip().replace("\n", " ⏎ "),
            _goal(len(event), 64),
        ),
        (
            "a poll that brings nothing new, one list",
            f"{poll.octets:,}",
            f"{len(poll.asked)} asked, {poll.octets - len(poll.asked)} answered",
            _goal(poll.octets, 800),
        ),
        ("the same with seven lists", f"{seven:,}", "", ""),
    ]
    return figures.table(HEADS, rows)


def _goal(found: int, most: int) -> str:
    return f"≤ {most:,}: {figures.verdict(met=found <= most)}"


def _memory() -> int:
    """Of a snapshot of seven lists, and of what the hot path keeps beside it."""
    packed = {n: status_list.compress(ended(10_000 + n)) for n in range(LISTS)}
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    received = {n: status_list.decompress(octets) for n, octets in packed.items()}
    versions = {n: status_list.version(bitmap) for n, bitmap in received.items()}
    head = Head(issuer=ISSUER, nonce="", iat=0.0, epoch=1, seq=1, lists=versions, revoked_kids=frozenset())
    held = freshness.take_lists(freshness.take_head(Held(), head, 1.0), head, received, 1.0)
    kept = Standing(IssuerSnapshot(None, held), TERMS)
    del received, versions, head
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept.snapshot.held.bitmaps) == LISTS
    return after - before


def _list_token(bits: int) -> int:
    """Octets of a signed list with so many bits set."""
    day = timedelta(days=1)
    key = JWK.generate("ES256", kid="status-1")
    packed = status_list.compress(ended(bits))
    return len(status_list.encode(ISSUER, 0, packed, iat=time.time(), lifetime=day, ttl=day, key=key))


def _head_size(lists: int) -> int:
    """Octets of a signed head that names so many lists."""
    versions = {n: secrets.token_hex(8) for n in range(lists)}
    head = Head(
        issuer=ISSUER, nonce=secrets.token_urlsafe(16), iat=time.time(), epoch=1, seq=1, lists=versions,
        revoked_kids=frozenset(),
    )  # fmt: skip
    return len(status_head.sign(head, JWK.generate("ES256", kid="status-1")))


def _wire(made: Furnished) -> tuple[Exchange, bytes, Exchange]:
    """A poll that brought nothing new, the event of one log-out, and the fetch of a list."""
    port = free_port()
    admit = str(Path(sys.executable).with_name("admit"))
    command = [admit, "serve", "--config", str(made.folder / "admit.toml"), "--listen", f"{HOST}:{port}"]
    terms = Revocation(max_staleness=timedelta(seconds=3), poll=timedelta(seconds=0.3))
    verifier = Verifier(TrustedIssuer(made.issuer, audience=API, revocation=terms))
    with (
        Program(command, port=port, env=environment(made.folder / "b"), log=made.folder / "log") as program,
        Relay(made.port, port) as relay,
    ):
        program.until_ready("/health/ready", host=made.host)
        try:
            _until(verifier.ready)
            _until(lambda: bool(_events(relay)))
            seen = len(relay.of("/status/head"))
            _until(lambda: len(relay.of("/status/head")) > seen + POLLS)
            quiet = relay.of("/status/head")[seen:-1]
            for raw in made.sessions:
                _log_out(made, raw)
            _until(lambda: _events(relay).count(b"event: end\n") >= len(made.sessions) // 2)
        finally:
            verifier.close()
        listed = relay.of("/status/0")[0]
        told = _events(relay)
    polls = sorted(quiet, key=lambda one: one.octets)
    ends = [part for part in told.split(b"\n\n") if b"event: end" in part and part.count(b"[") == 2]
    typical = statistics.median_high(map(len, ends))
    return polls[len(polls) // 2], next(one for one in ends if len(one) == typical) + b"\n\n", listed


def _events(relay: Relay) -> bytes:
    """What the stream told so far, without its framing."""
    octets = b"".join(b"".join(one.answered) for one in relay.of("/status/events"))
    return b"\n".join(line for line in octets.replace(b"\r", b"").split(b"\n") if not _is_size(line))


def _is_size(line: bytes) -> bool:
    """Whether the line is the length of a chunk, RFC 9112 §7.1."""
    return 0 < len(line) <= 4 and all(one in b"0123456789abcdef" for one in line)


def _log_out(made: Furnished, raw: bytes) -> None:
    headers = {
        "cookie": f"{made.cookie}={cookies.encode_session_id(raw)}",
        "x-csrf-token": csrf.token(raw),
        "origin": CALLBACK.removesuffix("/cb"),
    }
    wire = http.client.HTTPConnection("localhost", made.port)
    wire.request("DELETE", "/api/session", headers=headers)
    if wire.getresponse().status != 204:
        raise SystemExit("a session could not be ended")
    wire.close()
    time.sleep(0.15)  # ends within 50 ms are told together


def _body(exchange: Exchange) -> bytes:
    return b"".join(exchange.answered).partition(b"\r\n\r\n")[2]


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit("the verifier did not hear of the issuer in time")
        time.sleep(0.02)
