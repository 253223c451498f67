"""Encryption, RFC 7516: the cookbook's examples, round trips of every row, and one error for whatever fails."""

import json
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from admit import (
    JWK,
    AlgorithmError,
    CriticalHeaderError,
    InvalidKeyError,
    JWKSet,
    KeyNotFoundError,
    MalformedTokenError,
)
from admit.errors import AdmitError, DecryptionError
from admit.jose import base64url, jwe, jws
from admit.jose.content import CONTENT_ALGS
from admit.jose.jwe_json import Recipient, decrypt_json, encrypt_json
from admit.jose.key_management import JWE_ALGS
from tests.plugins.patience import least_cpu

VECTORS = Path(__file__).parents[2] / "vectors"
COOKBOOK = [*sorted((VECTORS / "rfc7520/jwe").glob("*.json")), VECTORS / "rfc8037/ecdh-es.json"]
READ = [path for path in COOKBOOK if not path.stem.startswith(("5_1.", "5_13"))]
TEXT = b"You can trust us to stick with you through thick and thin."


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def key_of(example: Any) -> JWK:
    given = example["input"]
    if "pwd" in given:
        return JWK.password(given["pwd"].encode(), given["alg"])
    return JWK.load(given["key"], alg=None if given["alg"] == "dir" else given["alg"])


def make(name: str, kty: str) -> JWK:
    if name.startswith("PBES2"):
        return JWK.password(b"correct horse", name)
    if name == "dir":
        return JWK.load(JWK.generate("A256GCM").to_dict(private=True) | {"alg": "dir"})
    return JWK.generate(name, crv="X25519" if kty == "OKP" else None)


KEYS = {row: make(*row) for row in JWE_ALGS}
KEYS |= {("ECDH-ES", crv): JWK.generate("ECDH-ES", crv=crv) for crv in ("P-384", "P-521", "X448")}


def spoilt(text: str) -> str:
    return ("B" if text[0] == "A" else "A") + text[1:]


@pytest.mark.rfc("7516", "5.2")
@pytest.mark.rfc("7520", "5")
@pytest.mark.parametrize("path", READ, ids=lambda path: path.stem[:40])
def test_cookbook_tokens_are_read_and_spoilt_ones_are_not(path: Path) -> None:
    example = read(path)
    key, plaintext = key_of(example), example["input"]["plaintext"].encode()
    for form in ("json", "json_flat"):
        found = decrypt_json(example["output"][form], key)
        assert found.plaintext == plaintext
        for member in ("ciphertext", "tag", "iv"):
            wrong = example["output"][form] | {member: spoilt(example["output"][form][member])}
            with pytest.raises(DecryptionError):
                decrypt_json(wrong, key)
    if "aad" in example["input"]:
        assert found.aad == example["input"]["aad"].encode()
    token = example["output"].get("compact")
    if token is not None:
        assert jwe.decrypt(token, key).plaintext == plaintext


@pytest.mark.rfc("7520", "5.13")
def test_each_recipient_of_the_cookbook_reads_the_same() -> None:
    example = read(next(path for path in COOKBOOK if path.stem.startswith("5_13")))
    algs = example["input"]["alg"]
    for members, alg in zip(example["input"]["key"], algs, strict=True):
        if alg == "RSA1_5":
            continue
        found = decrypt_json(example["output"]["json"], JWK.load(members, alg=alg))
        assert found.plaintext == example["input"]["plaintext"].encode()
    with pytest.raises(AlgorithmError):
        decrypt_json(example["output"]["json"], JWK.generate("RSA-OAEP"))


@pytest.mark.threat("JWT-alg-weak")
@pytest.mark.rfc("7518", "4.2")
@pytest.mark.rfc("7516", "11.5")
def test_rsa1_5_is_not_supported() -> None:
    example = read(COOKBOOK[0])
    with pytest.raises(InvalidKeyError):
        JWK.load(example["input"]["key"], alg="RSA1_5")
    with pytest.raises(AlgorithmError):
        jwe.decrypt(example["output"]["compact"], JWK.load(example["input"]["key"], alg="RSA-OAEP"))


@pytest.mark.rfc("7516", "5.1")
@pytest.mark.rfc("7516", "5.2")
@pytest.mark.rfc("7518", "4.1")
@pytest.mark.rfc("7518", "5.1")
@pytest.mark.rfc("7518", "4")
@pytest.mark.rfc("7518", "5")
@pytest.mark.parametrize("row", KEYS, ids=str)
def test_every_row_reads_what_it_wrote_and_no_part_of_it_may_change(row: tuple[str, str]) -> None:
    key = KEYS[row]
    encs = [key.alg] if key.alg in CONTENT_ALGS else list(CONTENT_ALGS)
    if key.alg == "dir":
        encs = ["A256GCM", "A128CBC-HS256"]
    if key.alg.startswith("PBES2"):
        encs = encs[:1]
    for enc in encs:
        token = jwe.encrypt(TEXT, key, enc=enc, typ="x", cty="y")
        found = jwe.decrypt(token, key)
        assert found.plaintext == TEXT
        assert (found.header["enc"], found.header["typ"], found.header["cty"]) == (enc, "x", "y")
    parts = token.split(".")
    # A password is made a key slowly, each time: with these the other parts are left to the rows beside.
    places = (1,) if key.alg.startswith("PBES2") else range(1, 5)
    for place in places:
        if parts[place]:
            wrong = [spoilt(part) if at == place else part for at, part in enumerate(parts)]
            with pytest.raises(DecryptionError):
                jwe.decrypt(".".join(wrong), key)
            shorter = base64url.encode(base64url.decode(parts[place].encode())[:-3]).decode()
            with pytest.raises(DecryptionError):
                jwe.decrypt(".".join([*parts[:place], shorter, *parts[place + 1 :]]), key)
    other = [base64url.encode(json.dumps(dict(found.header) | {"typ": "z"}).encode()).decode(), *parts[1:]]
    with pytest.raises(AdmitError):
        jwe.decrypt(".".join(other), key)


@pytest.mark.parametrize("row", [row for row in KEYS if KEYS[row].kty != "oct"], ids=str)
def test_the_public_half_encrypts_and_cannot_decrypt(row: tuple[str, str]) -> None:
    public = KEYS[row].public()
    token = jwe.encrypt(TEXT, public)
    assert jwe.decrypt(token, KEYS[row]).plaintext == TEXT
    with pytest.raises(InvalidKeyError):
        jwe.decrypt(token, public)
    with pytest.raises(DecryptionError):
        jwe.decrypt(token, JWK.generate(*row[:1], crv=row[1] if row[1] not in ("EC", "RSA", "OKP") else
                    {"EC": "P-256", "OKP": "X25519"}.get(row[1])))  # fmt: skip


@pytest.mark.parametrize("row", KEYS, ids=str)
def test_keys_survive_a_round_trip(row: tuple[str, str]) -> None:
    key = KEYS[row]
    if key.alg.startswith("PBES2"):
        with pytest.raises(InvalidKeyError):
            JWK.load(key.to_private_bytes())
        return
    again = JWK.load(key.to_private_bytes())
    assert again == key
    assert jwe.decrypt(jwe.encrypt(TEXT, again), key).plaintext == TEXT


@pytest.mark.rfc("7517", "4.2")
@pytest.mark.rfc("7517", "4.3")
def test_a_key_signs_or_encrypts_and_never_both() -> None:
    signing, encrypting = JWK.generate("ES256"), JWK.generate("ECDH-ES")
    for use in (
        lambda: jws.sign(b"x", encrypting),
        lambda: jws.verify(jws.sign(b"x", signing), encrypting),
        lambda: jwe.encrypt(b"x", signing),
        lambda: jwe.decrypt(jwe.encrypt(b"x", encrypting), signing),
    ):
        with pytest.raises((InvalidKeyError, AlgorithmError)):
            use()
    members = encrypting.to_dict(private=True)
    assert JWK.load(members | {"use": "enc"})
    for odd in ({"use": "sig"}, {"key_ops": ["sign"]}, {"key_ops": ["deriveKey", "verify"]}):
        with pytest.raises(InvalidKeyError):
            JWK.load(members | odd)
    sealed = JWK.load(JWK.generate("A128KW").to_dict(private=True) | {"key_ops": ["wrapKey"]})
    with pytest.raises(InvalidKeyError):
        jwe.decrypt(jwe.encrypt(b"x", sealed), sealed)


@pytest.mark.rfc("7518", "4.4")
@pytest.mark.parametrize("alg", ["A128KW", "A256GCMKW", "A128GCM", "A256CBC-HS512"])
def test_a_symmetric_key_has_exactly_the_size_of_its_algorithm(alg: str) -> None:
    raw = base64url.decode(JWK.generate(alg).to_dict(private=True)["k"].encode())
    assert JWK.secret(raw, alg)
    for wrong in (raw + b"\x07", raw[:-1], raw + raw[::-1]):
        with pytest.raises(InvalidKeyError):
            JWK.secret(wrong, alg)


@pytest.mark.rfc("7518", "4.5")
def test_a_direct_key_serves_its_own_enc_and_none_other() -> None:
    key = JWK.generate("A128CBC-HS256")
    token = jwe.encrypt(TEXT, key)
    assert jwe.decrypt(token, JWKSet([key])).header["alg"] == "dir"
    other = JWK.load(key.to_dict(private=True) | {"alg": "A256GCM"})
    with pytest.raises(AlgorithmError):
        jwe.decrypt(token, other)
    for enc in ("A128CBC-HS256", "A192GCM"):
        if enc != "A128CBC-HS256":
            with pytest.raises(InvalidKeyError):
                jwe.encrypt(TEXT, key, enc=enc)


@pytest.mark.rfc("7518", "4.6.1.1")
@pytest.mark.rfc("7516", "11.5")
@pytest.mark.threat("JWT-inputs", off="admit.jose.key_management:sender")
@pytest.mark.rfc("8725", "3.4")
@pytest.mark.parametrize(
    "change",
    [
        {"x": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
        {"crv": "P-384"},
        {"kty": "OKP"},
        {"d": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
        {"y": 7},
    ],
    ids=str,
)
def test_an_odd_epk_is_refused_by_the_one_error(change: dict[str, Any]) -> None:
    key = KEYS["ECDH-ES", "EC"]
    made = encrypt_json(TEXT, key)
    assert decrypt_json(made, key).plaintext == TEXT
    made["header"]["epk"] |= change
    with pytest.raises(DecryptionError) as refused:
        decrypt_json(made, key)
    assert refused.value.detail == "the token cannot be decrypted"


@pytest.mark.threat("JWT-inputs")
@pytest.mark.rfc("7748", "6")
@pytest.mark.parametrize(
    ("crv", "x"), [("X25519", bytes(32)), ("X25519", b"\x01" + bytes(31)), ("X448", bytes(56))]
)
def test_points_that_agree_on_nothing_are_no_keys(crv: str, x: bytes) -> None:
    with pytest.raises(InvalidKeyError):
        JWK.load({"kty": "OKP", "crv": crv, "x": base64url.encode(x).decode()})


def with_count(count: object) -> tuple[dict[str, Any], JWK]:
    key = KEYS["PBES2-HS256+A128KW", "oct"]
    made = encrypt_json(TEXT, key)
    made["header"]["p2c"] = count
    return made, key


@pytest.mark.threat("JWT-p2c", off="admit.jose.key_management:check_iterations")
@pytest.mark.rfc("8725", "3.13")
def test_a_strangers_count_of_iterations_buys_no_work() -> None:
    made, key = with_count(2_000_000)

    def tried() -> None:
        with pytest.raises(DecryptionError):
            decrypt_json(made, key)

    assert least_cpu(tried) < 0.05  # two million rounds take some hundred milliseconds


@pytest.mark.rfc("7518", "4.8.1.2")
@pytest.mark.parametrize("count", [2**31 - 1, 1_200_001, 999, 0, -1, True, "4096", 4096.0])
def test_an_odd_count_of_iterations_is_refused(count: object) -> None:
    made, key = with_count(count)
    with pytest.raises(DecryptionError):
        decrypt_json(made, key)


@pytest.mark.rfc("7518", "4.8")
def test_a_password_is_only_for_pbes2() -> None:
    with pytest.raises(InvalidKeyError):
        JWK.password(b"correct horse battery staple, 32.", "HS256")
    with pytest.raises(InvalidKeyError):
        JWK.secret(b"correct horse battery staple, 32.", "PBES2-HS256+A128KW")
    with pytest.raises(InvalidKeyError):
        JWK.generate("PBES2-HS256+A128KW")
    with pytest.raises(InvalidKeyError):
        JWK.password(b"", "PBES2-HS256+A128KW")


def deflated(plain: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(plain) + packer.flush()


def with_zip(packed: bytes, key: JWK) -> str:
    """A token whose content says that it is compressed, put together by hand: Admit writes none."""
    row = CONTENT_ALGS["A128GCM"]
    assert key.wrapper is not None
    wrapped = key.wrapper(row, None, {})
    head = base64url.encode(json.dumps({"alg": key.alg, "enc": row.name, "zip": "DEF"}).encode())
    ciphertext, tag = row.encrypt(wrapped.cek, bytes(12), packed, head)
    parts = (wrapped.encrypted_key, bytes(12), ciphertext, tag)
    return b".".join((head, *(base64url.encode(part) for part in parts))).decode()


@pytest.mark.threat("JWT-zip", off="admit.jose.jwe:inflate")
@pytest.mark.rfc("8725", "3.6")
def test_what_is_compressed_comes_to_no_more_than_its_limit() -> None:
    key = KEYS["A128KW", "oct"]
    assert jwe.decrypt(with_zip(deflated(TEXT), key), key).plaintext == TEXT
    assert len(jwe.decrypt(with_zip(deflated(bytes(250_000)), key), key).plaintext) == 250_000
    bomb = with_zip(deflated(bytes(100_000_000)), key)
    tracemalloc.start()
    try:
        with pytest.raises(DecryptionError):
            jwe.decrypt(bomb, key)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    for odd in (deflated(TEXT) + b"x", deflated(TEXT)[:-3], b"", TEXT):
        with pytest.raises(DecryptionError):
            jwe.decrypt(with_zip(odd, key), key)


@pytest.mark.rfc("7516", "4.1.1")
@pytest.mark.rfc("7516", "4.1.2")
@pytest.mark.rfc("7516", "4.1.3")
@pytest.mark.rfc("7516", "4.1.13")
@pytest.mark.rfc("7516", "4")
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"enc": "A512GCM"}, AlgorithmError),
        ({"enc": None}, AlgorithmError),
        ({"alg": "A256KW"}, AlgorithmError),
        ({"alg": None}, MalformedTokenError),
        ({"alg": "none"}, AlgorithmError),
        ({"crit": ["x"]}, CriticalHeaderError),
        ({"zip": "GZIP"}, MalformedTokenError),
        ({"zip": 1}, MalformedTokenError),
        ({"kid": 7}, MalformedTokenError),
    ],
    ids=str,
)
def test_odd_headers_are_refused_before_any_cryptography(
    change: dict[str, Any], error: type[AdmitError]
) -> None:
    key = KEYS["A128KW", "oct"]
    head, *rest = jwe.encrypt(TEXT, key).split(".")
    members = json.loads(base64url.decode(head.encode())) | change
    members = {name: value for name, value in members.items() if value is not None}
    with pytest.raises(error):
        jwe.decrypt(".".join([base64url.encode(json.dumps(members).encode()).decode(), *rest]), key)


@pytest.mark.rfc("7516", "4.1.6")
def test_enc_may_be_narrowed_and_the_set_chooses_by_kid() -> None:
    one, two = JWK.generate("A128KW"), JWK.generate("A128KW")
    token = jwe.encrypt(TEXT, one, enc="A128GCM")
    assert jwe.decrypt(token, JWKSet([one, two]), enc=frozenset({"A128GCM"})).key == one
    with pytest.raises(AlgorithmError):
        jwe.decrypt(token, one, enc=frozenset({"A256GCM"}))
    with pytest.raises(KeyNotFoundError):
        jwe.decrypt(token, JWKSet([two]))


@pytest.mark.rfc("7516", "7.1")
@pytest.mark.parametrize(
    "token", ["", "a", "....", "a.b.c.d", "a.b.c.d.e.f", "é....", "e30....", "A" * 300_000]
)
def test_what_is_no_token_is_malformed(token: str) -> None:
    with pytest.raises(AdmitError):
        jwe.decrypt(token, KEYS["A128KW", "oct"])


@pytest.mark.rfc("7516", "7.2.1")
@pytest.mark.rfc("7516", "7.2")
def test_several_recipients_read_one_content_and_a_stranger_does_not() -> None:
    rows = [("RSA-OAEP-256", "RSA"), ("ECDH-ES+A256KW", "OKP"), ("A256GCMKW", "oct")]
    made = encrypt_json(TEXT, [KEYS[row] for row in rows], aad=b"seen", unprotected={"note": 1})
    for row in rows:
        found = decrypt_json(json.dumps(made), KEYS[row])
        assert (found.plaintext, found.aad, found.unprotected["note"]) == (TEXT, b"seen", 1)
    with pytest.raises(AlgorithmError):
        decrypt_json(made, KEYS["A128KW", "oct"])
    with pytest.raises((AlgorithmError, KeyNotFoundError)):
        decrypt_json(made, JWK.generate("A256GCMKW"))
    with pytest.raises(DecryptionError):
        decrypt_json(made, JWK.secret(bytes(range(32)), "A256GCMKW"))  # without a kid it may be meant
    with pytest.raises(DecryptionError):
        decrypt_json(made | {"aad": "c2Vlbg"[:-2] + "mg"}, KEYS[rows[0]])


def test_a_recipient_that_makes_no_sense_keeps_nobody_else_from_reading() -> None:
    own = KEYS["A128KW", "oct"]
    made = encrypt_json(TEXT, [own, KEYS["RSA-OAEP-256", "RSA"]])
    for odd in ({"alg": 5}, {"alg": "A128KW", "kid": "x" * 200}, {"alg": "A128KW", "crit": ["x"]}, {}):
        entry = {"header": odd, "encrypted_key": "AA"}
        for several in ([entry, *made["recipients"]], [*made["recipients"], entry]):
            assert decrypt_json(made | {"recipients": several}, own).plaintext == TEXT
        with pytest.raises(AdmitError):
            decrypt_json(made | {"recipients": [entry]}, own)


def test_one_key_is_tried_with_few_recipients() -> None:
    own = JWK.secret(bytes(range(16)), "A128KW")
    made = encrypt_json(TEXT, [own, KEYS["RSA-OAEP-256", "RSA"]])
    stray = {"header": {"alg": "A128KW"}, "encrypted_key": "A" * 32}
    assert decrypt_json(made | {"recipients": [stray] * 3 + made["recipients"]}, own).plaintext == TEXT
    with pytest.raises(DecryptionError):
        decrypt_json(made | {"recipients": [stray] * 4 + made["recipients"]}, own)


@pytest.mark.parametrize(
    "call",
    [
        lambda key: jwe.encrypt(TEXT, key, apu="Alice"),
        lambda key: jwe.encrypt(TEXT, key, header="Alice"),
        lambda key: jwe.encrypt(TEXT, key, enc=[]),
        lambda key: jwe.encrypt(TEXT, key, typ=5),
        lambda key: jwe.encrypt(TEXT, key, cty=5),
        lambda key: jwe.decrypt("a.b.c.d.e", key, enc=5),
        lambda key: jwe.decrypt("a.b.c.d.e", key, max_plaintext=-1),
        lambda key: encrypt_json(TEXT, key, aad="Alice"),
        lambda key: encrypt_json(TEXT, key, typ=5),
        lambda key: encrypt_json(TEXT, key, protected=None),
        lambda key: encrypt_json(TEXT, Recipient(key, header=5)),
        lambda key: encrypt_json(TEXT, None),
        lambda key: encrypt_json(TEXT, [None, None]),
        lambda key: encrypt_json(b"x" * 500_000, key),
        lambda key: encrypt_json(TEXT, key, protected={"x": "y" * 9_000}),
        lambda key: jwe.encrypt(TEXT, key, header={"x": "y" * 9_000}),
        lambda key: decrypt_json({}, key, max_plaintext=True),
    ],
)
def test_arguments_of_other_types_are_told_in_our_words(call: Callable[[JWK], object]) -> None:
    with pytest.raises(AdmitError):
        call(KEYS["A128KW", "oct"])


def test_encrypting_refuses_what_could_not_be_read() -> None:
    kw, direct = KEYS["A128KW", "oct"], KEYS["ECDH-ES", "EC"]
    for recipients in ([], [kw, direct], [direct, kw], [kw] * 17):
        with pytest.raises(InvalidKeyError):
            encrypt_json(TEXT, recipients)
    with pytest.raises(InvalidKeyError):
        encrypt_json(TEXT, JWK.generate("ES256"))
    with pytest.raises(InvalidKeyError):
        jwe.encrypt(TEXT, kw, enc="A512GCM")
    for header in ({"alg": "dir"}, {"zip": "DEF"}, {"crit": []}, {"epk": {}}):
        with pytest.raises(MalformedTokenError):
            jwe.encrypt(TEXT, kw, header=header)
        with pytest.raises(MalformedTokenError):
            encrypt_json(TEXT, Recipient(kw, header=header))
    with pytest.raises(MalformedTokenError):
        jwe.encrypt(bytes(300_000), kw)


@pytest.mark.rfc("7516", "7.2.1")
@pytest.mark.rfc("7516", "7.2.2")
@pytest.mark.parametrize(
    "change",
    [
        {"recipients": []},
        {"recipients": [{}] * 17},
        {"recipients": [7]},
        {"header": 7},
        {"unprotected": {"alg": "A128KW"}},
        {"unprotected": {"zip": "DEF"}},
        {"unprotected": {"crit": []}},
        {"iv": None},
        {"tag": 7},
        {"protected": ""},
        {"ciphertext": "a+"},
    ],
    ids=str,
)
def test_odd_json_members_are_refused(change: dict[str, Any]) -> None:
    key = KEYS["A128KW", "oct"]
    made = encrypt_json(TEXT, key)
    assert decrypt_json(made, key).plaintext == TEXT
    with pytest.raises(AdmitError):
        decrypt_json({name: value for name, value in (made | change).items() if value is not None}, key)


@pytest.mark.rfc("7518", "4.6.1.2")
@pytest.mark.rfc("7518", "4.6.1.3")
@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A128KW"])
def test_each_recipient_may_be_told_who_sends_and_who_receives(alg: str) -> None:
    ann, ben = JWK.generate(alg, kid="ann"), JWK.generate("A128KW", kid="ben")
    made = encrypt_json(TEXT, Recipient(ann.public(), apu=b"Alice", apv=b"Ann"), unprotected={"x": 1})
    assert (made["header"]["apu"], made["header"]["apv"]) == ("QWxpY2U", "QW5u")
    found = decrypt_json(made, ann)
    assert found.plaintext == TEXT
    assert (found.unprotected["apu"], found.unprotected["x"]) == ("QWxpY2U", 1)
    for changed in ({"apu": "Qm9i"}, {"apv": "Qm9i"}):
        with pytest.raises(DecryptionError):
            decrypt_json(made | {"header": made["header"] | changed}, ann)
    if alg != "ECDH-ES":  # a direct key has no other recipients
        both = encrypt_json(TEXT, [Recipient(ann.public(), apu=b"Alice"), Recipient(ben)])
        assert "apu" not in both["recipients"][1]["header"]
        assert {decrypt_json(both, key).plaintext for key in (ann, ben)} == {TEXT}
    for odd in ({"apu": "Alice"}, {"apv": 7}, {"apu": b"x" * 513}, {"header": {"apu": "QWxpY2U"}}):
        with pytest.raises(MalformedTokenError):
            encrypt_json(TEXT, Recipient(ann.public(), **odd))  # type: ignore[arg-type]  # wrong on purpose


def test_what_was_decrypted_has_a_header_that_nobody_changes() -> None:
    key = KEYS["A128KW", "oct"]
    whole = decrypt_json(encrypt_json(TEXT, key), key)
    for header in (jwe.decrypt(jwe.encrypt(TEXT, key), key).header, whole.protected, whole.unprotected):
        assert dict(header)
        with pytest.raises(TypeError):
            header["alg"] = "none"  # type: ignore[index]  # wrong on purpose


def test_a_header_too_deep_only_inside_the_whole_or_with_b64_is_not_written() -> None:
    def nested(depth: int) -> dict[str, Any]:
        return {"a": nested(depth - 1)} if depth else {}

    key = KEYS["A128KW", "oct"]
    assert decrypt_json(encrypt_json(TEXT, key, unprotected=nested(20)), key).plaintext == TEXT
    with pytest.raises(MalformedTokenError):
        encrypt_json(TEXT, key, unprotected=nested(31))
    with pytest.raises(MalformedTokenError):
        encrypt_json(TEXT, [Recipient(key, header=nested(30))])
    with pytest.raises(MalformedTokenError):
        jwe.encrypt(TEXT, key, header={"b64": True})
