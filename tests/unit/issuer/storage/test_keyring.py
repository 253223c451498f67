"""The key file and what is sealed with it."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.errors import AdmitError, ConfigError
from admit.issuer.storage import Keyring, SealError

ZEROS = "A" * 43


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    Keyring.create(path)
    return path


@given(st.binary(max_size=300))
def test_what_was_sealed_opens_for_the_same_purpose_and_place(data: bytes) -> None:
    keyring = Keyring.generate()
    sealed = keyring.seal("p", data, bound_to="row")
    assert keyring.open("p", sealed, bound_to="row") == data
    assert len(data) < 4 or data not in sealed


@pytest.mark.parametrize(("purpose", "bound_to"), [("q", "row"), ("p", "other"), ("p", ""), ("prow", "")])
def test_what_was_sealed_does_not_open_elsewhere(purpose: str, bound_to: str) -> None:
    keyring = Keyring.generate()
    sealed = keyring.seal("p", b"secret", bound_to="row")
    with pytest.raises(SealError):
        keyring.open(purpose, sealed, bound_to=bound_to)


def test_no_changed_or_cut_octet_opens() -> None:
    keyring = Keyring.generate()
    sealed = keyring.seal("p", b"secret", bound_to="row")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        for bad in (bytes(changed), sealed[:place]):
            with pytest.raises(SealError):
                keyring.open("p", bad, bound_to="row")


@given(st.binary(max_size=80))
def test_any_octets_open_or_are_refused(raw: bytes) -> None:
    with pytest.raises(SealError):
        Keyring.generate().open("p", raw, bound_to="row")


def test_sealing_twice_gives_different_octets() -> None:
    keyring = Keyring.generate()
    assert keyring.seal("p", b"x", bound_to="r") != keyring.seal("p", b"x", bound_to="r")


def test_an_older_key_still_opens_and_the_first_one_seals() -> None:
    old = Keyring({"old": b"o" * 32})
    sealed = old.seal("p", b"x", bound_to="r")
    both = Keyring({"new": b"n" * 32, "old": b"o" * 32})
    assert both.open("p", sealed, bound_to="r") == b"x"
    assert both.current == "new"
    with pytest.raises(SealError):
        old.open("p", both.seal("p", b"x", bound_to="r"), bound_to="r")
    with pytest.raises(SealError):
        Keyring({"old": b"q" * 32}).open("p", sealed, bound_to="r")


@pytest.mark.rfc("5869", "2")
def test_each_purpose_has_a_key_of_its_own_that_never_changes() -> None:
    keyring = Keyring({"k": bytes(32), "j": b"j" * 32})
    assert keyring.derive("refresh") == Keyring({"k": bytes(32)}).derive("refresh")
    derived = {keyring.derive(purpose, kid)[1] for purpose in ("refresh", "csrf") for kid in ("k", "j")}
    assert len(derived) == 4
    assert {len(key) for key in derived} == {32}
    with pytest.raises(SealError):
        keyring.derive("refresh", "nobody")


def test_a_created_file_is_private_and_loads_as_the_same_keyring(key_file: Path) -> None:
    assert key_file.stat().st_mode & 0o777 == 0o600
    first, second = Keyring.load(key_file), Keyring.from_env(str(key_file))
    assert second.open("p", first.seal("p", b"x", bound_to="r"), bound_to="r") == b"x"
    assert [path.name for path in key_file.parent.iterdir()] == ["keys.json"]


def test_an_existing_file_is_never_written_over(key_file: Path) -> None:
    before = key_file.read_bytes()
    with pytest.raises(ConfigError, match="exists"):
        Keyring.create(key_file)
    assert key_file.read_bytes() == before


def test_of_many_that_need_the_file_one_creates_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(lambda _: Keyring.ensure(tmp_path / "keys.json"), range(16)))
    sealed = rings[0].seal("p", b"x", bound_to="r")
    assert {ring.open("p", sealed, bound_to="r") for ring in rings} == {b"x"}


def test_a_damaged_file_is_not_replaced_by_a_new_one(key_file: Path) -> None:
    key_file.write_bytes(b"")
    with pytest.raises(ConfigError):
        Keyring.ensure(key_file)
    assert key_file.read_bytes() == b""


@pytest.mark.threat("INF-keys", off="admit.issuer.storage.keyring:check_private")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o602])
def test_a_key_file_that_others_may_touch_is_refused(key_file: Path, mode: int) -> None:
    os.chmod(key_file, mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        Keyring.load(key_file)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "null",
        '"x"',
        "{" * 100_000,
        '{"k": 1}',
        '{"k": null}',
        '{"k": {"x": "y"}}',
        '{"k": ""}',
        f'{{"k": "{"A" * 42}"}}',
        f'{{"k": "{"A" * 44}"}}',
        f'{{"k": "{ZEROS}="}}',
        f'{{"k": "{"A" * 42}B"}}',
        f'{{"k": "{"+" * 43}"}}',
        f'{{"": "{ZEROS}"}}',
        f'{{"a b": "{ZEROS}"}}',
        f'{{"{"k" * 33}": "{ZEROS}"}}',
        f'{{"k": "{ZEROS}", "k": "{"E" * 43}"}}',
        f'{{"k": "{ZEROS}", "j": "{ZEROS}"}}',
        "\xff",
    ],
)
def test_a_file_that_is_no_key_file_is_refused_in_one_line_that_quotes_none_of_it(
    key_file: Path, content: str
) -> None:
    key_file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        Keyring.load(key_file)
    assert "\n" not in str(caught.value)
    assert "AAAA" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigError, match="key file"):
            Keyring.load(path)
    with pytest.raises(ConfigError, match="cannot be written"):
        Keyring.create(tmp_path / "none" / "keys.json")


def test_the_environment_may_hold_the_keys_themselves() -> None:
    assert Keyring.from_env(json.dumps({"k": ZEROS})).kids == ("k",)
    with pytest.raises(AdmitError):
        Keyring.from_env('{"k": "short"}')


def test_repr_shows_names_only() -> None:
    assert repr(Keyring({"k": b"s3cret-s3cret-s3cret-s3cret-s3cr"})) == "Keyring(k)"
