"""docs/moving/: the examples run, and what is said of other libraries is what they do, in the version that is named."""

import base64
import hashlib
import hmac
import importlib.metadata
import json
import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import admit.errors
from admit import JWK, AdmitError
from admit import jwt as ours
from tests.fixtures import pages
from tests.fixtures.required import missing

SECRET = bytes(range(7, 39))
NOW = int(time.time())
ISS, API = "https://id.example.com", "https://api.example.com"
GOOD: dict[str, Any] = {"iss": ISS, "sub": "alice", "aud": API, "iat": NOW, "exp": NOW + 900}
LIBRARIES = {"pyjwt": "PyJWT", "python-jose": "python-jose", "joserfc": "joserfc"}


def there(library: str) -> str:
    """The version of a library. Skips where it is not installed."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        missing(library, f"pip install {library}")


def page(library: str) -> str:
    return (pages.DOCS / f"moving/from-{library}.md").read_text("utf-8")


# What each library does when it is asked as carefully as its documentation shows.


def pyjwt(token: Any, key: Any, alg: str) -> Any:
    import jwt

    key = jwt.PyJWK(key) if isinstance(key, dict) else key
    return jwt.decode(token, key, algorithms=[alg], audience=API, issuer=ISS)


def python_jose(token: Any, key: Any, alg: str) -> Any:
    from jose import jwt

    return jwt.decode(token, key, algorithms=[alg], audience=API, issuer=ISS)


def joserfc(token: Any, key: Any, alg: str) -> Any:
    from joserfc import jwk, jwt

    kinds = {"HS": jwk.OctKey, "RS": jwk.RSAKey, "ES": jwk.ECKey}
    decoded = jwt.decode(token, kinds[alg[:2]].import_key(key), algorithms=[alg])
    essential = {"essential": True}
    jwt.JWTClaimsRegistry(iss=essential | {"value": ISS}, aud=essential | {"value": API}).validate(
        decoded.claims
    )
    return decoded.claims


ASKED = {"pyjwt": pyjwt, "python-jose": python_jose, "joserfc": joserfc}


def admit_does(token: Any, key: Any, alg: str) -> Any:
    made = JWK.secret(key, alg) if alg == "HS256" and isinstance(key, bytes) else JWK.load(key, alg=alg)
    return ours.verify(token, made, issuer=ISS, audience=API)


def outcome(library: str, token: Any, key: Any, alg: str) -> str | None:
    """What the page has to say: taken, perhaps with a warning, or an exception not the library's. None: refused."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            ASKED[library](token, key, alg)
        except Exception as error:
            own = type(error).__module__.split(".")[0] in ("jwt", "jose", "joserfc")
            # joserfc says of some keys that they are unfit by a ValueError, on purpose.
            return None if own or type(error) is ValueError else f"`{type(error).__name__}`"
    told = {one.category.__name__ for one in caught} & {"InsecureKeyLengthWarning", "SecurityWarning"}
    return "taken, with a warning" if told else "taken"


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def token(
    claims: dict[str, Any] | bytes = GOOD,
    header: dict[str, Any] | bytes | None = None,
    secret: bytes = SECRET,
) -> str:
    """A truly signed token, odd as it may be."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode()
        for part in (header or {"alg": "HS256"}, claims)
    ]
    data = ".".join(map(b64, parts))
    return f"{data}.{b64(hmac.digest(secret, data.encode(), hashlib.sha256))}"


def claims(**changed: Any) -> str:
    return token({name: value for name, value in {**GOOD, **changed}.items() if value is not ...})


def header(**more: Any) -> str:
    return token(header={"alg": "HS256", **more})


def raw(member: bytes) -> str:
    return token(json.dumps(GOOD).encode()[:-1] + b"," + member + b"}")


def spare() -> str:
    """The last character of 32 octets has two spare bits; the lowest is set."""
    return token()[:-1] + chr(ord(token()[-1]) + 1) if token()[-1] not in "89" else token()[:-1] + "9"


def standard() -> str:
    """A signature in which base64 and base64url differ, in the former."""
    made = next(one for n in range(1000) if re.search("[-_]", (one := claims(jti=str(n))).rpartition(".")[2]))
    head, _, tail = made.rpartition(".")
    return f"{head}.{tail.replace('-', '+').replace('_', '/')}"


@dataclass(frozen=True, slots=True)
class Asymmetric:
    alg: str
    private: Any

    @property
    def pem(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, form)

    @property
    def der(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(serialization.Encoding.DER, form)

    def token(self) -> str:
        import jwt

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return jwt.encode(GOOD, self.private, algorithm=self.alg)

    def jwk(self, **more: Any) -> dict[str, Any]:
        numbers = self.private.public_key().public_numbers()
        point = {name: b64(getattr(numbers, name).to_bytes(32, "big")) for name in ("x", "y")}
        return {"kty": "EC", "crv": "P-256", **point, **more}


@cache
def small_rsa() -> Asymmetric:
    return Asymmetric("RS256", rsa.generate_private_key(65537, 1024))


@cache
def good_rsa() -> Asymmetric:
    return Asymmetric("RS256", rsa.generate_private_key(65537, 2048))


@cache
def point() -> Asymmetric:
    return Asymmetric("ES256", ec.generate_private_key(ec.SECP256R1()))


def certificate_of_another() -> str:
    other = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(other.public_key())
    built = built.serial_number(1).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    made = built.not_valid_after(datetime(2036, 1, 1, tzinfo=UTC)).sign(other, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def wrong_curve() -> tuple[str, bytes, str]:
    """A token that says ES256 and is signed with a key of P-384, as python-jose makes it."""
    key = ec.generate_private_key(ec.SECP384R1())
    data = ".".join(map(b64, (b'{"alg":"ES256"}', json.dumps(GOOD).encode())))
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    r, s = decode_dss_signature(key.sign(data.encode(), ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(48, "big") + s.to_bytes(48, "big")
    return f"{data}.{b64(signature)}", Asymmetric("ES256", key).pem, "ES256"


def with_secret(secret: bytes) -> tuple[str, bytes, str]:
    return token(secret=secret), secret, "HS256"


def with_jwk(**members: Any) -> tuple[str, dict[str, Any], str]:
    return point().token(), point().jwk(**members), "ES256"


Case = Callable[[], tuple[Any, Any, str] | str]
CASES: dict[str, Case] = {
    "no `exp`": lambda: claims(exp=...),
    "no `aud`, though one was asked for": lambda: claims(aud=...),
    "`exp` as text": lambda: claims(exp=str(NOW + 900)),
    "`nbf` as `true`": lambda: claims(nbf=True),
    "`iat` in an hour": lambda: claims(iat=NOW + 3_600),
    "`exp` as `null`": lambda: claims(exp=None),
    "`exp` as 1e400": lambda: token(json.dumps(GOOD).replace(str(NOW + 900), "1e400").encode()),
    "another kind of token, `typ: dpop+jwt`": lambda: header(typ="dpop+jwt"),
    "a critical header member that nobody knows": lambda: header(crit=["x"], x=1),
    "an empty `crit`": lambda: header(crit=[]),
    "`b64: false`": lambda: header(b64=False),
    "`kid` as a number": lambda: header(kid=7),
    "a `kid` of 10,000 characters": lambda: header(kid="k" * 10_000),
    "`sub` twice": lambda: raw(b'"sub":"admin"'),
    "`alg` twice": lambda: token(header=b'{"alg":"none","alg":"HS256"}'),
    "a byte order mark": lambda: token(b"\xef\xbb\xbf" + json.dumps(GOOD).encode()),
    "claims in UTF-16": lambda: token(json.dumps(GOOD).encode("utf-16")),
    "padding behind the signature": lambda: token() + "=",
    "a spare bit of the signature set": spare,
    "a signature in the `+/` alphabet": standard,
    "a megabyte of claims": lambda: claims(pad="x" * 1_000_000),
    "claims nested 100,000 deep": lambda: raw(b'"x":' + b"[" * 100_000 + b"]" * 100_000),
    "half a surrogate pair for a token": lambda: "\ud800.a.b",
    "a secret of six octets": lambda: with_secret(b"secret"),
    "an empty secret": lambda: with_secret(b""),
    "a secret of one letter": lambda: with_secret(b"a" * 32),
    "a public key in DER as the secret": lambda: with_secret(good_rsa().der),
    "the lines of a PEM public key as the secret": lambda: with_secret(
        b"".join(good_rsa().pem.splitlines()[1:-1])
    ),
    "an RSA key of 1024 bits": lambda: (small_rsa().token(), small_rsa().pem, "RS256"),
    "a key of P-384 for ES256": wrong_curve,
    "a JWK with `use: enc`": lambda: with_jwk(use="enc"),
    "a JWK whose `key_ops` do not verify": lambda: with_jwk(key_ops=["deriveKey"]),
    "a JWK for another `alg`": lambda: with_jwk(alg="ES384"),
    "a JWK whose `x5c` certifies another key": lambda: with_jwk(x5c=[certificate_of_another()]),
}


@cache
def case(name: str) -> tuple[Any, Any, str]:
    made = CASES[name]()
    return made if isinstance(made, tuple) else (made, SECRET, "HS256")


def rows(library: str) -> dict[str, tuple[str, str]]:
    """What the page says that the library takes: its outcome and ours."""
    part = page(library).split("\n## What its defaults let through\n", 1)[1].split("\n## ", 1)[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"
    ]
    return {row[0]: (row[1], row[2]) for row in cells[2:]}


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_examples_of_the_page_run(library: str) -> None:
    there(library)
    assert pages.run(pages.DOCS / f"moving/from-{library}.md")


def test_pyjwt_refuses_the_weak_keys_where_it_is_told_to() -> None:
    import jwt

    for made, key, alg in (case("a secret of six octets"), case("an RSA key of 1024 bits")):
        with pytest.raises(jwt.InvalidKeyError):
            jwt.decode(made, key, [alg], audience=API, options={"enforce_minimum_key_length": True})
    assert "`enforce_minimum_key_length`" in page("pyjwt")


def test_every_page_is_run() -> None:
    found = {path.stem.removeprefix("from-") for path in (pages.DOCS / "moving").glob("*.md")}
    assert found == LIBRARIES.keys()


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_page_names_the_version_that_was_measured(library: str) -> None:
    assert f"{LIBRARIES[library]} {there(library)}" in page(library), (
        "measure again, and name the new version"
    )


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_good_token_is_taken_by_all(library: str) -> None:
    there(library)
    for made in (
        (token(), SECRET, "HS256"),
        (good_rsa().token(), good_rsa().pem, "RS256"),
        with_jwk(use="sig"),
    ):
        assert outcome(library, *made) == "taken"
        assert admit_does(*made)["sub"] == "alice"
    signed = ours.sign(
        {}, JWK.secret(SECRET, "HS256"), issuer=ISS, audience=API, lifetime=timedelta(minutes=5)
    )
    assert outcome(library, signed, SECRET, "HS256") == "taken"


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_the_page_says_is_let_through_is_all_that_was_found(library: str) -> None:
    there(library)
    found = {name: done for name in CASES if (done := outcome(library, *case(name))) is not None}
    assert {name: said for name, (said, _) in rows(library).items()} == found


@pytest.mark.parametrize("name", CASES)
def test_admit_refuses_all_of_it_as_the_pages_say(name: str) -> None:
    with pytest.raises(AdmitError) as caught:
        admit_does(*case(name))
    said = {rows(library)[name][1] for library in LIBRARIES if name in rows(library)}
    assert said <= {f"`{type(caught.value).__name__}`"}
    assert said, "on no page: no library takes it any more"


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_errors_in_the_table_exist_on_both_sides(library: str) -> None:
    there(library)
    home = importlib.import_module(
        {"pyjwt": "jwt.exceptions", "python-jose": "jose.exceptions", "joserfc": "joserfc.errors"}[library]
    )
    part = page(library).split("| theirs | Admit's |\n|---|---|\n", 1)[1].split("\n\n", 1)[0]
    for line in part.splitlines():
        theirs, own = (re.findall(r"`(\w+)`", cell) for cell in line.strip("|").split("|"))
        assert theirs, line
        assert all(hasattr(home, name) for name in theirs), line
        assert all(hasattr(admit.errors, name) for name in own), line
