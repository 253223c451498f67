"""`admit token inspect`: reads, believes nothing."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from admit import JWK, jwt
from admit.cli.main import main
from admit.jose import JWKSet

Admit = Callable[..., Result]
ISS, AUD = "https://id.example.com", "https://api.example.com"
KEY = JWK.generate("ES256")


@pytest.fixture
def admit() -> Admit:
    """The command in a pipe; it needs neither settings nor a database."""

    def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=stdin)

    return run


def made(**claims: object) -> str:
    return jwt.sign({"sub": "u_1", **claims}, KEY, issuer=ISS, audience=AUD, lifetime=timedelta(minutes=5))


@pytest.fixture
def keys(tmp_path: Path) -> str:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [dict(KEY.public().to_dict())]}))
    return str(path)


def test_read_from_standard_input_with_each_claim_explained(admit: Admit) -> None:
    token = made(scope="orders:read")
    done = admit("token", "inspect", stdin=f"Bearer {token}\n")
    assert done.exit_code == 0, done.stderr
    for words in (
        "(issuer: who made it)",
        "orders:read",
        " UTC, in ",
        f"{len(token):,} octets",
        "Not verified",
    ):
        assert words in done.stdout
    assert "\x1b" not in done.output


def test_verified_with_a_key_set_it_is_good(admit: Admit, keys: str) -> None:
    asked = ("token", "inspect", "--jwks", keys, "--issuer", ISS, "--audience", AUD)
    done = admit(*asked, stdin=made())
    assert done.exit_code == 0, done.output
    assert "Good: signature" in done.stdout
    told = json.loads(admit(*asked, "--json", stdin=made()).stdout)
    assert (told["verified"], told["refused"]) == (True, [])
    assert told["claims"]["sub"] == "u_1"


@pytest.mark.parametrize("what", ["issuer", "audience", "expired", "signature"])
def test_what_an_api_would_refuse_is_exit_code_1_with_the_reason(admit: Admit, keys: str, what: str) -> None:
    issuer, audience, token = ISS, AUD, made()
    if what == "issuer":
        issuer = "https://other.example.com"
    elif what == "audience":
        audience = "https://other.example.com"
    elif what == "expired":
        token = jwt.sign(
            {"sub": "u_1"},
            KEY,
            issuer=ISS,
            audience=AUD,
            lifetime=timedelta(minutes=1),
            now=time.time() - 3600,
        )
    else:
        head, body, signature = token.split(".")
        other = "A" if signature[0] != "A" else "B"
        token = f"{head}.{body}.{other}{signature[1:]}"
    asked = ("token", "inspect", "--jwks", keys, "--issuer", issuer, "--audience", audience)
    done = admit(*asked, stdin=token)
    assert done.exit_code == 1
    assert "Refused: " in done.stdout
    told = json.loads(admit(*asked, "--json", stdin=token).stdout)
    assert told["verified"] is False
    (one,) = told["refused"]
    clause = {"issuer": "4.1.1", "audience": "4.1.3", "expired": "4.1.4", "signature": "RFC 7515 §5.2"}[what]
    assert clause in one["clause"]


def test_without_keys_json_says_that_nothing_was_verified(admit: Admit) -> None:
    told = json.loads(admit("token", "inspect", made(), "--json").stdout)
    assert (told["verified"], told["refused"]) == (False, [])


@pytest.mark.parametrize("junk", ["abc", "a.b.c", "....", "e30.e30.e30", "\x00\x01", "{}"])
def test_what_is_no_token_is_one_line_and_exit_code_1(admit: Admit, junk: str) -> None:
    done = admit("token", "inspect", stdin=junk)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert junk not in done.stderr


def test_nothing_at_all_is_exit_code_2(admit: Admit) -> None:
    done = admit("token", "inspect", stdin="  \n")
    assert done.exit_code == 2
    assert done.stderr == "admit: no token: give it in a file or on standard input\n"


def test_octets_that_are_no_text_are_one_line(admit: Admit) -> None:
    done = admit("token", "inspect", stdin=b"\xff\xfe\xff")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "admit: standard input is not UTF-8 text\n"


@pytest.mark.threat("INF-log")
def test_a_claim_cannot_draw_on_the_terminal(admit: Admit) -> None:
    done = admit(
        "token", "inspect", stdin=made(name="\x1b[2J\r\nGood: signature\u202e", **{"\x1b[31mname": 1})
    )
    assert "\x1b" not in done.output
    assert "\u202e" not in done.output
    assert "\nGood: signature" not in done.output
    assert "\\u001b[2J\\r\\nGood" in done.stdout


@pytest.mark.parametrize("value", [True, "soon", -1, 1e300, None, [1]])
def test_a_time_that_is_none_is_shown_as_it_is(admit: Admit, value: object) -> None:
    done = admit("token", "inspect", stdin=made(auth_time=value))
    assert done.exit_code == 0, done.output
    assert "(no time)" in done.stdout


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"keys": [{}]}', "not json"])
def test_a_key_set_file_that_holds_no_key_is_told(admit: Admit, tmp_path: Path, content: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(content)
    done = admit("token", "inspect", "--jwks", str(path), stdin=made())
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit)
    assert admit("token", "inspect", "--jwks", str(tmp_path / "none.json"), stdin=made()).exit_code == 2


def test_the_key_set_is_read_as_others_publish_it() -> None:
    assert (
        len(
            JWKSet.load_foreign(json.dumps({"keys": [dict(KEY.public().to_dict()), {"kty": "new"}]}).encode())
        )
        == 1
    )


def test_an_argument_that_is_no_text_is_told_in_one_line(admit: Admit) -> None:
    token = made()
    for odd in (token[:60] + "\udcff" + token[60:], token + "\udc80"):
        refused = admit("token", "inspect", odd)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert refused.stderr == "admit: the token is not UTF-8 text\n"
