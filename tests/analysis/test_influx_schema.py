"""The schema comes of the registry, and the page of the schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.influx.line_protocol import line
from analysis.influx.point import Point
from analysis.influx.schema import MEASUREMENTS, SAMPLED, metrics_of
from analysis.influx.schema_page import PageError, with_schema
from instrument.metrics import METRICS, Metric


def test_every_metric_is_a_field_of_one_measurement_with_its_unit_and_type() -> None:
    for name, metric in METRICS.items():
        places = [of.fields[name] for of in MEASUREMENTS.values() if name in of.fields]
        assert [(field.type, field.unit) for field in places] == [(metric.type, metric.unit)]
    assert sorted(name for of in SAMPLED.values() for name in metrics_of(of)) == sorted(METRICS)


@pytest.mark.parametrize(
    ("name", "measurement"),
    [
        ("radio_rsrp_dbm", "link"),
        ("tcp_srtt_s", "link"),
        ("interface_x", "link"),
        ("process_x", "process"),
        ("power_w", "system"),
        ("disk_free_bytes", "system"),
    ],
)
def test_the_measurement_of_a_metric_follows_from_its_name(name: str, measurement: str) -> None:
    assert SAMPLED[Metric(name, "1", float, "", "").subject] == measurement


def test_every_name_can_be_written_and_is_a_tag_or_a_field() -> None:
    for measurement in MEASUREMENTS.values():
        assert not set(measurement.tags) & set(measurement.fields)
        assert len(measurement.fields) <= 200  # what InfluxDB 3 recommends of a table
        tags = tuple((name, "v") for name in sorted(measurement.tags))
        line(Point(measurement.name, tags, 1, dict.fromkeys(measurement.fields, 1)))


def test_the_page_is_current(repository: Path) -> None:
    page = (repository / "docs" / "influxdb.md").read_text(encoding="utf-8")
    assert page == with_schema(page), "make it anew: python -m analysis.influx.schema_page docs/influxdb.md"


def test_a_page_without_a_place_is_told() -> None:
    with pytest.raises(PageError, match="no lines"):
        with_schema("# nothing")
