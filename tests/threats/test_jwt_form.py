"""Ledger: one spelling of a token, read one way (RFC 8725 §3.7, its successor §3.14, RFC 7515 §4.1.11)."""

import json
import random
import string
from collections.abc import Callable
from typing import Any

import pytest

from admit import AdmitError, MalformedTokenError, TokenError
from admit.jose import json as strict
from admit.jose import jws
from tests.threats.forge import GOOD, KEYS, reads, signed

KEY = KEYS["HS256"]
TOKEN = signed({"alg": "HS256"}, GOOD)
HEAD, BODY, TAIL = TOKEN.split(".")
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def test_the_token_that_the_others_are_made_of_is_good() -> None:
    assert reads(TOKEN, KEY) == GOOD


def other_last() -> str:
    """The same signature with the two spare bits of its last character set."""
    return TOKEN[:-1] + ALPHABET[ALPHABET.index(TOKEN[-1]) | 3]


@pytest.mark.rfc("7515", "2")
@pytest.mark.threat("JWT-form", off="admit.jose.base64url:decode_translated")
@pytest.mark.parametrize(
    "odd",
    [
        TOKEN + "=",
        TOKEN + "==",
        TOKEN + "\n",
        TOKEN + " ",
        TOKEN + "!",
        f"{HEAD}.{BODY}.\n{TAIL}",
        TOKEN[:-4] + "\t" + TOKEN[-4:],
        other_last(),
    ],
    ids=["=", "==", "newline", "space", "!", "newline inside", "tab inside", "spare bits"],
)
def test_another_spelling_of_the_signature_is_refused(odd: str) -> None:
    assert odd != TOKEN
    with pytest.raises(TokenError):
        reads(odd, KEY)


FORMS = {
    "flattened JSON": json.dumps({"protected": HEAD, "payload": BODY, "signature": TAIL}),
    "general JSON": json.dumps({"payload": BODY, "signatures": [{"protected": HEAD, "signature": TAIL}]}),
    "1 part": HEAD,
    "2 parts": f"{HEAD}.{BODY}",
    "4 parts": f"{TOKEN}.",
    "5 parts": f"{TOKEN}.{BODY}.{TAIL}",
    "6 parts": f"{TOKEN}.{TOKEN}",
    "empty": "",
    "{": "{",
    "dots": "." * 9000,
    "no header": f".{BODY}.{TAIL}",
}


@pytest.mark.rfc("7515", "7.1")
@pytest.mark.rfc("8725", "3.11")
@pytest.mark.threat("JWT-form", off="admit.jose.jws:split")
@pytest.mark.parametrize("name", FORMS)
def test_another_form_is_refused_before_any_signature_is_looked_at(name: str) -> None:
    with pytest.raises(MalformedTokenError):
        reads(FORMS[name], KEY)


@pytest.mark.threat("JWT-form", off="admit.jose.jws:split")
def test_a_token_over_16_kib_is_refused_though_its_signature_holds() -> None:
    large = json.dumps({**GOOD, "pad": "x" * 12_500}).encode()
    token = jws.sign(large, KEY, max_size=30_000)
    assert len(token) > 16_384
    with pytest.raises(TokenError):
        reads(token, KEY)


@pytest.mark.rfc("7797", "6")
@pytest.mark.rfc("7515", "4.1.11")
@pytest.mark.threat("JWT-crit", off="admit.jose.header:check_crit")
@pytest.mark.parametrize(
    "extra",
    [
        {"crit": ["exp"]},
        {"crit": ["unknown"], "unknown": 1},
        {"crit": []},
        {"crit": ["exp", "exp"], "exp": 1},
        {"crit": "exp"},
        {"crit": {"exp": 1}},
        {"crit": None},
        {"crit": [1]},
        {"crit": ["b64"], "b64": False},
        {"crit": ["b64"], "b64": True},
        {"b64": False},
    ],
    ids=repr,
)
def test_a_critical_header_is_never_ignored(extra: dict) -> None:
    with pytest.raises(TokenError):
        reads(signed({"alg": "HS256", **extra}, GOOD), KEY)


TEXT = json.dumps(GOOD).encode()
OPEN = TEXT[:-1]
NOT_STRICT = {
    "duplicate member": OPEN + b',"sub":"bob"}',
    "duplicate by escape": OPEN + b',"s\\u0075b":"bob"}',
    "duplicate deep inside": OPEN + b',"x":[{"a":1,"a":2}]}',
    "byte order mark": b"\xef\xbb\xbf" + TEXT,
    "UTF-16": TEXT.decode().encode("utf-16"),
    "NaN": OPEN + b',"x":NaN}',
    "Infinity": OPEN + b',"x":-Infinity}',
    "1e400": OPEN + b',"x":1e400}',
    "lone surrogate": OPEN + b',"x":"\\ud800"}',
    "surrogate as octets": OPEN + b',"x":"\xed\xa0\x80"}',
    "not UTF-8": OPEN + b',"x":"\xff"}',
    "overlong": OPEN + b',"x":"\xc0\xaf"}',
    "33 deep": OPEN + b',"x":' + b"[" * 32 + b"]" * 32 + b"}",
    "beyond 64 bits": OPEN + b',"x":9223372036854775808}',
}


@pytest.mark.rfc("7519", "4")
@pytest.mark.rfc("8725", "3.7")
@pytest.mark.threat("JWT-utf8", off="admit.jose.json:loads_object")
@pytest.mark.parametrize("name", NOT_STRICT)
def test_claims_that_parsers_read_differently_are_refused(name: str) -> None:
    with pytest.raises(TokenError):
        reads(signed({"alg": "HS256"}, NOT_STRICT[name]), KEY)


@pytest.mark.rfc("7515", "4")
@pytest.mark.rfc("8725", "3.7")
@pytest.mark.threat("JWT-utf8", off="admit.jose.json:loads_object")
@pytest.mark.parametrize(
    "header", [b'{"alg":"none","alg":"HS256"}', b'\xef\xbb\xbf{"alg":"HS256"}', b'{"alg":"HS256","x":NaN}']
)
def test_a_header_that_parsers_read_differently_is_refused(header: bytes) -> None:
    with pytest.raises(TokenError):
        reads(signed(header, GOOD), KEY)


def strictly(text: bytes) -> dict[str, Any]:
    """A second parser: the standard library, told to refuse what it would forgive."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs), "doubled"
        return dict(pairs)

    def constant(name: str) -> Any:
        raise AssertionError(name)

    value = json.loads(text.decode("utf-8"), object_pairs_hook=unique, parse_constant=constant)
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    assert isinstance(value, dict)
    return value


PIECES = [
    b'"sub":"bob"', b'"s\\u0075b":"bob"', b'"x":NaN', b'"x":1e400', b'"x":-0', b'"x":1E2', b'"x":01',
    b'"x":"\\ud83d\\ude00"',
    b'"x":"\\ude00"', b'"x":{"a":1,"a":1}', b'"x":[1,]', b'"x":9223372036854775807', b'"x":0.1', b'"":""', b'"x" :\t1 ',
    b'"x":"\x00"', b'"x":"\xc3\xa9"', b'"x":"\xc0\xaf"', b'"exp":1800000300', b'"x":true', b'"x":tru', b"/**/",
]  # fmt: skip


def mutated(rng: random.Random) -> bytes:
    """The claims with a member more, or some octets other than they were."""
    text = OPEN + b"".join(b"," + piece for piece in rng.sample(PIECES, rng.randrange(3))) + b"}"
    for _ in range(rng.choice((0, 0, 1, 2))):
        at = rng.randrange(len(text))
        text = text[:at] + bytes([rng.randrange(256)] * rng.randrange(2)) + text[at + rng.randrange(2) :]
    return text


@pytest.mark.rfc("8725", "3.7")
@pytest.mark.threat("JWT-utf8", off="admit.jose.json:loads_object")
def test_what_is_taken_a_second_parser_reads_as_the_same(
    rng: random.Random, rounds: Callable[..., range]
) -> None:
    taken = 0
    for _ in rounds(quick=500, test=3_000, soak=1_000_000):
        text = mutated(rng)
        try:
            value = strict.loads_object(text)
        except AdmitError:
            continue
        taken += 1
        try:
            assert strictly(text) == value
        except ValueError as error:
            raise AssertionError(text) from error
    assert taken > 50
