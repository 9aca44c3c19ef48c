"""Points of a run: they fit the schema, none is lost to another, and they are the same each time."""

from __future__ import annotations

import json
import math
import shutil
import tracemalloc
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from made_runs import (
    LINK,
    SECOND,
    SUBJECTS,
    collector,
    made_records,
    sampled,
    write_manifest,
    write_spool,
    write_trial,
)
from writers import SERVER, hosts

from analysis.influx.labels import labels_of
from analysis.influx.left_out import LeftOut
from analysis.influx.line_protocol import line
from analysis.influx.point import Point
from analysis.influx.points import chunks_of, points_of
from analysis.influx.schema import MEASUREMENTS
from analysis.load import Records, load_spools
from analysis.model import TrialFacts
from analysis.trial import TrialError, load_trial
from instrument.records import Sample

HOURS = 3600 * SECOND
SAMPLED = {"system", "process", "link"}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three trials: a good one, one with spool files only, one without records."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    write_manifest(folder)
    settings = {"warmup_rounds": 1}
    write_trial(folder, "000-wifi-fast-r1", made_records(at=HOURS), nodes=["pi1", "pi2"], settings=settings)
    write_trial(folder, "001-wifi-fast-r2", made_records(seed=2, at=9 * HOURS), stored=False, repetition=2)
    entered = {"planned": "2026-11-27T00:55:25.783+00:00"}
    write_trial(folder, "002-wifi-r1.attempt1", None, outcome="invalid", reason='gone\n"x"', entered=entered)
    return folder


@pytest.fixture(scope="module")
def points(run_dir: Path) -> list[Point]:
    return list(points_of(run_dir))


def of(points: list[Point], measurement: str) -> list[Point]:
    return [point for point in points if point.measurement == measurement]


def test_every_point_fits_the_schema(points: list[Point]) -> None:
    assert {point.measurement for point in points} == set(MEASUREMENTS)
    for point in points:
        measurement = MEASUREMENTS[point.measurement]
        assert [name for name, _ in point.tags] == sorted(measurement.tags)
        assert all(value for _, value in point.tags)
        assert point.fields
        assert not set(point.fields) & set(measurement.tags)
        for name, value in point.fields.items():
            assert type(value) is measurement.fields[name].type, (point.measurement, name)
            assert not isinstance(value, float) or math.isfinite(value)


def test_keys_are_unique_and_no_sample_is_lost(points: list[Point], run_dir: Path) -> None:
    assert len({point.key for point in points}) == len(points)
    found = Counter(point.measurement for point in points if point.measurement in SAMPLED)
    samples = 2 * 3 * 3  # trials, hosts, looks
    assert found == {"system": 2 * samples, "process": 4 * samples, "link": 3 * samples}
    assert load_trial(run_dir / "trials" / "000-wifi-fast-r1").records == of(points, "trial")[0].fields["records"]


def test_two_of_one_series_at_one_moment_are_a_nanosecond_apart(points: list[Point]) -> None:
    apps = [
        point
        for point in of(points, "process")
        if dict(point.tags)["role"] == "flwr-clientapp" and dict(point.tags)["node"] == "pi1"
    ]
    assert [point.fields["pid"] for point in apps[:4]] == [301, 302, 301, 302]
    assert [later.time_ns - one.time_ns for one, later in pairwise(apps[:4])] == [1, SECOND - 1, 1]


def test_lines_of_chunks_are_those_of_points_and_the_same_each_time(run_dir: Path, points: list[Point]) -> None:
    lines = [made for chunk in chunks_of(run_dir) for made in chunk.lines()]
    assert lines == [line(point) for point in points]
    assert lines == [made for chunk in chunks_of(run_dir) for made in chunk.lines()]


def test_a_chunk_is_of_one_trial_measurement_and_node(run_dir: Path) -> None:
    last: dict[tuple[str, str, str], int] = {}
    for chunk in chunks_of(run_dir):
        held = list(chunk.points())
        assert len(held) == len(chunk)
        assert {point.measurement for point in held} == {chunk.measurement}
        assert {point.fields["trial"] for point in held} == {chunk.trial}
        assert {dict(point.tags)["node"] for point in held} == {chunk.node}
        assert (chunk.first_ns, chunk.last_ns) == (
            min(point.time_ns for point in held),
            max(point.time_ns for point in held),
        )
        place = (chunk.trial, chunk.measurement, chunk.node)
        assert last.get(place, -1) < chunk.first_ns
        last[place] = chunk.last_ns


def test_a_trial_alone_has_the_points_that_it_has_in_the_run(run_dir: Path, points: list[Point]) -> None:
    for name in ("000-wifi-fast-r1", "001-wifi-fast-r2", "002-wifi-r1.attempt1"):
        assert list(points_of(run_dir, [name])) == [point for point in points if point.fields["trial"] == name]
    with pytest.raises(TrialError, match="no trial 9"):
        list(points_of(run_dir, ["9"]))


def test_parquet_and_spool_give_the_same_points(tmp_path: Path) -> None:
    folder = write_trial(tmp_path / "two", "000-wifi-r1", made_records(), stored=False)
    write_trial(tmp_path / "one", "000-wifi-r1", load_spools(folder / "spool"))
    assert list(points_of(tmp_path / "one")) == list(points_of(tmp_path / "two"))


def test_numbers_are_those_of_the_report(run_dir: Path, points: list[Point]) -> None:
    trial = load_trial(run_dir / "trials" / "000-wifi-fast-r1")
    own = [point for point in points if point.fields["trial"] == "000-wifi-fast-r1"]
    rounds = of(own, "fl_round")
    assert [point.fields["duration_s"] for point in rounds] == [made.wall_s for made in trial.rounds]
    assert [point.fields["warmup"] for point in rounds] == [True, False]
    assert [(point.fields["clients_ok"], point.fields["clients_failed"]) for point in rounds] == [(2, 0), (1, 1)]
    assert (rounds[0].fields["accuracy"], rounds[0].fields["loss"]) == (0.5, 2.0)
    for point, made in zip(rounds, trial.rounds, strict=True):
        charged = {name: value for name, value in point.fields.items() if name.startswith("charged_")}
        assert math.isclose(sum(charged.values()), made.wall_s)
    transfers = of(own, "fl_transfer")
    directions = Counter(dict(point.tags)["phase"] for point in transfers)
    assert directions == {
        side: sum(getattr(message, side) is not None for message in trial.messages) for side in ("uplink", "downlink")
    }
    uplinks = [message.uplink.active_s for message in trial.messages if message.uplink]
    assert sorted(uplinks) == sorted(
        point.fields["active_s"] for point in transfers if dict(point.tags)["phase"] == "uplink"
    )
    waits = [seconds for message in trial.messages for seconds in message.waited_for_core_s.values()]
    told = [point.fields["waited_for_core_s"] for point in of(own, "fl_phase") if "waited_for_core_s" in point.fields]
    assert sorted(told) == sorted(waits)


def test_all_hosts_are_on_the_servers_wall_clock(points: list[Point]) -> None:
    looks = [point.time_ns for point in points if point.fields.get("trial") == "000-wifi-fast-r1"]
    hosts_first = {
        dict(point.tags)["node"]: point.time_ns
        for point in reversed(of(points, "system"))
        if point.fields["trial"] == "000-wifi-fast-r1"
    }
    true_ns = HOURS + 5 * SECOND + 1234
    assert hosts_first["server"] == true_ns
    assert all(abs(first_ns - true_ns) <= 3 for first_ns in hosts_first.values()), "clocks differ by 4321 s and more"
    assert max(looks) - min(looks) < 60 * SECOND


def test_what_a_round_does_once_is_there_once(points: list[Point]) -> None:
    phases = [point for point in of(points, "fl_phase") if point.fields["trial"] == "000-wifi-fast-r1"]
    once = Counter(dict(point.tags)["phase"] for point in phases if dict(point.tags)["role"] == "server")
    assert once == {"configure": 2, "publish": 2, "aggregate": 2, "evaluate_server": 1}


def test_tags_say_network_and_role(points: list[Point]) -> None:
    links = {
        (tags["node"], str(point.fields["device"]), tags["iface"])
        for point in of(points, "link")
        for tags in [dict(point.tags)]
    }
    assert links >= {
        ("pi1", "wlan0", "wifi"),
        ("server", "wlan0", "management"),
        ("pi1", "lo", "loopback"),
        ("pi1", "dock er0", "none"),
    }
    roles = {(dict(point.tags)["node"], dict(point.tags)["role"]) for point in of(points, "system")}
    assert {("server", "server"), ("pi1", "client"), ("pi1", "other")} <= roles
    assert {point.fields["subject"] for point in of(points, "system") if "subject" in point.fields} == {
        'fire fox,=":77'
    }
    (faulty,) = {point.fields["detail"] for point in of(points, "fault")}
    assert faulty == 'ip link set "wlan0" down\\'


@pytest.mark.parametrize(
    ("name", "scenario"),
    [
        ("007-5g-fast-clients4-layout_flat-r2", "5g-fast-clients4-layout_flat"),
        ("1000-wifi-r12.attempt3", "wifi"),
        ("spool", "none"),
    ],
)
def test_the_scenario_is_the_name_without_place_and_repetition(name: str, scenario: str) -> None:
    labels = labels_of(TrialFacts(name=name, interface="5g"), server="s", networks={})
    assert dict(labels.tags("trial", node="s", role="server"))["scenario"] == scenario


def test_trials_that_lie_over_each_other_lose_nothing(tmp_path: Path) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    write_trial(once, "000-wifi-r1", made_records())
    write_trial(twice, "000-wifi-r1", made_records())
    shutil.copytree(twice / "trials" / "000-wifi-r1", twice / "trials" / "001-wifi-r2")
    facts = json.loads((twice / "trials" / "001-wifi-r2" / "trial.json").read_text())
    (twice / "trials" / "001-wifi-r2" / "trial.json").write_text(json.dumps({**facts, "name": "001-wifi-r2"}))
    alone, both = list(points_of(once)), list(points_of(twice))
    assert len({point.key for point in both}) == len(both) == 2 * len(alone)
    assert both[: len(alone)] == alone
    assert list(points_of(twice, ["001-wifi-r2"])) == both[len(alone) :]


def test_two_collectors_of_one_host_lose_nothing(tmp_path: Path) -> None:
    records = made_records()
    (pi1,) = hosts(1, shift_s=4321)
    more = collector(pi1, sampled(pi1, SUBJECTS, 3), pid=68)
    both = Records(segments=tuple(sorted([*records.segments, more], key=lambda one: one.name)))
    write_trial(tmp_path, "000-wifi-r1", both)
    points = list(points_of(tmp_path))
    assert len({point.key for point in points}) == len(points)
    assert sum(point.measurement in SAMPLED for point in points) == (3 + 1) * 3 * len(SUBJECTS)


def test_samples_out_of_order_come_in_order(tmp_path: Path) -> None:
    ordered = sampled(SERVER, {"lo": LINK}, 5)
    records = Records(segments=(*made_records(samples=0).role("flower-superlink"), collector(SERVER, ordered[::-1])))
    write_trial(tmp_path, "000-wifi-r1", Records(segments=tuple(sorted(records.segments, key=lambda one: one.name))))
    times = [point.time_ns for point in points_of(tmp_path) if point.measurement == "link"]
    assert times == [sample.mono_ns for sample in ordered]


def test_what_no_field_can_hold_is_counted_and_the_rest_is_written(tmp_path: Path) -> None:
    odd = {
        "eth0": {"interface_rx_bytes": 1, "interface_tx_bytes": math.nan},
        "eth1": {"interface_rx_bytes": 2**63, "interface_tx_bytes": 2**63 - 1},
        "eth2": {"interface_rx_bytes": 2.5, "interface_tx_bytes": -3},
        "eth3": {"interface_rx_bytes": 2.0, "of_the_future": 1},
        "eth4": {"interface_rx_bytes": math.inf},
        "host": {"system_load_1m": 3, "other_cpu_time_s": 1e-9, "process_count": 2},
    }
    superlink = made_records(samples=0).role("flower-superlink")
    records = Records(segments=(collector(SERVER, sampled(SERVER, odd, 2)), *superlink))
    write_trial(tmp_path, "000-wifi-r1", records)
    left_out = LeftOut()
    points = list(points_of(tmp_path, left_out=left_out))
    found = {str(point.fields["device"]): point.fields for point in of(points, "link")}
    assert {
        device: {name: of for name, of in fields.items() if "_bytes" in name} for device, fields in found.items()
    } == {
        "eth0": {"interface_rx_bytes": 1},
        "eth1": {"interface_tx_bytes": 2**63 - 1},
        "eth2": {"interface_tx_bytes": -3},
        "eth3": {"interface_rx_bytes": 2},
    }
    (system, _), (process, _) = of(points, "system"), of(points, "process")
    assert repr(system.fields["system_load_1m"]) == "3.0"
    assert system.fields["other_cpu_time_s"] == 1e-9
    assert process.fields["process_count"] == 2
    assert left_out.told() == [
        "link interface_rx_bytes: 2 not finite",
        "link interface_rx_bytes: 4 of another type than the schema says",
        "link interface_tx_bytes: 2 not finite",
        "sample of_the_future: 2 not in this version's registry",
    ]
    assert [made for chunk in chunks_of(tmp_path) for made in chunk.lines()] == [line(point) for point in points]


def test_a_plain_spool_folder(tmp_path: Path) -> None:
    folder = write_spool(tmp_path / "my spool", made_records())
    points = list(points_of(folder))
    assert {dict(point.tags)["campaign"] for point in points} == {"my spool"}
    assert {point.fields["trial"] for point in points} == {"my spool"}
    assert {"fl_phase", "fl_round", "fl_transfer", "clock", "trial", "link"} <= {one.measurement for one in points}


def test_a_trial_whose_records_are_damaged_is_a_point_that_says_so(tmp_path: Path) -> None:
    folder = write_trial(tmp_path, "000-wifi-r1", made_records())
    (folder / "records" / "rpc.parquet").write_bytes(b"no parquet")
    (point,) = points_of(tmp_path)
    assert (point.fields["outcome"], point.fields["valid"]) == ("invalid", False)
    assert "rpc.parquet cannot be read" in str(point.fields["reasons"])


def test_a_host_without_a_clock_keeps_its_own_wall_clock(tmp_path: Path) -> None:
    (lost,) = hosts(1, shift_s=999)
    stray = collector(lost, sampled(lost, {"host": SUBJECTS["host"]}, 1))
    stray = replace(stray, header=replace(stray.header, wall_ns=77 * SECOND))
    superlink = made_records(samples=0).role("flower-superlink")
    write_trial(tmp_path, "000-wifi-r1", Records(segments=(stray, *superlink)))
    points = list(points_of(tmp_path))
    (look,) = of(points, "system")
    assert look.time_ns == 77 * SECOND + 5 * SECOND + 1234
    clocks = {dict(point.tags)["node"]: point.fields for point in of(points, "clock")}
    assert clocks["pi1"]["source"] == "none"
    assert "error_s" not in clocks["pi1"]


def test_memory_does_not_grow_with_the_samples(tmp_path: Path) -> None:
    """Ten times as many samples take no more of it."""
    few, many = (_peak_bytes(_many_samples(tmp_path / str(count), count)) for count in (2000, 20_000))
    assert many < 1.5 * few


def _many_samples(folder: Path, count: int) -> Path:
    """A trial with so many samples of one process of each host."""
    trial = write_trial(folder, "000-wifi-r1", made_records(samples=1))
    path = trial / "records" / f"{Sample.kind}.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"""COPY (SELECT segment, position, collector, subject, scheduled_mono_ns, mono_ns + i AS mono_ns,
            late_ns, cost_ns, "values" FROM read_parquet('{path}'), range({count}) t(i)
            WHERE subject = 'flwr-clientapp:301' ORDER BY segment, mono_ns) TO '{path}.new' (FORMAT parquet)"""
        )
    path.with_name(f"{path.name}.new").replace(path)
    return folder


def _peak_bytes(run_dir: Path) -> int:
    tracemalloc.start()
    try:
        assert sum(len(chunk.lines()) for chunk in chunks_of(run_dir)) > 6000
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
