"""Retries and halves, without a server and without waiting."""

from __future__ import annotations

import pytest

from testbed.sink.answers import error_of
from testbed.sink.delivery import MOST_REFUSED, Delivery
from testbed.sink.errors import AwayError, RefusedError, SinkError, SinkUsageError
from testbed.sink.target import Target

TARGET = Target(url="http://127.0.0.1:8086", bucket="b")


class Server:
    """Refuses lines that hold `bad`, and is away for its first `away` requests."""

    def __init__(self, away: int = 0, after_s: float | None = None) -> None:
        self.away = away
        self.after_s = after_s
        self.held: set[str] = set()

    def write(self, body: bytes) -> None:
        """Take lines."""
        if self.away:
            self.away -= 1
            raise AwayError("away.", self.after_s)
        lines = body.decode().splitlines()
        if any("bad" in line for line in lines):
            raise RefusedError(400, "bad line")
        self.held |= set(lines)

    def close(self) -> None:
        """Nothing is open."""


def delivery(server: Server, patience_s: float = 60.0) -> tuple[Delivery, list[float]]:
    """Waits are noted, not made."""
    waits: list[float] = []
    return Delivery(server, patience_s, lambda _: None, waits.append), waits


def test_good_lines_arrive_and_bad_ones_are_named() -> None:
    """23 lines of which 3 are refused."""
    server = Server()
    lines = [f"{'bad' if place in {0, 11, 22} else 'good'} {place}" for place in range(23)]
    refused = delivery(server)[0].deliver(lines)
    assert [one.line for one in refused] == [line for line in lines if "bad" in line]
    assert server.held == {line for line in lines if "good" in line}


def test_waits_grow_and_a_server_may_ask_for_longer() -> None:
    """Doubled each time; Retry-After counts where it is longer."""
    doing, waits = delivery(Server(away=4))
    assert doing.deliver(["good"]) == []
    assert waits == [0.25, 0.5, 1.0, 2.0]
    doing, waits = delivery(Server(away=2, after_s=7.0))
    doing.deliver(["good"])
    assert waits == [7.0, 7.0]


def test_patience_ends() -> None:
    """A server that asks for more time than there is gets none."""
    doing, waits = delivery(Server(away=100, after_s=61.0))
    with pytest.raises(AwayError):
        doing.deliver(["good"])
    assert waits == []


def test_a_database_that_refuses_everything_is_told_so() -> None:
    """Not one line after another for ever."""
    with pytest.raises(SinkError, match="cannot take them"):
        delivery(Server())[0].deliver([f"bad {place}" for place in range(MOST_REFUSED + 1)])


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"error":"partial write: field type conflict dropped=1"}', RefusedError),
        (422, b'{"code":"unprocessable entity","message":"retention"}', RefusedError),
        (413, b"", RefusedError),
        (429, b"", AwayError),
        (503, b"<html>busy</html>", AwayError),
        (500, b'{"error":"write /data/wal: no space left on device"}', AwayError),
        (507, b"", AwayError),
        (401, b'{"code":"unauthorized","message":"unauthorized access"}', SinkUsageError),
        (403, b'{"code":"forbidden","message":"insufficient permissions"}', SinkUsageError),
        (404, b'{"error":"database not found: \\"b\\""}', SinkUsageError),
        (404, b'{"code":"not found","message":"organization name \\"lab\\" not found"}', SinkUsageError),
        (302, b"", SinkUsageError),
    ],
)
def test_what_an_answer_means(status: int, body: bytes, kind: type[Exception]) -> None:
    """Only what can succeed later is tried again."""
    assert type(error_of(status, body, {}, TARGET)) in {kind, *kind.__subclasses__()}


def test_retry_after_is_read() -> None:
    """In seconds, or as a date."""
    error = error_of(429, b"", {"Retry-After": "17"}, TARGET)
    assert isinstance(error, AwayError)
    assert error.after_s == 17
    error = error_of(503, b"", {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}, TARGET)
    assert isinstance(error, AwayError)
    assert error.after_s is not None
    assert error.after_s > 1e6
