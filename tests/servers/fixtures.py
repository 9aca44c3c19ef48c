"""Servers that tests share: one of each kind, started when the first test asks for it; use a database of your own.

A test that needs a server of its own (to kill it, to limit it) starts `Influxd` or `Victoria` itself.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator

import pytest

from tests.servers.influxd import Influxd
from tests.servers.v2_front import V2Front
from tests.servers.victoria import Victoria


def require(program: str, package: str) -> None:
    """Skip where a server's program is not here."""
    if shutil.which(program) is None:
        pytest.skip(f"no {program} on this machine: apt install {package}, or make test-programs")


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """A real InfluxDB 1.6, without users."""
    require("influxd", "influxdb")
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database(influxd: Influxd) -> str:
    """An empty database there, of the test's own."""
    return influxd.create(f"of a test {uuid.uuid4()}")


@pytest.fixture(scope="session")
def v2_front(influxd: Influxd) -> Iterator[V2Front]:
    """InfluxDB 2's write address before it."""
    with V2Front(influxd.port) as front:
        yield front


@pytest.fixture(scope="session")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    """A real VictoriaMetrics; it has no databases: use a campaign of your own."""
    require("victoria-metrics", "victoria-metrics")
    server = Victoria(tmp_path_factory.mktemp("victoria"))
    server.start()
    yield server
    server.stop()
