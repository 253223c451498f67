"""One call as endpoints see it."""

from typing import Any

import pytest

from admit.issuer.app.api import query
from admit.issuer.app.call import Call
from admit.issuer.oauth.errors import InvalidRequestError


async def _nothing() -> dict[str, Any]:
    return {}


def call(asked: bytes = b"") -> Call:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": asked, "headers": []}
    return Call(scope, _nothing, 1.0)


def test_a_call_has_one_id_of_its_own_and_the_audit_has_the_same() -> None:
    one, other = call(), call()
    assert one.request_id == one.request_id == one.info.request_id
    assert len(one.request_id) == 16
    assert one.request_id != other.request_id


def test_flags_are_false_where_nothing_is_asked_and_as_they_are_told_else() -> None:
    known = {"all": "", "others": ""}
    assert query.flags(call()) == {}
    assert query.flags(call(), known) == {"all": False, "others": False}
    assert query.flags(call(b"all=true"), known) == {"all": True, "others": False}


@pytest.mark.parametrize(
    "asked", [b"all", b"all=", b"&=", b"al=true", b"all=true&all=true", b"all=yes", b"%61ll=1"]
)
def test_a_flag_that_is_not_known_or_says_neither_is_refused(asked: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        query.flags(call(asked), {"all": ""})
