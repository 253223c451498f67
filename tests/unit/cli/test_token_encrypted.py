"""Encrypted tokens at the command line: only what was verified is good, and a shared key vouches for bare claims."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from admit import JWK, AdmitError, jwt
from admit.cli.main import main
from admit.jose import jwe
from admit.jose import jws as signatures

ISS, AUD = "https://id.example.com", "https://api.example.com"
NAMED = ("--issuer", ISS, "--audience", AUD)
KEY = JWK.generate("ES256", kid="issuer")
BOX = JWK.generate("ECDH-ES", kid="box")
SHARED = JWK.generate("A256GCM", kid="shared")
WRAPS = JWK.generate("A256KW", kid="wraps")
Kept = Callable[[JWK], str]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """The path of a file with that key."""

    def written(key: JWK) -> str:
        path = tmp_path / f"{key.kid}.json"
        path.touch(mode=0o600)
        path.write_bytes(json.dumps(key.to_dict(private=key.is_private)).encode())
        return str(path)

    return written


def run(command: str, text: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["token", command, *options], input=text)


def looked(text: str, *options: str) -> tuple[bool, list[str]]:
    """Whether `inspect` calls it verified, and the clauses of its refusal; both forms of the answer agree."""
    told, shown = run("inspect", text, "--json", *options), run("inspect", text, *options)
    document = json.loads(told.stdout)
    clauses = [one["clause"] for one in document["refused"]]
    assert told.exit_code == shown.exit_code == (1 if clauses else 0)
    assert ("Good: " in shown.stdout) is document["verified"]
    return document["verified"], clauses


def said(**claims: object) -> dict[str, Any]:
    return {"iss": ISS, "aud": AUD, "sub": "u_1", "exp": int(time.time()) + 3_600} | claims


def raw(**claims: object) -> bytes:
    return json.dumps(said(**claims)).encode()


def sealed(inside: str, key: JWK = BOX, *, typ: str | None = "JWT", cty: str = "JWT") -> str:
    return jwe.encrypt(inside.encode(), key.public() if key.kty != "oct" else key, typ=typ, cty=cty)


@pytest.mark.rfc("8725", "3.3")
@pytest.mark.threat("JWT-all-ops", off="admit.cli.token_inspect:check_inside")
@pytest.mark.parametrize("claims", [said(exp=1), said()], ids=["expired", "whole"])
def test_an_encryption_inside_an_encryption_is_refused_whatever_keys_are_given(
    kept: Kept, claims: dict[str, Any]
) -> None:
    twice = sealed(jwe.encrypt(json.dumps(claims).encode(), BOX.public(), typ="JWT"))
    for options in ((), NAMED):
        keys = ("--key", kept(BOX), "--key", kept(KEY.public()))
        assert looked(twice, *keys, *options) == (False, ["RFC 8725 §3.3; RFC 7519 §11.2"])
    with pytest.raises(AdmitError):
        jwt.decrypt(twice, BOX, signed_by=KEY, issuer=ISS, audience=AUD)


@pytest.mark.rfc("8725", "3.3")
@pytest.mark.threat("JWT-all-ops", off="admit.cli.token_inspect:verdict")
def test_good_is_only_what_a_key_verified(kept: Kept) -> None:
    nested = sealed(signatures.sign(raw(), KEY))
    box, key = ("--key", kept(BOX)), ("--key", kept(KEY.public()))
    assert looked(nested, *box, *key, *NAMED) == (True, [])
    assert looked(nested, *box, *NAMED) == (False, [])
    assert looked(nested, *key, *NAMED) == (False, [])
    assert looked(nested, *NAMED) == (False, [])
    assert looked(signatures.sign(raw(), KEY), *NAMED) == (False, [])
    assert looked(signatures.sign(raw(), KEY), *key, *NAMED) == (True, [])


@pytest.mark.parametrize(
    "inside",
    [
        "e30.e30.",
        '{"payload":"e30","protected":"e30","signature":"AA"}',
        "hello",
        "",
        "a.b.c.d",
        '{"sub":"u_1"}',
    ],
)
def test_what_is_no_signed_token_inside_is_refused(kept: Kept, inside: str) -> None:
    good, clauses = looked(sealed(inside), "--key", kept(BOX), "--key", kept(KEY.public()))
    assert not good
    assert clauses


def test_a_token_inside_that_says_none_is_refused(kept: Kept) -> None:
    _, body, signature = signatures.sign(raw(), KEY).split(".")
    for inside in (f"eyJhbGciOiJub25lIn0.{body}.", f"eyJhbGciOiJub25lIn0.{body}.{signature}"):
        good, clauses = looked(sealed(inside), "--key", kept(BOX), "--key", kept(KEY.public()))
        assert not good
        assert any("RFC 8725 §3.1" in one for one in clauses)


@pytest.mark.parametrize("key", [SHARED, WRAPS], ids=["direct", "wrapped"])
def test_claims_bare_under_a_shared_key_are_good_by_that_key_alone(kept: Kept, key: JWK) -> None:
    text = jwt.encrypt({"sub": "u_1"}, key, issuer=ISS, audience=AUD, lifetime=timedelta(minutes=5))
    shown = run("inspect", text, "--key", kept(key), *NAMED)
    assert "Good: the shared key, times, and what you asked for." in shown.stdout
    assert looked(text, "--key", kept(key), *NAMED) == (True, [])
    assert looked(text, "--key", kept(key), "--issuer", "x") == (False, ["RFC 7519 §4.1.1"])
    assert looked(text, "--key", kept(key), "--typ", "at+jwt") == (False, ["RFC 8725 §3.11"])
    good = run("verify", text, "--decrypt-key", kept(key), *NAMED)
    assert (good.exit_code, json.loads(good.stdout)["sub"]) == (0, "u_1")
    for options, words in (
        (("--issuer", "x", "--audience", AUD), "RFC 7519 §4.1.1"),
        ((*NAMED, "--typ", "at+jwt"), "RFC 8725 §3.11"),
        ((*NAMED, "--key", kept(KEY.public())), "nobody signed it"),
    ):
        refused = run("verify", text, "--decrypt-key", kept(key), *options)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert words in refused.stderr


def test_bare_claims_are_held_to_every_rule(kept: Kept) -> None:
    for payload, clause in (
        (raw(exp=1), "RFC 7519 §4.1.4"),
        (raw(nbf=4_102_444_800), "RFC 7519 §4.1.5"),
        (b'{"sub":"a","sub":"b","exp":4102444800}', "RFC 7515 §4; RFC 7519 §4"),
        (b"[]", "RFC 7519 §7.2"),
        (b"", "RFC 7515 §4, §5.2; RFC 8259"),
    ):
        assert looked(jwe.encrypt(payload, SHARED), "--key", kept(SHARED)) == (False, [clause])


def test_bare_claims_that_a_key_was_to_verify_are_refused(kept: Kept) -> None:
    text = jwe.encrypt(raw(), SHARED)
    assert looked(text, "--key", kept(SHARED)) == (True, [])
    both = ("--key", kept(SHARED), "--key", kept(KEY.public()))
    assert looked(text, *both) == (False, ["RFC 8725 §3.3"])


def test_bare_claims_for_a_public_key_were_signed_by_nobody(kept: Kept) -> None:
    text = jwe.encrypt(raw(), BOX.public(), typ="JWT")
    for more in ((), ("--key", kept(KEY.public()))):
        assert looked(text, "--key", kept(BOX), *more, *NAMED) == (False, ["RFC 8725 §3.3"])
    assert "nobody signed it" in run("inspect", text, "--key", kept(BOX)).stdout
    alone = run("verify", text, "--decrypt-key", kept(BOX), *NAMED)
    assert (alone.exit_code, alone.stdout) == (2, "")
    assert "give --key or --jwks too (RFC 8725 §3.3)" in alone.stderr
    refused = run("verify", text, "--decrypt-key", kept(BOX), "--key", kept(KEY.public()), *NAMED)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "nobody signed it" in refused.stderr
    assert "RFC 8725 §3.3" in refused.stderr


def test_something_else_than_claims_inside_is_no_token(kept: Kept) -> None:
    text = sealed(raw().decode(), SHARED, cty="text/plain")
    assert looked(text, "--key", kept(SHARED)) == (False, ["RFC 7519 §5.2"])
    assert run("verify", text, "--decrypt-key", kept(SHARED), *NAMED).exit_code == 1


def test_a_signed_token_under_a_shared_key_still_wants_its_signer(kept: Kept) -> None:
    text = sealed(signatures.sign(raw(), KEY), SHARED)
    assert looked(text, "--key", kept(SHARED), *NAMED) == (False, [])
    assert looked(text, "--key", kept(SHARED), "--key", kept(KEY.public()), *NAMED) == (True, [])
    refused = run("verify", text, "--decrypt-key", kept(SHARED), *NAMED)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "give the keys that verify it, --key or --jwks" in refused.stderr
    assert (
        run("verify", text, "--decrypt-key", kept(SHARED), "--key", kept(KEY.public()), *NAMED).exit_code == 0
    )


@pytest.mark.rfc("8725", "3.11")
@pytest.mark.parametrize(
    ("outer", "inner", "good"),
    [
        (None, "at+jwt", True), ("JWT", "at+jwt", True), ("at+jwt", "at+jwt", True), ("logout+jwt", "at+jwt", False),
        ("at+jwt", None, False), (None, None, False), ("at+jwt", "JWT", False), ("JWT", "logout+jwt", False),
    ],
)  # fmt: skip
def test_the_kind_is_that_of_the_signed_token_and_the_encryption_may_only_repeat_it(
    kept: Kept, outer: str | None, inner: str | None, good: bool
) -> None:
    text = sealed(signatures.sign(raw(), KEY, typ=inner), typ=outer)
    asked = ("--typ", "at+jwt", *NAMED)
    answer = looked(text, "--key", kept(BOX), "--key", kept(KEY.public()), *asked)
    assert answer == (good, [] if good else ["RFC 8725 §3.11"])
    done = run("verify", text, "--decrypt-key", kept(BOX), "--key", kept(KEY.public()), *asked)
    assert done.exit_code == (0 if good else 1)


def test_an_encryption_of_a_kind_without_an_end_does_not_make_an_expired_token_good(kept: Kept) -> None:
    keys = ("--key", kept(BOX), "--key", kept(KEY.public()))
    for claims in (said(exp=1), {name: value for name, value in said().items() if name != "exp"}):
        for typ in ("dpop+jwt", "logout+jwt"):
            text = sealed(signatures.sign(json.dumps(claims).encode(), KEY), typ=typ)
            good, clauses = looked(text, *keys)
            assert not good
            assert any("§4.1.4" in one for one in clauses)
    inner = signatures.sign(json.dumps({"iss": ISS, "aud": AUD}).encode(), KEY, typ="logout+jwt")
    assert looked(sealed(inner), *keys) == (True, [])


def test_the_key_set_is_asked_for_the_key_of_the_token_inside(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "jwks").write_text(json.dumps({"keys": [KEY.public().to_dict()]}))
    other = JWK.generate("ES256", kid="other")
    for signer, words in ((KEY, ""), (other, "kid is not in the key set")):
        text = sealed(signatures.sign(raw(), signer))
        looks = run("inspect", text, "--key", kept(BOX), "--jwks", str(tmp_path / "jwks"))
        asks = run("verify", text, "--decrypt-key", kept(BOX), "--jwks", str(tmp_path / "jwks"), *NAMED)
        assert looks.exit_code == asks.exit_code == (1 if words else 0)
        assert words in looks.stdout
        assert words in asks.stderr


def test_another_key_that_decrypts_is_one_reason(kept: Kept) -> None:
    other = JWK.generate("A256GCM", kid="other")
    assert looked(jwe.encrypt(raw(), SHARED), "--key", kept(other)) == (False, ["RFC 7516 §5.2"])
    refused = run("verify", jwe.encrypt(raw(), SHARED), "--decrypt-key", kept(other), *NAMED)
    assert (refused.exit_code, refused.stdout) == (1, "")


@pytest.mark.rfc("7519", "5.3")
def test_a_claim_that_the_header_repeats_and_the_content_denies_is_told(kept: Kept) -> None:
    def sent(sub: str) -> str:
        return jwe.encrypt(raw(), SHARED, header={"sub": sub})

    keys = ("--key", kept(SHARED), *NAMED)
    assert looked(sent("u_1"), *keys) == (True, [])
    assert looked(sent("u_2"), *keys) == (False, ["RFC 7519 §5.3"])
    opened = ("--decrypt-key", kept(SHARED), *NAMED)
    assert run("verify", sent("u_1"), *opened).exit_code == 0
    refused = run("verify", sent("u_2"), *opened)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "RFC 7519 §5.3" in refused.stderr
