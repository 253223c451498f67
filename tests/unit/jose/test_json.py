"""JSON that two parsers could read differently is refused."""

import json as stdlib_json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit import MalformedTokenError
from admit.jose import json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), VALUES, max_size=5)


@pytest.mark.rfc("8259", "4")
@given(OBJECTS, st.sampled_from([None, 1]), st.booleans())
def test_any_spelling_of_an_object_is_read_as_it_is(
    value: dict, indent: int | None, ascii_only: bool
) -> None:
    text = stdlib_json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert json.loads_object(text) == value


@given(OBJECTS)
def test_what_is_written_is_read_back_by_both_parsers(value: dict) -> None:
    text = json.dumps_object(value)
    assert json.loads_object(text) == value
    assert stdlib_json.loads(text) == value


@pytest.mark.rfc("7515", "10.12")
@pytest.mark.rfc("7519", "4")
@pytest.mark.rfc("7515", "4")
@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":{"b":[{"c":1,"c":1}]}}',
        b'{"a":1,"\\u0061":1}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":9223372036854775808}',
        b'{"a":-9223372036854775809}',
        b'{"a":[18446744073709551616]}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":01}',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":1}{}',
        b'{"a":1}\x00',
        b'{"a":"\x00"}',
        b'{"a":"\t"}',
        b"[]",
        b"1",
        b"null",
        b'"a"',
        b"",
        b" ",
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b'{"a":' + b"[" * 40_000,
        b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_other_texts_are_refused(text: bytes) -> None:
    with pytest.raises(MalformedTokenError):
        json.loads_object(text)


NUMBERS = ["9e307", "1e308", "1.7976931348623157e308", "1e-308", "5e-324", "2.2250738585072011e-308", "-9e307", "1.5",
           "0.1", "1E5", "1e+5", "-0.0", "1e22", "9007199254740993.0", "1." + "3" * 800 + "e300"]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:24])
def test_a_number_is_read_to_its_last_bit(number: str) -> None:
    for text in (f'{{"a":{number}}}', f'{{"a":[{{"b":[{number},1]}}]}}'):
        assert repr(json.loads_object(text.encode())) == repr(stdlib_json.loads(text))


@pytest.mark.parametrize(
    "number", ["1.", ".5", "1e", "1e+", "01.5", "+1.5", "1_0.5", "0x1p3", "1.5.5", "- 1.5"]
)
def test_what_is_nearly_a_number_is_refused(number: str) -> None:
    with pytest.raises(MalformedTokenError):
        json.loads_object(f'{{"a":{number}}}'.encode())


@pytest.mark.threat("INF-size", off="admit.jose.json:decode_any")
@pytest.mark.parametrize("number", NUMBERS[:7])
def test_no_number_costs_more_than_a_few_of_the_usual_ones(number: str) -> None:
    usual, odd = (b'{"a":[' + b",".join([one.encode()] * 300) + b"]}" for one in ("1234.5678", number))
    times: dict[bytes, list[int]] = {usual: [], odd: []}
    for _ in range(100):  # a busy machine spoils some of them, and seldom all
        for text, spent in times.items():
            began = time.perf_counter_ns()
            json.loads_object(text)
            spent.append(time.perf_counter_ns() - began)
        if min(times[odd]) < 8 * min(times[usual]):
            return
    pytest.fail(f"{min(times[odd]) / min(times[usual]):.0f} times the cost of a usual number")


def test_nesting_is_taken_to_its_limit() -> None:
    assert json.loads_object(b'{"a":' * 32 + b"1" + b"}" * 32)


@pytest.mark.parametrize("text", ['{"a":1}', bytearray(b'{"a":1}'), None, 7])
def test_only_octets_are_read(text: object) -> None:
    with pytest.raises(MalformedTokenError):
        json.loads_object(text)  # type: ignore[arg-type]  # wrong on purpose


def test_white_space_and_escapes_are_taken() -> None:
    assert json.loads_object(b' { "a" : "\\/\\u00e9" ,\r\n "b":1.50 } ') == {"a": "/é", "b": 1.5}


def test_a_text_over_the_bound_is_refused_before_it_is_read() -> None:
    assert json.loads_object(b'{"a":1}', max_size=7) == {"a": 1}
    with pytest.raises(MalformedTokenError, match="too large"):
        json.loads_object(b'{"a":1}', max_size=6)


@given(st.binary(max_size=80) | st.text('{}[]":,\\u0123abe.-+ ', max_size=40).map(str.encode))
def test_any_octets_are_an_object_or_refused(text: bytes) -> None:
    try:
        value = json.loads_object(text)
    except MalformedTokenError:
        return
    assert stdlib_json.loads(text) == value


@pytest.mark.parametrize(
    "value",
    [
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": 2**63},
        {"a": {1}},
        {"a": b"octets"},
        {1: "a"},
        {"a": {2: "b"}},
        {"a": "\ud800"},
        {"a": len},
    ],
    ids=repr,
)
def test_a_value_that_would_come_back_as_another_is_not_written(value: dict) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        json.dumps_object(value)
