"""Which answers of a tool count as failed, whatever a tool answers."""

import pytest

from admit.integrations.mcp.step_up import is_failure


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        (b'{"error":{"code":1}}', True),
        (b'event: message\r\ndata: {"result":{"isError":true}}\r\n\r\n', True),
        (b'{"result":{"content":[]}}', False),
        (b": ping\r\n\r\n", False),
        (b"\xff", False),
        (b'{"result":{"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}}", False),
    ],
    ids=["error", "result in a stream", "success", "comment", "no text", "deeply nested"],
)
def test_an_answer_that_is_no_failure_of_a_tool_is_left_alone(body: bytes, failed: bool) -> None:
    assert is_failure(body) is failed
