"""The servers that other tests use: they take what influxdb-client writes, unchanged, and give it back."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from tests.servers.fixtures import require
from tests.servers.influxd import Influxd
from tests.servers.v2_front import V2Front
from tests.servers.victoria import Victoria

LINE = r'made,node=pi\ 1 count=9007199254740993i,share=0.5,ok=true,said="a \"b\", ä" 1700000000123456789'


def test_influxdb_client_writes_to_influxd_through_the_front(
    influxd: Influxd, database: str, v2_front: V2Front
) -> None:
    """Every type and the nanosecond are exact."""
    with InfluxDBClient(v2_front.url, v2_front.token, org="any", enable_gzip=True) as client:
        client.write_api(write_options=SYNCHRONOUS).write(database, record=LINE, write_precision="ns")
    (row,) = influxd.rows('SELECT * FROM "made"', database)
    assert row == {
        "time": 1700000000123456789,
        "node": "pi 1",
        "count": 9007199254740993,
        "share": 0.5,
        "ok": True,
        "said": 'a "b", ä',
    }


def test_influxdb_client_writes_to_victoria(victoria: Victoria) -> None:
    """It keeps numbers, to the millisecond."""
    with InfluxDBClient(victoria.url, "any", org="any", enable_gzip=True) as client:
        client.write_api(write_options=SYNCHRONOUS).write("any", record=LINE, write_precision="ns")
    _get(f"{victoria.url}/internal/force_flush")
    found = _get(f"{victoria.url}/api/v1/export?match%5B%5D=made_share&start=0")
    assert json.loads(found) == {
        "metric": {"__name__": "made_share", "node": "pi 1"},
        "values": [0.5],
        "timestamps": [1700000000123],
    }


def test_a_killed_influxd_takes_up_its_data(tmp_path: Path) -> None:
    """What it acknowledged is there when it is started again, on the same port."""
    require("influxd", "influxdb")
    server = Influxd(tmp_path)
    try:
        server.start()
        server.create("kept")
        server.kill()
        server.start()
        assert {"name": "kept"} in server.rows("SHOW DATABASES", "")
    finally:
        server.stop()


def _get(url: str) -> bytes:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=20) as answer:
        return bytes(answer.read())
