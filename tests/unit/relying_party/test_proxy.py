"""What of an API's answer, and of a page's request, goes through."""

import pytest

from admit.errors import ConfigError
from admit.relying_party import Api
from admit.relying_party.bff import proxy

ORDERS = Api("orders", "https://api.example.com/v1/")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", "no-store"),
        ("no-store", "no-store"),
        ("public, max-age=60", "no-store"),
        ("S-MaxAge=60", "no-store"),
        ("max-age=60", "private, max-age=60"),
        ("no-cache", "private, no-cache"),
        ("private, max-age=60", "private, max-age=60"),
    ],
    ids=["nothing", "none", "public", "shared", "age", "ask", "private"],
)
@pytest.mark.rfc("9111", "3.5")
def test_no_cache_between_keeps_one_persons_answer_for_the_next(said: str, kept: str) -> None:
    assert proxy.for_one(said) == kept


def test_a_path_stays_below_its_base() -> None:
    assert proxy.target(ORDERS, "a/b%20c", "x=%2F..") == "https://api.example.com/v1/a/b%20c?x=%2F.."
    assert proxy.target(ORDERS, "", "") == "https://api.example.com/v1/"
    assert proxy.target(ORDERS, "a/", "") == "https://api.example.com/v1/a/"
    bad = [
        "..",
        "../a",
        "a/..",
        "a/%2e%2E/b",
        ".",
        "a//b",
        "/a",
        "a%2fb",
        "a%5cb",
        "a\\b",
        "a;b",
        "%252e%252e",
        "%0d%0a",
        "\u00e4",
    ]
    for path in bad:
        with pytest.raises(proxy.ForwardError):
            proxy.target(ORDERS, path, "")
    for query in ("a b", "a\r\nb", "#", "%zz", "\u00e4"):
        with pytest.raises(proxy.ForwardError):
            proxy.target(ORDERS, "a", query)


def test_an_api_is_https_and_has_a_plain_name() -> None:
    for name, base in (
        ("Orders", "https://api.example.com"),
        ("", "https://api.example.com"),
        ("orders", "http://api.example.com"),
        ("orders", "https://api.example.com?a=b"),
        ("orders", "https://a@b"),
    ):
        with pytest.raises(ConfigError):
            Api(name, base)
