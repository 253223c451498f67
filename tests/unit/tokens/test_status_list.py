"""`admit.tokens.status_list`: Token Status List, draft-ietf-oauth-status-list-21."""

import zlib
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from admit.errors import AdmitError, ClaimError, InvalidKeyError, IssuerError, MalformedTokenError, TokenError
from admit.jose import JWK, JWKSet, base64url, json, jws
from admit.tokens import status_list
from tests.unit.tokens import draft_reader

ISSUER = "https://id.example.com"
NOW = 1_800_000_000.5
KEY = JWK.generate("ES256", kid="status-1")
KEYS = JWKSet([KEY.public()])
positions = st.integers(0, status_list.ENTRIES - 1)


def signed(
    bitmap: bytes,
    *,
    n: int = 3,
    key: JWK = KEY,
    issuer: str = ISSUER,
    place: tuple[int, int] | None = None,
) -> str:
    return status_list.encode(
        issuer,
        n,
        status_list.compress(bitmap),
        iat=NOW,
        lifetime=timedelta(hours=1),
        ttl=timedelta(minutes=5),
        key=key,
        place=place,
    )


def forged(typ: str = "statuslist+jwt", key: JWK = KEY, **changed: Any) -> str:
    """A token signed by a status key, with claims that our own encoder would not write."""
    lst = base64url.encode(status_list.compress(status_list.EMPTY)).decode()
    claims = {
        "iss": ISSUER,
        "sub": f"{ISSUER}/status/3",
        "iat": 1,
        "status_list": {"bits": 1, "lst": lst},
    } | changed
    payload = json.dumps_object({name: value for name, value in claims.items() if value is not None})
    return jws.sign(payload, key, typ=typ, max_size=1 << 20)


def decoded(token: str, n: int = 3) -> bytes:
    return status_list.decode(token, KEYS, issuer=ISSUER, n=n)


def test_what_is_signed_is_read_back() -> None:
    bitmap = status_list.with_bits(status_list.EMPTY, [0, 7, 8, 1_048_575])
    assert decoded(signed(bitmap)) == bitmap
    assert [p for p in (0, 1, 7, 8, 9, 1_048_574, 1_048_575) if status_list.is_set(bitmap, p)] == [
        0,
        7,
        8,
        1_048_575,
    ]


def test_the_drafts_example_of_one_bit_reads_the_same_way() -> None:
    """§4.1 and §5.1: the sixteen statuses of its first example, as octets and as `lst`."""
    statuses = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    octets = zlib.decompress(base64url.decode(b"eNrbuRgAAhcBXQ"))
    assert octets == bytes([0xB9, 0xA3])
    assert [int(status_list.is_set(octets, index)) for index in range(16)] == statuses
    written = status_list.with_bits(bytes(2), [index for index, status in enumerate(statuses) if status])
    assert written == octets


def test_an_independent_reader_of_the_draft_reads_our_list() -> None:
    ended = {0, 5, 8, 99_999, 524_288, 1_048_575}
    token = signed(status_list.with_bits(status_list.EMPTY, ended))
    bits, unpacked = draft_reader.read(token, KEY.public().to_dict(), uri=f"{ISSUER}/status/3", now=NOW)
    assert (bits, len(unpacked) * 8) == (1, 1 << 20)
    assert {i for i in range(1 << 20) if unpacked[i >> 3] and draft_reader.status(bits, unpacked, i)} == ended


def test_the_independent_reader_refuses_a_list_of_another_name() -> None:
    with pytest.raises(AssertionError):
        draft_reader.read(
            signed(status_list.EMPTY), KEY.public().to_dict(), uri=f"{ISSUER}/status/4", now=NOW
        )


def test_a_list_that_nothing_can_compress_still_goes_through(rng: Any) -> None:
    bitmap = rng.randbytes(status_list.OCTETS)
    token = signed(bitmap)
    assert len(token) > 200_000
    assert decoded(token) == bitmap


@given(st.sets(positions, max_size=50), st.sets(positions, max_size=50))
@example(set(), {0})
def test_merging_keeps_every_end_of_both(first: set[int], second: set[int]) -> None:
    one = status_list.with_bits(status_list.EMPTY, first)
    two = status_list.with_bits(status_list.EMPTY, second)
    assert status_list.merge(one, two) == status_list.with_bits(status_list.EMPTY, first | second)
    assert len(status_list.merge(one, two)) == status_list.OCTETS


@given(positions)
def test_one_bit_more_is_another_version(position: int) -> None:
    changed = status_list.with_bits(status_list.EMPTY, [position])
    assert status_list.version(changed) != status_list.version(status_list.EMPTY)
    assert status_list.version(changed) == status_list.version(bytes(bytearray(changed)))
    assert len(status_list.version(changed)) == 16


def test_the_etag_is_weak_and_names_the_version() -> None:
    assert status_list.etag("00ff00ff00ff00ff") == 'W/"00ff00ff00ff00ff"'


@pytest.mark.parametrize("position", [-1, status_list.ENTRIES, 1 << 63])
def test_a_position_outside_of_the_list_is_refused(position: int) -> None:
    with pytest.raises(ClaimError):
        status_list.is_set(status_list.EMPTY, position)


def test_another_lists_bits_are_not_taken_for_this_one() -> None:
    with pytest.raises(ClaimError):
        decoded(signed(status_list.EMPTY, n=3), n=4)


def test_another_issuers_list_is_refused() -> None:
    with pytest.raises(IssuerError):
        decoded(signed(status_list.EMPTY, issuer="https://id.example.org"))


def test_a_token_key_signs_no_list() -> None:
    with pytest.raises(InvalidKeyError):
        signed(status_list.EMPTY, key=JWK.generate("ES256", kid="k1"))


@pytest.mark.parametrize("kid", ["k1", "Status-1", "xstatus-1"])
def test_a_list_signed_by_a_token_key_is_refused(kid: str) -> None:
    key = JWK.generate("ES256", kid=kid)
    token = forged(key=key)
    for keys in (JWKSet([key.public()]), key.public()):
        with pytest.raises(TokenError):
            status_list.decode(token, keys, issuer=ISSUER, n=3)


def test_a_token_keys_signature_under_a_status_keys_name_is_refused() -> None:
    stolen = JWK.generate("ES256", kid="k1")
    renamed = JWK.load(stolen.to_dict(private=True) | {"kid": "status-1"})
    with pytest.raises(TokenError):
        status_list.decode(forged(key=renamed), stolen.public(), issuer=ISSUER, n=3)


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "admit-status-head+jwt", "statuslist+cwt"])
def test_another_kind_of_token_is_no_list(typ: str) -> None:
    with pytest.raises(TokenError):
        decoded(forged(typ))


@pytest.mark.parametrize("place", [None, (0, 0), (1_800_000_000, 2**63 - 1)])
def test_a_list_says_up_to_where_it_has_every_end(place: tuple[int, int] | None) -> None:
    found = status_list.read(signed(status_list.EMPTY, place=place), KEYS, issuer=ISSUER, n=3)
    assert found == status_list.Published(status_list.EMPTY, place)


@pytest.mark.parametrize(
    "place", [[], [1], [1, 2, 3], [-1, 0], [1.0, 2], [True, 2], ["1", "2"], "1.2", {"0": 1}, 0]
)
def test_a_place_that_is_none_is_refused(place: Any) -> None:
    with pytest.raises(MalformedTokenError):
        decoded(forged(admit_place=place))
    assert decoded(forged(admit_place=[1, 2])) == status_list.EMPTY


def test_the_full_media_type_is_taken_as_typ() -> None:
    assert decoded(forged("application/statuslist+jwt")) == status_list.EMPTY


def packed(octets: bytes) -> str:
    return base64url.encode(octets).decode()


@pytest.mark.parametrize(
    "listed",
    [
        "list",
        {},
        {"bits": 1},
        {"bits": 2, "lst": packed(zlib.compress(status_list.EMPTY))},
        {"bits": True, "lst": packed(zlib.compress(status_list.EMPTY))},
        {"bits": 1.0, "lst": packed(zlib.compress(status_list.EMPTY))},
        {"bits": 1, "lst": 7},
        {"bits": 1, "lst": "é"},
        {"bits": 1, "lst": packed(zlib.compress(status_list.EMPTY)) + "="},
        {"bits": 1, "lst": packed(b"not zlib")},
        {"bits": 1, "lst": packed(zlib.compress(bytes(status_list.OCTETS - 1)))},
        {"bits": 1, "lst": packed(zlib.compress(bytes(status_list.OCTETS + 1)))},
        {"bits": 1, "lst": packed(zlib.compress(bytes(50_000_000)))},
        {"bits": 1, "lst": packed(zlib.compress(status_list.EMPTY)[:-4])},
        {"bits": 1, "lst": packed(zlib.compress(status_list.EMPTY) + b"more")},
    ],
)
def test_a_list_of_another_form_is_refused(listed: Any) -> None:
    with pytest.raises(MalformedTokenError):
        decoded(forged(status_list=listed))


@pytest.mark.parametrize(
    "changed", [{"sub": None}, {"sub": 3}, {"iss": None}, {"status_list": None}, {"aud": ISSUER}]
)
def test_a_list_with_missing_or_foreign_claims_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(TokenError):
        decoded(forged(**changed))


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_input_is_refused_with_our_own_error(raw: str | bytes) -> None:
    with pytest.raises(AdmitError):
        status_list.decode(raw, KEYS, issuer=ISSUER, n=0)


@given(st.integers(0, status_list.MAX_LIST))
def test_a_lists_name_leads_back_to_its_number(n: int) -> None:
    assert status_list.number(ISSUER, status_list.uri(ISSUER, n)) == n


@pytest.mark.parametrize(
    "name", ["", "3", f"{ISSUER}/status/", f"{ISSUER}/status/03", f"{ISSUER}/status/-1", f"{ISSUER}/status/+1",
             f"{ISSUER}/status/1/", f"{ISSUER}/status/٣", f"{ISSUER}/status/1_0", f"{ISSUER}/status/99999999999999",
             "https://id.example.org/status/3", f"{ISSUER}/status/3?x"],
)  # fmt: skip
def test_another_spelling_names_no_list(name: str) -> None:
    assert status_list.number(ISSUER, name) is None


def test_the_aggregation_names_every_list_in_use() -> None:
    assert json.loads_object(status_list.aggregation(ISSUER, [2, 0])) == {
        "status_lists": [f"{ISSUER}/status/0", f"{ISSUER}/status/2"]
    }
