"""How a token is shown: on terminals of any width, without colour, and plain in a pipe."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result

from admit import JWK, jwt
from admit.cli import token_show
from admit.cli.main import main
from admit.cli.token_words import ALGS, CLAIMS, HEADER
from tests.fixtures.issuer import Browser

KEY = JWK.generate("ES256")
ISS, AUD = "https://id.example.com", "https://api.example.com"
TOKEN = jwt.sign({"sub": "u_1", "scope": "orders:read " * 12, "name": "爱达" * 40}, KEY, issuer=ISS, audience=AUD,
                 lifetime=timedelta(days=1), typ="at+jwt")  # fmt: skip  # made long before its test runs
OLD = jwt.sign(
    {"sub": "u_1"}, KEY, issuer=ISS, audience=AUD, lifetime=timedelta(minutes=5), now=time.time() - 9_000
)
STYLE = re.compile(r"\x1b\[[0-9;]*m")
Look = Callable[..., Result]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Look:
    """`admit token inspect` on a terminal of so many columns."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)

    def looked(text: str, columns: int, *options: str, command: str = "inspect") -> Result:
        monkeypatch.setenv("COLUMNS", str(columns))
        return CliRunner().invoke(main, ["token", command, *options], input=text, color=True)

    return looked


@pytest.mark.parametrize("columns", [20, 40, 56, 80, 100, 200])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_left_out(look: Look, columns: int) -> None:
    told = STYLE.sub("", look(TOKEN, columns).stdout)
    assert max(token_show.cells(line) for line in told.splitlines()) <= max(columns, 32)
    kept = "".join(told.split())
    for words in (
        "Signed,notencrypted:anyonewhohasitcanreadit.",
        KEY.kid or "",
        "orders:read" * 12,
        "爱达",
        AUD,
    ):
        assert words in kept


def test_the_ticket_says_by_word_and_not_by_colour_alone_whether_it_is_good(look: Look, tmp_path) -> None:
    (tmp_path / "key").write_bytes(KEY.public().to_pem())
    assert "UNPROVED" in look(TOKEN, 100).stdout
    fresh = jwt.sign({"sub": "u_1"}, KEY, issuer=ISS, audience=AUD, lifetime=timedelta(minutes=5))
    good = look(fresh, 100, "--key", str(tmp_path / "key"))
    assert "GOOD" in good.stdout
    assert "4 min left" in good.stdout
    assert "\x1b[9m" not in good.stdout
    void = look(OLD, 100, "--key", str(tmp_path / "key"))
    assert "VOID" in void.stdout
    assert "\x1b[9m" in void.stdout
    assert "expired" in void.stdout


def test_without_colour_a_terminal_gets_the_same_words(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = STYLE.sub("", look(OLD, 100).stdout)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = look(OLD, 100).stdout
    assert "\x1b" not in plain
    assert [line.split() for line in plain.splitlines()][:8] == [
        line.split() for line in coloured.splitlines()
    ][:8]


def test_a_pipe_gets_one_line_a_claim_and_no_ticket() -> None:
    told = CliRunner().invoke(main, ["token", "inspect"], input=TOKEN).stdout
    assert "\x1b" not in told
    assert "╭" not in told
    assert len([line for line in told.splitlines() if "orders:read" in line]) == 1


def test_a_pipe_that_is_not_utf_8_gets_escapes() -> None:
    told = CliRunner(charset="latin-1").invoke(main, ["token", "inspect"], input=TOKEN)
    assert told.exit_code == 0, told.exception
    assert "\\u7231" in told.stdout
    assert "§" in told.stdout


def test_claims_of_a_good_token_on_a_terminal_are_still_json(look: Look, tmp_path) -> None:
    (tmp_path / "key").write_bytes(KEY.public().to_pem())
    named = ("--key", str(tmp_path / "key"), "--issuer", ISS, "--audience", AUD, "--typ", "at+jwt")
    good = look(TOKEN, 80, *named, command="verify")
    assert json.loads(STYLE.sub("", good.stdout))["name"] == "爱达" * 40
    assert "good" in good.stderr


@pytest.mark.threat("INF-log", off="admit.cli.output:harmless")
def test_a_claim_cannot_draw_on_the_terminal(look: Look, tmp_path) -> None:
    odd = {"sub": "\x1b[2J\r\nGOOD", "\x1b[31mname": "\u202e", 'a": b': "\x9b1m"}
    text = jwt.sign(odd, KEY, issuer="\x1b]0;x\x07", audience=AUD, lifetime=timedelta(minutes=5))
    (tmp_path / "key").write_bytes(KEY.public().to_pem())
    named = ("--key", str(tmp_path / "key"), "--any-issuer", "--audience", AUD)
    for done in (look(text, 100), look(text, 30), look(text, 100, *named, command="verify")):
        assert done.exit_code == 0, done.output
        bare = STYLE.sub("", done.output)
        assert all(char.isprintable() or char == "\n" for char in bare)
        assert "\x1b[2J" not in done.output
        assert "\x1b[31mname" not in done.output


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3_600, "1 h"), (3_660, "1 h 1 min"),
        (86_400, "1 day"), (90_000, "1 day 1 h"), (10 * 86_400 + 59, "10 days"),
    ],
)  # fmt: skip
def test_a_length_of_time_is_told_in_its_largest_units(seconds: float, told: str) -> None:
    assert token_show.span(seconds) == told


def test_a_size_over_what_carries_it_is_told() -> None:
    for octets, over in (
        (500, [False, False, False]),
        (4_060, [True, True, False]),
        (9_000, [True, True, True]),
    ):
        assert [too_much for _, too_much in token_show.sizes(octets, "__Host-token")] == over
    assert "4,105 as cookie __Host-token" in token_show.sizes(4_052, "__Host-token")[1][0]


@pytest.mark.slow
async def test_every_claim_that_our_issuer_writes_has_words(browser: Browser) -> None:
    tokens = await browser.tokens()
    for kind in ("access_token", "id_token"):
        header, said = (
            peek(tokens[kind]) for peek in (jwt.peek_unverified_header, jwt.peek_unverified_claims)
        )
        assert said.keys() <= CLAIMS.keys()
        assert header.keys() <= HEADER.keys()
        assert token_show.meaning("alg", header["alg"], HEADER) in ALGS.values()


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock on the wall in Tokyo."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_the_last_hours_of_the_calendar_are_no_time_where_they_are_over() -> None:
    assert token_show.moment(253_402_300_799, 0) == "253402300799 (no time)"
    assert token_show.moment(253_402_300_799.9, 0) == "253402300799.9 (no time)"
    assert token_show.moment(253_402_300_799 - 9 * 3_600, 0).startswith("9999-12-31 23:59:59 JST, in ")


@pytest.mark.parametrize("sign", ["a", "爱", "e\u0301"])
def test_a_text_is_cut_in_one_pass_however_long(monkeypatch: pytest.MonkeyPatch, sign: str) -> None:
    looked_at = 0
    count = token_show.cells

    def counted(text: str) -> int:
        nonlocal looked_at
        looked_at += len(text)
        return count(text)

    monkeypatch.setattr(token_show, "cells", counted)
    text = sign * 12_000
    kept = token_show.fitted(text, 60)
    assert looked_at < 2 * len(text)
    assert count(kept) in (59, 60)
    assert kept[:-1] == text[: len(kept) - 1]
    assert kept.endswith("…")
    assert token_show.fitted(sign * 30, 60) == sign * 30
    assert token_show.fitted("abc", 1) == token_show.fitted("爱爱", 2)[-1] == "…"


def test_a_token_that_nobody_signed_is_not_called_signed() -> None:
    head, body, signature = TOKEN.split(".")
    for text in (
        f"eyJhbGciOiJub25lIn0.{body}.",
        f"eyJhbGciOiJOb05FIn0.{body}.{signature}",
        f"{head}.{body}.",
    ):
        told = CliRunner().invoke(main, ["token", "inspect"], input=text)
        assert "Not signed, not encrypted: anyone can have written it" in told.stdout
        assert "  Signed" not in told.stdout
        assert told.exit_code == 1
    assert "  Signed, not encrypted" in CliRunner().invoke(main, ["token", "inspect"], input=TOKEN).stdout
