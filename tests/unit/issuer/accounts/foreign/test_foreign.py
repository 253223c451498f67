"""Hashes of other systems: known answers of the systems themselves, and what is refused."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.errors import ConfigError
from admit.issuer.accounts import foreign
from admit.issuer.accounts.foreign import (
    CostlyHashError,
    FirebaseProject,
    ForeignHashError,
    MalformedHashError,
    UnknownHashError,
    WeakHashError,
)
from admit.issuer.accounts.foreign.schemes import Argon2, Bcrypt, Pbkdf2, Scrypt

VECTORS = json.loads(
    (Path(__file__).resolve().parents[4] / "vectors" / "passwords" / "hashes.json").read_text("utf-8")
)
PROJECT = FirebaseProject.of(VECTORS["firebase"]["project"])


def cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=case["from"].replace(" ", "-")) for case in VECTORS[kind]]


@pytest.mark.parametrize("case", cases("texts"))
def test_the_hash_of_a_library_takes_its_password_and_no_other(case: dict[str, str]) -> None:
    found = foreign.read(case["hash"])
    again = foreign.decode(found.encode())
    assert again == found, "what is stored is read as what it was"
    assert again is not None
    assert again.matches(case["password"].encode())
    assert not again.matches(b"x" + case["password"].encode())
    assert not again.matches(b"")
    assert foreign.read(found.encode()) == found, "our own spelling is taken as well"


@pytest.mark.parametrize("case", cases("keycloak"))
def test_a_hash_of_keycloak_takes_its_password_and_no_other(case: dict[str, str]) -> None:
    found = foreign.read_keycloak(case["credentialData"], case["secretData"])
    again = foreign.decode(found.encode())
    assert again is not None
    assert again.matches(case["password"].encode())
    assert not again.matches(case["password"].upper().encode() + b"x")


def test_the_hash_that_firebase_published_takes_its_password_without_the_signer_key() -> None:
    case = VECTORS["firebase"]
    stored = PROJECT.read(case["passwordHash"], case["salt"]).encode()
    again = foreign.decode(stored)
    assert again is not None
    assert again.matches(case["password"].encode())
    assert not again.matches(b"user1passwore")
    assert case["project"]["base64_signer_key"][:20] not in stored
    url_safe = case["passwordHash"].replace("+", "-").replace("/", "_")
    assert PROJECT.read(url_safe, case["salt"]).encode() == stored


@pytest.mark.parametrize("case", cases("texts"))
def test_an_imitation_costs_the_same_and_is_nobodys(case: dict[str, str]) -> None:
    found = foreign.read(case["hash"])
    imitation = found.another()
    assert type(imitation) is type(found)
    assert imitation != found
    assert len(imitation.encode()) == len(found.encode())
    again = foreign.decode(imitation.encode())
    assert again is not None
    assert not again.matches(case["password"].encode())


def test_bcrypt_reads_72_octets_and_the_next_hash_reads_all() -> None:
    stored = foreign.read(next(one["hash"] for one in VECTORS["texts"] if one["from"] == "bcrypt 72 octets"))
    assert stored.matches(b"y" * 72 + b"any end is right, as it was there")
    assert not stored.matches(b"y" * 71)
    for kind in ("Django bcrypt_sha256", "passlib bcrypt_sha256"):
        case = next(one for one in VECTORS["texts"] if one["from"].startswith(kind))
        whole = foreign.read(case["hash"])
        assert not whole.matches(case["password"].encode()[:72]) or len(case["password"]) <= 72


def test_the_three_letters_of_bcrypt_are_one_thing() -> None:
    text = next(one["hash"] for one in VECTORS["texts"] if one["hash"].startswith("$2b$"))
    forms = {foreign.read(text.replace("$2b$", f"$2{letter}$")).encode() for letter in "aby"}
    assert len(forms) == 1
    noisy = text[:28] + {"e": "f", "u": "v", "O": "P", ".": "/"}[text[28]] + text[29:]
    assert foreign.read(noisy).encode() == foreign.read(text).encode(), "bits that nothing stands in"


SALT, KEY = "c2FsdHNhbHRzYWx0c2FsdA", "A" * 43
COSTLY = {
    "bcrypt": "$2b$15$" + "a" * 53,
    "bcrypt-31": "$2b$31$" + "a" * 53,
    "pbkdf2": f"$pbkdf2-sha256$2000001${SALT}${KEY}",
    "pbkdf2-django": f"pbkdf2_sha256$9999999999$salt${KEY}=",
    "pbkdf2-werkzeug": f"pbkdf2:sha256:9999999999$salt${'ab' * 32}",
    "scrypt-memory": f"$scrypt$ln=18,r=8,p=1${SALT}${KEY}",
    "scrypt-work": f"$scrypt$ln=14,r=8,p=17${SALT}${KEY}",
    "scrypt-blocks": f"$scrypt$ln=1,r=1024,p=1024${SALT}${KEY}",
    "scrypt-absurd": f"$scrypt$ln=9999999999,r=9999999999,p=9999999999${SALT}${KEY}",
    "scrypt-r": f"scrypt:2:9999999999:1$salt${'ab' * 32}",
    "argon2-memory": f"$argon2id$v=19$m=131073,t=1,p=1${SALT}${KEY}",
    "argon2-passes": f"$argon2id$v=19$m=19456,t=27,p=1${SALT}${KEY}",
    "argon2-threads": f"$argon2id$v=19$m=128,t=4096,p=16${SALT}${KEY}",
    "argon2-lanes": f"$argon2id$v=19$m=19456,t=2,p=17${SALT}${KEY}",
}


@pytest.mark.threat("PWD-6", off="admit.issuer.accounts.foreign.bounds:check_cost")
@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY)
def test_a_hash_that_a_sign_in_could_not_afford_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(CostlyHashError):
        foreign.read(text)


@pytest.mark.parametrize(
    "text",
    [
        "$2b$14$" + "a" * 53,
        f"$pbkdf2-sha512$2000000${SALT}${KEY}",
        f"$scrypt$ln=17,r=8,p=2${SALT}${KEY}",
        f"$argon2id$v=19$m=131072,t=4,p=8${SALT}${KEY}",
        f"argon2$argon2id$v=19$m=102400,t=2,p=8${SALT}${KEY}",
    ],
    ids=["bcrypt", "pbkdf2", "scrypt", "argon2", "django"],
)
def test_what_other_systems_use_at_most_is_taken(text: str) -> None:
    assert foreign.decode(foreign.read(text).encode()) is not None


MALFORMED = {
    "bcrypt-short": "$2b$12$" + "a" * 52,
    "bcrypt-alphabet": "$2b$12$" + "a" * 52 + "+",
    "bcrypt-cost": "$2b$03$" + "a" * 53,
    "bcrypt-cost-unpadded": "$2b$4$" + "a" * 54,
    "pbkdf2-parts": f"$pbkdf2-sha256$1000${SALT}",
    "pbkdf2-zero": f"$pbkdf2-sha256$0${SALT}${KEY}",
    "pbkdf2-negative": f"$pbkdf2-sha256$-5${SALT}${KEY}",
    "pbkdf2-digits": f"$pbkdf2-sha256$١٢٣${SALT}${KEY}",
    "pbkdf2-short-digest": f"$pbkdf2-sha256$1000${SALT}$AAAA",
    "pbkdf2-no-digest": "pbkdf2_sha256$1000$salt$",
    "pbkdf2-base64": f"$pbkdf2-sha256$1000${SALT}${'!' * 43}",
    "pbkdf2-hash": f"pbkdf2:md5:1000$salt${'ab' * 16}",
    "pbkdf2-hex": f"pbkdf2:sha256:1000$salt${'xy' * 32}",
    "scrypt-n": f"scrypt:1000:8:1$salt${'ab' * 32}",
    "scrypt-parameters": f"$scrypt$r=8,ln=14,p=1${SALT}${KEY}",
    "scrypt-n-for-r": f"$scrypt$ln=16,r=1,p=1${SALT}${KEY}",
    "argon2-empty": "$argon2id$v=19$m=,t=,p=$$",
    "argon2-order": f"$argon2id$v=19$t=2,m=19456,p=1${SALT}${KEY}",
    "argon2-salt": f"$argon2id$v=19$m=64,t=1,p=1$c2E${KEY}",
    "argon2-memory": f"$argon2id$v=19$m=7,t=1,p=1${SALT}${KEY}",
    "passlib-bcrypt": f"$bcrypt-sha256$v=3,t=2b,r=12${'a' * 22}${'a' * 31}",
    "long": "$2b$12$" + "a" * 5_000,
    "surrogate": f"pbkdf2_sha256$1000$\ud800${KEY}=",
}


def test_the_largest_n_that_scrypt_has_for_a_small_r_is_checked_at_a_sign_in() -> None:
    """One more, and the library raises at each sign-in: see "scrypt-n-for-r" above."""
    assert not foreign.read(f"$scrypt$ln=15,r=1,p=1${SALT}${KEY}").matches(b"whatever")


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_a_damaged_hash_is_refused_as_damaged(text: str) -> None:
    with pytest.raises(MalformedHashError):
        foreign.read(text)


@pytest.mark.parametrize(
    "text",
    [
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "md5$salt$abcdef",
        "sha1$salt$abcdef",
        "$1$salt$abcdef",
        "{SSHA}abcdef",
    ],
)
def test_a_fast_hash_is_refused_as_worth_nothing(text: str) -> None:
    with pytest.raises(WeakHashError):
        foreign.read(text)


@pytest.mark.parametrize(
    "text", ["", "$", "$$$", "plain text", "$6$salt$hash", "$7$C6..../....", "None", "\0"]
)
def test_what_is_no_hash_that_is_known_is_refused_as_unknown(text: str) -> None:
    with pytest.raises(UnknownHashError):
        foreign.read(text)


@given(
    st.one_of(
        st.text(max_size=200),
        st.tuples(
            st.sampled_from([case["hash"] for case in VECTORS["texts"]]), st.integers(0, 300), st.characters()
        ).map(lambda made: made[0][: made[1]] + made[2] + made[0][made[1] + 1 :]),
    )
)
def test_any_text_is_a_hash_within_its_bounds_or_refused_without_being_quoted(text: str) -> None:
    try:
        found = foreign.read(text)
    except ForeignHashError as error:
        if len(text) >= 12 and text in str(error) + error.public:
            raise AssertionError("the hash is quoted") from error
        return
    assert foreign.decode(found.encode()) == found
    assert text not in repr(found)


def keycloak(**changes: Any) -> tuple[str, str]:
    how = {"hashIterations": 1_000, "algorithm": "pbkdf2-sha256", "additionalParameters": {}}
    what = {"value": secrets.token_urlsafe(33), "salt": "c2FsdHNhbHQ=", "additionalParameters": {}}
    how |= {name: value for name, value in changes.items() if name in how}
    what |= {
        name: value for name, value in changes.items() if name in what and name != "additionalParameters"
    }
    return json.dumps(how), json.dumps(what).replace("-", "+").replace("_", "/")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"hashIterations": 0}, MalformedHashError),
        ({"hashIterations": "5"}, MalformedHashError),
        ({"hashIterations": True}, MalformedHashError),
        ({"hashIterations": 3_000_000}, CostlyHashError),
        ({"algorithm": "md5"}, UnknownHashError),
        ({"algorithm": ["pbkdf2"]}, UnknownHashError),
        ({"algorithm": "argon2"}, MalformedHashError),
        ({"algorithm": "argon2", "additionalParameters": {"type": "id"}}, MalformedHashError),
        ({"value": None}, MalformedHashError),
        ({"value": ""}, MalformedHashError),
        ({"salt": 5}, MalformedHashError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or "-".join(map(str, value)),
)
def test_a_damaged_credential_of_keycloak_is_refused(
    changes: dict[str, Any], error: type[ForeignHashError]
) -> None:
    assert foreign.read_keycloak(*keycloak()).encode().startswith("$pbkdf2-sha256$i=1000$")
    how, what = keycloak(**changes)
    with pytest.raises(error):
        foreign.read_keycloak(how, what)
    for text in ("", "[]", "{", '{"a":1,"a":2}', "\ud800"):
        with pytest.raises(MalformedHashError):
            foreign.read_keycloak(text, what)


def test_the_parameters_of_a_firebase_project_come_from_a_file_and_hide_its_key(tmp_path: Path) -> None:
    path = tmp_path / "firebase.json"
    good = VECTORS["firebase"]["project"]
    path.write_text(json.dumps({"algorithm": "SCRYPT", **good}))
    assert FirebaseProject.load(path) == PROJECT
    assert good["base64_signer_key"] not in repr(PROJECT)
    assert "signer_key" not in repr(PROJECT)
    bad: list[Any] = [
        {},
        [],
        {**good, "rounds": 0},
        {**good, "mem_cost": "14"},
        {**good, "base64_signer_key": ""},
    ]
    for members in (*bad, {**good, "base64_salt_separator": None}):
        path.write_text(json.dumps(members))
        with pytest.raises(ConfigError, match="base64_signer_key"):
            FirebaseProject.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        FirebaseProject.load(tmp_path / "nowhere.json")
    with pytest.raises(MalformedHashError):
        PROJECT.read("c2hvcnQ=", "c2FsdA==")


def test_no_hash_shows_in_a_repr() -> None:
    for kind in (Argon2, Bcrypt, Pbkdf2, Scrypt):
        for case in VECTORS["texts"]:
            found = foreign.read(case["hash"])
            if type(found) is kind:
                assert case["hash"][-20:] not in repr(found)
                assert found.encode()[-20:] not in repr(found)
