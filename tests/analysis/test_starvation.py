"""What waited for a core, from the kernel's counts to the report: phases that waited say so, and by how much."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_trials import made_run, made_trial, with_facts, with_messages
from scene_checks import ALL_KINDS, FACTS
from synthetic import Scene
from writers import SERVER, Writer, hosts

from analysis.document import to_json
from analysis.html import page
from analysis.load import Records, SegmentRecords
from analysis.measured import measure
from analysis.model import Interval, MessageTimes, TrialTimes
from analysis.rules import judge
from analysis.starvation import ESTIMATED, IN_CLIENT_APP, METRIC, WaitCurve, curve_through
from analysis.summary import summarise
from analysis.terminal import as_text
from analysis.trial import analyse
from analysis.verdicts import Verdict
from instrument.records import End, Record, Rpc, Sample, Span

S = 1_000_000_000
SHARE, TRAIN_SHARE = 0.125, 0.5
SAMPLED_ROLES = {"flower-superlink": 0.25, "flower-supernode": 0.0625, "flwr-serverapp": 0.375}
Wait = Callable[[int], int]


# the curve


@st.composite
def curves(draw: st.DrawFn) -> tuple[WaitCurve, list[tuple[int, int]]]:
    """A thread's count, which grows by no more than the time that passes, read at some moments."""
    steps = draw(st.lists(st.tuples(st.integers(1, 10**10), st.floats(0, 1)), min_size=1, max_size=9))
    points = [(draw(st.integers(-(10**15), 10**15)), draw(st.integers(0, 10**12)))]
    for step_ns, share in steps:
        moment_ns, waited_ns = points[-1]
        points.append((moment_ns + step_ns, waited_ns + int(step_ns * share)))
    return curve_through(draw(st.permutations(points))), points


@given(curves(), st.data())
def test_a_wait_is_a_part_of_its_interval_and_parts_add_up(
    made: tuple[WaitCurve, list[tuple[int, int]]], data: st.DataObject
) -> None:
    curve, points = made
    inside = st.integers(points[0][0], points[-1][0])
    start, middle, end = sorted(data.draw(st.tuples(inside, inside, inside)))
    whole = curve.over(Interval(start, end))
    parts = [curve.over(Interval(start, middle)), curve.over(Interval(middle, end))]
    assert 0 <= whole <= Interval(start, end).seconds
    assert sum(parts) == pytest.approx(whole, abs=1e-6)


@given(curves())
def test_between_two_readings_the_wait_is_their_difference(
    made: tuple[WaitCurve, list[tuple[int, int]]],
) -> None:
    curve, points = made
    (start, low), (end, high) = points[0], points[-1]
    assert curve.over(Interval(start, end)) == (high - low) / 1e9


@given(curves(), st.integers(1, 10**9))
def test_beyond_the_readings_nothing_is_known(made: tuple[WaitCurve, list[tuple[int, int]]], beyond_ns: int) -> None:
    curve, points = made
    first, last = points[0][0], points[-1][0]
    assert curve.over(Interval(first - beyond_ns, last)) is None
    assert curve.over(Interval(first, last + beyond_ns)) is None
    assert curve_through([]).over(Interval(first, last)) is None


def test_over_a_hole_between_samples_nothing_is_spread() -> None:
    curve = curve_through([(0, 0), (S, 0), (20 * S, 5 * S), (21 * S, 6 * S)], longest_gap_ns=5 * S)
    assert curve.over(Interval(S // 2, 10 * S)) is None
    assert curve.over(Interval(S, 20 * S)) == 5.0  # its ends were read
    assert curve.over(Interval(20 * S, 20 * S + S // 2)) == 0.5


def test_of_two_readers_the_slower_one_takes_nothing_away() -> None:
    curve = curve_through([(0, 0), (10, 7), (11, 5), (20, 9)])
    assert curve.over(Interval(10, 11)) == 0.0
    assert curve.over(Interval(0, 20)) == 9e-9


# from records to messages


def starving(records: Records) -> Records:
    """The scene on busy cores: ClientApps wait for SHARE of their time and train for half of it; servers by role."""
    launches = {
        (segment.header.clock, span.count): span.start_mono_ns
        for segment, span in records.of(Span)
        if span.name == "launch"
    }
    apps = [
        _starving_app(segment, launches[segment.header.clock, segment.header.pid])
        if segment.header.role == "flwr-clientapp"
        else segment
        for segment in records.segments
    ]
    return replace(records, segments=(*apps, *_collectors(records)))


def _starving_app(app: SegmentRecords, launch_ns: int) -> SegmentRecords:
    (function,) = [span for span in app.of(Span) if span.name == "app_function"]

    def waited(moment_ns: int) -> int:
        trained_ns = min(max(0, moment_ns - function.start_mono_ns), function.end_mono_ns - function.start_mono_ns)
        return round(SHARE * (moment_ns - launch_ns - trained_ns) + TRAIN_SHARE * trained_ns)

    last_ns = max(rpc.end_mono_ns for rpc in app.of(Rpc))
    push = Span(name="push_message", start_mono_ns=function.end_mono_ns, end_mono_ns=last_ns)
    header = replace(app.header, run_queue_wait_ns=waited(app.header.mono_ns))
    return replace(app, header=header, records=tuple(_with_waits(record, waited) for record in (*app.records, push)))


def _with_waits(record: Record, waited: Wait) -> Record:
    if not isinstance(record, Span):
        return record
    return replace(record, wait_before_ns=waited(record.start_mono_ns), wait_after_ns=waited(record.end_mono_ns))


def _collectors(records: Records) -> list[SegmentRecords]:
    """A collector on each host: once a second, how long the processes that live on had waited by then."""
    made = []
    for host in {segment.header.host for segment in records.segments}:
        of_host = [segment for segment in records.segments if segment.header.host == host]
        watched = [segment.header for segment in of_host if segment.header.role in SAMPLED_ROLES]
        first = watched[0].mono_ns
        samples = [
            Sample(
                collector="process",
                subject=f"{header.role}:{header.pid}",
                scheduled_mono_ns=first + second * S,
                mono_ns=first + second * S,
                late_ns=0,
                cost_ns=0,
                values={METRIC: SAMPLED_ROLES[header.role] * second},
            )
            for second in range(90)
            for header in watched
        ]
        header = replace(watched[0], role="collector", pid=9)
        made.append(SegmentRecords(name=f"{host}-collector-9", header=header, records=tuple(samples), end=None))
    return made


@pytest.fixture(scope="module")
def starved() -> TrialTimes:
    scene = Scene(nodes=hosts(2, shift_s=7), rounds=2, kinds=ALL_KINDS, seed=3)
    return analyse(starving(scene.records()), FACTS)


def expected_share(phase: str) -> float:
    if phase in ESTIMATED:
        return max(SAMPLED_ROLES[role] for role in ESTIMATED[phase])
    return TRAIN_SHARE if phase in {"train", "test", "validate"} else SHARE


def test_every_phase_says_how_long_it_waited(starved: TrialTimes) -> None:
    for message in starved.messages:
        phases = {*IN_CLIENT_APP, *ESTIMATED} & message.intervals.keys()
        assert message.waited_for_core_s.keys() == phases
        assert len(phases) == 12
        for phase, waited_s in message.waited_for_core_s.items():
            length_s = message.seconds(phase)
            assert waited_s == pytest.approx(expected_share(phase) * length_s, abs=2e-6), phase


def test_a_kernel_that_does_not_tell_leaves_nothing() -> None:
    trial = analyse(Scene(nodes=hosts(1)).records(), FACTS)
    assert [message.waited_for_core_s for message in trial.messages] == [{}]
    assert not measure([trial]).starvation
    assert "Waited for a core" not in as_text(summarise([trial], made_by={}))


def test_a_process_is_known_by_its_samples_header_and_trailer() -> None:
    """Without a collector, a SuperLink's first and last count are minutes apart: that is no estimate."""
    records = Scene(nodes=hosts(1)).records()
    counted = [
        replace(
            segment,
            header=replace(segment.header, run_queue_wait_ns=0),
            end=End(records=0, sha256="", mono_ns=segment.header.mono_ns + 80 * S, run_queue_wait_s=40.0),
        )
        for segment in records.segments
    ]
    (message,) = analyse(replace(records, segments=counted), FACTS).messages
    assert not message.waited_for_core_s.keys() & ESTIMATED.keys()


def test_a_process_of_another_host_is_another_process() -> None:
    writer = Writer(host=SERVER, role="flower-superlink", pid=100, born_ns=0)
    stray = Sample(
        collector="process",
        subject="flower-supernode:100",
        scheduled_mono_ns=5 * S,
        mono_ns=5 * S,
        late_ns=0,
        cost_ns=0,
        values={METRIC: 1.0},
    )
    writer.records.append(stray)
    records = Scene(nodes=hosts(1)).records()
    trial = analyse(replace(records, segments=(*records.segments, replace(writer.segment(), name="s"))), FACTS)
    assert trial.messages[0].waited_for_core_s == {}


# from messages to the report


def test_the_document_has_shares_means_and_counts(starved: TrialTimes) -> None:
    document = json.loads(json.dumps(to_json(summarise([starved], made_by={})), allow_nan=False))
    found = document["starvation"]["ethernet"]
    for phase, of in found.items():
        assert of.keys() == {"share", "mean_s", "n", "estimated"}
        plain = phase.removeprefix("evaluate_")
        assert of["estimated"] == (plain in ESTIMATED)
        assert of["share"] == pytest.approx(expected_share(plain), rel=1e-3)
        if phase in document["phases"]["ethernet"] and not of["estimated"]:
            assert of["mean_s"] == pytest.approx(of["share"] * document["phases"]["ethernet"][phase]["mean_s"])
    assert found["train"]["n"] == found["boot"]["n"] == 4  # two nodes, two rounds
    assert found["evaluate_boot"]["n"] == 8  # test and validation
    assert found["aggregate"]["n"] == 2  # once a round, however many messages


def test_the_report_shows_what_waited(starved: TrialTimes) -> None:
    summary = summarise([starved], made_by={})
    text = as_text(summary)
    assert "Waited for a core" in text
    rows = text.partition("Waited for a core")[2].splitlines()
    (train,) = [row for row in rows if row.lstrip().startswith("train ")]
    assert "50 %" in train
    (uplink,) = [row for row in rows if row.lstrip().startswith("uplink ")]
    assert "≈25 %" in uplink
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "<section id='table-starvation'>" in page(summary)


@pytest.mark.parametrize("width", [80, 100])
def test_the_terminals_table_fits_three_networks(width: int) -> None:
    run = [waiting(trial, 0.123, *ESTIMATED, *IN_CLIENT_APP) for trial in made_run()]
    text = as_text(summarise(run, made_by={}), width=width).partition("Waited for a core")[2]
    assert all(len(line) <= width for line in text.splitlines())
    uplink = next(line for line in text.splitlines() if line.lstrip().startswith("uplink "))
    assert uplink.count("≈12 %") == 3
    assert "inflate" not in text, "0.4 ms"


def test_the_verdict_names_phases_networks_and_shares(starved: TrialTimes) -> None:
    (verdict,) = found([starved], "cpu_starved")
    assert verdict.severity == "warn"
    assert "ethernet: uplink about 25 %" in verdict.finding
    assert "train 50 %" in verdict.finding
    assert verdict.next_step


def found(trials: list[TrialTimes], rule: str) -> list[Verdict]:
    return [verdict for verdict in judge(trials, measure(trials)) if verdict.rule == rule]


def waiting(trial: TrialTimes, share: float, *phases: str) -> TrialTimes:
    """The trial with these phases having waited for that share of their time."""

    def change(message: MessageTimes) -> MessageTimes:
        return replace(
            message,
            waited_for_core_s={
                name: share * message.intervals[name].seconds for name in phases if name in message.intervals
            },
        )

    return replace(trial, messages=[change(message) for message in trial.messages])


@pytest.mark.parametrize(
    ("interface", "share", "phase", "severity"),
    [
        ("5g", 0.09, "train", []),
        ("5g", 0.11, "train", ["warn"]),
        ("5g", 0.11, "boot", ["info"]),
        ("5g", 0.9, "inflate", []),  # 90 % of 3 ms
        ("5g", 0.3, "uplink", []),  # within 8 % of its bound: it waited in passing
        ("ethernet", 0.3, "uplink", ["warn"]),
    ],
)
def test_what_is_compared_weighs_more_than_a_start(
    interface: str, share: float, phase: str, severity: list[str]
) -> None:
    trial = waiting(made_trial(interface), share, phase)
    assert [verdict.severity for verdict in found([trial], "cpu_starved")] == severity


def test_ethernet_figures_are_cpu_figures_where_transfers_waited_for_a_core() -> None:
    slow = found(made_run(), "cpu_limited")[0].finding
    assert "2.46 times their bound: on 2 cores, Ethernet figures are CPU figures" in slow
    assert "waited" not in slow
    ethernet, other = (
        with_facts(with_messages(made_trial(name), {"uplink": None}), settings={"cpus": 1})
        for name in ("ethernet", "5g")
    )
    assert found([ethernet, other], "cpu_limited") == []
    assert found([ethernet, waiting(other, 0.4, "downlink")], "cpu_limited") == []
    (verdict,) = found([waiting(ethernet, 0.4, "downlink"), other], "cpu_limited")
    assert "downlink about 40 %" in verdict.finding
    assert "on 1 core, Ethernet figures are CPU figures" in verdict.finding
