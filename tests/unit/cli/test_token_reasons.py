"""`admit token inspect` names all that is wrong with a token, each with its clause, and agrees with the library."""

import base64
import json
import random
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from admit import JWK, AdmitError, jwt
from admit.cli.main import main
from admit.cli.token_inspect import judge
from admit.cli.token_reading import NoTokenError, read
from admit.jose import encrypt_json, jwe, jws, sign_detached, sign_json
from admit.jose.claims import ClaimPolicy
from admit.jose.waive import Waive

ISS, AUD = "https://id.example.com", "https://api.example.com"
KEY = JWK.generate("ES256")
NOW = int(time.time())
GOOD = {"iss": ISS, "aud": AUD, "sub": "u_1", "iat": NOW, "exp": NOW + 36_000}


def inspect(text: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["token", "inspect", *options], input=text)


def reasons(text: str, *options: str) -> list[tuple[str, str]]:
    told = inspect(text, "--json", *options)
    document = json.loads(told.stdout)
    assert told.exit_code == (1 if document["refused"] else 0)
    return [(one["reason"], one["clause"]) for one in document["refused"]]


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(claims: object = GOOD, header: object = None, signature: str = "c2ln") -> str:
    return (
        f"{part({'alg': 'ES256', 'kid': KEY.kid} if header is None else header)}.{part(claims)}.{signature}"
    )


@pytest.fixture
def key_set(tmp_path: Path) -> Callable[..., str]:
    def written(*keys: dict[str, Any]) -> str:
        path = tmp_path / "jwks.json"
        path.write_text(json.dumps({"keys": list(keys)}))
        return str(path)

    return written


ODD_JSON = b'{"sub":"a","sub":"b","exp":9999999999}'
CASES: dict[str, tuple[str, str, str]] = {
    "alg none": (token(header={"alg": "none"}, signature=""), 'alg is "none"', "RFC 8725 §3.1"),
    "alg nOnE": (token(header={"alg": "nOnE"}), 'alg is "none"', "RFC 8725 §3.1"),
    "an unknown alg": (token(header={"alg": "HS1"}), "no signature that Admit knows", "RFC 8725 §3.1"),
    "no signature": (token(signature=""), "nothing is signed", "RFC 8725 §3.2"),
    "crit": (token(header={"alg": "ES256", "crit": ["exp"]}), "crit asks", "RFC 7515 §4.1.11"),
    "b64": (token(header={"alg": "ES256", "b64": False}), "b64 stands without crit", "RFC 7797 §6"),
    "a kid of another type": (token(header={"alg": "ES256", "kid": 7}), "kid is not a string", "RFC 7515 §4.1.4"),
    "a long kid": (token(header={"alg": "ES256", "kid": "k" * 200}), "at most 128", "RFC 7515 §4.1.4"),
    "a typ of another type": (token(header={"alg": "ES256", "typ": []}), "typ is not a string", "RFC 7515 §4.1.9"),
    "a member twice": (token(ODD_JSON), 'member twice: "sub"', "RFC 7515 §4"),
    "NaN": (token(b'{"exp":9999999999,"a":NaN}'), "not strict JSON", "RFC 8259"),
    "no UTF-8": (token(b'{"a":"\xff"}'), "not UTF-8", "RFC 8259 §8.1"),
    "no JSON": (token(b"hello"), "not JSON", "RFC 8259"),
    "a list": (token([1]), "no object", "RFC 7519 §7.2"),
    "padding": (token(signature="c2lnYQ=="), "has padding", "RFC 7515 §2"),
    "plain base64": (token(signature="+/+/"), "plain base64", "RFC 7515 §2"),
    "spare bits": (token(signature="c2lnYR"), "bits after its last octet", "RFC 4648 §3.5"),
    "an impossible length": (token(signature="c2lna"), "a length that no octets come to", "RFC 7515 §2"),
    "white space": (token(signature="c2 ln"), "white space", "RFC 7515 §2"),
    "no exp": (token({"iss": ISS}), "exp is missing", "RFC 9068 §2.2"),
    "expired": (token(GOOD | {"exp": NOW - 90}), "the token expired", "RFC 7519 §4.1.4"),
    "a text for exp": (token(GOOD | {"exp": "soon"}), "exp: not a number", "RFC 7519 §4.1.4"),
    "a later nbf": (token(GOOD | {"nbf": NOW + 36_000}), "nbf lies ahead", "RFC 7519 §4.1.5"),
    "a later iat": (token(GOOD | {"iat": NOW + 36_000}), "iat lies ahead", "RFC 7519 §4.1.6"),
    "a list for iss": (token(GOOD | {"iss": [ISS]}), "iss is not a string", "RFC 7519 §4.1.1"),
    "a number for sub": (token(GOOD | {"sub": 5}), "sub: not a string", "RFC 7519 §4.1.2"),
    "an empty aud": (token(GOOD | {"aud": []}), "aud is no string", "RFC 7519 §4.1.3"),
    "a number for jti": (token(GOOD | {"jti": 5}), "jti: not a string", "RFC 7519 §4.1.7"),
    "a large one": (token(GOOD | {"x": "x" * 13_000}), "more than 16,384 octets", "limit"),
    "detached": (sign_detached(b"x", KEY), "travels apart", "RFC 7515 Appendix F"),
    "JSON": (json.dumps(sign_json(b"{}", KEY)), "always compact", "RFC 7519 §1"),
    "general JSON": (json.dumps(sign_json(b"{}", [KEY, KEY])), "always compact", "RFC 7519 §1"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_why_it_would_be_refused_is_told_with_the_clause(case: str) -> None:
    text, words, clause = CASES[case]
    told = reasons(text)
    assert any(words in reason and clause in where for reason, where in told), told
    with pytest.raises(AdmitError):
        jwt.verify(text, KEY, issuer=ISS, audience=AUD)


def test_a_sound_token_has_no_reason() -> None:
    assert reasons(jws.sign(json.dumps(GOOD).encode(), KEY)) == []
    assert reasons(token()) == []  # without a key nobody knows that nobody signed it


def test_all_that_is_wrong_is_told_at_once() -> None:
    text = token(GOOD | {"exp": NOW - 90, "nbf": NOW + 36_000, "sub": 5}, {"alg": "none", "crit": ["x"]}, "")
    assert len(reasons(text, "--issuer", "https://other.example.com", "--audience", "x")) == 8


def test_issuer_audience_and_kind_are_looked_at_only_when_they_are_asked_for(tmp_path: Path) -> None:
    asked = ("--issuer", "x", "--audience", "y", "--typ", "at+jwt")
    clauses = [clause for _, clause in reasons(token(), *asked)]
    assert clauses == ["RFC 7519 §4.1.1", "RFC 7519 §4.1.3", "RFC 8725 §3.11"]
    assert reasons(token(), "--issuer", ISS, "--audience", AUD, "--typ", "JWT") == []


@pytest.mark.parametrize("typ", ["dpop+jwt", "secevent+jwt", "application/logout+jwt"])
def test_kinds_without_an_end_of_their_own_need_no_exp_but_may_have_passed(typ: str) -> None:
    header = {"alg": "ES256", "typ": typ}
    assert reasons(token({"iat": NOW}, header)) == []
    assert [clause for _, clause in reasons(token({"exp": NOW - 90}, header))] == ["RFC 7519 §4.1.4"]


def test_the_key_set_says_why_it_has_no_key_for_the_token(key_set: Callable[..., str]) -> None:
    signed = jws.sign(json.dumps(GOOD).encode(), KEY)
    own = KEY.public().to_dict()
    assert reasons(signed, "--jwks", key_set(own)) == []
    ((told, clause),) = reasons(signed, "--jwks", key_set(own | {"kid": "other"}))
    assert (told, clause) == ("kid is not in the key set", "RFC 7515 §4.1.4")
    ((told, clause),) = reasons(signed, "--jwks", key_set(own | {"use": "enc"}))
    assert "that kid is unusable: use is not" in told
    assert clause == "RFC 7517 §4.2"
    ((told, _),) = reasons(
        signed, "--jwks", key_set(own, JWK.generate("ES256", kid=KEY.kid).public().to_dict())
    )
    assert told == "several keys of the set have that kid"
    ((told, clause),) = reasons(jws.sign(json.dumps(GOOD).encode(), JWK.load(KEY.to_pem(private=True))), "--jwks",
                                key_set(own, JWK.generate("ES256").public().to_dict()))  # fmt: skip
    assert "names no kid" in told
    ((told, clause),) = reasons(
        signed, "--jwks", key_set(JWK.generate("Ed25519", kid=KEY.kid).public().to_dict())
    )
    assert clause == "RFC 8725 §3.1"


def test_a_key_of_the_set_that_cannot_verify_says_why(key_set: Callable[..., str]) -> None:
    rsa = JWK.generate("RS256", kid="r")
    own = rsa.public().to_dict()
    bare = {name: value for name, value in own.items() if name != "alg"}
    other = {name: value for name, value in JWK.generate("RS256", kid="r").to_dict().items() if name != "alg"}
    signed = jws.sign(json.dumps(GOOD).encode(), rsa)
    several = ("several keys of the set have that kid", "RFC 7517 §4.5")
    private = (
        "the set's key of that kid is published with its private part, so it is not used",
        "RFC 7517 §9.2",
    )
    sealing = ("the set's key of that kid is for encryption (RSA-OAEP)", "RFC 7517 §4.4")
    for keys, options, why in (
        ([own | {"alg": "RSA-OAEP"}], (), sealing),
        ([own | {"alg": "RSA-OAEP", "use": "enc"}], (), sealing),
        ([rsa.to_dict(private=True)], (), private),
        ([JWK.generate("HS256", kid="r").to_dict(private=True)], (), private),
        ([bare, other], ("--alg", "RS256"), several),
        ([own, own | {"n": other["n"]}], (), several),
        ([own, rsa.to_dict(private=True), own | {"n": other["n"]}], (), several),
    ):
        assert reasons(signed, "--jwks", key_set(*keys), *options) == [why]
    ((told, clause),) = reasons(signed, "--jwks", key_set(bare, other))
    assert "names no algorithm" in told
    assert "give --alg" in clause
    assert reasons(signed, "--jwks", key_set(own, rsa.to_dict(private=True))) == []
    assert reasons(signed, "--jwks", key_set(bare), "--alg", "RS256") == []


@pytest.mark.parametrize("name", ["exp", "auth_time"])
@pytest.mark.parametrize(
    "number", ["1" * 400, "-" + "1" * 400, "1" * 5_000, "1e999", "1.5e308", "18446744073709551616"]
)
def test_a_number_of_any_size_ends_in_an_exit_code(tmp_path: Path, name: str, number: str) -> None:
    text = token(f'{{"{name}":{number}}}'.encode())
    (tmp_path / "key").write_bytes(KEY.public().to_pem())
    assert reasons(text) or number == "1.5e308"
    shown = inspect(text)
    assert shown.exception is None or isinstance(shown.exception, SystemExit)
    assert "(no time)" in shown.stdout or number == "1" * 5_000
    verify = ["token", "verify", "--key", str(tmp_path / "key"), "--any-issuer", "--any-audience"]
    refused = CliRunner().invoke(main, verify, input=text)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("admit: refused: ")


@pytest.mark.threat("INF-size")
def test_doubled_members_are_found_in_time_that_grows_with_them() -> None:
    def spent(count: int) -> float:
        text = token(b"{" + b",".join(b'"%x":1' % n for n in range(count)) + b',"0":2}')
        least = 9.0
        for _ in range(3):
            start = time.process_time()
            found = read(text)
            least = min(least, time.process_time() - start)
        assert any('member twice: "0"' in one.text for one in found.reasons)
        return least

    assert spent(12_000) < 24 * spent(1_500)


def test_an_rsa_key_without_alg_asks_for_it(key_set: Callable[..., str], tmp_path: Path) -> None:
    rsa = JWK.generate("RS256")
    bare = {name: value for name, value in rsa.public().to_dict().items() if name != "alg"}
    signed = jws.sign(json.dumps(GOOD).encode(), rsa)
    ((told, clause),) = reasons(signed, "--jwks", key_set(bare))
    assert "names no algorithm" in told
    assert "give --alg" in clause
    assert reasons(signed, "--jwks", key_set(bare), "--alg", "RS256") == []
    (tmp_path / "rsa.pem").write_bytes(rsa.public().to_pem())
    refused = inspect(signed, "--key", str(tmp_path / "rsa.pem"))
    assert refused.exit_code == 2
    assert "give --alg" in refused.stderr
    assert reasons(signed, "--key", str(tmp_path / "rsa.pem"), "--alg", "RS256") == []


def test_a_published_ed25519_key_without_alg_takes_the_name_given(
    key_set: Callable[..., str], tmp_path: Path
) -> None:
    edwards, box = JWK.generate("Ed25519", kid="e"), JWK.generate("RSA-OAEP", kid="box")
    bare = {name: value for name, value in edwards.public().to_dict().items() if name != "alg"}
    signed = jws.sign(json.dumps(GOOD).encode(), edwards)
    assert reasons(signed, "--jwks", key_set(bare)) == [
        ("alg is not that of the key named by kid", "RFC 8725 §3.1")
    ]
    for alg in ("Ed25519", "RS256", "RSA-OAEP", "ES384"):
        assert (reasons(signed, "--jwks", key_set(bare), "--alg", alg) == []) is (alg == "Ed25519")
    # What --alg says of the key that decrypts says nothing of a key set.
    (tmp_path / "box.pem").write_bytes(box.to_pem(private=True))
    sealed = jwe.encrypt(signed.encode(), box.public(), cty="JWT")
    known = key_set(edwards.public().to_dict())
    assert reasons(sealed, "--key", str(tmp_path / "box.pem"), "--alg", "RSA-OAEP", "--jwks", known) == []
    refused = inspect(signed, "--jwks", known, "--alg", "ed25519")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--alg is no algorithm" in refused.stderr


def test_a_weak_key_is_a_reason(tmp_path: Path) -> None:
    weak = {"kty": "oct", "k": part(b"only-twenty-octets-!"), "alg": "HS256"}
    (tmp_path / "weak.json").write_text(json.dumps(weak))
    ((told, clause),) = reasons(token(header={"alg": "HS256"}), "--key", str(tmp_path / "weak.json"))
    assert "too small" in told
    assert "RFC 7518 §3.2" in clause


def encrypted(tmp_path: Path) -> tuple[str, str, str]:
    box = JWK.generate("ECDH-ES")
    for name, key in (("box", box), ("key", KEY)):
        (tmp_path / name).write_bytes(key.to_private_bytes())
    sealed = jwt.encrypt(
        {"sub": "hidden"}, box.public(), signed_with=KEY, issuer=ISS, audience=AUD, lifetime=timedelta(minutes=5)
    )  # fmt: skip
    return sealed, str(tmp_path / "box"), str(tmp_path / "key")


def test_an_encrypted_token_shows_its_header_alone(tmp_path: Path) -> None:
    sealed, _, _ = encrypted(tmp_path)
    told = inspect(sealed)
    assert told.exit_code == 0
    assert "Encrypted: only who has the key" in told.stdout
    assert "Not verified" in told.stdout
    assert "hidden" not in told.stdout
    assert "anyone who has it" not in told.stdout


def test_with_its_key_an_encrypted_token_is_opened_and_what_is_inside_judged(tmp_path: Path) -> None:
    sealed, box, key = encrypted(tmp_path)
    told = inspect(sealed, "--key", box)
    assert "hidden" in told.stdout
    assert "Not verified" in told.stdout
    good = inspect(sealed, "--key", box, "--key", key)
    assert good.exit_code == 0
    assert "Good: signature" in good.stdout
    wrong = reasons(sealed, "--key", box, "--key", key, "--issuer", "x")
    assert [clause for _, clause in wrong] == ["RFC 7519 §4.1.1"]
    (tmp_path / "other").write_bytes(JWK.generate("ECDH-ES").to_private_bytes())
    assert [clause for _, clause in reasons(sealed, "--key", str(tmp_path / "other"))] == ["RFC 7516 §5.2"]


@pytest.mark.parametrize(
    ("header", "clause"),
    [
        ({"alg": "RSA1_5", "enc": "A256GCM"}, "RFC 8725 §3.2"),
        ({"alg": "ECDH-ES", "enc": "A1"}, "RFC 7516 §4.1.2"),
        ({"alg": "ES256", "enc": "A256GCM"}, "RFC 8725 §3.1"),
        ({"alg": "dir", "enc": "A256GCM", "zip": "GZ"}, "RFC 7516 §4.1.3"),
        ({"alg": "dir", "enc": "A256GCM", "crit": ["x"]}, "RFC 7515 §4.1.11"),
    ],
)
def test_an_encrypted_token_that_nobody_opens_is_told(header: dict[str, Any], clause: str) -> None:
    text = f"{part(header)}..AAAA.AAAA.AAAA"
    assert [where for _, where in reasons(text)] == [clause]
    with pytest.raises(AdmitError):
        jwe.decrypt(text, JWK.generate("A256GCM"))


def test_an_encrypted_json_form_is_shown_by_its_header() -> None:
    told = reasons(json.dumps(encrypt_json(b"x", JWK.generate("ECDH-ES").public())))
    assert [clause for _, clause in told] == ["RFC 7519 §1"]


def test_a_key_that_the_token_brings_is_named_and_not_used() -> None:
    told = inspect(
        token(header={"alg": "ES256", "jwk": KEY.public().to_dict(), "jku": "https://evil.example"})
    )
    assert told.stdout.count("is never used: a token cannot bring its own key") == 2


def altered(text: str, rng: random.Random) -> str:
    signs = list(text)
    for _ in range(rng.randint(0, 3)):
        signs[rng.randrange(len(signs))] = rng.choice('ABab09-_.+/= {}[]":,é\x00')
    return "".join(signs).strip()


def test_whatever_the_library_refuses_has_a_reason(rounds: Callable[..., range], rng: random.Random) -> None:
    policy = ClaimPolicy(issuer=Waive.ISSUER, audience=Waive.AUDIENCE, typ=Waive.TYP)
    waived: Any = {"issuer": Waive.ISSUER, "audience": Waive.AUDIENCE, "typ": Waive.TYP}
    for n in rounds(quick=50, test=300, soak=20_000):
        payload = json.dumps(GOOD) if n % 2 else altered(json.dumps(GOOD), rng)
        text = jws.sign(payload.encode(), KEY)
        text = altered(text, rng) if n % 2 else text
        try:
            jwt.verify(text, KEY.public(), **waived)
            good = True
        except AdmitError:
            good = False
        try:
            reading = read(text)
        except NoTokenError:
            assert not good
            continue
        assert judge(text, reading, [KEY.public()], None, policy, time.time()) is good
        assert good is (reading.reasons == [])


VALUES = [
    None,
    True,
    -1,
    1e300,
    "",
    [],
    {},
    ["a"],
    [[1]],
    "\x1b[2J",
    "é",
    "a" * 300,
    2**70,
    "ES256",
    "A256GCM",
    "JWT",
]
NAMES = [
    "alg", "enc", "kid", "typ", "cty", "crit", "b64", "zip", "epk", "jku", "exp", "nbf", "iat", "aud", "iss", "sub",
    "header", "protected", "payload", "signature", "signatures", "recipients", "ciphertext", "unprotected",
]  # fmt: skip


def anything(rng: random.Random) -> str:
    """A token of some form, with members of any type in any place."""

    def members() -> dict[str, Any]:
        return {rng.choice(NAMES): rng.choice(VALUES) for _ in range(rng.randint(0, 7))}

    header = members() | {"alg": rng.choice(["ES256", "none", "ECDH-ES", "dir"])}
    form = rng.randrange(3)
    if form == 0:
        return f"{part(header)}.{part(rng.choice([members(), *VALUES]))}.{part(b'signature')}"
    if form == 1:
        return ".".join([part(header), *(part(bytes(rng.randint(0, 20))) for _ in range(4))])
    several = [{"protected": part(header), "header": rng.choice([members(), *VALUES])}] * rng.randint(1, 2)
    one = {
        name: rng.choice([part(header), *VALUES])
        for name in ("protected", "payload", "signature", "ciphertext")
    }
    return json.dumps(
        members() | one | {rng.choice(["signatures", "recipients"]): rng.choice([several, [5], *VALUES])}
    )


def test_whatever_is_given_ends_in_an_exit_code(
    rounds: Callable[..., range], rng: random.Random, tmp_path: Path, key_set: Callable[..., str]
) -> None:
    _, box, key = encrypted(tmp_path)
    waived = ("--any-issuer", "--any-audience")
    keys = key_set(KEY.public().to_dict())
    for _ in rounds(quick=5, test=25, soak=5_000):
        text = anything(rng)
        for asked in (
            ("inspect", "--json"), ("inspect", "--key", key, "--key", box, "--issuer", "a", "--typ", "b"),
            ("inspect", "--jwks", keys), ("verify", "--key", key, *waived),
            ("verify", "--jwks", keys, "--decrypt-key", box, *waived),
        ):  # fmt: skip
            done = CliRunner().invoke(main, ["token", *asked], input=text)
            assert done.exception is None or isinstance(done.exception, SystemExit), (asked, text)
            assert "\x1b" not in done.output
