"""The browser fixture opens pages of this machine and of no other."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_page_runs_its_script(page: "Page") -> None:
    page.goto("data:text/html,<title>a</title><script>document.title='b'</script>")
    assert page.title() == "b"


def test_a_name_outside_this_machine_is_not_found(page: "Page") -> None:
    from playwright.sync_api import Error

    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://example.com/")
