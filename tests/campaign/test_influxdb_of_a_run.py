"""A real campaign in real databases that are killed while it is exported; and as it would have been written live."""

from __future__ import annotations

import json
import math
import threading
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from analysis import store
from analysis.influx.line_protocol import line
from analysis.influx.live_points import LivePoints
from analysis.influx.point import Point
from analysis.influx.points import points_of
from testbed.sink.export import Asked, Outcome, export
from testbed.sink.target import Target
from testbed.token import Token
from tests.analysis.replayed import not_among, server_segments
from tests.campaign.conftest import Ran
from tests.servers.fixtures import require
from tests.servers.influxd import Influxd
from tests.servers.processes import ServerProcess
from tests.servers.victoria import Victoria
from tests.sink.there import on_influxd, typed

pytestmark = [pytest.mark.netns, pytest.mark.timeout(900)]
DATABASE = "a campaign"
AT_ONCE = 40
Numbers = dict[tuple[str, tuple[tuple[str, str], ...], int], set[float]]
Points = Mapping[str, Sequence[Point]]  # by trial


def exported(
    run: Path, points: Points, server: ServerProcess, after_writing: Callable[[], None] = lambda: None
) -> Outcome:
    """Export all trials; something is done each time that a trial's points have been acknowledged, all of them."""

    def progress(trial: str, what: str, reached: int) -> None:
        if what == "written" and reached == len(points[trial]):
            after_writing()

    target = Target(url=server.url, bucket=DATABASE)
    return export(Asked(run_dir=run, target=target, token=Token(), patience_s=60.0, progress=progress))


class Killings:
    """SIGKILL, and started again a moment later."""

    def __init__(self, server: ServerProcess) -> None:
        self.count = 0
        self._server = server
        self._starts: list[threading.Timer] = []

    def __call__(self) -> None:
        """Kill it once more."""
        self.join()
        self._server.kill()
        self.count += 1
        start = threading.Timer(0.2, self._server.start)
        start.start()
        self._starts.append(start)

    def join(self) -> None:
        """Returns when it runs."""
        for start in self._starts:
            start.join()


@pytest.fixture(scope="module")
def points(quickstart_run: Ran) -> Points:
    """Every point of the run."""
    names = sorted(path.name for path in (quickstart_run.folder / "trials").iterdir())
    return {name: list(points_of(quickstart_run.folder, [name])) for name in names}


@pytest.fixture
def run(quickstart_run: Ran, tmp_path: Path) -> Path:
    """The run folder's parts that an export reads, with a place of their own for what it keeps."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("manifest.json", "campaign.toml", "trials"):
        (folder / name).symlink_to(quickstart_run.folder / name)
    return folder


def test_influxd_is_killed_three_times(run: Path, points: Points, tmp_path: Path) -> None:
    """Right after it has acknowledged a trial: every value, type and nanosecond is there, once; and once more."""
    require("influxd", "influxdb")
    expected = typed({point.key: dict(point.fields) for trial in points.values() for point in trial})
    server = Influxd(tmp_path / "influxd")
    server.start()
    killings = Killings(server)
    try:
        server.create(DATABASE)
        first = exported(run, points, server, killings)
        killings.join()
        assert killings.count == 3
        assert first.ok
        assert not first.unverified
        assert first.total("points") == len(expected)
        assert typed(on_influxd(server, DATABASE)) == expected
        again = exported(run, points, server)
        assert again.ok
        assert again.total("written") == again.total("sent_again") == 0
        assert typed(on_influxd(server, DATABASE)) == expected
    finally:
        killings.join()
        server.stop()


@pytest.mark.long
def test_victoria_metrics_is_killed_three_times(run: Path, points: Points, tmp_path: Path) -> None:
    """It loses what it has acknowledged: reading back finds that, and sends it again until all is there, once."""
    require("victoria-metrics", "victoria-metrics")
    server = Victoria(tmp_path / "victoria")
    server.start()
    killings = Killings(server)
    try:
        first = exported(run, points, server, killings)
        killings.join()
        assert killings.count == 3
        assert first.ok
        assert first.total("sent_again") > 0
        assert_same(on_victoria(server), points)
        again = exported(run, points, server)
        assert again.ok
        assert again.total("written") == again.total("sent_again") == 0
        assert_same(on_victoria(server), points)
    finally:
        killings.join()
        server.stop()


def test_live_points_would_have_been_the_exports(run: Path, points: Points) -> None:
    """As each trial's server host wrote its records, so many at once: no key, value or field that is not exported."""
    for trial, of_trial in points.items():
        live, found = LivePoints(run, trial), list[str]()
        waiting = server_segments(store.load(run / "trials" / trial / "records"))
        while waiting:  # the processes in turn, as they are read
            for records in waiting:
                found += live.lines(records[:AT_ONCE])
                del records[:AT_ONCE]
            waiting = [records for records in waiting if records]
        lines = [line(point) for point in of_trial]
        assert not_among(found, lines) == []
        told = [one.partition(",")[0] for one in found]
        assert told.count("fl_round") == sum(one.startswith("fl_round,") for one in lines) > 0
        assert {"system", "process", "link"} <= set(told)
        of_server = [
            one for one in lines if ",node=server," in one and one.startswith(("system,", "process,", "link,"))
        ]
        assert set(of_server) <= set(found)


def on_victoria(server: Victoria) -> Numbers:
    """All of its samples, each moment of a series once."""
    query = urllib.parse.urlencode({"match[]": '{__name__!=""}', "start": 0, "end": 4_000_000_000})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        f"{server.url}/api/v1/export?{query}", timeout=60
    ) as answer:
        documents = [json.loads(text) for text in answer]
    found: Numbers = {}
    for document in documents:
        name = document["metric"].pop("__name__")
        tags = tuple(sorted(document["metric"].items()))
        for ms, value in zip(document["timestamps"], document["values"], strict=True):
            assert (name, tags, ms) not in found, "twice in a millisecond"
            found[name, tags, ms] = {float(value)}
    return found


def assert_same(there: Numbers, points: Points) -> None:
    """The same moments of the same series, and at each a value that was measured then, to twelve digits.

    Of a string it keeps that there was one, as 0; of a series' numbers in one millisecond one.
    """
    wanted: Numbers = defaultdict(set)
    for point in (point for of_trial in points.values() for point in of_trial):
        for name, value in point.fields.items():
            key = (f"{point.measurement}_{name}", point.tags, point.time_ns // 1_000_000)
            wanted[key].add(0.0 if isinstance(value, str) else float(value))
    assert there.keys() == wanted.keys()
    for key, (value,) in there.items():
        assert any(math.isclose(value, one, rel_tol=1e-11) for one in wanted[key]), key
