"""Certificates are verified: the lab's own authority by --ca, no other; a token in the clear is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cli import main
from testbed.sink.errors import SinkError
from testbed.sink.target import Target
from tests.servers.influxd import Influxd
from tests.servers.tls_front import TlsFront
from tests.servers.v2_front import V2Front
from tests.sink.there import expected, on_influxd, typed

ADDRESS = "127.0.0.1"


@pytest.fixture(params=["v1", "v2"])
def front(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    influxd: Influxd,
    v2_front: V2Front,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[TlsFront]:
    """TLS before influxd, and before the write address of 2.x, by which influxdb-client writes."""
    port = influxd.port
    if request.param == "v2":
        port = int(v2_front.url.rpartition(":")[2])
        monkeypatch.setenv("INFLUXDB_V2_TOKEN", v2_front.token)
    with TlsFront(tmp_path, port, ADDRESS) as made:
        yield made


def words(run: Path, url: str, database: str) -> list[str]:
    return ["export", "influxdb", str(run), "--url", url, "--bucket", database, "--org", "lab", "--patience", "1"]


def test_an_authority_of_ones_own(run: Path, influxd: Influxd, database: str, front: TlsFront) -> None:
    """Named by --ca: all arrives and is read back over it."""
    assert main([*words(run, front.url, database), "--ca", str(front.ca)]) == 0
    assert typed(on_influxd(influxd, database)) == typed(expected(run))


def test_an_authority_that_nobody_knows(
    run: Path, influxd: Influxd, database: str, front: TlsFront, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message with the next step; nothing is sent."""
    assert main(words(run, front.url, database)) == 2
    said = capsys.readouterr().err
    assert "certificate is not accepted" in said
    assert "--ca" in said
    assert said.count("\n") == 1
    assert not on_influxd(influxd, database)


def test_a_certificate_for_another_name(
    run: Path, influxd: Influxd, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Signed by the right authority, and yet another server's."""
    with TlsFront(tmp_path, influxd.port, "db.lab") as other:
        assert main([*words(run, other.url, database), "--ca", str(other.ca)]) == 2
    said = capsys.readouterr().err
    assert "certificate is not accepted" in said
    assert said.count("\n") == 1


def test_a_server_that_speaks_no_tls(
    run: Path, influxd: Influxd, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message."""
    assert main(words(run, influxd.url.replace("http:", "https:"), database)) == 2
    said = capsys.readouterr().err
    assert "does not speak TLS" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "in_the_clear"),
    [
        ("http://db.lab:8086", True),
        ("http://192.0.2.1", True),
        ("http://[2001:db8::1]:8086", True),
        ("https://db.lab", False),
        ("http://127.0.0.1:8086", False),
        ("http://[::1]:8086", False),
        ("http://localhost:8086", False),
    ],
)
def test_a_token_in_the_clear_is_told(
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str,
    in_the_clear: bool,
) -> None:
    """Off this machine and without TLS, before anything is sent; without a token nothing secret is at stake."""

    def sends_nothing(_: object) -> None:
        raise SinkError("nothing is sent.")

    assert Target(url=url, bucket="b").in_the_clear is in_the_clear
    monkeypatch.setattr("testbed.sink.export.export", sends_nothing)
    for token in ("s3cret", ""):
        monkeypatch.setenv("INFLUXDB_TOKEN", token)
        assert main(words(run, url, "b")) == 1
        said = capsys.readouterr().err
        assert ("can be read on their way" in said) is (in_the_clear and bool(token))
        assert "s3cret" not in said
