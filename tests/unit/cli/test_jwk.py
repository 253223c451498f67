"""`admit jwk`: what is made can be read back, and nothing is written over."""

import errno
import io
import json
import os
import shlex
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from admit import JWK
from admit.cli.main import main
from admit.jose import JWKSet


def run(*args: str, given: bytes = b"") -> Result:
    return CliRunner().invoke(main, ["jwk", *args], input=given)


@pytest.mark.parametrize("alg", ["ES256", "HS256", "Ed448", "ML-DSA-44", "A256KW", "ECDH-ES"])
def test_a_key_is_made_for_an_algorithm(alg: str) -> None:
    made = run("generate", alg, "--use")
    key = JWK.load(made.stdout_bytes)
    assert made.exit_code == 0
    assert key.alg == alg
    assert key.is_private
    assert key.use == ("sig" if key.signer else "enc")


def test_an_rsa_key_has_the_size_that_is_asked_for() -> None:
    made = JWK.load(run("generate", "RS256", "--bits", "3072").stdout_bytes)
    assert made.signature_size == 3072 // 8
    for args in (("RS256", "--bits", "1024"), ("RS256", "--bits", "3000"), ("ES256", "--bits", "2048"),
                 ("HS256", "--bits", "4096"), ("RS256", "--bits", "many")):  # fmt: skip
        refused = run("generate", *args)
        assert (refused.exit_code, refused.stdout) == (2, "")


@pytest.mark.parametrize("args", [("none",), ("ES256", "--crv", "P-384"), ("dir",), ("PBES2-HS256+A128KW",)])
def test_an_algorithm_without_a_key_of_its_own_makes_none(args: tuple[str, ...]) -> None:
    refused = run("generate", *args)
    assert refused.exit_code == 2
    assert refused.stdout == ""


def test_a_file_is_for_its_owner_and_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    assert run("generate", "ES256", "--out", str(file)).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    assert run("generate", "ES256", "--out", str(file)).exit_code == 2
    assert file.read_bytes() == before


@pytest.mark.parametrize("form", ["pem", "der", "jwk"])
def test_forms_are_turned_into_each_other(form: str) -> None:
    key = JWK.generate("ES256")
    turned = run("convert", "--form", form, given=key.to_private_bytes())
    back = run("convert", "--kid", key.kid or "", given=turned.stdout_bytes)
    assert JWK.load(back.stdout_bytes) == key
    public = run("convert", "--public", "--form", form, given=key.to_private_bytes())
    assert not JWK.load(public.stdout_bytes).is_private


@pytest.mark.rfc("9278", "3")
def test_the_thumbprint_is_that_of_both_halves_and_no_secret_has_a_urn() -> None:
    key, secret = JWK.generate("Ed25519"), JWK.generate("HS256")
    halves = {
        run("thumbprint", given=given).stdout
        for given in (key.to_private_bytes(), json.dumps(key.public().to_dict()).encode())
    }
    assert halves == {key.thumbprint() + "\n"}
    named = run("thumbprint", "--uri", given=key.to_private_bytes()).stdout
    assert named == f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{key.thumbprint()}\n"
    assert run("thumbprint", "--uri", given=secret.to_private_bytes()).exit_code == 2


@pytest.mark.parametrize("given", [b"", b"nonsense", b"\x30\x03\x02\x01\x00", b'{"kty":"RSA"}', b"\xff\xfe"])
def test_what_is_no_key_is_refused_in_one_line(given: bytes) -> None:
    for command in ("convert", "thumbprint"):
        refused = run(command, given=given)
        assert refused.exit_code == 2
        assert refused.stderr.count("\n") == 1


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)


@pytest.mark.threat("INF-keys", off="admit.cli.jwk:check_shown")
@pytest.mark.usefixtures("terminal")
def test_a_private_key_is_shown_on_a_terminal_only_by_a_named_flag(tmp_path: Path) -> None:
    key = JWK.generate("ES256")
    file = tmp_path / "key.json"
    file.write_bytes(key.to_private_bytes())
    for form in ("jwk", "pem", "der"):
        for command in (("generate", "ES256"), ("convert", str(file))):
            refused = run(*command, "--form", form)
            assert (refused.exit_code, refused.stdout) == (2, "")
            assert "--out FILE" in refused.stderr
    assert JWK.load(run("convert", str(file), "--show-private").stdout_bytes) == key
    assert JWK.load(run("generate", "ES256", "--show-private").stdout_bytes).is_private
    assert JWK.load(run("convert", str(file), "--public").stdout_bytes) == key.public()
    assert run("convert", str(file), "--public", "--form", "der").exit_code == 2
    assert run("convert", str(file), "--out", str(tmp_path / "copy.json")).exit_code == 0


@pytest.mark.parametrize(
    ("typed", "meant"), [("es256", "is it ES256?"), ("RS265", "RS256"), ("x", "To sign: HS256")]
)
def test_a_misspelt_algorithm_is_told_with_the_one_meant(typed: str, meant: str) -> None:
    for command in (("generate", typed), ("convert", "--alg", typed)):
        refused = run(*command, given=b"")
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert meant in refused.stderr


def test_a_secret_in_a_text_file_becomes_a_key_without_its_line_break(tmp_path: Path) -> None:
    octets = b"4d7e-91ac-shared-by-both-sides-of-us"
    made = run("convert", "--octets", "--alg", "HS256", given=octets + b"\n")
    assert JWK.load(made.stdout_bytes) == JWK.secret(octets, "HS256")
    raw = bytes(range(200, 231)) + b"\n"
    assert JWK.load(run("convert", "--octets", "--alg", "HS256", given=raw).stdout_bytes) == JWK.secret(
        raw, "HS256"
    )
    for options, given in (((), octets), (("--alg", "HS256"), b"short"), (("--alg", "ES256"), octets)):
        refused = run("convert", "--octets", *options, given=given)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert given.decode() not in refused.stderr


def test_a_key_set_to_publish_has_public_keys_alone() -> None:
    key = JWK.generate("ES256")
    made = run("convert", "--public", "--set", given=key.to_private_bytes())
    assert list(JWKSet.load(made.stdout_bytes)) == [key.public()]
    for options in (("--set",), ("--set", "--public", "--form", "pem")):
        assert run("convert", *options, given=key.to_private_bytes()).exit_code == 2
    assert run("convert", "--set", "--public", given=JWK.generate("HS256").to_private_bytes()).exit_code == 2


def test_the_next_command_that_is_told_works(tmp_path: Path) -> None:
    for alg, form in (("RS256", "pem"), ("ES256", "jwk"), ("ML-DSA-44", "der")):
        out = str(tmp_path / f"{alg} key")
        told = run("generate", alg, "--form", form, "--out", out).stderr
        command = shlex.split(told.partition("next: ")[2])
        assert command[:2] == ["admit", "jwk"]
        assert run(*command[2:]).exit_code == 0


@pytest.mark.threat("INF-log", off="admit.cli.output:harmless")
def test_the_kid_of_another_cannot_draw_on_the_terminal(tmp_path: Path) -> None:
    odd = JWK.generate("ES256").to_dict(private=True) | {"kid": "x\x1b]0;owned\x07\x1b[2J"}
    for form, name in (("jwk", "a"), ("pem", "b")):
        made = run("convert", "--form", form, "--out", str(tmp_path / name), given=json.dumps(odd).encode())
        assert made.exit_code == 0
        assert "key x\\u001b]0;owned\\u0007\\u001b[2J written" in made.output
        assert "\x1b" not in made.output
    assert JWK.load((tmp_path / "a").read_bytes()).kid == odd["kid"]


def test_a_part_of_a_key_is_not_left_where_it_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, octets: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = tmp_path / "key.json"
    with monkeypatch.context() as full:
        full.setattr(os, "fdopen", lambda number, mode: (os.close(number), Full())[1])
        assert run("generate", "ES256", "--out", str(file)).exit_code == 4
    assert not file.exists()
    assert run("generate", "ES256", "--out", str(file)).exit_code == 0
