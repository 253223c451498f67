"""docs/tokens.md says what the code does: its examples run, its tables are the code's."""

import json
import re
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import admit.errors
from admit import JWK, TokenError, jwt
from admit.cli.main import main
from admit.jose import JWS_ALGS, base64url, jwe, jwe_json, jwks, jws, jws_json
from admit.jose import claims as rules
from admit.jose import json as strict
from admit.jose.content import CONTENT_ALGS
from admit.jose.key_management import JWE_ALGS, MAX_ITERATIONS, MIN_ITERATIONS
from tests.fixtures import pages

PAGE = pages.DOCS / "tokens.md"
TEXT = PAGE.read_text("utf-8")
NOW = 1_800_000_000.0
ISS, API = "https://id.example.com", "https://api.example.com"
GOOD: dict[str, Any] = {"iss": ISS, "sub": "alice", "aud": API, "iat": int(NOW), "exp": int(NOW) + 300}
KEY = JWK.generate("ES256")


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its two first lines."""
    part = TEXT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    table = re.search(r"(?:^\|.*\|\n)+", part, re.M)
    assert table is not None
    lines = table[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_opens_with_the_price() -> None:
    assert TEXT.split("\n\n")[1].startswith("**The price first.**")


def test_the_examples_run_and_keep_their_promises() -> None:
    names = pages.run(PAGE)
    assert names["claims"]["sub"] == "alice"


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, since five starts of Python would take longer than all the rest; `<` and `>` as a shell has."""
    monkeypatch.chdir(tmp_path)
    found = re.search(r"```sh\n(.*?)```", TEXT, re.S)
    assert found is not None
    printed = ""
    for line in found[1].splitlines():
        words = shlex.split(line)
        files = {sign: words[words.index(sign) + 1] for sign in "<>" if sign in words}
        arguments = words[1 : min([words.index(sign) for sign in files], default=None)]
        given = Path(files["<"]).read_text() if "<" in files else None
        done = CliRunner().invoke(main, arguments, input=given, prog_name=words[0])
        assert done.exit_code == 0, f"{line}: {done.output}"
        if ">" in files:
            Path(files[">"]).write_text(done.stdout)
        printed += done.stdout
    assert '"sub": "alice"' in printed
    assert (tmp_path / "key.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "example",
    [
        "1 + 1  # is 3\n",
        "x = 1  # is 2\n",
        "1 + 1  # raises ValueError\n",
        "int('x')  # raises KeyError\n",
        "int('x')\n",
        "if True:\n    1 + 1  # is 2\n    2\n",
    ],
)
def test_a_promise_that_is_not_kept_is_noticed(example: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"text\n\n```python\n1 + 1  # is 2\n{example}```\n")
    with pytest.raises((AssertionError, ValueError)):
        pages.run(page)


def test_every_signature_algorithm_is_on_the_page_with_its_size() -> None:
    told: dict[str, int] = {}
    for names, _, characters, _ in rows("Which algorithm"):
        sizes = [int(size) for size in characters.split(", ")]
        algs = re.findall(r"`([^`]+)`", names)
        if len(algs) == len(sizes):
            told |= dict(zip(algs, sizes, strict=True))
        else:
            told |= dict.fromkeys(algs, sizes[0])
    rsa = base64url.encoded_length(JWK.generate("RS256").signature_size)  # made once: they are slow to make
    assert told == {
        alg: rsa if row.kty == "RSA" else base64url.encoded_length(JWK.generate(alg).signature_size)
        for alg, row in JWS_ALGS.items()
    }


def test_every_algorithm_of_encryption_is_on_the_page() -> None:
    part = TEXT.split("| `alg` of encryption |")[1].split("## What is refused")[0]
    named = set(re.findall(r"`([A-Z][^`]*|dir)`", part))
    assert {name for name, _ in JWE_ALGS} | CONTENT_ALGS.keys() <= named
    assert "RSA1_5" not in {name for name, _ in JWE_ALGS}


def test_every_error_on_the_page_is_one() -> None:
    for names, _ in rows("Errors"):
        for name in re.findall(r"`(\w+Error)`", names):
            assert issubclass(getattr(admit.errors, name), admit.errors.AdmitError)


def test_the_limits_on_the_page_are_the_codes() -> None:
    said = {what: limit for what, limit, _ in rows("Limits, and how to raise them")}
    assert said == {
        "a signed token": f"{jws.MAX_TOKEN:,} octets",
        "its header": f"{jws.MAX_HEADER:,} octets",
        "claims, or any JSON text": f"{strict.MAX_SIZE:,} octets, {strict.MAX_DEPTH} deep",
        "a JSON form of signatures": f"{jws_json.MAX_JSON:,} octets, {jws_json.MAX_SIGNATURES} signatures",
        "an encrypted token": f"{jwe.MAX_TOKEN:,} octets; as JSON {jwe_json.MAX_JSON:,}, "
        f"{jwe_json.MAX_RECIPIENTS} recipients",
        "a compressed plaintext": f"{jwe.MAX_PLAINTEXT:,} octets",
        "PBES2 iterations": f"{MIN_ITERATIONS:,} to {MAX_ITERATIONS:,}",
        "a key; a set": f"65,536 octets; {jwks.MAX_SIZE:,} octets, {jwks.MAX_KEYS} keys",
        "leeway": f"{rules.MAX_LEEWAY // timedelta(seconds=1)} seconds",
    }
    assert f"`leeway` is {rules.DEFAULT_LEEWAY // timedelta(seconds=1)} seconds" in TEXT


def signed(header: bytes | None = None, claims: bytes | None = None) -> str:
    """A truly signed token with that header and those claims, odd as they may be."""
    parts = (header or b'{"alg":"ES256"}', claims if claims is not None else json.dumps(GOOD).encode())
    data = b".".join(map(base64url.encode, parts))
    assert KEY.signer is not None
    return (data + b"." + base64url.encode(KEY.signer(data))).decode()


def header(**members: Any) -> str:
    return signed(json.dumps({"alg": "ES256", **members}).encode())


def changed(**members: Any) -> str:
    whole = {name: value for name, value in {**GOOD, **members}.items() if value is not ...}
    return signed(claims=json.dumps(whole).encode())


def raw(more: bytes) -> str:
    """Claims with one member more, spelt as given."""
    return signed(claims=json.dumps(GOOD).encode()[:-1] + b"," + more + b"}")


def spare() -> str:
    """The last character of 64 octets has four spare bits; the lowest is set."""
    token = signed()
    return token[:-1] + chr(ord(token[-1]) + 1)


def der() -> str:
    head, _, tail = signed().rpartition(".")
    pair = base64url.decode(tail.encode())
    numbers = (int.from_bytes(pair[:32], "big"), int.from_bytes(pair[32:], "big"))
    return f"{head}.{base64url.encode(encode_dss_signature(*numbers)).decode()}"


def parts() -> list[str]:
    token = signed()
    head, body, tail = token.split(".")
    form = json.dumps({"protected": head, "payload": body, "signature": tail})
    return [f"{head}.{body}", f"{token}.", f"{token}.a.b", form]


REFUSED: dict[str, Callable[[], list[str]]] = {
    "padding, white space, the `+/` alphabet": lambda: [
        signed() + odd for odd in ("=", "\n", " ", "+/", "+")
    ],
    "spare bits in the last character": lambda: [spare()],
    "2, 4 or 5 parts, or a JSON form": parts,
    "a doubled header member": lambda: [signed(b'{"alg":"none","alg":"ES256"}')],
    "a doubled claim": lambda: [raw(b'"sub":"bob"'), raw(b'"s\\u0075b":"bob"')],
    "text that is not UTF-8, or has a byte order mark": lambda: [
        raw(b'"x":"\xff"'),
        signed(claims=b"\xef\xbb\xbf" + json.dumps(GOOD).encode()),
        signed(claims=json.dumps(GOOD).encode("utf-16")),
    ],
    "NaN, Infinity or 1e400": lambda: [raw(b'"x":' + odd) for odd in (b"NaN", b"-Infinity", b"1e400")],
    "an integer beyond 64 bits": lambda: [raw(b'"x":9223372036854775808')],
    "half a surrogate pair": lambda: [raw(b'"x":"\\ud800"')],
    "nesting deeper than 32": lambda: [raw(b'"x":' + b"[" * 32 + b"]" * 32)],
    "claims that are no object": lambda: [signed(claims=odd) for odd in (b"[]", b"1", b"", b"null")],
    "a header of more than 8 KiB": lambda: [signed(b'{"alg":"ES256","x":"%s"}' % (b"x" * 8_192))],
    "more than 16 KiB": lambda: [changed(pad="x" * 13_000)],
    "`alg` that is no string": lambda: [header(alg=odd) for odd in (None, 1, ["ES256"])] + [signed(b"{}")],
    "`kid` that is no string, or over 128 characters": lambda: [
        header(kid=odd) for odd in (1, None, "k" * 129)
    ],
    "`alg` none, in any spelling": lambda: [header(alg=odd) for odd in ("none", "None", "NONE", "nOnE", "")],
    "`alg` other than the key's": lambda: [header(alg=odd) for odd in ("HS256", "ES384", "es256")],
    "any `crit`, known or empty": lambda: [header(crit=odd) for odd in (["exp"], [], ["b64"], "exp", None)],
    "`b64`": lambda: [header(b64=odd) for odd in (False, True)],
    "another `typ`": lambda: [header(typ=odd) for odd in ("at+jwt", "logout+jwt", "")],
    "its own key in `jwk`": lambda: [
        jws.sign(json.dumps(GOOD).encode(), other, header={"jwk": other.public().to_dict()})
        for other in [JWK.generate("ES256")]
    ],
    "an ECDSA signature in DER": lambda: [der()],
    "no `exp`": lambda: [changed(exp=...), changed(exp=None)],
    "a time as text or a bool": lambda: [
        changed(**{name: odd}) for name in ("exp", "nbf", "iat") for odd in ("1800000300", True)
    ],
    "a time below zero": lambda: [
        changed(**{name: odd}) for name in ("exp", "nbf", "iat") for odd in (-1, -0.5)
    ],
    "`sub` or `jti` that is no string": lambda: [changed(sub=1), changed(jti=["a"]), changed(sub=None)],
    "`iss` as a list": lambda: [changed(iss=[ISS])],
    "`aud` missing, empty, or with anything but strings": lambda: [
        changed(aud=odd) for odd in (..., [], "", [API, 1], {API: 1}, None)
    ],
    "`nbf` or `iat` ahead": lambda: [changed(nbf=int(NOW) + 31), changed(iat=int(NOW) + 31)],
}


def test_the_token_that_the_refused_are_made_of_is_taken() -> None:
    assert jwt.verify(signed(), KEY.public(), issuer=ISS, audience=API, now=NOW) == GOOD
    assert jwt.verify(header(kid="k", x="?"), KEY.public(), issuer=ISS, audience=API, now=NOW) == GOOD


@pytest.mark.parametrize(("what", "error", "clause"), rows("What is refused"), ids=lambda cell: cell[:40])
def test_what_the_page_says_is_refused_is(what: str, error: str, clause: str) -> None:
    assert clause
    for token in REFUSED[what]():
        with pytest.raises(TokenError) as caught:
            jwt.verify(token, KEY.public(), issuer=ISS, audience=API, now=NOW)
        assert type(caught.value).__name__ == error.strip("`"), token


def test_every_way_to_be_refused_that_is_tried_here_is_on_the_page() -> None:
    assert {what for what, _, _ in rows("What is refused")} == REFUSED.keys()
