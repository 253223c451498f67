"""`admit.tokens.status_head`: the signed answer that proves freshness."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.errors import AdmitError, ClaimError, InvalidKeyError, IssuerError, MalformedTokenError, TokenError
from admit.jose import JWK, JWKSet, json, jws
from admit.tokens import status_head
from admit.tokens.status_head import Head

ISSUER = "https://id.example.com"
NONCE = "abcdefghijklmnop"
KEY = JWK.generate("ES256", kid="status-1")
KEYS = JWKSet([KEY.public()])
VERSION = "0123456789abcdef"
versions = st.text("0123456789abcdef", min_size=16, max_size=16)


def head(**changed: Any) -> Head:
    return Head(
        **{"issuer": ISSUER, "nonce": NONCE, "iat": 1_800_000_000, "epoch": 7, "seq": 3, "lists": {}}
        | changed
    )


def forged(typ: str = "admit-status-head+jwt", key: JWK = KEY, **changed: Any) -> str:
    claims: dict[str, Any] = {
        "iss": ISSUER, "iat": 1, "nonce": NONCE, "epoch": 1, "seq": 1, "lists": [[0, VERSION]], "revoked_kids": [],
    } | changed  # fmt: skip
    payload = json.dumps_object({name: value for name, value in claims.items() if value is not ...})
    return jws.sign(payload, key, typ=typ, max_size=1 << 20)


def verified(token: str | bytes, nonce: str = NONCE) -> Head:
    return status_head.verify(token, KEYS, issuer=ISSUER, nonce=nonce)


@given(
    st.dictionaries(st.integers(0, 2**43 - 1), versions, max_size=20),
    st.frozensets(st.text("abc-_019", min_size=1, max_size=128), max_size=5),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
)
def test_what_is_signed_is_read_back(
    lists: dict[int, str], kids: frozenset[str], epoch: int, seq: int
) -> None:
    made = head(lists=lists, revoked_kids=kids, epoch=epoch, seq=seq)
    assert verified(status_head.sign(made, KEY)) == made
    assert made.place == (epoch, seq)


def test_a_head_of_500_lists_goes_through() -> None:
    made = head(lists=dict.fromkeys(range(500), VERSION))
    assert verified(status_head.sign(made, KEY)) == made


def test_the_times_are_whole_seconds_rounded_down() -> None:
    assert verified(status_head.sign(head(iat=1_800_000_000.9), KEY)).iat == 1_800_000_000


@pytest.mark.parametrize("nonce", ["a" * 16, "a" * 64, "AZaz09-_AZaz09-_"])
def test_a_nonce_of_16_to_64_base64url_characters_is_taken(nonce: str) -> None:
    assert status_head.is_nonce(nonce)


@pytest.mark.parametrize(
    "nonce",
    [
        "",
        "a" * 15,
        "a" * 65,
        "a" * 15 + "\n",
        "a" * 16 + "\n",
        "a" * 15 + "=",
        "a" * 15 + "é",
        "a" * 15 + "+",
        16,
        None,
    ],
)
def test_any_other_nonce_is_not(nonce: object) -> None:
    assert not status_head.is_nonce(nonce)


def test_a_recorded_answer_to_another_question_is_refused() -> None:
    token = status_head.sign(head(), KEY)
    with pytest.raises(ClaimError):
        verified(token, nonce="ponmlkjihgfedcba")


def test_another_issuers_head_is_refused() -> None:
    with pytest.raises(IssuerError):
        verified(status_head.sign(head(issuer="https://id.example.org"), KEY))


def test_a_token_key_signs_no_head_and_none_of_its_heads_is_taken() -> None:
    key = JWK.generate("ES256", kid="k1")
    with pytest.raises(InvalidKeyError):
        status_head.sign(head(), key)
    with pytest.raises(TokenError):
        status_head.verify(forged(key=key), JWKSet([key.public()]), issuer=ISSUER, nonce=NONCE)
    with pytest.raises(TokenError):
        status_head.verify(forged(key=key), key.public(), issuer=ISSUER, nonce=NONCE)


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "statuslist+jwt"])
def test_another_kind_of_token_is_no_head(typ: str) -> None:
    with pytest.raises(TokenError):
        verified(forged(typ))


@pytest.mark.parametrize(
    "changed",
    [
        *({name: ...} for name in ("iss", "iat", "nonce", "epoch", "seq", "lists", "revoked_kids")),
        {"aud": ISSUER},
        {"sub": ISSUER},
        {"status_list": {}},
        {"client_id": "x"},
    ],
)
def test_a_head_with_missing_or_foreign_claims_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(TokenError):
        verified(forged(**changed))


@pytest.mark.parametrize(
    "changed",
    [
        *({name: bad} for name in ("iat", "epoch", "seq") for bad in (None, True, 1.5, "1", -1, [])),
        *({"lists": bad} for bad in (None, {}, [0], [[0]], [[0, VERSION, 1]], [["0", VERSION]], [[True, VERSION]])),
        *({"lists": [[0, bad]]} for bad in ("", VERSION[1:], VERSION + "0", VERSION.upper(), VERSION[1:] + "\n", 5)),
        {"lists": [[0, VERSION], [0, VERSION]]},
        {"lists": [[2**43, VERSION]]},
        {"lists": [[n, VERSION] for n in range(status_head.MAX_LISTS + 1)]},
        {"revoked_kids": [str(n) for n in range(status_head.MAX_REVOKED_KIDS + 1)]},
        *({"revoked_kids": bad} for bad in (None, "k1", [1], [""], ["k" * 129], {"k1": 1})),
    ],
)  # fmt: skip
def test_a_head_of_another_form_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedTokenError):
        verified(forged(**changed))


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_input_is_refused_with_our_own_error(raw: str | bytes) -> None:
    with pytest.raises(AdmitError):
        verified(raw)
