"""`admit token sign` and `verify`: what is signed is verified, and neither lets a secret out."""

import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from admit import JWK, jwt
from admit.cli.main import main

ISS, AUD = "https://id.example.com", "https://api.example.com"
NAMED = ("--issuer", ISS, "--audience", AUD)
KEY = JWK.generate("ES256")
RSA = JWK.generate("RS256")
SECRET = JWK.generate("HS256")


def run(*args: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["token", *args], input=stdin)


@pytest.fixture
def key(tmp_path: Path) -> str:
    return kept(tmp_path / "key.json", KEY.to_private_bytes())


def kept(path: Path, octets: bytes) -> str:
    path.touch(mode=0o600)
    path.write_bytes(octets)
    return str(path)


def test_what_is_signed_is_verified_and_printed_as_json(key: str) -> None:
    flags = ("--subject", "alice", "--claim", 'roles=["admin"]', "--claim", "zip=01234", "--claim", "n=5")
    signed = run("sign", "--key", key, *NAMED, *flags, "--exp", "10m")
    assert (signed.exit_code, signed.stderr) == (0, "")
    assert signed.stdout.count("\n") == 1
    good = run("verify", "--key", key, *NAMED, stdin=signed.stdout)
    assert (good.exit_code, good.stderr) == (0, "")
    said = json.loads(good.stdout)
    assert said["exp"] - said["iat"] == 600
    assert abs(said["iat"] - time.time()) < 60
    assert {name: said[name] for name in ("sub", "roles", "zip", "n")} == {
        "sub": "alice", "roles": ["admin"], "zip": "01234", "n": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('1,"x":2', '1,"x":2'), ('1,"v":2', '1,"v":2'), ("1}", "1}"), ("1 2", "1 2"), ("[1],[2]", "[1],[2]"), ("", ""),
        ("1", 1), (" 1 ", 1), ('{"x":2}', {"x": 2}), ("[1,2]", [1, 2]), ('"1"', "1"), ("null", None), ("true", True),
    ],
)  # fmt: skip
def test_a_claim_is_one_json_value_or_text(key: str, text: str, value: object) -> None:
    signed = run("sign", "--key", key, *NAMED, "--claim", f"note={text}")
    said = json.loads(run("verify", "--key", key, *NAMED, stdin=signed.stdout).stdout)
    assert said.keys() - {"iss", "aud", "iat", "exp"} <= {"note"}
    assert said.get("note") == value


def test_claims_come_from_a_file_or_standard_input_and_from_flags(key: str, tmp_path: Path) -> None:
    claims = {"iss": ISS, "aud": [AUD, "other"], "sub": "alice"}
    (tmp_path / "claims.json").write_text(json.dumps(claims))
    for given, stdin in ((str(tmp_path / "claims.json"), None), ("-", json.dumps(claims))):
        signed = run("sign", given, "--key", key, "--claim", "a=b", "--typ", "at+jwt", stdin=stdin)
        said = jwt.verify(signed.stdout.strip(), KEY.public(), issuer=ISS, audience=AUD, typ="at+jwt")
        assert said | claims == said
        assert said["exp"] - said["iat"] == 300
    assert run("sign", "--key", "-", *NAMED, stdin=KEY.to_private_bytes()).exit_code == 0
    own_end = run("sign", "-", "--key", key, stdin=json.dumps(claims | {"iat": 1_000, "exp": 2_000}))
    assert "the token expired" in run("verify", "--key", key, *NAMED, stdin=own_end.stdout).stderr


@pytest.mark.parametrize(
    ("args", "stdin", "words"),
    [
        (("--audience", AUD), None, "no iss: give --issuer"),
        (("--issuer", ISS), None, "no aud: give --audience"),
        ((*NAMED, "--exp", "10"), None, "--exp is a length of time"),
        ((*NAMED, "--exp", "0s"), None, "--exp is a length of time"),
        ((*NAMED, "--exp", "-5m"), None, "--exp is a length of time"),
        ((*NAMED, "--exp", "999999999d"), None, "longer than ten years"),
        ((*NAMED, "--claim", "sub"), None, "--claim is NAME=VALUE"),
        ((*NAMED, "--claim", "sub=a", "--subject", "b"), None, '"sub" is given twice'),
        (("-", *NAMED), '{"iss":"x"}', '"iss" is given twice'),
        (("-", *NAMED, "--exp", "5m"), '{"exp":1}', '"exp" is given twice'),
        (("-", *NAMED), '{"a":1,"a":2}', "no claims set"),
        (("-", *NAMED), "[]", "no claims set"),
        (("-", *NAMED), '{"nbf":"soon"}', "RFC 7519 §4.1.5"),
        ((*NAMED, "--claim", "sub=7"), None, "RFC 7519 §4.1.2"),
        (("missing.json", *NAMED), None, "cannot be read"),
    ],
)
def test_what_no_verifier_would_take_is_not_signed(
    key: str, args: tuple[str, ...], stdin: str | None, words: str
) -> None:
    refused = run("sign", "--key", key, *args, stdin=stdin)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("made", "options", "words"),
    [
        (KEY.public().to_pem(), (), "this is a public key"),
        (JWK.generate("ECDH-ES").to_private_bytes(), (), "for encryption (ECDH-ES)"),
        (json.dumps(KEY.to_dict(private=True) | {"key_ops": ["verify"]}).encode(), (), "key_ops do not let it"),
        (RSA.to_pem(private=True), (), "names no algorithm (RFC 8725 §3.1): give --alg"),
        (b"no key", (), "neither a JWK nor a PEM"),
        (KEY.to_private_bytes(), ("--alg", "ES384"), "alg is not the key's own"),
        (b'{"kty":"oct","alg":"HS256","k":"b25seS10d2VudHktb2N0ZXRz"}', (), "RFC 7518 §3.2"),
    ],
)  # fmt: skip
def test_a_key_that_cannot_sign_says_why_and_is_not_shown(
    tmp_path: Path, made: bytes, options: tuple[str, ...], words: str
) -> None:
    refused = run("sign", "--key", kept(tmp_path / "odd", made), *NAMED, *options)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert words in refused.stderr
    assert made.decode() not in refused.output


def test_the_key_is_in_nothing_that_is_printed(tmp_path: Path) -> None:
    path = kept(tmp_path / "secret.json", SECRET.to_private_bytes())
    secret = SECRET.to_dict(private=True)["k"]
    signed = run("sign", "--key", path, *NAMED)
    for done in (signed, run("verify", "--key", path, *NAMED, stdin=signed.stdout),
                 run("verify", "--key", path, *NAMED, stdin="x.y.z"),
                 run("inspect", "--key", path, stdin=signed.stdout)):  # fmt: skip
        assert secret not in done.output


@pytest.mark.skipif(os.name == "nt", reason="no such permissions")
def test_a_private_key_that_others_can_read_is_told(tmp_path: Path, key: str) -> None:
    os.chmod(key, 0o644)
    assert "chmod 600" in run("sign", "--key", key, *NAMED).stderr
    os.chmod(key, 0o600)
    assert run("sign", "--key", key, *NAMED).stderr == ""


def test_a_token_too_large_for_headers_is_signed_with_a_note_and_a_huge_one_not(key: str) -> None:
    large = run("sign", "-", "--key", key, *NAMED, stdin=json.dumps({"x": "x" * 3_000}))
    assert large.exit_code == 0
    assert "more than the 3,072" in large.stderr
    huge = run("sign", "-", "--key", key, *NAMED, stdin=json.dumps({"x": "x" * 20_000}))
    assert (huge.exit_code, huge.stdout) == (2, "")


def token(**options: Any) -> str:
    made: dict[str, Any] = {"issuer": ISS, "audience": AUD, "lifetime": timedelta(minutes=5)} | options
    return jwt.sign({"sub": "alice"}, made.pop("key", KEY), **made)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (token(lifetime=timedelta(days=1)), ("--issuer", "x", "--audience", AUD), "RFC 7519 §4.1.1"),
        (token(lifetime=timedelta(days=1)), ("--issuer", ISS, "--audience", "x"), "RFC 7519 §4.1.3"),
        (token(now=time.time() - 3_600), NAMED, "the token expired (RFC 7519 §4.1.4)"),
        (token(typ="at+jwt", lifetime=timedelta(days=1)), NAMED, "asked for by --typ (RFC 8725 §3.11)"),
        (token(key=JWK.generate("ES256")), NAMED, "does not hold under the key (RFC 7515 §5.2)"),
        (token(key=SECRET), NAMED, "alg is not that of the key (RFC 8725 §3.1)"),
        (
            token(lifetime=timedelta(days=1)),
            (*NAMED, "--require", "email"),
            "email: a required claim is missing",
        ),
        # Made when the tests are collected, which may be long before.
        (
            token(now=time.time() - 200, lifetime=timedelta(days=1)),
            (*NAMED, "--max-age", "1m"),
            "older than allowed",
        ),
        (token() + "=", NAMED, "has padding"),
        ("e30.e30.", NAMED, "names no alg"),
        ("hello", NAMED, "three parts"),
    ],
)
def test_a_refused_token_is_exit_code_1_with_reason_and_clause(
    key: str, text: str, options: tuple[str, ...], words: str
) -> None:
    refused = run("verify", "--key", key, *options, stdin=text)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("admit: refused: ")
    assert words in refused.stderr
    assert text not in refused.stderr


def test_a_key_is_told_from_a_key_set(key: str, tmp_path: Path) -> None:
    keys = kept(tmp_path / "jwks.json", json.dumps({"keys": [KEY.public().to_dict()]}).encode())
    assert "--jwks" in run("verify", "--key", keys, *NAMED, stdin=token()).stderr
    assert "--jwks" in run("sign", "--key", keys, *NAMED).stderr
    swapped = run("verify", "--jwks", key, *NAMED, stdin=token())
    assert (swapped.exit_code, swapped.stdout) == (2, "")
    assert "give it by --key" in swapped.stderr
    assert run("verify", "--jwks", keys, *NAMED, stdin=token()).exit_code == 0


def test_all_reasons_are_told_and_that_of_the_library_first(key: str) -> None:
    old = token(now=time.time() - 3_600, issuer="x")
    refused = run("verify", "--key", key, *NAMED, stdin=old)
    first, second = refused.stderr.splitlines()
    assert "RFC 7519 §4.1.1" in first
    assert "RFC 7519 §4.1.4" in second


def test_issuer_and_audience_are_named_or_given_up_by_name(key: str) -> None:
    for options in ((), ("--issuer", ISS), ("--audience", AUD)):
        refused = run("verify", "--key", key, *options, stdin=token())
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "give up the check by --any-" in refused.stderr
    assert run("verify", "--key", key, "--any-issuer", "--any-audience", stdin=token()).exit_code == 0
    both = run("verify", "--key", key, *NAMED, "--any-issuer", stdin=token())
    assert "contradict" in both.stderr
    assert run("verify", "--key", key, *NAMED, "--any-typ", stdin=token(typ="at+jwt")).exit_code == 0
    assert run("verify", *NAMED, stdin=token()).exit_code == 2
    assert run("verify", "--key", key, "--leeway", "5m", *NAMED, stdin=token()).exit_code == 2


def test_an_encrypted_token_is_opened_with_its_key_and_what_is_inside_verified(
    tmp_path: Path, key: str
) -> None:
    box = JWK.generate("ECDH-ES")
    path = kept(tmp_path / "box.json", box.to_private_bytes())
    sealed = jwt.encrypt({"sub": "a"}, box.public(), signed_with=KEY, issuer=ISS, audience=AUD,
                         lifetime=timedelta(minutes=5))  # fmt: skip
    good = run("verify", "--key", key, "--decrypt-key", path, *NAMED, stdin=sealed)
    assert json.loads(good.stdout)["sub"] == "a"
    assert "give --decrypt-key" in run("verify", "--key", key, *NAMED, stdin=sealed).stderr
    other = kept(tmp_path / "other.json", JWK.generate("ECDH-ES").to_private_bytes())
    refused = run("verify", "--key", key, "--decrypt-key", other, *NAMED, stdin=sealed)
    assert (refused.exit_code, refused.stdout) == (1, "")


class Published(BaseHTTPRequestHandler):
    """Key sets of an issuer on this machine."""

    def do_GET(self) -> None:
        body = json.dumps({"keys": [KEY.public().to_dict()]}).encode()
        if self.path == "/leak":
            body = json.dumps({"keys": [KEY.public().to_dict(), SECRET.to_dict(private=True)]}).encode()
        self.send_response({"/moved": 302, "/none": 404}.get(self.path, 200))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    served = HTTPServer(("127.0.0.1", 0), Published)
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()
    thread.join()


def test_a_key_set_is_fetched_and_one_of_this_machine_only_with_the_flag(server: str) -> None:
    asked = ("verify", "--jwks", f"{server}/jwks", *NAMED)
    refused = run(*asked, stdin=token())
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert "egress guard" in refused.stderr
    assert "--allow-internal" in refused.stderr
    good = run(*asked, "--allow-internal", stdin=token())
    assert good.exit_code == 0, good.stderr
    looked = run("inspect", "--jwks", f"{server}/jwks", "--allow-internal", stdin=token())
    assert "Good: signature" in looked.stdout
    unknown = run(*asked, "--allow-internal", stdin=token(key=JWK.generate("ES256")))
    assert unknown.exit_code == 1
    assert "kid is not in the key set (RFC 7515 §4.1.4)" in unknown.stderr


def test_an_address_that_gives_no_key_set_is_exit_code_4(server: str) -> None:
    for path in ("moved", "none"):
        refused = run("verify", "--jwks", f"{server}/{path}", "--allow-internal", *NAMED, stdin=token())
        assert (refused.exit_code, refused.stdout) == (4, "")
    plain = run("verify", "--jwks", "http://id.example.com/jwks", "--allow-internal", *NAMED, stdin=token())
    assert plain.exit_code == 4
    assert "Plain http is for this machine only" in plain.stderr


def test_a_published_secret_is_told_and_not_used(server: str) -> None:
    asked = ("verify", "--jwks", f"{server}/leak", "--allow-internal", *NAMED)
    good = run(*asked, stdin=token())
    assert good.exit_code == 0
    assert "secret or private keys" in good.stderr
    assert run(*asked, stdin=token(key=SECRET)).exit_code == 1
