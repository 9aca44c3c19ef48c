"""A run folder with as many samples as asked for, as five hosts' collectors would have left them after many hours.

`python -m tests.bench.many_points FOLDER POINTS` makes one by hand. The headers and clock exchanges are made of
records; the samples, which are the mass, are made by DuckDB in the form of `analysis.store`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb

from analysis import store
from analysis.load import Records, SegmentRecords
from instrument.records import SCHEMA_VERSION, End, Exchange, Record, Segment

HOSTS = ("server", "pi1", "pi2", "pi3", "pi4")
DEVICES = {"eth0": "ethernet", "wlan0": "wifi", "wwan0": "5g", "mgmt0": "management"}
PROCESSES = {
    "server": ("flower-superlink:301", "flwr-serverapp:314"),
    **dict.fromkeys(HOSTS[1:], ("flower-supernode:376", "flower-superexec:386", "flwr-clientapp:416")),
}
SECOND_NS = 1_000_000_000
BEGUN_NS = 1_790_000_000 * SECOND_NS  # Unix time of the first trial
INTERVAL_NS = SECOND_NS

_HOST = """'{"system_load_1m": ' || (1 + i % 97 / 64.0)::DOUBLE || ', "system_memory_usage_bytes": '
    || (844877824 + i * 4096) || ', "system_memory_available_bytes": ' || (24431632384 - i * 4096)
    || ', "disk_free_bytes": ' || (61427240960 - i * 512) || ', "system_cpu_utilization": '
    || (0.25 + i % 89 / 128.0)::DOUBLE || ', "system_disk_read_bytes": ' || (35970143232 + i * 4096)
    || ', "system_disk_write_bytes": ' || (107257118720 + i * 8192) || '}'"""
_PROCESS = """'{"process_cpu_time_s": ' || (1.5 + i / 128.0)::DOUBLE || ', "process_memory_rss_bytes": '
    || (93736960 + i % 1000 * 4096) || ', "process_run_queue_wait_s": ' || (0.5 + i / 1024.0)::DOUBLE
    || ', "process_disk_read_bytes": ' || i % 7 * 4096 || ', "process_disk_write_bytes": ' || i * 4096
    || ', "process_io_read_bytes": ' || (15780793 + i * 977) || ', "process_io_write_bytes": ' || (2434 + i * 131)
    || '}'"""
_DEVICE = """'{"interface_rx_bytes": ' || (15653125 + i * 1448) || ', "interface_tx_bytes": ' || (15627612 + i * 977)
    || ', "interface_rx_packets": ' || (14702 + i) || ', "interface_tx_packets": ' || (14661 + i)
    || ', "interface_rx_errors": 0, "interface_tx_errors": 0, "interface_rx_drops": 0, "interface_tx_drops": '
    || i % 5 || '}'"""


def make_run(folder: Path, *, points: int, trials: int) -> int:
    """Make a run folder of about so many points in so many trials; returns how many samples it holds.

    Raises FileExistsError where the folder exists.
    """
    folder.mkdir(parents=True)
    hosts = [
        {
            "name": host,
            "role": "server" if host == "server" else "node",
            "management": {"device": "mgmt0"},
            "interfaces": {of: {"device": device} for device, of in DEVICES.items() if of != "management"},
        }
        for host in HOSTS
    ]
    (folder / "manifest.json").write_text(json.dumps({"inventory": {"hosts": hosts}}), encoding="utf-8")
    ticks = max(1, points // (trials * sum(len(_subjects(host)) for host in HOSTS)))
    begun_ns, made = BEGUN_NS, 0
    for place in range(trials):
        made += _make_trial(folder / "trials", place, ticks, begun_ns)
        begun_ns += (ticks + 120) * INTERVAL_NS
    return made


def _make_trial(trials: Path, place: int, ticks: int, begun_ns: int) -> int:
    interface = ("ethernet", "wifi", "5g")[place % 3]
    name = f"{place:03d}-{interface}-r{1 + place // 3}"
    facts = {
        "name": name,
        "campaign": "many points",
        "interface": interface,
        "repetition": 1 + place // 3,
        "nodes": list(HOSTS[1:]),
        "outcome": "ok",
        "wall_s": float(ticks),
    }
    folder = trials / name
    folder.mkdir(parents=True)
    (folder / "trial.json").write_text(json.dumps(facts), encoding="utf-8")
    segments = [*_programs(begun_ns), *(_collector(host, ticks, begun_ns) for host in HOSTS)]
    store.write(Records(segments=sorted(segments, key=lambda one: one.name)), folder / "records")
    return _write_samples(folder / "records" / "sample.parquet", ticks)


def _programs(begun_ns: int) -> Iterator[SegmentRecords]:
    for host, role in (("server", "flower-superlink"), *((node, "flower-supernode") for node in HOSTS[1:])):
        yield _segment(host, role, begun_ns, [], SECOND_NS)


def _collector(host: str, ticks: int, begun_ns: int) -> SegmentRecords:
    """A collector, and one exchange of clocks with the server's every minute, where the host is another."""
    shift_ns = _shift_ns(host)
    exchanges: list[Record] = [
        Exchange(
            peer="10.76.0.250:5000",
            peer_clock=_clock("server"),
            path="management",
            sent_mono_ns=now + shift_ns,
            peer_received_mono_ns=now + 200_000,
            peer_sent_mono_ns=now + 210_000,
            received_mono_ns=now + 410_000 + shift_ns,
        )
        for now in range(SECOND_NS, (ticks + 2) * INTERVAL_NS, 60 * SECOND_NS)
        if host != "server"
    ]
    return _segment(host, "collector", begun_ns, exchanges, (ticks + 2) * INTERVAL_NS)


def _segment(host: str, role: str, begun_ns: int, records: list[Record], life_ns: int) -> SegmentRecords:
    shift_ns = _shift_ns(host)
    header = Segment(
        schema_version=SCHEMA_VERSION,
        host=host,
        role=role,
        pid=67,
        clock=_clock(host),
        mono_ns=shift_ns,
        wall_ns=begun_ns,
        exec_mono_ns=shift_ns,
    )
    end = End(records=len(records), sha256="", mono_ns=shift_ns + life_ns)
    return SegmentRecords(name=f"{host}-{role}-67-1", header=header, records=tuple(records), end=end)


def _clock(host: str) -> str:
    return f"monotonic/{host}/1"


def _shift_ns(host: str) -> int:
    """How far a host's clock is from the server's."""
    return HOSTS.index(host) * 4321 * SECOND_NS


def _subjects(host: str) -> list[tuple[str, str, str]]:
    """Collector, subject and the SQL of its values, of everything that is sampled on a host."""
    return [
        ("host", "host", _HOST),
        *(("process", subject, _PROCESS) for subject in PROCESSES[host]),
        *(("interfaces", device, _DEVICE) for device in (*DEVICES, "lo")),
    ]


def _write_samples(path: Path, ticks: int) -> int:
    """One sample of each subject of each host at every tick, in the order in which collectors wrote them."""
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '500MB'; SET threads = 1")
        query = " UNION ALL ".join(_of_host(host, ticks) for host in sorted(HOSTS))
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
        ((made,),) = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchall()
    return int(made)


def _of_host(host: str, ticks: int) -> str:
    """The SQL of one host's samples; `i` is the tick, `place` the subject."""
    subjects = _subjects(host)
    collectors, names = [collector for collector, _, _ in subjects], [subject for _, subject, _ in subjects]
    values = " ".join(f"WHEN {place} THEN {sql}" for place, (_, _, sql) in enumerate(subjects))
    scheduled = f"{_shift_ns(host)} + i * {INTERVAL_NS}"
    late = "500000 + place * 90000 + i * 7919 % 80000"
    return f"""
        SELECT '{host}-collector-67-1' AS segment, position, {collectors}[place + 1] AS collector,
            {names}[place + 1] AS subject, {scheduled} AS scheduled_mono_ns, {scheduled} + {late} AS mono_ns,
            {late} AS late_ns, 60000 AS cost_ns, CASE place {values} END AS "values"
        FROM (
            SELECT position, position // {len(subjects)} + 1 AS i, position % {len(subjects)} AS place
            FROM range({ticks * len(subjects)}) r(position)
        )"""


if __name__ == "__main__":
    print(make_run(Path(sys.argv[1]), points=int(sys.argv[2]), trials=int(sys.argv[3]) if sys.argv[3:] else 1))
