"""`admit jwk`: what is made can be read back, and nothing is written over."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from admit import JWK
from admit.cli.main import main


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
