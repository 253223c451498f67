"""`admit.tokens.scope`, RFC 6749 §3.3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.errors import ClaimError
from admit.tokens import scope

names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"\\'), min_size=1)


@pytest.mark.rfc("6749", "3.3")
def test_a_scope_is_a_set_and_its_text_sorted() -> None:
    assert scope.parse("b a b") == {"a", "b"}
    assert scope.write({"b", "a"}) == "a b"
    assert scope.write(set()) == ""
    assert scope.read({}) == frozenset()


@pytest.mark.rfc("6749", "3.3")
@pytest.mark.parametrize(
    "text", ["", " ", " a", "a ", "a  b", "a\tb", "a\nb", 'a"b', "a\\b", "ä", "a\x00", "a\u00a0b"]
)
def test_malformed_text_is_refused(text: str) -> None:
    with pytest.raises(ClaimError):
        scope.parse(text)
    assert not scope.is_name(text)


@pytest.mark.parametrize("value", [None, 1, ["a"], {"a": 1}, True])
def test_a_claim_that_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(ClaimError):
        scope.read({"scope": value})


@pytest.mark.parametrize("name", ["a b", "", 'a"'])
def test_what_is_no_scope_is_not_written(name: str) -> None:
    with pytest.raises(ClaimError):
        scope.write({"x", name})


@given(st.frozensets(names, min_size=1, max_size=8))
def test_written_and_parsed_is_the_same_set(wanted: frozenset[str]) -> None:
    assert scope.parse(scope.write(wanted)) == wanted
